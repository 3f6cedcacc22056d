//! How much a bounded cache holds, and what makes room.

use std::fmt;

use crate::bounded::Eviction;
use crate::near::NearCapacity;

/// Which entry makes room for a new one.
///
/// Of the entries that are there before the new one comes in:
///
/// | policy | goes first | a read | an overwrite |
/// |---|---|---|---|
/// | `Fifo` | the oldest insertion | changes nothing | keeps its place |
/// | `Lifo` | the newest insertion | changes nothing | keeps its place |
/// | `Lru` | the least recently used | is a use | is a use |
/// | `Mru` | the most recently used | is a use | is a use |
/// | `Lfu` | the least often used, of several the least recently used | is a use | is a use |
///
/// An insertion is the first use. What was removed, evicted or has expired and comes again is inserted
/// anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerEviction {
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Lifo,
    /// Least recently used.
    Lru,
    /// Most recently used.
    Mru,
    /// Least frequently used.
    Lfu,
}

impl ServerEviction {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fifo, Self::Lifo, Self::Lru, Self::Mru, Self::Lfu];

    /// As it stands on the server.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lifo => "lifo",
            Self::Lru => "lru",
            Self::Mru => "mru",
            Self::Lfu => "lfu",
        }
    }

    /// Whether a read changes what goes first.
    pub fn notes_reads(self) -> bool {
        matches!(self, Self::Lru | Self::Mru | Self::Lfu)
    }
}

impl From<ServerEviction> for Eviction {
    fn from(eviction: ServerEviction) -> Self {
        match eviction {
            ServerEviction::Fifo => Self::Fifo,
            ServerEviction::Lifo => Self::Lifo,
            ServerEviction::Lru => Self::Lru,
            ServerEviction::Mru => Self::Mru,
            ServerEviction::Lfu => Self::Lfu,
        }
    }
}

/// How much a cache may hold on the server, and what makes room where it is full.
///
/// ```
/// use larder::bounded::Bounded;
///
/// assert_eq!(Bounded::lru(10_000).to_string(), "lru of 10000 entries");
/// assert_eq!(
///     Bounded::lfu(64 << 20).in_bytes().partitions(8).to_string(),
///     "lfu of 67108864 bytes in 8 partitions"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Bounded {
    pub(super) eviction: ServerEviction,
    pub(super) capacity: u64,
    pub(super) in_bytes: bool,
    pub(super) partitions: u16,
    pub(super) resizes: bool,
}

impl Bounded {
    /// At most `capacity` entries, of which these go first.
    pub fn new(eviction: ServerEviction, capacity: u64) -> Self {
        Self {
            eviction,
            capacity,
            in_bytes: false,
            partitions: 1,
            resizes: false,
        }
    }

    /// At most `capacity` entries; the oldest insertion goes first.
    pub fn fifo(capacity: u64) -> Self {
        Self::new(ServerEviction::Fifo, capacity)
    }

    /// At most `capacity` entries; the newest insertion goes first.
    pub fn lifo(capacity: u64) -> Self {
        Self::new(ServerEviction::Lifo, capacity)
    }

    /// At most `capacity` entries; the least recently used goes first.
    pub fn lru(capacity: u64) -> Self {
        Self::new(ServerEviction::Lru, capacity)
    }

    /// At most `capacity` entries; the most recently used goes first.
    pub fn mru(capacity: u64) -> Self {
        Self::new(ServerEviction::Mru, capacity)
    }

    /// At most `capacity` entries; the least often used goes first.
    pub fn lfu(capacity: u64) -> Self {
        Self::new(ServerEviction::Lfu, capacity)
    }

    /// The capacity is in bytes: of stored keys and of values as they are sent. What the server itself
    /// needs for an entry and for the index, some 200 to 400 bytes, comes on top.
    pub fn in_bytes(mut self) -> Self {
        self.in_bytes = true;
        self
    }

    /// Splits the cache into so many parts, by a hash of the key, each with its share of the capacity: so
    /// that a cluster can spread it over its nodes. Which entry goes is exact within a partition, so it is
    /// exact for the cache where there is one, which is the default. It cannot be changed as long as
    /// the cache holds anything.
    pub fn partitions(mut self, partitions: u16) -> Self {
        self.partitions = partitions;
        self
    }

    /// Gives the cache this capacity, where it has been opened with another one before. Without this that
    /// is an error. Programs that have it open go on with the new one. What is too much then goes little by
    /// little, up to 128 entries with each that comes.
    pub fn resizing(mut self) -> Self {
        self.resizes = true;
        self
    }

    /// Which entry goes first.
    pub fn eviction(&self) -> ServerEviction {
        self.eviction
    }

    /// How much there may be, in entries or bytes.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether the capacity is in bytes.
    pub fn is_in_bytes(&self) -> bool {
        self.in_bytes
    }

    /// How many parts there are.
    pub fn partition_count(&self) -> u16 {
        self.partitions
    }

    /// Whether it takes the place of another capacity.
    pub fn resizes(&self) -> bool {
        self.resizes
    }

    /// The unit of the capacity, as it stands on the server.
    /// The same for the memory of one process.
    pub(crate) fn in_memory(&self) -> NearCapacity {
        if self.in_bytes {
            NearCapacity::Bytes(self.capacity)
        } else {
            NearCapacity::Entries(self.capacity)
        }
    }

    pub(crate) fn unit(&self) -> &'static str {
        if self.in_bytes { "bytes" } else { "entries" }
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (eviction, unit) = (self.eviction.name(), self.unit());
        write!(f, "{eviction} of {} {unit}", self.capacity)?;
        match self.partitions {
            1 => Ok(()),
            partitions => write!(f, " in {partitions} partitions"),
        }
    }
}
