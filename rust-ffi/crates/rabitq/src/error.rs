use std::path::PathBuf;

/// What can go wrong; each variant carries what was expected and what came.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A parameter outside its allowed range.
    #[error("{name} is {value}, allowed: {allowed}")]
    Argument {
        /// The parameter.
        name: &'static str,
        /// What came.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// Vectors of another dimension than the index holds.
    #[error("expected vectors of {expected} dimensions, got {actual}")]
    DimensionMismatch {
        /// Dimensions of the index.
        expected: usize,
        /// Dimensions that came.
        actual: usize,
    },
    /// A vector that no index can hold.
    #[error("row {row}: {reason}")]
    InvalidVector {
        /// Row of the input, from 0.
        row: u64,
        /// The component or norm, and its limit.
        reason: String,
    },
    /// An id given twice, or one that the index has already.
    #[error("row {row}: id {id} is already there")]
    DuplicateId {
        /// The id.
        id: i64,
        /// Row of the input that repeats it, from 0.
        row: u64,
    },
    /// A search in an index without rows.
    #[error("the index is empty")]
    Empty,
    /// An operation that this kind of index cannot do.
    #[error("{what}")]
    Unsupported {
        /// The operation, and what could do it.
        what: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {section}: {reason}", path.display())]
    Persist {
        /// The file.
        path: PathBuf,
        /// The part of the file.
        section: String,
        /// What was expected and what came.
        reason: String,
    },
    /// The caller's flag was set.
    #[error("cancelled")]
    Cancelled,
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The system refused memory.
    #[error("cannot allocate {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
}

impl Error {
    pub(crate) fn argument(
        name: &'static str,
        value: impl ToString,
        allowed: impl ToString,
    ) -> Self {
        Error::Argument {
            name,
            value: value.to_string(),
            allowed: allowed.to_string(),
        }
    }

    pub(crate) fn persist(
        path: &std::path::Path,
        section: impl Into<String>,
        reason: impl ToString,
    ) -> Self {
        Error::Persist {
            path: path.to_owned(),
            section: section.into(),
            reason: reason.to_string(),
        }
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
