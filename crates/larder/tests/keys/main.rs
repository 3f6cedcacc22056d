//! What two keys have in common: nothing, unless they are the same key (G5).
#![allow(clippy::unwrap_used)] // `allow-unwrap-in-tests` does not reach what tests call

mod injective;
mod vectors;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use larder::bounded::{Bounded, Bounds};
use larder::key::{
    AnyKey, CacheKey, CacheName, KeyError, NameError, Part, Prefix, PrefixError, StoredKey, Tenant,
};
use serde::Serialize;
use uuid::Uuid;

fn place<Q: CacheKey + ?Sized>(
    tenant: Option<&str>,
    name: &str,
    key: &Q,
) -> Result<StoredKey, KeyError> {
    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
    let prefix = Prefix::new("app").unwrap();
    StoredKey::new(
        &prefix,
        tenant.as_ref(),
        &CacheName::new(name).unwrap(),
        key,
    )
}

/// The same in a bounded cache.
fn bounded<Q: CacheKey + ?Sized>(
    tenant: Option<&str>,
    name: &str,
    key: &Q,
    partitions: u16,
) -> StoredKey {
    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
    let (prefix, name) = (Prefix::new("app").unwrap(), CacheName::new(name).unwrap());
    let bounded = Bounded::lru(1_000).partitions(partitions);
    let bounds = Arc::new(Bounds::new(&prefix, &name, bounded).unwrap());
    StoredKey::bounded(&bounds, tenant.as_ref(), key).unwrap()
}

/// The part of the stored key that is made of `key`.
fn stored<Q: CacheKey + ?Sized>(key: &Q) -> String {
    let stored = place(None, "n", key).unwrap();
    assert_eq!(
        place(None, "n", &AnyKey::new(key).unwrap()).unwrap(),
        stored
    );
    stored.as_str().strip_prefix("app:n:").unwrap().to_owned()
}

fn canonical<Q: CacheKey + ?Sized>(key: &Q) -> String {
    AnyKey::new(key).unwrap().to_string()
}

#[test]
fn a_name_or_tenant_with_a_colon_reaches_no_other_tenants_keys() {
    let theirs = place(Some("acme"), "users", "42:profile").unwrap();
    for (tenant, name, key) in [
        (Some("acme:users"), "42", "profile"),
        (Some("acme"), "users:42", "profile"),
        (Some("acme:users:42"), "x", "profile"),
        (None, "tenant:acme:users", "42:profile"),
        (None, "tenant", "acme:users:42:profile"),
        (None, "tenant:acme", "users:42:profile"),
        (Some("tenant:acme"), "users", "42:profile"),
        (Some("acme%3Ausers"), "42", "profile"),
        (None, "%74enant", "acme:users:42:profile"),
    ] {
        let ours = place(tenant, name, key).unwrap();
        assert_ne!(ours, theirs);
        let of_acme = ours.as_str().starts_with("app:tenant:acme:");
        assert_eq!(of_acme, tenant == Some("acme"), "{ours}");
        let of_users = ours.as_str().starts_with("app:tenant:acme:users:");
        assert!(!of_users, "{ours}");
    }
}

#[test]
fn no_cache_name_reaches_leases_and_stamps() {
    for name in [
        "tenant",
        "lease",
        "stamp",
        "bounded",
        "lease:{app",
        "stamp:users",
    ] {
        let key = place(None, name, "x").unwrap();
        for reserved in ["app:tenant:", "app:lease:", "app:stamp:", "app:bounded:"] {
            assert!(!key.as_str().starts_with(reserved), "{key}");
        }
    }
    assert_eq!(
        place(None, "leases", "lease").unwrap().as_str(),
        "app:leases:lease"
    );
}

