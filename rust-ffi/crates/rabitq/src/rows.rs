use std::borrow::Cow;
use std::path::Path;

use crate::error::{Error, Result};
use crate::map::{AlignedBuf, Bytes, map_file};
use crate::options::{MAX_DIM, Metric};
use simd::Simd;

/// Components may not exceed this: beyond it squared norms overflow single precision.
pub(crate) const MAX_COMPONENT: f32 = 1e18;
/// Squared norms may not exceed this, so that a squared distance (up to four times as much) is finite.
pub(crate) const MAX_NORM_SQ: f32 = 8e37;

/// A borrowed view of vectors: `rows` rows of `dim` floats, `stride` floats apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    rows: usize,
    dim: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    /// A view over `data`, which must hold `(rows - 1) * stride + dim` floats.
    pub fn new(data: &'a [f32], rows: usize, dim: usize, stride: usize) -> Result<Self> {
        if dim == 0 || dim > MAX_DIM {
            return Err(Error::argument("dim", dim, format!("1 to {MAX_DIM}")));
        }
        if stride < dim {
            return Err(Error::argument(
                "stride",
                stride,
                format!("at least dim = {dim} floats"),
            ));
        }
        let need = match rows {
            0 => Some(0),
            n => (n - 1).checked_mul(stride).and_then(|x| x.checked_add(dim)),
        };
        match need {
            Some(n) if n <= data.len() => Ok(Rows {
                data,
                rows,
                dim,
                stride,
            }),
            _ => Err(Error::argument(
                "rows",
                rows,
                format!("what {} floats hold", data.len()),
            )),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Components of each row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The floats from row `i` on, and the stride.
    pub(crate) fn tail_at(&self, i: usize) -> (&'a [f32], usize) {
        (
            &self.data[(i * self.stride).min(self.data.len())..],
            self.stride,
        )
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..][..self.dim]
    }
}

/// The ids of a batch of rows.
#[derive(Debug, Clone, Copy)]
pub enum Ids<'a> {
    /// Consecutive ids from this one.
    From(i64),
    /// One id a row.
    Given(&'a [i64]),
}

impl Ids<'_> {
    pub(crate) fn check(&self, rows: usize) -> Result<()> {
        match *self {
            Ids::From(first) if first.checked_add(rows as i64).is_none() => Err(Error::argument(
                "first_id",
                first,
                format!("at most 2^63 - 1 - rows ({rows})"),
            )),
            Ids::Given(ids) if ids.len() != rows => Err(Error::argument(
                "ids",
                format!("{} ids", ids.len()),
                format!("one for each of {rows} rows"),
            )),
            _ => Ok(()),
        }
    }

    /// The ids of so many rows.
    pub fn listed(&self, rows: usize) -> Cow<'_, [i64]> {
        match self {
            Ids::From(first) => (0..rows as i64).map(|i| first.wrapping_add(i)).collect(),
            Ids::Given(given) => Cow::Borrowed(given),
        }
    }

    pub(crate) fn get(&self, row: usize) -> i64 {
        match *self {
            Ids::From(first) => first + row as i64,
            Ids::Given(ids) => ids[row],
        }
    }
}

/// Vectors in memory that an index can take over without a copy.
pub struct VectorBuffer {
    bytes: AlignedBuf,
    rows: usize,
    dim: usize,
}

impl VectorBuffer {
    /// Room for `rows` vectors of `dim` floats, all zero.
    pub fn new(rows: usize, dim: usize) -> Result<Self> {
        if dim == 0 || dim > MAX_DIM {
            return Err(Error::argument("dim", dim, format!("1 to {MAX_DIM}")));
        }
        let bytes = rows
            .checked_mul(dim * 4)
            .ok_or(Error::OutOfMemory { bytes: u64::MAX })?;
        Ok(VectorBuffer {
            bytes: AlignedBuf::zeroed(bytes)?,
            rows,
            dim,
        })
    }

    /// The first float of the first row; rows follow each other without gaps.
    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.bytes.as_mut_ptr().cast()
    }

    /// All floats.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.bytes)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Components of each row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Drops the rows after the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.bytes.truncate(self.rows * self.dim * size_of::<f32>());
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }
}

