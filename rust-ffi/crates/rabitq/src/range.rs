use crate::error::{Error, Result};
use crate::index::{CellIndex, Snapshot};
use crate::options::{Search, Stats};
use crate::scan::Place;
use crate::search::{Request, Searcher, scan};
use crate::sink::Sink;

/// Multiplier of the error bound where a range search names none: it misses 3 rows in 100,000.
const RANGE_EPSILON: f32 = 4.0;

/// Rows within a radius, nearest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeHits {
    /// Ids.
    pub ids: Vec<i64>,
    /// Scores: exact where originals are kept, estimates elsewhere.
    pub scores: Vec<f32>,
    /// Bounds of the scores' errors, 0 for exact ones.
    pub bounds: Vec<f32>,
    /// Whether the row is within the radius for certain: its score plus its bound is.
    pub certain: Vec<bool>,
    /// Whether more rows than the limit are within the radius.
    pub truncated: bool,
}

struct Found {
    id: i64,
    score: f32,
    bound: f32,
}

struct Within {
    radius: f32,
    rerank: bool,
    found: Vec<Found>,
    maybe: Vec<Place>,
}

impl Sink for Within {
    const RANKS_ESTIMATES: bool = false;
    const VISITS_ALL: bool = true;

    fn k(&self) -> usize {
        usize::MAX
    }

    fn threshold(&self) -> f32 {
        self.radius
    }

    fn is_full(&self) -> bool {
        true
    }

    fn estimate(&mut self, place: Place, id: impl FnOnce() -> i64, score: f32, error: f32) {
        if self.rerank {
            if score - error <= self.radius {
                self.maybe.push(place);
            }
        } else if score <= self.radius {
            self.found.push(Found {
                id: id(),
                score,
                bound: error,
            });
        }
    }

    fn exact(&mut self, id: i64, score: f32) {
        if score <= self.radius {
            self.found.push(Found {
                id,
                score,
                bound: 0.0,
            });
        }
    }
}

pub(crate) fn range(
    index: &CellIndex,
    snapshot: &Snapshot,
    query: &[f32],
    radius: f32,
    s: &Search,
    limit: usize,
    out: &mut RangeHits,
) -> Result<Stats> {
    if radius.is_nan() {
        return Err(Error::argument("radius", radius, "a number"));
    }
    if limit == 0 {
        return Err(Error::argument("limit", limit, "1 or more"));
    }
    let search = Search {
        k: 1,
        recall: None,
        epsilon: Some(s.epsilon.unwrap_or(RANGE_EPSILON)),
        ..*s
    };
    let mut request = Request::new(&index.options, &search)?;
    request.full_bit_epsilon = request.epsilon;
    let searcher = Searcher {
        simd: index.simd,
        options: &index.options,
        snapshot,
        query,
        request: &request,
    };
    let allowed = request.filter.map(|f| f.allowed(snapshot));
    let rerank = index.options.keeps_originals();
    let mut sink = Within {
        radius,
        rerank,
        found: Vec::new(),
        maybe: Vec::new(),
    };
    let mut stats = Stats::default();
    scan(
        std::slice::from_ref(&searcher),
        allowed.as_deref(),
        std::slice::from_mut(&mut sink),
        rerank,
        std::slice::from_mut(&mut stats),
    )?;
    for place in std::mem::take(&mut sink.maybe) {
        let score = searcher.exact_at(place);
        stats.reranked += 1;
        sink.exact(
            snapshot.segments[place.segment as usize]
                .segment
                .ids
                .get(place.row as usize),
            score,
        );
    }
    let mut found = sink.found;
    found.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.id.cmp(&b.id)));
    out.truncated = found.len() > limit;
    found.truncate(limit);
    out.ids = found.iter().map(|f| f.id).collect();
    out.scores = found.iter().map(|f| f.score).collect();
    out.bounds = found.iter().map(|f| f.bound).collect();
    out.certain = found.iter().map(|f| f.score + f.bound <= radius).collect();
    Ok(stats)
}
