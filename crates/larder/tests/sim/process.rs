//! The tasks of a process: calls and loaders as a program might make them, at random.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use larder::{Cache, Found, LoadError};
use tokio::time::{Instant, sleep, timeout};

use crate::check::{End, Kind, LoadFailed, PANIC, Value};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::world::World;

/// A task that stands still while its process is stopped.
pub(crate) struct Stoppable<F> {
    world: World,
    process: usize,
    task: Pin<Box<F>>,
}

impl<F: Future> Future for Stoppable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.world.hold(self.process, cx.waker()) {
            return Poll::Pending;
        }
        self.task.as_mut().poll(cx)
    }
}

/// One process's cache, and who watches what it does.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) world: World,
    pub(crate) number: usize,
    pub(crate) plan: Arc<Plan>,
    pub(crate) cache: Cache<usize, Value>,
}

/// How a loader goes.
#[derive(Clone, Copy, Debug)]
struct Script {
    before: u64,
    after: u64,
    end: ScriptEnd,
}

#[derive(Clone, Copy, Debug)]
enum ScriptEnd {
    Value,
    Error,
    Panic,
}

impl Script {
    fn draw(plan: &Plan, rng: &mut Rng) -> Self {
        let end = if !rng.percent(plan.failures) {
            ScriptEnd::Value
        } else if rng.percent(70) {
            ScriptEnd::Error
        } else {
            ScriptEnd::Panic
        };
        Self {
            before: rng.between(0, plan.load / 2),
            after: rng.between(0, plan.load / 2),
            end,
        }
    }
}

/// How long a call may go on.
#[derive(Clone, Copy, Debug)]
enum Patience {
    Endless,
    Millis(u64),
    Polls(u64),
}

impl Patience {
    fn draw(plan: &Plan, rng: &mut Rng) -> Self {
        if !rng.percent(plan.drops) {
            Self::Endless
        } else if rng.percent(50) {
            Self::Millis(rng.between(0, 2 * plan.latency.1 + plan.load))
        } else {
            Self::Polls(rng.between(1, 6))
        }
    }

    /// `None` where the future was dropped before its end.
    async fn grant<F: Future>(self, future: F) -> Option<F::Output> {
        match self {
            Self::Endless => Some(future.await),
            Self::Millis(time) => timeout(Duration::from_millis(time), future).await.ok(),
            Self::Polls(mut polls) => {
                let mut future = pin!(future);
                poll_fn(|cx| match future.as_mut().poll(cx) {
                    Poll::Ready(output) => Poll::Ready(Some(output)),
                    Poll::Pending => {
                        polls -= 1;
                        if polls == 0 {
                            Poll::Ready(None)
                        } else {
                            Poll::Pending
                        }
                    }
                })
                .await
            }
        }
    }
}

/// A call under way. Dropped, it says so.
struct Open<'a> {
    process: &'a Process,
    call: usize,
    key: usize,
    ended: bool,
}

impl Open<'_> {
    fn end(mut self, end: &End) {
        self.ended = true;
        self.tell(end);
    }

    fn tell(&self, end: &End) {
        let call = self.call;
        let mut state = self.process.world.state();
        state.check.end(call, end);
        state.note(Some(self.process.number), Some(self.key), || match end {
            End::Found {
                id,
                outcome: Some(outcome),
            } => format!(
                "call {call} ends with v{id}, {} from {}, age {:?}{}",
                outcome.freshness,
                outcome.source,
                outcome.age,
                if outcome.joined { ", joined" } else { "" }
            ),
            End::Found { id, outcome: None } => format!("call {call} ends with v{id}"),
            other => format!("call {call} ends: {other:?}"),
        });
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(&End::Dropped);
        }
    }
}

/// A load under way. Dropped, it says so.
struct Loading<'a> {
    process: &'a Process,
    id: usize,
    key: usize,
    ended: bool,
}

impl Loading<'_> {
    fn end(&mut self, with_error: Option<bool>) {
        self.ended = true;
        let mut state = self.process.world.state();
        state.check.load_ended(self.id, with_error);
        let id = self.id;
        state.note(
            Some(self.process.number),
            Some(self.key),
            || match with_error {
                Some(false) => format!("has loaded v{id}"),
                Some(true) => format!("fails to load v{id}"),
                None => format!("drops its load of v{id}"),
            },
        );
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(None);
        }
    }
}

impl Process {
    pub(crate) fn stoppable<F: Future>(&self, task: F) -> Stoppable<F> {
        Stoppable {
            world: self.world.clone(),
            process: self.number,
            task: Box::pin(task),
        }
    }

    fn open(&self, key: usize, kind: Kind) -> (Open<'_>, Value) {
        let mut state = self.world.state();
        let (call, value) = state.check.begin(self.number, key, kind);
        state.note(Some(self.number), Some(key), || match kind {
            Kind::Set => format!("call {call}: Set v{}", value.id),
            _ => format!("call {call}: {kind:?}"),
        });
        let open = Open {
            process: self,
            call,
            key,
            ended: false,
        };
        (open, value)
    }

    fn loader(
        &self,
        call: usize,
        key: usize,
        script: Script,
    ) -> impl FnOnce() -> Pin<Box<dyn Future<Output = Result<Value, LoadFailed>> + Send>> + Send + 'static
    {
        let process = self.clone();
        move || Box::pin(async move { process.load(call, key, script).await })
    }

