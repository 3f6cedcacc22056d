//! Several larders on one server.

use std::time::{Duration, Instant};

use larder::{Coherence, Freshness, Larder, Source, StaleReason};
use larder_servers::{Kind, Reply, Server};

use super::common::{
    Runs, always, config, eventually, keys, larder, larder_with, millis, on_each_server, secs,
    start,
};
use super::{Texts, bare, get};

on_each_server!(
    larders_share_what_one_of_them_stored,
    an_answer_says_where_it_came_from,
    a_replaced_value_is_served_for_the_coherence_ttl_at_most,
    a_removed_value_is_served_for_the_coherence_ttl_at_most,
    a_value_past_its_ttl_is_stale_and_then_gone,
    a_value_from_before_a_restart_is_stale_at_best,
    tenants_and_prefixes_are_apart,
    a_fractional_ttl_is_rounded_up_on_the_server,
    a_ttl_of_zero_removes_and_stores_nothing,
    the_longest_ttl_is_taken,
);

async fn larders_share_what_one_of_them_stored(kind: Kind) {
    let server = start(kind);
    let (one, other) = (bare(&larder(&server).await), bare(&larder(&server).await));
    one.set(&1, "set".to_owned()).await.unwrap();
    assert_eq!(get(&other, 1).await.as_deref(), Some("set"));
    let runs = Runs::default();
    one.get_or_load(&2, runs.load("loaded".to_owned()))
        .await
        .unwrap();
    let value = other.get_or_load(&2, runs.load("again".to_owned())).await;
    assert_eq!((value.unwrap().as_str(), runs.get()), ("loaded", 1));
    assert!(other.remove(&1).await.unwrap());
    assert!(!one.remove(&1).await.unwrap());
    assert_eq!(get(&one, 1).await, None);
}

async fn an_answer_says_where_it_came_from(kind: Kind) {
    let server = start(kind);
    let texts = async || -> Texts {
        let larder = larder(&server).await;
        larder
            .cache("texts")
            .ttl(secs(600))
            .coherence(Coherence::Ttl(secs(60)))
            .build()
            .unwrap()
    };
    let (one, other) = (texts().await, texts().await);
    let began = Instant::now();
    let found = one
        .lookup_or_load(&1, always("Ann".to_owned()))
        .await
        .unwrap();
    assert_eq!(found.outcome.source, Source::Loader);
    assert_eq!(
        (found.outcome.age, found.outcome.ttl_left),
        (Duration::ZERO, secs(600))
    );
    // The stamps of a new cache, which this process makes, are told like any change.
    eventually("it is in memory", async || {
        let found = other.lookup(&1).await.unwrap();
        found.outcome.source == Source::Near
    })
    .await;
    let before = other.stats();
    for source in [Source::Near; 2] {
        let outcome = other.lookup(&1).await.unwrap().outcome;
        assert_eq!(
            (outcome.source, outcome.freshness),
            (source, Freshness::Fresh)
        );
        assert!(!outcome.joined);
        // Never understated, and overstated by no more than the clocks' error.
        assert!(outcome.age <= began.elapsed() + millis(200), "{outcome:?}");
        assert!(outcome.age + outcome.ttl_left <= secs(600), "{outcome:?}");
    }
    let stats = other.stats();
    assert!(stats.remote_hits > 0);
    assert_eq!(stats.since(&before).near_hits, 2);
    assert_eq!(stats.hit_rate(), Some(1.0));
}

const TRUST: Duration = Duration::from_millis(250);

async fn trusting(server: &Server) -> Texts {
    let larder = larder(server).await;
    larder
        .cache("texts")
        .coherence(Coherence::Ttl(TRUST))
        .build()
        .unwrap()
}

/// Reads until the old value is not served any more, and no longer than promised.
async fn old_until(cache: &Texts, changed: Instant, new: Option<&str>) {
    loop {
        let asked = changed.elapsed();
        let value = get(cache, 1).await;
        if value.as_deref() == new {
            return;
        }
        assert_eq!(value.as_deref(), Some("old"));
        assert!(
            asked <= TRUST + millis(1),
            "the old value, asked for after {asked:?}"
        );
        tokio::time::sleep(millis(3)).await;
    }
}

async fn a_replaced_value_is_served_for_the_coherence_ttl_at_most(kind: Kind) {
    let server = start(kind);
    let (one, other) = (trusting(&server).await, trusting(&server).await);
    one.set(&1, "old".to_owned()).await.unwrap();
    assert_eq!(get(&other, 1).await.as_deref(), Some("old"));
    one.set(&1, "new".to_owned()).await.unwrap();
    assert_eq!(
        get(&one, 1).await.as_deref(),
        Some("new"),
        "its own writes at once"
    );
    old_until(&other, Instant::now(), Some("new")).await;
}

async fn a_removed_value_is_served_for_the_coherence_ttl_at_most(kind: Kind) {
    let server = start(kind);
    let (one, other) = (trusting(&server).await, trusting(&server).await);
    one.set(&1, "old".to_owned()).await.unwrap();
    assert_eq!(get(&other, 1).await.as_deref(), Some("old"));
    assert!(one.remove(&1).await.unwrap());
    assert_eq!(get(&one, 1).await, None, "its own removals at once");
    old_until(&other, Instant::now(), None).await;
    let found = other
        .lookup_or_load(&1, always("new".to_owned()))
        .await
        .unwrap();
    assert_eq!(found.outcome.source, Source::Loader);
}

