//! Groups: tags, tenants, caches and everything, in one process and in several.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;
mod model;
mod races;

use std::sync::Arc;

use larder::{Cache, Clock, Error, Freshness, Larder, Loaded, StaleReason, Strength};
use larder_servers::{Kind, Reply};
use tokio::sync::Notify;

use common::{
    Fault, FaultyRemote, Held, Operation, Place, Runs, When, always, eventually, everywhere,
    larder, on_each_server, secs, soon, start,
};

fn cache(larder: &Larder, name: &str) -> Cache<u32, String> {
    larder.cache(name).stale(secs(600)).build().unwrap()
}

async fn get(cache: &Cache<u32, String>, key: u32) -> Option<String> {
    cache.get(&key).await.map(|value| value.to_string())
}

everywhere!(
    a_tag_takes_its_values_in_every_cache_and_no_others,
    a_tag_of_a_tenant_takes_the_tenants_alone,
    each_group_takes_what_is_its_own,
    what_is_expired_may_be_served_as_stale,
    a_value_is_cached_again_after_its_group_was_cleared,
    a_load_that_its_group_overtook_is_not_stored,
    a_tag_that_the_value_revealed_counts,
);

async fn a_tag_takes_its_values_in_every_cache_and_no_others(place: Place) {
    let (users, teams) = (cache(&place.here, "users"), cache(&place.here, "teams"));
    users.entry(&1).tags(["a", "b"]).set("both").await.unwrap();
    users.entry(&2).tags(["b"]).set("b").await.unwrap();
    users.set(&3, "none").await.unwrap();
    teams.entry(&1).tags(["a"]).set("team").await.unwrap();
    let elsewhere = cache(&place.there, "users");
    for key in [1, 2, 3] {
        assert!(get(&elsewhere, key).await.is_some());
        assert!(get(&users, key).await.is_some());
    }

    place.here.invalidate_tag("a").await.unwrap();
    assert_eq!(get(&users, 1).await, None);
    assert_eq!(get(&teams, 1).await, None);
    assert_eq!(get(&users, 2).await.as_deref(), Some("b"));
    assert_eq!(get(&users, 3).await.as_deref(), Some("none"));
    eventually("it is seen elsewhere", async || {
        get(&elsewhere, 1).await.is_none()
    })
    .await;
    assert_eq!(get(&elsewhere, 2).await.as_deref(), Some("b"));
    assert!(users.stats().misses_invalidated > 0);

    place
        .there
        .invalidate_tags(["b", "unheard of"], Strength::Remove)
        .await
        .unwrap();
    assert_eq!(get(&elsewhere, 2).await, None);
    assert_eq!(get(&elsewhere, 3).await.as_deref(), Some("none"));
}

async fn a_tag_of_a_tenant_takes_the_tenants_alone(place: Place) {
    let users = cache(&place.here, "users");
    let views = [users.clone(), users.tenant("acme"), users.tenant("other")];
    for view in &views {
        view.entry(&1).tags(["t"]).set("value").await.unwrap();
    }
    place.here.tenant("acme").invalidate_tag("t").await.unwrap();
    assert!(get(&views[0], 1).await.is_some());
    assert_eq!(get(&views[1], 1).await, None);
    assert!(get(&views[2], 1).await.is_some());
    place.here.invalidate_tag("t").await.unwrap();
    for view in &views {
        assert_eq!(get(view, 1).await, None);
    }
}

