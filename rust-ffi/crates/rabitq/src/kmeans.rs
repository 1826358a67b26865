use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use rayon::prelude::*;
use simd::{Simd, TILE_COLUMNS, TILE_MAX};

use crate::rotate::random;

/// Rows that meet a group of tiles together, so that those stay in the nearest cache.
const ROWS: usize = 32;
/// Tiles of one group.
const GROUP: usize = 8;
/// Iterations in which every row meets every centroid; in the others it meets those around its own,
/// a fiftieth of the work.
const WHOLE: usize = 6;
const ITERATIONS: usize = 20;
/// In each iteration a cell's bias grows by this part of the mean squared distance for each time the
/// mean size that it is too large, and fades by that factor. On 300,000 words in 1,024 cells it takes
/// the rows that an equal recall scans down by 15%; twice the step costs recall.
const BIAS_STEP: f32 = 0.01;
const BIAS_FADES: f32 = 0.95;
/// More than that does not count: many equal rows would drive each other from cell to cell.
const MAX_EXCESS: f32 = 1.0;
/// Of so many rows one counts for the mean squared distance.
const INERTIA_STEP: usize = 16;
/// Centroids around one that its rows meet.
const AROUND: usize = 3 * TILE_COLUMNS;
/// Rows of one unit of parallel work.
const CHUNK: usize = 1024;

/// Centroids in 7 bits, to compare rows with many of them by integer products.
///
/// Both are relative to one mean and rotated, so that no component stands out and one step serves
/// all: the error of a product is some .002 |q| |c| at 100 dimensions.
#[derive(Clone)]
pub(crate) struct Tiles<B> {
    pub(crate) width: usize,
    /// What one unit of a centroid's byte is worth.
    pub(crate) step: f32,
    pub(crate) bytes: B,
}

/// The byte of 0. It adds the same to a row's products with all columns, which only their order is
/// taken from.
const MIDDLE: i16 = (TILE_MAX as i16 + 1) / 2;

/// Rows are assigned in single precision where the bytes' part of a squared distance's error is more
/// than this part of the mean squared distance: where clusters lie far apart and each is divided
/// into many cells.
const COARSE: f32 = 0.05;

/// The standard deviation of a squared distance by bytes to centroids of this mean squared length.
pub(crate) fn byte_error(mean_sq: f32, step: f32) -> f32 {
    2.0 * mean_sq.sqrt() * step / 12f32.sqrt()
}

/// Whether bytes are too coarse to tell which centroid is the nearest.
pub(crate) fn is_coarse(mean_sq: f32, step: f32, inertia: f32) -> bool {
    byte_error(mean_sq, step) > COARSE * inertia
}

/// The mean squared length of centroids.
pub(crate) fn mean_sq(simd: Simd, centroids: &[f32], dim: usize) -> f32 {
    let sum: f64 = centroids
        .chunks_exact(dim)
        .map(|c| f64::from(simd.dot(c, c)))
        .sum();
    (sum / (centroids.len() / dim).max(1) as f64) as f32
}

/// The centroid with the least |x - c|² + bias for each of some rows, the first of several.
pub(crate) fn nearest_exactly(
    simd: Simd,
    dim: usize,
    rows: &[f32],
    centroids: &[f32],
    biases: &[f32],
    nearest: &mut [u32],
) {
    let mut distances = vec![0f32; biases.len()];
    for (row, nearest) in rows.chunks_exact(dim).zip(nearest) {
        simd.l2_rows(row, centroids, dim, dim, &mut distances);
        let keys = distances.iter().zip(biases).map(|(d, b)| d + b);
        let least = keys
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        *nearest = least.map_or(0, |(c, _)| c as u32);
    }
}

/// Bytes of a row or a column of `dim` components: whole runs of four.
pub(crate) fn tile_width(dim: usize) -> usize {
    dim.next_multiple_of(4)
}

/// Bytes of the tiles of `count` columns.
pub(crate) fn tile_bytes(dim: usize, count: usize) -> usize {
    count.next_multiple_of(TILE_COLUMNS) * tile_width(dim)
}

/// The step of 7-bit tiles of these centroids.
pub(crate) fn tile_step(simd: Simd, centroids: &[f32]) -> f32 {
    let step = simd.max_abs(centroids) / f32::from(MIDDLE - 1);
    if step > 0.0 && step.is_finite() {
        step
    } else {
        1.0
    }
}

