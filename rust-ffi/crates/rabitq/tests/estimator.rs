//! The estimator is unbiased and as sure as it says. Its promise is over rotations, so every
//! statistic here is taken over many seeds. Estimates are worked out from the packed codes in double
//! precision, apart from the library's own code.

mod common;

use common::*;
use rabitq::{Ids, Kind, Metric, Rotation, VectorIndex};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simd::Simd;

/// What an index keeps of a row.
struct Code {
    digits: Vec<f64>,
    add: f64,
    mul: f64,
    /// Standard error of an estimate over |q - c|.
    error: f64,
}

/// Bits `shift..shift + width` of the digit of each dimension lie in planes of 8, 4, 2 and 1 bits,
/// as the documentation of the layout says.
fn unpack(bits: u32, dim: usize, packed: &[u8]) -> Vec<u32> {
    let mut digits = vec![0u32; dim];
    let (mut at, mut shift) = (0, 0);
    for width in [8, 4, 2, 1] {
        if bits & width == 0 {
            continue;
        }
        let each = 8 / width as usize;
        let bytes = dim.div_ceil(each);
        for (d, digit) in digits.iter_mut().enumerate() {
            // The plane of single bits is in order; the others interleave.
            let (byte, place) = match width {
                1 => (d / 8, d % 8),
                _ => (d % bytes, d / bytes),
            };
            let part = packed[at + byte] as u32 >> (place as u32 * width) & ((1 << width) - 1);
            *digit |= part << shift;
        }
        at += bytes;
        shift += width;
    }
    assert_eq!(at, packed.len());
    digits
}

fn codes(index: &dyn VectorIndex) -> Vec<Code> {
    let info = index.info();
    let (bits, dim, rows) = (info.options.bits, info.options.dim, info.rows as usize);
    let size = info.code_bytes as usize;
    let (mut ids, mut packed, mut factors) =
        (vec![0; rows], vec![0; rows * size], vec![0.0; rows * 3]);
    let n = index
        .iter()
        .next_codes(&mut ids, &mut packed, &mut factors)
        .unwrap();
    assert_eq!(n, rows);
    let middle = ((1u32 << bits) - 1) as f64 / 2.0;
    packed
        .chunks_exact(size)
        .zip(factors.chunks_exact(3))
        .map(|(packed, f)| Code {
            digits: unpack(bits, dim, packed)
                .into_iter()
                .map(|u| u as f64 - middle)
                .collect(),
            add: f[0] as f64,
            mul: f[1] as f64,
            error: f[2] as f64,
        })
        .collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| *x as f64).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn unit(x: Vec<f64>) -> Vec<f64> {
    let norm = dot(&x, &x).sqrt();
    x.into_iter().map(|x| x / norm).collect()
}

