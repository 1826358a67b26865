use std::sync::Arc;

use simd::Simd;

use crate::encode::{Codec, inverse_norm};
use crate::error::{Error, Result};
use crate::filter::{Allowed, Filter};
use crate::index::Snapshot;
use crate::layout::BLOCK;
use crate::options::{Control, Kind, Metric, Options, Stats};
use crate::partition::Partition;
use crate::recommend::Target;
use crate::rows::{MAX_NORM_SQ, Rows};
use crate::scan::{CodeScan, Part, Place, Probed, Rotated, lanes, near_cells};
use crate::segment::{Codes, Segment};
use crate::sink::{Candidate, Candidates, Estimates, Sink};
use crate::top::Hit;

/// The full-bit estimate's multiplier, as a part of epsilon: a larger one sends many times more
/// rows to the exact stage on clustered data and finds nothing new.
const FULL_BIT_EPSILON: f32 = 0.7;
/// Rows that are scanned in the time that one takes to be compared exactly, or estimated with all
/// its bits, anywhere in memory: 90 ns at 100 dimensions.
const SCANNED_FOR_ONE: usize = 40;
/// How the cells that are probed grow with the share of the rows that a filter lets through: with
/// this power, recall@10 on 300,000 words is that without a filter or more, for shares down to .01.
const WIDER: f32 = 0.4;
/// Rows of one call to an exact kernel in a scan.
const EXACT_ROWS: usize = 256;
/// Rows compared exactly between two looks at the k-th best.
const RERANK_STEP: usize = 8;
/// Rows whose originals are asked for at once where they are on disk: more than most searches compare.
const READ_AHEAD: usize = 64;

/// How many cells of a partition a search probes.
enum Probes {
    Given(u32),
    /// Four times the square root of their number.
    Root,
    Reach(Target),
}

/// What a search asks, checked and with defaults filled in.
pub(crate) struct Request<'a> {
    pub(crate) k: usize,
    pub(crate) epsilon: f32,
    pub(crate) full_bit_epsilon: f32,
    pub(crate) rerank_cap: usize,
    probes: Probes,
    /// Whether all rows are compared exactly.
    exact: bool,
    pub(crate) filter: Option<&'a Filter>,
    pub(crate) control: Control<'a>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(options: &Options, s: &crate::Search<'a>) -> Result<Self> {
        if s.k == 0 {
            return Err(Error::argument("k", 0, "1 or more"));
        }
        let target = s.recall.map(|r| Target::new(options, s.k, r)).transpose()?;
        let (epsilon, factor, probes) = match target {
            Some(target) => (target.epsilon(), u32::MAX, Probes::Reach(target)),
            None => (
                options.epsilon,
                options.rerank_factor,
                match options.nprobe {
                    0 => Probes::Root,
                    given => Probes::Given(given),
                },
            ),
        };
        if let Some(given) = s.epsilon {
            crate::options::check_epsilon(given)?;
        }
        if let Some(given) = s.rerank_factor {
            crate::options::check_rerank_factor(given)?;
        }
        crate::options::check_nprobe(s.nprobe)?;
        let epsilon = s.epsilon.unwrap_or(epsilon);
        let factor = s.rerank_factor.unwrap_or(factor);
        let chosen = s.epsilon.is_none() && s.rerank_factor.is_none() && s.nprobe == 0;
        Ok(Request {
            k: s.k,
            epsilon,
            full_bit_epsilon: epsilon * FULL_BIT_EPSILON,
            rerank_cap: s.k.saturating_mul(factor as usize),
            probes: match s.nprobe {
                0 => probes,
                given => Probes::Given(given),
            },
            exact: chosen && s.recall == Some(1.0),
            filter: s.filter,
            control: s.control,
        })
    }

    /// Cells to probe at most in an index of so many rows, not bounded by their number. Where a filter lets
    /// part of the rows through, the nearest of those lie further out than the nearest of all rows.
    pub(crate) fn nprobe(&self, partition: &Partition, part: &Part, rows: usize) -> usize {
        let count = partition.count();
        let wanted = match self.probes {
            Probes::Given(given) => given as usize,
            Probes::Root => 4 * count.isqrt(),
            Probes::Reach(target) => target.nprobe(count, rows),
        };
        let share = part.share().max(f32::MIN_POSITIVE);
        match wanted {
            all if all >= count => usize::MAX,
            some => ((some as f32 * share.powf(-WIDER)) as usize).max(1),
        }
    }

    /// Rows that a search of a segment scans.
    fn scanned(&self, codes: &Codes, part: &Part, rows: usize) -> usize {
        match &codes.partition {
            None => part.segment.rows,
            Some(p) => part.segment.rows / p.count() * self.nprobe(p, part, rows).min(p.count()),
        }
    }
}

