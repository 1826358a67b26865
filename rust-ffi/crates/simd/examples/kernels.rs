//! Times the kernels of every instruction set of this CPU and checks that all
//! of them answer alike: `cargo run --release --example kernels`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use simd::{BLOCK_ROWS, BitQuery, Isa, ScanParams, Simd, block_bytes, plane_bytes};

const ROWS: usize = 300_000;

fn main() {
    println!("{}", simd::cpu_features());
    let mut answers = Vec::new();
    for simd in Simd::available()
        .into_iter()
        .filter(|simd| simd.isa() != Isa::Portable)
    {
        let answer = [
            scan(simd, 100, ROWS),
            scan(simd, 128, ROWS),
            scan(simd, 384, ROWS / 4),
            scan(simd, 100, 32_768),
            scan(simd, 384, 8_192),
            bit_dots(simd, 100, 1),
            bit_dots(simd, 100, 4),
            bit_dots(simd, 100, 5),
            bit_dots(simd, 100, 7),
            bit_dots(simd, 100, 8),
            bit_dots(simd, 384, 4),
            dense(simd, 100),
            dense(simd, 384),
            query(simd, 100),
            query(simd, 384),
            coding(simd, 128),
            transform(simd, 64),
            transform(simd, 128),
            transform(simd, 1024),
            transform(simd, 8192),
            bitmaps(simd),
        ];
        answers.push(answer);
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
}

/// The best of forty passes, as nanoseconds an item: others use the machine too.
fn time<T>(simd: Simd, name: &str, items: usize, mut pass: impl FnMut() -> T) {
    // Reading the clock takes as long as a small kernel.
    let repeats = 1000 / items + 1;
    let mut once = || {
        let start = Instant::now();
        let mut passes = 0;
        while start.elapsed() < Duration::from_millis(2) {
            for _ in 0..repeats {
                black_box(pass());
            }
            passes += repeats;
        }
        start.elapsed().as_secs_f64() * 1e9 / (passes * items) as f64
    };
    let best = (0..40).map(|_| once()).fold(f64::MAX, f64::min);
    println!("{:8} {name:40} {best:8.2} ns", simd.isa());
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 24
    }
}

fn floats(n: usize) -> Vec<f32> {
    let mut next = random(7);
    (0..n)
        .map(|_| (next() & 0xffff) as f32 / 32_768.0 - 1.0)
        .collect()
}

fn bytes(n: usize) -> Vec<u8> {
    let mut next = random(5);
    (0..n).map(|_| next() as u8).collect()
}

fn scan(simd: Simd, dim: usize, rows: usize) -> u64 {
    let groups = dim.div_ceil(4);
    let count = rows / BLOCK_ROWS;
    let mut blocks = bytes(count * block_bytes(groups));
    for block in blocks.chunks_mut(block_bytes(groups)) {
        for factor in block[groups * 16..].chunks_mut(2) {
            factor[1] = factor[1] & 7 | 0x38;
        }
    }
    let mut lut = Vec::new();
    let (a, b) = simd.lut_build(&floats(dim), &mut lut);
    let mut all = vec![0.0; count * BLOCK_ROWS];
    simd.scan_all(&blocks, groups, &lut, 0, count, a, b, &mut all);
    let mut sorted = all.clone();
    sorted.sort_by(f32::total_cmp);
    // As many survivors as a search at a recall of .95 has.
    let p = ScanParams {
        a,
        b,
        threshold: sorted[rows / 600],
    };
    let survivors = || {
        let mut masks = [0; 64];
        let mut total = 0;
        for from in (0..count).step_by(masks.len()) {
            let masks = &mut masks[..64.min(count - from)];
            simd.scan(&blocks, groups, &lut, from, &p, &[], masks);
            total += masks.iter().map(|mask| mask.count_ones()).sum::<u32>();
        }
        total
    };
    time(
        simd,
        &format!("scan {dim} dimensions, {rows} rows"),
        rows,
        survivors,
    );
    u64::from(survivors())
}

