//! How an IVF index that takes rows keeps cells that fit them.
//!
//! Rows are coded relative to the mean until there are enough of them to train cells on. Then the
//! cells are trained anew whenever the rows have doubled, so that all trainings together cost a
//! constant factor of one; and before, where one cell has taken in more than its share of the new
//! rows. All of it happens inside writing calls, so that the bytes of an index are a function of its
//! operations. Segments of mapped files keep their cells until they are compacted.
//!
//! Without originals, rows can only be coded again from what their codes tell, and lose as much each
//! time as they did the first. So the younger half of the cells stays, and with it the codes of their
//! rows; the older cells have become too large, and their rows are coded again with the new ones. Where
//! a cell is overfull, the cells do not fit the rows any more, and none of them stays. Of
//! 300,000 words that were added by the thousand, recall@10 with 16 cells probed, and with all, by the
//! part of the cells that stays:
//!
//! | kept | 4 bits: 16 cells | all | 7 bits: 16 cells | all |
//! |---|---|---|---|---|
//! | none | .756 | .854 | .820 | .975 |
//! | half | .756 | .871 | .809 | .979 |
//! | seven tenths | .757 | .884 | | |
//! | all | .745 | .901 | | |
//! | (built at once) | .783 | .909 | .816 | .982 |

use std::sync::Arc;

use crate::error::Result;
use crate::index::{CellIndex, SegmentView, Snapshot};
use crate::options::{Kind, Options};
use crate::partition::{MIN_ROWS, Partition, auto_cells};
use crate::pool;
use crate::segment::{Builder, Coding, Segment};

/// Cells are trained anew when the rows are this many times those of the last training.
const GROWTH: usize = 2;
/// Of the cells of codes without originals, one in so many is kept, and the others are new.
const KEPT: usize = 2;
/// Fewer cells than this are not worth training: a scan of all rows costs no more.
const MIN_CELLS: usize = 32;
/// A cell is overfull when it holds this many times as many rows as the mean cell, and as the
/// largest did when the cells were trained.
const OVERFULL: usize = 4;
/// A segment with fewer rows a cell is not divided: it is scanned faster whole, and its blocks are
/// full.
const MIN_ROWS_IN_CELL: usize = 4;

/// Cells that growth trains for `rows` rows: as many as a build would, but none that has too few
/// rows to train on.
fn cells_for(options: &Options, rows: usize) -> usize {
    let wanted = match options.nlist {
        0 => auto_cells(rows),
        nlist => nlist as usize,
    };
    wanted.min(rows / MIN_ROWS)
}

/// Segments that growth may rewrite.
fn in_memory(snapshot: &Snapshot) -> impl Iterator<Item = &SegmentView> {
    snapshot.segments.iter().filter(|v| !v.segment.is_mapped())
}

/// The rows of each cell of `partition` over all of `segments`.
fn cell_sizes<'a>(
    partition: &Arc<Partition>,
    segments: impl Iterator<Item = &'a SegmentView>,
) -> Vec<usize> {
    let mut sizes = vec![0; partition.count()];
    for view in segments {
        if let Some(codes) = &view.segment.codes
            && codes
                .partition
                .as_ref()
                .is_some_and(|p| Arc::ptr_eq(p, partition))
        {
            let cells = sizes.iter_mut().zip(&codes.cells);
            cells.for_each(|(size, cell)| *size += cell.rows as usize);
        }
    }
    sizes
}

impl CellIndex {
    /// How many cells to train now that `sealed` rows more are to be sealed; `None` where the ones
    /// that are there still serve, or where there are too few rows.
    pub(crate) fn cells_due(&self, next: &Snapshot, sealed: usize) -> Option<usize> {
        if self.options.kind != Kind::Ivf {
            return None;
        }
        let rows = sealed + in_memory(next).map(SegmentView::live).sum::<usize>();
        let cells = cells_for(&self.options, rows);
        let due = match next.coding.as_ref().and_then(|c| c.partition.as_ref()) {
            None => match self.options.nlist {
                0 => cells >= MIN_CELLS,
                nlist => cells >= MIN_CELLS.min(nlist as usize),
            },
            Some(partition) => {
                rows >= GROWTH * partition.trained
                    || rows * 4 >= partition.trained * 5 && is_overfull(next, partition, rows)
            }
        };
        (due && cells >= 2).then_some(cells)
    }

