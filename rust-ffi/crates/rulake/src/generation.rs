use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Visitor};

/// A backend's token for one state of a collection: a version, a snapshot's number, a hash.
///
/// Two states with equal generations hold the same rows; generations have no order. In JSON it is
/// a number or a string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Generation {
    /// A number; all 64 bits count.
    Num(u64),
    /// A text of at most [`Generation::MAX_TEXT_BYTES`].
    Text(String),
}

impl Generation {
    /// The longest text, in UTF-8 bytes.
    pub const MAX_TEXT_BYTES: usize = 4096;

    /// What a witness covers of it: a tag, so that no number is any text, then the number as
    /// little-endian bytes or the text.
    pub fn witness_bytes(&self) -> Vec<u8> {
        match self {
            Generation::Num(number) => [&[0], &number.to_le_bytes()[..]].concat(),
            Generation::Text(text) => [&[1], text.as_bytes()].concat(),
        }
    }
}

impl From<u64> for Generation {
    fn from(number: u64) -> Self {
        Generation::Num(number)
    }
}

impl From<String> for Generation {
    fn from(text: String) -> Self {
        Generation::Text(text)
    }
}

impl From<&str> for Generation {
    fn from(text: &str) -> Self {
        Generation::Text(text.to_owned())
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Generation::Num(number) => number.fmt(f),
            Generation::Text(text) => text.fmt(f),
        }
    }
}

/// By hand, because the derived form cannot say what it expected.
impl<'de> Deserialize<'de> for Generation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Generation;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number of 0 to 2^64 - 1 or a string")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Generation, E> {
                Ok(Generation::Num(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Generation, E> {
                Ok(Generation::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}
