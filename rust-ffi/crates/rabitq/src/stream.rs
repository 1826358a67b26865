use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::Zeroable;
use rayon::prelude::*;
use simd::Simd;

use crate::encode::{Codec, Factors};
use crate::error::{Error, Result};
use crate::ids::IdMap;
use crate::kmeans::group;
use crate::layout::{BLOCK, Layout};
use crate::map::AlignedBuf;
use crate::options::{Control, Kind, Metric, Options};
use crate::partition::{Kept, Partition, Training, partition, put_rotated};
use crate::persist::{CodeParts, Content, Draft, ORIGINALS_AT, Parts, Section, Temp, folder_of};
use crate::pool;
use crate::rows::{Ids, Rows, check_extent};
use crate::segment::{
    Builder, CHUNK, Cell, Coding, OneBit, OneBitFit, Run, Span, cell_table, mean_of, runs, spans,
};

/// What a build takes beside what its plan counts: threads, small buffers, freed memory that the
/// allocator keeps.
const FIXED: usize = 24 << 20;
/// Bytes that are read at a time, where memory allows.
const MAX_CHUNK: usize = 16 << 20;
/// A window of codes is at least this part of them all: each window reads the rows again.
const MAX_WINDOWS: usize = 16;

/// Rows in a file, which are read and not mapped: the pages of a mapping would count as memory.
pub struct FileRows {
    file: File,
    path: PathBuf,
    offset: u64,
    rows: usize,
    dim: usize,
    /// In bytes.
    stride: usize,
}

impl FileRows {
    /// `rows` rows of `dim` little-endian floats that start `offset` bytes into the file and lie
    /// `stride` bytes apart; both must be multiples of 4. The file must not change while it is read.
    pub fn open(path: &Path, offset: u64, rows: u64, dim: usize, stride: u64) -> Result<Self> {
        let open = || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        let (file, size) = open().map_err(|e: io::Error| Error::persist(path, "open", e))?;
        check_extent(path, size, offset, rows, dim, stride)?;
        Ok(FileRows {
            file,
            path: path.to_owned(),
            offset,
            rows: rows as usize,
            dim,
            stride: stride as usize,
        })
    }

    /// Rows without gaps from `offset` on, in a file of the library's own.
    fn packed(file: File, path: &Path, offset: u64, dim: usize) -> Self {
        FileRows {
            file,
            path: path.to_owned(),
            offset,
            rows: 0,
            dim,
            stride: dim * 4,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Gives the rows of `range` to `visit`, at most `step` of them at a time, with the number of
    /// the first.
    fn visit(
        &self,
        range: Range<usize>,
        step: usize,
        mut visit: impl FnMut(usize, Rows) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = AlignedBuf::zeroed(step.min(range.len()) * self.stride)?;
        for first in range.clone().step_by(step) {
            let count = step.min(range.end - first);
            let bytes = &mut buffer[..(count - 1) * self.stride + self.dim * 4];
            let mut read = || {
                let mut file = &self.file;
                file.seek(SeekFrom::Start(
                    self.offset + first as u64 * self.stride as u64,
                ))?;
                file.read_exact(bytes)
            };
            read().map_err(|e| Error::persist(&self.path, "vectors", e))?;
            let floats = bytemuck::cast_slice(bytes);
            visit(first, Rows::new(floats, count, self.dim, self.stride / 4)?)?;
        }
        Ok(())
    }
}

/// Rows of `stride` bytes that are read at a time under a limit of memory.
fn step_within(limit: usize, stride: usize) -> usize {
    ((limit / 32).min(MAX_CHUNK) / stride).max(1)
}

/// The ids of all rows so far.
enum KeptIds {
    From(i64),
    Given(Vec<i64>),
}

impl KeptIds {
    fn push(&mut self, before: usize, ids: &Ids, rows: usize) {
        match (&mut *self, ids) {
            (KeptIds::From(first), Ids::From(next)) if before == 0 => *first = *next,
            (KeptIds::From(first), Ids::From(next))
                if first.checked_add(before as i64) == Some(*next) => {}
            (KeptIds::From(first), _) => {
                let first = *first;
                let known = (0..before as i64).map(|i| first + i);
                *self = KeptIds::Given(known.collect());
                self.push(before, ids, rows);
            }
            (KeptIds::Given(kept), _) => kept.extend((0..rows).map(|i| ids.get(i))),
        }
    }

    fn view(&self) -> Ids<'_> {
        match self {
            KeptIds::From(first) => Ids::From(*first),
            KeptIds::Given(ids) => Ids::Given(ids),
        }
    }
}

/// The sum of rows, in chunks of `CHUNK` rows counted from the first of all.
#[derive(Clone)]
struct Sums {
    total: Vec<f64>,
    chunk: Vec<f64>,
    rows: usize,
}

impl Sums {
    /// Checks rows and adds them.
    fn add(&mut self, builder: &Builder, rows: Rows) -> Result<()> {
        let before = self.rows;
        let first = (CHUNK - before % CHUNK).min(rows.len());
        let ranges = std::iter::once(0..first).chain(
            (first..rows.len())
                .step_by(CHUNK)
                .map(|at| at..rows.len().min(at + CHUNK)),
        );
        let ranges: Vec<Range<usize>> = ranges.filter(|r| !r.is_empty()).collect();
        let zero = vec![0f64; rows.dim()];
        let sums: Vec<Result<Vec<f64>>> = ranges
            .par_iter()
            .map(|range| {
                let mut sum = if range.start == 0 { &self.chunk } else { &zero }.clone();
                let mut unit = vec![0f32; rows.dim()];
                for i in range.clone() {
                    builder.check_row((before + i) as u64, rows.row(i), &mut sum, &mut unit)?;
                }
                Ok(sum)
            })
            .collect();
        for (range, sum) in ranges.iter().zip(sums) {
            self.chunk = sum?;
            if (before + range.end).is_multiple_of(CHUNK) {
                self.close_chunk();
            }
        }
        self.rows += rows.len();
        Ok(())
    }

