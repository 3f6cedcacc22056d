//! The kit: holds a remote to its promises, one after another, and lists those that it broke.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{bounds, leases, promises, pushes, scans, together};
use crate::bounded::{Bounded, Bounds, ServerEviction};
use crate::key::{CacheKey, CacheName, KeyError, Prefix, StoredKey, Tenant};
use crate::load::catch_panic;
use crate::remote::{Deadline, Remote};

/// What an operation of the kit grants to the remote: far more than one that works needs.
const BUDGET: Duration = Duration::from_secs(10);
/// When the kit gives a promise up as hanging.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the kit's bounded cache may hold: more entries than the kit writes.
const AMPLE: u64 = 1 << 20;

/// Holds an implementation of [`Remote`] to what the trait promises.
///
/// `make` gives a handle of the store under test; each call another handle of the same store, such
/// as another connection to one server, or a clone. The kit writes a few megabytes under keys that
/// begin with `conformance:` and hold a random name, lets nothing live longer than a minute, and touches
/// nothing else. It takes some seconds, most of them waiting for values to expire by real time.
///
/// A remote whose [`stores`](Remote::stores) is `false` is only held to keeping nothing.
///
/// ```
/// # use larder::remote::MemoryRemote;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = MemoryRemote::new();
/// if let Err(broken) = larder::testing::conformance(async || store.clone()).await {
///     panic!("{broken}");
/// }
/// # }
/// ```
///
/// # Errors
/// [`BrokenPromises`]: every promise that was broken, and how.
///
/// # Panics
/// Outside of a tokio runtime with time enabled.
pub async fn conformance<R, F>(make: impl Fn() -> F) -> Result<(), BrokenPromises>
where
    R: Remote,
    F: Future<Output = R>,
{
    let kit = Kit::new(make().await, make().await);
    held(kit, make).await
}

/// Holds an implementation of [`Remote`] that keeps bounded caches to the same promises, by keys of one that
/// has room for all that the kit writes, and to those of [`Remote::open_bounded`].
///
/// ```
/// # use larder::bounded::ServerEviction;
/// # use larder::remote::MemoryRemote;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = MemoryRemote::new();
/// let kept = larder::testing::bounded_conformance(async || store.clone(), ServerEviction::Lru).await;
/// # kept.unwrap();
/// # }
/// ```
///
/// # Errors
/// [`BrokenPromises`]: every promise that was broken, and how.
///
/// # Panics
/// Outside of a tokio runtime with time enabled.
pub async fn bounded_conformance<R, F>(
    make: impl Fn() -> F,
    eviction: ServerEviction,
) -> Result<(), BrokenPromises>
where
    R: Remote,
    F: Future<Output = R>,
{
    let mut kit = Kit::new(make().await, make().await);
    kit.bounded = Some(Bounded::new(eviction, AMPLE));
    let mut broken = Findings::default();
    broken
        .check(
            "a bounded cache is opened, and not with other bounds",
            || bounds::opened(&kit, eviction),
        )
        .await;
    broken
        .check("a full partition makes room, and no more than that", || {
            bounds::makes_room(&kit, eviction)
        })
        .await;
    broken
        .check("those that go are told to observers", || {
            bounds::told(&kit, eviction)
        })
        .await;
    broken
        .check("what is too large is refused", || {
            bounds::refuses(&kit, eviction)
        })
        .await;
    let rest = held(kit, make).await.err();
    broken.0.extend(rest.into_iter().flat_map(|rest| rest.0));
    broken.into_result()
}

async fn held<R, F>(kit: Kit<R>, make: impl Fn() -> F) -> Result<(), BrokenPromises>
where
    R: Remote,
    F: Future<Output = R>,
{
    let mut broken = Findings::default();
    if !kit.remote.stores() {
        let promise = "a remote that stores nothing says so everywhere";
        broken.check(promise, || promises::nothing(&kit)).await;
        return broken.into_result();
    }
    values(&kit, &mut broken).await;
    rights(&kit, &mut broken).await;
    looks(&kit, &mut broken).await;
    changes(&kit, &mut broken).await;
    let third = make().await;
    broken
        .check(
            "`close` may be called twice, and ends one handle only",
            || promises::close(&kit, third),
        )
        .await;
    broken.into_result()
}

