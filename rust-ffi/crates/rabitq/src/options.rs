use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::filter::Filter;

/// Largest dimension that an index takes.
pub const MAX_DIM: usize = 8192;

/// How far two vectors are apart; smaller is nearer.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Squared Euclidean distance.
    L2 = 0,
    /// 1 - cosine.
    Cosine = 1,
    /// -inner product.
    InnerProduct = 2,
}

impl TryFrom<i32> for Metric {
    type Error = Error;

    fn try_from(value: i32) -> Result<Self> {
        match value {
            0 => Ok(Metric::L2),
            1 => Ok(Metric::Cosine),
            2 => Ok(Metric::InnerProduct),
            _ => Err(Error::argument(
                "metric",
                value,
                "0 (l2), 1 (cosine), 2 (inner product)",
            )),
        }
    }
}

/// What an index keeps of each row.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Originals, scanned exactly.
    Flat = 0,
    /// 1-bit codes.
    Rabitq = 1,
    /// B-bit codes.
    Asym = 2,
    /// B-bit codes, reranked with the originals.
    Plus = 3,
    /// Cells of B-bit codes, of which a search probes the nearest; reranked where originals are kept.
    Ivf = 4,
}

impl TryFrom<i32> for Kind {
    type Error = Error;

    fn try_from(value: i32) -> Result<Self> {
        match value {
            0 => Ok(Kind::Flat),
            1 => Ok(Kind::Rabitq),
            2 => Ok(Kind::Asym),
            3 => Ok(Kind::Plus),
            4 => Ok(Kind::Ivf),
            _ => Err(Error::argument(
                "kind",
                value,
                "0 (flat), 1 (rabitq), 2 (asym), 3 (plus), 4 (ivf)",
            )),
        }
    }
}

impl Kind {
    /// Whether rows are coded.
    pub fn has_codes(self) -> bool {
        self != Kind::Flat
    }

    fn default_bits(self) -> u32 {
        match self {
            Kind::Flat => 0,
            Kind::Rabitq => 1,
            Kind::Asym | Kind::Plus | Kind::Ivf => 4,
        }
    }
}

/// Where the originals of an index live.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginalsMode {
    /// Copied into memory of the index.
    Copy = 0,
    /// The caller's buffer, which the index took over.
    Adopt = 1,
    /// A file that the index mapped.
    Mapped = 2,
    /// Nowhere: codes only.
    None = 3,
}

impl TryFrom<i32> for OriginalsMode {
    type Error = Error;

    fn try_from(value: i32) -> Result<Self> {
        match value {
            0 => Ok(OriginalsMode::Copy),
            1 => Ok(OriginalsMode::Adopt),
            2 => Ok(OriginalsMode::Mapped),
            3 => Ok(OriginalsMode::None),
            _ => Err(Error::argument(
                "originals",
                value,
                "0 (copy), 1 (adopt), 2 (mapped), 3 (none)",
            )),
        }
    }
}

/// What an index is; fixed for its life.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What is kept of each row.
    pub kind: Kind,
    /// The distance.
    pub metric: Metric,
    /// Components of each row, 1 to [`MAX_DIM`].
    pub dim: usize,
    /// Bits of code for each component, 1 to 8; 0 stands for the kind's default
    /// (1 for `Rabitq`, 4 for `Asym` and `Plus`). More bits cost memory and buy recall.
    pub bits: u32,
    /// Seed of the rotation.
    pub seed: u64,
    /// At most `rerank_factor * k` rows are compared exactly, 1 to 65,536.
    pub rerank_factor: u32,
    /// Multiplier of the error bound in searches, 0 to 16: larger finds more and costs more.
    pub epsilon: f32,
    /// Where the originals live.
    pub originals: OriginalsMode,
    /// Cells of an IVF index, 2 to 1,048,576; 0 chooses by the number of rows. More cells are scanned
    /// faster and found slower.
    pub nlist: u32,
    /// Cells that a search of an IVF index probes at most, 1 to 65,536; 0 stands for four times the
    /// square root of their number. More find more and cost more.
    pub nprobe: u32,
}

const MAX_LISTS: u32 = 1 << 20;

impl Options {
    /// The defaults: L2, the kind's bits, seed 42, `rerank_factor` 20, `epsilon` 1.9.
    pub fn new(kind: Kind, dim: usize) -> Self {
        Options {
            kind,
            metric: Metric::L2,
            dim,
            bits: 0,
            seed: 42,
            rerank_factor: 20,
            epsilon: 1.9,
            originals: match kind {
                Kind::Flat | Kind::Plus | Kind::Ivf => OriginalsMode::Copy,
                Kind::Rabitq | Kind::Asym => OriginalsMode::None,
            },
            nlist: 0,
            nprobe: 0,
        }
    }

    /// Whether rows can be read back bit for bit.
    pub fn keeps_originals(&self) -> bool {
        match self.kind {
            Kind::Flat | Kind::Plus => true,
            Kind::Rabitq | Kind::Asym => false,
            Kind::Ivf => self.originals != OriginalsMode::None,
        }
    }

