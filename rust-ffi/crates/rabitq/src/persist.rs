//! One segment in one file.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic `RUVXSEG1` |
//! | 8..12 | version, 1 |
//! | 12..16 | length of the header, with the table of sections |
//! | 16..24 | length of the file |
//! | 24..28 | number of sections |
//! | 28..32 | CRC32C of the header, this field taken as 0 |
//! | 32..136 | [`Fixed`] |
//! | then | table: {kind u32, 0 u32, offset u64, length u64} for each section |
//! | then | sections, each at a multiple of 64, zeros between |
//! | last section | checksums: CRC32C of every MiB of the file before this section |
//! | last 8 | CRC32C of the checksums, and the end mark `RUVE` |
//!
//! All numbers are little-endian. The mapped file is the index: nothing is converted.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::encode::Codec;
use crate::error::{Error, Result};
use crate::ids::IdMap;
use crate::index::CellIndex;
use crate::kmeans::{Tiles, tile_width};
use crate::layout::{BLOCK, Layout};
use crate::map::{AlignedBuf, Bytes, map_file};
use crate::options::{Kind, Metric, Options, OriginalsMode};
use crate::partition::Partition;
use crate::segment::{Cell, Codes, OneBit, Originals, Segment};

const MAGIC: &[u8; 8] = b"RUVXSEG1";
const END: &[u8; 4] = b"RUVE";
const VERSION: u32 = 1;
const ALIGN: usize = 64;
const CHECKED: usize = 1 << 20;
const FIXED_AT: usize = 32;
const TABLE_AT: usize = FIXED_AT + size_of::<Fixed>();
const MAX_SECTIONS: usize = 64;

#[cfg(target_endian = "big")]
compile_error!("the file format is little-endian and used in place");

/// How [`open`] brings a file into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Maps it: no reading, no private memory; others must not shorten the file meanwhile.
    Map,
    /// Reads it into memory: for files that others may change.
    Load,
}

/// The header's fields of fixed size.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Fixed {
    kind: i32,
    metric: i32,
    dim: u32,
    bits: u32,
    rerank_factor: u32,
    epsilon: f32,
    seed: u64,
    rows: u64,
    id_base: i64,
    id_width: u32,
    cells: u32,
    one: OneBit,
    nlist: u32,
    nprobe: u32,
    /// Cells of the partition, 0 where there is none.
    partition: u32,
    /// What one unit of a centroid's byte is worth.
    tile_step: f32,
    /// 1 where an IVF index keeps no originals.
    codes_only: u32,
    /// Rows that the index had when its cells were trained.
    trained: u32,
    reserved: [u32; 3],
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    kind: u32,
    reserved: u32,
    offset: u64,
    length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Section {
    Mean = 1,
    Cells = 2,
    Blocks = 3,
    Records = 4,
    Ids = 5,
    IdOrder = 6,
    Originals = 7,
    InverseNorms = 8,
    Checksums = 9,
    Places = 10,
    Centroids = 11,
    Radii = 12,
    CentroidTiles = 13,
    CentroidKeys = 14,
    Biases = 15,
}

impl Section {
    const ALL: [Section; 15] = [
        Section::Mean,
        Section::Cells,
        Section::Blocks,
        Section::Records,
        Section::Ids,
        Section::IdOrder,
        Section::Originals,
        Section::InverseNorms,
        Section::Checksums,
        Section::Places,
        Section::Centroids,
        Section::Radii,
        Section::CentroidTiles,
        Section::CentroidKeys,
        Section::Biases,
    ];

    fn name(self) -> &'static str {
        match self {
            Section::Mean => "mean",
            Section::Cells => "cells",
            Section::Blocks => "blocks",
            Section::Records => "records",
            Section::Ids => "ids",
            Section::IdOrder => "id order",
            Section::Originals => "originals",
            Section::InverseNorms => "inverse norms",
            Section::Checksums => "checksums",
            Section::Places => "places",
            Section::Centroids => "centroids",
            Section::Radii => "radii",
            Section::CentroidTiles => "centroid tiles",
            Section::CentroidKeys => "centroid keys",
            Section::Biases => "biases",
        }
    }
}