/// The runs of four bytes of a column.
fn runs(tiles: &[u8], width: usize, column: usize) -> impl Iterator<Item = &[u8]> {
    let tile = &tiles[column / TILE_COLUMNS * TILE_COLUMNS * width..][..TILE_COLUMNS * width];
    tile[column % TILE_COLUMNS * 4..]
        .chunks(4)
        .step_by(TILE_COLUMNS)
}

fn runs_mut(tiles: &mut [u8], width: usize, column: usize) -> impl Iterator<Item = &mut [u8]> {
    let tile = &mut tiles[column / TILE_COLUMNS * TILE_COLUMNS * width..][..TILE_COLUMNS * width];
    tile[column % TILE_COLUMNS * 4..]
        .chunks_mut(4)
        .step_by(TILE_COLUMNS)
}

/// Writes centroids into tiles.
pub(crate) fn put_tiles(simd: Simd, tiles: &mut [u8], dim: usize, centroids: &[f32], step: f32) {
    let width = tile_width(dim);
    let mut bytes = vec![0i8; width];
    for (c, centroid) in centroids.chunks_exact(dim).enumerate() {
        simd.round_bytes(centroid, step, &mut bytes);
        for (run, bytes) in runs_mut(tiles, width, c).zip(bytes.chunks(4)) {
            for (to, byte) in run.iter_mut().zip(bytes) {
                *to = (i16::from(*byte) + MIDDLE).clamp(0, TILE_MAX.into()) as u8;
            }
        }
    }
}

/// Rounds a row to signed bytes; returns what one unit of them is worth.
pub(crate) fn round_row(simd: Simd, row: &[f32], bytes: &mut [i8]) -> f32 {
    let step = simd.max_abs(row) / 127.0;
    if !(step > 0.0 && step.is_finite()) {
        bytes.fill(0);
        return 0.0;
    }
    simd.round_bytes(row, step, bytes);
    step
}

/// What a row's products with the centroids are added to when it is assigned; infinite for columns
/// past the last.
pub(crate) fn assignment_keys(
    simd: Simd,
    dim: usize,
    centroids: &[f32],
    biases: &[f32],
) -> Vec<f32> {
    let mut keys = column_norms(simd, dim, centroids);
    keys.iter_mut()
        .zip(biases)
        .for_each(|(key, bias)| *key += bias);
    keys
}

/// The squares of the lengths of centroids, infinite for columns past the last.
pub(crate) fn column_norms(simd: Simd, dim: usize, centroids: &[f32]) -> Vec<f32> {
    let count = centroids.len() / dim;
    let mut norms = vec![f32::INFINITY; count.next_multiple_of(TILE_COLUMNS)];
    for (norm, c) in norms.iter_mut().zip(centroids.chunks_exact(dim)) {
        *norm = simd.dot(c, c);
    }
    norms
}

impl Tiles<Vec<u8>> {
    pub(crate) fn new(simd: Simd, dim: usize, centroids: &[f32]) -> Self {
        let step = tile_step(simd, centroids);
        let mut bytes = vec![0; tile_bytes(dim, centroids.len() / dim)];
        put_tiles(simd, &mut bytes, dim, centroids, step);
        Tiles {
            width: tile_width(dim),
            step,
            bytes,
        }
    }
}

impl<B: std::ops::Deref<Target = [u8]>> Tiles<B> {
    /// The column with the least |x - c|² for each of some rows, which are given in bytes with what
    /// a unit of theirs is worth; the first of several.
    pub(crate) fn nearest(
        &self,
        simd: Simd,
        rows: &[i8],
        steps: &[f32],
        norms: &[f32],
        nearest: &mut [u32],
    ) {
        let group = GROUP * TILE_COLUMNS * self.width;
        let mut dots = [0i32; ROWS * GROUP * TILE_COLUMNS];
        let mut best = [(f32::INFINITY, 0u32); ROWS];
        for ((rows, steps), nearest) in rows
            .chunks(ROWS * self.width)
            .zip(steps.chunks(ROWS))
            .zip(nearest.chunks_mut(ROWS))
        {
            let best = &mut best[..steps.len()];
            best.fill((f32::INFINITY, 0));
            for ((tiles, norms), first) in self
                .bytes
                .chunks(group)
                .zip(norms.chunks(GROUP * TILE_COLUMNS))
                .zip((0u32..).step_by(GROUP * TILE_COLUMNS))
            {
                let dots = &mut dots[..steps.len() * norms.len()];
                simd.byte_products(rows, self.width, tiles, dots);
                for ((best, dots), step) in best
                    .iter_mut()
                    .zip(dots.chunks_exact(norms.len()))
                    .zip(steps)
                {
                    let (value, place) = simd.least(dots, -2.0 * self.step * step, norms);
                    if value < best.0 {
                        *best = (value, first + place);
                    }
                }
            }
            nearest
                .iter_mut()
                .zip(best)
                .for_each(|(to, best)| *to = best.1);
        }
    }
}

