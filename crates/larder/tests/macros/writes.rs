//! `#[invalidates]`: after success, and only then.

use larder::{Cache, Larder, cached, invalidates};

use crate::common::soon;
use crate::{Counter, DbError, User, installed};

#[cached(tags = ["team:{team}"])]
async fn user(id: u64, team: u64) -> User {
    User::new(id, format!("{team}"))
}

#[cached]
async fn by_name(name: &str) -> u64 {
    name.len() as u64
}

type Answer = Result<u64, DbError>;

#[invalidates(user(id, team), by_name(&name))]
async fn rename(id: u64, team: u64, name: String, fails: bool) -> Answer {
    if fails {
        return Err(DbError::NotFound);
    }
    drop(name);
    Ok(id)
}

#[tokio::test]
async fn what_is_named_goes_after_success_only() {
    installed().await;
    user(1, 7).await;
    by_name("ann").await;
    rename(1, 7, "ann".to_owned(), true).await.unwrap_err();
    assert!(user_lookup(1, 7).await.is_some());
    rename(1, 7, "ann".to_owned(), false).await.unwrap();
    assert!(user_lookup(1, 7).await.is_none());
    assert!(by_name_lookup("ann").await.is_none());
}

#[invalidates(tags = ["team:{team}"])]
async fn dissolve(team: u64, there: bool) -> Option<u64> {
    there.then_some(team)
}

#[tokio::test]
async fn a_none_is_no_success() {
    installed().await;
    user(1, 8).await;
    assert!(dissolve(8, false).await.is_none());
    assert!(user_lookup(1, 8).await.is_some());
    dissolve(8, true).await.unwrap();
    assert!(user_lookup(1, 8).await.is_none());
}

struct Repo {
    larder: Larder,
    users: Cache<String, User>,
}

impl Repo {
    #[invalidates(cache = self.users, key = "user:{id}")]
    async fn save(&self, id: u64) {
        let _ = id;
    }

    #[invalidates(cache = self.users, keys = ids.iter().map(|id| format!("user:{id}")))]
    async fn save_all(&self, ids: &[u64]) {
        let _ = ids;
    }

    #[invalidates(cache = self.users, keys = ["user:{id}", "list"], condition = id > 0)]
    async fn save_listed(&self, id: u64) {}

    #[invalidates(cache = self.users, pattern = "user:1*")]
    async fn save_some(&self) {}

    #[invalidates(cache = &self.users, tenant = "{tenant}", all)]
    async fn forget(&self, tenant: &str) {
        let _ = tenant;
    }

    #[invalidates(larder = self.larder, tenants = [tenant])]
    fn forget_now(&self, tenant: &str) {
        let _ = tenant;
    }

    #[invalidates(cache = self.users, key = name)]
    fn remove_now(&self, name: &str) -> Result<(), DbError> {
        let _ = name;
        Ok(())
    }

    async fn fill(&self) {
        for key in ["user:1", "user:2", "user:12", "list"] {
            self.users.set(key, User::new(1, key)).await.unwrap();
            self.users
                .tenant("acme")
                .set(key, User::new(1, key))
                .await
                .unwrap();
        }
    }

    async fn left(&self) -> Vec<&'static str> {
        let mut left = Vec::new();
        for key in ["user:1", "user:2", "user:12", "list"] {
            if self.users.exists(key).await {
                left.push(key);
            }
        }
        left
    }
}

#[tokio::test]
async fn keys_lists_patterns_and_tenants_go() {
    let larder = Larder::in_memory().await.unwrap();
    let repo = Repo {
        users: larder.cache("users").build().unwrap(),
        larder,
    };
    let acme = repo.users.tenant("acme");
    repo.fill().await;
    repo.save(1).await;
    assert_eq!(repo.left().await, ["user:2", "user:12", "list"]);
    repo.fill().await;
    repo.save_all(&[1, 2]).await;
    assert_eq!(repo.left().await, ["user:12", "list"]);
    repo.fill().await;
    repo.save_listed(0).await;
    assert_eq!(repo.left().await.len(), 4);
    repo.save_listed(12).await;
    assert_eq!(repo.left().await, ["user:1", "user:2"]);
    repo.fill().await;
    repo.save_some().await;
    assert_eq!(repo.left().await, ["user:2", "list"]);
    repo.fill().await;
    repo.forget("acme").await;
    // A key that shares a mark with one of the tenant's goes with it.
    assert!(repo.left().await.len() >= 3);
    assert!(!acme.exists("user:1").await);
    repo.fill().await;
    repo.remove_now("user:1").unwrap();
    assert_eq!(repo.left().await.len(), 3);
    repo.forget_now("acme");
    assert!(!acme.exists("user:2").await);
    assert_eq!(repo.left().await.len(), 3);
}

/// A load that began before the write is not stored after it (G2).
#[tokio::test]
async fn a_load_from_before_a_write_is_not_stored() {
    #[cached(skip(runs, gate))]
    async fn slow(runs: &Counter, gate: &tokio::sync::Semaphore, id: u64) -> u64 {
        let run = runs.up();
        let _open = gate.acquire().await.unwrap();
        id * u64::from(run)
    }
    #[invalidates(slow(id))]
    async fn write(id: u64) {
        let _ = id;
    }
    installed().await;
    let (runs, gate) = (
        Counter::default(),
        std::sync::Arc::new(tokio::sync::Semaphore::new(0)),
    );
    let reader = tokio::spawn({
        let (runs, gate) = (runs.clone(), gate.clone());
        async move { slow(&runs, &gate, 7).await }
    });
    crate::common::eventually("it runs", async || runs.get() == 1).await;
    write(7).await;
    gate.add_permits(10);
    assert_eq!(soon("the reader", reader).await.unwrap(), 7);
    assert!(slow_lookup(7).await.is_none());
    assert_eq!(slow(&runs, &gate, 7).await, 14);
}
