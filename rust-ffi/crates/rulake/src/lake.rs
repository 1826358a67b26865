use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rabitq::{Control, Ids, Kind, Options, Rows, Search, VectorIndex};

use crate::backend::{BackendAdapter, Source};
use crate::bundle::RuLakeBundle;
use crate::cache::{Cache, Served, Slot, before};
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::lock::lock;
use crate::names;
use crate::pull::{Changes, Pull, Pulled};
use crate::stats::{CacheStats, count};
use crate::witness::{ContentHash, file_hash, hash_of_file};

/// Pulls of a collection whose generation changes meanwhile, before the lake gives up.
const PULLS: u32 = 5;
/// Tries of a call to a backend whose failures are transient.
const TRIES: u32 = 4;
/// Time before the second try; it doubles from then on.
const BACKOFF: Duration = Duration::from_millis(20);
/// The index of a saved cache, in our own format and in upstream's.
const SAVED_INDEX: &str = "index.rvx";
const UPSTREAM_INDEX: &str = "index.rbpx";

/// How a search may trust what is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// The backend's generation is read within every search.
    Fresh,
    /// It is read again once it was read longer than `ttl` ago. Where the backend fails to answer,
    /// or `revalidate` asks for answers at once, what is cached is served, marked as stale, for as
    /// long as it was confirmed at most `max_stale` ago.
    Eventual {
        /// Age up to which a generation is believed.
        ttl: Duration,
        /// Age up to which it may be served all the same.
        max_stale: Duration,
        /// Whether to serve first and look afterwards.
        revalidate: bool,
    },
    /// It is never read again: what was served first is served always. Another generation after an
    /// eviction is an error.
    Frozen,
}

/// What a lake is made with.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// How collections are coded; its `dim` is each collection's own.
    pub index: Options,
    /// Rows from which a collection is coded as an IVF index instead.
    pub ivf_from: u64,
    /// Collections that are cached at most.
    pub max_entries: usize,
    /// Bytes of all cached indexes at most. While a collection is pulled its rows and new index
    /// come on top, once more at most.
    pub max_bytes: u64,
    /// For collections without one of their own.
    pub consistency: Consistency,
}

impl Default for LakeOptions {
    fn default() -> Self {
        LakeOptions {
            index: Options::new(Kind::Plus, 1),
            ivf_from: u64::MAX,
            max_entries: usize::MAX,
            max_bytes: u64::MAX,
            consistency: Consistency::Fresh,
        }
    }
}

/// What a search is to be answered from.
pub struct Lease {
    served: Arc<Served>,
    /// Whether the backend may have a newer generation than was asked for.
    pub stale: bool,
    /// Whether somebody should call [`RuLake::prime`], because nobody waited for it.
    pub revalidate: bool,
    /// Time since the generation was confirmed; none where only a saved cache says so.
    pub age: Option<Duration>,
}

impl Lease {
    /// The generation of the rows.
    pub fn generation(&self) -> &Generation {
        &self.served.generation
    }

    /// Components of each row; 0 where a collection without rows did not say.
    pub fn dim(&self) -> usize {
        self.served.dim
    }

    /// The number of this state: another one of the lake has another.
    pub fn state(&self) -> u64 {
        self.served.state
    }

    /// The rows; none where a collection without rows did not say its dimension.
    pub fn index(&self) -> Option<&Arc<dyn VectorIndex>> {
        self.served.index.as_ref()
    }
}

/// What a look at a cached collection came to.
pub enum Look {
    /// It can be searched.
    Ready(Lease),
    /// The caller is to bring the backend's generation.
    NeedsGeneration,
    /// The caller is to pull the collection.
    NeedsPrime,
}

/// What [`RuLake::refresh_from_bundle_dir`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// The sidecar tells of what is cached.
    UpToDate,
    /// It tells of something else, and what was cached is dropped.
    Invalidated,
    /// There is no sidecar.
    BundleMissing,
}

struct Registered {
    source: Source,
    slots: RwLock<HashMap<String, Arc<Slot>>>,
}

/// A cache over many backends. Safe for any number of threads.
pub struct RuLake {
    options: LakeOptions,
    cache: Cache,
    backends: ArcSwap<HashMap<String, Arc<Registered>>>,
    /// What collections of former backends counted; held by who changes `backends`.
    former: Mutex<CacheStats>,
}

