use half::f16;
use simd::Simd;

use crate::layout::Layout;
use crate::options::{Metric, Options};
use crate::partition::Origin;
use crate::rotate::Rotation;
use crate::rows::{MAX_NORM_SQ, check_vector};

/// Best step of a uniform quantiser of B bits for a normal variable, in standard deviations
/// (Max, IRE Trans. Inform. Theory 1960), for B = 1..=8. Where the search for a row's scale starts.
const STEP: [f32; 8] = [1.596, 0.9957, 0.586, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308];

/// Below this many dimensions a coordinate is far from normal, and a row's best scale far from the
/// start and not alone.
const FEW_DIMS: usize = 32;
const FEW_DIMS_SCALES: [f32; 6] = [0.7, 0.8, 0.9, 1.15, 1.3, 1.5];
/// A row's scale is changed by this factor as long as that helps: some three trials a row, which
/// take recall@10 on the words from .868 to .874 at 4 bits against a constant scale.
const CLIMB: f32 = 1.08;
const CLIMB_STEPS: usize = 6;

/// What turns vectors into codes: metric, rotation, and the centroid they are relative to.
///
/// Symbols of the papers (RaBitQ, SIGMOD 2024, section 3; its extension, SIGMOD 2025, section 4)
/// and the words used here, for a row o, its centroid c and a query q:
///
/// | paper | here |
/// |---|---|
/// | P (o - c) | `z`, the rotated residual |
/// | o-bar, B bits | y = u - (2^B - 1) / 2, `u` the stored code |
/// | <o-bar, o> | cos(y, z), `t` |
/// | estimate of <o - c, q - c> | <y, P (q - c)> |z|^2 / <y, z> |
/// | its error bound | epsilon |z| |q - c| sqrt(1 - t^2) / (t sqrt(D - 1)) |
///
/// A score is estimated as `add + g - mul * <y, P (q - c)>` with `g` from the query alone, and its
/// standard deviation is `mul * kappa * |q - c|`.
pub(crate) struct Codec {
    pub(crate) metric: Metric,
    pub(crate) layout: Layout,
    pub(crate) rotation: Rotation,
    /// The centroid; of the unit vectors under cosine.
    pub(crate) mean: Vec<f32>,
    /// |y| of a typical row.
    pub(crate) code_norm: f32,
    scale: f32,
}

/// The factors of one row's estimator.
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Factors {
    pub(crate) add: f32,
    pub(crate) mul: f32,
    pub(crate) kappa: f32,
}

/// Buffers for encoding one row.
pub(crate) struct Scratch {
    z: Vec<f32>,
    codes: Vec<u8>,
    trial: Vec<u8>,
    signs: Vec<u8>,
    values: Vec<f32>,
}

impl Factors {
    /// Folds the way from the mean to the row's own centroid into `add`, so that a query rotated
    /// around the mean serves all cells: <y, P (q - c)> = <y, P (q - m)> - <y, P (c - m)>.
    fn moved_to_mean(
        mut self,
        simd: Simd,
        origin: &Origin,
        bits: u32,
        codes: &[u8],
        values: &mut [f32],
    ) -> Self {
        if let Some(rotated) = origin.rotated {
            let middle = ((1u32 << bits) - 1) as f32 / 2.0;
            values
                .iter_mut()
                .zip(codes)
                .for_each(|(y, &u)| *y = u as f32 - middle);
            self.add += self.mul * simd.dot(values, rotated);
        }
        self
    }
}

impl Codec {
    pub(crate) fn new(options: &Options, mean: Vec<f32>) -> Self {
        let dim = options.dim;
        let scale = (dim as f32).sqrt() / STEP[options.bits as usize - 1];
        Codec {
            metric: options.metric,
            layout: Layout::new(dim, options.bits),
            rotation: Rotation::new(dim, options.seed),
            mean,
            code_norm: scale,
            scale,
        }
    }

    pub(crate) fn scratch(&self) -> Scratch {
        let dim = self.layout.dim;
        Scratch {
            z: vec![0.0; dim],
            codes: vec![0; dim],
            trial: vec![0; dim],
            signs: vec![0; dim],
            values: vec![0.0; dim],
        }
    }

