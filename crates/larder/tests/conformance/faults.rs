//! The kit notices what is broken: each remote here has one fault.

use super::*;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, Weak};

use bytes::Bytes;
use larder::key::{Prefix, StoredKey};
use larder::remote::{
    Acquired, Asked, Claim, Cursor, Lease, Observer, Page, Pushes, RemoteFuture, RemoteHealth,
    ServerTime, Sighting,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TextOnly,
    CutsLarge,
    WholeSeconds,
    KeepsTtl,
    SecondRemoveTrue,
    FoldsCase,
    HandlesApart,
    Panics,
    IgnoresDeadline,
    ClockStands,
    // Leases.
    GrantsAll,
    SaysNothingIsLeft,
    LooksThenTakes,
    LeasesDoNotEnd,
    LeasesEndSoon,
    RenewsNothing,
    RenewsForOthers,
    ReleasesForOthers,
    LeavesNoNote,
    FillsOnce,
    FillKeepsLease,
    FillsUnfenced,
    FillsAfterWrites,
    GivesWhatWasSeen,
    KeepsWhatWasNotSeen,
    SetKeepsLease,
    RemoveKeepsLease,
    AcquiresAfterItsEnd,
    // Observers.
    TellsNotOfTheAbsent,
    TellsNotOfLeases,
    TellsLate,
    TellsOfAll,
    BeginsNever,
    EndsFirst,
    AnswersTooSoon,
    AnswersNothing,
    PanicsUnheard,
    // Several at once, and several steps in one.
    LeavesOutTheAbsent,
    KeepsTheNewer,
    KeepsAsItIs,
    SplicesWhole,
    // Scans.
    ScansTheFirstPage,
    ScansBeyond,
    ScansGlobs,
    HidesLeases,
    LeavesOutHeads,
    ReadsWhole,
    DiscardsUnseen,
    DiscardsNothing,
    DiscardEndsLease,
    DiscardsInSilence,
}

const FAULTS: [(Fault, &str); 51] = [
    (Fault::TextOnly, "bytes come back"),
    (Fault::CutsLarge, "bytes come back"),
    (Fault::WholeSeconds, "a value is gone"),
    (Fault::KeepsTtl, "a new write"),
    (Fault::SecondRemoveTrue, "`remove` removes"),
    (Fault::FoldsCase, "every key"),
    (Fault::HandlesApart, "every handle"),
    (Fault::Panics, "it panicked"),
    (Fault::IgnoresDeadline, "deadline"),
    (Fault::ClockStands, "time runs"),
    (Fault::GrantsAll, "granted once"),
    (Fault::SaysNothingIsLeft, "for how long"),
    (Fault::LooksThenTakes, "of many who ask"),
    (Fault::LeasesDoNotEnd, "once its time has passed"),
    (Fault::LeasesEndSoon, "and not before"),
    (Fault::RenewsNothing, "`renew` lets"),
    (Fault::RenewsForOthers, "`renew` lets"),
    (Fault::ReleasesForOthers, "`release` ends its own"),
    (Fault::LeavesNoNote, "a note stands"),
    (Fault::FillsOnce, "when it is sent twice"),
    (Fault::FillKeepsLease, "`fill` writes and ends"),
    (Fault::FillsUnfenced, "`fill` without the lease"),
    (Fault::FillsAfterWrites, "`fill` without the lease"),
    (Fault::GivesWhatWasSeen, "has not read, and no other"),
    (Fault::KeepsWhatWasNotSeen, "has not read, and no other"),
    (Fault::SetKeepsLease, "whoever holds it"),
    (Fault::RemoveKeepsLease, "whoever holds it"),
    (Fault::AcquiresAfterItsEnd, "the cancelled acquisition"),
    (Fault::TellsNotOfTheAbsent, "told of every change"),
    (Fault::TellsNotOfLeases, "told of every change"),
    (Fault::TellsLate, "returned before all were told"),
    (Fault::TellsOfAll, "their prefix only"),
    (Fault::BeginsNever, "`began` was not told"),
    (Fault::EndsFirst, "what was told first"),
    (Fault::AnswersTooSoon, "before a question is answered"),
    (Fault::AnswersNothing, "was not answered"),
    (Fault::PanicsUnheard, "may go at any time"),
    (Fault::LeavesOutTheAbsent, "in order"),
    (Fault::KeepsTheNewer, "where there is nothing"),
    (Fault::KeepsAsItIs, "prolongs a life"),
    (Fault::SplicesWhole, "all but the beginning"),
    (Fault::ScansTheFirstPage, "every key under"),
    (Fault::ScansBeyond, "and no other"),
    (Fault::ScansGlobs, "and no other"),
    (Fault::HidesLeases, "leases are found"),
    (Fault::LeavesOutHeads, "how values begin"),
    (Fault::ReadsWhole, "how values begin"),
    (Fault::DiscardsUnseen, "`discard` removes what was seen"),
    (Fault::DiscardsNothing, "`discard` removes what was seen"),
    (Fault::DiscardEndsLease, "leaves its lease"),
    (Fault::DiscardsInSilence, "`discard` returned before"),
];