    fn close_chunk(&mut self) {
        for (total, chunk) in self.total.iter_mut().zip(&mut self.chunk) {
            *total += std::mem::take(chunk);
        }
    }

    fn mean(mut self) -> Vec<f32> {
        self.close_chunk();
        mean_of(&self.total, self.rows)
    }
}

/// How a build keeps its memory under a limit.
struct Plan {
    training: Option<Training>,
    /// Bytes of codes that are made at a time.
    window: usize,
}

impl Plan {
    /// The plan for `rows` rows within `limit` bytes, `chunk` of which are read at a time; an error is
    /// what it would take.
    fn new(
        options: &Options,
        rows: usize,
        given_ids: bool,
        chunk: usize,
        limit: usize,
    ) -> std::result::Result<Self, usize> {
        let training = match options.kind {
            Kind::Ivf => Training::new(options, rows),
            _ => None,
        };
        // What is read, and a copy of it of unit length.
        let base = FIXED + 2 * chunk;
        let ids = if given_ids { 8 * rows } else { 0 };
        // Centroids, their rotations and tiles; their cells' spans and counters.
        let cells_bytes = |t: &Option<Training>| t.map_or(0, |t| t.cells * (options.dim * 9 + 256));
        let (mut least, mut room) = (0, limit);
        let mut phase = |bytes: usize| least = least.max(bytes);

        let trained = match training {
            None => None,
            Some(training) => {
                let beside = base + ids + 4 * rows;
                match training.within(options, rows, limit.saturating_sub(beside)) {
                    Ok(fitting) => Some(fitting),
                    Err(bytes) => {
                        phase(beside + bytes);
                        None
                    }
                }
            }
        };
        let cells = cells_bytes(&trained);
        // Cells and order of rows, ids in both orders, and the way back from an id to its row.
        phase(match (options.kind, given_ids) {
            (Kind::Ivf, _) => base + cells + ids + 32 * rows,
            (_, true) => base + 24 * rows,
            _ => base,
        });
        if options.kind.has_codes() {
            let layout = Layout::new(options.dim, options.bits);
            let row = layout.record_bytes + size_of::<Factors>();
            let span = CHUNK.min(rows) * row + CHUNK.min(rows).div_ceil(BLOCK) * layout.block_bytes;
            let blocks = rows.div_ceil(BLOCK) + training.map_or(0, |t| t.cells);
            let all = rows * row + blocks * layout.block_bytes;
            let beside = base + cells + training.map_or(0, |_| 4 * rows);
            phase(beside + span.max(all.div_ceil(MAX_WINDOWS)));
            room = limit.saturating_sub(beside);
        }
        if least > limit {
            return Err(least);
        }
        Ok(Plan {
            training: trained,
            window: room,
        })
    }
}

/// Writes an index to a file from rows that come in batches and need not fit in memory.
///
/// Rows are spooled to a temporary file beside the target: the target itself where originals are
/// kept. [`finish`](Self::finish) trains cells on a sample of the rows, codes all rows in as many
/// passes as memory asks for, and gives the file its name. Dropped before, nothing is left behind.
/// The file is byte for byte the one that a build in memory saves, unless memory was too small for
/// the whole sample.
pub struct IndexWriter {
    options: Options,
    simd: Simd,
    path: PathBuf,
    temp: Temp,
    /// Where the rows are read again.
    rows: FileRows,
    count: usize,
    ids: KeptIds,
    sums: Sums,
    limit: usize,
}

impl IndexWriter {
    /// A writer of the index file `path` that takes at most `max_bytes` of memory for itself.
    ///
    /// The sample for an IVF index is 128 rows a cell: with less memory fewer rows are sampled, down
    /// to 39 a cell, then, unless `nlist` is given, fewer cells are made, down to a quarter. What
    /// cannot be made smaller is some 40 bytes a row (24 for kinds without cells) and a sixteenth of
    /// the codes: an error names the least `max_bytes`, as soon as there are too many rows for it.
    pub fn new(path: &Path, options: Options, max_bytes: u64) -> Result<Self> {
        let options = options.validate()?;
        let spool = match options.keeps_originals() {
            true => None,
            false => {
                let file = tempfile::tempfile_in(folder_of(path));
                let file = file.map_err(|e| Error::persist(path, "spool", e))?;
                Some(FileRows::packed(file, path, 0, options.dim))
            }
        };
        Self::over(path, options, max_bytes, spool)
    }

