use std::cmp::Ordering;
use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;
use simd::{Simd, TILE_COLUMNS};

use crate::encode::{Codec, inverse_norm};
use crate::error::Result;
use crate::kmeans::{
    Tiles, assignment_keys, byte_error, column_norms, is_coarse, nearest_exactly, put_tiles,
    round_row, tile_bytes, tile_step, tile_width, train,
};
use crate::map::{AlignedBuf, Bytes};
use crate::options::{Control, Metric, Options};
use crate::rotate::random;
use crate::rows::Rows;

/// Sampled rows for each cell in training; fewer cost recall, more cost time.
const SAMPLED: usize = 128;
/// Fewer rows a cell than this do not train a centroid (the limit that faiss warns at).
pub(crate) const MIN_ROWS: usize = 39;
/// Rows of one unit of parallel work.
const CHUNK: usize = 1024;
/// Standard deviations of a key's rounding within which the centroids themselves are asked.
const MARGIN: f32 = 3.0;
/// The part of the mean squared distance of its rows that is added to a cell's key.
const TIGHTNESS: f32 = 0.4;
/// Standard deviations of a row's inner product that a cell is expected to reach.
const REACHED: f32 = 1.5;
/// How fast cells that lie further than the nearest lose their worth, in the spread of their rows:
/// chosen so that each of the measured sets (words, MiniLM, clustered) needs the fewest rows for a
/// recall of .9 to .99.
const FALLOFF: f32 = 2.0;
/// So many cells are probed in the order of their distance.
const SORTED: usize = 16;
/// Of so many keys the nearest are chosen without a look at all of them in order.
const SAMPLED_KEYS: usize = 128;

/// The cells of an IVF index: their centroids, and bytes of them to find the near ones fast.
pub(crate) struct Partition {
    pub(crate) dim: usize,
    /// Unit vectors' centroids under cosine.
    pub(crate) centroids: Bytes,
    /// What each cell's key gains by the spread of its rows (`spread`).
    pub(crate) spreads: Bytes,
    /// What is added to the squared distance to each centroid when a row is assigned.
    pub(crate) biases: Bytes,
    /// P (c - m) of each centroid, in bytes.
    pub(crate) tiles: Tiles<Bytes>,
    /// The part of a cell's key that does not depend on the query; infinite past the last cell.
    pub(crate) keys: Bytes,
    /// Rows that the index had when the cells were trained.
    pub(crate) trained: usize,
    rotated: OnceLock<Vec<f32>>,
    errors: OnceLock<Errors>,
}

/// How far the tiles can be trusted.
struct Errors {
    /// The mean squared length of P (c - m).
    mean_sq: f32,
    /// The mean squared distance of rows to their centroids.
    distance_sq: f32,
    /// Whether rows are assigned in single precision.
    coarse: bool,
}

/// A row's way from the index's mean to its own centroid.
pub(crate) struct Origin<'a> {
    pub(crate) centroid: &'a [f32],
    /// P (c - m); `None` where the centroid is the mean.
    pub(crate) rotated: Option<&'a [f32]>,
}

impl Partition {
    pub(crate) fn new(
        dim: usize,
        centroids: Bytes,
        spreads: Bytes,
        biases: Bytes,
        tiles: Tiles<Bytes>,
        keys: Bytes,
        trained: usize,
    ) -> Self {
        Partition {
            dim,
            centroids,
            spreads,
            biases,
            tiles,
            keys,
            trained,
            rotated: OnceLock::new(),
            errors: OnceLock::new(),
        }
    }

    /// Bytes of the tiles and of the keys of `count` cells.
    pub(crate) fn table_bytes(dim: usize, count: usize) -> (usize, usize) {
        (
            tile_bytes(dim, count),
            count.next_multiple_of(TILE_COLUMNS) * 4,
        )
    }

