//! One history, from its seed to its verdict.

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, Clock, Larder, NearCapacity};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

use crate::check::Value;
use crate::groups::Group;
use crate::plan::{Plan, TIMEOUT, TRUST};
use crate::process::Process;
use crate::remote::SimRemote;
use crate::rng::Rng;
use crate::server::{Wrong, is_note};
use crate::world::{NAME, World};

/// What a history came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) hash: u64,
    /// Answers that were judged.
    pub(crate) served: u64,
    /// What was wrong, and what had happened before.
    pub(crate) violation: Option<String>,
}

/// Far more virtual time than any history needs.
const ENDLESS: Duration = Duration::from_mins(30);

/// How much is shown of what went before a violation.
const LINES: usize = 150;

pub(crate) fn run(seed: u64, wrong: Wrong) -> Report {
    let plan = Arc::new(Plan::draw(seed));
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(&plan, wrong);
        let network = tokio::spawn(world.clone().run());
        if timeout(ENDLESS, live(&plan, &world)).await.is_err() {
            let text = "G3: the history does not end".to_owned();
            world.state().check.fail(None, text);
        }
        network.abort();
        report(&plan, &world)
    })
}

fn report(plan: &Plan, world: &World) -> Report {
    let mut state = world.state();
    let violation = state.check.violation.take().map(|violation| {
        let shown = state.trace.show(violation.key, violation.at, LINES);
        format!(
            "{plan:#?}\n\n{shown}\nat {} ms: {}",
            violation.at, violation.text
        )
    });
    Report {
        hash: state.trace.hash(),
        served: state.check.served,
        violation,
    }
}

async fn live(plan: &Arc<Plan>, world: &World) {
    let mut larders = Vec::new();
    let mut processes = Vec::new();
    for number in 0..plan.processes {
        let larder = Larder::builder()
            .remote(SimRemote {
                world: world.clone(),
                process: number,
            })
            .clock(Clock::tokio())
            .build()
            .await
            .unwrap();
        processes.push(Process {
            world: world.clone(),
            number,
            plan: Arc::clone(plan),
            larder: larder.clone(),
            cache: open(plan, &larder),
        });
        larders.push(larder);
    }
    world.strike();
    let until = Instant::now() + Duration::from_millis(plan.length);
    let mut tasks = Vec::new();
    for process in &processes {
        for task in 0..plan.tasks {
            let rng = Rng::of(plan.seed, &[6, process.number as u64, task as u64]);
            let work = process.stoppable(process.clone().work(rng, until));
            let task = tokio::spawn(work);
            world.owns(process.number, task.abort_handle());
            tasks.push(task);
        }
    }
    for task in tasks {
        if let Err(error) = task.await
            && error.is_panic()
        {
            let text = format!("a task panicked: {error}");
            world.state().check.fail(None, text);
        }
    }
    world.heal();
    processes.retain(|process| !world.state().check.is_dead(process.number));
    settle(plan, world, &processes).await;
    drop(processes);
    end(world, larders).await;
}

fn open(plan: &Plan, larder: &Larder) -> Cache<usize, Value> {
    let near = if plan.near {
        NearCapacity::Entries(64)
    } else {
        NearCapacity::Off
    };
    let mut builder = larder
        .cache(NAME)
        .ttl(Duration::from_millis(plan.ttl))
        .stale(Duration::from_millis(plan.stale))
        .load_timeout(Duration::from_millis(crate::plan::LOAD_TIMEOUT))
        .coherence(plan.coherence)
        .refresh(plan.refresh)
        .near(near);
    if let Some(patience) = plan.soft_timeout {
        builder = builder.soft_timeout(Duration::from_millis(patience));
    }
    builder.build().unwrap()
}

/// All is well again: each process finds or loads each key, and in the end they agree (G8).
async fn settle(plan: &Plan, world: &World, processes: &[Process]) {
    // The longest of what may be left: stalls, connections that are made, leases of the dead.
    sleep(Duration::from_secs(10)).await;
    for process in processes {
        for key in 0..plan.keys {
            look(process, key).await;
        }
    }
    // One by one, or all at once.
    if plan.tags > 0 {
        let groups = [Group::Cache, Group::All, Group::Untenanted];
        let group = groups[plan.keys % groups.len()];
        processes[0].clear(group).await;
        processes[0].clear(Group::Tenant).await;
    } else {
        for key in 0..plan.keys {
            processes[key % processes.len()].remove(key).await;
        }
    }
    // Until nobody believes what was before.
    let trust = match plan.coherence {
        larder::Coherence::Ttl(trust) => trust,
        _ => Duration::from_millis(TRUST),
    };
    sleep(trust + Duration::from_millis(500)).await;
    for key in 0..plan.keys {
        for process in processes {
            look(process, key).await;
        }
        sleep(Duration::from_millis(100 + 4 * plan.latency.1)).await;
        let mut found = Vec::new();
        for process in processes {
            found.push(look(process, key).await);
        }
        // Those that live shorter than this takes may have been loaded again.
        if plan.ttl > 5_000 && found.iter().any(|id| *id != found[0]) {
            let text = format!("the processes do not agree in the end: {found:?}");
            world.state().check.fail(key, text);
        }
    }
}

async fn look(process: &Process, key: usize) -> usize {
    if let Ok(id) = timeout(Duration::from_secs(5), process.look(key)).await {
        return id;
    }
    let text = format!("G8: P{} cannot load when all is well", process.number);
    process.world.state().check.fail(key, text);
    usize::MAX
}

/// Closes all; nothing may be left.
async fn end(world: &World, larders: Vec<Larder>) {
    for (number, larder) in larders.iter().enumerate() {
        // What a killed process left is nobody's; its close need not wait for it.
        let closed = timeout(Duration::from_millis(TIMEOUT), larder.close()).await;
        let mut state = world.state();
        if closed.is_err() && !state.check.is_dead(number) {
            let text = format!("G8: the larder of P{number} does not close");
            state.check.fail(None, text);
        }
    }
    for (key, lease) in world.leases() {
        if !is_note(lease) {
            let text = "G8: a lease is left in the end".to_owned();
            world.state().check.fail(key, text);
        }
    }
    let count = larders.len();
    drop(larders);
    // Renewals and sweeps end when they look the next time.
    sleep(Duration::from_secs(3)).await;
    for number in 0..count {
        if !world.is_gone(number) && !world.state().check.is_dead(number) {
            let text = format!("G8: something of P{number} is left");
            world.state().check.fail(None, text);
        }
    }
}
