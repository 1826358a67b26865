//! Columns of bytes in tiles of 16, for products of one row or many with all of them.
//!
//! A tile holds 16 columns of `width` bytes, four of each column at a time, so that one vector
//! meets four bytes of a row, and no sum crosses lanes:
//!
//! ```text
//! bytes                       hold
//! 64 g + 4 c .. 64 g + 4 c + 4  bytes 4 g .. 4 g + 4 of column c, 0 <= c < 16
//! ```

use crate::Simd;
use crate::arch::dispatch;

/// Columns of one tile of [`Simd::byte_products`].
pub const TILE_COLUMNS: usize = 16;
/// The largest byte of a column: the products of two pairs of larger ones would overflow the 16
/// bits in which AVX2 adds them.
pub const TILE_MAX: u8 = 127;
/// Bytes of a column that lie together.
pub(crate) const RUN: usize = 4;
pub(crate) const RUNS: usize = RUN * TILE_COLUMNS;

impl Simd {
    /// out[r * columns + c] is the inner product of row r (`width` bytes each) and column c of
    /// `tiles`, whose bytes are at most [`TILE_MAX`]. Panics unless `width` is a multiple of 4 and
    /// the lengths fit.
    pub fn byte_products(self, rows: &[i8], width: usize, tiles: &[u8], out: &mut [i32]) {
        assert!(width > 0 && width.is_multiple_of(RUN) && rows.len().is_multiple_of(width));
        assert!(tiles.len().is_multiple_of(width * TILE_COLUMNS));
        assert_eq!(out.len(), rows.len() / width * (tiles.len() / width));
        dispatch!(self, byte_products(rows, width, tiles, out))
    }

    /// out = x / step, rounded to the nearest integer (ties to even) within -127..=127; components
    /// past those of `x` become 0. Panics if `out` is shorter than `x`.
    pub fn round_bytes(self, x: &[f32], step: f32, out: &mut [i8]) {
        let (out, rest) = out.split_at_mut(x.len());
        rest.fill(0);
        dispatch!(self, round_bytes(x, step, out))
    }

    /// out = add + a * dots, each by one fused multiply-add. Panics if the lengths differ.
    pub fn affine(self, dots: &[i32], a: f32, add: &[f32], out: &mut [f32]) {
        assert!(dots.len() == add.len() && dots.len() == out.len());
        dispatch!(self, affine(dots, a, add, out))
    }

    /// The place of the least add + a * dots, the first of several; 0 where none is less than
    /// infinity. Panics if the lengths differ.
    pub fn least(self, dots: &[i32], a: f32, add: &[f32]) -> (f32, u32) {
        assert_eq!(dots.len(), add.len());
        dispatch!(self, least(dots, a, add))
    }

    /// Writes the places of the values up to `limit`, in order, to the start of `out`, and returns
    /// how many there are. Panics if `out` is shorter than `values`.
    pub fn places_up_to(self, values: &[f32], limit: f32, out: &mut [u32]) -> usize {
        assert!(out.len() >= values.len());
        dispatch!(self, places_up_to(values, limit, out))
    }
}