    /// A writer whose rows are read again from `rows`, or from the target.
    fn over(path: &Path, options: Options, max_bytes: u64, rows: Option<FileRows>) -> Result<Self> {
        let broken = |e| Error::persist(path, "write", e);
        let mut temp = Temp::beside(path).map_err(broken)?;
        let rows = match rows {
            Some(rows) => rows,
            None => {
                let file = temp.file().try_clone().map_err(broken)?;
                FileRows::packed(file, path, ORIGINALS_AT, options.dim)
            }
        };
        let zero = vec![0f64; options.dim];
        let writer = IndexWriter {
            simd: Simd::best(),
            path: path.to_owned(),
            temp,
            rows,
            count: 0,
            ids: KeptIds::From(0),
            sums: Sums {
                total: zero.clone(),
                chunk: zero,
                rows: 0,
            },
            limit: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            options,
        };
        writer.plan(0, false)?;
        Ok(writer)
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds rows, all or none; an id that comes twice is found by [`finish`](Self::finish).
    pub fn add(&mut self, rows: Rows, ids: Ids, control: &Control) -> Result<()> {
        let dim = self.options.dim;
        if rows.dim() != dim {
            return Err(Error::DimensionMismatch {
                expected: dim,
                actual: rows.dim(),
            });
        }
        self.accept(&ids, rows.len())?;
        let before = self.len();
        let step = self.step(dim * 4);
        let mut sums = self.sums.clone();
        let mut piece = AlignedBuf::zeroed(step.min(rows.len()) * dim * 4)?;
        for first in (0..rows.len()).step_by(step) {
            control.check()?;
            let count = step.min(rows.len() - first);
            // Copied first and read from then on: the caller may be changing the row.
            let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut piece[..count * dim * 4]);
            for (i, to) in floats.chunks_exact_mut(dim).enumerate() {
                to.copy_from_slice(rows.row(first + i));
            }
            let view = Rows::new(floats, count, dim, dim)?;
            self.check(view, &mut sums, control)?;
            self.spool(before + first, view)?;
        }
        self.commit(sums, &ids, rows.len());
        Ok(())
    }

    /// Refuses what can be refused before rows are read.
    fn accept(&self, ids: &Ids, rows: usize) -> Result<()> {
        ids.check(rows)?;
        let after = self.len() + rows;
        if after > u32::MAX as usize {
            let allowed = format!("at most {} in one segment", u32::MAX);
            return Err(Error::argument("rows", after, allowed));
        }
        let given = matches!(self.ids, KeptIds::Given(_)) || matches!(ids, Ids::Given(_));
        self.plan(after, given).map(|_| ())
    }

