//! A process of a fleet: a larder with a cache of texts, which does as it is told.

use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder::config::Config;
use larder::{Cache, Larder};
use larder_servers::Orders;

struct Member {
    larder: Larder,
    cache: Cache<String, String>,
    runs: AtomicUsize,
}

pub(crate) fn serve(mut orders: Orders) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let url = env::var("URL").unwrap();
    let member = runtime.block_on(async {
        let config = Config::builder().url(url).timeout(Duration::from_secs(2));
        let larder = Larder::with(config.build().unwrap()).await.unwrap();
        let cache = larder.cache("fleet").ttl(Duration::from_mins(10));
        let cache = cache.stale(Duration::from_mins(10)).build().unwrap();
        Arc::new(Member {
            larder,
            cache,
            runs: AtomicUsize::new(0),
        })
    });
    while let Some(order) = orders.receive() {
        let member = Arc::clone(&member);
        runtime.spawn(async move {
            let words: Vec<_> = order.text().split(' ').map(str::to_owned).collect();
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let answer = member.work(&words).await;
            order.answer(answer);
        });
    }
}

impl Member {
    async fn work(self: &Arc<Self>, order: &[&str]) -> String {
        match *order {
            ["get", key] => shown(self.cache.get(key).await),
            // The value, where it came from and how good it is.
            ["lookup", key] => match self.cache.lookup(key).await {
                None => "nothing".to_owned(),
                Some(found) => {
                    let outcome = found.outcome;
                    format!("{} {} {}", *found, outcome.source, outcome.freshness)
                }
            },
            ["set", key, value] => done(self.cache.set(key, value).await),
            ["remove", key] => done(self.cache.remove(key).await),
            ["load", key, value, ms] => self.load(key, value, millis(ms)).await,
            // Many callers at once; the values that they got.
            ["crowd", key, value, ms, callers] => {
                let callers = (0..callers.parse().unwrap()).map(|_| {
                    let (member, value) = (Arc::clone(self), value.to_owned());
                    let (key, time) = (key.to_owned(), millis(ms));
                    tokio::spawn(async move { member.load(&key, &value, time).await })
                });
                let mut values = Vec::new();
                for caller in callers.collect::<Vec<_>>() {
                    values.push(caller.await.unwrap());
                }
                values.sort();
                values.dedup();
                values.join(" ")
            }
            ["fail", key] => {
                let load = async || Err(io::Error::other("no source"));
                done(self.cache.get_or_load(key, load).await)
            }
            ["loads"] => self.runs.load(Ordering::SeqCst).to_string(),
            ["trust"] => {
                let trust = format!("{:?}", self.larder.health().await.near);
                trust.split(' ').next().unwrap().to_owned()
            }
            ["pending"] => self.larder.health().await.pending_writes.to_string(),
            ["refused"] => self.cache.stats().fills_refused.to_string(),
            _ => panic!("no such order: {order:?}"),
        }
    }

    async fn load(&self, key: &str, value: &str, time: Duration) -> String {
        let load = async || {
            self.runs.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(time).await;
            Ok::<_, io::Error>(value.to_owned())
        };
        match self.cache.get_or_load(key, load).await {
            Ok(value) => value.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }
}

fn millis(ms: &str) -> Duration {
    Duration::from_millis(ms.parse().unwrap())
}

fn shown(value: Option<Arc<String>>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}
