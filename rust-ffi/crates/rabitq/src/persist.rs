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
//! | then | sections, each at a multiple of 64 (originals: first, at 4,096), zeros between |
//! | last section | checksums: CRC32C of every MiB of the file before this section |
//! | last 8 | CRC32C of the checksums, and the end mark `RUVE` |
//!
//! All numbers are little-endian. The mapped file is the index: nothing is converted.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
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
const ALIGN: u64 = 64;
/// Alignment of originals: a cold search reads single rows, each from as few pages as can be.
const PAGE: u64 = 4096;
/// Where the originals lie: first of all sections, behind the longest header.
pub(crate) const ORIGINALS_AT: u64 = PAGE;
const CHECKED: usize = 1 << 20;
const FIXED_AT: usize = 32;
const TABLE_AT: usize = FIXED_AT + size_of::<Fixed>();
const MAX_SECTIONS: usize = 64;
const _: () = assert!(TABLE_AT + MAX_SECTIONS * size_of::<Entry>() <= ORIGINALS_AT as usize);

#[cfg(target_endian = "big")]
compile_error!("the file format is little-endian and used in place");

/// How [`open`] brings a file into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Maps it: no reading, no private memory; others must not shorten the file meanwhile.
    Map,
    /// Reads it into memory: for files that others may change.
    Load,
    /// Reads all but the originals into memory and maps those, to be read row by row: for an index
    /// whose codes fit in memory and whose originals need not. A search reads the rows that it
    /// compares exactly, and nothing around them.
    LoadCodes,
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
pub(crate) enum Section {
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
    Spreads = 12,
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
        Section::Spreads,
        Section::CentroidTiles,
        Section::CentroidKeys,
        Section::Biases,
    ];

    fn align(self) -> u64 {
        match self {
            Section::Originals => PAGE,
            _ => ALIGN,
        }
    }

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
            Section::Spreads => "spreads",
            Section::CentroidTiles => "centroid tiles",
            Section::CentroidKeys => "centroid keys",
            Section::Biases => "biases",
        }
    }
}

/// What a section holds.
pub(crate) enum Content<'a> {
    Plain(&'a [u8]),
    /// Rows with gaps between them.
    Rows(&'a Originals),
    /// So many bytes, which are written by themselves.
    Apart(u64),
}

impl Content<'_> {
    fn len(&self) -> u64 {
        match self {
            Content::Plain(bytes) => bytes.len() as u64,
            Content::Rows(originals) => {
                let view = originals.view();
                view.len() as u64 * view.dim() as u64 * 4
            }
            Content::Apart(bytes) => *bytes,
        }
    }
}

/// What a file is made of.
pub(crate) struct Parts<'a> {
    pub(crate) ids: &'a IdMap,
    pub(crate) codes: Option<CodeParts<'a>>,
    pub(crate) places: Option<&'a [u8]>,
    pub(crate) inverse_norms: Option<Content<'a>>,
    pub(crate) originals: Option<Content<'a>>,
}

pub(crate) struct CodeParts<'a> {
    pub(crate) mean: &'a [f32],
    pub(crate) cells: &'a [Cell],
    pub(crate) one: OneBit,
    pub(crate) blocks: Content<'a>,
    pub(crate) records: Content<'a>,
    pub(crate) partition: Option<&'a Partition>,
}

impl<'a> Parts<'a> {
    fn of(segment: &'a Segment) -> Self {
        let code_parts = |codes: &'a Codes| CodeParts {
            mean: &codes.codec.mean,
            cells: &codes.cells,
            one: codes.one,
            blocks: Content::Plain(&codes.blocks),
            records: Content::Plain(&codes.records),
            partition: codes.partition.as_deref(),
        };
        Parts {
            ids: &segment.ids,
            codes: segment.codes.as_ref().map(code_parts),
            places: segment.places.as_deref(),
            inverse_norms: segment.inverse_norms.as_deref().map(Content::Plain),
            originals: segment.originals.as_ref().map(Content::Rows),
        }
    }
}

