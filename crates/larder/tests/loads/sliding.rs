//! Values that live as long as they are asked for.

use larder::{Clock, Coherence, Larder, NearCapacity};

use super::common::{FaultyRemote, Operation, When, always, eventually, millis, secs};
use super::{Names, fleet, get, in_memory, names, settle};

fn sliding(larder: &Larder, near: NearCapacity) -> Names {
    names(larder).sliding().near(near).build().unwrap()
}

const NEAR: NearCapacity = NearCapacity::Entries(100);

#[tokio::test]
async fn a_hit_past_half_of_the_ttl_prolongs_it() {
    let (larder, clock) = in_memory().await;
    let cache = sliding(&larder, NEAR);
    cache.set(&1, "Ann").await.unwrap();
    clock.advance(secs(29));
    assert!(cache.get(&1).await.is_some());
    settle().await;
    assert_eq!(cache.ttl_left(&1).await, Some(secs(31)), "not yet");
    clock.advance(secs(1));
    for _ in 0..20 {
        assert!(cache.get(&1).await.is_some());
        settle().await;
        assert_eq!(cache.ttl_left(&1).await, Some(secs(60)));
        clock.advance(secs(55));
    }
    // By a loading call too, and without its loader.
    let value = cache.get_or_load(&1, always("loaded".to_owned())).await;
    assert_eq!(*value.unwrap(), "Ann");
    settle().await;
    assert_eq!(cache.ttl_left(&1).await, Some(secs(60)));
    assert_eq!(cache.stats().loads, 0);
    // What nobody asks for expires.
    clock.advance(secs(60));
    assert!(cache.get(&1).await.is_none());
}

#[tokio::test]
async fn a_value_with_a_ttl_of_its_own_keeps_it() {
    let (larder, clock) = in_memory().await;
    let cache = sliding(&larder, NEAR);
    let entry = cache.entry(&1).ttl(secs(10)).stale(secs(20));
    entry.set("Ann").await.unwrap();
    for _ in 0..5 {
        clock.advance(secs(6));
        assert!(cache.get(&1).await.is_some());
        settle().await;
        assert_eq!(cache.ttl_left(&1).await, Some(secs(10)));
    }
    clock.advance(secs(29));
    assert!(cache.lookup(&1).await.is_some());
    clock.advance(secs(1));
    assert!(cache.lookup(&1).await.is_none());
}

#[tokio::test]
async fn a_jittered_ttl_is_not_shortened_again_and_again() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).sliding().jitter(0.5).build().unwrap();
    cache.set(&1, "Ann").await.unwrap();
    let ttl = cache.ttl_left(&1).await.unwrap();
    for _ in 0..20 {
        // Times are kept in whole milliseconds.
        clock.advance(millis(u64::try_from(ttl.as_millis()).unwrap() * 3 / 4));
        assert!(cache.get(&1).await.is_some());
        settle().await;
        assert_eq!(cache.ttl_left(&1).await, Some(ttl));
    }
}

#[tokio::test]
async fn the_servers_value_is_prolonged_for_all_processes() {
    for near in [NEAR, NearCapacity::Off] {
        let ([one, other], clock) = fleet().await;
        let one = sliding(&one, near);
        let other: Names = names(&other).near(NearCapacity::Off).build().unwrap();
        one.set(&1, "Ann").await.unwrap();
        for _ in 0..10 {
            clock.advance(secs(40));
            assert_eq!(get(&one, 1).await.as_deref(), Some("Ann"));
            settle().await;
            let left = other.ttl_left(&1).await.unwrap();
            assert!(left > secs(59), "{near:?}: {left:?}");
        }
        // What another process removed is not brought back.
        clock.advance(secs(40));
        assert!(other.remove(&1).await.unwrap());
        assert_eq!(get(&one, 1).await, None);
        settle().await;
        assert_eq!(get(&other, 1).await, None);
    }
}

#[tokio::test]
async fn what_another_process_replaced_is_not_prolonged() {
    let ([one, other], clock) = fleet().await;
    let one = sliding(&one, NEAR);
    let other: Names = names(&other).near(NearCapacity::Off).build().unwrap();
    one.set(&1, "old").await.unwrap();
    assert_eq!(get(&one, 1).await.as_deref(), Some("old"));
    clock.advance(secs(40));
    other.set(&1, "new").await.unwrap();
    clock.advance(secs(10));
    assert_eq!(get(&one, 1).await.as_deref(), Some("new"));
    settle().await;
    let left = other.ttl_left(&1).await.unwrap();
    assert!(left <= secs(50), "{left:?}");
}

#[tokio::test]
async fn a_prolonged_value_keeps_its_tags() {
    let (larder, clock) = in_memory().await;
    let ([one, _other], shared) = fleet().await;
    for (larder, clock) in [(&larder, clock), (&one, shared)] {
        let cache = sliding(larder, NEAR);
        cache.entry(&1).tags(["t"]).set("Ann").await.unwrap();
        for _ in 0..3 {
            clock.advance(secs(40));
            assert_eq!(get(&cache, 1).await.as_deref(), Some("Ann"));
            settle().await;
        }
        larder.invalidate_tag("t").await.unwrap();
        assert_eq!(get(&cache, 1).await, None);
    }
}

#[tokio::test]
async fn a_removal_is_not_undone_wherever_it_comes_between() {
    let clock = Clock::manual();
    for (op, when) in [
        (Operation::Get, When::Before),
        (Operation::Get, When::After),
        (Operation::Acquire, When::Before),
        (Operation::Acquire, When::After),
        (Operation::Fill, When::Before),
    ] {
        // It tells nobody of changes, as a push that has not arrived yet.
        let stub = FaultyRemote::without_pushes(clock.clone());
        let on = async || {
            let builder = Larder::builder().remote(stub.clone()).clock(clock.clone());
            builder.build().await.unwrap()
        };
        let (one, other) = (on().await, on().await);
        let trusting = names(&one).coherence(Coherence::Ttl(secs(60)));
        let one: Names = trusting.sliding().build().unwrap();
        let other: Names = names(&other).near(NearCapacity::Off).build().unwrap();
        one.set(&1, "Ann").await.unwrap();
        clock.advance(secs(40));
        let held = stub.hold(op, when);
        assert_eq!(get(&one, 1).await.as_deref(), Some("Ann"), "from memory");
        held.reached().await;
        assert!(other.remove(&1).await.unwrap());
        held.release();
        settle().await;
        eventually("the lease is given back", async || {
            stub.calls(Operation::Release) + stub.calls(Operation::Fill) > 0 || op == Operation::Get
        })
        .await;
        assert_eq!(get(&other, 1).await, None, "{op:?} {when:?}");
        // And nothing stands in the way of the next load.
        let loaded = other.get_or_load(&1, always("Bob".to_owned())).await;
        assert_eq!(*loaded.unwrap(), "Bob");
    }
}
