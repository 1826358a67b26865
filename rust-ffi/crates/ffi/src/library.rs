//! What belongs to the process, not to a handle.

use std::ffi::c_char;

use crate::abi::{self, RUV_ABI_VERSION, ruv_recommendation};
use crate::error::{ruv_error, write_text};
use crate::handle::Live;
use crate::index::ruv_index;
use crate::panic::{guard, guard_or};
use crate::pointer::{out as out_pointer, shared};

/// The number of this library's ABI, RUV_ABI_VERSION of the header that it was built with.
#[unsafe(no_mangle)]
pub extern "C" fn ruv_abi_version() -> u32 {
    RUV_ABI_VERSION
}

/// Writes the library's version, as in "0.1.0", into the caller's `text` of `capacity` bytes, cut
/// and NUL-terminated; returns the full length without the NUL. `text` may be NULL to ask for the
/// length.
///
/// # Safety
/// `text` is NULL or has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_version(text: *mut c_char, capacity: usize) -> usize {
    // SAFETY: the caller keeps the contract above.
    unsafe { tell(text, capacity, || env!("CARGO_PKG_VERSION").into()) }
}

/// Writes the instruction set in use and the CPU's features into the caller's `text`; otherwise as
/// `ruv_version`.
///
/// # Safety
/// As `ruv_version`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_cpu_features(text: *mut c_char, capacity: usize) -> usize {
    // SAFETY: the caller keeps the contract above.
    unsafe { tell(text, capacity, simd::cpu_features) }
}

/// Writes the SHA-256 of the Rust sources that the library was built from, in hex, into the
/// caller's `text`; otherwise as `ruv_version`.
///
/// # Safety
/// As `ruv_version`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_source_hash(text: *mut c_char, capacity: usize) -> usize {
    // SAFETY: the caller keeps the contract above.
    unsafe { tell(text, capacity, || env!("RUV_SOURCE_HASH").into()) }
}

/// # Safety
/// As `ruv_version`.
unsafe fn tell(text: *mut c_char, capacity: usize, say: impl FnOnce() -> String) -> usize {
    let said = guard_or(String::new(), say);
    // SAFETY: the contract of this function.
    unsafe { write_text(text, capacity, &said) };
    said.len()
}

/// The size in bytes of one of the ABI's structs, so that a caller can check its own: 0
/// `ruv_error`, 1 `ruv_index_options`, 2 `ruv_search`, 3 `ruv_stats`, 4 `ruv_index_info`, 5
/// `ruv_recommendation`; 0 for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn ruv_struct_size(which: u32) -> usize {
    abi::struct_size(which)
}

/// How many handles of all kinds the process has and has not freed.
#[unsafe(no_mangle)]
pub extern "C" fn ruv_live_handles() -> i64 {
    Live::count()
}

/// Sets the size of the process's pool for builds and batch searches, 1 to 1,024 threads; without
/// it, RUVECTOR_THREADS or min(8, cores). ARGUMENT, UNSUPPORTED once the pool runs with another
/// size.
///
/// # Safety
/// `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_configure(threads: u32, err: *mut ruv_error) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(err, || Ok(rabitq::configure_threads(threads as usize)?)) }
}

/// Writes parameters that should reach `recall` (of the true 10 nearest, above 0, at most 1) on `n`
/// rows of `dim` components into the caller's `out`. ARGUMENT.
///
/// # Safety
/// `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_recommend(
    n: u64,
    dim: u32,
    recall: f32,
    out: *mut ruv_recommendation,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = out_pointer(out, "out")?;
            abi::dim(dim)?;
            out.write(rabitq::recommend(n, dim as usize, recall)?.into());
            Ok(())
        })
    }
}

/// For tests only: panics inside the boundary, which gives PANIC; where `mutation` is 1, inside a
/// change of the caller's `index`, which is POISONED from then on. `index` may be NULL where
/// `mutation` is 0.
///
/// # Safety
/// `index` is NULL or live; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_test_panic(
    index: *mut ruv_index,
    mutation: u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            if mutation != 0 {
                shared(index, "index")?
                    .change(|_| -> rabitq::Result<()> { panic!("asked for, in a change") })?;
            }
            panic!("asked for")
        })
    }
}
