use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use simd::Simd;

use crate::encode::{Codec, inverse_norm};
use crate::error::Result;
use crate::kmeans::{AROUND, Tiles, train};
use crate::map::{AlignedBuf, Bytes};
use crate::options::{Control, Kind, Metric, Options};
use crate::rotate::random;
use crate::rows::{Ids, Rows};
use crate::segment::{Builder, Coding, Segment};
use crate::tombstones::Tombstones;

/// Sampled rows for each cell in training; fewer cost recall, more cost time.
const SAMPLED: usize = 128;
/// Fewer rows a cell than this do not train a centroid (the limit that faiss warns at).
const MIN_ROWS: usize = 39;
/// Bits of the codes of centroids: with 8, their order is the exact one but for near ties.
const CENTROID_BITS: u32 = 8;
const CHUNK: usize = 4096;

/// The cells of an IVF index: their centroids, and codes of them to find the near ones fast.
pub(crate) struct Partition {
    pub(crate) dim: usize,
    /// Unit vectors' centroids under cosine.
    pub(crate) centroids: Bytes,
    /// The distance of each centroid to the farthest of the rows that it was built with.
    pub(crate) radii: Bytes,
    /// The centroids as the rows of a segment; a row's id is the number of its cell.
    pub(crate) coded: Segment,
    pub(crate) none: Tombstones,
    tiles: OnceLock<Tiles>,
    rotated: OnceLock<Vec<f32>>,
}

/// A row's way from the index's mean to its own centroid.
pub(crate) struct Origin<'a> {
    pub(crate) centroid: &'a [f32],
    /// P (c - m); `None` where the centroid is the mean.
    pub(crate) rotated: Option<&'a [f32]>,
}

impl Partition {
    pub(crate) fn new(dim: usize, centroids: Bytes, radii: Bytes, coded: Segment) -> Self {
        let none = Tombstones::default();
        Partition {
            dim,
            centroids,
            radii,
            coded,
            none,
            tiles: OnceLock::new(),
            rotated: OnceLock::new(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.centroids.len() / (4 * self.dim)
    }

    pub(crate) fn centroid(&self, cell: usize) -> &[f32] {
        &self.centroids.typed::<f32>()[cell * self.dim..][..self.dim]
    }

    /// What the rows of `cell` are coded relative to.
    pub(crate) fn origin<'a>(&'a self, simd: Simd, codec: &Codec, cell: usize) -> Origin<'a> {
        // In turn: a pool's thread that waits for others here could pick up a task that waits for it.
        let rotated = self.rotated.get_or_init(|| {
            let mut all = vec![0f32; self.count() * self.dim];
            for (c, z) in all.chunks_exact_mut(self.dim).enumerate() {
                simd.sub(self.centroid(c), &codec.mean, z);
                codec.rotation.forward(simd, z);
            }
            all
        });
        Origin {
            centroid: self.centroid(cell),
            rotated: Some(&rotated[cell * self.dim..][..self.dim]),
        }
    }

    pub(crate) fn resident(&self) -> usize {
        let derived = self.tiles.get().map_or(0, |_| self.centroids.len())
            + self.rotated.get().map_or(0, |r| r.len() * 4);
        self.centroids.resident() + self.radii.resident() + self.coded.resident() + derived
    }

    pub(crate) fn mapped(&self) -> usize {
        self.centroids.mapped() + self.radii.mapped() + self.coded.mapped()
    }

    /// The cell of each row.
    pub(crate) fn assign(&self, simd: Simd, metric: Metric, view: Rows) -> Vec<u32> {
        let dim = self.dim;
        let tiles = self
            .tiles
            .get_or_init(|| Tiles::new(simd, self.centroids.typed(), dim));
        let mut cells = vec![0u32; view.len()];
        cells
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, cells)| {
                let first = chunk * CHUNK;
                let rows = copy(
                    simd,
                    metric,
                    dim,
                    (first..first + cells.len()).map(|i| view.row(i)),
                );
                tiles.nearest(simd, &rows, cells);
            });
        cells
    }
}

/// Cells that serve `rows` rows well: measured on 300,000 words, the best lies between 1,024 and 2,048.
fn auto_cells(rows: usize) -> usize {
    (4.0 * (rows as f64).sqrt()) as usize / 32 * 32
}

/// How many cells are trained, on how many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Training {
    pub(crate) cells: usize,
    pub(crate) sampled: usize,
}

impl Training {
    /// What serves an index of `rows` rows; `None` where they are too few for two cells.
    pub(crate) fn new(options: &Options, rows: usize) -> Option<Self> {
        let wanted = if options.nlist == 0 {
            auto_cells(rows).min(rows / MIN_ROWS)
        } else {
            options.nlist as usize
        };
        let cells = wanted.min(rows);
        let sampled = (cells * SAMPLED).min(rows);
        (cells >= 2).then_some(Training { cells, sampled })
    }

