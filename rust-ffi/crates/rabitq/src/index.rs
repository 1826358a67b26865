use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use rayon::prelude::*;
use simd::Simd;

use crate::error::{Error, Result};
use crate::iter::RowIter;
use crate::options::{Control, Kind, Options, OriginalsMode, Search, Stats};
use crate::partition::Partition;
use crate::pool;
use crate::range::{RangeHits, range};
use crate::rows::{Ids, Rows, Source, check_vector};
use crate::search::{Request, Searcher, check_query, nearest};
use crate::segment::{Builder, Codes, Coding, Segment};
use crate::tail::Tail;
use crate::tombstones::Tombstones;

/// Queries of a batch that read cells together: what they keep fits in the second cache.
const TOGETHER: usize = 128;
/// A new segment takes in older ones while they have fewer than this many times its rows.
const MERGE_FACTOR: usize = 4;

/// What an index tells about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// What the index is.
    pub options: Options,
    /// Rows that a search can find.
    pub rows: u64,
    /// Removed rows that still take memory.
    pub deleted: u64,
    /// Sealed segments.
    pub segments: u32,
    /// Cells that an IVF index divides its rows into; 0 while it has too few, and in other kinds.
    pub cells: u64,
    /// Private memory in bytes.
    pub memory_bytes: u64,
    /// Bytes of mapped files.
    pub mapped_bytes: u64,
    /// Grows with every change.
    pub version: u64,
    /// Bytes of one row's packed code, 0 where there are none.
    pub code_bytes: u32,
}

/// What every kind of index can do. Searches run from any number of threads and never wait;
/// changes wait for each other.
pub trait VectorIndex: Send + Sync {
    /// What the index is and holds.
    fn info(&self) -> Info;
    /// Fills the first n places of `ids` and `scores` (k of each), nearest first, and returns n.
    fn search(
        &self,
        query: &[f32],
        s: &Search,
        ids: &mut [i64],
        scores: &mut [f32],
    ) -> Result<(usize, Stats)>;
    /// One search a row of `queries`: k places each of `ids` and `scores`, unused ones -1 and
    /// infinity, and the number of hits in `counts`.
    fn search_batch(
        &self,
        queries: Rows,
        s: &Search,
        ids: &mut [i64],
        scores: &mut [f32],
        counts: &mut [u32],
    ) -> Result<Stats>;
    /// All rows with a score of at most `radius`, nearest first, the nearest `limit` of them.
    fn search_range(
        &self,
        query: &[f32],
        radius: f32,
        s: &Search,
        limit: usize,
        out: &mut RangeHits,
    ) -> Result<Stats>;
    /// Adds rows; an id that is there already refuses all of them.
    fn add(&self, rows: Rows, ids: Ids) -> Result<()>;
    /// Adds rows and takes those with the same ids away in the same moment; returns how many.
    fn upsert(&self, rows: Rows, ids: Ids) -> Result<u64>;
    /// Removes rows; returns how many there were.
    fn remove(&self, ids: &[i64]) -> Result<u64>;
    /// Rewrites the index as one segment without removed rows; where originals are kept, codes are
    /// made anew around the mean of what is left.
    fn compact(&self) -> Result<()>;
    /// Whether a search could find `id`.
    fn contains(&self, id: i64) -> bool;
    /// Copies the original of `id`, bit for bit; false where there is no such id.
    fn get(&self, id: i64, out: &mut [f32]) -> Result<bool>;
    /// All rows of this moment.
    fn iter(&self) -> RowIter;
    /// Writes the whole index to one file: the old file or the new one is there, never a part.
    fn save(&self, path: &std::path::Path) -> Result<()>;
    /// Whether both hold the same rows under the same parameters, in any order.
    fn content_equals(&self, other: &dyn VectorIndex) -> Result<bool>;
    /// Rotates a vector as the codes are rotated, or back.
    fn rotate(&self, input: &[f32], out: &mut [f32], inverse: bool) -> Result<()>;
    /// An index of its own with the rows of this moment, which both share until one changes them.
    fn fork(&self) -> Box<dyn VectorIndex>;
    /// The index itself, for code that knows its kind.
    fn as_any(&self) -> &dyn Any;
}