    /// Encodes one row: its sign bits into lane `lane` of `block`, its code and factors into
    /// `record`. Returns the factors of the 1-bit estimator.
    #[expect(
        clippy::too_many_arguments,
        reason = "a row, its centroid, and where its parts go"
    )]
    pub(crate) fn encode(
        &self,
        simd: Simd,
        row: &[f32],
        origin: &Origin,
        scratch: &mut Scratch,
        block: &mut [u8],
        lane: usize,
        record: &mut [u8],
    ) -> Factors {
        let Scratch {
            z,
            codes,
            trial,
            signs,
            values,
        } = scratch;
        let layout = &self.layout;
        if self.metric == Metric::Cosine {
            z.copy_from_slice(row);
            simd.scale(z, inverse_norm(simd.dot(row, row)));
            for (z, c) in z.iter_mut().zip(origin.centroid) {
                *z -= c;
            }
        } else {
            simd.sub(row, origin.centroid, z);
        }
        let add = match self.metric {
            Metric::L2 => simd.dot(z, z),
            Metric::Cosine | Metric::InnerProduct => -simd.dot(z, origin.centroid),
        };
        self.rotation.forward(simd, z);
        let norm_sq = simd.dot(z, z);
        if norm_sq < f32::MIN_POSITIVE {
            // The row is its centroid: the estimate is exact.
            let exact = Factors {
                add,
                mul: 0.0,
                kappa: 0.0,
            };
            signs.fill(1);
            codes.fill(1 << (layout.bits - 1));
            layout.put_signs(block, lane, signs);
            layout.put_record(simd, record, codes, exact);
            return exact;
        }
        let norm = norm_sq.sqrt();
        let (dot, code_sq) = simd.encode(z, 1.0, 1, signs);
        layout.put_signs(block, lane, signs);
        let one = self
            .factors(add, norm_sq, dot, code_sq)
            .moved_to_mean(simd, origin, 1, signs, values);
        if layout.bits > 1 {
            let (dot, code_sq) = self.fit(simd, z, norm, codes, trial);
            let factors = self.factors(add, norm_sq, dot, code_sq);
            let factors = factors.moved_to_mean(simd, origin, layout.bits, codes, values);
            layout.put_record(simd, record, codes, factors);
        }
        one
    }

    /// Codes `z` with a scale that brings the code's direction near to its own; returns <y, z> and
    /// <y, y>.
    fn fit(
        &self,
        simd: Simd,
        z: &[f32],
        norm: f32,
        codes: &mut Vec<u8>,
        trial: &mut Vec<u8>,
    ) -> (f32, f32) {
        let bits = self.layout.bits;
        let (mut dot, mut code_sq) = simd.encode(z, self.scale / norm, bits, codes);
        let mut helps = |factor: f32| {
            let (d, c) = simd.encode(z, self.scale * factor / norm, bits, trial);
            // Over the norm: squares of the products themselves could overflow.
            let (trial_dot, best_dot) = (d / norm, dot / norm);
            let better = trial_dot * trial_dot * code_sq > best_dot * best_dot * c;
            if better {
                (dot, code_sq) = (d, c);
                std::mem::swap(codes, trial);
            }
            better
        };
        if self.layout.dim < FEW_DIMS {
            for factor in FEW_DIMS_SCALES {
                helps(factor);
            }
        } else {
            let mut climb = |step: f32| {
                let scales = std::iter::successors(Some(step), |scale| Some(scale * step));
                scales
                    .take(CLIMB_STEPS)
                    .take_while(|&scale| helps(scale))
                    .count()
            };
            if climb(CLIMB) == 0 {
                climb(1.0 / CLIMB);
            }
        }
        (dot, code_sq)
    }

    /// What a code tells of its row: c + P^T y |z| / |y|, the point along the code that is as far from
    /// the centroid as the row. Of 300,000 words in 4 bits, coded again from these, 2 points more of
    /// recall@10 are left than from the points nearest to the rows, |z| cos(y, z) away. It is a valid
    /// row, with a direction under cosine, whatever a damaged file holds.
    pub(crate) fn decode(
        &self,
        simd: Simd,
        codes: &[u8],
        factors: Factors,
        centroid: &[f32],
        out: &mut [f32],
    ) {
        let middle = ((1u32 << self.layout.bits) - 1) as f32 / 2.0;
        out.iter_mut()
            .zip(codes)
            .for_each(|(y, &u)| *y = u as f32 - middle);
        // `mul` tells |z|^2 / <y, z>, and kappa the part of |y|^2 that is not along z.
        let missing = factors.kappa * factors.kappa * self.freedom() / simd.dot(out, out);
        let cosine = (1.0 - missing).max(0.0).sqrt();
        simd.scale(out, cosine * factors.mul / self.weight());
        self.rotation.inverse(simd, out);
        out.iter_mut().zip(centroid).for_each(|(x, c)| *x += c);
        let norm_sq = simd.dot(out, out);
        if norm_sq > MAX_NORM_SQ {
            simd.scale(out, (0.999 * MAX_NORM_SQ / norm_sq).sqrt());
        }
        if check_vector(simd, self.metric, 0, out).is_err() {
            out.fill(0.0);
            out[0] = 1.0;
        }
    }

    /// How often the product of residuals counts in a score.
    fn weight(&self) -> f32 {
        match self.metric {
            Metric::L2 => 2.0,
            Metric::Cosine | Metric::InnerProduct => 1.0,
        }
    }

    /// Dimensions across a row's direction.
    fn freedom(&self) -> f32 {
        (self.layout.dim - 1).max(1) as f32
    }

    fn factors(&self, add: f32, norm_sq: f32, dot: f32, code_sq: f32) -> Factors {
        let mul = self.weight() * (norm_sq / dot);
        // A code may be exact but for what single precision loses here.
        let missing = (1.0 - (dot / code_sq) * (dot / norm_sq)).max(0.0) + 4.0 * f32::EPSILON;
        let kappa = if self.layout.dim == 1 {
            0.0
        } else {
            (code_sq * missing / self.freedom()).sqrt()
        };
        Factors { add, mul, kappa }
    }
}

