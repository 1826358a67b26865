//! Every kind of index against brute force in double precision.

mod common;

use std::collections::HashMap;

use common::*;
use proptest::prelude::*;
use rabitq::{
    Control, Error, Filter, Ids, Kind, MappedRows, Metric, OpenMode, Options, OriginalsMode,
    RangeHits, Rows, Search, Source, VectorBuffer, VectorIndex,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const COUNTS: [usize; 9] = [1, 5, 31, 32, 33, 100, 1023, 1025, 3000];
const DIMS: [usize; 9] = [1, 2, 3, 5, 16, 31, 100, 128, 257];
const K: usize = 10;

/// Each case is a set of rows with ids of one sort, and two queries: a row of the set and another.
fn for_each_case(seed: u64, mut test: impl FnMut(Metric, usize, &[f32], &[i64], &[f32])) {
    let mut rng = rng(seed);
    for (i, n) in COUNTS.into_iter().enumerate() {
        for (j, dim) in DIMS.into_iter().enumerate() {
            for (m, metric) in METRICS.into_iter().enumerate() {
                let shape = SHAPES[(i + j + m * 2) % SHAPES.len()];
                let data = rows(shape, n, dim, &mut rng);
                let ids = match (i + 2 * j) % 3 {
                    0 => wide_ids(n, &mut rng),
                    1 => (0..n as i64).map(|id| id - 7).collect(),
                    _ => (0..n as i64).rev().map(|id| id * 3).collect(),
                };
                let mut queries = rows(shape, 1, dim, &mut rng);
                queries.extend_from_slice(&data[n / 2 * dim..][..dim]);
                for query in queries.chunks_exact(dim) {
                    test(metric, dim, &data, &ids, query);
                }
            }
        }
    }
}

fn bounds<'a>(
    metric: Metric,
    query: &'a [f32],
    ids: &'a [i64],
    data: &'a [f32],
) -> impl Fn(i64) -> f64 + 'a {
    let place: HashMap<i64, usize> = ids.iter().enumerate().map(|(i, id)| (*id, i)).collect();
    move |id| {
        tolerance(
            metric,
            query,
            &data[place[&id] * query.len()..][..query.len()],
        )
    }
}

#[test]
fn flat_is_exact() {
    for_each_case(1, |metric, dim, data, ids, query| {
        let index = build(options(Kind::Flat, metric, dim, 0), data, Ids::Given(ids));
        let truth = oracle(metric, query, ids, data);
        let found = hits(&*index, query, &Search::new(K));
        assert_exact(&found, &truth, K, bounds(metric, query, ids, data));
    });
}

#[test]
fn plus_is_exact_when_it_reranks_everything() {
    let mut bits = 0;
    for_each_case(2, |metric, dim, data, ids, query| {
        bits = bits % 8 + 1;
        for kind in [Kind::Plus, Kind::Ivf] {
            let index = build(options(kind, metric, dim, bits), data, Ids::Given(ids));
            let truth = oracle(metric, query, ids, data);
            let found = hits(&*index, query, &exhaustive(K));
            assert_exact(&found, &truth, K, bounds(metric, query, ids, data));
        }
    });
}

/// Whole numbers have exact scores in single precision, so ids are compared as they are.
#[test]
fn ties_go_to_the_smaller_id() {
    let mut rng = rng(3);
    for metric in [Metric::L2, Metric::InnerProduct] {
        for (n, dim) in [(33, 1), (100, 2), (3000, 3), (1025, 5)] {
            let data = rows(Shape::Whole, n, dim, &mut rng);
            let ids = wide_ids(n, &mut rng);
            let query = rows(Shape::Whole, 1, dim, &mut rng);
            let truth = oracle(metric, &query, &ids, &data);
            let right: Vec<(i64, f32)> = truth
                .iter()
                .take(K)
                .map(|(id, s)| (*id, *s as f32))
                .collect();
            for kind in [Kind::Flat, Kind::Plus, Kind::Ivf] {
                let index = build(options(kind, metric, dim, 0), &data, Ids::Given(&ids));
                assert_eq!(hits(&*index, &query, &exhaustive(K)), right, "{kind:?}");
            }
        }
    }
}