/// A segment and its removed rows.
#[derive(Clone)]
pub(crate) struct SegmentView {
    pub(crate) segment: Arc<Segment>,
    pub(crate) dead: Tombstones,
}

impl SegmentView {
    pub(crate) fn live(&self) -> usize {
        self.segment.rows - self.dead.count()
    }
}

/// All that a reader sees; never changed once published.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) version: u64,
    /// How new rows are coded, once there are rows to learn it from.
    pub(crate) coding: Option<Coding>,
    /// Rows of the largest cell when the cells were trained or opened.
    pub(crate) largest_cell: usize,
    pub(crate) segments: Vec<SegmentView>,
    pub(crate) tail: Tail,
}

impl SegmentView {
    pub(crate) fn whole(segment: Segment) -> Self {
        SegmentView {
            segment: Arc::new(segment),
            dead: Tombstones::default(),
        }
    }
}

enum Found {
    Tail(usize),
    Segment(usize, usize),
}

impl Snapshot {
    pub(crate) fn live(&self) -> usize {
        self.segments.iter().map(SegmentView::live).sum::<usize>() + self.tail.len()
            - self.tail.deleted()
    }

    /// Every partition that rows are divided by, each once.
    fn partitions(&self) -> Vec<&Partition> {
        let of_segments = self.segments.iter().filter_map(|v| v.segment.partition());
        let of_new_rows = self.coding.iter().filter_map(|c| c.partition.as_ref());
        let mut all: Vec<&Partition> = Vec::new();
        for partition in of_segments.chain(of_new_rows) {
            if !all.iter().any(|known| std::ptr::eq(*known, &**partition)) {
                all.push(partition);
            }
        }
        all
    }

    /// Codes new rows as those of `segment` are coded.
    pub(crate) fn learn(&mut self, segment: &Segment) {
        self.coding = segment.codes.as_ref().map(Codes::coding);
        let cells = segment.codes.iter().flat_map(|c| &c.cells);
        self.largest_cell = cells.map(|c| c.rows as usize).max().unwrap_or(0);
    }

    fn find(&self, id: i64) -> Option<Found> {
        if let Some(row) = self.tail.find(id) {
            return Some(Found::Tail(row));
        }
        self.segments
            .iter()
            .enumerate()
            .rev()
            .find_map(|(i, view)| {
                let row = view.segment.ids.find(id)?;
                (!view.dead.contains(row)).then_some(Found::Segment(i, row))
            })
    }

    fn kill(&mut self, found: Found) {
        match found {
            Found::Tail(row) => self.tail.kill(row),
            Found::Segment(i, row) => {
                self.segments[i].dead.insert(row);
            }
        }
    }

    /// Live rows with their ids, where originals are kept.
    pub(crate) fn originals(&self) -> (Vec<&[f32]>, Vec<i64>) {
        let (mut rows, mut ids) = originals(&self.segments);
        self.tail_rows(&mut rows, &mut ids);
        (rows, ids)
    }

    pub(crate) fn tail_rows<'a>(&'a self, rows: &mut Vec<&'a [f32]>, ids: &mut Vec<i64>) {
        let view = self.tail.rows();
        for row in self.tail.live() {
            rows.push(view.row(row));
            ids.push(self.tail.ids()[row]);
        }
    }
}

/// Live rows of some segments with their ids, where originals are kept.
fn originals(views: &[SegmentView]) -> (Vec<&[f32]>, Vec<i64>) {
    let live = views.iter().map(SegmentView::live).sum();
    let (mut rows, mut ids) = (Vec::with_capacity(live), Vec::with_capacity(live));
    for view in views {
        for row in (0..view.segment.rows).filter(|&row| !view.dead.contains(row)) {
            rows.push(
                view.segment
                    .original(row)
                    .expect("asked for by kinds that keep originals"),
            );
            ids.push(view.segment.ids.get(row));
        }
    }
    (rows, ids)
}

/// Index kinds that scan all their codes or originals: flat, rabitq, asym and plus, on the cell
/// store with one cell.
pub struct CellIndex {
    pub(crate) options: Options,
    pub(crate) simd: Simd,
    snapshot: ArcSwap<Snapshot>,
    writer: Mutex<()>,
}

