//! `.rbpx`, the file of the crate ruvector-rabitq 2.x: what an index is rebuilt from, no codes.
//!
//! | offset | bytes           | field         | type     | allowed                           |
//! |-------:|----------------:|---------------|----------|-----------------------------------|
//! |      0 |               8 | magic         | bytes    | `rbpx0001`                        |
//! |      8 |               4 | version       | u32      | 1                                 |
//! |     12 |               4 | dim           | u32      | 1 to 8,192                        |
//! |     16 |               8 | seed          | u64      | any                               |
//! |     24 |               4 | rerank_factor | u32      | 0 to 1,024, 0 meaning 1           |
//! |     28 |               4 | rows          | u32      | 0 to 100,000,000                  |
//! |     32 | rows x (4+4dim) | rows          | u32, f32 | each an id, then `dim` components |
//!
//! Everything is little-endian and unaligned; there are no flags and no checksum. Scores are
//! squared L2: the format names no other metric. The seed is that of upstream's dense rotation
//! and of no use to another one, but it is kept so that upstream finds the index it saved.
//!
//! Upstream's loader also takes version 0, which nothing ever wrote, and components that are not
//! finite; both are refused here. Bytes after the last row and repeated ids pass, as they do there.

use std::io::{BufWriter, Write};

use crate::options::Metric;

/// First bytes of every file.
pub const MAGIC: [u8; 8] = *b"rbpx0001";
/// The only version there is.
pub const VERSION: u32 = 1;
/// Largest dimension that upstream loads.
pub const MAX_DIM: u32 = 8192;
/// Most rows that upstream loads.
pub const MAX_ROWS: u32 = 100_000_000;
/// Largest rerank factor that upstream loads.
pub const MAX_RERANK_FACTOR: u32 = 1024;

const HEADER_LEN: u64 = 32;

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Rbpx {
    /// The distance; a file holds [`Metric::L2`] only.
    pub metric: Metric,
    /// Components of each row.
    pub dim: usize,
    /// Seed of upstream's rotation.
    pub seed: u64,
    /// Upstream compares `rerank_factor * k` rows exactly.
    pub rerank_factor: u32,
    /// One id a row, 0 to 2^32 - 1.
    pub ids: Vec<i64>,
    /// The rows one after the other, `ids.len() * dim` components.
    pub vectors: Vec<f32>,
}

/// Why a file cannot be read, or an index not be written.
#[derive(Debug, thiserror::Error)]
pub enum RbpxError {
    /// Fewer bytes than the header promises, or than a header has.
    #[error("expected {expected} bytes, got {actual}")]
    Truncated {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// Some other kind of file.
    #[error("expected the magic \"{}\", got \"{}\"", MAGIC.escape_ascii(), actual.escape_ascii())]
    Magic {
        /// The first eight bytes.
        actual: [u8; 8],
    },
    /// A version that this code does not know.
    #[error("expected version {VERSION}, got {actual}")]
    Version {
        /// The version that came.
        actual: u32,
    },
    /// A field that the format has no room for.
    #[error("{field} is {value}, allowed: {min} to {max}")]
    OutOfRange {
        /// The field of the header.
        field: &'static str,
        /// What came.
        value: u64,
        /// Smallest value allowed.
        min: u32,
        /// Largest value allowed.
        max: u32,
    },
    /// An id that does not fit the format's 32 bits.
    #[error(
        "row {row}: id {id} is not in 0 to {}, all that .rbpx can hold",
        u32::MAX
    )]
    Id {
        /// The row, from 0.
        row: u64,
        /// The id.
        id: i64,
    },
    /// A component that is NaN or infinite.
    #[error("row {row}: component {component} is {value}, not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: u64,
        /// The component, from 0.
        component: usize,
        /// Its value.
        value: f32,
    },
    /// A metric that the format cannot hold.
    #[error("the metric is {metric:?}, and .rbpx can hold {:?} only", Metric::L2)]
    Metric {
        /// The metric of the index.
        metric: Metric,
    },
    /// Components that do not make up the rows.
    #[error("{ids} rows of {dim} components do not make {components} components")]
    Shape {
        /// Rows.
        ids: usize,
        /// Components of each row.
        dim: usize,
        /// Components that came.
        components: usize,
    },
    /// The system refused memory.
    #[error("cannot allocate {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// The output refused bytes.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads a whole file. No memory is asked for before `bytes` is seen to hold every row, so that a
