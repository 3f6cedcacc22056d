//! What of the near tier is a tenant's.

use larder::{Cache, Larder, NearCapacity, NearUsage, Sweep, TenantOptions};

use super::with;

const CAPACITY: u64 = 256 << 10;
const VALUE: usize = 1_000;

/// Of values that weigh a good kilobyte each.
fn cache(larder: &Larder) -> Cache<u32, String> {
    let cache = larder.cache("users").near(NearCapacity::Bytes(CAPACITY));
    cache.build().unwrap()
}

fn usage(larder: &Larder, name: &str) -> Option<NearUsage> {
    let tenants = larder.tenants();
    let of = |tenant: &&larder::TenantHealth| tenant.name.as_deref() == Some(name);
    tenants.iter().find(of).and_then(|tenant| tenant.near)
}

async fn fill(cache: &Cache<u32, String>, keys: std::ops::Range<u32>) {
    for key in keys {
        cache.set(&key, "v".repeat(VALUE)).await.unwrap();
    }
}

async fn held(cache: &Cache<u32, String>, keys: std::ops::Range<u32>) -> usize {
    let mut held = 0;
    for key in keys {
        held += usize::from(cache.get(&key).await.is_some());
    }
    held
}

/// How many of the quiet tenant's 50 values are left after another wrote ten times the capacity, and
/// read it, so that the engine has no reason to prefer the quiet one's.
async fn left_of_the_quiet(larder: &Larder, noisy: &Cache<u32, String>) -> usize {
    let quiet = cache(larder).tenant("quiet");
    for round in 0..10 {
        if round == 3 {
            fill(&quiet, 0..50).await;
        }
        let keys = round * 250..(round + 1) * 250;
        fill(noisy, keys.clone()).await;
        held(noisy, keys.clone()).await;
        held(noisy, keys).await;
    }
    held(&quiet, 0..50).await
}

#[tokio::test]
async fn a_floor_is_a_tenants_whatever_others_write() {
    let without = Larder::in_memory().await.unwrap();
    let noisy = cache(&without).tenant("noisy");
    let left = left_of_the_quiet(&without, &noisy).await;
    assert!(left < 10, "{left}");

    let larder = Larder::in_memory().await.unwrap();
    let floor = TenantOptions::new().near_floor(64 << 10);
    larder.configure_tenant("quiet", floor).unwrap();
    for noisy in [cache(&larder).tenant("noisy"), cache(&larder)] {
        assert_eq!(left_of_the_quiet(&larder, &noisy).await, 50);
    }
    let all = cache(&larder).near_usage();
    assert!(all.weight <= CAPACITY, "{all:?}");
    assert_eq!(all.capacity, CAPACITY);
}

#[tokio::test]
async fn what_a_floor_does_not_use_others_may() {
    let larder = Larder::in_memory().await.unwrap();
    let floor = TenantOptions::new().near_floor(CAPACITY / 2);
    larder.configure_tenant("idle", floor).unwrap();
    let users = cache(&larder);
    fill(&users.tenant("idle"), 0..1).await;
    fill(&users, 0..200).await;
    assert!(held(&users, 0..200).await > 180);
    // Until it does.
    fill(&users.tenant("idle"), 0..100).await;
    assert_eq!(held(&users.tenant("idle"), 0..100).await, 100);
}

#[tokio::test]
async fn nobody_has_more_than_its_ceiling() {
    let larder = Larder::in_memory().await.unwrap();
    let options = TenantOptions::new().near_ceiling(32 << 10);
    larder.configure_tenant("acme", options).unwrap();
    let users = cache(&larder);
    let acme = users.tenant("acme");
    fill(&users, 0..100).await;
    fill(&acme, 0..1_000).await;
    let has = usage(&larder, "acme").unwrap();
    assert!((20 << 10..=32 << 10).contains(&has.weight), "{has:?}");
    assert!(held(&users, 0..100).await == 100, "nobody was pushed out");
    // A lower one counts at once, a higher one as it is needed.
    let lower = options.near_ceiling(8 << 10);
    larder.configure_tenant("acme", lower).unwrap();
    let has = usage(&larder, "acme").unwrap();
    assert!(has.weight <= 8 << 10, "{has:?}");
    larder
        .configure_tenant("acme", options.near_ceiling(64 << 10))
        .unwrap();
    fill(&acme, 0..1_000).await;
    let has = usage(&larder, "acme").unwrap();
    assert!((40 << 10..=64 << 10).contains(&has.weight), "{has:?}");
    // What is too large for it is told.
    let too_large = acme.set(&1, "v".repeat(100 << 10)).await;
    assert!(matches!(too_large, Err(larder::Error::TooLarge { .. })));
}

#[tokio::test]
async fn all_who_want_more_share_what_is_beyond_the_floors() {
    let larder = with(TenantOptions::new().near_floor(1 << 10)).await;
    let users = cache(&larder);
    let all: Vec<_> = (0..4).map(|n| users.tenant(format!("t{n}"))).collect();
    // One is there first, and has it all.
    fill(&all[0], 0..500).await;
    for key in 0..500 {
        for (n, tenant) in all.iter().enumerate() {
            // One writes ten times as much as the others.
            let writes = if n == 0 { 10 } else { 1 };
            fill(tenant, key * writes..(key + 1) * writes).await;
        }
    }
    let fair = CAPACITY / 5;
    for n in 0..4 {
        let has = usage(&larder, &format!("t{n}")).unwrap();
        assert!(has.capacity > fair * 9 / 10, "t{n}: {has:?}");
        assert!(has.capacity < fair * 14 / 10, "t{n}: {has:?}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_given_a_share_later_loses_nothing_but_memory() {
    let larder = Larder::in_memory().await.unwrap();
    let users = cache(&larder);
    let acme = users.tenant("acme");
    fill(&acme, 0..20).await;
    fill(&users, 0..20).await;
    assert!(usage(&larder, "acme").is_none());
    let floor = TenantOptions::new().near_floor(64 << 10);
    larder.configure_tenant("acme", floor).unwrap();
    // Without a server memory was all there was. Nothing of it lies about.
    assert_eq!(held(&users, 0..20).await, 20);
    assert_eq!(users.near_usage().entries, 20);
    fill(&acme, 0..20).await;
    assert_eq!(usage(&larder, "acme").unwrap().entries, 20);
    assert!(acme.remove(&1).await.unwrap());
    assert!(acme.get(&1).await.is_none());
}

#[tokio::test]
async fn what_concerns_all_entries_concerns_those_too() {
    let larder = with(TenantOptions::new().near_floor(64 << 10)).await;
    let users = cache(&larder);
    let acme = users.tenant("acme");
    let refill = async || {
        fill(&users, 0..20).await;
        fill(&acme, 0..20).await;
        assert_eq!(users.near_usage().entries, 40);
    };
    refill().await;
    assert_eq!(users.remove_matching("1?").await.unwrap().values, 20);
    refill().await;
    let _sweep: Sweep = larder.tenant("acme").clear().await.unwrap();
    assert_eq!(held(&acme, 0..20).await, 0);
    // Keys that share a mark with one of the tenant's are forgotten too.
    assert!(held(&users, 0..20).await >= 15);
    refill().await;
    users.resize_near(32 << 10);
    assert!(users.near_usage().weight <= 32 << 10);
    assert_eq!(users.near_usage().capacity, 32 << 10);
    larder.close().await;
    assert_eq!(users.near_usage().entries, 0);
}
