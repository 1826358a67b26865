//! `.rbpx` files against the crate that defines them, and against hostile bytes.

use std::io::Write;

use rabitq::rbpx::{MAX_DIM, MAX_RERANK_FACTOR, MAX_ROWS, Rbpx, RbpxError, read, write};
use rabitq::{Control, Ids, Kind, Metric, Options, Rows, Search, Source};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ruvector_rabitq::persist::{load_index, save_index};
use ruvector_rabitq::{AnnIndex, RabitqPlusIndex};

const HEADER_LEN: usize = 32;

fn sample(rows: usize, dim: usize, rng: &mut StdRng) -> Rbpx {
    Rbpx {
        metric: Metric::L2,
        dim,
        seed: rng.random(),
        rerank_factor: rng.random_range(1..=MAX_RERANK_FACTOR),
        // Ids that are no row numbers, the largest among them, in no order.
        ids: (0..rows as i64)
            .map(|row| i64::from(u32::MAX) - (row * 7919) % 104_729)
            .collect(),
        vectors: (0..rows * dim)
            .map(|_| rng.random_range(-2.0..2.0))
            .collect(),
    }
}

fn encode(rbpx: &Rbpx) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(rbpx, &mut bytes).unwrap();
    bytes
}

fn refusal(bytes: &[u8]) -> RbpxError {
    read(bytes).expect_err("a refusal")
}

fn items(rbpx: &Rbpx) -> Vec<(usize, Vec<f32>)> {
    let rows = rbpx.vectors.chunks_exact(rbpx.dim).map(<[f32]>::to_vec);
    rbpx.ids
        .iter()
        .map(|id| usize::try_from(*id).unwrap())
        .zip(rows)
        .collect()
}

fn upstream_build(rbpx: &Rbpx) -> RabitqPlusIndex {
    let rerank_factor = rbpx.rerank_factor as usize;
    RabitqPlusIndex::from_vectors_parallel(rbpx.dim, rbpx.seed, rerank_factor, items(rbpx)).unwrap()
}

fn upstream_load(mut bytes: &[u8]) -> RabitqPlusIndex {
    load_index(&mut bytes).unwrap_or_else(|e| panic!("upstream refuses: {e}"))
}

fn upstream_save(rbpx: &Rbpx) -> Vec<u8> {
    let mut bytes = Vec::new();
    save_index(&upstream_build(rbpx), rbpx.seed, &items(rbpx), &mut bytes).unwrap();
    bytes
}

/// The `k` nearest by squared L2, summed in f64.
fn brute_force(rbpx: &Rbpx, query: &[f32], k: usize) -> Vec<(usize, f64)> {
    let distance = |row: &[f32]| -> f64 {
        row.iter()
            .zip(query)
            .map(|(x, q)| (f64::from(*x) - f64::from(*q)).powi(2))
            .sum()
    };
    let mut hits: Vec<_> = items(rbpx)
        .into_iter()
        .map(|(id, row)| (id, distance(&row)))
        .collect();
    hits.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    hits.truncate(k);
    hits
}

#[test]
fn upstream_finds_the_true_hits_in_our_file() {
    let mut rng = StdRng::seed_from_u64(1);
    for (rows, dim) in [(1, 1), (31, 2), (33, 3), (500, 64), (700, 100), (300, 129)] {
        let ours = sample(rows, dim, &mut rng);
        let loaded = upstream_load(&encode(&ours));
        assert_eq!((loaded.len(), loaded.dim()), (rows, dim));
        assert_eq!(loaded.rerank_factor(), ours.rerank_factor as usize);
        assert!(
            loaded
                .external_ids()
                .iter()
                .map(|id| i64::from(*id))
                .eq(ours.ids.iter().copied())
        );
        let built = upstream_build(&ours);
        for _ in 0..20 {
            let query: Vec<f32> = (0..dim).map(|_| rng.random_range(-2.0..2.0)).collect();
            // Reranking every row makes upstream's answer the exact one.
            let hits = loaded.search_with_rerank(&query, 10, rows).unwrap();
            let truth = brute_force(&ours, &query, 10);
            assert_eq!(hits.len(), truth.len());
            for (hit, (id, distance)) in hits.iter().zip(truth) {
                assert_eq!(hit.id, id, "{rows} rows of {dim}");
                assert!((f64::from(hit.score) - distance).abs() <= 1e-5 * (1.0 + distance));
            }
            // Reranking few shows that the rotation and the codes came out the same too.
            assert_eq!(
                loaded.search_with_rerank(&query, 10, 2).unwrap(),
                built.search_with_rerank(&query, 10, 2).unwrap()
            );
        }
    }
}