/// What is known of a backend's generation.
#[derive(Clone, Copy)]
pub enum Observed<'a> {
    /// Nothing yet.
    Nothing,
    /// The backend had it so long ago.
    Generation(&'a Generation, Duration),
    /// The same, of a collection that the caller has pulled for this search, which is a miss then.
    Pulled(&'a Generation, Duration),
    /// The backend failed to say.
    Failure,
}

enum Verdict {
    /// The state that was judged: another one may be in its place by now.
    Serve {
        served: Arc<Served>,
        stale: bool,
        revalidate: bool,
    },
    Ask,
    Prime,
}

impl RuLake {
    /// A lake without backends.
    pub fn new(options: LakeOptions) -> Result<Self> {
        options.index.clone().validate()?;
        if options.max_entries == 0 {
            return Err(Error::argument("max_entries", 0, "1 or more"));
        }
        if options.max_bytes == 0 {
            return Err(Error::argument("max_bytes", 0, "1 or more"));
        }
        Ok(RuLake {
            cache: Cache::new(options.max_entries, options.max_bytes),
            options,
            backends: ArcSwap::default(),
            former: Mutex::default(),
        })
    }

    /// Adds a backend that the lake calls by itself.
    pub fn register_backend(&self, backend: Arc<dyn BackendAdapter>) -> Result<()> {
        let id = backend.id().to_owned();
        self.register(&id, Source::Driven(backend))
    }

    /// Adds a backend whose generations and rows the caller brings.
    pub fn register_external(&self, id: &str) -> Result<()> {
        self.register(id, Source::External)
    }

    fn register(&self, id: &str, source: Source) -> Result<()> {
        names::check_backend(id)?;
        let _one = lock(&self.former);
        let mut backends = HashMap::clone(&self.backends.load());
        if backends.contains_key(id) {
            return Err(Error::DuplicateBackend { backend: id.into() });
        }
        let registered = Registered {
            source,
            slots: RwLock::default(),
        };
        backends.insert(id.into(), Arc::new(registered));
        self.backends.store(Arc::new(backends));
        Ok(())
    }

    /// Takes a backend away with all that is cached of it; whether there was one.
    pub fn unregister_backend(&self, id: &str) -> bool {
        let mut former = lock(&self.former);
        let mut backends = HashMap::clone(&self.backends.load());
        let Some(gone) = backends.remove(id) else {
            return false;
        };
        self.backends.store(Arc::new(backends));
        for slot in gone.all() {
            self.cache.retire(&slot);
            *former += slot.counters.read();
        }
        true
    }

    /// The ids of all backends, sorted.
    pub fn backend_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.backends.load().keys().cloned().collect();
        ids.sort();
        ids
    }

    fn backend(&self, id: &str) -> Result<Arc<Registered>> {
        let unknown = || Error::UnknownBackend { backend: id.into() };
        self.backends.load().get(id).cloned().ok_or_else(unknown)
    }

    /// Sets how one collection may be trusted; none: as the lake.
    pub fn set_consistency(
        &self,
        backend: &str,
        collection: &str,
        consistency: Option<Consistency>,
    ) -> Result<()> {
        let slot = self.backend(backend)?.slot(backend, collection)?;
        slot.set_consistency(consistency);
        Ok(())
    }

    /// What a search of a collection is to be answered from, once it is cached as new as its
    /// consistency asks. Backends that the lake calls are asked and pulled meanwhile.
    pub fn lease(&self, backend: &str, collection: &str, control: &Control) -> Result<Lease> {
        match self.look(backend, collection, Observed::Nothing, control)? {
            Look::Ready(lease) => Ok(lease),
            Look::NeedsGeneration | Look::NeedsPrime => Err(Error::Backend {
                backend: backend.into(),
                collection: collection.into(),
                reason: "its generations and rows are brought by the caller".into(),
                transient: false,
            }),
        }
    }

    /// As [`RuLake::lease`], for any backend: says what the caller is to bring where the lake cannot
    /// call the backend.
    pub fn look(
        &self,
        backend: &str,
        collection: &str,
        observed: Observed,
        control: &Control,
    ) -> Result<Look> {
        let registered = self.backend(backend)?;
        let Some(slot) = registered.known(collection) else {
            return match &registered.source {
                Source::External => Ok(Look::NeedsPrime),
                Source::Driven(adapter) => {
                    // A name that is no collection leaves nothing behind.
                    retry(control, || adapter.generation(collection))?;
                    registered.slot(backend, collection)?;
                    self.look(backend, collection, observed, control)
                }
            };
        };
        let arrived = self.cache.clock().now();
        slot.touch(arrived);
        let consistency = self.consistency_of(&slot);
        let verdict = judge(&slot, consistency, observed, arrived);
        if let Verdict::Serve {
            served,
            stale,
            revalidate,
        } = verdict
        {
            count(match observed {
                Observed::Pulled(..) => &slot.counters.misses,
                _ => &slot.counters.hits,
            });
            return Ok(Look::Ready(self.lease_on(&slot, served, stale, revalidate)));
        }
        match &registered.source {
            Source::Driven(adapter) => self
                .bring(&slot, &**adapter, consistency, arrived, control)
                .map(Look::Ready),
            Source::External => Ok(match verdict {
                Verdict::Ask => Look::NeedsGeneration,
                _ => Look::NeedsPrime,
            }),
        }
    }

    /// Asks and pulls until what is cached is as new as `arrived`.
    fn bring(
        &self,
        slot: &Arc<Slot>,
        adapter: &dyn BackendAdapter,
        consistency: Consistency,
        arrived: u64,
        control: &Control,
    ) -> Result<Lease> {
        let mut missed = false;
        loop {
            control.check()?;
            let asked = self.cache.clock().now();
            let result = match retry(control, || adapter.generation(&slot.collection)) {
                Err(error @ Error::UnknownCollection { .. }) => {
                    // Gone, not unreachable: no old state may stand in for it.
                    self.cache.invalidate(slot);
                    return Err(error);
                }
                result => result,
            };
            let now = self.cache.clock().now();
            let observed = match &result {
                Ok(generation) => {
                    Observed::Generation(generation, Duration::from_nanos(now - asked))
                }
                Err(_) => Observed::Failure,
            };
            if let Verdict::Serve { served, stale, .. } = judge(slot, consistency, observed, now) {
                count(if missed {
                    &slot.counters.misses
                } else {
                    &slot.counters.hits
                });
                return Ok(self.lease_on(slot, served, stale, false));
            }
            result?;
            missed = true;
            match self.prime_slot(slot, adapter, control) {
                // A state that was confirmed after the call began is as new as was asked for, even
                // if a newer one is there by now.
                Ok(served) if served.confirmed() >= arrived => {
                    count(&slot.counters.misses);
                    return Ok(self.lease_on(slot, served, false, false));
                }
                Ok(_) => {}
                Err(error) => {
                    let now = self.cache.clock().now();
                    return match judge(slot, consistency, Observed::Failure, now) {
                        Verdict::Serve { served, stale, .. } => {
                            Ok(self.lease_on(slot, served, stale, false))
                        }
                        _ => Err(error),
                    };
                }
            }
        }
    }

    fn lease_on(&self, slot: &Slot, served: Arc<Served>, stale: bool, revalidate: bool) -> Lease {
        if stale {
            count(&slot.counters.stale);
        }
        if self.consistency_of(slot) == Consistency::Frozen {
            slot.pin(&served.generation);
        }
        Lease {
            age: served.age(self.cache.clock().now()),
            served,
            stale,
            revalidate,
        }
    }

    fn consistency_of(&self, slot: &Slot) -> Consistency {
        slot.consistency().unwrap_or(self.options.consistency)
    }

    /// Caches the newest state of a collection of a backend that the lake calls.
    pub fn prime(&self, backend: &str, collection: &str, control: &Control) -> Result<()> {
        let registered = self.backend(backend)?;
        let Source::Driven(adapter) = &registered.source else {
            let allowed = "a backend that the lake calls by itself";
            return Err(Error::argument("backend", backend, allowed));
        };
        retry(control, || adapter.generation(collection))?;
        let slot = registered.slot(backend, collection)?;
        self.prime_slot(&slot, &**adapter, control).map(|_| ())
    }

    fn prime_slot(
        &self,
        slot: &Arc<Slot>,
        adapter: &dyn BackendAdapter,
        control: &Control,
    ) -> Result<Arc<Served>> {
        slot.flight
            .run(control, || self.pull(slot, adapter, control))
    }

    fn pull(
        &self,
        slot: &Arc<Slot>,
        adapter: &dyn BackendAdapter,
        control: &Control,
    ) -> Result<Arc<Served>> {
        let (clock, collection) = (self.cache.clock(), &*slot.collection);
        for _ in 0..PULLS {
            let began = clock.now();
            let old = retry(control, || adapter.generation(collection))?;
            if let Some(served) = &*slot.served() {
                if served.generation == old {
                    served.confirm(began);
                    return Ok(served.clone());
                }
                if let Some(fresh) = self.follow(slot, served, adapter, began, control)? {
                    return Ok(fresh);
                }
            }
            let pulled = retry(control, || {
                let mut pull = Pull::new(self.cache.max_bytes(), *control);
                adapter.pull(collection, &mut pull)?;
                Ok(pull.finish())
            })?;
            let (generation, confirmed) = match &pulled.snapshot {
                Some(generation) => (generation.clone(), began),
                None => {
                    let asked = clock.now();
                    let after = retry(control, || adapter.generation(collection))?;
                    if after != old {
                        continue;
                    }
                    (after, asked)
                }
            };
            return self.commit(slot, pulled, generation, confirmed, began, control);
        }
        let reason = format!("its generation changed during each of {PULLS} pulls");
        Err(slot.failure(reason, true))
    }

    /// Codes what was pulled, unless the cache has it already, and publishes it.
    fn commit(
        &self,
        slot: &Arc<Slot>,
        pulled: Pulled,
        generation: Generation,
        confirmed: u64,
        began: u64,
        control: &Control,
    ) -> Result<Arc<Served>> {
        self.check_pin(slot, &generation)?;
        let dim = pulled.rows.as_ref().map_or(0, |rows| rows.dim());
        let content = pulled.content.finish(dim);
        let index = match self.cache.find(&content) {
            Some(index) => {
                count(&slot.counters.shared_hits);
                Some(index)
            }
            None => match pulled.rows {
                None => None,
                Some(rows) => Some(self.build(rows, &pulled.ids, control)?),
            },
        };
        let served = Served::new(index, dim, generation, pulled.content, confirmed);
        self.publish(slot, served, began)
    }

    /// Serves a new state of a collection, whose making began then.
    fn publish(&self, slot: &Arc<Slot>, served: Served, began: u64) -> Result<Arc<Served>> {
        let served = Arc::new(served);
        self.cache.install(slot, served.clone())?;
        slot.counters.primed(self.cache.clock().since(began));
        Ok(served)
    }

    fn build(
        &self,
        rows: rabitq::VectorBuffer,
        ids: &[i64],
        control: &Control,
    ) -> Result<Arc<dyn VectorIndex>> {
        let options = self.coding(rows.dim(), rows.rows() as u64)?;
        let built = if rows.rows() == 0 {
            rabitq::create(options)?
        } else {
            let source = rabitq::Source::Adopt(rows);
            rabitq::build(options, source, Ids::Given(ids), control)?
        };
        Ok(built.into())
    }

    /// How a collection of so many rows is coded.
    fn coding(&self, dim: usize, rows: u64) -> Result<Options> {
        let mut options = self.options.index.clone();
        options.dim = dim;
        if rows >= self.options.ivf_from {
            options.kind = Kind::Ivf;
        }
        Ok(options.validate()?)
    }

    fn check_pin(&self, slot: &Slot, generation: &Generation) -> Result<()> {
        match slot.pinned() {
            Some(pinned) if pinned != *generation => Err(Error::Pinned {
                backend: slot.backend.clone(),
                collection: slot.collection.clone(),
                expected: pinned,
                actual: generation.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Takes in what changed since a served state, where the backend knows.
    fn follow(
        &self,
        slot: &Arc<Slot>,
        served: &Served,
        adapter: &dyn BackendAdapter,
        began: u64,
        control: &Control,
    ) -> Result<Option<Arc<Served>>> {
        if !can_follow(served) {
            return Ok(None);
        }
        let mut changes = Changes::new(self.cache.max_bytes(), *control);
        if !adapter.changes_since(&slot.collection, &served.generation, &mut changes)? {
            return Ok(None);
        }
        self.apply(slot, served, changes, began)
    }

    /// Publishes a served state with changes, where these are few.
    fn apply(
        &self,
        slot: &Arc<Slot>,
        served: &Served,
        changes: Changes,
        began: u64,
    ) -> Result<Option<Arc<Served>>> {
        let changed = changes.finish();
        let Some(generation) = changed.snapshot else {
            let reason = "it told changes without the generation that they lead to";
            return Err(slot.failure(reason.into(), false));
        };
        let old = served.index.as_ref().expect("asked for by can_follow");
        if (changed.ids.len() + changed.removed.len()) as u64 > old.info().rows / FOLLOWED {
            return Ok(None);
        }
        self.check_pin(slot, &generation)?;
        let mut content = served.content.clone();
        let mut row = vec![0.0; served.dim];
        for &id in changed.ids.iter().chain(&changed.removed) {
            if old.get(id, &mut row)? {
                content.remove(id, &row);
            }
        }
        let next = old.fork();
        next.remove(&changed.removed)?;
        if !changed.ids.is_empty() {
            let (count, dim) = (changed.ids.len(), changed.dim);
            let rows = Rows::new(&changed.rows, count, dim, dim)?;
            next.upsert(rows, Ids::Given(&changed.ids))?;
            for (i, &id) in changed.ids.iter().enumerate() {
                content.add(id, rows.row(i));
            }
        }
        let fresh = Served::new(Some(next.into()), served.dim, generation, content, began);
        let fresh = self.publish(slot, fresh, began)?;
        count(&slot.counters.refreshes);
        Ok(Some(fresh))
    }

    /// Takes the rows of a collection whose backend the caller calls.
    pub fn begin_pull(&self, backend: &str, collection: &str) -> Result<ExternalPull> {
        let slot = self.backend(backend)?.slot(backend, collection)?;
        Ok(ExternalPull {
            pull: Pull::new(self.cache.max_bytes(), Control::default()),
            slot,
            began: self.cache.clock().now(),
        })
    }

    /// Publishes what was pulled as a generation that the backend had so long ago; of a pull that said
    /// its snapshot, as that.
    pub fn commit_pull(
        &self,
        pull: ExternalPull,
        generation: Option<(Generation, Duration)>,
        control: &Control,
    ) -> Result<()> {
        let ExternalPull { pull, slot, began } = pull;
        let pulled = pull.finish();
        let (generation, confirmed) = match (&pulled.snapshot, generation) {
            (Some(generation), _) => (generation.clone(), began),
            (None, Some((generation, ago))) => (generation, before(self.cache.clock().now(), ago)),
            (None, None) => return Err(Error::argument("generation", "none", "one")),
        };
        self.commit(&slot, pulled, generation, confirmed, began, control)?;
        Ok(())
    }

    /// Takes what changed in a collection whose backend the caller calls, and says since when; none
    /// where nothing is cached that changes could be made to.
    pub fn begin_changes(
        &self,
        backend: &str,
        collection: &str,
    ) -> Result<Option<(ExternalChanges, Generation)>> {
        let Some(slot) = self.backend(backend)?.known(collection) else {
            return Ok(None);
        };
        let Some(served) = slot.served().clone().filter(|served| can_follow(served)) else {
            return Ok(None);
        };
        let since = served.generation.clone();
        let changes = ExternalChanges {
            changes: Changes::new(self.cache.max_bytes(), Control::default()),
            slot,
            served,
            began: self.cache.clock().now(),
        };
        Ok(Some((changes, since)))
    }

    /// Publishes the changed state; false where so much has changed that the collection is to be
    /// pulled.
    pub fn commit_changes(&self, changes: ExternalChanges) -> Result<bool> {
        let ExternalChanges {
            changes,
            slot,
            served,
            began,
        } = changes;
        Ok(self.apply(&slot, &served, changes, began)?.is_some())
    }

    /// Whether what is cached of a collection is of the generation that its backend has now, which the
    /// lake asks for; of an external backend it is `observed`, which it had so long ago. Nothing is
    /// pulled.
    pub fn is_current(
        &self,
        backend: &str,
        collection: &str,
        observed: Option<(Generation, Duration)>,
        control: &Control,
    ) -> Result<bool> {
        let registered = self.backend(backend)?;
        let asked = self.cache.clock().now();
        let (generation, confirmed) = match (&registered.source, observed) {
            (Source::Driven(adapter), _) => {
                (retry(control, || adapter.generation(collection))?, asked)
            }
            (Source::External, Some((generation, ago))) => (generation, before(asked, ago)),
            (Source::External, None) => return Err(Error::argument("generation", "none", "one")),
        };
        let slot = registered.known(collection);
        let served = slot.and_then(|slot| slot.served().clone());
        let current = served.filter(|served| served.generation == generation);
        if let Some(served) = &current {
            served.confirm(confirmed);
        }
        Ok(current.is_some())
    }

    /// Counts a search that missed, and that an external backend has answered by itself.
    pub fn count_pushed_down(&self, backend: &str, collection: &str) -> Result<()> {
        let slot = self.backend(backend)?.slot(backend, collection)?;
        count(&slot.counters.misses);
        count(&slot.counters.pushed_down);
        Ok(())
    }

    /// Whether a collection is cached, however old.
    pub fn is_cached(&self, backend: &str, collection: &str) -> Result<bool> {
        Ok(self.served(backend, collection)?.is_some())
    }

    fn served(&self, backend: &str, collection: &str) -> Result<Option<Arc<Served>>> {
        let slot = self.backend(backend)?.known(collection);
        Ok(slot.and_then(|slot| slot.served().clone()))
    }

    /// Drops what is cached of a collection, also of a frozen one; whether there was anything.
    pub fn invalidate_cache(&self, backend: &str, collection: &str) -> Result<bool> {
        let Some(slot) = self.backend(backend)?.known(collection) else {
            return Ok(false);
        };
        slot.unpin();
        Ok(self.cache.invalidate(&slot))
    }

    /// The witness of what is cached of a collection.
    pub fn cache_witness_of(&self, backend: &str, collection: &str) -> Result<Option<String>> {
        let served = self.served(backend, collection)?;
        let bundle = served.map(|served| self.bundle_of(backend, collection, &served));
        Ok(bundle.transpose()?.map(|bundle| bundle.rvf_witness))
    }

    fn data_ref(&self, backend: &str, collection: &str) -> Result<String> {
        Ok(match &self.backend(backend)?.source {
            Source::Driven(adapter) => adapter.data_ref(collection),
            Source::External => format!("{backend}://{collection}"),
        })
    }

    fn bundle_of(&self, backend: &str, collection: &str, served: &Served) -> Result<RuLakeBundle> {
        let options = &self.options.index;
        let mut bundle = RuLakeBundle::new(
            self.data_ref(backend, collection)?,
            served.dim,
            options.seed,
            options.rerank_factor as usize,
            served.generation.clone(),
        );
        bundle.content_hash = Some(served.content.finish(served.dim));
        Ok(bundle)
    }

    /// The sidecar of a leased state.
    pub fn bundle(&self, backend: &str, collection: &str, lease: &Lease) -> Result<RuLakeBundle> {
        self.bundle_of(backend, collection, &lease.served)
    }

    /// Writes the sidecar of a leased state; returns its path.
    pub fn publish_bundle(
        &self,
        backend: &str,
        collection: &str,
        lease: &Lease,
        dir: &Path,
    ) -> Result<PathBuf> {
        self.bundle(backend, collection, lease)?.write_to_dir(dir)
    }

    /// As [`RuLake::refresh`], by the sidecar of a folder.
    pub fn refresh_from_bundle_dir(
        &self,
        backend: &str,
        collection: &str,
        dir: &Path,
    ) -> Result<Refresh> {
        if !dir.join(RuLakeBundle::SIDECAR_FILENAME).exists() {
            return Ok(Refresh::BundleMissing);
        }
        let bundle = RuLakeBundle::read_from_dir(dir)?;
        self.refresh(backend, collection, &bundle, dir)
    }

    /// Drops what is cached of a collection if a sidecar, of that folder, tells of another state. Where
    /// nothing is cached, nothing is out of date.
    pub fn refresh(
        &self,
        backend: &str,
        collection: &str,
        bundle: &RuLakeBundle,
        dir: &Path,
    ) -> Result<Refresh> {
        self.check_data_ref(bundle, backend, collection, dir)?;
        match self.cache_witness_of(backend, collection)? {
            Some(witness) if witness != bundle.rvf_witness => {
                self.invalidate_cache(backend, collection)?;
                Ok(Refresh::Invalidated)
            }
            _ => Ok(Refresh::UpToDate),
        }
    }

    fn check_data_ref(
        &self,
        bundle: &RuLakeBundle,
        backend: &str,
        collection: &str,
        dir: &Path,
    ) -> Result<()> {
        let expected = self.data_ref(backend, collection)?;
        self.expect_in(dir, "data_ref", &bundle.data_ref, &expected)
    }

    fn expect_in<T: PartialEq + std::fmt::Debug + ?Sized>(
        &self,
        dir: &Path,
        what: &str,
        actual: &T,
        expected: &T,
    ) -> Result<()> {
        if actual == expected {
            return Ok(());
        }
        let reason = format!("{what} is {actual:?}, expected {expected:?}");
        Err(Error::bundle(
            &dir.join(RuLakeBundle::SIDECAR_FILENAME),
            reason,
        ))
    }

    /// Saves what is cached of a collection: the index, the same rows in upstream's format where that
    /// can hold them, and the sidecar last. Returns the path of the sidecar.
    pub fn save_cache_to_dir(
        &self,
        backend: &str,
        collection: &str,
        dir: &Path,
    ) -> Result<PathBuf> {
        self.save(backend, collection, dir, false)?
            .write_to_dir(dir)
    }

    /// The same without the sidecar, which it returns for the caller to write; `hashed` if that is to
    /// vouch for the index file, byte by byte. The folder is nobody else's meanwhile.
    pub fn save(
        &self,
        backend: &str,
        collection: &str,
        dir: &Path,
        hashed: bool,
    ) -> Result<RuLakeBundle> {
        let served = self.served(backend, collection)?;
        let Some((index, served)) = served.and_then(|s| Some((s.index.clone()?, s))) else {
            return Err(Error::NotCached {
                backend: backend.into(),
                collection: collection.into(),
            });
        };
        std::fs::create_dir_all(dir).map_err(|e| Error::file(dir, e))?;
        let path = dir.join(SAVED_INDEX);
        index.save(&path)?;
        let upstream = dir.join(UPSTREAM_INDEX);
        match rabitq::export_rbpx(&*index, &upstream) {
            Ok(()) => {}
            // Of an older save: it must not pass for this one.
            Err(rabitq::Error::Unsupported { .. }) => match std::fs::remove_file(&upstream) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file(&upstream, e));
                }
                _ => {}
            },
            Err(e) => return Err(e.into()),
        }
        let mut bundle = self.bundle_of(backend, collection, &served)?;
        if hashed {
            let hash = File::open(&path).and_then(|file| hash_of_file(&file));
            bundle.index_hash = Some(hash.map_err(|e| Error::file(&path, e))?);
        }
        Ok(bundle)
    }

    /// Caches what was saved of a collection, here or by upstream; returns the number of rows. The
    /// backend is not asked: that is the next search's business.
    pub fn warm_from_dir(&self, backend: &str, collection: &str, dir: &Path) -> Result<u64> {
        let bundle = RuLakeBundle::read_from_dir(dir)?;
        let warmed = self.warm(backend, collection, bundle, dir)?;
        Ok(warmed.index().map_or(0, |index| index.info().rows))
    }

    /// The same with the sidecar of that folder; returns what is cached. A sidecar that vouches for the
    /// index file admits no other.
    pub fn warm(
        &self,
        backend: &str,
        collection: &str,
        bundle: RuLakeBundle,
        dir: &Path,
    ) -> Result<Lease> {
        let slot = self.backend(backend)?.slot(backend, collection)?;
        self.check_data_ref(&bundle, backend, collection, dir)?;
        let expected = &self.options.index;
        self.expect_in(dir, "rotation_seed", &bundle.rotation_seed, &expected.seed)?;
        let factor = expected.rerank_factor as usize;
        self.expect_in(dir, "rerank_factor", &bundle.rerank_factor, &factor)?;
        self.check_pin(&slot, &bundle.generation)?;
        let (index, path) = self.load(dir, &bundle)?;
        let found = index.info();
        let coded = |o: &Options| (o.kind as u32, o.metric as u32, o.bits, o.seed, o.dim);
        let wanted = self.coding(bundle.dim, found.rows)?;
        let (actual, wanted) = (coded(&found.options), coded(&wanted));
        if actual != wanted {
            let reason = format!(
                "kind, metric, bits, seed and dim are {actual:?}, the lake's are {wanted:?}"
            );
            return Err(Error::file(&path, reason));
        }
        let content = content_of(&*index)?;
        if let (Some(expected), Some(content)) = (&bundle.content_hash, &content) {
            let actual = content.finish(bundle.dim);
            self.expect_in(dir, "content_hash", expected, &actual)?;
        }
        if let Source::Driven(adapter) = &self.backend(backend)?.source {
            adapter.recall(collection, &bundle.generation);
        }
        rehearse(&*index)?;
        let content = content.unwrap_or_default();
        let served = Served::new(Some(index), bundle.dim, bundle.generation, content, 0);
        let served = Arc::new(served);
        self.cache.install(&slot, served.clone())?;
        count(&slot.counters.warm_installs);
        Ok(Lease {
            served,
            stale: false,
            revalidate: false,
            age: None,
        })
    }

    fn load(&self, dir: &Path, bundle: &RuLakeBundle) -> Result<(Arc<dyn VectorIndex>, PathBuf)> {
        let path = dir.join(SAVED_INDEX);
        if bundle.index_hash.is_some() || path.exists() {
            let index = rabitq::load(&path, |bytes| match &bundle.index_hash {
                Some(expected) if *expected != file_hash(bytes) => {
                    Err(format!("its hash is not {expected}, as the sidecar has it"))
                }
                _ => Ok(()),
            })?;
            return Ok((index.into(), path));
        }
        let path = dir.join(UPSTREAM_INDEX);
        let mut options = self.options.index.clone();
        options.dim = bundle.dim;
        let index = rabitq::import_rbpx(&path, Some(options))?;
        Ok((index.into(), path))
    }

    /// What the cache did, over all backends that are or were there.
    pub fn cache_stats(&self) -> CacheStats {
        let mut sum = *lock(&self.former);
        for (_, _, stats) in self.cache_stats_by_collection() {
            sum += stats;
        }
        // Not the sum, where collections share rows.
        let (bytes, entries) = self.cache.size();
        (sum.bytes, sum.entries) = (bytes, entries as u64);
        sum
    }

    /// What the cache did for each collection of the backends that are there, sorted.
    pub fn cache_stats_by_collection(&self) -> Vec<(String, String, CacheStats)> {
        let backends = self.backends.load();
        let slots = backends.values().flat_map(|backend| backend.all());
        let mut all: Vec<_> = slots
            .map(|slot| {
                let mut stats = slot.counters.read();
                if let Some(served) = &*slot.served() {
                    (stats.bytes, stats.entries) = (served.bytes, 1);
                }
                (slot.backend.clone(), slot.collection.clone(), stats)
            })
            .collect();
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        all
    }
}

/// A pull whose rows the caller brings. Dropped, it leaves nothing.
pub struct ExternalPull {
    /// Takes the rows.
    pub pull: Pull<'static>,
    slot: Arc<Slot>,
    began: u64,
}

/// Changes that the caller brings. Dropped, they leave nothing.
pub struct ExternalChanges {
    /// Takes the changes.
    pub changes: Changes<'static>,
    slot: Arc<Slot>,
    served: Arc<Served>,
    began: u64,
}

/// Changes are taken in while they are less than this part of the rows: codes are made around the
/// mean of the rows they were made for.
const FOLLOWED: u64 = 4;

impl Registered {
    fn known(&self, collection: &str) -> Option<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(|e| e.into_inner());
        slots.get(collection).cloned()
    }

    fn slot(&self, backend: &str, collection: &str) -> Result<Arc<Slot>> {
        if let Some(slot) = self.known(collection) {
            return Ok(slot);
        }
        names::check_collection(collection)?;
        let mut slots = self.slots.write().unwrap_or_else(|e| e.into_inner());
        let made = || Arc::new(Slot::new(backend, collection));
        Ok(slots.entry(collection.into()).or_insert_with(made).clone())
    }

    fn all(&self) -> Vec<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(|e| e.into_inner());
        slots.values().cloned().collect()
    }
}

