//! Sidecars: their fields in the caller's memory, their text and their files.

use std::ffi::c_char;

use rulake::{Generation, RuLakeBundle};

use crate::abi::{self, text};
use crate::error::{Failure, ruv_error, write_text};
use crate::lake::{RUV_GENERATION_NUMBER, RUV_GENERATION_TEXT};
use crate::panic::guard;
use crate::pointer::{out as out_pointer, shared};

/// Texts of a `ruv_bundle`.
pub const RUV_BUNDLE_TEXTS: usize = 9;
/// Bytes of `ruv_bundle.text`.
pub const RUV_BUNDLE_TEXT_BYTES: usize = 20800;
/// Bytes of a sidecar, at most.
pub const RUV_BUNDLE_BYTES: usize = 65536;

const _: () = assert!(
    RUV_BUNDLE_TEXT_BYTES == RuLakeBundle::MAX_TEXT_BYTES
        && RUV_BUNDLE_BYTES == RuLakeBundle::MAX_BYTES
);

/// The fields of a sidecar.
#[repr(C)]
pub struct ruv_bundle {
    /// Components of a vector.
    pub dim: u32,
    /// RUV_GENERATION_NUMBER or RUV_GENERATION_TEXT.
    pub generation_kind: u32,
    /// The generation, where it is a number.
    pub generation_number: u64,
    /// The seed of the rotation that caches use.
    pub rotation_seed: u64,
    /// Candidates compared exactly, over k.
    pub rerank_factor: u64,
    /// Bytes of each text, negative where there is none: data_ref, the generation where it is a text,
    /// rvf_witness, pii_policy, lineage_id, memory_class, content_hash, index_hash, signature.
    pub lengths: [i32; RUV_BUNDLE_TEXTS],
    /// Always 0.
    pub reserved: u32,
    /// The texts, one after the other, UTF-8, without a NUL.
    pub text: [u8; RUV_BUNDLE_TEXT_BYTES],
}

impl ruv_bundle {
    /// # Safety
    /// `out` is valid for writes; of its text, what is used is written.
    pub(crate) unsafe fn write(out: *mut ruv_bundle, bundle: &RuLakeBundle) -> Result<(), Failure> {
        // So that all texts fit.
        bundle.checked_json()?;
        let (kind, number, generation) = match &bundle.generation {
            Generation::Num(number) => (RUV_GENERATION_NUMBER, *number, None),
            Generation::Text(text) => (RUV_GENERATION_TEXT, 0, Some(text)),
        };
        let texts = [
            Some(&bundle.data_ref),
            generation,
            Some(&bundle.rvf_witness),
            bundle.pii_policy.as_ref(),
            bundle.lineage_id.as_ref(),
            bundle.memory_class.as_ref(),
            bundle.content_hash.as_ref(),
            bundle.index_hash.as_ref(),
            bundle.signature.as_ref(),
        ];
        let lengths = texts.map(|text| text.map_or(-1, |text| text.len() as i32));
        let joined: String = texts.into_iter().flatten().map(String::as_str).collect();
        // SAFETY: the contract of this function; the text is the caller's memory, apart from ours.
        unsafe {
            (&raw mut (*out).dim).write(bundle.dim as u32);
            (&raw mut (*out).generation_kind).write(kind);
            (&raw mut (*out).generation_number).write(number);
            (&raw mut (*out).rotation_seed).write(bundle.rotation_seed);
            (&raw mut (*out).rerank_factor).write(bundle.rerank_factor as u64);
            (&raw mut (*out).lengths).write(lengths);
            (&raw mut (*out).reserved).write(0);
            (&raw mut (*out).text)
                .cast::<u8>()
                .copy_from_nonoverlapping(joined.as_ptr(), joined.len());
        }
        Ok(())
    }

