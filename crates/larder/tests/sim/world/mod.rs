//! One server, its processes, and all that happens between them, in the order of virtual time.

mod delay;
mod describe;
mod events;
mod faults;
mod link;

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use larder::remote::{Asked, Lease, Observer, Pushes, RemoteError, ServerTime};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::check::{Check, Seq};
use crate::groups::{Group, Slot};
use crate::plan::{ASK_TIME_EVERY, PING_EVERY, Plan};
use crate::rng::Rng;
use crate::server::{Reply, Request, Store, Wrong};
use crate::trace::Trace;

use describe::StampNames;
use events::Event;
use link::Sample;

/// What is to be told to observers, without the state's lock.
type Telling = Vec<Box<dyn FnOnce()>>;

#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// An event was added.
    added: Notify,
    origin: Instant,
}

pub(crate) struct State {
    pub(crate) check: Check,
    pub(crate) trace: Trace,
    pub(crate) plan: Plan,
    now: u64,
    rng: Rng,
    store: Store,
    saved: Vec<Store>,
    up: bool,
    lineage: u64,
    /// How far the server's clock is ahead of the true time, in microseconds.
    ahead: u64,
    links: Vec<Link>,
    stamps: StampNames,
    queue: BTreeMap<(u64, Seq), Event>,
    events: Seq,
    healed: bool,
}

/// A process's ways to the server.
struct Link {
    requests: Requests,
    pushes: PushLink,
    stopped_until: u64,
    woken: Vec<Waker>,
    dead: bool,
    closed: bool,
    gone: bool,
    tasks: Vec<AbortHandle>,
    /// How its leases are called in the trace.
    names: BTreeMap<Vec<u8>, String>,
    leases: Vec<u64>,
}

#[derive(Default)]
struct Requests {
    up: bool,
    /// Counts connections: what belongs to an earlier one is lost.
    epoch: u64,
    frozen_until: u64,
    /// What is on its way to the server. Within a lane the order stays.
    lanes: BTreeMap<(Slot, u64), VecDeque<Waiting>>,
    unordered: u64,
    sample: Option<Sample>,
}

struct Waiting {
    request: Request,
    write: Option<usize>,
    answer: oneshot::Sender<Reply>,
}

#[derive(Default)]
struct PushLink {
    observer: Option<Weak<dyn Observer>>,
    /// Whether the server sends.
    subscribed: bool,
    epoch: u64,
    frozen_until: u64,
    sent: VecDeque<Push>,
    last_due: u64,
}

#[derive(Clone, Debug)]
enum Push {
    Began,
    Changed(usize, Option<usize>),
    LeaseChanged(usize),
    /// With the number of the event that changed it.
    StampChanged(Group, Seq),
    Flushed(Vec<usize>),
    /// With when that was.
    Pong(Asked, u64),
}