#[derive(Debug)]
struct Broken {
    store: MemoryRemote,
    fault: Fault,
    /// The last lease that was asked for, by key, through any handle.
    asked: Arc<Mutex<HashMap<String, Lease>>>,
    twisted: Mutex<Vec<Arc<Twisted>>>,
    /// Whether nothing is told now.
    quiet: Arc<AtomicBool>,
}

/// Where the lease of a stored key of the kit lies.
fn lease_of(key: &str) -> String {
    format!("conformance:lease:{{{key}}}")
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn key(&self, key: &StoredKey) -> StoredKey {
        if self.is(Fault::FoldsCase) {
            return stored_key("folded", &key.as_str().to_lowercase()).unwrap();
        }
        key.clone()
    }

    /// Who holds the lease now, without a change to it.
    async fn holder(&self, key: &StoredKey, deadline: Deadline) -> Option<Lease> {
        let nobody = Lease::read(&[b'?'; 16]);
        let claim = Claim {
            lease: &nobody,
            ttl: Duration::from_millis(1),
            seen: &self.beginning(key, deadline).await,
        };
        if let Ok(Acquired::Held { by, .. }) = self.store.acquire(key, claim, deadline).await {
            return Some(by);
        }
        let _ = self.store.release(key, &nobody, None, deadline).await;
        None
    }

    /// Takes the lease from who holds it.
    async fn end(&self, key: &StoredKey, holder: Option<Lease>, deadline: Deadline) {
        if let Some(holder) = holder {
            let _ = self.store.release(key, &holder, None, deadline).await;
        }
    }

    /// How the value begins that is there.
    async fn beginning(&self, key: &StoredKey, deadline: Deadline) -> Bytes {
        let value = self.store.get(key, deadline).await.unwrap();
        value.unwrap_or_default()
    }

    /// Gives the lease back to who asked for it last.
    async fn give_back(&self, key: &StoredKey, deadline: Deadline) {
        let lease = self.asked.lock().unwrap().get(key.as_str()).copied();
        let Some(lease) = lease else { return };
        let claim = Claim {
            lease: &lease,
            ttl: secs(60),
            seen: &self.beginning(key, deadline).await,
        };
        let _ = self.store.acquire(key, claim, deadline).await;
    }
}

/// Stands between the store and an observer.
struct Twisted {
    observer: Weak<dyn Observer>,
    fault: Fault,
    quiet: Arc<AtomicBool>,
}

impl fmt::Debug for Twisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twisted({:?})", self.fault)
    }
}

impl Twisted {
    fn tell(&self, late: bool, what: impl FnOnce(&dyn Observer) + Send + 'static) {
        if self.quiet.load(SeqCst) {
            return;
        }
        let observer = Weak::clone(&self.observer);
        let tell = move || {
            if let Some(observer) = observer.upgrade() {
                what(&*observer);
            }
        };
        if !late {
            return tell();
        }
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            tell();
        });
    }
}

impl Observer for Twisted {
    fn began(&self) {
        if self.fault == Fault::EndsFirst {
            self.tell(false, |observer| observer.ended("it had not begun"));
        }
        if self.fault != Fault::BeginsNever {
            self.tell(false, Observer::began);
        }
    }

    fn changed(&self, key: &str) {
        assert!(
            self.fault != Fault::PanicsUnheard || self.observer.strong_count() > 0,
            "nobody hears"
        );
        let key = key.to_owned();
        let late = matches!(self.fault, Fault::TellsLate | Fault::AnswersTooSoon);
        self.tell(late, move |observer| observer.changed(&key));
    }

    fn lease_changed(&self, key: &str) {
        let key = key.to_owned();
        if self.fault != Fault::TellsNotOfLeases {
            self.tell(false, move |observer| observer.lease_changed(&key));
        }
    }

    fn flushed(&self) {}

    fn asks(&self) -> Asked {
        unreachable!("memory asks nothing")
    }

    fn answered(&self, _: Asked) {}

    fn ended(&self, _: &str) {}
}