    fn check(&self, rows: Rows, sums: &mut Sums, control: &Control) -> Result<()> {
        let before = self.sums.rows as u64;
        let checked = pool::install(|| sums.add(&self.builder(control), rows));
        checked.map_err(|e| match e {
            // The row of the caller's batch.
            Error::InvalidVector { row, reason } => Error::InvalidVector {
                row: row - before,
                reason,
            },
            e => e,
        })
    }

    fn spool(&self, at: usize, rows: Rows) -> Result<()> {
        let write = || {
            let mut file = &self.rows.file;
            let start = self.rows.offset + at as u64 * self.rows.stride as u64;
            file.seek(SeekFrom::Start(start))?;
            let mut out = BufWriter::with_capacity(1 << 20, file);
            let (floats, stride) = rows.tail_at(0);
            if stride == rows.dim() {
                out.write_all(bytemuck::cast_slice(&floats[..rows.len() * stride]))?;
            } else {
                (0..rows.len())
                    .try_for_each(|i| out.write_all(bytemuck::cast_slice(rows.row(i))))?;
            }
            out.flush()
        };
        write().map_err(|e| Error::persist(&self.path, "spool", e))
    }

    fn commit(&mut self, sums: Sums, ids: &Ids, rows: usize) {
        self.sums = sums;
        self.ids.push(self.count, ids, rows);
        self.count += rows;
    }

    fn builder<'a>(&'a self, control: &Control<'a>) -> Builder<'a> {
        Builder {
            simd: self.simd,
            options: &self.options,
            control: *control,
        }
    }

    /// Rows of `stride` bytes that are read at a time.
    fn step(&self, stride: usize) -> usize {
        step_within(self.limit, stride)
    }

    /// An error names the least limit.
    fn plan(&self, rows: usize, given_ids: bool) -> Result<Plan> {
        let stride = self.rows.stride;
        let within = |limit: usize| {
            let chunk = step_within(limit, stride) * stride;
            Plan::new(&self.options, rows, given_ids, chunk, limit)
        };
        let mut least = match within(self.limit) {
            Ok(plan) => return Ok(plan),
            Err(least) => least,
        };
        // With a higher limit more is read at a time, which takes memory too.
        while let Err(more) = within(least) {
            least = more;
        }
        let allowed = format!(
            "at least {least} for {rows} rows of {} dimensions",
            self.options.dim
        );
        Err(Error::argument("max_bytes", self.limit, allowed))
    }

    /// Writes the index and gives the file its name. An id that came twice is an error that names
    /// its later row, counted over all batches.
    pub fn finish(self, control: &Control) -> Result<()> {
        let plan = self.plan(self.len(), matches!(self.ids, KeptIds::Given(_)))?;
        self.finish_by(plan, control)
    }

    fn finish_by(mut self, plan: Plan, control: &Control) -> Result<()> {
        let path = std::mem::take(&mut self.path);
        let out = self.temp.file().try_clone();
        let broken = |e| Error::persist(&path, "write", e);
        let mut out = out.map_err(broken)?;
        // Without what a refused batch has left behind the last row.
        let spooled = match self.options.keeps_originals() && !self.is_empty() {
            true => ORIGINALS_AT + (self.count * self.options.dim * 4) as u64,
            false => 0,
        };
        out.set_len(spooled)
            .and_then(|()| out.rewind())
            .map_err(broken)?;
        if self.is_empty() {
            let draft = Draft::new(&self.options, None);
            draft.write(&mut out).map_err(broken)?;
        } else {
            let ids = std::mem::replace(&mut self.ids, KeptIds::From(0));
            pool::install(|| {
                let mut build = Build {
                    writer: &self,
                    plan,
                    control,
                    path: &path,
                    out: &mut out,
                };
                build.run(ids)
            })?;
        }
        self.temp.commit().map_err(broken)
    }
}

/// The passes over all rows that make an index of them.
struct Build<'a> {
    writer: &'a IndexWriter,
    plan: Plan,
    control: &'a Control<'a>,
    path: &'a Path,
    out: &'a mut File,
}

