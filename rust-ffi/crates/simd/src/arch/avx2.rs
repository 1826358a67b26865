//! AVX2 with FMA, F16C and POPCNT.

use std::arch::x86_64::*;

use super::{prefetch, prefetch_ahead};
use crate::bits::{BitQuery, PART, Planes};
use crate::dense::TILE;
use crate::fastscan::{
    BLOCK_ROWS, GROUPS_IN_8_BITS, GROUPS_IN_16_BITS, ScanParams, TOP_LEVEL, block_bytes,
};
use crate::tiles::{RUN, RUNS, TILE_COLUMNS};

type V = __m256;
const WIDTH: usize = 8;

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn zero() -> V {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn splat(x: f32) -> V {
    _mm256_set1_ps(x)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load(x: &[f32; 8]) -> V {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_ps(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn store(x: &mut [f32; 8], v: V) {
    // SAFETY: the array has the 32 bytes that are written.
    unsafe { _mm256_storeu_ps(x.as_mut_ptr(), v) }
}

/// All bits of the first `len` lanes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn first_lanes(len: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(len.min(8) as i32), lanes)
}

/// Up to 8 floats, and zeros.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_first(x: &[f32]) -> V {
    // SAFETY: lanes past the slice are masked off, and so not read.
    unsafe { _mm256_maskload_ps(x.as_ptr(), first_lanes(x.len())) }
}

/// Zeros from lane `len` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn keep_first(v: V, len: usize) -> V {
    _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes(len)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn floats(codes: &[u8; 8]) -> V {
    // SAFETY: the array has the 8 bytes that are read.
    let codes = unsafe { _mm_loadl_epi64(codes.as_ptr().cast()) };
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(codes))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn add(a: V, b: V) -> V {
    _mm256_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn sub_lanes(a: V, b: V) -> V {
    _mm256_sub_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn fma(a: V, b: V, c: V) -> V {
    _mm256_fmadd_ps(a, b, c)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn sum_lanes(v: [V; 8]) -> f32 {
    let v: [V; 4] = std::array::from_fn(|k| add(v[k], v[k + 4]));
    let v = add(add(v[0], v[2]), add(v[1], v[3]));
    let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    let v = _mm_add_ss(v, _mm_movehdup_ps(v));
    _mm_cvtss_f32(v) + 0.0
}

super::sums_of_products! { "avx2,fma,f16c,popcnt" }

super::products! { "avx2,fma,f16c,popcnt" }

super::row_forms! { #[target_feature(enable = "avx2,fma,f16c,popcnt")] }

super::recompile! { "avx2,fma,f16c,popcnt":
    sub(a: &[f32], b: &[f32], out: &mut [f32]);
    scale(x: &mut [f32], s: f32);
    accumulate(sum: &mut [f64], row: &[f32]);
    max_abs(x: &[f32]) -> f32;
    min_max(x: &[f32]) -> (f32, f32);
    kac(x: &mut [f32], s: f32);
    flip_scale(x: &mut [f32], signs: &[u32], s: f32);
    pack_row(bits: u32, codes: &[u8], out: &mut [u8]);
    unpack_row(bits: u32, dim: usize, packed: &[u8], codes: &mut [u8]);
    popcount(a: &[u64]) -> u64;
    and_popcount(a: &[u64], b: &[u64]) -> u64;
    hamming(a: &[u8], b: &[u8]) -> u32;
    round_bytes(x: &[f32], step: f32, out: &mut [i8]);
    affine(dots: &[i32], a: f32, add: &[f32], out: &mut [f32]);
    places_up_to(values: &[f32], limit: f32, out: &mut [u32]) -> usize;
}

super::hadamard! { "avx2,fma,f16c,popcnt" }

/// The stages of distance 1, 2 and 4. The product with 1 or -1 is exact, so
/// each step rounds once, as the addition does.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn within(v: V) -> V {
    let ones = _mm256_set1_ps(1.0);
    let minus = _mm256_set1_ps(-1.0);
    let v = _mm256_fmadd_ps(
        v,
        _mm256_blend_ps::<0b10101010>(ones, minus),
        _mm256_permute_ps::<0b10_11_00_01>(v),
    );
    let v = _mm256_fmadd_ps(
        v,
        _mm256_blend_ps::<0b11001100>(ones, minus),
        _mm256_permute_ps::<0b01_00_11_10>(v),
    );
    _mm256_fmadd_ps(
        v,
        _mm256_blend_ps::<0b11110000>(ones, minus),
        _mm256_permute2f128_ps::<0b0000_0001>(v, v),
    )
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub fn lut_build(q: &[f32], lut: &mut [u8]) -> (f32, f32) {
    use super::portable::{groups_of, lowest, lut_range};
    let (step, bias) = lut_range(q);
    lut.fill(0);
    if step > 0.0 {
        let zero = _mm256_setzero_ps();
        let (entries, _) = lut.as_chunks_mut::<16>();
        for (q, entries) in groups_of(q).zip(entries) {
            let [q0, q1, q2, q3] = q.map(|q| _mm256_set1_ps(q));
            let low = _mm256_set1_ps(lowest(q));
            let sum = _mm256_blend_ps::<0b10101010>(zero, q0);
            let sum = _mm256_add_ps(sum, _mm256_blend_ps::<0b11001100>(zero, q1));
            let sum = _mm256_add_ps(sum, _mm256_blend_ps::<0b11110000>(zero, q2));
            let levels = [sum, _mm256_add_ps(sum, q3)].map(|sum| {
                let level = _mm256_div_ps(_mm256_sub_ps(sum, low), _mm256_set1_ps(step));
                // Of a NaN and another, these return the second.
                let level = _mm256_max_ps(level, zero);
                _mm256_cvtps_epi32(_mm256_min_ps(level, _mm256_set1_ps(f32::from(TOP_LEVEL))))
            });
            // Entries 0-3, 8-11, 4-7, 12-15, brought into order.
            let words = _mm256_packus_epi32(levels[0], levels[1]);
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let bytes = _mm_packus_epi16(
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            );
            // SAFETY: the array has the 16 bytes that are written.
            unsafe { _mm_storeu_si128(entries.as_mut_ptr().cast(), bytes) };
        }
    }
    (step, bias)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_bytes(x: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
}

/// Sums of table bytes: each 16-bit lane of `both` counts an even row plus
/// 256 times the odd one beside it, and `odd` the odd one alone.
#[derive(Clone, Copy)]
struct Sums {
    both: __m256i,
    odd: __m256i,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    fn zero() -> Sums {
        Sums {
            both: _mm256_setzero_si256(),
            odd: _mm256_setzero_si256(),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    fn add(&mut self, bytes: __m256i) {
        self.both = _mm256_add_epi16(self.both, bytes);
        self.odd = _mm256_add_epi16(self.odd, _mm256_srli_epi16::<8>(bytes));
    }

    /// The sums of 16 rows in order, the two lanes added, in 32 bits.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    fn rows(&self) -> [__m256i; 2] {
        let even = _mm256_sub_epi16(self.both, _mm256_slli_epi16::<8>(self.odd));
        let even = _mm_add_epi16(
            _mm256_castsi256_si128(even),
            _mm256_extracti128_si256::<1>(even),
        );
        let odd = self.odd;
        let odd = _mm_add_epi16(
            _mm256_castsi256_si128(odd),
            _mm256_extracti128_si256::<1>(odd),
        );
        [
            _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(even, odd)),
            _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(even, odd)),
        ]
    }
}

/// The last vector may reach past the codes into the factors, which follow in
/// every block: the table is zero there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn block_sums(block: &[u8], groups: usize, lut: &[u8]) -> [__m256i; 4] {
    const CHUNK: usize = GROUPS_IN_16_BITS / 2;
    let nibble = _mm256_set1_epi8(15);
    let mut sums = [_mm256_setzero_si256(); 4];
    let vectors = &block.as_chunks().0[..groups.div_ceil(2)];
    let tables = lut.as_chunks().0;
    for (vectors, tables) in vectors.chunks(CHUNK).zip(tables.chunks(CHUNK)) {
        let (mut low, mut high) = (Sums::zero(), Sums::zero());
        let parts = vectors.chunks(GROUPS_IN_8_BITS);
        for (vectors, tables) in parts.zip(tables.chunks(GROUPS_IN_8_BITS)) {
            let mut sums = [_mm256_setzero_si256(); 2];
            for (codes, table) in vectors.iter().zip(tables) {
                let (codes, table) = (load_bytes(codes), load_bytes(table));
                let [of_low, of_high] = [codes, _mm256_srli_epi16::<4>(codes)]
                    .map(|codes| _mm256_shuffle_epi8(table, _mm256_and_si256(codes, nibble)));
                sums = [
                    _mm256_add_epi8(sums[0], of_low),
                    _mm256_add_epi8(sums[1], of_high),
                ];
            }
            low.add(sums[0]);
            high.add(sums[1]);
        }
        let ([first, second], [third, fourth]) = (low.rows(), high.rows());
        for (sum, more) in sums.iter_mut().zip([first, second, third, fourth]) {
            *sum = _mm256_add_epi32(*sum, more);
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn block_values(block: &[u8], groups: usize, lut: &[u8], a: f32, b: f32) -> [V; 4] {
    let sums = block_sums(block, groups, lut);
    let factors = block
        .last_chunk::<{ block_bytes(0) }>()
        .expect("a block ends in its factors");
    let factors: &[[u8; 16]] = factors.as_chunks().0;
    let factor = |i: usize| {
        // SAFETY: the array has the 16 bytes that are read.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(factors[i].as_ptr().cast()) })
    };
    std::array::from_fn(|i| {
        let t = _mm256_fmadd_ps(
            _mm256_set1_ps(a),
            _mm256_cvtepi32_ps(sums[i]),
            _mm256_set1_ps(b),
        );
        _mm256_fnmadd_ps(factor(4 + i), t, factor(i))
    })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn below(values: [V; 4], threshold: f32) -> u32 {
    let threshold = _mm256_set1_ps(threshold);
    let masks =
        values.map(|v| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(v, threshold)) as u32);
    masks[0] | masks[1] << 8 | masks[2] << 16 | masks[3] << 24
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn store_values(values: &mut [f32; BLOCK_ROWS], found: [V; 4]) {
    for (values, v) in values.as_chunks_mut().0.iter_mut().zip(found) {
        store(values, v);
    }
}

super::scans! { "avx2,fma,f16c,popcnt" }

type Bytes = __m256i;
type Ints = __m256i;
const CODES: usize = 32;

super::inner_products_of_codes! { "avx2,fma,f16c,popcnt" }

/// The first `len` bytes, or all of a vector, and whatever follows: the query
/// is zero there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_codes(codes: &[u8], _len: usize) -> Bytes {
    load_bytes(codes.first_chunk().expect("a row has bytes after it"))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn expand_bits(bits: &[u8]) -> Bytes {
    let word = *bits.first_chunk().expect("a row has bytes after it");
    let word = _mm256_set1_epi32(i32::from_le_bytes(word));
    let byte_of_lane = _mm256_setr_epi64x(
        0,
        0x0101_0101_0101_0101,
        0x0202_0202_0202_0202,
        0x0303_0303_0303_0303,
    );
    let bit_of_lane = _mm256_set1_epi64x(0x8040_2010_0804_0201u64.cast_signed());
    let bit = _mm256_and_si256(_mm256_shuffle_epi8(word, byte_of_lane), bit_of_lane);
    _mm256_min_epu8(bit, _mm256_set1_epi8(1))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn field<const SHIFT: i32, const MASK: i8>(codes: Bytes) -> Bytes {
    _mm256_and_si256(_mm256_srli_epi16::<SHIFT>(codes), _mm256_set1_epi8(MASK))
}

/// Codes below 16, so that the 16-bit pairs cannot saturate.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn multiply(sums: Ints, codes: Bytes, q: &[i8; CODES]) -> Ints {
    multiply_by(sums, codes, q, 1)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn multiply_by(sums: Ints, codes: Bytes, q: &[i8; CODES], factor: i16) -> Ints {
    // SAFETY: the array has the 32 bytes that are read.
    let q = unsafe { _mm256_loadu_si256(q.as_ptr().cast()) };
    let pairs = _mm256_maddubs_epi16(codes, q);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(factor)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn multiply_bytes(sums: Ints, codes: Bytes, q: &[i8; CODES]) -> Ints {
    let sums = multiply_by(sums, field::<0, 15>(codes), q, 1);
    multiply_by(sums, field::<4, 15>(codes), q, 16)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn no_ints() -> Ints {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn shift_left<const N: i32>(a: Ints) -> Ints {
    _mm256_slli_epi32::<N>(a)
}

/// The sums over the lanes of each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn totals([a, b, c, d]: [Ints; 4]) -> [i32; 4] {
    let v = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let mut out = [0; 4];
    // SAFETY: the array has the 16 bytes that are written.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), v) };
    out
}

super::byte_products! { "avx2,fma,f16c,popcnt", 2 x 2, 1 x 4 }

/// Adds the products of four bytes of each of 8 columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn dot_runs(sums: Ints, runs: &[u8; CODES], row: [i8; RUN]) -> Ints {
    let row = _mm256_set1_epi32(i32::from_le_bytes(row.map(|x| x as u8)));
    // SAFETY: the array has the 32 bytes that are read.
    let runs = unsafe { _mm256_loadu_si256(runs.as_ptr().cast()) };
    let pairs = _mm256_maddubs_epi16(runs, row);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn store_ints(out: &mut [i32; 8], v: Ints) {
    // SAFETY: the array has the 32 bytes that are written.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v) }
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub fn least(dots: &[i32], a: f32, add: &[f32]) -> (f32, u32) {
    let scale = _mm256_set1_ps(a);
    let mut least = _mm256_set1_ps(f32::INFINITY);
    let mut places = _mm256_setzero_ps();
    let mut at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let (dots, last_dots) = dots.as_chunks::<8>();
    let (adds, last_adds) = add.as_chunks::<8>();
    for (dots, add) in dots.iter().zip(adds) {
        // SAFETY: the array has the 32 bytes that are read.
        let dots = unsafe { _mm256_loadu_si256(dots.as_ptr().cast()) };
        let value = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(dots), load(add));
        let less = _mm256_cmp_ps::<_CMP_LT_OQ>(value, least);
        least = _mm256_blendv_ps(least, value, less);
        places = _mm256_blendv_ps(places, _mm256_castsi256_ps(at), less);
        at = _mm256_add_epi32(at, _mm256_set1_epi32(8));
    }
    let (mut values, mut found) = ([0.0; 8], [0.0; 8]);
    store(&mut values, least);
    store(&mut found, places);
    let mut best = (f32::INFINITY, 0);
    for (value, place) in values.into_iter().zip(found.map(f32::to_bits)) {
        if value < best.0 || (value == best.0 && value < f32::INFINITY && place < best.1) {
            best = (value, place);
        }
    }
    let rest = super::portable::least(last_dots, a, last_adds);
    if rest.0 < best.0 {
        best = (rest.0, (dots.len() * 8) as u32 + rest.1);
    }
    best
}