impl World {
    pub(crate) fn new(plan: &Plan, wrong: Wrong) -> Self {
        let links = (0..plan.processes).map(|_| Link {
            requests: Requests::default(),
            pushes: PushLink::default(),
            stopped_until: 0,
            woken: Vec::new(),
            dead: false,
            closed: false,
            gone: false,
            tasks: Vec::new(),
            names: BTreeMap::new(),
            leases: vec![0; plan.keys],
        });
        let mut state = State {
            check: Check::new(plan),
            trace: Trace::default(),
            now: 0,
            rng: Rng::of(plan.seed, &[3]),
            store: Store {
                wrong,
                ..Store::default()
            },
            saved: Vec::new(),
            up: true,
            lineage: 1,
            ahead: plan.clock,
            links: links.collect(),
            stamps: StampNames::default(),
            queue: BTreeMap::new(),
            events: 0,
            healed: false,
            plan: plan.clone(),
        };
        for process in 0..plan.processes {
            state.after(1, Event::Connect { process, epoch: 0 });
            state.after(ASK_TIME_EVERY, Event::AskTime { process });
            if plan.pushes {
                state.after(PING_EVERY, Event::Ping { process });
            }
        }
        state.after(700, Event::Saves);
        state.after(200, Event::Inspects);
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            added: Notify::new(),
            origin: Instant::now(),
        }))
    }

    /// The state, at the present time.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap();
        state.now = u64::try_from(self.0.origin.elapsed().as_millis()).unwrap();
        let now = state.now;
        state.check.at(now);
        state
    }

    /// Faults begin to strike.
    pub(crate) fn strike(&self) {
        let mut state = self.state();
        for (after, fault) in state.plan.faults.clone() {
            state.after(after, Event::Strikes(fault));
        }
        drop(state);
        self.0.added.notify_one();
    }

    /// Everything works from now on.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.healed = true;
        state.note(None, None, || "all faults end".to_owned());
    }

    /// Runs the world.
    pub(crate) async fn run(self) {
        loop {
            let (next, told) = self.step();
            for tell in told {
                tell();
            }
            let Some(next) = next else { continue };
            let _ = timeout_at(self.instant(next), self.0.added.notified()).await;
        }
    }

    fn instant(&self, at: u64) -> Instant {
        self.0.origin + Duration::from_millis(at)
    }

    /// Lets one event happen that is due, or says when the next one is. What is to be told to
    /// observers is told without the state's lock.
    fn step(&self) -> (Option<u64>, Telling) {
        let mut state = self.state();
        let now = state.now;
        match state.queue.first_key_value() {
            Some((&(at, _), _)) if at > now => (Some(at), Vec::new()),
            Some(_) => {
                let (_, event) = state.queue.pop_first().unwrap();
                (None, state.happens(event))
            }
            None => (Some(now + 1_000), Vec::new()),
        }
    }

    /// Sends a request: in its place among others from the first poll on.
    pub(crate) fn send(
        &self,
        process: usize,
        slot: Slot,
        request: Request,
    ) -> Result<oneshot::Receiver<Reply>, RemoteError> {
        let mut state = self.state();
        let write = match slot {
            Slot::Key(key) => state.check.sends(process, key, &request),
            Slot::Stamp(group) => state.check.sends_stamp(process, group, &request),
            Slot::Keys => None,
        };
        let text = state.describe(process, slot, &request);
        let link = &state.links[process];
        if link.closed || link.dead {
            return Err(RemoteError::Closed);
        }
        if !link.requests.up {
            state.note_of(process, slot, || format!("cannot send {text}"));
            return Err(disconnected());
        }
        state.note_of(process, slot, || format!("sends {text}"));
        let (answer, receiver) = oneshot::channel();
        let delay = state.delay(process, slot, (&text, 0));
        let ordered = state.plan.ordered || request.is_of_leases();
        let now = state.now;
        let requests = &mut state.links[process].requests;
        let class = if ordered {
            0
        } else {
            requests.unordered += 1;
            requests.unordered
        };
        let lane = (slot, class);
        requests.lanes.entry(lane).or_default().push_back(Waiting {
            request,
            write,
            answer,
        });
        let (epoch, at) = (requests.epoch, requests.frozen_until.max(now) + delay);
        state.enqueue(
            at,
            Event::Arrives {
                process,
                epoch,
                lane,
            },
        );
        drop(state);
        self.0.added.notify_one();
        Ok(receiver)
    }

    pub(crate) fn watch(&self, process: usize, observer: Weak<dyn Observer>) -> Pushes {
        let mut state = self.state();
        if !state.plan.pushes {
            return Pushes::None;
        }
        let pushes = &mut state.links[process].pushes;
        pushes.observer = Some(observer);
        let epoch = pushes.epoch;
        state.after(1, Event::Subscribe { process, epoch });
        drop(state);
        self.0.added.notify_one();
        Pushes::Later
    }

    pub(crate) fn server_time(&self, process: usize) -> Option<ServerTime> {
        let state = self.state();
        let sample = state.links[process].requests.sample?;
        let now = state.now * 1_000;
        Some(ServerTime {
            now_ms: sample.server_at(now) / 1_000,
            error_ms: sample.error_at(now) / 1_000 + 1,
            lineage: sample.lineage,
        })
    }

    /// Waits while the process is stopped.
    pub(crate) async fn awake(&self, process: usize) {
        poll_fn(|cx| {
            if self.hold(process, cx.waker()) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Whether the process is stopped. The waker is called when it goes on.
    pub(crate) fn hold(&self, process: usize, waker: &Waker) -> bool {
        let mut state = self.state();
        let now = state.now;
        let link = &mut state.links[process];
        let stopped = link.stopped_until > now;
        if stopped {
            link.woken.push(waker.clone());
        }
        stopped
    }

    /// A task that dies with its process.
    pub(crate) fn owns(&self, process: usize, task: AbortHandle) {
        self.state().links[process].tasks.push(task);
    }

    pub(crate) fn close(&self, process: usize) {
        self.state().links[process].closed = true;
    }

    /// Nothing of the process holds the remote any more.
    pub(crate) fn gone(&self, process: usize) {
        self.state().links[process].gone = true;
    }

    pub(crate) fn is_gone(&self, process: usize) -> bool {
        self.state().links[process].gone
    }

    /// The leases that stand on the server, for the end of a history.
    pub(crate) fn leases(&self) -> Vec<(usize, Lease)> {
        let state = self.state();
        let now = state.server_now();
        (0..state.plan.keys)
            .filter_map(|key| Some((key, state.store.lease(key, now)?.0)))
            .collect()
    }
}

pub(crate) fn disconnected() -> RemoteError {
    RemoteError::Disconnected {
        address: "simulated".to_owned(),
        reason: "the history says so".to_owned(),
    }
}

impl State {
    pub(crate) fn note(
        &mut self,
        process: Option<usize>,
        key: Option<usize>,
        what: impl FnOnce() -> String,
    ) {
        let slot = key.map(Slot::Key);
        self.trace.push(self.now, process, slot, what());
    }

    fn note_of(&mut self, process: usize, slot: Slot, what: impl FnOnce() -> String) {
        self.trace.push(self.now, Some(process), Some(slot), what());
    }

    fn enqueue(&mut self, at: u64, event: Event) {
        self.events += 1;
        self.queue.insert((at, self.events), event);
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.enqueue(self.now + delay, event);
    }

    /// The server's own time, in microseconds.
    fn server_now(&self) -> u64 {
        let now = self.now * 1_000;
        // It runs at a rate of its own: up to 400 of a million more or less.
        let rate = self.plan.seed % 801;
        self.ahead + now + now * rate / 1_000_000 - now * 400 / 1_000_000
    }
}

/// How the caches of the histories are named.
pub(crate) const NAME: &str = "values";

/// The value at an envelope's end.
fn text(bytes: &[u8]) -> String {
    let at = bytes.iter().rposition(|byte| *byte == b'{').unwrap();
    String::from_utf8_lossy(&bytes[at..]).into_owned()
}