impl Build<'_> {
    fn run(&mut self, ids: KeptIds) -> Result<()> {
        let options = &self.writer.options;
        let rows = self.writer.len();
        let checked = IdMap::new(&ids.view(), rows)?;
        let mut map = self.plan.training.is_none().then_some(checked);
        let coding = self.coding()?;
        let mut cells = cell_table(&[rows]);
        let (mut cell_of, mut places) = (Vec::new(), None);
        if let Some(coding) = &coding
            && let Some(partition) = &coding.partition
        {
            cell_of = self.assign(partition, &coding.codec)?;
            let (starts, order) = group(&cell_of, partition.count());
            let sizes = starts.windows(2).map(|w| (w[1] - w[0]) as usize);
            cells = cell_table(&sizes.chain([0]).collect::<Vec<_>>());
            let given = ids.view();
            let moved: Vec<i64> = order.iter().map(|&row| given.get(row as usize)).collect();
            map = Some(IdMap::new(&Ids::Given(&moved), rows)?);
            places = Some(order);
        }
        drop(ids);
        let map = map.expect("rows lie in their order or in that of cells");
        let keeps = options.keeps_originals();
        let norms = keeps && options.metric == Metric::Cosine;
        let row_bytes = (rows * options.dim * 4) as u64;
        let places = places.filter(|_| keeps);
        let parts = Parts {
            ids: &map,
            codes: coding.as_ref().map(|coding| {
                let layout = &coding.codec.layout;
                let blocks: u32 = cells.iter().map(|c| c.rows.div_ceil(BLOCK as u32)).sum();
                CodeParts {
                    mean: &coding.codec.mean,
                    cells: &cells,
                    one: OneBit::zeroed(),
                    blocks: Content::Apart(blocks as u64 * layout.block_bytes as u64),
                    records: Content::Apart(rows as u64 * layout.record_bytes as u64),
                    partition: coding.partition.as_deref(),
                }
            }),
            places: places.as_ref().map(|p| bytemuck::cast_slice(p)),
            inverse_norms: norms.then_some(Content::Apart(rows as u64 * 4)),
            originals: keeps.then_some(Content::Apart(row_bytes)),
        };
        let draft = Draft::new(options, Some(parts));
        let draft = draft.write_plain(self.out).map_err(self.broken())?;
        drop((map, places));
        if norms {
            self.inverse_norms(&draft)?;
        }
        let one = match &coding {
            None => OneBit::zeroed(),
            Some(coding) => self.encode(coding, &cells, &cell_of, &draft)?,
        };
        self.control.check()?;
        draft.seal(self.out, one).map_err(self.broken())
    }

    fn broken(&self) -> impl Fn(io::Error) -> Error + use<> {
        let path = self.path.to_owned();
        move |e| Error::persist(&path, "write", e)
    }

    fn visit(
        &self,
        range: Range<usize>,
        mut visit: impl FnMut(usize, Rows) -> Result<()>,
    ) -> Result<()> {
        let from = &self.writer.rows;
        from.visit(range, self.writer.step(from.stride), |first, rows| {
            self.control.check()?;
            visit(first, rows)
        })
    }

    fn coding(&self) -> Result<Option<Coding>> {
        let IndexWriter { options, simd, .. } = self.writer;
        if !options.kind.has_codes() {
            return Ok(None);
        }
        let rows = self.writer.len();
        let codec = Arc::new(Codec::new(options, self.writer.sums.clone().mean()));
        let train = |training: Training| {
            let gather = |order: &[u32]| self.gather(order, &codec);
            partition(
                *simd,
                options,
                self.control,
                training,
                &Kept::default(),
                rows,
                gather,
                &codec,
            )
        };
        let partition = self.plan.training.map(train).transpose()?.map(Arc::new);
        Ok(Some(Coding { codec, partition }))
    }

    /// P (x - m) of the rows with the given numbers, which ascend.
    fn gather(&self, order: &[u32], codec: &Codec) -> Result<Vec<f32>> {
        let IndexWriter { options, simd, .. } = self.writer;
        let dim = options.dim;
        let mut sample = Vec::with_capacity(order.len() * dim);
        let mut rest = order;
        self.visit(0..self.writer.len(), |first, rows| {
            let here = rest.partition_point(|&row| (row as usize) < first + rows.len());
            let (chosen, after) = rest.split_at(here);
            let before = sample.len();
            sample.resize(before + chosen.len() * dim, 0.0);
            put_rotated(*simd, codec, rows, chosen, first, &mut sample[before..]);
            rest = after;
            Ok(())
        })?;
        Ok(sample)
    }

    /// The cell of each row.
    fn assign(&self, partition: &Partition, codec: &Codec) -> Result<Vec<u32>> {
        let simd = self.writer.simd;
        let mut cell_of = Vec::with_capacity(self.writer.len());
        self.visit(0..self.writer.len(), |_, rows| {
            cell_of.extend(partition.assign(simd, codec, rows));
            Ok(())
        })?;
        Ok(cell_of)
    }

    fn inverse_norms(&mut self, draft: &Draft) -> Result<()> {
        let (builder, broken) = (self.writer.builder(self.control), self.broken());
        let mut at = draft.offset(Section::InverseNorms);
        let mut norms = Vec::new();
        let out = &*self.out;
        self.visit(0..self.writer.len(), |_, rows| {
            norms.resize(rows.len(), 0f32);
            builder.put_inverse_norms(rows, &mut norms);
            write_at(out, &mut at, bytemuck::cast_slice(&norms)).map_err(&broken)
        })
    }

    /// Codes all rows, as many at a time as the plan's window holds. The factors in the blocks wait
    /// for the last row, since their scales are those of all rows.
    fn encode(
        &mut self,
        coding: &Coding,
        cells: &[Cell],
        cell_of: &[u32],
        draft: &Draft,
    ) -> Result<OneBit> {
        let (layout, broken) = (&coding.codec.layout, self.broken());
        let spans = spans(cells);
        let mut spool = tempfile::tempfile_in(folder_of(self.path)).map_err(&broken)?;
        let mut fit = OneBitFit::default();
        let mut blocks_at = draft.offset(Section::Blocks);
        let mut records_at = draft.offset(Section::Records);
        for window in windows(&spans, layout, self.plan.window) {
            let mut codes = WindowCodes::new(window, layout)?;
            self.encode_window(coding, cells, cell_of, window, &mut codes)?;
            fit.add(&codes.factors);
            write_at(self.out, &mut blocks_at, &codes.blocks).map_err(&broken)?;
            write_at(self.out, &mut records_at, &codes.records).map_err(&broken)?;
            spool
                .write_all(bytemuck::cast_slice(&codes.factors))
                .map_err(&broken)?;
        }
        let one = fit.finish(layout.dim);
        spool.rewind().map_err(&broken)?;
        let start = draft.offset(Section::Blocks);
        for window in windows(&spans, layout, self.plan.window) {
            self.control.check()?;
            let mut codes = WindowCodes::without_records(window, layout)?;
            let mut at = start + window[0].first_block as u64 * layout.block_bytes as u64;
            self.out.seek(SeekFrom::Start(at)).map_err(&broken)?;
            self.out.read_exact(&mut codes.blocks).map_err(&broken)?;
            spool
                .read_exact(bytemuck::cast_slice_mut(&mut codes.factors))
                .map_err(&broken)?;
            codes
                .runs(window, layout)
                .into_par_iter()
                .for_each(|mut run| run.put_halves(layout, &one));
            write_at(self.out, &mut at, &codes.blocks).map_err(&broken)?;
        }
        Ok(one)
    }

    /// Codes the rows of some spans, which a pass over the rows meets in the order of the input.
    fn encode_window(
        &self,
        coding: &Coding,
        cells: &[Cell],
        cell_of: &[u32],
        window: &[Span],
        codes: &mut WindowCodes,
    ) -> Result<()> {
        let simd = self.writer.simd;
        let (first, last) = (window[0], window[window.len() - 1]);
        let inside = first.first_row as u32..(last.first_row + last.rows) as u32;
        let mut next: Vec<u32> = cells.iter().map(|c| c.first_row).collect();
        let mut runs = codes.runs(window, &coding.codec.layout);
        // Rows of one cell lie in the file as they are coded.
        let range = match cell_of.is_empty() {
            true => inside.start as usize..inside.end as usize,
            false => 0..self.writer.len(),
        };
        if cell_of.is_empty() {
            next[0] = inside.start;
        }
        let mut places: Vec<(u32, u32)> = Vec::new();
        self.visit(range, |first, rows| {
            places.clear();
            for i in 0..rows.len() {
                let place = &mut next[cell_of.get(first + i).map_or(0, |&c| c as usize)];
                if inside.contains(place) {
                    places.push((*place, i as u32));
                }
                *place += 1;
            }
            places.par_sort_unstable();
            runs.par_iter_mut().for_each_init(
                || coding.codec.scratch(),
                |scratch, run| {
                    let start = run.span.first_row;
                    let at = |row: usize| places.partition_point(|p| (p.0 as usize) < row);
                    for &(place, i) in &places[at(start)..at(start + run.span.rows)] {
                        let row = rows.row(i as usize);
                        coding.encode(simd, row, scratch, run, place as usize - start);
                    }
                },
            );
            Ok(())
        })
    }
}

