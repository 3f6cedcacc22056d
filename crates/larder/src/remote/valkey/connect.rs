//! Makes a connection, and finds out what is at its other end.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisResult,
};

use super::server_clock::Sample;
use crate::config::{Address, ServerConfig};
use crate::remote::ServerInfo;
use crate::time::Clock;

/// A connection that nobody answers on is noticed by the system after about this long.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Requests that may stand between the callers and the connection's task. The crate's 50 make
/// many callers wait in turn.
const PIPELINE_BUFFER: usize = 1024;

/// The code of the answer to a command that an ACL keeps from the user.
pub(super) const NO_PERMISSION: &str = "NOPERM";

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody answers there, or not in time. Tried again in the background.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Host and port, or the socket's path.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The server wants another user or password.
    #[error(
        "{address} refused the user or password: {reason} (they come from the URL, or from \
         VALKEY_USERNAME and VALKEY_PASSWORD, REDIS_USERNAME and REDIS_PASSWORD)"
    )]
    Authentication {
        /// Host and port, or the socket's path.
        address: String,
        /// What the server said.
        reason: String,
    },
    /// The server has no such database.
    #[error(
        "{address} has no database {database}: {reason} (the number comes from the URL's path, or \
         from VALKEY_DB or REDIS_DB)"
    )]
    Database {
        /// Host and port, or the socket's path.
        address: String,
        /// The number that was asked for.
        database: u32,
        /// What the server said.
        reason: String,
    },
    /// The server's ACL keeps the user from a command that nothing works without.
    #[error(
        "{address} does not let user {username:?} run {command}, which larder needs: {reason} \
         (grant it with `ACL SETUSER {username} +{}`)",
        command.to_lowercase()
    )]
    Forbidden {
        /// Host and port, or the socket's path.
        address: String,
        /// Who larder logged in as.
        username: String,
        /// The command.
        command: &'static str,
        /// What the server said.
        reason: String,
    },
    /// What answers there is not Valkey 7.2, Redis 6.0 or newer.
    #[error("{address} does not answer as Valkey or Redis 6.0 or newer do: {reason}")]
    NotAServer {
        /// Host and port, or the socket's path.
        address: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// TLS was asked for, and this version has none.
    #[error("{address}: TLS is not supported by this version; use valkey:// or redis://")]
    Tls {
        /// Host and port.
        address: String,
    },
}

impl ConnectError {
    /// What is wrong, without saying where.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unreachable { reason, .. } => reason.clone(),
            Self::Authentication { reason, .. } => {
                format!("the user or password was refused: {reason}")
            }
            Self::Database {
                database, reason, ..
            } => format!("there is no database {database}: {reason}"),
            Self::Forbidden { command, .. } => {
                format!("the user may not run {command}, which larder needs")
            }
            Self::NotAServer { reason, .. } => format!("not a Valkey or Redis server: {reason}"),
            Self::Tls { .. } => "TLS is not supported by this version".to_owned(),
        }
    }

    /// Whether waiting cannot help: a setting is wrong.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }
}

/// Where to connect, and as whom.
pub(super) struct Target {
    pub(super) address: String,
    pub(super) timeout: Duration,
    pub(super) retry_on_timeout: bool,
    database: u32,
    username: String,
    client: redis::Client,
}

/// A connection just made.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) sample: Sample,
    pub(super) lineage: u64,
    pub(super) info: ServerInfo,
    /// What works less well than it could.
    pub(super) notes: Vec<String>,
}

impl Target {
    pub(super) fn new(config: &ServerConfig) -> Result<Self, ConnectError> {
        let (addr, address) = match &config.address {
            Address::Tcp {
                host,
                port,
                tls: true,
            } => {
                return Err(ConnectError::Tls {
                    address: format!("{host}:{port}"),
                });
            }
            Address::Tcp { host, port, .. } => (
                ConnectionAddr::Tcp(host.clone(), *port),
                format!("{host}:{port}"),
            ),
            Address::Unix { path } => (
                ConnectionAddr::Unix(path.clone()),
                path.display().to_string(),
            ),
        };
        let mut session = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("larder", env!("CARGO_PKG_VERSION"))
            .set_db(i64::from(config.database));
        if let Some(username) = &config.username {
            session = session.set_username(username);
        }
        if let Some(password) = &config.password {
            session = session.set_password(password.expose());
        }
        let unreachable = |error: RedisError| ConnectError::Unreachable {
            address: address.clone(),
            reason: error.to_string(),
        };
        let info = addr
            .into_connection_info()
            .map_err(unreachable)?
            .set_tcp_settings(tcp_settings(config.timeout))
            .set_redis_settings(session);
        let client = redis::Client::open(info).map_err(unreachable)?;
        Ok(Self {
            address,
            timeout: config.timeout,
            retry_on_timeout: config.retry_on_timeout,
            database: config.database,
            username: config.username.clone().unwrap_or("default".to_owned()),
            client,
        })
    }

    /// Connects, logs in and asks the server for its name and time, all within the timeout.
    /// `broken` is called when the connection is lost later.
    pub(super) async fn connect(
        &self,
        clock: &Clock,
        broken: impl Fn() + Send + Sync + 'static,
    ) -> Result<Connected, ConnectError> {
        self.in_time(self.attempt(clock, broken)).await
    }

