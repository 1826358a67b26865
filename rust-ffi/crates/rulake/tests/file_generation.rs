//! Whether a file is what it was, at any moment.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rulake::{FileGeneration, Generation};

/// Later than any file here was changed, by so much that nothing is racy.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(10)
}

fn with_file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.bin");
    fs::write(&path, content).unwrap();
    (dir, path)
}

/// By name and by descriptor, which agree.
fn read(path: &Path, now: SystemTime, known: Option<&FileGeneration>) -> FileGeneration {
    let by_name = FileGeneration::read_path(path, now, known).unwrap();
    let by_file = FileGeneration::read(&File::open(path).unwrap(), now, known).unwrap();
    assert_eq!(by_name, by_file);
    by_file
}

fn has_hash(generation: &FileGeneration) -> bool {
    generation.to_string().split(':').count() == 7
}

type Change = fn(&Path, &str);

/// Ways to change a file to `content`; each keeps the size.
fn ways() -> [(&'static str, Change); 3] {
    [
        ("in place", |path, content| {
            fs::write(path, content).unwrap();
        }),
        ("by a rename", |path, content| {
            let other = path.with_extension("new");
            fs::write(&other, content).unwrap();
            fs::rename(&other, path).unwrap();
        }),
        ("in place, the mtime restored", |path, content| {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            fs::write(path, content).unwrap();
            let times = FileTimes::new().set_modified(modified);
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_times(times)
                .unwrap();
        }),
    ]
}

#[test]
fn changes_right_after_a_reading_are_seen() {
    for (way, change) in ways() {
        // So many that some changes fall into one tick of the system's clock.
        for _ in 0..50 {
            let (_dir, path) = with_file("first");
            let racy = read(&path, SystemTime::now(), None);
            assert!(has_hash(&racy), "{racy}");
            change(&path, "other");
            for now in [SystemTime::now(), later()] {
                assert_ne!(read(&path, now, Some(&racy)), racy, "{way}, known");
            }
            assert_ne!(read(&path, SystemTime::now(), None), racy, "{way}, unknown");
        }
    }
}

/// A change within one tick leaves the stat as it was; here it is forged to be so.
#[test]
fn a_racy_reading_is_never_trusted_by_its_stat() {
    let (_dir, path) = with_file("first");
    let (racy, text) = {
        let read = read(&path, SystemTime::now(), None);
        (read.clone(), read.to_string())
    };
    let (stat, hash) = text.rsplit_once(':').unwrap();
    let turned: String = hash.chars().rev().collect();
    let forged = Generation::Text(format!("{stat}:{turned}"));
    let forged = FileGeneration::parse(&forged).unwrap();
    for now in [SystemTime::now(), later()] {
        let read = read(&path, now, Some(&forged));
        assert_ne!(read, forged);
        assert_eq!(read, racy);
    }
}

#[test]
fn the_passing_of_time_is_no_change() {
    let (_dir, path) = with_file("first");
    let racy = read(&path, SystemTime::now(), None);
    assert_eq!(read(&path, SystemTime::now(), Some(&racy)), racy);
    let settled = read(&path, later(), Some(&racy));
    assert_eq!(settled, racy);
    assert_eq!(settled.generation(), racy.generation());
    // After a restart, too.
    let known = FileGeneration::parse(&racy.generation()).unwrap();
    assert_eq!(read(&path, later(), Some(&known)), racy);
    assert_eq!(read(&path, later(), Some(&settled)), racy);
}

#[test]
fn a_settled_file_is_not_read() {
    let (_dir, path) = with_file("first");
    let racy = read(&path, SystemTime::now(), None);
    let first = read(&path, later(), None);
    assert!(!has_hash(&first), "{first}");
    // A descriptor that cannot be read is enough.
    let closed = File::options().write(true).open(&path).unwrap();
    for settled in [&first, &read(&path, later(), Some(&racy))] {
        for now in [SystemTime::now(), later()] {
            let again = FileGeneration::read(&closed, now, Some(settled)).unwrap();
            assert_eq!(&again, settled);
        }
    }
    FileGeneration::read(&closed, later(), Some(&racy)).unwrap_err();
    FileGeneration::read(&closed, SystemTime::now(), None).unwrap_err();
}

/// It waits, since no program can set a ctime.
#[test]
fn a_settled_file_that_changes_is_seen() {
    for (way, change) in ways() {
        let (_dir, path) = with_file("first");
        let settled = read(&path, later(), None);
        std::thread::sleep(Duration::from_millis(50));
        change(&path, "other");
        for now in [SystemTime::now(), later()] {
            assert_ne!(read(&path, now, Some(&settled)), settled, "{way}");
            assert_ne!(read(&path, now, None), settled, "{way}");
        }
    }
}

/// Upstream compares whole seconds of the mtime, which any program can set.
#[cfg(unix)]
#[test]
fn an_old_mtime_settles_nothing() {
    let (_dir, path) = with_file("first");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = FileTimes::new().set_modified(old);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_times(times).unwrap();
    assert!(has_hash(&read(&path, SystemTime::now(), None)));
    let ahead = FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(9_999));
    file.set_times(ahead).unwrap();
    assert!(!has_hash(&read(&path, later(), None)));
}

#[test]
fn what_was_opened_counts() {
    let (_dir, path) = with_file("first");
    let now = later();
    let file = File::open(&path).unwrap();
    let opened = FileGeneration::read(&file, now, None).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let other = path.with_extension("new");
    fs::write(&other, "other").unwrap();
    fs::rename(&other, &path).unwrap();
    let by_name = FileGeneration::read_path(&path, now, Some(&opened)).unwrap();
    assert_ne!(by_name, opened);
    assert_ne!(FileGeneration::read(&file, now, None).unwrap(), by_name);
}

#[test]
fn texts_are_read_back_and_no_others() {
    let (_dir, path) = with_file("first");
    for now in [SystemTime::now(), later()] {
        let read = read(&path, now, None);
        assert_eq!(FileGeneration::parse(&read.generation()), Some(read));
    }
    for text in [
        "",
        "file",
        "file:1:2:3:4.000000005",
        "file:1:2:3:4.000000005:6.7",
        "file:+1:2:3:4.000000005:6.000000007",
        "file:1:2:3:4.000000005:6.000000007:",
        "file:1:2:3:4.000000005:6.000000007:ABC",
        "file:1:2:3:4.000000005:6.000000007:00000000000000000000000000000000:0",
        "file:99999999999999999999:2:3:4.000000005:6.000000007",
        "fold:1:2:3:4.000000005:6.000000007",
    ] {
        assert_eq!(FileGeneration::parse(&text.into()), None, "{text:?}");
    }
    assert_eq!(FileGeneration::parse(&Generation::Num(7)), None);
    let minimal = "file:1:2:3:-4.000000005:6.000000007";
    assert_eq!(
        FileGeneration::parse(&minimal.into()).unwrap().to_string(),
        minimal
    );
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    FileGeneration::read_path(dir.path(), later(), None).unwrap_err();
    FileGeneration::read_path(&dir.path().join("none"), later(), None).unwrap_err();
}
