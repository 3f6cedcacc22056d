//! What can be invalidated as a group: everything, no tenant, a tenant, a cache, a tag.
//!
//! Plain and synchronous, as [`load`](crate::load) is: what is read from the server and written to it
//! is decided here, and done in [`space`](crate::space). The protocol is in
//! `docs/decisions/0006-scopes-are-stamps.md`.

mod forgotten;
mod known;
pub(crate) mod names;
mod registry;
mod stripes;
mod tags;

pub(crate) use registry::{Borne, Scope, Scopes, Standing};
pub(crate) use tags::{WrongTags, tags_of};

use crate::wire::{STAMP_LEN, Stamp};

/// How strongly a group is invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strength {
    /// Its values may still be served as stale, within their stale windows, until they are
    /// loaded anew.
    Expire,
    /// Its values are gone.
    Remove,
}

impl Stamp {
    /// One that no other is equal to.
    pub(crate) fn draw() -> Self {
        // Without the system's random numbers, one that differs from what is usual.
        Self {
            remove: getrandom::u64().unwrap_or(1),
            expire: getrandom::u64().unwrap_or(1),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        bytes[..8].copy_from_slice(&self.remove.to_le_bytes());
        bytes[8..].copy_from_slice(&self.expire.to_le_bytes());
        bytes
    }

    /// `None` for bytes that no larder wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (remove, expire) = bytes.split_first_chunk()?;
        Some(Self {
            remove: u64::from_le_bytes(*remove),
            expire: u64::from_le_bytes(expire.try_into().ok()?),
        })
    }
}
