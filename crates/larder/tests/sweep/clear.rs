//! What a sweep frees, and what it leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder::{Error, Larder, Strength};
use larder_servers::{Kind, Proxy};

use crate::common::{
    self, Fault, FaultyRemote, Operation, When, eventually, larder, larder_with, on_each_server,
    soon, start,
};
use crate::{Site, cache, everywhere, fill, keys_of};

everywhere!(
    a_sweep_frees_what_its_view_covers_and_nothing_else,
    a_sweep_without_a_clear_frees_what_tags_have_taken,
    what_is_only_expired_stays,
    values_with_many_tags_and_long_keys_are_freed_too,
    what_is_stored_while_a_sweep_runs_is_never_lost,
    a_load_under_way_is_not_disturbed,
);

async fn a_sweep_frees_what_its_view_covers_and_nothing_else(site: Site) {
    let (users, teams) = (cache(&site.here, "users"), cache(&site.here, "teams"));
    let (acme, other) = (users.tenant("acme"), users.tenant("other"));
    let acme_teams = teams.tenant("acme");
    let beginnings = [
        "cache:users:",
        "cache:teams:",
        "cache:tenant:acme:users:",
        "cache:tenant:acme:teams:",
        "cache:tenant:other:users:",
    ];
    // Which of the five a step frees.
    let steps: [(&str, [bool; 5]); 5] = [
        ("a cache", [true, false, true, false, true]),
        ("a cache of a tenant", [false, false, true, false, false]),
        ("a tenant", [false, false, true, true, false]),
        ("what has none", [true, true, false, false, false]),
        ("everything", [true; 5]),
    ];
    for (step, freed) in steps {
        for view in [&users, &teams, &acme, &acme_teams, &other] {
            fill(view, 0..300).await;
        }
        let sweep = match step {
            "a cache" => users.clear().await,
            "a cache of a tenant" => acme.clear().await,
            "a tenant" => site.there.tenant("acme").clear().await,
            "what has none" => site.here.clear_untenanted().await,
            _ => site.here.clear().await,
        };
        let swept = soon(step, sweep.unwrap().finished()).await.unwrap();
        assert!(swept.is_done && swept.scanned >= swept.freed, "{swept:?}");
        let wanted: u64 = freed.iter().map(|freed| 300 * u64::from(*freed)).sum();
        assert_eq!(swept.freed, wanted, "{step}");
        assert!(swept.bytes > swept.freed * 100, "{swept:?}");
        for (beginning, freed) in beginnings.iter().zip(freed) {
            let left = site.count(beginning).await;
            assert_eq!(left, if freed { 0 } else { 300 }, "{step}: {beginning}");
        }
    }
}

async fn a_sweep_without_a_clear_frees_what_tags_have_taken(site: Site) {
    let users = cache(&site.here, "users");
    let acme = users.tenant("acme");
    for view in [&users, &acme] {
        for key in 0..50 {
            let tag = format!("team:{}", key % 5);
            view.entry(&key).tags([tag]).set("value").await.unwrap();
        }
    }
    site.here.invalidate_tag("team:1").await.unwrap();
    site.here
        .tenant("acme")
        .invalidate_tag("team:2")
        .await
        .unwrap();
    assert_eq!(
        site.count("cache:users:").await,
        50,
        "nothing begins by itself"
    );
    let swept = site.there.tenant("acme").sweep().finished().await.unwrap();
    assert_eq!(swept.freed, 20);
    let swept = site.here.sweep().finished().await.unwrap();
    assert_eq!(swept.freed, 10);
    assert_eq!(site.count("cache:users:").await, 40);
    assert_eq!(site.count("cache:tenant:acme:").await, 30);
    assert!(acme.get(&3).await.is_some());
}

async fn what_is_only_expired_stays(site: Site) {
    let users = cache(&site.here, "users");
    fill(&users, 0..20).await;
    users.invalidate(Strength::Expire).await.unwrap();
    let swept = site.here.sweep().finished().await.unwrap();
    assert_eq!((swept.freed, site.count("cache:users:").await), (0, 20));
}

async fn values_with_many_tags_and_long_keys_are_freed_too(site: Site) {
    let users: larder::Cache<String, String> = site.here.cache("users").build().unwrap();
    let long = "k".repeat(3_000);
    let tags = (0..60).map(|n| format!("{n}-{}", "t".repeat(150)));
    let entry = users.entry(&long).tags(tags);
    entry.set("v".repeat(100_000)).await.unwrap();
    users.set("short", "value").await.unwrap();
    let swept = users.clear().await.unwrap().finished().await.unwrap();
    assert_eq!(swept.freed, 2);
    assert!(swept.bytes > 100_000, "{swept:?}");
    assert_eq!(site.count("cache:users:").await, 0);
}