/// What a section holds: bytes as they are, or rows with gaps between them.
enum Content<'a> {
    Plain(&'a [u8]),
    Rows(&'a Originals),
}

impl Content<'_> {
    fn len(&self) -> usize {
        match self {
            Content::Plain(bytes) => bytes.len(),
            Content::Rows(originals) => originals.view().len() * originals.view().dim() * 4,
        }
    }
}

/// Writes `segment` (none: an index without rows) as the file `path`: temporary file, fsync,
/// rename, fsync of the folder.
pub(crate) fn save(path: &Path, options: &Options, segment: Option<&Segment>) -> Result<()> {
    let codes = segment.and_then(|s| s.codes.as_ref());
    let mut sections: Vec<(Section, Content)> = Vec::new();
    let mut add = |section, bytes| sections.push((section, Content::Plain(bytes)));
    if let Some(codes) = codes {
        add(Section::Mean, bytemuck::cast_slice(&codes.codec.mean));
        add(Section::Cells, bytemuck::cast_slice(&codes.cells));
        add(Section::Blocks, &codes.blocks);
        add(Section::Records, &codes.records);
        if let Some(partition) = &codes.partition {
            add(Section::Centroids, &partition.centroids);
            add(Section::Radii, &partition.radii);
            add(Section::Biases, &partition.biases);
            add(Section::CentroidTiles, &partition.tiles.bytes);
            add(Section::CentroidKeys, &partition.keys);
        }
    }
    if let Some(segment) = segment {
        add(Section::Ids, &segment.ids.ids);
        add(Section::IdOrder, &segment.ids.order);
        if let Some(places) = &segment.places {
            add(Section::Places, places);
        }
        if let Some(norms) = &segment.inverse_norms {
            add(Section::InverseNorms, norms);
        }
        if let Some(originals) = &segment.originals {
            sections.push((Section::Originals, Content::Rows(originals)));
        }
    }
    sections.retain(|(_, content)| content.len() > 0);
    let fixed = Fixed {
        kind: options.kind as i32,
        metric: options.metric as i32,
        dim: options.dim as u32,
        bits: options.bits,
        rerank_factor: options.rerank_factor,
        epsilon: options.epsilon,
        seed: options.seed,
        rows: segment.map_or(0, |s| s.rows as u64),
        id_base: segment.map_or(0, |s| s.ids.base),
        id_width: segment.map_or(0, |s| s.ids.width),
        cells: codes.map_or(0, |c| c.cells.len() as u32),
        one: codes.map_or(OneBit::zeroed(), |c| c.one),
        nlist: options.nlist,
        nprobe: options.nprobe,
        partition: codes
            .and_then(|c| c.partition.as_ref())
            .map_or(0, |p| p.count() as u32),
        tile_step: codes
            .and_then(|c| c.partition.as_ref())
            .map_or(0.0, |p| p.tiles.step),
        codes_only: (options.kind == Kind::Ivf && !options.keeps_originals()) as u32,
        trained: codes
            .and_then(|c| c.partition.as_ref())
            .map_or(0, |p| p.trained as u32),
        reserved: [0; 3],
    };
    replace(path, |file| write(file, fixed, &sections))
        .map_err(|e| Error::persist(path, "write", e))
}

