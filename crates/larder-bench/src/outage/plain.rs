//! The `redis` crate's connection manager with a timeout around each command, and the loader where
//! a command fails: what is usually written by hand.

use redis::aio::ConnectionManager;
use redis::{Client, Cmd, FromRedisValue};
use tokio::time::timeout;

use super::reader::{Answer, Keys, Reader, Seen, Source, TIMEOUT, TTL, load};
use crate::Failure;

pub(super) struct Managed(ConnectionManager);

impl Managed {
    /// `None` where the server did not answer in time, or refused.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let mut connection = self.0.clone();
        let answer = timeout(TIMEOUT, command.query_async(&mut connection)).await;
        answer.ok()?.ok()
    }
}

impl Reader for Managed {
    const NAME: &'static str = "redis+loader";

    async fn open(url: &str) -> Result<Self, Failure> {
        let client = Client::open(url.replacen("valkey://", "redis://", 1))?;
        Ok(Self(ConnectionManager::new(client).await?))
    }

    async fn read(&self, keys: Keys, n: u64) -> Result<Answer, Seen> {
        let key = format!("plain:{}-{n}", keys.name());
        let answer = |source| Answer {
            source,
            is_stale: false,
        };
        let mut get = redis::cmd("GET");
        let found = self.ask::<Option<String>>(get.arg(&key)).await;
        if let Some(Some(_)) = found {
            return Ok(answer(Source::Remote));
        }
        let value = load(n).await;
        // What did not answer is not asked a second time.
        if found.is_some() {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(value);
            set.arg("PX").arg(TTL.as_millis() as u64);
            let _stored: Option<()> = self.ask(&set).await;
        }
        Ok(answer(Source::Loader))
    }
}
