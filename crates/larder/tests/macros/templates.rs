//! Texts that templates make: each list of arguments its own, and in a key and its invalidation the same.

use larder::{Cache, Larder, cached, invalidates};

use crate::installed;

struct Repo {
    users: Cache<String, String>,
}

impl Repo {
    #[cached(cache = self.users, key = "user:{team}:{id}")]
    async fn user(&self, team: &str, id: u64) -> String {
        format!("{team} {id}")
    }

    #[invalidates(cache = self.users, pattern = "user:{team}:*")]
    async fn save_team(&self, team: &str) {
        let _ = team;
    }

    #[invalidates(cache = self.users, key = "user:{team}:7")]
    async fn save_seven(&self, team: &str) {
        let _ = team;
    }
}

#[tokio::test]
async fn a_key_is_written_alike_in_all_templates() {
    let larder = Larder::in_memory().await.unwrap();
    let repo = Repo {
        users: larder.cache("users").build().unwrap(),
    };
    for team in ["red", "a:b", "50%", "a*b", "what?", "%3A"] {
        for by_pattern in [true, false] {
            repo.user(team, 7).await;
            repo.user("a-other-b", 7).await;
            if by_pattern {
                repo.save_team(team).await;
            } else {
                repo.save_seven(team).await;
            }
            assert!(
                repo.user_lookup(team, 7).await.is_none(),
                "{team} {by_pattern}"
            );
            assert!(repo.user_lookup("a-other-b", 7).await.is_some(), "{team}");
        }
    }
}

#[cached(key = "p:{a}%{b}")]
async fn percent(a: &str, b: &str) -> String {
    format!("{a}|{b}")
}

#[tokio::test]
async fn a_percent_sign_divides_like_any_other() {
    installed().await;
    let key = |a, b| percent_key(a, b).unwrap();
    assert_ne!(key("", "25%x"), key("%", "x"));
    assert_eq!(percent("", "25%x").await, "|25%x");
    assert_eq!(percent("%", "x").await, "%|x");
}

struct Kinds {
    r#type: u64,
}

#[cached(key = "{kinds.type}:{match}")]
async fn of_keywords(kinds: &Kinds, r#match: u64) -> u64 {
    kinds.r#type + r#match
}

#[cached(key = r#match, tenant = r#type)]
async fn of_a_keyword(r#match: u64, r#type: &str) -> u64 {
    let _ = r#type;
    r#match
}

#[cached(skip(r#type))]
async fn r#loop(r#match: u64, r#type: u64) -> u64 {
    r#match + r#type
}

#[invalidates(r#loop(r#match))]
async fn unloop(r#match: u64) {
    let _ = r#match;
}

#[tokio::test]
async fn keywords_are_names_like_others() {
    installed().await;
    let kinds = Kinds { r#type: 1 };
    assert_eq!(of_keywords(&kinds, 2).await, 3);
    let key = of_keywords_key(&kinds, 2).unwrap();
    assert_eq!(key.as_str(), "cache:macros.templates.of_keywords:1:2");
    assert_eq!(of_a_keyword(2, "acme").await, 2);
    assert!(of_a_keyword_invalidate(2, "acme").await.unwrap());
    assert_eq!(r#loop(2, 1).await, 3);
    let key = loop_key(2).unwrap();
    assert_eq!(key.as_str(), "cache:macros.templates.loop/match:2");
    unloop(2).await;
    assert!(loop_lookup(2).await.is_none());
}
