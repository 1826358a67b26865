//! Lakes: backends, caches that stay coherent with them, and pulls that the caller drives.

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rabitq::Control;
use rulake::{
    BackendAdapter, CacheStats, Consistency, ExternalChanges, ExternalPull, FederatedHit,
    FsBackend, Generation, LakeOptions, Lease, LocalBackend, Look, Observed, Refresh, RuLake,
};

use crate::abi::{self, ruv_index_options, text};
use crate::bundle::ruv_bundle;
use crate::error::{Failure, ruv_error, write_text};
use crate::handle::{self, Live};
use crate::index::ruv_index;
use crate::panic::guard;
use crate::pointer::{
    optional_out, out as out_pointer, shared, size, slice, slice_mut, write_optional,
};

/// Bytes of `ruv_generation.text`.
pub const RUV_GENERATION_BYTES: usize = 4096;
/// `ruv_generation.kind`: nothing is known.
pub const RUV_GENERATION_NONE: u32 = 0;
/// It is `number`.
pub const RUV_GENERATION_NUMBER: u32 = 1;
/// It is the first `length` bytes of `text`, UTF-8.
pub const RUV_GENERATION_TEXT: u32 = 2;
/// The backend was asked and failed to say.
pub const RUV_GENERATION_FAILED: u32 = 3;

/// A backend's token for one state of a collection.
#[repr(C)]
pub struct ruv_generation {
    /// RUV_GENERATION_*.
    pub kind: u32,
    /// Bytes of `text` in use.
    pub length: u32,
    /// The number.
    pub number: u64,
    /// How long ago the backend had it, in nanoseconds; negative: nobody knows.
    pub age_nanos: i64,
    /// The text, without a NUL.
    pub text: [u8; RUV_GENERATION_BYTES],
}

/// What a lake is made with.
#[repr(C)]
pub struct ruv_lake_options {
    /// How collections are coded; its `dim` and `originals` are ignored.
    pub index: ruv_index_options,
    /// Collections that are cached at most; 0: any number.
    pub max_entries: u64,
    /// Bytes of all cached indexes at most; 0: any number.
    pub max_bytes: u64,
    /// Rows from which a collection is coded as an IVF index instead; 0: never.
    pub ivf_from: u64,
    /// For collections without one of their own.
    pub consistency: ruv_consistency,
}

/// How a search may trust what is cached.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_consistency {
    /// `ruv_consistency_kind`.
    pub kind: u32,
    /// Eventual only: 1 serves what is older than its ttl first, and says that somebody should look.
    pub revalidate: u32,
    /// Eventual only: nanoseconds for which a generation is believed.
    pub ttl_nanos: i64,
    /// Eventual only: nanoseconds for which it is served while its backend does not answer.
    pub max_stale_nanos: i64,
}

/// How a search may trust what is cached.
#[repr(u32)]
pub enum ruv_consistency_kind {
    /// The generation is read within every search.
    Fresh = 0,
    /// It is read again after a time.
    Eventual = 1,
    /// It is never read again.
    Frozen = 2,
}

/// What a search is to be answered from.
#[repr(C)]
pub struct ruv_served {
    /// The number of the state, not 0; another state has another.
    pub state: u64,
    /// Its rows.
    pub rows: u64,
    /// Components of each row; 0: unknown, of a collection without rows.
    pub dim: u32,
    /// 1 where the backend may have a newer generation than was asked for.
    pub stale: u32,
    /// 1 where somebody should prime the collection, because nobody waited for it.
    pub revalidate: u32,
    /// Always 0.
    pub reserved: u32,
    /// Its generation, and when it was confirmed.
    pub generation: ruv_generation,
}

/// What a cache did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ruv_cache_stats {
    /// Searches that found the collection cached, and as new as was asked for.
    pub hits: u64,
    /// Searches that did not.
    pub misses: u64,
    /// Collections pulled and coded.
    pub primes: u64,
    /// Of these, those that took in what had changed and no more.
    pub refreshes: u64,
    /// Cached collections dropped.
    pub invalidations: u64,
    /// Pulls that found their content cached already.
    pub shared_hits: u64,
    /// Collections installed from a saved cache.
    pub warm_installs: u64,
    /// Searches answered from a generation that could not be confirmed.
    pub stale: u64,
    /// Searches that an external backend answered by itself; misses too.
    pub pushed_down: u64,
    /// Nanoseconds of all primes.
    pub prime_nanos: u64,
    /// Nanoseconds of the last prime; of a sum the longest of these.
    pub last_prime_nanos: u64,
    /// Collections that are cached; of a single one 0 or 1.
    pub entries: u64,
    /// Bytes of their indexes; those that several share are counted once.
    pub bytes: u64,
}

