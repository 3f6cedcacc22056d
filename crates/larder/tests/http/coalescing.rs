//! Concurrent requests for one response: the service is asked once.

use axum::body::Body;
use http::Response;
use http::request::Parts;
use larder::http::HttpCacheLayer;
use larder::{Clock, Larder};
use tokio::task::JoinHandle;

use crate::common::{FaultyRemote, Operation, When, eventually, soon};
use crate::origin::{Answer, Origin, World, response};

fn ask(world: &World, times: usize, headers: &'static str) -> Vec<JoinHandle<Answer>> {
    let ask = |_| {
        let world = world.clone();
        tokio::spawn(async move { world.get_with("/", headers).await })
    };
    (0..times).map(ask).collect()
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hundred_requests_are_one_of_the_service() {
    let world = World::standard().await;
    let gate = world
        .origin
        .holds(|_| response("cache-control: max-age=60", "x"));
    let asked = ask(&world, 100, "");
    eventually("the origin is asked", async || world.origin.times() == 1).await;
    settle().await;
    gate.add_permits(100);
    let mut collapsed = 0;
    for each in asked {
        let answer = soon("an answer", each).await.unwrap();
        assert_eq!(answer.body, "x");
        collapsed += usize::from(answer.cache_status().contains("; collapsed"));
    }
    assert_eq!((world.origin.times(), collapsed), (1, 99));
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_not_waited_for_one_after_another() {
    let world = World::standard().await;
    let gate = world
        .origin
        .holds(|_| response("cache-control: private", "x"));
    let asked = ask(&world, 20, "");
    eventually("the origin is asked", async || world.origin.times() == 1).await;
    settle().await;
    gate.add_permits(1);
    // All others go at once, not in a row.
    eventually("all go", async || world.origin.times() == 20).await;
    // And so do those who come now.
    let late = ask(&world, 5, "");
    eventually("all go", async || world.origin.times() == 25).await;
    gate.add_permits(24);
    for each in asked.into_iter().chain(late) {
        assert_eq!(soon("an answer", each).await.unwrap().body, "x");
    }
    // For a short time only.
    world.advance(6);
    world
        .origin
        .answers(200, "cache-control: max-age=60", "new");
    world.get("/").await;
    assert!(world.get("/").await.is_hit());
}

#[tokio::test]
async fn no_cache_requests_share_one_as_well() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=60", "old");
    world.get("/").await;
    let gate = world
        .origin
        .holds(|_| response("cache-control: max-age=60", "x"));
    let asked = ask(&world, 20, "cache-control: no-cache");
    eventually("the origin is asked", async || world.origin.times() == 2).await;
    settle().await;
    gate.add_permits(20);
    for each in asked {
        assert_eq!(soon("an answer", each).await.unwrap().body, "x");
    }
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn the_first_one_leaving_takes_nothing_from_the_others() {
    let world = World::standard().await;
    let gate = world
        .origin
        .holds(|_| response("cache-control: max-age=60", "x"));
    let first = ask(&world, 1, "").pop().unwrap();
    eventually("the origin is asked", async || world.origin.times() == 1).await;
    let others = ask(&world, 5, "");
    settle().await;
    first.abort();
    gate.add_permits(5);
    for each in others {
        assert_eq!(soon("an answer", each).await.unwrap().body, "x");
    }
    assert_eq!(world.origin.times(), 1);
}

/// Two users ask for what the origin lets no cache give without asking it again.
async fn each_user_gets_its_own(headers: &'static str) {
    let world = World::standard().await;
    let user = |request: &Parts| request.headers["cookie"].to_str().unwrap().to_owned();
    let gate = world
        .origin
        .holds(move |request| response(headers, &user(request)));
    let alice = ask(&world, 1, "cookie: alice").pop().unwrap();
    eventually("the origin is asked", async || world.origin.times() == 1).await;
    let bob = ask(&world, 1, "cookie: bob").pop().unwrap();
    settle().await;
    gate.add_permits(2);
    for (user, asked) in [("alice", alice), ("bob", bob)] {
        let answer = soon("an answer", asked).await.unwrap();
        assert_eq!(answer.body, user, "{headers:?}: {}", answer.cache_status());
    }
}

#[tokio::test]
async fn what_must_be_validated_is_nobody_elses_meanwhile() {
    each_user_gets_its_own("cache-control: no-cache\netag: \"a\"").await;
    each_user_gets_its_own("etag: \"a\"").await;
    each_user_gets_its_own("cache-control: max-age=0\netag: \"a\"").await;
}

#[tokio::test]
async fn a_304_for_one_user_is_nobody_elses() {
    let world = World::standard().await;
    let stored = "cache-control: max-age=1\netag: \"a\"";
    world.origin.answers(200, stored, "all");
    world.get("/").await;
    world.advance(2);
    let gate = world.origin.holds(|request| {
        let is_asked = request.headers.contains_key("if-none-match");
        let response = Response::builder()
            .status(if is_asked { 304 } else { 200 })
            .header("cache-control", "private")
            .header("x-user", &request.headers["cookie"]);
        response.body(Body::empty()).unwrap()
    });
    let alice = ask(&world, 1, "cookie: alice").pop().unwrap();
    eventually("the origin is asked", async || world.origin.times() == 2).await;
    let bob = ask(&world, 1, "cookie: bob").pop().unwrap();
    settle().await;
    gate.add_permits(2);
    let (alice, bob) = (alice.await.unwrap(), bob.await.unwrap());
    assert_eq!((alice.header("x-user"), &*alice.body), ("alice", "all"));
    assert_eq!(bob.header("x-user"), "bob");
}

#[tokio::test]
async fn what_came_between_look_and_fetch_is_not_fetched_again() {
    let clock = Clock::manual();
    let server = FaultyRemote::with(clock.clone());
    let larder = Larder::builder()
        .remote(server.clone())
        .clock(clock.clone());
    let larder = larder.build().await.unwrap();
    let layer = HttpCacheLayer::standard(&larder).build().unwrap();
    let world = World::of(larder, clock, &layer, Origin::new());
    world.origin.answers(200, "cache-control: max-age=60", "x");
    let looked = server.hold(Operation::Get, When::After);
    let late = tokio::spawn({
        let world = world.clone();
        async move { world.get("/").await }
    });
    soon("it has looked", looked.reached()).await;
    world.get("/").await;
    eventually("it is stored", async || world.get("/").await.is_hit()).await;
    looked.release();
    let late = soon("an answer", late).await.unwrap();
    assert!(late.is_hit(), "{late:?}");
    assert_eq!(world.origin.times(), 1);
}
