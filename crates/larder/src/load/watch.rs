//! What this process knows of changes on the server. Plain and synchronous.
//!
//! A *proof* is taken before the server is read, and says: nothing that was known then to have
//! changed is older than this. It *holds* until a change to its key becomes known, or a gap in
//! what can be known. Near entries and flights carry the proof of the read that they rest on.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;
use tokio::sync::Notify;
use tokio::sync::watch;

use crate::health::NearTrust;
use crate::key::StoredKey;
use crate::remote::{Asked, Observer, Pushes};
use crate::scope::Scopes;
use crate::time::{Clock, Tick};

/// How many marks there are: keys that share one cost each other a read of the server now and
/// then. Half a megabyte.
const STRIPES: usize = 1 << STRIPE_BITS;
const STRIPE_BITS: u32 = 16;
/// The same for a cache without a server, where only groups set marks: 32 KiB.
const LOCAL_STRIPES: usize = 1 << 12;

/// See the page of [the module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof(u64);

impl Proof {
    /// It holds for ever.
    pub(crate) const LOCAL: Self = Self(u64::MAX);

    /// The count in the high bits, which 10⁶ changes a second exhaust in nine years; the stripe in
    /// the low ones.
    fn new(seq: u64, stripe: usize) -> Self {
        Self(seq << STRIPE_BITS | stripe as u64)
    }

    pub(crate) fn seq(self) -> u64 {
        self.0 >> STRIPE_BITS
    }

    fn stripe(self) -> usize {
        usize::from(self.stripe_number())
    }

    /// A proof of the same key, from when `then` was taken.
    pub(crate) fn as_of(self, then: Self) -> Self {
        Self::new(then.seq(), self.stripe())
    }

    pub(crate) fn stripe_number(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// How changes are heard of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The remote tells nothing.
    None,
    /// Not begun yet, or lost, and why.
    Down(String),
    /// Begun, and nothing answered yet.
    Begun,
    /// Whole, as long as answers come.
    Live,
}

pub(crate) struct Watch {
    clock: Clock,
    /// How long what is known counts after the server's last answer.
    bound: Duration,
    hasher: DefaultHashBuilder,
    /// Changes known.
    seq: AtomicU64,
    /// The last gap: no proof from before it holds.
    floor: AtomicU64,
    /// The last change of a key of each stripe.
    marks: Box<[AtomicU64]>,
    /// When what is known stops to count, as a [`Tick`].
    trusted_until: AtomicU64,
    stream: watch::Sender<Stream>,
    /// Whether the remote tells nothing, ever: what every lookup asks, without the stream's lock.
    is_untold: AtomicBool,
    waiting: Mutex<HashMap<usize, Waited>>,
    /// What is to be done when everything may be gone.
    flushed: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
    /// Who looks after the stamps that change.
    scopes: OnceLock<Weak<Scopes>>,
    /// When the last question was asked that the server has answered.
    answered: watch::Sender<Tick>,
}

struct Waited {
    changed: Arc<Notify>,
    waiters: usize,
}

impl Watch {
    /// Of a server. What is known counts for `bound` after its last answer.
    pub(crate) fn new(clock: Clock, bound: Duration) -> Self {
        Self::with(STRIPES, clock, bound)
    }

    /// Of one cache without a server: all changes are its own.
    pub(crate) fn local(clock: Clock) -> Self {
        let watch = Self::with(LOCAL_STRIPES, clock, Duration::ZERO);
        watch.told(Pushes::AtOnce);
        watch
    }

    fn with(stripes: usize, clock: Clock, bound: Duration) -> Self {
        Self {
            clock,
            bound,
            hasher: DefaultHashBuilder::default(),
            seq: AtomicU64::new(1),
            floor: AtomicU64::new(0),
            marks: (0..stripes).map(|_| AtomicU64::new(0)).collect(),
            trusted_until: AtomicU64::new(0),
            stream: watch::Sender::new(Stream::Down("connecting".to_owned())),
            is_untold: AtomicBool::new(false),
            waiting: Mutex::default(),
            flushed: Mutex::default(),
            scopes: OnceLock::new(),
            answered: watch::Sender::new(Tick(0)),
        }
    }

