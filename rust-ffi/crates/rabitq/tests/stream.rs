//! Indexes that are written straight to a file: within their memory, whole or not at all, and
//! searched with their originals on disk.

mod common;

use std::path::Path;
use std::sync::atomic::AtomicI32;

use common::*;
use rabitq::{
    Control, Error, FileRows, Ids, IndexWriter, Kind, Metric, OpenMode, Options, build_to, open,
    verify,
};

const AMPLE: u64 = 1 << 30;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn argument(result: Result<(), Error>) -> (&'static str, String) {
    match result {
        Err(Error::Argument { name, allowed, .. }) => (name, allowed),
        other => panic!("{other:?}"),
    }
}

/// Kibibytes that this process had in memory at most, mapped pages included.
#[cfg(target_os = "linux")]
fn peak_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_stays_under_the_limit() {
    const FILE: &str = "RUVECTOR_TEST_FILE";
    const CASE: &str = "RUVECTOR_TEST_CASE";
    const LIMIT: u64 = 48 << 20;
    let (n, dim) = (150_000, 96);
    let options = |case: &str| match case {
        "ivf" => Options {
            nlist: 400,
            ..Options::new(Kind::Ivf, dim)
        },
        "plus" => Options::new(Kind::Plus, dim),
        _ => Options {
            metric: Metric::Cosine,
            ..Options::new(Kind::Asym, dim)
        },
    };
    if let Ok(folder) = std::env::var(FILE) {
        let case = std::env::var(CASE).unwrap();
        let rows = Path::new(&folder).join("rows.f32");
        let index = Path::new(&folder).join("index.rvx");
        let before = peak_kib("VmRSS");
        let rows = FileRows::open(&rows, 0, n as u64, dim, dim as u64 * 4).unwrap();
        let ids: Vec<i64> = (0..n as i64).map(|i| i * 7919 % 1_000_003).collect();
        let control = Control::default();
        build_to(
            &index,
            options(&case),
            rows,
            Ids::Given(&ids),
            LIMIT,
            &control,
        )
        .unwrap();
        let own = (peak_kib("VmHWM") - before) >> 10;
        println!("{case}: {own} MiB");
        assert!(own <= LIMIT >> 20, "{case}: {own} MiB");
        return;
    }
    let mut rng = rng(81);
    let folder = folder_in_memory();
    let data = rows(Shape::Clustered, n, dim, &mut rng);
    std::fs::write(folder.path().join("rows.f32"), bytemuck::cast_slice(&data)).unwrap();
    for case in ["ivf", "plus", "asym"] {
        let variables = [(FILE, folder.path().to_str().unwrap()), (CASE, case)];
        let out = child("memory_stays_under_the_limit", &variables)
            .output()
            .unwrap();
        print!("{}", String::from_utf8_lossy(&out.stdout));
        assert!(out.status.success());
        let path = folder.path().join("index.rvx");
        verify(&path).unwrap();
        let found = open(&path, OpenMode::LoadCodes, true).unwrap();
        assert_eq!(found.info().rows, n as u64);
    }
}

