//! What the shop promises its customers while things fail.

use std::time::Duration;

use larder::testing::{Fault, FaultyRemote, Operation, Tally};
use larder::{Clock, Larder};

use crate::prices::{Price, Prices, Supplier};

/// A shop on a server that can fail, and the time.
struct World {
    server: FaultyRemote,
    clock: Clock,
    prices: Prices,
}

async fn world() -> World {
    let clock = Clock::manual();
    let server = FaultyRemote::with(clock.clone());
    let prices = shop(&server, &clock).await;
    World {
        server,
        clock,
        prices,
    }
}

/// One process of the shop.
async fn shop(server: &FaultyRemote, clock: &Clock) -> Prices {
    let larder = Larder::builder()
        .remote(server.clone())
        .clock(clock.clone());
    let larder = larder.build().await.expect("a larder in memory");
    Prices::new(&larder, Supplier::new(1_250)).expect("a cache")
}

fn current(cents: u64) -> Price {
    Price {
        cents,
        is_old: false,
    }
}

fn old(cents: u64) -> Price {
    Price {
        cents,
        is_old: true,
    }
}

#[tokio::test]
async fn the_supplier_is_asked_once_for_all_customers() {
    let World { prices, .. } = world().await;
    let tally = Tally::of(prices.cache());
    for _ in 0..100 {
        assert_eq!(prices.of("tea").await.unwrap(), current(1_250));
    }
    tally.assert_loads(1).assert_hits(99);
}

#[tokio::test]
async fn a_price_is_asked_for_again_after_ten_minutes() {
    let World { clock, prices, .. } = world().await;
    prices.of("tea").await.unwrap();
    prices.supplier().open(1_300);
    clock.advance(Duration::from_secs(599));
    assert_eq!(prices.of("tea").await.unwrap(), current(1_250));
    clock.advance(Duration::from_secs(2));
    assert_eq!(prices.of("tea").await.unwrap(), current(1_300));
}

#[tokio::test]
async fn an_old_price_is_shown_as_such_while_the_supplier_is_closed() {
    let World { clock, prices, .. } = world().await;
    prices.of("tea").await.unwrap();
    prices.supplier().close();
    clock.advance(Duration::from_hours(1));
    assert_eq!(prices.of("tea").await.unwrap(), old(1_250));
    clock.advance(Duration::from_hours(24));
    assert!(prices.of("tea").await.is_err(), "too old to be shown");
}

#[tokio::test]
async fn the_shop_sells_while_the_cache_s_server_is_down_or_full() {
    let World { server, prices, .. } = world().await;
    server.go_down();
    assert_eq!(prices.of("tea").await.unwrap().cents, 1_250);
    server.heal();
    server.inject(Operation::ALL, Fault::Full);
    assert_eq!(prices.of("coffee").await.unwrap().cents, 1_250);
}

#[tokio::test]
async fn what_the_server_garbled_is_asked_for_again() {
    let World {
        server,
        clock,
        prices,
    } = world().await;
    prices.agree("tea", 900).await.unwrap();
    let other = shop(&server, &clock).await;
    server.inject(Operation::READS, Fault::Garble("\u{0}rubbish".into()));
    assert_eq!(other.of("tea").await.unwrap().cents, 1_250);
}

#[tokio::test]
async fn an_agreed_price_that_was_not_stored_is_an_error_and_the_old_one_is_gone() {
    let World { server, prices, .. } = world().await;
    prices.of("tea").await.unwrap();
    prices.supplier().open(1_400);
    for fault in [Fault::Fail, Fault::LoseAnswer] {
        server.inject_next(1, [Operation::Set], fault);
        assert!(prices.agree("tea", 900).await.is_err());
        let shown = prices.of("tea").await.unwrap().cents;
        assert_ne!(shown, 1_250, "nobody is told what is known to be wrong");
    }
    prices.agree("tea", 900).await.unwrap();
    assert_eq!(prices.of("tea").await.unwrap(), current(900));
}

#[tokio::test]
async fn an_agreed_price_is_everyone_s() {
    let World {
        server,
        clock,
        prices,
    } = world().await;
    let other = shop(&server, &clock).await;
    other.of("tea").await.unwrap();
    prices.agree("tea", 900).await.unwrap();
    assert_eq!(other.of("tea").await.unwrap(), current(900));
}
