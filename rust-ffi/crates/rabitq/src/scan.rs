//! The search in the codes of one segment.

use std::collections::HashSet;
use std::ops::Range;

use simd::{BitQuery, ScanParams, Simd};

use crate::encode::Codec;
use crate::error::Result;
use crate::filter::Allowed;
use crate::layout::BLOCK;
use crate::options::{Metric, Stats};
use crate::partition::{Nearest, Partition};
use crate::search::Searcher;
use crate::segment::{Cell, Codes, Segment};
use crate::sink::Sink;
use crate::tombstones::{Tombstones, bits32};

/// Blocks that are scanned with one threshold: some 30 survivors of 300,000 rows.
const STRIP: usize = 64;
/// Strips and cells between two looks at the cancel flag and the deadline, some 0.1 ms.
const CHECK_STRIPS: usize = 64;
const CHECK_CELLS: usize = 64;
/// Cells that a query of several scans by itself, for a threshold.
const OWN_CELLS: usize = 2;
/// Survivors of the 1-bit scan that are estimated together.
const PENDING: usize = 32;
/// The threshold of a cell that is scanned whole is set from every `SAMPLE_STEP`-th block.
const SAMPLE_STEP: usize = 64;
/// Rows that set a threshold, at least, and how many times more they are chosen from.
const SEED: usize = 32;
const SEED_FROM: usize = 3;
/// Blocks that they are chosen from, at most.
const SEED_BLOCKS: usize = 512;
/// Estimates carry the rounding of single precision beside their own error.
const ROUNDING: f32 = 1e-6;

/// Where a row lies in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) row: u32,
}

/// The query, rotated around a codec's centroid, and its table for 1-bit scans.
pub(crate) struct Rotated {
    z: Vec<f32>,
    norm_sq: f32,
    table: Vec<u8>,
    table_step: f32,
    /// What the table's sums lack to <y, P (q - m)>.
    table_bias: f32,
    /// For codes of more than one bit.
    bits: Option<BitQuery>,
}

impl Rotated {
    pub(crate) fn new(simd: Simd, codec: &Codec, query: &[f32]) -> Self {
        let mut z = vec![0f32; codec.layout.dim];
        simd.sub(query, &codec.mean, &mut z);
        let norm_sq = simd.dot(&z, &z);
        codec.rotation.forward(simd, &mut z);
        let mut table = Vec::new();
        let (table_step, bias) = simd.lut_build(&z, &mut table);
        let sum: f32 = z.iter().sum();
        let bits = codec.layout.bits;
        Rotated {
            bits: (bits > 1).then(|| BitQuery::new(&z, bits)),
            z,
            norm_sq,
            table,
            table_step,
            table_bias: bias - 0.5 * sum,
        }
    }

    /// Bound of <y, P (q - c)> as the table gives it, without `mul`: the estimator's own error and
    /// the table's rounding, which is uniform in each group.
    fn one_bit_bound(&self, kappa: f32, norm: f32, groups: usize, epsilon: f32) -> f32 {
        let rounding = self.table_step * self.table_step * groups as f32 / 12.0;
        epsilon * (kappa * kappa * norm * norm + rounding).sqrt()
    }
}

/// A cell and how far the query is from its centroid.
#[derive(Debug, Clone, Copy)]
struct Probe {
    cell: usize,
    /// The part of every score in the cell that comes from the query alone.
    base: f32,
    /// |q - c|.
    norm: f32,
}

/// One segment with what a search knows of it.
pub(crate) struct Part<'a> {
    pub(crate) index: u32,
    pub(crate) segment: &'a Segment,
    pub(crate) dead: &'a Tombstones,
    pub(crate) allowed: Option<&'a Allowed>,
}

