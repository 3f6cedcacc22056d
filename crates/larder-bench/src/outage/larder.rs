//! larder: with the peer's timeout, and with its own.

use std::io;

use larder::{Cache, Config, Larder, NearCapacity};

use super::reader::{Answer, Keys, Reader, Seen, Source, TIMEOUT, TTL, load};
use crate::Failure;
use crate::member::trusted;

struct Caches {
    near: Cache<String, String>,
    /// With its near tier off.
    shared: Cache<String, String>,
    _larder: Larder,
}

impl Caches {
    async fn open(name: &str, config: Config) -> Result<Self, Failure> {
        let larder = Larder::with(config).await?;
        trusted(&larder).await?;
        let cache = |name: String| larder.cache(name).ttl(TTL).stale(TTL);
        Ok(Self {
            near: cache(name.to_owned()).build()?,
            shared: cache(format!("{name}-shared"))
                .near(NearCapacity::Off)
                .build()?,
            _larder: larder,
        })
    }

    async fn read(&self, keys: Keys, n: u64) -> Result<Answer, Seen> {
        let cache = match keys {
            Keys::Hot | Keys::Cold => &self.near,
            Keys::Shared => &self.shared,
        };
        let key = format!("{}-{n}", keys.name());
        let loader = async || Ok::<_, io::Error>(load(n).await);
        let found = cache.lookup_or_load(&key, loader).await;
        let outcome = found.map_err(|_| Seen)?.outcome;
        Ok(Answer {
            source: match outcome.source {
                larder::Source::Near => Source::Near,
                larder::Source::Remote => Source::Remote,
                _ => Source::Loader,
            },
            is_stale: !outcome.freshness.is_fresh(),
        })
    }
}

/// With the same timeout as the peer.
pub(super) struct Short(Caches);

impl Reader for Short {
    const NAME: &'static str = "larder";

    async fn open(url: &str) -> Result<Self, Failure> {
        let config = Config::builder().url(url).timeout(TIMEOUT).build()?;
        Ok(Self(Caches::open("outage", config).await?))
    }

    fn read(&self, keys: Keys, n: u64) -> impl Future<Output = Result<Answer, Seen>> + Send {
        self.0.read(keys, n)
    }
}

/// As it is configured where nothing is said: its timeout is four seconds.
pub(super) struct Default(Caches);

impl Reader for Default {
    const NAME: &'static str = "larder-default";

    async fn open(url: &str) -> Result<Self, Failure> {
        let config = Config::builder().url(url).build()?;
        Ok(Self(Caches::open("outage-default", config).await?))
    }

    fn read(&self, keys: Keys, n: u64) -> impl Future<Output = Result<Answer, Seen>> + Send {
        self.0.read(keys, n)
    }
}