/// What `ruv_lake_refresh` found.
#[repr(u32)]
pub enum ruv_refresh {
    /// The sidecar tells of what is cached.
    UpToDate = 0,
    /// It told of something else, and what was cached is dropped.
    Invalidated = 1,
    /// There is no sidecar.
    BundleMissing = 2,
}

enum Backend {
    Local(Arc<LocalBackend>),
    Files(Arc<FsBackend>),
}

/// A source of vectors that a lake calls by itself: memory or a folder of files.
pub struct ruv_backend {
    core: Backend,
    _live: Live,
}

/// A cache over many backends: any number of threads may use it.
pub struct ruv_lake {
    core: Arc<RuLake>,
    _live: Live,
}

enum Pulled {
    Rows(ExternalPull),
    Changes(ExternalChanges),
}

/// Rows of one collection, or changes of it, on their way into a lake: one thread at a time.
pub struct ruv_pull {
    core: Mutex<Pulled>,
    lake: Arc<RuLake>,
    _live: Live,
}

/// A backend's id and a collection's name.
#[derive(Clone, Copy)]
struct Target<'a> {
    backend: &'a str,
    collection: &'a str,
}

impl<'a> Target<'a> {
    /// # Safety
    /// As `text`, for both.
    unsafe fn new(
        backend: *const u8,
        backend_len: usize,
        collection: *const u8,
        collection_len: usize,
    ) -> Result<Self, Failure> {
        // SAFETY: the contract of this function.
        unsafe {
            Ok(Target {
                backend: text(backend, backend_len, "backend")?,
                collection: text(collection, collection_len, "collection")?,
            })
        }
    }
}

fn nanos(value: i64, name: &'static str) -> Result<Duration, Failure> {
    let nanos = u64::try_from(value).map_err(|_| Failure::argument(name, value, "0 or more"))?;
    Ok(Duration::from_nanos(nanos))
}

fn consistency(c: &ruv_consistency) -> Result<Consistency, Failure> {
    match c.kind {
        0 => Ok(Consistency::Fresh),
        1 => Ok(Consistency::Eventual {
            ttl: nanos(c.ttl_nanos, "ttl")?,
            max_stale: nanos(c.max_stale_nanos, "max_stale")?,
            revalidate: abi::flag(c.revalidate, "revalidate")?,
        }),
        2 => Ok(Consistency::Frozen),
        kind => Err(Failure::argument("consistency.kind", kind, "0 to 2")),
    }
}

impl ruv_generation {
    /// The generation, if it is known, and how long ago it was read.
    fn read(&self) -> Result<Option<(Generation, Duration)>, Failure> {
        let generation = match self.kind {
            RUV_GENERATION_NONE | RUV_GENERATION_FAILED => return Ok(None),
            RUV_GENERATION_NUMBER => Generation::Num(self.number),
            RUV_GENERATION_TEXT => {
                let bytes = self.text.get(..self.length as usize).ok_or_else(|| {
                    let allowed = format!("at most {RUV_GENERATION_BYTES}");
                    Failure::argument("generation.length", self.length, allowed)
                })?;
                let text = std::str::from_utf8(bytes)
                    .map_err(|error| Failure::argument("generation.text", error, "UTF-8"))?;
                Generation::Text(text.into())
            }
            kind => return Err(Failure::argument("generation.kind", kind, "0 to 3")),
        };
        Ok(Some((generation, nanos(self.age_nanos, "generation.age")?)))
    }

    /// # Safety
    /// `out` is valid for writes; nothing but its header and used text is written.
    unsafe fn write(out: *mut ruv_generation, generation: &Generation, age: Option<Duration>) {
        let (kind, number, text) = match generation {
            Generation::Num(number) => (RUV_GENERATION_NUMBER, *number, ""),
            Generation::Text(text) => (RUV_GENERATION_TEXT, 0, text.as_str()),
        };
        let length = text.len().min(RUV_GENERATION_BYTES);
        let age = age.map_or(-1, |age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        // SAFETY: the contract of this function; the text is the caller's memory, apart from ours.
        unsafe {
            (&raw mut (*out).kind).write(kind);
            (&raw mut (*out).length).write(length as u32);
            (&raw mut (*out).number).write(number);
            (&raw mut (*out).age_nanos).write(age);
            (&raw mut (*out).text)
                .cast::<u8>()
                .copy_from_nonoverlapping(text.as_ptr(), length);
        }
    }
}

/// # Safety
/// `options` is NULL or readable.
unsafe fn lake_options(options: *const ruv_lake_options) -> Result<LakeOptions, Failure> {
    // SAFETY: the contract of this function.
    let c = unsafe { shared(options, "options")? };
    let index = ruv_index_options {
        dim: 1,
        originals: 0,
        ..c.index
    };
    let unlimited = |value: u64| if value == 0 { u64::MAX } else { value };
    Ok(LakeOptions {
        // SAFETY: a struct of ours.
        index: unsafe { abi::options(&index)? },
        ivf_from: unlimited(c.ivf_from),
        max_entries: size(unlimited(c.max_entries), "max_entries")?,
        max_bytes: unlimited(c.max_bytes),
        consistency: consistency(&c.consistency)?,
    })
}

/// Gives the caller a lake without backends to free. ARGUMENT.
///
/// # Safety
/// `options` is NULL or readable; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_new(
    options: *const ruv_lake_options,
    out: *mut *mut ruv_lake,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let core = Arc::new(RuLake::new(lake_options(options)?)?);
            handle::give(
                out,
                ruv_lake {
                    core,
                    _live: Live::new(),
                },
            )
        })
    }
}

