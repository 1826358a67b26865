use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use rabitq::VectorIndex;

use crate::error::{Error, Result};
use crate::flight::SingleFlight;
use crate::generation::Generation;
use crate::lake::Consistency;
use crate::lock::lock;
use crate::stats::{Counters, count};
use crate::witness::ContentHash;

/// Nanoseconds on the monotonic clock since a lake was made, at least 1.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).map_or(u64::MAX, |nanos| nanos.max(1))
    }

    pub(crate) fn since(self, moment: u64) -> Duration {
        Duration::from_nanos(self.now().saturating_sub(moment))
    }
}

/// The moment that lay so long before another.
pub(crate) fn before(now: u64, ago: Duration) -> u64 {
    let ago = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
    now.saturating_sub(ago).max(1)
}

/// One state of a collection, coded and searchable; its rows never change.
pub(crate) struct Served {
    /// Its number among all states of the process.
    pub(crate) state: u64,
    pub(crate) index: Option<Arc<dyn VectorIndex>>,
    pub(crate) generation: Generation,
    pub(crate) content: ContentHash,
    pub(crate) dim: usize,
    pub(crate) bytes: u64,
    /// When the backend was last known to have this generation; 0 where only a saved cache says so.
    confirmed: AtomicU64,
}

impl Served {
    pub(crate) fn new(
        index: Option<Arc<dyn VectorIndex>>,
        dim: usize,
        generation: Generation,
        content: ContentHash,
        confirmed: u64,
    ) -> Self {
        let bytes = index.as_ref().map_or(0, |index| {
            let info = index.info();
            info.memory_bytes + info.mapped_bytes
        });
        static STATES: AtomicU64 = AtomicU64::new(1);
        Served {
            state: STATES.fetch_add(1, Relaxed),
            index,
            generation,
            content,
            dim,
            bytes,
            confirmed: AtomicU64::new(confirmed),
        }
    }

    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed.load(Relaxed)
    }

    /// Time since it was confirmed; none where only a saved cache says so.
    pub(crate) fn age(&self, now: u64) -> Option<Duration> {
        let confirmed = self.confirmed();
        (confirmed > 0).then(|| Duration::from_nanos(now.saturating_sub(confirmed)))
    }

    pub(crate) fn confirm(&self, at: u64) {
        self.confirmed.fetch_max(at, Relaxed);
    }
}

/// A collection as the cache knows it.
pub(crate) struct Slot {
    pub(crate) backend: String,
    pub(crate) collection: String,
    pub(crate) flight: SingleFlight<Arc<Served>>,
    pub(crate) counters: Counters,
    served: ArcSwapOption<Served>,
    consistency: Mutex<Option<Consistency>>,
    pinned: Mutex<Option<Generation>>,
    /// When it was last searched, in ticks.
    used: AtomicU64,
    /// Set when its backend leaves the lake: a pull that still runs is not to be served.
    retired: AtomicBool,
}

/// A search writes to its slot at most this often: every core would wait for that line.
const TICK: u64 = 1_000_000;

impl Slot {
    pub(crate) fn new(backend: &str, collection: &str) -> Self {
        Slot {
            backend: backend.into(),
            collection: collection.into(),
            flight: SingleFlight::default(),
            counters: Counters::default(),
            served: ArcSwapOption::empty(),
            consistency: Mutex::default(),
            pinned: Mutex::default(),
            used: AtomicU64::new(0),
            retired: AtomicBool::new(false),
        }
    }

    pub(crate) fn failure(&self, reason: String, transient: bool) -> Error {
        Error::Backend {
            backend: self.backend.clone(),
            collection: self.collection.clone(),
            reason,
            transient,
        }
    }

    pub(crate) fn touch(&self, now: u64) {
        if self.used.load(Relaxed) != now / TICK {
            self.used.store(now / TICK, Relaxed);
        }
    }

    pub(crate) fn served(&self) -> Guard<Option<Arc<Served>>> {
        self.served.load()
    }

    pub(crate) fn consistency(&self) -> Option<Consistency> {
        *lock(&self.consistency)
    }

    pub(crate) fn set_consistency(&self, consistency: Option<Consistency>) {
        *lock(&self.consistency) = consistency;
        *lock(&self.pinned) = None;
    }