impl Remote for Broken {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        assert!(self.fault != Fault::Panics, "at the get");
        Box::pin(async move {
            if self.fault == Fault::IgnoresDeadline && deadline.left().is_zero() {
                tokio::time::sleep(secs(20)).await;
            }
            let found = self.store.get(&self.key(key), deadline).await?;
            Ok(found.map(|bytes| match self.fault {
                Fault::TextOnly => String::from_utf8_lossy(&bytes).into_owned().into(),
                Fault::CutsLarge => bytes.slice(..bytes.len().min(65_535)),
                _ => bytes,
            }))
        })
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        Box::pin(async move {
            let key = self.key(key);
            let ttl = match self.fault {
                Fault::WholeSeconds => {
                    Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0))
                }
                Fault::KeepsTtl if self.store.get(&key, deadline).await?.is_some() => {
                    Duration::from_millis(100).min(ttl)
                }
                _ => ttl,
            };
            self.store.set(&key, value, ttl, deadline).await?;
            if self.is(Fault::SetKeepsLease) {
                self.give_back(&key, deadline).await;
            }
            Ok(())
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(async move {
            let key = self.key(key);
            if self.is(Fault::TellsNotOfTheAbsent)
                && self.store.get(&key, deadline).await?.is_none()
            {
                return Ok(false);
            }
            let was_there = self.store.remove(&key, deadline).await?;
            if self.is(Fault::RemoveKeepsLease) {
                self.give_back(&key, deadline).await;
            }
            Ok(was_there || self.fault == Fault::SecondRemoveTrue)
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        Box::pin(async move {
            let mut found = self.store.get_many(keys, deadline).await?;
            if self.is(Fault::LeavesOutTheAbsent) {
                found.retain(Option::is_some);
            }
            Ok(found)
        })
    }

    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(async move {
            match self.fault {
                Fault::KeepsTheNewer => {
                    let ttl = ttl.unwrap_or(secs(60));
                    self.store.set(key, value.clone(), ttl, deadline).await?;
                    Ok(value)
                }
                Fault::KeepsAsItIs if self.store.get(key, deadline).await?.is_some() => {
                    Ok(self.store.get(key, deadline).await?.unwrap_or(value))
                }
                _ => self.store.keep(key, value, ttl, deadline).await,
            }
        })
    }

    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        let kept = if self.is(Fault::SplicesWhole) {
            0
        } else {
            kept
        };
        self.store.splice(key, kept, value, ttl, deadline)
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        let asked = (key.as_str().to_owned(), *claim.lease);
        self.asked.lock().unwrap().extend([asked]);
        Box::pin(async move {
            let holder = match self.fault {
                Fault::GrantsAll | Fault::LooksThenTakes => self.holder(key, deadline).await,
                _ => None,
            };
            let there = self.beginning(key, deadline).await;
            let mut claim = claim;
            match self.fault {
                Fault::GrantsAll => self.end(key, holder, deadline).await,
                Fault::LooksThenTakes if holder.is_none() => {
                    tokio::task::yield_now().await;
                    let now = self.holder(key, deadline).await;
                    self.end(key, now, deadline).await;
                    return self.store.acquire(key, claim, deadline).await;
                }
                Fault::LeasesDoNotEnd => claim.ttl = secs(60),
                Fault::LeasesEndSoon => claim.ttl /= 20,
                Fault::GivesWhatWasSeen => claim.seen = &[],
                Fault::KeepsWhatWasNotSeen if !claim.seen.is_empty() => claim.seen = &there,
                Fault::AcquiresAfterItsEnd => {
                    let (store, key, lease) = (self.store.clone(), key.clone(), *claim.lease);
                    let (ttl, seen) = (claim.ttl, claim.seen.to_vec());
                    let asking = tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        let claim = Claim {
                            lease: &lease,
                            ttl,
                            seen: &seen,
                        };
                        store.acquire(&key, claim, deadline).await
                    });
                    return asking.await.unwrap();
                }
                _ => {}
            }
            let acquired = self.store.acquire(key, claim, deadline).await?;
            Ok(match acquired {
                Acquired::Held { by, .. } if self.is(Fault::SaysNothingIsLeft) => Acquired::Held {
                    by,
                    left: Duration::ZERO,
                },
                acquired => acquired,
            })
        })
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(async move {
            match (self.fault, self.holder(key, deadline).await) {
                (Fault::RenewsNothing, holder) => Ok(holder == Some(*lease)),
                (Fault::RenewsForOthers, Some(holder)) => {
                    self.store.renew(key, &holder, ttl, deadline).await
                }
                _ => self.store.renew(key, lease, ttl, deadline).await,
            }
        })
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(async move {
            let holder = self.holder(key, deadline).await;
            let unfenced = match self.fault {
                Fault::FillsUnfenced => true,
                Fault::FillsAfterWrites => holder.is_none(),
                _ => false,
            };
            if unfenced {
                self.store.set(key, value, ttl, deadline).await?;
                return Ok(true);
            }
            if self.is(Fault::FillsOnce) && holder != Some(*lease) {
                return Ok(false);
            }
            let filled = self.store.fill(key, lease, value, ttl, deadline).await?;
            if self.is(Fault::FillKeepsLease) {
                self.give_back(key, deadline).await;
            }
            Ok(filled)
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(async move {
            match (self.fault, self.holder(key, deadline).await) {
                (Fault::LeavesNoNote, _) => self.store.release(key, lease, None, deadline).await,
                (Fault::ReleasesForOthers, Some(holder)) => {
                    self.store.release(key, &holder, note, deadline).await
                }
                _ => self.store.release(key, lease, note, deadline).await,
            }
        })
    }

    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        count: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        Box::pin(async move {
            let under = match self.fault {
                Fault::ScansBeyond => under.get(..under.len() - 1).unwrap_or(under),
                Fault::ScansGlobs => under.split('*').next().unwrap_or(under),
                _ => under,
            };
            let mut page = self.store.scan(under, cursor, count, deadline).await?;
            match self.fault {
                Fault::ScansTheFirstPage => page.next = None,
                Fault::HidesLeases => page.keys.retain(|key| !key.contains("lease:{")),
                _ => {}
            }
            Ok(page)
        })
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        Box::pin(async move {
            let len = if self.is(Fault::ReadsWhole) {
                usize::MAX
            } else {
                len
            };
            let mut heads = self.store.heads(keys, len, deadline).await?;
            if self.is(Fault::LeavesOutHeads) {
                heads.retain(Option::is_some);
            }
            Ok(heads)
        })
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        Box::pin(async move {
            let mut sightings = sightings.to_vec();
            for sighting in &mut sightings {
                match self.fault {
                    Fault::DiscardsUnseen => sighting.seen.clear(),
                    Fault::DiscardEndsLease => {
                        let lease = larder::remote::Sighting {
                            key: lease_of(&sighting.key),
                            seen: Bytes::new(),
                        };
                        self.store.discard(&[lease], deadline).await?;
                    }
                    _ => {}
                }
            }
            if self.is(Fault::DiscardsNothing) {
                return Ok(vec![true; sightings.len()]);
            }
            self.quiet.store(self.is(Fault::DiscardsInSilence), SeqCst);
            let gone = self.store.discard(&sightings, deadline).await;
            self.quiet.store(false, SeqCst);
            gone
        })
    }

    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        let twisted = Arc::new(Twisted {
            observer: Weak::clone(&observer),
            fault: self.fault,
            quiet: Arc::clone(&self.quiet),
        });
        let weak = Arc::downgrade(&twisted);
        self.twisted.lock().unwrap().push(twisted);
        let all = Prefix::new("conformance").unwrap();
        let prefix = if self.is(Fault::TellsOfAll) {
            &all
        } else {
            prefix
        };
        self.store.watch(prefix, weak);
        match self.fault {
            Fault::AnswersTooSoon => {
                tokio::spawn(async move {
                    while let Some(observer) = observer.upgrade() {
                        observer.answered(observer.asks());
                        drop(observer);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                });
                Pushes::Later
            }
            Fault::AnswersNothing => Pushes::Later,
            _ => Pushes::AtOnce,
        }
    }

    fn server_time(&self) -> Option<ServerTime> {
        let mut time = self.store.server_time()?;
        if self.fault == Fault::ClockStands {
            time.now_ms = 1_000_000;
        }
        Some(time)
    }

    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        self.store.health(deadline)
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        self.store.close()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_names_what_a_broken_remote_breaks() {
    let mut runs = tokio::task::JoinSet::new();
    for (fault, named) in FAULTS {
        runs.spawn(async move {
            let (store, asked) = (MemoryRemote::new(), Arc::default());
            let quiet = Arc::default();
            let broken = conformance(async || Broken {
                store: match fault {
                    Fault::HandlesApart => MemoryRemote::new(),
                    _ => store.clone(),
                },
                fault,
                asked: Arc::clone(&asked),
                twisted: Mutex::default(),
                quiet: Arc::clone(&quiet),
            });
            // Nothing where it went unnoticed.
            let broken = broken
                .await
                .map_or_else(|broken| broken.to_string(), |()| String::new());
            (!broken.contains(named)).then(|| format!("{fault:?}: {broken}"))
        });
    }
    let missed: Vec<String> = runs.join_all().await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
