//! Codes of 1..=8 bits a dimension, packed as planes of 8, 4, 2 and 1 bits.
//!
//! The binary digits of the number of bits say which planes a row has; they
//! follow one another in this order, and the first holds the lowest bits of
//! the code:
//!
//! ```text
//! plane  bytes          holds
//! 8      dim            byte i is dimension i
//! 4      ceil(dim / 2)  byte j: low nibble dimension j, high nibble
//!                       dimension ceil(dim / 2) + j
//! 2      ceil(dim / 4)  byte j: bits 2k and 2k + 1 are dimension
//!                       k * ceil(dim / 4) + j
//! 1      ceil(dim / 8)  byte j: bit i is dimension 8 j + i
//! ```
//!
//! Bits past the last dimension are 0. So three kernels serve all widths, and
//! a row of 7 bits takes 7 bits.

use crate::Simd;
use crate::arch::{dispatch, portable};
use crate::dense::row_fits;

/// The bytes of each plane of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub eight: usize,
    pub four: usize,
    pub two: usize,
    pub one: usize,
}

impl Planes {
    #[inline(always)]
    pub fn new(bits: u32, dim: usize) -> Planes {
        let plane = |plane: u32, codes: usize| {
            if bits & plane != 0 {
                dim.div_ceil(codes)
            } else {
                0
            }
        };
        Planes {
            eight: plane(8, 1),
            four: plane(4, 2),
            two: plane(2, 4),
            one: plane(1, 8),
        }
    }

    #[inline(always)]
    pub fn bytes(self) -> usize {
        self.eight + self.four + self.two + self.one
    }
}

/// The bytes of a packed row.
pub fn plane_bytes(bits: u32, dim: usize) -> usize {
    check_bits(bits);
    Planes::new(bits, dim).bytes()
}

fn check_bits(bits: u32) {
    assert!((1..=8).contains(&bits));
}

/// The most dimensions whose products with 8-bit codes add up within 32 bits.
const MAX_DIM: usize = 65_536;

/// Parts of a query are filled up with zeros to this many bytes, so that a
/// kernel may read past the end of a plane: what it finds there counts nothing.
pub(crate) const PART: usize = 64;

/// A query rounded to integers, for inner products with codes of some width.
///
/// Eight bits do for codes of up to 5 bits; wider ones meet 16 bits, split
/// into two bytes (value = 256 high + low, both signed).
#[derive(Clone, Debug)]
pub struct BitQuery {
    bits: u32,
    dim: usize,
    step: f32,
    sum: i64,
    /// The bytes in the order in which the planes meet them: for a plane of
    /// width p, 8 / p runs of dimensions, each filled up to a multiple of
    /// [`PART`]. The 1-plane meets all dimensions in one run.
    low: Vec<i8>,
    high: Vec<i8>,
}

impl BitQuery {
    /// Rounds `q` for codes of `bits` bits. Panics unless 1 <= `bits` <= 8 and
    /// the dimension is at most 65,536.
    pub fn new(q: &[f32], bits: u32) -> BitQuery {
        check_bits(bits);
        let dim = q.len();
        assert!((1..=MAX_DIM).contains(&dim));
        // 32,512 is 127 * 256: beyond 32,639 the high byte would overflow.
        let max = if bits <= 5 { 127.0 } else { 32_512.0 };
        let largest = portable::max_abs(q);
        let step = if largest.is_finite() {
            largest / max
        } else {
            0.0
        };
        let mut values = vec![0i16; dim];
        if step > 0.0 {
            for (value, &q) in values.iter_mut().zip(q) {
                let rounded = portable::round((q / step).clamp(-max, max));
                // SAFETY: it is within -32,512..=32,512, and not NaN, since q
                // and step are finite and step is not 0.
                *value = unsafe { rounded.to_int_unchecked::<i32>() } as i16;
            }
        }
        let planes = Planes::new(bits, dim);
        let runs = [
            (planes.eight, 1),
            (planes.four, 2),
            (planes.two, 4),
            (dim * (bits & 1) as usize, 1),
        ];
        let len = runs
            .iter()
            .map(|&(run, count)| run.next_multiple_of(PART) * count)
            .sum();
        let wide = bits > 5;
        let (mut low, mut high) = (vec![0; len], vec![0; if wide { len } else { 0 }]);
        let mut start = 0;
        for (run, count) in runs {
            for k in 0..count {
                let values = values.get(k * run..).unwrap_or_default();
                for (j, &value) in values.iter().take(run).enumerate() {
                    low[start + j] = value as i8;
                    if wide {
                        high[start + j] = ((value - i16::from(value as i8)) >> 8) as i8;
                    }
                }
                start += run.next_multiple_of(PART);
            }
        }
        let sum = values.iter().map(|&value| i64::from(value)).sum();
        BitQuery {
            bits,
            dim,
            step,
            sum,
            low,
            high,
        }
    }

