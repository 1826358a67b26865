//! The one boundary that a panic never crosses.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use simd::FloatGuard;

use crate::error::{Failure, report, ruv_error};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static TEXT: Cell<Option<String>> = const { Cell::new(None) };
}

/// Runs the body of an entry point: its result or its panic becomes a status and a text in `err`.
///
/// Rounding and denormals are as the kernels need them while the body runs, whatever the host has
/// set.
///
/// # Safety
/// `err` is NULL or valid for writes of a `ruv_error`.
pub(crate) unsafe fn guard(err: *mut ruv_error, body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let outcome = catch(|| {
        let _floats = FloatGuard::new();
        body()
    });
    let outcome = outcome.unwrap_or_else(|text| Err(Failure::panicked(text)));
    // SAFETY: the contract of this function.
    unsafe { report(err, outcome) }
}

/// For the entry points without a status: what they give when the body panics.
pub(crate) fn guard_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch(body).unwrap_or(fallback)
}

/// The body's result, or the text of its panic, of which nothing is printed.
fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    // Unwind safety is the handles' business: one that a change left half-done is poisoned
    // (handle.rs).
    let caught = catch_unwind(AssertUnwindSafe(|| {
        install_hook();
        let _quiet = Quiet(GUARDED.replace(true));
        body()
    }));
    caught.map_err(|payload| {
        let located = TEXT.try_with(Cell::take).ok().flatten();
        located
            .or_else(|| payload_text(&*payload))
            .unwrap_or_else(|| "panic without a text".into())
    })
}

/// Restores the thread's state on every way out.
struct Quiet(bool);

impl Drop for Quiet {
    fn drop(&mut self) {
        GUARDED.set(self.0);
    }
}

/// The hook sees the place of a panic, which its payload does not carry; outside a guard the
/// earlier hook still speaks.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if GUARDED.get() || is_worker() {
                let text = info.to_string().replace('\n', " ");
                // A thread past the end of its locals loses the place, not the text.
                let _ = TEXT.try_with(|slot| slot.set(Some(text)));
            } else {
                previous(info);
            }
        }));
    });
}

/// Whether this is a thread of the pool, which works for guarded calls only and hands its panics on
/// to them.
fn is_worker() -> bool {
    std::thread::current()
        .name()
        .is_some_and(|name| name.starts_with("ruvector-"))
}

/// The text of a panic that was raised on another thread and handed on.
fn payload_text(payload: &(dyn std::any::Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_text_and_place_are_kept() {
        let text = catch(|| -> () { panic!("seven is {}", 7) }).unwrap_err();
        assert!(
            text.contains("seven is 7") && text.contains("panic.rs:"),
            "{text}"
        );
        assert!(!GUARDED.get());
    }

    #[test]
    fn panic_of_another_thread_keeps_its_text() {
        let text =
            catch(|| -> () { std::panic::resume_unwind(Box::new("from a worker".to_string())) })
                .unwrap_err();
        assert_eq!(text, "from a worker");
    }
}