/// A file that is about to be written: where everything goes.
pub(crate) struct Draft<'a> {
    fixed: Fixed,
    sections: Vec<(Section, Content<'a>)>,
    table: Vec<Entry>,
    /// Bytes that the checksums cover.
    covered: u64,
}

impl<'a> Draft<'a> {
    /// The file of `parts`, of an index without rows where there are none.
    pub(crate) fn new(options: &Options, parts: Option<Parts<'a>>) -> Self {
        let mut fixed = Fixed {
            kind: options.kind as i32,
            metric: options.metric as i32,
            dim: options.dim as u32,
            bits: options.bits,
            rerank_factor: options.rerank_factor,
            epsilon: options.epsilon,
            seed: options.seed,
            nlist: options.nlist,
            nprobe: options.nprobe,
            codes_only: (options.kind == Kind::Ivf && !options.keeps_originals()) as u32,
            ..Fixed::zeroed()
        };
        let mut sections: Vec<(Section, Content)> = Vec::new();
        if let Some(parts) = parts {
            let mut add = |section, content| sections.push((section, content));
            // First, so that they can be written before anything else is known.
            if let Some(originals) = parts.originals {
                add(Section::Originals, originals);
            }
            if let Some(codes) = parts.codes {
                add(
                    Section::Mean,
                    Content::Plain(bytemuck::cast_slice(codes.mean)),
                );
                add(
                    Section::Cells,
                    Content::Plain(bytemuck::cast_slice(codes.cells)),
                );
                add(Section::Blocks, codes.blocks);
                add(Section::Records, codes.records);
                (fixed.cells, fixed.one) = (codes.cells.len() as u32, codes.one);
                if let Some(partition) = codes.partition {
                    add(Section::Centroids, Content::Plain(&partition.centroids));
                    add(Section::Spreads, Content::Plain(&partition.spreads));
                    add(Section::Biases, Content::Plain(&partition.biases));
                    add(
                        Section::CentroidTiles,
                        Content::Plain(&partition.tiles.bytes),
                    );
                    add(Section::CentroidKeys, Content::Plain(&partition.keys));
                    fixed.partition = partition.count() as u32;
                    fixed.tile_step = partition.tiles.step;
                    fixed.trained = partition.trained as u32;
                }
            }
            let ids = parts.ids;
            add(Section::Ids, Content::Plain(&ids.ids));
            add(Section::IdOrder, Content::Plain(&ids.order));
            (fixed.rows, fixed.id_base, fixed.id_width) = (ids.rows as u64, ids.base, ids.width);
            if let Some(places) = parts.places {
                add(Section::Places, Content::Plain(places));
            }
            if let Some(norms) = parts.inverse_norms {
                add(Section::InverseNorms, norms);
            }
        }
        sections.retain(|(_, content)| content.len() > 0);
        let mut end = (TABLE_AT + (sections.len() + 1) * size_of::<Entry>()) as u64;
        let mut table: Vec<Entry> = Vec::new();
        for (section, content) in &sections {
            let entry = Entry {
                kind: *section as u32,
                reserved: 0,
                offset: end.next_multiple_of(section.align()),
                length: content.len(),
            };
            end = entry.offset + entry.length;
            table.push(entry);
        }
        let covered = end.next_multiple_of(ALIGN);
        table.push(Entry {
            kind: Section::Checksums as u32,
            reserved: 0,
            offset: covered,
            length: covered.div_ceil(CHECKED as u64) * 4,
        });
        Draft {
            fixed,
            sections,
            table,
            covered,
        }
    }

    /// Where the first byte of a section goes.
    pub(crate) fn offset(&self, section: Section) -> u64 {
        let entry = self.table.iter().find(|e| e.kind == section as u32);
        entry.map_or(0, |e| e.offset)
    }

