//! Contract fault 2: a cached `None`, empty, zero or `false` is a hit.

use std::collections::BTreeMap;
use std::fmt::Debug;

use larder::{Cache, CacheValue, Larder, NearCapacity};
use larder_servers::Kind;

use super::common::{Runs, larder, on_each_server, start};

on_each_server!(a_cached_none_is_a_hit_on_the_server);

#[tokio::test]
async fn a_cached_none_is_a_hit() {
    let larder = Larder::in_memory().await.unwrap();
    all_are_hits(&larder, NearCapacity::default()).await;
}

/// Without a near tier, so that each value makes its way through the server.
async fn a_cached_none_is_a_hit_on_the_server(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    all_are_hits(&larder, NearCapacity::Off).await;
}

async fn all_are_hits(larder: &Larder, near: NearCapacity) {
    is_a_hit(larder, near, "none", None::<u32>).await;
    is_a_hit(larder, near, "unit", ()).await;
    is_a_hit(larder, near, "zero", 0_u64).await;
    is_a_hit(larder, near, "minus-zero", -0.0_f64).await;
    is_a_hit(larder, near, "false", false).await;
    is_a_hit(larder, near, "empty-text", String::new()).await;
    is_a_hit(larder, near, "empty-list", Vec::<u8>::new()).await;
    is_a_hit(larder, near, "empty-map", BTreeMap::<String, u8>::new()).await;
    is_a_hit(larder, near, "nothing-in-it", vec![None::<bool>]).await;
}

async fn is_a_hit<V>(larder: &Larder, near: NearCapacity, name: &str, value: V)
where
    V: CacheValue + Clone + PartialEq + Debug,
{
    let cache: Cache<String, V> = larder.cache(name).near(near).build().unwrap();
    let runs = Runs::default();
    for _ in 0..3 {
        let loaded = cache.get_or_load("key", runs.load(value.clone())).await;
        assert_eq!(*loaded.unwrap(), value, "{name}");
    }
    assert_eq!(runs.get(), 1, "{name}");
    cache.set("set", value.clone()).await.unwrap();
    assert_eq!(cache.get("set").await.as_deref(), Some(&value), "{name}");
    assert!(cache.exists("set").await, "{name}");
    assert!(cache.remove("set").await.unwrap(), "{name}");
}