/// What lies under a key.
async fn values<R: Remote>(kit: &Kit<R>, b: &mut Findings) {
    b.check("an absent key has no value", || promises::absent(kit))
        .await;
    b.check("bytes come back as they were given", || {
        promises::bytes(kit)
    })
    .await;
    b.check("`set` replaces what was there", || promises::replace(kit))
        .await;
    b.check(
        "`remove` removes, and says whether there was something",
        || promises::removal(kit),
    )
    .await;
    b.check(
        "every key has its own value, whatever it looks like",
        || promises::keys(kit),
    )
    .await;
    b.check("a value is kept until its time to live has passed", || {
        promises::kept(kit)
    })
    .await;
    b.check("a value is gone once its time to live has passed", || {
        promises::gone(kit)
    })
    .await;
    b.check("a new write brings its own time to live", || {
        promises::renewed(kit)
    })
    .await;
    b.check("a write is seen by every handle", || promises::shared(kit))
        .await;
    b.check(
        "no method waits past its deadline, and later calls do not suffer from that",
        || promises::deadline(kit),
    )
    .await;
    b.check("several values are read at once, in order", || {
        together::many(kit)
    })
    .await;
    b.check("`keep` writes where there is nothing", || {
        together::keep(kit)
    })
    .await;
    b.check("`keep` prolongs a life, and never cuts it", || {
        together::keep_prolongs(kit)
    })
    .await;
    b.check("`splice` writes all but the beginning", || {
        together::splice(kit)
    })
    .await;
    b.check("dropping a future is safe at any point", || {
        promises::dropped(kit)
    })
    .await;
    b.check("a thousand operations at once do not mix", || {
        promises::crowd(kit)
    })
    .await;
    b.check(
        "the server's time runs, and all handles agree on it",
        || promises::time(kit),
    )
    .await;
    b.check("`health` says that it is up", || promises::health(kit))
        .await;
}

/// Who may load.
async fn rights<R: Remote>(kit: &Kit<R>, b: &mut Findings) {
    b.check(
        "a lease is granted once, and others learn who holds it and for how long",
        || leases::granted_once(kit),
    )
    .await;
    b.check("of many who ask at once, one is granted the lease", || {
        leases::one_of_many(kit)
    })
    .await;
    b.check(
        "a lease is another's once its time has passed, and not before",
        || leases::taken_over(kit),
    )
    .await;
    b.check(
        "`renew` lets its own lease live from now on, and no other",
        || leases::renewed(kit),
    )
    .await;
    b.check("`release` ends its own lease, and no other", || {
        leases::released(kit)
    })
    .await;
    b.check("a note stands in the place of a lease for a time", || {
        leases::noted(kit)
    })
    .await;
    b.check(
        "`fill` writes and ends the lease, also when it is sent twice",
        || leases::filled(kit),
    )
    .await;
    b.check(
        "`fill` without the lease is refused, and writes nothing",
        || leases::fenced(kit),
    )
    .await;
    b.check(
        "`acquire` gives a value that the caller has not read, and no other",
        || leases::seen(kit),
    )
    .await;
    b.check("`set` and `remove` end the lease, whoever holds it", || {
        leases::ended(kit)
    })
    .await;
    b.check(
        "a release takes effect after the cancelled acquisition that it undoes",
        || leases::cancelled(kit),
    )
    .await;
}

/// What is found by looking through the store, and freed.
async fn looks<R: Remote>(kit: &Kit<R>, b: &mut Findings) {
    b.check("a scan gives every key under a text", || scans::found(kit))
        .await;
    b.check("a scan gives what begins with a text, and no other", || {
        scans::bounded(kit)
    })
    .await;
    b.check("leases are found, read and discarded as keys", || {
        scans::leases(kit)
    })
    .await;
    b.check("`heads` reads how values begin, in order", || {
        scans::beginnings(kit)
    })
    .await;
    b.check("`discard` removes what was seen, and nothing else", || {
        scans::discarded(kit)
    })
    .await;
    b.check("`discard` of a value leaves its lease", || {
        scans::unfenced(kit)
    })
    .await;
}

/// Who hears of what.
async fn changes<R: Remote>(kit: &Kit<R>, b: &mut Findings) {
    b.check(
        "observers are told of every change, through whichever handle",
        || pushes::told(kit),
    )
    .await;
    b.check("observers are told of their prefix only", || {
        pushes::prefixed(kit)
    })
    .await;
    b.check(
        "before a question is answered, all is told that was acknowledged before it was asked",
        || pushes::answered(kit),
    )
    .await;
    b.check("an observer may go at any time", || pushes::unheard(kit))
        .await;
}

/// A remote under test, seen through two handles, and keys of its own.
pub(super) struct Kit<R> {
    pub(super) remote: Arc<R>,
    pub(super) other: Arc<R>,
    prefix: Option<Prefix>,
    name: Option<CacheName>,
    /// Whether its keys are of a bounded cache.
    bounded: Option<Bounded>,
}

/// What a promise comes to: nothing, or how it was broken.
pub(super) type Verdict = Result<(), String>;

impl<R: Remote> Kit<R> {
    fn new(remote: R, other: R) -> Self {
        let run = getrandom::u64().unwrap_or_default();
        Self {
            remote: Arc::new(remote),
            other: Arc::new(other),
            prefix: Prefix::new("conformance").ok(),
            name: CacheName::new(&format!("{run:016x}")).ok(),
            bounded: None,
        }
    }