fn write(file: &mut File, fixed: Fixed, sections: &[(Section, Content)]) -> io::Result<()> {
    let header_len = TABLE_AT + (sections.len() + 1) * size_of::<Entry>();
    let mut end = header_len;
    let mut table = Vec::new();
    let mut place = |section: Section, length: usize| {
        let offset = end.next_multiple_of(ALIGN);
        end = offset + length;
        table.push(Entry {
            kind: section as u32,
            reserved: 0,
            offset: offset as u64,
            length: length as u64,
        });
        offset
    };
    let offsets: Vec<usize> = sections
        .iter()
        .map(|(section, content)| place(*section, content.len()))
        .collect();
    let body = offsets
        .last()
        .map_or(header_len, |&at| at + sections[sections.len() - 1].1.len());
    let covered = body.next_multiple_of(ALIGN);
    let checksums_at = place(Section::Checksums, covered.div_ceil(CHECKED) * 4);
    debug_assert_eq!(checksums_at, covered);
    let file_len = end + 8;

    let mut header = Vec::with_capacity(header_len);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&(header_len as u32).to_le_bytes());
    header.extend_from_slice(&(file_len as u64).to_le_bytes());
    header.extend_from_slice(&(table.len() as u32).to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(bytemuck::bytes_of(&fixed));
    header.extend_from_slice(bytemuck::cast_slice(&table));
    let crc = crc32c::crc32c(&header);
    header[28..32].copy_from_slice(&crc.to_le_bytes());

    let mut out = Summing {
        out: io::BufWriter::with_capacity(CHECKED, file),
        crc: 0,
        filled: 0,
        sums: Vec::new(),
        at: 0,
    };
    out.write_all(&header)?;
    for ((_, content), offset) in sections.iter().zip(offsets) {
        out.pad_to(offset)?;
        match content {
            Content::Plain(bytes) => out.write_all(bytes)?,
            Content::Rows(originals) => {
                let view = originals.view();
                (0..view.len())
                    .try_for_each(|i| out.write_all(bytemuck::cast_slice(view.row(i))))?;
            }
        }
    }
    out.pad_to(covered)?;
    let (mut plain, sums) = out.finish();
    let sums: Vec<u8> = sums.iter().flat_map(|s| s.to_le_bytes()).collect();
    plain.write_all(&sums)?;
    plain.write_all(&crc32c::crc32c(&sums).to_le_bytes())?;
    plain.write_all(END)?;
    plain.flush()
}

/// Writes through and keeps a CRC32C for each MiB.
struct Summing<W> {
    out: W,
    crc: u32,
    filled: usize,
    sums: Vec<u32>,
    at: usize,
}

impl<W: Write> Summing<W> {
    fn pad_to(&mut self, offset: usize) -> io::Result<()> {
        let zeros = [0u8; ALIGN];
        let gap = offset - self.at;
        self.write_all(&zeros[..gap])
    }

    fn finish(mut self) -> (W, Vec<u32>) {
        if self.filled > 0 {
            self.sums.push(self.crc);
        }
        (self.out, self.sums)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(CHECKED - self.filled);
        self.out.write_all(&bytes[..n])?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..n]);
        self.filled += n;
        self.at += n;
        if self.filled == CHECKED {
            self.sums.push(self.crc);
            (self.crc, self.filled) = (0, 0);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a file through a temporary one beside it, so that `path` is the old file or the new one.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not the name of a file",
        ));
    };
    let prefix = format!(".{}.tmp-", name.to_string_lossy());
    remove_stale(folder, &prefix);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix("");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temp = loop {
        let temp = builder.tempfile_in(folder)?;
        // A lock on the temporary file tells a live writer from one that was killed; until it was
        // there, another writer may have taken this one away.
        temp.as_file().lock()?;
        if temp.path().exists() {
            break temp;
        }
    };
    write(temp.as_file_mut())?;
    temp.as_file().sync_all()?;
    temp.persist(path).map_err(|e| e.error)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Removes what killed writers of the same file left behind; failures are left for the next time.
fn remove_stale(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix)
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Opens a saved index. The header, lengths and bounds are checked always; `verify` checks every
/// byte against its checksum first.
pub(crate) fn open_index(path: &Path, mode: OpenMode, verify: bool) -> Result<CellIndex> {
    let bytes = match mode {
        OpenMode::Map => Bytes::from_file(map_file(path)?),
        OpenMode::Load => load(path)?,
    };
    let file = Parsed::new(path, bytes)?;
    if verify {
        file.verify()?;
    }
    file.index(mode)
}

