//! What the guarantees permit. Hears of everything that happens, and judges at once.
//!
//! The order of events is a count, since much happens within one millisecond.

mod answers;
mod calls;
mod faults;
mod groups;
mod loads;
mod patterns;
mod requests;

use std::collections::{BTreeMap, HashMap, VecDeque};

use larder::remote::Lease;
use larder::{LoadError, Outcome, Strength};
use serde::{Deserialize, Serialize};
use tokio::task;

pub(crate) use groups::Tagged;
use groups::{GroupCall, Invalidations};
use patterns::PatternCall;

use crate::groups::Group;
use crate::plan::Plan;

pub(crate) type Seq = u64;

/// What the caches hold: which load or `set` it comes from tells everything about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) id: usize,
}

impl Value {
    /// The value in an envelope, which ends with it.
    fn read(bytes: &[u8]) -> Self {
        let at = bytes.iter().rposition(|byte| *byte == b'{').unwrap();
        serde_json::from_slice(&bytes[at..]).unwrap()
    }
}

/// The error of a loader: which one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoadFailed(pub(crate) usize);

impl std::fmt::Display for LoadFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "load {} fails", self.0)
    }
}

/// What a loader that panics says, before its number.
pub(crate) const PANIC: &str = "simulated panic of load ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Lookup,
    Load,
    Spawn,
    Set,
    Remove,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum End {
    Dropped,
    Nothing,
    Found {
        id: usize,
        /// `None` where the call does not tell.
        outcome: Option<Outcome>,
    },
    Failed(LoadError<LoadFailed>),
    Wrote,
    /// A write that the server did not confirm.
    Refused,
}

#[derive(Debug)]
struct Call {
    process: usize,
    key: usize,
    kind: Kind,
    began: Seq,
    began_at: u64,
    /// How long its process had been stopped by then.
    stopped: u64,
    write: Option<usize>,
}

/// Where a value comes from.
#[derive(Debug)]
struct Made {
    process: usize,
    key: usize,
    tagged: Tagged,
    began: Seq,
    began_at: u64,
    /// When the source was read, for a load.
    version: u64,
    /// From when on it ages.
    landed_at: Option<u64>,
    from: From,
    /// When the server took it.
    applied: Option<Seq>,
    /// When the server came back with it after a restart.
    restored: Option<Seq>,
}

#[derive(Debug)]
enum From {
    Load {
        call: usize,
        running: bool,
        /// The number of its lease's grant, where it had one.
        granted: Option<Seq>,
        ended: Option<Seq>,
        failed: bool,
    },
    Set {
        write: usize,
    },
}

/// Whatever makes older values wrong.
#[derive(Debug)]
struct Write {
    /// `None` for a flush or a loss, which nobody in the fleet asked for.
    process: Option<usize>,
    what: &'static str,
    /// Whose values it makes wrong; `None` for those of one key.
    group: Option<Group>,
    /// Whether they may be served as stale all the same.
    strength: Strength,
    began: Seq,
    ended: Option<Seq>,
    applied: Option<(Seq, u64)>,
    /// When each process heard of it.
    delivered: Vec<Option<Seq>>,
    /// What a `set` brought.
    value: Option<usize>,
    /// Whether it took effect at several moments until its end.
    by_pattern: bool,
}

/// What one process did with one key.
#[derive(Debug, Default)]
struct Place {
    open_calls: usize,
    running_loads: Vec<usize>,
    flying: usize,
    last_active: u64,
    /// The last change of the key that the process may have known of.
    touched: Seq,
    /// What each task's last look at the server for a load came to: the task that leads a flight asks
    /// for its lease and loads.
    claims: HashMap<Option<task::Id>, Claimed>,
    /// When a load was last dropped: its lease passes to one who waits.
    dropped: Seq,
    /// Removals whose request was not sent yet.
    removals: VecDeque<usize>,
    /// Those of `set`s, which ask for stamps first, and when they began.
    sets: Vec<(usize, u64)>,
    /// When a value with late tags was last loaded: it takes a while until it is stored, or is not.
    late_load: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    Granted(Lease, Seq),
    Held(Lease),
    Value,
    Failed,
}

#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) at: u64,
    pub(crate) key: Option<usize>,
    pub(crate) text: String,
}

