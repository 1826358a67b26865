use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use rabitq::{Ids, Rows};

use crate::backend::BackendAdapter;
use crate::error::{Error, Result};
use crate::file_generation::FileGeneration;
use crate::generation::Generation;
use crate::lock::lock;
use crate::names;
use crate::pull::Pull;
use crate::ruvec::{RuvecFile, write_ruvec};

/// What a file is called whose stem is its collection's name.
const EXTENSION: &str = "ruvec1";

/// Vectors in a folder of `ruvec1` files: `NAME.ruvec1` is the collection NAME, other files are
/// collections once they are registered.
pub struct FsBackend {
    id: String,
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// File names by collections.
    files: HashMap<String, String>,
    /// What each collection's file was when it was last looked at.
    known: HashMap<String, FileGeneration>,
}

impl FsBackend {
    /// The collections of a folder, which is made where there is none.
    pub fn new(id: &str, root: &Path) -> Result<Self> {
        names::check_backend(id)?;
        fs::create_dir_all(root).map_err(|e| Error::file(root, e))?;
        Ok(FsBackend {
            id: id.into(),
            root: root.into(),
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Names a collection by a file of the folder, whether that is there yet or not.
    pub fn register(&self, collection: &str, file: &str) -> Result<()> {
        names::check_collection(collection)?;
        names::check_file(file)?;
        let mut state = self.lock();
        state.known.remove(collection);
        state.files.insert(collection.into(), file.into());
        Ok(())
    }

    fn path_of(&self, collection: &str) -> Result<PathBuf> {
        let registered = self.lock().files.get(collection).cloned();
        let file = registered.unwrap_or_else(|| format!("{collection}.{EXTENSION}"));
        names::check_file(&file)?;
        Ok(self.root.join(file))
    }

    /// Writes the file of a collection, whole or not at all: of rows that no index could hold, nothing.
    pub fn write(&self, collection: &str, rows: Rows, ids: Ids) -> Result<()> {
        names::check_collection(collection)?;
        let path = self.path_of(collection)?;
        // What no pull of the file could take is not to replace what one can.
        rabitq::check_rows(rows, &ids)?;
        let ids = ids.listed(rows.len());
        let floats: Vec<f32> = (0..rows.len()).flat_map(|i| rows.row(i)).copied().collect();
        let before = RuvecFile::open(&path).map_or(0, |file| file.sequence());
        let sequence = NonZeroU32::new(before.wrapping_add(1)).unwrap_or(NonZeroU32::MIN);
        write_ruvec(&path, rows.dim(), &ids, &floats, sequence)
    }

    fn failure(&self, collection: &str, path: &Path, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::NotFound {
            return Error::UnknownCollection {
                backend: self.id.clone(),
                collection: collection.into(),
            };
        }
        Error::file(path, error)
    }

    fn known(&self, collection: &str) -> Option<FileGeneration> {
        self.lock().known.get(collection).cloned()
    }

    /// What an open file of a collection is now, given what was known of it.
    fn look(
        &self,
        collection: &str,
        path: &Path,
        file: &RuvecFile,
        known: Option<&FileGeneration>,
    ) -> Result<FileGeneration> {
        FileGeneration::read(file.file(), SystemTime::now(), known)
            .map_err(|e| self.failure(collection, path, &e))
    }
}

impl BackendAdapter for FsBackend {
    fn id(&self) -> &str {
        &self.id
    }

    fn collections(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.root).map_err(|e| Error::file(&self.root, e))?;
        let mut present = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(|e| Error::file(&self.root, e))?;
            present.extend(entry.file_name().into_string());
        }
        let state = self.lock();
        let registered = state
            .files
            .iter()
            .filter(|(_, file)| present.contains(*file));
        let by_stem = present.iter().filter_map(|file| {
            let stem = file.strip_suffix(EXTENSION)?.strip_suffix('.')?;
            let plain = names::check_file(file).is_ok() && !state.files.contains_key(stem);
            plain.then(|| stem.to_owned())
        });
        Ok(registered
            .map(|(name, _)| name.clone())
            .chain(by_stem)
            .collect())
    }

    fn generation(&self, collection: &str) -> Result<Generation> {
        let path = self.path_of(collection)?;
        let known = self.known(collection);
        let read = FileGeneration::read_path(&path, SystemTime::now(), known.as_ref())
            .map_err(|e| self.failure(collection, &path, &e))?;
        let generation = read.generation();
        self.lock().known.insert(collection.into(), read);
        Ok(generation)
    }

    fn pull(&self, collection: &str, pull: &mut Pull) -> Result<()> {
        let path = self.path_of(collection)?;
        let mut file = RuvecFile::open(&path)?;
        let known = self.known(collection);
        let before = self.look(collection, &path, &file, known.as_ref())?;
        let (rows, dim) = (file.rows() as usize, file.dim());
        pull.fill(rows, dim, |ids, floats| file.read_batch(ids, floats))?;
        let after = self.look(collection, &path, &file, Some(&before))?;
        if after != before {
            return Err(Error::Backend {
                backend: self.id.clone(),
                collection: collection.into(),
                reason: format!("{} changed while it was read", path.display()),
                transient: true,
            });
        }
        pull.snapshot(before.generation());
        self.lock().known.insert(collection.into(), after);
        Ok(())
    }

    fn recall(&self, collection: &str, generation: &Generation) {
        if let Some(known) = FileGeneration::parse(generation) {
            self.lock().known.insert(collection.into(), known);
        }
    }

    fn data_ref(&self, collection: &str) -> String {
        let path = self.path_of(collection);
        let path = path.unwrap_or_else(|_| self.root.join(collection));
        format!("file://{}", path.display())
    }
}