/// A query, checked, of unit length under cosine.
pub(crate) fn check_query(simd: Simd, options: &Options, query: &[f32]) -> Result<Vec<f32>> {
    if query.len() != options.dim {
        return Err(Error::DimensionMismatch {
            expected: options.dim,
            actual: query.len(),
        });
    }
    let norm_sq = crate::rows::check_vector(simd, options.metric, 0, query)?;
    debug_assert!(norm_sq <= MAX_NORM_SQ);
    let mut query = query.to_vec();
    if options.metric == Metric::Cosine {
        simd.scale(&mut query, inverse_norm(norm_sq));
    }
    Ok(query)
}

/// A search over one snapshot.
pub(crate) struct Searcher<'a> {
    pub(crate) simd: Simd,
    pub(crate) options: &'a Options,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) query: &'a [f32],
    pub(crate) request: &'a Request<'a>,
}

/// The k nearest rows to each of several queries of one request, nearest first.
pub(crate) fn nearest(searchers: &[Searcher]) -> Result<Vec<(Vec<Hit>, Stats)>> {
    let Some(first) = searchers.first() else {
        return Ok(Vec::new());
    };
    let allowed = first.request.filter.map(|f| f.allowed(first.snapshot));
    // No more hits than rows: a huge k costs what the rows cost.
    let k = first.request.k.min(first.snapshot.live());
    let mut stats = vec![Stats::default(); searchers.len()];
    let count = 0..searchers.len();
    if first.options.kind == Kind::Flat || !first.options.keeps_originals() {
        let mut sinks: Vec<Estimates> = count.map(|_| Estimates::new(k)).collect();
        scan(searchers, allowed.as_deref(), &mut sinks, false, &mut stats)?;
        let hits = sinks.into_iter().map(|sink| sink.top.into_sorted());
        return Ok(hits.zip(stats).collect());
    }
    let mut sinks: Vec<Candidates> = count.map(|_| Candidates::new(k)).collect();
    scan(searchers, allowed.as_deref(), &mut sinks, true, &mut stats)?;
    for ((searcher, sink), stats) in searchers.iter().zip(&mut sinks).zip(&mut stats) {
        searcher.rerank(sink, stats)?;
    }
    let hits = sinks.into_iter().map(|sink| sink.top.into_sorted());
    Ok(hits.zip(stats).collect())
}

/// Gives every row that may be a hit to the sink of each search.
pub(crate) fn scan<S: Sink>(
    searchers: &[Searcher],
    allowed: Option<&[Arc<Allowed>]>,
    sinks: &mut [S],
    rerank: bool,
    stats: &mut [Stats],
) -> Result<()> {
    let Some(first) = searchers.first() else {
        return Ok(());
    };
    let (simd, request, rows) = (first.simd, first.request, first.snapshot.live());
    for ((searcher, sink), stats) in searchers.iter().zip(&mut *sinks).zip(&mut *stats) {
        searcher.scan_tail(sink, stats);
    }
    let mut rotated: Option<(&Codec, Vec<Rotated>)> = None;
    let mut probed = Probed::default();
    for part in first.parts(allowed) {
        request.control.check()?;
        let segment = part.segment;
        let codes = match &segment.codes {
            Some(codes) if !(rerank && request.exact) => codes,
            _ => {
                scan_exact(searchers, &part, sinks, stats)?;
                continue;
            }
        };
        let scanned = if S::VISITS_ALL {
            segment.rows
        } else {
            request.scanned(codes, &part, rows)
        };
        // Few rows cost less one by one; where they are reranked, no more than the rerank itself.
        let few = (scanned / SCANNED_FOR_ONE).max(request.rerank_cap.min(512));
        let listed = part.allowed.is_some_and(|a| a.count < few);
        if listed && rerank {
            exact_listed(searchers, &part, sinks, stats)?;
            continue;
        }
        let codec = &*codes.codec;
        if rotated
            .as_ref()
            .is_none_or(|(known, _)| !std::ptr::eq(*known, codec))
        {
            let queries = searchers.iter().map(|s| Rotated::new(simd, codec, s.query));
            rotated = Some((codec, queries.collect()));
        }
        let (_, queries) = rotated.as_ref().expect("just made");
        let mut scans: Vec<CodeScan<S>> = searchers
            .iter()
            .zip(queries)
            .zip(sinks.iter_mut().zip(stats.iter_mut()))
            .map(|((searcher, query), (sink, stats))| {
                CodeScan::new(searcher, query, codes, &part, sink, stats)
            })
            .collect();
        if listed && codec.layout.bits > 1 {
            scans.iter_mut().for_each(CodeScan::listed);
        } else {
            near_cells(&mut scans, &mut probed)?;
        }
    }
    Ok(())
}

