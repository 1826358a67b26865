//! Searches that name a recall, on the words that the demo ships.

mod common;

use common::*;
use half::f16;
use rabitq::{Error, Filter, Ids, Kind, Options, OriginalsMode, Search, VectorIndex};

const DIM: usize = 100;
const QUERIES: usize = 200;
const K: usize = 10;

/// Rows, and queries that are none of them: words of all frequencies each.
fn words() -> (Vec<f32>, Vec<f32>) {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../src/cli/resources/io/ruvector/cli/demo/words.npy"
    );
    let bytes = std::fs::read(file).expect("the demo's words");
    let halves = bytes[128..].chunks_exact(2);
    let all: Vec<f32> = halves
        .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
        .collect();
    let step = all.len() / DIM / QUERIES;
    let (mut base, mut queries) = (Vec::new(), Vec::new());
    for (i, row) in all.chunks_exact(DIM).enumerate() {
        let side = if i % step == 0 {
            &mut queries
        } else {
            &mut base
        };
        side.extend_from_slice(row);
    }
    (base, queries)
}

fn reaching(recall: f32) -> Search<'static> {
    Search {
        recall: Some(recall),
        ..Search::new(K)
    }
}

/// Mean recall of the queries, its standard error, and the rows scanned and estimated.
fn measure(
    index: &dyn VectorIndex,
    queries: &[f32],
    truth: &[Vec<(i64, f64)>],
    search: &Search,
) -> (f64, f64, u64) {
    let (mut ids, mut scores) = (vec![0; search.k], vec![0.0; search.k]);
    let (mut sum, mut squares, mut work) = (0.0, 0.0, 0);
    for (query, truth) in queries.chunks_exact(DIM).zip(truth) {
        let (n, stats) = index.search(query, search, &mut ids, &mut scores).unwrap();
        let found: Vec<(i64, f32)> = ids
            .iter()
            .copied()
            .zip(scores.iter().copied())
            .take(n)
            .collect();
        let one = recall(&found, truth, search.k);
        (sum, squares) = (sum + one, squares + one * one);
        work += stats.scanned + stats.estimated;
    }
    let n = truth.len() as f64;
    let mean = sum / n;
    (mean, ((squares / n - mean * mean) / n).sqrt(), work)
}

#[test]
fn a_recall_that_is_named_is_reached() {
    let (base, queries) = words();
    let ids: Vec<i64> = (0..(base.len() / DIM) as i64).collect();
    for metric in METRICS {
        let truth: Vec<_> = queries
            .chunks_exact(DIM)
            .map(|q| oracle(metric, q, &ids, &base))
            .collect();
        for kind in [Kind::Plus, Kind::Ivf] {
            let options = Options {
                metric,
                ..Options::new(kind, DIM)
            };
            let index = build(options, &base, Ids::From(0));
            let mut last = 0;
            for target in [0.8, 0.9, 0.95, 0.99, 1.0] {
                let (found, error, work) = measure(&*index, &queries, &truth, &reaching(target));
                println!(
                    "{metric:?} {kind:?} {target}: recall {found:.4} +- {error:.4}, {work} rows"
                );
                let least = if target == 1.0 {
                    1.0
                } else {
                    target as f64 - 2.0 * error
                };
                assert!(
                    found >= least,
                    "{metric:?} {kind:?} {target}: recall {found}"
                );
                assert!(
                    work > last,
                    "{metric:?} {kind:?} {target}: {work} rows after {last}"
                );
                last = if target < 0.99 { work } else { 0 };
            }
        }
    }
}

