//! What is counted for tenants, and for how many.

use larder::{Cache, Error, Larder, TenantOptions};

use super::common::{Place, always, everywhere};

everywhere!(each_tenant_is_counted_and_so_is_the_cache);

async fn each_tenant_is_counted_and_so_is_the_cache(place: Place) {
    let users: Cache<u32, String> = place.here.cache("users").build().unwrap();
    let (acme, other) = (users.tenant("acme"), users.tenant("other"));
    acme.set(&1, "value").await.unwrap();
    for _ in 0..3 {
        assert!(acme.get(&1).await.is_some());
    }
    assert!(acme.get(&2).await.is_none());
    let load = always("loaded".to_owned());
    other.get_or_load(&1, load).await.unwrap();
    other.remove(&1).await.unwrap();
    users.set(&1, "nobody's").await.unwrap();

    let tenants = place.here.tenants();
    let names: Vec<_> = tenants
        .iter()
        .map(|tenant| tenant.name.as_deref())
        .collect();
    assert_eq!(names, [Some("acme"), Some("other")]);
    let [of_acme, of_other] = [tenants[0].stats, tenants[1].stats];
    assert_eq!((of_acme.hits(), of_acme.misses()), (3, 1));
    assert_eq!((of_acme.sets, of_acme.loads), (1, 0));
    assert_eq!((of_other.loads, of_other.removes), (1, 1));
    let all = users.stats();
    assert_eq!((all.hits(), all.sets, all.loads), (3, 2, 1));
}

#[tokio::test]
async fn however_many_tenants_there_are_a_thousand_are_told_apart() {
    let larder = Larder::in_memory().await.unwrap();
    let users: Cache<u32, String> = larder.cache("users").build().unwrap();
    larder
        .configure_tenant("first", TenantOptions::new())
        .unwrap();
    for number in 0..1_500 {
        let tenant = users.tenant(format!("tenant {number}"));
        tenant.set(&1, "value").await.unwrap();
    }
    let tenants = larder.tenants();
    assert_eq!(tenants.len(), 1 + 1_000 + 1);
    assert!(tenants.is_sorted_by_key(|tenant| (tenant.name.is_none(), tenant.name.clone())));
    let others = tenants.last().unwrap();
    assert_eq!(others.name, None);
    assert_eq!(others.stats.sets, 500);
    // All work as before, and none is mixed up with another.
    for number in [0, 999, 1_000, 1_499] {
        let tenant = users.tenant(format!("tenant {number}"));
        tenant.set(&2, number.to_string()).await.unwrap();
    }
    let late = users.tenant("tenant 1499");
    assert_eq!(late.get(&2).await.as_deref().unwrap(), "1499");

    // Who is known may be given other options, and who is not may not be any more.
    let options = TenantOptions::new().near_floor(1 << 20);
    larder.configure_tenant("first", options).unwrap();
    larder.configure_tenant("tenant 7", options).unwrap();
    let error = larder.configure_tenant("tenant 1499", options).unwrap_err();
    assert!(matches!(error, Error::TooManyTenants { .. }), "{error}");
}