    /// Connects and logs in, within the timeout. `heard` is called for each push, in their order,
    /// by the connection's own task.
    pub(super) async fn listen(
        &self,
        heard: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, ConnectError> {
        self.in_time(self.open(heard)).await
    }

    async fn in_time<T>(
        &self,
        attempt: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, ConnectError> {
        match tokio::time::timeout(self.timeout, attempt).await {
            Ok(connected) => connected.map_err(|error| self.explain(&error)),
            Err(_) => Err(ConnectError::Unreachable {
                address: self.address.clone(),
                reason: format!("no answer within {:?}", self.timeout),
            }),
        }
    }

    async fn open(
        &self,
        heard: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            // Each call has its own deadline, which counts all its remote work.
            .set_response_timeout(None)
            .set_connection_timeout(Some(self.timeout))
            .set_pipeline_buffer_size(PIPELINE_BUFFER)
            .set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                heard(push);
                Ok(())
            });
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn attempt(
        &self,
        clock: &Clock,
        broken: impl Fn() + Send + Sync + 'static,
    ) -> Result<Connected, RedisError> {
        let heard = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                broken();
            }
        };
        let mut connection = self.open(heard).await?;
        // An ACL may refuse INFO. Then the server's restarts cannot be told apart: its values
        // are all taken to be of one lineage.
        let info: RedisResult<String> = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await;
        let notes = match &info {
            Err(error) if error.code() == Some(NO_PERMISSION) => vec![format!(
                "the server does not let user {:?} run INFO, so a value from before its restart \
                 is not known as such (grant it with `ACL SETUSER {0} +info`)",
                self.username
            )],
            _ => Vec::new(),
        };
        let info = info.unwrap_or_default();
        let lineage = field(&info, "run_id").map_or(0, fingerprint);
        let sample = ask_time(&mut connection, clock, lineage).await?;
        Ok(Connected {
            connection,
            sample,
            lineage,
            info: server_info(&info),
            notes,
        })
    }

    fn explain(&self, error: &RedisError) -> ConnectError {
        let address = self.address.clone();
        let text = error.to_string();
        let says = |word| text.contains(word);
        // The client passes the refusal of SELECT on without its code.
        let forbidden = if error.code() == Some(NO_PERMISSION) {
            Some("TIME")
        } else {
            (says("switch database") && says("no permission")).then_some("SELECT")
        };
        // What the server itself said, where it said something.
        let reason = error.detail().map_or_else(|| text.clone(), str::to_owned);
        if error.kind() == ErrorKind::AuthenticationFailed || says("NOAUTH") || says("WRONGPASS") {
            ConnectError::Authentication { address, reason }
        } else if let Some(command) = forbidden {
            ConnectError::Forbidden {
                address,
                username: self.username.clone(),
                command,
                reason,
            }
        } else if says("DB index") || says("SELECT") {
            ConnectError::Database {
                address,
                database: self.database,
                reason,
            }
        } else if error.kind() == ErrorKind::RESP3NotSupported {
            ConnectError::NotAServer { address, reason }
        } else if matches!(
            error.kind(),
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType
        ) {
            // A parser's complaint about foreign bytes tells nobody more.
            ConnectError::NotAServer {
                address,
                reason: "it answered in another protocol".to_owned(),
            }
        } else {
            ConnectError::Unreachable {
                address,
                reason: text,
            }
        }
    }
}

/// One round trip: the server's time.
pub(super) async fn ask_time(
    connection: &mut MultiplexedConnection,
    clock: &Clock,
    lineage: u64,
) -> Result<Sample, RedisError> {
    let asked = clock.now();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
    let server = seconds.saturating_mul(1_000_000).saturating_add(micros);
    Ok(Sample::new(asked, clock.now(), server, lineage))
}

fn tcp_settings(timeout: Duration) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(
        TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE / 5),
    );
    // What was sent and not acknowledged for this long ends the connection, so a half-open one
    // does not linger.
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(timeout.max(Duration::from_secs(1)));
    #[cfg(not(target_os = "linux"))]
    let _ = timeout;
    settings
}

/// The value of `name` in an answer to INFO.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn server_info(info: &str) -> ServerInfo {
    match (field(info, "valkey_version"), field(info, "redis_version")) {
        (Some(version), _) => ServerInfo::new("valkey", version),
        (None, Some(version)) => ServerInfo::new("redis", version),
        // INFO was refused.
        (None, None) => ServerInfo::new("unknown", ""),
    }
}

/// 64 bits of a run id, which is 160 random bits in hexadecimal; never zero.
fn fingerprint(run_id: &str) -> u64 {
    let head = run_id.get(..16).unwrap_or(run_id);
    u64::from_str_radix(head, 16).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_told_from_its_info() {
        let valkey = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nrun_id:00000000000000ff00\r\n";
        assert_eq!(server_info(valkey), ServerInfo::new("valkey", "8.0.1"));
        assert_eq!(field(valkey, "run_id").map(fingerprint), Some(255));
        assert_eq!(
            server_info("redis_version:7.0.15\r\n"),
            ServerInfo::new("redis", "7.0.15")
        );
        assert_eq!(server_info(""), ServerInfo::new("unknown", ""));
    }
}
