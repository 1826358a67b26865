//! IVF indexes that start empty and grow: their cells keep up with their rows.

mod common;

use common::*;
use rabitq::{Ids, Kind, Metric, OpenMode, Options, OriginalsMode, Search, VectorIndex};
use rand::seq::SliceRandom;

const WORDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../src/cli/resources/io/ruvector/cli/demo/words.npy"
);
const DIM: usize = 100;
const QUERIES: usize = 1_000;

/// 19,000 word vectors, and 1,000 others to ask for; half precision in a file of NumPy's.
fn words() -> (Vec<f32>, Vec<f32>) {
    let bytes = std::fs::read(WORDS).unwrap();
    let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let half = |b: &[u8]| half::f16::from_le_bytes([b[0], b[1]]).to_f32();
    let all: Vec<f32> = bytes[10 + header..].chunks_exact(2).map(half).collect();
    assert_eq!(all.len(), 20_000 * DIM);
    // Frequent words come first: every 20th is a query.
    let (mut base, mut queries) = (Vec::new(), Vec::new());
    for (i, row) in all.chunks_exact(DIM).enumerate() {
        if i % 20 == 0 && queries.len() < QUERIES * DIM {
            queries.extend_from_slice(row);
        } else {
            base.extend_from_slice(row);
        }
    }
    (base, queries)
}

fn ivf(metric: Metric, nlist: u32, originals: OriginalsMode) -> Options {
    Options {
        metric,
        nlist,
        originals,
        bits: if originals == OriginalsMode::None {
            7
        } else {
            4
        },
        ..Options::new(Kind::Ivf, DIM)
    }
}

/// An index that took `data` in batches, with the numbers of cells that it had on the way.
fn grown(options: Options, data: &[f32], batch: usize) -> (Box<dyn VectorIndex>, Vec<u64>) {
    let dim = options.dim;
    let index = rabitq::create(options).unwrap();
    let mut cells = vec![0];
    for (i, rows) in data.chunks(batch * dim).enumerate() {
        index
            .add(view(rows, dim), Ids::From((i * batch) as i64))
            .unwrap();
        let now = index.info().cells;
        if cells.last() != Some(&now) {
            cells.push(now);
        }
    }
    (index, cells)
}

/// Recall@10 and the rows scanned for a query.
fn measure(
    index: &dyn VectorIndex,
    queries: &[f32],
    truths: &[Vec<(i64, f64)>],
    nprobe: u32,
) -> (f64, f64) {
    let search = Search {
        nprobe,
        ..Search::new(10)
    };
    let (mut found, mut scanned) = (0.0, 0);
    for (query, truth) in queries.chunks_exact(index.info().options.dim).zip(truths) {
        let (mut ids, mut scores) = ([0; 10], [0.0; 10]);
        let (n, stats) = index.search(query, &search, &mut ids, &mut scores).unwrap();
        let hits: Vec<(i64, f32)> = ids.into_iter().zip(scores).take(n).collect();
        found += recall(&hits, truth, 10);
        scanned += stats.scanned;
    }
    let n = truths.len() as f64;
    (found / n, scanned as f64 / n)
}

fn truths(metric: Metric, queries: &[f32], data: &[f32], dim: usize) -> Vec<Vec<(i64, f64)>> {
    let ids: Vec<i64> = (0..(data.len() / dim) as i64).collect();
    queries
        .chunks_exact(dim)
        .map(|query| {
            let mut all = oracle(metric, query, &ids, data);
            all.truncate(100);
            all
        })
        .collect()
}

