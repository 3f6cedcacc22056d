//! The scopes that this process has met, and what it knows of their stamps.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::forgotten::Forgotten;
use super::known::Known;
use super::names;
use super::stripes::{self, Stripes};
use crate::key::{CacheName, Prefix, StoredKey, Tag, Tenant};
use crate::load::{Proof, Watch};
use crate::time::Tick;
use crate::wire::{Stamp, Stamps};

/// How many scopes are remembered. Past it those are forgotten that nobody uses now: their stamps are
/// read again when they are needed, and what is near of them is still found, see [`Forgotten`].
const MAX_SCOPES: usize = 1 << 14;

/// How long the stamp of a tenant or a tag lives at least. Twice as long as any value that bears it
/// is more for values of over fifteen days.
const STAMP_LIFE: Duration = Duration::from_hours(30 * 24);

/// The scopes that a value bears, in the order of its stamps.
pub(crate) type Borne = Arc<[Arc<Scope>]>;

/// One group.
pub(crate) struct Scope {
    /// Where its stamp lies.
    pub(crate) key: StoredKey,
    /// Whether there are so few of its kind that its stamp need not end.
    pub(crate) is_lasting: bool,
    known: Known,
    /// The last change that is known of, in the watch's count.
    changed: AtomicU64,
    /// The marks of its keys; `None` where it sets all.
    stripes: Option<Mutex<Stripes>>,
    /// Until when nothing needs to be done for the stamp to live, and for how long it then does.
    prolonged: Mutex<Option<(Tick, Duration)>>,
}

/// What a value's stamps say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Current,
    /// A scope of it was expired: stale at best.
    Expired,
    /// A scope of it was removed.
    Removed,
    /// A stamp is not known now.
    Unknown,
}

impl Scope {
    /// The stamp as it is now, where that is known.
    pub(crate) fn stamp(&self, watch: &Watch) -> Option<Stamp> {
        let (stamp, proof) = self.known.get()?;
        watch.is_certain(proof).then_some(stamp)
    }

    /// The stamp as it was last read.
    pub(crate) fn last(&self) -> Option<Stamp> {
        Some(self.known.get()?.0)
    }

    /// How long the stamp is to live for a value of this life; `None`: for ever.
    pub(crate) fn life_for(&self, value: Duration) -> Option<Duration> {
        (!self.is_lasting).then(|| (value * 2).max(STAMP_LIFE))
    }

    /// Whether the stamp may end before a value of this life does.
    pub(crate) fn needs_prolonging(&self, now: Tick, value: Duration) -> bool {
        let is_enough = |(until, life)| now < until && self.life_for(value) <= Some(life);
        !self.is_lasting && !self.prolonged.lock().is_some_and(is_enough)
    }

    /// From `now` on, the stamp lives long enough for a value of this life.
    pub(crate) fn prolonged(&self, now: Tick, value: Duration) {
        let life = self.life_for(value);
        *self.prolonged.lock() = life.map(|life| (now.plus(life / 2), life));
    }

    /// Takes note of a stamp that was read with this proof, unless a later read is known: where nobody
    /// tells of changes, a slow answer must not take the place of a newer one.
    pub(crate) fn learn(&self, stamp: Stamp, proof: Proof) {
        self.known.learn(stamp, proof);
    }

    /// Takes note of a change of the stamp, which has this number in the watch's count: nothing that
    /// is kept near, or being loaded, counts any more.
    fn change(&self, seq: u64, watch: &Watch) {
        // Before the marks are set: who records one afterwards sees it.
        self.changed.fetch_max(seq, Ordering::SeqCst);
        // A stamp that replaces another lives for that long, whatever the other did.
        let mut prolonged = self.prolonged.lock();
        prolonged.take_if(|(_, life)| *life > STAMP_LIFE);
        drop(prolonged);
        match &self.stripes {
            None => watch.mark_all(),
            Some(stripes) => stripes::mark(stripes, watch),
        }
    }