async fn each_group_takes_what_is_its_own(place: Place) {
    let all = |larder: &Larder| {
        let (users, teams) = (cache(larder, "users"), cache(larder, "teams"));
        let tenants = [
            users.tenant("acme"),
            teams.tenant("acme"),
            users.tenant("b"),
        ];
        let [acme, acme_teams, b] = tenants;
        [users, teams, acme, acme_teams, b]
    };
    let (here, there) = (all(&place.here), all(&place.there));
    let acme = place.here.tenant("acme");
    // Which of the five a step takes.
    let steps: [(&str, [bool; 5]); 6] = [
        ("a cache", [true, false, true, false, true]),
        ("a cache of a tenant", [false, false, true, false, false]),
        ("a tenant", [false, false, true, true, false]),
        ("what has none", [true, true, false, false, false]),
        ("everything", [true; 5]),
        ("nothing", [false; 5]),
    ];
    for (step, taken) in steps {
        for view in &here {
            view.set(&1, "value").await.unwrap();
        }
        for view in &there {
            assert!(get(view, 1).await.is_some(), "{step}");
        }
        let _sweep = match step {
            "a cache" => here[0].clear().await.unwrap(),
            "a cache of a tenant" => here[2].clear().await.unwrap(),
            "a tenant" => acme.clear().await.unwrap(),
            "what has none" => place.here.clear_untenanted().await.unwrap(),
            "everything" => place.here.clear().await.unwrap(),
            _ => place.here.sweep(),
        };
        for ((here, there), taken) in here.iter().zip(&there).zip(taken) {
            assert_eq!(get(here, 1).await.is_none(), taken, "{step} of {here:?}");
            eventually(step, async || get(there, 1).await.is_none() == taken).await;
        }
    }
}

async fn what_is_expired_may_be_served_as_stale(place: Place) {
    let users = cache(&place.here, "users");
    users.entry(&1).tags(["t"]).set("old").await.unwrap();
    place
        .there
        .invalidate_tags(["t"], Strength::Expire)
        .await
        .unwrap();
    let elsewhere = cache(&place.there, "users");
    assert_eq!(get(&elsewhere, 1).await, None, "it is not fresh");
    let found = elsewhere.lookup(&1).await.unwrap();
    let stale = Freshness::Stale(StaleReason::Invalidated);
    assert_eq!((found.as_str(), found.outcome.freshness), ("old", stale));
    let failing = async || Err::<String, _>("no source");
    let found = elsewhere.lookup_or_load(&1, failing).await.unwrap();
    assert_eq!(found.as_str(), "old");
    let loaded = elsewhere
        .entry(&1)
        .tags(["t"])
        .get_or_load(always("new".into()));
    assert_eq!(*loaded.await.unwrap(), "new");
    assert_eq!(get(&elsewhere, 1).await.as_deref(), Some("new"));
    place
        .here
        .invalidate_tags(["t"], Strength::Remove)
        .await
        .unwrap();
    assert!(users.lookup(&1).await.is_none());
}

async fn a_value_is_cached_again_after_its_group_was_cleared(place: Place) {
    let users = cache(&place.here, "users");
    let runs = Runs::default();
    for round in 1..=3 {
        for _ in 0..3 {
            let load = users
                .entry(&1)
                .tags(["t"])
                .get_or_load(runs.load("v".to_owned()));
            assert_eq!(*load.await.unwrap(), "v");
        }
        assert_eq!(runs.get(), round);
        let elsewhere = cache(&place.there, "users");
        assert!(get(&elsewhere, 1).await.is_some());
        match round {
            1 => place.here.invalidate_tag("t").await.unwrap(),
            _ => drop(place.here.clear().await.unwrap()),
        }
    }
}

async fn a_load_that_its_group_overtook_is_not_stored(place: Place) {
    for (tag, other) in [
        (Some("t"), false),
        (Some("t"), true),
        (None, false),
        (None, true),
    ] {
        let users = cache(&place.here, "users");
        let gate = Arc::new((Notify::new(), Notify::new()));
        let loading = tokio::spawn({
            let (users, gate) = (users.clone(), Arc::clone(&gate));
            async move {
                let load = async || {
                    gate.0.notify_one();
                    gate.1.notified().await;
                    Ok::<_, std::io::Error>("old".to_owned())
                };
                users.entry(&1).tags(tag).get_or_load(load).await.unwrap()
            }
        });
        gate.0.notified().await;
        let larder = if other { &place.there } else { &place.here };
        match tag {
            Some(tag) => larder.invalidate_tag(tag).await.unwrap(),
            None => drop(larder.clear().await.unwrap()),
        }
        gate.1.notify_one();
        assert_eq!(*soon("the load", loading).await.unwrap(), "old");
        for larder in [&place.here, &place.there] {
            eventually("it is not kept", async || {
                cache(larder, "users").lookup(&1).await.is_none()
            })
            .await;
        }
    }
}