/// Reads a saved index and checks every byte against its checksum.
pub fn verify(path: &Path) -> Result<()> {
    Parsed::new(path, Bytes::from_file(map_file(path)?))?.verify()
}

fn load(path: &Path) -> Result<Bytes> {
    let read = || -> io::Result<AlignedBuf> {
        let mut file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut buffer = AlignedBuf::zeroed(len).map_err(io::Error::other)?;
        file.read_exact(&mut buffer)?;
        Ok(buffer)
    };
    read()
        .map(Bytes::from)
        .map_err(|e| Error::persist(path, "read", e))
}

struct Parsed {
    path: PathBuf,
    bytes: Bytes,
    fixed: Fixed,
    sections: Vec<(Section, Range<usize>)>,
}

impl Parsed {
    fn new(path: &Path, bytes: Bytes) -> Result<Self> {
        let bad = |section: &str, reason: String| Error::persist(path, section, reason);
        let header = |reason: String| bad("header", reason);
        if bytes.len() < TABLE_AT || &bytes[..8] != MAGIC {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
            return Err(header(format!(
                "expected the mark RUVXSEG1 and {TABLE_AT} bytes, got {start:?} and {}",
                bytes.len()
            )));
        }
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        if word(8) != VERSION {
            return Err(header(format!(
                "format version {}, this library reads {VERSION}",
                word(8)
            )));
        }
        let (header_len, count, crc) = (word(12) as usize, word(24) as usize, word(28));
        let file_len = u64::from_le_bytes(bytes[16..24].try_into().expect("8 bytes"));
        if file_len != bytes.len() as u64 {
            return Err(header(format!(
                "expected a file of {file_len} bytes, got {}",
                bytes.len()
            )));
        }
        if count > MAX_SECTIONS
            || header_len != TABLE_AT + count * size_of::<Entry>()
            || header_len > bytes.len()
        {
            return Err(header(format!(
                "{count} sections in a header of {header_len} bytes"
            )));
        }
        let mut plain = bytes[..header_len].to_vec();
        plain[28..32].fill(0);
        if crc32c::crc32c(&plain) != crc {
            return Err(header(format!(
                "checksum {:08x}, expected {crc:08x}",
                crc32c::crc32c(&plain)
            )));
        }
        let fixed: Fixed = bytemuck::pod_read_unaligned(&bytes[FIXED_AT..TABLE_AT]);
        let mut sections: Vec<(Section, Range<usize>)> = Vec::new();
        let mut last = header_len;
        for i in 0..count {
            let at = TABLE_AT + i * size_of::<Entry>();
            let entry: Entry = bytemuck::pod_read_unaligned(&bytes[at..at + size_of::<Entry>()]);
            let Some(section) = Section::ALL.into_iter().find(|s| *s as u32 == entry.kind) else {
                return Err(bad(
                    &format!("section {i}"),
                    format!("unknown kind {}", entry.kind),
                ));
            };
            let end = entry
                .offset
                .checked_add(entry.length)
                .filter(|&end| end + 8 <= file_len);
            let sound = entry.offset.is_multiple_of(ALIGN as u64) && entry.offset >= last as u64;
            let Some(end) = end.filter(|_| sound) else {
                let reason = format!(
                    "{} bytes at {} in a file of {file_len}",
                    entry.length, entry.offset
                );
                return Err(bad(section.name(), reason));
            };
            if sections.iter().any(|(s, _)| *s == section) {
                return Err(bad(section.name(), "given twice".into()));
            }
            last = end as usize;
            sections.push((section, entry.offset as usize..end as usize));
        }
        if sections.last().map(|(s, _)| *s) != Some(Section::Checksums) {
            return Err(bad("checksums", "expected as the last section".into()));
        }
        Ok(Parsed {
            path: path.to_owned(),
            bytes,
            fixed,
            sections,
        })
    }

