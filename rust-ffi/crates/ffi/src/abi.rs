//! The structs that cross the boundary, and what they become on this side.

use std::path::Path;
use std::sync::atomic::AtomicI32;
use std::time::{Duration, Instant};

use rabitq::{
    Control, Ids, Info, Kind, Metric, OpenMode, Options, OriginalsMode, Recommendation, Rows,
    Search, Stats,
};

use crate::bundle::ruv_bundle;
use crate::error::{Failure, ruv_error};
use crate::filter::ruv_filter;
use crate::lake::{ruv_cache_stats, ruv_consistency, ruv_generation, ruv_lake_options, ruv_served};
use crate::pointer::{product, shared, size, slice};

/// Number of this ABI: it changes with every incompatible change, and a caller refuses any other.
pub const RUV_ABI_VERSION: u32 = 5;

/// Largest dimension of a vector.
pub const RUV_MAX_DIM: u32 = 8192;

/// What an index keeps of each row.
#[repr(u32)]
pub enum ruv_kind {
    /// Originals, scanned exactly.
    Flat = 0,
    /// 1-bit codes.
    Rabitq = 1,
    /// B-bit codes.
    Asym = 2,
    /// B-bit codes, reranked with the originals.
    Plus = 3,
    /// Cells of B-bit codes, of which a search probes the nearest; reranked where originals are
    /// kept.
    Ivf = 4,
}

/// How far two vectors are apart; smaller is nearer.
#[repr(u32)]
pub enum ruv_metric {
    /// Squared Euclidean distance.
    L2 = 0,
    /// 1 - cosine.
    Cosine = 1,
    /// -inner product.
    InnerProduct = 2,
}

/// Where the originals of an index live.
#[repr(u32)]
pub enum ruv_originals {
    /// Copied into memory of the index.
    Copy = 0,
    /// The `ruv_buffer` that the index took over.
    Adopt = 1,
    /// A file that the index mapped.
    Mapped = 2,
    /// Nowhere: codes only.
    None = 3,
}

/// How `ruv_index_open` reads a file.
#[repr(u32)]
pub enum ruv_open_mode {
    /// Mapped: opens at once, pages are read when touched; nobody may shorten the file meanwhile.
    Map = 0,
    /// Read into memory: for files that others may change.
    Load = 1,
    /// Read into memory but for the originals, which are mapped and read row by row: for codes that
    /// fit in memory beside originals that do not.
    LoadCodes = 2,
}

// Rust's enums and the header's are one list.
const _: () = assert!(
    ruv_kind::Flat as i32 == Kind::Flat as i32
        && ruv_kind::Rabitq as i32 == Kind::Rabitq as i32
        && ruv_kind::Asym as i32 == Kind::Asym as i32
        && ruv_kind::Plus as i32 == Kind::Plus as i32
        && ruv_kind::Ivf as i32 == Kind::Ivf as i32
        && ruv_metric::L2 as i32 == Metric::L2 as i32
        && ruv_metric::Cosine as i32 == Metric::Cosine as i32
        && ruv_metric::InnerProduct as i32 == Metric::InnerProduct as i32
        && ruv_originals::Copy as i32 == OriginalsMode::Copy as i32
        && ruv_originals::Adopt as i32 == OriginalsMode::Adopt as i32
        && ruv_originals::Mapped as i32 == OriginalsMode::Mapped as i32
        && ruv_originals::None as i32 == OriginalsMode::None as i32
        && RUV_MAX_DIM as usize == rabitq::MAX_DIM
);

/// What an index is; fixed for its life.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_index_options {
    /// `ruv_kind`.
    pub kind: u32,
    /// `ruv_metric`.
    pub metric: u32,
    /// Components of each row, 1 to RUV_MAX_DIM.
    pub dim: u32,
    /// Bits of code for each component, 1 to 8; 0: the kind's default. More bits cost memory and
    /// buy recall.
    pub bits: u32,
    /// `ruv_originals`; ignored by kinds that keep none.
    pub originals: u32,
    /// At most rerank_factor * k rows are compared exactly, 1 to 65,536; 0: the default.
    pub rerank_factor: u32,
    /// Multiplier of the error bound, 0 to 16; NaN: the default. Larger finds more and costs more.
    pub epsilon: f32,
    /// Cells of an IVF index, 1 to 1,048,576; 0: by the number of rows. More are scanned faster and
    /// found slower.
    pub nlist: u32,
    /// Cells that a search of an IVF index probes at most, 1 to 65,536; 0: four times the square root
    /// of their number. More find more and cost more.
    pub nprobe: u32,
    /// Always 0.
    pub reserved: u32,
    /// Seed of the rotation.
    pub seed: u64,
}

