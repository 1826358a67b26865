//! Files of vectors in upstream's format `ruvec1`.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic `ruvec1\0\0` |
//! | 8..16 | number of records, u64 |
//! | 16..20 | dimensions, u32 |
//! | 20..24 | sequence, u32: 0 in upstream's files, which reads over it |
//! | then | records: {id 64 bits, components f32 each} |
//!
//! All numbers are little-endian.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rabitq::{MAX_DIM, replace_file};

use crate::error::{Error, Result};
use crate::files::{open_regular, read_at};

const MAGIC: &[u8; 8] = b"ruvec1\0\0";
const HEADER: usize = 24;
const ID: usize = 8;
/// Bytes that are read or written at a time: they stay in the processor's cache.
const CHUNK: usize = 256 * 1024;

/// Bytes of one record.
fn record_bytes(dim: usize) -> usize {
    ID + dim * size_of::<f32>()
}

/// Writes rows of `dim` components, whole or not at all, and returns once they are on the disk.
///
/// `sequence` goes into the header. A writer that gives each file of a name another one than the
/// file before had makes any two of them differ, whatever the clock says.
///
/// # Errors
///
/// [`Error::Argument`] on a dimension outside 1 to [`MAX_DIM`], or ids and rows that do not match;
/// [`Error::File`] on a failure of the system.
pub fn write_ruvec(
    path: &Path,
    dim: usize,
    ids: &[i64],
    rows: &[f32],
    sequence: NonZeroU32,
) -> Result<()> {
    if !(1..=MAX_DIM).contains(&dim) {
        return Err(Error::argument("dim", dim, format!("1 to {MAX_DIM}")));
    }
    if ids.len().checked_mul(dim) != Some(rows.len()) {
        let expected = format!("{dim} for each of {} ids", ids.len());
        return Err(Error::argument("components", rows.len(), expected));
    }
    let write = |file: &mut File| {
        let mut out = BufWriter::with_capacity(CHUNK, file);
        out.write_all(MAGIC)?;
        out.write_all(&(ids.len() as u64).to_le_bytes())?;
        out.write_all(&(dim as u32).to_le_bytes())?;
        out.write_all(&sequence.get().to_le_bytes())?;
        for (id, row) in ids.iter().zip(rows.chunks_exact(dim)) {
            out.write_all(&id.to_le_bytes())?;
            out.write_all(bytemuck::cast_slice(row))?;
        }
        out.flush()
    };
    replace_file(path, write).map_err(|e| Error::file(path, e))
}

/// A file of vectors, read by batches from one descriptor: what is read is what was opened, whatever
/// takes its name meanwhile. It is read, not mapped, so that a file which others shorten is an error
/// and not the end of the process.
#[derive(Debug)]
pub struct RuvecFile {
    file: File,
    path: PathBuf,
    dim: usize,
    rows: u64,
    sequence: u32,
    read: u64,
    /// The end of a chunk that is read already, and where it begins.
    chunk: Vec<u8>,
    at: usize,
}

impl RuvecFile {
    /// Opens a file and compares its header with its size.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be opened, is no regular file, or is not exactly as long as its
    /// header says. Nothing is allocated for what a header claims.
    pub fn open(path: &Path) -> Result<Self> {
        let bad = |reason: String| Error::file(path, reason);
        let (file, meta) = open_regular(path).map_err(|e| Error::file(path, e))?;
        let mut header = [0; HEADER];
        let read = read_at(&file, &mut header, 0).map_err(|e| Error::file(path, e))?;
        if read < HEADER {
            return Err(bad(format!("{read} bytes, expected a header of {HEADER}")));
        }
        let magic: &[u8] = &header[..8];
        if magic != MAGIC {
            let (got, expected) = (magic.escape_ascii(), MAGIC.escape_ascii());
            return Err(bad(format!("magic is \"{got}\", expected \"{expected}\"")));
        }
        let rows = u64::from_le_bytes(header[8..16].try_into().expect("8 bytes"));
        let number =
            |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        let (dim, sequence) = (number(16) as usize, number(20));
        if !(1..=MAX_DIM).contains(&dim) {
            return Err(bad(format!("dim is {dim}, allowed: 1 to {MAX_DIM}")));
        }
        let record = record_bytes(dim);
        let expected = HEADER as u128 + rows as u128 * record as u128;
        if meta.len() as u128 != expected {
            let actual = meta.len();
            return Err(bad(format!(
                "{actual} bytes, expected {expected} for {rows} rows of {dim} dimensions"
            )));
        }
        Ok(RuvecFile {
            file,
            path: path.to_owned(),
            dim,
            rows,
            sequence,
            read: 0,
            chunk: Vec::new(),
            at: 0,
        })
    }

    /// The descriptor that the rows come from.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rows of the file.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What its writer numbered it with; 0 where that was upstream.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Reads the next rows, as many as both buffers hold, in the file's order; returns how many came,
    /// 0 at the end.
    ///
    /// # Errors
    ///
    /// [`Error::File`] on a failure of the system, or a file that has become shorter.
    pub fn read_batch(&mut self, ids: &mut [i64], floats: &mut [f32]) -> Result<usize> {
        let room = ids.len().min(floats.len() / self.dim) as u64;
        let batch = room.min(self.rows - self.read) as usize;
        let record = record_bytes(self.dim);
        let mut places = ids[..batch]
            .iter_mut()
            .zip(floats.chunks_exact_mut(self.dim));
        let mut done = 0;
        while done < batch {
            if self.at == self.chunk.len() {
                self.fill()?;
            }
            let ready = (self.chunk.len() - self.at) / record;
            let records = self.chunk[self.at..].chunks_exact(record);
            let taken = ready.min(batch - done);
            for (bytes, (id, row)) in records.zip(places.by_ref().take(taken)) {
                let (head, body) = bytes.split_at(ID);
                *id = i64::from_le_bytes(head.try_into().expect("8 bytes"));
                bytemuck::cast_slice_mut(row).copy_from_slice(body);
            }
            self.at += taken * record;
            self.read += taken as u64;
            done += taken;
        }
        Ok(batch)
    }

    /// Reads the next chunk: whole records.
    fn fill(&mut self) -> Result<()> {
        let record = record_bytes(self.dim);
        let records = ((CHUNK / record).max(1) as u64).min(self.rows - self.read) as usize;
        let offset = HEADER as u64 + self.read * record as u64;
        self.chunk.resize(records * record, 0);
        self.at = 0;
        let filled = read_at(&self.file, &mut self.chunk, offset);
        let reason = match filled {
            Ok(filled) if filled == self.chunk.len() => return Ok(()),
            Ok(filled) => format!(
                "it ends at byte {} by now, expected {} rows",
                offset + filled as u64,
                self.rows
            ),
            Err(e) => e.to_string(),
        };
        // Nothing of it may be taken for rows.
        self.chunk.clear();
        Err(Error::file(&self.path, reason))
    }
}
