//! Statuses, and the error text that goes into the caller's own buffer.

use std::ffi::c_char;
use std::fmt::Display;

use rabitq::Error;

/// What a call came to. The numbers are fixed for ever; a retired one stays listed as reserved.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ruv_status {
    /// Done.
    Ok = 0,
    /// An argument is out of range; the text names it, its value and what is allowed.
    Argument = 1,
    /// a: the index's dimension, b: the dimension that came.
    DimensionMismatch = 2,
    /// A vector that cannot be indexed or searched for (not finite, too large, zero under cosine).
    /// a: its row, 0 for a single query; b: -1.
    InvalidVector = 3,
    /// a: the id, b: the row that brought it again.
    DuplicateId = 4,
    /// A search on an index without rows.
    EmptyIndex = 5,
    /// a: the id.
    NotFound = 6,
    /// The index cannot do that by its kind or metric.
    Unsupported = 7,
    /// A file that cannot be read, written or believed; the text names path and section.
    Persist = 8,
    /// The cancel flag was set.
    Cancelled = 9,
    /// The deadline passed.
    Deadline = 10,
    /// A fault of this library, stopped at the boundary. After a change the index is poisoned.
    Panic = 11,
    /// The handle met a panic inside a change; only its free function may still be called.
    Poisoned = 12,
    /// A pointer that must not be NULL is; the text names it.
    NullPointer = 13,
    /// a: the bytes asked for.
    OutOfMemory = 14,
    /// A backend that the lake does not have, or no longer.
    UnknownBackend = 15,
    /// A collection that its backend does not have.
    UnknownCollection = 16,
    /// A backend under the id of another.
    DuplicateBackend = 17,
    /// A backend that failed. a: 1 if another try may succeed.
    Backend = 18,
    /// A sidecar that cannot be read, written or believed.
    Bundle = 19,
    /// A collection that the lake's cache has no room for. a: bytes needed, b: bytes allowed.
    Budget = 20,
    /// A frozen collection that was dropped and now has another generation.
    Pinned = 21,
    /// Nothing is cached of the collection.
    NotCached = 22,
    /// The caller is to bring the generation of an external backend.
    NeedsGeneration = 23,
    /// The caller is to pull a collection of an external backend.
    NeedsPrime = 24,
}

/// Bytes of `ruv_error.message`, the closing NUL included.
pub const RUV_MESSAGE_BYTES: usize = 496;

/// The caller's error buffer, written by every call that is given one: status 0 and an empty text
/// on success.
#[repr(C)]
pub struct ruv_error {
    /// The status that the call returned.
    pub status: i32,
    /// Always 0.
    pub reserved: i32,
    /// First number that belongs to the status, else 0.
    pub a: i64,
    /// Second number that belongs to the status, else 0.
    pub b: i64,
    /// UTF-8, NUL-terminated, cut at a character boundary.
    pub message: [c_char; RUV_MESSAGE_BYTES],
}

/// A status with its numbers and text, on its way to the caller's buffer.
pub(crate) struct Failure {
    status: ruv_status,
    a: i64,
    b: i64,
    text: String,
}

impl Failure {
    fn new(status: ruv_status, text: String) -> Failure {
        Failure {
            status,
            a: 0,
            b: 0,
            text,
        }
    }

    fn with(self, a: i64, b: i64) -> Failure {
        Failure { a, b, ..self }
    }

    pub(crate) fn argument(name: &str, value: impl Display, allowed: impl Display) -> Failure {
        Failure::new(
            ruv_status::Argument,
            format!("{name} is {value}, allowed: {allowed}"),
        )
    }

    pub(crate) fn null(name: &str) -> Failure {
        Failure::new(ruv_status::NullPointer, format!("{name} is NULL"))
    }

    pub(crate) fn not_found(id: i64) -> Failure {
        Failure::new(ruv_status::NotFound, format!("no row has the id {id}")).with(id, 0)
    }

    pub(crate) fn not_cached(backend: &str, collection: &str) -> Failure {
        Failure::from(rulake::Error::NotCached {
            backend: backend.into(),
            collection: collection.into(),
        })
    }

    pub(crate) fn needs_generation() -> Failure {
        Failure::new(ruv_status::NeedsGeneration, "bring the generation".into())
    }

    pub(crate) fn needs_prime() -> Failure {
        Failure::new(ruv_status::NeedsPrime, "pull the collection".into())
    }

    pub(crate) fn out_of_memory(bytes: usize) -> Failure {
        Failure::from(Error::OutOfMemory {
            bytes: bytes as u64,
        })
    }