impl CellIndex {
    /// An empty index.
    pub fn create(options: Options) -> Result<Self> {
        let options = options.validate()?;
        if options.originals == OriginalsMode::Mapped || options.originals == OriginalsMode::Adopt {
            return Err(Error::argument(
                "originals",
                "adopt or mapped",
                "copy, for an index that starts empty",
            ));
        }
        let tail = Tail::new(options.dim);
        Ok(Self::over(
            options,
            Snapshot {
                version: 0,
                coding: None,
                largest_cell: 0,
                segments: Vec::new(),
                tail,
            },
        ))
    }

    /// An index of all rows of `source`, built on the process's pool. Nothing of the caller's memory
    /// is kept.
    pub fn build(options: Options, source: Source, ids: Ids, control: &Control) -> Result<Self> {
        let mut options = options.validate()?;
        if options.keeps_originals() {
            options.originals = match source {
                Source::View(_) => OriginalsMode::Copy,
                Source::Adopt(_) => OriginalsMode::Adopt,
                Source::Mapped(_) => OriginalsMode::Mapped,
            };
        }
        let simd = Simd::best();
        let segment = pool::install(|| {
            Builder {
                simd,
                options: &options,
                control: *control,
            }
            .build(source, &ids)
        })?;
        Ok(Self::from_segment(options, segment))
    }

    pub(crate) fn from_segment(options: Options, segment: Segment) -> Self {
        let mut snapshot = Snapshot {
            version: 0,
            coding: None,
            largest_cell: 0,
            segments: Vec::new(),
            tail: Tail::new(options.dim),
        };
        if segment.rows > 0 {
            snapshot.learn(&segment);
            snapshot.segments.push(SegmentView::whole(segment));
        }
        Self::over(options, snapshot)
    }

