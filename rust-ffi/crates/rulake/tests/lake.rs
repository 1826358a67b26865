//! What a lake serves, against backends whose rows and failures the tests decide.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rabitq::{Control, Ids, Rows, Search};
use rulake::{
    BackendAdapter, Consistency, Error, FsBackend, Generation, LakeOptions, Lease, LocalBackend,
    Pull, Refresh, Result, RuLake, RuLakeBundle,
};

const DIM: usize = 8;

type During = Box<dyn Fn(&Scripted) + Send>;

/// A backend whose state, pace and failures are the test's.
#[derive(Default)]
struct Scripted {
    state: Mutex<State>,
    pulls: AtomicUsize,
    down: AtomicBool,
    /// Called in each pull, after its rows are pushed.
    during: Mutex<Option<During>>,
    pace: Duration,
    snapshots: bool,
}

#[derive(Default, Clone)]
struct State {
    rows: BTreeMap<i64, [f32; DIM]>,
    generation: u64,
}

impl Scripted {
    fn with(id: i64) -> Self {
        let backend = Scripted::default();
        backend.put(id);
        backend
    }

    fn put(&self, id: i64) {
        let mut state = self.state.lock().unwrap();
        state.rows.insert(id, row(id));
        state.generation += 1;
    }

    fn on_pull(&self, during: impl Fn(&Scripted) + Send + 'static) {
        *self.during.lock().unwrap() = Some(Box::new(during));
    }

    fn check(&self, collection: &str) -> Result<()> {
        let (backend, collection) = ("s".to_string(), collection.to_string());
        if self.down.load(SeqCst) {
            return Err(Error::Backend {
                backend,
                collection,
                reason: "down".into(),
                transient: false,
            });
        }
        if collection != "c" {
            return Err(Error::UnknownCollection {
                backend,
                collection,
            });
        }
        Ok(())
    }
}

impl BackendAdapter for Scripted {
    fn id(&self) -> &str {
        "s"
    }

    fn collections(&self) -> Result<Vec<String>> {
        Ok(vec!["c".into()])
    }

    fn generation(&self, collection: &str) -> Result<Generation> {
        self.check(collection)?;
        Ok(Generation::Num(self.state.lock().unwrap().generation))
    }

    fn pull(&self, collection: &str, pull: &mut Pull) -> Result<()> {
        self.check(collection)?;
        self.pulls.fetch_add(1, SeqCst);
        let state = self.state.lock().unwrap().clone();
        if self.snapshots {
            pull.snapshot(Generation::Num(state.generation));
        }
        for (id, row) in &state.rows {
            pull.add(Rows::new(row, 1, DIM, DIM)?, Ids::From(*id))?;
        }
        thread::sleep(self.pace);
        if let Some(during) = &*self.during.lock().unwrap() {
            during(self);
        }
        Ok(())
    }
}

fn row(seed: i64) -> [f32; DIM] {
    std::array::from_fn(|i| ((seed * 31 + i as i64 * 17) % 97) as f32 - 48.0)
}

fn lake_of(adapter: Arc<dyn BackendAdapter>, options: LakeOptions) -> RuLake {
    let lake = RuLake::new(options).unwrap();
    lake.register_backend(adapter).unwrap();
    lake
}

fn consistency(consistency: Consistency) -> LakeOptions {
    LakeOptions {
        consistency,
        ..LakeOptions::default()
    }
}

fn eventual(ttl: u64, max_stale: u64) -> Consistency {
    Consistency::Eventual {
        ttl: Duration::from_millis(ttl),
        max_stale: Duration::from_millis(max_stale),
        revalidate: false,
    }
}

fn lease(lake: &RuLake, backend: &str, collection: &str) -> Result<Lease> {
    lake.lease(backend, collection, &Control::default())
}

fn nearest(lease: &Lease, query: &[f32]) -> Option<i64> {
    let (mut ids, mut scores) = ([0], [0.0]);
    let found = lease
        .index()?
        .search(query, &Search::new(1), &mut ids, &mut scores);
    (found.unwrap().0 == 1).then_some(ids[0])
}