#[test]
fn a_grown_index_finds_what_a_built_one_finds() {
    let (data, queries) = words();
    let kept = OriginalsMode::Copy;
    let none = OriginalsMode::None;
    for (metric, nlist, batch, originals) in [
        (Metric::L2, 0, 1_000, none),
        (Metric::L2, 128, 77, none),
        (Metric::Cosine, 0, 1_000, none),
        (Metric::InnerProduct, 0, 1_000, none),
        (Metric::L2, 0, 1_000, kept),
        (Metric::L2, 128, 77, kept),
        (Metric::InnerProduct, 0, 1_000, kept),
    ] {
        let truths = truths(metric, &queries, &data, DIM);
        let options = ivf(metric, nlist, originals);
        let built = build(options.clone(), &data, Ids::From(0));
        let (grown, cells) = grown(options, &data, batch);
        println!("{metric:?} nlist {nlist} batches of {batch}, {originals:?}: {cells:?} cells");
        assert!(cells.len() >= 4, "{cells:?}");
        assert!(cells.windows(2).all(|w| w[0] < w[1]), "{cells:?}");
        let loss = if originals == none { 0.03 } else { 0.01 };
        let (mut wants, mut gots) = (0.0, 0.0);
        for nprobe in [4, 8, 16] {
            let (want, fewer) = measure(&*built, &queries, &truths, nprobe);
            let (got, more) = measure(&*grown, &queries, &truths, nprobe);
            println!("  nprobe {nprobe}: built {want:.4} of {fewer}, grown {got:.4} of {more}");
            assert!(more < 1.5 * fewer + 1_024.0);
            (wants, gots) = (wants + want, gots + got);
        }
        assert!(gots / 3.0 >= wants / 3.0 - loss);
        let all = built.info().cells.max(grown.info().cells) as u32;
        let (want, _) = measure(&*built, &queries, &truths, all);
        let (got, scanned) = measure(&*grown, &queries, &truths, all);
        println!("  all cells: built {want:.4}, grown {got:.4}");
        assert_eq!(scanned as usize, data.len() / DIM);
        assert!(got >= want - loss);
        let memory = |index: &dyn VectorIndex| index.info().memory_bytes as f64;
        assert!(memory(&*grown) < 1.2 * memory(&*built));
    }
}

/// Rows that are looked for by themselves lie in one of the nearest cells, wherever they came from:
/// not always in the nearest, which may have been too full.
fn assert_found_by_themselves(index: &dyn VectorIndex, rows: &[(i64, &[f32])], nprobe: u32) {
    let search = Search {
        nprobe,
        ..Search::new(1)
    };
    let lost = rows.iter().filter(|(id, row)| {
        let (mut ids, mut scores) = ([0], [0.0]);
        index.search(row, &search, &mut ids, &mut scores).unwrap();
        ids[0] != *id
    });
    let lost = lost.count();
    assert!(lost * 100 <= rows.len(), "{lost} of {}", rows.len());
}

#[test]
fn upserted_rows_change_cells_and_removed_ones_vanish() {
    let (data, _) = words();
    let n = 8_000;
    let row = |i: usize| &data[i * DIM..][..DIM];
    let (index, _) = grown(
        ivf(Metric::L2, 0, OriginalsMode::Copy),
        &data[..n * DIM],
        1_000,
    );
    let all: Vec<(i64, &[f32])> = (0..n).map(|i| (i as i64, row(i))).collect();
    assert_found_by_themselves(&*index, &all, 4);
    // Every second id gets the vector of a word that is not in the index.
    let even: Vec<i64> = (0..n as i64).step_by(2).collect();
    let fresh = &data[n * DIM..][..even.len() * DIM];
    let moved = index.upsert(view(fresh, DIM), Ids::Given(&even)).unwrap();
    assert_eq!(moved as usize, even.len());
    let now: Vec<(i64, &[f32])> = even
        .iter()
        .zip(fresh.chunks_exact(DIM))
        .map(|(id, row)| (*id, row))
        .collect();
    assert_found_by_themselves(&*index, &now, 4);
    let gone: Vec<i64> = (0..n as i64).filter(|id| id % 3 == 0).collect();
    assert_eq!(index.remove(&gone).unwrap() as usize, gone.len());
    for query in data.chunks_exact(DIM).step_by(50) {
        let found = hits(&*index, query, &Search::new(20));
        assert!(found.iter().all(|(id, _)| id % 3 != 0), "{found:?}");
    }
    let left: Vec<(i64, &[f32])> = now.into_iter().filter(|(id, _)| id % 3 != 0).collect();
    assert_found_by_themselves(&*index, &left, 4);
    index.compact().unwrap();
    assert_found_by_themselves(&*index, &left, 4);
}

