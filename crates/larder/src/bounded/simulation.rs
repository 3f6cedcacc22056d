//! A cache of keys alone, for finding out what a policy is worth.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Eviction;
use crate::load::Proof;
use crate::near::{Admission, Either, Engine, Kind, Life, NearCapacity, NearRef, Stored};
use crate::time::{Clock, MAX_TTL};

/// A near tier that holds no values: the engine that caches use, driven by one caller.
///
/// A request for a key that is not there stores it, as a cache does whose caller loads what is
/// missing. The example is in [the module](super).
///
/// A cache sweeps expired entries in the background, which a simulation does not: with the default engine
/// they keep their place until they are asked for or evicted. A chosen policy evicts them first.
pub struct Simulation {
    engine: Either<u64, ()>,
    clock: Clock,
    nothing: Arc<()>,
    refused: u64,
}

/// One request of a [`Simulation`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Request {
    key: u64,
    weight: u32,
    ttl: Duration,
}

impl Request {
    /// A request for `key`, which weighs 1 and does not expire.
    pub fn new(key: u64) -> Self {
        Self {
            key,
            weight: 1,
            ttl: MAX_TTL,
        }
    }

    /// What the entry weighs, in the unit of the capacity. A capacity in entries asks for 1.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// For how long the entry is kept, if this request stores it: ten years at most.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.min(MAX_TTL);
        self
    }
}

impl Simulation {
    /// An empty cache.
    pub fn new(eviction: Eviction, capacity: NearCapacity) -> Self {
        let clock = Clock::manual();
        let kind = Kind {
            eviction,
            clock: clock.clone(),
            listener: None,
            evicted: Arc::default(),
        };
        Self {
            engine: Either::new(&kind, capacity),
            clock,
            nothing: Arc::new(()),
            refused: 0,
        }
    }

    /// Asks for a key; whether it was there. If not, it is stored.
    pub fn request(&mut self, request: &Request) -> bool {
        let at = NearRef::new(None, &request.key);
        let now = self.clock.now();
        let is_good = |stored: &Stored<()>| now < stored.good_until();
        if self.engine.hit(&at, is_good).is_some() {
            return true;
        }
        let life = Life::new(now, request.ttl, Duration::ZERO);
        let (value, weight, proof) = (Arc::clone(&self.nothing), request.weight, Proof::LOCAL);
        let stored = Stored::new(value, weight, life, life.expires, proof, Duration::ZERO);
        if self.engine.insert(at.to_key(), stored) != Admission::Stored {
            self.refused += 1;
        }
        false
    }

    /// Lets time pass, to the millisecond, so that entries expire.
    pub fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    /// Entries held, expired ones included that did not have to give way yet.
    pub fn entries(&self) -> u64 {
        self.engine.len() as u64
    }

    /// Their weight.
    pub fn weight(&self) -> u64 {
        self.engine.weight()
    }

    /// Requests whose entry was not stored, as it was heavier than what may be held.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("entries", &self.entries())
            .field("capacity", &self.engine.capacity())
            .finish_non_exhaustive()
    }
}
