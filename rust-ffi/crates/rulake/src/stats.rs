use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a cache did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Searches that found the collection cached, and as new as was asked for.
    pub hits: u64,
    /// Searches that did not.
    pub misses: u64,
    /// Collections pulled and coded.
    pub primes: u64,
    /// Of these, those that took in what had changed and no more.
    pub refreshes: u64,
    /// Cached collections dropped: evicted, invalidated, or replaced by a newer generation.
    pub invalidations: u64,
    /// Pulls that found their content cached already, and shared it.
    pub shared_hits: u64,
    /// Collections installed from a saved cache.
    pub warm_installs: u64,
    /// Searches answered from a generation that could not be confirmed.
    pub stale: u64,
    /// Searches that an external backend answered by itself; misses too.
    pub pushed_down: u64,
    /// Time of all primes.
    pub prime_time: Duration,
    /// Time of the last prime; of a sum the longest of these.
    pub last_prime: Duration,
    /// Collections that are cached now.
    pub entries: u64,
    /// Bytes of their indexes now.
    pub bytes: u64,
}

impl AddAssign for CacheStats {
    fn add_assign(&mut self, other: CacheStats) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.primes += other.primes;
        self.refreshes += other.refreshes;
        self.invalidations += other.invalidations;
        self.shared_hits += other.shared_hits;
        self.warm_installs += other.warm_installs;
        self.stale += other.stale;
        self.pushed_down += other.pushed_down;
        self.prime_time += other.prime_time;
        self.last_prime = self.last_prime.max(other.last_prime);
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) primes: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) invalidations: AtomicU64,
    pub(crate) shared_hits: AtomicU64,
    pub(crate) warm_installs: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) pushed_down: AtomicU64,
    prime_nanos: AtomicU64,
    last_prime_nanos: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn primed(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        count(&self.primes);
        self.prime_nanos.fetch_add(nanos, Relaxed);
        self.last_prime_nanos.store(nanos, Relaxed);
    }

    pub(crate) fn read(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            primes: self.primes.load(Relaxed),
            refreshes: self.refreshes.load(Relaxed),
            invalidations: self.invalidations.load(Relaxed),
            shared_hits: self.shared_hits.load(Relaxed),
            warm_installs: self.warm_installs.load(Relaxed),
            stale: self.stale.load(Relaxed),
            pushed_down: self.pushed_down.load(Relaxed),
            prime_time: Duration::from_nanos(self.prime_nanos.load(Relaxed)),
            last_prime: Duration::from_nanos(self.last_prime_nanos.load(Relaxed)),
            entries: 0,
            bytes: 0,
        }
    }
}