/// The codes of consecutive spans.
struct WindowCodes {
    blocks: AlignedBuf,
    records: AlignedBuf,
    factors: Vec<Factors>,
}

impl WindowCodes {
    fn new(window: &[Span], layout: &Layout) -> Result<Self> {
        let mut codes = Self::without_records(window, layout)?;
        codes.records = AlignedBuf::zeroed(codes.factors.len() * layout.record_bytes)?;
        Ok(codes)
    }

    fn without_records(window: &[Span], layout: &Layout) -> Result<Self> {
        let blocks: usize = window.iter().map(Span::blocks).sum();
        let rows = window.iter().map(|s| s.rows).sum();
        Ok(WindowCodes {
            blocks: AlignedBuf::zeroed(blocks * layout.block_bytes)?,
            records: AlignedBuf::zeroed(0)?,
            factors: vec![Factors::default(); rows],
        })
    }

    fn runs<'a>(&'a mut self, window: &[Span], layout: &Layout) -> Vec<Run<'a>> {
        runs(
            window,
            layout,
            &mut self.blocks,
            &mut self.records,
            &mut self.factors,
        )
    }
}

/// Consecutive spans whose codes take up to `room` bytes; one at least.
fn windows<'a>(
    spans: &'a [Span],
    layout: &'a Layout,
    room: usize,
) -> impl Iterator<Item = &'a [Span]> {
    let bytes = |s: &Span| {
        s.blocks() * layout.block_bytes + s.rows * (layout.record_bytes + size_of::<Factors>())
    };
    let mut rest = spans;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = rest.iter().take_while(|span| {
            total += bytes(span);
            total <= room
        });
        let (window, after) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = after;
        (!window.is_empty()).then_some(window)
    })
}