#[test]
fn an_index_of_upstreams_rows_finds_upstreams_hits() {
    let mut rng = StdRng::seed_from_u64(10);
    let (rows, dim, k) = (2_000, 48, 10);
    let theirs = sample(rows, dim, &mut rng);
    let upstream = upstream_build(&theirs);
    let file = read(&upstream_save(&theirs)).unwrap();
    let view = Rows::new(&file.vectors, rows, dim, dim).unwrap();
    let ids = Ids::Given(&file.ids);
    let options = Options::new(Kind::Plus, dim);
    let index = rabitq::build(options, Source::View(view), ids, &Control::default()).unwrap();
    // A bound this wide and a rerank this deep lose nothing on either side.
    let search = Search {
        epsilon: Some(4.0),
        rerank_factor: Some(rows as u32),
        ..Search::new(k)
    };
    for _ in 0..50 {
        let query: Vec<f32> = (0..dim).map(|_| rng.random_range(-2.0..2.0)).collect();
        let (mut ids, mut scores) = (vec![0; k], vec![0.0; k]);
        let (found, _) = index
            .search(&query, &search, &mut ids, &mut scores)
            .unwrap();
        let hits = upstream.search_with_rerank(&query, k, rows).unwrap();
        assert_eq!((found, hits.len()), (k, k));
        for (hit, (id, score)) in hits.iter().zip(ids.into_iter().zip(scores)) {
            assert_eq!(i64::try_from(hit.id).unwrap(), id);
            assert!((hit.score - score).abs() <= 1e-5 * (1.0 + score));
        }
    }
}

#[test]
fn both_write_the_same_bytes_and_read_them_back() {
    let mut rng = StdRng::seed_from_u64(2);
    for (rows, dim) in [
        (0, 5),
        (1, 1),
        (32, 3),
        (257, 100),
        (2, MAX_DIM as usize / 8),
    ] {
        let mut ours = sample(rows, dim, &mut rng);
        for (value, edge) in ours
            .vectors
            .iter_mut()
            .zip([-0.0, 1e-45, f32::MIN_POSITIVE, 1e18])
        {
            *value = edge;
        }
        let bytes = upstream_save(&ours);
        assert_eq!(bytes.len(), HEADER_LEN + rows * (4 + 4 * dim));
        assert!(bytes == encode(&ours), "{rows} rows of {dim}");
        let back = read(&bytes).unwrap();
        assert_eq!(back, ours);
        assert!(
            back.vectors
                .iter()
                .map(|v| v.to_bits())
                .eq(ours.vectors.iter().map(|v| v.to_bits()))
        );
    }
}

#[test]
fn every_truncation_is_refused_with_the_length_that_was_due() {
    let bytes = encode(&sample(5, 3, &mut StdRng::seed_from_u64(3)));
    for len in 0..bytes.len() {
        let due = if len < HEADER_LEN {
            HEADER_LEN
        } else {
            bytes.len()
        };
        match refusal(&bytes[..len]) {
            RbpxError::Truncated { expected, actual } => {
                assert_eq!((expected, actual), (due as u64, len as u64));
            }
            other => panic!("{len} bytes: {other:?}"),
        }
        assert!(load_index(&mut &bytes[..len]).is_err());
    }
}

#[test]
fn bit_flips_are_refused_or_read_as_upstream_reads_them() {
    let mut rng = StdRng::seed_from_u64(4);
    let bytes = encode(&sample(40, 6, &mut rng));
    let mut outcomes = [0; 2];
    for round in 0..2_000 {
        // Every fourth one hits the header, where it does most.
        let end = if round % 4 == 0 {
            HEADER_LEN
        } else {
            bytes.len()
        };
        let (byte, bit) = (rng.random_range(0..end), rng.random_range(0..8));
        let mut flipped = bytes.clone();
        flipped[byte] ^= 1 << bit;

        let mut outcome = None;
        let memory = allocation_counter::measure(|| outcome = Some(read(&flipped)));
        assert!(
            memory.bytes_max * 2 <= 3 * bytes.len() as u64,
            "byte {byte} bit {bit}: {memory:?}"
        );
        match outcome.unwrap() {
            Ok(ours) => {
                outcomes[0] += 1;
                let theirs = upstream_load(&flipped);
                assert_eq!(theirs.dim(), ours.dim, "byte {byte} bit {bit}");
                assert!(
                    theirs
                        .external_ids()
                        .iter()
                        .map(|id| i64::from(*id))
                        .eq(ours.ids.iter().copied())
                );
                assert!(
                    theirs
                        .export_items()
                        .into_iter()
                        .flat_map(|(_, row)| row)
                        .eq(ours.vectors.iter().copied())
                );
                assert_eq!(read(&encode(&ours)).unwrap(), ours);
            }
            // Found among the rows, after memory was taken for them.
            Err(RbpxError::NotFinite { .. }) => outcomes[1] += 1,
            Err(error) => {
                outcomes[1] += 1;
                assert_eq!(memory.bytes_total, 0, "byte {byte} bit {bit}: {error}");
            }
        }
    }
    assert!(
        outcomes.iter().all(|n| *n > 100),
        "accepted and refused: {outcomes:?}"
    );
}

/// A header alone, with one field replaced.
fn header_with(offset: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = encode(&sample(0, 4, &mut StdRng::seed_from_u64(5)));
    bytes[offset..offset + field.len()].copy_from_slice(field);
    bytes
}