    /// What a frozen collection is to be, once it was served.
    pub(crate) fn pinned(&self) -> Option<Generation> {
        lock(&self.pinned).clone()
    }

    pub(crate) fn pin(&self, generation: &Generation) {
        lock(&self.pinned).get_or_insert_with(|| generation.clone());
    }

    pub(crate) fn unpin(&self) {
        *lock(&self.pinned) = None;
    }
}

/// Keeps the served states within bounds, the least recently used leave first, and finds the one
/// that has given rows.
pub(crate) struct Cache {
    max_entries: usize,
    max_bytes: u64,
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    slots: Vec<Arc<Slot>>,
    /// By the hash of their rows: how they are coded is the lake's.
    indexes: HashMap<String, Weak<dyn VectorIndex>>,
}

impl Cache {
    pub(crate) fn new(max_entries: usize, max_bytes: u64) -> Self {
        Cache {
            max_entries,
            max_bytes,
            clock: Clock(Instant::now()),
            kept: Mutex::default(),
        }
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The index of rows with this hash.
    pub(crate) fn find(&self, content: &str) -> Option<Arc<dyn VectorIndex>> {
        lock(&self.kept).indexes.get(content)?.upgrade()
    }

    /// Publishes a state of a slot, and drops those that are then too many.
    pub(crate) fn install(&self, slot: &Arc<Slot>, served: Arc<Served>) -> Result<()> {
        if served.bytes > self.max_bytes {
            return Err(Error::Budget {
                needed: served.bytes,
                allowed: self.max_bytes,
            });
        }
        slot.touch(self.clock.now());
        let mut kept = lock(&self.kept);
        if slot.retired.load(Relaxed) {
            return Err(Error::UnknownBackend {
                backend: slot.backend.clone(),
            });
        }
        kept.indexes.retain(|_, index| index.strong_count() > 0);
        if let Some(index) = &served.index {
            let content = served.content.finish(served.dim);
            kept.indexes.insert(content, Arc::downgrade(index));
        }
        if slot.served.swap(Some(served)).is_some() {
            count(&slot.counters.invalidations);
        }
        if !kept.slots.iter().any(|other| Arc::ptr_eq(other, slot)) {
            kept.slots.push(slot.clone());
        }
        while kept.slots.len() > self.max_entries || self.bytes_of(&kept.slots) > self.max_bytes {
            let others = kept.slots.iter().enumerate();
            let oldest = others
                .filter(|(_, other)| !Arc::ptr_eq(other, slot))
                .min_by_key(|(_, other)| other.used.load(Relaxed))
                .map(|(i, _)| i);
            let Some(oldest) = oldest else { break };
            let gone = kept.slots.swap_remove(oldest);
            gone.served.store(None);
            count(&gone.counters.invalidations);
        }
        Ok(())
    }

    /// Drops what a slot serves; whether there was anything.
    pub(crate) fn invalidate(&self, slot: &Arc<Slot>) -> bool {
        let mut kept = lock(&self.kept);
        kept.slots.retain(|other| !Arc::ptr_eq(other, slot));
        let dropped = slot.served.swap(None).is_some();
        if dropped {
            count(&slot.counters.invalidations);
        }
        dropped
    }

    /// Drops what a slot serves, for good.
    pub(crate) fn retire(&self, slot: &Arc<Slot>) {
        let kept = lock(&self.kept);
        slot.retired.store(true, Relaxed);
        drop(kept);
        self.invalidate(slot);
    }

    /// Bytes of all indexes, those that several slots share counted once, and the number of slots.
    pub(crate) fn size(&self) -> (u64, usize) {
        let kept = lock(&self.kept);
        (self.bytes_of(&kept.slots), kept.slots.len())
    }

    fn bytes_of(&self, slots: &[Arc<Slot>]) -> u64 {
        let mut seen = HashSet::new();
        let mut bytes = 0;
        for slot in slots {
            let served = slot.served();
            let Some(served) = &*served else { continue };
            let address = served.index.as_ref().map(|i| Arc::as_ptr(i).addr());
            if address.is_none_or(|address| seen.insert(address)) {
                bytes += served.bytes;
            }
        }
        bytes
    }
}
