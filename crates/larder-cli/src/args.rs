//! What the program is asked for.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use http::Uri;
use http::uri::Authority;
use larder::NearCapacity;
use larder::bounded::Eviction;

const ABOUT_TRACES: &str = "\
TRACES
  One request a line, plain or compressed by gzip or zstd, which is told by the first bytes of the file:

      key[,size[,cost[,time]]]

  key   any text without commas and tabs
  size  of the value, in bytes: a whole number, at least 1
  cost  of loading the value, in any unit: a number, at least 0
  time  of the request, in seconds since any moment: a number, at least 0

  Columns are separated by commas or tabs, and all lines have the same. A first line that names them, one
  of the names being `key`, sets another order; a column called `-` is left out. Empty lines and lines
  that begin with `#` are passed over. Lines that cannot be read are skipped, counted and reported.

  A recording of larder (`larder simulate --record`) says in its first line which share of the keys it has:
  capacities are scaled by it.

RESULTS
  hit ratio       the share of requests that found their key
  byte hit ratio  the same by size, where the trace has sizes
  cost saved      the same by cost, where the trace has costs

  A request that does not find its key stores it; who gives way is chosen before. `clairvoyant` knows the
  future, evicts what is needed last, and does not store what would be that: for capacities in entries and
  without a TTL nothing can be better, else it is a good guess. `default` is the library's default engine; it spreads keys over shards at random,
  so its figures differ a little from run to run.";

/// Tools for caches of larder.
#[derive(Debug, Parser)]
#[command(name = "larder", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a trace of requests through caches, and says how often each had what was asked for
    Simulate(Simulate),
    /// Stores the responses of an HTTP service, and answers from them, by RFC 9111
    Proxy(Proxy),
}

const ABOUT_PROXY: &str = "\
WHERE RESPONSES ARE STORED
  In memory, or on the Valkey or Redis that the environment names, which several proxies may share:
  VALKEY_URL=valkey://localhost larder proxy …

WHAT IT DOES
  What responses and requests say of caching counts: Cache-Control, CDN-Cache-Control, Vary, validators,
  ranges. Each response has a Cache-Status that says what was done. The origin gets its own name as Host,
  and none of the known fields by which a client could ask for another's page: Forwarded, X-Forwarded-*,
  X-Original-URL, X-HTTP-Method-Override and the like. An origin that heeds others must name them in Vary.

  It ends at ctrl-c or SIGTERM, when the requests that are under way have their answers, 10 seconds later
  at most.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = ABOUT_PROXY)]
pub(crate) struct Proxy {
    /// The service whose responses are stored: scheme, host and port
    #[arg(
        long,
        value_name = "URL",
        help = "The service whose responses are stored, as http://localhost:3000"
    )]
    pub(crate) origin: Origin,

    /// Where to listen, as 127.0.0.1:8080; port 0 is any that is free
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    pub(crate) listen: SocketAddr,

    /// Seconds that the origin may take to connect, to begin its answer once it has the request, and for
    /// each part of it; and the client, for each part of a body that it sends or takes
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// How many connections are served at once; others wait until one ends
    #[arg(long, value_name = "NUMBER", default_value = "1024", value_parser = connections)]
    pub(crate) connections: NonZeroUsize,

    /// The longest body that is stored, as 64KiB or 10MB
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = bytes)]
    pub(crate) max_body: u64,

    /// How much is kept in memory, as 64MiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = bytes)]
    pub(crate) memory: u64,

    /// Seconds past its lifetime that a response may be served while the origin fails, where it does not
    /// say itself
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds_or_none)]
    pub(crate) stale_if_error: Duration,
}

/// An HTTP service, by its scheme, its host and its port.
#[derive(Clone, Debug)]
pub(crate) struct Origin(pub(crate) Authority);

impl std::str::FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!("{what}: an origin is http:// with a host and a port, as http://localhost:3000")
        };
        let url: Uri = text.parse().map_err(|_| wrong("this is no URL"))?;
        match url.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("TLS to the origin is not supported")),
            _ => return Err(wrong("it has another scheme, or none")),
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(wrong("a path or a query cannot be a part of it"));
        }
        match url.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                Err(wrong("a user cannot be a part of it"))
            }
            Some(authority)
                if authority.as_str() != authority.host() && authority.port_u16().is_none() =>
            {
                Err(wrong("its port is no number up to 65535"))
            }
            Some(authority) if !authority.host().is_empty() => Ok(Self(authority.clone())),
            _ => Err(wrong("it has no host")),
        }
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address is an IP and a port, as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_none(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("it is a number of seconds, above 0 and at most 3600".to_owned()),
    }
}

