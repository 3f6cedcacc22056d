#![allow(dead_code, reason = "the types are only traced")]
#![allow(
    clippy::items_after_statements,
    reason = "a type stands where it is traced"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::*;

/// The text of a type with this definition.
macro_rules! text {
    ($($item:tt)*) => {{
        #[derive(Deserialize)]
        $($item)*
        trace::trace::<Traced>().unwrap()
    }};
}

fn why<V: DeserializeOwned>() -> String {
    match Schema::derive::<V>() {
        Derived::Partial { why, .. } => why,
        Derived::Complete(_) => panic!("{} was traced", type_name::<V>()),
    }
}

#[derive(Deserialize, PartialEq, Debug)]
enum Status {
    Active,
    Away { since: u64 },
    Gone(String),
}

#[derive(Deserialize)]
struct User {
    id: u64,
    name: String,
    score: f32,
    status: Option<Status>,
    friends: Vec<User>,
    tags: BTreeMap<String, [u8; 4]>,
    pair: (Kind, Kind, bool),
}

#[derive(Deserialize)]
struct Kind(#[serde(with = "bytes_of")] Vec<u8>);

mod bytes_of {
    use serde::{Deserializer, de};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        d.deserialize_bytes(Bytes)
    }
}

#[test]
fn the_text_and_the_fingerprint_never_change() {
    let text = trace::trace::<User>().unwrap();
    let golden = "larder schema 1
root #0
#0 type 4:User struct 2:id u64 4:name str 5:score f32 6:status option(#1) 7:friends seq(#0) \
                  4:tags map(str,[4*u8]) 4:pair [2*#2,1*bool]
#1 enum 6:Status 6:Active 4:Away 4:Gone
 0 unit
 1 struct 5:since u64
 2 newtype str
#2 type 4:Kind newtype bytes
";
    assert_eq!(text, golden);
    assert_eq!(
        Schema::derive::<User>(),
        Derived::Complete(17_210_278_844_317_065_332)
    );
}

#[test]
fn what_is_read_differently_has_another_fingerprint() {
    let texts = [
        text! { struct Traced { x: u32, y: u32 } },
        text! { struct Traced { y: u32, x: u32 } },
        text! { struct Traced { x: u32, y: u64 } },
        text! { struct Traced { x: u32, y: u32, z: u32 } },
        text! { struct Traced { x: u32, y: Option<u32> } },
        text! { struct Traced { x: u32, y: Vec<u32> } },
        text! { struct Traced { x: u32, y: [u32; 1] } },
        text! { struct Traced { x: u32, y: [u32; 2] } },
        text! { struct Traced(u32, u32); },
        text! { struct Traced(u32); },
        text! { struct Traced; },
        text! { struct Traced {} },
        text! { enum Traced { A, B } },
        text! { enum Traced { B, A } },
        text! { enum Traced { A, B, C } },
        text! { enum Traced { A, B() } },
        text! { enum Traced { A, B {} } },
        text! { enum Traced { A, B(u8) } },
        text! { enum Traced { A, B(u8, u8) } },
        text! { enum Traced { A(u8), B } },
        text! { enum Traced { A, #[serde(alias = "C")] B } },
    ];
    let different: HashSet<&String> = texts.iter().collect();
    assert_eq!(different.len(), texts.len());
}

#[test]
fn where_a_type_lives_is_not_part_of_its_fingerprint() {
    let here = text! { struct Traced { x: u32 } };
    let there = text! { struct Traced { x: u32 } };
    assert_eq!(here, there);
}

#[test]
fn all_variants_are_seen_wherever_an_enum_is() {
    #[derive(Deserialize)]
    enum Inner {
        A,
        B(u8),
        C { status: Status },
    }
    #[derive(Deserialize)]
    enum Outer {
        Quiet,
        Deep(Option<Vec<HashMap<u8, Inner>>>),
        Other(Result<Inner, Status>),
    }
    #[derive(Deserialize)]
    struct Traced {
        outer: Option<Outer>,
    }
    let text = trace::trace::<Traced>().unwrap();
    for needed in [
        " 2 struct 6:status #",
        " 2 newtype str",
        "1 newtype u8",
        "6:Result 2:Ok 3:Err",
    ] {
        assert!(text.contains(needed), "{needed} in {text}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 5);
}

#[test]
fn types_of_one_name_are_told_apart() {
    #[derive(Deserialize)]
    struct Page<T> {
        items: Vec<T>,
    }
    #[derive(Deserialize)]
    struct Both<A, B> {
        a: Page<A>,
        b: Page<B>,
    }
    let texts = [
        trace::trace::<Both<u8, u8>>(),
        trace::trace::<Both<u8, String>>(),
        trace::trace::<Both<u8, u64>>(),
        trace::trace::<Both<String, u8>>(),
    ];
    let different: HashSet<_> = texts.iter().flatten().collect();
    assert_eq!(different.len(), 4);

    mod one {
        #[derive(serde::Deserialize)]
        pub(super) enum E {
            A,
            B(u8),
        }
    }
    mod two {
        #[derive(serde::Deserialize)]
        pub(super) enum E {
            A,
            B(u16),
        }
    }
    let ab = trace::trace::<(one::E, two::E)>().unwrap();
    let ba = trace::trace::<(two::E, one::E)>().unwrap();
    assert_ne!(ab, ba);
}

#[test]
fn types_within_themselves_are_traced() {
    #[derive(Deserialize)]
    enum Expr {
        Add(Box<Expr>, Box<Expr>),
        Not(Box<Expr>),
        Call(String, Vec<Expr>),
        Lit(Lit),
    }
    #[derive(Deserialize)]
    enum Lit {
        Quoted(Box<Expr>),
        Number(i64),
    }
    #[derive(Deserialize)]
    struct Node {
        left: Option<Box<Node>>,
        right: Option<Box<Node>>,
        expr: Expr,
    }
    let text = trace::trace::<Node>().unwrap();
    assert!(
        text.contains("4:left option(#0) 5:right option(#0) 4:expr #1"),
        "{text}"
    );
    assert!(text.contains(" 0 tuple [2*#1]"), "{text}");
    assert!(text.contains(" 0 newtype #1\n 1 newtype i64"), "{text}");

    // A sequence is the only way out.
    #[derive(Deserialize)]
    enum Tree {
        Node(Vec<Tree>),
    }
    assert!(
        trace::trace::<Tree>()
            .unwrap()
            .contains(" 0 newtype seq(#0)")
    );
}

#[test]
fn types_with_no_finite_value_end() {
    #[derive(Deserialize)]
    struct Endless(Box<Endless>);
    #[derive(Deserialize)]
    enum Both {
        A(Box<Both>),
        B(Box<Both>, u8),
    }
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Bare(Vec<Bare>);
    #[derive(Deserialize)]
    enum Never {}
    why::<Endless>();
    why::<Both>();
    why::<Bare>();
    why::<Never>();
    why::<Result<u8, Never>>();
}

#[test]
fn huge_types_end() {
    #[derive(Deserialize)]
    struct L<T> {
        a: T,
        b: T,
        c: T,
        d: T,
    }
    type L4<T> = L<L<L<L<T>>>>;
    type Large = L4<Box<L4<Box<L4<u8>>>>>;
    assert!(why::<Large>().contains("too large"));
}

#[test]
fn types_that_check_what_they_read_are_traced() {
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Date(String);
    impl TryFrom<String> for Date {
        type Error = &'static str;
        fn try_from(text: String) -> Result<Self, &'static str> {
            if text.len() == 10 {
                Ok(Self(text))
            } else {
                Err("no date")
            }
        }
    }
    #[derive(Deserialize)]
    struct Checked {
        id: uuid::Uuid,
        count: NonZeroU32,
        more: NonZeroU64,
        took: Duration,
        at: SystemTime,
        from: std::net::IpAddr,
        date: Date,
    }
    let text = trace::trace::<Checked>().unwrap();
    assert!(text.contains("2:id bytes 5:count u32 4:more u64"), "{text}");
}

#[test]
fn an_aliased_variant_is_traced_once() {
    let text =
        text! { enum Traced { #[serde(alias = "One", alias = "Uno")] A, #[serde(other)] B } };
    assert!(text.contains(" 0 unit\n 1 unit"), "{text}");
    let text = text! { enum Traced { #[serde(alias = "One")] A(u8), B } };
    assert!(text.ends_with(" 0 newtype u8\n 1 unit\n"), "{text}");
}

#[test]
fn types_that_look_at_the_data_first_are_partial() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        A(u8),
        B(String),
    }
    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { x: u8 },
    }
    #[derive(Deserialize)]
    struct Flat {
        #[serde(flatten)]
        status: HashMap<String, u8>,
    }
    #[derive(Deserialize)]
    struct Wrapped {
        untagged: Option<Untagged>,
    }
    #[derive(Deserialize)]
    #[serde(try_from = "u8")]
    struct Refuses;
    impl TryFrom<u8> for Refuses {
        type Error = &'static str;
        fn try_from(_: u8) -> Result<Self, &'static str> {
            Err("never")
        }
    }
    struct Panics;
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("on purpose")
        }
    }
    assert!(why::<serde_json::Value>().contains("serde_json::Value"));
    assert!(why::<Untagged>().contains("untagged"));
    assert!(why::<Wrapped>().contains("untagged"));
    assert!(why::<Tagged>().contains("tagged"));
    assert!(why::<Flat>().contains("flattened"));
    assert!(why::<Refuses>().contains("never"));
    assert!(why::<Panics>().contains("panicked"));
}

#[test]
fn a_type_whose_reading_depends_on_what_it_read_is_partial() {
    #[derive(Deserialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        A(u8),
        B(String),
    }
    why::<Adjacent>();
}

#[test]
fn a_codec_that_does_not_describe_itself_demands_a_schema() {
    for &codec in Codec::ALL {
        let traced = Schema::for_cache::<Status>(codec, None).unwrap();
        assert_eq!(traced.version, 0);
        assert_ne!(traced.fingerprint, 0);
        let declared = Schema::for_cache::<Status>(codec, Some(3)).unwrap();
        assert_eq!(
            declared,
            Schema {
                version: 3,
                ..traced
            }
        );

        let declared = Schema::for_cache::<serde_json::Value>(codec, Some(1)).unwrap();
        assert_eq!(
            declared,
            Schema {
                version: 1,
                fingerprint: 0
            }
        );
        let zero = Schema::for_cache::<u8>(codec, Some(0)).unwrap_err();
        assert_eq!(zero, SchemaError::Zero { type_name: "u8" });

        let undeclared = Schema::for_cache::<serde_json::Value>(codec, None);
        if codec.describes_itself() {
            assert_ne!(undeclared.unwrap().fingerprint, 0);
        } else {
            let message = undeclared.unwrap_err().to_string();
            for part in [
                "serde_json::value::Value",
                codec.as_str(),
                "looks at",
                ".schema(1)",
            ] {
                assert!(message.contains(part), "{part} in {message}");
            }
        }
    }
}

#[test]
fn alternating_programs_overwrite_at_most_once() {
    let schemas: Vec<Schema> = (0..3)
        .flat_map(|version| {
            [7, 1, u64::MAX].map(|fingerprint| Schema {
                version,
                fingerprint,
            })
        })
        .collect();
    for &first in &schemas {
        for &second in &schemas {
            let mut slot = first;
            let mut overwrites = 0;
            for turn in 0..100 {
                let mine = if turn % 2 == 0 { second } else { first };
                if mine != slot && SchemaRule::may_replace(mine, slot) {
                    slot = mine;
                    overwrites += 1;
                }
            }
            assert!(overwrites <= 1);
            assert_eq!(slot, first.max(second));
            if first.version != second.version {
                assert_eq!(slot.version, first.version.max(second.version));
            }
        }
    }
}

#[test]
fn only_a_codec_that_describes_itself_reads_another_fingerprint() {
    let mine = Schema {
        version: 1,
        fingerprint: 1,
    };
    for &codec in Codec::ALL {
        assert!(SchemaRule::readable(codec, mine, mine));
        let newer = Schema { version: 2, ..mine };
        assert!(!SchemaRule::readable(codec, mine, newer));
        let changed = Schema {
            fingerprint: 2,
            ..mine
        };
        assert_eq!(
            SchemaRule::readable(codec, mine, changed),
            codec.describes_itself()
        );
    }
}