fn found(lake: &RuLake, query: &[f32]) -> Option<i64> {
    nearest(&lease(lake, "s", "c").unwrap(), query)
}

/// A backend in memory with a collection of these rows.
fn local(collection: &str, ids: &[i64]) -> Arc<LocalBackend> {
    let local = Arc::new(LocalBackend::new("l").unwrap());
    replace(&local, collection, ids);
    local
}

fn replace(local: &LocalBackend, collection: &str, ids: &[i64]) {
    let floats: Vec<f32> = ids.iter().copied().flat_map(row).collect();
    let rows = Rows::new(&floats, ids.len(), DIM, DIM).unwrap();
    local.replace(collection, rows, Ids::Given(ids)).unwrap();
}

fn upsert(local: &LocalBackend, collection: &str, id: i64, row: &[f32; DIM]) {
    let rows = Rows::new(row, 1, DIM, DIM).unwrap();
    local.upsert(collection, rows, Ids::From(id)).unwrap();
}

#[test]
fn fresh_answers_are_as_new_as_their_search() {
    let backend = Arc::new(Scripted::with(1));
    let lake = lake_of(backend.clone(), LakeOptions::default());
    for id in 2..40 {
        backend.put(id);
        assert_eq!(found(&lake, &row(id)), Some(id));
        assert_eq!(found(&lake, &row(id)), Some(id));
    }
    let stats = lake.cache_stats();
    assert_eq!((stats.hits, stats.misses, stats.primes), (38, 38, 38));
    assert_eq!(backend.pulls.load(SeqCst), 38);
}

#[test]
fn a_pull_in_which_the_generation_changes_is_not_served() {
    let backend = Arc::new(Scripted::with(1));
    let changes = AtomicUsize::new(0);
    backend.on_pull(move |backend| {
        if changes.fetch_add(1, SeqCst) < 2 {
            backend.put(2);
        }
    });
    let lake = lake_of(backend.clone(), LakeOptions::default());
    let served = lease(&lake, "s", "c").unwrap();
    assert_eq!(served.generation(), &Generation::Num(3));
    assert_eq!(backend.pulls.load(SeqCst), 3);
    assert!(served.index().unwrap().contains(2));
    backend.on_pull(|backend| backend.put(2));
    backend.put(3);
    let error = lease(&lake, "s", "c").err().unwrap();
    let expected = "changed during each of 5 pulls";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_snapshot_is_served_as_the_generation_that_it_names() {
    let backend = Arc::new(Scripted {
        snapshots: true,
        ..Scripted::with(1)
    });
    backend.on_pull(|backend| backend.put(2));
    let lake = lake_of(backend.clone(), LakeOptions::default());
    let served = lease(&lake, "s", "c").unwrap();
    assert_eq!(served.generation(), &Generation::Num(1));
    assert!(!served.index().unwrap().contains(2));
    assert_eq!(backend.pulls.load(SeqCst), 1);
}

#[test]
fn concurrent_first_searches_pull_once() {
    let backend = Arc::new(Scripted {
        pace: Duration::from_millis(50),
        ..Scripted::with(1)
    });
    let lake = lake_of(backend.clone(), LakeOptions::default());
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert_eq!(found(&lake, &row(1)), Some(1)));
        }
    });
    assert_eq!(backend.pulls.load(SeqCst), 1);
    let stats = lake.cache_stats();
    assert_eq!((stats.hits + stats.misses, stats.primes), (64, 1));
}

