use std::path::{Path, PathBuf};

use crate::generation::Generation;

/// What can go wrong; each variant carries what was expected and what came.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A backend that the lake does not have.
    #[error("unknown backend {backend:?}")]
    UnknownBackend {
        /// The id asked for.
        backend: String,
    },
    /// A collection that its backend does not have.
    #[error("backend {backend:?} has no collection {collection:?}")]
    UnknownCollection {
        /// The backend.
        backend: String,
        /// The name asked for.
        collection: String,
    },
    /// A second backend under the id of another.
    #[error("backend {backend:?} is already registered")]
    DuplicateBackend {
        /// The id of both.
        backend: String,
    },
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
    /// A sidecar that cannot be read, written or believed.
    #[error("{}: {reason}", path.display())]
    Bundle {
        /// The sidecar; its bare name where the text came without a file.
        path: PathBuf,
        /// What was expected and what came.
        reason: String,
    },
    /// A sidecar whose witness is not that of its own fields.
    #[error("{}: rvf_witness is {actual}, its fields give {expected}", path.display())]
    WitnessMismatch {
        /// The sidecar.
        path: PathBuf,
        /// The witness of its fields.
        expected: String,
        /// The witness that it states.
        actual: String,
    },
    /// A file of vectors that cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was expected and what came.
        reason: String,
    },
    /// A backend that failed.
    #[error("backend {backend:?}, collection {collection:?}: {reason}")]
    Backend {
        /// The backend.
        backend: String,
        /// The collection asked for.
        collection: String,
        /// What the backend said.
        reason: String,
        /// Whether another try may succeed.
        transient: bool,
    },
    /// An index that could not be built, searched or saved.
    #[error(transparent)]
    Core(rabitq::Error),
    /// The caller's flag was set.
    #[error("cancelled")]
    Cancelled,
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// A frozen collection that was dropped from the cache, and now has another generation.
    #[error(
        "backend {backend:?}, collection {collection:?} is frozen at generation {expected}, but has \
         {actual} by now"
    )]
    Pinned {
        /// The backend.
        backend: String,
        /// The collection.
        collection: String,
        /// The generation that was served.
        expected: Generation,
        /// The generation that the backend has.
        actual: Generation,
    },
    /// A collection of which nothing is cached.
    #[error("nothing is cached of backend {backend:?}, collection {collection:?}")]
    NotCached {
        /// The backend.
        backend: String,
        /// The collection.
        collection: String,
    },
    /// A collection that the cache has no room for.
    #[error("{needed} bytes are needed, allowed: {allowed}")]
    Budget {
        /// Bytes at the peak.
        needed: u64,
        /// The cache's limit in bytes.
        allowed: u64,
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

    pub(crate) fn bundle(path: &Path, reason: impl ToString) -> Self {
        Error::Bundle {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Error::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl From<rabitq::Error> for Error {
    fn from(error: rabitq::Error) -> Self {
        match error {
            rabitq::Error::Cancelled => Error::Cancelled,
            rabitq::Error::Deadline => Error::Deadline,
            error => Error::Core(error),
        }
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
