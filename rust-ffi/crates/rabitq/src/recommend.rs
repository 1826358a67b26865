use crate::error::{Error, Result};
use crate::options::{Kind, MAX_DIM};

/// Parameters for a set of vectors that nothing is known of but its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recommendation {
    /// The kind of index.
    pub kind: Kind,
    /// Bits of code.
    pub bits: u32,
    /// Multiplier of the error bound.
    pub epsilon: f32,
    /// Cap of exact comparisons over k.
    pub rerank_factor: u32,
    /// Recall@10 that these parameters gave on measured sets of unit-norm vectors.
    pub expected_recall: f32,
}

/// Below this many floats an exact scan takes under 50 microseconds.
const SMALL: u64 = 250_000;

/// Epsilon and the recall@10 that RabitqPlus with 4 bits reached with it, the lowest of the
/// measured sets (bench/records).
const MEASURED: [(f32, f32); 6] = [
    (0.5, 0.85),
    (0.8, 0.92),
    (1.0, 0.95),
    (1.4, 0.98),
    (1.9, 0.995),
    (3.0, 0.9999),
];

/// Parameters that reach `recall` (0 to 1) on `n` vectors of `dim` dimensions.
pub fn recommend(n: u64, dim: usize, recall: f32) -> Result<Recommendation> {
    if dim == 0 || dim > MAX_DIM {
        return Err(Error::argument("dim", dim, format!("1 to {MAX_DIM}")));
    }
    if !(recall > 0.0 && recall <= 1.0) {
        return Err(Error::argument("recall", recall, "above 0, at most 1"));
    }
    let exact = Recommendation {
        kind: Kind::Flat,
        bits: 0,
        epsilon: 0.0,
        rerank_factor: 1,
        expected_recall: 1.0,
    };
    if n.saturating_mul(dim as u64) <= SMALL {
        return Ok(exact);
    }
    let reached = MEASURED.iter().find(|(_, r)| *r >= recall);
    Ok(
        reached.map_or(exact, |&(epsilon, expected_recall)| Recommendation {
            kind: Kind::Plus,
            bits: 4,
            epsilon,
            rerank_factor: 20,
            expected_recall,
        }),
    )
}
