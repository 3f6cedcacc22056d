//! The server as the protocol sees it: values, leases and stamps, each operation whole.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use larder::remote::{Acquired, Lease, Page, Sighting};

use crate::groups::Group;
use crate::stamps::Stamps;

/// What is asked of it, about one key or stamp.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Get,
    Set {
        value: Bytes,
        ttl: Duration,
    },
    Remove,
    Acquire {
        lease: Lease,
        ttl: Duration,
        seen: Vec<u8>,
    },
    Renew {
        lease: Lease,
        ttl: Duration,
    },
    Fill {
        lease: Lease,
        value: Bytes,
        ttl: Duration,
    },
    Release {
        lease: Lease,
        note: Option<(Lease, Duration)>,
    },
    /// Of stamps alone.
    GetMany(Vec<Group>),
    Keep {
        stamp: Bytes,
        ttl: Option<Duration>,
    },
    Splice {
        kept: usize,
        stamp: Bytes,
        ttl: Option<Duration>,
    },
    /// Of all keys: the next one under a text, behind another.
    Scan {
        under: String,
        behind: Option<String>,
    },
    /// How so many bytes of these begin.
    Heads(Vec<String>, usize),
    Discard(Vec<Sighting>),
}

impl Request {
    /// Whether it keeps its place among others about the same key.
    pub(crate) fn is_of_leases(&self) -> bool {
        matches!(
            self,
            Self::Acquire { .. } | Self::Renew { .. } | Self::Fill { .. } | Self::Release { .. }
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Value(Option<Bytes>),
    Done,
    Was(bool),
    Acquired(Acquired),
    Stamps(Vec<Option<Bytes>>),
    Stamp(Bytes),
    Page(Page),
    Heads(Vec<Option<Bytes>>),
    Gone(Vec<bool>),
}

/// What a request changed, to be told to all who listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) value: bool,
    pub(crate) lease: bool,
}

/// Wrongs of the server that the checks must find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wrong {
    #[default]
    None,
    /// The removal of an absent key is not told.
    SilentRemove,
    /// A fill needs no lease.
    UnfencedFill,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// With the server's time of their end, in microseconds.
    pub(crate) values: BTreeMap<usize, (Bytes, u64)>,
    pub(crate) leases: BTreeMap<usize, (Lease, u64)>,
    pub(crate) stamps: Stamps,
    pub(crate) wrong: Wrong,
}

pub(crate) fn is_note(lease: Lease) -> bool {
    lease.as_bytes().first() == Some(&b'N')
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}

impl Store {
    pub(crate) fn value(&self, key: usize, now: u64) -> Option<Bytes> {
        let (value, ends) = self.values.get(&key)?;
        (now < *ends).then(|| value.clone())
    }

    /// The lease that stands, and how much longer.
    pub(crate) fn lease(&self, key: usize, now: u64) -> Option<(Lease, Duration)> {
        let (lease, ends) = *self.leases.get(&key)?;
        (now < ends).then(|| (lease, Duration::from_micros(ends - now)))
    }

    fn holds(&self, key: usize, lease: Lease, now: u64) -> bool {
        self.lease(key, now).is_some_and(|(held, _)| held == lease)
    }

    pub(crate) fn apply(&mut self, key: usize, request: &Request, now: u64) -> (Reply, Changed) {
        let mut changed = Changed::default();
        let reply = match request {
            Request::Get => Reply::Value(self.value(key, now)),
            Request::Set { value, ttl } => {
                self.values.insert(key, (value.clone(), now + micros(*ttl)));
                changed.value = true;
                changed.lease = self.leases.remove(&key).is_some();
                Reply::Done
            }
            Request::Remove => {
                let was = self.value(key, now).is_some();
                self.values.remove(&key);
                changed.value = was || self.wrong != Wrong::SilentRemove;
                changed.lease = self.leases.remove(&key).is_some();
                Reply::Was(was)
            }
            Request::Acquire { lease, ttl, seen } => {
                let value = self.value(key, now);
                if let Some(value) = value.filter(|v| seen.is_empty() || !v.starts_with(seen)) {
                    return (Reply::Acquired(Acquired::Value(value)), changed);
                }
                if let Some((by, left)) = self.lease(key, now)
                    && by != *lease
                {
                    return (Reply::Acquired(Acquired::Held { by, left }), changed);
                }
                self.leases.insert(key, (*lease, now + micros(*ttl)));
                changed.lease = true;
                Reply::Acquired(Acquired::Granted)
            }
            Request::Renew { lease, ttl } => {
                let own = self.holds(key, *lease, now);
                if own {
                    self.leases.insert(key, (*lease, now + micros(*ttl)));
                    changed.lease = true;
                }
                Reply::Was(own)
            }
            Request::Fill { lease, value, ttl } => {
                let own = self.holds(key, *lease, now) || self.wrong == Wrong::UnfencedFill;
                if !own {
                    let there = self.value(key, now).is_some_and(|there| there == *value);
                    return (Reply::Was(there), changed);
                }
                self.values.insert(key, (value.clone(), now + micros(*ttl)));
                self.leases.remove(&key);
                changed = Changed {
                    value: true,
                    lease: true,
                };
                Reply::Was(true)
            }
            Request::Release { lease, note } => {
                let own = self.holds(key, *lease, now);
                if own {
                    match note {
                        Some((note, ttl)) => {
                            self.leases.insert(key, (*note, now + micros(*ttl)));
                        }
                        None => {
                            self.leases.remove(&key);
                        }
                    }
                    changed.lease = true;
                }
                Reply::Was(own)
            }
            Request::GetMany(_)
            | Request::Keep { .. }
            | Request::Splice { .. }
            | Request::Scan { .. }
            | Request::Heads(..)
            | Request::Discard(_) => unreachable!("of a key: {request:?}"),
        };
        (reply, changed)
    }
}