#[test]
fn a_waiter_leaves_at_its_deadline_and_the_pull_goes_on() {
    let backend = Arc::new(Scripted::with(1));
    let go = Arc::new(AtomicBool::new(false));
    let gate = go.clone();
    backend.on_pull(move |_| {
        while !gate.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let lake = lake_of(backend.clone(), LakeOptions::default());
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(found(&lake, &row(1)), Some(1)));
        while backend.pulls.load(SeqCst) == 0 {
            thread::yield_now();
        }
        let hasty = Control {
            deadline: Some(Instant::now() + Duration::from_millis(20)),
            ..Control::default()
        };
        assert!(matches!(lake.lease("s", "c", &hasty), Err(Error::Deadline)));
        let stop = AtomicI32::new(1);
        let stopped = Control {
            cancel: Some(&stop),
            ..Control::default()
        };
        let refused = lake.lease("s", "c", &stopped);
        assert!(matches!(refused, Err(Error::Cancelled)));
        go.store(true, SeqCst);
    });
    assert_eq!(backend.pulls.load(SeqCst), 1);
}

#[test]
fn a_backend_that_is_down_is_answered_for_as_far_as_is_allowed() {
    for (allowed, wanted) in [
        (Consistency::Fresh, None),
        (eventual(0, 0), None),
        (eventual(0, 60_000), Some(true)),
        (eventual(60_000, 60_000), Some(false)),
        (Consistency::Frozen, Some(false)),
    ] {
        let backend = Arc::new(Scripted::with(1));
        let lake = lake_of(backend.clone(), consistency(allowed));
        assert_eq!(found(&lake, &row(1)), Some(1));
        thread::sleep(Duration::from_millis(2));
        backend.down.store(true, SeqCst);
        match (lease(&lake, "s", "c"), wanted) {
            (Ok(lease), Some(stale)) => assert_eq!(lease.stale, stale, "{allowed:?}"),
            (Err(Error::Backend { reason, .. }), None) => assert_eq!(reason, "down"),
            (other, _) => panic!("{allowed:?}: {:?}", other.err()),
        }
        assert_eq!(lake.cache_stats().stale, (wanted == Some(true)) as u64);
    }
}

#[test]
fn eventual_believes_for_its_ttl_and_frozen_for_ever() {
    let backend = Arc::new(Scripted::with(1));
    let lake = lake_of(backend.clone(), consistency(eventual(2_000, 60_000)));
    assert_eq!(found(&lake, &row(2)), Some(1));
    backend.put(2);
    assert_eq!(found(&lake, &row(2)), Some(1), "within the ttl");
    thread::sleep(Duration::from_millis(2_010));
    assert_eq!(found(&lake, &row(2)), Some(2), "after it");
    let frozen = Some(Consistency::Frozen);
    lake.set_consistency("s", "c", frozen).unwrap();
    found(&lake, &row(2));
    backend.put(3);
    assert_ne!(found(&lake, &row(3)), Some(3), "frozen");
    assert!(lake.invalidate_cache("s", "c").unwrap());
    assert_eq!(found(&lake, &row(3)), Some(3), "dropped by hand");
}

#[test]
fn a_frozen_collection_that_was_evicted_does_not_change_silently() {
    let local = local("one", &[1]);
    replace(&local, "two", &[2]);
    let options = LakeOptions {
        max_entries: 1,
        ..consistency(Consistency::Frozen)
    };
    let lake = lake_of(local.clone(), options);
    for name in ["one", "two", "one", "two"] {
        lease(&lake, "l", name).unwrap();
        assert_eq!(lake.cache_stats().entries, 1);
    }
    upsert(&local, "one", 3, &row(3));
    assert!(matches!(
        lease(&lake, "l", "one"),
        Err(Error::Pinned { .. })
    ));
}

#[test]
fn a_stale_answer_comes_first_where_that_is_asked_for() {
    let backend = Arc::new(Scripted::with(1));
    let revalidate = Consistency::Eventual {
        ttl: Duration::ZERO,
        max_stale: Duration::from_secs(60),
        revalidate: true,
    };
    let lake = lake_of(backend.clone(), consistency(revalidate));
    assert_eq!(found(&lake, &row(1)), Some(1));
    backend.put(2);
    thread::sleep(Duration::from_millis(1));
    let served = lease(&lake, "s", "c").unwrap();
    assert!(served.stale && served.revalidate);
    assert_eq!(nearest(&served, &row(2)), Some(1));
    lake.prime("s", "c", &Control::default()).unwrap();
    assert_eq!(found(&lake, &row(2)), Some(2));
}

