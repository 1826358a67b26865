//! Names that would mean something else than a name.

use proptest::prelude::*;
use rulake::{Error, check_backend, check_collection, check_file};
use ruvector_rulake::FsBackend;

fn rule(result: rulake::Result<()>) -> String {
    match result.unwrap_err() {
        Error::Argument { allowed, .. } => allowed,
        other => panic!("{other}"),
    }
}

#[test]
fn files() {
    for name in [
        "c.bin",
        "a",
        "é b.ruvec",
        "console",
        "com10",
        "COM0.bin",
        "nulls.bin",
        "a..b",
        "-x",
        "~",
    ] {
        check_file(name).unwrap();
    }
    let long = "x".repeat(256);
    for (name, expected) in [
        ("", "1 to 255 bytes, not 0"),
        (&long, "1 to 255 bytes, not 256"),
        (".", "no dot at the start"),
        ("..", "no dot at the start"),
        (".hidden", "no dot at the start"),
        ("../escape", "none of /"),
        ("/absolute", "none of /"),
        ("sub/file", "none of /"),
        ("back\\slash", "none of /"),
        ("C:name", "none of /"),
        ("what?", "none of /"),
        ("nul\0byte", "no control character"),
        ("line\nfeed", "no control character"),
        ("del\x7f", "no control character"),
        ("c1\u{85}", "no control character"),
        ("dot.", "no dot or blank at the end"),
        ("blank ", "no dot or blank at the end"),
        ("nul", "no device"),
        ("Con.bin", "no device"),
        ("COM1 .tar.gz", "no device"),
        ("lpt²", "no device"),
        ("Table.ruLake.json", "not the name of the sidecar"),
    ] {
        let rule = rule(check_file(name));
        assert!(
            rule.contains(expected),
            "{name:?}: {rule:?} lacks {expected:?}"
        );
    }
}

#[test]
fn backends_and_collections() {
    for name in ["pg", "s3-eu", "é", "a.b"] {
        check_backend(name).unwrap();
        check_collection(name).unwrap();
    }
    for name in ["public/docs", "c:d", ".", "x://y"] {
        check_collection(name).unwrap();
    }
    for name in ["a/b", "a\\b", "a:b", "x://y"] {
        assert!(rule(check_backend(name)).contains("none of / \\ :"));
    }
    let long = "é".repeat(128);
    for name in ["", "a\tb", &long] {
        rule(check_backend(name));
        rule(check_collection(name));
    }
}

proptest! {
    #[test]
    fn what_upstream_refuses_is_refused(name in "[\\x00-\\x20./\\\\:a-cé\\x7f]{0,6}") {
        let dir = tempfile::tempdir().unwrap();
        let theirs = FsBackend::new("disk", dir.path()).unwrap();
        if check_file(&name).is_ok() {
            theirs.register("c", &name).unwrap();
            std::fs::write(dir.path().join(&name), "").unwrap();
            prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }
}
