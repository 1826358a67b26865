//! Opaque handles: how they are given to the caller, lent back and taken, and how many are alive.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::error::Failure;
use crate::panic::guard_or;
use crate::pointer;

static LIVE: AtomicI64 = AtomicI64::new(0);

/// A field of every handle: counts it for as long as it lives.
pub(crate) struct Live(());

impl Live {
    pub(crate) fn new() -> Live {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Live(())
    }

    pub(crate) fn count() -> i64 {
        LIVE.load(Ordering::Relaxed)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The caller's place for a new handle, NULL until `give`.
///
/// # Safety
/// `out` is NULL or valid for writes of a pointer.
pub(crate) unsafe fn place<T>(out: *mut *mut T) -> Result<NonNull<*mut T>, Failure> {
    let out = pointer::out(out, "out")?;
    // SAFETY: the caller vouches for `out`, which is neither NULL nor misaligned.
    unsafe { out.write(null_mut()) };
    Ok(out)
}

/// Hands a new handle over to the caller.
///
/// # Safety
/// `out` came from `place` in the same call.
pub(crate) unsafe fn give<T>(out: NonNull<*mut T>, value: T) -> Result<(), Failure> {
    // SAFETY: `place` has checked it.
    unsafe { out.write(Box::into_raw(Box::new(value))) };
    Ok(())
}

/// Takes a handle back from the caller.
///
/// # Safety
/// `handle` is NULL or came from `give`, was not taken before, and no other call uses it.
pub(crate) unsafe fn take<T>(handle: *mut T, name: &str) -> Result<Box<T>, Failure> {
    pointer::out(handle, name)?;
    // SAFETY: it came from `Box::into_raw` in `give` and is ours alone.
    Ok(unsafe { Box::from_raw(handle) })
}

/// Frees a handle; NULL is nothing to do.
///
/// # Safety
/// As `take`.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    // SAFETY: the contract of this function.
    guard_or((), || drop(unsafe { take(handle, "handle") }));
}

/// Set when a change panicked, because what it was changing may be half-done.
#[derive(Default)]
pub(crate) struct Poison(AtomicBool);

impl Poison {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Acquire) {
            Err(Failure::poisoned())
        } else {
            Ok(())
        }
    }

    /// Runs a change, which poisons on its way out if it panics.
    pub(crate) fn during<T>(&self, change: impl FnOnce() -> T) -> T {
        let armed = Armed(self);
        let result = change();
        std::mem::forget(armed);
        result
    }
}

struct Armed<'a>(&'a Poison);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}
