//! What a pointer or length from C must be before it becomes a reference or a slice.

use std::ptr::NonNull;

use crate::error::Failure;

fn check<T>(ptr: *const T, name: &str) -> Result<(), Failure> {
    if ptr.is_null() {
        return Err(Failure::null(name));
    }
    if !ptr.is_aligned() {
        return Err(Failure::argument(
            name,
            format!("{ptr:p}"),
            format!("aligned to {} bytes", align_of::<T>()),
        ));
    }
    Ok(())
}

/// # Safety
/// `ptr` is NULL or points to a `T` that nobody writes for `'a`.
pub(crate) unsafe fn shared<'a, T>(ptr: *const T, name: &str) -> Result<&'a T, Failure> {
    check(ptr, name)?;
    // SAFETY: neither NULL nor misaligned; the caller vouches for the rest.
    Ok(unsafe { &*ptr })
}

/// A place for a result, which may still be uninitialised: it is only ever written.
pub(crate) fn out<T>(ptr: *mut T, name: &str) -> Result<NonNull<T>, Failure> {
    check(ptr, name)?;
    NonNull::new(ptr).ok_or_else(|| Failure::null(name))
}

/// As `out`, for a result that the caller may not want.
pub(crate) fn optional_out<T>(ptr: *mut T, name: &str) -> Result<Option<NonNull<T>>, Failure> {
    if ptr.is_null() {
        Ok(None)
    } else {
        out(ptr, name).map(Some)
    }
}

/// # Safety
/// `place` came from `optional_out` in the same call.
pub(crate) unsafe fn write_optional<T>(place: Option<NonNull<T>>, value: T) {
    if let Some(place) = place {
        // SAFETY: checked there; the caller of the ABI vouches for the memory.
        unsafe { place.write(value) };
    }
}

/// # Safety
/// `ptr` is NULL or points to `len` values of `T` that nobody writes for `'a`.
pub(crate) unsafe fn slice<'a, T>(
    ptr: *const T,
    len: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check_slice(ptr, len, name)?;
    // SAFETY: not NULL, aligned, at most isize::MAX bytes; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
}

/// # Safety
/// `ptr` is NULL or points to `len` values of `T` that nobody else reads or writes for `'a`.
pub(crate) unsafe fn slice_mut<'a, T>(
    ptr: *mut T,
    len: usize,
    name: &str,
) -> Result<&'a mut [T], Failure> {
    if len == 0 {
        return Ok(&mut []);
    }
    check_slice(ptr, len, name)?;
    // SAFETY: as in `slice`, and nobody else uses the memory.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr, len) })
}

fn check_slice<T>(ptr: *const T, len: usize, name: &str) -> Result<(), Failure> {
    check(ptr, name)?;
    match product(len, size_of::<T>(), name)? {
        bytes if bytes > isize::MAX as usize => Err(too_long(name, len)),
        bytes if (ptr as usize).checked_add(bytes).is_none() => Err(too_long(name, len)),
        _ => Ok(()),
    }
}

fn too_long(name: &str, len: impl std::fmt::Display) -> Failure {
    Failure::argument(
        name,
        format!("{len} elements"),
        "what fits into the address space",
    )
}

/// `a * b`, for the lengths of arrays.
pub(crate) fn product(a: usize, b: usize, name: &str) -> Result<usize, Failure> {
    a.checked_mul(b)
        .ok_or_else(|| too_long(name, format!("{a} x {b}")))
}

/// A count from C.
pub(crate) fn size(value: u64, name: &str) -> Result<usize, Failure> {
    usize::try_from(value).map_err(|_| too_long(name, value))
}