async fn a_value_past_its_ttl_is_stale_and_then_gone(kind: Kind) {
    let server = start(kind);
    let (one, other) = (bare(&larder(&server).await), bare(&larder(&server).await));
    let began = Instant::now();
    let entry = one.entry(&1).ttl(millis(100)).stale(millis(600));
    entry.set("Ann".to_owned()).await.unwrap();
    eventually("it is past its TTL", async || {
        get(&other, 1).await.is_none()
    })
    .await;
    // On a busy machine it may be gone altogether by now.
    if let Some(found) = other.lookup(&1).await {
        assert_eq!(found.outcome.source, Source::Remote);
        assert_eq!(
            found.outcome.freshness,
            Freshness::Stale(StaleReason::Expired)
        );
        assert!(found.outcome.age >= millis(100), "{:?}", found.outcome);
    } else {
        assert!(began.elapsed() >= millis(600));
    }
    eventually("it is gone", async || other.lookup(&1).await.is_none()).await;
    let on_server = server.command(&["EXISTS", "cache:texts:1"]).unwrap();
    assert!(on_server == Reply::Int(0) || began.elapsed() < millis(710));
}

async fn a_value_from_before_a_restart_is_stale_at_best(kind: Kind) {
    let server = Server::builder(kind).snapshots(true).start().unwrap();
    let cache = bare(&larder(&server).await);
    cache
        .entry(&1)
        .ttl(secs(600))
        .stale(secs(600))
        .set("old".to_owned())
        .await
        .unwrap();
    cache
        .entry(&2)
        .ttl(secs(600))
        .set("strict".to_owned())
        .await
        .unwrap();
    server.restart().unwrap();
    eventually("the connection is back", async || {
        cache.lookup(&1).await.is_some_and(|found| {
            found.outcome.freshness == Freshness::Stale(StaleReason::UnknownLineage)
        })
    })
    .await;
    assert_eq!(get(&cache, 1).await, None);
    assert!(cache.lookup(&2).await.is_none(), "no stale window");
    let found = cache
        .lookup_or_load(&1, always("new".to_owned()))
        .await
        .unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.source),
        ("new", Source::Loader)
    );
    assert_eq!(get(&cache, 1).await.as_deref(), Some("new"));
}

async fn tenants_and_prefixes_are_apart(kind: Kind) {
    let server = start(kind);
    let shop = larder_with(config(&server).prefix("shop")).await;
    let views: Vec<Texts> = vec![
        bare(&larder(&server).await),
        bare(&shop),
        bare(&shop.tenant("acme")),
        bare(&shop.tenant("acme:texts")),
        bare(&larder_with(config(&server).database(1)).await),
    ];
    for (at, view) in views.iter().enumerate() {
        assert_eq!(get(view, 1).await, None);
        view.set(&1, at.to_string()).await.unwrap();
    }
    for (at, view) in views.iter().enumerate() {
        assert_eq!(get(view, 1).await, Some(at.to_string()));
    }
    for key in ["cache:texts:1", "shop:texts:1", "shop:tenant:acme:texts:1"] {
        assert_eq!(
            server.command(&["EXISTS", key]).unwrap(),
            Reply::Int(1),
            "{key}"
        );
    }
}

async fn a_fractional_ttl_is_rounded_up_on_the_server(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    let monitor = server.monitor().unwrap();
    for (micros, px) in [
        (1, "1"),
        (999, "1"),
        (1_500, "2"),
        (3_600_000_001, "3600001"),
    ] {
        let ttl = Duration::from_micros(micros);
        cache
            .entry(&1)
            .ttl(ttl)
            .set("Ann".to_owned())
            .await
            .unwrap();
        let commands = super::common::traffic(&monitor);
        let set = commands.iter().rfind(|command| command.name() == "SET");
        let set = set.unwrap();
        assert_eq!(set.args[3..], [b"PX".to_vec(), px.as_bytes().to_vec()]);
    }
}

async fn a_ttl_of_zero_removes_and_stores_nothing(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    cache
        .entry(&1)
        .ttl(Duration::ZERO)
        .set("Bob".to_owned())
        .await
        .unwrap();
    let entry = cache.entry(&2).ttl(Duration::ZERO);
    entry.get_or_load(always("Cid".to_owned())).await.unwrap();
    for key in ["cache:texts:1", "cache:texts:2"] {
        let on_server = server.command(&["EXISTS", key]).unwrap();
        assert_eq!(on_server, Reply::Int(0), "{key}");
    }
    // The load's note to those who wait for it lives for a second.
    eventually("nothing is left", async || keys(&server) == 0).await;
}

async fn the_longest_ttl_is_taken(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    let entry = cache.entry(&1).ttl(Duration::MAX).stale(Duration::MAX);
    entry.set("for ever".to_owned()).await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("for ever"));
    assert!(cache.ttl_left(&1).await.unwrap() > larder::MAX_TTL.mul_f64(0.99));
}

#[tokio::test]
async fn a_larder_in_memory_has_no_remote() {
    let larder = Larder::in_memory().await.unwrap();
    assert!(larder.remote_client().is_none());
    let health = larder.health().await;
    assert_eq!(health.remote.state, larder::remote::RemoteState::Absent);
    assert!(health.is_usable() && !health.is_degraded());
}
