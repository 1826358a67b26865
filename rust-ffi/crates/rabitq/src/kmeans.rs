use rayon::prelude::*;
use simd::{Simd, TILE};

use crate::rotate::random;

/// Rows that are compared with all centroids at a time, so that a tile stays in the cache.
const ROWS: usize = 64;
/// Iterations in which every row meets every centroid; in the others it meets the centroids around
/// its own, a fiftieth of the work.
const WHOLE: usize = 2;
const ITERATIONS: usize = 20;
pub(crate) const AROUND: usize = 24;

/// Centroids in tiles of 32 columns, to compare many rows with all of them.
pub(crate) struct Tiles {
    dim: usize,
    lanes: Vec<f32>,
    /// |c|² of each column; infinite past the last.
    norms: Vec<f32>,
}

impl Tiles {
    pub(crate) fn new(simd: Simd, centroids: &[f32], dim: usize) -> Self {
        let count = centroids.len() / dim;
        let tiles = count.div_ceil(TILE);
        let mut lanes = vec![0f32; tiles * dim * TILE];
        let mut norms = vec![f32::INFINITY; tiles * TILE];
        for (c, centroid) in centroids.chunks_exact(dim).enumerate() {
            let tile = &mut lanes[c / TILE * dim * TILE..][..dim * TILE];
            centroid
                .iter()
                .enumerate()
                .for_each(|(d, x)| tile[d * TILE + c % TILE] = *x);
            norms[c] = simd.dot(centroid, centroid);
        }
        Tiles { dim, lanes, norms }
    }

    /// The nearest centroid of each row by L2, the first of several.
    pub(crate) fn nearest(&self, simd: Simd, rows: &[f32], nearest: &mut [u32]) {
        let mut products = [0f32; ROWS * TILE];
        for (rows, nearest) in rows.chunks(ROWS * self.dim).zip(nearest.chunks_mut(ROWS)) {
            let mut best = [[f32::INFINITY; TILE]; ROWS];
            let mut tile_of = [[0u32; TILE]; ROWS];
            let products = &mut products[..nearest.len() * TILE];
            for (t, tile) in self.lanes.chunks_exact(self.dim * TILE).enumerate() {
                simd.products(rows, self.dim, tile, products);
                let norms = &self.norms[t * TILE..][..TILE];
                for (r, products) in products.chunks_exact(TILE).enumerate() {
                    let (best, tile_of) = (&mut best[r], &mut tile_of[r]);
                    for c in 0..TILE {
                        let distance = norms[c] - 2.0 * products[c];
                        let nearer = distance < best[c];
                        best[c] = if nearer { distance } else { best[c] };
                        tile_of[c] = if nearer { t as u32 } else { tile_of[c] };
                    }
                }
            }
            for (r, nearest) in nearest.iter_mut().enumerate() {
                let centroid = |c: usize| tile_of[r][c] * TILE as u32 + c as u32;
                let least = (0..TILE).min_by(|&a, &b| {
                    best[r][a]
                        .total_cmp(&best[r][b])
                        .then(centroid(a).cmp(&centroid(b)))
                });
                *nearest = centroid(least.expect("a tile has columns"));
            }
        }
    }
}

/// `count` centroids of `rows` by Lloyd's k-means; the same for any number of threads.
pub(crate) fn train(simd: Simd, rows: &[f32], dim: usize, count: usize, seed: u64) -> Vec<f32> {
    let total = rows.len() / dim;
    let mut shuffled: Vec<u32> = (0..total as u32).collect();
    shuffled.sort_unstable_by_key(|&row| (random(seed, row as u64), row));
    let row = |i: u32| &rows[i as usize * dim..][..dim];
    let mut centroids: Vec<f32> = shuffled[..count]
        .iter()
        .flat_map(|&i| row(i))
        .copied()
        .collect();
    let mut cells = vec![0u32; total];
    for iteration in 0..ITERATIONS {
        if iteration < WHOLE {
            let tiles = Tiles::new(simd, &centroids, dim);
            rows.par_chunks(ROWS * dim)
                .zip(cells.par_chunks_mut(ROWS))
                .for_each(|(rows, cells)| tiles.nearest(simd, rows, cells));
        } else {
            let around = neighbours(simd, &centroids, dim, AROUND.min(count));
            cells
                .par_chunks_mut(ROWS)
                .enumerate()
                .for_each(|(chunk, cells)| {
                    let mut distances = [0f32; AROUND];
                    for (i, cell) in cells.iter_mut().enumerate() {
                        let near =
                            &around[*cell as usize * AROUND.min(count)..][..AROUND.min(count)];
                        let distances = &mut distances[..near.len()];
                        let x = row((chunk * ROWS + i) as u32);
                        simd.l2_gather(x, &centroids, dim, dim, near, distances);
                        let least = distances
                            .iter()
                            .zip(near)
                            .min_by(|a, b| a.0.total_cmp(b.0).then(a.1.cmp(b.1)));
                        *cell = *least.expect("a centroid is near itself").1;
                    }
                });
        }
        move_to_means(simd, rows, dim, &cells, &mut centroids);
    }
    centroids
}