    fn header(&self) -> Vec<u8> {
        let header_len = TABLE_AT + self.table.len() * size_of::<Entry>();
        let last = self.table.last().expect("the checksums");
        let mut header = Vec::with_capacity(header_len);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&(header_len as u32).to_le_bytes());
        header.extend_from_slice(&(last.offset + last.length + 8).to_le_bytes());
        header.extend_from_slice(&(self.table.len() as u32).to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(bytemuck::bytes_of(&self.fixed));
        header.extend_from_slice(bytemuck::cast_slice(&self.table));
        let crc = crc32c::crc32c(&header);
        header[28..32].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Writes the file from its first byte to its last; nothing of it may be written apart.
    pub(crate) fn write(&self, file: &mut File) -> io::Result<()> {
        let mut out = Summing::new(io::BufWriter::with_capacity(CHECKED, file));
        out.write_all(&self.header())?;
        for ((_, content), entry) in self.sections.iter().zip(&self.table) {
            out.pad_to(entry.offset)?;
            match content {
                Content::Plain(bytes) => out.write_all(bytes)?,
                Content::Rows(originals) => {
                    let view = originals.view();
                    (0..view.len())
                        .try_for_each(|i| out.write_all(bytemuck::cast_slice(view.row(i))))?;
                }
                Content::Apart(_) => unreachable!("a segment has its bytes at hand"),
            }
        }
        out.pad_to(self.covered)?;
        out.finish()
    }

    /// Writes what is at hand to its place; the rest is written apart.
    pub(crate) fn write_plain(self, file: &mut File) -> io::Result<Draft<'static>> {
        let write = |((section, content), entry): ((Section, Content), &Entry)| {
            if let Content::Plain(bytes) = content {
                file.seek(SeekFrom::Start(entry.offset))?;
                file.write_all(bytes)?;
            }
            Ok((section, Content::Apart(entry.length)))
        };
        let written = self.sections.into_iter().zip(&self.table).map(write);
        Ok(Draft {
            sections: written.collect::<io::Result<_>>()?,
            fixed: self.fixed,
            table: self.table,
            covered: self.covered,
        })
    }

    /// Completes a file whose sections are written: the header, and the checksums of all that is
    /// there.
    pub(crate) fn seal(mut self, file: &mut File, one: OneBit) -> io::Result<()> {
        self.fixed.one = one;
        file.rewind()?;
        file.write_all(&self.header())?;
        file.set_len(self.covered)?;
        file.rewind()?;
        let mut sums = Summing::new(io::sink());
        let mut part = vec![0u8; CHECKED];
        loop {
            let n = file.read(&mut part)?;
            if n == 0 {
                break;
            }
            sums.write_all(&part[..n])?;
        }
        sums.with(file).finish()
    }
}

/// Writes `segment` (none: an index without rows) as the file `path`: temporary file, fsync,
/// rename, fsync of the folder.
pub(crate) fn save(path: &Path, options: &Options, segment: Option<&Segment>) -> Result<()> {
    let draft = Draft::new(options, segment.map(Parts::of));
    replace_file(path, |file| draft.write(file)).map_err(|e| Error::persist(path, "write", e))
}

/// Writes through and keeps a CRC32C for each MiB.
struct Summing<W> {
    out: W,
    crc: u32,
    filled: usize,
    sums: Vec<u32>,
    at: u64,
}

impl<W: Write> Summing<W> {
    fn new(out: W) -> Self {
        Summing {
            out,
            crc: 0,
            filled: 0,
            sums: Vec::new(),
            at: 0,
        }
    }

    /// The same sums, over another writer.
    fn with<V>(self, out: V) -> Summing<V> {
        Summing {
            out,
            crc: self.crc,
            filled: self.filled,
            sums: self.sums,
            at: self.at,
        }
    }

