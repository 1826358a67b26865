use std::sync::{Arc, Mutex, OnceLock};

use crate::error::{Error, Result};
use crate::index::Snapshot;
use crate::layout::BLOCK;
use crate::scan::lanes;
use crate::segment::Segment;

/// A set of ids that a search may return, as sorted, disjoint, inclusive intervals.
///
/// The filter keeps the bitmap over rows of the segments that it was last used with, so it is
/// evaluated once, and again only for segments that are new since then.
#[derive(Debug)]
pub struct Filter {
    intervals: Vec<(i64, i64)>,
    prepared: Mutex<Vec<Arc<Allowed>>>,
}

/// The rows of one segment that a filter lets through.
pub(crate) struct Allowed {
    segment: Arc<Segment>,
    pub(crate) words: Vec<u64>,
    pub(crate) count: usize,
    listed: OnceLock<Vec<(u32, u32)>>,
}

impl Allowed {
    /// The rows with the places of their originals, in the order of these.
    pub(crate) fn listed(&self) -> &[(u32, u32)] {
        self.listed.get_or_init(|| {
            let halves = self.words.iter();
            let halves = halves.flat_map(|&word| [word as u32, (word >> 32) as u32]);
            let rows = halves
                .enumerate()
                .flat_map(|(i, half)| lanes(half).map(move |lane| (i * BLOCK + lane) as u32));
            let place = |row: u32| self.segment.place_of(row as usize) as u32;
            let mut listed: Vec<(u32, u32)> = rows.map(|row| (row, place(row))).collect();
            if self.segment.places.is_some() {
                listed.sort_unstable_by_key(|&(_, place)| place);
            }
            listed
        })
    }
}

impl std::fmt::Debug for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} of {} rows", self.count, self.segment.rows)
    }
}

impl Filter {
    /// A filter of `intervals`, which must be sorted and must not touch or overlap.
    pub fn from_intervals(intervals: &[(i64, i64)]) -> Result<Self> {
        for (i, &(low, high)) in intervals.iter().enumerate() {
            if low > high || (i > 0 && intervals[i - 1].1 >= low) {
                let value = format!("[{low}, {high}] at {i}");
                return Err(Error::argument(
                    "intervals",
                    value,
                    "sorted, disjoint, low <= high",
                ));
            }
        }
        Ok(Filter {
            intervals: intervals.to_vec(),
            prepared: Mutex::new(Vec::new()),
        })
    }

    /// Whether `id` may be a hit.
    pub fn contains(&self, id: i64) -> bool {
        let at = self.intervals.partition_point(|&(_, high)| high < id);
        self.intervals.get(at).is_some_and(|&(low, _)| low <= id)
    }

    /// The bitmaps of the snapshot's segments, in their order.
    pub(crate) fn allowed(&self, snapshot: &Snapshot) -> Vec<Arc<Allowed>> {
        let mut cached = self.prepared.lock().unwrap_or_else(|e| e.into_inner());
        let known = |segment: &Arc<Segment>| {
            cached
                .iter()
                .find(|a| Arc::ptr_eq(&a.segment, segment))
                .cloned()
        };
        let now: Vec<Arc<Allowed>> = snapshot
            .segments
            .iter()
            .map(|s| known(&s.segment).unwrap_or_else(|| Arc::new(self.evaluate(&s.segment))))
            .collect();
        cached.clone_from(&now);
        now
    }

    fn evaluate(&self, segment: &Arc<Segment>) -> Allowed {
        let mut words = vec![0u64; segment.rows.div_ceil(64)];
        let mut mark = |row: usize| words[row / 64] |= 1 << (row % 64);
        let ids = &segment.ids;
        let wanted: u128 = self
            .intervals
            .iter()
            .map(|&(low, high)| high.abs_diff(low) as u128 + 1)
            .sum();
        if ids.width == 0 {
            for &(low, high) in &self.intervals {
                let end = ids.base.wrapping_add(segment.rows as i64 - 1);
                if segment.rows > 0 && low <= end && high >= ids.base {
                    let first = low.max(ids.base).wrapping_sub(ids.base) as usize;
                    let last = high.min(end).wrapping_sub(ids.base) as usize;
                    (first..=last).for_each(&mut mark);
                }
            }
        } else if wanted * 16 < segment.rows as u128 {
            for &(low, high) in &self.intervals {
                (low..=high)
                    .filter_map(|id| ids.find(id))
                    .for_each(&mut mark);
            }
        } else {
            (0..segment.rows)
                .filter(|&row| self.contains(ids.get(row)))
                .for_each(&mut mark);
        }
        let count = words.iter().map(|w| w.count_ones() as usize).sum();
        Allowed {
            segment: segment.clone(),
            words,
            count,
            listed: OnceLock::new(),
        }
    }
}

/// The intervals of ids in a 64-bit Roaring bitmap in the portable format; ids are read as signed.
pub fn roaring_intervals(bytes: &[u8]) -> Result<Vec<(i64, i64)>> {
    let refused =
        |e: std::io::Error| Error::argument("roaring", e, "a portable 64-bit Roaring bitmap");
    let set = roaring::RoaringTreemap::deserialize_from(bytes).map_err(refused)?;
    // Unsigned order puts the negative ids last; signed order wants them first.
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    for (high, bitmap) in set.bitmaps() {
        let out = if (high as i32) < 0 {
            &mut negative
        } else {
            &mut positive
        };
        let id = |low: u32| ((high as u64) << 32 | low as u64) as i64;
        let mut ids = bitmap.iter();
        while let Some(run) = ids.next_range() {
            push_run(out, (id(*run.start()), id(*run.end())));
        }
    }
    positive
        .into_iter()
        .for_each(|run| push_run(&mut negative, run));
    Ok(negative)
}

/// Appends a run of ids, joined with the last one where they touch.
fn push_run(out: &mut Vec<(i64, i64)>, (low, high): (i64, i64)) {
    match out.last_mut() {
        Some(last) if last.1 + 1 == low => last.1 = high,
        _ => out.push((low, high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roaring_ids_come_back_in_signed_order() {
        let mut set = roaring::RoaringTreemap::new();
        for id in [3i64, 4, 5, 9, -1, -2, i64::MIN, i64::MAX, 1 << 40] {
            set.insert(id as u64);
        }
        let mut bytes = Vec::new();
        set.serialize_into(&mut bytes).unwrap();
        let expected = [
            (i64::MIN, i64::MIN),
            (-2, -1),
            (3, 5),
            (9, 9),
            (1 << 40, 1 << 40),
            (i64::MAX, i64::MAX),
        ];
        assert_eq!(roaring_intervals(&bytes).unwrap(), expected);
        assert!(roaring_intervals(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn intervals_must_be_sorted() {
        assert!(Filter::from_intervals(&[(0, 5), (5, 9)]).is_err());
        assert!(Filter::from_intervals(&[(3, 2)]).is_err());
        let filter = Filter::from_intervals(&[(i64::MIN, -5), (0, 5), (7, i64::MAX)]).unwrap();
        assert_eq!(
            [-5, -4, 0, 5, 6, 7].map(|id| filter.contains(id)),
            [true, false, true, true, false, true]
        );
    }
}
