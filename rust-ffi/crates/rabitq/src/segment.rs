use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use simd::Simd;

use crate::encode::{Codec, Factors, Scratch, half_down, half_scale, inverse_norm};
use crate::error::{Error, Result};
use crate::ids::IdMap;
use crate::kmeans::group;
use crate::layout::{BLOCK, Layout};
use crate::map::{AlignedBuf, Bytes};
use crate::options::{Control, Kind, Metric, Options};
use crate::partition::{Kept, Origin, Partition, Training, partition, put_rotated};
use crate::rows::{Ids, MappedRows, Rows, Source, check_vector};

/// Rows of one unit of parallel work; partial sums are merged in the order of these chunks.
pub(crate) const CHUNK: usize = 4096;

/// One cell of a segment: rows that share a centroid, in blocks of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Cell {
    pub(crate) first_row: u32,
    pub(crate) first_block: u32,
    pub(crate) rows: u32,
    pub(crate) reserved: u32,
}

/// Scales of a segment's half-precision factors, and the bound of its 1-bit estimates.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct OneBit {
    pub(crate) add_scale: f32,
    pub(crate) mul_scale: f32,
    pub(crate) kappa: f32,
}

/// The codes of a segment's rows.
pub(crate) struct Codes {
    pub(crate) codec: Arc<Codec>,
    /// How rows are divided; `None` where all of them are coded relative to the mean.
    pub(crate) partition: Option<Arc<Partition>>,
    /// The rows of each cell of the partition, then those coded relative to the mean.
    pub(crate) cells: Vec<Cell>,
    pub(crate) one: OneBit,
    pub(crate) blocks: Bytes,
    pub(crate) records: Bytes,
}

/// The originals of a segment's rows.
pub(crate) enum Originals {
    Owned {
        bytes: Bytes,
        rows: usize,
        dim: usize,
        /// Whether rows are read from a file when they are asked for.
        on_demand: bool,
    },
    File(MappedRows),
}

impl Originals {
    pub(crate) fn view(&self) -> Rows<'_> {
        match self {
            Originals::Owned {
                bytes, rows, dim, ..
            } => Rows::new(bytes.typed(), *rows, *dim, *dim).expect("checked when made"),
            Originals::File(file) => file.view(),
        }
    }
}

/// An immutable set of rows: the unit in memory and on disk.
pub(crate) struct Segment {
    pub(crate) rows: usize,
    pub(crate) ids: IdMap,
    pub(crate) codes: Option<Codes>,
    pub(crate) originals: Option<Originals>,
    /// The place of each row among the originals, where that is not its own number.
    pub(crate) places: Option<Bytes>,
    /// 1 / |original| of each original, where originals are kept under cosine.
    pub(crate) inverse_norms: Option<Bytes>,
}

impl Segment {
    /// Bytes of private memory without those of the partition, which segments share.
    pub(crate) fn resident(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::resident);
        let originals = match &self.originals {
            Some(Originals::Owned { bytes, .. }) => bytes.resident(),
            _ => 0,
        };
        let rest = [&self.places, &self.inverse_norms]
            .into_iter()
            .flatten()
            .map(Bytes::resident)
            .sum::<usize>();
        self.ids.resident() + codes + originals + rest
    }

    pub(crate) fn mapped(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::mapped);
        let originals = match &self.originals {
            Some(Originals::Owned { bytes, .. }) => bytes.mapped(),
            Some(Originals::File(file)) => file.mapped(),
            None => 0,
        };
        let rest = [&self.places, &self.inverse_norms]
            .into_iter()
            .flatten()
            .map(Bytes::mapped)
            .sum::<usize>();
        self.ids.mapped() + codes + originals + rest
    }

    pub(crate) fn partition(&self) -> Option<&Arc<Partition>> {
        self.codes.as_ref()?.partition.as_ref()
    }

    /// The number of a row's original; within the originals whatever a file says.
    pub(crate) fn place_of(&self, row: usize) -> usize {
        match &self.places {
            Some(places) => places
                .typed::<u32>()
                .get(row)
                .map_or(0, |&p| p as usize)
                .min(self.rows - 1),
            None => row,
        }
    }

    /// The original of a row, where originals are kept.
    pub(crate) fn original(&self, row: usize) -> Option<&[f32]> {
        self.originals
            .as_ref()
            .map(|o| o.view().row(self.place_of(row)))
    }

    /// Has the originals of rows read all at once that would be read one after the other.
    pub(crate) fn originals_soon(&self, rows: impl Iterator<Item = usize>) {
        if let Some(Originals::Owned {
            bytes,
            dim,
            on_demand: true,
            ..
        }) = &self.originals
        {
            let size = dim * 4;
            rows.map(|row| self.place_of(row) * size)
                .for_each(|at| bytes.read_soon(at..at + size));
        }
    }

    /// Whether two rows are coded alike.
    pub(crate) fn same_code(&self, row: usize, other: &Segment, other_row: usize) -> bool {
        let (Some(a), Some(b)) = (&self.codes, &other.codes) else {
            return false;
        };
        let layout = &a.codec.layout;
        let (mut x, mut y) = (
            vec![0; layout.dim.div_ceil(8)],
            vec![0; layout.dim.div_ceil(8)],
        );
        let ((from, lane), (to, other_lane)) = (a.place(row), b.place(other_row));
        layout.signs(from, lane, &mut x);
        layout.signs(to, other_lane, &mut y);
        x == y && a.record(row) == b.record(other_row)
    }

    /// Rows of a mapped file are not moved by automatic merges: that would bring them into memory.
    pub(crate) fn is_mapped(&self) -> bool {
        self.mapped() > 0
    }
}

