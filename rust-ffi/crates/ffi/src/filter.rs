//! Sets of ids that a search is held to.

use rabitq::Filter;

use crate::error::{Failure, ruv_error};
use crate::handle::{self, Live};
use crate::index::ruv_index;
use crate::panic::guard;
use crate::pointer::{out as out_pointer, shared, size, slice, slice_mut};

/// An immutable set of ids; any number of threads may search with it.
pub struct ruv_filter {
    core: Filter,
    _live: Live,
}

impl ruv_filter {
    fn new(core: Filter) -> ruv_filter {
        ruv_filter {
            core,
            _live: Live::new(),
        }
    }

    pub(crate) fn core(&self) -> &Filter {
        &self.core
    }
}

/// Gives the caller a filter to free: the ids of `n` closed intervals [lows[i], highs[i]],
/// ascending and disjoint. The arrays are copied. ARGUMENT, OUT_OF_MEMORY.
///
/// # Safety
/// `lows` and `highs` have `n` readable numbers; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_filter_new(
    lows: *const i64,
    highs: *const i64,
    n: u64,
    out: *mut *mut ruv_filter,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let core = Filter::from_intervals(&pairs(lows, highs, size(n, "n")?)?)?;
            handle::give(out, ruv_filter::new(core))
        })
    }
}

/// Puts the number of live rows that the caller's filter allows in the caller's index into
/// `allowed`, and keeps the bitmap over the rows for the searches that follow (made again when the
/// rows have moved). POISONED.
///
/// # Safety
/// `filter` and `index` are live; `allowed` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_filter_prepare(
    filter: *const ruv_filter,
    index: *const ruv_index,
    allowed: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let filter = shared(filter, "filter")?;
            let index = shared(index, "index")?.usable()?;
            let allowed = out_pointer(allowed, "allowed")?;
            allowed.write(filter.core.prepare(index));
            Ok(())
        })
    }
}

/// Frees a filter; NULL is nothing to do.
///
/// # Safety
/// `filter` is NULL or a live filter that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_filter_free(filter: *mut ruv_filter) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(filter) }
}

/// Writes the ids of a portable 64-bit Roaring bitmap as closed intervals into the caller's `lows`
/// and `highs`, which have room for `cap`, and their full number into `n`: where `n` > `cap`, the
/// first `cap` are there and the call is repeated with more room. ARGUMENT for bytes that are no
/// such bitmap.
///
/// # Safety
/// `bytes` has `len` readable bytes; `lows` and `highs` have room for `cap` numbers each, apart
/// from each other; `n` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_roaring_intervals(
    bytes: *const u8,
    len: usize,
    lows: *mut i64,
    highs: *mut i64,
    cap: u64,
    n: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (n, cap) = (out_pointer(n, "n")?, size(cap, "cap")?);
            let (lows, highs) = (
                slice_mut(lows, cap, "lows")?,
                slice_mut(highs, cap, "highs")?,
            );
            let intervals = rabitq::roaring_intervals(slice(bytes, len, "bytes")?)?;
            split(&intervals, lows, highs);
            n.write(intervals.len() as u64);
            Ok(())
        })
    }
}

/// # Safety
/// `lows` and `highs` are NULL or have `n` readable numbers.
unsafe fn pairs(lows: *const i64, highs: *const i64, n: usize) -> Result<Vec<(i64, i64)>, Failure> {
    // SAFETY: the contract of this function.
    let (lows, highs) = unsafe { (slice(lows, n, "lows")?, slice(highs, n, "highs")?) };
    let mut pairs = Vec::new();
    let bytes = n.saturating_mul(size_of::<(i64, i64)>());
    pairs
        .try_reserve_exact(n)
        .map_err(|_| Failure::out_of_memory(bytes))?;
    pairs.extend(lows.iter().copied().zip(highs.iter().copied()));
    Ok(pairs)
}

fn split(pairs: &[(i64, i64)], lows: &mut [i64], highs: &mut [i64]) {
    for ((low, high), pair) in lows.iter_mut().zip(highs).zip(pairs) {
        (*low, *high) = *pair;
    }
}
