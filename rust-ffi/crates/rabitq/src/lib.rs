//! RaBitQ indexes: rotation, codes, unbiased estimators with their error bounds, and the cell store
//! that searches and saves them.
//!
//! Sources: Gao & Long, "RaBitQ", SIGMOD 2024 (1 bit); Gao et al., "Practical and asymptotically
//! optimal quantization", SIGMOD 2025 (B bits).

mod encode;
mod error;
mod filter;
mod grow;
mod ids;
mod index;
mod iter;
mod kmeans;
mod layout;
mod map;
mod options;
mod partition;
mod persist;
mod pool;
mod range;
mod recommend;
mod rotate;
mod rows;
mod scan;
mod search;
mod segment;
mod sink;
mod stream;
mod tail;
mod tombstones;
mod top;

pub mod rbpx;

use std::path::Path;

pub use error::{Error, Result};
pub use filter::{Filter, roaring_intervals};
pub use index::{CellIndex, Info, VectorIndex};
pub use iter::RowIter;
pub use options::{Control, Kind, MAX_DIM, Metric, Options, OriginalsMode, Search, Stats};
pub use persist::{OpenMode, replace_file, verify};
pub use pool::configure_threads;
pub use range::RangeHits;
pub use recommend::{Recommendation, recommend};
pub use rotate::Rotation;
pub use rows::{Ids, MappedRows, Rows, Source, VectorBuffer};
pub use stream::{FileRows, IndexWriter, build_to};

/// Rows that an export reads at a time.
const EXPORT_ROWS: usize = 4096;

/// An empty index.
pub fn create(options: Options) -> Result<Box<dyn VectorIndex>> {
    Ok(Box::new(CellIndex::create(options)?))
}

/// An index of all rows of `source`.
pub fn build(
    options: Options,
    source: Source,
    ids: Ids,
    control: &Control,
) -> Result<Box<dyn VectorIndex>> {
    Ok(Box::new(CellIndex::build(options, source, ids, control)?))
}

/// A saved index.
pub fn open(path: &Path, mode: OpenMode, verify: bool) -> Result<Box<dyn VectorIndex>> {
    Ok(Box::new(persist::open_index(path, mode, verify)?))
}

/// A saved index, read into memory and verified, unless `check` has a reason to refuse its bytes.
pub fn load(
    path: &Path,
    check: impl FnOnce(&[u8]) -> std::result::Result<(), String>,
) -> Result<Box<dyn VectorIndex>> {
    Ok(Box::new(persist::load_index(path, check)?))
}

/// Refuses an id that is given twice, and rows that no index of squared distances could hold.
pub fn check_rows(rows: Rows, ids: &Ids) -> Result<()> {
    ids::IdMap::new(ids, rows.len())?;
    let simd = simd::Simd::best();
    (0..rows.len())
        .try_for_each(|i| rows::check_vector(simd, Metric::L2, i as u64, rows.row(i)).map(|_| ()))
}

/// An index of the rows of a `.rbpx` file; without options a `Plus` index with the file's seed and
/// rerank factor.
pub fn import_rbpx(path: &Path, options: Option<Options>) -> Result<Box<dyn VectorIndex>> {
    let bytes = std::fs::read(path).map_err(|e| Error::persist(path, "read", e))?;
    let file = rbpx::read(&bytes).map_err(|e| Error::persist(path, "rbpx", e))?;
    drop(bytes);
    let options = options.unwrap_or_else(|| Options {
        seed: file.seed,
        rerank_factor: file.rerank_factor.max(1),
        ..Options::new(Kind::Plus, file.dim)
    });
    if options.metric != file.metric {
        let reason = format!(
            "expected the metric {:?}, got {:?}",
            options.metric, file.metric
        );
        return Err(Error::persist(path, "rbpx", reason));
    }
    let rows = Rows::new(&file.vectors, file.ids.len(), file.dim, file.dim)?;
    build(
        options,
        Source::View(rows),
        Ids::Given(&file.ids),
        &Control::default(),
    )
}

/// Writes the rows of an index that keeps originals as a `.rbpx` file, whole or not at all.
pub fn export_rbpx(index: &dyn VectorIndex, path: &Path) -> Result<()> {
    let info = index.info();
    let dim = info.options.dim;
    let (mut ids, mut vectors) = (Vec::new(), Vec::new());
    let mut rows = index.iter();
    loop {
        let (old, room) = (ids.len(), EXPORT_ROWS);
        ids.resize(old + room, 0);
        vectors.resize((old + room) * dim, 0.0);
        let read = rows.next_batch(&mut ids[old..], Some(&mut vectors[old * dim..]))?;
        ids.truncate(old + read);
        vectors.truncate((old + read) * dim);
        if read == 0 {
            break;
        }
    }
    let Options {
        metric,
        seed,
        rerank_factor,
        ..
    } = info.options;
    let file = rbpx::Rbpx {
        metric,
        dim,
        seed,
        rerank_factor,
        ids,
        vectors,
    };
    let mut refused = None;
    let written = replace_file(path, |out| {
        rbpx::write(&file, out).map_err(|e| {
            let text = e.to_string();
            refused = Some(e);
            std::io::Error::other(text)
        })
    });
    match (written, refused) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(e @ (rbpx::RbpxError::Id { .. } | rbpx::RbpxError::Metric { .. }))) => {
            Err(Error::Unsupported {
                what: e.to_string(),
            })
        }
        (Err(e), _) => Err(Error::persist(path, "rbpx", e)),
    }
}
