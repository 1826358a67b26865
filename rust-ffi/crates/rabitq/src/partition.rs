use std::sync::OnceLock;

use rayon::prelude::*;
use simd::{Simd, TILE_COLUMNS};

use crate::encode::{Codec, inverse_norm};
use crate::error::Result;
use crate::kmeans::{
    Tiles, assignment_keys, column_norms, put_tiles, round_row, tile_bytes, tile_step, tile_width,
    train,
};
use crate::map::{AlignedBuf, Bytes};
use crate::options::{Control, Metric, Options};
use crate::rotate::random;
use crate::rows::Rows;

/// Sampled rows for each cell in training; fewer cost recall, more cost time.
const SAMPLED: usize = 128;
/// Fewer rows a cell than this do not train a centroid (the limit that faiss warns at).
const MIN_ROWS: usize = 39;
/// Rows of one unit of parallel work.
const CHUNK: usize = 1024;
/// So many cells are probed in the order of their distance.
const SORTED: usize = 16;
/// Of so many keys the nearest are chosen without a look at all of them in order.
const SAMPLED_KEYS: usize = 128;

/// The cells of an IVF index: their centroids, and bytes of them to find the near ones fast.
pub(crate) struct Partition {
    pub(crate) dim: usize,
    /// Unit vectors' centroids under cosine.
    pub(crate) centroids: Bytes,
    /// The distance of each centroid to the farthest of the rows that it was trained with.
    pub(crate) radii: Bytes,
    /// What is added to the squared distance to each centroid when a row is assigned.
    pub(crate) biases: Bytes,
    /// P (c - m) of each centroid, in bytes.
    pub(crate) tiles: Tiles<Bytes>,
    /// The part of a cell's key that does not depend on the query; infinite past the last cell.
    pub(crate) keys: Bytes,
    rotated: OnceLock<Vec<f32>>,
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
        radii: Bytes,
        biases: Bytes,
        tiles: Tiles<Bytes>,
        keys: Bytes,
    ) -> Self {
        Partition {
            dim,
            centroids,
            radii,
            biases,
            tiles,
            keys,
            rotated: OnceLock::new(),
        }
    }

    /// Bytes of the tiles and of the keys of `count` cells.
    pub(crate) fn table_bytes(dim: usize, count: usize) -> (usize, usize) {
        (
            tile_bytes(dim, count),
            count.next_multiple_of(TILE_COLUMNS) * 4,
        )
    }

    /// Cells around centroids, which are given as P (c - m) with the radii of their cells.
    fn of(
        simd: Simd,
        codec: &Codec,
        rotated: Vec<f32>,
        biases: &[f32],
        radii: &[f32],
    ) -> Result<Self> {
        let dim = codec.layout.dim;
        let mut centroids = rotated.clone();
        for c in centroids.chunks_exact_mut(dim) {
            codec.rotation.inverse(simd, c);
            c.iter_mut().zip(&codec.mean).for_each(|(c, m)| *c += m);
        }
        let step = tile_step(simd, &rotated);
        let mut tiles = AlignedBuf::zeroed(tile_bytes(dim, radii.len()))?;
        put_tiles(simd, &mut tiles, dim, &rotated, step);
        let mut keys = column_norms(simd, dim, &rotated);
        if codec.metric == Metric::InnerProduct {
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
            bytes(radii)?,
            bytes(biases)?,
            tiles,
            bytes(&keys)?,
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
            &self.radii,
            &self.biases,
            &self.tiles.bytes,
            &self.keys,
        ]
    }

    /// The cell of each row.
    pub(crate) fn assign(&self, simd: Simd, codec: &Codec, view: Rows) -> Vec<u32> {
        let (dim, width) = (self.dim, self.tiles.width);
        let keys = assignment_keys(simd, dim, self.rotated(simd, codec), self.biases.typed());
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

    /// Writes the cells that a search probes, `wanted` of them, the nearest of them first: by L2, or by
    /// the best inner product that a cell can hold, <q, c> + |q| R. `z` is P (q - m), `norm` |q|.
    pub(crate) fn nearest(
        &self,
        simd: Simd,
        metric: Metric,
        z: &[f32],
        norm: f32,
        wanted: usize,
        out: &mut Nearest,
    ) {
        let Nearest {
            row,
            dots,
            keys,
            places,
            cells,
        } = out;
        let columns = self.keys.len() / 4;
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
        simd.affine(
            dots,
            weight * self.tiles.step * step,
            self.keys.typed(),
            keys,
        );
        keys.truncate(self.count());
        if metric == Metric::InnerProduct {
            let radii = self.radii.typed::<f32>();
            keys.iter_mut()
                .zip(radii)
                .for_each(|(key, r)| *key -= norm * r);
        }
        let key = |&cell: &u32| (keys[cell as usize], cell);
        let by = |a: &u32, b: &u32| key(a).0.total_cmp(&key(b).0).then(a.cmp(b));
        cells.clear();
        if wanted < keys.len() / 4 && keys.len() > SAMPLED_KEYS {
            // A limit that some more than wanted keep, by a sample of the keys.
            let mut sample: Vec<f32> = keys
                .iter()
                .step_by(keys.len() / SAMPLED_KEYS)
                .copied()
                .collect();
            let part = wanted as f32 / keys.len() as f32 * sample.len() as f32;
            let rank = (part + 2.0 * part.sqrt() + 1.0) as usize;
            if rank < sample.len() {
                let limit = *sample.select_nth_unstable_by(rank, f32::total_cmp).1;
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
            cells.select_nth_unstable_by(wanted, by);
            cells.truncate(wanted);
        }
        // The nearest set the threshold; among the others, order gains nothing.
        let first = cells.len().min(SORTED);
        if first < cells.len() {
            cells.select_nth_unstable_by(first, by);
        }
        cells[..first].sort_unstable_by(by);
        cells[first..].sort_unstable();
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
fn auto_cells(rows: usize) -> usize {
    (2.0 * (rows as f64).sqrt()) as usize / 16 * 16
}

/// Trains the cells for an index of `view`; `None` where there are too few rows for two.
pub(crate) fn partition(
    simd: Simd,
    options: &Options,
    control: &Control,
    view: Rows,
    codec: &Codec,
) -> Result<Option<Partition>> {
    let rows = view.len();
    let wanted = if options.nlist == 0 {
        auto_cells(rows).min(rows / MIN_ROWS)
    } else {
        options.nlist as usize
    };
    let count = wanted.min(rows);
    if count < 2 {
        return Ok(None);
    }
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let sampled = (count * SAMPLED).min(rows);
    if sampled < rows {
        order.par_sort_unstable_by_key(|&row| (random(options.seed, row as u64), row));
        order.truncate(sampled);
        order.sort_unstable();
    }
    control.check()?;
    let dim = options.dim;
    let mut sample = vec![0f32; sampled * dim];
    sample
        .par_chunks_mut(CHUNK * dim)
        .zip(order.par_chunks(CHUNK))
        .for_each(|(sample, order)| {
            sample.copy_from_slice(&rotated_rows(
                simd,
                codec,
                order.iter().map(|&i| view.row(i as usize)),
            ));
        });
    let trained = train(simd, &sample, dim, count, options.seed);
    control.check()?;
    let mut radii = vec![0f32; count];
    for (row, &cell) in sample.chunks_exact(dim).zip(&trained.cells) {
        let centroid = &trained.centroids[cell as usize * dim..][..dim];
        let radius = &mut radii[cell as usize];
        *radius = radius.max(simd.l2(row, centroid).sqrt());
    }
    Partition::of(simd, codec, trained.centroids, &trained.biases, &radii).map(Some)
}

fn bytes(values: &[f32]) -> Result<Bytes> {
    let mut kept = AlignedBuf::zeroed(size_of_val(values))?;
    kept.copy_from_slice(bytemuck::cast_slice(values));
    Ok(kept.into())
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