impl Part<'_> {
    fn is_filtered(&self) -> bool {
        self.allowed.is_some() || self.dead.count() > 0
    }

    /// The part of the rows that a filter lets through.
    pub(crate) fn share(&self) -> f32 {
        self.allowed
            .map_or(1.0, |a| a.count as f32 / self.segment.rows.max(1) as f32)
    }

    /// Bit i is set where row `first + i` may be a hit.
    #[inline]
    pub(crate) fn mask32(&self, first: usize) -> u32 {
        let allowed = self.allowed.map_or(u32::MAX, |a| bits32(&a.words, first));
        if self.dead.count() == 0 {
            allowed
        } else {
            allowed & !self.dead.mask32(first)
        }
    }

    /// Rows that may be hits, with the places of their originals, where a filter names few of them.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (u32, u32)> {
        let listed = self.allowed.map_or(&[][..], Allowed::listed);
        let live = |row: u32| !self.dead.contains(row as usize);
        listed.iter().copied().filter(move |&(row, _)| live(row))
    }
}

/// A cell that is being scanned.
struct Visit<'a> {
    probe: Probe,
    rows: usize,
    first_row: usize,
    blocks: &'a [u8],
    bound: f32,
    /// Of [`ScanParams`].
    a: f32,
    b: f32,
}

/// The cells that several queries probe first. Segments that share a partition share them.
#[derive(Default)]
pub(crate) struct Probed {
    near: Nearest,
    /// Their partition, and how many cells were wanted at most.
    of: Option<(*const Partition, usize)>,
    cells: Vec<Vec<u32>>,
}

impl Probed {
    fn first<S: Sink>(&mut self, scans: &[CodeScan<S>], partition: &Partition) {
        let wanted = scans[0].wanted(partition);
        let of = Some((std::ptr::from_ref(partition), wanted));
        if self.of == of {
            return;
        }
        self.of = of;
        self.cells.resize(scans.len(), Vec::new());
        for (scan, cells) in scans.iter().zip(&mut self.cells) {
            scan.nearest_cells(partition, wanted, true, &mut self.near);
            std::mem::swap(cells, &mut self.near.cells);
        }
    }
}

/// Searches the cells of one segment for one query or for several together, which then read each
/// cell once.
pub(crate) fn near_cells<S: Sink>(scans: &mut [CodeScan<S>], probed: &mut Probed) -> Result<()> {
    let Some(first) = scans.first() else {
        return Ok(());
    };
    let codes = first.codes;
    if let Some(partition) = &codes.partition {
        probed.first(scans, partition);
        for (scan, cells) in scans.iter_mut().zip(&probed.cells) {
            scan.seed_nearest(partition, cells);
        }
        if let ([scan], [cells]) = (&mut *scans, &probed.cells[..]) {
            scan.cells(partition, cells)?;
        } else {
            let mut visits: Vec<(u32, u32)> = Vec::new();
            for (i, (scan, cells)) in scans.iter_mut().zip(&probed.cells).enumerate() {
                let (own, shared) = cells.split_at(cells.len().min(OWN_CELLS));
                scan.cells(partition, own)?;
                visits.extend(shared.iter().map(|&cell| (cell, i as u32)));
            }
            visits.sort_unstable();
            for visits in visits.chunk_by(|a, b| a.0 == b.0) {
                for &(cell, i) in visits {
                    scans[i as usize].cells(partition, &[cell])?;
                }
            }
        }
        for (scan, cells) in scans.iter_mut().zip(&probed.cells) {
            scan.more_cells(partition, cells.len(), &mut probed.near)?;
        }
    }
    let mut visits = Vec::with_capacity(scans.len());
    for scan in scans.iter_mut() {
        let mean = scan.mean_probe();
        scan.seed(mean, SAMPLE_STEP);
        visits.extend(scan.enter(mean));
    }
    if let Some(visit) = visits.first() {
        let count = visit.blocks.len() / codes.codec.layout.block_bytes;
        let step = if scans.len() == 1 { count } else { STRIP };
        for start in (0..count).step_by(step) {
            for (scan, visit) in scans.iter_mut().zip(&visits) {
                scan.scan(visit, start..count.min(start + step), &[])?;
            }
        }
    }
    scans.iter_mut().for_each(CodeScan::flush);
    Ok(())
}

