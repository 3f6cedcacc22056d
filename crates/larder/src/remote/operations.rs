//! The signatures of [`Remote`](super::Remote)'s operations, for what wraps a remote.

/// Hands the operations to a macro: name, name as a type, arguments and answer. Each has a deadline beside.
macro_rules! operations {
    ($wrap:ident) => {
        $wrap! {
            lookups {
                get(Get, key: &'a StoredKey) -> Option<Bytes>;
                get_many(GetMany, keys: &'a [&'a StoredKey]) -> Vec<Option<Bytes>>;
                acquire(Acquire, key: &'a StoredKey, claim: Claim<'a>) -> Acquired;
            }
            others {
                set(Set, key: &'a StoredKey, value: Bytes, ttl: Duration) -> ();
                remove(Remove, key: &'a StoredKey) -> bool;
                keep(Keep, key: &'a StoredKey, value: Bytes, ttl: Option<Duration>) -> Bytes;
                splice(
                    Splice, key: &'a StoredKey, kept: usize, value: Bytes, ttl: Option<Duration>
                ) -> Bytes;
                renew(Renew, key: &'a StoredKey, lease: &'a Lease, ttl: Duration) -> bool;
                fill(
                    Fill, key: &'a StoredKey, lease: &'a Lease, value: Bytes, ttl: Duration
                ) -> bool;
                release(
                    Release, key: &'a StoredKey, lease: &'a Lease, note: Option<(Lease, Duration)>
                ) -> bool;
                scan(Scan, under: &'a str, cursor: Option<&'a Cursor>, count: usize) -> Page;
                heads(Heads, keys: &'a [&'a str], len: usize) -> Vec<Option<Bytes>>;
                discard(Discard, sightings: &'a [Sighting]) -> Vec<bool>;
                open_bounded(OpenBounded, bounds: &'a Arc<Bounds>) -> ();
            }
        }
    };
}

pub(crate) use operations;