/// What is needed to make segments of one index.
pub(crate) struct Builder<'a> {
    pub(crate) simd: Simd,
    pub(crate) options: &'a Options,
    pub(crate) control: Control<'a>,
}

impl Builder<'_> {
    /// Builds a segment, and the codec and the partition it is coded with, from vectors that are not
    /// checked yet.
    pub(crate) fn build(&self, source: Source, ids: &Ids) -> Result<Segment> {
        let dim = self.options.dim;
        if source.dim() != dim {
            return Err(Error::DimensionMismatch {
                expected: dim,
                actual: source.dim(),
            });
        }
        match source {
            Source::View(view) => {
                let ids = self.id_map(ids, view.len())?;
                if !self.options.keeps_originals() {
                    let mean = self.check(view, None)?;
                    return self.train(ids, None, Some(view), mean);
                }
                let mut copy = AlignedBuf::zeroed(view.len() * dim * 4)?;
                let mean = self.check(view, Some(bytemuck::cast_slice_mut(&mut copy)))?;
                let originals = Originals::Owned {
                    bytes: copy.into(),
                    rows: view.len(),
                    dim,
                    on_demand: false,
                };
                self.train(ids, Some(originals), None, mean)
            }
            Source::Adopt(buffer) => {
                let rows = buffer.rows();
                self.taken_over(
                    ids,
                    Originals::Owned {
                        bytes: buffer.into_bytes(),
                        rows,
                        dim,
                        on_demand: false,
                    },
                )
            }
            Source::Mapped(file) => self.taken_over(ids, Originals::File(file)),
        }
    }

    /// A segment of vectors that are the library's own: kept, or only coded.
    fn taken_over(&self, ids: &Ids, originals: Originals) -> Result<Segment> {
        let view = originals.view();
        let ids = self.id_map(ids, view.len())?;
        let mean = self.check(view, None)?;
        if self.options.keeps_originals() {
            self.train(ids, Some(originals), None, mean)
        } else {
            self.train(ids, None, Some(view), mean)
        }
    }

    /// A segment of checked rows, coded as `like` is, or with a mean and a partition of their own.
    pub(crate) fn checked(
        &self,
        like: Option<&Coding>,
        rows: &[&[f32]],
        ids: &[i64],
    ) -> Result<Segment> {
        self.written(like, ids, |row, to| to.copy_from_slice(rows[row]))
    }

    /// The same of rows that are written one by one.
    pub(crate) fn written(
        &self,
        like: Option<&Coding>,
        ids: &[i64],
        write: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Segment> {
        let dim = self.options.dim;
        let rows = ids.len();
        let ids = self.id_map(&Ids::Given(ids), rows)?;
        let mut copy = AlignedBuf::zeroed(rows * dim * 4)?;
        write_rows(bytemuck::cast_slice_mut(&mut copy), dim, write);
        let originals = Originals::Owned {
            bytes: copy.into(),
            rows,
            dim,
            on_demand: false,
        };
        if self.options.keeps_originals() {
            self.coded_as(like, ids, Some(originals), None)
        } else {
            self.coded_as(like, ids, None, Some(originals.view()))
        }
    }

    /// A segment of codes of checked rows that follow each other in the caller's memory.
    pub(crate) fn checked_view(
        &self,
        like: Option<&Coding>,
        view: Rows,
        ids: &Ids,
    ) -> Result<Segment> {
        let ids = self.id_map(ids, view.len())?;
        self.coded_as(like, ids, None, Some(view))
    }

    fn coded_as(
        &self,
        like: Option<&Coding>,
        ids: IdMap,
        originals: Option<Originals>,
        view: Option<Rows>,
    ) -> Result<Segment> {
        if like.is_some() || !self.options.kind.has_codes() {
            return self.with_coding(ids, originals, view, like);
        }
        let mean = self.mean(
            view.unwrap_or_else(|| originals.as_ref().expect("one of them is there").view()),
        )?;
        self.train(ids, originals, view, mean)
    }

    fn id_map(&self, ids: &Ids, rows: usize) -> Result<IdMap> {
        if rows > u32::MAX as usize {
            return Err(Error::argument(
                "rows",
                rows,
                format!("at most {} in one segment", u32::MAX),
            ));
        }
        IdMap::new(ids, rows)
    }

    fn train(
        &self,
        ids: IdMap,
        originals: Option<Originals>,
        view: Option<Rows>,
        mean: Vec<f32>,
    ) -> Result<Segment> {
        if !self.options.kind.has_codes() {
            return self.with_coding(ids, originals, view, None);
        }
        let rows = view.unwrap_or_else(|| originals.as_ref().expect("one of them is there").view());
        let codec = Arc::new(Codec::new(self.options, mean));
        let training = match self.options.kind {
            Kind::Ivf => Training::new(self.options, rows.len()),
            _ => None,
        };
        let (simd, options) = (self.simd, self.options);
        let gather = |order: &[u32]| {
            let mut sample = vec![0f32; order.len() * options.dim];
            put_rotated(simd, &codec, rows, order, 0, &mut sample);
            Ok(sample)
        };
        let partition = training.map(|training| {
            partition(
                simd,
                options,
                &self.control,
                training,
                &Kept::default(),
                rows.len(),
                gather,
                &codec,
            )
        });
        let partition = partition.transpose()?;
        let coding = Coding {
            codec,
            partition: partition.map(Arc::new),
        };
        self.with_coding(ids, originals, view, Some(&coding))
    }

    /// The codec with cells of which the first are those `kept` of `known`, and the others are trained
    /// beside them on `rows` rows that `write` writes.
    pub(crate) fn with_new_cells(
        &self,
        codec: &Arc<Codec>,
        known: &Partition,
        kept: Range<usize>,
        rows: usize,
        write: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Coding> {
        let (simd, dim) = (self.simd, self.options.dim);
        let gather = |order: &[u32]| {
            let mut read = vec![0f32; order.len() * dim];
            write_rows(&mut read, dim, |i, to| write(order[i] as usize, to));
            let numbers: Vec<u32> = (0..order.len() as u32).collect();
            let mut sample = vec![0f32; read.len()];
            let view = Rows::new(&read, order.len(), dim, dim)?;
            put_rotated(simd, codec, view, &numbers, 0, &mut sample);
            Ok(sample)
        };
        let training = Training::new(self.options, rows).expect("two cells or more");
        let kept = Kept::new(simd, codec, known, kept);
        let partition = partition(
            simd,
            self.options,
            &self.control,
            training,
            &kept,
            rows,
            gather,
            codec,
        )?;
        Ok(Coding {
            codec: codec.clone(),
            partition: Some(Arc::new(partition)),
        })
    }

    fn with_coding(
        &self,
        mut ids: IdMap,
        originals: Option<Originals>,
        view: Option<Rows>,
        coding: Option<&Coding>,
    ) -> Result<Segment> {
        let rows = ids.rows;
        let view = view.unwrap_or_else(|| originals.as_ref().expect("one of them is there").view());
        let (mut codes, mut places) = (None, None);
        if let Some(coding) = coding {
            let (coded, order) = self.encode(coding, view)?;
            codes = Some(coded);
            if let Some(order) = order {
                let moved: Vec<i64> = order.iter().map(|&row| ids.get(row as usize)).collect();
                ids = IdMap::new(&Ids::Given(&moved), rows)?;
                if originals.is_some() {
                    let mut kept = AlignedBuf::zeroed(rows * 4)?;
                    kept.copy_from_slice(bytemuck::cast_slice(&order));
                    places = Some(kept.into());
                }
            }
        }
        let inverse_norms = match (&originals, self.options.metric) {
            (Some(originals), Metric::Cosine) => Some(self.inverse_norms(originals.view())?),
            _ => None,
        };
        Ok(Segment {
            rows,
            ids,
            codes,
            originals,
            places,
            inverse_norms,
        })
    }

    /// Checks every row, copies it where asked, and returns the mean; the lowest bad row is named.
    fn check(&self, view: Rows, copy: Option<&mut [f32]>) -> Result<Vec<f32>> {
        let dim = self.options.dim;
        let chunks = view.len().div_ceil(CHUNK);
        let one = |chunk: usize, mut to: Option<&mut [f32]>| -> Result<Vec<f64>> {
            self.control.check()?;
            let mut sum = vec![0f64; dim];
            let mut unit = vec![0f32; dim];
            for i in chunk * CHUNK..view.len().min((chunk + 1) * CHUNK) {
                // The copy is made first and read from then on: the caller may be changing the row.
                let row = match &mut to {
                    Some(to) => {
                        let at = (i - chunk * CHUNK) * dim;
                        to[at..at + dim].copy_from_slice(view.row(i));
                        &to[at..at + dim]
                    }
                    None => view.row(i),
                };
                self.check_row(i as u64, row, &mut sum, &mut unit)?;
            }
            Ok(sum)
        };
        let sums: Vec<Result<Vec<f64>>> = match copy {
            Some(to) => to
                .par_chunks_mut(CHUNK * dim)
                .enumerate()
                .map(|(c, to)| one(c, Some(to)))
                .collect(),
            None => (0..chunks).into_par_iter().map(|c| one(c, None)).collect(),
        };
        self.merge(sums, view.len())
    }

    fn mean(&self, view: Rows) -> Result<Vec<f32>> {
        let dim = self.options.dim;
        let sums = (0..view.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut sum = vec![0f64; dim];
                let mut unit = vec![0f32; dim];
                for i in chunk * CHUNK..view.len().min((chunk + 1) * CHUNK) {
                    let row = view.row(i);
                    self.add_to_mean(&mut sum, &mut unit, row, self.simd.dot(row, row));
                }
                Ok(sum)
            });
        self.merge(sums.collect(), view.len())
    }

    /// Checks a row and adds it to the sum of its chunk.
    pub(crate) fn check_row(
        &self,
        number: u64,
        row: &[f32],
        sum: &mut [f64],
        unit: &mut [f32],
    ) -> Result<()> {
        let norm_sq = check_vector(self.simd, self.options.metric, number, row)?;
        self.add_to_mean(sum, unit, row, norm_sq);
        Ok(())
    }

    fn add_to_mean(&self, sum: &mut [f64], unit: &mut [f32], row: &[f32], norm_sq: f32) {
        if self.options.metric == Metric::Cosine {
            unit.copy_from_slice(row);
            self.simd.scale(unit, inverse_norm(norm_sq));
            self.simd.accumulate(sum, unit);
        } else {
            self.simd.accumulate(sum, row);
        }
    }

    fn merge(&self, sums: Vec<Result<Vec<f64>>>, rows: usize) -> Result<Vec<f32>> {
        let mut total = vec![0f64; self.options.dim];
        for sum in sums {
            total.iter_mut().zip(sum?).for_each(|(t, s)| *t += s);
        }
        Ok(mean_of(&total, rows))
    }

    fn inverse_norms(&self, view: Rows) -> Result<Bytes> {
        let mut out = AlignedBuf::zeroed(view.len() * 4)?;
        self.put_inverse_norms(view, bytemuck::cast_slice_mut(&mut out));
        Ok(out.into())
    }

    pub(crate) fn put_inverse_norms(&self, view: Rows, floats: &mut [f32]) {
        floats
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, to)| {
                for (i, to) in to.iter_mut().enumerate() {
                    let row = view.row(chunk * CHUNK + i);
                    *to = inverse_norm(self.simd.dot(row, row));
                }
            });
    }

    /// Codes rows; where they are divided into cells, also the order in which they were coded.
    pub(crate) fn encode(&self, coding: &Coding, view: Rows) -> Result<(Codes, Option<Vec<u32>>)> {
        let codec = &coding.codec;
        let layout = &codec.layout;
        let rows = view.len();
        let (sizes, order) = match &coding.partition {
            None => (vec![rows], None),
            Some(partition) => {
                let cells = partition.assign(self.simd, codec, view);
                let (starts, order) = group(&cells, partition.count());
                let sizes = starts.windows(2).map(|w| (w[1] - w[0]) as usize);
                (sizes.chain([0]).collect(), Some(order))
            }
        };
        let cells = cell_table(&sizes);
        let mut codes = self.codes(coding, cells, |run, i, scratch| {
            let place = run.span.first_row + i;
            let row = view.row(order.as_ref().map_or(place, |o| o[place] as usize));
            coding.encode(self.simd, row, scratch, run, i);
        })?;
        codes.partition = coding.partition.clone();
        debug_assert_eq!(codes.records.len(), rows * layout.record_bytes);
        Ok((codes, order))
    }

    /// The codes of the rows of `cells`, each written by `write` as row `i` of its run.
    fn codes(
        &self,
        coding: &Coding,
        cells: Vec<Cell>,
        write: impl Fn(&mut Run, usize, &mut Scratch) + Sync,
    ) -> Result<Codes> {
        let layout = &coding.codec.layout;
        let spans = spans(&cells);
        let rows: usize = cells.iter().map(|c| c.rows as usize).sum();
        let block_count: usize = spans.iter().map(Span::blocks).sum();
        let mut blocks = AlignedBuf::zeroed(block_count * layout.block_bytes)?;
        let mut records = AlignedBuf::zeroed(rows * layout.record_bytes)?;
        let mut factors = vec![Factors::default(); rows];
        runs(&spans, layout, &mut blocks, &mut records, &mut factors)
            .into_par_iter()
            .try_for_each(|mut run| {
                self.control.check()?;
                let mut scratch = coding.codec.scratch();
                for i in 0..run.span.rows {
                    write(&mut run, i, &mut scratch);
                }
                Ok::<(), Error>(())
            })?;
        let mut fit = OneBitFit::default();
        fit.add(&factors);
        let one = fit.finish(layout.dim);
        runs(&spans, layout, &mut blocks, &mut [], &mut factors)
            .into_par_iter()
            .for_each(|mut run| run.put_halves(layout, &one));
        Ok(Codes {
            codec: coding.codec.clone(),
            partition: coding.partition.clone(),
            cells,
            one,
            blocks: blocks.into(),
            records: records.into(),
        })
    }

    /// One segment of the rows of `parts` that `keep` lets through. Those whose cell is one of
    /// `coding` are not coded again, the others are: from their originals, or from what their codes
    /// tell.
    pub(crate) fn gather(
        &self,
        coding: Option<&Coding>,
        parts: &[(&Segment, &(dyn Fn(usize) -> bool + Sync))],
    ) -> Result<Segment> {
        let dim = self.options.dim;
        let cell_count = coding
            .and_then(|c| c.partition.as_ref())
            .map_or(0, |p| p.count())
            + 1;
        let mut members = vec![Vec::new(); cell_count];
        let mut homeless: Vec<(usize, usize)> = Vec::new();
        for (p, (segment, keep)) in parts.iter().enumerate() {
            for (rows, home) in segment.homes(coding) {
                let members = home.map_or(&mut homeless, |home| &mut members[home]);
                members.extend(rows.filter(|&row| keep(row)).map(|row| (p, row)));
            }
        }
        let again;
        let mut parts: Vec<&Segment> = parts.iter().map(|(segment, _)| *segment).collect();
        if !homeless.is_empty() {
            let ids: Vec<i64> = homeless
                .iter()
                .map(|&(p, row)| parts[p].ids.get(row))
                .collect();
            again = self.written(coding, &ids, |i, to| {
                let (p, row) = homeless[i];
                parts[p].read(self.simd, row, to);
            })?;
            for (members, (rows, _)) in members.iter_mut().zip(again.homes(coding)) {
                members.extend(rows.map(|row| (parts.len(), row)));
            }
            parts.push(&again);
        }
        let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
        let places: Vec<(usize, usize)> = members.concat();
        let rows = places.len();
        let given: Vec<i64> = places
            .iter()
            .map(|&(p, row)| parts[p].ids.get(row))
            .collect();
        let ids = IdMap::new(&Ids::Given(&given), rows)?;
        let originals = match self.options.keeps_originals() {
            false => None,
            true => {
                let mut copy = AlignedBuf::zeroed(rows * dim * 4)?;
                let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut copy);
                for (to, &(p, row)) in floats.chunks_exact_mut(dim).zip(&places) {
                    to.copy_from_slice(parts[p].original(row).expect("kept"));
                }
                Some(Originals::Owned {
                    bytes: copy.into(),
                    rows,
                    dim,
                    on_demand: false,
                })
            }
        };
        let inverse_norms = match (&originals, self.options.metric) {
            (Some(originals), Metric::Cosine) => Some(self.inverse_norms(originals.view())?),
            _ => None,
        };
        let codes = match coding {
            None => None,
            Some(coding) => {
                let layout = &coding.codec.layout;
                Some(self.codes(coding, cell_table(&sizes), |run, i, _| {
                    let (p, row) = places[run.span.first_row + i];
                    let codes = parts[p].codes.as_ref().expect("all parts are of one kind");
                    let (from, lane) = codes.place(row);
                    let (block, record, factors) = run.row(layout, i);
                    layout.copy_lane(from, lane, block, i % BLOCK);
                    record.copy_from_slice(codes.record(row).unwrap_or_default());
                    *factors = codes.one_bit(row);
                })?)
            }
        };
        Ok(Segment {
            rows,
            ids,
            codes,
            originals,
            places: None,
            inverse_norms,
        })
    }
}