async fn a_tag_that_the_value_revealed_counts(place: Place) {
    let users = cache(&place.here, "users");
    let elsewhere = cache(&place.there, "users");
    // The very first time the stamps of the cache itself are new, which looks like a change of all.
    eventually("it is stored", async || {
        let load = async |_| Ok::<_, std::io::Error>(Loaded::new("v".to_owned()).tags(["late"]));
        users.entry(&1).lookup_or_load_with(load).await.unwrap();
        get(&elsewhere, 1).await.is_some()
    })
    .await;
    place.here.invalidate_tag("late").await.unwrap();
    assert_eq!(get(&users, 1).await, None);

    // Invalidated while it loads, by who cannot know that the load concerns it.
    let there = place.there.clone();
    let load = async |_| {
        there.invalidate_tag("late").await.unwrap();
        Ok::<_, std::io::Error>(Loaded::new("old".to_owned()).tags(["late"]))
    };
    let before = users.stats();
    users.entry(&1).lookup_or_load_with(load).await.unwrap();
    eventually("it is refused", async || {
        users.stats().since(&before).fills_refused == 1
    })
    .await;
    assert_eq!(get(&users, 1).await, None);
    assert_eq!(get(&elsewhere, 1).await, None);
}

on_each_server!(an_invalidation_is_one_write_and_grows_nothing);

async fn an_invalidation_is_one_write_and_grows_nothing(kind: Kind) {
    let server = start(kind);
    let here = larder(&server).await;
    let users = cache(&here, "users");
    for key in 0..100 {
        users.entry(&key).tags(["t"]).set("v").await.unwrap();
    }
    let size = || server.command(&["DBSIZE"]).unwrap();
    let before = size();
    assert_eq!(
        before,
        Reply::Int(104),
        "values, and the stamps of four groups"
    );
    let monitor = server.monitor().unwrap();
    here.invalidate_tag("t").await.unwrap();
    let commands = monitor.commands().unwrap();
    let scripts = commands.iter().filter(|c| !c.from_script());
    let names: Vec<_> = scripts.map(larder_servers::Recorded::name).collect();
    let names: Vec<_> = names
        .into_iter()
        .filter(|n| n.starts_with("EVAL"))
        .collect();
    assert!(
        names == ["EVALSHA"] || names == ["EVALSHA", "EVAL"],
        "{names:?}"
    );
    assert_eq!(size(), before);
    let ttl = server.command(&["PTTL", "cache:stamp:tag:t"]).unwrap();
    assert!(
        matches!(ttl, Reply::Int(left) if left > 29 * 24 * 3_600_000),
        "{ttl:?}"
    );
}

#[tokio::test]
async fn without_a_server_groups_work_in_memory() {
    let larder = Larder::in_memory().await.unwrap();
    let users = cache(&larder, "users");
    let acme = users.tenant("acme");
    users.entry(&1).tags(["t"]).set("v").await.unwrap();
    acme.entry(&1).tags(["t"]).set("v").await.unwrap();
    larder.tenant("acme").invalidate_tag("t").await.unwrap();
    assert_eq!(get(&acme, 1).await, None);
    assert!(get(&users, 1).await.is_some());
    larder.clear().await.unwrap();
    assert_eq!(get(&users, 1).await, None);
    users.set(&1, "again").await.unwrap();
    assert!(get(&users, 1).await.is_some());
}

