//! Files of vectors beside upstream's, and against damage.

use std::fs::{self, File};
use std::num::NonZeroU32;
use std::path::Path;

use proptest::prelude::*;
use rulake::{Error, Result, RuvecFile, write_ruvec};
use ruvector_rulake::{BackendAdapter, FsBackend};

const HEADER: usize = 24;

#[derive(Debug, Clone)]
struct Set {
    dim: usize,
    ids: Vec<i64>,
    rows: Vec<f32>,
}

fn set() -> impl Strategy<Value = Set> {
    (1usize..70, 0usize..40).prop_flat_map(|(dim, count)| {
        let ids = prop::collection::vec(any::<i64>(), count);
        let component = any::<u32>().prop_map(f32::from_bits);
        let rows = prop::collection::vec(component, count * dim);
        (ids, rows).prop_map(move |(ids, rows)| Set { dim, ids, rows })
    })
}

fn bits(rows: &[f32]) -> Vec<u32> {
    rows.iter().map(|x| x.to_bits()).collect()
}

fn numbered(sequence: u32) -> NonZeroU32 {
    NonZeroU32::new(sequence).unwrap()
}

/// All rows, `batch` at a time.
fn read(path: &Path, batch: usize) -> Result<Set> {
    let mut file = RuvecFile::open(path)?;
    read_rest(&mut file, batch)
}

fn read_rest(file: &mut RuvecFile, batch: usize) -> Result<Set> {
    let dim = file.dim();
    let (mut ids, mut rows) = (Vec::new(), Vec::new());
    let (mut some_ids, mut some_rows) = (vec![0; batch], vec![0.0; batch * dim]);
    loop {
        let count = file.read_batch(&mut some_ids, &mut some_rows)?;
        ids.extend_from_slice(&some_ids[..count]);
        rows.extend_from_slice(&some_rows[..count * dim]);
        if count == 0 {
            return Ok(Set { dim, ids, rows });
        }
    }
}

fn reason(result: Result<impl Sized>) -> String {
    match result.err().expect("refused") {
        Error::File { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn each_reads_the_others_file(set in set(), batch in 1usize..50, sequence in 1u32..) {
        let dir = tempfile::tempdir().unwrap();
        let theirs = FsBackend::new("disk", dir.path()).unwrap();
        let ids: Vec<u64> = set.ids.iter().map(|id| *id as u64).collect();
        let rows: Vec<Vec<f32>> = set.rows.chunks(set.dim).map(<[f32]>::to_vec).collect();
        let path = theirs.write("c", "c.bin", set.dim, &ids, &rows).unwrap();
        let read_back = read(&path, batch).unwrap();
        prop_assert_eq!((read_back.dim, &read_back.ids), (set.dim, &set.ids));
        prop_assert_eq!(bits(&read_back.rows), bits(&set.rows));
        prop_assert_eq!(RuvecFile::open(&path).unwrap().sequence(), 0);

        let before = fs::read(&path).unwrap();
        write_ruvec(&path, set.dim, &set.ids, &set.rows, numbered(sequence)).unwrap();
        let pulled = theirs.pull_vectors("c").unwrap();
        prop_assert_eq!((pulled.dim, pulled.ids), (set.dim, ids));
        prop_assert_eq!(bits(&pulled.vectors.concat()), bits(&set.rows));
        let file = RuvecFile::open(&path).unwrap();
        prop_assert_eq!((file.sequence(), file.rows()), (sequence, set.ids.len() as u64));
        let mut after = fs::read(&path).unwrap();
        after[20..24].fill(0);
        prop_assert_eq!(after, before);
    }

    #[test]
    fn any_header_is_read_or_refused(count in any::<u64>(), dim in any::<u32>(), rest in prop::collection::vec(any::<u8>(), 0..100)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.bin");
        let header = [b"ruvec1\0\0", &count.to_le_bytes()[..], &dim.to_le_bytes(), &[0; 4], &rest].concat();
        fs::write(&path, header).unwrap();
        if let Ok(set) = read(&path, 7) {
            prop_assert_eq!(set.ids.len() as u64, count);
        }
    }
}

/// A file whose records fill several chunks, and its path.
fn sample(dir: &Path, dim: usize, count: usize) -> std::path::PathBuf {
    let ids: Vec<i64> = (0..count as i64).collect();
    let rows: Vec<f32> = (0..count * dim).map(|i| i as f32).collect();
    let path = dir.join("c.bin");
    write_ruvec(&path, dim, &ids, &rows, numbered(1)).unwrap();
    path
}

#[test]
fn truncated_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path(), 3, 5);
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), HEADER + 5 * (8 + 3 * 4));
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let expected = match length {
            0..HEADER => format!("{length} bytes, expected a header of 24"),
            _ => format!("{length} bytes, expected 124 for 5 rows of 3 dimensions"),
        };
        assert_eq!(reason(read(&path, 2)), expected);
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(reason(read(&path, 2)).starts_with("125 bytes, expected 124"));
}