    /// The failure of a search for one query, which is no row of the caller's.
    pub(crate) fn of_query(error: Error) -> Failure {
        let text = match &error {
            Error::InvalidVector { reason, .. } => Some(format!("query: {reason}")),
            _ => None,
        };
        let failure = Failure::from(error);
        Failure {
            text: text.unwrap_or(failure.text),
            ..failure
        }
    }

    pub(crate) fn poisoned() -> Failure {
        Failure::new(
            ruv_status::Poisoned,
            "an earlier call panicked inside a change: free this handle".into(),
        )
    }

    pub(crate) fn panicked(text: String) -> Failure {
        Failure::new(ruv_status::Panic, text)
    }
}

impl From<rulake::Error> for Failure {
    fn from(error: rulake::Error) -> Failure {
        use rulake::Error as E;
        let (status, a, b) = match &error {
            E::Core(core) => return core.clone().into(),
            E::UnknownBackend { .. } => (ruv_status::UnknownBackend, 0, 0),
            E::UnknownCollection { .. } => (ruv_status::UnknownCollection, 0, 0),
            E::DuplicateBackend { .. } => (ruv_status::DuplicateBackend, 0, 0),
            E::Argument { .. } => (ruv_status::Argument, 0, 0),
            E::Bundle { .. } | E::WitnessMismatch { .. } => (ruv_status::Bundle, 0, 0),
            E::File { .. } => (ruv_status::Persist, 0, 0),
            E::Backend { transient, .. } => (ruv_status::Backend, i64::from(*transient), 0),
            E::Budget { needed, allowed } => (ruv_status::Budget, *needed as i64, *allowed as i64),
            E::Pinned { .. } => (ruv_status::Pinned, 0, 0),
            E::NotCached { .. } => (ruv_status::NotCached, 0, 0),
            E::Cancelled => (ruv_status::Cancelled, 0, 0),
            E::Deadline => (ruv_status::Deadline, 0, 0),
        };
        Failure::new(status, error.to_string()).with(a, b)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (status, a, b) = match &error {
            Error::Argument { .. } => (ruv_status::Argument, 0, 0),
            Error::DimensionMismatch { expected, actual } => (
                ruv_status::DimensionMismatch,
                *expected as i64,
                *actual as i64,
            ),
            Error::InvalidVector { row, .. } => (ruv_status::InvalidVector, *row as i64, -1),
            Error::DuplicateId { id, row } => (ruv_status::DuplicateId, *id, *row as i64),
            Error::Empty => (ruv_status::EmptyIndex, 0, 0),
            Error::Unsupported { .. } => (ruv_status::Unsupported, 0, 0),
            Error::Persist { .. } => (ruv_status::Persist, 0, 0),
            Error::Cancelled => (ruv_status::Cancelled, 0, 0),
            Error::Deadline => (ruv_status::Deadline, 0, 0),
            Error::OutOfMemory { bytes } => (ruv_status::OutOfMemory, *bytes as i64, 0),
        };
        Failure::new(status, error.to_string()).with(a, b)
    }
}

/// Writes what a call came to into the caller's buffer and returns its status.
///
/// # Safety
/// `err` is NULL or valid for writes of a `ruv_error`.
pub(crate) unsafe fn report(err: *mut ruv_error, outcome: Result<(), Failure>) -> i32 {
    let (status, a, b, text) = match &outcome {
        Ok(()) => (ruv_status::Ok as i32, 0, 0, ""),
        Err(f) => (f.status as i32, f.a, f.b, f.text.as_str()),
    };
    if !err.is_null() && err.is_aligned() {
        // SAFETY: not NULL, so the caller vouches for it. Raw writes, because the buffer may be
        // uninitialised; the text is at most RUV_MESSAGE_BYTES - 1 bytes, which leaves room for the
        // NUL.
        unsafe {
            (&raw mut (*err).status).write(status);
            (&raw mut (*err).reserved).write(0);
            (&raw mut (*err).a).write(a);
            (&raw mut (*err).b).write(b);
            write_text((&raw mut (*err).message).cast(), RUV_MESSAGE_BYTES, text);
        }
    }
    status
}

/// Copies as many whole characters of `text` as fit before a NUL; does nothing where not even that
/// fits.
///
/// # Safety
/// `to` is NULL or valid for writes of `capacity` bytes.
pub(crate) unsafe fn write_text(to: *mut c_char, capacity: usize, text: &str) {
    if to.is_null() || capacity == 0 {
        return;
    }
    let fits = text.len().min(capacity - 1);
    let length = (0..=fits)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    // SAFETY: `length` < `capacity`, and the memory is the caller's, so it does not overlap `text`.
    unsafe {
        to.cast::<u8>()
            .copy_from_nonoverlapping(text.as_ptr(), length);
        to.add(length).write(0);
    }
}