    /// Checks every field and fills in the kind's default bits.
    pub fn validate(mut self) -> Result<Self> {
        if self.dim == 0 || self.dim > MAX_DIM {
            return Err(Error::argument("dim", self.dim, format!("1 to {MAX_DIM}")));
        }
        let bits = if self.bits == 0 {
            self.kind.default_bits()
        } else {
            self.bits
        };
        let allowed = match self.kind {
            Kind::Flat => 0..=0,
            Kind::Rabitq => 1..=1,
            Kind::Asym | Kind::Plus | Kind::Ivf => 1..=8,
        };
        if !allowed.contains(&bits) {
            let range = format!(
                "{} to {} for {:?}",
                allowed.start(),
                allowed.end(),
                self.kind
            );
            return Err(Error::argument("bits", bits, range));
        }
        self.bits = bits;
        check_rerank_factor(self.rerank_factor)?;
        check_epsilon(self.epsilon)?;
        if self.nlist > MAX_LISTS {
            return Err(Error::argument(
                "nlist",
                self.nlist,
                format!("0 to {MAX_LISTS}"),
            ));
        }
        check_nprobe(self.nprobe)?;
        match (self.kind, self.originals) {
            (Kind::Flat | Kind::Plus, OriginalsMode::None) => Err(Error::argument(
                "originals",
                "none",
                format!("copy, adopt or mapped: {:?} keeps originals", self.kind),
            )),
            (Kind::Rabitq | Kind::Asym, _) => Ok(Options {
                originals: OriginalsMode::None,
                ..self
            }),
            _ => Ok(self),
        }
    }
}

pub(crate) const MAX_NPROBE: u32 = 65_536;

pub(crate) fn check_nprobe(value: u32) -> Result<()> {
    if value <= MAX_NPROBE {
        return Ok(());
    }
    Err(Error::argument(
        "nprobe",
        value,
        format!("0 to {MAX_NPROBE}"),
    ))
}

pub(crate) fn check_rerank_factor(value: u32) -> Result<()> {
    if (1..=65_536).contains(&value) {
        return Ok(());
    }
    Err(Error::argument("rerank_factor", value, "1 to 65536"))
}

pub(crate) fn check_epsilon(value: f32) -> Result<()> {
    if (0.0..=16.0).contains(&value) {
        return Ok(());
    }
    Err(Error::argument("epsilon", value, "0 to 16"))
}

pub(crate) fn check_recall(value: f32) -> Result<()> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(Error::argument("recall", value, "above 0, at most 1"))
}

/// How a running call can be stopped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Control<'a> {
    /// Stops the call with [`Error::Cancelled`] once it is not zero.
    pub cancel: Option<&'a AtomicI32>,
    /// Stops the call with [`Error::Deadline`] once it has passed.
    pub deadline: Option<Instant>,
    /// Threads of a batch search or a build; 0 stands for the process's pool.
    pub threads: usize,
}

impl Control<'_> {
    /// An error once the call is to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_some_and(|c| c.load(Ordering::Relaxed) != 0) {
            return Err(Error::Cancelled);
        }
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            return Err(Error::Deadline);
        }
        Ok(())
    }
}

/// One search request.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// How many hits, 1 or more.
    pub k: usize,
    /// The part of the true k nearest rows to find, above 0, at most 1 (an exact scan): it chooses
    /// what of `epsilon`, `rerank_factor` and `nprobe` is not given, by the model of
    /// [`recommend`](crate::recommend). A range search does not use it.
    pub recall: Option<f32>,
    /// Multiplier of the error bound; `None` takes the index's.
    pub epsilon: Option<f32>,
    /// Cap of exact comparisons over k; `None` takes the index's.
    pub rerank_factor: Option<u32>,
    /// Cells to probe at most, for kinds that have cells; 0 leaves the choice to the index. A search
    /// stops before where the others lie much further than the nearest, unless all are wanted.
    pub nprobe: u32,
    /// Beam of a graph search, for kinds that have a graph; 0 leaves the choice to the index.
    pub ef: u32,
    /// Rows that may be hits.
    pub filter: Option<&'a Filter>,
    /// How the search can be stopped.
    pub control: Control<'a>,
}

impl Search<'_> {
    /// A search for `k` hits with the index's defaults.
    pub fn new(k: usize) -> Self {
        Search {
            k,
            recall: None,
            epsilon: None,
            rerank_factor: None,
            nprobe: 0,
            ef: 0,
            filter: None,
            control: Control::default(),
        }
    }
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Cells of an IVF index whose rows were scanned.
    pub probed: u64,
    /// Rows whose 1-bit estimate, or exact distance in a flat index, was computed.
    pub scanned: u64,
    /// Rows whose full-bit estimate was computed.
    pub estimated: u64,
    /// Rows compared exactly after estimation.
    pub reranked: u64,
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Stats) {
        self.probed += other.probed;
        self.scanned += other.scanned;
        self.estimated += other.estimated;
        self.reranked += other.reranked;
    }
}
