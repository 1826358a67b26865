//! A lake beside upstream's, in turns and in one process: a line of JSON for each measurement, of
//! which `bench/lake.py` makes a table.
//!
//! beside_upstream [ROWS] [QUERIES] [TURNS]

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rabitq::{Control, Ids, Rows, Search, Source, VectorIndex};
use ruvector_rabitq::index::{AnnIndex, RabitqPlusIndex};
use ruvector_rulake as upstream;

const DIM: usize = 128;
const CENTRES: usize = 100;
const SIGMA: f32 = 0.6;
const K: usize = 10;
const COLLECTIONS: usize = 8;
/// First searches of one collection at once.
const COLD: usize = 64;
/// Rows that are pulled for them, as a part of all: upstream holds each pull in memory.
const COLD_PART: usize = 10;
/// After which the generation of a file needs no hash of its content.
const SETTLED: Duration = Duration::from_millis(2_500);
/// As upstream's examples have them.
const RERANK_FACTOR: usize = 20;
const SEED: u64 = 42;

type Res<T> = Result<T, Box<dyn Error>>;

/// A backend and a collection: rows in memory, the same in a file, those of which pulls are counted,
/// and two ways to divide them among [`COLLECTIONS`].
type Target<'a> = (&'a str, &'a str);

const MEMORY: Target = ("memory", "c");
const FILE: Target = ("files", "c");
const COUNTED: Target = ("counted", "c");
const DEALT: [&str; 2] = ["memory", "dealt"];
const APART: [&str; 2] = ["memory", "apart"];

/// What both lakes do.
trait Side: Sync {
    /// Begins with an empty cache.
    fn restart(&mut self) -> Res<()>;
    fn search(&self, target: Target, query: &[f32]) -> Res<Vec<i64>>;
    /// As [`Side::search`] of the rows in memory, in an index without a lake.
    fn direct(&self, query: &[f32]) -> Res<Vec<i64>>;
    /// Hits over all queries.
    fn batch(&self, target: Target, queries: &[Vec<f32>]) -> Res<usize>;
    fn federated(&self, parts: [&str; 2], query: &[f32]) -> Res<Vec<i64>>;
    fn save(&self, target: Target, dir: &Path) -> Res<()>;
    fn warm(&self, target: Target, dir: &Path) -> Res<()>;
    fn pulls(&self) -> usize;
}

struct Set {
    rows: Vec<f32>,
    /// Of each row.
    centres: Vec<usize>,
    queries: Vec<Vec<f32>>,
    /// The true neighbours of each query.
    truth: Vec<HashSet<i64>>,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From 0 to 1, both excluded.
    fn uniform(&mut self) -> f32 {
        ((self.bits() >> 41) as f32 + 0.5) / (1 << 23) as f32
    }

    fn normal(&mut self) -> f32 {
        let (radius, angle) = (self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f32::consts::TAU * angle).cos()
    }
}

impl Set {
    fn new(n: usize, queries: usize) -> Self {
        let mut random = Random(7);
        let middles: Vec<f32> = (0..CENTRES * DIM)
            .map(|_| 4.0 * random.uniform() - 2.0)
            .collect();
        let mut row = |out: &mut Vec<f32>| {
            let centre = random.bits() as usize % CENTRES;
            out.extend((0..DIM).map(|d| middles[centre * DIM + d] + SIGMA * random.normal()));
            centre
        };
        let mut rows = Vec::with_capacity(n * DIM);
        let centres = (0..n).map(|_| row(&mut rows)).collect();
        let queries: Vec<Vec<f32>> = (0..queries)
            .map(|_| {
                let mut query = Vec::new();
                row(&mut query);
                query
            })
            .collect();
        let truth = queries.iter().map(|q| nearest(&rows, q)).collect();
        Set {
            rows,
            centres,
            queries,
            truth,
        }
    }

    fn len(&self) -> usize {
        self.centres.len()
    }

    fn row(&self, id: usize) -> &[f32] {
        &self.rows[id * DIM..][..DIM]
    }

    /// The rows of each of the collections that a division makes.
    fn divided(&self, name: &str) -> Vec<Vec<usize>> {
        let mut parts = vec![Vec::new(); COLLECTIONS];
        for id in 0..self.len() {
            let part = if name == DEALT[1] {
                id
            } else {
                self.centres[id]
            };
            parts[part % COLLECTIONS].push(id);
        }
        parts
    }