impl Segment {
    /// The rows of each cell, and the cell of `coding` that they were coded to.
    fn homes(&self, coding: Option<&Coding>) -> Vec<(Range<usize>, Option<usize>)> {
        let (Some(codes), Some(coding)) = (&self.codes, coding) else {
            return vec![(0..self.rows, Some(0))];
        };
        let known = Arc::ptr_eq(&codes.codec, &coding.codec);
        let count =
            |partition: &Option<Arc<Partition>>| partition.as_ref().map_or(0, |p| p.count());
        let (own, wanted) = (count(&codes.partition), count(&coding.partition));
        // A partition keeps the cells of an older one in their order and before its new ones.
        let mut next = 0;
        let mut home = |cell: usize| {
            let found = match (&codes.partition, &coding.partition) {
                (Some(own), Some(wanted)) if cell < own.count() => {
                    next < wanted.count() && own.centroid(cell) == wanted.centroid(next)
                }
                // Those coded relative to the mean, where all else is as it was.
                _ => own == wanted && next == wanted,
            };
            let home = (known && found).then_some(next);
            next += usize::from(found);
            home
        };
        let rows = |c: &Cell| c.first_row as usize..c.first_row as usize + c.rows as usize;
        let cells = codes.cells.iter().enumerate();
        cells.map(|(cell, c)| (rows(c), home(cell))).collect()
    }