pub(crate) struct Check {
    plan: Plan,
    now: u64,
    seq: Seq,
    /// When each event was.
    times: Vec<u64>,
    calls: Vec<Call>,
    made: Vec<Made>,
    writes: Vec<Write>,
    writes_of: Vec<Vec<usize>>,
    group_calls: Vec<GroupCall>,
    pattern_calls: Vec<PatternCall>,
    invalidations: BTreeMap<(usize, Group), Invalidations>,
    /// Requests about stamps on their way, of each process.
    stamps_flying: Vec<usize>,
    places: Vec<Vec<Place>>,
    /// Each key's source of truth.
    sources: Vec<u64>,
    /// Who drew each lease.
    owners: BTreeMap<Vec<u8>, usize>,
    /// When the server granted it.
    grants: BTreeMap<Vec<u8>, Seq>,
    /// Until when each process had trouble with the server.
    trouble: Vec<u64>,
    /// Until when each process may believe what it has heard.
    trusted_until: Vec<u64>,
    /// The end of the last time in which it could not.
    lapsed_until: Vec<u64>,
    dead: Vec<bool>,
    stopped: Vec<u64>,
    /// When each key's leases were last lost without anybody's doing.
    leases_lost: Vec<Seq>,
    /// Until when the end of a load that stored nothing, or lost leases, may bring more loads.
    disturbed: Vec<u64>,
    jumps: Vec<u64>,
    restarts: Vec<u64>,
    went_back: bool,
    pub(crate) violation: Option<Violation>,
    pub(crate) served: u64,
}

impl Check {
    pub(crate) fn new(plan: &Plan) -> Self {
        let places = || (0..plan.keys).map(|_| Place::default()).collect();
        Self {
            now: 0,
            seq: 0,
            times: vec![0],
            calls: Vec::new(),
            made: Vec::new(),
            writes: Vec::new(),
            writes_of: vec![Vec::new(); plan.keys],
            group_calls: Vec::new(),
            pattern_calls: Vec::new(),
            invalidations: BTreeMap::new(),
            stamps_flying: vec![0; plan.processes],
            places: (0..plan.processes).map(|_| places()).collect(),
            sources: vec![0; plan.keys],
            owners: BTreeMap::new(),
            grants: BTreeMap::new(),
            trouble: vec![0; plan.processes],
            trusted_until: vec![0; plan.processes],
            lapsed_until: vec![0; plan.processes],
            dead: vec![false; plan.processes],
            stopped: vec![0; plan.processes],
            leases_lost: vec![0; plan.keys],
            disturbed: vec![0; plan.keys],
            jumps: Vec::new(),
            restarts: Vec::new(),
            went_back: false,
            violation: None,
            served: 0,
            plan: plan.clone(),
        }
    }

    /// Everything that follows happens at `now`.
    pub(crate) fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self.seq += 1;
        self.times.push(now);
        self
    }

    pub(crate) fn fail(&mut self, key: impl Into<Option<usize>>, text: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                at: self.now,
                key: key.into(),
                text,
            });
        }
    }

    fn place(&mut self, process: usize, key: usize) -> &mut Place {
        &mut self.places[process][key]
    }

    fn describe(&self, id: usize) -> String {
        let made = &self.made[id];
        let what = match made.from {
            From::Load { .. } => "loaded",
            From::Set { .. } => "set",
        };
        format!(
            "v{id} ({what} by P{} from {} ms on, version {}, of {:?}, late {:?})",
            made.process, made.began_at, made.version, made.tagged.groups, made.tagged.late
        )
    }

    /// One that begins now; nobody's, unless it is said whose.
    fn new_write(&self, what: &'static str, group: Option<Group>) -> Write {
        Write {
            process: None,
            what,
            group,
            strength: Strength::Remove,
            began: self.seq,
            ended: None,
            applied: None,
            delivered: vec![None; self.plan.processes],
            value: None,
            by_pattern: false,
        }
    }

    /// Whether `id` must not outlive `write`.
    fn is_older(&self, id: usize, write: &Write) -> bool {
        if write.value == Some(id) || !self.bears(id, write) {
            return false;
        }
        let made = &self.made[id];
        match made.from {
            // A flush says nothing of the source: what is on its way stays good.
            From::Load { ended, .. } if write.process.is_none() => {
                ended.is_some_and(|ended| ended < write.began)
            }
            From::Load { .. } => made.began < write.began,
            // Of two writes the server's order counts, unless the one was over before the other began:
            // then it comes too late to mean it.
            From::Set { .. } if write.ended.is_some_and(|end| end < made.began) => false,
            // It may have come behind the last look.
            From::Set { write: own } if write.by_pattern => {
                self.writes[own].ended.is_some_and(|end| end < write.began)
            }
            From::Set { write: own } => match (made.applied, write.applied) {
                (Some(first), Some((second, _))) => first < second,
                _ => self.writes[own].ended.is_some_and(|end| end < write.began),
            },
        }
    }
}