    /// What one unit of the rounded query is worth; 0 if the query is zero or
    /// has an infinite or NaN component, and all values are 0 then.
    pub fn step(&self) -> f32 {
        self.step
    }

    /// The sum of the rounded values.
    pub fn sum(&self) -> i64 {
        self.sum
    }

    /// The width of the codes that it meets.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The number of dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The rounded value of dimension `i`. Panics if there is none.
    pub fn value(&self, i: usize) -> i32 {
        assert!(i < self.dim);
        let planes = Planes::new(self.bits, self.dim);
        let run = [planes.eight, planes.four, planes.two]
            .into_iter()
            .find(|&run| run > 0)
            .unwrap_or(self.dim);
        let at = i / run * run.next_multiple_of(PART) + i % run;
        let high = self.high.get(at).copied().unwrap_or_default();
        256 * i32::from(high) + i32::from(self.low[at])
    }

    #[inline(always)]
    pub(crate) fn low(&self) -> &[i8] {
        &self.low
    }

    #[inline(always)]
    pub(crate) fn high(&self) -> &[i8] {
        &self.high
    }
}

/// Codes and bitmaps.
impl Simd {
    /// Rounds `o` to codes of `bits` bits: u = trunc(o scale + 2^(bits-1)) held
    /// within 0..2^bits, and within the upper half exactly where o >= 0. With
    /// y = u - (2^bits - 1) / 2, returns (y·o, y·y).
    ///
    /// Panics if the lengths differ or unless 1 <= `bits` <= 8.
    pub fn encode(self, o: &[f32], scale: f32, bits: u32, codes: &mut [u8]) -> (f32, f32) {
        check_bits(bits);
        assert_eq!(o.len(), codes.len());
        dispatch!(self, encode(o, scale, bits, codes))
    }

    /// Packs a row of codes into the first [`plane_bytes`] of `out`. Bits of a
    /// code above `bits` are dropped.
    ///
    /// Panics if `out` is too short or unless 1 <= `bits` <= 8.
    pub fn pack_row(self, bits: u32, codes: &[u8], out: &mut [u8]) {
        assert!(out.len() >= plane_bytes(bits, codes.len()));
        if !codes.is_empty() {
            dispatch!(self, pack_row(bits, codes, out))
        }
    }

    /// Undoes [`Simd::pack_row`]. Panics if `packed` or `codes` is too short or
    /// unless 1 <= `bits` <= 8.
    pub fn unpack_row(self, bits: u32, dim: usize, packed: &[u8], codes: &mut [u8]) {
        assert!(packed.len() >= plane_bytes(bits, dim) && codes.len() >= dim);
        if dim > 0 {
            dispatch!(self, unpack_row(bits, dim, packed, codes))
        }
    }

    /// The inner products of the query's integers and the codes of the named
    /// rows, which start `stride` bytes apart in `base`. Exact.
    ///
    /// Panics if a row does not lie within `base` or the lengths of `rows` and
    /// `out` differ.
    pub fn bit_dots(self, q: &BitQuery, base: &[u8], stride: usize, rows: &[u32], out: &mut [i64]) {
        assert_eq!(rows.len(), out.len());
        if let Some(&last) = rows.iter().max() {
            assert!(row_fits(
                base.len(),
                plane_bytes(q.bits, q.dim),
                stride,
                last as usize
            ));
            dispatch!(self, bit_dots(q, base, stride, rows, out))
        }
    }

    /// The number of bits set.
    pub fn popcount(self, a: &[u64]) -> u64 {
        dispatch!(self, popcount(a))
    }

    /// The number of bits set in both. Panics if the lengths differ.
    pub fn and_popcount(self, a: &[u64], b: &[u64]) -> u64 {
        assert_eq!(a.len(), b.len());
        dispatch!(self, and_popcount(a, b))
    }

    /// The number of bits in which the two differ. Panics if the lengths do.
    pub fn hamming(self, a: &[u8], b: &[u8]) -> u32 {
        assert_eq!(a.len(), b.len());
        dispatch!(self, hamming(a, b))
    }
}
