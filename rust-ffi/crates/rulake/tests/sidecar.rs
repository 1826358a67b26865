//! Sidecars beside upstream's, and against damage.

use proptest::prelude::*;
use rulake::{Error, Generation, RuLakeBundle};
use ruvector_rulake as upstream;

fn generation() -> impl Strategy<Value = Generation> {
    prop_oneof![
        any::<u64>().prop_map(Generation::Num),
        any::<String>().prop_map(Generation::Text),
    ]
}

fn theirs(generation: &Generation) -> upstream::Generation {
    match generation {
        Generation::Num(number) => upstream::Generation::Num(*number),
        Generation::Text(text) => upstream::Generation::Opaque(text.clone()),
    }
}

prop_compose! {
    fn bundle()(
        data_ref in any::<String>(),
        dim in 1..=rabitq::MAX_DIM,
        seed in any::<u64>(),
        factor in 1usize..,
        generation in generation(),
        optional in prop::array::uniform3(proptest::option::of(any::<String>())),
    ) -> RuLakeBundle {
        let mut bundle = RuLakeBundle::new(data_ref, dim, seed, factor, generation);
        [bundle.pii_policy, bundle.lineage_id, bundle.memory_class] = optional;
        bundle
    }
}

fn twin(b: &RuLakeBundle) -> upstream::RuLakeBundle {
    let generation = theirs(&b.generation);
    let (data_ref, seed) = (b.data_ref.as_str(), b.rotation_seed);
    let mut twin = upstream::RuLakeBundle::new(data_ref, b.dim, seed, b.rerank_factor, generation);
    twin.pii_policy = b.pii_policy.clone();
    twin.lineage_id = b.lineage_id.clone();
    twin.memory_class = b.memory_class.clone();
    twin
}

proptest! {
    #[test]
    fn texts_are_upstreams_byte_for_byte(bundle in bundle()) {
        let twin = twin(&bundle);
        prop_assert_eq!(&bundle.rvf_witness, &twin.rvf_witness);
        prop_assert_eq!(bundle.to_json(), twin.to_json().unwrap());
    }

    #[test]
    fn each_reads_the_others_sidecar(bundle in bundle(), hash in proptest::option::of("[0-9a-f]{64}")) {
        let dir = tempfile::tempdir().unwrap();
        twin(&bundle).write_to_dir(dir.path()).unwrap();
        prop_assert_eq!(&RuLakeBundle::read_from_dir(dir.path()).unwrap(), &bundle);

        let bundle = RuLakeBundle { content_hash: hash, ..bundle };
        let path = bundle.write_to_dir(dir.path()).unwrap();
        prop_assert_eq!(path, dir.path().join("table.rulake.json"));
        let read = upstream::RuLakeBundle::read_from_dir(dir.path()).unwrap();
        prop_assert_eq!(read.to_json().unwrap(), twin(&bundle).to_json().unwrap());
        prop_assert_eq!(RuLakeBundle::read_from_dir(dir.path()).unwrap(), bundle);
        prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = RuLakeBundle::from_json(&text);
    }
}

