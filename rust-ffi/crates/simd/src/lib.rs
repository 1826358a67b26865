//! Vector kernels behind one dispatch point.
//!
//! The portable code is the specification and every other instruction set is a
//! cache of it: each kernel returns the same bits on every [`Isa`], floats
//! included (payloads of NaN excepted). README.md maps the files and tells how
//! to add a kernel.
#![allow(unsafe_code)]

mod arch;
mod bits;
mod caps;
mod dense;
mod fastscan;
mod fht;
mod guard;
mod tiles;

pub use bits::{BitQuery, plane_bytes};
pub use caps::{Isa, Simd, cpu_features};
pub use dense::TILE;
pub use fastscan::{BLOCK_ROWS, ScanParams, block_bytes};
pub use guard::FloatGuard;
pub use tiles::{TILE_COLUMNS, TILE_MAX};

/// Asks for the cache lines of `values`, which are read soon.
#[inline]
pub fn prefetch<T>(values: &[T]) {
    arch::prefetch(values.as_ptr(), size_of_val(values));
}