    /// Recall@10 of a search.
    fn recall(&self, search: impl Fn(&[f32]) -> Res<Vec<i64>>) -> Res<f64> {
        let mut found = 0;
        for (query, truth) in self.queries.iter().zip(&self.truth) {
            found += search(query)?
                .iter()
                .filter(|id| truth.contains(id))
                .count();
        }
        Ok(found as f64 / (K * self.queries.len()) as f64)
    }
}

fn nearest(rows: &[f32], query: &[f32]) -> HashSet<i64> {
    let distance = |row: &[f32]| -> f32 {
        let squares = row.iter().zip(query).map(|(a, b)| (a - b) * (a - b));
        squares.sum()
    };
    let mut all: Vec<(f32, i64)> = rows.chunks_exact(DIM).map(distance).zip(0..).collect();
    all.select_nth_unstable_by(K - 1, |a, b| a.0.total_cmp(&b.0));
    all[..K].iter().map(|(_, id)| *id).collect()
}

fn part(name: &str, i: usize) -> String {
    format!("{name}{i}")
}

fn floats(set: &Set, ids: &[usize]) -> Vec<f32> {
    ids.iter().flat_map(|&id| set.row(id)).copied().collect()
}

struct Ours {
    lake: rulake::RuLake,
    memory: Arc<rulake::LocalBackend>,
    files: std::path::PathBuf,
    counted: Arc<OurCounted>,
    index: Box<dyn VectorIndex>,
}

struct OurCounted(rulake::LocalBackend, AtomicUsize);

impl rulake::BackendAdapter for OurCounted {
    fn id(&self) -> &str {
        COUNTED.0
    }

    fn collections(&self) -> rulake::Result<Vec<String>> {
        self.0.collections()
    }

    fn generation(&self, collection: &str) -> rulake::Result<rulake::Generation> {
        self.0.generation(collection)
    }

    fn pull(&self, collection: &str, pull: &mut rulake::Pull) -> rulake::Result<()> {
        self.1.fetch_add(1, Relaxed);
        self.0.pull(collection, pull)
    }
}

fn our_options() -> rulake::LakeOptions {
    let mut options = rulake::LakeOptions::default();
    options.index.rerank_factor = RERANK_FACTOR as u32;
    options
}

fn put(backend: &rulake::LocalBackend, name: &str, rows: &[f32], ids: Ids) -> rulake::Result<()> {
    backend.replace(name, Rows::new(rows, rows.len() / DIM, DIM, DIM)?, ids)
}

impl Ours {
    fn new(set: &Set, folder: &Path) -> Res<Self> {
        let memory = rulake::LocalBackend::new(MEMORY.0)?;
        put(&memory, MEMORY.1, &set.rows, Ids::From(0))?;
        for name in [DEALT[1], APART[1]] {
            for (i, ids) in set.divided(name).iter().enumerate() {
                let given: Vec<i64> = ids.iter().map(|&id| id as i64).collect();
                put(
                    &memory,
                    &part(name, i),
                    &floats(set, ids),
                    Ids::Given(&given),
                )?;
            }
        }
        let counted = rulake::LocalBackend::new(COUNTED.0)?;
        put(
            &counted,
            COUNTED.1,
            &set.rows[..set.len() / COLD_PART * DIM],
            Ids::From(0),
        )?;
        let files = folder.join("ours");
        let view = Rows::new(&set.rows, set.len(), DIM, DIM)?;
        rulake::FsBackend::new(FILE.0, &files)?.write(FILE.1, view, Ids::From(0))?;
        let mut options = our_options().index;
        options.dim = DIM;
        let index = rabitq::build(
            options,
            Source::View(view),
            Ids::From(0),
            &Control::default(),
        )?;
        Ok(Ours {
            lake: rulake::RuLake::new(our_options())?,
            memory: Arc::new(memory),
            files,
            counted: Arc::new(OurCounted(counted, AtomicUsize::new(0))),
            index,
        })
    }

    fn lease(&self, (backend, collection): Target) -> Res<Arc<dyn VectorIndex>> {
        let lease = self.lake.lease(backend, collection, &Control::default())?;
        Ok(lease.index().expect("a collection with rows").clone())
    }
}

fn our_hits(index: &dyn VectorIndex, query: &[f32]) -> Res<([i64; K], [f32; K])> {
    let (mut ids, mut scores) = ([0; K], [0.0; K]);
    let (found, _) = index.search(query, &Search::new(K), &mut ids, &mut scores)?;
    assert_eq!(found, K);
    Ok((ids, scores))
}

