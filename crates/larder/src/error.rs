//! What can go wrong outside of loaders.

use std::fmt;

use crate::bounded::BoundsError;
use crate::config::ConfigError;
use crate::key::{KeyError, NameError};
use crate::remote::RemoteError;
use crate::wire::{EncodeError, SchemaError};

/// What a blocking call says where it may not wait.
pub(crate) const IN_ASYNC_TASK: &str = "a blocking call cannot wait within an async task: await the async \
     API there, or move the call to `tokio::task::spawn_blocking`";

/// Why a larder or a cache could not be opened, or a write did not take effect.
///
/// Reads have no error: a cache that is in trouble misses (G3). The `Debug` form is the message too,
/// since that is what a `main` that returns the error prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration has problems; all are listed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server's address is right, but something else about it is wrong.
    #[cfg(feature = "valkey")]
    #[error(transparent)]
    Connect(#[from] crate::remote::valkey::ConnectError),
    /// The server cannot be reached, and `require_remote` demands it.
    #[error("require_remote is set, and the remote cannot be used: {reason}")]
    RemoteRequired {
        /// What the remote's health says.
        reason: String,
    },
    /// The program was built without what the configuration asks for.
    #[error("this program was built without larder's feature `{feature}`, which {what} needs")]
    FeatureMissing {
        /// The feature to enable in `Cargo.toml`.
        feature: &'static str,
        /// What needs it.
        what: String,
    },
    /// The name of a cache or a tenant is empty or too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The key cannot be stored.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A codec that does not describe itself knows no schema of the values.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The cache is open already, with other types or other options.
    #[error(
        "cache {name:?} is open already as {open}, and was asked for as {asked}: open it once and \
         clone it, or choose another name"
    )]
    OpenedOtherwise {
        /// The cache's name.
        name: String,
        /// What is open.
        open: String,
        /// What was asked for.
        asked: String,
    },
    /// The cache would keep nothing.
    #[error(
        "cache {name:?} is memory only and has its near tier off, so it would keep nothing: drop \
         one of the two"
    )]
    NoTier {
        /// The cache's name.
        name: String,
    },
    /// A time is longer than any server takes.
    #[error("cache {name:?}: {what} of {value:?} is longer than the {max:?} allowed")]
    TooLong {
        /// The cache's name.
        name: String,
        /// Which time: `ttl` or `stale`.
        what: &'static str,
        /// What was asked for.
        value: std::time::Duration,
        /// The longest allowed.
        max: std::time::Duration,
    },
    /// A number or a time of a cache's options is out of its range.
    #[error("cache {name:?}: {what} of {value} is not {allowed}")]
    OutOfRange {
        /// The cache's name.
        name: String,
        /// Which option.
        what: &'static str,
        /// What was asked for.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// An option of a tenant, or of each tenant, is out of its range.
    #[error("{}: {what} of {value} is not {allowed}", tenant_or_each(.tenant.as_deref()))]
    TenantOption {
        /// The tenant; `None` for the options of each.
        tenant: Option<String>,
        /// Which option.
        what: &'static str,
        /// What was asked for.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A tenant cannot have options of its own any more.
    #[error(
        "tenant {tenant:?} cannot be configured: {seen} others were met before it, or {max} are configured \
         already; configure tenants right after the larder is built"
    )]
    TooManyTenants {
        /// The tenant.
        tenant: String,
        /// How many tenants are known one by one without being configured.
        seen: usize,
        /// How many can be configured.
        max: usize,
    },
    /// A bounded cache cannot be opened like this.
    #[error("cannot open the bounded cache {name:?}: {source}")]
    Bounded {
        /// The cache's name.
        name: String,
        /// Why.
        source: Box<BoundedError>,
    },
    /// A value was to have more tags than it may.
    #[error("a value may have at most {max} tags")]
    TooManyTags {
        /// The most that it may have.
        max: usize,
    },
    /// Only a tenant can be erased.
    #[error(
        "only a tenant can be erased: say which, as in `larder.tenant(\"acme\").erase()`, or `clear` \
         the rest"
    )]
    NoTenant,
    /// A pattern of keys is empty or too long.
    #[error(
        "the pattern {pattern:?} has {len} bytes; it may have 1 to {max} bytes, in which `*` stands for \
         any characters, `?` for one, and everything else for itself"
    )]
    Pattern {
        /// How it begins.
        pattern: String,
        /// Its length, in bytes.
        len: usize,
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// The server did not confirm a write. What it held before is removed as soon as it can be
    /// reached; until then this process does not believe what the server says of the key.
    #[error("cannot {operation} {key} yet: {source}")]
    Pending {
        /// `set` or `remove`.
        operation: &'static str,
        /// The stored key.
        key: String,
        /// Why.
        source: Box<RemoteError>,
    },
    /// The value cannot be encoded.
    #[error("cannot encode the value for {key}: {source}")]
    Encode {
        /// The stored key.
        key: String,
        /// What the codec said.
        source: EncodeError,
    },
    /// The value cannot be written as JSON.
    #[error("cannot write the value for {key} as JSON: {message}")]
    Json {
        /// The key.
        key: String,
        /// What `serde_json` said.
        message: String,
    },
    /// The value is too large for a cache that has no remote tier; it is not stored.
    #[error(
        "the value for {key} weighs {weight}, and the near tier of cache {name:?} takes at most \
         {limit} an entry: raise its capacity"
    )]
    TooLarge {
        /// The cache's name.
        name: String,
        /// The stored key.
        key: String,
        /// The entry's weight, in the unit of the cache's capacity.
        weight: u64,
        /// The heaviest entry allowed.
        limit: u64,
    },
    /// The cache's weigher panicked, and the cache has no remote tier; the value is not stored.
    #[error("cannot set {key}: the weigher of cache {name:?} panicked: {message}")]
    WeigherPanicked {
        /// The cache's name.
        name: String,
        /// The stored key.
        key: String,
        /// The panic's message.
        message: std::sync::Arc<str>,
    },
    /// The server did not confirm a write, and its removal does not wait for the server: the value is
    /// too large for it, or too many removals wait already. The write may have taken effect all the
    /// same.
    #[error("cannot {operation} {key}: {source}")]
    Remote {
        /// `set` or `remove`.
        operation: &'static str,
        /// The stored key.
        key: String,
        /// What went wrong.
        source: Box<RemoteError>,
    },
    /// A call that would wait for the server was made within an async task, where nothing may wait.
    #[error(
        "cannot wait for the server within an async task: await the call instead, or move it to \
         `tokio::task::spawn_blocking`; it goes on in the background"
    )]
    NotAwaited,
    /// A blocking call was made within an async task, where nothing may wait. It did nothing.
    #[error("{IN_ASYNC_TASK}")]
    InAsyncTask,
    /// The system has no thread for a blocking larder's runtime.
    #[error("cannot start the thread of a blocking larder: {source}")]
    NoThread {
        /// What the system said.
        source: std::io::Error,
    },
    /// The larder was closed.
    #[error("the larder is closed")]
    Closed,
    /// No larder is installed in [`larder::global`](crate::global).
    #[error("no process-wide larder is installed: call larder::global::init() or install() first")]
    NotInstalled,
    /// Another larder is installed in [`larder::global`](crate::global).
    #[error(
        "another process-wide larder is installed, with {installed}; close it first to install one \
         with {asked}"
    )]
    InstalledOtherwise {
        /// The installed larder's settings.
        installed: String,
        /// The refused one's settings.
        asked: String,
    },
}

/// Why a bounded cache cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundedError {
    /// A number is out of its range.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// The server has it with other bounds, or keeps no bounded caches.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn tenant_or_each(tenant: Option<&str>) -> String {
    tenant.map_or_else(
        || "the options of each tenant".to_owned(),
        |tenant| format!("tenant {tenant:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadError;

    #[test]
    fn errors_are_small_enough_to_be_returned_by_value() {
        // From 128 bytes on clippy warns those who return them.
        assert!(size_of::<Error>() < 128, "{}", size_of::<Error>());
        assert!(
            size_of::<RemoteError>() < 128,
            "{}",
            size_of::<RemoteError>()
        );
        assert!(
            size_of::<LoadError<u64>>() < 128,
            "{}",
            size_of::<LoadError<u64>>()
        );
    }
}