/// A search in the codes of one segment.
pub(crate) struct CodeScan<'a, S> {
    search: &'a Searcher<'a>,
    query: &'a Rotated,
    codes: &'a Codes,
    part: &'a Part<'a>,
    sink: &'a mut S,
    stats: &'a mut Stats,
    probes: Vec<Probe>,
    /// Survivors of the 1-bit scan that wait for their full-bit estimate, with their probes.
    pending: [(u32, u32); PENDING + BLOCK],
    waiting: usize,
    met: Met,
}

/// Rows of a cell that were met before it is scanned.
struct Met {
    cell: usize,
    /// Only in every `step`-th block.
    step: usize,
    masks: Vec<u32>,
}

impl Met {
    fn mask(&self, block: usize) -> u32 {
        match block % self.step {
            0 => self.masks.get(block / self.step).copied().unwrap_or(0),
            _ => 0,
        }
    }
}

impl<'a, S: Sink> CodeScan<'a, S> {
    pub(crate) fn new(
        search: &'a Searcher<'a>,
        query: &'a Rotated,
        codes: &'a Codes,
        part: &'a Part<'a>,
        sink: &'a mut S,
        stats: &'a mut Stats,
    ) -> Self {
        CodeScan {
            search,
            query,
            codes,
            part,
            sink,
            stats,
            probes: Vec::new(),
            pending: [(0, 0); PENDING + BLOCK],
            waiting: 0,
            met: Met {
                cell: usize::MAX,
                step: 1,
                masks: Vec::new(),
            },
        }
    }

    /// The probe of the rows that are coded relative to the mean.
    fn mean_probe(&self) -> Probe {
        let (simd, query, codec) = (self.search.simd, self.search.query, &self.codes.codec);
        let base = match codec.metric {
            Metric::L2 => self.query.norm_sq,
            Metric::InnerProduct => -simd.dot(query, &codec.mean),
            Metric::Cosine => 1.0 - simd.dot(query, &codec.mean),
        };
        Probe {
            cell: self.codes.cells.len() - 1,
            base,
            norm: self.query.norm_sq.sqrt(),
        }
    }

    fn probe(&self, partition: &Partition, cell: usize) -> Probe {
        let (simd, query) = (self.search.simd, self.search.query);
        let centroid = partition.centroid(cell);
        let distance = simd.l2(query, centroid);
        let base = match self.codes.codec.metric {
            Metric::L2 => distance,
            Metric::InnerProduct => -simd.dot(query, centroid),
            Metric::Cosine => 1.0 - simd.dot(query, centroid),
        };
        Probe {
            cell,
            base,
            norm: distance.sqrt(),
        }
    }

    /// How many cells are probed at most, unless they hold fewer than k rows.
    fn wanted(&self, partition: &Partition) -> usize {
        if S::VISITS_ALL {
            usize::MAX
        } else {
            let rows = self.search.snapshot.live();
            self.search.request.nprobe(partition, self.part, rows)
        }
    }

    /// Lets the nearest of some cells set the threshold.
    fn seed_nearest(&mut self, partition: &Partition, cells: &[u32]) {
        if let Some(&nearest) = cells.first() {
            let probe = self.probe(partition, nearest as usize);
            self.seed(probe, 1);
        }
    }

    /// Scans twice as many cells, and twice as many again, as long as fewer than k rows were found.
    fn more_cells(
        &mut self,
        partition: &Partition,
        probed: usize,
        near: &mut Nearest,
    ) -> Result<()> {
        self.flush();
        // None where a file has keys that are no numbers.
        let mut wanted = probed.max(1);
        while wanted < partition.count() && !self.sink.is_full() {
            self.nearest_cells(partition, wanted, false, near);
            let met: HashSet<u32> = near.cells.drain(..).collect();
            wanted = wanted.saturating_mul(2).min(partition.count());
            self.nearest_cells(partition, wanted, false, near);
            near.cells.retain(|cell| !met.contains(cell));
            self.cells(partition, &near.cells)?;
            self.flush();
        }
        Ok(())
    }