/// One search request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_search {
    /// How many hits, 1 or more; a range search ignores it.
    pub k: u32,
    /// Multiplier of the error bound, 0 to 16; NaN: the index's.
    pub epsilon: f32,
    /// At most rerank_factor * k rows are compared exactly; 0: the index's.
    pub rerank_factor: u32,
    /// Cells to probe at most, for kinds that have cells, 1 to 65,536; 0: the index's choice. It
    /// stops before where the others lie much further than the nearest, unless all are wanted, and
    /// probes more where these hold fewer than k rows.
    pub nprobe: u32,
    /// Beam of a graph search, for kinds that have a graph; 0: the index's choice.
    pub ef: u32,
    /// Threads of a batch search; 0: the process's pool.
    pub threads: u32,
    /// The part of the true k nearest rows to find, above 0, at most 1 (an exact scan): it chooses
    /// what of epsilon, rerank_factor and nprobe is the index's, by the model of `ruv_recommend`. 0:
    /// none. A range search ignores it.
    pub recall: f32,
    /// Always 0.
    pub reserved: u32,
    /// Rows that may be hits; NULL: all.
    pub filter: *const ruv_filter,
    /// Read while the call runs: once it is not zero, the call stops with CANCELLED. NULL: none.
    pub cancel: *const i32,
    /// Nanoseconds from now after which the call stops with DEADLINE; 0: none.
    pub deadline_nanos: i64,
}

/// What a search did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_stats {
    /// Hits written; of a batch: over all queries.
    pub hits: u64,
    /// Cells of an IVF index whose rows were scanned.
    pub probed: u64,
    /// Rows whose 1-bit estimate, or exact distance in a flat index, was computed.
    pub scanned: u64,
    /// Rows whose full-bit estimate was computed.
    pub estimated: u64,
    /// Rows compared exactly after estimation.
    pub reranked: u64,
    /// 1 where a range search had more hits than its limit.
    pub truncated: u32,
    /// Always 0.
    pub reserved: u32,
}

/// What an index is and holds now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_index_info {
    /// `ruv_kind`.
    pub kind: u32,
    /// `ruv_metric`.
    pub metric: u32,
    /// Components of each row.
    pub dim: u32,
    /// Bits of code for each component; 0: no codes.
    pub bits: u32,
    /// `ruv_originals`.
    pub originals: u32,
    /// Default of searches.
    pub rerank_factor: u32,
    /// Default of searches.
    pub epsilon: f32,
    /// Segments.
    pub segments: u32,
    /// Cells that an IVF index was asked for; 0: by the number of rows.
    pub nlist: u32,
    /// Default of searches; 0: four times the square root of the number of cells.
    pub nprobe: u32,
    /// Seed of the rotation.
    pub seed: u64,
    /// Live rows.
    pub rows: u64,
    /// Removed rows whose memory `ruv_index_compact` gives back.
    pub deleted: u64,
    /// Private memory, in bytes.
    pub memory_bytes: u64,
    /// Mapped memory, in bytes.
    pub mapped_bytes: u64,
    /// Grows with every change.
    pub version: u64,
    /// Packed code of one row, in bytes.
    pub code_bytes: u64,
    /// Cells that an IVF index divides its rows into; 0 while it has too few, and in other kinds.
    pub cells: u64,
}

/// Parameters that reach a recall, from a measured model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_recommendation {
    /// `ruv_kind`.
    pub kind: u32,
    /// Bits of code for each component.
    pub bits: u32,
    /// For `ruv_index_options.nlist`.
    pub nlist: u32,
    /// For `ruv_index_options.nprobe`.
    pub nprobe: u32,
    /// For `ruv_index_options.rerank_factor`.
    pub rerank_factor: u32,
    /// For `ruv_index_options.epsilon`.
    pub epsilon: f32,
    /// What these found at least on the measured sets.
    pub expected_recall: f32,
    /// What a row takes, in bytes: original, code and id.
    pub row_bytes: u32,
}

pub(crate) fn struct_size(which: u32) -> usize {
    match which {
        0 => size_of::<ruv_error>(),
        1 => size_of::<ruv_index_options>(),
        2 => size_of::<ruv_search>(),
        3 => size_of::<ruv_stats>(),
        4 => size_of::<ruv_index_info>(),
        5 => size_of::<ruv_recommendation>(),
        6 => size_of::<ruv_generation>(),
        7 => size_of::<ruv_lake_options>(),
        8 => size_of::<ruv_consistency>(),
        9 => size_of::<ruv_served>(),
        10 => size_of::<ruv_cache_stats>(),
        11 => size_of::<ruv_bundle>(),
        _ => 0,
    }
}