/// Rows in bytes.
struct Rounded {
    width: usize,
    bytes: Vec<i8>,
    steps: Vec<f32>,
}

impl Rounded {
    fn new(simd: Simd, rows: &[f32], dim: usize) -> Self {
        let (count, width) = (rows.len() / dim, tile_width(dim));
        let (mut bytes, mut steps) = (vec![0; count * width], vec![0f32; count]);
        bytes
            .par_chunks_mut(width * CHUNK)
            .zip(steps.par_chunks_mut(CHUNK))
            .zip(rows.par_chunks(dim * CHUNK))
            .for_each(|((bytes, steps), rows)| {
                for ((bytes, step), row) in bytes
                    .chunks_exact_mut(width)
                    .zip(steps)
                    .zip(rows.chunks_exact(dim))
                {
                    *step = round_row(simd, row, bytes);
                }
            });
        Rounded {
            width,
            bytes,
            steps,
        }
    }

    fn row(&self, i: usize) -> &[i8] {
        &self.bytes[i * self.width..][..self.width]
    }
}

/// What training makes of its rows.
pub(crate) struct Trained {
    pub(crate) centroids: Vec<f32>,
    /// What is added to the squared distance to each centroid when a row is assigned, so that cells
    /// are of about one size.
    pub(crate) biases: Vec<f32>,
    /// The cell of each row.
    pub(crate) cells: Vec<u32>,
    coarse: bool,
}

/// `count` centroids of `rows` by balanced k-means, of which the first are `fixed`; the same for any
/// number of threads. The rows are relative to their mean and rotated (see [`Tiles`]).
pub(crate) fn train(
    simd: Simd,
    rows: &[f32],
    dim: usize,
    fixed: &[f32],
    count: usize,
    seed: u64,
) -> Trained {
    let total = rows.len() / dim;
    let mut shuffled: Vec<u32> = (0..total as u32).collect();
    shuffled.sort_unstable_by_key(|&row| (random(seed, row as u64), row));
    let new = shuffled[..count - fixed.len() / dim]
        .iter()
        .flat_map(|&i| &rows[i as usize * dim..][..dim]);
    let centroids = fixed.iter().chain(new).copied().collect();
    let mut trained = Trained {
        centroids,
        biases: vec![0.0; count],
        cells: vec![0; total],
        coarse: false,
    };
    let rounded = Rounded::new(simd, rows, dim);
    let fixed_cells = fixed.len() / dim;
    // Rows are farther from each other than from means of many: cells that start as rows would stay
    // empty beside fixed ones, which therefore join in the second iteration.
    trained.biases[..fixed_cells].fill(f32::INFINITY);
    for iteration in 0..ITERATIONS {
        if iteration == 1 {
            trained.biases[..fixed_cells].fill(0.0);
        }
        if trained.coarse {
            trained.assign_exactly(simd, rows, dim);
        } else if iteration < WHOLE || count <= 2 * AROUND {
            trained.assign(simd, &rounded, dim);
        } else {
            trained.assign_around(simd, &rounded, dim);
        }
        let sizes = move_to_means(simd, rows, dim, &trained.cells, &mut trained.centroids);
        trained.centroids[..fixed.len()].copy_from_slice(fixed);
        trained.balance(simd, rows, dim, &sizes);
    }
    if trained.coarse {
        trained.assign_exactly(simd, rows, dim);
    } else {
        trained.assign(simd, &rounded, dim);
    }
    trained
}

impl Trained {
    /// What a row's products with the centroids are added to.
    fn keys(&self, simd: Simd, dim: usize) -> Vec<f32> {
        assignment_keys(simd, dim, &self.centroids, &self.biases)
    }

