//! Data sets, the brute-force oracle in double precision, and what tests of whole indexes share.
#![allow(dead_code, reason = "each test uses a part of it")]

use rabitq::{Control, Error, Ids, Kind, Metric, Options, Rows, Search, Source, VectorIndex};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub const METRICS: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::InnerProduct];

/// The seed of a test's random numbers: printed, and set by `RUVECTOR_TEST_SEED`.
pub fn rng(default: u64) -> StdRng {
    let seed = std::env::var("RUVECTOR_TEST_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(default);
    println!("RUVECTOR_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

pub fn normal(rng: &mut StdRng) -> f32 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

/// What rows look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Normal directions, log-normal norms.
    Raw,
    /// Small whole numbers: distances are exact, and many are equal.
    Whole,
    /// One vector again and again.
    Equal,
    /// A few vectors, each many times.
    Duplicates,
    /// A spread of 1 around 100 in every component.
    Offset,
    /// Components of 1e-40 beside normal ones.
    Denormal,
    /// Around a few centres.
    Clustered,
}

pub const SHAPES: [Shape; 7] = [
    Shape::Raw,
    Shape::Whole,
    Shape::Equal,
    Shape::Duplicates,
    Shape::Offset,
    Shape::Denormal,
    Shape::Clustered,
];

pub fn rows(shape: Shape, n: usize, dim: usize, rng: &mut StdRng) -> Vec<f32> {
    let centres: Vec<f32> = (0..5 * dim).map(|_| 2.0 * normal(rng)).collect();
    let first: Vec<f32> = (0..dim).map(|_| normal(rng)).collect();
    let mut out = Vec::with_capacity(n * dim);
    for i in 0..n {
        let norm = (0.5 * normal(rng)).exp();
        for d in 0..dim {
            out.push(match shape {
                Shape::Raw => norm * normal(rng),
                // Never zero in the first component: cosine has no zero vectors.
                Shape::Whole if d == 0 => rng.random_range(1..4) as f32,
                Shape::Whole => rng.random_range(-2..3) as f32,
                Shape::Equal => first[d],
                Shape::Duplicates => centres[i % 5 * dim + d],
                Shape::Offset => 100.0 + normal(rng),
                Shape::Denormal if d % 2 == 1 => 1e-40 * normal(rng),
                Shape::Denormal => normal(rng),
                Shape::Clustered => centres[i % 5 * dim + d] + 0.3 * normal(rng),
            });
        }
    }
    out
}

pub fn view(data: &[f32], dim: usize) -> Rows<'_> {
    Rows::new(data, data.len() / dim, dim, dim).unwrap()
}

/// An IVF index is tested with all cells probed, so that it finds what a flat one finds.
pub fn options(kind: Kind, metric: Metric, dim: usize, bits: u32) -> Options {
    let nprobe = if kind == Kind::Ivf { 65_536 } else { 0 };
    Options {
        nprobe,
        metric,
        bits,
        ..Options::new(kind, dim)
    }
}

pub fn build(options: Options, data: &[f32], ids: Ids) -> Box<dyn VectorIndex> {
    let source = Source::View(view(data, options.dim));
    rabitq::build(options, source, ids, &Control::default()).unwrap()
}

/// A search that compares exactly whatever could be a hit.
pub fn exhaustive(k: usize) -> Search<'static> {
    Search {
        epsilon: Some(16.0),
        rerank_factor: Some(65_536),
        nprobe: 65_536,
        ..Search::new(k)
    }
}

pub fn hits(index: &dyn VectorIndex, query: &[f32], search: &Search) -> Vec<(i64, f32)> {
    try_hits(index, query, search).unwrap()
}

pub fn try_hits(
    index: &dyn VectorIndex,
    query: &[f32],
    search: &Search,
) -> Result<Vec<(i64, f32)>, Error> {
    let k = search.k.min(index.info().rows as usize + 1);
    let (mut ids, mut scores) = (vec![0; k], vec![0.0; k]);
    let (n, _) = index.search(query, search, &mut ids, &mut scores)?;
    Ok(ids.into_iter().zip(scores).take(n).collect())
}