#[test]
fn structured_keys_hash_alike_in_every_process() {
    #[derive(Serialize, Hash, PartialEq, Eq)]
    struct Sorted {
        lang: &'static str,
        user: u64,
    }
    #[derive(Serialize, Hash, PartialEq, Eq)]
    struct Unsorted {
        user: u64,
        lang: &'static str,
    }
    /// A hash map, which comes in another order each time.
    #[derive(Serialize, PartialEq, Eq)]
    struct Map(HashMap<&'static str, serde_json::Value>);
    impl Hash for Map {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.len().hash(state);
        }
    }

    // Fixed, so that another build, machine or seed that changes them fails here.
    let pair = "~023b2810f4121a4208dc3df6bc9f7d8c830e9f2b339bdd2c996320996f70a16e";
    let named = "~d4d7933480503567877ad895e32c321738530735bdb862be319ca8a3afcf3b8a";

    assert_eq!(canonical(&("a", 42)), r#"["a",42]"#);
    assert_eq!(stored(&("a", 42)), pair);
    assert_eq!(stored(&("a".to_owned(), 42_i128)), pair);
    let value: serde_json::Value = serde_json::from_str(r#" [ "\u0061", 42 ] "#).unwrap();
    assert_eq!(stored(&value), pair);
    // Not by address.
    assert_eq!(stored(&Box::new((String::from("a"), Box::new(42)))), pair);

    assert_eq!(
        canonical(&Sorted {
            lang: "en",
            user: 42
        }),
        r#"{"lang":"en","user":42}"#
    );
    assert_eq!(
        stored(&Sorted {
            lang: "en",
            user: 42
        }),
        named
    );
    assert_eq!(
        stored(&Unsorted {
            lang: "en",
            user: 42
        }),
        named
    );
    assert_eq!(
        stored(&BTreeMap::from([
            ("lang", "en".into()),
            ("user", serde_json::json!(42))
        ])),
        named
    );
    for _ in 0..20 {
        let map = HashMap::from([("user", 42.into()), ("lang", serde_json::json!("en"))]);
        assert_eq!(stored(&Map(map)), named);
    }

    assert_eq!(
        stored(&()),
        "~74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"
    );
    assert_eq!(
        stored(&true),
        "~b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b"
    );
}

#[test]
fn a_uuid_is_its_hyphenated_text() {
    let uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    assert_eq!(stored(&uuid), "67e55044-10b1-426f-9247-bb680e5fe0c8");
    assert_eq!(
        stored(&uuid),
        stored("67e55044-10b1-426f-9247-bb680e5fe0c8")
    );
}

#[test]
fn what_serde_writes_as_text_or_integer_stays_readable() {
    #[derive(Serialize, Hash, PartialEq, Eq)]
    struct UserId(u64);
    #[derive(Serialize, Hash, PartialEq, Eq)]
    enum Lang {
        En,
    }
    assert_eq!(stored(&UserId(42)), "42");
    assert_eq!(stored(&Some(UserId(42))), "42");
    assert_eq!(stored(&Lang::En), "En");
    assert_eq!(stored(&'{'), "%7B");
    assert_eq!(stored(&'7'), "%37");
    assert_eq!(stored(&std::net::Ipv4Addr::LOCALHOST), "127.0.0.1");
    assert_eq!(
        stored(&i128::MIN),
        "-170141183460469231731687303715884105728"
    );
    assert_eq!(
        stored(&u128::MAX),
        "340282366920938463463374607431768211455"
    );
    assert_eq!(stored(&u64::MAX), "18446744073709551615");
    assert_eq!(stored(&-1_i8), stored(&-1_i64));
    assert_ne!(stored(&-1), stored("-1"));
}

#[test]
fn an_empty_key_is_a_key_of_its_own() {
    assert_eq!(place(None, "users", "").unwrap().as_str(), "app:users:");
    let empty = [
        stored(""),
        stored(&()),
        stored(&Vec::<u8>::new()),
        stored(&BTreeMap::<u8, u8>::new()),
        stored(&[""]),
        stored("\"\""),
        stored("null"),
    ];
    for (at, one) in empty.iter().enumerate() {
        assert!(!empty[..at].contains(one), "{one}");
    }
}

#[test]
fn nested_options_do_not_collapse_into_one_key() {
    assert_eq!(stored(&None::<Option<u8>>), stored(&()));
    assert_eq!(stored(&Some(Some(1))), "1");
    assert_eq!(
        place(None, "n", &Some(None::<u8>)),
        Err(KeyError::Ambiguous)
    );
    assert_eq!(place(None, "n", &(1, Some(()))), Err(KeyError::Ambiguous));
    let null = AnyKey::new(&None::<u8>).unwrap();
    assert_eq!(place(None, "n", &Some(null)), Err(KeyError::Ambiguous));
}

#[test]
fn a_number_that_is_not_finite_is_no_key() {
    /// A float that claims to have an order, as those of several crates do.
    #[derive(Serialize)]
    struct Float(f64);
    impl PartialEq for Float {
        fn eq(&self, other: &Self) -> bool {
            self.0.to_bits() == other.0.to_bits()
        }
    }
    impl Eq for Float {}
    impl Hash for Float {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.to_bits().hash(state);
        }
    }
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(place(None, "n", &Float(float)), Err(KeyError::NotFinite));
    }
    assert_eq!(stored(&Float(-0.0)), stored(&Float(0.0)));
    assert_ne!(stored(&Float(1.0)), stored(&1));
    assert_ne!(stored(&Float(1.0)), stored("1.0"));
}

