//! AVX-512 (F, BW, DQ, VL, VNNI, VPOPCNTDQ).

use std::arch::x86_64::*;

use super::{prefetch, prefetch_ahead};
use crate::bits::{BitQuery, PART, Planes};
use crate::dense::TILE;
use crate::fastscan::{
    BLOCK_ROWS, GROUPS_IN_8_BITS, GROUPS_IN_16_BITS, ScanParams, TOP_LEVEL, block_bytes,
};
use crate::tiles::{RUN, RUNS, TILE_COLUMNS};

type V = __m512;
const WIDTH: usize = 16;

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn zero() -> V {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn splat(x: f32) -> V {
    _mm512_set1_ps(x)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn load(x: &[f32; 16]) -> V {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_ps(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn store(x: &mut [f32; 16], v: V) {
    // SAFETY: the array has the 64 bytes that are written.
    unsafe { _mm512_storeu_ps(x.as_mut_ptr(), v) }
}

/// The mask of the first `len` of 16 lanes.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn first_lanes(len: usize) -> __mmask16 {
    _bzhi_u32(0xffff, len.min(16) as u32) as __mmask16
}

/// Up to 16 floats, and zeros.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn load_first(x: &[f32]) -> V {
    // SAFETY: lanes past the slice are masked off, and so not read.
    unsafe { _mm512_maskz_loadu_ps(first_lanes(x.len()), x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn load_bytes(x: &[u8; 64]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

/// Up to 64 bytes, and zeros.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn load_first_bytes(x: &[u8]) -> __m512i {
    let mask = _bzhi_u64(u64::MAX, x.len().min(64) as u32);
    // SAFETY: bytes past the slice are masked off, and so not read.
    unsafe { _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn add(a: V, b: V) -> V {
    _mm512_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn sub_lanes(a: V, b: V) -> V {
    _mm512_sub_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn fma(a: V, b: V, c: V) -> V {
    _mm512_fmadd_ps(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn floats(codes: &[u8; 16]) -> V {
    // SAFETY: the array has the 16 bytes that are read.
    let codes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes))
}

/// Zeros from lane `len` on.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn keep_first(v: V, len: usize) -> V {
    _mm512_maskz_mov_ps(first_lanes(len), v)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn sum_lanes(lanes: [V; 4]) -> f32 {
    let v = add(add(lanes[0], lanes[2]), add(lanes[1], lanes[3]));
    let v = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
    let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    let v = _mm_add_ss(v, _mm_movehdup_ps(v));
    _mm_cvtss_f32(v) + 0.0
}

super::sums_of_products! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt" }

super::products! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt" }

super::row_forms! { #[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")] }

// Wider vectors do not help these, which move more than they compute, and hurt
// where data are not aligned to a cache line.
pub use super::avx2::{
    accumulate, flip_scale, hamming, kac, max_abs, min_max, pack_row, round_bytes, scale, sub,
    unpack_row,
};

super::recompile! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt":
    popcount(a: &[u64]) -> u64;
    and_popcount(a: &[u64], b: &[u64]) -> u64;
}

super::hadamard! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt" }

/// The stages of distance 1, 2, 4 and 8. The product with 1 or -1 is exact,
/// so each step rounds once, as the addition does.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn within(v: V) -> V {
    let signs = |mask| _mm512_mask_blend_ps(mask, _mm512_set1_ps(1.0), _mm512_set1_ps(-1.0));
    let v = _mm512_fmadd_ps(v, signs(0xaaaa), _mm512_permute_ps::<0b10_11_00_01>(v));
    let v = _mm512_fmadd_ps(v, signs(0xcccc), _mm512_permute_ps::<0b01_00_11_10>(v));
    let v = _mm512_fmadd_ps(
        v,
        signs(0xf0f0),
        _mm512_shuffle_f32x4::<0b10_11_00_01>(v, v),
    );
    _mm512_fmadd_ps(
        v,
        signs(0xff00),
        _mm512_shuffle_f32x4::<0b01_00_11_10>(v, v),
    )
}

#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
pub fn lut_build(q: &[f32], lut: &mut [u8]) -> (f32, f32) {
    use super::portable::{groups_of, lowest, lut_range};
    let (step, bias) = lut_range(q);
    lut.fill(0);
    if step > 0.0 {
        let (entries, _) = lut.as_chunks_mut::<16>();
        for (q, entries) in groups_of(q).zip(entries) {
            let [q0, q1, q2, q3] = q.map(|q| _mm512_set1_ps(q));
            let sum = _mm512_maskz_mov_ps(0xaaaa, q0);
            let sum = _mm512_mask_add_ps(sum, 0xcccc, sum, q1);
            let sum = _mm512_mask_add_ps(sum, 0xf0f0, sum, q2);
            let sum = _mm512_mask_add_ps(sum, 0xff00, sum, q3);
            let level = _mm512_sub_ps(sum, _mm512_set1_ps(lowest(q)));
            let level = _mm512_div_ps(level, _mm512_set1_ps(step));
            // Of a NaN and another, these return the second.
            let level = _mm512_max_ps(level, _mm512_setzero_ps());
            let level = _mm512_min_ps(level, _mm512_set1_ps(f32::from(TOP_LEVEL)));
            let level = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(level));
            // SAFETY: the array has the 16 bytes that are written.
            unsafe { _mm_storeu_si128(entries.as_mut_ptr().cast(), level) };
        }
    }
    (step, bias)
}

/// Sums of table bytes: each 16-bit lane of `both` counts an even row plus
/// 256 times the odd one beside it, and `odd` the odd one alone.
#[derive(Clone, Copy)]
struct Sums {
    both: __m512i,
    odd: __m512i,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
    fn zero() -> Sums {
        Sums {
            both: _mm512_setzero_si512(),
            odd: _mm512_setzero_si512(),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
    fn add(&mut self, bytes: __m512i) {
        self.both = _mm512_add_epi16(self.both, bytes);
        self.odd = _mm512_add_epi16(self.odd, _mm512_srli_epi16::<8>(bytes));
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
    fn even(&self) -> __m512i {
        _mm512_sub_epi16(self.both, _mm512_slli_epi16::<8>(self.odd))
    }
}

/// The sums of the 32 rows, in 16 bits, over four groups a vector.
///
/// The last vector may reach past the codes into the factors, which follow in
/// every block: the table is zero there.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn sum_groups<T>(vectors: &[[u8; 64]], tables: &[T], table: impl Fn(&T) -> __m512i) -> __m512i {
    let nibble = _mm512_set1_epi8(15);
    let (mut low, mut high) = (Sums::zero(), Sums::zero());
    let parts = vectors.chunks(GROUPS_IN_8_BITS);
    for (vectors, tables) in parts.zip(tables.chunks(GROUPS_IN_8_BITS)) {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (codes, entries) in vectors.iter().zip(tables) {
            let (codes, table) = (load_bytes(codes), table(entries));
            let [of_low, of_high] = [codes, _mm512_srli_epi16::<4>(codes)]
                .map(|codes| _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble)));
            sums = [
                _mm512_add_epi8(sums[0], of_low),
                _mm512_add_epi8(sums[1], of_high),
            ];
        }
        low.add(sums[0]);
        high.add(sums[1]);
    }
    // Adds the four lanes of 128 bits of (low even, low odd, high even, high
    // odd) into one lane each.
    let (low_even, high_even) = (low.even(), high.even());
    let low = _mm512_add_epi16(
        _mm512_shuffle_i64x2::<0b01_00_01_00>(low_even, low.odd),
        _mm512_shuffle_i64x2::<0b11_10_11_10>(low_even, low.odd),
    );
    let high = _mm512_add_epi16(
        _mm512_shuffle_i64x2::<0b01_00_01_00>(high_even, high.odd),
        _mm512_shuffle_i64x2::<0b11_10_11_10>(high_even, high.odd),
    );
    let sums = _mm512_add_epi16(
        _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high),
    );
    let row_order = _mm512_set_epi16(
        31, 23, 30, 22, 29, 21, 28, 20, 27, 19, 26, 18, 25, 17, 24, 16, //
        15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0,
    );
    _mm512_permutexvar_epi16(row_order, sums)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn widen(sums: __m512i) -> [__m512i; 2] {
    [
        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(sums)),
        _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(sums)),
    ]
}

/// The part of a block that vectors of codes are read from.
#[inline(always)]
fn vectors(block: &[u8]) -> &[[u8; 64]] {
    block.as_chunks().0
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn block_sums(block: &[u8], groups: usize, lut: &[u8]) -> [__m512i; 2] {
    let mut sums = [_mm512_setzero_si512(); 2];
    let vectors = &vectors(block)[..groups.div_ceil(4)];
    let tables = lut.as_chunks::<64>().0;
    for (vectors, tables) in vectors
        .chunks(GROUPS_IN_16_BITS / 4)
        .zip(tables.chunks(GROUPS_IN_16_BITS / 4))
    {
        let [first, second] = widen(sum_groups(vectors, tables, |table| load_bytes(table)));
        sums = [
            _mm512_add_epi32(sums[0], first),
            _mm512_add_epi32(sums[1], second),
        ];
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn block_values(block: &[u8], sums: [__m512i; 2], a: f32, b: f32) -> [V; 2] {
    let factors = block
        .last_chunk::<{ block_bytes(0) }>()
        .expect("a block ends in its factors");
    let factor = |i: usize| {
        let halves: &[u8; 32] = factors.as_chunks().0[i..]
            .first()
            .expect("four vectors of factors");
        // SAFETY: the array has the 32 bytes that are read.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(halves.as_ptr().cast()) })
    };
    std::array::from_fn(|i| {
        let t = _mm512_fmadd_ps(
            _mm512_set1_ps(a),
            _mm512_cvtepi32_ps(sums[i]),
            _mm512_set1_ps(b),
        );
        _mm512_fnmadd_ps(factor(2 + i), t, factor(i))
    })
}

#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
pub fn scan(
    blocks: &[u8],
    groups: usize,
    lut: &[u8],
    p: &ScanParams,
    next: &[u8],
    masks: &mut [u32],
) -> bool {
    match groups.div_ceil(4) {
        1 => scan_fixed::<1>(blocks, groups, lut, p, next, masks),
        2 => scan_fixed::<2>(blocks, groups, lut, p, next, masks),
        3 => scan_fixed::<3>(blocks, groups, lut, p, next, masks),
        4 => scan_fixed::<4>(blocks, groups, lut, p, next, masks),
        5 => scan_fixed::<5>(blocks, groups, lut, p, next, masks),
        6 => scan_fixed::<6>(blocks, groups, lut, p, next, masks),
        7 => scan_fixed::<7>(blocks, groups, lut, p, next, masks),
        8 => scan_fixed::<8>(blocks, groups, lut, p, next, masks),
        _ => scan_with(blocks, groups, p, next, masks, |block| {
            block_sums(block, groups, lut)
        }),
    }
}

/// The table stays in N registers.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn scan_fixed<const N: usize>(
    blocks: &[u8],
    groups: usize,
    lut: &[u8],
    p: &ScanParams,
    next: &[u8],
    masks: &mut [u32],
) -> bool {
    let tables = lut
        .as_chunks::<64>()
        .0
        .first_chunk::<N>()
        .expect("checked by the caller");
    let tables: [__m512i; N] = std::array::from_fn(|k| load_bytes(&tables[k]));
    scan_with(blocks, groups, p, next, masks, |block| {
        let vectors = vectors(block)
            .first_chunk::<N>()
            .expect("a block ends in its factors");
        widen(sum_groups(vectors, &tables, |table| *table))
    })
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn scan_with(
    blocks: &[u8],
    groups: usize,
    p: &ScanParams,
    next: &[u8],
    masks: &mut [u32],
    sums: impl Fn(&[u8]) -> [__m512i; 2],
) -> bool {
    let size = block_bytes(groups);
    let threshold = _mm512_set1_ps(p.threshold);
    let mut any = 0;
    for (block, mask) in blocks.chunks_exact(size).zip(masks) {
        prefetch_ahead(blocks, block, next);
        let found = block_values(block, sums(block), p.a, p.b);
        let below = found.map(|v| _mm512_cmp_ps_mask::<_CMP_LT_OQ>(v, threshold));
        *mask = u32::from(below[0]) | u32::from(below[1]) << 16;
        any |= *mask;
    }
    any != 0
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn store_values(values: &mut [f32; BLOCK_ROWS], found: [V; 2]) {
    for (values, v) in values.as_chunks_mut().0.iter_mut().zip(found) {
        store(values, v);
    }
}

#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
pub fn scan_all(blocks: &[u8], groups: usize, lut: &[u8], a: f32, b: f32, out: &mut [f32]) {
    let blocks = blocks.chunks_exact(block_bytes(groups));
    for (block, out) in blocks.zip(out.as_chunks_mut().0) {
        store_values(
            out,
            block_values(block, block_sums(block, groups, lut), a, b),
        );
    }
}

type Bytes = __m512i;
type Ints = __m512i;
const CODES: usize = 64;

super::inner_products_of_codes! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt" }

/// The first `len` bytes, or all of a vector, and zeros. Not what follows: that
/// may lie in a cache line that nobody fetched.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn load_codes(codes: &[u8], len: usize) -> Bytes {
    load_first_bytes(&codes[..len])
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn expand_bits(bits: &[u8]) -> Bytes {
    let word = *bits.first_chunk().expect("a row has bytes after it");
    _mm512_maskz_set1_epi8(u64::from_le_bytes(word), 1)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn field<const SHIFT: u32, const MASK: i8>(codes: Bytes) -> Bytes {
    _mm512_and_si512(_mm512_srli_epi16::<SHIFT>(codes), _mm512_set1_epi8(MASK))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn multiply(sums: Ints, codes: Bytes, q: &[i8; CODES]) -> Ints {
    // SAFETY: the array has the 64 bytes that are read.
    _mm512_dpbusd_epi32(sums, codes, unsafe {
        _mm512_loadu_si512(q.as_ptr().cast())
    })
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn multiply_bytes(sums: Ints, codes: Bytes, q: &[i8; CODES]) -> Ints {
    multiply(sums, codes, q)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn no_ints() -> Ints {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn shift_left<const N: u32>(a: Ints) -> Ints {
    _mm512_slli_epi32::<N>(a)
}

/// The sums over the lanes of each.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn totals([a, b, c, d]: [Ints; 4]) -> [i32; 4] {
    let pair = |a, b| _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (ab, cd) = (pair(a, b), pair(c, d));
    let v = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let v = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let mut out = [0; 4];
    // SAFETY: the array has the 16 bytes that are written.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), v) };
    out
}

super::byte_products! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt", 4 x 4, 1 x 8 }

/// Adds the products of four bytes of each of 16 columns.
#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn dot_runs(sums: Ints, runs: &[u8; CODES], row: [i8; RUN]) -> Ints {
    let row = _mm512_set1_epi32(i32::from_le_bytes(row.map(|x| x as u8)));
    _mm512_dpbusd_epi32(sums, load_bytes(runs), row)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
fn store_ints(out: &mut [i32; 16], v: Ints) {
    // SAFETY: the array has the 64 bytes that are written.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), v) }
}

super::recompile! { "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt":
    affine(dots: &[i32], a: f32, add: &[f32], out: &mut [f32]);
}

#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
pub fn least(dots: &[i32], a: f32, add: &[f32]) -> (f32, u32) {
    let scale = _mm512_set1_ps(a);
    let mut least = _mm512_set1_ps(f32::INFINITY);
    let mut places = _mm512_setzero_si512();
    let mut at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let (dots, last_dots) = dots.as_chunks::<16>();
    let (adds, last_adds) = add.as_chunks::<16>();
    for (dots, add) in dots.iter().zip(adds) {
        // SAFETY: the array has the 64 bytes that are read.
        let dots = unsafe { _mm512_loadu_si512(dots.as_ptr().cast()) };
        let value = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(dots), load(add));
        let less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(value, least);
        least = _mm512_mask_mov_ps(least, less, value);
        places = _mm512_mask_mov_epi32(places, less, at);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
    }
    let value = _mm512_reduce_min_ps(least);
    let of_least = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(least, _mm512_set1_ps(value));
    let place = _mm512_mask_reduce_min_epu32(of_least, places);
    let rest = super::portable::least(last_dots, a, last_adds);
    if rest.0 < value {
        (rest.0, (dots.len() * 16) as u32 + rest.1)
    } else if value < f32::INFINITY {
        (value, place)
    } else {
        (f32::INFINITY, 0)
    }
}

#[target_feature(enable = "avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,bmi2,popcnt")]
pub fn places_up_to(values: &[f32], limit: f32, out: &mut [u32]) -> usize {
    let limit = _mm512_set1_ps(limit);
    let mut at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut count = 0;
    for values in values.chunks(16) {
        let lanes = first_lanes(values.len());
        let near = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(lanes, load_first(values), limit);
        let room: &mut [u32] = &mut out[count..count + near.count_ones() as usize];
        // SAFETY: as many places are written as the mask has bits.
        unsafe { _mm512_mask_compressstoreu_epi32(room.as_mut_ptr().cast(), near, at) };
        count += room.len();
        at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
    }
    count
}