/// The vectors as the codes see them: of unit length under cosine.
fn seen(metric: Metric, x: &[f32]) -> Vec<f64> {
    match metric {
        Metric::Cosine => unit(wide(x)),
        _ => wide(x),
    }
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let sum = |d: usize| rows.iter().map(|row| row[d]).sum::<f64>();
    (0..rows[0].len())
        .map(|d| sum(d) / rows.len() as f64)
        .collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Errors of estimates over their standard errors, by seed.
struct Errors {
    /// Over the standard error that the factors promise.
    promised: Vec<Vec<f64>>,
    /// Over the standard error for this pair: only the part of q - c across o - c is estimated.
    paired: Vec<Vec<f64>>,
    /// Over |o - c| |q - c|.
    relative: Vec<f64>,
}

fn errors(
    metric: Metric,
    bits: u32,
    dim: usize,
    data: &[f32],
    queries: &[f32],
    seeds: u64,
) -> Errors {
    let kind = if bits == 1 { Kind::Rabitq } else { Kind::Asym };
    let rows: Vec<Vec<f64>> = data.chunks_exact(dim).map(|x| seen(metric, x)).collect();
    let centre = mean(&rows);
    let residuals: Vec<Vec<f64>> = rows.iter().map(|row| minus(row, &centre)).collect();
    let mut out = Errors {
        promised: Vec::new(),
        paired: Vec::new(),
        relative: Vec::new(),
    };
    for seed in 0..seeds {
        let index = build(
            rabitq::Options {
                seed,
                ..options(kind, metric, dim, bits)
            },
            data,
            Ids::From(0),
        );
        let codes = codes(&*index);
        let (mut promised, mut paired) = (Vec::new(), Vec::new());
        for q in queries.chunks_exact(dim) {
            let query = seen(metric, q);
            let z = minus(&query, &centre);
            let base = match metric {
                Metric::L2 => dot(&z, &z),
                Metric::InnerProduct => -dot(&query, &centre),
                Metric::Cosine => 1.0 - dot(&query, &centre),
            };
            let narrow: Vec<f32> = z.iter().map(|x| *x as f32).collect();
            let mut rotated = vec![0f32; dim];
            index.rotate(&narrow, &mut rotated, false).unwrap();
            let rotated = wide(&rotated);
            for ((code, row), residual) in codes.iter().zip(data.chunks_exact(dim)).zip(&residuals)
            {
                let product = code.mul * dot(&code.digits, &rotated);
                let estimate = code.add + base - product;
                let error = estimate - score(metric, q, row);
                let (length, size) = (dot(&z, &z).sqrt(), dot(residual, residual).sqrt());
                if size < 1e-6 || length < 1e-6 {
                    assert!(error.abs() < 1e-5, "a row at the centre: {error}");
                    continue;
                }
                let along = dot(&z, residual) / (size * length);
                let across = (1.0 - along * along).max(0.0).sqrt();
                // One bit has its factors in half precision, which is all the error where a code
                // happens to be exact.
                let precision = if bits == 1 { 3e-4 } else { 1e-6 };
                let factors = precision * (code.add.abs() + base.abs() + product.abs());
                promised.push(error / (code.error * length).hypot(factors));
                if code.error > 0.0 && across > 0.05 {
                    paired.push(error / (code.error * length * across));
                }
                out.relative.push(error / (size * length));
            }
        }
        out.promised.push(promised);
        out.paired.push(paired);
    }
    out
}

/// Mean over its own standard error, taken over seeds: rows that share a rotation are not independent.
fn bias(by_seed: &[Vec<f64>]) -> f64 {
    let means: Vec<f64> = by_seed
        .iter()
        .filter(|x| !x.is_empty())
        .map(|x| x.iter().sum::<f64>() / x.len() as f64)
        .collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if variance < 1e-12 {
        0.0
    } else {
        mean / (variance / n).sqrt()
    }
}

fn root_mean_square(x: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = x.fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x * x));
    if n == 0.0 { 0.0 } else { (sum / n).sqrt() }
}

fn beyond(x: &[Vec<f64>], limit: f64) -> f64 {
    let all = x.iter().map(Vec::len).sum::<usize>();
    let beyond = x.iter().flatten().filter(|x| x.abs() > limit).count();
    beyond as f64 / all.max(1) as f64
}

#[test]
fn unbiased_and_as_sure_as_promised() {
    let mut rng = rng(21);
    let mut turn = 0;
    for dim in [33, 64, 100, 129, 257] {
        for bits in 1..=8 {
            turn += 1;
            let metric = METRICS[turn % 3];
            let shape = match metric {
                // Unit vectors of an offset set lie so close that single precision is all their error.
                Metric::Cosine => [Shape::Raw, Shape::Clustered][turn / 3 % 2],
                _ => [Shape::Raw, Shape::Offset, Shape::Clustered][turn / 3 % 3],
            };
            let data = rows(shape, 20, dim, &mut rng);
            let queries = rows(shape, 3, dim, &mut rng);
            let e = errors(metric, bits, dim, &data, &queries, 150);
            let (bias, spread) = (
                bias(&e.paired),
                root_mean_square(e.paired.iter().flatten().copied()),
            );
            let (out, far) = (beyond(&e.paired, 1.9), beyond(&e.paired, 3.5));
            println!(
                "{metric:?} {shape:?} D={dim} B={bits}: bias {bias:.2} sd {spread:.3} P(|z|>1.9) {out:.4} P(|z|>3.5) {far:.5}"
            );
            assert!(bias.abs() < 4.0, "bias of {bias} standard errors");
            assert!((0.9..1.1).contains(&spread), "sd {spread}");
            // 5.7% of a normal variable.
            assert!((0.04..0.075).contains(&out), "beyond 1.9: {out}");
            assert!(far < 0.003, "beyond 3.5: {far}");
        }
    }
}