    /// The original of a row, or what its code tells of it.
    pub(crate) fn read(&self, simd: Simd, row: usize, out: &mut [f32]) {
        match (self.original(row), &self.codes) {
            (Some(original), _) => out.copy_from_slice(original),
            (None, Some(codes)) => codes.decode(simd, row, out),
            (None, None) => unreachable!("a segment has originals or codes"),
        }
    }
}

/// Writes rows one after the other, in parallel.
pub(crate) fn write_rows(to: &mut [f32], dim: usize, write: impl Fn(usize, &mut [f32]) + Sync) {
    let chunks = to.par_chunks_mut(CHUNK * dim).enumerate();
    chunks.for_each(|(chunk, to)| {
        let rows = (chunk * CHUNK..).zip(to.chunks_exact_mut(dim));
        rows.for_each(|(row, to)| write(row, to));
    });
}

/// The mean of rows from their sum.
pub(crate) fn mean_of(sum: &[f64], rows: usize) -> Vec<f32> {
    sum.iter()
        .map(|t| (t / rows.max(1) as f64) as f32)
        .collect()
}

/// The codec of an index and, where there is one, its partition.
#[derive(Clone)]
pub(crate) struct Coding {
    pub(crate) codec: Arc<Codec>,
    pub(crate) partition: Option<Arc<Partition>>,
}

