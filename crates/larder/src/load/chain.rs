//! Which loads wait for which, so that one which would wait for itself gets an error.
//!
//! A loader may load other keys. Its task carries the chain of flights that it runs in; who waits
//! for a flight from inside a chain leaves an edge from the innermost flight to the awaited one. A
//! wait that would close a circle is refused. Loaders that wait through tasks of their own making,
//! or through other processes, are not seen; the cap on a load's time ends those.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A flight, among all of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightId(u64);

impl FlightId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

tokio::task_local! {
    /// The flights whose loaders this task runs, the innermost last.
    static CHAIN: Vec<FlightId>;
}

/// What each flight's loader waits for, loads inside loads alone. One that waits for several at
/// once has several.
static WAITS: Mutex<Option<HashMap<FlightId, Vec<FlightId>>>> = Mutex::new(None);

/// To wait would be to wait for oneself.
#[derive(Debug)]
pub(crate) struct Circle;

/// A wait from inside a loader.
#[derive(Debug)]
#[must_use]
pub(crate) struct Waits(Option<(FlightId, FlightId)>);

/// Declares that this task waits for `flight` from now on.
pub(crate) fn wait_for(flight: FlightId) -> Result<Waits, Circle> {
    let chain = CHAIN.try_with(Clone::clone).unwrap_or_default();
    let Some(&innermost) = chain.last() else {
        return Ok(Waits(None));
    };
    let mut waits = WAITS.lock();
    let waits = waits.get_or_insert_default();
    let (mut next, mut seen) = (vec![flight], Vec::new());
    while let Some(flight) = next.pop() {
        if chain.contains(&flight) {
            return Err(Circle);
        }
        if !seen.contains(&flight) {
            seen.push(flight);
            next.extend(waits.get(&flight).into_iter().flatten());
        }
    }
    waits.entry(innermost).or_default().push(flight);
    Ok(Waits(Some((innermost, flight))))
}

impl Drop for Waits {
    fn drop(&mut self) {
        let Some((from, to)) = self.0 else { return };
        let mut waits = WAITS.lock();
        let Some(waits) = waits.as_mut() else { return };
        if let Some(all) = waits.get_mut(&from) {
            if let Some(at) = all.iter().position(|flight| *flight == to) {
                all.swap_remove(at);
            }
            if all.is_empty() {
                waits.remove(&from);
            }
        }
    }
}

/// Runs `loading` as the loader of `flight`.
pub(crate) async fn within<F: Future>(flight: FlightId, loading: F) -> F::Output {
    // A flight that was just begun cannot be waited for by an outer one yet, so there is no circle.
    let _waits = wait_for(flight).ok();
    let mut chain = CHAIN.try_with(Clone::clone).unwrap_or_default();
    chain.push(flight);
    CHAIN.scope(chain, loading).await
}

/// Runs `loading` as the loader of all of `flights`: each of them waits for the one load.
pub(crate) async fn within_all<F: Future>(
    flights: impl IntoIterator<Item = FlightId>,
    loading: F,
) -> F::Output {
    let load = FlightId::next();
    let waits: Vec<Waits> = {
        let mut all = WAITS.lock();
        let all = all.get_or_insert_default();
        let wait = |flight| {
            all.entry(flight).or_default().push(load);
            Waits(Some((flight, load)))
        };
        flights.into_iter().map(wait).collect()
    };
    let output = within(load, loading).await;
    drop(waits);
    output
}

/// Lets a task that is to be spawned run inside the loaders that this one runs in.
pub(crate) fn inherit<F: Future>(task: F) -> impl Future<Output = F::Output> {
    CHAIN.scope(CHAIN.try_with(Clone::clone).unwrap_or_default(), task)
}

/// The loads that something runs in, to be taken along into a thread.
#[cfg(feature = "blocking")]
pub(crate) struct Chain(Vec<FlightId>);

#[cfg(feature = "blocking")]
impl Chain {
    pub(crate) fn current() -> Self {
        Self(CHAIN.try_with(Clone::clone).unwrap_or_default())
    }

    /// Runs `f` inside of them.
    pub(crate) fn within<T>(self, f: impl FnOnce() -> T) -> T {
        CHAIN.sync_scope(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_load_of_many_keys_must_not_wait_for_one_of_them() {
        let [a, b, c] = std::array::from_fn(|_| FlightId::next());
        within_all([a, b], async {
            assert!(wait_for(a).is_err());
            assert!(wait_for(b).is_err());
            let other = wait_for(c).unwrap();
            let circle = tokio::spawn(within(c, async move { wait_for(b).is_err() }));
            assert!(
                circle.await.unwrap(),
                "it waits for this load, which waits for it"
            );
            drop(other);
        })
        .await;
        assert!(wait_for(a).is_ok());
    }

    #[tokio::test]
    async fn a_wait_that_closes_a_circle_is_refused() {
        let [a, b, c] = std::array::from_fn(|_| FlightId::next());
        // Outside of a loader one may wait for anything.
        assert!(wait_for(a).is_ok());
        within(a, async {
            assert!(wait_for(a).is_err(), "itself");
            let first = wait_for(b).unwrap();
            within(b, async {
                assert!(wait_for(a).is_err(), "its outer load");
            })
            .await;
            let other = tokio::spawn(async move {
                let second = within(b, async { wait_for(c).unwrap() }).await;
                within(c, async {
                    assert!(wait_for(a).is_err(), "a circle of three");
                })
                .await;
                drop(second);
                within(c, async {
                    assert!(wait_for(a).is_ok(), "no longer a circle");
                })
                .await;
            });
            other.await.unwrap();
            drop(first);
        })
        .await;
    }
}