/// The nearest `k` centroids of each, itself among them.
fn neighbours(simd: Simd, centroids: &[f32], dim: usize, k: usize) -> Vec<u32> {
    let count = centroids.len() / dim;
    let mut out = vec![0u32; count * k];
    out.par_chunks_mut(k).enumerate().for_each(|(c, out)| {
        let mut distances = vec![0f32; count];
        simd.l2_rows(
            &centroids[c * dim..][..dim],
            centroids,
            dim,
            dim,
            &mut distances,
        );
        let mut order: Vec<u32> = (0..count as u32).collect();
        let key = |&i: &u32| (distances[i as usize].to_bits(), i);
        if k < count {
            order.select_nth_unstable_by_key(k, key);
        }
        out.copy_from_slice(&order[..k]);
    });
    out
}

fn move_to_means(simd: Simd, rows: &[f32], dim: usize, cells: &[u32], centroids: &mut [f32]) {
    let (starts, members) = group(cells, centroids.len() / dim);
    centroids
        .par_chunks_exact_mut(dim)
        .enumerate()
        .for_each(|(c, centroid)| {
            let members = &members[starts[c] as usize..starts[c + 1] as usize];
            if members.is_empty() {
                return;
            }
            let mut sum = vec![0f64; dim];
            members
                .iter()
                .for_each(|&i| simd.accumulate(&mut sum, &rows[i as usize * dim..][..dim]));
            centroid
                .iter_mut()
                .zip(&sum)
                .for_each(|(c, s)| *c = (s / members.len() as f64) as f32);
        });
    let mut sizes: Vec<u32> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    for empty in 0..sizes.len() {
        if sizes[empty] > 0 {
            continue;
        }
        // An empty cell takes half of the largest: its centroid, moved a little along one side.
        let largest = (0..sizes.len())
            .rev()
            .max_by_key(|&c| sizes[c])
            .expect("there are cells");
        let half = sizes[largest] / 2;
        (sizes[empty], sizes[largest]) = (half, sizes[largest] - half);
        for d in 0..dim {
            let x = centroids[largest * dim + d];
            let step = x * if d % 2 == 0 {
                1.0 / 1024.0
            } else {
                -1.0 / 1024.0
            };
            centroids[empty * dim + d] = x + step;
            centroids[largest * dim + d] = x - step;
        }
    }
}

/// Members of each cell in ascending order: cell c has `members[starts[c]..starts[c + 1]]`.
pub(crate) fn group(cells: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; count + 1];
    cells.iter().for_each(|&c| starts[c as usize + 1] += 1);
    for c in 0..count {
        starts[c + 1] += starts[c];
    }
    let mut next = starts.clone();
    let mut members = vec![0u32; cells.len()];
    for (row, &c) in cells.iter().enumerate() {
        members[next[c as usize] as usize] = row as u32;
        next[c as usize] += 1;
    }
    (starts, members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize, dim: usize) -> Vec<f32> {
        (0..n * dim)
            .map(|i| (random(9, i as u64) >> 40) as f32 / (1 << 24) as f32 - 0.5)
            .collect()
    }

    #[test]
    fn nearest_agrees_with_a_plain_search() {
        for (n, dim, count) in [(1, 1, 1), (70, 3, 33), (200, 100, 64), (65, 17, 100)] {
            let (x, c) = (rows(n, dim), rows(count, dim));
            let mut found = vec![0; n];
            for simd in Simd::available() {
                Tiles::new(simd, &c, dim).nearest(simd, &x, &mut found);
                for (x, &found) in x.chunks_exact(dim).zip(&found) {
                    let distance = |c: &[f32]| {
                        x.iter()
                            .zip(c)
                            .map(|(a, b)| (a - b) as f64 * (a - b) as f64)
                            .sum::<f64>()
                    };
                    let least = c.chunks_exact(dim).map(distance).fold(f64::MAX, f64::min);
                    let got = distance(&c[found as usize * dim..][..dim]);
                    assert!(got <= least + 1e-5, "{got} {least}");
                }
            }
        }
    }

    #[test]
    fn training_is_the_same_for_any_number_of_threads_and_leaves_no_cell_empty() {
        let mut x = rows(3_000, 8);
        // Many equal rows make empty cells.
        x[..8 * 2_000].fill(0.25);
        let simd = Simd::best();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| train(simd, &x, 8, 60, 5))
        };
        let centroids = run(1);
        assert_eq!(centroids, run(3));
        let mut cells = vec![0; 3_000];
        Tiles::new(simd, &centroids, 8).nearest(simd, &x, &mut cells);
        let used: std::collections::HashSet<u32> = cells[2_000..].iter().copied().collect();
        assert!(used.len() > 40, "{}", used.len());
    }
}