#[test]
fn hostile_headers_are_refused_without_allocation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.bin");
    for (count, dim, expected) in [
        (u64::MAX, 8192u32, "expected 604"),
        (u64::MAX / 12, 1, "expected 18446744073709551636"),
        // The product wraps to the right size in 64 bits.
        (1 << 60, 2, "expected 18446744073709551640"),
        (1 << 40, 1, "24 bytes, expected"),
        (1, 0, "dim is 0, allowed: 1 to 8192"),
        (0, 0, "dim is 0, allowed: 1 to 8192"),
        (0, 8193, "dim is 8193, allowed: 1 to 8192"),
        (0, u32::MAX, "dim is 4294967295, allowed: 1 to 8192"),
    ] {
        let header = [
            b"ruvec1\0\0",
            &count.to_le_bytes()[..],
            &dim.to_le_bytes(),
            &[0; 4],
        ]
        .concat();
        fs::write(&path, header).unwrap();
        let reason = reason(RuvecFile::open(&path));
        assert!(
            reason.contains(expected),
            "{count} x {dim}: {reason:?} lacks {expected:?}"
        );
    }
    fs::write(&path, b"NOTVECS\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    let told = r#"magic is "NOTVECS\x00", expected "ruvec1\x00\x00""#;
    assert_eq!(reason(RuvecFile::open(&path)), told);
    assert_eq!(reason(RuvecFile::open(dir.path())), "not a regular file");
}

#[test]
fn a_file_shortened_meanwhile_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path(), 128, 2000);
    let mut file = RuvecFile::open(&path).unwrap();
    let (mut ids, mut rows) = (vec![0; 10], vec![0.0; 1280]);
    assert_eq!(file.read_batch(&mut ids, &mut rows).unwrap(), 10);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(600_000)
        .unwrap();
    let reason = reason(read_rest(&mut file, 10));
    assert_eq!(reason, "it ends at byte 600000 by now, expected 2000 rows");
}

#[test]
fn what_is_read_is_what_was_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path(), 128, 2000);
    let mut file = RuvecFile::open(&path).unwrap();
    sample(dir.path(), 2, 3);
    let set = read_rest(&mut file, 33).unwrap();
    assert_eq!(
        (set.dim, set.ids.len(), set.rows[255_999]),
        (128, 2000, 255_999.0)
    );
    assert_eq!(RuvecFile::open(&path).unwrap().rows(), 3);
}

#[test]
fn buffers_bound_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path(), 3, 5);
    let mut file = RuvecFile::open(&path).unwrap();
    let mut ids = [-1; 9];
    assert_eq!(file.read_batch(&mut ids, &mut [0.0; 8]).unwrap(), 2);
    assert_eq!(file.read_batch(&mut ids[..1], &mut [0.0; 30]).unwrap(), 1);
    assert_eq!(file.read_batch(&mut [], &mut [0.0; 30]).unwrap(), 0);
    assert_eq!(file.read_batch(&mut ids, &mut [0.0; 30]).unwrap(), 2);
    assert_eq!(file.read_batch(&mut ids, &mut [0.0; 30]).unwrap(), 0);
    assert_eq!(ids, [3, 4, -1, -1, -1, -1, -1, -1, -1]);
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path(), 3, 5);
    let old = fs::read(&path).unwrap();
    for (dim, ids, floats) in [
        (0, 0, 0),
        (8193, 0, 0),
        (3, 2, 5),
        (3, 2, 7),
        (usize::MAX, 2, 1),
    ] {
        let error = write_ruvec(&path, dim, &vec![0; ids], &vec![0.0; floats], numbered(2));
        assert!(matches!(error, Err(Error::Argument { .. })), "{error:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
