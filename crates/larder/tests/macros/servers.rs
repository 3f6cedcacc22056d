//! Cached functions of two larders on one real server: what two processes would see.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use larder::{CacheStats, Freshness, Larder, Source, StaleReason, cached, invalidates};
use larder_servers::Kind;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::common::{Place, eventually, on_each_server, soon};
use crate::{Counter, DbError, User};

on_each_server!(
    a_function_runs_once_for_both,
    what_one_invalidates_the_other_sees,
    a_tag_that_one_invalidates_goes_for_the_other,
    a_run_from_before_an_invalidation_elsewhere_is_not_stored,
    a_list_is_asked_for_what_neither_has,
    a_function_without_async_waits_for_the_server,
    a_function_answers_though_the_server_dies,
    no_call_fails_while_the_server_dies,
);

/// What the functions read, and how often. It is one for both larders, as a database is.
#[derive(Clone)]
struct Db {
    name: Arc<Mutex<String>>,
    runs: Counter,
    /// Lets runs end.
    gate: Arc<Semaphore>,
}

impl Db {
    fn open() -> Self {
        Self {
            name: Arc::new(Mutex::new("Ann".to_owned())),
            runs: Counter::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    /// Whose runs end when `gate` is opened.
    fn held() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            ..Self::open()
        }
    }

    async fn query(&self, id: u64) -> User {
        let user = User::new(id, self.name.lock().clone());
        self.runs.up();
        let _open = self.gate.acquire().await.unwrap();
        user
    }
}

#[cached(larder = larder, skip(db), tags = ["team:{team}"], ttl = "5m")]
async fn user(larder: &Larder, db: &Db, id: u64, team: u64) -> Result<User, DbError> {
    Ok(db.query(id).await)
}

#[invalidates(user(larder, id, team))]
async fn rename(larder: &Larder, db: &Db, id: u64, team: u64, name: &str) -> Result<(), DbError> {
    name.clone_into(&mut db.name.lock());
    Ok(())
}

#[invalidates(larder = larder, tags = ["team:{team}"])]
async fn rename_team(larder: &Larder, db: &Db, team: u64, name: &str) -> Result<(), DbError> {
    name.clone_into(&mut db.name.lock());
    Ok(())
}

/// Has both larders keep the user in memory.
async fn kept(place: &Place, db: &Db, name: &str) {
    for larder in [&place.here, &place.there] {
        eventually("it is in memory", async || {
            assert_eq!(user(larder, db, 1, 7).await.unwrap().name, name);
            let found = user_lookup(larder, 1, 7).await;
            found.is_some_and(|found| found.outcome.source == Source::Near)
        })
        .await;
    }
}

async fn a_function_runs_once_for_both(kind: Kind) {
    let (place, db) = (Place::on_server(kind).await, Db::held());
    let larders = [&place.here, &place.there];
    let callers: Vec<_> = larders
        .into_iter()
        .cycle()
        .take(40)
        .map(|larder| {
            let (larder, db) = (larder.clone(), db.clone());
            tokio::spawn(async move { user(&larder, &db, 1, 7).await })
        })
        .collect();
    let counted = |of: fn(&CacheStats) -> u64| -> u64 {
        let stats = larders.map(|larder| user_cache(larder).unwrap().stats());
        stats.iter().map(of).sum()
    };
    eventually("one runs, and the other larder waits", async || {
        db.runs.get() > 0 && counted(|stats| stats.leases_awaited) > 0
    })
    .await;
    db.gate.add_permits(40);
    for caller in callers {
        let user = soon("a caller", caller).await.unwrap().unwrap();
        assert_eq!(user, User::new(1, "Ann"));
    }
    assert_eq!(db.runs.get(), 1);
    assert_eq!(counted(|stats| stats.loads), 1);
}

