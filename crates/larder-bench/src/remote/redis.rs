//! The `redis` crate with nothing around it: one multiplexed connection for all tasks.

use redis::aio::{ConnectionLike, MultiplexedConnection};

use super::subject::{Client, Entries, TTL};
use crate::Failure;

#[derive(Clone)]
pub(super) struct Multiplexed {
    connection: MultiplexedConnection,
    entries: Entries,
}

impl Multiplexed {
    pub(super) async fn connect(bare: &redis::Client, entries: Entries) -> Result<Self, Failure> {
        let connection = bare.get_multiplexed_async_connection().await?;
        Ok(Self {
            connection,
            entries,
        })
    }
}

impl Client for Multiplexed {
    const NAME: &'static str = "redis";

    async fn get(&mut self, n: usize) -> Result<bool, Failure> {
        get(&mut self.connection, &self.entries, n).await
    }

    async fn set(&mut self, n: usize) -> Result<(), Failure> {
        set(&mut self.connection, &self.entries, n).await
    }
}

pub(super) async fn get(
    connection: &mut (impl ConnectionLike + Send),
    entries: &Entries,
    n: usize,
) -> Result<bool, Failure> {
    let mut get = redis::cmd("GET");
    get.arg(&entries.keys[n]);
    let bytes: Option<Vec<u8>> = get.query_async(connection).await?;
    Ok(bytes.is_some_and(|bytes| bytes.len() == entries.stored.len()))
}

pub(super) async fn set(
    connection: &mut (impl ConnectionLike + Send),
    entries: &Entries,
    n: usize,
) -> Result<(), Failure> {
    let mut set = redis::cmd("SET");
    set.arg(&entries.keys[n])
        .arg(&*entries.stored)
        .arg("PX")
        .arg(TTL.as_millis() as u64);
    Ok(set.query_async(connection).await?)
}
