//! Indexes: made, changed, searched, read, saved.

use std::sync::Arc;

use rabitq::{MappedRows, RangeHits, Source, VectorIndex};

use crate::abi::{self, ruv_index_info, ruv_index_options, ruv_search, ruv_stats};
use crate::buffer::ruv_buffer;
use crate::error::{Failure, ruv_error};
use crate::handle::{self, Live, Poison};
use crate::panic::guard;
use crate::pointer::{
    optional_out, out as out_pointer, product, shared, size, slice, slice_mut, write_optional,
};

/// An index: any number of threads may search it while others change it.
pub struct ruv_index {
    core: Arc<dyn VectorIndex>,
    poison: Poison,
    _live: Live,
}

// What the header promises about threads.
const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<ruv_index>();
    is_shared::<crate::filter::ruv_filter>();
    is_shared::<crate::iter::ruv_iter>();
};

impl ruv_index {
    pub(crate) fn new(core: impl Into<Arc<dyn VectorIndex>>) -> ruv_index {
        ruv_index {
            core: core.into(),
            poison: Poison::default(),
            _live: Live::new(),
        }
    }

    /// The index, unless a change has panicked.
    pub(crate) fn usable(&self) -> Result<&dyn VectorIndex, Failure> {
        self.poison.check()?;
        Ok(&*self.core)
    }

    /// Runs a change, which poisons the index if it panics.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&dyn VectorIndex) -> rabitq::Result<T>,
    ) -> Result<T, Failure> {
        let core = self.usable()?;
        Ok(self.poison.during(|| change(core))?)
    }
}

/// The caller's arrays for the hits of a range search; those that it did not ask for are empty.
struct RangePlaces<'a> {
    ids: &'a mut [i64],
    scores: &'a mut [f32],
    bounds: &'a mut [f32],
    certain: &'a mut [u8],
}

impl RangePlaces<'_> {
    /// # Safety
    /// Each pointer is NULL or has room for `limit` values, apart from the others.
    unsafe fn new<'a>(
        ids: *mut i64,
        scores: *mut f32,
        bounds: *mut f32,
        certain: *mut u8,
        limit: usize,
    ) -> Result<RangePlaces<'a>, Failure> {
        let wanted = |null: bool| if null { 0 } else { limit };
        // SAFETY: the contract of this function.
        unsafe {
            let (ids, scores) = hit_places(ids, scores, limit)?;
            let bounds = slice_mut(bounds, wanted(bounds.is_null()), "bounds")?;
            let certain = slice_mut(certain, wanted(certain.is_null()), "certain")?;
            Ok(RangePlaces {
                ids,
                scores,
                bounds,
                certain,
            })
        }
    }

    /// Copies the hits and returns their number.
    fn fill(self, hits: &RangeHits) -> u64 {
        copy(self.ids, &hits.ids);
        copy(self.scores, &hits.scores);
        copy(self.bounds, &hits.bounds);
        copy(self.certain, &hits.certain);
        hits.ids.len() as u64
    }
}

fn copy<T, F: Copy + Into<T>>(to: &mut [T], from: &[F]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from.into();
    }
}

/// # Safety
/// `ids` and `scores` are NULL or have room for `room` values each, apart from each other.
unsafe fn hit_places<'a>(
    ids: *mut i64,
    scores: *mut f32,
    room: usize,
) -> Result<(&'a mut [i64], &'a mut [f32]), Failure> {
    // SAFETY: the contract of this function.
    unsafe {
        Ok((
            slice_mut(ids, room, "ids")?,
            slice_mut(scores, room, "scores")?,
        ))
    }
}

/// Overlap would make the slices below alias.
fn apart(input: *const f32, out: *const f32, dim: u32) -> Result<(), Failure> {
    if input.addr().abs_diff(out.addr()) < dim as usize * size_of::<f32>() {
        return Err(Failure::argument(
            "out",
            "memory of input",
            "memory of its own",
        ));
    }
    Ok(())
}

/// Gives the caller an empty index to free. ARGUMENT, UNSUPPORTED.
///
/// # Safety
/// `options` is NULL or readable; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_create(
    options: *const ruv_index_options,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let core = rabitq::create(abi::options(options)?)?;
            handle::give(out, ruv_index::new(core))
        })
    }
}

