//! Saved caches cross between this crate and upstream's, in both directions.

use std::sync::Arc;

use rabitq::{Control, Ids, Rows, Search};
use ruvector_rulake as upstream;

const DIM: usize = 16;
const ROWS: usize = 400;

fn rows() -> Vec<Vec<f32>> {
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..ROWS)
        .map(|_| (0..DIM).map(|_| random()).collect())
        .collect()
}

/// The same collection in a lake of each.
fn lakes(rows: &[Vec<f32>]) -> (rulake::RuLake, upstream::RuLake) {
    let options = rulake::LakeOptions::default();
    let theirs = upstream::RuLake::new(options.index.rerank_factor as usize, options.index.seed);
    let backend = upstream::LocalBackend::new("b");
    let ids = (0..ROWS as u64).collect();
    backend
        .put_collection("c", DIM, ids, rows.to_vec())
        .unwrap();
    theirs.register_backend(Arc::new(backend)).unwrap();

    let ours = rulake::RuLake::new(options).unwrap();
    let backend = rulake::LocalBackend::new("b").unwrap();
    let flat = rows.concat();
    let view = Rows::new(&flat, ROWS, DIM, DIM).unwrap();
    backend.replace("c", view, Ids::From(0)).unwrap();
    ours.register_backend(Arc::new(backend)).unwrap();
    (ours, theirs)
}

fn our_nearest(lake: &rulake::RuLake, query: &[f32]) -> Vec<i64> {
    let lease = lake.lease("b", "c", &Control::default()).unwrap();
    let (mut ids, mut scores) = ([0; 5], [0.0; 5]);
    let found = lease
        .index()
        .unwrap()
        .search(query, &Search::new(5), &mut ids, &mut scores);
    assert_eq!(found.unwrap().0, 5);
    ids.to_vec()
}

#[test]
fn upstream_warms_from_what_we_saved() {
    let rows = rows();
    let (ours, theirs) = lakes(&rows);
    our_nearest(&ours, &rows[0]);
    let dir = tempfile::tempdir().unwrap();
    ours.save_cache_to_dir("b", "c", dir.path()).unwrap();
    let key = ("b".to_string(), "c".to_string());
    assert_eq!(theirs.warm_from_dir(&key, dir.path()).unwrap(), ROWS);
    for row in &rows {
        let found = theirs.search_one("b", "c", row, 5).unwrap();
        assert_eq!(found[0].id as i64, our_nearest(&ours, row)[0]);
    }
    // Both name this state by one witness, so that upstream has not pulled it again.
    assert_eq!(theirs.cache_stats().primes, 0);
    assert_eq!(
        theirs.cache_witness_of(&key),
        ours.cache_witness_of("b", "c").unwrap()
    );
}

#[test]
fn we_warm_from_what_upstream_saved() {
    let rows = rows();
    let (ours, theirs) = lakes(&rows);
    theirs.search_one("b", "c", &rows[0], 1).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = ("b".to_string(), "c".to_string());
    theirs.save_cache_to_dir(&key, dir.path()).unwrap();
    assert_eq!(
        ours.warm_from_dir("b", "c", dir.path()).unwrap(),
        ROWS as u64
    );
    for (id, row) in rows.iter().enumerate() {
        assert_eq!(our_nearest(&ours, row)[0], id as i64);
    }
    assert_eq!(ours.cache_stats().primes, 0);
}