impl Side for Ours {
    fn restart(&mut self) -> Res<()> {
        self.lake = rulake::RuLake::new(our_options())?;
        let files = rulake::FsBackend::new(FILE.0, &self.files)?;
        self.lake.register_backend(self.memory.clone())?;
        self.lake.register_backend(self.counted.clone())?;
        self.lake.register_backend(Arc::new(files))?;
        Ok(())
    }

    fn search(&self, target: Target, query: &[f32]) -> Res<Vec<i64>> {
        Ok(our_hits(&*self.lease(target)?, query)?.0.to_vec())
    }

    fn direct(&self, query: &[f32]) -> Res<Vec<i64>> {
        Ok(our_hits(&*self.index, query)?.0.to_vec())
    }

    fn batch(&self, target: Target, queries: &[Vec<f32>]) -> Res<usize> {
        let flat = queries.concat();
        let n = queries.len();
        let (mut ids, mut scores, mut counts) = (vec![0; n * K], vec![0.0; n * K], vec![0; n]);
        self.lease(target)?.search_batch(
            Rows::new(&flat, n, DIM, DIM)?,
            &Search::new(K),
            &mut ids,
            &mut scores,
            &mut counts,
        )?;
        Ok(counts.iter().sum::<u32>() as usize)
    }

    fn federated(&self, [backend, name]: [&str; 2], query: &[f32]) -> Res<Vec<i64>> {
        let mut hits = Vec::with_capacity(COLLECTIONS * K);
        for i in 0..COLLECTIONS {
            let (ids, scores) = our_hits(&*self.lease((backend, &part(name, i)))?, query)?;
            hits.extend(
                ids.iter()
                    .zip(scores)
                    .map(|(&id, score)| rulake::FederatedHit {
                        part: i as u32,
                        id,
                        score,
                    }),
            );
        }
        rulake::merge(&mut hits, K, false);
        Ok(hits.iter().map(|hit| hit.id).collect())
    }

    fn save(&self, (backend, collection): Target, dir: &Path) -> Res<()> {
        self.lake.save_cache_to_dir(backend, collection, dir)?;
        Ok(())
    }

    fn warm(&self, (backend, collection): Target, dir: &Path) -> Res<()> {
        self.lake.warm_from_dir(backend, collection, dir)?;
        Ok(())
    }

    fn pulls(&self) -> usize {
        self.counted.1.load(Relaxed)
    }
}

struct Theirs {
    lake: upstream::RuLake,
    memory: Arc<upstream::LocalBackend>,
    files: std::path::PathBuf,
    counted: Arc<TheirCounted>,
    index: RabitqPlusIndex,
}

struct TheirCounted(upstream::LocalBackend, AtomicUsize);

impl upstream::BackendAdapter for TheirCounted {
    fn id(&self) -> &str {
        COUNTED.0
    }

    fn list_collections(&self) -> upstream::Result<Vec<String>> {
        self.0.list_collections()
    }

    fn pull_vectors(&self, collection: &str) -> upstream::Result<upstream::PulledBatch> {
        self.1.fetch_add(1, Relaxed);
        self.0.pull_vectors(collection)
    }

    fn generation(&self, collection: &str) -> upstream::Result<u64> {
        self.0.generation(collection)
    }

    fn current_bundle(
        &self,
        collection: &str,
        rotation_seed: u64,
        rerank_factor: usize,
    ) -> upstream::Result<upstream::RuLakeBundle> {
        self.0
            .current_bundle(collection, rotation_seed, rerank_factor)
    }
}

impl Theirs {
    fn new(set: &Set, folder: &Path) -> Res<Self> {
        let rows = |ids: &[usize]| ids.iter().map(|&id| set.row(id).to_vec()).collect();
        let put = |backend: &upstream::LocalBackend, name: &str, ids: &[usize]| {
            let given = ids.iter().map(|&id| id as u64).collect();
            backend.put_collection(name, DIM, given, rows(ids))
        };
        let all: Vec<usize> = (0..set.len()).collect();
        let memory = upstream::LocalBackend::new(MEMORY.0);
        put(&memory, MEMORY.1, &all)?;
        for name in [DEALT[1], APART[1]] {
            for (i, ids) in set.divided(name).iter().enumerate() {
                put(&memory, &part(name, i), ids)?;
            }
        }
        let counted = upstream::LocalBackend::new(COUNTED.0);
        put(&counted, COUNTED.1, &all[..set.len() / COLD_PART])?;
        let files = folder.join("theirs");
        let vectors: Vec<Vec<f32>> = rows(&all);
        let ids: Vec<u64> = (0..set.len() as u64).collect();
        upstream::FsBackend::new(FILE.0, &files)?.write(
            FILE.1,
            format!("{}.ruvec1", FILE.1),
            DIM,
            &ids,
            &vectors,
        )?;
        let items = vectors.into_iter().enumerate().collect();
        Ok(Theirs {
            lake: upstream::RuLake::new(RERANK_FACTOR, SEED),
            memory: Arc::new(memory),
            files,
            counted: Arc::new(TheirCounted(counted, AtomicUsize::new(0))),
            index: RabitqPlusIndex::from_vectors_parallel(DIM, SEED, RERANK_FACTOR, items)?,
        })
    }
}

