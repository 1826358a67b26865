//! AVX2 with FMA, F16C and POPCNT.

use std::ops::Range;

use crate::bits::BitQuery;
use crate::fastscan::{BLOCK_ROWS, ScanParams};

super::recompile! { "avx2,fma,f16c,popcnt":
    dot(a: &[f32], b: &[f32]) -> f32;
    l2(a: &[f32], b: &[f32]) -> f32;
    dot_norm(a: &[f32], b: &[f32]) -> (f32, f32);
    dot_rows(q: &[f32], rows: &[f32], stride: usize, out: &mut [f32]);
    l2_rows(q: &[f32], rows: &[f32], stride: usize, out: &mut [f32]);
    dot_norm_rows(q: &[f32], rows: &[f32], stride: usize, dots: &mut [f32], norms: &mut [f32]);
    dot_gather(q: &[f32], base: &[f32], stride: usize, rows: &[u32], out: &mut [f32]);
    l2_gather(q: &[f32], base: &[f32], stride: usize, rows: &[u32], out: &mut [f32]);
    dot_norm_gather(q: &[f32], base: &[f32], stride: usize, rows: &[u32], dots: &mut [f32], norms: &mut [f32]);
    sub(a: &[f32], b: &[f32], out: &mut [f32]);
    scale(x: &mut [f32], s: f32);
    accumulate(sum: &mut [f64], row: &[f32]);
    max_abs(x: &[f32]) -> f32;
    min_max(x: &[f32]) -> (f32, f32);
    fht(x: &mut [f32]);
    kac(x: &mut [f32], s: f32);
    flip_scale(x: &mut [f32], signs: &[u32], s: f32);
    encode(o: &[f32], scale: f32, bits: u32, codes: &mut [u8]) -> (f32, f32);
    pack_row(bits: u32, codes: &[u8], out: &mut [u8]);
    unpack_row(bits: u32, dim: usize, packed: &[u8], codes: &mut [u8]);
    lut_build(q: &[f32], lut: &mut [u8]) -> (f32, f32);
    scan(blocks: &[u8], groups: usize, lut: &[u8], range: Range<usize>, p: &ScanParams, values: &mut [f32; BLOCK_ROWS]) -> Option<(usize, u32)>;
    scan_all(blocks: &[u8], groups: usize, lut: &[u8], a: f32, b: f32, out: &mut [f32]);
    bit_dots(q: &BitQuery, base: &[u8], stride: usize, rows: &[u32], out: &mut [i64]);
    popcount(a: &[u64]) -> u64;
    and_popcount(a: &[u64], b: &[u64]) -> u64;
    hamming(a: &[u8], b: &[u8]) -> u32;
}
