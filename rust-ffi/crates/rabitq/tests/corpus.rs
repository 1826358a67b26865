//! Replays the corpora of the fuzz targets.

mod common;
#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};

use common::*;
use rabitq::{Ids, Kind, Metric, Options, OriginalsMode};
use rand::Rng;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

fn replay(target: &str, run: fn(&[u8])) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus(target))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{target}: {} files", files.len());
    for file in files {
        println!("{}", file.display());
        run(&std::fs::read(file).unwrap());
    }
}

#[test]
fn open_index() {
    replay("open_index", targets::open_index);
}

#[test]
fn import_rbpx() {
    replay("import_rbpx", targets::import_rbpx);
}

#[test]
fn search_request() {
    replay("search_request", targets::search_request);
}

/// Writes the inputs that fuzzing starts from; run by hand when the formats change.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_the_corpora() {
    let mut rng = rng(71);
    // Of their own, so that they leave the other files as they are.
    let mut ivf = common::rng(72);
    let put = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(corpus(target).join(name), bytes).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    for (kind, bits) in [
        (Kind::Flat, 0),
        (Kind::Rabitq, 1),
        (Kind::Asym, 3),
        (Kind::Asym, 7),
        (Kind::Plus, 4),
    ] {
        for (metric, dim, n) in [(Metric::L2, 3, 40), (Metric::Cosine, 5, 33)] {
            let data = rows(Shape::Raw, n, dim, &mut rng);
            let ids = match metric {
                Metric::L2 => wide_ids(n, &mut rng),
                _ => (0..n as i64).map(|i| i * 17 % 101).collect(),
            };
            let index = build(options(kind, metric, dim, bits), &data, Ids::Given(&ids));
            put(
                "open_index",
                &format!("{kind:?}-{bits}-{metric:?}"),
                &save_bytes(&*index),
            );
        }
    }
    for (metric, bits, originals) in [
        (Metric::L2, 4, OriginalsMode::Copy),
        (Metric::Cosine, 1, OriginalsMode::Copy),
        (Metric::InnerProduct, 7, OriginalsMode::None),
    ] {
        let options = Options {
            originals,
            nlist: 6,
            nprobe: 2,
            ..options(Kind::Ivf, metric, 3, bits)
        };
        let index = build(
            options,
            &rows(Shape::Raw, 45, 3, &mut ivf),
            Ids::Given(&wide_ids(45, &mut ivf)),
        );
        put(
            "open_index",
            &format!("Ivf-{bits}-{metric:?}"),
            &save_bytes(&*index),
        );
    }
    put(
        "open_index",
        "empty",
        &save_bytes(&*rabitq::create(options(Kind::Plus, Metric::L2, 4, 0)).unwrap()),
    );
    for (n, dim) in [(0, 4), (1, 1), (3, 2), (33, 4), (70, 7)] {
        let path = folder.path().join("file.rbpx");
        let index = rabitq::create(options(Kind::Plus, Metric::L2, dim, 0)).unwrap();
        index
            .add(view(&rows(Shape::Raw, n, dim, &mut rng), dim), Ids::From(5))
            .unwrap();
        rabitq::export_rbpx(&*index, &path).unwrap();
        put(
            "import_rbpx",
            &format!("{n}x{dim}"),
            &std::fs::read(&path).unwrap(),
        );
    }
    for which in 0..21u8 {
        let mut bytes = vec![which, 1, 10, 0, 0, which % 5, which % 3];
        bytes.extend([3, 0, 3, 9, 3, 20, 3, 90, 3, 91, 3, 200]);
        bytes.truncate(7 + 4 * (which as usize % 3));
        bytes.push(1);
        bytes.extend((0..7).flat_map(|_| (2.0 * normal(&mut rng)).to_le_bytes()));
        bytes.extend(rng.random::<[u8; 8]>());
        put("search_request", &format!("request-{which}"), &bytes);
    }
}