/// 1 / sqrt(x), correctly rounded in both steps.
pub(crate) fn inverse_norm(norm_sq: f32) -> f32 {
    1.0 / norm_sq.sqrt()
}

/// The largest half-precision value that is at most `x`; NaN for NaN, which damaged files hold.
pub(crate) fn half_down(x: f32) -> f16 {
    let near = f16::from_f32(x);
    if near.to_f32() <= x || x.is_nan() {
        return near;
    }
    f16::from_bits(match near.to_bits() {
        0x0000 | 0x8000 => 0x8001,
        bits if bits & 0x8000 == 0 => bits - 1,
        bits => bits + 1,
    })
}

/// The upper 16 bits of the smallest single that is at least `x` and has no lower ones, for x >= 0.
pub(crate) fn upper_half(x: f32) -> u16 {
    (x.to_bits().saturating_add(0xffff) >> 16) as u16
}

/// The power of two that takes `largest` (in size) to at most 2^15, so that it fits half precision.
pub(crate) fn half_scale(largest: f32) -> f32 {
    if largest <= 0.0 || !largest.is_finite() {
        return 1.0;
    }
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    f32::from_bits(((14 - exponent).clamp(-120, 100) + 127) as u32 * (1 << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_rounds_outward() {
        for bits in (0..u32::MAX).step_by(9_973) {
            let x = f32::from_bits(bits);
            if x.is_nan() || x.abs() > 65_000.0 {
                continue;
            }
            let down = half_down(x).to_f32();
            assert!(
                down <= x && x - down <= x.abs() * 1.1e-3 + 6e-8,
                "{x} -> {down}"
            );
            if x >= 0.0 {
                let up = f32::from_bits((upper_half(x) as u32) << 16);
                assert!(up >= x && up - x <= x * 8e-3 + 1e-38, "{x} -> {up}");
            }
        }
    }

    #[test]
    fn half_scale_fits() {
        for x in [1e-38f32, 1e-20, 0.3, 1.0, 2.0, 65_504.0, 1e10, 8e37] {
            let scaled = x * half_scale(x);
            assert!(scaled <= 32_768.0, "{x} -> {scaled}");
            assert!(
                scaled >= 16_384.0 || half_scale(x) == 2f32.powi(100),
                "{x} -> {scaled}"
            );
        }
    }
}