#[test]
fn what_is_no_collection_leaves_nothing() {
    let lake = lake_of(Arc::new(Scripted::with(1)), LakeOptions::default());
    let refused = |b: &str, c: &str| lease(&lake, b, c).err().unwrap();
    assert!(matches!(refused("x", "c"), Error::UnknownBackend { .. }));
    assert!(matches!(refused("s", "x"), Error::UnknownCollection { .. }));
    assert!(lake.cache_stats_by_collection().is_empty());
    lease(&lake, "s", "c").unwrap();
    assert!(lake.is_cached("s", "c").unwrap());
    assert!(lake.unregister_backend("s"));
    assert!(matches!(refused("s", "c"), Error::UnknownBackend { .. }));
    let stats = lake.cache_stats();
    assert_eq!((stats.primes, stats.bytes, stats.entries), (1, 0, 0));
}

#[test]
fn the_cache_keeps_within_its_bounds() {
    let local = Arc::new(LocalBackend::new("l").unwrap());
    let ids = |c: i64| (c..c + 1_000).collect::<Vec<_>>();
    let names: Vec<String> = (0..6).map(|c| format!("c{c}")).collect();
    for (c, name) in names.iter().enumerate() {
        replace(&local, name, &ids(c as i64));
    }
    let limited = |max_bytes| {
        let options = LakeOptions {
            max_bytes,
            ..LakeOptions::default()
        };
        lake_of(local.clone(), options)
    };
    let alone = limited(u64::MAX);
    lease(&alone, "l", &names[0]).unwrap();
    let limit = alone.cache_stats().bytes * 5 / 2;
    let lake = limited(limit);
    for c in [0, 1, 2, 3, 4, 5, 4, 5] {
        lease(&lake, "l", &names[c]).unwrap();
        assert!(lake.cache_stats().bytes <= limit);
    }
    assert_eq!(lake.cache_stats().primes, 6);
    let small = limited(1_000);
    let refused = lease(&small, "l", &names[0]).err().unwrap();
    assert!(matches!(refused, Error::Budget { allowed: 1_000, .. }));
    assert_eq!(small.cache_stats().bytes, 0);
}

#[test]
fn equal_rows_are_cached_once_whatever_their_order() {
    let ids: Vec<i64> = (0..100).collect();
    let reversed: Vec<i64> = (0..100).rev().collect();
    let local = local("a", &ids);
    replace(&local, "b", &reversed);
    let lake = lake_of(local.clone(), LakeOptions::default());
    lease(&lake, "l", "a").unwrap();
    let alone = lake.cache_stats().bytes;
    lease(&lake, "l", "b").unwrap();
    let stats = lake.cache_stats();
    assert_eq!((stats.shared_hits, stats.bytes), (1, alone));
    assert_eq!(stats.entries, 2);
    // Each follows changes of its own, from the one index.
    for (name, id) in [("a", 500), ("b", 501)] {
        upsert(&local, name, id, &row(id));
        let served = lease(&lake, "l", name).unwrap();
        assert!(served.index().unwrap().contains(id));
    }
    let served = lease(&lake, "l", "a").unwrap();
    assert!(!served.index().unwrap().contains(501));
    assert_eq!(lake.cache_stats().refreshes, 2);
}