    /// The nearest centroid of each row.
    fn assign(&mut self, simd: Simd, rows: &Rounded, dim: usize) {
        let tiles = Tiles::new(simd, dim, &self.centroids);
        let norms = self.keys(simd, dim);
        self.cells
            .par_chunks_mut(CHUNK)
            .zip(rows.bytes.par_chunks(CHUNK * rows.width))
            .zip(rows.steps.par_chunks(CHUNK))
            .for_each(|((cells, rows), steps)| tiles.nearest(simd, rows, steps, &norms, cells));
    }

    /// The nearest of the centroids around the one that each row had.
    fn assign_around(&mut self, simd: Simd, rows: &Rounded, dim: usize) {
        let count = self.biases.len();
        let tiles = Tiles::new(simd, dim, &self.centroids);
        let norms = self.keys(simd, dim);
        let own = Rounded::new(simd, &self.centroids, dim);
        let (starts, members) = group(&self.cells, count);
        let moved: Vec<Vec<u32>> = (0..count)
            .into_par_iter()
            .map_init(
                || (vec![0i32; norms.len()], vec![0f32; norms.len()]),
                |(dots, keys), c| {
                    let members = &members[starts[c] as usize..starts[c + 1] as usize];
                    if members.is_empty() {
                        return Vec::new();
                    }
                    simd.byte_products(own.row(c), own.width, &tiles.bytes, dots);
                    simd.affine(dots, -2.0 * tiles.step * own.steps[c], &norms, keys);
                    let mut near: Vec<u32> = (0..count as u32).collect();
                    near.select_nth_unstable_by_key(AROUND - 1, |&i| {
                        (ordered(keys[i as usize]), i)
                    });
                    near.truncate(AROUND);
                    near.sort_unstable();
                    let mut around = vec![0u8; AROUND * tiles.width];
                    for (to, &from) in near.iter().enumerate() {
                        runs_mut(&mut around, tiles.width, to)
                            .zip(runs(&tiles.bytes, tiles.width, from as usize))
                            .for_each(|(to, from)| to.copy_from_slice(from));
                    }
                    let near_norms: Vec<f32> = near.iter().map(|&i| norms[i as usize]).collect();
                    let around = Tiles {
                        width: tiles.width,
                        step: tiles.step,
                        bytes: around,
                    };
                    let bytes: Vec<i8> = members
                        .iter()
                        .flat_map(|&i| rows.row(i as usize))
                        .copied()
                        .collect();
                    let steps: Vec<f32> = members.iter().map(|&i| rows.steps[i as usize]).collect();
                    let mut found = vec![0u32; members.len()];
                    around.nearest(simd, &bytes, &steps, &near_norms, &mut found);
                    found.iter().map(|&f| near[f as usize]).collect()
                },
            )
            .collect();
        for (c, moved) in moved.iter().enumerate() {
            for (&row, &cell) in members[starts[c] as usize..].iter().zip(moved) {
                self.cells[row as usize] = cell;
            }
        }
    }

    /// The same in single precision.
    fn assign_exactly(&mut self, simd: Simd, rows: &[f32], dim: usize) {
        let (centroids, biases) = (&self.centroids, &self.biases);
        self.cells
            .par_chunks_mut(ROWS)
            .zip(rows.par_chunks(ROWS * dim))
            .for_each(|(cells, rows)| nearest_exactly(simd, dim, rows, centroids, biases, cells));
    }

    /// Makes the cells that are too large harder to enter.
    fn balance(&mut self, simd: Simd, rows: &[f32], dim: usize, sizes: &[u32]) {
        let (mut sum, mut count) = (0f64, 0);
        for (row, &cell) in rows
            .chunks_exact(dim)
            .zip(&self.cells)
            .step_by(INERTIA_STEP)
        {
            sum += f64::from(simd.l2(row, &self.centroids[cell as usize * dim..][..dim]));
            count += 1;
        }
        let inertia = (sum / f64::from(count)) as f32;
        let tile_step = tile_step(simd, &self.centroids);
        self.coarse |= is_coarse(mean_sq(simd, &self.centroids, dim), tile_step, inertia);
        let step = BIAS_STEP * inertia;
        let mean = self.cells.len() as f32 / sizes.len() as f32;
        for (bias, &size) in self.biases.iter_mut().zip(sizes) {
            *bias = *bias * BIAS_FADES + step * (size as f32 / mean - 1.0).min(MAX_EXCESS);
        }
    }
}

