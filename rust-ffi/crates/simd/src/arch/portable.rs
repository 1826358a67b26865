//! The specification of every kernel, in plain Rust.

use super::prefetch;
use crate::bits::{BitQuery, Planes};
use crate::dense::TILE;
use crate::fastscan::{BLOCK_ROWS, ScanParams, TOP_LEVEL, block_bytes};
use crate::tiles::{RUN, RUNS, TILE_COLUMNS};

const LANES: usize = 64;

/// Element i goes to lane i % 64; the lanes are then halved six times.
///
/// A zero's sign may differ between code that feeds the tail with zeros and
/// code that skips it. The addition of +0 in the end hides that.
#[inline(always)]
fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for j in 0..half {
            lanes[j] += lanes[j + half];
        }
        half /= 2;
    }
    lanes[0] + 0.0
}

#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        lanes[i % LANES] = a.mul_add(b, lanes[i % LANES]);
    }
    sum_lanes(lanes)
}

#[inline(always)]
pub fn l2(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        lanes[i % LANES] = (a - b).mul_add(a - b, lanes[i % LANES]);
    }
    sum_lanes(lanes)
}

#[inline(always)]
pub fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (dot(a, b), dot(b, b))
}

super::row_forms! {}

#[inline(always)]
pub fn sub(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((&a, &b), out) in a.iter().zip(b).zip(out) {
        *out = a - b;
    }
}

#[inline(always)]
pub fn scale(x: &mut [f32], s: f32) {
    for x in x {
        *x *= s;
    }
}

pub fn products(rows: &[f32], dim: usize, tile: &[f32], out: &mut [f32]) {
    for (row, out) in rows.chunks_exact(dim).zip(out.chunks_exact_mut(TILE)) {
        out.fill(0.0);
        for (x, lanes) in row.iter().zip(tile.as_chunks::<TILE>().0) {
            for (out, y) in out.iter_mut().zip(lanes) {
                *out = x.mul_add(*y, *out);
            }
        }
    }
}

pub fn byte_products(rows: &[i8], width: usize, tiles: &[u8], out: &mut [i32]) {
    let columns = tiles.len() / width;
    for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(columns)) {
        let (row, _) = row.as_chunks::<RUN>();
        for (tile, out) in tiles
            .chunks_exact(width * TILE_COLUMNS)
            .zip(out.as_chunks_mut::<TILE_COLUMNS>().0)
        {
            *out = [0; TILE_COLUMNS];
            for (row, runs) in row.iter().zip(tile.as_chunks::<RUNS>().0) {
                for (out, run) in out.iter_mut().zip(runs.as_chunks::<RUN>().0) {
                    for (x, y) in row.iter().zip(run) {
                        *out += i32::from(*x) * i32::from(*y);
                    }
                }
            }
        }
    }
}

#[inline(always)]
pub fn round_bytes(x: &[f32], step: f32, out: &mut [i8]) {
    for (out, &x) in out.iter_mut().zip(x) {
        let rounded = round((x / step).clamp(-127.0, 127.0));
        *out = rounded as i32 as i8;
    }
}

#[inline(always)]
pub fn affine(dots: &[i32], a: f32, add: &[f32], out: &mut [f32]) {
    for ((out, &dot), &add) in out.iter_mut().zip(dots).zip(add) {
        *out = a.mul_add(dot as f32, add);
    }
}

#[inline(always)]
pub fn least(dots: &[i32], a: f32, add: &[f32]) -> (f32, u32) {
    let mut best = (f32::INFINITY, 0);
    for (i, (&dot, &add)) in dots.iter().zip(add).enumerate() {
        let value = a.mul_add(dot as f32, add);
        if value < best.0 {
            best = (value, i as u32);
        }
    }
    best
}

#[inline(always)]
pub fn places_up_to(values: &[f32], limit: f32, out: &mut [u32]) -> usize {
    let mut count = 0;
    for (i, &value) in values.iter().enumerate() {
        out[count] = i as u32;
        count += usize::from(value <= limit);
    }
    count
}

#[inline(always)]
pub fn accumulate(sum: &mut [f64], row: &[f32]) {
    for (sum, &x) in sum.iter_mut().zip(row) {
        *sum += f64::from(x);
    }
}