    /// Learns from the remote how it will tell of changes.
    pub(crate) fn told(&self, pushes: Pushes) {
        let stream = match pushes {
            // There is no answer to wait for: each entry is believed for a time of its own.
            Pushes::None => {
                self.is_untold.store(true, Ordering::SeqCst);
                Stream::None
            }
            // What is told before the change is done needs no trust.
            Pushes::AtOnce => Stream::Live,
            Pushes::Later => return,
        };
        self.trusted_until.store(u64::MAX, Ordering::SeqCst);
        self.stream.send_replace(stream);
    }

    /// Says who looks after the stamps that change.
    pub(crate) fn tells(&self, scopes: &Arc<Scopes>) {
        let _first = self.scopes.set(Arc::downgrade(scopes));
    }

    /// Waits until all is told that changed before now; `false` where it is not told.
    pub(crate) async fn caught_up(&self, patience: Duration) -> bool {
        if self.trusted_until() == Tick(u64::MAX) {
            // Told at once, or not at all.
            return self.is_trusted();
        }
        let now = self.clock.now();
        let mut answered = self.answered.subscribe();
        let told = answered.wait_for(|asked| *asked >= now);
        tokio::time::timeout(patience, told).await.is_ok()
    }

    /// How long another process may go on to trust what it knew before a change.
    pub(crate) fn lag(&self) -> Duration {
        if self.trusted_until() == Tick(u64::MAX) {
            // Told at once; or nothing is told, and so nothing trusted.
            return Duration::ZERO;
        }
        self.bound
    }

    fn stripe(&self, key: &str) -> usize {
        (self.hasher.hash_one(key) >> 24) as usize % self.marks.len()
    }

    /// Taken before the server is asked for `key`.
    pub(crate) fn proof(&self, key: &StoredKey) -> Proof {
        let stripe = self.stripe(key.as_str());
        Proof::new(self.seq.load(Ordering::SeqCst), stripe)
    }

    /// A proof that is later than all before it, to tell which of two reads was asked for first.
    pub(crate) fn next_proof(&self, key: &StoredKey) -> Proof {
        let stripe = self.stripe(key.as_str());
        Proof::new(self.seq.fetch_add(1, Ordering::SeqCst) + 1, stripe)
    }

    /// For a key that cannot be stored, and so cannot change.
    pub(crate) fn no_proof(&self) -> Proof {
        Proof::new(self.seq.load(Ordering::SeqCst), 0)
    }

    /// Marks a change of `key`; the proof that is returned is the first that knows of it.
    pub(crate) fn mark(&self, key: &StoredKey) -> Proof {
        self.mark_stripe(self.stripe(key.as_str()))
    }

    fn mark_stripe(&self, stripe: usize) -> Proof {
        let seq = self.seq.fetch_add(1, Ordering::SeqCst) + 1;
        // Never lowered, when two marks overtake each other.
        self.marks[stripe].fetch_max(seq, Ordering::SeqCst);
        Proof::new(seq, stripe)
    }

    /// Marks the keys of one stripe.
    pub(crate) fn mark_at(&self, stripe: u16) {
        self.mark_stripe(stripe.into());
    }

    /// Marks every key.
    pub(crate) fn mark_all(&self) {
        let seq = self.seq.fetch_add(1, Ordering::SeqCst) + 1;
        for mark in &self.marks {
            mark.fetch_max(seq, Ordering::SeqCst);
        }
    }

    /// Whether what was read with this proof is known to stand now.
    pub(crate) fn is_certain(&self, proof: Proof) -> bool {
        self.is_unmarked(proof) && self.is_gapless(proof) && self.is_trusted()
    }

    /// Whether nothing at all became known since the proof, of whatever key: then it holds, and no mark
    /// need be fetched. Each change raises the count before it sets a mark or a gap.
    #[inline]
    pub(crate) fn is_quiet(&self, proof: Proof) -> bool {
        self.seq.load(Ordering::Acquire) <= proof.seq()
    }

