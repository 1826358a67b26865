//! One-bit codes of 32 rows a block, scanned by byte shuffles.
//!
//! A block for `groups` = ceil(dim / 4) groups of four dimensions:
//!
//! ```text
//! offset        bytes        what
//! 0             16 * groups  codes: byte 16 g + j holds group g of row j in
//!                            its low nibble and of row j + 16 in its high
//!                            one; bit b of a nibble is the sign bit of
//!                            dimension 4 g + b, 0 past the last dimension
//! 16 * groups   64           add[v], v = 0..32, half precision
//! + 64          64           mul[v], v = 0..32, half precision
//! ```

use crate::Simd;
use crate::arch::dispatch;

/// How many rows a block holds.
pub const BLOCK_ROWS: usize = 32;

/// The highest table byte: with six bits, four lookups add up within a byte, and the rounding is
/// still small beside the error of one-bit codes.
pub(crate) const TOP_LEVEL: u8 = 63;
/// Up to so many table bytes add up within 8 bits.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) const GROUPS_IN_8_BITS: usize = u8::MAX as usize / TOP_LEVEL as usize;
/// Up to so many table bytes add up within 16 bits.
pub(crate) const GROUPS_IN_16_BITS: usize = 1024;

/// How many bytes ahead of the current block a scan fetches: 2 to 8 KiB do as
/// well as each other.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) const BYTES_AHEAD: usize = 4096;

/// The length of a block.
pub const fn block_bytes(groups: usize) -> usize {
    groups * 16 + BLOCK_ROWS * 4
}

/// How a scan turns a row's integer sum s into its value, and which it wants:
/// add - mul (a s + b) < threshold.
#[derive(Clone, Copy, Debug)]
pub struct ScanParams {
    /// Multiplies the sum.
    pub a: f32,
    /// Is added to that.
    pub b: f32,
    /// Values below it are reported.
    pub threshold: f32,
}

/// One-bit inner products of blocks with a query.
impl Simd {
    /// Builds the table of a query: 16 bytes for each group of four dimensions,
    /// filled up with zeros to a multiple of 64. Returns (step, bias) such that
    /// the inner product of the sign bits (0 or 1) and q is about
    /// step * (sum of the row's table bytes) + bias.
    ///
    /// Rounding makes an error of up to step / 2 a group.
    pub fn lut_build(self, q: &[f32], lut: &mut Vec<u8>) -> (f32, f32) {
        lut.resize(lut_bytes(q.len().div_ceil(4)), 0);
        dispatch!(self, lut_build(q, lut))
    }

    /// Writes a mask for each of the blocks from `from` on: bit v is set where
    /// row v has a value below the threshold. Returns whether any bit is set.
    ///
    /// `next` is what the caller scans after `blocks`, so that its start is on its way by then.
    ///
    /// It does not branch on what it finds: a wrong guess would cost more than
    /// the block. Panics if `blocks` or `lut` is too short for the masks and
    /// `groups`.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub fn scan(
        self,
        blocks: &[u8],
        groups: usize,
        lut: &[u8],
        from: usize,
        p: &ScanParams,
        next: &[u8],
        masks: &mut [u32],
    ) -> bool {
        let to = from + masks.len();
        check(blocks, groups, lut, to);
        let size = block_bytes(groups);
        dispatch!(
            self,
            scan(&blocks[from * size..], groups, lut, p, next, masks)
        )
    }

    /// Writes the values add - mul (a s + b) of all rows of the blocks
    /// `from..to`, 32 a block.
    ///
    /// Panics if `blocks` or `lut` is too short for `to` and `groups`, or if
    /// `out` has another length.
    #[allow(clippy::too_many_arguments)]
    pub fn scan_all(
        self,
        blocks: &[u8],
        groups: usize,
        lut: &[u8],
        from: usize,
        to: usize,
        a: f32,
        b: f32,
        out: &mut [f32],
    ) {
        check(blocks, groups, lut, to);
        assert!(from <= to && out.len() == (to - from) * BLOCK_ROWS);
        let size = block_bytes(groups);
        dispatch!(
            self,
            scan_all(&blocks[from * size..to * size], groups, lut, a, b, out)
        )
    }
}

const fn lut_bytes(groups: usize) -> usize {
    (groups * 16).next_multiple_of(64)
}

fn check(blocks: &[u8], groups: usize, lut: &[u8], to: usize) {
    assert!(groups > 0 && lut.len() >= lut_bytes(groups));
    assert!(to <= blocks.len() / block_bytes(groups));
}