async fn what_is_stored_while_a_sweep_runs_is_never_lost(site: Site) {
    let users = cache(&site.here, "users");
    fill(&users, 0..2_000).await;
    let elsewhere = cache(&site.there, "users");
    let done = Arc::new(AtomicBool::new(false));
    let sweep = site.here.clear().await.unwrap();
    // Another process stores anew what is being freed, in another order, and invalidates once more.
    let writing = tokio::spawn({
        let (elsewhere, done) = (elsewhere.clone(), Arc::clone(&done));
        async move {
            let mut stored = Vec::new();
            for n in 0..2_000_u32 {
                let key = n * 1_237 % 2_000;
                elsewhere.set(&key, "newer").await.unwrap();
                stored.push(key);
                if done.load(Ordering::SeqCst) {
                    break;
                }
            }
            stored
        }
    });
    let swept = soon("the sweep", sweep.finished()).await.unwrap();
    done.store(true, Ordering::SeqCst);
    let stored = writing.await.unwrap();
    assert!(
        swept.freed > 0 && !stored.is_empty(),
        "{swept:?}, {}",
        stored.len()
    );
    for key in &stored {
        let found = elsewhere.entry(key).skip_near().get().await;
        assert_eq!(found.as_deref().map(String::as_str), Some("newer"), "{key}");
    }
    assert_eq!(site.count("cache:users:").await, stored.len());
}

async fn a_load_under_way_is_not_disturbed(site: Site) {
    let users = cache(&site.here, "users");
    users.set(&1, "old").await.unwrap();
    users.invalidate(Strength::Remove).await.unwrap();
    let there = site.there.clone();
    let load = async || {
        // The lease is held, and what it replaces is freed.
        let swept = there.sweep().finished().await?;
        assert_eq!(swept.freed, 1);
        Ok::<_, Error>("new".to_owned())
    };
    users.get_or_load(&1, load).await.unwrap();
    let elsewhere = cache(&site.there, "users");
    eventually("it is stored", async || {
        elsewhere.get(&1).await.as_deref().map(String::as_str) == Some("new")
    })
    .await;
}

#[tokio::test]
async fn a_value_that_is_replaced_between_a_look_and_the_removal_stays() {
    let stub = FaultyRemote::new();
    let here = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let users = cache(&here, "users");
    fill(&users, 0..3).await;
    let discard = stub.hold(Operation::Discard, When::Before);
    let sweep = users.clear().await.unwrap();
    discard.reached().await;
    users.set(&1, "newer").await.unwrap();
    discard.release();
    let swept = soon("the sweep", sweep.finished()).await.unwrap();
    assert_eq!(swept.freed, 2);
    let found = users.entry(&1).skip_near().get().await;
    assert_eq!(found.as_deref().map(String::as_str), Some("newer"));
}

#[tokio::test]
async fn a_value_whose_group_is_cleared_by_others_while_it_is_looked_at_is_judged_by_later_stamps()
{
    let stub = FaultyRemote::new();
    let on = async || {
        Larder::builder()
            .remote(stub.clone())
            .build()
            .await
            .unwrap()
    };
    let (here, there) = (on().await, on().await);
    let (users, elsewhere) = (cache(&here, "users"), cache(&there, "users"));
    fill(&users, 0..3).await;
    let heads = stub.hold(Operation::Heads, When::Before);
    let sweep = users.clear().await.unwrap();
    heads.reached().await;
    // Cleared again, and stored with stamps that the sweep has not seen.
    elsewhere.invalidate(Strength::Remove).await.unwrap();
    fill(&elsewhere, 1..2).await;
    heads.release();
    let swept = soon("the sweep", sweep.finished()).await.unwrap();
    assert_eq!(swept.freed, 2);
    assert!(elsewhere.entry(&1).skip_near().get().await.is_some());
}

#[tokio::test]
async fn who_asks_while_a_sweep_runs_waits_for_one_that_begins_later() {
    let stub = FaultyRemote::new();
    let here = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let users = cache(&here, "users");
    fill(&users, 0..3).await;
    let scan = stub.hold(Operation::Scan, When::After);
    let first = users.clear().await.unwrap();
    scan.reached().await;
    // The first one has been past all of them.
    fill(&users, 10..13).await;
    let second = users.clear().await.unwrap();
    let third = users.tenant("acme").clear().await.unwrap();
    assert!(!second.progress().is_done);
    scan.release();
    assert_eq!(soon("one", first.finished()).await.unwrap().freed, 3);
    let swept = soon("two", second.finished()).await.unwrap();
    assert_eq!(swept.freed, 3);
    assert_eq!(
        soon("three", third.finished()).await.unwrap(),
        swept,
        "it is one"
    );
}

