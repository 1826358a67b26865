use crate::error::{Error, Result};
use crate::layout::{BLOCK, Layout};
use crate::options::{Kind, MAX_DIM, MAX_NPROBE, Options, check_recall};
use crate::partition::Training;

/// Parameters for a set of vectors that nothing is known of but its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recommendation {
    /// The kind of index that is fastest then.
    pub kind: Kind,
    /// Bits of code.
    pub bits: u32,
    /// Cells; 0 chooses by the number of rows.
    pub nlist: u32,
    /// Cells to probe at most; 0 where there are none.
    pub nprobe: u32,
    /// Multiplier of the error bound.
    pub epsilon: f32,
    /// Cap of exact comparisons over k.
    pub rerank_factor: u32,
    /// Recall@10 that these parameters reached on each of the measured sets.
    pub expected_recall: f32,
    /// Bytes of a row's original, code and, where cells put rows in another order, id.
    pub row_bytes: u32,
}

// Fitted to bench/model/measured.csv: bench/fit.py prints these lines and has the formulas.
const EPSILON: [f32; 3] = [-0.3201, 0.4823, -0.0090];
const FEW_BITS: [f32; 3] = [1.2495, 1.2516, 1.0048];
const NPROBE: [f32; 6] = [-0.1052, 1.6996, 0.3543, 0.7297, -0.2044, 0.3255];

/// The part of what a search of cells may miss that its error bounds may miss: a larger epsilon
/// costs less than more cells.
const OF_BOUNDS: f32 = 0.15;
/// Up to this many floats an exact scan is as fast as one of codes (the measurements that are timed).
const SMALL: u64 = 300_000;
/// A cap of exact comparisons that the error bounds stay under.
const RERANK_FACTOR: u32 = 100;
const BITS: u32 = 4;
const DEFAULT_K: usize = 10;
/// An id, and its place in the order of ids.
const ID_BYTES: u32 = 8;
/// More than -ln of the least that a recall below 1 lets a search miss.
const MOST: f32 = 20.0;

/// A recall that a search is to reach, as -ln of the part of the neighbours that it may miss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    k: usize,
    bits: u32,
    by_bounds: f32,
    by_cells: f32,
}

impl Target {
    pub(crate) fn new(options: &Options, k: usize, recall: f32) -> Result<Self> {
        check_recall(recall)?;
        if !options.keeps_originals() {
            return Err(Error::Unsupported {
                what: format!(
                    "this {:?} index keeps no originals, and what its codes alone find depends on \
                     the vectors: set epsilon and nprobe instead of a recall",
                    options.kind
                ),
            });
        }
        let missed = |part: f32| -(part * (1.0 - recall)).ln();
        let cells = options.kind == Kind::Ivf;
        Ok(Target {
            k,
            bits: options.bits,
            by_bounds: missed(if cells { OF_BOUNDS } else { 1.0 }),
            by_cells: missed(1.0 - OF_BOUNDS),
        })
    }

    /// The multiplier of the error bound.
    pub(crate) fn epsilon(&self) -> f32 {
        let [e0, e1, e2] = EPSILON;
        let few = (self.bits as usize)
            .checked_sub(1)
            .and_then(|i| FEW_BITS.get(i));
        // No more than the largest that counts, also where nothing may be missed.
        let l = self.by_bounds.min(MOST);
        ((e0 + e1 * l + e2 * l * l) * few.unwrap_or(&1.0)).clamp(0.0, 16.0)
    }

    /// How many of the cells of `rows` rows to probe at most.
    pub(crate) fn nprobe(&self, cells: usize, rows: usize) -> usize {
        let [p0, p1, p2, p3, p4, p5] = NPROBE;
        let (l, per_k) = (self.by_cells.ln(), (self.k as f32 / 10.0).ln());
        let ln_nprobe = p0
            + p1 * l
            + p2 * l * l
            + p3 * (cells as f32).ln()
            + p4 * (rows as f32).ln()
            + p5 * per_k;
        (ln_nprobe.exp().ceil() as usize).clamp(1, cells)
    }
}

