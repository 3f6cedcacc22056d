//! The scripts: each is one step on a value and its lease, which lie in one slot.
//!
//! Each has the same effect done twice, so it may be sent twice. They hold what is needed to compare
//! before writing; `set` compares nothing and is a transaction, which costs the server a third of
//! what a script does (measured: 1.5 µs a plain `SET` of 128 bytes, 2.5 µs a transaction, 5 µs a
//! script; with a megabyte 0.4 ms, 0.4 ms and 1.7 ms, since a script copies its arguments).

use std::sync::LazyLock;

use redis::{Cmd, Value};

use super::leases::UNKNOWN;
use super::link::Link;
use crate::key::StoredKey;
use crate::remote::{Deadline, RemoteError};

/// A script. Most take a value's key and its lease's.
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))));)*
    };
}

scripts! {
    ACQUIRE = "acquire.lua";
    RENEW = "renew.lua";
    FILL = "fill.lua";
    RELEASE = "release.lua";
    REMOVE = "remove.lua";
    KEEP = "keep.lua";
    SPLICE = "splice.lua";
    DISCARD = "discard.lua";
}

/// Those of a bounded cache: they share what its index is made of.
macro_rules! bounded_scripts {
    ($($name:ident = [$($file:literal),+];)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!($(include_str!(concat!("scripts/bounded/", $file))),+))
        });)*
    };
}

bounded_scripts! {
    BOUNDED_OPEN = ["open.lua"];
    BOUNDED_READ = ["read_first.lua", "index.lua", "read_last.lua"];
    BOUNDED_READ_MANY = ["index.lua", "read_many.lua"];
    BOUNDED_SET = ["index.lua", "set.lua"];
    BOUNDED_FILL = ["index.lua", "fill.lua"];
    BOUNDED_ACQUIRE = ["index.lua", "acquire.lua"];
    BOUNDED_REMOVE = ["index.lua", "remove.lua"];
    BOUNDED_DISCARD = ["index.lua", "discard.lua"];
    BOUNDED_ADOPT = ["index.lua", "adopt.lua"];
    BOUNDED_FOUND = ["found.lua"];
}

impl Script {
    fn new(source: &'static str) -> Self {
        let hash = redis::Script::new(source).get_hash().to_owned();
        Self { source, hash }
    }

    /// Runs it by its hash, which a server knows that has run it since its start.
    pub(super) fn by_hash(&self, key: &StoredKey, args: &[&[u8]]) -> Cmd {
        command("EVALSHA", &self.hash, key, args)
    }

    /// Runs one that takes any keys by its hash, and where the server does not know it by its source.
    pub(super) async fn run_on(
        &self,
        link: &Link,
        keys: &[&[u8]],
        args: &[&[u8]],
        deadline: Deadline,
    ) -> Result<Value, RemoteError> {
        let by_hash = command_on("EVALSHA", &self.hash, keys, args);
        match link.run(&by_hash, deadline).await {
            Err(RemoteError::Refused { code, .. }) if code == UNKNOWN => {
                let by_source = command_on("EVAL", self.source, keys, args);
                link.run(&by_source, deadline).await
            }
            answer => answer,
        }
    }

    /// Runs it by its source, after which the server knows its hash.
    pub(super) fn by_source(&self, key: &StoredKey, args: &[&[u8]]) -> Cmd {
        command("EVAL", self.source, key, args)
    }
}

fn command_on(name: &str, script: &str, keys: &[&[u8]], args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(args);
    command
}

fn command(name: &str, script: &str, key: &StoredKey, args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(2).arg(key.as_bytes());
    command.arg(key.lease_key()).arg(args);
    command
}