/// Absolute values order as their bits do, NaN above infinity.
#[inline(always)]
pub fn max_abs(x: &[f32]) -> f32 {
    let bits = x.iter().fold(0, |max: u32, x| max.max(x.to_bits() & !SIGN));
    if bits > INFINITY {
        f32::NAN
    } else {
        f32::from_bits(bits)
    }
}

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0x7f80_0000;

/// In the total order of floats, so that the order of the scan has no say in
/// which of -0 and +0 is returned.
#[inline(always)]
pub fn min_max(x: &[f32]) -> (f32, f32) {
    let key = |bits: i32| bits ^ ((bits >> 31) & i32::MAX);
    let (mut min, mut max, mut largest) = (i32::MAX, i32::MIN, 0);
    for x in x {
        let bits = x.to_bits().cast_signed();
        min = min.min(key(bits));
        max = max.max(key(bits));
        largest = largest.max(x.to_bits() & !SIGN);
    }
    if largest > INFINITY {
        return (f32::NAN, f32::NAN);
    }
    let value = |k: i32| f32::from_bits(key(k).cast_unsigned());
    (value(min), value(max))
}

pub fn fht(x: &mut [f32]) {
    let mut h = 1;
    while h < x.len() {
        for block in x.chunks_exact_mut(2 * h) {
            let (low, high) = block.split_at_mut(h);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        h *= 2;
    }
}

#[inline(always)]
pub fn kac(x: &mut [f32], s: f32) {
    let half = x.len() / 2;
    let middle = x.len() - half;
    let (low, high) = x.split_at_mut(middle);
    for (a, b) in low.iter_mut().zip(high) {
        (*a, *b) = ((*a + *b) * s, (*a - *b) * s);
    }
}

#[inline(always)]
pub fn flip_scale(x: &mut [f32], signs: &[u32], s: f32) {
    let (words, tail) = x.as_chunks_mut::<32>();
    for (x, &word) in words.iter_mut().zip(signs) {
        for (i, x) in x.iter_mut().enumerate() {
            *x = f32::from_bits(x.to_bits() ^ ((word >> i) << 31)) * s;
        }
    }
    for (i, x) in tail.iter_mut().enumerate() {
        *x = f32::from_bits(x.to_bits() ^ ((signs[words.len()] >> i) << 31)) * s;
    }
}

pub fn encode(o: &[f32], scale: f32, bits: u32, codes: &mut [u8]) -> (f32, f32) {
    let levels = Levels::new(bits);
    round_to_levels(o, scale, &levels, codes);
    let (mut dots, mut norms) = ([0.0; LANES], [0.0; LANES]);
    for (i, (&o, &u)) in o.iter().zip(codes.iter()).enumerate() {
        let y = f32::from(u) - levels.middle;
        dots[i % LANES] = y.mul_add(o, dots[i % LANES]);
        norms[i % LANES] = y.mul_add(y, norms[i % LANES]);
    }
    (sum_lanes(dots), sum_lanes(norms))
}

#[inline(always)]
pub fn round_to_levels(o: &[f32], scale: f32, levels: &Levels, codes: &mut [u8]) {
    let half = levels.half as i32;
    for (&o, code) in o.iter().zip(codes) {
        let v = o * scale + levels.half;
        // In this form a NaN becomes 0, as it does on every instruction set.
        let v = if v > 0.0 { v } else { 0.0 };
        let v = if v < levels.max { v } else { levels.max };
        // SAFETY: v is within 0..=255.
        let u = unsafe { v.to_int_unchecked::<i32>() };
        let u = if o >= 0.0 {
            u.max(half)
        } else {
            u.min(half - 1)
        };
        *code = u as u8;
    }
}

/// The levels of a code of so many bits: 0..=max, of which those from `half`
/// up are for o >= 0, and which stand for the values u - middle.
pub struct Levels {
    pub half: f32,
    pub max: f32,
    pub middle: f32,
}

impl Levels {
    #[inline(always)]
    pub fn new(bits: u32) -> Levels {
        let max = ((1u32 << bits) - 1) as f32;
        Levels {
            half: (1u32 << (bits - 1)) as f32,
            max,
            middle: max / 2.0,
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

#[inline(always)]
pub fn pack_row(bits: u32, codes: &[u8], out: &mut [u8]) {
    let planes = Planes::new(bits, codes.len());
    if bits == 8 {
        out[..codes.len()].copy_from_slice(codes);
        return;
    }
    let (four, rest) = out[..planes.bytes()].split_at_mut(planes.four);
    let (two, one) = rest.split_at_mut(planes.two);
    if bits & 4 != 0 {
        let (low, high) = codes.split_at(four.len());
        for (out, &u) in four.iter_mut().zip(low) {
            *out = u & 15;
        }
        for (out, &u) in four.iter_mut().zip(high) {
            *out |= (u & 15) << 4;
        }
    }
    if bits & 2 != 0 {
        let shift = bits & 4;
        two.fill(0);
        for (k, quarter) in codes.chunks(two.len()).enumerate() {
            for (out, &u) in two.iter_mut().zip(quarter) {
                *out |= ((u >> shift) & 3) << (2 * k);
            }
        }
    }
    if bits & 1 != 0 {
        let (words, tail) = codes.as_chunks::<8>();
        for (out, &word) in one.iter_mut().zip(words) {
            // The product moves bit 0 of byte i to bit 56 + i; no two of its
            // terms meet, so nothing carries.
            let low = (u64::from_le_bytes(word) >> (bits - 1)) & ONES;
            *out = (low.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
        }
        if !tail.is_empty() {
            let set = |(i, u): (usize, &u8)| ((u >> (bits - 1)) & 1) << i;
            one[words.len()] = tail.iter().enumerate().map(set).sum();
        }
    }
}

#[inline(always)]
pub fn unpack_row(bits: u32, dim: usize, packed: &[u8], codes: &mut [u8]) {
    let planes = Planes::new(bits, dim);
    let codes = &mut codes[..dim];
    if bits == 8 {
        codes.copy_from_slice(&packed[..dim]);
        return;
    }
    let (four, rest) = packed[..planes.bytes()].split_at(planes.four);
    let (two, one) = rest.split_at(planes.two);
    codes.fill(0);
    if bits & 4 != 0 {
        let (low, high) = codes.split_at_mut(four.len());
        for (u, &byte) in low.iter_mut().zip(four) {
            *u = byte & 15;
        }
        for (u, &byte) in high.iter_mut().zip(four) {
            *u = byte >> 4;
        }
    }
    if bits & 2 != 0 {
        let shift = bits & 4;
        for (k, quarter) in codes.chunks_mut(two.len()).enumerate() {
            for (u, &byte) in quarter.iter_mut().zip(two) {
                *u |= ((byte >> (2 * k)) & 3) << shift;
            }
        }
    }
    if bits & 1 != 0 {
        for (eight, &byte) in codes.chunks_mut(8).zip(one) {
            for (i, u) in eight.iter_mut().enumerate() {
                *u |= ((byte >> i) & 1) << (bits - 1);
            }
        }
    }
}

pub fn bit_dots(q: &BitQuery, base: &[u8], stride: usize, rows: &[u32], out: &mut [i64]) {
    let values: Vec<i64> = (0..q.dim()).map(|i| q.value(i).into()).collect();
    let mut codes = vec![0; q.dim()];
    for (&row, out) in rows.iter().zip(out) {
        unpack_row(
            q.bits(),
            q.dim(),
            &base[row as usize * stride..],
            &mut codes,
        );
        *out = codes
            .iter()
            .zip(&values)
            .map(|(&u, value)| i64::from(u) * value)
            .sum();
    }
}

#[inline(always)]
pub fn popcount(a: &[u64]) -> u64 {
    a.iter().map(|a| u64::from(a.count_ones())).sum()
}

#[inline(always)]
pub fn and_popcount(a: &[u64], b: &[u64]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u64::from((a & b).count_ones()))
        .sum()
}

#[inline(always)]
pub fn hamming(a: &[u8], b: &[u8]) -> u32 {
    let ((words_a, tail_a), (words_b, tail_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words: u64 = words_a
        .iter()
        .zip(words_b)
        .map(|(&a, &b)| u64::from((u64::from_le_bytes(a) ^ u64::from_le_bytes(b)).count_ones()))
        .sum();
    let tail: u32 = tail_a
        .iter()
        .zip(tail_b)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    words as u32 + tail
}

/// Adding and taking away 1.5 * 2^23 rounds to an integer, ties to even, where
/// |x| < 2^22: the baseline of x86-64 has no instruction for it.
#[inline(always)]
pub fn round(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC) - MAGIC
}

/// The sums over the subsets of four components, of which bit b of the index
/// says whether component b is in.
#[inline(always)]
fn subset_sums(q: [f32; 4]) -> [f32; 16] {
    let mut sums = [0.0; 16];
    for (b, q) in q.into_iter().enumerate() {
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum += if n >> b & 1 == 1 { q } else { 0.0 };
        }
    }
    sums
}

#[inline(always)]
pub fn groups_of(q: &[f32]) -> impl Iterator<Item = [f32; 4]> {
    let (whole, tail) = q.as_chunks::<4>();
    let mut last = [0.0; 4];
    last[..tail.len()].copy_from_slice(tail);
    whole
        .iter()
        .copied()
        .chain((!tail.is_empty()).then_some(last))
}

/// The table's step and bias.
#[inline(always)]
pub fn lut_range(q: &[f32]) -> (f32, f32) {
    let (mut range, mut bias) = (0.0, 0.0);
    for q in groups_of(q) {
        let sum = q.into_iter().fold(0.0, |sum, q| sum + q.abs());
        range = if sum > range { sum } else { range };
        bias += lowest(q);
    }
    (range / f32::from(TOP_LEVEL), bias)
}

/// The sum of the negative ones, which is the least of all subset sums, since
/// rounding keeps order.
#[inline(always)]
pub fn lowest(q: [f32; 4]) -> f32 {
    q.into_iter()
        .fold(0.0, |sum, q| sum + if q < 0.0 { q } else { 0.0 })
}

#[inline(always)]
pub fn lut_build(q: &[f32], lut: &mut [u8]) -> (f32, f32) {
    let (step, bias) = lut_range(q);
    lut.fill(0);
    if step > 0.0 {
        let (entries, _) = lut.as_chunks_mut::<16>();
        for (q, entries) in groups_of(q).zip(entries) {
            let low = lowest(q);
            for (entry, sum) in entries.iter_mut().zip(subset_sums(q)) {
                let level = (sum - low) / step;
                let level = if level > 0.0 { level } else { 0.0 };
                let top = f32::from(TOP_LEVEL);
                let level = if level < top { level } else { top };
                *entry = round(level) as i32 as u8;
            }
        }
    }
    (step, bias)
}

/// Exact, whatever the mode for denormals.
#[inline(always)]
pub fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff) << 13;
    const EXPONENT: u32 = 0x0f80_0000;
    let bits = match magnitude & EXPONENT {
        // A denormal is its fraction on top of 2^-14, less 2^-14.
        0 => (f32::from_bits(magnitude | 0x3880_0000) - f32::from_bits(0x3880_0000)).to_bits(),
        EXPONENT => magnitude | INFINITY,
        _ => magnitude + (112 << 23),
    };
    f32::from_bits(bits | sign)
}

fn block_values(block: &[u8], lut: &[u8], a: f32, b: f32) -> [f32; BLOCK_ROWS] {
    let groups = (block.len() - block_bytes(0)) / 16;
    let (codes, factors) = block.split_at(groups * 16);
    let factor = |i: usize| f16_to_f32(u16::from_le_bytes([factors[2 * i], factors[2 * i + 1]]));
    let mut sums = [0u32; BLOCK_ROWS];
    for (codes, lut) in codes
        .as_chunks::<16>()
        .0
        .iter()
        .zip(lut.as_chunks::<16>().0)
    {
        for (j, &byte) in codes.iter().enumerate() {
            sums[j] += u32::from(lut[usize::from(byte & 15)]);
            sums[j + 16] += u32::from(lut[usize::from(byte >> 4)]);
        }
    }
    std::array::from_fn(|v| {
        let t = a.mul_add(sums[v] as f32, b);
        (-factor(BLOCK_ROWS + v)).mul_add(t, factor(v))
    })
}

pub fn scan(
    blocks: &[u8],
    groups: usize,
    lut: &[u8],
    p: &ScanParams,
    _next: &[u8],
    masks: &mut [u32],
) -> bool {
    for (block, mask) in blocks.chunks_exact(block_bytes(groups)).zip(&mut *masks) {
        let found = block_values(block, lut, p.a, p.b);
        *mask = (0..BLOCK_ROWS).fold(0, |mask, v| mask | u32::from(found[v] < p.threshold) << v);
    }
    masks.iter().any(|mask| *mask != 0)
}

pub fn scan_all(blocks: &[u8], groups: usize, lut: &[u8], a: f32, b: f32, out: &mut [f32]) {
    let blocks = blocks.chunks_exact(block_bytes(groups));
    for (block, out) in blocks.zip(out.as_chunks_mut::<BLOCK_ROWS>().0) {
        *out = block_values(block, lut, a, b);
    }
}