fn ids_of(hits: &[upstream::SearchResult]) -> Vec<i64> {
    hits.iter().map(|hit| hit.id as i64).collect()
}

fn key((backend, collection): Target) -> (String, String) {
    (backend.into(), collection.into())
}

impl Side for Theirs {
    fn restart(&mut self) -> Res<()> {
        self.lake = upstream::RuLake::new(RERANK_FACTOR, SEED);
        let files = upstream::FsBackend::new(FILE.0, &self.files)?;
        files.register(FILE.1, format!("{}.ruvec1", FILE.1))?;
        self.lake.register_backend(self.memory.clone())?;
        self.lake.register_backend(self.counted.clone())?;
        self.lake.register_backend(Arc::new(files))?;
        Ok(())
    }

    fn search(&self, (backend, collection): Target, query: &[f32]) -> Res<Vec<i64>> {
        Ok(ids_of(
            &self.lake.search_one(backend, collection, query, K)?,
        ))
    }

    fn direct(&self, query: &[f32]) -> Res<Vec<i64>> {
        let found = self.index.search(query, K)?;
        Ok(found.iter().map(|hit| hit.id as i64).collect())
    }

    fn batch(&self, (backend, collection): Target, queries: &[Vec<f32>]) -> Res<usize> {
        let found = self.lake.search_batch(backend, collection, queries, K)?;
        Ok(found.iter().map(Vec::len).sum())
    }

    fn federated(&self, [backend, name]: [&str; 2], query: &[f32]) -> Res<Vec<i64>> {
        let names: Vec<String> = (0..COLLECTIONS).map(|i| part(name, i)).collect();
        let targets: Vec<Target> = names.iter().map(|name| (backend, &**name)).collect();
        Ok(ids_of(&self.lake.search_federated(&targets, query, K)?))
    }

    fn save(&self, target: Target, dir: &Path) -> Res<()> {
        self.lake.save_cache_to_dir(&key(target), dir)?;
        Ok(())
    }

    fn warm(&self, target: Target, dir: &Path) -> Res<()> {
        self.lake.warm_from_dir(&key(target), dir)?;
        Ok(())
    }

    fn pulls(&self) -> usize {
        self.counted.1.load(Relaxed)
    }
}

fn seconds<T>(work: impl FnOnce() -> Res<T>) -> Res<f64> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reads a file as plainly as can be.
fn read(path: &Path) -> Res<usize> {
    let (mut file, mut chunk) = (File::open(path)?, vec![0; 256 << 10]);
    let mut sum = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(sum),
            read => sum += read,
        }
    }
}

/// Seconds and pulls of many first searches at once, and how many fail: upstream's miss what another
/// one's pull has just replaced.
fn cold(side: &dyn Side, query: &[f32]) -> Res<(f64, f64, f64)> {
    let (before, barrier) = (side.pulls(), Barrier::new(COLD + 1));
    let (elapsed, failed) = thread::scope(|scope| {
        let search = || {
            barrier.wait();
            side.search(COUNTED, query).map_or(0, |hits| hits.len())
        };
        let all: Vec<_> = (0..COLD).map(|_| scope.spawn(search)).collect();
        barrier.wait();
        let begin = Instant::now();
        let found = all.into_iter().map(|one| one.join().expect("no panic"));
        let failed = found.filter(|&hits| hits < K).count();
        (begin.elapsed(), failed)
    });
    let pulls = side.pulls() - before;
    Ok((elapsed.as_secs_f64(), pulls as f64, failed as f64))
}

