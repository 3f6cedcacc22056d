//! Random places of all kinds, and those that someone would make up to collide with them.

use std::collections::{BTreeMap, HashMap};

use larder::key::{AnyKey, CacheName};
use proptest::prelude::*;
use serde::Serialize;

use super::{bounded, canonical, place, stored};

/// Keys of many kinds; values that differ here have canonical JSON that differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
enum Kind {
    Integer(i128),
    Text(String),
    Flag(bool),
    Nothing,
    Pair(String, i64),
    List(Vec<String>),
    Nested(Vec<Option<bool>>, Option<i8>),
    Named { id: i64, name: String },
    Map(BTreeMap<String, u8>),
    Tagged(Tagged),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
enum Tagged {
    One(String),
    Two { id: String },
}

/// Texts made of what could be mistaken for structure.
fn text() -> impl Strategy<Value = String> {
    let hash = "~f07ac2b21c04dc0ef08d4be1c1a5f5ea31a1e3e7f5b6d2b7c7a0f1e2d3c4b5a6";
    let real = stored(&("a", 42));
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            ":", "%", "{", "}", "~", "*", "?", "[", "\\", "\"", "\0", "\n", " ", "-", ",", "null",
            "tenant", "lease", "stamp", "bounded", "tenant:", "app:", "a", "b", "3A", "%3A", "%34",
            "%74", "4", "42", "0", "é", "\u{301}", "𝄞", "[\"a\",42]",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec![real, hash.to_owned()]),
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        20 => prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat()),
        1 => (prop::sample::select(vec!["a", "~", ":", "é", "1"]), 60..300_usize)
            .prop_map(|(piece, count)| piece.repeat(count)),
    ]
}

/// A tenant or a cache name.
fn name() -> impl Strategy<Value = String> {
    text().prop_filter("fits", |name| CacheName::new(name).is_ok())
}

fn kind() -> impl Strategy<Value = Kind> {
    let small = -2..50_i64;
    prop_oneof![
        2 => small.clone().prop_map(|id| Kind::Integer(id.into())),
        1 => any::<i128>().prop_map(Kind::Integer),
        6 => text().prop_map(Kind::Text),
        1 => small.clone().prop_map(|id| Kind::Text(id.to_string())),
        1 => any::<bool>().prop_map(Kind::Flag),
        1 => Just(Kind::Nothing),
        1 => (text(), small.clone()).prop_map(|(text, id)| Kind::Pair(text, id)),
        1 => prop::collection::vec(text(), 0..3).prop_map(Kind::List),
        1 => (prop::collection::vec(any::<Option<bool>>(), 0..3), any::<Option<i8>>())
            .prop_map(|(flags, id)| Kind::Nested(flags, id)),
        1 => (small, text()).prop_map(|(id, name)| Kind::Named { id, name }),
        1 => prop::collection::btree_map(text(), any::<u8>(), 0..3).prop_map(Kind::Map),
        1 => text().prop_map(|text| Kind::Tagged(Tagged::One(text))),
        1 => text().prop_map(|id| Kind::Tagged(Tagged::Two { id })),
    ]
}

type Parts = (Option<String>, String, Kind);