    /// Records the mark of a key that is to be kept or loaded under `proof`; `false` where the scope
    /// has changed since.
    fn record(&self, proof: Proof) -> bool {
        if let Some(stripes) = &self.stripes {
            stripes.lock().insert(proof.stripe_number());
        }
        self.changed.load(Ordering::SeqCst) <= proof.seq()
    }
}

pub(crate) struct Scopes {
    prefix: Prefix,
    /// What every stamp's key begins with.
    stamps: Box<str>,
    watch: Arc<Watch>,
    all: Mutex<HashMap<Box<str>, Arc<Scope>>>,
    forgotten: Forgotten,
}

impl Scopes {
    pub(crate) fn new(prefix: Prefix, watch: Arc<Watch>) -> Arc<Self> {
        Arc::new(Self {
            stamps: StoredKey::stamp(&prefix, "").as_str().into(),
            prefix,
            watch,
            all: Mutex::default(),
            forgotten: Forgotten::new(),
        })
    }

    /// What changed on the server, with its number in the watch's count: a stamp's change reaches its
    /// scope.
    pub(crate) fn heard(&self, key: &str, seq: u64) {
        let Some(name) = key.strip_prefix(&*self.stamps) else {
            return;
        };
        // What is near of a cache may match a pattern. Its stamp stays, and so do values that others find.
        let of_patterns = names::of_patterns(name).map(|cache| [&*self.stamps, cache].concat());
        let key = of_patterns.as_deref().unwrap_or(key);
        let forgotten = self.forgotten.of(key);
        // Before the scope is looked for: one that is made from now on begins with this change.
        forgotten.note(seq);
        let scope = self.all.lock().get(key).cloned();
        if let Some(scope) = scope {
            scope.change(seq, &self.watch);
        }
        // After it: one that is found is not forgotten as long as it is held here.
        forgotten.mark(&self.watch);
    }

    /// Takes note of a change of a scope: nothing of it that is kept near, or being loaded, counts
    /// any more.
    pub(crate) fn change(&self, scope: &Scope) {
        self.note_change(&scope.key);
    }

    /// The same, of the stamp that lies under `key`.
    pub(crate) fn note_change(&self, key: &StoredKey) {
        let mark = self.watch.mark(key);
        self.heard(key.as_str(), mark.seq());
    }

    pub(crate) fn everything(&self) -> Arc<Scope> {
        self.scope(names::EVERYTHING, true, true)
    }

    pub(crate) fn untenanted(&self) -> Arc<Scope> {
        self.scope(names::UNTENANTED, true, true)
    }

    pub(crate) fn tenant(&self, tenant: &Tenant) -> Arc<Scope> {
        self.scope(&names::tenant(tenant.escaped()), false, false)
    }

    /// A cache, of all tenants or of one.
    pub(crate) fn cache(&self, tenant: Option<&Tenant>, name: &CacheName) -> Arc<Scope> {
        let of = names::cache(tenant.map(Tenant::escaped), name.escaped());
        // There are few caches, and as many caches of tenants as there are tenants.
        self.scope(&of, tenant.is_none(), tenant.is_none())
    }

    /// A tag, of all tenants or of one.
    pub(crate) fn tag(&self, tenant: Option<&Tenant>, tag: &Tag) -> Arc<Scope> {
        let of = names::tag(tenant.map(Tenant::escaped), tag.escaped());
        self.scope(&of, false, false)
    }

    /// What every value of a cache bears, without its tags.
    pub(crate) fn base(&self, tenant: Option<&Tenant>, name: &CacheName) -> Borne {
        let mut borne = vec![self.everything()];
        match tenant {
            None => borne.push(self.untenanted()),
            Some(owner) => {
                borne.push(self.tenant(owner));
                borne.push(self.cache(tenant, name));
            }
        }
        borne.push(self.cache(None, name));
        borne.into()
    }