/// Rows around one centre after the other: cells that were trained on the first would take in all
/// the rest.
#[test]
fn cells_follow_rows_that_drift() {
    let mut rng = rng(61);
    let (n, dim, batch) = (24_000, 16, 600);
    let data: Vec<f32> = (0..n)
        .flat_map(|i| {
            let centre = (i / 6_000) as f32 * 40.0;
            (0..dim)
                .map(|_| centre + normal(&mut rng))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut picked: Vec<usize> = (0..n).collect();
    picked.shuffle(&mut rng);
    let queries: Vec<f32> = picked[..200]
        .iter()
        .flat_map(|i| data[i * dim..][..dim].to_vec())
        .collect();
    let truths = truths(Metric::L2, &queries, &data, dim);
    for originals in [OriginalsMode::Copy, OriginalsMode::None] {
        let options = Options {
            nlist: 64,
            bits: 8,
            originals,
            ..Options::new(Kind::Ivf, dim)
        };
        let built = build(options.clone(), &data, Ids::From(0));
        let (grown, cells) = grown(options, &data, batch);
        let (want, fewer) = measure(&*built, &queries, &truths, 8);
        let (got, scanned) = measure(&*grown, &queries, &truths, 8);
        println!(
            "{originals:?}, {cells:?} cells: built {want:.4} of {fewer} rows, grown {got:.4} of {scanned}"
        );
        // Codes of rows that came before the cells around them lose for good.
        let loss = if originals == OriginalsMode::None {
            0.2
        } else {
            0.05
        };
        assert!(got >= want - loss, "{got} of {want}");
        assert!(scanned < 3.0 * fewer, "{scanned} rows against {fewer}");
    }
}

#[test]
fn a_mapped_index_grows_beside_its_file() {
    let (data, queries) = words();
    let (old, rest) = data.split_at(4_000 * DIM);
    for originals in [OriginalsMode::Copy, OriginalsMode::None] {
        let options = ivf(Metric::L2, 0, originals);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.rvx");
        build(options, old, Ids::From(0)).save(&path).unwrap();
        let index = rabitq::open(&path, OpenMode::Map, true).unwrap();
        let mapped = index.info().mapped_bytes;
        for (i, rows) in rest.chunks(1_000 * DIM).enumerate() {
            index
                .add(view(rows, DIM), Ids::From(4_000 + i as i64 * 1_000))
                .unwrap();
            assert_eq!(index.info().mapped_bytes, mapped);
        }
        let truths = truths(Metric::L2, &queries, &data, DIM);
        let (before, _) = measure(&*index, &queries, &truths, 16);
        assert!(index.info().segments <= 6, "{:?}", index.info());
        let again = folder.path().join("again.rvx");
        index.save(&again).unwrap();
        let reopened = rabitq::open(&again, OpenMode::Load, true).unwrap();
        assert!(reopened.content_equals(&*index).unwrap());
        let (saved, _) = measure(&*reopened, &queries, &truths, 16);
        index.compact().unwrap();
        let info = index.info();
        assert_eq!((info.segments, info.mapped_bytes, info.deleted), (1, 0, 0));
        let (after, _) = measure(&*index, &queries, &truths, 16);
        println!("{originals:?}: grown {before:.4}, saved {saved:.4}, compacted {after:.4}");
        assert!(before >= after - 0.02 && saved >= after - 0.02);
    }
}
