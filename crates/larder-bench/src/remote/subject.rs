//! What a client has to be able to do, and the entries that all of them ask for.

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, Codec, Larder, NearCapacity};

use crate::Failure;

/// How long values live at the server: past the end of any run.
pub(super) const TTL: Duration = Duration::from_hours(2);

/// One task's way to the server; each task has a clone.
pub(super) trait Client: Clone + Send + 'static {
    const NAME: &'static str;

    /// Reads entry `n`; whether it was there.
    fn get(&mut self, n: usize) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Writes entry `n` anew.
    fn set(&mut self, n: usize) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Entries at the server, written by larder. The other clients read and write the same keys with
/// the same bytes.
#[derive(Clone)]
pub(crate) struct Entries {
    pub(crate) cache: Cache<u64, String>,
    pub(crate) value: Arc<str>,
    /// The stored keys, by number.
    pub(crate) keys: Arc<[Vec<u8>]>,
    /// An entry as larder stored it.
    pub(crate) stored: Arc<[u8]>,
}

impl Entries {
    pub(crate) async fn write(
        larder: &Larder,
        bare: &redis::Client,
        name: &str,
        codec: Codec,
        count: usize,
        length: usize,
    ) -> Result<Self, Failure> {
        let cache = larder
            .cache(name)
            .near(NearCapacity::Off)
            .codec(codec)
            .ttl(TTL)
            .build()?;
        let value: String = ('a'..='z').cycle().take(length).collect();
        for n in 0..count {
            cache.set(&(n as u64), value.clone()).await?;
        }
        let mut connection = bare.get_multiplexed_async_connection().await?;
        let mut keys: Vec<Vec<u8>> = redis::cmd("KEYS")
            .arg(format!("*:{name}:*"))
            .query_async(&mut connection)
            .await?;
        if keys.len() != count {
            return Err(format!("{} of {count} entries were stored", keys.len()).into());
        }
        keys.sort_unstable_by_key(|key| number(key));
        let stored: Vec<u8> = redis::cmd("GET")
            .arg(&keys[0])
            .query_async(&mut connection)
            .await?;
        Ok(Self {
            cache,
            value: value.into(),
            keys: keys.into(),
            stored: stored.into(),
        })
    }
}

/// The number at the end of a stored key.
fn number(key: &[u8]) -> Option<u64> {
    let digits = key.rsplit(|byte| *byte == b':').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
