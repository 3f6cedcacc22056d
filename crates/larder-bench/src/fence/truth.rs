//! The source of truth: a version for each key, on a server of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::time::sleep;

use crate::Failure;
use crate::member::PATIENCE;

pub(super) struct Truth {
    connection: MultiplexedConnection,
    loads: AtomicU64,
    overtaken: AtomicU64,
}

impl Truth {
    pub(super) async fn open(url: &str) -> Result<Self, Failure> {
        let connection = connect(url).await?;
        Ok(Self {
            connection,
            loads: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
        })
    }

    pub(super) async fn version(&self, key: &str) -> RedisResult<u64> {
        let mut get = redis::cmd("GET");
        let version: Option<u64> = get
            .arg(key)
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(version.unwrap_or(0))
    }

    /// Changes the value of `key`; its new version.
    pub(super) async fn raise(&self, key: &str) -> RedisResult<u64> {
        let mut incr = redis::cmd("INCR");
        incr.arg(key)
            .query_async(&mut self.connection.clone())
            .await
    }

    /// Reads the version and takes some time, as a slow query does: what it returns may have been
    /// changed meanwhile.
    pub(super) async fn load(&self, key: &str, time: Duration) -> RedisResult<u64> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let read = self.version(key).await?;
        sleep(time).await;
        if self.version(key).await? != read {
            self.overtaken.fetch_add(1, Ordering::Relaxed);
        }
        Ok(read)
    }

    /// Loads since the last call, and how many of them the source changed under.
    pub(super) fn take_counts(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.loads), take(&self.overtaken))
    }
}

/// A connection of the `redis` crate; its URLs have no scheme for Valkey.
pub(super) async fn connect(url: &str) -> Result<MultiplexedConnection, Failure> {
    let client = Client::open(url.replacen("valkey://", "redis://", 1))?;
    // Its own half a second would end the run of a busy machine.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}