/// A key in the order of the floats.
fn ordered(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// Moves each centroid to the mean of its rows; returns how many they were.
fn move_to_means(
    simd: Simd,
    rows: &[f32],
    dim: usize,
    cells: &[u32],
    centroids: &mut [f32],
) -> Vec<u32> {
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
    let sizes: Vec<u32> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    if sizes.contains(&0) {
        let spreads = (0..sizes.len()).into_par_iter().map(|c| {
            let members = &members[starts[c] as usize..starts[c + 1] as usize];
            let centroid = &centroids[c * dim..][..dim];
            let distances = members
                .iter()
                .map(|&i| simd.l2(&rows[i as usize * dim..][..dim], centroid));
            // Not `sum`: that of nothing is -0, whose bits are the largest.
            distances.map(f64::from).fold(0.0, |sum, x| sum + x)
        });
        let spreads: Vec<f64> = spreads.collect();
        let mut taken = HashSet::new();
        // An empty cell moves to the farthest row of the cell with the largest sum of squared
        // distances, which is then taken to be halved. Sums are not negative, so that their bits are in their order.
        let mut widest: BinaryHeap<(u64, Reverse<usize>)> = spreads
            .into_iter()
            .enumerate()
            .map(|(c, spread)| (spread.to_bits(), Reverse(c)))
            .collect();
        for empty in (0..sizes.len()).filter(|&c| sizes[c] == 0) {
            let (spread, Reverse(wide)) = widest.pop().expect("there are cells");
            widest.push(((f64::from_bits(spread) / 2.0).to_bits(), Reverse(wide)));
            let members = &members[starts[wide] as usize..starts[wide + 1] as usize];
            let row = |i: u32| &rows[i as usize * dim..][..dim];
            let centroid = centroids[wide * dim..][..dim].to_vec();
            let far = members
                .iter()
                .filter(|&&i| !taken.contains(&i))
                .map(|&i| (simd.l2(row(i), &centroid).to_bits(), Reverse(i)))
                .max();
            if let Some((_, Reverse(far))) = far {
                taken.insert(far);
                centroids[empty * dim..][..dim].copy_from_slice(row(far));
            }
        }
    }
    sizes
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
        for (n, dim, count) in [(1, 1, 1), (70, 3, 33), (200, 100, 64), (65, 17, 300)] {
            let (x, c) = (rows(n, dim), rows(count, dim));
            for simd in Simd::available() {
                let mut trained = Trained {
                    centroids: c.clone(),
                    biases: vec![0.0; count],
                    cells: vec![0; n],
                    coarse: false,
                };
                trained.assign(simd, &Rounded::new(simd, &x, dim), dim);
                for (x, &found) in x.chunks_exact(dim).zip(&trained.cells) {
                    let distance = |c: &[f32]| {
                        x.iter()
                            .zip(c)
                            .map(|(a, b)| (a - b) as f64 * (a - b) as f64)
                            .sum::<f64>()
                    };
                    let least = c.chunks_exact(dim).map(distance).fold(f64::MAX, f64::min);
                    let got = distance(&c[found as usize * dim..][..dim]);
                    // Half a step of a byte in each component, of both.
                    let rounding = 0.02 * (dim as f64).sqrt() / 3.0;
                    assert!(got <= least + rounding, "{got} {least}");
                }
            }
        }
    }

    #[test]
    fn cells_are_of_about_one_size() {
        // Rows that crowd around the origin: plain k-means leaves cells of very different sizes.
        let x: Vec<f32> = rows(20_000, 16).iter().map(|x| x * x * x).collect();
        let trained = train(Simd::best(), &x, 16, &[], 128, 1);
        let (starts, _) = group(&trained.cells, 128);
        let squares = starts.windows(2).map(|w| f64::from(w[1] - w[0]).powi(2));
        let imbalance = squares.sum::<f64>() * 128.0 / 20_000f64.powi(2);
        assert!(imbalance < 1.15, "{imbalance}");
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
            pool.install(|| train(simd, &x, 8, &[], 150, 5))
        };
        let one = run(1);
        for threads in [2, 3] {
            let other = run(threads);
            assert_eq!(one.centroids, other.centroids);
            assert_eq!((&one.biases, &one.cells), (&other.biases, &other.cells));
        }
        let used: std::collections::HashSet<u32> = one.cells[2_000..].iter().copied().collect();
        assert!(used.len() > 100, "{}", used.len());
    }
}
