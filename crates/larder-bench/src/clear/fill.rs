//! A server with two tenants' entries, as larder stores them.

use std::time::Duration;

use larder::{Cache, Config, Larder};
use larder_servers::{Reply, Server};
use redis::{Client, Connection};

use crate::Failure;
use crate::args::Args;
use crate::member;

/// The tenant that is cleared, and the other.
pub(super) const TENANT: &str = "acme";
pub(super) const OTHER: &str = "other";
pub(super) const CACHE: &str = "users";
pub(super) const TTL: Duration = Duration::from_hours(1);
/// Where the usual registry keeps what keys a tenant has.
pub(super) const REGISTRY: &str = "cache:registry";

const VALUE: usize = 128;
/// Entries that are written in one go.
const PIECE: usize = 1_000;

pub(super) struct Filled {
    pub(super) server: Server,
    /// What the registry takes of the server's memory, for each entry.
    pub(super) registry_bytes: Option<f64>,
}

/// Writes one entry of each tenant through larder, and the others as copies of it: an envelope says
/// nothing of its key.
pub(super) fn fill(args: &Args, registry: bool) -> Result<Filled, Failure> {
    let server = Server::start(args.server)?;
    let runtime = member::runtime()?;
    runtime.block_on(async {
        let larder = Larder::with(Config::builder().url(server.url()).build()?).await?;
        let cache: Cache<String, String> = larder.cache(CACHE).ttl(TTL).build()?;
        for tenant in [TENANT, OTHER] {
            cache.tenant(tenant).set("key-0", "v".repeat(VALUE)).await?;
        }
        larder.close().await;
        Ok::<_, Failure>(())
    })?;
    let mut connection = connect(&server)?;
    for tenant in [TENANT, OTHER] {
        let entry: Vec<u8> = redis::cmd("GET")
            .arg(key(tenant, 0))
            .query(&mut connection)?;
        for first in (1..args.entries).step_by(PIECE) {
            let mut writes = redis::pipe();
            for n in first..(first + PIECE).min(args.entries) {
                let write = writes.cmd("SET").arg(key(tenant, n)).arg(&entry);
                write.arg("PX").arg(TTL.as_millis() as u64).ignore();
            }
            writes.query::<()>(&mut connection)?;
        }
    }
    let registry_bytes = if registry {
        Some(register(args, &server, &mut connection)?)
    } else {
        None
    };
    Ok(Filled {
        server,
        registry_bytes,
    })
}

/// Writes down which keys the tenant has; what that takes, in bytes for each of them.
fn register(args: &Args, server: &Server, connection: &mut Connection) -> Result<f64, Failure> {
    let before = used_memory(server)?;
    for first in (0..args.entries).step_by(PIECE) {
        let mut writes = redis::pipe();
        for n in first..(first + PIECE).min(args.entries) {
            writes
                .cmd("SADD")
                .arg(REGISTRY)
                .arg(key(TENANT, n))
                .ignore();
        }
        writes.query::<()>(connection)?;
    }
    Ok((used_memory(server)? - before) / args.entries as f64)
}

fn used_memory(server: &Server) -> Result<f64, Failure> {
    let info = server.command(&["INFO", "memory"])?;
    let used = info.as_str().and_then(|info| {
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"))?;
        line.trim().parse().ok()
    });
    Ok(used.ok_or("INFO says nothing of memory")?)
}

/// The stored key of an entry.
pub(super) fn key(tenant: &str, n: usize) -> String {
    format!("cache:tenant:{tenant}:{CACHE}:key-{n}")
}

pub(super) fn connect(server: &Server) -> Result<Connection, Failure> {
    let client = Client::open(server.url().replacen("valkey://", "redis://", 1))?;
    Ok(client.get_connection()?)
}

/// How many entries a tenant has.
pub(super) fn count(server: &Server, tenant: &str) -> Result<usize, Failure> {
    let mut connection = connect(server)?;
    let mut count = 0;
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(format!("cache:tenant:{tenant}:*"));
        let (next, keys): (u64, Vec<String>) =
            scan.arg("COUNT").arg(10_000).query(&mut connection)?;
        count += keys.len();
        cursor = next;
        if cursor == 0 {
            return Ok(count);
        }
    }
}

/// How many entries both have.
pub(super) fn count_all(server: &Server) -> Result<usize, Failure> {
    match server.command(&["PING"])? {
        Reply::Error(error) => Err(error.into()),
        _ => Ok(count(server, TENANT)? + count(server, OTHER)?),
    }
}