    /// Memory that training takes.
    pub(crate) fn bytes(&self, dim: usize) -> usize {
        // Rows with their cells, a shuffle and the members of cells; centroids, their tiles and the
        // cells around each.
        self.sampled * (dim * 4 + 16) + self.cells * (dim * 12 + AROUND * 4 + 64)
    }

    /// The same in at most `room` bytes: rows are given up first, down to `MIN_ROWS` a cell, then,
    /// where their number is free, cells, down to one for each pair of rows' square root. An error
    /// is the least room.
    pub(crate) fn within(
        self,
        options: &Options,
        rows: usize,
        room: usize,
    ) -> std::result::Result<Self, usize> {
        let with = |cells: usize, per_cell: usize| Training {
            cells,
            sampled: (cells * per_cell).min(self.sampled),
        };
        if self.bytes(options.dim) <= room {
            return Ok(self);
        }
        let fits = |t: &Training| t.bytes(options.dim) <= room;
        let fewer_rows = (MIN_ROWS..SAMPLED).rev().map(|n| with(self.cells, n));
        let least = match options.nlist {
            0 => (rows.isqrt() / 2).clamp(2, self.cells),
            _ => self.cells,
        };
        let fewer_cells = (least..self.cells).rev().map(|cells| with(cells, MIN_ROWS));
        fewer_rows
            .chain(fewer_cells)
            .find(fits)
            .ok_or(with(least, MIN_ROWS).bytes(options.dim))
    }
}

/// Trains the cells of an index of `rows` rows; `gather` gives those with the numbers that it is
/// asked for, one after the other, of unit length under cosine.
pub(crate) fn partition(
    simd: Simd,
    options: &Options,
    control: &Control,
    training: Training,
    rows: usize,
    gather: impl FnOnce(&[u32]) -> Result<Vec<f32>>,
    mean: &[f32],
) -> Result<Arc<Partition>> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let Training { cells, sampled } = training;
    if sampled < rows {
        order.par_sort_unstable_by_key(|&row| (random(options.seed, row as u64), row));
        order.truncate(sampled);
        order.sort_unstable();
    }
    control.check()?;
    let sample = gather(&order)?;
    drop(order);
    let centroids = train(simd, &sample, options.dim, cells, options.seed);
    control.check()?;
    let radii = radii(simd, &sample, &centroids, options.dim);
    let coded = code_centroids(simd, options, &centroids, mean)?;
    Ok(Arc::new(Partition::new(
        options.dim,
        bytes(&centroids)?,
        bytes(&radii)?,
        coded,
    )))
}

fn bytes(values: &[f32]) -> Result<Bytes> {
    let mut kept = AlignedBuf::zeroed(size_of_val(values))?;
    kept.copy_from_slice(bytemuck::cast_slice(values));
    Ok(kept.into())
}

fn radii(simd: Simd, rows: &[f32], centroids: &[f32], dim: usize) -> Vec<f32> {
    let mut cells = vec![0u32; rows.len() / dim];
    let tiles = Tiles::new(simd, centroids, dim);
    rows.par_chunks(CHUNK * dim)
        .zip(cells.par_chunks_mut(CHUNK))
        .for_each(|(rows, cells)| tiles.nearest(simd, rows, cells));
    let mut radii = vec![0f32; centroids.len() / dim];
    for (row, &cell) in rows.chunks_exact(dim).zip(&cells) {
        let radius = &mut radii[cell as usize];
        *radius = radius.max(
            simd.l2(row, &centroids[cell as usize * dim..][..dim])
                .sqrt(),
        );
    }
    radii
}

/// The options of the codes of centroids: L2 whatever the metric, since rows are assigned by it.
pub(crate) fn centroid_options(options: &Options) -> Options {
    Options {
        bits: CENTROID_BITS,
        seed: options.seed,
        ..Options::new(Kind::Asym, options.dim)
    }
}

fn code_centroids(
    simd: Simd,
    options: &Options,
    centroids: &[f32],
    mean: &[f32],
) -> Result<Segment> {
    let options = centroid_options(options);
    let builder = Builder {
        simd,
        options: &options,
        control: Control::default(),
    };
    let codec = Arc::new(Codec::new(&options, mean.to_vec()));
    let view = Rows::new(
        centroids,
        centroids.len() / options.dim,
        options.dim,
        options.dim,
    )?;
    builder.checked_view(
        Some(&Coding {
            codec,
            partition: None,
        }),
        view,
        &Ids::From(0),
    )
}

/// Rows one after the other, of unit length under cosine.
pub(crate) fn copy<'a>(
    simd: Simd,
    metric: Metric,
    dim: usize,
    rows: impl Iterator<Item = &'a [f32]>,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.size_hint().0 * dim);
    for row in rows {
        out.extend_from_slice(row);
        if metric == Metric::Cosine {
            let at = out.len() - dim;
            simd.scale(&mut out[at..], inverse_norm(simd.dot(row, row)));
        }
    }
    out
}
