//! A tenant is erased: all of it, and nobody else's.

use std::sync::Arc;

use larder::{Error, Larder};
use larder_servers::Kind;
use tokio::sync::Notify;

use crate::common::{
    Fault, FaultyRemote, Operation, eventually, larder, on_each_server, soon, start,
};
use crate::{Site, cache, everywhere, fill, keys_of};

everywhere!(
    nothing_of_the_tenant_is_left,
    a_load_under_way_elsewhere_brings_nothing_back,
    only_a_tenant_can_be_erased,
);

async fn nothing_of_the_tenant_is_left(site: Site) {
    let users = cache(&site.here, "users");
    let others = [users.clone(), users.tenant("acme2"), users.tenant("acm")];
    for view in &others {
        view.entry(&1).tags(["t"]).set("value").await.unwrap();
    }
    let acme = users.tenant("acme");
    fill(&acme, 0..300).await;
    acme.entry(&1).tags(["t", "u"]).set("value").await.unwrap();
    cache(&site.there, "teams")
        .tenant("acme")
        .set(&1, "team")
        .await
        .unwrap();
    let failing = async || Err::<String, _>("no source");
    acme.get_or_load(&1_000, failing).await.unwrap_err(); // leaves a note
    // Outdated, and not swept.
    site.here.tenant("acme").invalidate_tag("t").await.unwrap();
    let elsewhere = cache(&site.there, "users").tenant("acme");
    assert!(elsewhere.get(&2).await.is_some() && acme.get(&2).await.is_some());

    let erased = site.here.tenant("acme").erase().await.unwrap();
    assert_eq!(
        (erased.values, erased.remaining, erased.foreign),
        (301, 0, 0)
    );
    // The tenant's own, those of two caches and two tags of it.
    assert_eq!(erased.stamps, 5);
    assert!(erased.bytes > 301 * 100, "{erased:?}");
    let keys = site.keys().await;
    let own = |key: &&String| key.contains("tenant:acme:") || key.ends_with("tenant:acme");
    assert_eq!(
        keys.iter().filter(own).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    for view in &others {
        assert!(view.get(&1).await.is_some());
    }
    assert!(acme.get(&2).await.is_none());
    eventually("it is seen elsewhere", async || {
        elsewhere.get(&2).await.is_none()
    })
    .await;
    // It may come back as somebody new.
    acme.set(&2, "new").await.unwrap();
    eventually("it is a tenant like any other", async || {
        elsewhere.get(&2).await.is_some()
    })
    .await;
}

async fn a_load_under_way_elsewhere_brings_nothing_back(site: Site) {
    let acme = cache(&site.there, "users").tenant("acme");
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let load = tokio::spawn({
        let (acme, begun, go_on) = (acme.clone(), Arc::clone(&begun), Arc::clone(&go_on));
        async move {
            let load = async || {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, std::io::Error>("old".to_owned())
            };
            acme.get_or_load(&1, load).await.unwrap()
        }
    });
    soon("the load", begun.notified()).await;
    let erased = site.here.tenant("acme").erase().await.unwrap();
    assert_eq!((erased.values, erased.leases, erased.remaining), (0, 1, 0));
    go_on.notify_one();
    assert_eq!(*soon("the load", load).await.unwrap(), "old");
    eventually("the fill is refused", async || {
        acme.stats().fills_refused == 1
    })
    .await;
    assert_eq!(site.count("cache:tenant:acme:").await, 0);
    assert!(acme.get(&1).await.is_none());
}

async fn only_a_tenant_can_be_erased(site: Site) {
    let error = site.here.erase().await.unwrap_err();
    assert!(matches!(error, Error::NoTenant), "{error}");
    let error = site.here.tenant("").erase().await.unwrap_err();
    assert!(matches!(error, Error::Name(_)), "{error}");
    let erased = site.here.tenant("nobody").erase().await.unwrap();
    assert_eq!((erased.values, erased.leases, erased.remaining), (0, 0, 0));
    site.here.close().await;
    let closed = site.here.tenant("acme").erase().await.unwrap_err();
    assert!(matches!(closed, Error::Closed), "{closed}");
}

#[tokio::test]
async fn without_a_server_memory_is_erased() {
    let here = Larder::in_memory().await.unwrap();
    let users = cache(&here, "users");
    fill(&users.tenant("acme"), 0..10).await;
    fill(&users, 0..10).await;
    here.tenant("acme").erase().await.unwrap();
    assert_eq!(users.near_usage().entries, 10);
    assert!(users.get(&1).await.is_some());
}

#[tokio::test]
async fn an_erasure_that_the_server_did_not_do_is_an_error() {
    let stub = FaultyRemote::new();
    let config = larder::Config::builder().build().unwrap();
    let builder = Larder::builder().config(config).remote(stub.clone());
    let here = builder.build().await.unwrap();
    let acme = cache(&here, "users").tenant("acme");
    fill(&acme, 0..10).await;
    stub.inject([Operation::Splice], Fault::Fail);
    let error = here.tenant("acme").erase().await.unwrap_err();
    assert!(matches!(error, Error::Pending { .. }), "{error}");
    stub.heal_only([Operation::Splice]);
    stub.inject([Operation::Discard], Fault::Fail);
    let error = here.tenant("acme").erase().await.unwrap_err();
    assert!(
        error.to_string().contains("cannot erase tenant \"acme\""),
        "{error}"
    );
    stub.heal_only([Operation::Discard]);
    let erased = here.tenant("acme").erase().await.unwrap();
    assert_eq!((erased.values, erased.remaining), (10, 0));
}

on_each_server!(what_is_not_larders_is_left_and_told);

async fn what_is_not_larders_is_left_and_told(kind: Kind) {
    let server = start(kind);
    let here = larder(&server).await;
    let acme = cache(&here, "users").tenant("acme");
    fill(&acme, 0..10).await;
    let strangers = [
        &["SET", "cache:tenant:acme:users:x", "somebody's"][..],
        &["HSET", "cache:tenant:acme:users:h", "f", "v"],
        &[
            "SET",
            "cache:lease:{cache:tenant:acme:users:l}",
            "somebody's",
        ],
        &["SET", "cache:stamp:tenant:acme:name:x", "somebody's"],
        &["SET", "cache:tenant:acme:", "somebody's"],
    ];
    for command in strangers {
        server.command(command).unwrap();
    }
    let monitor = server.monitor().unwrap();
    let erased = here.tenant("acme").erase().await.unwrap();
    assert_eq!(
        (erased.values, erased.remaining, erased.foreign),
        (10, 0, 5)
    );
    for command in monitor.commands().unwrap() {
        assert!(!["KEYS", "FLUSHDB", "FLUSHALL"].contains(&command.name().as_str()));
    }
    let keys = keys_of(&server);
    for command in strangers {
        assert!(keys.iter().any(|key| key == command[1]), "{}", command[1]);
    }
}