#[test]
fn every_flip_is_found_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    for generation in [Generation::Num(1_700_000_000), "snapshot é \" 7".into()] {
        let bundle = RuLakeBundle::new("file:///data/é.bin", 128, 42, 20, generation);
        let path = bundle.write_to_dir(dir.path()).unwrap();
        let good = std::fs::read(&path).unwrap();
        let mut harmless = 0;
        for i in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[i] ^= 1 << bit;
                std::fs::write(&path, &bad).unwrap();
                match RuLakeBundle::read_from_dir(dir.path()) {
                    Ok(read) => {
                        assert_eq!(read, bundle, "bit {bit} of byte {i}");
                        harmless += 1;
                    }
                    Err(Error::Bundle { .. } | Error::WitnessMismatch { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
        // White space, and names of fields that say nothing here.
        assert!(harmless < good.len(), "{harmless} flips of {}", good.len());
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            RuLakeBundle::read_from_dir(dir.path()).unwrap_err();
        }
    }
}

#[test]
fn another_witness_is_told_with_both() {
    let dir = tempfile::tempdir().unwrap();
    let mut bundle = RuLakeBundle::new("x", 4, 1, 20, Generation::Num(7));
    let path = bundle.write_to_dir(dir.path()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"dim\": 4", "\"dim\": 5")).unwrap();
    let stated = bundle.rvf_witness.clone();
    bundle.dim = 5;
    assert!(!bundle.verify_witness());
    let right = RuLakeBundle::new("x", 5, 1, 20, Generation::Num(7)).rvf_witness;
    for error in [
        RuLakeBundle::read_from_dir(dir.path()).unwrap_err(),
        bundle.write_to_dir(dir.path()).unwrap_err(),
    ] {
        let Error::WitnessMismatch {
            expected, actual, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((expected, actual), (right.clone(), stated.clone()));
    }
}

/// The reason why a text is refused, which is refused in a file too.
fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(RuLakeBundle::SIDECAR_FILENAME);
    std::fs::write(&path, text).unwrap();
    let reason_of = |result: rulake::Result<RuLakeBundle>| match result.unwrap_err() {
        Error::Bundle { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let reason = reason_of(RuLakeBundle::from_json(text));
    assert_eq!(reason, reason_of(RuLakeBundle::read_from_dir(dir.path())));
    reason
}

#[test]
fn hostile_texts_are_refused_with_the_reason() {
    let bundle = RuLakeBundle::new("x", 4, 1, 20, Generation::Num(7));
    let good = bundle.to_json();
    let long = "x".repeat(RuLakeBundle::MAX_FIELD_BYTES + 1);
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        refused(&good.replacen(from, to, 1))
    };
    let cases = [
        (
            with("\"format_version\": 2", "\"format_version\": 1"),
            "format_version is 1, supported: 2",
        ),
        (
            with("\"format_version\": 2", "\"format_version\": 3"),
            "format_version is 3, supported: 2",
        ),
        (
            with("\"dim\": 4", "\"dim\": 0"),
            "dim is 0, allowed: 1 to 8192",
        ),
        (
            with("\"dim\": 4", "\"dim\": 8193"),
            "dim is 8193, allowed: 1 to 8192",
        ),
        (with("\"dim\": 4", "\"dim\": 4.5"), "floating point `4.5`"),
        (
            with("\"dim\": 4", "\"dim\": 4, \"dim\": 4"),
            "duplicate field `dim`",
        ),
        (
            with("\"rerank_factor\": 20", "\"rerank_factor\": 0"),
            "rerank_factor is 0, allowed: at least 1",
        ),
        (
            with("\"generation\": 7", "\"generation\": -7"),
            "a whole number of 0 to 2^64 - 1 or a string",
        ),
        (
            with("\"generation\": 7", "\"generation\": [7]"),
            "a whole number of 0 to 2^64 - 1 or a string",
        ),
        (
            with("\"generation\": 7", &format!("\"generation\": \"{long}\"")),
            "generation is 4097 bytes long, allowed: at most 4096",
        ),
        (
            with("\"data_ref\": \"x\"", &format!("\"data_ref\": \"{long}\"")),
            "data_ref is 4097 bytes",
        ),
        (
            with(
                "\"pii_policy\": null",
                &format!("\"pii_policy\": \"{long}\""),
            ),
            "pii_policy is 4097 bytes",
        ),
        (
            with(
                "\"lineage_id\": null",
                &format!("\"lineage_id\": \"{long}\""),
            ),
            "lineage_id is 4097 bytes",
        ),
        (
            with(
                "\"lineage_id\": null",
                &format!("\"lineage_id\": null, \"memory_class\": \"{long}\""),
            ),
            "memory_class is 4097 bytes",
        ),
        (
            with(&bundle.rvf_witness, &bundle.rvf_witness.to_uppercase()),
            "rvf_witness: expected 64 lower-case",
        ),
        (
            with(&bundle.rvf_witness, &bundle.rvf_witness[1..]),
            "rvf_witness: expected 64 lower-case",
        ),
        (
            with(
                "\"lineage_id\": null",
                "\"lineage_id\": null, \"content_hash\": \"0g\"",
            ),
            "content_hash: expected 64 lower-case",
        ),
        (
            with(
                "\"lineage_id\": null",
                "\"lineage_id\": null, \"index_hash\": \"00\"",
            ),
            "index_hash: expected 64 lower-case",
        ),
        (
            with(
                "\"lineage_id\": null",
                "\"lineage_id\": null, \"signature\": \"00\"",
            ),
            "signature: expected 128 lower-case",
        ),
        (refused(&format!("{good}{{}}")), "trailing characters"),
        (
            refused(&format!("{good}{}", " ".repeat(RuLakeBundle::MAX_BYTES))),
            "allowed: at most 65536",
        ),
        (refused(&"[".repeat(10_000)), "line 1"),
        (refused(""), "EOF"),
    ];
    for (reason, expected) in cases {
        assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
    }
}

#[test]
fn what_would_be_refused_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    for bundle in [
        RuLakeBundle::new("x", 0, 1, 20, Generation::Num(7)),
        RuLakeBundle::new("x", 4, 1, 0, Generation::Num(7)),
        RuLakeBundle::new("x".repeat(5000), 4, 1, 20, Generation::Num(7)),
    ] {
        let error = bundle.write_to_dir(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Bundle { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn only_a_regular_file_of_small_size_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(RuLakeBundle::SIDECAR_FILENAME);
    let reason = || {
        RuLakeBundle::read_from_dir(dir.path())
            .unwrap_err()
            .to_string()
    };
    assert!(
        reason().contains(RuLakeBundle::SIDECAR_FILENAME),
        "{}",
        reason()
    );
    // Sparse: reading it would take the memory.
    let huge = std::fs::File::create(&path).unwrap();
    huge.set_len(1 << 40).unwrap();
    assert!(
        reason().contains("1099511627776 bytes, allowed: at most 65536"),
        "{}",
        reason()
    );
    std::fs::write(&path, [0xff; 10]).unwrap();
    assert!(reason().contains("UTF-8"), "{}", reason());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(reason().contains("not a regular file"), "{}", reason());
    #[cfg(unix)]
    {
        std::fs::remove_dir(&path).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        assert!(reason().contains("not a regular file"), "{}", reason());
    }
}
