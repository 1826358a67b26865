use std::sync::Arc;

const PAGE_WORDS: usize = 64;
const PAGE_ROWS: usize = PAGE_WORDS * 64;

type Page = [u64; PAGE_WORDS];

/// Removed rows of a segment. A clone shares all pages; a change copies the one page it touches,
/// so readers of older snapshots see nothing of it.
#[derive(Clone, Default)]
pub(crate) struct Tombstones {
    pages: Vec<Option<Arc<Page>>>,
    count: usize,
}

impl Tombstones {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        match self.pages.get(row / PAGE_ROWS) {
            Some(Some(page)) => page[row % PAGE_ROWS / 64] >> (row % 64) & 1 == 1,
            _ => false,
        }
    }

    /// Marks `row`; false if it was marked before.
    pub(crate) fn insert(&mut self, row: usize) -> bool {
        let at = row / PAGE_ROWS;
        if self.pages.len() <= at {
            self.pages.resize(at + 1, None);
        }
        let page = Arc::make_mut(self.pages[at].get_or_insert_with(|| Arc::new([0; PAGE_WORDS])));
        let (word, bit) = (&mut page[row % PAGE_ROWS / 64], 1 << (row % 64));
        let new = *word & bit == 0;
        *word |= bit;
        self.count += new as usize;
        new
    }

    /// Bit i is set where row `first + i` is removed; `first` is any row.
    pub(crate) fn mask32(&self, first: usize) -> u32 {
        let word = |i: usize| match self.pages.get(i / PAGE_WORDS) {
            Some(Some(page)) => page[i % PAGE_WORDS],
            _ => 0,
        };
        let (at, shift) = (first / 64, first % 64);
        let low = word(at) >> shift;
        let high = if shift > 32 {
            word(at + 1) << (64 - shift)
        } else {
            0
        };
        (low | high) as u32
    }

    pub(crate) fn resident(&self) -> usize {
        self.pages.iter().flatten().count() * size_of::<Page>()
            + self.pages.len() * size_of::<Option<Arc<Page>>>()
    }
}

/// Bit i is bit `first + i` of `words`; bits past their end are 0.
pub(crate) fn bits32(words: &[u64], first: usize) -> u32 {
    let word = |i: usize| words.get(i).copied().unwrap_or(0);
    let (at, shift) = (first / 64, first % 64);
    let low = word(at) >> shift;
    let high = if shift > 32 {
        word(at + 1) << (64 - shift)
    } else {
        0
    };
    (low | high) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_set(rows in proptest::collection::vec(0usize..20_000, 0..300), probe in 0usize..20_000) {
            let mut dead = Tombstones::default();
            let mut set = std::collections::HashSet::new();
            for row in rows {
                let before = dead.clone();
                let old = set.contains(&row);
                prop_assert_eq!(dead.insert(row), set.insert(row));
                prop_assert_eq!(before.contains(row), old);
            }
            prop_assert_eq!(dead.count(), set.len());
            let mask = (0..32).fold(0u32, |m, i| m | (set.contains(&(probe + i)) as u32) << i);
            prop_assert_eq!(dead.mask32(probe), mask);
            let mut words = vec![0u64; 20_000 / 64 + 1];
            set.iter().for_each(|&row| words[row / 64] |= 1 << (row % 64));
            prop_assert_eq!(bits32(&words, probe), mask);
        }
    }
}