impl Coding {
    /// Codes `row` as row `i` of a run.
    pub(crate) fn encode(
        &self,
        simd: Simd,
        row: &[f32],
        scratch: &mut Scratch,
        run: &mut Run,
        i: usize,
    ) {
        let origin = match &self.partition {
            Some(partition) if run.span.cell < partition.count() => {
                partition.origin(simd, &self.codec, run.span.cell)
            }
            _ => Origin {
                centroid: &self.codec.mean,
                rotated: None,
            },
        };
        let (block, record, factors) = run.row(&self.codec.layout, i);
        *factors = self
            .codec
            .encode(simd, row, &origin, scratch, block, i % BLOCK, record);
    }
}

/// Up to `CHUNK` rows of one cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) cell: usize,
    pub(crate) first_row: usize,
    pub(crate) first_block: usize,
    pub(crate) rows: usize,
}

impl Span {
    pub(crate) fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK)
    }
}

pub(crate) fn spans(cells: &[Cell]) -> Vec<Span> {
    let cut = |(cell, c): (usize, &Cell)| {
        let (rows, row, block) = (
            c.rows as usize,
            c.first_row as usize,
            c.first_block as usize,
        );
        (0..rows).step_by(CHUNK).map(move |first| Span {
            cell,
            first_row: row + first,
            first_block: block + first / BLOCK,
            rows: CHUNK.min(rows - first),
        })
    };
    cells.iter().enumerate().flat_map(cut).collect()
}