    /// Cells around centroids, which are given as P (c - m) with the spreads of their cells; the first
    /// of them are those of `kept`, to the bit.
    fn of(
        simd: Simd,
        codec: &Codec,
        kept: &Kept,
        rotated: Vec<f32>,
        biases: &[f32],
        spreads: &[f32],
        rows: usize,
    ) -> Result<Self> {
        let dim = codec.layout.dim;
        let mut centroids = rotated.clone();
        for c in centroids.chunks_exact_mut(dim) {
            codec.rotation.inverse(simd, c);
            c.iter_mut().zip(&codec.mean).for_each(|(c, m)| *c += m);
        }
        centroids[..kept.centroids.len()].copy_from_slice(&kept.centroids);
        let step = tile_step(simd, &rotated);
        let mut tiles = AlignedBuf::zeroed(tile_bytes(dim, spreads.len()))?;
        put_tiles(simd, &mut tiles, dim, &rotated, step);
        let mut keys = column_norms(simd, dim, &rotated);
        if codec.metric != Metric::InnerProduct {
            keys.iter_mut().zip(spreads).for_each(|(key, s)| *key += s);
        } else {
            // <q, c> is <P (q - m), P (c - m)> + <m, c - m> + what is the same for all cells.
            for (key, c) in keys.iter_mut().zip(centroids.chunks_exact(dim)) {
                *key = simd.dot(&codec.mean, &codec.mean) - simd.dot(&codec.mean, c);
            }
        }
        let tiles = Tiles {
            width: tile_width(dim),
            step,
            bytes: tiles.into(),
        };
        Ok(Partition::new(
            dim,
            bytes(&centroids)?,
            bytes(spreads)?,
            bytes(biases)?,
            tiles,
            bytes(&keys)?,
            rows,
        ))
    }

    pub(crate) fn count(&self) -> usize {
        self.centroids.len() / (4 * self.dim)
    }

    pub(crate) fn centroid(&self, cell: usize) -> &[f32] {
        &self.centroids.typed::<f32>()[cell * self.dim..][..self.dim]
    }

    fn rotated(&self, simd: Simd, codec: &Codec) -> &[f32] {
        // In turn: a pool's thread that waits for others here could pick up a task that waits for it.
        self.rotated.get_or_init(|| {
            let mut all = vec![0f32; self.count() * self.dim];
            for (c, z) in all.chunks_exact_mut(self.dim).enumerate() {
                simd.sub(self.centroid(c), &codec.mean, z);
                codec.rotation.forward(simd, z);
            }
            all
        })
    }

    fn errors(&self, simd: Simd, codec: &Codec) -> &Errors {
        self.errors.get_or_init(|| {
            let mut sum = 0f64;
            for c in self.centroids.typed::<f32>().chunks_exact(self.dim) {
                sum += f64::from(simd.l2(c, &codec.mean));
            }
            let mean_sq = (sum / self.count().max(1) as f64) as f32;
            let spreads = self.spreads.typed::<f32>();
            let distances = spreads
                .iter()
                .map(|s| f64::from(mean_sq_distance(codec.metric, self.dim, *s)));
            let mean = distances.sum::<f64>() / spreads.len().max(1) as f64;
            Errors {
                mean_sq,
                distance_sq: mean as f32,
                coarse: is_coarse(mean_sq, self.tiles.step, mean as f32),
            }
        })
    }

