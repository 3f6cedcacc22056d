//! A web service with axum and `SQLite`, cached: single values, whole responses, and writes that invalidate both.
//!
//! ```sh
//! cargo run --release --bin axum-service                             # asks itself, and shows what happens
//! cargo run --release --bin axum-service -- --serve                  # serves until Ctrl-C
//! cargo run --release --bin axum-service -- --serve 127.0.0.1:8080   # at another address
//! ```
//!
//! Each shop that uses the service is a *tenant*, and says who it is in the header `x-shop`:
//!
//! ```sh
//! curl -H 'x-shop: acme' http://127.0.0.1:3000/products/1
//! curl -H 'x-shop: acme' http://127.0.0.1:3000/products/1 -X PUT --json '{"name": "Tea", "cents": 450}'
//! curl -H 'x-shop: acme' http://127.0.0.1:3000/catalogue -i          # see its `Cache-Status`
//! curl http://127.0.0.1:3000/metrics
//! ```
//!
//! | file | what |
//! |---|---|
//! | `shop.rs` | the database, its cached reads and the write that invalidates |
//! | `routes.rs` | the routes, and the layer that caches a whole response |
//! | `tour.rs`, `client.rs` | what the program asks itself when it is not told to serve |
//!
//! It runs in memory, or on the server that `VALKEY_URL` or `REDIS_URL` names. With `PURGE_TOKEN` there is a
//! route to purge by.

mod client;
mod routes;
mod shop;
mod tour;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use larder::Larder;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use shop::Shop;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => show().await,
        ["--serve"] => serve("127.0.0.1:3000").await,
        ["--serve", address] => serve(address).await,
        _ => Err("usage: axum-service [--serve [ADDRESS]]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a service does: everything is opened at the start, and closed in order at the end.
async fn serve(address: &str) -> Result<(), Failure> {
    let metrics = install_metrics()?;
    let larder = Larder::from_env().await?;
    let shop = Shop::open(larder.clone()).await?;
    let token = env::var("PURGE_TOKEN").ok();
    let router = routes::router(&shop, metrics, token.as_deref())?;

    let listener = TcpListener::bind(address).await?;
    println!("cache: {}", larder.health().await);
    println!("listening on http://{}", listener.local_addr()?);
    let until_ctrl_c = async {
        // Where the system cannot tell of a Ctrl-C, it ends the program itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(until_ctrl_c)
        .await?;
    larder.close().await; // waits for writes under way
    Ok(())
}

/// The same service on a free port, which asks itself a few things.
async fn show() -> Result<(), Failure> {
    const TOKEN: &str = "only for this demonstration";
    let metrics = install_metrics()?;
    let larder = Larder::from_env().await?;
    let shop = Shop::open(larder.clone()).await?;
    let router = routes::router(&shop, metrics, Some(TOKEN))?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = tokio::spawn(axum::serve(listener, router).into_future());
    tour::take(address, &shop, TOKEN).await?;
    service.abort();
    larder.close().await;
    Ok(())
}

/// The recorder comes before the larder, which makes its handles when it is built.
fn install_metrics() -> Result<PrometheusHandle, Failure> {
    let metrics = PrometheusBuilder::new()
        // Histograms, which unlike the exporter's summaries can be added up over processes.
        .set_buckets(&[0.0001, 0.001, 0.01, 0.1, 1.0])?
        .install_recorder()?;
    let handle = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            handle.run_upkeep(); // else times pile up where nobody scrapes
        }
    });
    Ok(metrics)
}