/// Gives the caller an index to free, built in parallel from the caller's `rows` rows of `dim`
/// floats, `stride` bytes apart, of which nothing is kept after the call. `ids` has one id a row,
/// NULL: first_id, first_id + 1, ... `cancel` is read while the call runs: not zero stops it; NULL:
/// none. ARGUMENT, DIMENSION_MISMATCH, INVALID_VECTOR, DUPLICATE_ID, CANCELLED, OUT_OF_MEMORY.
///
/// # Safety
/// `options` is NULL or readable; `data` has the rows, `ids` an id for each; `cancel` is NULL or
/// readable; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_build(
    options: *const ruv_index_options,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    cancel: *const i32,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let options = abi::options(options)?;
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let ids = abi::ids(ids, first_id, rows.len())?;
            let core = rabitq::build(options, Source::View(rows), ids, &abi::control(cancel)?)?;
            handle::give(out, ruv_index::new(core))
        })
    }
}

/// Gives the caller an index to free whose originals are the caller's `buffer`, without a copy. The
/// buffer is consumed, also on error: it must be neither used nor freed afterwards. Otherwise as
/// `ruv_index_build`.
///
/// # Safety
/// `buffer` is NULL or live and no other call uses it; the rest as in `ruv_index_build`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_adopt(
    options: *const ruv_index_options,
    buffer: *mut ruv_buffer,
    ids: *const i64,
    first_id: i64,
    cancel: *const i32,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let buffer = handle::take(buffer, "buffer")?.into_core();
            let out = handle::place(out)?;
            let (options, ids) = (
                abi::options(options)?,
                abi::ids(ids, first_id, buffer.rows())?,
            );
            let core = rabitq::build(options, Source::Adopt(buffer), ids, &abi::control(cancel)?)?;
            handle::give(out, ruv_index::new(core))
        })
    }
}

/// Gives the caller an index to free whose originals stay in a file that the index maps: `rows`
/// rows of options.dim little-endian floats, `offset` bytes into it, `stride` bytes apart. The file
/// must not be shortened while the index lives. PERSIST; otherwise as `ruv_index_build`.
///
/// # Safety
/// `path` has `path_len` readable bytes of UTF-8; the rest as in `ruv_index_build`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_build_mapped(
    options: *const ruv_index_options,
    path: *const u8,
    path_len: usize,
    offset: u64,
    rows: u64,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    cancel: *const i32,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let (options, path) = (abi::options(options)?, abi::path(path, path_len)?);
            let ids = abi::ids(ids, first_id, size(rows, "rows")?)?;
            let file = Source::Mapped(MappedRows::open(path, offset, rows, options.dim, stride)?);
            let core = rabitq::build(options, file, ids, &abi::control(cancel)?)?;
            handle::give(out, ruv_index::new(core))
        })
    }
}

/// Gives the caller an index to free, opened from a saved file; `mode` is a `ruv_open_mode`,
/// `verify` 1 reads the whole file and checks every checksum first. PERSIST names the section that
/// is wrong.
///
/// # Safety
/// `path` has `path_len` readable bytes of UTF-8; `out` and `err` are NULL or writable. A mapped
/// file is not shortened while the index lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_open(
    path: *const u8,
    path_len: usize,
    mode: u32,
    verify: u32,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let (mode, verify) = (abi::open_mode(mode)?, abi::flag(verify, "verify")?);
            let core = rabitq::open(abi::path(path, path_len)?, mode, verify)?;
            handle::give(out, ruv_index::new(core))
        })
    }
}

/// Reads the caller's saved file whole and checks every checksum, opening nothing. PERSIST names
/// what is wrong.
///
/// # Safety
/// `path` has `path_len` readable bytes of UTF-8; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_verify(
    path: *const u8,
    path_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(err, || Ok(rabitq::verify(abi::path(path, path_len)?)?)) }
}

/// Frees an index; NULL is nothing to do. Its filters and iterators stay usable.
///
/// # Safety
/// `index` is NULL or a live index that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_free(index: *mut ruv_index) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(index) }
}

/// Writes what the caller's index is and holds now into the caller's `out`. POISONED.
///
/// # Safety
/// `index` is live; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_info_get(
    index: *const ruv_index,
    out: *mut ruv_index_info,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?.usable()?;
            out_pointer(out, "out")?.write(index.info().into());
            Ok(())
        })
    }
}

/// Copies the caller's `rows` rows of `dim` floats, `stride` bytes apart, into the index, all or
/// none. `ids` has one id a row, NULL: first_id, first_id + 1, ... DIMENSION_MISMATCH,
/// INVALID_VECTOR, DUPLICATE_ID (an id that is there already, or twice), OUT_OF_MEMORY, POISONED.
///
/// # Safety
/// `index` is live; `data` has the rows, `ids` an id for each; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_add(
    index: *mut ruv_index,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?;
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let ids = abi::ids(ids, first_id, rows.len())?;
            index.change(|core| core.add(rows, ids))
        })
    }
}

