//! Configuration from code.

use std::time::Duration;

use super::settings::Settings;
use super::variables::{self, Setting};
use super::{Backend, Config, ConfigError, validate};

/// Which backend to use; [`BackendChoice::Auto`] leaves it to what else is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendChoice {
    /// Valkey or Redis where a URL or host is given, else memory.
    #[default]
    Auto,
    /// [`Backend::Valkey`].
    Valkey,
    /// [`Backend::Redis`].
    Redis,
    /// [`Backend::Memory`].
    Memory,
    /// [`Backend::None`].
    None,
}

impl BackendChoice {
    pub(super) const ALL: [Self; 5] = [
        Self::Auto,
        Self::Valkey,
        Self::Redis,
        Self::Memory,
        Self::None,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Valkey => "valkey",
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::None => "none",
        }
    }
}

impl From<Backend> for BackendChoice {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Valkey => Self::Valkey,
            Backend::Redis => Self::Redis,
            Backend::Memory => Self::Memory,
            Backend::None => Self::None,
        }
    }
}

/// Makes a [`Config`] in code, from the defaults ([`Config::builder`]) or from an environment
/// ([`Config::env_builder`], [`ConfigBuilder::from_vars`]).
///
/// A value set here is taken instead of the environment's, whose value then is not even looked at.
/// A host set here puts the environment's URL aside; a port, database, user or password set here
/// replaces that part of it.
///
/// Nothing is checked before [`build`](ConfigBuilder::build), which reports all that is wrong at
/// once.
///
/// ```
/// use std::time::Duration;
/// use larder::config::{Backend, Config};
///
/// let config = Config::builder()
///     .url("valkey://cache.internal/2")
///     .timeout(Duration::from_millis(500))
///     .prefix("shop")
///     .build()?;
/// assert_eq!(config.backend, Backend::Valkey);
/// assert_eq!(config.prefix.as_str(), "shop:");
/// # Ok::<(), larder::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing before `build`"]
pub struct ConfigBuilder {
    settings: Settings,
}

impl ConfigBuilder {
    /// Starts from these variables, as [`Config::env_builder`] does from the process's own.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            settings: Settings::from_variables(vars),
        }
    }

    pub(super) fn from_env() -> Self {
        // `std::env::vars` would panic where any variable of the process is not Unicode.
        Self {
            settings: Settings::from_variables(std::env::vars_os()),
        }
    }

    /// Whether the cache is on. Switched off, nothing else is validated.
    pub fn enabled(self, enabled: bool) -> Self {
        self.set(&variables::ENABLED, enabled.to_string())
    }

    /// The backend: a [`Backend`], or [`BackendChoice::Auto`].
    pub fn backend(self, backend: impl Into<BackendChoice>) -> Self {
        self.set(&variables::BACKEND, backend.into().name())
    }

    /// The server's URL. Host, port, database, user and password set beside it fill what it leaves
    /// out, and are an error where they contradict it.
    pub fn url(self, url: impl Into<String>) -> Self {
        self.set(&variables::URL, url)
    }

    /// The server's host name or address.
    pub fn host(self, host: impl Into<String>) -> Self {
        self.set(&variables::HOST, host)
    }

    /// The server's port.
    pub fn port(self, port: u16) -> Self {
        self.set(&variables::PORT, port.to_string())
    }

    /// The number of the database, at most 65535.
    pub fn database(self, database: u32) -> Self {
        self.set(&variables::DATABASE, database.to_string())
    }

    /// The user to log in as.
    pub fn username(self, username: impl Into<String>) -> Self {
        self.set(&variables::USERNAME, username)
    }

    /// The password to log in with.
    pub fn password(self, password: impl Into<String>) -> Self {
        self.set(&variables::PASSWORD, password)
    }

    /// The number of multiplexed connections, from 1 to 1024; see [`ServerConfig::connections`].
    ///
    /// [`ServerConfig::connections`]: super::ServerConfig::connections
    pub fn connections(self, connections: usize) -> Self {
        self.set(&variables::CONNECTIONS, connections.to_string())
    }

    /// Whether a command that timed out is sent once more.
    pub fn retry_on_timeout(self, retry: bool) -> Self {
        self.set(&variables::RETRY_ON_TIMEOUT, retry.to_string())
    }

    /// How long a command may take: more than zero, at most an hour; rounded up to the millisecond.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(&variables::TIMEOUT, seconds(timeout))
    }

    /// The TTL of caches with a remote tier that set none; zero means "do not store". At most
    /// [`MAX_TTL`](crate::MAX_TTL); rounded up to the millisecond.
    pub fn remote_ttl(self, ttl: Duration) -> Self {
        self.set(&variables::REMOTE_TTL, seconds(ttl))
    }

    /// The TTL of in-process caches that set none; zero means "do not store". At most
    /// [`MAX_TTL`](crate::MAX_TTL); rounded up to the millisecond.
    pub fn memory_ttl(self, ttl: Duration) -> Self {
        self.set(&variables::MEMORY_TTL, seconds(ttl))
    }

    /// What every stored key begins with; a `:` is added where it does not end with one.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.set(&variables::PREFIX, prefix)
    }

    /// Whether the program is to fail where its server cannot be reached. Then a server must be
    /// configured.
    pub fn require_remote(self, required: bool) -> Self {
        self.set(&variables::REQUIRE_REMOTE, required.to_string())
    }

    /// Validates everything.
    ///
    /// # Errors
    /// A [`ConfigError`] that lists every value that cannot be used.
    pub fn build(self) -> Result<Config, ConfigError> {
        validate::validate(&self.settings)
    }

    fn set(mut self, setting: &'static Setting, value: impl Into<String>) -> Self {
        self.settings.set(setting, value);
        self
    }
}

/// The duration as an environment would write it, exact.
fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_seconds() {
        for (duration, text) in [
            (Duration::ZERO, "0"),
            (Duration::from_secs(301), "301"),
            (Duration::from_millis(1500), "1.5"),
            (Duration::from_nanos(1), "0.000000001"),
        ] {
            assert_eq!(seconds(duration), text);
        }
    }
}
