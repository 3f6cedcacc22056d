//! What a history is made of, drawn from its seed.

use std::time::Duration;

use larder::{Coherence, Refresh};

use crate::rng::Rng;

/// The time that a larder grants to the remote work of a call.
pub(crate) const TIMEOUT: u64 = 4_000;
/// How long near entries count after the server's last answer.
pub(crate) const TRUST: u64 = 1_000;
/// How long any loader of a cache may take; those of the histories take less.
pub(crate) const LOAD_TIMEOUT: u64 = 15_000;
/// How long a value with late tags waits at most until it is known whether it may be stored.
pub(crate) const CATCH_UP: u64 = 2_000;
pub(crate) const PING_EVERY: u64 = 250;
pub(crate) const ASK_TIME_EVERY: u64 = 1_000;

/// What may go wrong. Each history has some of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No requests and answers pass for a while.
    StallRequests,
    /// No pushes pass for a while.
    StallPushes,
    StallBoth,
    /// A process is not run for a while.
    Stop,
    CutRequests,
    CutPushes,
    CutBoth,
    /// The server ends, and comes back with what it had saved.
    Restart,
    Flush,
    /// The server drops a value.
    Evict,
    EvictLease,
    EvictStamp,
    /// The server's clock jumps ahead.
    Jump,
    /// A process dies.
    Kill,
}

const FAULTS: [Fault; 14] = [
    Fault::StallRequests,
    Fault::StallPushes,
    Fault::StallBoth,
    Fault::Stop,
    Fault::CutRequests,
    Fault::CutPushes,
    Fault::CutBoth,
    Fault::Restart,
    Fault::Flush,
    Fault::Evict,
    Fault::EvictLease,
    Fault::EvictStamp,
    Fault::Jump,
    Fault::Kill,
];

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) processes: usize,
    pub(crate) keys: usize,
    /// Tasks in each process.
    pub(crate) tasks: usize,
    /// How long they go on, in milliseconds like all times here.
    pub(crate) length: u64,
    /// The longest pause between two calls of a task.
    pub(crate) think: u64,
    pub(crate) ttl: u64,
    pub(crate) stale: u64,
    pub(crate) soft_timeout: Option<u64>,
    pub(crate) refresh: Refresh,
    pub(crate) coherence: Coherence,
    pub(crate) near: bool,
    /// Whether the server tells of changes.
    pub(crate) pushes: bool,
    /// Whether requests of a process for one key keep their order, beyond what a remote promises.
    pub(crate) ordered: bool,
    /// The shortest and longest way to the server, one way.
    pub(crate) latency: (u64, u64),
    /// How many in a hundred messages are on their way for much longer.
    pub(crate) laggards: u64,
    /// The longest loader.
    pub(crate) load: u64,
    /// How many calls in a hundred are dropped before their end.
    pub(crate) drops: u64,
    /// How many loaders in a hundred fail or panic.
    pub(crate) failures: u64,
    /// How many calls in a hundred set, and remove.
    pub(crate) sets: u64,
    pub(crate) removes: u64,
    /// How many calls in a hundred invalidate a group.
    pub(crate) clears: u64,
    /// How many in a hundred of these are of one and the same tag.
    pub(crate) focus: u64,
    /// How many in a hundred of the tags that a value may have it has: known before its load, and
    /// revealed by it.
    pub(crate) tags: u64,
    pub(crate) late_tags: u64,
    /// How far the server's clock is off, in microseconds.
    pub(crate) clock: u64,
    pub(crate) faults: Vec<(u64, Fault)>,
    /// How many calls in a hundred remove by a pattern.
    pub(crate) patterns: u64,
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::of(seed, &[1]);
        let length = rng.between(4, 16) * 1_000;
        let kinds: Vec<_> = FAULTS.into_iter().filter(|_| rng.percent(30)).collect();
        let count = match rng.index(4) {
            0 => 0,
            1 => 2,
            2 => 6,
            _ => 12,
        };
        let mut faults = Vec::new();
        if !kinds.is_empty() {
            faults.extend((0..count).map(|_| (rng.between(0, length), rng.pick(&kinds))));
        }
        let stale = rng.pick(&[0, 0, 1_000, 5_000]);
        Self {
            seed,
            processes: 2 + rng.index(3),
            keys: 1 + rng.index(4),
            tasks: 2 + rng.index(4),
            length,
            think: rng.pick(&[50, 300, 1_000]),
            ttl: rng.pick(&[1_000, 3_000, 10_000, 60_000, 60_000]),
            stale,
            soft_timeout: rng
                .percent(30)
                .then(|| rng.pick(&[0, 100, 400]))
                .filter(|_| stale > 0),
            refresh: if rng.percent(30) {
                Refresh::After(0.5)
            } else {
                Refresh::Never
            },
            coherence: if rng.percent(85) {
                Coherence::Pushed
            } else {
                Coherence::Ttl(Duration::from_millis(rng.pick(&[300, 1_000, 3_000])))
            },
            near: rng.percent(90),
            pushes: rng.percent(92),
            ordered: rng.percent(50),
            latency: rng.pick(&[(0, 1), (1, 10), (1, 60), (20, 200)]),
            laggards: rng.pick(&[0, 0, 1, 10]),
            load: rng.pick(&[20, 200, 1_000, 4_000]),
            drops: rng.pick(&[0, 5, 20]),
            failures: rng.pick(&[0, 5, 20]),
            sets: rng.pick(&[0, 5, 15]),
            removes: rng.pick(&[2, 5, 15]),
            clears: rng.pick(&[0, 2, 5, 15]),
            focus: rng.pick(&[0, 0, 80]),
            tags: rng.pick(&[0, 30, 80]),
            late_tags: rng.pick(&[0, 0, 10, 50]),
            clock: rng.between(1, 1 << 50),
            faults,
            patterns: rng.pick(&[0, 0, 3, 10]),
        }
    }
}