/// Frees a lake; NULL is nothing to do. Indexes that it gave and pulls into it stay usable.
///
/// # Safety
/// `lake` is NULL or a live lake that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_free(lake: *mut ruv_lake) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(lake) }
}

/// Gives the caller a backend in memory, without collections, to free. ARGUMENT.
///
/// # Safety
/// `id` has `id_len` readable bytes; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_local(
    id: *const u8,
    id_len: usize,
    out: *mut *mut ruv_backend,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let core = Arc::new(LocalBackend::new(text(id, id_len, "id")?)?);
            handle::give(out, ruv_backend::new(Backend::Local(core)))
        })
    }
}

/// Gives the caller a backend over the `ruvec1` files of the folder `root`, which is made where
/// there is none, to free. ARGUMENT, PERSIST.
///
/// # Safety
/// `id` and `root` have `id_len` and `root_len` readable bytes; `out` and `err` are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_files(
    id: *const u8,
    id_len: usize,
    root: *const u8,
    root_len: usize,
    out: *mut *mut ruv_backend,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let out = handle::place(out)?;
            let (id, root) = (text(id, id_len, "id")?, abi::path(root, root_len)?);
            let core = Arc::new(FsBackend::new(id, root)?);
            handle::give(out, ruv_backend::new(Backend::Files(core)))
        })
    }
}

/// Frees a backend; NULL is nothing to do. Lakes that it is registered with keep it.
///
/// # Safety
/// `backend` is NULL or a live backend that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_free(backend: *mut ruv_backend) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(backend) }
}

impl ruv_backend {
    fn new(core: Backend) -> Self {
        ruv_backend {
            core,
            _live: Live::new(),
        }
    }

    fn adapter(&self) -> Arc<dyn BackendAdapter> {
        match &self.core {
            Backend::Local(core) => core.clone(),
            Backend::Files(core) => core.clone(),
        }
    }

    fn local(&self) -> Result<&LocalBackend, Failure> {
        match &self.core {
            Backend::Local(core) => Ok(core),
            Backend::Files(_) => Err(Failure::argument(
                "backend",
                "a folder of files",
                "a backend in memory: files are replaced whole",
            )),
        }
    }
}

/// Makes the rows of a collection the caller's, whatever it held; of a folder it writes the file
/// `<collection>.ruvec1`, whole or not at all. Otherwise as `ruv_index_add`; PERSIST.
///
/// # Safety
/// `backend` is live; `collection` has `collection_len` readable bytes; `data` has the rows, `ids` an
/// id for each; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_replace(
    backend: *const ruv_backend,
    collection: *const u8,
    collection_len: usize,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let backend = shared(backend, "backend")?;
            let name = text(collection, collection_len, "collection")?;
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let ids = abi::ids(ids, first_id, rows.len())?;
            match &backend.core {
                Backend::Local(core) => core.replace(name, rows, ids)?,
                Backend::Files(core) => core.write(name, rows, ids)?,
            }
            Ok(())
        })
    }
}

/// Adds the caller's rows to a collection in memory, in place of those of the same ids; makes the
/// collection where there is none. Otherwise as `ruv_index_add`.
///
/// # Safety
/// As `ruv_backend_replace`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_upsert(
    backend: *const ruv_backend,
    collection: *const u8,
    collection_len: usize,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let backend = shared(backend, "backend")?.local()?;
            let name = text(collection, collection_len, "collection")?;
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let ids = abi::ids(ids, first_id, rows.len())?;
            Ok(backend.upsert(name, rows, ids)?)
        })
    }
}

/// Removes rows of a collection in memory; `removed`, unless NULL, gets how many were there.
/// UNKNOWN_COLLECTION.
///
/// # Safety
/// `backend` is live; `collection` has `collection_len` readable bytes, `ids` has `n` ids; `removed`
/// and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_remove(
    backend: *const ruv_backend,
    collection: *const u8,
    collection_len: usize,
    ids: *const i64,
    n: u64,
    removed: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let backend = shared(backend, "backend")?.local()?;
            let name = text(collection, collection_len, "collection")?;
            let (ids, place) = (
                slice(ids, size(n, "n")?, "ids")?,
                optional_out(removed, "removed")?,
            );
            let count = backend.remove(name, ids)?;
            write_optional(place, count);
            Ok(())
        })
    }
}