/// A span and the memory that is its own.
pub(crate) struct Run<'a> {
    pub(crate) span: Span,
    blocks: &'a mut [u8],
    records: &'a mut [u8],
    factors: &'a mut [Factors],
}

impl Run<'_> {
    /// The block, the record and the factors of row `i`.
    fn row(&mut self, layout: &Layout, i: usize) -> (&mut [u8], &mut [u8], &mut Factors) {
        (
            &mut self.blocks[i / BLOCK * layout.block_bytes..][..layout.block_bytes],
            &mut self.records[i * layout.record_bytes..][..layout.record_bytes],
            &mut self.factors[i],
        )
    }

    /// Puts the factors into the blocks, once their scales are known.
    pub(crate) fn put_halves(&mut self, layout: &Layout, one: &OneBit) {
        let blocks = self.blocks.chunks_exact_mut(layout.block_bytes);
        for (block, factors) in blocks.zip(self.factors.chunks(BLOCK)) {
            for (lane, f) in factors.iter().enumerate() {
                let mul = half::f16::from_f32(f.mul * one.mul_scale);
                layout.put_half(block, lane, half_down(f.add * one.add_scale), mul);
            }
        }
    }
}

/// Cuts memory for consecutive spans into their runs; no records where they are not wanted.
pub(crate) fn runs<'a>(
    spans: &[Span],
    layout: &Layout,
    mut blocks: &'a mut [u8],
    mut records: &'a mut [u8],
    mut factors: &'a mut [Factors],
) -> Vec<Run<'a>> {
    let record_bytes = if records.is_empty() {
        0
    } else {
        layout.record_bytes
    };
    let mut out = Vec::with_capacity(spans.len());
    for &span in spans {
        let (own_blocks, own_records, own_factors);
        (own_blocks, blocks) = blocks.split_at_mut(span.blocks() * layout.block_bytes);
        (own_records, records) = records.split_at_mut(span.rows * record_bytes);
        (own_factors, factors) = factors.split_at_mut(span.rows);
        out.push(Run {
            span,
            blocks: own_blocks,
            records: own_records,
            factors: own_factors,
        });
    }
    out
}

