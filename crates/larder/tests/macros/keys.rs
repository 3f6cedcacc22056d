//! What a key is made of.

use std::borrow::Cow;

use larder::{Cache, Larder, cached};
use serde::Serialize;

use crate::{Counter, installed};

#[cached(skip(runs))]
async fn two(runs: &Counter, first: &str, second: String) -> String {
    runs.up();
    format!("{first}|{second}")
}

#[tokio::test]
async fn distinct_arguments_never_meet() {
    installed().await;
    let runs = Counter::default();
    for _ in 0..2 {
        for (first, second) in [
            ("a", "bc"),
            ("ab", "c"),
            ("a:b", "c"),
            ("a", "b:c"),
            ("", "abc"),
        ] {
            let expected = format!("{first}|{second}");
            assert_eq!(two(&runs, first, second.to_owned()).await, expected);
        }
    }
    assert_eq!(runs.get(), 5);
}

#[cached]
async fn of_borrowed(names: &[&str], filter: Option<&str>, cow: Cow<'_, str>) -> usize {
    names.len() + filter.map_or(0, str::len) + cow.len()
}

#[cached]
async fn of_nothing() -> u64 {
    42
}

#[cached(version = 2)]
async fn versioned(id: u64) -> u64 {
    id
}

#[derive(Clone, Serialize, PartialEq, Eq, Hash)]
struct Page {
    user: u64,
    lang: String,
}

#[cached]
async fn of_a_struct(page: Page) -> String {
    page.lang
}

#[tokio::test]
async fn arguments_of_all_kinds_are_keys() {
    installed().await;
    assert_eq!(of_borrowed(&["a", "b"], Some("c"), "de".into()).await, 5);
    assert_eq!(of_borrowed(&["a", "b"], None, "de".into()).await, 4);
    assert!(
        of_borrowed_lookup(&["a", "b"], Some("c"), "de".into())
            .await
            .is_some()
    );
    assert_eq!(of_nothing().await, 42);
    assert!(of_nothing_lookup().await.is_some());
    let page = Page {
        user: 1,
        lang: "en".to_owned(),
    };
    assert_eq!(of_a_struct(page.clone()).await, "en");
    assert!(of_a_struct_lookup(page).await.is_some());
    assert_eq!(
        versioned_key(7).unwrap().as_str(),
        "cache:macros.keys.versioned@2/id:7"
    );
    let key = two_key("a", "b".to_owned()).unwrap();
    assert!(
        key.as_str()
            .starts_with("cache:macros.keys.two/first,second:~"),
        "{key}"
    );
    assert_eq!(key.original(), Some(r#"["a","b"]"#));
}

struct Asked {
    id: u64,
    team: String,
}

#[cached(key = "page:{asked.team}:{asked.id}-{lang}{{}}", tenant = "{tenant}")]
async fn page(asked: &Asked, tenant: &str, lang: &str) -> String {
    format!("{tenant} {} {} {lang}", asked.team, asked.id)
}

#[tokio::test]
async fn a_template_keeps_its_arguments_apart() {
    installed().await;
    let asked = |team: &str, id| Asked {
        id,
        team: team.to_owned(),
    };
    let key = |asked: &Asked, lang| page_key(asked, "acme", lang).unwrap();
    let plain = key(&asked("red", 7), "en-GB");
    assert_eq!(
        plain.as_str(),
        "cache:tenant:acme:macros.keys.page:page:red:7-en-GB%7B%7D"
    );
    // Of what divides two arguments nothing is left in the first.
    assert_ne!(key(&asked("a:1-x", 2), "y"), key(&asked("a", 1), "x:2-y"));
    assert_eq!(page(&asked("red", 7), "acme", "en").await, "acme red 7 en");
    assert!(page_lookup(&asked("red", 7), "acme", "en").await.is_some());
    assert!(
        page_lookup(&asked("red", 7), "other", "en").await.is_none(),
        "another tenant"
    );
}

#[cached(cache = "squares", key = (id, name))]
async fn of_an_expression(id: u64, name: String, noise: u64) -> u64 {
    let _ = (name, noise);
    id * id
}

#[cached(key = name.trim())]
async fn of_a_call(name: &str) -> usize {
    name.len()
}

#[cached(cache = users, key = name)]
async fn of_a_passed_cache(users: &Cache<String, usize>, name: &str) -> usize {
    name.len()
}

#[tokio::test]
async fn an_expression_may_be_the_key() {
    let larder = installed().await;
    assert_eq!(of_an_expression(3, "a".to_owned(), 1).await, 9);
    let squares: Cache<(u64, String), u64> = larder.cache("squares").build().unwrap();
    assert!(squares.exists(&(3, "a".to_owned())).await);
    assert!(
        of_an_expression_invalidate(3, "a".to_owned())
            .await
            .unwrap()
    );
    assert_eq!(of_a_call(" a ").await, 3);
    assert_eq!(of_a_call("a").await, 3, "one key");
    let users: Cache<String, usize> = Larder::in_memory()
        .await
        .unwrap()
        .cache("u")
        .build()
        .unwrap();
    assert_eq!(of_a_passed_cache(&users, "ann").await, 3);
    assert!(users.exists("ann").await);
}

mod twins {
    use larder::cached;

    pub(super) struct A;
    pub(super) struct B;

    impl A {
        #[cached(skip(self))]
        pub(super) async fn name(&self, id: u64) -> String {
            format!("a{id}")
        }
    }

    impl B {
        #[cached(skip(self))]
        pub(super) async fn name(&self, id: u64) -> String {
            format!("b{id}")
        }
    }
}

#[tokio::test]
async fn functions_of_one_name_have_caches_of_their_own() {
    installed().await;
    assert_eq!(twins::A.name(1).await, "a1");
    assert_eq!(twins::B.name(1).await, "b1");
    assert_ne!(twins::A.name_key(1).unwrap(), twins::B.name_key(1).unwrap());
}