    /// Begins with the best of every `step`-th block of a cell by their 1-bit estimates: a scan
    /// without a threshold has many times the survivors.
    fn seed(&mut self, probe: Probe, step: usize) {
        let wanted = self.sink.k().saturating_mul(2).max(SEED);
        let rows = self
            .codes
            .cells
            .get(probe.cell)
            .map_or(0, |c| c.rows as usize);
        if self.sink.threshold() < f32::INFINITY || rows / step < wanted.saturating_mul(SEED_FROM) {
            return;
        }
        let (cell, blocks) = self.cell_blocks(probe.cell);
        let (layout, query, one) = (&self.codes.codec.layout, self.query, self.codes.one);
        let first_row = cell.first_row as usize;
        let ratio = one.add_scale / one.mul_scale;
        let (a, b) = (ratio * query.table_step, ratio * query.table_bias);
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(rows / step + BLOCK);
        for block in (0..rows.div_ceil(BLOCK)).step_by(step).take(SEED_BLOCKS) {
            let mut values = [0f32; BLOCK];
            self.search.simd.scan_all(
                blocks,
                layout.groups,
                &query.table,
                block,
                block + 1,
                a,
                b,
                &mut values,
            );
            let mask = self.mask(rows, first_row, block * BLOCK);
            best.extend(lanes(mask).map(|lane| (values[lane], (block * BLOCK + lane) as u32)));
        }
        if best.len() < wanted {
            return;
        }
        if best.len() > wanted {
            best.select_nth_unstable_by(wanted, |x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        }
        let mut met = vec![0u32; (rows.div_ceil(BLOCK)).div_ceil(step)];
        for &(_, row) in &best[..wanted] {
            met[row as usize / BLOCK / step] |= 1 << (row as usize % BLOCK);
        }
        self.probes.push(probe);
        let bound = self.one_bit_bound(&probe);
        for (block, &mask) in (0..).step_by(step).zip(&met) {
            self.survivors(probe, blocks, (block * BLOCK, first_row), mask, bound);
        }
        self.flush();
        self.met = Met {
            cell: probe.cell,
            step,
            masks: met,
        };
    }

    /// The bound of the 1-bit estimates of a cell, without `mul`.
    fn one_bit_bound(&self, probe: &Probe) -> f32 {
        let layout = &self.codes.codec.layout;
        if S::RANKS_ESTIMATES && layout.bits == 1 {
            return 0.0;
        }
        let epsilon = self.search.request.epsilon;
        self.query
            .one_bit_bound(self.codes.one.kappa, probe.norm, layout.groups, epsilon)
    }

    /// Rows of a block that passed the 1-bit scan: they wait for their full-bit estimate, if there
    /// are more bits.
    #[inline]
    fn survivors(
        &mut self,
        probe: Probe,
        blocks: &[u8],
        (first, first_row): (usize, usize),
        mask: u32,
        bound: f32,
    ) {
        if self.codes.codec.layout.bits == 1 {
            self.one_bit(probe, blocks, (first, first_row), mask, bound);
            return;
        }
        for lane in lanes(mask) {
            self.wait((first_row + first + lane) as u32);
        }
        if self.waiting >= PENDING {
            self.flush();
        }
    }

    /// A cell and its blocks.
    fn cell_blocks(&self, cell: usize) -> (Cell, &'a [u8]) {
        let codes = self.codes;
        let size = codes.codec.layout.block_bytes;
        let cell = codes.cells[cell];
        let start = cell.first_block as usize * size;
        (
            cell,
            &codes.blocks[start..][..(cell.rows as usize).div_ceil(BLOCK) * size],
        )
    }

    /// Bit i is set where row `first + i` of a cell may be a hit.
    #[inline]
    fn mask(&self, rows: usize, first_row: usize, first: usize) -> u32 {
        let inside = if rows - first < BLOCK {
            (1 << (rows - first)) - 1
        } else {
            u32::MAX
        };
        if self.part.is_filtered() {
            inside & self.part.mask32(first_row + first)
        } else {
            inside
        }
    }

    /// The `wanted` cells that are probed first, or fewer where it may stop, nearest first.
    fn nearest_cells(
        &self,
        partition: &Partition,
        wanted: usize,
        may_stop: bool,
        near: &mut Nearest,
    ) {
        let (simd, query, codec) = (self.search.simd, self.search.query, &self.codes.codec);
        let z = &self.query.z;
        partition.nearest(simd, codec, query, z, wanted, may_stop, near);
    }

    /// Scans whole cells; the next one's centroid and first blocks are on their way meanwhile.
    fn cells(&mut self, partition: &Partition, cells: &[u32]) -> Result<()> {
        self.stats.probed += cells.len() as u64;
        for (i, &cell) in cells.iter().enumerate() {
            if i % CHECK_CELLS == 0 {
                self.search.request.control.check()?;
            }
            let mut next = &[][..];
            if let Some(&cell) = cells
                .get(i + 1)
                .filter(|&&c| (c as usize) < self.codes.cells.len())
            {
                simd::prefetch(partition.centroid(cell as usize));
                next = self.cell_blocks(cell as usize).1;
            }
            let probe = self.probe(partition, cell as usize);
            self.whole_cell(probe, next)?;
        }
        Ok(())
    }

    /// Scans a whole cell.
    fn whole_cell(&mut self, probe: Probe, next: &[u8]) -> Result<()> {
        match self.enter(probe) {
            Some(visit) => self.scan(
                &visit,
                0..visit.blocks.len() / self.codes.codec.layout.block_bytes,
                next,
            ),
            None => Ok(()),
        }
    }

    /// Begins the scan of a cell that has rows.
    fn enter(&mut self, probe: Probe) -> Option<Visit<'a>> {
        self.codes.cells.get(probe.cell).filter(|c| c.rows > 0)?;
        let (cell, blocks) = self.cell_blocks(probe.cell);
        let one = self.codes.one;
        let bound = self.one_bit_bound(&probe);
        let ratio = one.add_scale / one.mul_scale;
        self.probes.push(probe);
        Some(Visit {
            probe,
            rows: cell.rows as usize,
            first_row: cell.first_row as usize,
            blocks,
            bound,
            a: ratio * self.query.table_step,
            b: ratio * (self.query.table_bias + bound),
        })
    }