#[tokio::test]
async fn a_tag_counts_however_many_tags_were_met_since() {
    let here = Larder::in_memory().await.unwrap();
    let users: Cache<u32, String> = here.cache("users").build().unwrap();
    let set = async |key, tag: &str| users.entry(&key).tags([tag]).set("Ann").await.unwrap();
    set(0, "first").await;
    // More than are remembered.
    for key in 1..20_000 {
        set(key, &format!("tag {key}")).await;
    }
    assert_eq!(get(&users, 0).await.as_deref(), Some("Ann"));
    here.invalidate_tag("first").await.unwrap();
    assert_eq!(get(&users, 0).await, None);
    assert!(users.lookup(&0).await.is_none(), "not as stale either");
}

#[tokio::test]
async fn an_invalidation_that_could_not_reach_the_server_waits_and_is_believed_here() {
    let stub = FaultyRemote::new();
    let on = async || {
        let larder = Larder::builder().remote(stub.clone()).build().await;
        larder.unwrap()
    };
    let (here, there) = (on().await, on().await);
    let (users, elsewhere) = (cache(&here, "users"), cache(&there, "users"));
    users.entry(&1).tags(["t"]).set("v").await.unwrap();
    users.set(&2, "other").await.unwrap();
    stub.inject([Operation::Splice], Fault::Fail);
    let pending = here.invalidate_tag("t").await.unwrap_err();
    assert!(matches!(pending, Error::Pending { .. }), "{pending}");
    assert_eq!(here.health().await.pending_writes, 1);
    assert_eq!(get(&users, 1).await, None, "the server is not believed");
    assert_eq!(get(&users, 2).await.as_deref(), Some("other"));
    assert!(get(&elsewhere, 1).await.is_some(), "it has not heard of it");
    stub.heal_only([Operation::Splice]);
    eventually("it is made up for", async || {
        get(&elsewhere, 1).await.is_none() && here.health().await.pending_writes == 0
    })
    .await;
    assert_eq!(get(&users, 1).await, None);
}

#[tokio::test]
async fn many_tags_cost_no_more_waiting_than_one() {
    let stub = FaultyRemote::new();
    let here = Larder::builder().remote(stub.clone()).build().await;
    let here = here.unwrap();
    let users = cache(&here, "users");
    users.set(&1, "made: what all values bear").await.unwrap();
    // Each is under way before any is answered.
    let all_at_once = async |op, work: tokio::task::JoinHandle<()>, held: [Held; 3]| {
        for one in &held {
            one.reached().await;
        }
        held.iter().for_each(Held::release);
        soon("the work", work).await.unwrap();
        assert!(stub.calls(op) >= 3);
    };
    let three = |op| [(); 3].map(|()| stub.hold(op, When::Before));

    let held = three(Operation::Keep);
    let set = async move {
        users
            .entry(&1)
            .tags(["a", "b", "c"])
            .set("v")
            .await
            .unwrap();
    };
    all_at_once(Operation::Keep, tokio::spawn(set), held).await;

    let held = three(Operation::Splice);
    let invalidate = async move {
        let tags = here.invalidate_tags(["a", "b", "c"], Strength::Remove);
        tags.await.unwrap();
    };
    all_at_once(Operation::Splice, tokio::spawn(invalidate), held).await;
}

