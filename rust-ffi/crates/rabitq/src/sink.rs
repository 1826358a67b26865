//! What becomes of the rows that a scan meets.

use crate::scan::Place;
use crate::top::Top;

pub(crate) trait Sink {
    /// Whether the estimates of a 1-bit index are final, so that its scan needs no bounds.
    const RANKS_ESTIMATES: bool;
    /// Whether every cell must be visited.
    const VISITS_ALL: bool = false;
    /// How many rows are wanted.
    fn k(&self) -> usize;
    /// Rows whose lower bound exceeds this are passed over.
    fn threshold(&self) -> f32;
    /// Whether k rows were found.
    fn is_full(&self) -> bool;
    /// A row with its estimated score and the bound of its error.
    fn estimate(&mut self, place: Place, id: impl FnOnce() -> i64, score: f32, error: f32);
    /// A row with its exact score.
    fn exact(&mut self, id: i64, score: f32);
}

/// Keeps the k least estimates: there are no originals to ask.
pub(crate) struct Estimates {
    pub(crate) top: Top,
}

impl Estimates {
    pub(crate) fn new(k: usize) -> Self {
        Estimates { top: Top::new(k) }
    }
}

impl Sink for Estimates {
    const RANKS_ESTIMATES: bool = true;

    fn k(&self) -> usize {
        self.top.k()
    }

    fn threshold(&self) -> f32 {
        self.top.worst()
    }

    fn is_full(&self) -> bool {
        self.top.is_full()
    }

    fn estimate(&mut self, _: Place, id: impl FnOnce() -> i64, score: f32, _: f32) {
        if score <= self.top.worst() {
            self.top.push(score, id());
        }
    }

    fn exact(&mut self, id: i64, score: f32) {
        self.top.push(score, id);
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) lower: f32,
    pub(crate) score: f32,
    pub(crate) place: Place,
}

/// Keeps the rows that may still be among the k nearest by their bounds.
pub(crate) struct Candidates {
    /// The k least upper bounds; the largest of them is the threshold.
    upper: Top,
    pub(crate) found: Vec<Candidate>,
    pub(crate) top: Top,
}

impl Candidates {
    pub(crate) fn new(k: usize) -> Self {
        Candidates {
            upper: Top::new(k),
            found: Vec::with_capacity(64),
            top: Top::new(k),
        }
    }
}

impl Sink for Candidates {
    const RANKS_ESTIMATES: bool = false;

    fn k(&self) -> usize {
        self.upper.k()
    }

    fn threshold(&self) -> f32 {
        self.upper.worst()
    }

    fn is_full(&self) -> bool {
        self.upper.is_full()
    }

    #[inline]
    fn estimate(&mut self, place: Place, _: impl FnOnce() -> i64, score: f32, error: f32) {
        let lower = score - error;
        if lower <= self.threshold() {
            self.found.push(Candidate {
                lower,
                score,
                place,
            });
            self.upper.push(score + error, 0);
        }
    }

    fn exact(&mut self, id: i64, score: f32) {
        self.upper.push(score, 0);
        self.top.push(score, id);
    }
}