pub(crate) fn cell_table(sizes: &[usize]) -> Vec<Cell> {
    let (mut first_row, mut first_block) = (0, 0);
    let mut cell = |&rows: &usize| {
        let cell = Cell {
            first_row,
            first_block,
            rows: rows as u32,
            reserved: 0,
        };
        first_row += rows as u32;
        first_block += rows.div_ceil(BLOCK) as u32;
        cell
    };
    sizes.iter().map(&mut cell).collect()
}

impl Codes {
    pub(crate) fn coding(&self) -> Coding {
        Coding {
            codec: self.codec.clone(),
            partition: self.partition.clone(),
        }
    }

    pub(crate) fn resident(&self) -> usize {
        self.blocks.resident() + self.records.resident() + self.cells.len() * size_of::<Cell>()
    }

    pub(crate) fn mapped(&self) -> usize {
        self.blocks.mapped() + self.records.mapped()
    }

    /// The cell of a row.
    pub(crate) fn cell_of(&self, row: usize) -> usize {
        self.cells
            .partition_point(|c| c.first_row as usize + (c.rows as usize) <= row)
    }

    /// The block and the lane of a row.
    pub(crate) fn place(&self, row: usize) -> (&[u8], usize) {
        let cell = self.cells[self.cell_of(row)];
        let inside = row - cell.first_row as usize;
        let size = self.codec.layout.block_bytes;
        (
            &self.blocks[(cell.first_block as usize + inside / BLOCK) * size..][..size],
            inside % BLOCK,
        )
    }