/// The score in double precision.
pub fn score(metric: Metric, query: &[f32], row: &[f32]) -> f64 {
    let pairs = || query.iter().zip(row).map(|(a, b)| (*a as f64, *b as f64));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    let norm_sq = |x: &[f32]| x.iter().map(|x| (*x as f64).powi(2)).sum::<f64>();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b).powi(2)).sum(),
        Metric::InnerProduct => -dot,
        Metric::Cosine => 1.0 - dot / (norm_sq(query) * norm_sq(row)).sqrt(),
    }
}

/// How far a score in single precision may be from the one in double precision.
pub fn tolerance(metric: Metric, query: &[f32], row: &[f32]) -> f64 {
    let norm = |x: &[f32]| x.iter().map(|x| (*x as f64).powi(2)).sum::<f64>().sqrt();
    let scale = match metric {
        Metric::L2 => score(metric, query, row),
        Metric::InnerProduct => norm(query) * norm(row),
        Metric::Cosine => 1.0,
    };
    3e-6 * scale + 1e-36
}

/// All rows with their scores, nearest first, ties by id.
pub fn oracle(metric: Metric, query: &[f32], ids: &[i64], data: &[f32]) -> Vec<(i64, f64)> {
    let rows = data.chunks_exact(query.len());
    let mut all: Vec<(i64, f64)> = ids
        .iter()
        .zip(rows)
        .map(|(id, row)| (*id, score(metric, query, row)))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    all
}

/// Checks that `hits` are the first of `truth`: every score is right, every rank has the score that
/// belongs there, ties go by id, no id comes twice.
pub fn assert_exact(
    hits: &[(i64, f32)],
    truth: &[(i64, f64)],
    k: usize,
    tolerance: impl Fn(i64) -> f64,
) {
    assert_eq!(hits.len(), k.min(truth.len()), "number of hits");
    let of: std::collections::HashMap<i64, f64> = truth.iter().copied().collect();
    for (rank, (id, score)) in hits.iter().enumerate() {
        let allowed = tolerance(*id);
        let right = of[id];
        assert!(
            (*score as f64 - right).abs() <= allowed,
            "id {id}: score {score}, right {right}"
        );
        let here = truth[rank];
        assert!(
            (right - here.1).abs() <= allowed + tolerance(here.0),
            "rank {rank}: id {id} with {right}, right {here:?}"
        );
    }
    for pair in hits.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        assert!(
            a.1 < b.1 || (a.1 == b.1 && a.0 < b.0),
            "order: {a:?} before {b:?}"
        );
    }
}

/// How many of the k nearest are among the hits; a tie counts as a hit.
pub fn recall(hits: &[(i64, f32)], truth: &[(i64, f64)], k: usize) -> f64 {
    let k = k.min(truth.len());
    let last = truth[k - 1].1;
    let limit = last + last.abs() * 1e-6 + 1e-30;
    let near: std::collections::HashSet<i64> = truth
        .iter()
        .take_while(|(_, s)| *s <= limit)
        .map(|(id, _)| *id)
        .collect();
    hits.iter()
        .take(k)
        .filter(|(id, _)| near.contains(id))
        .count() as f64
        / k as f64
}

/// Numbers all over the 64 bits, each once.
pub fn wide_ids(n: usize, rng: &mut StdRng) -> Vec<i64> {
    let mut set = std::collections::HashSet::from([i64::MIN, i64::MAX, 0, -1]);
    while set.len() < n {
        set.insert(rng.random());
    }
    let mut ids: Vec<i64> = set.into_iter().collect();
    ids.sort_unstable_by_key(|id| id.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    ids.truncate(n);
    ids
}

/// A folder in memory where the system has one: thousands of files are synced in it.
pub fn folder_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub fn save_bytes(index: &dyn VectorIndex) -> Vec<u8> {
    let folder = folder_in_memory();
    let path = folder.path().join("index.rvx");
    index.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// Runs the test `name` of this program again in a process of its own, with `variables` set.
pub fn child(name: &str, variables: &[(&str, &str)]) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .args(["--test-threads", "1"])
        .envs(variables.iter().copied());
    command
}