#[test]
fn a_recall_of_1_is_exact() {
    let mut rng = rng(11);
    let (n, dim) = (2_000, 33);
    for metric in METRICS {
        for (kind, shape) in [
            (Kind::Flat, Shape::Raw),
            (Kind::Plus, Shape::Offset),
            (Kind::Ivf, Shape::Clustered),
            (Kind::Ivf, Shape::Raw),
        ] {
            let data = rows(shape, n, dim, &mut rng);
            let options = Options {
                metric,
                ..Options::new(kind, dim)
            };
            let index = build(options, &data, Ids::From(0));
            let gone: Vec<i64> = (0..n as i64).filter(|id| id % 7 == 0).collect();
            index.remove(&gone).unwrap();
            for allowed in [n as i64, n as i64 / 2, 20] {
                let filter = Filter::from_intervals(&[(0, allowed - 1)]).unwrap();
                let ids: Vec<i64> = (0..allowed).filter(|id| id % 7 != 0).collect();
                let kept: Vec<f32> = ids
                    .iter()
                    .flat_map(|&id| &data[id as usize * dim..][..dim])
                    .copied()
                    .collect();
                let query = rows(shape, 1, dim, &mut rng);
                let search = Search {
                    filter: Some(&filter),
                    ..reaching(1.0)
                };
                let truth = oracle(metric, &query, &ids, &kept);
                assert_exact(&hits(&*index, &query, &search), &truth, K, |id| {
                    tolerance(metric, &query, &data[id as usize * dim..][..dim])
                });
            }
        }
    }
}

#[test]
fn what_a_search_names_itself_is_not_chosen() {
    let mut rng = rng(12);
    let dim = 16;
    let data = rows(Shape::Raw, 4_000, dim, &mut rng);
    let query = rows(Shape::Raw, 1, dim, &mut rng);
    let index = build(Options::new(Kind::Ivf, dim), &data, Ids::From(0));
    let stats = |search: Search| {
        let (mut ids, mut scores) = ([0; K], [0.0; K]);
        index
            .search(&query, &search, &mut ids, &mut scores)
            .unwrap()
            .1
    };
    let named = Search {
        epsilon: Some(0.7),
        rerank_factor: Some(2),
        nprobe: 3,
        ..Search::new(K)
    };
    for target in [0.5, 0.99, 1.0] {
        let recall = Some(target);
        assert_eq!(stats(Search { recall, ..named }), stats(named));
        let cells = stats(Search {
            nprobe: 3,
            ..reaching(target)
        });
        assert_eq!(cells.probed, stats(named).probed);
        let capped = stats(Search {
            rerank_factor: Some(1),
            ..reaching(target)
        });
        assert!(capped.reranked <= K as u64);
    }
    assert!(stats(reaching(0.99)).probed > stats(reaching(0.9)).probed);
    let wide = Search {
        k: 10 * K,
        ..reaching(0.9)
    };
    let (mut ids, mut scores) = ([0; 10 * K], [0.0; 10 * K]);
    let (_, more) = index.search(&query, &wide, &mut ids, &mut scores).unwrap();
    assert!(more.probed > stats(reaching(0.9)).probed);
}

#[test]
fn a_recall_out_of_range_or_out_of_reach_is_refused() {
    let data = rows(Shape::Raw, 2_000, 8, &mut rng(13));
    for kind in [Kind::Flat, Kind::Plus, Kind::Ivf, Kind::Asym] {
        let index = build(Options::new(kind, 8), &data, Ids::From(0));
        for bad in [0.0, -0.1, 1.001, f32::NAN, f32::INFINITY] {
            let refused = try_hits(&*index, &data[..8], &reaching(bad));
            assert!(
                matches!(&refused, Err(Error::Argument { name: "recall", .. })),
                "{kind:?} {bad}: {refused:?}"
            );
        }
    }
    let codes = Options {
        originals: OriginalsMode::None,
        ..Options::new(Kind::Ivf, 8)
    };
    for options in [
        codes,
        Options::new(Kind::Rabitq, 8),
        Options::new(Kind::Asym, 8),
    ] {
        let index = build(options, &data, Ids::From(0));
        let refused = try_hits(&*index, &data[..8], &reaching(0.9));
        assert!(
            matches!(&refused, Err(Error::Unsupported { what }) if what.contains("originals")),
            "{refused:?}"
        );
    }
}