/// The measurements of one turn of one side, by name, with their units.
fn measure(
    side: &mut dyn Side,
    set: &Set,
    folder: &Path,
) -> Res<Vec<(&'static str, &'static str, f64)>> {
    let queries = &set.queries;
    let first = &queries[0];
    let mut found = Vec::new();
    // Each with an empty cache: ours would share the index of equal rows.
    side.restart()?;
    let file = seconds(|| side.search(FILE, first))?;
    side.restart()?;
    let memory = seconds(|| side.search(MEMORY, first))?;
    found.push(("prime from memory", "s", memory));
    found.push(("prime from a file", "s", file));
    side.save(MEMORY, folder)?;
    side.restart()?;
    found.push((
        "warm from a folder",
        "s",
        seconds(|| side.warm(MEMORY, folder))?,
    ));
    let after = seconds(|| side.search(MEMORY, first))?;
    let mut steady = Vec::new();
    for query in queries {
        steady.push(seconds(|| side.search(MEMORY, query))?);
    }
    found.push(("first search after it", "us", after * 1e6));
    found.push((
        "first search over a steady one",
        "ratio",
        after / median(steady),
    ));
    // In blocks that take turns, so that both see the same machine.
    let (mut lake, mut direct) = (Vec::new(), Vec::new());
    for block in queries.chunks(50) {
        lake.push(seconds(|| {
            block
                .iter()
                .try_for_each(|q| side.search(MEMORY, q).map(drop))
        })?);
        direct.push(seconds(|| {
            block.iter().try_for_each(|q| side.direct(q).map(drop))
        })?);
    }
    let ratios = lake.iter().zip(&direct).map(|(a, b)| a / b).collect();
    let each = |blocks: Vec<f64>| blocks.iter().sum::<f64>() / queries.len() as f64 * 1e6;
    found.push(("search, warm", "us", each(lake)));
    found.push(("search of an index without a lake", "us", each(direct)));
    found.push((
        "search, warm, over one without a lake",
        "ratio",
        median(ratios),
    ));
    let batch = seconds(|| side.batch(MEMORY, queries))?;
    found.push((
        "batch, each search",
        "us",
        batch / queries.len() as f64 * 1e6,
    ));
    let (elapsed, pulls, failed) = cold(side, first)?;
    found.push(("64 first searches at once", "s", elapsed));
    found.push(("pulls for them", "pulls", pulls));
    found.push(("of them failed", "searches", failed));
    side.federated(DEALT, first)?;
    let eight = seconds(|| {
        queries
            .iter()
            .try_for_each(|q| side.federated(DEALT, q).map(drop))
    })?;
    found.push((
        "search of 8 collections",
        "us",
        eight / queries.len() as f64 * 1e6,
    ));
    Ok(found)
}

/// Recalls are the same in each turn.
fn recalls(side: &dyn Side, set: &Set) -> Res<Vec<(&'static str, &'static str, f64)>> {
    let recall = |search: &dyn Fn(&[f32]) -> Res<Vec<i64>>| set.recall(search);
    Ok(vec![
        (
            "one index",
            "recall@10",
            recall(&|q| side.search(MEMORY, q))?,
        ),
        (
            "8 collections, rows dealt out",
            "recall@10",
            recall(&|q| side.federated(DEALT, q))?,
        ),
        (
            "8 collections, clusters apart",
            "recall@10",
            recall(&|q| side.federated(APART, q))?,
        ),
    ])
}

fn print(turn: usize, ours: &[(&str, &str, f64)], theirs: &[(&str, &str, f64)]) {
    for ((what, unit, ours), (_, _, theirs)) in ours.iter().zip(theirs) {
        println!(
            r#"{{"turn":{turn},"what":"{what}","unit":"{unit}","ours":{ours},"theirs":{theirs}}}"#
        );
    }
}

fn main() -> Res<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, or: usize| arguments.get(i).map_or(Ok(or), |text| text.parse());
    let (n, queries, turns) = (number(0, 100_000)?, number(1, 500)?, number(2, 5)?);
    let set = Set::new(n, queries);
    let folder = tempfile::tempdir()?;
    let (ours_at, theirs_at) = (
        folder.path().join("saved.ours"),
        folder.path().join("saved.theirs"),
    );
    let mut ours = Ours::new(&set, folder.path())?;
    let mut theirs = Theirs::new(&set, folder.path())?;
    thread::sleep(SETTLED);
    for turn in 0..turns {
        // Who begins takes turns too.
        let (a, b) = if turn % 2 == 0 {
            let a = measure(&mut ours, &set, &ours_at)?;
            (a, measure(&mut theirs, &set, &theirs_at)?)
        } else {
            let b = measure(&mut theirs, &set, &theirs_at)?;
            (measure(&mut ours, &set, &ours_at)?, b)
        };
        print(turn, &a, &b);
        let plain = seconds(|| read(&ours.files.join("c.ruvec1")))?;
        print(
            turn,
            &[("reading that file", "s", plain)],
            &[("", "", plain)],
        );
    }
    print(0, &recalls(&ours, &set)?, &recalls(&theirs, &set)?);
    Ok(())
}
