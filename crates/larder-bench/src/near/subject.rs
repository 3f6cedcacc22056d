//! What a peer has to be able to do.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::workload::Key;

/// The cached value: 128 bytes, in the same allocation as its reference count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload(pub(crate) [u64; 16]);

impl Payload {
    pub(crate) fn number(n: usize) -> Self {
        Self([n as u64; 16])
    }
}

/// A cache as its users would use it: through its public API, with its defaults, and room for
/// `capacity` entries.
pub(crate) trait Near<K: Key>: Send + Sync + Sized + 'static {
    const NAME: &'static str;

    /// What a hit gives: an `Arc` of the value, or what the peer has instead.
    type Hit: Deref<Target = Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure>;

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure>;

    fn get(&self, key: &K) -> impl Future<Output = Option<Self::Hit>> + Send;

    /// Finishes what the peer has put off, and says how many entries it holds.
    async fn settle(&self) -> Result<usize, Failure>;

    /// Lookups so far that had to ask further than the memory of this process.
    fn asked_further(&self) -> u64 {
        0
    }
}
