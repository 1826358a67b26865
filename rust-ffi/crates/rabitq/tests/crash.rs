//! Saving is all or nothing: killed in the middle, on a full disk, and from many at once.

mod common;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::*;
use rabitq::{Error, Ids, Kind, Metric, OpenMode, VectorIndex, open, verify};
use rand::{Rng, SeedableRng};

const FILE: &str = "RUVECTOR_TEST_FILE";
const DIM: usize = 64;

/// One of two indexes that a saver writes in turns.
fn content(which: u64) -> Box<dyn VectorIndex> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(which);
    let n = 2000 + 1000 * which as usize;
    let data = rows(Shape::Raw, n, DIM, &mut rng);
    build(options(Kind::Plus, Metric::L2, DIM, 4), &data, Ids::From(0))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn kill_while_saving(test: &str, times: usize) {
    if let Ok(path) = std::env::var(FILE) {
        let both = [content(0), content(1)];
        println!("ready");
        for index in both.iter().rev().cycle() {
            index.save(Path::new(&path)).unwrap();
        }
    }
    let mut rng = rng(61);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.rvx");
    let both = [content(0), content(1)];
    both[0].save(&path).unwrap();
    let (mut seen, mut stale) = ([0; 2], 0);
    for _ in 0..times {
        let mut saver = child(test, &[(FILE, path.to_str().unwrap())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Wait until it saves: it says so once, in a line of its own.
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(saver.stdout.take().unwrap()));
        assert!(lines.any(|line| line.unwrap().ends_with("ready")));
        std::thread::sleep(Duration::from_micros(rng.random_range(0..30_000)));
        saver.kill().unwrap();
        saver.wait().unwrap();
        verify(&path).unwrap();
        let found = open(&path, OpenMode::Load, true).unwrap();
        let which = both
            .iter()
            .position(|b| found.content_equals(&**b).unwrap());
        seen[which.expect("the old file or the new one")] += 1;
        stale += names(folder.path()).len() - 1;
        both[0].save(&path).unwrap();
        assert_eq!(names(folder.path()), ["index.rvx"], "stale temporary files");
    }
    println!("{seen:?} of each, {stale} temporary files left behind and removed");
}

#[test]
fn a_killed_save_leaves_the_old_file_or_the_new_one() {
    kill_while_saving("a_killed_save_leaves_the_old_file_or_the_new_one", 10);
}

#[test]
#[ignore = "long: scripts/test --long"]
fn two_hundred_killed_saves() {
    kill_while_saving("two_hundred_killed_saves", 200);
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_the_old_file_stays() {
    if let Ok(path) = std::env::var(FILE) {
        match content(1).save(Path::new(&path)) {
            Err(Error::Persist { reason, .. }) => println!("refused: {reason}"),
            other => panic!("{other:?}"),
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.rvx");
    let old = content(0);
    old.save(&path).unwrap();
    // A limit on the size of files fails writes as a full disk does.
    let out = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_full_disk_is_an_error_and_the_old_file_stays",
            "--nocapture",
        ])
        .env(FILE, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("refused: "), "{text}");
    assert_eq!(names(folder.path()), ["index.rvx"]);
    let found = open(&path, OpenMode::Map, true).unwrap();
    assert!(found.content_equals(&*old).unwrap());
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let index = content(0);
    for path in [
        folder.path().join("none/index.rvx"),
        folder.path().to_owned(),
        "/".into(),
    ] {
        assert!(
            matches!(index.save(&path), Err(Error::Persist { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn savers_of_one_file_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.rvx");
    let index = build(
        options(Kind::Flat, Metric::L2, 2, 0),
        &[1.0; 20],
        Ids::From(0),
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| index.save(&path).unwrap()));
        }
    });
    verify(&path).unwrap();
    index.save(&path).unwrap();
    assert_eq!(names(folder.path()), ["index.rvx"]);
}