fn bit_dots(simd: Simd, dim: usize, bits: u32) -> u64 {
    let query = BitQuery::new(&floats(dim), bits);
    let stride = plane_bytes(bits, dim).next_multiple_of(4);
    let base = bytes(ROWS * stride);
    let mut out = vec![0; 8192];
    for (count, of) in [("300k", ROWS as u32), ("1k", 1024)] {
        let mut next = random(3);
        let mut rows: Vec<u32> = (0..8192).map(|_| next() as u32 % of).collect();
        let name = format!("bit_dots {dim} dimensions, {bits} bits, of {count}");
        time(simd, &name, rows.len(), || {
            for row in &mut rows {
                *row = (*row + 7919) % of;
            }
            simd.bit_dots(&query, &base, stride, &rows, &mut out);
        });
    }
    let rows: Vec<u32> = (0..8192).collect();
    simd.bit_dots(&query, &base, stride, &rows, &mut out);
    out.iter().map(|dot| dot.unsigned_abs()).sum()
}

fn dense(simd: Simd, dim: usize) -> u64 {
    let q = floats(dim);
    let base = floats(ROWS * 100 / dim * dim);
    let count = base.len() / dim;
    let mut out = vec![0.0; count];
    time(simd, &format!("l2_rows {dim} dimensions"), count, || {
        simd.l2_rows(&q, &base, dim, dim, &mut out)
    });
    time(
        simd,
        &format!("l2_rows {dim} dimensions, 1000 rows"),
        1000,
        || {
            simd.l2_rows(&q, &base, dim, dim, &mut out[..1000]);
        },
    );
    let sum: f64 = out.iter().map(|&l2| f64::from(l2)).sum();
    let mut next = random(3);
    let mut rows: Vec<u32> = (0..32).map(|_| next() as u32 % count as u32).collect();
    let mut out = vec![0.0; rows.len()];
    time(
        simd,
        &format!("dot_gather {dim} dimensions, 32 rows"),
        rows.len(),
        || {
            for row in &mut rows {
                *row = (*row + 7919) % count as u32;
            }
            simd.dot_gather(&q, &base, dim, dim, &rows, &mut out);
        },
    );
    sum.to_bits()
}

fn query(simd: Simd, dim: usize) -> u64 {
    let q = floats(dim);
    let mut lut = Vec::new();
    time(simd, &format!("lut_build {dim} dimensions"), 1, || {
        simd.lut_build(&q, &mut lut)
    });
    time(
        simd,
        &format!("BitQuery::new {dim} dimensions, 4 bits"),
        1,
        || BitQuery::new(&q, 4),
    );
    lut.iter().map(|&byte| u64::from(byte)).sum()
}

fn coding(simd: Simd, dim: usize) -> u64 {
    let o = floats(dim);
    let (mut codes, mut packed) = (vec![0; dim], vec![0; dim]);
    time(simd, &format!("encode {dim} dimensions, 4 bits"), 1, || {
        simd.encode(&o, 8.0, 4, &mut codes)
    });
    time(
        simd,
        &format!("pack_row {dim} dimensions, 7 bits"),
        1,
        || simd.pack_row(7, &codes, &mut packed),
    );
    time(
        simd,
        &format!("pack_row {dim} dimensions, 4 bits"),
        1,
        || simd.pack_row(4, &codes, &mut packed),
    );
    time(
        simd,
        &format!("unpack_row {dim} dimensions, 7 bits"),
        1,
        || {
            simd.unpack_row(7, dim, &packed, &mut codes);
        },
    );
    packed.iter().map(|&byte| u64::from(byte)).sum()
}

fn transform(simd: Simd, dim: usize) -> u64 {
    let mut x = floats(dim);
    simd.fht(&mut x);
    let answer = x[dim / 2].to_bits();
    // What it overflows to takes no longer than other numbers.
    time(simd, &format!("fht {dim}"), 1, || simd.fht(&mut x));
    let signs = vec![0x1234_5678; dim.div_ceil(32)];
    time(simd, &format!("flip_scale and kac {dim}"), 1, || {
        simd.flip_scale(&mut x, &signs, 1.0);
        simd.kac(&mut x, 1.0);
    });
    answer.into()
}

fn bitmaps(simd: Simd) -> u64 {
    let mut next = random(9);
    let words: Vec<u64> = (0..4688).map(|_| next()).collect();
    time(simd, "and_popcount 300k bits", 1, || {
        simd.and_popcount(&words, &words)
    });
    time(simd, "hamming 100 bits", 1, || {
        simd.hamming(black_box(&[1; 13]), black_box(&[2; 13]))
    });
    simd.popcount(&words)
}