/// Data that a few rounds of sign flips and Hadamard transforms might mix badly.
fn awkward(name: &str, n: usize, dim: usize, rng: &mut StdRng) -> Vec<f32> {
    let mut out = vec![0f32; n * dim];
    for (i, row) in out.chunks_exact_mut(dim).enumerate() {
        let scale = (0.5 * normal(rng)).exp();
        match name {
            "one-hot" => row[i % dim] = scale,
            "block-sparse" => {
                let start = i % 4 * dim / 4;
                row[start..(start + dim.div_ceil(4)).min(dim)].fill_with(|| scale * normal(rng));
            }
            "constant" => row.fill(scale),
            "non-negative" => row.fill_with(|| scale * normal(rng).abs()),
            _ => row.fill_with(|| scale * normal(rng)),
        }
    }
    out
}

#[test]
fn awkward_data_keeps_the_bound() {
    let mut rng = rng(22);
    let dims = [
        1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129,
    ];
    let mut failures = Vec::new();
    for name in [
        "one-hot",
        "block-sparse",
        "constant",
        "non-negative",
        "normal",
    ] {
        for dim in dims {
            for bits in [1, 2, 4, 8] {
                let data = awkward(name, 12, dim, &mut rng);
                let mut queries = awkward(name, 2, dim, &mut rng);
                queries.extend(awkward("normal", 1, dim, &mut rng));
                let e = errors(Metric::L2, bits, dim, &data, &queries, 200);
                let case = format!("{name} D={dim} B={bits}");
                let all: Vec<f64> = e.promised.iter().flatten().copied().collect();
                let (bias, spread) = (bias(&e.promised), root_mean_square(all.iter().copied()));
                let shift = all.iter().sum::<f64>() / all.len().max(1) as f64;
                let out = beyond(&e.promised, 1.9);
                println!(
                    "{case}: mean {shift:.3} bias {bias:.2} sd {spread:.3} P(|z|>1.9) {out:.4}"
                );
                if dim == 1 {
                    // One dimension is exact but for the factors' own precision.
                    let error = root_mean_square(e.relative.iter().copied());
                    assert!(error < 1e-2, "{case}: {error}");
                    continue;
                }
                // Few directions in few dimensions: a mean far below the bound counts for nothing, and
                // half precision rounds `add` down.
                let biased = bits > 1 && bias.abs() > 4.5 && shift.abs() > 0.05;
                if biased || spread > 1.1 || out > 0.08 {
                    failures.push(format!(
                        "{case}: {shift:.3} {bias:.2} sd {spread:.3} beyond {out:.4}"
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_error_falls_with_each_bit() {
    let mut rng = rng(23);
    for dim in [64, 100, 384] {
        let data = rows(Shape::Raw, 20, dim, &mut rng);
        let queries = rows(Shape::Raw, 3, dim, &mut rng);
        let error = |bits| {
            let e = errors(Metric::L2, bits, dim, &data, &queries, 40);
            // In units of what a perfect code of no bits leaves, 2 / sqrt(D).
            root_mean_square(e.relative.iter().copied()) * (dim as f64).sqrt() / 2.0
        };
        let errors: Vec<f64> = (1..=8).map(error).collect();
        println!("D={dim}: {errors:.4?}");
        // 1 bit: sqrt(pi / 2 - 1), the first paper's constant for a random direction.
        assert!((errors[0] - 0.755).abs() < 0.05, "{errors:?}");
        for pair in errors.windows(2) {
            let ratio = pair[1] / pair[0];
            assert!(
                (0.44..0.6).contains(&ratio),
                "D={dim}: {ratio} of {errors:?}"
            );
        }
    }
}

#[test]
fn a_rotation_keeps_lengths_and_angles_and_comes_back() {
    let simd = Simd::best();
    for dim in (1..=40).chain([63, 64, 65, 100, 127, 128, 129, 384, 1000, 8191, 8192]) {
        for seed in [0, 1, u64::MAX] {
            let rotation = Rotation::new(dim, seed);
            let mut rng = StdRng::seed_from_u64(seed ^ dim as u64);
            let rows: Vec<Vec<f32>> = (0..4)
                .map(|_| (0..dim).map(|_| normal(&mut rng)).collect())
                .collect();
            let turned: Vec<Vec<f32>> = rows
                .iter()
                .map(|row| {
                    let mut x = row.clone();
                    rotation.forward(simd, &mut x);
                    x
                })
                .collect();
            for i in 0..4 {
                for j in 0..4 {
                    let (before, after) = (
                        dot(&wide(&rows[i]), &wide(&rows[j])),
                        dot(&wide(&turned[i]), &wide(&turned[j])),
                    );
                    assert!(
                        (before - after).abs() < 4e-6 * dim as f64,
                        "D={dim}: {before} {after}"
                    );
                }
                let mut back = turned[i].clone();
                rotation.inverse(simd, &mut back);
                for (a, b) in rows[i].iter().zip(&back) {
                    assert!((a - b).abs() < 2e-5, "D={dim}: {a} {b}");
                }
            }
            if dim > 1 {
                let mut other = rows[0].clone();
                Rotation::new(dim, seed.wrapping_add(2)).forward(simd, &mut other);
                assert!(
                    dim < 16 || other != turned[0],
                    "D={dim}: seeds make no difference"
                );
            }
        }
    }
}

/// A rotation uniform over all of them: normal rows made orthogonal.
fn haar(dim: usize, rng: &mut StdRng) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    while rows.len() < dim {
        let mut row: Vec<f64> = (0..dim).map(|_| normal(rng) as f64).collect();
        for _ in 0..2 {
            for other in &rows {
                let along = dot(&row, other);
                row.iter_mut().zip(other).for_each(|(x, o)| *x -= along * o);
            }
        }
        rows.push(unit(row));
    }
    rows
}

/// Error of the 1-bit estimate of <o, q> for unit vectors, given both rotated.
fn one_bit_error(o: &[f64], q: &[f64]) -> f64 {
    let signs: Vec<f64> = o
        .iter()
        .map(|x| if *x >= 0.0 { 1.0 } else { -1.0 })
        .collect();
    dot(&signs, q) / dot(&signs, o) - dot(o, q)
}

#[test]
fn errors_are_spread_as_under_a_uniform_rotation() {
    let mut rng = rng(24);
    let simd = Simd::best();
    let samples = 6000;
    for (dim, name) in [
        (16, "normal"),
        (24, "normal"),
        (33, "non-negative"),
        (64, "normal"),
        (64, "constant"),
        (63, "one-hot"),
        (65, "block-sparse"),
    ] {
        let pair = |rng: &mut StdRng| {
            let at = rng.random_range(0..dim);
            let o = awkward(name, dim, dim, rng)[at * dim..][..dim].to_vec();
            (o, awkward("normal", 1, dim, rng))
        };
        let mut fast = Vec::new();
        let mut dense = Vec::new();
        for sample in 0..samples {
            let (mut o, mut q) = pair(&mut rng);
            let rotation = Rotation::new(dim, sample);
            rotation.forward(simd, &mut o);
            rotation.forward(simd, &mut q);
            fast.push(one_bit_error(&unit(wide(&o)), &unit(wide(&q))));
        }
        for _ in 0..samples / 60 {
            let matrix = haar(dim, &mut rng);
            for _ in 0..60 {
                let (o, q) = pair(&mut rng);
                let turn =
                    |x: Vec<f32>| unit(matrix.iter().map(|row| dot(row, &wide(&x))).collect());
                dense.push(one_bit_error(&turn(o), &turn(q)));
            }
        }
        let spread = |x: &[f64]| root_mean_square(x.iter().copied());
        let (a, b) = (spread(&fast), spread(&dense));
        fast.sort_by(f64::total_cmp);
        dense.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov's distance between the two.
        let distance = fast
            .iter()
            .enumerate()
            .map(|(i, x)| {
                let below = dense.partition_point(|y| y <= x);
                (i as f64 / fast.len() as f64 - below as f64 / dense.len() as f64).abs()
            })
            .fold(0.0, f64::max);
        println!("D={dim} {name}: sd {a:.4}, uniform {b:.4}, distance {distance:.4}");
        assert!(
            (a / b - 1.0).abs() < 0.06,
            "D={dim} {name}: sd {a}, uniform {b}"
        );
        assert!(distance < 0.04, "D={dim} {name}: {distance}");
    }
}