#[tokio::test]
async fn an_answer_that_comes_late_does_not_bring_an_old_stamp_back() {
    let clock = Clock::manual();
    let stub = FaultyRemote::without_pushes(clock.clone());
    let on = async || {
        let builder = Larder::builder().remote(stub.clone()).clock(clock.clone());
        builder.build().await.unwrap()
    };
    let (writer, reader) = (on().await, on().await);
    let users = cache(&writer, "users");
    users.entry(&1).tags(["t"]).set("v").await.unwrap();
    let elsewhere = cache(&reader, "users");
    let ask = || {
        let elsewhere = elsewhere.clone();
        tokio::spawn(async move { get(&elsewhere, 1).await })
    };
    let slow = stub.hold(Operation::GetMany, When::After);
    let first = ask();
    slow.reached().await;
    // Without a sweep, which would read stamps too.
    writer.invalidate(Strength::Remove).await.unwrap();
    // It reads the stamps of all values first, and then those of the tag.
    let base = stub.hold(Operation::GetMany, When::After);
    let second = ask();
    base.reached().await;
    let tags = stub.hold(Operation::GetMany, When::Before);
    base.release();
    tags.reached().await;
    slow.release();
    let _either = first.await.unwrap();
    tags.release();
    assert_eq!(second.await.unwrap(), None, "it was cleared before");
}

#[tokio::test]
async fn a_tag_that_the_value_revealed_waits_for_an_invalidation_that_is_pending() {
    let stub = FaultyRemote::new();
    let on = async || {
        let larder = Larder::builder().remote(stub.clone()).build().await;
        larder.unwrap()
    };
    let (here, there) = (on().await, on().await);
    let elsewhere = cache(&there, "users");
    // The load begins, and then the tag is invalidated, which the server does not hear of.
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let load = tokio::spawn({
        let (elsewhere, begun, go_on) = (elsewhere.clone(), Arc::clone(&begun), Arc::clone(&go_on));
        async move {
            let loader = async |_| {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, Error>(Loaded::new("v".to_owned()).tags(["t"]))
            };
            elsewhere
                .entry(&1)
                .lookup_or_load_with(loader)
                .await
                .unwrap();
        }
    });
    soon("the load begins", begun.notified()).await;
    stub.inject([Operation::Splice], Fault::Fail);
    here.invalidate_tag("t").await.unwrap_err();
    go_on.notify_one();
    load.await.unwrap();
    eventually("the value is stored", async || {
        there
            .cache::<u32, String>("users")
            .stale(secs(600))
            .build()
            .unwrap()
            .stats()
            .fills
            == 1
    })
    .await;
    stub.heal_only([Operation::Splice]);
    eventually("it is made up for", async || {
        here.health().await.pending_writes == 0
    })
    .await;
    assert_eq!(get(&cache(&here, "users"), 1).await, None);
    assert_eq!(get(&elsewhere, 1).await, None);
}

#[tokio::test]
async fn tags_that_cannot_be_are_errors_that_name_them() {
    let larder = Larder::in_memory().await.unwrap();
    let users = cache(&larder, "users");
    let long = "x".repeat(10 * 1024);
    let many: Vec<String> = (0..10_000).map(|tag| tag.to_string()).collect();
    for (tags, says) in [
        (vec![String::new()], "empty text as a tag"),
        (vec![long], "at most 200"),
        (many, "at most 64 tags"),
    ] {
        let error = users.entry(&1).tags(&tags).set("v").await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        let loaded = users.entry(&1).tags(&tags).get_or_load(always("v".into()));
        assert_eq!(*loaded.await.unwrap(), "v");
        assert_eq!(get(&users, 1).await, None, "loaded, and not stored");
    }
    let error = larder.invalidate_tag("").await.unwrap_err();
    assert!(error.to_string().contains("empty text as a tag"), "{error}");
    // Twice the same is once.
    users.entry(&1).tags(["t"; 100]).set("v").await.unwrap();
    assert!(get(&users, 1).await.is_some());
}

#[tokio::test]
async fn a_tag_that_cannot_be_does_not_save_the_others() {
    let larder = larder::Larder::in_memory().await.unwrap();
    let cache: larder::Cache<u32, u32> = larder.cache("numbers").build().unwrap();
    cache.entry(&1).tags(["team"]).set(1).await.unwrap();
    let wrong = larder.invalidate_tags(["", "team"], larder::Strength::Remove);
    assert!(matches!(wrong.await, Err(larder::Error::Name(_))));
    assert!(!cache.exists(&1).await);
}
