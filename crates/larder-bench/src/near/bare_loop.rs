//! The loop itself: picks the key and reads it, and looks nothing up. What all figures contain.

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

static PAYLOAD: Payload = Payload([0; 16]);

pub(super) struct BareLoop;

impl<K: Key> Near<K> for BareLoop {
    const NAME: &'static str = "(loop)";
    type Hit = &'static Payload;

    async fn open(_capacity: usize) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn put(&self, _key: K, _value: Payload) -> Result<(), Failure> {
        Ok(())
    }

    async fn get(&self, key: &K) -> Option<&'static Payload> {
        std::hint::black_box(key.read());
        Some(&PAYLOAD)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(0)
    }
}