    /// What the rows of `cell` are coded relative to.
    pub(crate) fn origin<'a>(&'a self, simd: Simd, codec: &Codec, cell: usize) -> Origin<'a> {
        Origin {
            centroid: self.centroid(cell),
            rotated: Some(&self.rotated(simd, codec)[cell * self.dim..][..self.dim]),
        }
    }

    pub(crate) fn resident(&self) -> usize {
        let derived = self.rotated.get().map_or(0, |r| r.len() * 4);
        self.parts().iter().map(|b| b.resident()).sum::<usize>() + derived
    }

    pub(crate) fn mapped(&self) -> usize {
        self.parts().iter().map(|b| b.mapped()).sum()
    }

    fn parts(&self) -> [&Bytes; 5] {
        [
            &self.centroids,
            &self.spreads,
            &self.biases,
            &self.tiles.bytes,
            &self.keys,
        ]
    }

    /// The cell of each row.
    pub(crate) fn assign(&self, simd: Simd, codec: &Codec, view: Rows) -> Vec<u32> {
        let (dim, width) = (self.dim, self.tiles.width);
        let (centroids, biases) = (self.rotated(simd, codec), self.biases.typed());
        let keys = assignment_keys(simd, dim, centroids, biases);
        let coarse = self.errors(simd, codec).coarse;
        let mut cells = vec![0u32; view.len()];
        cells
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, cells)| {
                let rows = rotated_rows(
                    simd,
                    codec,
                    (chunk * CHUNK..).take(cells.len()).map(|i| view.row(i)),
                );
                if coarse {
                    nearest_exactly(simd, dim, &rows, centroids, biases, cells);
                    return;
                }
                let mut bytes = vec![0i8; cells.len() * width];
                let steps: Vec<f32> = rows
                    .chunks_exact(dim)
                    .zip(bytes.chunks_exact_mut(width))
                    .map(|(row, bytes)| round_row(simd, row, bytes))
                    .collect();
                self.tiles.nearest(simd, &bytes, &steps, &keys, cells);
            });
        cells
    }

    /// Writes the cells that a search probes, the nearest of them first: by L2 or the inner product,
    /// and the spread of their rows. `z` is P (q - m). There are `wanted` of them, or fewer where it
    /// may stop early, which `usize::MAX` never does.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn nearest(
        &self,
        simd: Simd,
        codec: &Codec,
        query: &[f32],
        z: &[f32],
        mut wanted: usize,
        may_stop: bool,
        out: &mut Nearest,
    ) {
        let Nearest {
            row,
            dots,
            keys,
            places,
            cells,
        } = out;
        let (columns, metric) = (self.keys.len() / 4, codec.metric);
        row.resize(self.tiles.width, 0);
        dots.resize(columns, 0);
        keys.resize(columns, 0.0);
        places.resize(columns, 0);
        let step = round_row(simd, z, row);
        simd.byte_products(row, self.tiles.width, &self.tiles.bytes, dots);
        let weight = if metric == Metric::InnerProduct {
            -1.0
        } else {
            -2.0
        };
        let weight_of_bytes = weight * self.tiles.step * step;
        simd.affine(dots, weight_of_bytes, self.keys.typed(), keys);
        keys.truncate(self.count());
        let norm = simd.dot(query, query).sqrt();
        if metric == Metric::InnerProduct {
            keys.iter_mut()
                .zip(self.spreads.typed::<f32>())
                .for_each(|(key, spread)| *key -= norm * spread);
        }
        // Keys are right but for the rounding of both sides; those within it of the last that is wanted
        // are told apart by the centroids themselves.
        let errors = self.errors(simd, codec);
        let of_row = byte_error(errors.mean_sq, step);
        let z_sq = simd.dot(z, z);
        let of_cells = byte_error(z_sq, self.tiles.step);
        let margin = MARGIN * weight.abs() / 2.0 * (of_row * of_row + of_cells * of_cells).sqrt();
        cells.clear();
        if may_stop && metric != Metric::InnerProduct && !errors.coarse && wanted < usize::MAX {
            // The i-th cell is worth its probe up to wanted / i = exp(FALLOFF (key - least) / scale).
            let least = simd.least(dots, weight_of_bytes, self.keys.typed()).0;
            let distance_sq = (z_sq + least).max(errors.distance_sq);
            let scale = (errors.distance_sq * distance_sq).sqrt() / FALLOFF;
            let reach = |i: usize| least + scale * (wanted as f32 / i as f32).ln();
            let (mut worthwhile, mut more) = (1, wanted.min(keys.len()) + 1);
            while worthwhile + 1 < more {
                let i = (worthwhile + more) / 2;
                if simd.places_up_to(keys, reach(i), places) >= i {
                    worthwhile = i;
                } else {
                    more = i;
                }
            }
            let count = simd.places_up_to(keys, reach(worthwhile) + margin, places);
            // Keys of a file may be anything.
            if count >= worthwhile {
                cells.extend_from_slice(&places[..count]);
                wanted = worthwhile;
            }
        } else if wanted < keys.len() / 4 && keys.len() > SAMPLED_KEYS {
            // A limit that some more than wanted keep, by a sample of the keys.
            let mut sample: Vec<f32> = keys
                .iter()
                .step_by(keys.len() / SAMPLED_KEYS)
                .copied()
                .collect();
            let part = wanted as f32 / keys.len() as f32 * sample.len() as f32;
            let rank = (part + 2.0 * part.sqrt() + 1.0) as usize;
            if rank < sample.len() {
                let limit = *sample.select_nth_unstable_by(rank, f32::total_cmp).1 + margin;
                let count = simd.places_up_to(keys, limit, places);
                if count >= wanted {
                    cells.extend_from_slice(&places[..count]);
                }
            }
        }
        if cells.is_empty() {
            cells.extend(0..keys.len() as u32);
        }
        if wanted < cells.len() {
            let limit = keys[*cells.select_nth_unstable_by(wanted - 1, by(keys)).1 as usize];
            cells.retain(|&cell| keys[cell as usize] <= limit + margin);
            if wanted < cells.len() {
                // Exact keys differ from the others by a constant, which one of them tells well enough.
                let offset = limit - self.exact_key(simd, metric, query, norm, cells[wanted - 1]);
                for &cell in cells.iter() {
                    let key = &mut keys[cell as usize];
                    if *key >= limit - margin {
                        *key = (self.exact_key(simd, metric, query, norm, cell) + offset)
                            .max(limit - margin);
                    }
                }
                cells.select_nth_unstable_by(wanted, by(keys));
                cells.truncate(wanted);
            }
        }
        // The nearest set the threshold; among the others, order gains nothing.
        let first = cells.len().min(SORTED);
        if first < cells.len() {
            cells.select_nth_unstable_by(first, by(keys));
        }
        cells[..first].sort_unstable_by(by(keys));
        cells[first..].sort_unstable();
    }

    /// A cell's key but for what is the same for all cells.
    fn exact_key(&self, simd: Simd, metric: Metric, query: &[f32], norm: f32, cell: u32) -> f32 {
        let centroid = self.centroid(cell as usize);
        let spread = self.spreads.typed::<f32>()[cell as usize];
        match metric {
            Metric::InnerProduct => -simd.dot(query, centroid) - norm * spread,
            _ => simd.l2(query, centroid) + spread,
        }
    }
}