/// Compares all rows of a segment exactly; several searches read them together.
fn scan_exact<S: Sink>(
    searchers: &[Searcher],
    part: &Part,
    sinks: &mut [S],
    stats: &mut [Stats],
) -> Result<()> {
    let segment = part.segment;
    if part.allowed.is_some_and(|a| a.count < segment.rows / 4) {
        return exact_listed(searchers, part, sinks, stats);
    }
    let view = segment
        .originals
        .as_ref()
        .expect("asked for where originals are kept")
        .view();
    let mut rows = [0u32; EXACT_ROWS];
    let mut scores = [0f32; EXACT_ROWS];
    for (strip, first) in (0..segment.rows).step_by(EXACT_ROWS).enumerate() {
        if strip % 64 == 0 {
            searchers[0].request.control.check()?;
        }
        let count = EXACT_ROWS.min(segment.rows - first);
        let (rows, scores) = (&mut rows[..count], &mut scores[..count]);
        rows.iter_mut()
            .zip(first as u32..)
            .for_each(|(r, i)| *r = i);
        for ((searcher, sink), stats) in searchers.iter().zip(&mut *sinks).zip(&mut *stats) {
            match segment.places {
                None => searcher.exact_run(segment, view, first, scores),
                Some(_) => searcher.exact_gather(segment, rows, scores),
            }
            stats.scanned += count as u64;
            for (base, scores) in scores.chunks(BLOCK).enumerate() {
                let worst = sink.threshold();
                let near = scores
                    .iter()
                    .enumerate()
                    .fold(0u32, |m, (i, &s)| m | ((s <= worst) as u32) << i);
                if near == 0 {
                    continue;
                }
                let start = first + base * BLOCK;
                for lane in lanes(near & part.mask32(start)) {
                    sink.exact(segment.ids.get(start + lane), scores[lane]);
                }
            }
        }
    }
    Ok(())
}

/// Compares the rows that a filter names exactly.
fn exact_listed<S: Sink>(
    searchers: &[Searcher],
    part: &Part,
    sinks: &mut [S],
    stats: &mut [Stats],
) -> Result<()> {
    let mut listed = part.listed();
    let (mut rows, mut places) = ([0u32; EXACT_ROWS], [0u32; EXACT_ROWS]);
    let mut scores = [0f32; EXACT_ROWS];
    loop {
        let filled = rows.iter_mut().zip(&mut places).zip(&mut listed);
        let count = filled.map(|((r, p), next)| (*r, *p) = next).count();
        if count == 0 {
            return Ok(());
        }
        searchers[0].request.control.check()?;
        let (rows, places, scores) = (&rows[..count], &places[..count], &mut scores[..count]);
        for ((searcher, sink), stats) in searchers.iter().zip(&mut *sinks).zip(&mut *stats) {
            searcher.exact_at_places(part.segment, places, scores);
            stats.scanned += count as u64;
            for (&row, &score) in rows.iter().zip(&*scores) {
                // Ids lie in another order: most are never read.
                if score <= sink.threshold() {
                    sink.exact(part.segment.ids.get(row as usize), score);
                }
            }
        }
    }
}