    fn pad_to(&mut self, offset: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(offset - self.at), self).map(|_| ())
    }

    /// Writes the checksums of what was written, and the end of the file.
    fn finish(mut self) -> io::Result<()> {
        if self.filled > 0 {
            self.sums.push(self.crc);
        }
        let sums: Vec<u8> = self.sums.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.out.write_all(&sums)?;
        self.out.write_all(&crc32c::crc32c(&sums).to_le_bytes())?;
        self.out.write_all(END)?;
        self.out.flush()
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(CHECKED - self.filled);
        self.out.write_all(&bytes[..n])?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..n]);
        self.filled += n;
        self.at += n as u64;
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

/// A file that takes the name `path` once it is whole, so that the old file or the new one is there.
/// Dropped before, it leaves nothing behind.
pub(crate) struct Temp {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Temp {
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let folder = folder_of(path);
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
        let file = loop {
            let temp = builder.tempfile_in(folder)?;
            // A lock on the temporary file tells a live writer from one that was killed; until it
            // was there, another writer may have taken this one away.
            temp.as_file().lock()?;
            if temp.path().exists() {
                break temp;
            }
        };
        let path = path.to_owned();
        Ok(Temp { file, path })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    pub(crate) fn commit(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|e| e.error)?;
        #[cfg(unix)]
        File::open(folder_of(&self.path))?.sync_all()?;
        Ok(())
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes a file whole or not at all, and returns once it and its folder are on the disk. A name that
/// begins with `.<name>.tmp-` stands beside it meanwhile; what killed writers left is removed.
pub fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut temp = Temp::beside(path)?;
    write(temp.file())?;
    temp.commit()
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
    let (bytes, file) = match mode {
        OpenMode::Map => (Bytes::from_file(map_file(path)?.1), None),
        OpenMode::Load => (load(path)?, None),
        OpenMode::LoadCodes => {
            let (file, map) = map_file(path)?;
            (Bytes::from_file(map), Some(file))
        }
    };
    let mut parsed = Parsed::new(path, bytes)?;
    if verify {
        parsed.verify()?;
    }
    parsed.codes_from = file;
    parsed.index(mode)
}

/// Reads a saved index into memory and checks every byte against its checksum, once the caller has
/// seen these very bytes and has no reason to refuse them.
pub(crate) fn load_index(
    path: &Path,
    check: impl FnOnce(&[u8]) -> std::result::Result<(), String>,
) -> Result<CellIndex> {
    let bytes = load(path)?;
    check(&bytes).map_err(|reason| Error::persist(path, "file", reason))?;
    let parsed = Parsed::new(path, bytes)?;
    parsed.verify()?;
    parsed.index(OpenMode::Load)
}

/// Reads a saved index and checks every byte against its checksum.
pub fn verify(path: &Path) -> Result<()> {
    Parsed::new(path, Bytes::from_file(map_file(path)?.1))?.verify()
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
    /// Where all but the originals are read from; `None` where they stay in `bytes`.
    codes_from: Option<File>,
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
            let sound = entry.offset.is_multiple_of(ALIGN) && entry.offset >= last as u64;
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
            codes_from: None,
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
        match &self.codes_from {
            Some(file) if section != Section::Originals => self.read(section, file, found),
            _ => Ok(self.bytes.part(found).expect("checked when parsed")),
        }
    }

    fn read(&self, section: Section, mut file: &File, range: Range<usize>) -> Result<Bytes> {
        let mut buffer = AlignedBuf::zeroed(range.len())?;
        file.seek(SeekFrom::Start(range.start as u64))
            .and_then(|_| file.read_exact(&mut buffer))
            .map_err(|e| self.bad(section.name(), e))?;
        Ok(buffer.into())
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
        if options.keeps_originals() && mode != OpenMode::Load {
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
                let on_demand = mode == OpenMode::LoadCodes && options.kind.has_codes();
                if on_demand {
                    bytes.expect_random_reads();
                }
                Some(Originals::Owned {
                    bytes,
                    rows,
                    dim: options.dim,
                    on_demand,
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
        let spreads = self.section(Section::Spreads, count.checked_mul(4))?;
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
            spreads,
            biases,
            tiles,
            keys,
            self.fixed.trained as usize,
        )))
    }
}