#[test]
fn a_sample_that_does_not_fit_is_made_smaller() {
    let mut rng = rng(82);
    let (n, dim) = (30_000, 200);
    let data = rows(Shape::Clustered, n, dim, &mut rng);
    let folder = folder_in_memory();
    let path = folder.path().join("index.rvx");
    let write = |options: Options, limit: u64| {
        let mut writer = IndexWriter::new(&path, options, limit)?;
        writer.add(view(&data, dim), Ids::From(0), &Control::default())?;
        writer.finish(&Control::default())
    };
    // The whole sample is 24 MB.
    write(options(Kind::Ivf, Metric::L2, dim, 4), 40 << 20).unwrap();
    let index = open(&path, OpenMode::LoadCodes, true).unwrap();
    let ids: Vec<i64> = (0..n as i64).collect();
    for query in data.chunks_exact(dim).step_by(5_000) {
        let truth = oracle(Metric::L2, query, &ids, &data);
        let tolerance = |id: i64| tolerance(Metric::L2, query, &data[id as usize * dim..][..dim]);
        let found = hits(&*index, query, &exhaustive(10));
        assert_exact(&found, &truth, 10, tolerance);
    }
    // Cells whose number is asked for are not given up.
    let many = Options {
        nlist: 5_000,
        ..Options::new(Kind::Ivf, dim)
    };
    let (name, allowed) = argument(write(many.clone(), 40 << 20));
    assert_eq!(name, "max_bytes");
    let least: u64 = allowed.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(
        allowed.contains("30000 rows of 200 dimensions"),
        "{allowed}"
    );
    assert_eq!(names(folder.path()), ["index.rvx"]);
    assert_eq!(argument(write(many, least - 1)).0, "max_bytes");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_left_behind() {
    let folder = folder_in_memory();
    let path = folder.path().join("index.rvx");
    let plain = Control::default();
    let dim = 3;
    let new = |kind| IndexWriter::new(&path, Options::new(kind, dim), AMPLE).unwrap();
    for kind in [Kind::Flat, Kind::Rabitq, Kind::Asym, Kind::Plus, Kind::Ivf] {
        let mut writer = new(kind);
        writer
            .add(view(&[1.0; 6], dim), Ids::From(5), &plain)
            .unwrap();
        let bad = [1.0, 2.0, 3.0, 4.0, f32::NAN, 6.0];
        let error = writer.add(view(&bad, dim), Ids::From(7), &plain);
        assert!(
            matches!(error, Err(Error::InvalidVector { row: 1, .. })),
            "{error:?}"
        );
        let error = writer.add(view(&[0.0; 4], 4), Ids::From(7), &plain);
        assert!(matches!(
            error,
            Err(Error::DimensionMismatch {
                expected: 3,
                actual: 4
            })
        ));
        assert_eq!(
            argument(writer.add(view(&bad, dim), Ids::Given(&[1]), &plain)).0,
            "ids"
        );
        let flag = AtomicI32::new(1);
        let stop = Control {
            cancel: Some(&flag),
            ..plain
        };
        let error = writer.add(view(&[2.0; 3], dim), Ids::From(7), &stop);
        assert!(matches!(error, Err(Error::Cancelled)), "{error:?}");
        // What was refused is not in the index.
        assert_eq!(writer.len(), 2);
        writer
            .add(view(&[3.0; 3], dim), Ids::From(9), &plain)
            .unwrap();
        writer.finish(&plain).unwrap();
        let index = open(&path, OpenMode::Map, true).unwrap();
        let found: Vec<bool> = (4..11).map(|id| index.contains(id)).collect();
        assert_eq!(found, [false, true, true, false, false, true, false]);
        std::fs::remove_file(&path).unwrap();

        let mut writer = new(kind);
        writer
            .add(view(&[1.0; 6], dim), Ids::Given(&[4, 8]), &plain)
            .unwrap();
        writer
            .add(view(&[1.0; 6], dim), Ids::From(7), &plain)
            .unwrap();
        let error = writer.finish(&plain);
        assert!(
            matches!(error, Err(Error::DuplicateId { id: 8, row: 3 })),
            "{error:?}"
        );

        let mut writer = new(kind);
        writer
            .add(view(&[1.0; 6], dim), Ids::From(0), &plain)
            .unwrap();
        assert!(matches!(writer.finish(&stop), Err(Error::Cancelled)));
        drop(new(kind));
        assert!(names(folder.path()).is_empty());

        new(kind).finish(&plain).unwrap();
        assert_eq!(
            open(&path, OpenMode::LoadCodes, true).unwrap().info().rows,
            0
        );
        std::fs::remove_file(&path).unwrap();
    }
    let nowhere = folder.path().join("none/index.rvx");
    for options in [Options::new(Kind::Plus, dim), Options::new(Kind::Asym, dim)] {
        let error = IndexWriter::new(&nowhere, options, AMPLE).err();
        assert!(matches!(error, Some(Error::Persist { .. })), "{error:?}");
    }
    let error = IndexWriter::new(&path, Options::new(Kind::Plus, dim), 1000).map(|_| ());
    assert_eq!(argument(error).0, "max_bytes");
    let file = folder.path().join("rows.f32");
    std::fs::write(&file, [0; 30]).unwrap();
    let error = FileRows::open(&file, 0, 3, dim, 12).err();
    assert!(matches!(error, Some(Error::Persist { .. })), "{error:?}");
}

#[test]
fn codes_in_memory_find_what_a_mapped_index_finds() {
    let mut rng = rng(83);
    let (n, dim) = (3_000, 40);
    let folder = folder_in_memory();
    let path = folder.path().join("index.rvx");
    let data = rows(Shape::Raw, n, dim, &mut rng);
    for kind in [Kind::Flat, Kind::Rabitq, Kind::Asym, Kind::Plus, Kind::Ivf] {
        for metric in METRICS {
            let bits = if matches!(kind, Kind::Flat | Kind::Rabitq) {
                0
            } else {
                4
            };
            build(options(kind, metric, dim, bits), &data, Ids::From(0))
                .save(&path)
                .unwrap();
            let [map, codes] =
                [OpenMode::Map, OpenMode::LoadCodes].map(|mode| open(&path, mode, false).unwrap());
            for query in data.chunks_exact(dim).step_by(300) {
                assert_eq!(
                    hits(&*map, query, &rabitq::Search::new(10)),
                    hits(&*codes, query, &rabitq::Search::new(10)),
                );
            }
            let (all, own) = (map.info(), codes.info());
            let originals = if own.options.keeps_originals() {
                n * dim * 4
            } else {
                0
            };
            assert_eq!(own.mapped_bytes, originals as u64);
            let read = all.mapped_bytes - own.mapped_bytes;
            assert!(own.memory_bytes >= all.memory_bytes + read);
            assert!(codes.content_equals(&*map).unwrap());
        }
    }
}
