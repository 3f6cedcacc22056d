//! How many loaders run for a tenant at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use larder::{Cache, Freshness, Larder, LoadError, Source, StaleReason, TenantOptions};
use tokio::sync::Notify;

use super::common::{FaultyRemote, Operation, Place, always, eventually, everywhere, soon};
use super::with;

fn cache(larder: &Larder) -> Cache<u32, String> {
    larder.cache("users").build().unwrap()
}

/// Loads that run until they are let go.
struct Running {
    gate: Arc<Notify>,
    tasks: tokio::task::JoinSet<()>,
}

impl Running {
    async fn begin(cache: &Cache<u32, String>, keys: std::ops::Range<u32>) -> Self {
        let gate = Arc::new(Notify::new());
        let mut tasks = tokio::task::JoinSet::new();
        for key in keys {
            let (cache, gate, begun) = (cache.clone(), Arc::clone(&gate), Arc::new(Notify::new()));
            let started = Arc::clone(&begun);
            tasks.spawn(async move {
                let load = async || {
                    started.notify_one();
                    gate.notified().await;
                    Ok::<_, std::io::Error>("loaded".to_owned())
                };
                cache.get_or_load(&key, load).await.unwrap();
            });
            soon("the load begins", begun.notified()).await;
        }
        Self { gate, tasks }
    }

    async fn end(self) {
        for _ in 0..self.tasks.len() {
            self.gate.notify_one();
        }
        soon("the loads end", self.tasks.join_all()).await;
    }
}

async fn try_load(cache: &Cache<u32, String>, key: u32) -> Result<(), LoadError<Infallible>> {
    let loaded = cache.get_or_load(&key, always("new".to_owned())).await;
    loaded.map(drop)
}

everywhere!(no_more_loaders_run_for_a_tenant_than_may);

async fn no_more_loaders_run_for_a_tenant_than_may(place: Place) {
    let two = TenantOptions::new().max_loads(2);
    place.here.configure_tenant("acme", two).unwrap();
    let users = cache(&place.here);
    let acme = users.tenant("acme");
    // The first value of a group makes its stamp, which is told as a change of all that belongs to it.
    let teams: Cache<u32, String> = place.here.cache("teams").build().unwrap();
    for view in [&users, &acme, &teams.tenant("acme")] {
        view.set(&100, "first").await.unwrap();
    }
    eventually("what was made is known", async || {
        let found = acme.lookup(&100).await;
        found.unwrap().outcome.source == Source::Near
    })
    .await;
    let running = Running::begin(&acme, 0..2).await;
    assert_eq!(place.here.tenants()[0].loading, 2);
    let refused = try_load(&acme, 7).await;
    assert!(matches!(refused, Err(LoadError::Overloaded)), "{refused:?}");
    let refused = try_load(&teams.tenant("acme"), 7).await;
    assert!(refused.is_err(), "in all caches together");
    assert!(try_load(&users, 7).await.is_ok());
    assert!(try_load(&users.tenant("other"), 7).await.is_ok());
    assert_eq!(place.here.tenants()[0].stats.overloads, 2);

    // Who waits for a load that runs needs none.
    let waits = tokio::spawn({
        let acme = acme.clone();
        async move { try_load(&acme, 0).await }
    });
    running.end().await;
    let waited = waits.await.unwrap();
    assert!(waited.is_ok(), "{waited:?} {:?}", acme.stats());
    assert!(try_load(&acme, 7).await.is_ok(), "nothing is kept of it");
    assert_eq!(place.here.tenants()[0].loading, 0);
}

#[tokio::test]
async fn a_batch_counts_as_one_and_over_the_limit_no_lease_is_asked_for() {
    let stub = FaultyRemote::new();
    let one = TenantOptions::new().max_loads(1);
    let builder = Larder::builder().remote(stub.clone()).tenants(one);
    let acme = cache(&builder.build().await.unwrap()).tenant("acme");
    let all = async |keys: Vec<u32>| {
        let pairs = keys.into_iter().map(|key| (key, "v".to_owned()));
        Ok::<HashMap<u32, String>, std::io::Error>(pairs.collect())
    };
    let keys: Vec<u32> = (0..100).collect();
    let loaded = acme.get_or_load_many(&keys, all).await.unwrap();
    assert_eq!(loaded.len(), 100);

    let running = Running::begin(&acme, 200..201).await;
    let asked = stub.calls(Operation::Acquire);
    assert!(try_load(&acme, 201).await.is_err());
    assert_eq!(stub.calls(Operation::Acquire), asked);
    let error = acme.get_or_load_many(&[202, 203], all).await;
    assert!(matches!(error, Err(LoadError::Overloaded)), "{error:?}");
    running.end().await;
    let loaded = acme.get_or_load_many(&[202, 203], all).await.unwrap();
    assert_eq!(loaded.len(), 2);
}

#[tokio::test]
async fn over_the_limit_a_stale_value_will_do() {
    let clock = larder::Clock::manual();
    let builder = Larder::builder().clock(clock.clone());
    let each = TenantOptions::new().max_loads(1);
    let larder = builder.tenants(each).build().await.unwrap();
    let users = larder.cache("users");
    let users = users
        .stale(super::secs(600))
        .pause_after_failure(super::secs(60));
    let acme = users.build().unwrap().tenant("acme");
    acme.set(&1, "stale").await.unwrap();
    clock.advance(super::secs(400));
    let running = Running::begin(&acme, 2..3).await;
    let found = acme.lookup_or_load(&1, always("new".to_owned())).await;
    let found = found.unwrap();
    assert_eq!(*found.value, "stale");
    let slow = Freshness::Stale(StaleReason::SlowLoad);
    assert_eq!(found.outcome.freshness, slow, "no loader failed");
    running.end().await;
    // It was no failure of the loader, after which the key would rest.
    let found = acme.lookup_or_load(&1, always("new".to_owned())).await;
    assert_eq!(*found.unwrap().value, "new");
}

#[tokio::test]
async fn a_changed_limit_counts_from_then_on() {
    let larder = with(TenantOptions::new().max_loads(1)).await;
    let acme = cache(&larder).tenant("acme");
    let running = Running::begin(&acme, 0..1).await;
    assert!(try_load(&acme, 1).await.is_err());
    larder
        .configure_tenant("acme", TenantOptions::new())
        .unwrap();
    assert!(try_load(&acme, 1).await.is_ok());
    running.end().await;
}
