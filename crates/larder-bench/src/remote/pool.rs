//! Checkout pools of 50 connections: a connection serves one task at a time.

use bb8_redis::RedisConnectionManager;
use redis::ConnectionInfo;

use super::redis::{get, set};
use super::subject::{Client, Entries};
use crate::Failure;

const CONNECTIONS: u32 = 50;

/// bb8, without its `PING` at each checkout: the quickest that a checkout pool can be.
#[derive(Clone)]
pub(super) struct Bb8 {
    pool: bb8::Pool<RedisConnectionManager>,
    entries: Entries,
}

impl Bb8 {
    pub(super) async fn connect(
        server: &ConnectionInfo,
        entries: Entries,
    ) -> Result<Self, Failure> {
        let manager = RedisConnectionManager::new(server.clone())?;
        let pool = bb8::Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(CONNECTIONS)
            .test_on_check_out(false)
            .build(manager)
            .await?;
        Ok(Self { pool, entries })
    }
}

impl Client for Bb8 {
    const NAME: &'static str = "bb8";

    async fn get(&mut self, n: usize) -> Result<bool, Failure> {
        get(&mut *self.pool.get().await?, &self.entries, n).await
    }

    async fn set(&mut self, n: usize) -> Result<(), Failure> {
        set(&mut *self.pool.get().await?, &self.entries, n).await
    }
}

/// deadpool with its defaults, which ask `PING` at each checkout.
#[derive(Clone)]
pub(super) struct Deadpool {
    pool: deadpool_redis::Pool,
    entries: Entries,
}

impl Deadpool {
    pub(super) fn new(server: &ConnectionInfo, entries: Entries) -> Result<Self, Failure> {
        let manager = deadpool_redis::Manager::new(server.clone())?;
        let pool = deadpool_redis::Pool::builder(manager)
            .max_size(CONNECTIONS as usize)
            .build()?;
        Ok(Self { pool, entries })
    }
}

impl Client for Deadpool {
    const NAME: &'static str = "deadpool";

    async fn get(&mut self, n: usize) -> Result<bool, Failure> {
        get(&mut *self.pool.get().await?, &self.entries, n).await
    }

    async fn set(&mut self, n: usize) -> Result<(), Failure> {
        set(&mut *self.pool.get().await?, &self.entries, n).await
    }
}