    fn over(options: Options, snapshot: Snapshot) -> Self {
        let snapshot = ArcSwap::from_pointee(snapshot);
        CellIndex {
            options,
            simd: Simd::best(),
            snapshot,
            writer: Mutex::new(()),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // A writer that panicked published nothing, so what is there is whole.
        self.writer.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn publish(&self, mut next: Snapshot) {
        next.version += 1;
        self.snapshot.store(Arc::new(next));
    }

    pub(crate) fn builder(&self) -> Builder<'_> {
        Builder {
            simd: self.simd,
            options: &self.options,
            control: Control::default(),
        }
    }

    fn check_rows(&self, rows: Rows, ids: &Ids) -> Result<()> {
        if rows.dim() != self.options.dim {
            return Err(Error::DimensionMismatch {
                expected: self.options.dim,
                actual: rows.dim(),
            });
        }
        ids.check(rows.len())?;
        for i in 0..rows.len() {
            check_vector(self.simd, self.options.metric, i as u64, rows.row(i))?;
        }
        if let Ids::Given(given) = ids {
            crate::ids::IdMap::new(&Ids::Given(given), given.len())?;
        }
        Ok(())
    }

    fn write(&self, rows: Rows, ids: Ids, replace: bool) -> Result<u64> {
        // The caller may change its memory meanwhile: what is checked is what is stored.
        let copied: Vec<f32> = (0..rows.len()).flat_map(|i| rows.row(i)).copied().collect();
        let rows = Rows::new(&copied, rows.len(), rows.dim(), rows.dim())?;
        self.check_rows(rows, &ids)?;
        let _writer = self.lock();
        let mut next = Snapshot::clone(&self.snapshot.load());
        let mut replaced = 0;
        for i in 0..rows.len() {
            let id = ids.get(i);
            match next.find(id) {
                Some(_) if !replace => return Err(Error::DuplicateId { id, row: i as u64 }),
                Some(found) => {
                    next.kill(found);
                    replaced += 1;
                }
                None => {}
            }
        }
        // What can fail comes before the tail grows: a view of it that is not published could not grow
        // again.
        self.tidy(&mut next)?;
        if next.tail.len() + rows.len() <= next.tail.capacity() {
            (0..rows.len()).for_each(|i| next.tail.push(ids.get(i), rows.row(i)));
        } else {
            self.seal(&mut next, rows, &ids)?;
        }
        self.publish(next);
        Ok(replaced)
    }

    /// Makes a segment of the tail and `rows`, and merges it with segments of its size.
    fn seal(&self, next: &mut Snapshot, rows: Rows, ids: &Ids) -> Result<()> {
        let (mut all, mut all_ids) = (Vec::new(), Vec::new());
        next.tail_rows(&mut all, &mut all_ids);
        all.extend((0..rows.len()).map(|i| rows.row(i)));
        all_ids.extend((0..rows.len()).map(|i| ids.get(i)));
        if let Some(cells) = self.cells_due(next, all.len()) {
            let (mut segments, grown) = self.regrow(next, cells, all, all_ids)?;
            next.learn(&grown);
            segments.push(SegmentView::whole(grown));
            next.segments = segments;
            next.tail = Tail::new(self.options.dim);
            return Ok(());
        }
        let coding = self.coding_of(next.coding.as_ref(), all.len());
        let coding = coding.as_ref();
        // Cells are trained when there are rows enough, not on the first ones.
        let undivided = Options {
            nlist: 1,
            ..self.options.clone()
        };
        let builder = Builder {
            options: &undivided,
            ..self.builder()
        };
        let segment =
            pool::install(
                || match (self.options.keeps_originals(), all.len() == rows.len()) {
                    (false, true) => builder.checked_view(coding, rows, ids),
                    _ => builder.checked(coding, &all, &all_ids),
                },
            )?;
        if next.coding.is_none() {
            next.learn(&segment);
        }
        let mut merged = segment.rows;
        let mut first = next.segments.len();
        while first > 0 {
            let older = &next.segments[first - 1];
            if older.segment.is_mapped() || older.live() >= merged * MERGE_FACTOR {
                break;
            }
            merged += older.live();
            first -= 1;
        }
        next.segments.push(SegmentView::whole(segment));
        next.tail = Tail::new(self.options.dim);
        if first + 1 < next.segments.len() {
            let views = &next.segments[first..];
            let coding = self.coding_of_merged(next.coding.as_ref(), views);
            let merged = self.gather(coding.as_ref(), views)?;
            next.segments.truncate(first);
            next.segments.push(SegmentView::whole(merged));
        }
        Ok(())
    }

    /// Rewrites segments of which a fifth is removed; part of each writing call, so that the bytes of
    /// an index are a function of its operations.
    fn tidy(&self, next: &mut Snapshot) -> Result<()> {
        for view in &mut next.segments {
            if !view.segment.is_mapped()
                && view.dead.count() * 5 > view.segment.rows
                && view.live() > 0
            {
                let coding = view.segment.codes.as_ref().map(Codes::coding);
                let segment = self.gather(coding.as_ref(), std::slice::from_ref(view))?;
                *view = SegmentView::whole(segment);
            }
        }
        next.segments.retain(|view| view.live() > 0);
        Ok(())
    }

    /// One segment of the live rows of `views`, coded as `coding` says.
    pub(crate) fn gather(&self, coding: Option<&Coding>, views: &[SegmentView]) -> Result<Segment> {
        let keeps: Vec<_> = views
            .iter()
            .map(|view| |row: usize| !view.dead.contains(row))
            .collect();
        let parts: Vec<(&Segment, &(dyn Fn(usize) -> bool + Sync))> = views
            .iter()
            .zip(&keeps)
            .map(|(view, keep)| (&*view.segment, keep as _))
            .collect();
        pool::install(|| self.builder().gather(coding, &parts))
    }

    /// The rows of a snapshot as one segment without removed rows; `None` where it has no rows.
    pub(crate) fn compacted(
        &self,
        snapshot: &Snapshot,
        retrain: bool,
    ) -> Result<Option<Arc<Segment>>> {
        if snapshot.live() == 0 {
            return Ok(None);
        }
        let clean = snapshot.tail.len() == snapshot.tail.deleted();
        if let [only] = &snapshot.segments[..]
            && clean
            && only.dead.count() == 0
            && !retrain
        {
            return Ok(Some(only.segment.clone()));
        }
        if self.options.keeps_originals() {
            let (rows, ids) = snapshot.originals();
            let coding = snapshot.coding.as_ref().filter(|_| !retrain);
            let segment = pool::install(|| self.builder().checked(coding, &rows, &ids))?;
            return Ok(Some(Arc::new(segment)));
        }
        let mut views = snapshot.segments.clone();
        if !clean {
            views.push(SegmentView::whole(self.sealed_tail(snapshot)?));
        }
        // There is no coding yet where all rows are in the tail.
        let own = views[0].segment.codes.as_ref().map(Codes::coding);
        let segment = self.gather(snapshot.coding.as_ref().or(own.as_ref()), &views)?;
        Ok(Some(Arc::new(segment)))
    }

    /// The live rows of the tail, coded.
    pub(crate) fn sealed_tail(&self, snapshot: &Snapshot) -> Result<Segment> {
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        snapshot.tail_rows(&mut rows, &mut ids);
        pool::install(|| {
            self.builder()
                .checked(snapshot.coding.as_ref(), &rows, &ids)
        })
    }

    fn search_snapshot(
        &self,
        snapshot: &Snapshot,
        query: &[f32],
        request: &Request,
    ) -> Result<(Vec<crate::top::Hit>, Stats)> {
        request.control.check()?;
        let query = check_query(self.simd, &self.options, query)?;
        if snapshot.live() == 0 {
            return Err(Error::Empty);
        }
        self.searcher(snapshot, &query, request).nearest()
    }

    fn searcher<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        query: &'a [f32],
        request: &'a Request<'a>,
    ) -> Searcher<'a> {
        Searcher {
            simd: self.simd,
            options: &self.options,
            snapshot,
            query,
            request,
        }
    }
}