/// Whether changes can be made to a state: the hash of what they replace needs the old rows.
fn can_follow(served: &Served) -> bool {
    let index = served.index.as_ref();
    index.is_some_and(|index| index.info().options.keeps_originals())
}

/// What to do for a search that asks now.
fn judge(slot: &Slot, consistency: Consistency, observed: Observed, now: u64) -> Verdict {
    let served = slot.served();
    let Some(served) = &*served else {
        return Verdict::Prime;
    };
    let serve = |stale, revalidate| Verdict::Serve {
        served: served.clone(),
        stale,
        revalidate,
    };
    let within = |limit: Duration| served.age(now).is_some_and(|age| age <= limit);
    match (consistency, observed) {
        (Consistency::Frozen, _) => serve(false, false),
        (_, Observed::Generation(generation, ago) | Observed::Pulled(generation, ago)) => {
            if served.generation != *generation {
                return Verdict::Prime;
            }
            served.confirm(before(now, ago));
            serve(false, false)
        }
        (Consistency::Fresh, Observed::Nothing | Observed::Failure) => Verdict::Ask,
        (Consistency::Eventual { ttl, .. }, _) if within(ttl) => serve(false, false),
        (
            Consistency::Eventual {
                max_stale,
                revalidate,
                ..
            },
            _,
        ) => {
            let fails = matches!(observed, Observed::Failure);
            if (fails || revalidate) && within(max_stale) {
                serve(true, !fails)
            } else {
                Verdict::Ask
            }
        }
    }
}