#[tokio::test]
async fn a_sweep_waits_while_the_server_is_away_and_ends_with_the_larder() {
    let stub = FaultyRemote::new();
    let here = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let users = cache(&here, "users");
    fill(&users, 0..300).await;
    for op in [
        Operation::Scan,
        Operation::Heads,
        Operation::GetMany,
        Operation::Discard,
    ] {
        fill(&users, 0..10).await;
        stub.inject([op], Fault::Fail);
        let before = stub.calls(op);
        let sweep = users.clear().await.unwrap();
        eventually("it is tried again", async || stub.calls(op) > before + 2).await;
        assert!(!sweep.progress().is_done);
        stub.heal_only([op]);
        let swept = soon("the sweep", sweep.finished()).await.unwrap();
        assert!(swept.freed >= 10, "{op:?}: {swept:?}");
    }
    stub.inject([Operation::Scan], Fault::Fail);
    let sweeps = [users.clear().await.unwrap(), here.sweep()];
    here.close().await;
    for sweep in sweeps {
        let ended = soon("the end", sweep.finished()).await;
        assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
    }
    assert!(matches!(here.sweep().finished().await, Err(Error::Closed)));
    assert!(matches!(here.clear().await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_larder_that_is_dropped_takes_its_sweep_with_it() {
    let stub = FaultyRemote::new();
    let here = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    stub.inject([Operation::Scan], Fault::Fail);
    let sweep = here.clear().await.unwrap();
    drop(here);
    let ended = soon("the end", sweep.finished()).await;
    assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
}

#[tokio::test]
async fn without_a_server_memory_is_free_at_once() {
    let here = Larder::in_memory().await.unwrap();
    let users = cache(&here, "users");
    fill(&users, 0..100).await;
    let swept = users.clear().await.unwrap().finished().await.unwrap();
    assert!(swept.is_done && swept.freed == 0, "{swept:?}");
    assert_eq!(users.near_usage().entries, 0);
    fill(&users, 0..100).await;
    here.clear().await.unwrap();
    assert_eq!(users.near_usage().entries, 0);
    let error = here.tenant("").sweep().finished().await.unwrap_err();
    assert!(error.to_string().contains("tenant"), "{error}");
}

on_each_server!(
    a_sweep_goes_on_when_the_connection_was_cut,
    a_sweep_begins_anew_when_the_server_came_back_with_its_data,
    a_larger_range_takes_in_a_smaller_one,
);

async fn a_sweep_goes_on_when_the_connection_was_cut(kind: Kind) {
    let server = start(kind);
    let proxy = Proxy::before(&server).unwrap();
    let config = larder::Config::builder().url(proxy.url());
    let here = larder_with(config.timeout(Duration::from_secs(2))).await;
    let users = cache(&here, "users");
    fill(&users, 0..4_000).await;
    let sweep = users.clear().await.unwrap();
    eventually("it has begun", async || sweep.progress().freed > 0).await;
    proxy.cut().unwrap();
    let at_the_cut = sweep.progress();
    assert!(!at_the_cut.is_done, "{at_the_cut:?}");
    proxy.heal().unwrap();
    let swept = soon("the sweep", sweep.finished()).await.unwrap();
    let left = keys_of(&server)
        .iter()
        .filter(|key| key.starts_with("cache:users:"))
        .count();
    assert_eq!(left, 0);
    // What was removed as the connection went is not known to have been.
    assert!(
        swept.freed > at_the_cut.freed && swept.freed <= 4_000,
        "{swept:?}"
    );
}

async fn a_sweep_begins_anew_when_the_server_came_back_with_its_data(kind: Kind) {
    let server = larder_servers::Server::builder(kind)
        .snapshots(true)
        .start()
        .unwrap();
    let here = larder(&server).await;
    let users = cache(&here, "users");
    fill(&users, 0..4_000).await;
    let sweep = users.clear().await.unwrap();
    eventually("it has begun", async || sweep.progress().freed > 0).await;
    // With a snapshot of what is left, and other places for its keys.
    server.restart().unwrap();
    assert!(!sweep.progress().is_done);
    soon("the sweep", sweep.finished()).await.unwrap();
    let left = keys_of(&server)
        .iter()
        .filter(|key| key.starts_with("cache:users:"))
        .count();
    assert_eq!(left, 0);
}

async fn a_larger_range_takes_in_a_smaller_one(kind: Kind) {
    let server = start(kind);
    let here = larder(&server).await;
    let users = cache(&here, "users");
    fill(&users, 0..10).await;
    let sweeps = [
        here.clear().await.unwrap(),
        here.tenant("acme").clear().await.unwrap(),
        users.clear().await.unwrap(),
    ];
    for sweep in sweeps {
        soon("a sweep", sweep.finished()).await.unwrap();
    }
    let left = common::keys(&server);
    assert_eq!(left, 0);
}
