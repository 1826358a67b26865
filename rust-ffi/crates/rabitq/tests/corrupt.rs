//! Damaged and hostile files: refused, or answered from memory that belongs to them; never a panic.

mod common;
#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

use common::*;
use rabitq::{Error, Ids, Kind, Metric, OpenMode, open, verify};
use rand::Rng;
use rand::rngs::StdRng;
use targets::{seal_header, use_index};

const N: usize = 100;
const DIM: usize = 9;
const MODES: [OpenMode; 3] = [OpenMode::Map, OpenMode::Load, OpenMode::LoadCodes];

/// Saved files of every kind; ids in no order, so that all sections are there.
fn files(rng: &mut StdRng) -> Vec<Vec<u8>> {
    let data = rows(Shape::Raw, N, DIM, rng);
    let ids = wide_ids(N, rng);
    let near: Vec<i64> = (0..N as i64).map(|i| i * 7919 % 104_729 + 5).collect();
    [
        (Kind::Flat, Metric::Cosine, 0, &ids),
        (Kind::Rabitq, Metric::InnerProduct, 1, &near),
        (Kind::Asym, Metric::L2, 7, &ids),
        (Kind::Plus, Metric::Cosine, 4, &near),
        (Kind::Plus, Metric::L2, 1, &ids),
        (Kind::Ivf, Metric::Cosine, 4, &ids),
        (Kind::Ivf, Metric::InnerProduct, 7, &near),
    ]
    .into_iter()
    .map(|(kind, metric, bits, ids)| {
        save_bytes(&*build(
            options(kind, metric, DIM, bits),
            &data,
            Ids::Given(ids),
        ))
    })
    .collect()
}

/// Where the sections lie: kind, offset, length, from the table behind the header.
fn sections(file: &[u8]) -> Vec<(usize, usize, usize)> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    (0..word(24))
        .map(|i| 136 + i * 24)
        .map(|at| (word(at), word(at + 8), word(at + 16)))
        .collect()
}

fn must_be_refused(path: &Path, what: &str) {
    for mode in MODES {
        match open(path, mode, false).err() {
            Some(Error::Persist { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
    assert!(matches!(verify(path), Err(Error::Persist { .. })), "{what}");
}

#[test]
fn truncated_files_are_refused() {
    let mut rng = rng(31);
    let folder = folder_in_memory();
    let path = folder.path().join("cut.rvx");
    for file in files(&mut rng) {
        let mut ends: Vec<usize> = sections(&file)
            .iter()
            .flat_map(|(_, offset, length)| [*offset, offset + length])
            .chain([0, 8, 32, 136])
            .flat_map(|at| [at.saturating_sub(1), at, at + 1])
            .collect();
        ends.extend((0..200).map(|_| rng.random_range(0..file.len())));
        ends.extend(file.len() - 9..file.len());
        for end in ends.into_iter().filter(|end| *end < file.len()) {
            std::fs::write(&path, &file[..end]).unwrap();
            must_be_refused(&path, &format!("{end} of {} bytes", file.len()));
            std::fs::remove_file(&path).unwrap();
        }
        let mut longer = file.clone();
        longer.push(0);
        std::fs::write(&path, longer).unwrap();
        must_be_refused(&path, "one byte more");
    }
}

#[test]
fn verify_finds_every_flipped_bit_and_nothing_panics() {
    let mut rng = rng(32);
    let folder = folder_in_memory();
    let path = folder.path().join("flip.rvx");
    let files = files(&mut rng);
    let (mut opened, mut flips) = (0, 0);
    let mut one = |file: &[u8], at: usize, bit: u32| {
        let mut changed = file.to_vec();
        changed[at] ^= 1 << bit;
        // A new file each time: the old one may still be mapped.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, &changed).unwrap();
        assert!(
            matches!(verify(&path), Err(Error::Persist { .. })),
            "byte {at} bit {bit}"
        );
        for mode in MODES {
            assert!(open(&path, mode, true).is_err(), "byte {at} bit {bit}");
        }
        let mode = MODES[flips % 3];
        flips += 1;
        if let Ok(index) = open(&path, mode, false) {
            opened += 1;
            use_index(&*index, folder.path());
        }
    };
    for file in &files {
        // Every byte of the header, of the padding and of the end, then bits anywhere.
        let table = sections(file);
        let covered = |at: usize| table.iter().any(|(_, o, l)| (*o..o + l).contains(&at));
        for at in (0..file.len()).filter(|at| !covered(*at)) {
            one(file, at, rng.random_range(0..8));
        }
        let (_, sums, length) = table[table.len() - 1];
        (sums..sums + length).for_each(|at| one(file, at, 3));
        for _ in 0..10_000 / files.len() {
            one(
                file,
                rng.random_range(0..file.len()),
                rng.random_range(0..8),
            );
        }
    }
    println!("{flips} flips, {opened} opened without verification");
    assert!(opened > flips / 2);
}

/// Headers that pass their checksum and lie.
#[test]
fn hostile_headers_cost_no_memory_and_no_panic() {
    let mut rng = rng(33);
    let folder = folder_in_memory();
    let path = folder.path().join("hostile.rvx");
    let mut tries = 0;
    let mut try_it = |file: &[u8]| {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, file).unwrap();
        tries += 1;
        let (mode, mut index) = (MODES[tries % 3], None);
        let used = allocation_counter::measure(|| index = open(&path, mode, false).ok());
        assert!(used.bytes_max < 100_000 + 4 * file.len() as u64, "{used:?}");
        if let Some(index) = index {
            use_index(&*index, folder.path());
        }
        let _ = verify(&path);
    };
    let files = files(&mut rng);
    let interesting = [
        0u64,
        1,
        2,
        31,
        64,
        1 << 31,
        u32::MAX as u64,
        1 << 32,
        1 << 62,
        u64::MAX,
    ];
    for file in &files {
        let table = sections(file);
        let header = 136 + table.len() * 24;
        for at in (8..header).step_by(4) {
            for value in interesting {
                let mut changed = file.clone();
                changed[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
                if at + 8 <= header && value > u32::MAX as u64 {
                    changed[at..at + 8].copy_from_slice(&value.to_le_bytes());
                }
                seal_header(&mut changed);
                try_it(&changed);
            }
        }
        for _ in 0..400 {
            let mut changed = file.clone();
            for _ in 0..rng.random_range(1..4) {
                changed[rng.random_range(8..header)] = rng.random();
            }
            seal_header(&mut changed);
            try_it(&changed);
        }
        // Two sections in one place.
        for i in 1..table.len() {
            let mut changed = file.clone();
            let (from, to) = (136 + (i - 1) * 24 + 8, 136 + i * 24 + 8);
            changed.copy_within(from..from + 8, to);
            seal_header(&mut changed);
            std::fs::write(&path, &changed).unwrap();
            must_be_refused(&path, "overlapping sections");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn other_files_are_refused() {
    let folder = folder_in_memory();
    let path = folder.path().join("other");
    for bytes in [&b""[..], b"RUVXSEG1", b"rbpx0001 and more", &[0; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        must_be_refused(&path, "another kind of file");
    }
    must_be_refused(&folder.path().join("none"), "no file");
    must_be_refused(folder.path(), "a folder");
    // A file of the next version names both versions.
    let mut file = files(&mut rng(34)).swap_remove(0);
    file[8] = 2;
    seal_header(&mut file);
    std::fs::write(&path, file).unwrap();
    let refused = open(&path, OpenMode::Map, false).err().unwrap().to_string();
    assert!(
        refused.contains("version 2") && refused.contains("reads 1"),
        "{refused}"
    );
}
