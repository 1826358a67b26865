//! Indexes written straight to a file, from rows that need not fit in memory.

use std::sync::Mutex;

use rabitq::{FileRows, IndexWriter};

use crate::abi::{self, ruv_index_options};
use crate::error::{Failure, ruv_error};
use crate::handle::{self, Live};
use crate::panic::guard;
use crate::pointer::{shared, size};

/// The rows of an index file that is being written: any number of threads may add to it, one after
/// another.
pub struct ruv_writer {
    core: Mutex<IndexWriter>,
    _live: Live,
}

impl ruv_writer {
    fn new(core: IndexWriter) -> ruv_writer {
        ruv_writer {
            core: Mutex::new(core),
            _live: Live::new(),
        }
    }

    /// Runs a change, after which the writer is poisoned if it panics.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut IndexWriter) -> rabitq::Result<T>,
    ) -> Result<T, Failure> {
        let mut core = self.core.lock().map_err(|_| Failure::poisoned())?;
        Ok(change(&mut core)?)
    }
}

/// Gives the caller a writer of the index file `path`, to finish or to free. It takes at most
/// `max_bytes` of memory, and spools rows beside the file. ARGUMENT (with the least `max_bytes`),
/// PERSIST.
///
/// # Safety
/// `options` is NULL or readable; `path` has `path_len` readable bytes of UTF-8; `out` and `err` are
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_writer_new(
    options: *const ruv_index_options,
    path: *const u8,
    path_len: usize,
    max_bytes: u64,
    out: *mut *mut ruv_writer,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let (options, path) = (abi::options(options)?, abi::path(path, path_len)?);
            handle::give(
                out,
                ruv_writer::new(IndexWriter::new(path, options, max_bytes)?),
            )
        })
    }
}

/// Copies the caller's `rows` rows of `dim` floats, `stride` bytes apart, to the writer, all or
/// none. `ids` has one id a row, NULL: first_id, first_id + 1, ... `cancel` is read while the call
/// runs: not zero stops it; NULL: none. ARGUMENT (also where the rows so far need more memory than
/// the writer's max_bytes), DIMENSION_MISMATCH, INVALID_VECTOR, PERSIST, CANCELLED, POISONED.
///
/// # Safety
/// `writer` is live; `data` has the rows, `ids` an id for each; `cancel` is NULL or readable; `err`
/// is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_writer_add(
    writer: *mut ruv_writer,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    cancel: *const i32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let writer = shared(writer, "writer")?;
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let (ids, control) = (abi::ids(ids, first_id, rows.len())?, abi::control(cancel)?);
            writer.change(|core| core.add(rows, ids, &control))
        })
    }
}

/// Makes the index of the caller's writer and gives the file its name. The writer is consumed, also
/// on error, which leaves nothing behind. DUPLICATE_ID (an id that came twice; its row counts from
/// the first that was added), PERSIST, CANCELLED, OUT_OF_MEMORY, POISONED.
///
/// # Safety
/// `writer` is NULL or live and no other call uses it; `cancel` is NULL or readable; `err` is NULL
/// or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_writer_finish(
    writer: *mut ruv_writer,
    cancel: *const i32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let writer = handle::take(writer, "writer")?;
            let core = writer.core.into_inner().map_err(|_| Failure::poisoned())?;
            Ok(core.finish(&abi::control(cancel)?)?)
        })
    }
}

/// Frees a writer that was not finished, and what it has spooled; NULL is nothing to do.
///
/// # Safety
/// `writer` is NULL or a live writer that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_writer_free(writer: *mut ruv_writer) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(writer) }
}

/// Writes the index of the rows of the caller's file `source` to the file `path`, with at most
/// `max_bytes` of memory: `rows` rows of options.dim little-endian floats, `offset` bytes into
/// `source`, `stride` bytes apart. Otherwise as a `ruv_writer` with these rows.
///
/// # Safety
/// `options` is NULL or readable; `source` and `path` have `source_len` and `path_len` readable
/// bytes of UTF-8; `ids` is NULL or has an id for each row; `cancel` is NULL or readable; `err` is
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_build_to(
    options: *const ruv_index_options,
    source: *const u8,
    source_len: usize,
    offset: u64,
    rows: u64,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    path: *const u8,
    path_len: usize,
    max_bytes: u64,
    cancel: *const i32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (options, source) = (abi::options(options)?, abi::path(source, source_len)?);
            let ids = abi::ids(ids, first_id, size(rows, "rows")?)?;
            let (path, control) = (abi::path(path, path_len)?, abi::control(cancel)?);
            let rows = FileRows::open(source, offset, rows, options.dim, stride)?;
            Ok(rabitq::build_to(
                path, options, rows, ids, max_bytes, &control,
            )?)
        })
    }
}