/// Parameters that reach `recall` (above 0, at most 1) on `n` vectors of `dim` dimensions.
pub fn recommend(n: u64, dim: usize, recall: f32) -> Result<Recommendation> {
    if dim == 0 || dim > MAX_DIM {
        return Err(Error::argument("dim", dim, format!("1 to {MAX_DIM}")));
    }
    check_recall(recall)?;
    let original = (dim * size_of::<f32>()) as u32;
    let exact = Recommendation {
        kind: Kind::Flat,
        bits: 0,
        nlist: 0,
        nprobe: 0,
        epsilon: 0.0,
        rerank_factor: 1,
        expected_recall: 1.0,
        row_bytes: original,
    };
    if recall == 1.0 || n.saturating_mul(dim as u64) <= SMALL {
        return Ok(exact);
    }
    let rows = usize::try_from(n).unwrap_or(usize::MAX);
    let layout = Layout::new(dim, BITS);
    let code = layout.block_bytes.div_ceil(BLOCK) + layout.record_bytes;
    let coded = |kind| Options {
        bits: BITS,
        ..Options::new(kind, dim)
    };
    let (plus, ivf) = (coded(Kind::Plus), coded(Kind::Ivf));
    let target = Target::new(&ivf, DEFAULT_K, recall)?;
    let cells = Training::new(&ivf, rows).map_or(1, |training| training.cells);
    let nprobe = target.nprobe(cells, rows);
    // A row of a cell costs twice one of a flat scan; but short of all cells, a search of any measured
    // set that is not small stopped before it met two fifths of the rows.
    let (kind, target, nprobe, ids) = if nprobe < cells {
        (Kind::Ivf, target, nprobe.min(MAX_NPROBE as usize), ID_BYTES)
    } else {
        (Kind::Plus, Target::new(&plus, DEFAULT_K, recall)?, 0, 0)
    };
    Ok(Recommendation {
        kind,
        bits: BITS,
        nprobe: nprobe as u32,
        epsilon: target.epsilon(),
        rerank_factor: RERANK_FACTOR,
        expected_recall: recall,
        row_bytes: original + code as u32 + ids,
        ..exact
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A line of bench/model/measured.csv by the names of its columns.
    type Line<'a> = BTreeMap<&'a str, &'a str>;

    fn number(line: &Line, name: &str) -> f64 {
        line[name].parse().unwrap_or(f64::NAN)
    }

    /// -ln of what is missed by epsilon or nprobe, of each index that was measured.
    type Curves = BTreeMap<String, Vec<(f64, f64)>>;

    fn curve(lines: &[Line], knob: &str, wanted: impl Fn(&Line) -> bool) -> Curves {
        let mut curves = Curves::new();
        for line in lines.iter().filter(|line| wanted(line)) {
            let name = ["set", "rows", "bits", "cells", "k"]
                .map(|c| line[c])
                .join(" ");
            let missed = 1.0 - number(line, "recall") + 1e-6;
            let point = (number(line, knob), -missed.ln());
            curves.entry(name).or_default().push(point);
        }
        curves
            .values_mut()
            .for_each(|c| c.sort_by(|a, b| a.0.total_cmp(&b.0)));
        curves
    }

    /// Between two measured points on the line between them, beyond all of them the nearest.
    fn at(curve: &[(f64, f64)], value: f64) -> f64 {
        let next = curve.partition_point(|p| p.0 < value);
        match (curve.get(next.wrapping_sub(1)), curve.get(next)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (value - a.0) / (b.0 - a.0),
            (Some(end), None) | (None, Some(end)) => end.1,
            (None, None) => f64::NAN,
        }
    }

    fn target(kind: Kind, name: &str, recall: f32) -> (Target, usize, usize) {
        let words: Vec<&str> = name.split(' ').collect();
        let number = |i: usize| words[i].parse::<usize>().unwrap();
        let options = Options {
            bits: number(2) as u32,
            ..Options::new(kind, 100)
        };
        let target = Target::new(&options, number(4), recall).unwrap();
        (target, number(3), number(1))
    }

    #[test]
    fn the_model_reaches_every_recall_on_every_measured_set() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../bench/model/measured.csv"
        );
        let text = std::fs::read_to_string(file).expect("the measurements");
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let lines: Vec<Line> = lines
            .map(|line| names.iter().copied().zip(line.split(',')).collect())
            .collect();
        let lines: Vec<Line> = lines.into_iter().filter(|l| l["timed"] == "0").collect();
        let is = |line: &Line, kind: &str, epsilon: Option<f64>| {
            line["index"] == kind && epsilon.is_none_or(|e| number(line, "epsilon") == e)
        };
        let bounds = curve(&lines, "epsilon", |l| is(l, "plus", None));
        let cells = curve(&lines, "nprobe", |l| is(l, "ivf", Some(4.0)));
        // Of indexes of the usual number of cells, with less epsilon too.
        let narrow = curve(&lines, "nprobe", |l| is(l, "ivf", Some(1.0)));
        let middle = curve(&lines, "nprobe", |l| is(l, "ivf", Some(1.7)));
        assert!(bounds.len() > 20 && cells.len() > 15 && narrow.len() > 8 && middle.len() > 8);
        // Within the noise of 10,000 neighbours, and of reading curves between their points.
        const NEAR: f64 = 0.002;
        let check = |name: &str, reached: f64, recall: f32| {
            let found = 1.0 - (-reached).exp();
            assert!(
                found >= recall as f64 - NEAR,
                "{name}: {found} for {recall}"
            );
        };
        for recall in [0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998] {
            for (name, curve) in &bounds {
                let (target, ..) = target(Kind::Plus, name, recall);
                let epsilon = target.epsilon() as f64;
                // Codes of other than 4 bits were not measured as far as that.
                if curve.last().is_some_and(|end| epsilon <= end.0) {
                    check(name, at(curve, epsilon), recall);
                }
            }
            for (name, wide) in &cells {
                let (target, count, rows) = target(Kind::Ivf, name, recall);
                let nprobe = target.nprobe(count, rows) as f64;
                let reached = match (narrow.get(name), middle.get(name)) {
                    (Some(narrow), Some(middle)) => {
                        let epsilons = [(1.0, narrow), (1.7, middle), (4.0, wide)];
                        let by_epsilon = epsilons.map(|(e, curve)| (e, at(curve, nprobe)));
                        at(&by_epsilon, target.epsilon() as f64)
                    }
                    _ => {
                        let by_bounds = OF_BOUNDS as f64 * (1.0 - recall as f64);
                        // Where all cells are probed, they miss nothing.
                        let by_cells = if nprobe < count as f64 {
                            (-at(wide, nprobe)).exp()
                        } else {
                            0.0
                        };
                        -(by_cells + by_bounds).ln()
                    }
                };
                check(name, reached, recall);
            }
        }
    }

    #[test]
    fn a_higher_recall_never_costs_less() {
        let options = Options {
            bits: 4,
            ..Options::new(Kind::Ivf, 100)
        };
        let mut last = (0.0, 0);
        for missed in (0..=240).map(|i| 2f32.powf(-i as f32 / 10.0)) {
            let recall = 1.0 - 0.999 * missed;
            let target = Target::new(&options, 10, recall).unwrap();
            let now = (target.epsilon(), target.nprobe(1_000, 250_000));
            assert!(
                now.0 >= last.0 && now.1 >= last.1,
                "{recall}: {now:?} after {last:?}"
            );
            last = now;
        }
        let all = Target::new(&options, 10, 1.0).unwrap();
        assert!(all.epsilon() >= last.0 && all.nprobe(1_000, 250_000) == 1_000);
    }

    #[test]
    fn larger_sets_go_from_flat_to_plus_to_ivf() {
        let kinds =
            |recall| [1_000, 10_000, 1_000_000].map(|n| recommend(n, 128, recall).unwrap().kind);
        assert_eq!(kinds(0.9), [Kind::Flat, Kind::Ivf, Kind::Ivf]);
        assert_eq!(kinds(0.99), [Kind::Flat, Kind::Plus, Kind::Ivf]);
        assert_eq!(kinds(1.0), [Kind::Flat; 3]);
        for n in [0, 1, u64::MAX] {
            for dim in [1, MAX_DIM] {
                for recall in [f32::MIN_POSITIVE, 0.5, 0.999_999] {
                    let r = recommend(n, dim, recall).unwrap();
                    assert!((0.0..=16.0).contains(&r.epsilon) && r.nprobe <= MAX_NPROBE);
                }
            }
        }
    }
}