impl VectorIndex for CellIndex {
    fn info(&self) -> Info {
        let snapshot = self.snapshot.load();
        let dead: usize = snapshot.segments.iter().map(|v| v.dead.count()).sum();
        let resident: usize = snapshot
            .segments
            .iter()
            .map(|v| v.segment.resident() + v.dead.resident())
            .sum();
        let mapped: usize = snapshot.segments.iter().map(|v| v.segment.mapped()).sum();
        let partitions = snapshot.partitions();
        Info {
            options: self.options.clone(),
            rows: snapshot.live() as u64,
            deleted: (dead + snapshot.tail.deleted()) as u64,
            segments: snapshot.segments.len() as u32,
            cells: snapshot
                .coding
                .as_ref()
                .and_then(|c| c.partition.as_ref())
                .map_or(0, |p| p.count() as u64),
            memory_bytes: (size_of::<Self>()
                + resident
                + snapshot.tail.resident()
                + partitions.iter().map(|p| p.resident()).sum::<usize>())
                as u64,
            mapped_bytes: (mapped + partitions.iter().map(|p| p.mapped()).sum::<usize>()) as u64,
            version: snapshot.version,
            code_bytes: match self.options.kind {
                Kind::Flat => 0,
                _ => crate::layout::Layout::new(self.options.dim, self.options.bits).code_bytes()
                    as u32,
            },
        }
    }

    fn search(
        &self,
        query: &[f32],
        s: &Search,
        ids: &mut [i64],
        scores: &mut [f32],
    ) -> Result<(usize, Stats)> {
        let request = Request::new(&self.options, s)?;
        let (hits, stats) = self.search_snapshot(&self.snapshot.load(), query, &request)?;
        for (hit, (id, score)) in hits.iter().zip(ids.iter_mut().zip(scores)) {
            (*id, *score) = (hit.id, hit.score);
        }
        Ok((hits.len().min(ids.len()), stats))
    }

