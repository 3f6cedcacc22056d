//! The published cases, which implementations in other languages test against too.

use std::collections::HashMap;
use std::path::Path;

use larder::key::{AnyKey, CacheKey, CacheName, Prefix, StoredKey, Tenant};

#[derive(serde::Deserialize)]
struct Vector {
    prefix: String,
    tenant: Option<String>,
    name: String,
    key: serde_json::Value,
    canonical: String,
    stored: String,
}

fn check<Q: CacheKey + ?Sized>(
    (prefix, tenant, name): (&Prefix, Option<&Tenant>, &CacheName),
    key: &Q,
    vector: &Vector,
) {
    let stored = StoredKey::new(prefix, tenant, name, key).unwrap();
    assert_eq!(stored.as_str(), vector.stored, "{}", vector.canonical);
    let hashed = vector
        .stored
        .contains('~')
        .then_some(vector.canonical.as_str());
    assert_eq!(stored.original(), hashed);
}

#[test]
fn the_published_vectors_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/key-vectors.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{} belongs to the repository: {error}", path.display()));
    let vectors: Vec<Vector> = serde_json::from_str(&text).unwrap();
    assert!(vectors.len() >= 30);

    let mut taken = HashMap::new();
    for vector in &vectors {
        let Vector { key, canonical, .. } = vector;
        let prefix = Prefix::new(&vector.prefix).unwrap();
        let tenant = vector
            .tenant
            .as_deref()
            .map(|tenant| Tenant::new(tenant).unwrap());
        let name = CacheName::new(&vector.name).unwrap();
        let place = (&prefix, tenant.as_ref(), &name);

        // From the value to the canonical JSON and the stored key, each on its own.
        let any = AnyKey::new(key).unwrap();
        assert_eq!(any.as_str(), canonical);
        check(place, key, vector);
        check(place, &any, vector);
        // And back: the canonical JSON reads as the value.
        let back: serde_json::Value = serde_json::from_str(canonical).unwrap();
        assert_eq!(&back, key);
        assert_eq!(AnyKey::new(&back).unwrap(), any);
        // The types that a program would use.
        if let Some(text) = key.as_str() {
            check(place, text, vector);
        }
        if let Some(integer) = key.as_i64() {
            check(place, &integer, vector);
            check(place, &i128::from(integer), vector);
        }
        // No two share a place.
        let before = taken.insert(&vector.stored, vector);
        assert!(before.is_none(), "{}", vector.stored);
    }
}