    /// Whether no change of the proof's key became known since.
    #[inline]
    pub(crate) fn is_unmarked(&self, proof: Proof) -> bool {
        self.marks[proof.stripe()].load(Ordering::Acquire) <= proof.seq()
    }

    /// Whether no gap came since the proof.
    #[inline]
    pub(crate) fn is_gapless(&self, proof: Proof) -> bool {
        self.floor.load(Ordering::Acquire) <= proof.seq()
    }

    /// Until when what is known counts, unless the server answers again.
    #[inline]
    pub(crate) fn trusted_until(&self) -> Tick {
        Tick(self.trusted_until.load(Ordering::Acquire))
    }

    fn gap(&self) {
        let seq = self.seq.fetch_add(1, Ordering::SeqCst) + 1;
        self.floor.fetch_max(seq, Ordering::SeqCst);
    }

    /// Calls `forget` when everything on the server may be gone.
    pub(crate) fn on_flush(&self, forget: impl Fn() + Send + Sync + 'static) {
        self.flushed.lock().push(Box::new(forget));
    }

    pub(crate) fn stream(&self) -> Stream {
        self.stream.borrow().clone()
    }

    pub(crate) fn health(&self) -> NearTrust {
        let reason = match self.stream() {
            Stream::None => return NearTrust::Untold,
            Stream::Live if self.is_answered() => return NearTrust::Trusted,
            Stream::Live | Stream::Begun => "the server does not answer".to_owned(),
            Stream::Down(reason) => reason,
        };
        NearTrust::Untrusted { reason }
    }

    /// Whether the remote tells nothing.
    pub(crate) fn is_untold(&self) -> bool {
        self.is_untold.load(Ordering::Acquire)
    }

    /// Whether changes are told, and will be in time.
    pub(crate) fn is_trusted(&self) -> bool {
        // Trust ends with a stream, and begins with its first answer.
        self.is_answered() && !self.is_untold()
    }

    fn is_answered(&self) -> bool {
        self.clock.is_before(self.trusted_until())
    }

    /// Whether what was read of the server at `looked` counts now: changes since are known, or it is
    /// no longer ago than trust lasts.
    pub(crate) fn covers(&self, looked: Tick) -> bool {
        self.is_untold()
            || self
                .clock
                .is_before(self.trusted_until().max(looked.plus(self.bound)))
    }

    /// Waits until the stream of changes is live, or cannot be for now.
    pub(crate) async fn settled(&self) {
        let mut stream = self.stream.subscribe();
        let settled = |stream: &Stream| match stream {
            Stream::Down(reason) => reason != "connecting",
            Stream::Begun => false,
            Stream::None | Stream::Live => true,
        };
        // The sender lives in this watch.
        let _ = stream.wait_for(settled).await;
    }

    /// To wait for a change of `key` or of its lease.
    pub(crate) fn waiter(self: &Arc<Self>, key: &StoredKey) -> Waiter {
        let stripe = self.stripe(key.as_str());
        let mut waiting = self.waiting.lock();
        let waited = waiting.entry(stripe).or_insert_with(|| Waited {
            changed: Arc::default(),
            waiters: 0,
        });
        waited.waiters += 1;
        Waiter {
            changed: Arc::clone(&waited.changed),
            watch: Arc::clone(self),
            stripe,
        }
    }

    fn wake(&self, stripe: usize) {
        if let Some(waited) = self.waiting.lock().get(&stripe) {
            waited.changed.notify_waiters();
        }
    }

    fn wake_all(&self) {
        for waited in self.waiting.lock().values() {
            waited.changed.notify_waiters();
        }
    }
}

impl Observer for Watch {
    fn began(&self) {
        self.gap();
        self.stream.send_modify(|stream| {
            *stream = Stream::Begun;
            self.trusted_until.store(0, Ordering::SeqCst);
        });
        self.wake_all();
    }

    fn changed(&self, key: &str) {
        let stripe = self.stripe(key);
        let mark = self.mark_stripe(stripe);
        if let Some(scopes) = self.scopes.get().and_then(Weak::upgrade) {
            scopes.heard(key, mark.seq());
        }
        self.wake(stripe);
    }

