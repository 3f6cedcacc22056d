//! Every form of a function.

use std::sync::Arc;

use larder::{Cache, Larder, cached};

use crate::{Counter, DbError, User, installed};

type Db<T> = Result<T, DbError>;

#[cached(ttl = "5m", skip(runs))]
async fn user(runs: &Counter, id: u64) -> Db<User> {
    runs.up();
    Ok(User::new(id, "Ann"))
}

#[cached(skip(runs))]
async fn shared(runs: &Counter, id: u64) -> Db<Arc<User>> {
    runs.up();
    Ok(Arc::new(User::new(id, "Ann")))
}

#[cached(skip(runs))]
async fn plain(runs: &Counter, name: &str) -> String {
    runs.up();
    name.to_uppercase()
}

#[cached(skip(runs))]
async fn perhaps(runs: &Counter, id: u64) -> Option<User> {
    runs.up();
    (id < 10).then(|| User::new(id, "Ann"))
}

#[tokio::test]
async fn each_return_type_is_cached() {
    installed().await;
    let runs = Counter::default();
    for _ in 0..2 {
        assert_eq!(user(&runs, 1).await.unwrap().id, 1);
    }
    assert_eq!(runs.get(), 1);
    let first = shared(&runs, 1).await.unwrap();
    assert!(
        Arc::ptr_eq(&first, &shared(&runs, 1).await.unwrap()),
        "no clone of the value"
    );
    assert_eq!(runs.get(), 2);
    for _ in 0..2 {
        assert_eq!(plain(&runs, "ann").await, "ANN");
        assert_eq!(perhaps(&runs, 99).await, None);
    }
    assert_eq!(runs.get(), 4, "a `None` is a value");
}

#[tokio::test]
async fn companions_stand_beside_the_function() {
    installed().await;
    let runs = Counter::default();
    user(&runs, 7).await.unwrap();
    assert_eq!(user_lookup(7).await.unwrap().name, "Ann");
    assert!(user_lookup(8).await.is_none());
    assert_eq!(
        user_key(7).unwrap().as_str(),
        "cache:macros.forms.user/id:7"
    );
    assert!(user_invalidate(7).await.unwrap());
    assert!(!user_invalidate(7).await.unwrap());
    user(&runs, 7).await.unwrap();
    user_refresh(&runs, 7).await.unwrap();
    assert_eq!(runs.get(), 3);
    user_uncached(&runs, 7).await.unwrap();
    assert_eq!(runs.get(), 4);
    let cache: Cache<u64, User> = user_cache().unwrap();
    assert!(cache.exists(&7).await);
}

#[derive(Clone)]
struct Repo {
    larder: Larder,
    users: Cache<String, User>,
    runs: Counter,
}

impl Repo {
    async fn open() -> Self {
        let larder = Larder::in_memory().await.unwrap();
        Self {
            users: larder.cache("users").build().unwrap(),
            larder,
            runs: Counter::default(),
        }
    }

    #[cached(cache = self.users, key = "user:{id}")]
    async fn user(&self, id: u64) -> Db<User> {
        self.runs.up();
        Ok(User::new(id, "Ann"))
    }

    #[cached(larder = self.larder)]
    async fn name(&self, id: u64) -> Db<Arc<String>> {
        self.runs.up();
        Ok(Arc::new(format!("user {id}")))
    }

    #[cached(larder = self.larder)]
    async fn owned(self, id: u64) -> String {
        self.runs.up();
        format!("user {id}")
    }

    #[cached(in_impl)]
    async fn associated(id: u64) -> u64 {
        id + 1
    }

    #[cached(larder = self.larder)]
    fn sync(&self, id: u64) -> u64 {
        self.runs.up();
        id * 2
    }

    #[cached(larder = self.larder, spawn)]
    async fn spawned(&self, name: &str) -> Db<String> {
        self.runs.up();
        Ok(name.to_uppercase())
    }
}

trait Names {
    async fn find(&self, id: u64) -> Db<String>;
    fn find_now(&self, id: u64) -> Option<String>;
}

impl Names for Repo {
    #[cached(larder = self.larder, in_trait)]
    async fn find(&self, id: u64) -> Db<String> {
        if id == 99 {
            return Err(DbError::NotFound);
        }
        self.runs.up();
        Ok(format!("found {id}"))
    }

    #[cached(larder = self.larder, in_trait)]
    fn find_now(&self, id: u64) -> Option<String> {
        self.runs.up();
        Some(format!("found {id}"))
    }
}

#[tokio::test]
async fn methods_are_cached_where_their_type_says() {
    let repo = Repo::open().await;
    installed().await;
    for _ in 0..2 {
        assert_eq!(repo.user(3).await.unwrap().id, 3);
        assert_eq!(*repo.name(3).await.unwrap(), "user 3");
        assert_eq!(repo.sync(3), 6);
        assert_eq!(repo.spawned("ann").await.unwrap(), "ANN");
        assert_eq!(repo.find(3).await.unwrap(), "found 3");
        assert!(repo.find(99).await.is_err());
        assert_eq!(repo.find_now(3).unwrap(), "found 3");
        assert_eq!(repo.clone().owned(3).await, "user 3");
        assert_eq!(Repo::associated(3).await, 4);
    }
    assert_eq!(repo.runs.get(), 7);
    assert!(repo.users.exists("user:3").await);
    assert!(repo.user_invalidate(3).await.unwrap());
    assert!(!repo.users.exists("user:3").await);
    assert_eq!(
        repo.name_key(3).unwrap().as_str(),
        "cache:macros.forms.Repo.name/id:3"
    );
    let other = Repo::open().await;
    other.name(3).await.unwrap();
    assert_eq!(other.runs.get(), 1, "another larder is another cache");
}

struct Store<T> {
    larder: Larder,
    value: T,
}

impl<T: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static> Store<T> {
    #[cached(larder = self.larder, returns = Result<_>)]
    async fn get(&self, id: u64) -> Result<T, DbError> {
        let _ = id;
        Ok(self.value.clone())
    }
}

#[cached(skip(make), returns = _)]
async fn generic<T, F>(make: F, id: u64) -> T
where
    T: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    F: Fn(u64) -> T,
{
    make(id)
}

#[cached(skip(runs))]
async fn of_any_key<K>(runs: &Counter, key: K) -> u32
where
    K: larder::CacheKey + Clone + 'static,
{
    let _ = key;
    runs.up()
}

#[tokio::test]
async fn generic_functions_keep_their_types_apart() {
    let larder = installed().await;
    let numbers = Store {
        larder: larder.clone(),
        value: 7_u64,
    };
    let texts = Store {
        larder,
        value: "seven".to_owned(),
    };
    for _ in 0..2 {
        assert_eq!(numbers.get(1).await.unwrap(), 7);
        assert_eq!(texts.get(1).await.unwrap(), "seven");
        assert_eq!(generic(|id| id + 1, 1).await, 2);
        assert_eq!(generic(|id| format!("{id}"), 1).await, "1");
    }
    assert_eq!(generic(|id| id + 100, 1).await, 2, "it is cached");
    let runs = Counter::default();
    assert_eq!(of_any_key(&runs, 1_u64).await, 1);
    assert_eq!(of_any_key(&runs, "1".to_owned()).await, 2);
    assert_eq!(of_any_key(&runs, 1_u64).await, 1);
}
