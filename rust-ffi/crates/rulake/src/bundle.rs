use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rabitq::{MAX_DIM, replace_file};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::open_regular;
use crate::generation::Generation;
use crate::witness::{DIGEST_DIGITS, is_hex, witness};

/// Digits of an Ed25519 signature in hexadecimal.
const SIGNATURE_DIGITS: usize = 128;

/// The sidecar `table.rulake.json`: where a table's vectors are, in which state, and how caches of
/// them are built.
///
/// The witness covers `data_ref`, `dim`, `rotation_seed`, `rerank_factor` and `generation`, byte for
/// byte as upstream computes it; the other fields are carried along. It finds damage, not an
/// attacker, who can compute it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuLakeBundle {
    /// [`RuLakeBundle::FORMAT_VERSION`].
    pub format_version: u32,
    /// The URI of the data.
    pub data_ref: String,
    /// Components of a vector, 1 to [`MAX_DIM`].
    pub dim: usize,
    /// The seed of the rotation that caches use.
    pub rotation_seed: u64,
    /// Candidates compared exactly, over k; at least 1.
    pub rerank_factor: usize,
    /// The state of the data.
    pub generation: Generation,
    /// The witness: 64 lower-case hexadecimal digits.
    pub rvf_witness: String,
    /// A reference to a policy, carried along.
    pub pii_policy: Option<String>,
    /// The job that made the table, carried along.
    pub lineage_id: Option<String>,
    /// A label of the caller's, carried along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_class: Option<String>,
    /// The [`ContentHash`](crate::ContentHash) of the rows. Ours alone, as those that follow: upstream
    /// passes over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
    /// 256 bits of SHAKE-256 over the saved index beside the sidecar, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_hash: Option<String>,
    /// An Ed25519 signature of [`RuLakeBundle::to_json`] without it, in hexadecimal. It is carried
    /// along: who holds keys makes and verifies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl RuLakeBundle {
    /// The one format that is read and written; in the first one, other generations could share a
    /// witness.
    pub const FORMAT_VERSION: u32 = 2;
    /// The name of a sidecar in its folder.
    pub const SIDECAR_FILENAME: &'static str = "table.rulake.json";
    /// The largest sidecar, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// The longest text of one field, in UTF-8 bytes.
    pub const MAX_FIELD_BYTES: usize = 4 * 1024;
    /// Bytes of all texts of a bundle, at most.
    pub const MAX_TEXT_BYTES: usize =
        5 * Self::MAX_FIELD_BYTES + 3 * DIGEST_DIGITS + SIGNATURE_DIGITS;

    /// A bundle with its witness, without the optional fields.
    pub fn new(
        data_ref: impl Into<String>,
        dim: usize,
        rotation_seed: u64,
        rerank_factor: usize,
        generation: Generation,
    ) -> Self {
        let data_ref = data_ref.into();
        RuLakeBundle {
            format_version: Self::FORMAT_VERSION,
            rvf_witness: witness(&data_ref, dim, rotation_seed, rerank_factor, &generation),
            data_ref,
            dim,
            rotation_seed,
            rerank_factor,
            generation,
            pii_policy: None,
            lineage_id: None,
            memory_class: None,
            content_hash: None,
            index_hash: None,
            signature: None,
        }
    }

    /// Whether the witness is that of the fields.
    pub fn verify_witness(&self) -> bool {
        self.rvf_witness == self.witness_of_fields()
    }

    /// The witness that the fields give.
    pub fn witness_of_fields(&self) -> String {
        witness(
            &self.data_ref,
            self.dim,
            self.rotation_seed,
            self.rerank_factor,
            &self.generation,
        )
    }

    /// The text of a sidecar, the same for the same fields; without those that are ours alone,
    /// upstream's byte for byte.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and texts can be written")
    }

    /// Reads the text of a sidecar and checks every field by itself; its witness is not compared.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] on any other text.
    pub fn from_json(text: &str) -> Result<Self> {
        let name = Path::new(Self::SIDECAR_FILENAME);
        Self::parse(text).map_err(|reason| Error::bundle(name, reason))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        check_size(text.len() as u64)?;
        // Before the rest, which another version may name differently.
        let Version { format_version } = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if format_version != Self::FORMAT_VERSION {
            let expected = Self::FORMAT_VERSION;
            return Err(format!(
                "format_version is {format_version}, supported: {expected}"
            ));
        }
        let bundle: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        bundle.check_fields()?;
        Ok(bundle)
    }

    /// The text, where every field by itself and its length are such as a reader takes.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`].
    pub fn checked_json(&self) -> Result<String> {
        self.checked_json_for(Path::new(Self::SIDECAR_FILENAME))
    }

    fn checked_json_for(&self, path: &Path) -> Result<String> {
        let json = self.to_json();
        self.check_fields()
            .and_then(|()| check_size(json.len() as u64))
            .map_err(|reason| Error::bundle(path, reason))?;
        Ok(json)
    }

    fn check_fields(&self) -> std::result::Result<(), String> {
        if self.format_version != Self::FORMAT_VERSION {
            let (actual, expected) = (self.format_version, Self::FORMAT_VERSION);
            return Err(format!("format_version is {actual}, supported: {expected}"));
        }
        if !(1..=MAX_DIM).contains(&self.dim) {
            return Err(format!("dim is {}, allowed: 1 to {MAX_DIM}", self.dim));
        }
        if self.rerank_factor == 0 {
            return Err("rerank_factor is 0, allowed: at least 1".into());
        }
        let generation = match &self.generation {
            Generation::Num(_) => None,
            Generation::Text(text) => Some(text),
        };
        let texts = [
            ("data_ref", Some(&self.data_ref)),
            ("generation", generation),
            ("pii_policy", self.pii_policy.as_ref()),
            ("lineage_id", self.lineage_id.as_ref()),
            ("memory_class", self.memory_class.as_ref()),
        ];
        for (name, text) in texts {
            let length = text.map_or(0, String::len);
            if length > Self::MAX_FIELD_BYTES {
                let most = Self::MAX_FIELD_BYTES;
                return Err(format!(
                    "{name} is {length} bytes long, allowed: at most {most}"
                ));
            }
        }
        let digests = [
            ("rvf_witness", Some(&self.rvf_witness), DIGEST_DIGITS),
            ("content_hash", self.content_hash.as_ref(), DIGEST_DIGITS),
            ("index_hash", self.index_hash.as_ref(), DIGEST_DIGITS),
            ("signature", self.signature.as_ref(), SIGNATURE_DIGITS),
        ];
        for (name, digest, digits) in digests {
            if digest.is_some_and(|digest| !is_hex(digest, digits)) {
                return Err(format!(
                    "{name}: expected {digits} lower-case hexadecimal digits"
                ));
            }
        }
        Ok(())
    }

    fn check_witness(&self, path: &Path) -> Result<()> {
        let expected = self.witness_of_fields();
        if self.rvf_witness == expected {
            return Ok(());
        }
        Err(Error::WitnessMismatch {
            path: path.to_owned(),
            expected,
            actual: self.rvf_witness.clone(),
        })
    }

    /// Writes the sidecar of a folder, which is made where there is none: readers see the old one or
    /// the new one. Returns its path.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] on a failure of the system and on fields that [`from_json`] would refuse;
    /// [`Error::WitnessMismatch`].
    ///
    /// [`from_json`]: RuLakeBundle::from_json
    pub fn write_to_dir(&self, dir: impl AsRef<Path>) -> Result<PathBuf> {
        let dir = dir.as_ref();
        let path = dir.join(Self::SIDECAR_FILENAME);
        let json = self.checked_json_for(&path)?;
        self.check_witness(&path)?;
        fs::create_dir_all(dir)
            .and_then(|()| replace_file(&path, |file| file.write_all(json.as_bytes())))
            .map_err(|e| Error::bundle(&path, e))?;
        Ok(path)
    }

    /// Reads the sidecar of a folder.
    ///
    /// # Errors
    ///
    /// [`Error::Bundle`] where there is none, or one that [`from_json`] refuses;
    /// [`Error::WitnessMismatch`].
    ///
    /// [`from_json`]: RuLakeBundle::from_json
    pub fn read_from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let path = dir.as_ref().join(Self::SIDECAR_FILENAME);
        let bundle = read_text(&path)
            .and_then(|text| Self::parse(&text))
            .map_err(|reason| Error::bundle(&path, reason))?;
        bundle.check_witness(&path)?;
        Ok(bundle)
    }
}

fn check_size(bytes: u64) -> std::result::Result<(), String> {
    let most = RuLakeBundle::MAX_BYTES;
    match bytes <= most as u64 {
        true => Ok(()),
        false => Err(format!("{bytes} bytes, allowed: at most {most}")),
    }
}

fn read_text(path: &Path) -> std::result::Result<String, String> {
    let (file, meta) = open_regular(path).map_err(|e| e.to_string())?;
    check_size(meta.len())?;
    let mut text = String::new();
    // It may grow meanwhile.
    file.take(RuLakeBundle::MAX_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    Ok(text)
}