/// Forgets a collection in memory; `dropped` gets 1 if there was one, else 0.
///
/// # Safety
/// `backend` is live; `collection` has `collection_len` readable bytes; `dropped` and `err` are NULL
/// or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_drop(
    backend: *const ruv_backend,
    collection: *const u8,
    collection_len: usize,
    dropped: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let place = out_pointer(dropped, "dropped")?;
            let backend = shared(backend, "backend")?.local()?;
            let name = text(collection, collection_len, "collection")?;
            place.write(backend.drop_collection(name).into());
            Ok(())
        })
    }
}

/// Names a collection of a folder by a file in it, whether that is there yet or not. ARGUMENT (a
/// name that would leave the folder).
///
/// # Safety
/// `backend` is live; the texts have their readable bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_register_file(
    backend: *const ruv_backend,
    collection: *const u8,
    collection_len: usize,
    file: *const u8,
    file_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let name = text(collection, collection_len, "collection")?;
            let file = text(file, file_len, "file")?;
            match &shared(backend, "backend")?.core {
                Backend::Files(core) => Ok(core.register(name, file)?),
                Backend::Local(_) => Err(Failure::argument("backend", "in memory", "a folder")),
            }
        })
    }
}

/// Writes names, one a line, into the caller's `text` of `capacity` bytes, and the bytes that they
/// take, without a NUL, into `length`; where that is more, nothing is written.
///
/// # Safety
/// `out` has room for `capacity` bytes; `length` came from `out_pointer`.
unsafe fn lines(
    names: &[impl AsRef<str>],
    out: *mut c_char,
    capacity: usize,
    length: std::ptr::NonNull<u64>,
) {
    let joined = names
        .iter()
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join("\n");
    // SAFETY: the contract of this function.
    unsafe {
        length.write(joined.len() as u64);
        if joined.len() < capacity {
            write_text(out, capacity, &joined);
        }
    }
}

/// Writes the names of the backend's collections, sorted, one a line, into the caller's `text` of
/// `capacity` bytes and a NUL after them; `length` gets the bytes without it. Where these do not fit
/// nothing is written: ask again. PERSIST.
///
/// # Safety
/// `backend` is live; `text` is NULL or has `capacity` bytes; `length` and `err` are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_backend_collections(
    backend: *const ruv_backend,
    text: *mut c_char,
    capacity: usize,
    length: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let length = out_pointer(length, "length")?;
            let mut names = shared(backend, "backend")?.adapter().collections()?;
            names.sort();
            lines(&names, text, capacity, length);
            Ok(())
        })
    }
}

/// Adds the caller's backend to a lake, which keeps it. DUPLICATE_BACKEND.
///
/// # Safety
/// Both handles are live; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_register(
    lake: *const ruv_lake,
    backend: *const ruv_backend,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let adapter = shared(backend, "backend")?.adapter();
            Ok(shared(lake, "lake")?.core.register_backend(adapter)?)
        })
    }
}

/// Adds a backend whose generations and rows the caller brings. ARGUMENT, DUPLICATE_BACKEND.
///
/// # Safety
/// `lake` is live; `id` has `id_len` readable bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_register_external(
    lake: *const ruv_lake,
    id: *const u8,
    id_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let id = text(id, id_len, "id")?;
            Ok(shared(lake, "lake")?.core.register_external(id)?)
        })
    }
}

/// Takes a backend away with all that is cached of it; `found` gets 1 if it was there, else 0.
///
/// # Safety
/// `lake` is live; `id` has `id_len` readable bytes; `found` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_unregister(
    lake: *const ruv_lake,
    id: *const u8,
    id_len: usize,
    found: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let place = out_pointer(found, "found")?;
            let id = text(id, id_len, "id")?;
            place.write(shared(lake, "lake")?.core.unregister_backend(id).into());
            Ok(())
        })
    }
}

/// Sets how one collection may be trusted; `consistency` NULL: as the lake. UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `consistency` is NULL or readable; `err` is
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_set_consistency(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    consistency: *const ruv_consistency,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = shared(lake, "lake")?;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let wanted = match consistency.is_null() {
                true => None,
                false => Some(self::consistency(shared(consistency, "consistency")?)?),
            };
            Ok(lake.core.set_consistency(t.backend, t.collection, wanted)?)
        })
    }
}