/// Copies the caller's rows into the index in place of those with the same ids; `replaced`, unless
/// NULL, gets how many there were. Otherwise as `ruv_index_add`.
///
/// # Safety
/// `replaced` is NULL or writable; the rest as in `ruv_index_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_upsert(
    index: *mut ruv_index,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    replaced: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?;
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let ids = abi::ids(ids, first_id, rows.len())?;
            let place = optional_out(replaced, "replaced")?;
            let count = index.change(|core| core.upsert(rows, ids))?;
            write_optional(place, count);
            Ok(())
        })
    }
}

/// Removes the rows of the caller's `n` ids; `removed`, unless NULL, gets how many were there.
/// POISONED.
///
/// # Safety
/// `index` is live; `ids` has `n` readable ids; `removed` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_remove(
    index: *mut ruv_index,
    ids: *const i64,
    n: u64,
    removed: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (index, ids) = (shared(index, "index")?, slice(ids, size(n, "n")?, "ids")?);
            let place = optional_out(removed, "removed")?;
            let count = index.change(|core| core.remove(ids))?;
            write_optional(place, count);
            Ok(())
        })
    }
}

/// Rewrites the caller's index without its removed rows; searches go on meanwhile. OUT_OF_MEMORY,
/// POISONED.
///
/// # Safety
/// `index` is live; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_compact(index: *mut ruv_index, err: *mut ruv_error) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            shared(index, "index")?.change(|core| core.compact())
        })
    }
}

/// Writes the nearest rows into the caller's `ids` and `scores` (k each), nearest first, ties by
/// the smaller id, and their number, which is less than k only where the index or the filter has
/// fewer, into stats.hits. `stats` may be NULL. ARGUMENT, DIMENSION_MISMATCH, INVALID_VECTOR,
/// EMPTY_INDEX, CANCELLED, DEADLINE, POISONED.
///
/// # Safety
/// `index` is live; `search` is readable, its filter live, its flag readable; `query` has `dim`
/// floats; `ids` and `scores` have room for search.k, apart from each other; `stats` and `err` are
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_search(
    index: *const ruv_index,
    search: *const ruv_search,
    query: *const f32,
    dim: u32,
    ids: *mut i64,
    scores: *mut f32,
    stats: *mut ruv_stats,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (index, search) = (shared(index, "index")?.usable()?, abi::search(search)?);
            let (query, stats) = (abi::query(query, dim)?, optional_out(stats, "stats")?);
            let (ids, scores) = hit_places(ids, scores, search.k)?;
            let found = index.search(query, &search, ids, scores);
            let (hits, done) = found.map_err(Failure::of_query)?;
            write_optional(stats, ruv_stats::new(done, hits as u64, false));
            Ok(())
        })
    }
}

/// Searches for every one of the caller's `rows` queries of `dim` floats, `stride` bytes apart, in
/// parallel: query i's hits are in `ids` and `scores` from i * k on, their number in counts[i];
/// unused places hold id -1 and score +infinity. `stats`, over all queries, may be NULL. Otherwise
/// as `ruv_index_search`.
///
/// # Safety
/// `queries` has the rows; `ids` and `scores` have room for rows * k, `counts` for rows, apart from
/// each other; the rest as in `ruv_index_search`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_search_batch(
    index: *const ruv_index,
    search: *const ruv_search,
    queries: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *mut i64,
    scores: *mut f32,
    counts: *mut u32,
    stats: *mut ruv_stats,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (index, search) = (shared(index, "index")?.usable()?, abi::search(search)?);
            let queries = abi::rows(queries, rows, dim, stride, "queries")?;
            let room = product(queries.len(), search.k, "ids")?;
            let (ids, scores) = hit_places(ids, scores, room)?;
            let counts = slice_mut(counts, queries.len(), "counts")?;
            let stats = optional_out(stats, "stats")?;
            let done = index.search_batch(queries, &search, ids, scores, counts)?;
            let hits = counts.iter().map(|&n| u64::from(n)).sum();
            write_optional(stats, ruv_stats::new(done, hits, false));
            Ok(())
        })
    }
}