    fn begin_load(&self, call: usize, key: usize) -> Loading<'_> {
        let mut state = self.world.state();
        let id = state.check.load_began(call);
        state.note(Some(self.number), Some(key), || {
            format!("loads v{id} for call {call}")
        });
        Loading {
            process: self,
            id,
            key,
            ended: false,
        }
    }

    async fn load(&self, call: usize, key: usize, script: Script) -> Result<Value, LoadFailed> {
        let mut loading = self.begin_load(call, key);
        let id = loading.id;
        self.pause(script.before).await;
        self.world.state().check.source_read(id);
        self.pause(script.after).await;
        match script.end {
            ScriptEnd::Value => {
                loading.end(Some(false));
                Ok(Value { id })
            }
            ScriptEnd::Error => {
                loading.end(Some(true));
                Err(LoadFailed(id))
            }
            ScriptEnd::Panic => {
                loading.end(Some(true));
                panic!("{PANIC}{id}");
            }
        }
    }

    async fn pause(&self, millis: u64) {
        if millis > 0 {
            sleep(Duration::from_millis(millis)).await;
        }
        self.world.awake(self.number).await;
    }

    /// Makes calls until the history is over.
    pub(crate) async fn work(self, mut rng: Rng, until: Instant) {
        while Instant::now() < until {
            self.pause(rng.between(0, self.plan.think)).await;
            self.call(&mut rng).await;
        }
    }

    async fn call(&self, rng: &mut Rng) {
        let key = rng.index(self.plan.keys);
        let patience = Patience::draw(&self.plan, rng);
        let script = Script::draw(&self.plan, rng);
        let tells = rng.percent(80);
        let what = rng.between(0, 99);
        let (sets, removes) = (self.plan.sets, self.plan.sets + self.plan.removes);
        if what < sets {
            let (open, value) = self.open(key, Kind::Set);
            if let Some(done) = patience.grant(self.cache.set(&key, value)).await {
                open.end(&done.map_or(End::Refused, |()| End::Wrote));
            }
        } else if what < removes {
            let (open, _) = self.open(key, Kind::Remove);
            if let Some(done) = patience.grant(self.cache.remove(&key)).await {
                open.end(&done.map_or(End::Refused, |_| End::Wrote));
            }
        } else {
            match rng.index(6) {
                0 => {
                    let (open, _) = self.open(key, Kind::Get);
                    if let Some(found) = patience.grant(self.cache.get(&key)).await {
                        open.end(&found.map_or(End::Nothing, |value| End::Found {
                            id: value.id,
                            outcome: None,
                        }));
                    }
                }
                1 => {
                    let (open, _) = self.open(key, Kind::Lookup);
                    if let Some(found) = patience.grant(self.cache.lookup(&key)).await {
                        open.end(&found.map_or(End::Nothing, found_of));
                    }
                }
                2 | 3 => self.spawn(key, script, patience, tells).await,
                _ => self.load_here(key, script, patience, tells).await,
            }
        }
    }

    async fn load_here(&self, key: usize, script: Script, patience: Patience, tells: bool) {
        let (open, _) = self.open(key, Kind::Load);
        let loader = self.loader(open.call, key, script);
        let end = if tells {
            let load = patience.grant(self.cache.lookup_or_load(&key, loader));
            load.await
                .map(|found| found.map_or_else(End::Failed, found_of))
        } else {
            let load = patience.grant(self.cache.get_or_load(&key, loader));
            load.await.map(end_of)
        };
        if let Some(end) = end {
            open.end(&end);
        }
    }

    async fn spawn(&self, key: usize, script: Script, patience: Patience, tells: bool) {
        let (open, _) = self.open(key, Kind::Spawn);
        let loader = self.loader(open.call, key, script);
        let end = if tells {
            let load = patience.grant(self.cache.lookup_or_spawn(&key, loader));
            load.await
                .map(|found| found.map_or_else(End::Failed, found_of))
        } else {
            let load = patience.grant(self.cache.get_or_spawn(&key, loader));
            load.await.map(end_of)
        };
        if let Some(end) = end {
            open.end(&end);
        }
    }

    /// A load that goes well, for the end of a history; which value it brought.
    pub(crate) async fn look(&self, key: usize) -> usize {
        let (open, _) = self.open(key, Kind::Load);
        let script = Script {
            before: 1,
            after: 1,
            end: ScriptEnd::Value,
        };
        let loader = self.loader(open.call, key, script);
        match self.cache.lookup_or_load(&key, loader).await {
            Ok(found) => {
                let id = found.value.id;
                open.end(&found_of(found));
                id
            }
            Err(error) => {
                open.end(&End::Failed(error));
                usize::MAX
            }
        }
    }

    /// A removal that nothing is in the way of, for the end of a history.
    pub(crate) async fn remove(&self, key: usize) {
        let (open, _) = self.open(key, Kind::Remove);
        let done = self.cache.remove(&key).await;
        open.end(match &done {
            Ok(_) => &End::Wrote,
            Err(_) => &End::Refused,
        });
        if let Err(error) = done {
            let text = format!("a removal fails when all is well: {error}");
            self.world.state().check.fail(key, text);
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map`")]
fn found_of(found: Found<Value>) -> End {
    End::Found {
        id: found.value.id,
        outcome: Some(found.outcome),
    }
}

fn end_of(loaded: Result<Arc<Value>, LoadError<LoadFailed>>) -> End {
    match loaded {
        Ok(value) => End::Found {
            id: value.id,
            outcome: None,
        },
        Err(error) => End::Failed(error),
    }
}