/// Writes what a search of a collection is to be answered from into the caller's `served`, once it
/// is cached as new as its consistency asks; backends of the lake's own are asked and pulled
/// meanwhile. If its state is not `known_state`, `out` gets an index of it to free, or NULL where it
/// has no rows and no dimension; otherwise NULL. `observed` says what the caller knows of the
/// generation; NULL: nothing; `pulled` 1 that it has pulled the collection for this search, which
/// counts it as a miss. `cancel` is read while the call runs; `deadline_nanos` as in
/// `ruv_search`. NEEDS_GENERATION and NEEDS_PRIME say what the caller is to bring of an external
/// backend. UNKNOWN_BACKEND, UNKNOWN_COLLECTION, BACKEND, BUDGET, PINNED, CANCELLED, DEADLINE.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `observed` and `cancel` are NULL or readable;
/// `served`, `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_look(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    observed: *const ruv_generation,
    pulled: u32,
    known_state: u64,
    cancel: *const i32,
    deadline_nanos: i64,
    served: *mut ruv_served,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (lake, out) = (shared(lake, "lake")?, handle::place(out)?);
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let served = out_pointer(served, "served")?;
            let control = abi::timed_control(cancel, deadline_nanos)?;
            let pulled = abi::flag(pulled, "pulled")?;
            let lease = look(&lake.core, t, observed, pulled, &control)?;
            give(&lease, known_state, served, out)
        })
    }
}

/// # Safety
/// `served` and `out` are writable.
unsafe fn give(
    lease: &Lease,
    known_state: u64,
    served: std::ptr::NonNull<ruv_served>,
    out: std::ptr::NonNull<*mut ruv_index>,
) -> Result<(), Failure> {
    // SAFETY: the contract of this function.
    unsafe {
        write_served(served.as_ptr(), lease);
        match lease.index() {
            Some(index) if lease.state() != known_state => {
                handle::give(out, ruv_index::new(index.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// # Safety
/// `observed` is NULL or readable.
unsafe fn look(
    lake: &RuLake,
    t: Target,
    observed: *const ruv_generation,
    pulled: bool,
    control: &Control,
) -> Result<Lease, Failure> {
    let given = match observed.is_null() {
        true => None,
        // SAFETY: the contract of this function.
        false => Some(unsafe { shared(observed, "observed")? }),
    };
    let known = given.map(ruv_generation::read).transpose()?.flatten();
    let observed = match (&known, given) {
        (Some((generation, age)), _) if pulled => Observed::Pulled(generation, *age),
        (Some((generation, age)), _) => Observed::Generation(generation, *age),
        (None, Some(given)) if given.kind == RUV_GENERATION_FAILED => Observed::Failure,
        _ => Observed::Nothing,
    };
    match lake.look(t.backend, t.collection, observed, control)? {
        Look::Ready(lease) => Ok(lease),
        Look::NeedsGeneration => Err(Failure::needs_generation()),
        Look::NeedsPrime => Err(Failure::needs_prime()),
    }
}

/// # Safety
/// `out` is valid for writes.
unsafe fn write_served(out: *mut ruv_served, lease: &Lease) {
    // SAFETY: the contract of this function.
    unsafe {
        (&raw mut (*out).state).write(lease.state());
        (&raw mut (*out).rows).write(lease.index().map_or(0, |index| index.info().rows));
        (&raw mut (*out).dim).write(lease.dim() as u32);
        (&raw mut (*out).stale).write(lease.stale.into());
        (&raw mut (*out).revalidate).write(lease.revalidate.into());
        (&raw mut (*out).reserved).write(0);
        ruv_generation::write(&raw mut (*out).generation, lease.generation(), lease.age);
    }
}

/// Caches the newest state of a collection of a backend that the lake calls by itself. As
/// `ruv_lake_look`.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `cancel` is NULL or readable; `err` is
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_prime(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    cancel: *const i32,
    deadline_nanos: i64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let control = abi::timed_control(cancel, deadline_nanos)?;
            Ok(lake.prime(t.backend, t.collection, &control)?)
        })
    }
}

/// Gives the caller a pull of an external backend's collection, to commit or to free; the lake serves
/// nothing of it before. UNKNOWN_BACKEND, ARGUMENT.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `out` and `err` are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_begin(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    out: *mut *mut ruv_pull,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let out = handle::place(out)?;
            let pull = lake.begin_pull(t.backend, t.collection)?;
            handle::give(out, ruv_pull::new(lake.clone(), Pulled::Rows(pull)))
        })
    }
}

/// Gives the caller a pull of what changed in an external backend's collection, and writes the
/// generation since which into the caller's `since`; NULL where nothing is cached that changes could
/// be made to. UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `since`, `out` and `err` are
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_begin_changes(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    since: *mut ruv_generation,
    out: *mut *mut ruv_pull,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let (out, since) = (handle::place(out)?, out_pointer(since, "since")?);
            let Some((changes, generation)) = lake.begin_changes(t.backend, t.collection)? else {
                return Ok(());
            };
            ruv_generation::write(since.as_ptr(), &generation, None);
            handle::give(out, ruv_pull::new(lake.clone(), Pulled::Changes(changes)))
        })
    }
}