    /// `base` and the scopes of these tags.
    pub(crate) fn with_tags(&self, base: &Borne, tenant: Option<&Tenant>, tags: &[Tag]) -> Borne {
        if tags.is_empty() {
            return Arc::clone(base);
        }
        let tags = self.of_tags(tenant, tags);
        base.iter().chain(&*tags).cloned().collect()
    }

    /// The scopes of these tags alone.
    pub(crate) fn of_tags(&self, tenant: Option<&Tenant>, tags: &[Tag]) -> Borne {
        let mut borne = Vec::new();
        for tag in tags {
            borne.push(self.tag(None, tag));
            if tenant.is_some() {
                borne.push(self.tag(tenant, tag));
            }
        }
        borne.into()
    }

    /// What the stamps of a value are worth that bears `borne`.
    pub(crate) fn standing(&self, borne: &Borne, stamps: Stamps<'_>) -> Standing {
        let now = borne.iter().map(|scope| scope.stamp(&self.watch));
        compare(now, stamps)
    }

    /// The same, by the stamps as they were last read: what was read during a call is as new as the
    /// call, even where nobody tells of later changes.
    pub(crate) fn standing_as_read(borne: &Borne, stamps: Stamps<'_>) -> Standing {
        compare(borne.iter().map(|scope| scope.last()), stamps)
    }

    /// The same, by the [`stamps`](Self::stamps) of now of what the value bears.
    pub(crate) fn standing_by(now: &[Stamp], stamps: Stamps<'_>) -> Standing {
        compare(now.iter().copied().map(Some), stamps)
    }

    /// Whether the stamps of `borne` are known now.
    pub(crate) fn knows(&self, borne: &Borne) -> bool {
        let is_known = |scope: &Arc<Scope>| scope.stamp(&self.watch).is_some();
        borne.iter().all(is_known)
    }

    /// The stamps of `borne`, where all are known now.
    pub(crate) fn stamps(&self, borne: &Borne) -> Option<Vec<Stamp>> {
        borne.iter().map(|scope| scope.stamp(&self.watch)).collect()
    }

    /// Records what is to be kept near, or loaded, under `proof`; `false` where a scope has
    /// changed since.
    pub(crate) fn record(borne: &Borne, proof: Proof) -> bool {
        let mut holds = true;
        for scope in &**borne {
            // Each of them: it is not known which is changed next.
            holds &= scope.record(proof);
        }
        holds
    }

    fn scope(&self, of: &str, is_lasting: bool, marks_all: bool) -> Arc<Scope> {
        let key = StoredKey::stamp(&self.prefix, of);
        let mut all = self.all.lock();
        if let Some(scope) = all.get(key.as_str()) {
            return Arc::clone(scope);
        }
        if all.len() >= MAX_SCOPES {
            all.retain(|key, scope| {
                // Only this map can hand it out, and it is locked.
                let is_used = Arc::strong_count(scope) > 1;
                if !is_used && let Some(stripes) = &scope.stripes {
                    let changed = scope.changed.load(Ordering::SeqCst);
                    self.forgotten.of(key).take(&mut stripes.lock(), changed);
                }
                is_used
            });
        }
        let changed = self.forgotten.of(key.as_str()).changed();
        let scope = Arc::new(Scope {
            is_lasting,
            known: Known::default(),
            changed: AtomicU64::new(changed),
            stripes: (!marks_all).then(|| Mutex::new(Stripes::new())),
            prolonged: Mutex::default(),
            key,
        });
        all.insert(scope.key.as_str().into(), Arc::clone(&scope));
        scope
    }
}

fn compare(now: impl ExactSizeIterator<Item = Option<Stamp>>, stamps: Stamps<'_>) -> Standing {
    if stamps.len() != now.len() {
        return Standing::Removed;
    }
    let mut standing = Standing::Current;
    for (now, stamp) in now.zip(stamps.iter()) {
        match now {
            None => return Standing::Unknown,
            Some(now) if now.remove != stamp.remove => return Standing::Removed,
            Some(now) if now.expire != stamp.expire => standing = Standing::Expired,
            Some(_) => {}
        }
    }
    standing
}
