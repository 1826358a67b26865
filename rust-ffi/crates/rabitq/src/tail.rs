use crate::map::Appended;
use crate::rows::Rows;

const MAX_ROWS: usize = 1024;
const MIN_ROWS: usize = 64;
/// Floats of a tail: about what a search reads in the time of its fixed costs.
const FLOATS: usize = 1 << 18;
const WORDS: usize = MAX_ROWS / 64;

/// The open tail as a snapshot sees it: row-major rows that are searched exactly until they are
/// sealed. A clone shares the rows.
#[derive(Clone)]
pub(crate) struct Tail {
    ids: Appended<i64>,
    data: Appended<f32>,
    dim: usize,
    dead: [u64; WORDS],
}

impl Tail {
    /// An empty tail, which takes memory with its first row.
    pub(crate) fn new(dim: usize) -> Self {
        Tail {
            ids: Appended::with_capacity(0),
            data: Appended::with_capacity(0),
            dim,
            dead: [0; WORDS],
        }
    }

    /// The same rows in memory of its own: two views of one buffer cannot both grow.
    pub(crate) fn detached(&self) -> Self {
        let mut copy = Tail::new(self.dim);
        for (row, &id) in self.ids.iter().enumerate() {
            copy.push(id, self.rows().row(row));
        }
        copy.dead = self.dead;
        copy
    }

    /// Rows that a tail holds before it is sealed into a segment.
    pub(crate) fn capacity(&self) -> usize {
        (FLOATS / self.dim).clamp(MIN_ROWS, MAX_ROWS)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn deleted(&self) -> usize {
        self.dead.iter().map(|w| w.count_ones() as usize).sum()
    }

    pub(crate) fn ids(&self) -> &[i64] {
        &self.ids
    }

    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows::new(&self.data, self.ids.len(), self.dim, self.dim).expect("a tail's own shape")
    }

    pub(crate) fn is_dead(&self, row: usize) -> bool {
        self.dead[row / 64] >> (row % 64) & 1 == 1
    }

    pub(crate) fn kill(&mut self, row: usize) {
        self.dead[row / 64] |= 1 << (row % 64);
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&row| !self.is_dead(row))
    }

    pub(crate) fn find(&self, id: i64) -> Option<usize> {
        self.ids
            .iter()
            .enumerate()
            .rev()
            .find(|&(row, &x)| x == id && !self.is_dead(row))
            .map(|(row, _)| row)
    }

    pub(crate) fn push(&mut self, id: i64, row: &[f32]) {
        if self.ids.capacity() == 0 {
            self.ids = Appended::with_capacity(self.capacity());
            self.data = Appended::with_capacity(self.capacity() * self.dim);
        }
        self.ids.push(&[id]);
        self.data.push(row);
    }

    pub(crate) fn resident(&self) -> usize {
        self.ids.capacity() * 8 + self.data.capacity() * 4
    }
}