async fn what_one_invalidates_the_other_sees(kind: Kind) {
    let (place, db) = (Place::on_server(kind).await, Db::open());
    kept(&place, &db, "Ann").await;
    assert_eq!(db.runs.get(), 1);
    rename(&place.here, &db, 1, 7, "Eve").await.unwrap();
    // Who asks the server knows at once; memory knows when the server has told it.
    let theirs = user_cache(&place.there).unwrap();
    assert!(theirs.entry(&(1, 7)).skip_near().get().await.is_none());
    let ours = user(&place.here, &db, 1, 7).await.unwrap();
    assert_eq!(ours.name, "Eve");
    eventually("the other is told", async || {
        user(&place.there, &db, 1, 7).await.unwrap().name == "Eve"
    })
    .await;
    kept(&place, &db, "Eve").await;
    assert_eq!(db.runs.get(), 2, "once more, for both");
}

async fn a_tag_that_one_invalidates_goes_for_the_other(kind: Kind) {
    let (place, db) = (Place::on_server(kind).await, Db::open());
    kept(&place, &db, "Ann").await;
    user(&place.there, &db, 2, 7).await.unwrap();
    user(&place.there, &db, 3, 8).await.unwrap();
    assert_eq!(db.runs.get(), 3);
    rename_team(&place.here, &db, 7, "Eve").await.unwrap();
    eventually("the other is told", async || {
        user(&place.there, &db, 1, 7).await.unwrap().name == "Eve"
    })
    .await;
    kept(&place, &db, "Eve").await;
    assert_eq!(user(&place.here, &db, 2, 7).await.unwrap().name, "Eve");
    assert_eq!(db.runs.get(), 5);
    let of_another_team = user(&place.here, &db, 3, 8).await.unwrap();
    assert_eq!((of_another_team.name.as_str(), db.runs.get()), ("Ann", 5));
}

/// G2: a run that read the old name does not bring it back.
async fn a_run_from_before_an_invalidation_elsewhere_is_not_stored(kind: Kind) {
    let (place, db) = (Place::on_server(kind).await, Db::held());
    let reader = tokio::spawn({
        let (larder, db) = (place.here.clone(), db.clone());
        async move { user(&larder, &db, 1, 7).await }
    });
    eventually("it runs", async || db.runs.get() == 1).await;
    rename(&place.there, &db, 1, 7, "Eve").await.unwrap();
    db.gate.add_permits(10);
    let before = soon("the reader", reader).await.unwrap().unwrap();
    assert_eq!(before.name, "Ann", "it asked before");
    for larder in [&place.here, &place.there] {
        assert!(user_lookup(larder, 1, 7).await.is_none());
    }
    for larder in [&place.here, &place.there] {
        assert_eq!(user(larder, &db, 1, 7).await.unwrap().name, "Eve");
    }
    assert_eq!(db.runs.get(), 2);
}

type Asked = Mutex<Vec<Vec<u64>>>;

#[cached(larder = larder, batch = ids, skip(db, asked))]
async fn users(
    larder: &Larder,
    db: &Db,
    asked: &Asked,
    ids: &[u64],
) -> Result<HashMap<u64, User>, DbError> {
    asked.lock().push(ids.to_vec());
    let mut found = HashMap::new();
    for id in ids {
        found.insert(*id, db.query(*id).await);
    }
    Ok(found)
}

async fn a_list_is_asked_for_what_neither_has(kind: Kind) {
    let (place, db, asked) = (Place::on_server(kind).await, Db::open(), Asked::default());
    let ask = async |larder: &Larder, ids: &[u64]| {
        let mut found: Vec<_> = users(larder, &db, &asked, ids)
            .await
            .unwrap()
            .into_iter()
            .collect();
        found.sort_by_key(|(id, _)| *id);
        let expected: Vec<_> = ids.iter().map(|id| (*id, User::new(*id, "Ann"))).collect();
        assert_eq!(found, expected);
        std::mem::take(&mut *asked.lock())
    };
    assert_eq!(ask(&place.here, &[1, 2]).await, [[1, 2]]);
    assert_eq!(ask(&place.there, &[1, 2, 3]).await, [[3]]);
    assert!(ask(&place.here, &[1, 2, 3]).await.is_empty());
    users_invalidate(&place.here, &[1, 3]).await.unwrap();
    eventually("the other is told", async || {
        let theirs = users_cache(&place.there).unwrap();
        !theirs.exists(&1).await && !theirs.exists(&3).await
    })
    .await;
    assert_eq!(ask(&place.there, &[1, 2, 3]).await, [[1, 3]]);
    assert!(ask(&place.here, &[1, 2, 3]).await.is_empty());
}

