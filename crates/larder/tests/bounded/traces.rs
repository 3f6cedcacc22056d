//! Recorded and made traces: exactly as many hits as the policies have.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use larder::bounded::{Bounded, ServerEviction};
use larder::remote::{MemoryRemote, Remote};
use larder_servers::Kind;
use ruzstd::decoding::StreamingDecoder;

use super::common::{on_each_server, start};
use super::store::{Store, connect};

/// A trace with a capacity, and the hits of each policy, in the order of [`ServerEviction::ALL`].
struct Trace {
    name: &'static str,
    capacity: u64,
    hits: [usize; 5],
}

const GLI: Trace = Trace {
    name: "gli",
    capacity: 1_000,
    hits: [670, 3_001, 674, 2_995, 1_885],
};
const MULTI3: Trace = Trace {
    name: "multi3",
    capacity: 2_000,
    hits: [11_992, 17_667, 13_485, 8_765, 14_121],
};
const WEB12: Trace = Trace {
    name: "web12",
    capacity: 2_000,
    hits: [65_632, 51_862, 69_371, 17_669, 65_189],
};

/// The keys of the trace `loop`: as many of its 500 rounds as are asked for.
fn round_and_round(rounds: usize) -> Vec<u32> {
    (0..1_011).cycle().take(1_011 * rounds).collect()
}

/// What `loop` brings with a capacity of 512.
fn hits_of_rounds(rounds: usize) -> [usize; 5] {
    [0, 511 * (rounds - 1), 0, 512 * (rounds - 1), 0]
}

/// The keys of a recorded trace; `None` where the traces are not beside the workspace.
fn recorded(name: &str) -> Option<Vec<u32>> {
    let shared = "../../../shared/traces";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(shared)
        .join(format!("{name}.keys.zst"));
    let file = File::open(path).ok()?;
    let lines = BufReader::new(StreamingDecoder::new(file).unwrap()).lines();
    Some(lines.map(|line| line.unwrap().parse().unwrap()).collect())
}

/// The hits of each policy, all on one remote at the same time.
async fn replay<R: Remote>(remote: &Arc<R>, capacity: u64, keys: &[u32]) -> Vec<usize> {
    let all = ServerEviction::ALL.map(async |eviction| {
        let store = Store::new(Arc::clone(remote), Bounded::new(eviction, capacity));
        let mut hits = 0;
        for key in keys {
            if store.get(*key).await.is_some() {
                hits += 1;
            } else {
                store.put(*key).await;
            }
        }
        hits
    });
    join_all(all).await
}

async fn check<R: Remote>(remote: Arc<R>, trace: &Trace) {
    if let Some(keys) = recorded(trace.name) {
        assert_eq!(
            replay(&remote, trace.capacity, &keys).await,
            trace.hits,
            "{}",
            trace.name
        );
    }
}

on_each_server!(
    each_policy_hits_exactly_on_a_loop,
    each_policy_hits_exactly_on_gli,
    each_policy_hits_exactly_on_multi3,
    each_policy_hits_on_web12_as_in_memory,
);

async fn each_policy_hits_exactly_on_a_loop(kind: Kind) {
    let server = start(kind);
    let remote = Arc::new(connect(&server).await);
    let rounds = 6;
    assert_eq!(
        replay(&remote, 512, &round_and_round(rounds)).await,
        hits_of_rounds(rounds)
    );
}

async fn each_policy_hits_exactly_on_gli(kind: Kind) {
    let server = start(kind);
    check(Arc::new(connect(&server).await), &GLI).await;
}

async fn each_policy_hits_exactly_on_multi3(kind: Kind) {
    let server = start(kind);
    check(Arc::new(connect(&server).await), &MULTI3).await;
}

async fn each_policy_hits_on_web12_as_in_memory(kind: Kind) {
    let Some(mut keys) = recorded(WEB12.name) else {
        return;
    };
    keys.truncate(15_000);
    let server = start(kind);
    let remote = Arc::new(connect(&server).await);
    let memory = Arc::new(MemoryRemote::new());
    let capacity = WEB12.capacity / 10;
    let wanted = replay(&memory, capacity, &keys).await;
    assert_eq!(replay(&remote, capacity, &keys).await, wanted);
}

#[tokio::test]
async fn each_policy_hits_exactly_in_memory() {
    for trace in [GLI, MULTI3] {
        check(Arc::new(MemoryRemote::new()), &trace).await;
    }
    let (remote, rounds) = (Arc::new(MemoryRemote::new()), 20);
    let hits = replay(&remote, 512, &round_and_round(rounds)).await;
    assert_eq!(hits, hits_of_rounds(rounds));
}

#[tokio::test]
async fn each_policy_hits_exactly_on_web12_in_memory() {
    check(Arc::new(MemoryRemote::new()), &WEB12).await;
}
