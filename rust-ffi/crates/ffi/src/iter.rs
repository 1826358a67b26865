//! One snapshot of an index, read row by row.

use std::sync::{Mutex, MutexGuard};

use rabitq::RowIter;

use crate::error::{Failure, ruv_error};
use crate::handle::{self, Live};
use crate::index::ruv_index;
use crate::panic::guard;
use crate::pointer::{out as out_pointer, product, shared, size, slice_mut};

/// A place in one snapshot of an index; changes after its start are not seen, and it outlives the
/// index.
pub struct ruv_iter {
    // A lock, so that two threads with one iterator get different rows instead of a data race.
    core: Mutex<RowIter>,
    dim: usize,
    code_bytes: usize,
    _live: Live,
}

impl ruv_iter {
    fn new(index: &dyn rabitq::VectorIndex) -> ruv_iter {
        let info = index.info();
        let core = Mutex::new(index.iter());
        ruv_iter {
            core,
            dim: info.options.dim,
            code_bytes: info.code_bytes as usize,
            _live: Live::new(),
        }
    }

    /// # Safety
    /// `to` is NULL or has room for `rows` rows.
    unsafe fn vectors<'a>(
        &self,
        to: *mut f32,
        rows: usize,
    ) -> Result<Option<&'a mut [f32]>, Failure> {
        if to.is_null() {
            return Ok(None);
        }
        let floats = product(rows, self.dim, "vectors")?;
        // SAFETY: the contract of this function.
        Ok(Some(unsafe { slice_mut(to, floats, "vectors")? }))
    }

    fn lock(&self) -> Result<MutexGuard<'_, RowIter>, Failure> {
        self.core.lock().map_err(|_| Failure::poisoned())
    }
}

/// Gives the caller an iterator to free, over the live rows of one snapshot of the caller's index.
/// POISONED.
///
/// # Safety
/// `index` is live; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_iter_new(
    index: *const ruv_index,
    out: *mut *mut ruv_iter,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let index = shared(index, "index")?.usable()?;
            handle::give(out, ruv_iter::new(index))
        })
    }
}

/// Writes up to `max` next rows into the caller's `ids` and, unless NULL, `vectors` (rows of dim
/// floats without gaps, the very bits that were given), and their number into `n`; 0: the end.
/// UNSUPPORTED for vectors of a kind that keeps no originals.
///
/// # Safety
/// `iter` is live; `ids` has room for `max` ids and `vectors` for max * dim floats, apart from each
/// other; `n` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_iter_next(
    iter: *mut ruv_iter,
    max: u64,
    ids: *mut i64,
    vectors: *mut f32,
    n: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (iter, n) = (shared(iter, "iter")?, out_pointer(n, "n")?);
            let ids = slice_mut(ids, size(max, "max")?, "ids")?;
            let vectors = iter.vectors(vectors, ids.len())?;
            n.write(iter.lock()?.next_batch(ids, vectors)? as u64);
            Ok(())
        })
    }
}

/// Writes up to `max` next rows into the caller's `ids`, `codes` (info.code_bytes bytes a row) and
/// `factors` (3 floats a row: add, rescale, error), and their number into `n`; 0: the end.
/// UNSUPPORTED for a kind without codes.
///
/// # Safety
/// `iter` is live; `ids` has room for `max` ids, `codes` for max * code_bytes bytes and `factors`
/// for 3 * max floats, apart from each other; `n` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_iter_next_codes(
    iter: *mut ruv_iter,
    max: u64,
    ids: *mut i64,
    codes: *mut u8,
    factors: *mut f32,
    n: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (iter, n) = (shared(iter, "iter")?, out_pointer(n, "n")?);
            let max = size(max, "max")?;
            let ids = slice_mut(ids, max, "ids")?;
            let codes = slice_mut(codes, product(max, iter.code_bytes, "codes")?, "codes")?;
            let factors = slice_mut(factors, product(max, 3, "factors")?, "factors")?;
            n.write(iter.lock()?.next_codes(ids, codes, factors)? as u64);
            Ok(())
        })
    }
}

/// Frees an iterator; NULL is nothing to do.
///
/// # Safety
/// `iter` is NULL or a live iterator that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_iter_free(iter: *mut ruv_iter) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(iter) }
}
