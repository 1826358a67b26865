use std::sync::{Mutex, MutexGuard};

/// Locks what is only ever replaced in one assignment, so that a panic left nothing half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