/// Random writes, each followed by a look that must see it, compared with the rows themselves.
#[test]
fn changes_are_followed_and_leave_what_a_pull_would_bring() {
    let ids: Vec<i64> = (0..500).collect();
    let mut truth: BTreeMap<i64, [f32; DIM]> = ids.iter().map(|&id| (id, row(id))).collect();
    let local = local("c", &ids);
    let lake = lake_of(local.clone(), LakeOptions::default());
    lease(&lake, "l", "c").unwrap();
    let mut seed = 12_345_u64;
    let mut random = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((seed >> 33) % n) as i64
    };
    for _ in 0..200 {
        for _ in 0..random(5) {
            let id = random(700);
            if random(3) == 0 {
                local.remove("c", &[id]).unwrap();
                truth.remove(&id);
            } else {
                let new = row(random(10_000));
                upsert(&local, "c", id, &new);
                truth.insert(id, new);
            }
        }
        let served = lease(&lake, "l", "c").unwrap();
        let index = served.index().unwrap();
        assert_eq!(index.info().rows, truth.len() as u64);
        let mut stored = [0.0; DIM];
        for (id, row) in &truth {
            assert!(index.get(*id, &mut stored).unwrap() && stored == *row);
        }
    }
    let stats = lake.cache_stats();
    assert!(stats.refreshes > 100 && stats.primes < stats.refreshes + 5);
    let hash = |lake: &RuLake| {
        let dir = tempfile::tempdir().unwrap();
        let served = lease(lake, "l", "c").unwrap();
        lake.publish_bundle("l", "c", &served, dir.path()).unwrap();
        let bundle = RuLakeBundle::read_from_dir(dir.path()).unwrap();
        bundle.content_hash.unwrap()
    };
    let pulled = lake_of(local, LakeOptions::default());
    assert_eq!(hash(&lake), hash(&pulled));
}

#[test]
fn files_are_served_and_their_changes_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = Arc::new(FsBackend::new("f", dir.path()).unwrap());
    let lake = lake_of(files.clone(), LakeOptions::default());
    for id in 0..30 {
        let row = row(id);
        let rows = Rows::new(&row, 1, DIM, DIM).unwrap();
        files.write("c", rows, Ids::From(id)).unwrap();
        let served = lease(&lake, "f", "c").unwrap();
        assert_eq!(nearest(&served, &row), Some(id));
        let again = lease(&lake, "f", "c").unwrap();
        assert_eq!(again.state(), served.state());
    }
    assert_eq!(files.collections().unwrap(), ["c"]);
    assert_eq!(lake.cache_stats().primes, 30);
}

#[test]
fn a_saved_cache_is_warm_again_with_its_ids() {
    let ids: Vec<i64> = (0..300).map(|i| i * 1_000_003 - 5).collect();
    let local = local("c", &ids);
    let lake = lake_of(local.clone(), LakeOptions::default());
    let dir = tempfile::tempdir().unwrap();
    let early = lake.save_cache_to_dir("l", "c", dir.path());
    assert!(matches!(early, Err(Error::NotCached { .. })));
    let cold = lease(&lake, "l", "c").unwrap();
    lake.save_cache_to_dir("l", "c", dir.path()).unwrap();

    let warm = lake_of(local.clone(), LakeOptions::default());
    assert_eq!(warm.warm_from_dir("l", "c", dir.path()).unwrap(), 300);
    let served = lease(&warm, "l", "c").unwrap();
    let stats = warm.cache_stats();
    assert_eq!((stats.primes, stats.warm_installs), (0, 1));
    for &id in &ids {
        assert_eq!(nearest(&served, &row(id)), nearest(&cold, &row(id)));
    }
    let witness = |lake: &RuLake| lake.cache_witness_of("l", "c").unwrap();
    assert_eq!(witness(&warm), witness(&lake));
    let refresh = |dir: &std::path::Path| warm.refresh_from_bundle_dir("l", "c", dir).unwrap();
    assert_eq!(refresh(dir.path()), Refresh::UpToDate);
    local.remove("c", &[-5]).unwrap();
    lease(&warm, "l", "c").unwrap();
    assert_eq!(refresh(dir.path()), Refresh::Invalidated);
    assert!(!warm.is_cached("l", "c").unwrap());
    assert_eq!(refresh(&dir.path().join("none")), Refresh::BundleMissing);
}