/// Vectors in a file, mapped read-only.
#[derive(Clone)]
pub struct MappedRows {
    bytes: Bytes,
    rows: usize,
    dim: usize,
    stride: usize,
}

impl MappedRows {
    /// Maps `rows` rows of `dim` little-endian floats that start `offset` bytes into the file and
    /// lie `stride` bytes apart; both must be multiples of 4.
    pub fn open(path: &Path, offset: u64, rows: u64, dim: usize, stride: u64) -> Result<Self> {
        let (_, map) = map_file(path)?;
        let end = check_extent(path, map.len() as u64, offset, rows, dim, stride)?;
        let range = if rows == 0 {
            0..0
        } else {
            offset as usize..end as usize
        };
        let bytes = Bytes::from_file(map)
            .part(range)
            .expect("checked against the file's size");
        Ok(MappedRows {
            bytes,
            rows: rows as usize,
            dim,
            stride: stride as usize / 4,
        })
    }

    /// All rows.
    pub fn view(&self) -> Rows<'_> {
        Rows {
            data: self.bytes.typed(),
            rows: self.rows,
            dim: self.dim,
            stride: self.stride,
        }
    }

    pub(crate) fn mapped(&self) -> usize {
        self.bytes.mapped()
    }
}

/// Refuses rows that do not lie in a file of `size` bytes; returns where the last one ends.
pub(crate) fn check_extent(
    path: &Path,
    size: u64,
    offset: u64,
    rows: u64,
    dim: usize,
    stride: u64,
) -> Result<u64> {
    if dim == 0 || dim > MAX_DIM {
        return Err(Error::argument("dim", dim, format!("1 to {MAX_DIM}")));
    }
    if !offset.is_multiple_of(4) || !stride.is_multiple_of(4) || stride < dim as u64 * 4 {
        let came = format!("offset {offset}, stride {stride} bytes");
        return Err(Error::argument(
            "stride",
            came,
            format!("multiples of 4, the stride at least {}", dim * 4),
        ));
    }
    let need = match rows {
        0 => Some(0),
        n => (n - 1)
            .checked_mul(stride)
            .and_then(|x| x.checked_add(dim as u64 * 4)?.checked_add(offset)),
    };
    need.filter(|n| *n <= size).ok_or_else(|| {
        let reason =
            format!("{rows} rows of {stride} bytes from {offset} do not fit in {size} bytes");
        Error::persist(path, "vectors", reason)
    })
}

/// Where a build takes its vectors from.
pub enum Source<'a> {
    /// The caller's memory: originals are copied; nothing is kept after the build.
    View(Rows<'a>),
    /// A buffer that becomes the index's originals.
    Adopt(VectorBuffer),
    /// A file whose mapping becomes the index's originals.
    Mapped(MappedRows),
}

impl Source<'_> {
    pub(crate) fn dim(&self) -> usize {
        match self {
            Source::View(rows) => rows.dim,
            Source::Adopt(buffer) => buffer.dim,
            Source::Mapped(rows) => rows.dim,
        }
    }
}

/// Refuses what no index can hold: NaN, infinities, components over 1e18, squared norms over 8e37,
/// and under cosine vectors whose squared norm is zero or a denormal number, which has lost its
/// precision. Returns the squared norm.
pub(crate) fn check_vector(simd: Simd, metric: Metric, row: u64, x: &[f32]) -> Result<f32> {
    let norm_sq = simd.dot(x, x);
    // A finite squared norm under the limit rules out NaN and infinities at once.
    if norm_sq <= MAX_NORM_SQ
        && simd.max_abs(x) <= MAX_COMPONENT
        && (norm_sq >= f32::MIN_POSITIVE || metric != Metric::Cosine)
    {
        return Ok(norm_sq);
    }
    let bad = |c: &f32| c.is_nan() || c.abs() > MAX_COMPONENT;
    let reason = match x.iter().position(bad) {
        Some(i) => format!(
            "component {i} is {}, allowed: finite, at most {MAX_COMPONENT:e} in size",
            x[i]
        ),
        None if norm_sq > MAX_NORM_SQ => {
            format!("the squared norm is {norm_sq:e}, allowed: at most {MAX_NORM_SQ:e}")
        }
        None => format!("the squared norm is {norm_sq:e}, which has no direction under cosine"),
    };
    Err(Error::InvalidVector { row, reason })
}
