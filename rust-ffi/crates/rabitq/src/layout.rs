use half::f16;
use simd::Simd;

use crate::encode::{Factors, upper_half};

/// Rows of one block of 1-bit codes.
pub(crate) const BLOCK: usize = 32;
const LINE: usize = 64;

/// Where the bytes of a code lie.
///
/// | block of 32 rows | bytes |
/// |---|---|
/// | sign bits of group g (4 dimensions): byte j holds row j low, row j + 16 high | 16 for each of ceil(D / 4) groups |
/// | `add` of each row, half precision, rounded down, times `add_scale` | 64 |
/// | `mul` of each row, half precision, times `mul_scale` | 64 |
///
/// | record of one row, B > 1 | bytes |
/// |---|---|
/// | code, all B bits, in planes of 4, 2 and 1 bits (or bytes for B = 8) | `plane_bytes` |
/// | `add`, `mul`, single precision | 8 |
/// | `kappa`, the upper half of a single, rounded up | 2 |
///
/// A record repeats the sign bits: picking them out of a block costs more than a second reading.
/// Its stride is a multiple of 64 where that wastes at most a tenth, so that it is one cache line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) dim: usize,
    pub(crate) bits: u32,
    pub(crate) groups: usize,
    pub(crate) block_bytes: usize,
    pub(crate) plane_bytes: usize,
    /// Bytes from one record to the next; 0 where there are none (1 bit).
    pub(crate) record_bytes: usize,
}

impl Layout {
    pub(crate) fn new(dim: usize, bits: u32) -> Self {
        let groups = dim.div_ceil(4);
        let plane_bytes = if bits > 1 {
            simd::plane_bytes(bits, dim)
        } else {
            0
        };
        let packed = plane_bytes + 10;
        let padded = packed.next_multiple_of(LINE);
        let record_bytes = match bits {
            1 => 0,
            _ if padded * 10 <= packed * 11 => padded,
            _ => packed.next_multiple_of(2),
        };
        Layout {
            dim,
            bits,
            groups,
            block_bytes: groups * 16 + 128,
            plane_bytes,
            record_bytes,
        }
    }

    pub(crate) fn put_signs(&self, block: &mut [u8], lane: usize, signs: &[u8]) {
        let (byte, shift) = (lane % 16, lane / 16 * 4);
        let keep = 0xf0u8 >> shift;
        let mut place = byte;
        let mut put = |nibble: u8| {
            block[place] = block[place] & keep | nibble << shift;
            place += 16;
        };
        let mut fours = signs.chunks_exact(4);
        for s in &mut fours {
            put(s[0] | s[1] << 1 | s[2] << 2 | s[3] << 3);
        }
        let rest = fours.remainder();
        if !rest.is_empty() {
            put(rest.iter().enumerate().fold(0, |n, (i, s)| n | s << i));
        }
    }

    /// Copies the sign bits and half-precision bits of a row from one block to another.
    pub(crate) fn copy_lane(&self, from: &[u8], from_lane: usize, to: &mut [u8], to_lane: usize) {
        let (out, in_) = (from_lane / 16 * 4, to_lane / 16 * 4);
        let keep = 0xf0u8 >> in_;
        for g in 0..self.groups {
            let nibble = from[g * 16 + from_lane % 16] >> out & 0xf;
            let byte = &mut to[g * 16 + to_lane % 16];
            *byte = *byte & keep | nibble << in_;
        }
    }

    /// The sign bits of a row, plain: bit i % 8 of byte i / 8 is dimension i.
    pub(crate) fn signs(&self, block: &[u8], lane: usize, out: &mut [u8]) {
        out.fill(0);
        for g in 0..self.groups {
            let nibble = block[g * 16 + lane % 16] >> (lane / 16 * 4) & 0xf;
            out[g / 2] |= nibble << (g % 2 * 4);
        }
    }

    pub(crate) fn put_half(&self, block: &mut [u8], lane: usize, add: f16, mul: f16) {
        let at = self.groups * 16 + lane * 2;
        block[at..at + 2].copy_from_slice(&add.to_le_bytes());
        block[at + 64..at + 66].copy_from_slice(&mul.to_le_bytes());
    }

    pub(crate) fn half(&self, block: &[u8], lane: usize) -> (f32, f32) {
        let at = self.groups * 16 + lane * 2;
        let read = |i: usize| f16::from_le_bytes([block[i], block[i + 1]]).to_f32();
        (read(at), read(at + 64))
    }

    pub(crate) fn put_record(&self, simd: Simd, record: &mut [u8], codes: &[u8], factors: Factors) {
        if self.bits == 1 {
            return;
        }
        let (planes, rest) = record.split_at_mut(self.plane_bytes);
        simd.pack_row(self.bits, codes, planes);
        rest[..4].copy_from_slice(&factors.add.to_le_bytes());
        rest[4..8].copy_from_slice(&factors.mul.to_le_bytes());
        rest[8..10].copy_from_slice(&upper_half(factors.kappa).to_le_bytes());
    }

    #[inline]
    pub(crate) fn factors(&self, record: &[u8]) -> Factors {
        let rest: &[u8; 10] = record[self.plane_bytes..]
            .first_chunk()
            .expect("a record ends in its factors");
        let word = |i: usize| f32::from_le_bytes([rest[i], rest[i + 1], rest[i + 2], rest[i + 3]]);
        Factors {
            add: word(0),
            mul: word(4),
            kappa: f32::from_le_bytes([0, 0, rest[8], rest[9]]),
        }
    }

    /// Bytes of a row's code as the user sees it: all B bits, packed.
    pub(crate) fn code_bytes(&self) -> usize {
        if self.bits > 1 {
            self.plane_bytes
        } else {
            self.dim.div_ceil(8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_come_back_from_every_lane() {
        for dim in [1, 2, 3, 4, 5, 7, 8, 9, 100, 129] {
            let layout = Layout::new(dim, 1);
            let mut block = vec![0xffu8; layout.block_bytes];
            let mut other = vec![0xffu8; layout.block_bytes];
            for lane in 0..BLOCK {
                let signs: Vec<u8> = (0..dim)
                    .map(|d| ((d * 7 + lane * 3) % 5 < 2) as u8)
                    .collect();
                layout.put_signs(&mut block, lane, &signs);
                layout.copy_lane(&block, lane, &mut other, BLOCK - 1 - lane);
                let mut plain = vec![0u8; dim.div_ceil(8)];
                layout.signs(&other, BLOCK - 1 - lane, &mut plain);
                let back: Vec<u8> = (0..dim).map(|d| plain[d / 8] >> (d % 8) & 1).collect();
                assert_eq!(back, signs);
            }
        }
    }

    #[test]
    fn a_record_is_a_cache_line_where_that_is_cheap() {
        assert_eq!(Layout::new(100, 4).record_bytes, 64);
        assert_eq!(Layout::new(100, 7).record_bytes, 98);
        assert_eq!(Layout::new(100, 1).record_bytes, 0);
    }
}
