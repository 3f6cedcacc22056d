//! The names of the policies.

use std::fmt;
use std::str::FromStr;

/// Which entry gives way when the near tier is full.
///
/// The default suits most workloads, and is the fastest with many threads. What another brings is
/// best measured, with a [`Simulation`](super::Simulation) or the program `larder simulate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Eviction {
    /// The engine's own, CLOCK-Pro: keeps what is asked for again and again, and is not emptied by a
    /// pass over many keys.
    #[default]
    Default,
    /// First in, first out, whatever was asked for.
    Fifo,
    /// Last in, first out: the first to come stay.
    Lifo,
    /// The least recently used. Among equals, for workloads whose keys come and go.
    Lru,
    /// The most recently used. For loops over more than fits.
    Mru,
    /// The least frequently used, and among equals the least recently used. Counts do not age: for
    /// workloads whose popular keys stay the same.
    Lfu,
    /// SIEVE: first in, first out, but who was asked for since the last round is spared.
    Sieve,
    /// S3-FIFO: new entries have a tenth of the room, and the rest is for those that were asked for
    /// again.
    S3Fifo,
    /// W-TinyLFU: who was asked for more often of late stays, so a pass over many keys empties nothing.
    WTinyLfu,
}

impl Eviction {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Default,
        Self::Fifo,
        Self::Lifo,
        Self::Lru,
        Self::Mru,
        Self::Lfu,
        Self::Sieve,
        Self::S3Fifo,
        Self::WTinyLfu,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fifo => "fifo",
            Self::Lifo => "lifo",
            Self::Lru => "lru",
            Self::Mru => "mru",
            Self::Lfu => "lfu",
            Self::Sieve => "sieve",
            Self::S3Fifo => "s3-fifo",
            Self::WTinyLfu => "w-tinylfu",
        }
    }
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A policy that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no eviction policy {name:?}; there are {}", names())]
pub struct UnknownEviction {
    name: String,
}

fn names() -> String {
    Eviction::ALL.map(Eviction::name).join(", ")
}

impl FromStr for Eviction {
    type Err = UnknownEviction;

    /// By its name, in upper or lower case.
    fn from_str(name: &str) -> Result<Self, UnknownEviction> {
        Self::ALL
            .into_iter()
            .find(|eviction| eviction.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownEviction {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_is_found_by_the_name_that_it_shows() {
        for eviction in Eviction::ALL {
            assert_eq!(eviction.to_string().parse(), Ok(eviction));
            let upper = eviction.to_string().to_uppercase();
            assert_eq!(upper.parse(), Ok(eviction));
        }
        assert_eq!(
            format!("{:>5}|{:<5}|", Eviction::Lru, Eviction::Mru),
            "  lru|mru  |"
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_that_says_what_is_allowed() {
        let error = "lruu".parse::<Eviction>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no eviction policy \"lruu\"; there are default, fifo, lifo, lru, mru, lfu, sieve, \
             s3-fifo, w-tinylfu"
        );
    }
}
