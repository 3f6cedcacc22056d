//! The right to load a key, as the server keeps it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// The bytes of a lease.
pub const LEASE_LEN: usize = 16;

/// What stands in a key's lease: a number that no other flight has, or a note. The remote compares
/// leases and knows nothing else of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease([u8; LEASE_LEN]);

/// What a note begins with, and no token does.
const NOTE: u8 = b'N';
const TOKEN: u8 = b'L';

impl Lease {
    /// A lease that no other flight has.
    pub(crate) fn draw() -> Self {
        let mut bytes = [0; LEASE_LEN];
        // Without the system's random numbers there is no telling flights apart: then all share
        // one lease, which loads more than once and stores nothing wrong.
        let _ = getrandom::fill(&mut bytes);
        bytes[0] = TOKEN;
        Self(bytes)
    }

    /// What a load that stored nothing leaves behind.
    pub(crate) fn note() -> Self {
        let mut bytes = [0; LEASE_LEN];
        bytes[0] = NOTE;
        Self(bytes)
    }

    /// Whether it says that the last load stored nothing.
    pub(crate) fn is_note(&self) -> bool {
        self.0[0] == NOTE
    }

    /// Whether no larder wrote it.
    pub(crate) fn is_foreign(&self) -> bool {
        self.0[0] != NOTE && self.0[0] != TOKEN
    }

    /// The lease that the server keeps as `bytes`. Bytes that no larder wrote come as one that
    /// nobody holds.
    pub fn read(bytes: &[u8]) -> Self {
        Self(bytes.try_into().unwrap_or_default())
    }

    /// As the server keeps it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:032x})", u128::from_be_bytes(self.0))
    }
}

/// What a flight asks for.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The lease that it wants.
    pub lease: &'a Lease,
    /// How long it lives unless renewed.
    pub ttl: Duration,
    /// How a value begins that the caller has read and cannot use: enough of it to tell it from
    /// any other. Empty where it has read none.
    pub seen: &'a [u8],
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The lease is the caller's.
    Granted,
    /// Another flight holds it.
    Held {
        /// Its lease.
        by: Lease,
        /// How long it lives unless renewed.
        left: Duration,
    },
    /// A value has come that the caller has not read.
    Value(Bytes),
}