impl ruv_pull {
    fn new(lake: Arc<RuLake>, pulled: Pulled) -> Self {
        ruv_pull {
            core: Mutex::new(pulled),
            lake,
            _live: Live::new(),
        }
    }

    /// Runs a change, after which the pull is poisoned if it panics.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Pulled) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        change(&mut *self.core.lock().map_err(|_| Failure::poisoned())?)
    }
}

/// Says about how many rows the caller's pull brings, so that memory is taken once; of changes it is
/// ignored. ARGUMENT, DIMENSION_MISMATCH, BUDGET, OUT_OF_MEMORY.
///
/// # Safety
/// `pull` is live; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_expect(
    pull: *const ruv_pull,
    rows: u64,
    dim: u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            abi::dim(dim)?;
            let rows = size(rows, "rows")?;
            shared(pull, "pull")?.change(|pulled| match pulled {
                Pulled::Rows(rows_) => Ok(rows_.pull.expect(rows, dim as usize)?),
                Pulled::Changes(_) => Ok(()),
            })
        })
    }
}

/// Says which generation all rows of the caller's pull belong to, or its changes lead to. ARGUMENT.
///
/// # Safety
/// `pull` is live; `generation` is NULL or readable; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_snapshot(
    pull: *const ruv_pull,
    generation: *const ruv_generation,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let known = shared(generation, "generation")?.read()?;
            let (generation, _) =
                known.ok_or_else(|| Failure::argument("generation", "none", "one"))?;
            shared(pull, "pull")?.change(|pulled| {
                match pulled {
                    Pulled::Rows(rows) => rows.pull.snapshot(generation),
                    Pulled::Changes(changes) => changes.changes.snapshot(generation),
                }
                Ok(())
            })
        })
    }
}

/// Copies the caller's `rows` rows of `dim` floats, `stride` bytes apart; of changes they replace
/// those of the same ids. `ids` has one id a row, NULL: first_id, first_id + 1, ...
/// DIMENSION_MISMATCH, BUDGET, OUT_OF_MEMORY, POISONED.
///
/// # Safety
/// `pull` is live; `data` has the rows, `ids` an id for each; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_add(
    pull: *const ruv_pull,
    data: *const f32,
    rows: u64,
    dim: u32,
    stride: u64,
    ids: *const i64,
    first_id: i64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let rows = abi::rows(data, rows, dim, stride, "data")?;
            let ids = abi::ids(ids, first_id, rows.len())?;
            shared(pull, "pull")?.change(|pulled| match pulled {
                Pulled::Rows(to) => Ok(to.pull.add(rows, ids)?),
                Pulled::Changes(to) => Ok(to.changes.upsert(rows, ids)?),
            })
        })
    }
}

/// Says that the rows of the caller's `n` ids are gone; for a pull of changes. ARGUMENT.
///
/// # Safety
/// `pull` is live; `ids` has `n` ids; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_remove(
    pull: *const ruv_pull,
    ids: *const i64,
    n: u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let ids = slice(ids, size(n, "n")?, "ids")?;
            shared(pull, "pull")?.change(|pulled| match pulled {
                Pulled::Changes(changes) => {
                    changes.changes.remove(ids);
                    Ok(())
                }
                Pulled::Rows(_) => Err(Failure::argument("pull", "of rows", "of changes")),
            })
        })
    }
}

/// Codes what the caller's pull brought and lets the lake serve it: as its snapshot, or else as
/// `generation`, which may otherwise be NULL. The pull is consumed, also on error, which changes
/// nothing. NEEDS_PRIME says that so much has changed that the collection is to be pulled. ARGUMENT,
/// INVALID_VECTOR, DUPLICATE_ID, BUDGET, PINNED, UNKNOWN_BACKEND (it left meanwhile), CANCELLED,
/// OUT_OF_MEMORY.
///
/// # Safety
/// `pull` is NULL or live and no other call uses it; `generation` and `cancel` are NULL or readable;
/// `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_commit(
    pull: *mut ruv_pull,
    generation: *const ruv_generation,
    cancel: *const i32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let pull = handle::take(pull, "pull")?;
            let known = self::generation(generation)?;
            let control = abi::control(cancel)?;
            let pulled = pull.core.into_inner().map_err(|_| Failure::poisoned())?;
            let done = match pulled {
                Pulled::Rows(rows) => {
                    pull.lake.commit_pull(rows, known, &control)?;
                    true
                }
                Pulled::Changes(changes) => pull.lake.commit_changes(changes)?,
            };
            if done {
                Ok(())
            } else {
                Err(Failure::needs_prime())
            }
        })
    }
}