#[test]
fn bad_headers_are_refused_by_field() {
    assert!(matches!(
        refusal(&header_with(0, b"rbpx0002")),
        RbpxError::Magic { actual } if actual == *b"rbpx0002"
    ));
    for version in [0, 2, u32::MAX] {
        assert!(matches!(
            refusal(&header_with(8, &version.to_le_bytes())),
            RbpxError::Version { actual } if actual == version
        ));
    }
    let fields = [
        ("dim", 12, 0),
        ("dim", 12, MAX_DIM + 1),
        ("rerank_factor", 24, MAX_RERANK_FACTOR + 1),
        ("rows", 28, MAX_ROWS + 1),
        ("rows", 28, u32::MAX),
    ];
    for (name, offset, bad) in fields {
        match refusal(&header_with(offset, &bad.to_le_bytes())) {
            RbpxError::OutOfRange { field, value, .. } => {
                assert_eq!((field, value), (name, bad.into()))
            }
            other => panic!("{name} {bad}: {other:?}"),
        }
    }
}

#[test]
fn the_largest_claim_asks_for_no_memory() {
    let mut bytes = header_with(12, &MAX_DIM.to_le_bytes());
    bytes[28..32].copy_from_slice(&MAX_ROWS.to_le_bytes());
    let due = 32 + u64::from(MAX_ROWS) * (4 + 4 * u64::from(MAX_DIM));
    let memory = allocation_counter::measure(|| {
        assert!(
            matches!(read(&bytes), Err(RbpxError::Truncated { expected, .. }) if expected == due)
        );
    });
    assert_eq!(memory.bytes_total, 0);
}

#[test]
fn rerank_factor_0_is_1_as_upstream_has_it() {
    let bytes = header_with(24, &0_u32.to_le_bytes());
    assert_eq!(read(&bytes).unwrap().rerank_factor, 1);
    assert_eq!(upstream_load(&bytes).rerank_factor(), 1);
}

#[test]
fn bytes_after_the_last_row_pass_as_they_do_upstream() {
    let ours = sample(3, 2, &mut StdRng::seed_from_u64(6));
    let mut bytes = encode(&ours);
    bytes.extend([0xff; 9]);
    assert_eq!(read(&bytes).unwrap(), ours);
    assert_eq!(upstream_load(&bytes).len(), 3);
}

#[test]
fn components_that_are_not_finite_are_refused_both_ways() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut ours = sample(4, 3, &mut StdRng::seed_from_u64(7));
        let mut bytes = encode(&ours);
        ours.vectors[2 * 3 + 1] = bad;
        let offset = HEADER_LEN + 2 * (4 + 4 * 3) + 4 + 4;
        bytes[offset..offset + 4].copy_from_slice(&bad.to_le_bytes());
        for error in [refusal(&bytes), refused_to_write(&ours)] {
            match error {
                RbpxError::NotFinite {
                    row: 2,
                    component: 1,
                    value,
                } => {
                    assert_eq!(value.to_bits(), bad.to_bits());
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}

/// The error of a write that must not have let a byte out.
fn refused_to_write(rbpx: &Rbpx) -> RbpxError {
    let mut bytes = Vec::new();
    let error = write(rbpx, &mut bytes).expect_err("a refusal");
    assert!(bytes.is_empty());
    error
}

#[test]
fn what_the_format_cannot_hold_is_not_written() {
    let good = sample(4, 3, &mut StdRng::seed_from_u64(8));
    for bad in [-1, i64::MIN, 1 << 32, i64::MAX] {
        let mut ours = good.clone();
        ours.ids[3] = bad;
        assert!(matches!(refused_to_write(&ours), RbpxError::Id { row: 3, id } if id == bad));
    }
    for bad in [Metric::Cosine, Metric::InnerProduct] {
        let ours = Rbpx {
            metric: bad,
            ..good.clone()
        };
        assert!(matches!(refused_to_write(&ours), RbpxError::Metric { metric } if metric == bad));
    }
    for bad in [0, MAX_DIM as usize + 1, usize::MAX] {
        let ours = Rbpx {
            dim: bad,
            ..good.clone()
        };
        assert!(matches!(
            refused_to_write(&ours),
            RbpxError::OutOfRange { field: "dim", .. }
        ));
    }
    for bad in [0, MAX_RERANK_FACTOR + 1] {
        let ours = Rbpx {
            rerank_factor: bad,
            ..good.clone()
        };
        assert!(matches!(
            refused_to_write(&ours),
            RbpxError::OutOfRange {
                field: "rerank_factor",
                ..
            }
        ));
    }
    let ours = Rbpx { dim: 4, ..good };
    assert!(matches!(
        refused_to_write(&ours),
        RbpxError::Shape {
            ids: 4,
            dim: 4,
            components: 12
        }
    ));
}

#[test]
fn a_full_output_is_an_io_error() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let ours = sample(4, 3, &mut StdRng::seed_from_u64(9));
    let error = write(&ours, &mut Full(50)).expect_err("a refusal");
    assert!(matches!(error, RbpxError::Io(e) if e.kind() == std::io::ErrorKind::WriteZero));
}