    pub(crate) fn read(&self) -> Result<RuLakeBundle, Failure> {
        let mut rest = &self.text[..];
        let mut next = |i: usize| -> Result<Option<String>, Failure> {
            let Ok(length) = usize::try_from(self.lengths[i]) else {
                return Ok(None);
            };
            let (bytes, after) = rest.split_at_checked(length).ok_or_else(|| {
                let allowed = format!("{RUV_BUNDLE_TEXT_BYTES} bytes in all");
                Failure::argument("bundle.lengths", length, allowed)
            })?;
            rest = after;
            let text = std::str::from_utf8(bytes)
                .map_err(|error| Failure::argument("bundle.text", error, "UTF-8"))?;
            Ok(Some(text.to_owned()))
        };
        let (data_ref, generation) = (next(0)?.unwrap_or_default(), next(1)?);
        let generation = match (self.generation_kind, generation) {
            (RUV_GENERATION_NUMBER, _) => Generation::Num(self.generation_number),
            (RUV_GENERATION_TEXT, Some(text)) => Generation::Text(text),
            (kind, _) => {
                return Err(Failure::argument("bundle.generation_kind", kind, "1 or 2"));
            }
        };
        let factor = crate::pointer::size(self.rerank_factor, "bundle.rerank_factor")?;
        let seed = self.rotation_seed;
        let mut bundle = RuLakeBundle::new(data_ref, self.dim as usize, seed, factor, generation);
        bundle.rvf_witness = next(2)?.unwrap_or_default();
        bundle.pii_policy = next(3)?;
        bundle.lineage_id = next(4)?;
        bundle.memory_class = next(5)?;
        bundle.content_hash = next(6)?;
        bundle.index_hash = next(7)?;
        bundle.signature = next(8)?;
        Ok(bundle)
    }
}

/// Reads the caller's `text` of a sidecar into its `out`; the witness is not compared. BUNDLE.
///
/// # Safety
/// `json` has `json_len` readable bytes; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_bundle_parse(
    json: *const u8,
    json_len: usize,
    out: *mut ruv_bundle,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = out_pointer(out, "out")?;
            let bundle = RuLakeBundle::from_json(text(json, json_len, "json")?)?;
            ruv_bundle::write(out.as_ptr(), &bundle)
        })
    }
}

/// Reads the sidecar `table.rulake.json` of the folder `dir` into the caller's `out`. BUNDLE, also
/// where there is none or its witness is not that of its fields.
///
/// # Safety
/// `dir` has `dir_len` readable bytes; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_bundle_read(
    dir: *const u8,
    dir_len: usize,
    out: *mut ruv_bundle,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = out_pointer(out, "out")?;
            let bundle = RuLakeBundle::read_from_dir(abi::path(dir, dir_len)?)?;
            ruv_bundle::write(out.as_ptr(), &bundle)
        })
    }
}

/// Writes the caller's fields as the sidecar `table.rulake.json` of the folder `dir`, which is made
/// where there is none: whole or not at all. BUNDLE.
///
/// # Safety
/// `bundle` is NULL or readable; `dir` has `dir_len` readable bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_bundle_write(
    bundle: *const ruv_bundle,
    dir: *const u8,
    dir_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let bundle = shared(bundle, "bundle")?.read()?;
            bundle.write_to_dir(abi::path(dir, dir_len)?)?;
            Ok(())
        })
    }
}

/// Writes the text of a sidecar with the caller's fields, the same for the same fields, and a NUL into
/// `json` of `capacity` bytes; RUV_BUNDLE_BYTES + 1 are always enough. BUNDLE.
///
/// # Safety
/// `bundle` is NULL or readable; `json` is NULL or has `capacity` bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_bundle_json(
    bundle: *const ruv_bundle,
    json: *mut c_char,
    capacity: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let bundle = shared(bundle, "bundle")?.read()?;
            let text = bundle.checked_json()?;
            if text.len() >= capacity {
                let allowed = format!("more than {}", text.len());
                return Err(Failure::argument("capacity", capacity, allowed));
            }
            write_text(json, capacity, &text);
            Ok(())
        })
    }
}

/// Writes the witness that the caller's fields give, 64 hex digits and a NUL, into its `witness` of at
/// least 65 bytes; the witness among the fields is ignored.
///
/// # Safety
/// `bundle` is NULL or readable; `witness` is NULL or has `capacity` bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_bundle_witness(
    bundle: *const ruv_bundle,
    witness: *mut c_char,
    capacity: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let bundle = shared(bundle, "bundle")?.read()?;
            write_text(witness, capacity, &bundle.witness_of_fields());
            Ok(())
        })
    }
}
