use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rabitq::Control;

use crate::error::{Error, Result};
use crate::lock::lock;

/// How often a waiter looks at its cancel flag, which nothing signals.
const LOOK: Duration = Duration::from_millis(5);

enum State<T> {
    Flying,
    Landed(Result<T>),
    /// The leader gave up for reasons of its own; a follower takes its place.
    Abandoned,
}

struct Flight<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// Lets one of several callers do a piece of work for all that came while it was running. Each
/// waits under its own control; an error reaches all that wait, once.
pub(crate) struct SingleFlight<T>(Mutex<Option<Arc<Flight<T>>>>);

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        SingleFlight(Mutex::new(None))
    }
}

/// Lands the flight on every way out of the leader.
struct Lead<'a, T> {
    of: &'a SingleFlight<T>,
    flight: Arc<Flight<T>>,
    landing: Option<State<T>>,
}

impl<T> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        *lock(&self.of.0) = None;
        *lock(&self.flight.state) = self.landing.take().unwrap_or(State::Abandoned);
        self.flight.changed.notify_all();
    }
}

impl<T: Clone> SingleFlight<T> {
    /// The result of `work`, done here or by who came before.
    pub(crate) fn run(&self, control: &Control, work: impl Fn() -> Result<T>) -> Result<T> {
        loop {
            control.check()?;
            let (flight, leads) = {
                let mut current = lock(&self.0);
                match &*current {
                    Some(flight) => (flight.clone(), false),
                    None => {
                        let flight = Arc::new(Flight {
                            state: Mutex::new(State::Flying),
                            changed: Condvar::new(),
                        });
                        *current = Some(flight.clone());
                        (flight, true)
                    }
                }
            };
            if leads {
                let mut lead = Lead {
                    of: self,
                    flight,
                    landing: None,
                };
                let result = work();
                if !matches!(result, Err(Error::Cancelled | Error::Deadline)) {
                    lead.landing = Some(State::Landed(result.clone()));
                }
                return result;
            }
            if let Some(result) = flight.wait(control)? {
                return result;
            }
        }
    }
}

impl<T: Clone> Flight<T> {
    /// What the flight brought; none where its leader gave up.
    fn wait(&self, control: &Control) -> Result<Option<Result<T>>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Landed(result) => return Ok(Some(result.clone())),
                State::Abandoned => return Ok(None),
                State::Flying => {}
            }
            control.check()?;
            let left = control
                .deadline
                .map_or(LOOK, |d| d.saturating_duration_since(Instant::now()))
                .min(LOOK);
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(|e| e.into_inner()).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn many_callers_work_once() {
        let flights = SingleFlight::default();
        let (works, arrived) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    let result = flights.run(&Control::default(), || {
                        while arrived.load(Ordering::SeqCst) < 64 {
                            thread::yield_now();
                        }
                        thread::sleep(Duration::from_millis(20));
                        Ok(works.fetch_add(1, Ordering::SeqCst))
                    });
                    assert_eq!(result.unwrap(), 0);
                });
            }
        });
        assert_eq!(works.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_cancelled_leader_is_followed_by_another() {
        let flights = SingleFlight::default();
        let cancel = AtomicI32::new(0);
        let leading = AtomicI32::new(0);
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                let control = Control {
                    cancel: Some(&cancel),
                    ..Control::default()
                };
                flights.run(&control, || {
                    leading.store(1, Ordering::SeqCst);
                    loop {
                        control.check()?;
                        thread::yield_now();
                    }
                })
            });
            while leading.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let follower = scope.spawn(|| flights.run(&Control::default(), || Ok(7)));
            thread::sleep(Duration::from_millis(20));
            cancel.store(1, Ordering::SeqCst);
            assert!(matches!(leader.join().unwrap(), Err(Error::Cancelled)));
            assert_eq!(follower.join().unwrap().unwrap(), 7);
        });
    }

    #[test]
    fn a_follower_has_its_own_deadline_and_an_error_reaches_all_once() {
        let flights: SingleFlight<()> = SingleFlight::default();
        let gate = AtomicI32::new(0);
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                flights.run(&Control::default(), || {
                    gate.store(1, Ordering::SeqCst);
                    while gate.load(Ordering::SeqCst) != 2 {
                        thread::yield_now();
                    }
                    Err(Error::argument("x", 1, "2"))
                })
            });
            while gate.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let hasty = Control {
                deadline: Some(Instant::now() + Duration::from_millis(10)),
                ..Control::default()
            };
            assert!(matches!(
                flights.run(&hasty, || Ok(())),
                Err(Error::Deadline)
            ));
            let patient = scope.spawn(|| flights.run(&Control::default(), || Ok(())));
            thread::sleep(Duration::from_millis(20));
            gate.store(2, Ordering::SeqCst);
            assert!(leader.join().unwrap().is_err());
            assert!(patient.join().unwrap().is_err());
        });
        assert!(flights.run(&Control::default(), || Ok(())).is_ok());
    }
}