/// Writes the rows whose score is at most `radius` into the caller's `ids` and `scores`, nearest
/// first, up to `limit`; stats.truncated says that there were more. Of a kind without originals,
/// scores are estimates: `bounds` gets the bound of each one's error, and `certain` 1 where score +
/// bound is within the radius too. `bounds`, `certain` and `stats` may be NULL. Otherwise as
/// `ruv_index_search`.
///
/// # Safety
/// `ids`, `scores`, `bounds` and `certain` have room for `limit`, apart from each other; the rest
/// as in `ruv_index_search`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_search_range(
    index: *const ruv_index,
    search: *const ruv_search,
    query: *const f32,
    dim: u32,
    radius: f32,
    limit: u64,
    ids: *mut i64,
    scores: *mut f32,
    bounds: *mut f32,
    certain: *mut u8,
    stats: *mut ruv_stats,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (index, search) = (shared(index, "index")?.usable()?, abi::search(search)?);
            let (query, stats) = (abi::query(query, dim)?, optional_out(stats, "stats")?);
            let limit = size(limit, "limit")?;
            let places = RangePlaces::new(ids, scores, bounds, certain, limit)?;
            let mut hits = RangeHits::default();
            let done = index.search_range(query, radius, &search, limit, &mut hits);
            let done = done.map_err(Failure::of_query)?;
            let count = places.fill(&hits);
            write_optional(stats, ruv_stats::new(done, count, hits.truncated));
            Ok(())
        })
    }
}

/// Writes 1 or 0 into the caller's `out`: whether the index has a row with this id. POISONED.
///
/// # Safety
/// `index` is live; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_contains(
    index: *const ruv_index,
    id: i64,
    out: *mut u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?.usable()?;
            out_pointer(out, "out")?.write(index.contains(id).into());
            Ok(())
        })
    }
}

/// Copies the original of a row, the very bits that were given, into the caller's `out` of `dim`
/// floats. NOT_FOUND, DIMENSION_MISMATCH, UNSUPPORTED for a kind that keeps no originals, POISONED.
///
/// # Safety
/// `index` is live; `out` has room for `dim` floats; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_get(
    index: *const ruv_index,
    id: i64,
    out: *mut f32,
    dim: u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?.usable()?;
            abi::dim(dim)?;
            let found = index.get(id, slice_mut(out, dim as usize, "out")?)?;
            if found {
                Ok(())
            } else {
                Err(Failure::not_found(id))
            }
        })
    }
}

/// Saves the caller's index as one file: written beside it, synced, renamed, so that there is the
/// old file or the new one. Searches and changes go on meanwhile. PERSIST, POISONED.
///
/// # Safety
/// `index` is live; `path` has `path_len` readable bytes of UTF-8; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_save(
    index: *const ruv_index,
    path: *const u8,
    path_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            Ok(shared(index, "index")?
                .usable()?
                .save(abi::path(path, path_len)?)?)
        })
    }
}

/// Writes 1 or 0 into the caller's `out`: whether two indexes have the same options, ids and
/// contents. POISONED.
///
/// # Safety
/// `index` and `other` are live; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_content_equals(
    index: *const ruv_index,
    other: *const ruv_index,
    out: *mut u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (index, other) = (
                shared(index, "index")?.usable()?,
                shared(other, "other")?.usable()?,
            );
            let out = out_pointer(out, "out")?;
            out.write(index.content_equals(other)?.into());
            Ok(())
        })
    }
}

/// Writes the caller's vector `input`, turned by the index's rotation, or turned back where
/// `inverse` is 1, into the caller's `out`; both have `dim` floats and do not overlap.
/// DIMENSION_MISMATCH, UNSUPPORTED, POISONED.
///
/// # Safety
/// `index` is live; `input` has `dim` floats, `out` room for as many; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_index_rotate(
    index: *const ruv_index,
    input: *const f32,
    out: *mut f32,
    dim: u32,
    inverse: u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?.usable()?;
            abi::dim(dim)?;
            apart(input, out, dim)?;
            let (input, out) = (
                slice(input, dim as usize, "input")?,
                slice_mut(out, dim as usize, "out")?,
            );
            Ok(index.rotate(input, out, abi::flag(inverse, "inverse")?)?)
        })
    }
}

/// Gives the caller an index to free, read from an .rbpx file of upstream; `options` may be NULL
/// for what the file says. PERSIST, ARGUMENT.
///
/// # Safety
/// `path` has `path_len` readable bytes of UTF-8; `options` is NULL or readable; `out` and `err`
/// are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_rbpx_import(
    path: *const u8,
    path_len: usize,
    options: *const ruv_index_options,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let options = if options.is_null() {
                None
            } else {
                Some(abi::options(options)?)
            };
            let core = rabitq::import_rbpx(abi::path(path, path_len)?, options)?;
            handle::give(out, ruv_index::new(core))
        })
    }
}

/// Writes the caller's index as an .rbpx file of upstream. PERSIST, UNSUPPORTED for ids of 2^32 and
/// more and for what the format cannot hold, POISONED.
///
/// # Safety
/// As `ruv_index_save`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_rbpx_export(
    index: *const ruv_index,
    path: *const u8,
    path_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let index = shared(index, "index")?.usable()?;
            Ok(rabitq::export_rbpx(index, abi::path(path, path_len)?)?)
        })
    }
}
