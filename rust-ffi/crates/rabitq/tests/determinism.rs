//! The same input gives the same bytes, whatever the threads, the instruction set and the
//! floating-point flags that another library left behind.
#![allow(unsafe_code, reason = "sets the processor's floating-point flags")]

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};

use common::*;
use rabitq::{Ids, Kind, Metric, Options, OriginalsMode};

const CHILD: &str = "RUVECTOR_TEST_FLUSH";

/// Flushes denormals to zero on this thread, as fast-math libraries do.
#[cfg(target_arch = "x86_64")]
fn flush_denormals(flush: bool) {
    let flags: u32 = if flush { 0x9fc0 } else { 0x1f80 };
    // SAFETY: the default flags, or they with those that flush; no reserved bit is set, no trap on.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const flags, options(nostack, preserves_flags));
    }
    let tiny = std::hint::black_box(1e-40f32);
    assert_eq!(tiny * std::hint::black_box(1.0) == 0.0, flush);
}

#[cfg(not(target_arch = "x86_64"))]
fn flush_denormals(_: bool) {}

/// A digest of everything saved and found.
fn digest(flush: bool) -> u64 {
    let mut rng = rng(41);
    let mut hash = DefaultHasher::new();
    for (n, dim) in [(4500, 48), (1300, 37), (300, 3)] {
        for shape in [Shape::Raw, Shape::Denormal] {
            let data = rows(shape, n, dim, &mut rng);
            let more = rows(shape, 2000, dim, &mut rng);
            flush_denormals(flush);
            for metric in METRICS {
                for (kind, bits) in [
                    (Kind::Flat, 0),
                    (Kind::Rabitq, 1),
                    (Kind::Asym, 7),
                    (Kind::Plus, 4),
                    (Kind::Plus, 8),
                    (Kind::Ivf, 4),
                ] {
                    let index = build(options(kind, metric, dim, bits), &data, Ids::From(0));
                    save_bytes(&*index).hash(&mut hash);
                    index.add(view(&more, dim), Ids::From(1 << 40)).unwrap();
                    index
                        .remove(&(0..n as i64).step_by(3).collect::<Vec<_>>())
                        .unwrap();
                    index
                        .upsert(view(&data[..dim * 50], dim), Ids::From(-20))
                        .unwrap();
                    save_bytes(&*index).hash(&mut hash);
                    index.compact().unwrap();
                    save_bytes(&*index).hash(&mut hash);
                    if shape == Shape::Raw {
                        for (id, score) in hits(&*index, &more[..dim], &exhaustive(10)) {
                            (id, score.to_bits()).hash(&mut hash);
                        }
                    }
                }
            }
            flush_denormals(false);
        }
    }
    // Cells that are trained and grow as rows come.
    let (data, dim) = (rows(Shape::Clustered, 9_000, 24, &mut rng), 24);
    flush_denormals(flush);
    for (metric, originals) in [
        (Metric::L2, OriginalsMode::Copy),
        (Metric::Cosine, OriginalsMode::None),
    ] {
        let index = rabitq::create(Options {
            originals,
            ..options(Kind::Ivf, metric, dim, 5)
        });
        let index = index.unwrap();
        for (i, batch) in data.chunks(700 * dim).enumerate() {
            index
                .upsert(view(batch, dim), Ids::From(i as i64 * 650))
                .unwrap();
            index.info().cells.hash(&mut hash);
        }
        save_bytes(&*index).hash(&mut hash);
    }
    flush_denormals(false);
    hash.finish()
}

#[test]
fn the_same_bytes_everywhere() {
    if let Ok(flush) = std::env::var(CHILD) {
        let digest = digest(flush == "1");
        println!("digest {digest:016x} {}", simd::Simd::best().isa());
        return;
    }
    let run = |variables: &[(&str, &str)]| {
        let mut all = vec![(CHILD, "0")];
        all.extend_from_slice(variables);
        let out = child("the_same_bytes_everywhere", &all).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{variables:?}: {text}");
        let at = text.find("digest ").expect("a digest") + 7;
        println!("{variables:?}: {}", &text[at..].lines().next().unwrap());
        text[at..at + 16].to_owned()
    };
    let one = run(&[("RUVECTOR_THREADS", "1")]);
    for variables in [
        &[("RUVECTOR_THREADS", "2")][..],
        &[("RUVECTOR_THREADS", "7")],
        &[("RUVECTOR_NO_AVX512", "1")],
        &[("RUVECTOR_NO_AVX2", "1"), ("RUVECTOR_NO_NEON", "1")],
        &[(CHILD, "1")],
        &[(CHILD, "1"), ("RUVECTOR_NO_AVX512", "1")],
    ] {
        assert_eq!(run(variables), one, "{variables:?}");
    }
}