    fn search_batch(
        &self,
        queries: Rows,
        s: &Search,
        ids: &mut [i64],
        scores: &mut [f32],
        counts: &mut [u32],
    ) -> Result<Stats> {
        let request = Request::new(&self.options, s)?;
        let (n, k) = (queries.len(), s.k);
        let places = n.checked_mul(k);
        if Some(ids.len()) != places || Some(scores.len()) != places || counts.len() != n {
            let value = format!(
                "{} ids, {} scores, {} counts",
                ids.len(),
                scores.len(),
                counts.len()
            );
            return Err(Error::argument(
                "results",
                value,
                format!("{n} queries of k = {k}"),
            ));
        }
        let snapshot = self.snapshot();
        request.control.check()?;
        if n > 0 && snapshot.live() == 0 {
            return Err(Error::Empty);
        }
        let some = |first: usize, ids: &mut [i64], scores: &mut [f32], counts: &mut [u32]| {
            let checked = (first..).take(counts.len()).map(|i| {
                check_query(self.simd, &self.options, queries.row(i)).map_err(|e| match e {
                    Error::InvalidVector { reason, .. } => Error::InvalidVector {
                        row: i as u64,
                        reason,
                    },
                    e => e,
                })
            });
            let checked: Vec<Vec<f32>> = checked.collect::<Result<_>>()?;
            let searchers: Vec<Searcher> = checked
                .iter()
                .map(|query| self.searcher(&snapshot, query, &request))
                .collect();
            ids.fill(-1);
            scores.fill(f32::INFINITY);
            let mut total = Stats::default();
            let places = ids.chunks_mut(k).zip(scores.chunks_mut(k)).zip(counts);
            for (((ids, scores), count), (hits, stats)) in places.zip(nearest(&searchers)?) {
                for (hit, (id, score)) in hits.iter().zip(ids.iter_mut().zip(scores)) {
                    (*id, *score) = (hit.id, hit.score);
                }
                *count = hits.len() as u32;
                total += stats;
            }
            Ok(total)
        };
        let add = |mut a: Stats, b: Stats| {
            a += b;
            Ok(a)
        };
        let threads = match s.control.threads {
            1 => 1,
            _ => pool::threads(),
        };
        let together = n.div_ceil(threads).clamp(1, TOGETHER);
        if threads == 1 {
            let rows = ids
                .chunks_mut(k * together)
                .zip(scores.chunks_mut(k * together))
                .zip(counts.chunks_mut(together))
                .enumerate();
            return rows
                .map(|(i, ((ids, scores), counts))| some(i * together, ids, scores, counts))
                .try_fold(Stats::default(), |a, b| add(a, b?));
        }
        pool::install(|| {
            let rows = ids
                .par_chunks_mut(k * together)
                .zip(scores.par_chunks_mut(k * together))
                .zip(counts.par_chunks_mut(together))
                .enumerate();
            rows.map(|(i, ((ids, scores), counts))| some(i * together, ids, scores, counts))
                .try_reduce(Stats::default, add)
        })
    }

    fn search_range(
        &self,
        query: &[f32],
        radius: f32,
        s: &Search,
        limit: usize,
        out: &mut RangeHits,
    ) -> Result<Stats> {
        let query = check_query(self.simd, &self.options, query)?;
        let snapshot = self.snapshot.load();
        if snapshot.live() == 0 {
            return Err(Error::Empty);
        }
        range(self, &snapshot, &query, radius, s, limit, out)
    }

    fn add(&self, rows: Rows, ids: Ids) -> Result<()> {
        self.write(rows, ids, false).map(|_| ())
    }

    fn upsert(&self, rows: Rows, ids: Ids) -> Result<u64> {
        self.write(rows, ids, true)
    }

    fn remove(&self, ids: &[i64]) -> Result<u64> {
        let _writer = self.lock();
        let mut next = Snapshot::clone(&self.snapshot.load());
        let mut removed = 0;
        for &id in ids {
            if let Some(found) = next.find(id) {
                next.kill(found);
                removed += 1;
            }
        }
        if removed > 0 {
            self.tidy(&mut next)?;
            self.publish(next);
        }
        Ok(removed)
    }

    fn compact(&self) -> Result<()> {
        let _writer = self.lock();
        let mut next = Snapshot::clone(&self.snapshot.load());
        let segment = self.compacted(&next, self.options.keeps_originals())?;
        next.segments = segment
            .into_iter()
            .map(|segment| SegmentView {
                segment,
                dead: Tombstones::default(),
            })
            .collect();
        if let Some(view) = next.segments.first() {
            let segment = view.segment.clone();
            next.learn(&segment);
        }
        next.tail = Tail::new(self.options.dim);
        self.publish(next);
        Ok(())
    }

    fn contains(&self, id: i64) -> bool {
        self.snapshot.load().find(id).is_some()
    }

