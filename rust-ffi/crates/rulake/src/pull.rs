use std::collections::HashMap;

use rabitq::{Control, Ids, Rows, VectorBuffer};

use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::witness::ContentHash;

/// Rows that a pull of unknown length begins with, in bytes.
const FIRST_BYTES: usize = 1 << 20;
/// Rows that are read at a time.
const BATCH_ROWS: usize = 1024;

/// Takes the rows of one collection. Nothing of them is served before all are there.
pub struct Pull<'a> {
    control: Control<'a>,
    max_bytes: u64,
    rows: Option<VectorBuffer>,
    ids: Vec<i64>,
    content: ContentHash,
    snapshot: Option<Generation>,
}

/// What a pull brought.
pub(crate) struct Pulled {
    pub(crate) rows: Option<VectorBuffer>,
    pub(crate) ids: Vec<i64>,
    pub(crate) content: ContentHash,
    pub(crate) snapshot: Option<Generation>,
}

impl<'a> Pull<'a> {
    pub(crate) fn new(max_bytes: u64, control: Control<'a>) -> Self {
        Pull {
            control,
            max_bytes,
            rows: None,
            ids: Vec::new(),
            content: ContentHash::default(),
            snapshot: None,
        }
    }

    /// Says about how many rows come, so that memory is taken once; needed where none comes.
    pub fn expect(&mut self, rows: usize, dim: usize) -> Result<()> {
        self.check_dim(dim)?;
        self.within_budget(rows, dim)?;
        self.reserve(rows, dim)
    }

    /// Says which generation all rows of the pull belong to.
    pub fn snapshot(&mut self, generation: Generation) {
        self.snapshot = Some(generation);
    }

    /// Copies rows.
    pub fn add(&mut self, rows: Rows, ids: Ids) -> Result<()> {
        self.control.check()?;
        let ids = ids.listed(rows.len());
        if rows.len() != ids.len() {
            let allowed = format!("{}, one for each row", rows.len());
            return Err(Error::argument("ids", ids.len(), allowed));
        }
        let dim = rows.dim();
        self.check_dim(dim)?;
        let old = self.ids.len();
        self.within_budget(old + rows.len(), dim)?;
        self.reserve(old + rows.len(), dim)?;
        let buffer = self.rows.as_mut().expect("reserved");
        let places = buffer.as_mut_slice()[old * dim..].chunks_exact_mut(dim);
        for ((place, i), &id) in places.zip(0..rows.len()).zip(&*ids) {
            // The copy is hashed: the caller's memory may change meanwhile.
            place.copy_from_slice(rows.row(i));
            self.content.add(id, place);
        }
        self.ids.extend_from_slice(&ids);
        Ok(())
    }

    /// Copies about `rows` rows that `read` puts into arrays of ids and floats, some at a time, until
    /// it has no more; it returns how many it put.
    pub(crate) fn fill(
        &mut self,
        rows: usize,
        dim: usize,
        mut read: impl FnMut(&mut [i64], &mut [f32]) -> Result<usize>,
    ) -> Result<()> {
        self.expect(rows, dim)?;
        let (mut ids, mut floats) = (vec![0; BATCH_ROWS], vec![0.0; BATCH_ROWS * dim]);
        loop {
            let read = read(&mut ids, &mut floats)?;
            if read == 0 {
                return Ok(());
            }
            let batch = Rows::new(&floats[..read * dim], read, dim, dim)?;
            self.add(batch, Ids::Given(&ids[..read]))?;
        }
    }

    pub(crate) fn finish(mut self) -> Pulled {
        if let Some(rows) = &mut self.rows {
            rows.truncate(self.ids.len());
        }
        Pulled {
            rows: self.rows,
            ids: self.ids,
            content: self.content,
            snapshot: self.snapshot,
        }
    }

    fn check_dim(&self, dim: usize) -> Result<()> {
        match &self.rows {
            Some(rows) if rows.dim() != dim => Err(rabitq::Error::DimensionMismatch {
                expected: rows.dim(),
                actual: dim,
            }
            .into()),
            _ => Ok(()),
        }
    }

    fn within_budget(&self, rows: usize, dim: usize) -> Result<()> {
        let needed = rows as u64 * dim as u64 * size_of::<f32>() as u64;
        if needed > self.max_bytes {
            return Err(Error::Budget {
                needed,
                allowed: self.max_bytes,
            });
        }
        Ok(())
    }

    /// Grows by halves, so that a pull of unknown length copies each row about twice.
    fn reserve(&mut self, rows: usize, dim: usize) -> Result<()> {
        let room = self.rows.as_ref().map_or(0, VectorBuffer::rows);
        if self.rows.is_some() && rows <= room {
            return Ok(());
        }
        let first = FIRST_BYTES / (dim.max(1) * size_of::<f32>());
        let wanted = match &self.rows {
            Some(_) => rows.max(room + room / 2),
            None => rows.max(if rows == 0 { 0 } else { first }),
        };
        let mut grown = VectorBuffer::new(wanted, dim)?;
        if let Some(old) = &mut self.rows {
            let used = self.ids.len() * dim;
            grown.as_mut_slice()[..used].copy_from_slice(&old.as_mut_slice()[..used]);
        }
        self.rows = Some(grown);
        Ok(())
    }
}

/// Takes what changed in a collection since a generation.
pub struct Changes<'a> {
    upserts: Pull<'a>,
    /// What became of an id last: the place of its row, or none.
    last: HashMap<i64, Option<usize>>,
}

/// What is to be done to the rows of the generation before, each id once.
pub(crate) struct Changed {
    pub(crate) ids: Vec<i64>,
    pub(crate) rows: Vec<f32>,
    pub(crate) dim: usize,
    pub(crate) removed: Vec<i64>,
    pub(crate) snapshot: Option<Generation>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(max_bytes: u64, control: Control<'a>) -> Self {
        Changes {
            upserts: Pull::new(max_bytes, control),
            last: HashMap::new(),
        }
    }

    /// Says which generation the changes lead to.
    pub fn snapshot(&mut self, generation: Generation) {
        self.upserts.snapshot(generation);
    }

    /// Rows that are new, or replace those of the same ids.
    pub fn upsert(&mut self, rows: Rows, ids: Ids) -> Result<()> {
        let first = self.upserts.ids.len();
        self.upserts.add(rows, ids)?;
        let places = self.upserts.ids[first..].iter().zip(first..);
        self.last
            .extend(places.map(|(&id, place)| (id, Some(place))));
        Ok(())
    }

    /// Rows that are gone; ids that never were are passed over.
    pub fn remove(&mut self, ids: &[i64]) {
        self.last.extend(ids.iter().map(|&id| (id, None)));
    }

    pub(crate) fn finish(self) -> Changed {
        let mut upserts = self.upserts.finish();
        let dim = upserts.rows.as_ref().map_or(0, VectorBuffer::dim);
        let all = upserts.rows.as_mut().map(|rows| &*rows.as_mut_slice());
        let mut changed = Changed {
            ids: Vec::new(),
            rows: Vec::new(),
            dim,
            removed: Vec::new(),
            snapshot: upserts.snapshot,
        };
        for (id, place) in self.last {
            match (place, all) {
                (Some(place), Some(all)) => {
                    changed.ids.push(id);
                    changed.rows.extend_from_slice(&all[place * dim..][..dim]);
                }
                _ => changed.removed.push(id),
            }
        }
        changed
    }
}