    fn bad(&self, section: &str, reason: impl ToString) -> Error {
        Error::persist(&self.path, section, reason)
    }

    fn verify(&self) -> Result<()> {
        let (_, sums) = self.sections.last().expect("checked when parsed");
        let covered = &self.bytes[..sums.start];
        let stored = &self.bytes[sums.clone()];
        let end = &self.bytes[sums.end..];
        if end.len() != 8 || &end[4..] != END || end[..4] != crc32c::crc32c(stored).to_le_bytes() {
            return Err(self.bad("checksums", "the checksums do not match their own checksum"));
        }
        if stored.len() != covered.len().div_ceil(CHECKED) * 4 {
            return Err(self.bad(
                "checksums",
                format!("{} bytes for a file of {}", stored.len(), covered.len()),
            ));
        }
        for (i, (part, sum)) in covered.chunks(CHECKED).zip(stored.chunks(4)).enumerate() {
            if crc32c::crc32c(part).to_le_bytes() != sum {
                let range = i * CHECKED..i * CHECKED + part.len();
                let inside = |r: &Range<usize>| r.start < range.end && range.start < r.end;
                let names: Vec<&str> = self
                    .sections
                    .iter()
                    .filter(|(_, r)| inside(r))
                    .map(|(s, _)| s.name())
                    .collect();
                let names = if names.is_empty() {
                    "header".into()
                } else {
                    names.join(" or ")
                };
                return Err(self.bad(
                    &names,
                    format!(
                        "checksum mismatch in bytes {} to {}",
                        range.start, range.end
                    ),
                ));
            }
        }
        Ok(())
    }

    fn has(&self, section: Section) -> bool {
        self.sections.iter().any(|(s, _)| *s == section)
    }

    /// A section of exactly `length` bytes; one of no bytes is not written.
    fn section(&self, section: Section, length: Option<usize>) -> Result<Bytes> {
        let found = self
            .sections
            .iter()
            .find(|(s, _)| *s == section)
            .map_or(0..0, |(_, r)| r.clone());
        if Some(found.len()) != length {
            let expected = length.map_or("fewer".into(), |n| n.to_string());
            return Err(self.bad(
                section.name(),
                format!("expected {expected} bytes, got {}", found.len()),
            ));
        }
        Ok(self.bytes.part(found).expect("checked when parsed"))
    }

    fn index(&self, mode: OpenMode) -> Result<CellIndex> {
        let f = &self.fixed;
        let header = |e: Error| self.bad("header", e);
        let options = Options {
            kind: Kind::try_from(f.kind).map_err(header)?,
            metric: Metric::try_from(f.metric).map_err(header)?,
            dim: f.dim as usize,
            bits: f.bits,
            seed: f.seed,
            rerank_factor: f.rerank_factor,
            epsilon: f.epsilon,
            originals: if f.codes_only == 1 {
                OriginalsMode::None
            } else {
                OriginalsMode::Copy
            },
            nlist: f.nlist,
            nprobe: f.nprobe,
        };
        let mut options = options.validate().map_err(header)?;
        if options.keeps_originals() && mode == OpenMode::Map {
            options.originals = OriginalsMode::Mapped;
        }
        if f.rows > u32::MAX as u64 {
            return Err(self.bad(
                "header",
                format!("{} rows, allowed: at most {}", f.rows, u32::MAX),
            ));
        }
        let rows = f.rows as usize;
        if rows == 0 {
            options.originals = if options.keeps_originals() {
                OriginalsMode::Copy
            } else {
                OriginalsMode::None
            };
            return CellIndex::create(options);
        }
        let ids = self.ids(rows)?;
        let codes = if options.kind.has_codes() {
            Some(self.codes(&options, rows)?)
        } else {
            None
        };
        let originals = match options.keeps_originals() {
            false => None,
            true => {
                let bytes = self.section(Section::Originals, rows.checked_mul(options.dim * 4))?;
                Some(Originals::Owned {
                    bytes,
                    rows,
                    dim: options.dim,
                })
            }
        };
        let places = match self.has(Section::Places) && originals.is_some() {
            true => Some(self.section(Section::Places, rows.checked_mul(4))?),
            false => None,
        };
        let inverse_norms = match (&originals, options.metric) {
            (Some(_), Metric::Cosine) => Some(self.section(Section::InverseNorms, Some(rows * 4))?),
            _ => None,
        };
        Ok(CellIndex::from_segment(
            options,
            Segment {
                rows,
                ids,
                codes,
                originals,
                places,
                inverse_norms,
            },
        ))
    }