    fn lease_changed(&self, key: &str) {
        self.wake(self.stripe(key));
    }

    fn flushed(&self) {
        self.gap();
        for forget in &*self.flushed.lock() {
            forget();
        }
        self.wake_all();
    }

    fn asks(&self) -> Asked {
        Asked(self.clock.now())
    }

    fn answered(&self, asked: Asked) {
        let until = asked.0.plus(self.bound);
        // Under the stream's lock, so that no answer of a lost stream counts.
        self.stream.send_if_modified(|stream| {
            match stream {
                Stream::None | Stream::Down(_) => return false,
                Stream::Begun | Stream::Live => {}
            }
            self.trusted_until.fetch_max(until.0, Ordering::SeqCst);
            self.answered.send_replace(asked.0);
            std::mem::replace(stream, Stream::Live) != Stream::Live
        });
    }

    fn ended(&self, reason: &str) {
        self.stream.send_modify(|stream| {
            *stream = Stream::Down(reason.to_owned());
            self.trusted_until.store(0, Ordering::SeqCst);
        });
    }
}

/// Someone who waits for a change.
#[must_use]
pub(crate) struct Waiter {
    changed: Arc<Notify>,
    watch: Arc<Watch>,
    stripe: usize,
}

impl Waiter {
    /// Enable it before the server is asked, so that no change falls between.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.watch.waiting.lock();
        if let Some(waited) = waiting.get_mut(&self.stripe) {
            waited.waiters -= 1;
            if waited.waiters == 0 {
                waiting.remove(&self.stripe);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{CacheName, Prefix};

    fn key(of: &str) -> StoredKey {
        let (prefix, name) = (Prefix::new("t").unwrap(), CacheName::new("c").unwrap());
        StoredKey::new(&prefix, None, &name, of).unwrap()
    }

    fn watch() -> (Watch, Clock) {
        let clock = Clock::manual();
        (Watch::new(clock.clone(), Duration::from_secs(1)), clock)
    }

    #[test]
    fn a_proof_holds_until_its_key_changes() {
        let (watch, _) = watch();
        let (a, b) = (key("a"), key("b"));
        let (proof_a, proof_b) = (watch.proof(&a), watch.proof(&b));
        watch.changed(a.as_str());
        assert!(!watch.is_unmarked(proof_a));
        assert!(watch.is_unmarked(proof_b));
        assert!(watch.is_unmarked(watch.proof(&a)), "a later proof holds");
        assert!(watch.is_unmarked(Proof::LOCAL));
    }

    #[test]
    fn a_lease_that_changes_marks_nothing() {
        let (watch, _) = watch();
        let proof = watch.proof(&key("a"));
        watch.lease_changed(key("a").as_str());
        assert!(watch.is_unmarked(proof));
    }

    #[test]
    fn a_gap_ends_every_proof_and_leaves_them_unmarked() {
        let (watch, _) = watch();
        let proof = watch.proof(&key("a"));
        watch.began();
        assert!(!watch.is_gapless(proof));
        assert!(watch.is_unmarked(proof), "it may still be served as stale");
        assert!(watch.is_gapless(watch.proof(&key("a"))));
    }

    #[test]
    fn trust_counts_from_the_question_and_ends_by_itself() {
        let (watch, clock) = watch();
        watch.began();
        assert!(!watch.is_trusted(), "nothing was answered");
        let asked = watch.asks();
        clock.advance(Duration::from_millis(600));
        watch.answered(asked);
        assert!(watch.is_trusted());
        clock.advance(Duration::from_millis(399));
        assert!(watch.is_trusted());
        clock.advance(Duration::from_millis(1));
        assert!(!watch.is_trusted(), "a second after the question");
    }

    #[test]
    fn an_answer_of_a_lost_stream_does_not_count() {
        let (watch, _) = watch();
        watch.began();
        let asked = watch.asks();
        watch.ended("cut");
        watch.answered(asked);
        assert!(!watch.is_trusted());
        assert_eq!(watch.stream(), Stream::Down("cut".to_owned()));
    }
}
