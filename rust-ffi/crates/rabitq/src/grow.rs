//! How an IVF index that takes rows keeps cells that fit them.
//!
//! Rows are coded relative to the mean until there are enough of them to train cells on. Then the
//! cells are trained anew whenever the rows have doubled, so that all trainings together cost a
//! constant factor of one; and before, where one cell has taken in more than its share of the new
//! rows. All of it happens inside writing calls, so that the bytes of an index are a function of its
//! operations. Segments of mapped files keep their cells until they are compacted.

use std::sync::Arc;

use crate::error::Result;
use crate::index::{CellIndex, SegmentView, Snapshot, originals};
use crate::options::{Kind, Options};
use crate::partition::{MIN_ROWS, Partition, auto_cells};
use crate::pool;
use crate::segment::{Builder, Coding, Segment};

/// Cells are trained anew when the rows are this many times those of the last training.
const GROWTH: usize = 2;
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

/// The rows of the largest cell of `partition` over all of `segments`.
pub(crate) fn largest_cell<'a>(
    partition: &Arc<Partition>,
    segments: impl Iterator<Item = &'a SegmentView>,
) -> usize {
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
    sizes.into_iter().max().unwrap_or(0)
}

impl CellIndex {
    /// How many cells to train now that `sealed` rows more are to be sealed; `None` where the ones
    /// that are there still serve, or where there are too few rows.
    pub(crate) fn cells_due(&self, next: &Snapshot, sealed: usize) -> Option<usize> {
        if self.options.kind != Kind::Ivf || !self.options.keeps_originals() {
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
        let (mut all, mut all_ids) = originals(&grown);
        all.extend(rows);
        all_ids.extend(ids);
        let segment = pool::install(|| builder.checked(None, &all, &all_ids))?;
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

    /// The same rows, all of them divided into cells or none.
    pub(crate) fn divided_alike(
        &self,
        coding: Option<&Coding>,
        views: &[SegmentView],
    ) -> Result<Vec<SegmentView>> {
        let divided = |view: &SegmentView| view.segment.partition().is_some();
        let rows = views.iter().map(SegmentView::live).sum();
        let coding = match views.iter().any(divided) {
            true => coding.cloned(),
            false => self.coding_of(coding, rows),
        };
        let wanted = coding.as_ref().is_some_and(|c| c.partition.is_some());
        let alike = views.iter().map(|view| {
            if divided(view) == wanted {
                return Ok(view.clone());
            }
            let (rows, ids) = originals(std::slice::from_ref(view));
            let segment = pool::install(|| self.builder().checked(coding.as_ref(), &rows, &ids))?;
            Ok(SegmentView::whole(segment))
        });
        alike.collect()
    }
}

fn is_overfull(next: &Snapshot, partition: &Arc<Partition>, rows: usize) -> bool {
    let limit = OVERFULL * next.largest_cell.max(rows / partition.count());
    largest_cell(partition, in_memory(next)) > limit
}