    /// The factors of a row's sign bits.
    pub(crate) fn one_bit(&self, row: usize) -> Factors {
        let (block, lane) = self.place(row);
        let (add, mul) = self.codec.layout.half(block, lane);
        Factors {
            add: add / self.one.add_scale,
            mul: mul / self.one.mul_scale,
            kappa: self.one.kappa,
        }
    }

    /// What the code of a row tells of it.
    fn decode(&self, simd: Simd, row: usize, out: &mut [f32]) {
        let layout = &self.codec.layout;
        let mut codes = vec![0; layout.dim];
        let factors = match self.record(row) {
            Some(record) => {
                simd.unpack_row(layout.bits, layout.dim, record, &mut codes);
                layout.factors(record)
            }
            None => {
                let mut packed = vec![0; layout.code_bytes()];
                let (block, lane) = self.place(row);
                layout.signs(block, lane, &mut packed);
                simd.unpack_row(layout.bits, layout.dim, &packed, &mut codes);
                self.one_bit(row)
            }
        };
        let cell = self.cell_of(row);
        let centroid = match &self.partition {
            Some(partition) if cell < partition.count() => partition.centroid(cell),
            _ => &self.codec.mean,
        };
        self.codec.decode(simd, &codes, factors, centroid, out);
    }

    /// The record of a row, where there is more than one bit.
    pub(crate) fn record(&self, row: usize) -> Option<&[u8]> {
        let size = self.codec.layout.record_bytes;
        (size > 0).then(|| &self.records[row * size..][..size])
    }
}

/// Fits the scales of half-precision factors and the bound of 1-bit estimates to factors that come
/// in the order of their rows.
#[derive(Default)]
pub(crate) struct OneBitFit {
    add: f32,
    mul: f32,
    kappa: f32,
    squares: f64,
    chunk_squares: f64,
    rows: usize,
}

impl OneBitFit {
    pub(crate) fn add(&mut self, factors: &[Factors]) {
        for f in factors {
            self.add = self.add.max(f.add.abs());
            self.mul = self.mul.max(f.mul.abs());
            self.kappa = self.kappa.max(f.kappa.abs());
            self.chunk_squares += (f.kappa as f64).powi(2);
            self.rows += 1;
            if self.rows.is_multiple_of(CHUNK) {
                self.squares += std::mem::take(&mut self.chunk_squares);
            }
        }
    }

    pub(crate) fn finish(self, dim: usize) -> OneBit {
        // Where coordinates are many, kappa hardly differs between rows: its mean serves all. Where
        // they are few, the largest keeps the bound.
        let kappa = if dim < BLOCK {
            self.kappa
        } else {
            ((self.squares + self.chunk_squares) / self.rows.max(1) as f64).sqrt() as f32
        };
        OneBit {
            add_scale: half_scale(self.add),
            mul_scale: half_scale(self.mul),
            kappa,
        }
    }
}