/// # Safety
/// `ptr` is NULL or points to a `ruv_index_options`.
pub(crate) unsafe fn options(ptr: *const ruv_index_options) -> Result<Options, Failure> {
    // SAFETY: the contract of this function.
    let c = unsafe { shared(ptr, "options")? };
    reserved(c.reserved, "options.reserved")?;
    let mut options = Options::new(Kind::try_from(signed(c.kind))?, c.dim as usize);
    options.metric = Metric::try_from(signed(c.metric))?;
    options.bits = c.bits;
    options.seed = c.seed;
    options.originals = OriginalsMode::try_from(signed(c.originals))?;
    options.rerank_factor = given(c.rerank_factor).unwrap_or(options.rerank_factor);
    options.epsilon = number(c.epsilon).unwrap_or(options.epsilon);
    (options.nlist, options.nprobe) = (c.nlist, c.nprobe);
    Ok(options)
}

/// Rows in the caller's memory, `stride` bytes apart; the last one needs no padding.
///
/// # Safety
/// `data` is NULL or points to rows of this shape that are not written for `'a`.
pub(crate) unsafe fn rows<'a>(
    data: *const f32,
    rows: u64,
    components: u32,
    stride: u64,
    name: &'static str,
) -> Result<Rows<'a>, Failure> {
    dim(components)?;
    let (rows, dim) = (size(rows, "rows")?, components as usize);
    let stride = stride_in_floats(stride, dim)?;
    let gaps = product(rows.saturating_sub(1), stride, "rows")?;
    let floats = if rows == 0 {
        0
    } else {
        gaps.saturating_add(dim)
    };
    // SAFETY: the contract of this function; `floats` ends with the last row's last component.
    let data = unsafe { slice(data, floats, name)? };
    Ok(Rows::new(data, rows, dim, stride)?)
}

fn stride_in_floats(bytes: u64, dim: usize) -> Result<usize, Failure> {
    let row = dim * size_of::<f32>();
    match size(bytes, "stride")? {
        stride if stride.is_multiple_of(size_of::<f32>()) && stride >= row => {
            Ok(stride / size_of::<f32>())
        }
        stride => {
            let allowed = format!("a multiple of 4, at least 4 * dim = {row} bytes");
            Err(Failure::argument("stride", stride, allowed))
        }
    }
}

/// # Safety
/// `ptr` is NULL or points to `rows` ids that are not written for `'a`.
pub(crate) unsafe fn ids<'a>(ptr: *const i64, first: i64, rows: usize) -> Result<Ids<'a>, Failure> {
    if ptr.is_null() {
        return Ok(Ids::From(first));
    }
    // SAFETY: the contract of this function.
    Ok(Ids::Given(unsafe { slice(ptr, rows, "ids")? }))
}

/// # Safety
/// `query` is NULL or points to `len` floats that are not written for `'a`.
pub(crate) unsafe fn query<'a>(query: *const f32, len: u32) -> Result<&'a [f32], Failure> {
    dim(len)?;
    // SAFETY: the contract of this function.
    unsafe { slice(query, len as usize, "query") }
}

/// # Safety
/// `ptr` is NULL or points to a `ruv_search` whose filter and cancel flag live for `'a`.
pub(crate) unsafe fn search<'a>(ptr: *const ruv_search) -> Result<Search<'a>, Failure> {
    // SAFETY: the contract of this function.
    let c = unsafe { shared(ptr, "search")? };
    reserved(c.reserved, "search.reserved")?;
    let mut search = Search::new(c.k as usize);
    search.recall = (c.recall != 0.0).then_some(c.recall);
    search.epsilon = number(c.epsilon);
    search.rerank_factor = given(c.rerank_factor);
    (search.nprobe, search.ef) = (c.nprobe, c.ef);
    if !c.filter.is_null() {
        // SAFETY: the contract of this function.
        search.filter = Some(unsafe { shared(c.filter, "filter")? }.core());
    }
    // SAFETY: the contract of this function.
    search.control = unsafe { control(c.cancel)? };
    search.control.deadline = deadline(c.deadline_nanos);
    search.control.threads = c.threads as usize;
    Ok(search)
}

/// # Safety
/// `cancel` is NULL or points to an int32_t that lives for `'a`.
pub(crate) unsafe fn control<'a>(cancel: *const i32) -> Result<Control<'a>, Failure> {
    let mut control = Control::default();
    if !cancel.is_null() {
        // SAFETY: the contract of this function; an AtomicI32 has the layout of an int32_t, and
        // only loads are made.
        control.cancel = Some(unsafe { shared(cancel.cast::<AtomicI32>(), "cancel")? });
    }
    Ok(control)
}