#[test]
fn codes_alone_find_most_neighbours() {
    let mut rng = rng(4);
    let (n, dim, queries) = (3000, 100, 20);
    for metric in METRICS {
        for shape in [Shape::Raw, Shape::Offset, Shape::Clustered] {
            let data = rows(shape, n + queries, dim, &mut rng);
            let (data, queries) = data.split_at(n * dim);
            let ids: Vec<i64> = (0..n as i64).collect();
            let mut last = 0.0;
            // Within a cluster distances differ by less than the error of a few bits.
            let least = match shape {
                Shape::Clustered => [0.0, 0.2, 0.7, 0.8],
                _ => [0.2, 0.7, 0.9, 0.95],
            };
            for (bits, least) in [1, 4, 7, 8].into_iter().zip(least) {
                let kind = if bits == 1 { Kind::Rabitq } else { Kind::Asym };
                let index = build(options(kind, metric, dim, bits), data, Ids::Given(&ids));
                let recall = queries
                    .chunks_exact(dim)
                    .map(|q| {
                        let found = hits(&*index, q, &Search::new(K));
                        recall(&found, &oracle(metric, q, &ids, data), K)
                    })
                    .sum::<f64>()
                    / 20.0;
                println!("{metric:?} {shape:?} {bits} bits: recall {recall:.3}");
                assert!(
                    recall >= least && recall + 0.05 >= last,
                    "{metric:?} {shape:?} {bits} bits: recall {recall} after {last}"
                );
                last = recall;
            }
        }
    }
}

#[test]
fn plus_finds_nearly_all_with_its_defaults() {
    let mut rng = rng(5);
    let (n, dim, queries) = (20_000, 64, 50);
    for metric in METRICS {
        let data = rows(Shape::Raw, n + queries, dim, &mut rng);
        let (data, queries) = data.split_at(n * dim);
        let ids: Vec<i64> = (0..n as i64).collect();
        let index = build(options(Kind::Plus, metric, dim, 0), data, Ids::From(0));
        let mean = |search: &dyn Fn(&[f32]) -> f64| {
            queries.chunks_exact(dim).map(search).sum::<f64>() / 50.0
        };
        let all = mean(&|q| {
            let found = hits(&*index, q, &Search::new(K));
            recall(&found, &oracle(metric, q, &ids, data), K)
        });
        println!("{metric:?}: recall {all:.4}");
        assert!(all >= 0.97, "{metric:?}: recall {all}");
        // Rows spread over the whole set, from half of them to one in a thousand.
        for step in [2usize, 10, 100, 1000] {
            let allowed: Vec<i64> = (0..n as i64).step_by(step).collect();
            let intervals: Vec<(i64, i64)> = allowed.iter().map(|&id| (id, id)).collect();
            let filter = Filter::from_intervals(&intervals).unwrap();
            let kept: Vec<f32> = allowed
                .iter()
                .flat_map(|&id| data[id as usize * dim..][..dim].iter().copied())
                .collect();
            let filtered = mean(&|q| {
                let search = Search {
                    filter: Some(&filter),
                    ..Search::new(K)
                };
                let found = hits(&*index, q, &search);
                assert_eq!(found.len(), K);
                assert!(found.iter().all(|(id, _)| id % step as i64 == 0));
                recall(&found, &oracle(metric, q, &allowed, &kept), K)
            });
            println!("{metric:?}, one row in {step}: recall {filtered:.4}");
            assert!(
                filtered >= all - 0.01,
                "{metric:?}, one in {step}: {filtered} after {all}"
            );
        }
    }
}

#[test]
fn a_filtered_search_finds_k_rows_where_k_exist() {
    let mut rng = rng(6);
    let (n, dim) = (3000, 31);
    let data = rows(Shape::Raw, n, dim, &mut rng);
    let ids = wide_ids(n, &mut rng);
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    for metric in METRICS {
        for (kind, bits) in [
            (Kind::Flat, 0),
            (Kind::Rabitq, 1),
            (Kind::Asym, 5),
            (Kind::Plus, 1),
            (Kind::Plus, 4),
            (Kind::Ivf, 1),
            (Kind::Ivf, 4),
        ] {
            let index = build(options(kind, metric, dim, bits), &data, Ids::Given(&ids));
            for count in [0, 1, 3, 9, 10, 11, 100, 400, 1500, 3000] {
                let from = rng.random_range(0..=n - count);
                let some = &sorted[from..from + count];
                let filter = match some {
                    [] => Filter::from_intervals(&[]),
                    _ if count % 2 == 0 => Filter::from_intervals(&[(some[0], some[count - 1])]),
                    _ => {
                        let single: Vec<_> = some.iter().map(|&id| (id, id)).collect();
                        Filter::from_intervals(&single)
                    }
                }
                .unwrap();
                assert_eq!(filter.prepare(&*index), count as u64);
                let search = Search {
                    filter: Some(&filter),
                    ..Search::new(K)
                };
                let query = rows(Shape::Raw, 1, dim, &mut rng);
                let found = hits(&*index, &query, &search);
                assert_eq!(found.len(), K.min(count), "{kind:?} {metric:?} {count}");
                assert!(found.iter().all(|(id, _)| filter.contains(*id)));
            }
        }
    }
}

