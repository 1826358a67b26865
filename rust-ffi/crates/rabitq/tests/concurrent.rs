//! Readers beside a writer: each answer is one published state.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::*;
use rabitq::{Filter, Ids, Kind, Metric, OpenMode, RangeHits, Rows, Search, VectorIndex};
use rand::Rng;

const DIM: usize = 4;
const IDS: i64 = 64;
const STEP: i64 = 4096;

/// The score of this row and the query (1, 1, 0, 0) tells the id and the version, exactly.
fn row(id: i64, version: i64) -> [f32; DIM] {
    [(id * STEP) as f32, version as f32, 0.0, 0.0]
}

fn batch(ids: &[i64], version: i64) -> Vec<f32> {
    ids.iter().flat_map(|id| row(*id, version)).collect()
}

/// What a reader may see: all even ids at one version; the odd ones all at that version or the next,
/// or none of them. Returns the version.
fn check(seen: &[(i64, i64)], what: &str) -> i64 {
    let part = |odd: i64| -> Vec<i64> {
        let mut found: Vec<(i64, i64)> = seen
            .iter()
            .copied()
            .filter(|(id, _)| id % 2 == odd)
            .collect();
        found.sort_unstable();
        let ids: Vec<i64> = found.iter().map(|(id, _)| *id).collect();
        let all: Vec<i64> = (0..IDS).filter(|id| id % 2 == odd).collect();
        assert!(
            ids == all || (odd == 1 && ids.is_empty()),
            "{what}: {found:?}"
        );
        let mut versions: Vec<i64> = found.iter().map(|(_, v)| *v).collect();
        versions.dedup();
        assert!(versions.len() <= 1, "{what}: torn: {found:?}");
        versions
    };
    let (even, odd) = (part(0)[0], part(1));
    assert!(
        odd.iter().all(|v| *v == even || *v == even + 1),
        "{what}: {even} {odd:?}"
    );
    even
}

fn decode(found: impl Iterator<Item = (i64, f32)>) -> Vec<(i64, i64)> {
    found
        .filter(|(id, _)| (0..IDS).contains(id))
        .map(|(id, score)| {
            let number = -score as i64;
            assert_eq!(number / STEP, id, "a row of another id");
            (id, number % STEP)
        })
        .collect()
}

fn read(index: &dyn VectorIndex, filter: &Filter, turn: u64) -> (i64, &'static str) {
    let query = [1.0, 1.0, 0.0, 0.0];
    let k = IDS as usize;
    match turn % 5 {
        0 => (
            check(
                &decode(hits(index, &query, &exhaustive(k)).into_iter()),
                "search",
            ),
            "search",
        ),
        1 => {
            let search = Search {
                filter: Some(filter),
                ..exhaustive(k)
            };
            (
                check(&decode(hits(index, &query, &search).into_iter()), "filter"),
                "filter",
            )
        }
        2 => {
            let queries = Rows::new(&query, 1, DIM, DIM).unwrap();
            let (mut ids, mut scores, mut counts) = (vec![0; k], vec![0.0; k], [0]);
            index
                .search_batch(queries, &exhaustive(k), &mut ids, &mut scores, &mut counts)
                .unwrap();
            (
                check(&decode(ids.into_iter().zip(scores)), "batch"),
                "batch",
            )
        }
        3 => {
            let mut out = RangeHits::default();
            let search = Search {
                epsilon: Some(16.0),
                ..Search::new(1)
            };
            index
                .search_range(&query, 0.0, &search, 10_000, &mut out)
                .unwrap();
            (
                check(&decode(out.ids.into_iter().zip(out.scores)), "range"),
                "range",
            )
        }
        _ => {
            let (mut ids, mut vectors) = (vec![0; 100], vec![0.0; 100 * DIM]);
            let mut walk = index.iter();
            let mut seen = Vec::new();
            loop {
                let n = walk.next_batch(&mut ids, Some(&mut vectors)).unwrap();
                if n == 0 {
                    break;
                }
                seen.extend((0..n).map(|i| (ids[i], -vectors[i * DIM] - vectors[i * DIM + 1])));
            }
            (check(&decode(seen.into_iter()), "walk"), "walk")
        }
    }
}

fn run(kind: Kind, bits: u32, versions: i64) {
    let index = rabitq::create(options(kind, Metric::InnerProduct, DIM, bits)).unwrap();
    let index = &*index;
    let all: Vec<i64> = (0..IDS).collect();
    let odd: Vec<i64> = (0..IDS).filter(|id| id % 2 == 1).collect();
    index.add(view(&batch(&all, 0), DIM), Ids::From(0)).unwrap();
    let filter = Filter::from_intervals(&[(0, IDS - 1)]).unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3u64 {
            let (filter, done, reads) = (&filter, &done, &reads);
            scope.spawn(move || {
                let mut last = [0; 5];
                let mut turn = reader;
                while !done.load(Ordering::Relaxed) {
                    let (version, what) = read(index, filter, turn);
                    let place = &mut last[(turn % 5) as usize];
                    assert!(
                        version >= *place,
                        "{what} went back from {place} to {version}"
                    );
                    *place = version;
                    // Another reader's `contains` and `get` may meet a newer state, never none.
                    let mut row = [0f32; DIM];
                    assert!(index.contains(2) && index.get(4, &mut row).unwrap());
                    assert!(row[1] as i64 >= version);
                    turn += 1;
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let writer = scope.spawn(|| {
            let mut rng = rng(51);
            let folder = tempfile::tempdir().unwrap();
            let mut filler = 1000;
            let mut cells = std::collections::BTreeSet::new();
            for version in 1..=versions {
                // Rows far away, so that tails are sealed, merged and tidied.
                let n = rng.random_range(0..700);
                let far: Vec<f32> = (0..n * DIM).map(|_| -1e5 + normal(&mut rng)).collect();
                index.add(view(&far, DIM), Ids::From(filler)).unwrap();
                filler += n as i64;
                assert_eq!(index.remove(&odd).unwrap(), odd.len() as u64);
                index
                    .add(view(&batch(&odd, version), DIM), Ids::Given(&odd))
                    .unwrap();
                index
                    .upsert(view(&batch(&all, version), DIM), Ids::From(0))
                    .unwrap();
                cells.insert(index.info().cells);
                if rng.random_bool(0.3) {
                    let gone: Vec<i64> = (1000..filler).step_by(2).collect();
                    index.remove(&gone).unwrap();
                }
                if rng.random_bool(0.1) {
                    index.compact().unwrap();
                }
                if rng.random_bool(0.05) {
                    let path = folder.path().join("index.rvx");
                    index.save(&path).unwrap();
                    let opened = rabitq::open(&path, OpenMode::Map, true).unwrap();
                    assert_eq!(read(&*opened, &filter, 0).0, version);
                }
            }
            assert!(kind != Kind::Ivf || cells.len() > 3, "{cells:?} cells");
        });
        let written = writer.join();
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = written {
            std::panic::resume_unwind(panic);
        }
    });
    println!(
        "{kind:?} {bits} bits: {} reads beside {versions} versions",
        reads.load(Ordering::Relaxed)
    );
}

#[test]
fn flat_readers_see_whole_states() {
    run(Kind::Flat, 0, 150);
}

#[test]
fn plus_readers_see_whole_states() {
    run(Kind::Plus, 4, 150);
}

#[test]
fn one_bit_readers_see_whole_states() {
    run(Kind::Plus, 1, 150);
}

#[test]
fn ivf_readers_see_whole_states() {
    run(Kind::Ivf, 4, 150);
}