fn connections(text: &str) -> Result<NonZeroUsize, String> {
    let most = text.parse().ok();
    let within = most.filter(|most: &NonZeroUsize| most.get() <= 1_000_000);
    within.ok_or_else(|| "it is a whole number from 1 to 1000000".to_owned())
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(time)) if time <= Duration::from_hours(1) => Ok(time),
        _ => Err("it is a number of seconds, from 0 to 3600".to_owned()),
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(Capacity::Bytes(bytes)) => Ok(bytes),
        _ => Err("a size is a number of bytes with its unit, as 64KiB, 10MB or 512B".to_owned()),
    }
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = ABOUT_TRACES)]
pub(crate) struct Simulate {
    /// The trace: a file, or `-` for the standard input
    #[arg(
        required_unless_present = "record",
        default_value = "-",
        hide_default_value = true
    )]
    pub(crate) trace: PathBuf,

    /// Says how an application records a trace of its own, and does nothing else
    #[arg(long, exclusive = true)]
    pub(crate) record: bool,

    /// Policies, separated by commas: default, fifo, lifo, lru, mru, lfu, sieve, s3-fifo, w-tinylfu, or all
    #[arg(
        long = "policy",
        value_name = "POLICY",
        value_delimiter = ',',
        default_value = "all"
    )]
    pub(crate) policies: Vec<Policies>,

    /// Capacities, separated by commas: in entries, as 500, or in bytes, as 64KiB, 10MB or 512B
    #[arg(
        long = "capacity",
        value_name = "CAPACITY",
        value_delimiter = ',',
        required_unless_present = "record"
    )]
    pub(crate) capacities: Vec<Capacity>,

    /// Seconds after which an entry expires; for traces with a time
    #[arg(long, value_name = "SECONDS", value_parser = ttl)]
    pub(crate) ttl: Option<Duration>,

    /// Prints one JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    /// Draws the hit ratios into a file, which ends in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,

    /// Fails at the first line that cannot be read, instead of skipping it
    #[arg(long)]
    pub(crate) strict: bool,
}

impl Simulate {
    /// The policies, each once.
    pub(crate) fn policies(&self) -> Vec<Eviction> {
        let mut chosen = Vec::new();
        for policies in &self.policies {
            for eviction in &policies.0 {
                if !chosen.contains(eviction) {
                    chosen.push(*eviction);
                }
            }
        }
        chosen
    }
}

/// One policy, or all.
#[derive(Clone, Debug)]
pub(crate) struct Policies(Vec<Eviction>);

impl std::str::FromStr for Policies {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case("all") {
            return Ok(Self(Eviction::ALL.to_vec()));
        }
        let eviction = name.parse::<Eviction>();
        eviction
            .map(|eviction| Self(vec![eviction]))
            .map_err(|error| format!("{error}, and all"))
    }
}

/// How much a simulated cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capacity {
    Entries(u64),
    Bytes(u64),
}

/// More is taken for a mistake.
const MOST: u64 = 1 << 48;

impl Capacity {
    pub(crate) fn amount(self) -> u64 {
        match self {
            Self::Entries(amount) | Self::Bytes(amount) => amount,
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Entries(_) => "entries",
            Self::Bytes(_) => "bytes",
        }
    }

    /// What is simulated with a share of the keys.
    pub(crate) fn scaled(self, share: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of at most 2^48"
        )]
        let scale = |amount: u64| ((amount as f64 * share).round() as u64).max(1);
        match self {
            Self::Entries(amount) => Self::Entries(scale(amount)),
            Self::Bytes(amount) => Self::Bytes(scale(amount)),
        }
    }

    pub(crate) fn near(self) -> NearCapacity {
        match self {
            Self::Entries(amount) => NearCapacity::Entries(amount),
            Self::Bytes(amount) => NearCapacity::Bytes(amount),
        }
    }
}

impl std::str::FromStr for Capacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (amount, unit) = text.split_at(end.unwrap_or(text.len()));
        let wrong =
            || "a capacity is a number of entries, as 500, or of bytes, as 64KiB, 10MB or 512B";
        let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" => None,
            "b" => Some(1),
            "kb" => Some(1_000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            _ => return Err(wrong().to_owned()),
        };
        if amount.is_empty() {
            return Err(wrong().to_owned());
        }
        let too_much = || format!("a capacity is at most {MOST}");
        let amount: u64 = amount.parse().map_err(|_| too_much())?;
        let total = amount.checked_mul(factor.unwrap_or(1));
        let total = total.filter(|total| *total <= MOST).ok_or_else(too_much)?;
        if total == 0 {
            return Err("a cache of capacity 0 holds nothing: it must be at least 1".to_owned());
        }
        Ok(match factor {
            None => Self::Entries(total),
            Some(_) => Self::Bytes(total),
        })
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(ttl)) if ttl >= Duration::from_millis(1) => Ok(ttl),
        _ => Err("a TTL is a number of seconds, at least 0.001".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_in_entries_or_in_bytes() {
        for (text, expected) in [
            ("1", Capacity::Entries(1)),
            ("500", Capacity::Entries(500)),
            ("7B", Capacity::Bytes(7)),
            ("64KiB", Capacity::Bytes(65_536)),
            ("10 mb", Capacity::Bytes(10_000_000)),
            ("2GiB", Capacity::Bytes(2 << 30)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "0MB",
            "-1",
            "1.5",
            "x",
            "5 apples",
            "99999999999999999999",
            "KiB",
        ] {
            assert!(text.parse::<Capacity>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_policy_that_is_named_twice_runs_once() {
        let args = [
            "larder",
            "simulate",
            "-",
            "--capacity",
            "1",
            "--policy",
            "lru,all,lru",
        ];
        let Command::Simulate(simulate) = Args::parse_from(args).command else {
            panic!("another command");
        };
        assert_eq!(simulate.policies().len(), Eviction::ALL.len());
        assert_eq!(simulate.policies()[0], Eviction::Lru);
    }
}