    /// The 1-bit scan of some blocks of the cell that was entered last; survivors wait for their
    /// full-bit estimate.
    fn scan(&mut self, visit: &Visit, range: Range<usize>, next: &[u8]) -> Result<()> {
        let &Visit {
            probe,
            rows,
            first_row,
            blocks,
            bound,
            a,
            b,
        } = visit;
        let (search, query, one) = (self.search, self.query, self.codes.one);
        let groups = self.codes.codec.layout.groups;
        let mut masks = [0u32; STRIP];
        // Where a filter leaves most blocks without a row, these are not read.
        let sparse = self.part.share() < 1.0 / BLOCK as f32;
        let length = if sparse { 1 } else { STRIP };
        for (strip, start) in range.clone().step_by(length).enumerate() {
            if sparse && self.mask(rows, first_row, start * BLOCK) == 0 {
                continue;
            }
            if strip % CHECK_STRIPS == CHECK_STRIPS - 1 {
                search.request.control.check()?;
            }
            let limit = self.sink.threshold();
            let slack = ROUNDING * (limit.abs() + probe.base.abs());
            // Ties stay in: the kernel keeps what is strictly below.
            let threshold = ((limit - probe.base + slack) * one.add_scale).next_up();
            let params = ScanParams { a, b, threshold };
            let masks = &mut masks[..length.min(range.end - start)];
            if !search
                .simd
                .scan(blocks, groups, &query.table, start, &params, next, masks)
            {
                continue;
            }
            for (first, &mask) in (start * BLOCK..).step_by(BLOCK).zip(masks.iter()) {
                if mask == 0 {
                    continue;
                }
                let mut mask = mask & self.mask(rows, first_row, first);
                if self.met.cell == probe.cell {
                    mask &= !self.met.mask(first / BLOCK);
                }
                self.survivors(probe, blocks, (first, first_row), mask, bound);
            }
        }
        self.stats.scanned += (rows.min(range.end * BLOCK) - range.start * BLOCK) as u64;
        Ok(())
    }