#[cached(larder = larder, skip(runs))]
fn square(larder: &Larder, runs: &Counter, n: u64) -> u64 {
    runs.up();
    n * n
}

async fn a_function_without_async_waits_for_the_server(kind: Kind) {
    let (place, runs) = (Place::on_server(kind).await, Counter::default());
    let (here, there, counted) = (place.here.clone(), place.there.clone(), runs.clone());
    let calls = tokio::task::spawn_blocking(move || {
        assert_eq!(square(&here, &counted, 7), 49);
        assert_eq!(square(&there, &counted, 7), 49);
        assert_eq!(counted.get(), 1);
        assert!(square_invalidate(&there, 7).wait().unwrap());
        assert_eq!(square(&there, &counted, 7), 49);
    });
    soon("the calls", calls).await.unwrap();
    assert_eq!(runs.get(), 2);
}

/// G3: what becomes of the server is no caller's business.
async fn a_function_answers_though_the_server_dies(kind: Kind) {
    let (place, db) = (Place::on_server(kind).await, Db::open());
    let server = place.server.as_ref().unwrap();
    kept(&place, &db, "Ann").await;
    server.kill();
    eventually("the outage is noticed", async || {
        let found = user_lookup(&place.there, 1, 7).await;
        found.is_some_and(|found| {
            found.outcome.freshness == Freshness::Stale(StaleReason::RemoteUnavailable)
        })
    })
    .await;
    assert_eq!(user(&place.there, &db, 1, 7).await.unwrap().name, "Ann");
    assert_eq!(db.runs.get(), 1, "from memory");
    assert_eq!(user(&place.there, &db, 2, 7).await.unwrap().id, 2);
    assert_eq!(db.runs.get(), 2, "it runs");
    // The write took place, so its function succeeds; the old name is not served here.
    rename(&place.there, &db, 1, 7, "Eve").await.unwrap();
    assert_eq!(place.there.health().await.pending_writes, 1);
    assert_eq!(user(&place.there, &db, 1, 7).await.unwrap().name, "Eve");

    server.restart().unwrap();
    eventually("the removal is made up for", async || {
        place.there.health().await.pending_writes == 0
    })
    .await;
    eventually("both share it again", async || {
        let [ours, theirs] = [&place.here, &place.there].map(|larder| user(larder, &db, 1, 7));
        ours.await.unwrap().name == "Eve" && theirs.await.unwrap().name == "Eve"
    })
    .await;
    kept(&place, &db, "Eve").await;
}

/// G3: nor is the moment when it dies.
async fn no_call_fails_while_the_server_dies(kind: Kind) {
    let (place, db) = (Place::on_server(kind).await, Db::open());
    let (calls, over) = (Counter::default(), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = [&place.here, &place.there]
        .into_iter()
        .cycle()
        .take(8)
        .map(|larder| {
            let (larder, db) = (larder.clone(), db.clone());
            let (calls, over) = (calls.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    // Some are in memory, some on the server, and some nowhere.
                    let id = u64::from(calls.up() % 500);
                    assert_eq!(user(&larder, &db, id, 7).await.unwrap().id, id);
                    // What is in memory is answered without a pause, and the others want their turn.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let more = async |what| {
        let before = calls.get();
        eventually(what, async || calls.get() > before + 1_000).await;
    };
    more("they call").await;
    place.server.as_ref().unwrap().kill();
    more("they still do").await;
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        soon("a caller", caller).await.unwrap();
    }
}