/// Warming puts an old state in the place of the one that a search has just found to be new.
#[test]
fn warming_meanwhile_serves_nothing_old() {
    let local = local("c", &[1]);
    let lake = lake_of(local.clone(), LakeOptions::default());
    lease(&lake, "l", "c").unwrap();
    let dir = tempfile::tempdir().unwrap();
    lake.save_cache_to_dir("l", "c", dir.path()).unwrap();
    replace(&local, "c", &[2]);
    let newest = local.generation("c").unwrap();
    thread::scope(|scope| {
        let warming = scope.spawn(|| {
            for _ in 0..1000 {
                lake.warm_from_dir("l", "c", dir.path()).unwrap();
            }
        });
        while !warming.is_finished() {
            assert_eq!(*lease(&lake, "l", "c").unwrap().generation(), newest);
        }
    });
}

#[test]
fn a_cache_of_something_else_is_refused() {
    let local = local("c", &[1]);
    replace(&local, "other", &[1]);
    let lake = lake_of(local.clone(), LakeOptions::default());
    lease(&lake, "l", "c").unwrap();
    let dir = tempfile::tempdir().unwrap();
    lake.save_cache_to_dir("l", "c", dir.path()).unwrap();
    let refused = |options: LakeOptions, name: &str, why: &str| {
        let lake = lake_of(local.clone(), options);
        let error = lake.warm_from_dir("l", name, dir.path()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!lake.is_cached("l", name).unwrap());
    };
    refused(LakeOptions::default(), "other", "data_ref");
    let mut seeded = LakeOptions::default();
    seeded.index.seed = 7;
    refused(seeded, "c", "rotation_seed");
    // Another state's index under this sidecar.
    let elsewhere = tempfile::tempdir().unwrap();
    upsert(&local, "c", 2, &row(2));
    lease(&lake, "l", "c").unwrap();
    lake.save_cache_to_dir("l", "c", elsewhere.path()).unwrap();
    for file in ["index.rvx", "index.rbpx"] {
        std::fs::copy(elsewhere.path().join(file), dir.path().join(file)).unwrap();
    }
    refused(LakeOptions::default(), "c", "content_hash");
}

#[test]
fn a_sidecar_that_vouches_for_its_index_admits_no_other() {
    let local = local("c", &[1, 2, 3]);
    let lake = lake_of(local.clone(), LakeOptions::default());
    lease(&lake, "l", "c").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let warm = || {
        let lake = lake_of(local.clone(), LakeOptions::default());
        lake.warm_from_dir("l", "c", dir.path())
    };
    let bundle = lake.save("l", "c", dir.path(), true).unwrap();
    bundle.write_to_dir(dir.path()).unwrap();
    assert_eq!(warm().unwrap(), 3);
    // Of the same rows, and so of the same content hash, but not the same file.
    let path = dir.path().join("index.rvx");
    let honest = std::fs::read(&path).unwrap();
    let other = lake_of(local.clone(), LakeOptions::default());
    upsert(&local, "c", 4, &row(4));
    lease(&other, "l", "c").unwrap();
    local.remove("c", &[4]).unwrap();
    lease(&other, "l", "c").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let same = other.save("l", "c", elsewhere.path(), true).unwrap();
    assert_eq!(same.content_hash, bundle.content_hash);
    std::fs::copy(elsewhere.path().join("index.rvx"), &path).unwrap();
    if same.index_hash != bundle.index_hash {
        assert!(warm().unwrap_err().to_string().contains("its hash is not"));
    }
    std::fs::remove_file(&path).unwrap();
    assert!(dir.path().join("index.rbpx").exists());
    warm().unwrap_err();
    std::fs::write(&path, honest).unwrap();
    assert_eq!(warm().unwrap(), 3);
}

#[test]
fn what_is_cached_is_compared_with_its_backend() {
    let local = local("c", &[1]);
    let lake = lake_of(local.clone(), LakeOptions::default());
    let current = || lake.is_current("l", "c", None, &Control::default());
    assert!(!current().unwrap());
    lease(&lake, "l", "c").unwrap();
    assert!(current().unwrap());
    upsert(&local, "c", 2, &row(2));
    assert!(!current().unwrap());
    assert_eq!(lake.cache_stats().primes, 1);
    local.drop_collection("c");
    assert!(matches!(current(), Err(Error::UnknownCollection { .. })));
}
