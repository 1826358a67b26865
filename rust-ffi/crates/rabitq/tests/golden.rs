//! The golden files of `testdata`, which a slow reference in another language wrote, and the sample
//! file of each version of the format.

mod common;

use std::path::PathBuf;

use common::*;
use rabitq::{Ids, Kind, Metric, OpenMode, Options, Rotation, VectorIndex, open, verify};
use simd::Simd;

fn testdata(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../testdata");
    root.join(name)
}

/// The numbers of one field of a golden file; each field is a line of its own.
fn field(file: &str, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(testdata("golden").join(file)).unwrap();
    let start = format!("\"{name}\":");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{file}: no {name}"))
        .trim_matches([',', '[', ']'])
        .split(',')
        .map(|x| x.trim_matches([']', '[']).parse().unwrap())
        .collect()
}

fn floats(file: &str, name: &str) -> Vec<f32> {
    field(file, name).into_iter().map(|x| x as f32).collect()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + b.abs())
}

#[test]
fn rotation() {
    let file = "rotation.json";
    let seed = field(file, "seed")[0] as u64;
    let (inputs, outputs) = (floats(file, "inputs"), field(file, "outputs"));
    let mut at = 0;
    for dim in field(file, "dims") {
        let dim = dim as usize;
        let mut x = inputs[at..at + dim].to_vec();
        Rotation::new(dim, seed).forward(Simd::best(), &mut x);
        for (x, right) in x.iter().zip(&outputs[at..]) {
            assert!(
                close(*x as f64, *right, 2e-6),
                "D={dim}: {x}, right {right}"
            );
        }
        at += dim;
    }
    assert_eq!(at, inputs.len());
}

#[test]
fn codes_and_estimates() {
    for bits in [1, 4, 7] {
        let file = format!("codes{bits}.json");
        let kind = if bits == 1 { Kind::Rabitq } else { Kind::Asym };
        let (rows, dim) = (200, 24);
        let data = floats("vectors.json", "vectors");
        let options = Options {
            bits,
            seed: field(&file, "seed")[0] as u64,
            ..Options::new(kind, dim)
        };
        let index = build(options, &data, Ids::From(0));
        let size = index.info().code_bytes as usize;
        let (mut ids, mut packed, mut factors) =
            (vec![0; rows], vec![0; rows * size], vec![0.0; rows * 3]);
        let n = index
            .iter()
            .next_codes(&mut ids, &mut packed, &mut factors)
            .unwrap();
        assert_eq!(n, rows);
        let right = field(&file, "codes");
        for (row, packed) in packed.chunks_exact(size).enumerate() {
            let mut digits = vec![0; dim];
            Simd::best().unpack_row(bits, dim, packed, &mut digits);
            let right: Vec<u8> = right[row * dim..][..dim].iter().map(|u| *u as u8).collect();
            assert_eq!(digits, right, "{bits} bits, row {row}");
        }
        // The factors of 1 bit are halves, and share the largest error in few dimensions; others have
        // their error rounded up to 8 bits.
        let tolerance = if bits == 1 { 1e-3 } else { 1e-5 };
        let right = field(&file, "factors");
        for (i, (f, right)) in factors.iter().zip(&right).enumerate() {
            let f = *f as f64;
            match i % 3 {
                2 if bits == 1 => assert!(f >= right * 0.998, "error {i}: {f}, right {right}"),
                2 => assert!(
                    (0.998..1.02).contains(&(f / right)),
                    "error {i}: {f}, right {right}"
                ),
                _ => assert!(
                    close(f, *right, tolerance),
                    "factor {i}: {f}, right {right}"
                ),
            }
        }
        // Scores of a search over codes are these estimates, but for the query's rounding.
        let queries = floats(&file, "queries");
        let estimates = field(&file, "estimates");
        for (q, query) in queries.chunks_exact(dim).enumerate() {
            let found = hits(
                &*index,
                query,
                &rabitq::Search {
                    epsilon: Some(16.0),
                    ..rabitq::Search::new(rows)
                },
            );
            assert_eq!(found.len(), rows);
            let scale = match bits {
                // A table of six bits.
                1 => 3e-2,
                4 => 1e-2,
                _ => 1e-4,
            };
            for (id, score) in found {
                let right = estimates[q * rows + id as usize];
                assert!(
                    close(score as f64, right, scale),
                    "{bits} bits, row {id}: {score}, right {right}"
                );
            }
        }
    }
}

const SEARCHES: [(&str, Metric); 3] = [
    ("search_l2.json", Metric::L2),
    ("search_cosine.json", Metric::Cosine),
    ("search_inner_product.json", Metric::InnerProduct),
];

fn check_hits(index: &dyn VectorIndex, file: &str) {
    let (k, dim) = (field(file, "k")[0] as usize, field(file, "dim")[0] as usize);
    let (right, scores) = (field(file, "hits"), field(file, "scores"));
    for (q, query) in floats(file, "queries").chunks_exact(dim).enumerate() {
        for (i, (id, score)) in hits(index, query, &exhaustive(k)).into_iter().enumerate() {
            assert_eq!(id, right[q * k + i] as i64, "{file}: query {q}, rank {i}");
            assert!(
                close(score as f64, scores[q * k + i], 1e-5),
                "{file}: {score}"
            );
        }
    }
}

fn searched(kind: Kind, file: &str, metric: Metric) -> Box<dyn VectorIndex> {
    let ids: Vec<i64> = field(file, "ids").into_iter().map(|x| x as i64).collect();
    build(
        options(kind, metric, 24, 0),
        &floats("vectors.json", "vectors"),
        Ids::Given(&ids),
    )
}

#[test]
fn search() {
    for (file, metric) in SEARCHES {
        for kind in [Kind::Flat, Kind::Plus] {
            check_hits(&*searched(kind, file, metric), file);
        }
    }
}

const SAMPLES: [(&str, Kind); 2] = [
    ("format/v1.rvx", Kind::Plus),
    ("format/v1-ivf.rvx", Kind::Ivf),
];

/// Files that the first release of the format wrote: they open for ever.
#[test]
fn version_1_of_the_format() {
    let (file, metric) = SEARCHES[1];
    for (path, kind) in SAMPLES {
        let path = testdata(path);
        verify(&path).unwrap();
        for mode in [OpenMode::Map, OpenMode::Load] {
            let index = open(&path, mode, true).unwrap();
            let info = index.info();
            assert_eq!((info.options.kind, info.options.metric), (kind, metric));
            assert_eq!(
                (info.rows, info.options.dim, info.options.bits),
                (200, 24, 4)
            );
            assert_eq!(info.cells, if kind == Kind::Ivf { 5 } else { 0 });
            check_hits(&*index, file);
            let data = floats("vectors.json", "vectors");
            let mut row = [0.0; 24];
            for (id, right) in field(file, "ids").into_iter().zip(data.chunks_exact(24)) {
                assert!(index.get(id as i64, &mut row).unwrap());
                assert_eq!(row, right);
            }
            assert!(
                index
                    .content_equals(&*searched(kind, file, metric))
                    .unwrap()
            );
        }
    }
}

/// Writes the samples of the current version; run by hand when there is a new one.
#[test]
#[ignore = "writes testdata/format"]
fn write_the_samples_of_the_format() {
    let (file, metric) = SEARCHES[1];
    std::fs::create_dir_all(testdata("format")).unwrap();
    for (path, kind) in SAMPLES {
        searched(kind, file, metric).save(&testdata(path)).unwrap();
    }
}
