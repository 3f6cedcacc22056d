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