/// # Safety
/// As `control`.
pub(crate) unsafe fn timed_control<'a>(
    cancel: *const i32,
    deadline_nanos: i64,
) -> Result<Control<'a>, Failure> {
    // SAFETY: the contract of this function.
    let control = unsafe { control(cancel)? };
    Ok(Control {
        deadline: deadline(deadline_nanos),
        ..control
    })
}

/// # Safety
/// `ptr` is NULL or points to `len` bytes that are not written for `'a`.
pub(crate) unsafe fn text<'a>(
    ptr: *const u8,
    len: usize,
    name: &'static str,
) -> Result<&'a str, Failure> {
    // SAFETY: the contract of this function.
    let bytes = unsafe { slice(ptr, len, name)? };
    std::str::from_utf8(bytes).map_err(|error| Failure::argument(name, error, "UTF-8"))
}

/// # Safety
/// As `text`.
pub(crate) unsafe fn path<'a>(ptr: *const u8, len: usize) -> Result<&'a Path, Failure> {
    // SAFETY: the contract of this function.
    match unsafe { text(ptr, len, "path")? } {
        "" => Err(Failure::argument("path", "empty", "1 byte or more")),
        text => Ok(Path::new(text)),
    }
}

pub(crate) fn dim(value: u32) -> Result<(), Failure> {
    match value {
        1..=RUV_MAX_DIM => Ok(()),
        _ => Err(Failure::argument(
            "dim",
            value,
            format!("1 to {RUV_MAX_DIM}"),
        )),
    }
}

pub(crate) fn open_mode(value: u32) -> Result<OpenMode, Failure> {
    match value {
        0 => Ok(OpenMode::Map),
        1 => Ok(OpenMode::Load),
        2 => Ok(OpenMode::LoadCodes),
        _ => Err(Failure::argument(
            "mode",
            value,
            "0 (map), 1 (load), 2 (load codes)",
        )),
    }
}

pub(crate) fn flag(value: u32, name: &'static str) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::argument(name, value, "0 or 1")),
    }
}

fn reserved(value: u32, name: &'static str) -> Result<(), Failure> {
    if value == 0 {
        Ok(())
    } else {
        Err(Failure::argument(name, value, "0"))
    }
}

/// An enum's number; one past its sign matches nothing.
fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(-1)
}

fn given(value: u32) -> Option<u32> {
    (value != 0).then_some(value)
}

fn number(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}

/// A deadline further away than the clock reaches is none; one in the past has passed.
fn deadline(nanos: i64) -> Option<Instant> {
    match nanos {
        0 => None,
        past if past < 0 => Some(Instant::now()),
        nanos => Instant::now().checked_add(Duration::from_nanos(nanos.unsigned_abs())),
    }
}

impl ruv_stats {
    pub(crate) fn new(stats: Stats, hits: u64, truncated: bool) -> ruv_stats {
        let Stats {
            probed,
            scanned,
            estimated,
            reranked,
        } = stats;
        ruv_stats {
            hits,
            probed,
            scanned,
            estimated,
            reranked,
            truncated: truncated.into(),
            reserved: 0,
        }
    }
}

impl From<Info> for ruv_index_info {
    fn from(info: Info) -> ruv_index_info {
        let o = info.options;
        ruv_index_info {
            kind: o.kind as u32,
            metric: o.metric as u32,
            dim: o.dim as u32,
            bits: o.bits,
            originals: o.originals as u32,
            rerank_factor: o.rerank_factor,
            epsilon: o.epsilon,
            segments: info.segments,
            nlist: o.nlist,
            nprobe: o.nprobe,
            seed: o.seed,
            rows: info.rows,
            deleted: info.deleted,
            memory_bytes: info.memory_bytes,
            mapped_bytes: info.mapped_bytes,
            version: info.version,
            code_bytes: info.code_bytes.into(),
            cells: info.cells,
        }
    }
}

impl From<Recommendation> for ruv_recommendation {
    fn from(r: Recommendation) -> ruv_recommendation {
        ruv_recommendation {
            kind: r.kind as u32,
            bits: r.bits,
            nlist: r.nlist,
            nprobe: r.nprobe,
            rerank_factor: r.rerank_factor,
            epsilon: r.epsilon,
            expected_recall: r.expected_recall,
            row_bytes: r.row_bytes,
        }
    }
}
