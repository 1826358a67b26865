use crate::Simd;
use crate::arch::dispatch;

/// The pieces of the rotation: additions, subtractions and scalings only, so
/// that the result is the same everywhere.
impl Simd {
    /// The Walsh-Hadamard transform in place, not normalised. Panics unless
    /// the length is a power of two.
    pub fn fht(self, x: &mut [f32]) {
        assert!(x.len().is_power_of_two());
        dispatch!(self, fht(x))
    }

    /// One step of Kac's walk: with half = len / 2 and b = x[len - half + i],
    /// the pair (a, b) becomes ((a + b) s, (a - b) s). The middle of an odd
    /// length stays.
    pub fn kac(self, x: &mut [f32], s: f32) {
        dispatch!(self, kac(x, s))
    }

    /// x[i] becomes -x[i] s where bit i of `signs` is set, else x[i] s. Panics
    /// if `signs` has too few words.
    pub fn flip_scale(self, x: &mut [f32], signs: &[u32], s: f32) {
        assert!(signs.len() >= x.len().div_ceil(32));
        dispatch!(self, flip_scale(x, signs, s))
    }
}