/// Calls a backend again where it failed for a moment.
fn retry<T>(control: &Control, call: impl Fn() -> Result<T>) -> Result<T> {
    let mut pause = BACKOFF;
    for _ in 1..TRIES {
        control.check()?;
        match call() {
            Err(Error::Backend {
                transient: true, ..
            }) => {}
            result => return result,
        }
        let end = Instant::now() + pause;
        while Instant::now() < end {
            control.check()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        pause *= 2;
    }
    call()
}

/// Searches once, so that no user's search is the one that waits for memory.
fn rehearse(index: &dyn VectorIndex) -> Result<()> {
    let (mut ids, mut scores) = ([0], [0.0]);
    let query = vec![1.0; index.info().options.dim];
    index.search(&query, &Search::new(1), &mut ids, &mut scores)?;
    Ok(())
}

/// The hash of an index's rows, where it keeps them.
fn content_of(index: &dyn VectorIndex) -> Result<Option<ContentHash>> {
    const BATCH: usize = 1024;
    let info = index.info();
    if !info.options.keeps_originals() {
        return Ok(None);
    }
    let dim = info.options.dim;
    let (mut ids, mut rows) = (vec![0; BATCH], vec![0.0; BATCH * dim]);
    let (mut iter, mut content) = (index.iter(), ContentHash::default());
    loop {
        let read = iter.next_batch(&mut ids, Some(&mut rows))?;
        if read == 0 {
            return Ok(Some(content));
        }
        for (id, row) in ids[..read].iter().zip(rows.chunks_exact(dim)) {
            content.add(*id, row);
        }
    }
}