#[test]
fn range_search_is_decided_by_originals() {
    let mut rng = rng(7);
    for (n, dim) in [(1, 1), (33, 3), (1025, 16), (3000, 100)] {
        for metric in METRICS {
            let data = rows(Shape::Raw, n, dim, &mut rng);
            let ids = wide_ids(n, &mut rng);
            let query = rows(Shape::Raw, 1, dim, &mut rng);
            let truth = oracle(metric, &query, &ids, &data);
            let near = bounds(metric, &query, &ids, &data);
            for part in [0.0, 0.01, 0.3, 0.999] {
                // Half way between two scores, so that rounding decides nothing.
                let at = (n as f64 * part) as usize;
                let radius = (truth[at].1 + truth[(at + 1).min(n - 1)].1) / 2.0;
                let margin = 10.0 * near(truth[at].0);
                if at + 1 < n && truth[at + 1].1 - truth[at].1 < margin {
                    continue;
                }
                let right: Vec<i64> = truth
                    .iter()
                    .take_while(|(_, s)| *s <= radius + if at + 1 < n { 0.0 } else { margin })
                    .map(|(id, _)| *id)
                    .collect();
                let radius = (radius + if at + 1 < n { 0.0 } else { margin }) as f32;
                for kind in [Kind::Flat, Kind::Plus, Kind::Ivf] {
                    let index = build(options(kind, metric, dim, 0), &data, Ids::Given(&ids));
                    let mut out = RangeHits::default();
                    let search = Search {
                        epsilon: Some(8.0),
                        ..Search::new(1)
                    };
                    index
                        .search_range(&query, radius, &search, n, &mut out)
                        .unwrap();
                    let mut found = out.ids.clone();
                    let mut expected = right.clone();
                    found.sort_unstable();
                    expected.sort_unstable();
                    assert_eq!(found, expected, "{kind:?} {metric:?} {n} x {dim}");
                    assert!(out.scores.is_sorted() && !out.truncated);
                    assert!(out.certain.iter().all(|c| *c) && out.bounds.iter().all(|b| *b == 0.0));
                    index
                        .search_range(&query, radius, &search, right.len().div_ceil(2), &mut out)
                        .unwrap();
                    assert_eq!(out.truncated, right.len() > 1);
                    assert_eq!(out.ids.len(), right.len().div_ceil(2));
                }
            }
        }
    }
}

#[test]
fn codes_tell_which_rows_are_within_a_radius_for_certain() {
    let mut rng = rng(8);
    let (n, dim) = (3000, 64);
    for metric in METRICS {
        let data = rows(Shape::Raw, n, dim, &mut rng);
        let ids: Vec<i64> = (0..n as i64).collect();
        for (kind, bits) in [(Kind::Rabitq, 1), (Kind::Asym, 3), (Kind::Asym, 8)] {
            let index = build(options(kind, metric, dim, bits), &data, Ids::From(0));
            let (mut certain, mut wrong, mut outside) = (0, 0, 0);
            for _ in 0..10 {
                let query = rows(Shape::Raw, 1, dim, &mut rng);
                let truth: HashMap<i64, f64> =
                    oracle(metric, &query, &ids, &data).into_iter().collect();
                let mut sorted: Vec<f64> = truth.values().copied().collect();
                sorted.sort_by(f64::total_cmp);
                let radius = sorted[n / 4] as f32;
                let mut out = RangeHits::default();
                index
                    .search_range(&query, radius, &Search::new(1), n, &mut out)
                    .unwrap();
                for (i, id) in out.ids.iter().enumerate() {
                    certain += out.certain[i] as usize;
                    wrong += (out.certain[i] && truth[id] > radius as f64) as usize;
                    outside +=
                        ((truth[id] - out.scores[i] as f64).abs() > out.bounds[i] as f64) as usize;
                    assert_eq!(out.certain[i], out.scores[i] + out.bounds[i] <= radius);
                }
            }
            println!("{metric:?} {bits} bits: {certain} certain, {wrong} wrong, {outside} outside");
            assert!(certain > 0, "{metric:?} {bits}");
            // A bound of four standard errors fails for 3 rows in 100,000.
            assert!(
                wrong <= 2 && outside <= 6,
                "{metric:?} {bits}: {wrong} {outside}"
            );
        }
    }
}