    fn ids(&self, rows: usize) -> Result<IdMap> {
        let width = self.fixed.id_width;
        if !matches!(width, 0 | 4 | 8) {
            return Err(self.bad(
                "header",
                format!("ids of {width} bytes, expected 0, 4 or 8"),
            ));
        }
        let ids = self.section(Section::Ids, Some(rows * width as usize))?;
        let ordered = width == 0 || !self.has(Section::IdOrder);
        let order = self.section(Section::IdOrder, Some(if ordered { 0 } else { rows * 4 }))?;
        Ok(IdMap {
            rows,
            base: self.fixed.id_base,
            width,
            ids,
            order,
        })
    }

    fn codes(&self, options: &Options, rows: usize) -> Result<Codes> {
        let layout = Layout::new(options.dim, options.bits);
        let mean = self.section(Section::Mean, Some(options.dim * 4))?;
        let count = self.fixed.cells as usize;
        let parts = self.fixed.partition as usize;
        if count != parts + 1 {
            let reason = format!(
                "{count} cells for {parts} centroids, expected {}",
                parts + 1
            );
            return Err(self.bad("cells", reason));
        }
        let cells: Vec<Cell> = self
            .section(Section::Cells, count.checked_mul(size_of::<Cell>()))?
            .typed()
            .to_vec();
        let (mut row, mut block) = (0u64, 0u64);
        for (i, cell) in cells.iter().enumerate() {
            if cell.first_row as u64 != row || cell.first_block as u64 != block {
                return Err(self.bad(
                    "cells",
                    format!("cell {i} starts at row {}, expected {row}", cell.first_row),
                ));
            }
            row += cell.rows as u64;
            block += (cell.rows as usize).div_ceil(BLOCK) as u64;
        }
        if row != rows as u64 {
            return Err(self.bad("cells", format!("they hold {row} rows, expected {rows}")));
        }
        let blocks = self.section(
            Section::Blocks,
            (block as usize).checked_mul(layout.block_bytes),
        )?;
        let records = self.section(Section::Records, rows.checked_mul(layout.record_bytes))?;
        let mean = mean.typed().to_vec();
        if !mean.iter().all(|x: &f32| x.is_finite()) {
            return Err(self.bad("mean", "a component is not finite"));
        }
        let partition = if parts > 0 {
            Some(self.partition(options.dim, parts)?)
        } else {
            None
        };
        Ok(Codes {
            codec: Arc::new(Codec::new(options, mean)),
            partition,
            cells,
            one: self.fixed.one,
            blocks,
            records,
        })
    }

    fn partition(&self, dim: usize, count: usize) -> Result<Arc<Partition>> {
        let centroids = self.section(Section::Centroids, count.checked_mul(dim * 4))?;
        let radii = self.section(Section::Radii, count.checked_mul(4))?;
        let biases = self.section(Section::Biases, count.checked_mul(4))?;
        let (tiles, keys) = Partition::table_bytes(dim, count);
        let tiles = Tiles {
            width: tile_width(dim),
            step: self.fixed.tile_step,
            bytes: self.section(Section::CentroidTiles, Some(tiles))?,
        };
        let keys = self.section(Section::CentroidKeys, Some(keys))?;
        Ok(Arc::new(Partition::new(
            dim,
            centroids,
            radii,
            biases,
            tiles,
            keys,
            self.fixed.trained as usize,
        )))
    }
}
