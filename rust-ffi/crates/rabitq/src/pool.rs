use std::sync::{Mutex, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

const MAX_THREADS: usize = 8;
const VARIABLE: &str = "RUVECTOR_THREADS";

static POOL: OnceLock<ThreadPool> = OnceLock::new();
static WANTED: Mutex<Option<usize>> = Mutex::new(None);

/// Sets the size of the pool for builds and batch searches, 1 to 1,024. It starts with its first use
/// and keeps its size from then on; before that, the default is `RUVECTOR_THREADS` or min(8, cores).
pub fn configure_threads(threads: usize) -> Result<()> {
    if !(1..=1024).contains(&threads) {
        return Err(Error::argument("threads", threads, "1 to 1024"));
    }
    *WANTED.lock().unwrap_or_else(|e| e.into_inner()) = Some(threads);
    match POOL.get() {
        Some(pool) if pool.current_num_threads() != threads => Err(Error::Unsupported {
            what: format!(
                "the pool runs with {} threads already: configure it first",
                pool.current_num_threads()
            ),
        }),
        _ => Ok(()),
    }
}

/// Runs `work` on the pool.
pub(crate) fn install<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    POOL.get_or_init(start).install(work)
}

/// Threads of the pool.
pub(crate) fn threads() -> usize {
    POOL.get_or_init(start).current_num_threads()
}

fn start() -> ThreadPool {
    let wanted = *WANTED.lock().unwrap_or_else(|e| e.into_inner());
    let variable = || {
        std::env::var(VARIABLE)
            .ok()?
            .parse()
            .ok()
            .filter(|n| (1..=1024).contains(n))
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = wanted.or_else(variable).unwrap_or(cores.min(MAX_THREADS));
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("ruvector-{i}"))
        .start_handler(|_| {
            // Stored bytes must not depend on the flags that another library left behind.
            std::mem::forget(simd::FloatGuard::new());
        })
        .build()
        .expect("the system can start a thread")
}