#[test]
fn the_largest_dimension() {
    let mut rng = rng(9);
    let (n, dim) = (70, rabitq::MAX_DIM);
    let data = rows(Shape::Raw, n, dim, &mut rng);
    let ids: Vec<i64> = (0..n as i64).collect();
    let query = rows(Shape::Raw, 1, dim, &mut rng);
    for metric in METRICS {
        for (kind, bits) in [
            (Kind::Flat, 0),
            (Kind::Plus, 1),
            (Kind::Plus, 4),
            (Kind::Plus, 8),
            (Kind::Ivf, 1),
            (Kind::Ivf, 5),
        ] {
            let index = build(options(kind, metric, dim, bits), &data, Ids::From(0));
            let truth = oracle(metric, &query, &ids, &data);
            let found = hits(&*index, &query, &exhaustive(K));
            assert_exact(&found, &truth, K, bounds(metric, &query, &ids, &data));
        }
        let index = build(options(Kind::Asym, metric, dim, 7), &data, Ids::From(0));
        let found = hits(&*index, &query, &Search::new(K));
        assert!(recall(&found, &oracle(metric, &query, &ids, &data), K) >= 0.8);
    }
}

#[test]
fn the_largest_and_the_smallest_numbers() {
    let dim = 16;
    let mut rng = rng(10);
    let unit = rows(Shape::Raw, 200, dim, &mut rng);
    let ids: Vec<i64> = (0..200).collect();
    // Rows of 1e18 / 4 in norm, and rows whose squares are hardly normal numbers.
    for scale in [3e16f32, 1e10, 1e-10, 1e-17] {
        let data: Vec<f32> = unit.iter().map(|x| x * scale).collect();
        for metric in METRICS {
            for (kind, bits) in [
                (Kind::Flat, 0),
                (Kind::Plus, 1),
                (Kind::Plus, 4),
                (Kind::Plus, 8),
                (Kind::Ivf, 1),
                (Kind::Ivf, 5),
            ] {
                let index = build(options(kind, metric, dim, bits), &data, Ids::From(0));
                let query = &data[5 * dim..6 * dim];
                let truth = oracle(metric, query, &ids, &data);
                let found = hits(&*index, query, &exhaustive(K));
                assert_exact(&found, &truth, K, bounds(metric, query, &ids, &data));
            }
            for bits in [1, 4, 8] {
                let index = build(options(Kind::Asym, metric, dim, bits), &data, Ids::From(0));
                let query = &data[5 * dim..6 * dim];
                let found = hits(&*index, query, &Search::new(K));
                let recall = recall(&found, &oracle(metric, query, &ids, &data), K);
                assert!(recall >= 0.3, "{metric:?} {bits} bits at {scale}: {recall}");
            }
        }
    }
}

#[test]
fn what_no_index_can_hold_is_refused_with_its_row() {
    let dim = 4;
    for (metric, bad) in [
        (Metric::L2, [f32::NAN, 0.0, 0.0, 0.0]),
        (Metric::L2, [0.0, f32::INFINITY, 0.0, 0.0]),
        (Metric::InnerProduct, [0.0, 0.0, 0.0, -1.1e18]),
        (Metric::L2, [1e20, 0.0, 0.0, 0.0]),
        (Metric::Cosine, [0.0, -0.0, 0.0, 0.0]),
        (Metric::Cosine, [1e-20, 1e-20, 0.0, 0.0]),
        (Metric::Cosine, [1e-30, 0.0, 0.0, 0.0]),
    ] {
        for kind in [Kind::Flat, Kind::Rabitq, Kind::Asym, Kind::Plus, Kind::Ivf] {
            let mut data = vec![1.0f32; 5000 * dim];
            data[4321 * dim..4322 * dim].copy_from_slice(&bad);
            data[4990 * dim..4991 * dim].copy_from_slice(&bad);
            let options = options(kind, metric, dim, 0);
            let source = Source::View(view(&data, dim));
            let refused = rabitq::build(options.clone(), source, Ids::From(0), &Control::default());
            assert!(
                matches!(refused.err(), Some(Error::InvalidVector { row: 4321, .. })),
                "{kind:?} {metric:?} {bad:?}"
            );
            let index = rabitq::create(options).unwrap();
            let refused = index.add(view(&data, dim), Ids::From(0));
            assert!(matches!(
                refused,
                Err(Error::InvalidVector { row: 4321, .. })
            ));
            assert_eq!(index.info().rows, 0);
            index.add(view(&data[..dim], dim), Ids::From(0)).unwrap();
            let refused = try_hits(&*index, &bad, &Search::new(1));
            assert!(matches!(refused, Err(Error::InvalidVector { row: 0, .. })));
        }
    }
}