/// What someone would choose who wants to reach a place that is not theirs: its parts as they are
/// stored or as they were given, taken apart at other colons.
fn forged((tenant, name, key): &Parts) -> Vec<Parts> {
    let stored = place(tenant.as_deref(), name, key).unwrap();
    let raw = match key {
        Kind::Text(text) => text.clone(),
        other => canonical(other),
    };
    let given = tenant
        .iter()
        .flat_map(|tenant| ["tenant", tenant])
        .chain([name, &*raw]);
    let given = given.collect::<Vec<_>>().join(":");

    let mut forged = Vec::new();
    for whole in [stored.as_str().strip_prefix("app:").unwrap(), &given] {
        for (at, _) in whole.match_indices(':').take(20) {
            let (left, right) = (&whole[..at], &whole[at + 1..]);
            forged.push((None, left.to_owned(), right));
            let after_tenant = left.strip_prefix("tenant:").unwrap_or(left);
            for (at, _) in after_tenant.match_indices(':') {
                let (tenant, name) = (&after_tenant[..at], &after_tenant[at + 1..]);
                forged.push((Some(tenant.to_owned()), name.to_owned(), right));
            }
            forged.push((tenant.clone(), name.clone(), right));
        }
    }
    forged.push((
        tenant.clone(),
        name.clone(),
        stored.original().unwrap_or(&raw),
    ));
    forged.retain(|(tenant, name, _)| {
        tenant
            .iter()
            .chain([name])
            .all(|name| CacheName::new(name).is_ok())
    });
    let text = |key: &str| Kind::Text(key.to_owned());
    forged
        .into_iter()
        .map(|(tenant, name, key)| (tenant, name, text(key)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn places_are_equal_if_and_only_if_tenant_name_and_key_are(
        mut places in prop::collection::vec((prop::option::of(name()), name(), kind()), 1..6),
    ) {
        // The same names and keys, in other combinations and disguises.
        let forged: Vec<_> = places.iter().flat_map(forged).collect();
        let (_, first_name, first_key) = places[0].clone();
        for (_, name, key) in places.clone() {
            places.push((Some(name.clone()), first_name.clone(), key.clone()));
            places.push((None, name, first_key.clone()));
        }
        places.extend(forged);

        #[expect(
            clippy::mutable_key_type,
            reason = "a stored key is compared and hashed by its text alone"
        )]
        let mut taken = HashMap::new();
        for place_of in places {
            let stored = place(place_of.0.as_deref(), &place_of.1, &place_of.2).unwrap();
            prop_assert!(stored.as_str().starts_with("app:"));
            prop_assert!(stored.as_bytes().len() <= "app:tenant:::".len() + 3 * 200);
            prop_assert!(stored.as_bytes().iter().all(u8::is_ascii_graphic));
            let meaning = stored.as_str().contains(['{', '}', '*', '?', '[', ']', '\\', '"']);
            prop_assert!(!meaning, "{}", stored);
            let again = place(place_of.0.as_deref(), &place_of.1, &place_of.2).unwrap();
            prop_assert_eq!(&stored, &again);
            prop_assert_eq!(stored.original(), again.original());
            let before = taken.entry(stored).or_insert_with(|| place_of.clone());
            prop_assert_eq!(&*before, &place_of);
        }
    }

    #[test]
    fn values_leases_and_indexes_of_caches_with_and_without_bounds_never_meet(
        mut places in prop::collection::vec((prop::option::of(name()), name(), kind()), 1..5),
        partitions in 1..4_u16,
    ) {
        let forged: Vec<_> = places.iter().flat_map(forged).collect();
        places.extend(forged);
        let mut taken = HashMap::new();
        for (tenant, name, key) in places {
            let tenant = tenant.as_deref();
            let plain = place(tenant, &name, &key).unwrap();
            let bounded = bounded(tenant, &name, &key, partitions);
            let braces = bounded.as_str().matches(['{', '}']).count();
            prop_assert_eq!(braces, 2, "{}", bounded);
            prop_assert!(plain.index_key().is_none());
            let index = bounded.index_key().unwrap();
            let whose = |what: &'static str| (what, tenant.map(str::to_owned), Some(key.clone()));
            for (text, whose) in [
                (plain.as_str().to_owned(), whose("value")),
                (bounded.as_str().to_owned(), whose("bounded value")),
                (plain.lease_key(), whose("lease")),
                (bounded.lease_key(), whose("bounded lease")),
                (format!("{index}:order"), ("order", None, None)),
                (index, ("index", None, None)),
            ] {
                let whose = (whose, name.clone());
                let before = taken.entry(text).or_insert_with(|| whose.clone());
                prop_assert_eq!(&*before, &whose);
            }
        }
    }

    #[test]
    fn an_erased_key_is_the_key_it_was_made_of(key in kind(), other in kind()) {
        let any = AnyKey::new(&key).unwrap();
        prop_assert_eq!(any.as_str(), canonical(&any));
        prop_assert_eq!(stored(&any), stored(&key));
        let (pair, erased) = ((&key, Some(&other)), (&any, AnyKey::new(&Some(&other)).ok()));
        if let Ok(pair) = AnyKey::new(&pair) {
            prop_assert_eq!(pair, AnyKey::new(&erased).unwrap());
        }
        prop_assert_eq!(any == AnyKey::new(&other).unwrap(), key == other);
    }

    #[test]
    fn without_floats_canonical_json_is_what_serde_json_writes_of_sorted_fields(key in kind()) {
        if !matches!(key, Kind::Integer(_)) {
            let sorted = serde_json::to_value(&key).unwrap();
            prop_assert_eq!(canonical(&key), sorted.to_string());
        }
        prop_assert_eq!(canonical(&key).parse::<serde_json::Value>().is_ok(), true);
    }
}