    fn get(&self, id: i64, out: &mut [f32]) -> Result<bool> {
        if out.len() != self.options.dim {
            return Err(Error::DimensionMismatch {
                expected: self.options.dim,
                actual: out.len(),
            });
        }
        if !self.options.keeps_originals() {
            return Err(Error::Unsupported {
                what: format!("this {:?} index keeps no originals", self.options.kind),
            });
        }
        let snapshot = self.snapshot.load();
        match snapshot.find(id) {
            None => return Ok(false),
            Some(Found::Tail(row)) => out.copy_from_slice(snapshot.tail.rows().row(row)),
            Some(Found::Segment(i, row)) => {
                out.copy_from_slice(snapshot.segments[i].segment.original(row).expect("kept"));
            }
        }
        Ok(true)
    }

    fn iter(&self) -> RowIter {
        RowIter::new(self.snapshot(), &self.options)
    }

    fn save(&self, path: &std::path::Path) -> Result<()> {
        let snapshot = self.snapshot();
        let segment = self.compacted(&snapshot, false)?;
        crate::persist::save(path, &self.options, segment.as_deref())
    }

    fn content_equals(&self, other: &dyn VectorIndex) -> Result<bool> {
        let Some(other) = other.as_any().downcast_ref::<CellIndex>() else {
            return Ok(false);
        };
        let same = |o: &Options| (o.kind, o.metric, o.dim, o.bits, o.seed);
        let (a, b) = (self.snapshot(), other.snapshot());
        if same(&self.options) != same(&other.options) || a.live() != b.live() {
            return Ok(false);
        }
        if self.options.keeps_originals() {
            let (rows, ids) = a.originals();
            return Ok(rows.iter().zip(ids).all(|(row, id)| match b.find(id) {
                None => false,
                Some(Found::Tail(i)) => same_bits(row, b.tail.rows().row(i)),
                Some(Found::Segment(s, i)) => b.segments[s]
                    .segment
                    .original(i)
                    .is_some_and(|other| same_bits(row, other)),
            }));
        }
        let (a, b) = (self.compacted(&a, false)?, other.compacted(&b, false)?);
        let (Some(a), Some(b)) = (a, b) else {
            return Ok(true);
        };
        Ok((0..a.rows).all(|row| {
            b.ids
                .find(a.ids.get(row))
                .is_some_and(|other| a.same_code(row, &b, other))
        }))
    }

    fn rotate(&self, input: &[f32], out: &mut [f32], inverse: bool) -> Result<()> {
        let dim = self.options.dim;
        if input.len() != dim || out.len() != dim {
            return Err(Error::DimensionMismatch {
                expected: dim,
                actual: input.len(),
            });
        }
        out.copy_from_slice(input);
        let rotation = crate::rotate::Rotation::new(dim, self.options.seed);
        if inverse {
            rotation.inverse(self.simd, out)
        } else {
            rotation.forward(self.simd, out)
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn VectorIndex> {
        let snapshot = self.snapshot();
        let tail = snapshot.tail.detached();
        let copy = Snapshot {
            tail,
            ..Snapshot::clone(&snapshot)
        };
        Box::new(Self::over(self.options.clone(), copy))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl crate::filter::Filter {
    /// Evaluates the filter over the rows of `index`; returns how many rows it lets through. A search
    /// does this by itself; the result is kept for the next one.
    pub fn prepare(&self, index: &dyn VectorIndex) -> u64 {
        let Some(index) = index.as_any().downcast_ref::<CellIndex>() else {
            return 0;
        };
        let snapshot = index.snapshot();
        let allowed = self.allowed(&snapshot);
        let sealed: usize = allowed
            .iter()
            .zip(&snapshot.segments)
            .map(|(a, view)| match view.dead.count() {
                0 => a.count,
                _ => (0..view.segment.rows)
                    .filter(|&r| a.words[r / 64] >> (r % 64) & 1 == 1 && !view.dead.contains(r))
                    .count(),
            })
            .sum();
        let open = snapshot
            .tail
            .live()
            .filter(|&row| self.contains(snapshot.tail.ids()[row]))
            .count();
        (sealed + open) as u64
    }
}