/// The squared distances of a cell's rows to its centroid.
#[derive(Clone, Default)]
struct Distances {
    sum: f64,
    count: u32,
    most: f32,
}

impl Distances {
    fn add(&mut self, squared: f32) {
        self.sum += f64::from(squared);
        self.count += 1;
        self.most = self.most.max(squared);
    }

    /// Of two cells at one distance the tighter holds more near rows: by L2, a part of the mean squared
    /// distance is added. The best inner product in a cell is <q, c> + |q| R at most, but rows are
    /// spread over the directions: some standard deviations of them are expected.
    fn spread(&self, metric: Metric, dim: usize) -> f32 {
        match metric {
            Metric::InnerProduct => REACHED * (self.most / dim as f32).sqrt(),
            _ => TIGHTNESS * (self.sum / f64::from(self.count.max(1))) as f32,
        }
    }
}

/// About the mean squared distance of the rows to the centroid of a cell with this spread.
fn mean_sq_distance(metric: Metric, dim: usize, spread: f32) -> f32 {
    match metric {
        // About half of that of the farthest row.
        Metric::InnerProduct => (spread / REACHED).powi(2) * dim as f32 / 2.0,
        _ => spread / TIGHTNESS,
    }
}

/// The order of cells by their keys.
fn by(keys: &[f32]) -> impl Fn(&u32, &u32) -> Ordering + '_ {
    |a, b| {
        keys[*a as usize]
            .total_cmp(&keys[*b as usize])
            .then(a.cmp(b))
    }
}

/// The cells that a search probes, and what it takes to find them.
#[derive(Default)]
pub(crate) struct Nearest {
    row: Vec<i8>,
    dots: Vec<i32>,
    keys: Vec<f32>,
    places: Vec<u32>,
    pub(crate) cells: Vec<u32>,
}

