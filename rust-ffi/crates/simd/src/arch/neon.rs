//! Advanced SIMD of AArch64, which every such CPU has.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{prefetch, prefetch_ahead};
use crate::bits::{BitQuery, PART, Planes};
use crate::dense::TILE;
use crate::fastscan::{BLOCK_ROWS, GROUPS_IN_8_BITS, GROUPS_IN_16_BITS, ScanParams, block_bytes};
use crate::tiles::{RUN, RUNS, TILE_COLUMNS};

type V = float32x4_t;
const WIDTH: usize = 4;

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> V {
    vdupq_n_f32(0.0)
}

#[inline]
#[target_feature(enable = "neon")]
fn splat(x: f32) -> V {
    vdupq_n_f32(x)
}

#[inline]
#[target_feature(enable = "neon")]
fn load(x: &[f32; 4]) -> V {
    // SAFETY: the array has the 16 bytes that are read.
    unsafe { vld1q_f32(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store(x: &mut [f32; 4], v: V) {
    // SAFETY: the array has the 16 bytes that are written.
    unsafe { vst1q_f32(x.as_mut_ptr(), v) }
}

/// Up to 4 floats, and zeros.
#[inline]
#[target_feature(enable = "neon")]
fn load_first(x: &[f32]) -> V {
    let mut first = [0.0; 4];
    let len = x.len().min(4);
    first[..len].copy_from_slice(&x[..len]);
    load(&first)
}

/// Zeros from lane `len` on.
#[inline]
#[target_feature(enable = "neon")]
fn keep_first(v: V, len: usize) -> V {
    let mut first = [0.0; 4];
    store(&mut first, v);
    first[len.min(4)..].fill(0.0);
    load(&first)
}

#[inline]
#[target_feature(enable = "neon")]
fn floats(codes: &[u8; 4]) -> V {
    let codes = vreinterpret_u8_u32(vdup_n_u32(u32::from_le_bytes(*codes)));
    vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(codes))))
}