/// hostile file costs at most half as much again as its own length.
pub fn read(bytes: &[u8]) -> Result<Rbpx, RbpxError> {
    let actual = bytes.len() as u64;
    let Some((header, body)) = split_header(bytes) else {
        return Err(RbpxError::Truncated {
            expected: HEADER_LEN,
            actual,
        });
    };
    if header.magic != MAGIC {
        return Err(RbpxError::Magic {
            actual: header.magic,
        });
    }
    if header.version != VERSION {
        return Err(RbpxError::Version {
            actual: header.version,
        });
    }
    check_range("dim", header.dim.into(), 1, MAX_DIM)?;
    check_range(
        "rerank_factor",
        header.rerank_factor.into(),
        0,
        MAX_RERANK_FACTOR,
    )?;
    check_range("rows", header.rows.into(), 0, MAX_ROWS)?;
    // The limits just checked keep this under 2^42.
    let expected = HEADER_LEN + u64::from(header.rows) * (4 + 4 * u64::from(header.dim));
    if actual < expected {
        return Err(RbpxError::Truncated { expected, actual });
    }

    // `bytes` is longer than either product, so that both fit.
    let (rows, dim) = (header.rows as usize, header.dim as usize);
    let mut ids = allocate(rows)?;
    let mut vectors = allocate(rows * dim)?;
    let (words, _) = body.as_chunks::<4>();
    let entries = words
        .chunks_exact(1 + dim)
        .take(rows)
        .filter_map(<[_]>::split_first);
    for (row, (id, components)) in (0..).zip(entries) {
        let components = components.iter().map(|word| f32::from_le_bytes(*word));
        check_finite(row, components.clone())?;
        ids.push(i64::from(u32::from_le_bytes(*id)));
        vectors.extend(components);
    }
    let rerank_factor = header.rerank_factor.max(1);
    Ok(Rbpx {
        metric: Metric::L2,
        dim,
        seed: header.seed,
        rerank_factor,
        ids,
        vectors,
    })
}

/// Writes a whole file. Everything is checked before the first byte goes out.
pub fn write(rbpx: &Rbpx, out: &mut impl Write) -> Result<(), RbpxError> {
    let Rbpx {
        metric,
        dim,
        seed,
        rerank_factor,
        ids,
        vectors,
    } = rbpx;
    if *metric != Metric::L2 {
        return Err(RbpxError::Metric { metric: *metric });
    }
    let header_dim = check_range("dim", *dim as u64, 1, MAX_DIM)?;
    check_range(
        "rerank_factor",
        (*rerank_factor).into(),
        1,
        MAX_RERANK_FACTOR,
    )?;
    let rows = check_range("rows", ids.len() as u64, 0, MAX_ROWS)?;
    if ids.len().checked_mul(*dim) != Some(vectors.len()) {
        return Err(RbpxError::Shape {
            ids: ids.len(),
            dim: *dim,
            components: vectors.len(),
        });
    }
    for ((row, id), vector) in (0..).zip(ids).zip(vectors.chunks_exact(*dim)) {
        narrow(row, *id)?;
        check_finite(row, vector.iter().copied())?;
    }

    let mut out = BufWriter::with_capacity(1 << 16, out);
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&header_dim.to_le_bytes())?;
    out.write_all(&seed.to_le_bytes())?;
    out.write_all(&rerank_factor.to_le_bytes())?;
    out.write_all(&rows.to_le_bytes())?;
    for ((row, id), vector) in (0..).zip(ids).zip(vectors.chunks_exact(*dim)) {
        out.write_all(&narrow(row, *id)?.to_le_bytes())?;
        for component in vector {
            out.write_all(&component.to_le_bytes())?;
        }
    }
    out.flush()?;
    Ok(())
}

struct Header {
    magic: [u8; 8],
    version: u32,
    dim: u32,
    seed: u64,
    rerank_factor: u32,
    rows: u32,
}

/// The fields as they stand, unchecked, and the bytes after them.
fn split_header(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (magic, rest) = bytes.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (dim, rest) = rest.split_first_chunk()?;
    let (seed, rest) = rest.split_first_chunk()?;
    let (rerank_factor, rest) = rest.split_first_chunk()?;
    let (rows, body) = rest.split_first_chunk()?;
    let header = Header {
        magic: *magic,
        version: u32::from_le_bytes(*version),
        dim: u32::from_le_bytes(*dim),
        seed: u64::from_le_bytes(*seed),
        rerank_factor: u32::from_le_bytes(*rerank_factor),
        rows: u32::from_le_bytes(*rows),
    };
    Some((header, body))
}

fn check_range(field: &'static str, value: u64, min: u32, max: u32) -> Result<u32, RbpxError> {
    match u32::try_from(value) {
        Ok(narrow) if (min..=max).contains(&narrow) => Ok(narrow),
        _ => Err(RbpxError::OutOfRange {
            field,
            value,
            min,
            max,
        }),
    }
}

fn check_finite(row: u64, components: impl Iterator<Item = f32>) -> Result<(), RbpxError> {
    match components.enumerate().find(|(_, value)| !value.is_finite()) {
        Some((component, value)) => Err(RbpxError::NotFinite {
            row,
            component,
            value,
        }),
        None => Ok(()),
    }
}

fn narrow(row: u64, id: i64) -> Result<u32, RbpxError> {
    u32::try_from(id).map_err(|_| RbpxError::Id { row, id })
}

fn allocate<T>(len: usize) -> Result<Vec<T>, RbpxError> {
    let mut vec = Vec::new();
    let bytes = (len as u64).saturating_mul(size_of::<T>() as u64);
    vec.try_reserve_exact(len)
        .map_err(|_| RbpxError::OutOfMemory { bytes })?;
    Ok(vec)
}
