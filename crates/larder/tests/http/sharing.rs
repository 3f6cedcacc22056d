//! Two processes' caches on one server.

use std::time::Duration;

use larder::http::HttpCacheLayer;
use larder::{Clock, Larder};
use larder_servers::Kind;

use crate::common::{Place, eventually, on_each_server, soon};
use crate::origin::{Origin, World, response};

fn world(larder: &Larder, origin: &Origin) -> World {
    let layer = HttpCacheLayer::standard(larder).build().unwrap();
    World::of(larder.clone(), Clock::manual(), &layer, origin.clone())
}

async fn one_response_serves_both(kind: Kind) {
    let place = Place::on_server(kind).await;
    let origin = Origin::new();
    let (here, there) = (world(&place.here, &origin), world(&place.there, &origin));
    origin.answers(
        200,
        "cache-control: max-age=60\nvary: accept-language\nx-a: 1\nx-a: 2",
        "hello",
    );
    here.get_with("/", "accept-language: de").await;
    eventually("the other has it", async || {
        there
            .get_with("/", "accept-language: de\ncache-control: only-if-cached")
            .await
            .is_hit()
    })
    .await;
    let hit = there.get_with("/", "accept-language: de").await;
    assert_eq!(
        (&*hit.body, hit.headers.get_all("x-a").iter().count()),
        ("hello", 2)
    );
    assert_eq!(origin.times(), 1);
}

async fn an_unsafe_method_here_is_seen_there(kind: Kind) {
    let place = Place::on_server(kind).await;
    let origin = Origin::new();
    let (here, there) = (world(&place.here, &origin), world(&place.there, &origin));
    origin.answers(200, "cache-control: max-age=60", "old");
    here.get("/").await;
    eventually("the other has it", async || there.get("/").await.is_hit()).await;
    origin.answers(200, "cache-control: max-age=60", "new");
    here.send("PUT", "/", "").await;
    assert_eq!(here.get("/").await.body, "new");
    eventually("the other knows", async || {
        there.get("/").await.body == "new"
    })
    .await;
}

async fn concurrent_requests_in_both_are_one_of_the_origin(kind: Kind) {
    let place = Place::on_server(kind).await;
    let origin = Origin::new();
    let (here, there) = (world(&place.here, &origin), world(&place.there, &origin));
    let gate = origin.holds(|_| response("cache-control: max-age=60", "x"));
    let ask = |world: &World| {
        let world = world.clone();
        tokio::spawn(async move { world.get("/").await.body })
    };
    let mut asked = vec![ask(&here)];
    eventually("the origin is asked", async || origin.times() == 1).await;
    asked.extend((0..10).map(|at| ask(if at % 2 == 0 { &here } else { &there })));
    let waits = async || {
        let health = place.there.health().await;
        let mut caches = health.caches.iter();
        caches.any(|cache| cache.stats.leases_awaited > 0)
    };
    eventually("the other process waits for the load", waits).await;
    gate.add_permits(20);
    for each in asked {
        assert_eq!(soon("an answer", each).await.unwrap(), "x");
    }
    assert_eq!(origin.times(), 1);
}

async fn a_server_that_dies_costs_no_request_its_answer(kind: Kind) {
    let mut place = Place::on_server(kind).await;
    let origin = Origin::new();
    let here = world(&place.here, &origin);
    origin.answers(200, "cache-control: max-age=60", "x");
    here.get("/").await;
    drop(place.server.take());
    for uri in ["/", "/other", "/other"] {
        let answer = soon("an answer", here.get(uri)).await;
        assert_eq!(answer.body, "x");
    }
    let closed = place.here.close_within(Duration::from_secs(5));
    assert!(soon("the close", closed).await);
}

on_each_server!(
    one_response_serves_both,
    an_unsafe_method_here_is_seen_there,
    concurrent_requests_in_both_are_one_of_the_origin,
    a_server_that_dies_costs_no_request_its_answer,
);