#[test]
fn a_key_of_a_mebibyte_is_refused() {
    let key = "k".repeat(1 << 20);
    let error = place(None, "n", key.as_str()).unwrap_err();
    assert_eq!(
        error,
        KeyError::TooLong {
            len: (1 << 20) + 2,
            max: 1 << 16
        }
    );
    assert_eq!(
        error.to_string(),
        "cannot use this cache key: its canonical JSON takes at least 1048578 bytes, and at most \
         65536 are allowed; use an identifier or a digest of the data as the key"
    );
    assert!(matches!(
        place(None, "n", &vec![1_u8; 1 << 20]),
        Err(KeyError::TooLong { .. })
    ));
    assert!(matches!(AnyKey::new(&key), Err(KeyError::TooLong { .. })));

    let longest = "k".repeat((1 << 16) - 2);
    assert_eq!(stored(longest.as_str()).len(), 65);
}

#[test]
fn an_erased_key_can_be_a_field_and_the_key_of_a_map() {
    let any = |key: &str| AnyKey::new(key).unwrap();
    assert_eq!(
        canonical(&(any("a\n"), AnyKey::new(&42).unwrap())),
        r#"["a\n",42]"#
    );
    let map = BTreeMap::from([(any("\n"), 1), (any("a"), 2), (AnyKey::new(&7).unwrap(), 3)]);
    assert_eq!(canonical(&map), r#"{"\n":1,"7":3,"a":2}"#);
    let twice = BTreeMap::from([(any("7"), 1), (AnyKey::new(&7).unwrap(), 2)]);
    assert_eq!(
        AnyKey::new(&twice),
        Err(KeyError::DuplicateField {
            name: "7".to_owned()
        })
    );
    let map = BTreeMap::from([(AnyKey::new(&[1]).unwrap(), 1)]);
    assert!(matches!(AnyKey::new(&map), Err(KeyError::MapKey { .. })));
    assert_eq!(format!("{:?} {}", any("a"), any("a")), r#"AnyKey("a") "a""#);
}

#[test]
fn a_prefix_is_plain_and_ends_with_a_colon() {
    assert_eq!(Prefix::new("app").unwrap().as_str(), "app:");
    assert_eq!(Prefix::new("app"), Prefix::new("app:"));
    assert_eq!(Prefix::new(""), Err(PrefixError::Empty));
    for found in [
        '{', '}', '*', '?', '[', '\\', ' ', '\n', '\0', '%', '~', '"', 'é',
    ] {
        let error = Prefix::new(&format!("app{found}")).unwrap_err();
        assert_eq!(
            error,
            PrefixError::Character {
                prefix: format!("app{found}"),
                found
            }
        );
    }
    assert_eq!(
        Prefix::new("my app").unwrap_err().to_string(),
        "cannot use \"my app\" as the prefix of stored keys: ' ' stands in it, and only ASCII \
         letters, digits and `-._:/@=,+` are allowed"
    );
    assert!(Prefix::new(&"a".repeat(99)).is_ok());
    assert!(Prefix::new(&("a".repeat(99) + ":")).is_ok());
    let error = Prefix::new(&"a".repeat(100)).unwrap_err();
    assert!(matches!(
        error,
        PrefixError::TooLong {
            len: 101,
            max: 100,
            ..
        }
    ));
}

#[test]
fn a_tenant_and_a_cache_name_may_be_any_text_up_to_a_length() {
    assert_eq!(
        Tenant::new(""),
        Err(NameError::Empty { part: Part::Tenant })
    );
    assert_eq!(
        CacheName::new(""),
        Err(NameError::Empty {
            part: Part::CacheName
        })
    );
    assert!(Tenant::new(&"a".repeat(200)).is_ok());
    assert!(Tenant::new(&"é".repeat(33)).is_ok());
    assert!(Tenant::new(&"é".repeat(34)).is_err());
    assert_eq!(
        CacheName::new(&"a".repeat(201)).unwrap_err().to_string(),
        format!(
            "cannot use \"{}…\" as a cache name: it takes 201 bytes once escaped, and at most 200 \
             are allowed (ASCII letters, digits and `-._@/+=,` take one byte each, every other \
             byte three)",
            "a".repeat(40)
        )
    );
}

#[test]
fn tenants_compare_and_hash_by_their_text() {
    let hash = |tenant: &Tenant| {
        let mut state = DefaultHasher::new();
        tenant.hash(&mut state);
        state.finish()
    };
    let (one, same, other) = ("acme", "acme", "Acme");
    let [one, same, other] = [one, same, other].map(|tenant| Tenant::new(tenant).unwrap());
    assert_eq!(one, one.clone());
    assert_eq!(one, same);
    assert_eq!(hash(&one), hash(&same));
    assert_ne!(one, other);
    assert_ne!(hash(&one), hash(&other));
}