/// Frees a pull that was not committed; NULL is nothing to do.
///
/// # Safety
/// `pull` is NULL or a live pull that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_pull_free(pull: *mut ruv_pull) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(pull) }
}

/// Writes 1 into `cached` if any state of the collection is cached, else 0. UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `cached` and `err` are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_is_cached(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    cached: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let place = out_pointer(cached, "cached")?;
            place.write(lake.is_cached(t.backend, t.collection)?.into());
            Ok(())
        })
    }
}

/// Drops what is cached of a collection, also of a frozen one; `dropped` gets 1 if there was anything,
/// else 0. UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `dropped` and `err` are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_invalidate(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    dropped: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let place = out_pointer(dropped, "dropped")?;
            place.write(lake.invalidate_cache(t.backend, t.collection)?.into());
            Ok(())
        })
    }
}

/// Writes the witness of what is cached of a collection, 64 hex digits and a NUL, into the caller's
/// `witness` of at least 65 bytes; NOT_CACHED. UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `witness` is NULL or has `capacity`
/// bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_witness(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    witness: *mut c_char,
    capacity: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            match lake.cache_witness_of(t.backend, t.collection)? {
                Some(text) => {
                    write_text(witness, capacity, &text);
                    Ok(())
                }
                None => Err(Failure::not_cached(t.backend, t.collection)),
            }
        })
    }
}

/// Writes `current` 1 if what is cached of a collection is of the generation that its backend has now,
/// else 0; nothing is pulled. Backends of the lake's own are asked; of an external one the caller
/// brings it as `observed`. UNKNOWN_BACKEND, UNKNOWN_COLLECTION, BACKEND, ARGUMENT, CANCELLED, DEADLINE.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `observed` and `cancel` are NULL or readable;
/// `current` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_is_current(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    observed: *const ruv_generation,
    cancel: *const i32,
    deadline_nanos: i64,
    current: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let place = out_pointer(current, "current")?;
            let control = abi::timed_control(cancel, deadline_nanos)?;
            let known = generation(observed)?;
            let found = lake.is_current(t.backend, t.collection, known, &control)?;
            place.write(found.into());
            Ok(())
        })
    }
}

/// # Safety
/// `observed` is NULL or readable.
unsafe fn generation(
    observed: *const ruv_generation,
) -> Result<Option<(Generation, Duration)>, Failure> {
    match observed.is_null() {
        true => Ok(None),
        // SAFETY: the contract of this function.
        false => unsafe { shared(observed, "observed")? }.read(),
    }
}

/// Counts a search that missed and that an external backend has answered by itself. UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `err` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_pushed_down(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            Ok(lake.count_pushed_down(t.backend, t.collection)?)
        })
    }
}

/// Writes the fields of a sidecar of what a search would now be answered from into the caller's `out`.
/// `observed`, `cancel` and `deadline_nanos` as in `ruv_lake_look`; BUNDLE.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `observed` and `cancel` are NULL or
/// readable; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_bundle(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    observed: *const ruv_generation,
    cancel: *const i32,
    deadline_nanos: i64,
    out: *mut ruv_bundle,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let out = out_pointer(out, "out")?;
            let control = abi::timed_control(cancel, deadline_nanos)?;
            let lease = look(lake, t, observed, false, &control)?;
            let bundle = lake.bundle(t.backend, t.collection, &lease)?;
            ruv_bundle::write(out.as_ptr(), &bundle)
        })
    }
}

/// Drops what is cached of a collection if the caller's sidecar, of the folder `dir`, tells of another
/// state; `found` gets a `ruv_refresh`. BUNDLE, UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `bundle` is NULL or readable; `found` and `err`
/// are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_refresh(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    bundle: *const ruv_bundle,
    dir: *const u8,
    dir_len: usize,
    found: *mut u32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let (dir, place) = (abi::path(dir, dir_len)?, out_pointer(found, "found")?);
            let bundle = shared(bundle, "bundle")?.read()?;
            let refresh = lake.refresh(t.backend, t.collection, &bundle, dir)?;
            place.write(match refresh {
                Refresh::UpToDate => ruv_refresh::UpToDate,
                Refresh::Invalidated => ruv_refresh::Invalidated,
                Refresh::BundleMissing => ruv_refresh::BundleMissing,
            } as u32);
            Ok(())
        })
    }
}

/// Saves the index that is cached of a collection to the folder `dir`, and writes the fields of its
/// sidecar into the caller's `out`, to be written last. `hashed` 1: they vouch for the file, byte by
/// byte. NOT_CACHED, PERSIST, BUNDLE, UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `out` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_save(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    dir: *const u8,
    dir_len: usize,
    hashed: u32,
    out: *mut ruv_bundle,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let (dir, out) = (abi::path(dir, dir_len)?, out_pointer(out, "out")?);
            let hashed = abi::flag(hashed, "hashed")?;
            let bundle = lake.save(t.backend, t.collection, dir, hashed)?;
            ruv_bundle::write(out.as_ptr(), &bundle)
        })
    }
}