    /// Gives rows of a block with their 1-bit estimates.
    fn one_bit(
        &mut self,
        probe: Probe,
        blocks: &[u8],
        (inside, first_row): (usize, usize),
        rows: u32,
        bound: f32,
    ) {
        let (query, part) = (self.query, self.part);
        let layout = &self.codes.codec.layout;
        let one = self.codes.one;
        let block = inside / BLOCK;
        let ratio = one.add_scale / one.mul_scale;
        let (a, b) = (ratio * query.table_step, ratio * query.table_bias);
        let mut scores = [0f32; BLOCK];
        self.search.simd.scan_all(
            blocks,
            layout.groups,
            &query.table,
            block,
            block + 1,
            a,
            b,
            &mut scores,
        );
        for lane in lanes(rows) {
            let (_, mul) = layout.half(
                &blocks[block * layout.block_bytes..][..layout.block_bytes],
                lane,
            );
            let row = first_row + inside + lane;
            let place = Place {
                segment: part.index,
                row: row as u32,
            };
            let score = scores[lane] / one.add_scale + probe.base;
            self.sink.estimate(
                place,
                || part.segment.ids.get(row),
                score,
                mul / one.mul_scale * bound,
            );
        }
    }

    /// Estimates the rows that a filter names with all their bits.
    pub(crate) fn listed(&mut self) {
        let mut cell = None;
        let part = self.part;
        for (row, _) in part.listed() {
            let own = self.codes.cell_of(row as usize);
            if cell != Some(own) {
                cell = Some(own);
                self.probes.push(match &self.codes.partition {
                    Some(partition) if own < partition.count() => self.probe(partition, own),
                    _ => self.mean_probe(),
                });
            }
            self.wait(row);
            if self.waiting >= PENDING {
                self.flush();
            }
        }
        self.flush();
    }

    /// Puts a row of the last probe aside, with its record on the way, until there are enough.
    #[inline]
    fn wait(&mut self, row: u32) {
        let size = self.codes.codec.layout.record_bytes;
        let at = row as usize * size;
        simd::prefetch(self.codes.records.get(at..at + size).unwrap_or_default());
        self.pending[self.waiting] = (row, self.probes.len() as u32 - 1);
        self.waiting += 1;
    }

    /// Estimates the waiting rows with all their bits.
    fn flush(&mut self) {
        let Some(bits) = self.query.bits.as_ref().filter(|_| self.waiting > 0) else {
            return;
        };
        let layout = &self.codes.codec.layout;
        let records: &[u8] = &self.codes.records;
        let waiting = &self.pending[..self.waiting];
        let mut rows = [0u32; PENDING + BLOCK];
        let mut dots = [0i64; PENDING + BLOCK];
        let (rows, dots) = (&mut rows[..waiting.len()], &mut dots[..waiting.len()]);
        for (to, &(row, _)) in rows.iter_mut().zip(waiting) {
            *to = row;
        }
        self.search
            .simd
            .bit_dots(bits, records, layout.record_bytes, rows, dots);
        self.stats.estimated += rows.len() as u64;
        // y = u - (2^B - 1) / 2, doubled to stay whole.
        let offset = ((1i64 << layout.bits) - 1) * bits.sum();
        let half_step = 0.5 * bits.step();
        let epsilon = self.search.request.full_bit_epsilon;
        let query_rounding = epsilon * self.codes.codec.code_norm * bits.step() * 0.289;
        for (&(row, probe), &dot) in waiting.iter().zip(dots.iter()) {
            let probe = self.probes[probe as usize];
            let record = &records[row as usize * layout.record_bytes..][..layout.record_bytes];
            let f = layout.factors(record);
            let product = half_step * (2 * dot - offset) as f32;
            let score = f.add + probe.base - f.mul * product;
            let error = f.mul * (f.kappa * epsilon * probe.norm + query_rounding)
                + ROUNDING * (f.add.abs() + probe.base.abs());
            let place = Place {
                segment: self.part.index,
                row,
            };
            self.sink.estimate(
                place,
                || self.part.segment.ids.get(row as usize),
                score,
                error,
            );
        }
        self.waiting = 0;
    }
}

/// The set bits of a mask.
#[inline]
pub(crate) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (lane < u32::BITS).then_some(lane as usize)
    })
}
