//! Raw commands on the connection that the larder keeps.

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, Value};

use super::link::Link;
use crate::remote::RemoteError;

/// Sends any command to the server, on the larder's own supervised connection.
///
/// It is a [`ConnectionLike`], so `redis::cmd(…).query_async(&mut client)` and the `redis`
/// crate's `AsyncCommands` work on it. It follows reconnections. Commands are not retried and
/// have no timeout of their own; blocking ones (`BLPOP`, `SUBSCRIBE`) would hold up the cache and
/// want a connection of their own.
#[derive(Clone)]
pub struct Client(Link);

impl Client {
    pub(super) fn new(link: Link) -> Self {
        Self(link)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

fn no_connection(error: &RemoteError) -> RedisError {
    (ErrorKind::Io, "no connection", error.to_string()).into()
}

impl ConnectionLike for Client {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut connection = self.0.connection().map_err(|error| no_connection(&error))?;
            connection.req_packed_command(cmd).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut connection = self.0.connection().map_err(|error| no_connection(&error))?;
            connection.req_packed_commands(cmd, offset, count).await
        })
    }

    fn get_db(&self) -> i64 {
        self.0
            .connection()
            .map_or(0, |connection| connection.get_db())
    }
}