#[inline]
#[target_feature(enable = "neon")]
fn add(a: V, b: V) -> V {
    vaddq_f32(a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn sub_lanes(a: V, b: V) -> V {
    vsubq_f32(a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn fma(a: V, b: V, c: V) -> V {
    vfmaq_f32(c, a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn sum_lanes(v: [V; 16]) -> f32 {
    let v: [V; 8] = std::array::from_fn(|k| add(v[k], v[k + 8]));
    let v: [V; 4] = std::array::from_fn(|k| add(v[k], v[k + 4]));
    let v = add(add(v[0], v[2]), add(v[1], v[3]));
    let v = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    vget_lane_f32::<0>(v) + vget_lane_f32::<1>(v) + 0.0
}

super::sums_of_products! { "neon" }

super::products! { "neon" }

super::row_forms! { #[target_feature(enable = "neon")] }

super::recompile! { "neon":
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
    lut_build(q: &[f32], lut: &mut [u8]) -> (f32, f32);
    round_bytes(x: &[f32], step: f32, out: &mut [i8]);
    affine(dots: &[i32], a: f32, add: &[f32], out: &mut [f32]);
    least(dots: &[i32], a: f32, add: &[f32]) -> (f32, u32);
    places_up_to(values: &[f32], limit: f32, out: &mut [u32]) -> usize;
}

super::hadamard! { "neon" }

/// The stages of distance 1 and 2. The product with 1 or -1 is exact, so each
/// step rounds once, as the addition does.
#[inline]
#[target_feature(enable = "neon")]
fn within(v: V) -> V {
    let v = fma(v, load(&[1.0, -1.0, 1.0, -1.0]), vrev64q_f32(v));
    fma(v, load(&[1.0, 1.0, -1.0, -1.0]), vextq_f32::<2>(v, v))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bytes(x: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the array has the 16 bytes that are read.
    unsafe { vld1q_u8(x.as_ptr()) }
}

/// The sums of rows 0-7, 8-15, 16-23 and 24-31, in 32 bits by fours.
#[inline]
#[target_feature(enable = "neon")]
fn block_sums(block: &[u8], groups: usize, lut: &[u8]) -> [uint32x4_t; 8] {
    let mut sums = [vdupq_n_u32(0); 8];
    let vectors = &block.as_chunks().0[..groups];
    let tables = lut.as_chunks().0;
    for (vectors, tables) in vectors
        .chunks(GROUPS_IN_16_BITS)
        .zip(tables.chunks(GROUPS_IN_16_BITS))
    {
        let mut eights = [vdupq_n_u16(0); 4];
        let parts = vectors.chunks(GROUPS_IN_8_BITS);
        for (vectors, tables) in parts.zip(tables.chunks(GROUPS_IN_8_BITS)) {
            let (mut low, mut high) = (vdupq_n_u8(0), vdupq_n_u8(0));
            for (codes, table) in vectors.iter().zip(tables) {
                let (codes, table) = (load_bytes(codes), load_bytes(table));
                let nibble = vandq_u8(codes, vdupq_n_u8(15));
                low = vaddq_u8(low, vqtbl1q_u8(table, nibble));
                high = vaddq_u8(high, vqtbl1q_u8(table, vshrq_n_u8::<4>(codes)));
            }
            eights = [
                vaddw_u8(eights[0], vget_low_u8(low)),
                vaddw_high_u8(eights[1], low),
                vaddw_u8(eights[2], vget_low_u8(high)),
                vaddw_high_u8(eights[3], high),
            ];
        }
        for (sums, eight) in sums.as_chunks_mut::<2>().0.iter_mut().zip(eights) {
            *sums = [
                vaddw_u16(sums[0], vget_low_u16(eight)),
                vaddw_high_u16(sums[1], eight),
            ];
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "neon")]
fn from_halves(halves: &[u8; 8]) -> V {
    // SAFETY: the array has the 8 bytes that are read.
    let halves = unsafe { vld1_u8(halves.as_ptr()) };
    let floats: V;
    // The intrinsic needs the type f16, which is not stable.
    // SAFETY: every CPU of this kind has the instruction, which only computes.
    unsafe {
        asm!(
            "fcvtl {0:v}.4s, {1:v}.4h", out(vreg) floats, in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    floats
}

#[inline]
#[target_feature(enable = "neon")]
fn block_values(block: &[u8], groups: usize, lut: &[u8], a: f32, b: f32) -> [V; 8] {
    let sums = block_sums(block, groups, lut);
    let factors = block
        .last_chunk::<{ block_bytes(0) }>()
        .expect("a block ends in its factors");
    let factors = factors.as_chunks().0;
    std::array::from_fn(|i| {
        let t = fma(splat(a), vcvtq_f32_u32(sums[i]), splat(b));
        vfmsq_f32(from_halves(&factors[i]), from_halves(&factors[8 + i]), t)
    })
}

#[inline]
#[target_feature(enable = "neon")]
fn below(values: [V; 8], threshold: f32) -> u32 {
    let bit_of_lane = vcombine_u32(vcreate_u32(1 | 2 << 32), vcreate_u32(4 | 8 << 32));
    let mut mask = 0;
    for (i, v) in values.into_iter().enumerate() {
        let bits = vandq_u32(vcltq_f32(v, splat(threshold)), bit_of_lane);
        mask |= vaddvq_u32(bits) << (4 * i);
    }
    mask
}

#[inline]
#[target_feature(enable = "neon")]
fn store_values(values: &mut [f32; BLOCK_ROWS], found: [V; 8]) {
    for (values, v) in values.as_chunks_mut().0.iter_mut().zip(found) {
        store(values, v);
    }
}

super::scans! { "neon" }

type Bytes = uint8x16_t;
type Ints = int32x4_t;
const CODES: usize = 16;

super::inner_products_of_codes! { "neon" }

/// The first `len` bytes, or all of a vector, and whatever follows: the query
/// is zero there.
#[inline]
#[target_feature(enable = "neon")]
fn load_codes(codes: &[u8], _len: usize) -> Bytes {
    load_bytes(codes.first_chunk().expect("a row has bytes after it"))
}

#[inline]
#[target_feature(enable = "neon")]
fn expand_bits(bits: &[u8]) -> Bytes {
    let bytes = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));
    let bit_of_lane = vcreate_u8(0x8040_2010_0804_0201);
    let set = vtstq_u8(bytes, vcombine_u8(bit_of_lane, bit_of_lane));
    vandq_u8(set, vdupq_n_u8(1))
}

#[inline]
#[target_feature(enable = "neon")]
fn field<const SHIFT: i32, const MASK: u8>(codes: Bytes) -> Bytes {
    vandq_u8(vshlq_u8(codes, vdupq_n_s8(-SHIFT as i8)), vdupq_n_u8(MASK))
}

/// Codes below 16, so that two products fit into 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn multiply(sums: Ints, codes: Bytes, q: &[i8; CODES]) -> Ints {
    // SAFETY: the array has the 16 bytes that are read.
    let q = unsafe { vld1q_s8(q.as_ptr()) };
    let codes = vreinterpretq_s8_u8(codes);
    let products = vmull_s8(vget_low_s8(codes), vget_low_s8(q));
    vpadalq_s16(sums, vmlal_high_s8(products, codes, q))
}

#[inline]
#[target_feature(enable = "neon")]
fn multiply_bytes(sums: Ints, codes: Bytes, q: &[i8; CODES]) -> Ints {
    let high = multiply(no_ints(), field::<4, 15>(codes), q);
    vaddq_s32(
        multiply(sums, field::<0, 15>(codes), q),
        shift_left::<4>(high),
    )
}

#[inline]
#[target_feature(enable = "neon")]
fn no_ints() -> Ints {
    vdupq_n_s32(0)
}

#[inline]
#[target_feature(enable = "neon")]
fn shift_left<const N: i32>(a: Ints) -> Ints {
    vshlq_n_s32::<N>(a)
}

/// The sums over the lanes of each.
#[inline]
#[target_feature(enable = "neon")]
fn totals(sums: [Ints; 4]) -> [i32; 4] {
    sums.map(|sums| vaddvq_s32(sums))
}

super::byte_products! { "neon", 2 x 2, 1 x 4 }

/// Adds the products of four bytes of each of 4 columns.
#[inline]
#[target_feature(enable = "neon")]
fn dot_runs(sums: Ints, runs: &[u8; CODES], row: [i8; RUN]) -> Ints {
    let row = vreinterpretq_s8_u32(vdupq_n_u32(u32::from_le_bytes(row.map(|x| x as u8))));
    let runs = vreinterpretq_s8_u8(load_bytes(runs));
    // A column's bytes are at most 127: two products fit into 16 bits.
    let low = vmull_s8(vget_low_s8(runs), vget_low_s8(row));
    let high = vmull_high_s8(runs, row);
    vpadalq_s16(sums, vpaddq_s16(low, high))
}

#[inline]
#[target_feature(enable = "neon")]
fn store_ints(out: &mut [i32; 4], v: Ints) {
    // SAFETY: the array has the 16 bytes that are written.
    unsafe { vst1q_s32(out.as_mut_ptr(), v) }
}
