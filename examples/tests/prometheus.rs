//! A real Prometheus reads the metrics of the axum service, and is asked for the hit rate as the guide says.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[allow(dead_code, reason = "the service uses more of it")]
#[path = "../axum-service/client.rs"]
mod client;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::Method;
use client::Client;
use larder_servers::{Companion, Prometheus};
use serde_json::Value;

const GUIDE: &str = include_str!("../../crates/larder/docs/guide/metrics.md");
const PRODUCTS: &str = "axum_service.shop.Shop.product";
const PAGES: &str = "pages";

/// The axum service as a process of its own, in memory.
struct Service {
    address: SocketAddr,
    _process: Companion,
    /// Open, so that the service can write.
    _output: BufReader<ChildStdout>,
}

impl Service {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_axum-service"));
        command
            .args(["--serve", "127.0.0.1:0"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Companion::start(&mut command).unwrap();
        let mut output = BufReader::new(process.take_stdout().unwrap());
        let mut said = String::new();
        let address = loop {
            let read = output.read_line(&mut said).unwrap();
            assert_ne!(read, 0, "the service has ended, after it said: {said}");
            if let Some((_, address)) = said.trim_end().split_once("listening on http://") {
                break address.parse().unwrap();
            }
        };
        Self {
            address,
            _process: process,
            _output: output,
        }
    }
}

/// The values of a query's series, by their label `cache`.
fn by_cache(prometheus: &Prometheus, query: &str) -> HashMap<String, f64> {
    let answer: Value = serde_json::from_str(&prometheus.query(query).unwrap()).unwrap();
    let series = answer["data"]["result"].as_array().expect("a vector");
    let of = |series: &Value| {
        let cache = series["metric"]["cache"].as_str()?.to_owned();
        Some((cache, series["value"][1].as_str()?.parse().ok()?))
    };
    series
        .iter()
        .map(|series| of(series).unwrap_or_else(|| panic!("no value of a cache: {series}")))
        .collect()
}

const LOOKUPS: &str = "sum by (cache) (larder_hits_total) + sum by (cache) (larder_misses_total)";
const HITS: &str = "sum by (cache) (larder_hits_total)";

/// Waits until a query has this answer for a cache.
async fn reaches(prometheus: &Prometheus, query: &str, cache: &str, wanted: f64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = by_cache(prometheus, query);
        if found.get(cache) == Some(&wanted) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "`{query}` is not {wanted} for {cache}, but {found:?}; Prometheus says:\n{}",
            prometheus.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first query on the guide's page.
fn hit_rate_query() -> &'static str {
    let (_, rest) = GUIDE.split_once("The hit rate of a cache").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[tokio::test]
async fn the_guides_query_tells_the_hit_rate_of_the_requests() {
    let service = Service::start();
    let prometheus = Prometheus::scraping(service.address).unwrap();
    // A rate is told from the first value on that Prometheus saw, so that has to be from before the requests.
    reaches(&prometheus, LOOKUPS, PRODUCTS, 0.0).await;
    reaches(&prometheus, LOOKUPS, PAGES, 0.0).await;

    let client = Client::new(service.address);
    let ask = async |method: Method, path: &str, shop: &str, body: &str| {
        let headers = [("x-shop", shop), ("content-type", "application/json")];
        let answer = client.send(method, path, &headers, body).await.unwrap();
        answer.status.as_u16()
    };
    let get = async |path: &str, shop: &str| ask(Method::GET, path, shop, "").await;
    // 3 misses and 27 hits.
    for _ in 0..10 {
        assert_eq!(get("/products/1", "acme").await, 200);
        assert_eq!(get("/products/2", "acme").await, 200);
        assert_eq!(get("/products/1", "globex").await, 200);
    }
    // A miss and 3 hits: that there is no such product is an answer too.
    for _ in 0..4 {
        assert_eq!(get("/products/9", "acme").await, 404);
    }
    // A miss and 4 hits of a page.
    for _ in 0..5 {
        assert_eq!(get("/catalogue", "acme").await, 200);
    }
    let tea = r#"{"name": "Tea", "cents": 450}"#;
    assert_eq!(ask(Method::PUT, "/products/2", "acme", tea).await, 204);
    // A miss and a hit each: the write has invalidated both. Another product is still there.
    for _ in 0..2 {
        assert_eq!(get("/products/2", "acme").await, 200);
        assert_eq!(get("/catalogue", "acme").await, 200);
    }
    assert_eq!(get("/products/1", "acme").await, 200);

    reaches(&prometheus, LOOKUPS, PRODUCTS, 37.0).await;
    let rate = by_cache(&prometheus, hit_rate_query())[PRODUCTS];
    let expected = 32.0 / 37.0;
    assert!((rate - expected).abs() < 1e-9, "{rate} is not {expected}");
    // A page that is not there is looked for twice, before and within its flight, so only hits are requests.
    reaches(&prometheus, HITS, PAGES, 5.0).await;
}