/// Writes bytes to their place and moves it behind them.
fn write_at(mut file: &File, at: &mut u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(*at))?;
    file.write_all(bytes)?;
    *at += bytes.len() as u64;
    Ok(())
}

/// Writes the index of the rows of a file to the file `path`; otherwise as [`IndexWriter`], without
/// a spool.
pub fn build_to(
    path: &Path,
    options: Options,
    rows: FileRows,
    ids: Ids,
    max_bytes: u64,
    control: &Control,
) -> Result<()> {
    let options = options.validate()?;
    if rows.dim != options.dim {
        return Err(Error::DimensionMismatch {
            expected: options.dim,
            actual: rows.dim,
        });
    }
    let count = rows.rows;
    // Read again from where they are, or from the target.
    let (source, again) = match options.keeps_originals() {
        true => (Some(rows), None),
        false => (None, Some(rows)),
    };
    let mut writer = IndexWriter::over(path, options, max_bytes, again)?;
    writer.accept(&ids, count)?;
    let mut sums = writer.sums.clone();
    let from = source.as_ref().unwrap_or(&writer.rows);
    from.visit(0..count, writer.step(from.stride), |first, rows| {
        control.check()?;
        writer.check(rows, &mut sums, control)?;
        match source {
            Some(_) => writer.spool(first, rows),
            None => Ok(()),
        }
    })?;
    writer.commit(sums, &ids, count);
    writer.finish(control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::{CellIndex, VectorIndex};
    use crate::options::OriginalsMode;
    use crate::rotate::random;
    use crate::rows::Source;

    const LIMIT: u64 = 64 << 20;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
    }

    /// Uneven norms around a few centres, so that cells are of many sizes.
    fn floats(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let uniform = |i: usize| (random(seed, i as u64) >> 40) as f32 / (1 << 24) as f32;
        (0..n * dim)
            .map(|i| {
                let centre = random(seed, (i / dim * i / dim) as u64) % 5;
                uniform(i) + ((centre * 7 + (i % dim) as u64) % 5) as f32
            })
            .collect()
    }

    fn saved(options: &Options, rows: Rows, ids: Ids, path: &Path) -> Vec<u8> {
        let source = Source::View(rows);
        let index = CellIndex::build(options.clone(), source, ids, &Control::default()).unwrap();
        index.save(path).unwrap();
        std::fs::read(path).unwrap()
    }

    fn cases() -> impl Strategy<Value = (Options, usize)> {
        let kinds = prop_oneof![
            Just((Kind::Flat, OriginalsMode::Copy)),
            Just((Kind::Rabitq, OriginalsMode::None)),
            Just((Kind::Asym, OriginalsMode::None)),
            Just((Kind::Plus, OriginalsMode::Copy)),
            Just((Kind::Ivf, OriginalsMode::Copy)),
            Just((Kind::Ivf, OriginalsMode::Mapped)),
            Just((Kind::Ivf, OriginalsMode::None)),
        ];
        let metrics = prop_oneof![
            Just(Metric::L2),
            Just(Metric::Cosine),
            Just(Metric::InnerProduct)
        ];
        let rows = prop_oneof![1usize..200, 4_090usize..4_100, 8_000usize..13_000];
        (kinds, metrics, rows, 1usize..70, 1u32..=8, 0u32..200).prop_map(
            |((kind, originals), metric, n, dim, bits, nlist)| {
                let options = Options {
                    metric,
                    originals,
                    bits: match kind {
                        Kind::Flat | Kind::Rabitq => 0,
                        _ => bits,
                    },
                    nlist: if nlist < 100 { 0 } else { nlist - 98 },
                    ..Options::new(kind, dim)
                };
                (options, n)
            },
        )
    }

    #[test]
    fn a_refused_batch_leaves_no_trace() {
        let (n, dim) = (9_000, 64);
        let data = floats(n, dim, 5);
        let mut bad = data.clone();
        bad[n * dim - 1] = f32::NAN;
        let control = Control::default();
        let folder = folder();
        for (kind, kept) in [(Kind::Plus, 10), (Kind::Asym, 10), (Kind::Flat, 0)] {
            let options = Options::new(kind, dim);
            let path = folder.path().join("index.rvx");
            let good = Rows::new(&data, kept, dim, dim).unwrap();
            let expected = saved(&options, good, Ids::From(0), &path);
            // Small pieces, so that some are written before the last row is seen.
            let mut writer = IndexWriter::new(&path, options, LIMIT / 2).unwrap();
            writer.add(good, Ids::From(0), &control).unwrap();
            let bad = Rows::new(&bad, n, dim, dim).unwrap();
            let error = writer.add(bad, Ids::From(0), &control);
            assert!(matches!(
                error,
                Err(Error::InvalidVector { row: 8_999, .. })
            ));
            writer.finish(&control).unwrap();
            assert!(std::fs::read(&path).unwrap() == expected, "{kind:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_stream_writes_what_a_build_in_memory_saves(
            (options, n) in cases(), gap in 0usize..3, seed in any::<u64>(), given in any::<bool>(),
            batches in proptest::collection::vec(1usize..6_000, 1..5), window in 0usize..2_000_000,
        ) {
            let dim = options.dim;
            let stride = dim + gap;
            let data = floats(n, stride, seed);
            let ids: Vec<i64> = (0..n as u64).map(|i| (random(seed, i) >> 1) as i64).collect();
            let all = if given { Ids::Given(&ids) } else { Ids::From(-7) };
            let folder = folder();
            let file = |name: &str| folder.path().join(name);
            let view = Rows::new(&data, n, dim, stride).unwrap();
            let expected = saved(&options, view, all, &file("saved.rvx"));

            let control = Control::default();
            let path = file("streamed.rvx");
            let mut writer = IndexWriter::new(&path, options.clone(), LIMIT).unwrap();
            let mut sizes = batches.iter().copied().cycle();
            while writer.len() < n {
                let (at, count) = (writer.len(), sizes.next().unwrap().min(n - writer.len()));
                let batch = Rows::new(&data[at * stride..], count, dim, stride).unwrap();
                let own = match all {
                    Ids::Given(ids) => Ids::Given(&ids[at..at + count]),
                    Ids::From(first) => Ids::From(first + at as i64),
                };
                writer.add(batch, own, &control).unwrap();
            }
            let plan = Plan { window, ..writer.plan(n, given).unwrap() };
            writer.finish_by(plan, &control).unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == expected, "from batches");

            std::fs::write(file("rows.f32"), bytemuck::cast_slice(&data)).unwrap();
            let open = FileRows::open(&file("rows.f32"), 0, n as u64, dim, stride as u64 * 4);
            build_to(&path, options, open.unwrap(), all, LIMIT, &control).unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == expected, "from a file");
        }
    }
}