#[test]
fn arguments_out_of_range_are_refused() {
    let index = build(
        options(Kind::Plus, Metric::L2, 2, 0),
        &[1.0; 20],
        Ids::From(0),
    );
    let named = |r: Result<_, Error>| match r.err() {
        Some(Error::Argument { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    let refused = |search: Search| named(try_hits(&*index, &[0.0, 0.0], &search).map(|_| ()));
    assert_eq!(refused(Search::new(0)), "k");
    for epsilon in [-0.1, 16.1, f32::NAN] {
        let search = Search {
            epsilon: Some(epsilon),
            ..Search::new(1)
        };
        assert_eq!(refused(search), "epsilon");
    }
    for factor in [0, 65_537] {
        let search = Search {
            rerank_factor: Some(factor),
            ..Search::new(1)
        };
        assert_eq!(refused(search), "rerank_factor");
    }
    assert!(matches!(
        try_hits(&*index, &[0.0], &Search::new(1)),
        Err(Error::DimensionMismatch {
            expected: 2,
            actual: 1
        })
    ));
    for dim in [0, rabitq::MAX_DIM + 1] {
        assert_eq!(
            named(rabitq::create(options(Kind::Flat, Metric::L2, dim, 0)).map(|_| ())),
            "dim"
        );
    }
    assert_eq!(
        named(rabitq::create(options(Kind::Plus, Metric::L2, 2, 9)).map(|_| ())),
        "bits"
    );
    // A product of queries and hits beyond 64 bits.
    let queries = [0.0; 4];
    for k in [usize::MAX, 1 << 63] {
        let refused = index.search_batch(
            view(&queries, 2),
            &Search::new(k),
            &mut [],
            &mut [],
            &mut [0; 2],
        );
        assert_eq!(named(refused.map(|_| ())), "results");
    }
    assert_eq!(
        hits(&*index, &[0.0, 0.0], &Search::new(usize::MAX)).len(),
        10
    );
}

#[test]
fn every_source_makes_the_same_index() {
    let mut rng = rng(11);
    let (n, dim) = (777, 33);
    let data = rows(Shape::Raw, n, dim, &mut rng);
    let folder = folder_in_memory();
    let path = folder.path().join("rows.f32");
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(&path, bytes).unwrap();
    for metric in METRICS {
        for kind in [Kind::Flat, Kind::Rabitq, Kind::Asym, Kind::Plus, Kind::Ivf] {
            let make = |source| {
                rabitq::build(
                    options(kind, metric, dim, 0),
                    source,
                    Ids::From(3),
                    &Control::default(),
                )
                .unwrap()
            };
            let viewed = make(Source::View(view(&data, dim)));
            let mut buffer = VectorBuffer::new(n, dim).unwrap();
            buffer.as_mut_slice().copy_from_slice(&data);
            let adopted = make(Source::Adopt(buffer));
            let mapped = make(Source::Mapped(
                MappedRows::open(&path, 0, n as u64, dim, dim as u64 * 4).unwrap(),
            ));
            let spread: Vec<f32> = data
                .chunks_exact(dim)
                .flat_map(|row| row.iter().copied().chain([f32::NAN; 3]))
                .collect();
            let strided = make(Source::View(Rows::new(&spread, n, dim, dim + 3).unwrap()));
            for other in [&adopted, &mapped, &strided] {
                let same = save_bytes(&**other) == save_bytes(&*viewed);
                assert!(same, "{kind:?} {metric:?}");
                assert!(
                    other.info().memory_bytes <= viewed.info().memory_bytes,
                    "{kind:?}"
                );
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add(Vec<u8>),
    AddMany(u16),
    Upsert(Vec<u8>),
    Remove(Vec<u8>),
    RemoveMany(u16),
    Compact,
    Reopen(bool),
    Search(u64),
    Filter(u64),
    Range(u64),
    Walk,
}

fn step() -> impl Strategy<Value = Step> {
    let few = || proptest::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        3 => few().prop_map(Step::Add),
        2 => (1u16..2500).prop_map(Step::AddMany),
        4 => few().prop_map(Step::Upsert),
        3 => few().prop_map(Step::Remove),
        1 => (1u16..2500).prop_map(Step::RemoveMany),
        1 => Just(Step::Compact),
        2 => any::<bool>().prop_map(Step::Reopen),
        4 => any::<u64>().prop_map(Step::Search),
        2 => any::<u64>().prop_map(Step::Filter),
        2 => any::<u64>().prop_map(Step::Range),
        2 => Just(Step::Walk),
    ]
}

/// 256 ids that meet each other often, at both ends of the 64 bits and between.
fn spread_id(x: u8) -> i64 {
    match x % 4 {
        0 => i64::MIN + x as i64,
        1 => i64::MAX - x as i64,
        2 => x as i64 - 128,
        _ => (x as i64) << 40,
    }
}

struct Model {
    kind: Kind,
    metric: Metric,
    dim: usize,
    keeps_originals: bool,
    rows: HashMap<i64, Vec<f32>>,
    next: i64,
    rng: StdRng,
}

impl Model {
    fn new(options: &Options, seed: u64) -> Self {
        Model {
            kind: options.kind,
            metric: options.metric,
            dim: options.dim,
            keeps_originals: options.keeps_originals(),
            rows: HashMap::new(),
            next: 1000,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn fresh(&mut self, n: usize) -> Vec<f32> {
        rows(Shape::Raw, n, self.dim, &mut self.rng)
    }

    fn distinct(ids: &[u8]) -> bool {
        let set: std::collections::HashSet<i64> = ids.iter().map(|x| spread_id(*x)).collect();
        set.len() == ids.len()
    }

    fn store(&mut self, ids: &[i64], data: &[f32]) {
        for (id, row) in ids.iter().zip(data.chunks_exact(self.dim)) {
            self.rows.insert(*id, row.to_vec());
        }
    }

    fn write(&mut self, index: &dyn VectorIndex, ids: &[u8], replace: bool) {
        let data = self.fresh(ids.len());
        let given: Vec<i64> = ids.iter().map(|x| spread_id(*x)).collect();
        let known = given.iter().filter(|id| self.rows.contains_key(id)).count() as u64;
        let version = index.info().version;
        let result = if replace {
            index.upsert(view(&data, self.dim), Ids::Given(&given))
        } else {
            index
                .add(view(&data, self.dim), Ids::Given(&given))
                .map(|_| 0)
        };
        match result {
            Ok(replaced) => {
                assert!(Self::distinct(ids) && (replace || known == 0));
                assert_eq!(replaced, if replace { known } else { 0 });
                self.store(&given, &data);
            }
            Err(Error::DuplicateId { id, row }) => {
                assert!(!Self::distinct(ids) || (!replace && known > 0));
                assert_eq!(given[row as usize], id);
                assert_eq!(index.info().version, version);
            }
            Err(e) => panic!("{e}"),
        }
    }

    fn sorted(&self) -> (Vec<i64>, Vec<f32>) {
        let mut ids: Vec<i64> = self.rows.keys().copied().collect();
        ids.sort_unstable();
        let data = ids
            .iter()
            .flat_map(|id| self.rows[id].iter().copied())
            .collect();
        (ids, data)
    }

    /// Kinds that keep originals must be exact; the others must give k rows that exist.
    fn check(&self, found: &[(i64, f32)], query: &[f32], ids: &[i64], data: &[f32], k: usize) {
        if self.keeps_originals {
            let truth = oracle(self.metric, query, ids, data);
            assert_exact(found, &truth, k, bounds(self.metric, query, ids, data));
        } else {
            assert_eq!(found.len(), k.min(ids.len()));
            let distinct: std::collections::HashSet<i64> =
                found.iter().map(|(id, _)| *id).collect();
            assert_eq!(distinct.len(), found.len());
            assert!(found.iter().all(|(id, _)| ids.binary_search(id).is_ok()));
        }
    }

    fn run(&mut self, step: Step, index: &mut Box<dyn VectorIndex>, folder: &std::path::Path) {
        match step {
            Step::Add(ids) => self.write(&**index, &ids, false),
            Step::Upsert(ids) => self.write(&**index, &ids, true),
            Step::AddMany(n) => {
                let data = self.fresh(n as usize);
                let ids: Vec<i64> = (self.next..self.next + n as i64).collect();
                self.next += n as i64;
                index.add(view(&data, self.dim), Ids::From(ids[0])).unwrap();
                self.store(&ids, &data);
            }
            Step::Remove(ids) => {
                let ids: Vec<i64> = ids.into_iter().map(spread_id).collect();
                let removed = ids
                    .iter()
                    .filter(|id| self.rows.remove(id).is_some())
                    .count();
                assert_eq!(index.remove(&ids).unwrap(), removed as u64);
            }
            Step::RemoveMany(n) => {
                let ids: Vec<i64> = (self.next - n as i64..self.next).step_by(3).collect();
                let removed = ids
                    .iter()
                    .filter(|id| self.rows.remove(id).is_some())
                    .count();
                assert_eq!(index.remove(&ids).unwrap(), removed as u64);
            }
            Step::Compact => {
                index.compact().unwrap();
                assert_eq!(index.info().deleted, 0);
            }
            Step::Reopen(map) => {
                let path = folder.join("index.rvx");
                index.save(&path).unwrap();
                rabitq::verify(&path).unwrap();
                let mode = if map { OpenMode::Map } else { OpenMode::Load };
                let opened = rabitq::open(&path, mode, true).unwrap();
                assert!(opened.content_equals(&**index).unwrap());
                assert_eq!(save_bytes(&*opened), std::fs::read(&path).unwrap());
                *index = opened;
            }
            Step::Search(seed) => {
                let query = rows(Shape::Raw, 2, self.dim, &mut StdRng::seed_from_u64(seed));
                let k = seed as usize % 17 + 1;
                let (ids, data) = self.sorted();
                let one = try_hits(&**index, &query[..self.dim], &exhaustive(k));
                if ids.is_empty() {
                    assert!(matches!(one, Err(Error::Empty)));
                    return;
                }
                let one = one.unwrap();
                self.check(&one, &query[..self.dim], &ids, &data, k);
                let (mut found, mut scores) = (vec![0; 2 * k], vec![0.0; 2 * k]);
                let mut counts = [0; 2];
                let queries = view(&query, self.dim);
                index
                    .search_batch(
                        queries,
                        &exhaustive(k),
                        &mut found,
                        &mut scores,
                        &mut counts,
                    )
                    .unwrap();
                let n = counts[0] as usize;
                let first: Vec<(i64, f32)> = found
                    .iter()
                    .copied()
                    .zip(scores.iter().copied())
                    .take(n)
                    .collect();
                assert_eq!(first, one);
                assert!(found[n..k].iter().all(|id| *id == -1));
                assert!(scores[n..k].iter().all(|s| *s == f32::INFINITY));
            }
            Step::Filter(seed) => {
                let (ids, _) = self.sorted();
                if ids.is_empty() {
                    return;
                }
                let (a, b) = (
                    ids[seed as usize % ids.len()],
                    ids[(seed >> 32) as usize % ids.len()],
                );
                let filter = Filter::from_intervals(&[(a.min(b), a.max(b))]).unwrap();
                let allowed: Vec<i64> = ids.into_iter().filter(|id| filter.contains(*id)).collect();
                let data: Vec<f32> = allowed
                    .iter()
                    .flat_map(|id| self.rows[id].clone())
                    .collect();
                assert_eq!(filter.prepare(&**index), allowed.len() as u64);
                let query = rows(Shape::Raw, 1, self.dim, &mut StdRng::seed_from_u64(seed));
                let search = Search {
                    filter: Some(&filter),
                    ..exhaustive(5)
                };
                let found = hits(&**index, &query, &search);
                self.check(&found, &query, &allowed, &data, 5);
            }
            Step::Range(seed) => {
                let (ids, data) = self.sorted();
                if ids.is_empty() {
                    return;
                }
                let query = rows(Shape::Raw, 1, self.dim, &mut StdRng::seed_from_u64(seed));
                let truth = oracle(self.metric, &query, &ids, &data);
                let radius = truth[seed as usize % truth.len().min(50)].1 as f32;
                let mut out = RangeHits::default();
                index
                    .search_range(&query, radius, &exhaustive(1), ids.len(), &mut out)
                    .unwrap();
                assert!(out.ids.iter().all(|id| self.rows.contains_key(id)));
                if self.keeps_originals {
                    let near = bounds(self.metric, &query, &ids, &data);
                    let found: std::collections::HashSet<i64> = out.ids.iter().copied().collect();
                    for (id, score) in truth {
                        let margin = near(id) + (radius as f64).abs() * 1e-6;
                        if score < radius as f64 - margin {
                            assert!(found.contains(&id));
                        } else if score > radius as f64 + margin {
                            assert!(!found.contains(&id));
                        }
                    }
                }
            }
            Step::Walk => self.walk(&**index),
        }
        assert_eq!(index.info().rows, self.rows.len() as u64);
    }

    fn walk(&self, index: &dyn VectorIndex) {
        let dim = self.dim;
        let keeps = self.keeps_originals;
        let (mut ids, mut vectors) = (vec![0; 77], vec![0.0; 77 * dim]);
        let mut walk = index.iter();
        let mut seen = std::collections::HashSet::new();
        loop {
            let n = walk
                .next_batch(&mut ids, keeps.then_some(&mut vectors[..]))
                .unwrap();
            if n == 0 {
                break;
            }
            for (id, row) in ids[..n].iter().zip(vectors.chunks_exact(dim)) {
                assert!(seen.insert(*id));
                assert!(!keeps || self.rows[id] == row);
            }
        }
        assert_eq!(seen.len(), self.rows.len());
        let mut row = vec![0.0; dim];
        for x in 0..=255 {
            let id = spread_id(x);
            assert_eq!(index.contains(id), self.rows.contains_key(&id));
            match index.get(id, &mut row) {
                Ok(found) => {
                    assert_eq!(found, self.rows.contains_key(&id));
                    assert!(!found || self.rows[&id] == row);
                }
                Err(Error::Unsupported { .. }) => assert!(!keeps),
                Err(e) => panic!("{e}"),
            }
        }
        if self.kind.has_codes() {
            let size = index.info().code_bytes as usize;
            let (mut codes, mut factors) = (vec![0; 77 * size], vec![0.0; 77 * 3]);
            let mut walk = index.iter();
            let mut coded = 0;
            loop {
                let n = walk.next_codes(&mut ids, &mut codes, &mut factors).unwrap();
                if n == 0 {
                    break;
                }
                assert!(ids[..n].iter().all(|id| self.rows.contains_key(id)));
                assert!(factors[..n * 3].iter().all(|f| f.is_finite()));
                coded += n;
            }
            assert_eq!(coded, self.rows.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_agrees_with_a_map(
        kind in 0..5i32, metric in 0..3i32, bits in 1..=8u32,
        dim in prop_oneof![Just(1usize), Just(2), Just(7), Just(40), Just(513)],
        seed in any::<u64>(), steps in proptest::collection::vec(step(), 1..25),
    ) {
        let (kind, metric) = (Kind::try_from(kind).unwrap(), Metric::try_from(metric).unwrap());
        let bits = match kind { Kind::Flat => 0, Kind::Rabitq => 1, _ => bits };
        let options = options(kind, metric, dim, bits);
        let mut model = Model::new(&options, seed);
        let mut index = rabitq::create(options).unwrap();
        let folder = folder_in_memory();
        for step in steps {
            model.run(step, &mut index, folder.path());
        }
        model.walk(&*index);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn an_index_whose_cells_grow_agrees_with_a_map(
        metric in 0..3i32, bits in 1..=8u32, codes_only in any::<bool>(),
        dim in prop_oneof![Just(2usize), Just(7), Just(40)],
        nlist in prop_oneof![Just(0u32), Just(48)],
        seed in any::<u64>(),
        before in proptest::collection::vec(step(), 0..8),
        between in proptest::collection::vec(step(), 0..8),
        after in proptest::collection::vec(step(), 0..8),
    ) {
        let metric = Metric::try_from(metric).unwrap();
        let mut options = Options { nlist, ..options(Kind::Ivf, metric, dim, bits) };
        if codes_only {
            options.originals = OriginalsMode::None;
        }
        let mut model = Model::new(&options, seed);
        let mut index = rabitq::create(options).unwrap();
        let folder = folder_in_memory();
        let mut cells = Vec::new();
        for (steps, rows) in [(before, 2_300), (between, 5_000), (after, 12_000)] {
            for step in steps {
                model.run(step, &mut index, folder.path());
            }
            // A mapped file would keep its cells.
            let path = folder.path().join("loaded.rvx");
            index.save(&path).unwrap();
            index = rabitq::open(&path, OpenMode::Load, true).unwrap();
            while model.rows.len() < rows {
                model.run(Step::AddMany(900), &mut index, folder.path());
                model.run(Step::Search(seed), &mut index, folder.path());
            }
            cells.push(index.info().cells);
        }
        // A tail that a saved file made a segment of has trained no cells yet: the first may be none.
        let grown = cells[2] >= 2 && cells[0] + (nlist == 0) as u64 <= cells[2];
        prop_assert!(grown, "{:?}", cells);
        for step in [Step::Range(seed), Step::Filter(seed), Step::Walk, Step::Reopen(true)] {
            model.run(step, &mut index, folder.path());
        }
        model.run(Step::Search(seed), &mut index, folder.path());
    }
}
