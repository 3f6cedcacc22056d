//! The tasks of a process: calls and loaders as a program might make them, at random.

mod groups;
mod open;
mod patterns;
mod script;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use larder::{Cache, Found, Larder, LoadError, Loaded};
use tokio::time::{Instant, sleep};

use open::{About, Loading, Open};
use script::{Patience, Script, ScriptEnd};

use crate::check::{End, Kind, LoadFailed, PANIC, Value};
use crate::groups::{TENANT, Tag, tenant_of};
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
    pub(crate) larder: Larder,
    pub(crate) cache: Cache<usize, Value>,
}

impl Process {
    pub(crate) fn stoppable<F: Future>(&self, task: F) -> Stoppable<F> {
        Stoppable {
            world: self.world.clone(),
            process: self.number,
            task: Box::pin(task),
        }
    }

    fn open(&self, key: usize, kind: Kind, tags: &[Tag]) -> (Open<'_>, Value) {
        let mut state = self.world.state();
        let (call, value) = state.check.begin(self.number, key, kind, tags);
        state.note(Some(self.number), Some(key), || match kind {
            Kind::Set => format!("call {call}: Set v{} with {tags:?}", value.id),
            _ => format!("call {call}: {kind:?}"),
        });
        let open = Open {
            process: self,
            call,
            about: About::Key(key),
            ended: false,
        };
        (open, value)
    }

    fn begin_load(&self, call: usize, key: usize, script: &Script) -> Loading<'_> {
        let mut state = self.world.state();
        let (tags, late) = (&script.tags, &script.late);
        let id = state.check.load_began(call, tags, late);
        state.note(Some(self.number), Some(key), || {
            format!("loads v{id} for call {call}, with {tags:?}, late {late:?}")
        });
        Loading {
            process: self,
            id,
            key,
            ended: false,
        }
    }

    async fn load(
        self,
        call: usize,
        key: usize,
        script: Script,
    ) -> Result<Loaded<Value>, LoadFailed> {
        let late = script.late.clone();
        let value = self.load_value(call, key, script).await?;
        Ok(Loaded::new(value).tags(late))
    }

    async fn load_value(
        self,
        call: usize,
        key: usize,
        script: Script,
    ) -> Result<Value, LoadFailed> {
        let mut loading = self.begin_load(call, key, &script);
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
        let script = Script::draw(&self.plan, key, rng);
        let tells = rng.percent(80);
        let what = rng.between(0, 99);
        let sets = self.plan.sets;
        let removes = sets + self.plan.removes;
        let clears = removes + self.plan.clears;
        let cache = self.cache_of(key);
        if what < sets {
            let (open, value) = self.open(key, Kind::Set, &script.tags);
            let set = cache.entry(&key).tags(&script.tags).set(value);
            if let Some(done) = patience.grant(set).await {
                open.end(&done.map_or(End::Refused, |()| End::Wrote));
            }
        } else if what < removes {
            let (open, _) = self.open(key, Kind::Remove, &[]);
            if let Some(done) = patience.grant(cache.remove(&key)).await {
                open.end(&done.map_or(End::Refused, |_| End::Wrote));
            }
        } else if what < clears {
            self.invalidate(rng, patience).await;
        } else if what < clears + self.plan.patterns {
            self.remove_matching(rng, patience).await;
        } else {
            match rng.index(6) {
                0 => {
                    let (open, _) = self.open(key, Kind::Get, &[]);
                    if let Some(found) = patience.grant(cache.get(&key)).await {
                        open.end(&found.map_or(End::Nothing, |value| End::Found {
                            id: value.id,
                            outcome: None,
                        }));
                    }
                }
                1 => {
                    let (open, _) = self.open(key, Kind::Lookup, &[]);
                    if let Some(found) = patience.grant(cache.lookup(&key)).await {
                        open.end(&found.map_or(End::Nothing, found_of));
                    }
                }
                2 | 3 => self.load_there(key, script, patience, tells).await,
                _ => self.load_here(key, script, patience, tells).await,
            }
        }
    }

    fn cache_of(&self, key: usize) -> Cache<usize, Value> {
        match tenant_of(key) {
            None => self.cache.clone(),
            Some(tenant) => self.cache.tenant(tenant),
        }
    }

    /// The loader runs in the call.
    async fn load_here(&self, key: usize, script: Script, patience: Patience, tells: bool) {
        let (open, _) = self.open(key, Kind::Load, &[]);
        let cache = self.cache_of(key);
        let entry = cache.entry(&key).tags(&script.tags);
        let end = if !tells && script.late.is_empty() {
            let loading = self.clone().load_value(open.call, key, script);
            let load = Box::pin(patience.grant(entry.get_or_load(|| loading)));
            load.await.map(end_of)
        } else {
            let loading = self.clone().load(open.call, key, script);
            let load = Box::pin(patience.grant(entry.lookup_or_load_with(|_| loading)));
            load.await
                .map(|found| found.map_or_else(End::Failed, found_of))
        };
        if let Some(end) = end {
            open.end(&end);
        }
    }

    /// The loader runs in a task of its own.
    async fn load_there(&self, key: usize, script: Script, patience: Patience, tells: bool) {
        let (open, _) = self.open(key, Kind::Spawn, &[]);
        let cache = self.cache_of(key);
        let entry = cache.entry(&key).tags(&script.tags);
        let end = if !tells && script.late.is_empty() {
            let loading = self.clone().load_value(open.call, key, script);
            let load = Box::pin(patience.grant(entry.get_or_spawn(|| loading)));
            load.await.map(end_of)
        } else {
            let loading = self.clone().load(open.call, key, script);
            let load = Box::pin(patience.grant(entry.lookup_or_spawn_with(|_| loading)));
            load.await
                .map(|found| found.map_or_else(End::Failed, found_of))
        };
        if let Some(end) = end {
            open.end(&end);
        }
    }

    /// A load that goes well, for the end of a history; which value it brought.
    pub(crate) async fn look(&self, key: usize) -> usize {
        let (open, _) = self.open(key, Kind::Load, &[]);
        let tags = Tag::of_key(key);
        let script = Script {
            before: 1,
            after: 1,
            end: ScriptEnd::Value,
            tags: tags.to_vec(),
            late: Vec::new(),
        };
        let loading = self.clone().load(open.call, key, script);
        let cache = self.cache_of(key);
        let entry = cache.entry(&key).tags(tags);
        match entry.lookup_or_load_with(|_| loading).await {
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
        let (open, _) = self.open(key, Kind::Remove, &[]);
        let done = self.cache_of(key).remove(&key).await;
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
