use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use rabitq::{Control, Ids, Kind, Options, RowIter, Rows, Source, VectorIndex};

use crate::backend::BackendAdapter;
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::names;
use crate::pull::{Changes, Pull};

/// Changed ids that a collection remembers at most, over its rows.
const REMEMBERED: usize = 4;
/// Changed ids that it remembers however few rows it has.
const REMEMBERED_AT_LEAST: usize = 1024;

/// Vectors in memory: collections that are written row by row and pulled in snapshots.
pub struct LocalBackend {
    id: String,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    collections: HashMap<String, Collection>,
    /// Counts the changes of all collections: one that is dropped and made again has new
    /// generations.
    generation: u64,
}

struct Collection {
    rows: Box<dyn VectorIndex>,
    dim: usize,
    generation: u64,
    log: Log,
}

/// Which ids changed, newest last.
struct Log {
    /// What the oldest entry changed.
    since: u64,
    entries: VecDeque<(u64, Vec<i64>)>,
    ids: usize,
}

impl Log {
    fn new(since: u64) -> Self {
        Log {
            since,
            entries: VecDeque::new(),
            ids: 0,
        }
    }

    fn push(&mut self, generation: u64, ids: Vec<i64>, rows: usize) {
        self.ids += ids.len();
        self.entries.push_back((generation, ids));
        while self.ids > (rows / REMEMBERED).max(REMEMBERED_AT_LEAST) {
            let (generation, ids) = self.entries.pop_front().expect("some id is remembered");
            self.ids -= ids.len();
            self.since = generation;
        }
    }

    /// Ids that changed after a generation of this collection, where that is known.
    fn after(&self, generation: u64) -> Option<HashSet<i64>> {
        let newer = self.entries.iter().filter(|(g, _)| *g > generation);
        (generation >= self.since).then(|| newer.flat_map(|(_, ids)| ids).copied().collect())
    }
}

impl State {
    fn put(&mut self, collection: &str, rows: Box<dyn VectorIndex>, dim: usize) {
        self.generation += 1;
        let made = Collection {
            rows,
            dim,
            generation: self.generation,
            log: Log::new(self.generation),
        };
        self.collections.insert(collection.into(), made);
    }
}

impl Collection {
    fn live(&self) -> usize {
        self.rows.info().rows as usize
    }
}

fn flat(dim: usize) -> Options {
    Options::new(Kind::Flat, dim)
}

impl LocalBackend {
    /// A backend without collections.
    pub fn new(id: &str) -> Result<Self> {
        names::check_backend(id)?;
        Ok(LocalBackend {
            id: id.into(),
            state: RwLock::default(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Indexes publish whole states, so a panic left nothing half-done.
        self.state.read().unwrap_or_else(|e| e.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(|e| e.into_inner())
    }

    fn find<'a>(&self, state: &'a State, collection: &str) -> Result<&'a Collection> {
        let found = state.collections.get(collection);
        found.ok_or_else(|| self.unknown(collection))
    }

    fn unknown(&self, collection: &str) -> Error {
        Error::UnknownCollection {
            backend: self.id.clone(),
            collection: collection.into(),
        }
    }

    /// Makes the rows of a collection these, whatever it held; makes it where there is none.
    pub fn replace(&self, collection: &str, rows: Rows, ids: Ids) -> Result<()> {
        names::check_collection(collection)?;
        let dim = rows.dim();
        let rows = if rows.is_empty() {
            rabitq::create(flat(dim))?
        } else {
            rabitq::build(flat(dim), Source::View(rows), ids, &Control::default())?
        };
        self.write().put(collection, rows, dim);
        Ok(())
    }

    /// Adds rows in place of those of the same ids; makes the collection where there is none.
    pub fn upsert(&self, collection: &str, rows: Rows, ids: Ids) -> Result<()> {
        names::check_collection(collection)?;
        let mut state = self.write();
        if !state.collections.contains_key(collection) {
            let dim = rows.dim();
            let built = rabitq::create(flat(dim))?;
            built.upsert(rows, ids)?;
            state.put(collection, built, dim);
            return Ok(());
        }
        let changed = ids.listed(rows.len()).into_owned();
        self.change(&mut state, collection, changed, |index| {
            index.upsert(rows, ids)
        })?;
        Ok(())
    }

    /// Removes rows; returns how many there were.
    pub fn remove(&self, collection: &str, ids: &[i64]) -> Result<u64> {
        self.change(&mut self.write(), collection, ids.to_vec(), |index| {
            index.remove(ids)
        })
    }

    /// Forgets a collection; whether there was one.
    pub fn drop_collection(&self, collection: &str) -> bool {
        self.write().collections.remove(collection).is_some()
    }

    fn change<T>(
        &self,
        state: &mut State,
        collection: &str,
        ids: Vec<i64>,
        change: impl FnOnce(&dyn VectorIndex) -> rabitq::Result<T>,
    ) -> Result<T> {
        let c = state
            .collections
            .get_mut(collection)
            .ok_or_else(|| self.unknown(collection))?;
        let result = change(&*c.rows)?;
        state.generation += 1;
        c.generation = state.generation;
        c.log.push(state.generation, ids, c.live());
        Ok(result)
    }

    /// Rows of a collection.
    pub fn len(&self, collection: &str) -> Result<u64> {
        let state = self.read();
        let c = self.find(&state, collection)?;
        Ok(c.rows.info().rows)
    }

    /// All rows of one moment, with its generation.
    fn snapshot(&self, collection: &str) -> Result<(RowIter, usize, usize, u64)> {
        let state = self.read();
        let c = self.find(&state, collection)?;
        Ok((c.rows.iter(), c.live(), c.dim, c.generation))
    }
}

impl BackendAdapter for LocalBackend {
    fn id(&self) -> &str {
        &self.id
    }

    fn collections(&self) -> Result<Vec<String>> {
        Ok(self.read().collections.keys().cloned().collect())
    }

    fn generation(&self, collection: &str) -> Result<Generation> {
        let state = self.read();
        let c = self.find(&state, collection)?;
        Ok(Generation::Num(c.generation))
    }

    fn pull(&self, collection: &str, pull: &mut Pull) -> Result<()> {
        let (mut rows, live, dim, generation) = self.snapshot(collection)?;
        pull.snapshot(Generation::Num(generation));
        pull.fill(live, dim, |ids, floats| {
            Ok(rows.next_batch(ids, Some(floats))?)
        })
    }

    fn changes_since(
        &self,
        collection: &str,
        since: &Generation,
        changes: &mut Changes,
    ) -> Result<bool> {
        let Generation::Num(since) = *since else {
            return Ok(false);
        };
        let state = self.read();
        let c = self.find(&state, collection)?;
        let Some(ids) = c.log.after(since) else {
            return Ok(false);
        };
        changes.snapshot(Generation::Num(c.generation));
        let mut row = vec![0.0; c.dim];
        for id in ids {
            if c.rows.get(id, &mut row)? {
                changes.upsert(Rows::new(&row, 1, c.dim, c.dim)?, Ids::From(id))?;
            } else {
                changes.remove(&[id]);
            }
        }
        Ok(true)
    }

    fn data_ref(&self, collection: &str) -> String {
        format!("local://{}/{collection}", self.id)
    }
}