    /// The segments of mapped files, and one segment of the rows in memory and `rows`, with cells
    /// trained on them.
    pub(crate) fn regrow(
        &self,
        snapshot: &Snapshot,
        cells: usize,
        rows: Vec<&[f32]>,
        ids: Vec<i64>,
    ) -> Result<(Vec<SegmentView>, Segment)> {
        let options = Options {
            nlist: cells as u32,
            ..self.options.clone()
        };
        let builder = Builder {
            options: &options,
            ..self.builder()
        };
        let (mapped, grown): (Vec<_>, Vec<_>) = snapshot
            .segments
            .iter()
            .cloned()
            .partition(|v| v.segment.is_mapped());
        let known = snapshot
            .coding
            .as_ref()
            .filter(|_| !self.options.keeps_originals());
        let known = known.and_then(|c| Some((&c.codec, c.partition.as_ref()?)));
        let old = live_rows(&grown);
        let write = |i: usize, to: &mut [f32]| match old.get(i) {
            Some(&(view, row)) => grown[view].segment.read(self.simd, row, to),
            None => to.copy_from_slice(rows[i - old.len()]),
        };
        let segment = match known {
            Some((codec, partition)) => {
                let count = partition.count();
                let kept = match is_overfull(snapshot, partition, old.len()) {
                    true => 0,
                    false => (count / KEPT).min(cells / KEPT),
                };
                let kept = count - kept..count;
                let coding = pool::install(|| {
                    builder.with_new_cells(codec, partition, kept, old.len() + rows.len(), write)
                })?;
                let fresh = pool::install(|| builder.checked(Some(&coding), &rows, &ids))?;
                let views: Vec<_> = grown
                    .iter()
                    .cloned()
                    .chain([SegmentView::whole(fresh)])
                    .collect();
                self.gather(Some(&coding), &views)?
            }
            None => {
                let mut all: Vec<i64> = old
                    .iter()
                    .map(|&(v, row)| grown[v].segment.ids.get(row))
                    .collect();
                all.extend(ids);
                pool::install(|| builder.written(None, &all, write))?
            }
        };
        Ok((mapped, segment))
    }

    /// How rows are coded that are to be a segment of their own.
    pub(crate) fn coding_of(&self, coding: Option<&Coding>, rows: usize) -> Option<Coding> {
        let coding = coding?;
        let whole = |p: &Arc<Partition>| rows < MIN_ROWS_IN_CELL * p.count();
        let partition = coding.partition.clone();
        Some(Coding {
            codec: coding.codec.clone(),
            partition: partition.filter(|p| !self.options.keeps_originals() || !whole(p)),
        })
    }

    /// How the rows of several segments are coded that are to be one.
    pub(crate) fn coding_of_merged(
        &self,
        coding: Option<&Coding>,
        views: &[SegmentView],
    ) -> Option<Coding> {
        match views.iter().any(|view| view.segment.partition().is_some()) {
            true => coding.cloned(),
            false => self.coding_of(coding, views.iter().map(SegmentView::live).sum()),
        }
    }
}

/// The segment and the number in it of each live row.
fn live_rows(views: &[SegmentView]) -> Vec<(usize, usize)> {
    let of = |(v, view): (usize, &SegmentView)| {
        let rows = (0..view.segment.rows).filter(|&row| !view.dead.contains(row));
        rows.map(|row| (v, row)).collect::<Vec<_>>()
    };
    views.iter().enumerate().flat_map(of).collect()
}

fn is_overfull(next: &Snapshot, partition: &Arc<Partition>, rows: usize) -> bool {
    let limit = OVERFULL * next.largest_cell.max(rows / partition.count());
    cell_sizes(partition, in_memory(next)).into_iter().max() > Some(limit)
}