/// Caches what was saved of a collection in the folder `dir` with the caller's sidecar, and writes what
/// that is into the caller's `served`; `out` gets an index of it to free. The backend is not asked.
/// BUNDLE, PERSIST, BUDGET, PINNED, UNKNOWN_BACKEND.
///
/// # Safety
/// `lake` is live; the texts have their readable bytes; `bundle` is NULL or readable; `served`, `out` and
/// `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_warm(
    lake: *const ruv_lake,
    backend: *const u8,
    backend_len: usize,
    collection: *const u8,
    collection_len: usize,
    bundle: *const ruv_bundle,
    dir: *const u8,
    dir_len: usize,
    served: *mut ruv_served,
    out: *mut *mut ruv_index,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (lake, out) = (&shared(lake, "lake")?.core, handle::place(out)?);
            let t = Target::new(backend, backend_len, collection, collection_len)?;
            let (dir, served) = (abi::path(dir, dir_len)?, out_pointer(served, "served")?);
            let bundle = shared(bundle, "bundle")?.read()?;
            let warmed = lake.warm(t.backend, t.collection, bundle, dir)?;
            give(&warmed, 0, served, out)
        })
    }
}

impl From<CacheStats> for ruv_cache_stats {
    fn from(s: CacheStats) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        ruv_cache_stats {
            hits: s.hits,
            misses: s.misses,
            primes: s.primes,
            refreshes: s.refreshes,
            invalidations: s.invalidations,
            shared_hits: s.shared_hits,
            warm_installs: s.warm_installs,
            stale: s.stale,
            pushed_down: s.pushed_down,
            prime_nanos: nanos(s.prime_time),
            last_prime_nanos: nanos(s.last_prime),
            entries: s.entries,
            bytes: s.bytes,
        }
    }
}

/// Writes what the cache did, over all backends that are or were there, into the caller's `total`,
/// and for each collection of those that are there into its `each`, in the order of the names, which
/// are written to `names`, two lines each: the backend's id and the collection. `count` gets the
/// number of collections and `length` the bytes of the names without the NUL after them; where
/// either does not fit, neither is written: ask again.
///
/// # Safety
/// `lake` is live; `each` has room for `places` structs, `names` for `capacity` bytes; `total`,
/// `count`, `length` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_lake_stats(
    lake: *const ruv_lake,
    total: *mut ruv_cache_stats,
    each: *mut ruv_cache_stats,
    places: u64,
    count: *mut u64,
    names: *mut c_char,
    capacity: usize,
    length: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let lake = &shared(lake, "lake")?.core;
            let (total, count) = (out_pointer(total, "total")?, out_pointer(count, "count")?);
            let length = out_pointer(length, "length")?;
            let all = lake.cache_stats_by_collection();
            total.write(lake.cache_stats().into());
            count.write(all.len() as u64);
            let both = all
                .iter()
                .flat_map(|(backend, collection, _)| [backend, collection]);
            lines(&both.collect::<Vec<_>>(), names, capacity, length);
            if all.len() as u64 <= places {
                let each = slice_mut(each, all.len(), "each")?;
                for (to, (_, _, stats)) in each.iter_mut().zip(all) {
                    *to = stats.into();
                }
            }
            Ok(())
        })
    }
}

/// Leaves the `k` nearest of the caller's `n` hits of several results in its arrays, nearest first,
/// ties by id, then by the result's number in `parts`, and writes how many into `hits`; with
/// `replicas` 1, hits of one id are one. ARGUMENT.
///
/// # Safety
/// `ids`, `scores` and `parts` have `n` values; `hits` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_merge(
    ids: *mut i64,
    scores: *mut f32,
    parts: *mut u32,
    n: u64,
    k: u32,
    replicas: u32,
    hits: *mut u64,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (n, place) = (size(n, "n")?, out_pointer(hits, "hits")?);
            let (ids, scores) = (slice_mut(ids, n, "ids")?, slice_mut(scores, n, "scores")?);
            let parts = slice_mut(parts, n, "parts")?;
            let each = ids.iter().zip(&*scores).zip(&*parts);
            let mut all = each
                .map(|((&id, &score), &part)| FederatedHit { part, id, score })
                .collect();
            rulake::merge(&mut all, k as usize, abi::flag(replicas, "replicas")?);
            for (i, hit) in all.iter().enumerate() {
                (ids[i], scores[i], parts[i]) = (hit.id, hit.score, hit.part);
            }
            place.write(all.len() as u64);
            Ok(())
        })
    }
}
