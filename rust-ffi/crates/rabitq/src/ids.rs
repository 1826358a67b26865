use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::map::{AlignedBuf, Bytes};
use crate::rows::Ids;

/// The ids of a segment's rows and the way back from an id to its row.
///
/// Consecutive ids take no memory; ids within 2^32 of the smallest take 4 bytes a row, others 8.
/// Where rows are not in the order of their ids, `order` lists them in that order.
#[derive(Clone)]
pub(crate) struct IdMap {
    pub(crate) rows: usize,
    pub(crate) base: i64,
    pub(crate) width: u32,
    pub(crate) ids: Bytes,
    pub(crate) order: Bytes,
}

impl IdMap {
    /// The map of `ids`; an id given twice is refused with the row that repeats it.
    pub(crate) fn new(ids: &Ids, rows: usize) -> Result<Self> {
        ids.check(rows)?;
        match *ids {
            Ids::From(first) => Ok(Self::consecutive(first, rows)),
            Ids::Given(ids) => Self::given(ids),
        }
    }

    fn consecutive(base: i64, rows: usize) -> Self {
        let empty = Bytes::from(AlignedBuf::zeroed(0).expect("no bytes"));
        IdMap {
            rows,
            base,
            width: 0,
            ids: empty.clone(),
            order: empty,
        }
    }

    fn given(ids: &[i64]) -> Result<Self> {
        let rows = ids.len();
        let ascending = ids.windows(2).all(|w| w[0] < w[1]);
        let mut order: Vec<u32> = Vec::new();
        if !ascending {
            order = (0..rows as u32).collect();
            order.par_sort_unstable_by_key(|&row| (ids[row as usize], row));
            let repeated = order
                .windows(2)
                .filter(|w| ids[w[0] as usize] == ids[w[1] as usize])
                .map(|w| w[1])
                .min();
            if let Some(row) = repeated {
                return Err(Error::DuplicateId {
                    id: ids[row as usize],
                    row: row as u64,
                });
            }
        }
        let at = |i: usize| ids[order.get(i).map_or(i, |&row| row as usize)];
        let (base, last) = if rows == 0 {
            (0, 0)
        } else {
            (at(0), at(rows - 1))
        };
        if ascending && last.wrapping_sub(base) as u64 == rows.saturating_sub(1) as u64 {
            return Ok(Self::consecutive(base, rows));
        }
        let width = if last.wrapping_sub(base) as u64 <= u32::MAX as u64 {
            4
        } else {
            8
        };
        let mut store = AlignedBuf::zeroed(rows * width)?;
        if width == 4 {
            let narrow: &mut [u32] = bytemuck::cast_slice_mut(&mut store);
            narrow
                .iter_mut()
                .zip(ids)
                .for_each(|(to, id)| *to = id.wrapping_sub(base) as u32);
        } else {
            store.copy_from_slice(bytemuck::cast_slice(ids));
        }
        let mut listed = AlignedBuf::zeroed(order.len() * 4)?;
        listed.copy_from_slice(bytemuck::cast_slice(&order));
        Ok(IdMap {
            rows,
            base,
            width: width as u32,
            ids: store.into(),
            order: listed.into(),
        })
    }

    /// The id of `row`; some id where a file lies about its ids.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> i64 {
        match self.width {
            0 => self.base.wrapping_add(row as i64),
            4 => self
                .base
                .wrapping_add(self.ids.typed::<u32>().get(row).copied().unwrap_or(0) as i64),
            _ => self.ids.typed::<i64>().get(row).copied().unwrap_or(0),
        }
    }

    /// The row of `id`.
    pub(crate) fn find(&self, id: i64) -> Option<usize> {
        if self.width == 0 {
            let row = id.wrapping_sub(self.base) as u64;
            return (id >= self.base && row < self.rows as u64).then_some(row as usize);
        }
        let order = self.order.typed::<u32>();
        let row_at = |i: usize| order.get(i).map_or(i, |&row| row as usize);
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low.midpoint(high);
            if self.get(row_at(middle)) < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.rows && row_at(low) < self.rows && self.get(row_at(low)) == id)
            .then(|| row_at(low))
    }

    pub(crate) fn resident(&self) -> usize {
        self.ids.resident() + self.order.resident()
    }

    pub(crate) fn mapped(&self) -> usize {
        self.ids.mapped() + self.order.mapped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_id_is_found_and_no_other(ids in proptest::collection::hash_set(any::<i64>(), 0..200),
                                          near in -300i64..300, shuffle in any::<u64>()) {
            let mut ids: Vec<i64> = ids.into_iter().collect();
            if shuffle.is_multiple_of(3) {
                ids.iter_mut().enumerate().for_each(|(i, id)| *id = near + 2 * i as i64);
            }
            if shuffle.is_multiple_of(2) {
                ids.sort_unstable();
            }
            let map = IdMap::new(&Ids::Given(&ids), ids.len()).unwrap();
            for (row, &id) in ids.iter().enumerate() {
                prop_assert_eq!(map.get(row), id);
                prop_assert_eq!(map.find(id), Some(row));
                let other = id.wrapping_add(1);
                prop_assert_eq!(map.find(other), ids.iter().position(|&x| x == other));
            }
        }
    }

    #[test]
    fn the_first_repeating_row_is_named() {
        let error = IdMap::new(&Ids::Given(&[5, 9, 7, 9, 5]), 5).err().unwrap();
        assert!(
            matches!(error, Error::DuplicateId { id: 9, row: 3 }),
            "{error}"
        );
    }

    #[test]
    fn consecutive_ids_take_no_memory() {
        let ids: Vec<i64> = (i64::MAX - 100..=i64::MAX).collect();
        let map = IdMap::new(&Ids::Given(&ids), ids.len()).unwrap();
        assert_eq!((map.width, map.resident()), (0, 0));
        assert_eq!(map.find(i64::MAX), Some(100));
        assert_eq!(map.find(i64::MIN), None);
    }
}
