//! A function of a list of keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use larder::{Cache, cached, invalidates};
use parking_lot::Mutex;

use crate::{Counter, DbError, User, installed};

/// What each run was asked for.
type Asked = Mutex<Vec<Vec<u64>>>;

#[cached(batch = ids, skip(asked), ttl = "5m")]
async fn users(asked: &Asked, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
    asked.lock().push(ids.to_vec());
    if ids.contains(&666) {
        return Err(DbError::NotFound);
    }
    let known = ids.iter().filter(|id| **id < 100);
    Ok(known.map(|id| (*id, User::new(*id, "Ann"))).collect())
}

#[tokio::test]
async fn only_what_is_missing_is_asked_for() {
    installed().await;
    let asked = Asked::default();
    let first = users(&asked, &[1, 2, 99, 100]).await.unwrap();
    assert_eq!(first.len(), 3);
    assert_eq!(first[&2].id, 2);
    users(&asked, &[2, 3, 3]).await.unwrap();
    assert_eq!(*asked.lock(), [vec![1, 2, 99, 100], vec![3]]);
    assert!(users(&asked, &[1, 666]).await.is_err());
    assert!(users_invalidate(&[1, 2]).await.unwrap());
    users(&asked, &[1, 2, 3]).await.unwrap();
    assert_eq!(asked.lock().last().unwrap(), &[1, 2]);
    let cache: Cache<u64, User> = users_cache().unwrap();
    assert!(cache.exists(&3).await);
}

#[cached(batch = ids, cache = "people", by = |user| user.id, skip(runs))]
async fn people(runs: &Counter, ids: Vec<u64>) -> Result<Vec<Arc<User>>, DbError> {
    runs.up();
    Ok(ids
        .into_iter()
        .rev()
        .map(|id| Arc::new(User::new(id, "Bob")))
        .collect())
}

#[cached(batch = ids, cache = "people", tenant = "{team}")]
async fn of_a_team(team: u64, ids: Vec<u64>) -> Result<Vec<(u64, User)>, DbError> {
    Ok(ids
        .into_iter()
        .map(|id| (id, User::new(id, format!("{team}"))))
        .collect())
}

#[cached(cache = "people", key = id)]
async fn person(id: u64) -> Result<User, DbError> {
    Ok(User::new(id, "alone"))
}

#[cached(batch = ids)]
async fn sorted(ids: Vec<u64>) -> Result<BTreeMap<u64, u64>, DbError> {
    Ok(ids.into_iter().map(|id| (id, id * 2)).collect())
}

#[tokio::test]
async fn lists_and_maps_of_all_kinds_come_back_in_order() {
    installed().await;
    let runs = Counter::default();
    let ids = |users: Vec<Arc<User>>| users.iter().map(|user| user.id).collect::<Vec<_>>();
    assert_eq!(ids(people(&runs, vec![3, 1, 2]).await.unwrap()), [3, 1, 2]);
    assert_eq!(ids(people(&runs, vec![2, 3]).await.unwrap()), [2, 3]);
    assert_eq!(runs.get(), 1);
    assert_eq!(person(3).await.unwrap().name, "Bob", "one cache of both");
    let team = of_a_team(7, vec![3]).await.unwrap();
    assert_eq!(team[0].1.name, "7", "a tenant's keys are its own");
    assert_eq!(
        sorted(vec![2, 1]).await.unwrap(),
        BTreeMap::from([(1, 2), (2, 4)])
    );
}

/// A number, and what it is a multiple of.
#[cached(batch = ids, tags = |number| [format!("tens:{}", number / 10)])]
async fn numbers(ids: &[u64]) -> Result<HashMap<u64, u64>, DbError> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[cached(batch = ids, by = |user| user.id, tags = ["team:{team}"], tenant = "{team}", skip(runs))]
async fn members(runs: &Counter, team: u64, ids: Vec<u64>) -> Result<Vec<User>, DbError> {
    runs.up();
    Ok(ids.into_iter().map(|id| User::new(id, "Ann")).collect())
}

#[invalidates(tags = ["tens:{tens}"])]
async fn change_tens(tens: u64) -> Result<(), DbError> {
    Ok(())
}

#[invalidates(tenant = "{team}", tags = ["team:{team}"])]
async fn change_team(team: u64) -> Result<(), DbError> {
    Ok(())
}

#[tokio::test]
async fn values_of_a_list_have_tags_of_their_own_and_in_common() {
    installed().await;
    numbers(&[1, 12, 15]).await.unwrap();
    let cache: Cache<u64, u64> = numbers_cache().unwrap();
    change_tens(1).await.unwrap();
    assert!(cache.exists(&1).await);
    assert!(!cache.exists(&12).await && !cache.exists(&15).await);

    let runs = Counter::default();
    for _ in 0..2 {
        members(&runs, 7, vec![1, 2]).await.unwrap();
        members(&runs, 8, vec![1]).await.unwrap();
    }
    assert_eq!(runs.get(), 2);
    change_team(7).await.unwrap();
    members(&runs, 8, vec![1]).await.unwrap();
    assert_eq!(runs.get(), 2);
    members(&runs, 7, vec![1, 2]).await.unwrap();
    assert_eq!(runs.get(), 3);
}
