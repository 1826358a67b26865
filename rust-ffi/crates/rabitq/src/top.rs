use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A hit; ordered by score, ties by id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) score: f32,
    pub(crate) id: i64,
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(self.id.cmp(&other.id))
    }
}

/// The k least hits seen.
pub(crate) struct Top {
    k: usize,
    worst: f32,
    heap: BinaryHeap<Hit>,
}

impl Top {
    pub(crate) fn new(k: usize) -> Self {
        Top {
            k,
            worst: f32::INFINITY,
            heap: BinaryHeap::with_capacity(k.min(1024) + 1),
        }
    }

    /// A hit with a larger score than this cannot enter.
    #[inline]
    pub(crate) fn worst(&self) -> f32 {
        self.worst
    }

    pub(crate) fn k(&self) -> usize {
        self.k
    }

    pub(crate) fn is_full(&self) -> bool {
        self.heap.len() == self.k
    }

    pub(crate) fn push(&mut self, score: f32, id: i64) {
        let hit = Hit { score, id };
        if self.heap.len() < self.k {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut() {
            if hit >= *worst {
                return;
            }
            *worst = hit;
        }
        if self.heap.len() == self.k {
            self.worst = self.heap.peek().map_or(f32::INFINITY, |w| w.score);
        }
    }

    pub(crate) fn into_sorted(self) -> Vec<Hit> {
        self.heap.into_sorted_vec()
    }
}
