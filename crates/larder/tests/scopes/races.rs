//! Invalidations of groups while lookups, loads and writes are on their way.

use std::sync::Arc;

use larder::remote::MemoryRemote;
use larder::{Cache, Clock, Larder, Loaded, Strength};
use tokio::sync::Notify;

use crate::common::{Fault, FaultyRemote, Operation, When, always, eventually, soon};
use crate::{cache, get};

async fn on(stub: &FaultyRemote) -> Larder {
    let larder = Larder::builder().remote(stub.clone()).build();
    larder.await.unwrap()
}

/// A load that ends when it is told to, and says when it has begun.
fn slow_load(
    users: &Cache<u32, String>,
    gate: &Arc<(Notify, Notify)>,
) -> tokio::task::JoinHandle<String> {
    let (users, gate) = (users.clone(), Arc::clone(gate));
    tokio::spawn(async move {
        let load = async |_| {
            gate.0.notify_one();
            gate.1.notified().await;
            Ok::<_, std::io::Error>(Loaded::new("old".to_owned()).tags(["late"]))
        };
        let found = users.entry(&1).lookup_or_load_with(load).await.unwrap();
        found.value.to_string()
    })
}

#[tokio::test]
async fn who_comes_after_the_invalidation_of_a_late_tag_loads_anew() {
    let server = MemoryRemote::new();
    let larder = Larder::builder().remote(server).build().await.unwrap();
    let users = cache(&larder, "users");
    let gate = Arc::new((Notify::new(), Notify::new()));
    let before = slow_load(&users, &gate);
    soon("the load", gate.0.notified()).await;
    larder.invalidate_tag("late").await.unwrap();
    let after = tokio::spawn({
        let users = users.clone();
        async move { users.get_or_load(&1, always("new".to_owned())).await }
    });
    tokio::task::yield_now().await;
    gate.1.notify_one();
    assert_eq!(soon("who began it", before).await.unwrap(), "old");
    let after = soon("who came later", after).await.unwrap().unwrap();
    assert_eq!(*after, "new");
}

#[tokio::test]
async fn who_comes_after_an_invalidation_does_not_share_a_lookup_from_before() {
    let stub = FaultyRemote::new();
    let (here, there) = (on(&stub).await, on(&stub).await);
    let (users, elsewhere) = (cache(&here, "users"), cache(&there, "users"));
    users.entry(&1).tags(["t"]).set("old").await.unwrap();
    // It knows the stamps of the cache, and not the tag's.
    elsewhere.set(&2, "other").await.unwrap();
    let held = stub.hold(Operation::GetMany, When::After);
    let before = tokio::spawn({
        let users = elsewhere.clone();
        async move { users.get_or_load(&1, always("new".to_owned())).await }
    });
    held.reached().await;
    there.invalidate_tag("t").await.unwrap();
    let after = tokio::spawn({
        let users = elsewhere.clone();
        async move { users.get_or_load(&1, always("new".to_owned())).await }
    });
    tokio::task::yield_now().await;
    held.release();
    soon("who asked before", before).await.unwrap().unwrap();
    let after = soon("who came later", after).await.unwrap().unwrap();
    assert_eq!(*after, "new");
}

#[tokio::test]
async fn a_value_whose_group_was_expired_is_stale_where_its_load_fails() {
    let larder = on(&FaultyRemote::new()).await;
    let users = cache(&larder, "users");
    users.entry(&1).tags(["t"]).set("v").await.unwrap();
    let expire = larder.invalidate_tags(["t"], Strength::Expire);
    expire.await.unwrap();
    let fails = async || Err::<String, _>(std::io::Error::other("the source is down"));
    let found = users.lookup_or_load(&1, fails).await.unwrap();
    assert!(!found.outcome.freshness.is_fresh(), "{:?}", found.outcome);
}

#[tokio::test]
async fn a_set_that_its_group_overtook_is_not_kept() {
    let stub = FaultyRemote::without_pushes(Clock::system());
    let larder = on(&stub).await;
    let users = cache(&larder, "users");
    let held = stub.hold(Operation::Set, When::After);
    let setting = tokio::spawn({
        let users = users.clone();
        async move { users.entry(&1).tags(["t"]).set("old").await }
    });
    held.reached().await;
    larder.invalidate_tag("t").await.unwrap();
    held.release();
    soon("the write", setting).await.unwrap().unwrap();
    assert_eq!(get(&users, 1).await, None);
}

#[tokio::test]
async fn a_removal_that_waits_is_not_forgotten_for_an_expiry() {
    let stub = FaultyRemote::new();
    let (here, there) = (on(&stub).await, on(&stub).await);
    let (users, elsewhere) = (cache(&here, "users"), cache(&there, "users"));
    users.entry(&1).tags(["t"]).set("v").await.unwrap();
    stub.inject([Operation::Splice], Fault::Fail);
    stub.inject([Operation::Remove], Fault::Fail);
    here.invalidate_tag("t").await.unwrap_err();
    stub.heal_only([Operation::Splice]);
    let expire = here.invalidate_tags(["t"], Strength::Expire);
    expire.await.unwrap();
    stub.heal_only([Operation::Remove]);
    eventually("it is made up for", async || {
        elsewhere.lookup(&1).await.is_none() && here.health().await.pending_writes == 0
    })
    .await;
    assert!(users.lookup(&1).await.is_none());
}
