use std::fs::File;
use std::io;

use sha3::Shake256;
use sha3::digest::{ExtendableOutput, Update, XofReader};
use twox_hash::XxHash3_128;

use crate::files::each_chunk;
use crate::generation::Generation;

/// Digits of a 256-bit value in hexadecimal.
pub(crate) const DIGEST_DIGITS: usize = 64;
/// The seeds of the two halves of a 256-bit hash; any two would do, and 0 is the fastest.
const SEEDS: [u64; 2] = [0, 0x9e37_79b9_7f4a_7c15];

/// The witness of a sidecar: 256 bits of SHAKE-256, as upstream computes them, over
///
/// `rulake-bundle-witness-v1|`, length of `data_ref` u64, `data_ref`, `|`, `dim` u64,
/// `rotation_seed` u64, `rerank_factor` u64, `|`, length of the generation's bytes u64, these bytes;
/// numbers little-endian.
pub(crate) fn witness(
    data_ref: &str,
    dim: usize,
    rotation_seed: u64,
    rerank_factor: usize,
    generation: &Generation,
) -> String {
    let number = |n: usize| (n as u64).to_le_bytes();
    let generation = generation.witness_bytes();
    let mut shake = Shake256::default();
    shake.update(b"rulake-bundle-witness-v1|");
    shake.update(&number(data_ref.len()));
    shake.update(data_ref.as_bytes());
    shake.update(b"|");
    shake.update(&number(dim));
    shake.update(&rotation_seed.to_le_bytes());
    shake.update(&number(rerank_factor));
    shake.update(b"|");
    shake.update(&number(generation.len()));
    shake.update(&generation);
    digest(shake)
}

/// As [`file_hash`], without the file in memory.
pub(crate) fn hash_of_file(file: &File) -> io::Result<String> {
    let mut shake = Shake256::default();
    each_chunk(file, |chunk| shake.update(chunk))?;
    Ok(digest(shake))
}

/// 256 bits of SHAKE-256 over a file's bytes, in hexadecimal.
pub(crate) fn file_hash(bytes: &[u8]) -> String {
    let mut shake = Shake256::default();
    shake.update(bytes);
    digest(shake)
}

fn digest(shake: Shake256) -> String {
    let mut digest = [0; DIGEST_DIGITS / 2];
    shake.finalize_xof().read(&mut digest);
    hex(&digest)
}

/// Whether a text is the one hexadecimal form of a value of so many digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A hash of all rows of a collection, whatever their order, that follows changes row by row.
///
/// Each row gives 256 bits: two XXH3-128, of different seeds, over its id and its components as
/// little-endian bytes. A collection's hash is the sum of them modulo 2^256, hashed with the number
/// of rows and of dimensions. Equal hashes mean equal rows but for an accident of 2^-256; it is
/// every bit that counts, so that 0.0 and -0.0 differ. It finds corruption and tells data sets
/// apart, and is no defence against somebody who makes rows to fit.
#[derive(Debug, Clone, Default)]
pub struct ContentHash {
    /// Least significant word first.
    sum: [u64; 4],
    rows: u64,
    message: Vec<u8>,
}

impl ContentHash {
    /// Counts a row in.
    pub fn add(&mut self, id: i64, row: &[f32]) {
        let words = self.words_of(id, row);
        let mut carry = false;
        for (sum, word) in self.sum.iter_mut().zip(words) {
            let (partial, first) = sum.overflowing_add(word);
            let (total, second) = partial.overflowing_add(carry as u64);
            (*sum, carry) = (total, first | second);
        }
        self.rows = self.rows.wrapping_add(1);
    }

    /// Takes out a row that was counted in, bit for bit.
    pub fn remove(&mut self, id: i64, row: &[f32]) {
        let words = self.words_of(id, row);
        let mut borrow = false;
        for (sum, word) in self.sum.iter_mut().zip(words) {
            let (partial, first) = sum.overflowing_sub(word);
            let (total, second) = partial.overflowing_sub(borrow as u64);
            (*sum, borrow) = (total, first | second);
        }
        self.rows = self.rows.wrapping_sub(1);
    }

    /// The hash of the rows of `dim` components that are counted in: 64 lower-case hexadecimal
    /// digits.
    pub fn finish(&self, dim: usize) -> String {
        let [a, b, c, d] = self.sum;
        let words = [a, b, c, d, self.rows, dim as u64].map(u64::to_le_bytes);
        let halves = hash(words.as_flattened()).map(u128::to_le_bytes);
        hex(halves.as_flattened())
    }

    fn words_of(&mut self, id: i64, row: &[f32]) -> [u64; 4] {
        // One message, since a hash in parts costs more than the copy.
        self.message.clear();
        self.message.extend_from_slice(&id.to_le_bytes());
        self.message.extend_from_slice(bytemuck::cast_slice(row));
        let [low, high] = hash(&self.message);
        [
            low as u64,
            (low >> 64) as u64,
            high as u64,
            (high >> 64) as u64,
        ]
    }
}

fn hash(message: &[u8]) -> [u128; 2] {
    SEEDS.map(|seed| XxHash3_128::oneshot_with_seed(seed, message))
}

#[cfg(test)]
mod tests {
    use super::ContentHash;

    const LARGEST: [u64; 4] = [u64::MAX; 4];

    /// The sum as two halves, an oracle of the carries.
    fn wide(words: [u64; 4]) -> (u128, u128) {
        let half = |low: u64, high: u64| (high as u128) << 64 | low as u128;
        (half(words[0], words[1]), half(words[2], words[3]))
    }

    #[test]
    fn carries_run_through_all_words() {
        for start in [[0; 4], LARGEST, [u64::MAX, u64::MAX, 0, 7], [0, 1, 0, 0]] {
            let mut hash = ContentHash {
                sum: start,
                ..ContentHash::default()
            };
            let words = hash.words_of(1, &[2.0, 3.0]);
            let (low, high) = wide(start);
            let (a, b) = wide(words);
            let (sum, carry) = low.overflowing_add(a);
            hash.add(1, &[2.0, 3.0]);
            let expected = (sum, high.wrapping_add(b).wrapping_add(carry as u128));
            assert_eq!(wide(hash.sum), expected);
            hash.remove(1, &[2.0, 3.0]);
            assert_eq!((hash.sum, hash.rows), (start, 0));
        }
    }
}