    /// The key of a label, in this run.
    pub(super) fn key(&self, label: &(impl CacheKey + ?Sized)) -> Result<StoredKey, String> {
        self.place(None, label)
    }

    pub(super) fn place<Q: CacheKey + ?Sized>(
        &self,
        tenant: Option<&str>,
        key: &Q,
    ) -> Result<StoredKey, String> {
        let tenant = tenant.map(Tenant::new).transpose();
        let tenant = tenant.map_err(|error| error.to_string())?;
        self.place_under(self.prefix()?, tenant.as_ref(), key)
    }

    fn place_under<Q: CacheKey + ?Sized>(
        &self,
        prefix: &Prefix,
        tenant: Option<&Tenant>,
        key: &Q,
    ) -> Result<StoredKey, String> {
        let name = self.name()?;
        let key = match self.bounded {
            None => StoredKey::new(prefix, tenant, name, key),
            Some(bounded) => {
                let bounds = Bounds::new(prefix, name, bounded);
                let bounds = Arc::new(bounds.map_err(|error| error.to_string())?);
                StoredKey::bounded(&bounds, tenant, key)
            }
        };
        key.map_err(|error: KeyError| error.to_string())
    }

    /// The key of a label, in this run, under another prefix.
    pub(super) fn key_under(&self, prefix: &Prefix, label: &str) -> Result<StoredKey, String> {
        self.place_under(prefix, None, label)
    }

    pub(super) fn prefix(&self) -> Result<&Prefix, String> {
        // It is a plain, short text, and so is the name.
        self.prefix
            .as_ref()
            .ok_or("the kit has no prefix".to_owned())
    }

    pub(super) fn name(&self) -> Result<&CacheName, String> {
        self.name.as_ref().ok_or("the kit has no name".to_owned())
    }

    pub(super) async fn get(&self, key: &StoredKey) -> Result<Option<Bytes>, String> {
        get(&*self.remote, key).await
    }

    pub(super) async fn set(&self, key: &StoredKey, value: Bytes, ttl: Duration) -> Verdict {
        set(&*self.remote, key, value, ttl).await
    }

    pub(super) async fn remove(&self, key: &StoredKey) -> Result<bool, String> {
        remove(&*self.remote, key).await
    }
}

/// A deadline that no operation should come near.
pub(super) fn ample() -> Deadline {
    Deadline::after(BUDGET)
}

pub(super) async fn get(remote: &impl Remote, key: &StoredKey) -> Result<Option<Bytes>, String> {
    let answer = remote.get(key, ample()).await;
    answer.map_err(|error| format!("`get` of {key} failed: {error}"))
}

pub(super) async fn set(
    remote: &impl Remote,
    key: &StoredKey,
    value: Bytes,
    ttl: Duration,
) -> Verdict {
    let len = value.len();
    let answer = remote.set(key, value, ttl, ample()).await;
    answer.map_err(|error| format!("`set` of {key} to {len} bytes for {ttl:?} failed: {error}"))
}

pub(super) async fn remove(remote: &impl Remote, key: &StoredKey) -> Result<bool, String> {
    let answer = remote.remove(key, ample()).await;
    answer.map_err(|error| format!("`remove` of {key} failed: {error}"))
}

#[derive(Default)]
struct Findings(Vec<BrokenPromise>);

impl Findings {
    async fn check<F: Future<Output = Verdict>>(
        &mut self,
        promise: &'static str,
        check: impl FnOnce() -> F,
    ) {
        let verdict = match timeout(PATIENCE, catch_panic(check)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(panic)) => Err(format!("it panicked: {panic}")),
            Err(_) => Err(format!("it was not done after {PATIENCE:?}")),
        };
        if let Err(how) = verdict {
            self.0.push(BrokenPromise { promise, how });
        }
    }

    fn into_result(self) -> Result<(), BrokenPromises> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(BrokenPromises(self.0))
    }
}

/// A promise of [`Remote`] that an implementation broke.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenPromise {
    /// What is promised.
    pub promise: &'static str,
    /// What happened instead.
    pub how: String,
}

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.how)
    }
}

/// Every promise of [`Remote`] that an implementation broke; never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokenPromises(Vec<BrokenPromise>);

impl BrokenPromises {
    /// Each of them.
    pub fn as_slice(&self) -> &[BrokenPromise] {
        &self.0
    }
}

impl fmt::Display for BrokenPromises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the remote broke {} of its promises:", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|promise| write!(f, "\n- {promise}"))
    }
}

// As `Display`, so that `unwrap` and a `main` that returns it are readable.
impl fmt::Debug for BrokenPromises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BrokenPromises {}
