use simd::Simd;

use crate::options::MAX_DIM;

/// A pseudo-random rotation in O(D log D): sign flips, a fast Hadamard transform on a window of
/// 2^k components, and a step of Kac's walk over the halves, in rounds; no padding. It follows the
/// FHT-Kac rotation of the RaBitQ library (Gao & Long, SIGMOD 2025, section 5).
///
/// The transform only adds, subtracts and scales, in one order, so its result has the same bits on
/// every instruction set. A few rounds are not a Haar rotation; below 16 dimensions, where one
/// window mixes little, it takes twice as many.
#[derive(Debug, Clone)]
pub struct Rotation {
    dim: usize,
    window: usize,
    window_scale: f32,
    rounds: Vec<Round>,
}

#[derive(Debug, Clone)]
struct Round {
    signs: Vec<u32>,
    start: usize,
}

const HALF_SQRT: f32 = std::f32::consts::FRAC_1_SQRT_2;

impl Rotation {
    /// The rotation of `dim` dimensions that belongs to `seed`.
    pub fn new(dim: usize, seed: u64) -> Self {
        assert!((1..=MAX_DIM).contains(&dim));
        // Sign flips and whole transforms of 4 components make a finite group, under which estimates
        // stay biased, and of 8 a small one; half a window leaves a step of Kac's walk to do.
        let window = match dim {
            4 | 8 => dim / 2,
            _ => 1 << dim.ilog2(),
        };
        let words = dim.div_ceil(32);
        let count = if dim < 16 { 8 } else { 4 };
        let rounds = (0..count)
            .map(|r| Round {
                signs: (0..words)
                    .map(|w| random(seed, (r * words + w) as u64) as u32)
                    .collect(),
                start: if r % 2 == 0 { 0 } else { dim - window },
            })
            .collect();
        Rotation {
            dim,
            window,
            window_scale: 1.0 / (window as f32).sqrt(),
            rounds,
        }
    }

    /// Dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rotates `x` in place.
    pub fn forward(&self, simd: Simd, x: &mut [f32]) {
        for round in &self.rounds {
            simd.flip_scale(x, &round.signs, 1.0);
            self.hadamard(simd, round, x);
            self.kac(simd, x);
        }
    }

    /// Undoes [`Rotation::forward`], but for rounding.
    pub fn inverse(&self, simd: Simd, x: &mut [f32]) {
        for round in self.rounds.iter().rev() {
            // Each step is its own inverse.
            self.kac(simd, x);
            self.hadamard(simd, round, x);
            simd.flip_scale(x, &round.signs, 1.0);
        }
    }

    fn hadamard(&self, simd: Simd, round: &Round, x: &mut [f32]) {
        let window = &mut x[round.start..round.start + self.window];
        simd.fht(window);
        simd.scale(window, self.window_scale);
    }

    fn kac(&self, simd: Simd, x: &mut [f32]) {
        if self.window != self.dim {
            simd.kac(x, HALF_SQRT);
        }
    }
}

/// The `counter`-th random number of `seed` (SplitMix64; Steele, Lea & Flood, OOPSLA 2014).
pub(crate) fn random(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