/// Cells that serve `rows` rows well: of 300,000 words, 1,024 are searched faster than 512 or 2,048
/// at a recall of .95.
pub(crate) fn auto_cells(rows: usize) -> usize {
    (2.0 * (rows as f64).sqrt()) as usize / 16 * 16
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
        // Rows, also in bytes, with their steps, cells before and after, a shuffle and the members of
        // cells; centroids, rotated and not, their copies, and their bytes.
        self.sampled * (dim * 5 + 24) + self.cells * (dim * 14 + 128)
    }

    /// The same in at most `room` bytes: rows are given up first, down to `MIN_ROWS` a cell, then,
    /// where their number is free, cells, down to a quarter. An error is the least room.
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

/// Cells that a partition takes over from an older one: rows may stay coded relative to them.
#[derive(Default)]
pub(crate) struct Kept {
    centroids: Vec<f32>,
    rotated: Vec<f32>,
    spreads: Vec<f32>,
}

impl Kept {
    pub(crate) fn new(
        simd: Simd,
        codec: &Codec,
        partition: &Partition,
        cells: Range<usize>,
    ) -> Self {
        let floats = cells.start * partition.dim..cells.end * partition.dim;
        Kept {
            centroids: partition.centroids.typed()[floats.clone()].to_vec(),
            rotated: partition.rotated(simd, codec)[floats].to_vec(),
            spreads: partition.spreads.typed()[cells].to_vec(),
        }
    }
}

/// Trains the cells of an index of `rows` rows beside those that are `kept`; `gather` gives those with
/// the numbers that it is asked for, one after the other, as P (x - m), x of unit length under cosine.
#[expect(clippy::too_many_arguments, reason = "what training needs to know")]
pub(crate) fn partition(
    simd: Simd,
    options: &Options,
    control: &Control,
    training: Training,
    kept: &Kept,
    rows: usize,
    gather: impl FnOnce(&[u32]) -> Result<Vec<f32>>,
    codec: &Codec,
) -> Result<Partition> {
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
    let dim = options.dim;
    let trained = train(simd, &sample, dim, &kept.rotated, cells, options.seed);
    control.check()?;
    let mut distances = vec![Distances::default(); cells];
    for (row, &cell) in sample.chunks_exact(dim).zip(&trained.cells) {
        let centroid = &trained.centroids[cell as usize * dim..][..dim];
        distances[cell as usize].add(simd.l2(row, centroid));
    }
    let new = distances.iter().map(|d| d.spread(options.metric, dim));
    let old = kept.spreads.iter().copied();
    let spreads: Vec<f32> = old.chain(new.skip(kept.spreads.len())).collect();
    Partition::of(
        simd,
        codec,
        kept,
        trained.centroids,
        &trained.biases,
        &spreads,
        rows,
    )
}

fn bytes(values: &[f32]) -> Result<Bytes> {
    let mut kept = AlignedBuf::zeroed(size_of_val(values))?;
    kept.copy_from_slice(bytemuck::cast_slice(values));
    Ok(kept.into())
}

/// Writes P (x - m) of the rows with the given numbers, of which `first` is that of the view's first.
pub(crate) fn put_rotated(
    simd: Simd,
    codec: &Codec,
    view: Rows,
    numbers: &[u32],
    first: usize,
    out: &mut [f32],
) {
    out.par_chunks_mut(CHUNK * codec.layout.dim)
        .zip(numbers.par_chunks(CHUNK))
        .for_each(|(out, numbers)| {
            let rows = numbers.iter().map(|&i| view.row(i as usize - first));
            out.copy_from_slice(&rotated_rows(simd, codec, rows));
        });
}

/// P (x - m) of rows, of unit length under cosine, one after the other.
fn rotated_rows<'a>(simd: Simd, codec: &Codec, rows: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
    let dim = codec.layout.dim;
    let mut out = Vec::with_capacity(rows.size_hint().0 * dim);
    let mut unit = vec![0f32; dim];
    for row in rows {
        let at = out.len();
        out.resize(at + dim, 0.0);
        let mut row = row;
        if codec.metric == Metric::Cosine {
            unit.copy_from_slice(row);
            simd.scale(&mut unit, inverse_norm(simd.dot(row, row)));
            row = &unit;
        }
        simd.sub(row, &codec.mean, &mut out[at..]);
        codec.rotation.forward(simd, &mut out[at..]);
    }
    out
}
