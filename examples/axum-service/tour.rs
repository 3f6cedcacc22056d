//! What the program asks itself, to show what is cached and what is not.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;
use tokio::task::JoinSet;

use crate::Failure;
use crate::client::{Answer, Client};
use crate::shop::Shop;

pub(crate) async fn take(address: SocketAddr, shop: &Shop, token: &str) -> Result<(), Failure> {
    let tour = Tour {
        client: Client::new(address),
        shop,
    };
    println!("\n  cache    {}", shop.larder.health().await);
    println!("  service  http://{address}\n");
    line("request", "shop", "status", "queries", "answer");
    let rule = [
        "─".repeat(24),
        "─".repeat(6),
        "─".repeat(6),
        "─".repeat(7),
        "─".repeat(39),
    ];
    line(&rule[0], &rule[1], &rule[2], &rule[3], &rule[4]);

    tour.get("/products/1", "acme").await?;
    tour.get("/products/1", "acme").await?; // from the cache: no query
    tour.get("/products/1", "globex").await?; // another shop's, and not the one above
    tour.get("/products/9", "acme").await?;
    tour.get("/products/9", "acme").await?; // that there is none is remembered too
    tour.crowd("/products/2", "acme").await?;

    tour.get("/catalogue", "acme").await?;
    tour.get("/catalogue", "acme").await?; // the whole response is cached
    let body = r#"{"name": "Coffee", "cents": 990}"#;
    tour.send(Method::PUT, "/products/1", "acme", body).await?;
    tour.get("/products/1", "acme").await?; // the new price
    tour.get("/catalogue", "acme").await?;
    tour.get("/catalogue", "acme").await?;

    let bearer = format!("Bearer {token}");
    tour.purge(&[]).await?; // who has no token may not
    tour.purge(&[("authorization", &bearer)]).await?;
    tour.get("/catalogue", "acme").await?;

    let health = tour.client.get("/health", &[]).await?;
    println!("\n  /health   {}", health.body);
    tour.metrics().await?;
    println!(
        "
  With --serve it serves until Ctrl-C. With VALKEY_URL or REDIS_URL, all its processes share one cache."
    );
    Ok(())
}

struct Tour<'a> {
    client: Client,
    shop: &'a Shop,
}

impl Tour<'_> {
    async fn get(&self, path: &str, shop: &str) -> Result<(), Failure> {
        self.send(Method::GET, path, shop, "").await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        shop: &str,
        body: &str,
    ) -> Result<(), Failure> {
        let before = self.shop.queries();
        let request = format!("{method} {path}");
        let headers = [("x-shop", shop), ("content-type", "application/json")];
        let answer = self.client.send(method, path, &headers, body).await?;
        self.row(&request, shop, &answer, before);
        Ok(())
    }

    /// A hundred clients ask for what is not cached, all at once.
    async fn crowd(&self, path: &'static str, shop: &'static str) -> Result<(), Failure> {
        let before = self.shop.queries();
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let client = self.client.clone();
            clients.spawn(async move { client.get(path, &[("x-shop", shop)]).await });
        }
        while let Some(answer) = clients.join_next().await {
            let answer = answer??;
            if clients.is_empty() {
                self.row(&format!("100 × GET {path}"), shop, &answer, before);
            }
        }
        Ok(())
    }

    async fn purge(&self, headers: &[(&str, &str)]) -> Result<(), Failure> {
        let before = self.shop.queries();
        let path = "/purge?tag=catalogue";
        let answer = self.client.send(Method::POST, path, headers, "").await?;
        self.row(&format!("POST {path}"), "", &answer, before);
        Ok(())
    }

    /// What was counted is passed on to the metrics once a second, so it takes a moment to be there.
    async fn metrics(&self) -> Result<(), Failure> {
        let hits = self.shop.product_cache()?.stats().hits();
        loop {
            let metrics = self.client.get("/metrics", &[]).await?;
            let of_products = |line: &&str| {
                line.starts_with("larder_hits_total")
                    && line.contains("product")
                    && !line.ends_with(" 0")
            };
            let lines: Vec<_> = metrics.body.lines().filter(of_products).collect();
            let counted = lines
                .iter()
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            if counted.sum::<u64>() >= hits {
                for line in lines {
                    println!("  /metrics  {line}");
                }
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn row(&self, request: &str, shop: &str, answer: &Answer, queries_before: u64) {
        let queries = self.shop.queries() - queries_before;
        let said = match &*answer.cache_status {
            "" => &answer.body,
            cache_status => cache_status,
        };
        line(
            request,
            shop,
            answer.status.as_str(),
            &queries.to_string(),
            said,
        );
    }
}

fn line(request: &str, shop: &str, status: &str, queries: &str, answer: &str) {
    let line = format!("  {request:<24}  {shop:<6}  {status:<6}  {queries:>7}  {answer}");
    println!("{}", line.trim_end());
}