impl Searcher<'_> {
    /// The k nearest rows, nearest first.
    pub(crate) fn nearest(&self) -> Result<(Vec<Hit>, Stats)> {
        let mut found = nearest(std::slice::from_ref(self))?;
        Ok(found.pop().expect("one search has one result"))
    }

    fn parts<'s>(&'s self, allowed: Option<&'s [Arc<Allowed>]>) -> impl Iterator<Item = Part<'s>> {
        self.snapshot
            .segments
            .iter()
            .enumerate()
            .map(move |(i, view)| Part {
                index: i as u32,
                segment: &view.segment,
                dead: &view.dead,
                allowed: allowed.map(|a| &*a[i]),
            })
    }

    fn scan_tail<S: Sink>(&self, sink: &mut S, stats: &mut Stats) {
        let tail = &self.snapshot.tail;
        let (rows, ids) = (tail.rows(), tail.ids());
        for row in tail.live() {
            if self.request.filter.is_none_or(|f| f.contains(ids[row])) {
                stats.scanned += 1;
                sink.exact(
                    ids[row],
                    exact(self.simd, self.options.metric, self.query, rows.row(row)),
                );
            }
        }
    }

    /// Exact scores of consecutive rows.
    fn exact_run(&self, segment: &Segment, view: Rows, first: usize, scores: &mut [f32]) {
        let (data, stride) = view.tail_at(first);
        match self.options.metric {
            Metric::L2 => self
                .simd
                .l2_rows(self.query, data, view.dim(), stride, scores),
            _ => self
                .simd
                .dot_rows(self.query, data, view.dim(), stride, scores),
        }
        let inverse = segment
            .inverse_norms
            .as_ref()
            .map(|n| &n.typed::<f32>()[first..]);
        self.scores_of_dots(scores, |i| inverse.map_or(1.0, |n| n[i]));
    }

    /// Exact scores of up to `EXACT_ROWS` rows anywhere in a segment.
    fn exact_gather(&self, segment: &Segment, rows: &[u32], scores: &mut [f32]) {
        let mut places = [0u32; EXACT_ROWS];
        let places = &mut places[..rows.len()];
        places
            .iter_mut()
            .zip(rows)
            .for_each(|(place, &row)| *place = segment.place_of(row as usize) as u32);
        self.exact_at_places(segment, places, scores);
    }

    /// Exact scores of rows whose originals lie at these places.
    fn exact_at_places(&self, segment: &Segment, places: &[u32], scores: &mut [f32]) {
        let view = segment
            .originals
            .as_ref()
            .expect("asked for by kinds that keep originals")
            .view();
        let (data, stride) = view.tail_at(0);
        match self.options.metric {
            Metric::L2 => self
                .simd
                .l2_gather(self.query, data, view.dim(), stride, places, scores),
            _ => self
                .simd
                .dot_gather(self.query, data, view.dim(), stride, places, scores),
        }
        let inverse = segment.inverse_norms.as_ref().map(|n| n.typed::<f32>());
        self.scores_of_dots(scores, |i| inverse.map_or(1.0, |n| n[places[i] as usize]));
    }

    fn scores_of_dots(&self, scores: &mut [f32], inverse_norm: impl Fn(usize) -> f32) {
        match self.options.metric {
            Metric::L2 => {}
            Metric::InnerProduct => scores.iter_mut().for_each(|s| *s = -*s),
            Metric::Cosine => scores
                .iter_mut()
                .enumerate()
                .for_each(|(i, s)| *s = 1.0 - *s * inverse_norm(i)),
        }
    }

    /// Exact scores for the candidates that may still be hits, most promising first.
    fn rerank(&self, sink: &mut Candidates, stats: &mut Stats) -> Result<()> {
        let limit = sink.threshold();
        let mut found = std::mem::take(&mut sink.found);
        found.retain(|c| c.lower <= limit);
        let id = |c: &Candidate| {
            self.snapshot.segments[c.place.segment as usize]
                .segment
                .ids
                .get(c.place.row as usize)
        };
        let cap = self.request.rerank_cap;
        if found.len() > cap {
            found.select_nth_unstable_by(cap, |a, b| {
                a.score.total_cmp(&b.score).then_with(|| id(a).cmp(&id(b)))
            });
            found.truncate(cap);
        }
        found.sort_unstable_by(|a, b| a.lower.total_cmp(&b.lower));
        for (i, view) in self.snapshot.segments.iter().enumerate() {
            let own = found.iter().filter(|c| c.place.segment as usize == i);
            let first = own.take(READ_AHEAD).map(|c| c.place.row as usize);
            view.segment.originals_soon(first);
        }
        let mut rows = [0u32; RERANK_STEP];
        let mut scores = [0f32; RERANK_STEP];
        for step in found.chunks(RERANK_STEP) {
            self.request.control.check()?;
            if step[0].lower > sink.top.worst() {
                break;
            }
            for run in step.chunk_by(|a, b| a.place.segment == b.place.segment) {
                let segment = &self.snapshot.segments[run[0].place.segment as usize].segment;
                let (rows, scores) = (&mut rows[..run.len()], &mut scores[..run.len()]);
                rows.iter_mut()
                    .zip(run)
                    .for_each(|(row, c)| *row = c.place.row);
                self.exact_gather(segment, rows, scores);
                for (row, score) in rows.iter().zip(scores.iter()) {
                    sink.top.push(*score, segment.ids.get(*row as usize));
                }
            }
            stats.reranked += step.len() as u64;
        }
        Ok(())
    }

    /// Exact score of one row of the snapshot.
    pub(crate) fn exact_at(&self, place: Place) -> f32 {
        let segment = &self.snapshot.segments[place.segment as usize].segment;
        let mut score = [0f32];
        self.exact_gather(segment, &[place.row], &mut score);
        score[0]
    }
}

/// Exact score of a query and a row, in the order of operations that stored norms would give.
pub(crate) fn exact(simd: Simd, metric: Metric, query: &[f32], row: &[f32]) -> f32 {
    match metric {
        Metric::L2 => simd.l2(query, row),
        Metric::InnerProduct => -simd.dot(query, row),
        Metric::Cosine => {
            let (dot, norm_sq) = simd.dot_norm(query, row);
            1.0 - dot * inverse_norm(norm_sq)
        }
    }
}
