//! How much a near tier holds.

/// How much a cache keeps in the memory of this process.
///
/// Not counted: each of up to 32 threads that ask often keeps copies of up to 256 keys, until the cache
/// is gone. With each it may hold the memory of a dropped value itself, at most 512 bytes, but nothing
/// that the value pointed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NearCapacity {
    /// At most this many entries, whatever their size.
    Entries(u64),
    /// At most this many bytes. An entry weighs what the cache's weigher says, or its encoded
    /// length where none is given, plus [`ENTRY_OVERHEAD`](Self::ENTRY_OVERHEAD).
    Bytes(u64),
    /// No near tier: each lookup asks the server. Where no server is configured, memory is the only
    /// tier there is, and holds what it does by default.
    Off,
}

impl NearCapacity {
    /// What an entry weighs beyond its key and value, in bytes.
    pub const ENTRY_OVERHEAD: u64 = 120;

    /// The limit in its own unit; zero where there is no near tier.
    pub(crate) fn limit(self) -> u64 {
        match self {
            Self::Entries(limit) | Self::Bytes(limit) => limit,
            Self::Off => 0,
        }
    }
}

impl Default for NearCapacity {
    /// 64 MiB.
    fn default() -> Self {
        Self::Bytes(64 << 20)
    }
}
