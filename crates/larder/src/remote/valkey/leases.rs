//! Leases: the right to load a key, and the fills that it fences.
//!
//! Which orders matter:
//!
//! - `acquire`, then `release`, on the connection of their key: a release must not overtake the
//!   acquisition that it undoes, which would then hold for as long as a lease lives. That is what
//!   happens where the connection is lost between the two, and no worse.
//! - A `fill` comes after the answer to `acquire`, whichever connection it takes. A large one, which
//!   travels apart, may be overtaken by its flight's own `release`: then it finds the lease gone and
//!   is refused. The other way round, the release finds nothing to end. Neither is wrong, and
//!   a lease's token never comes back, so a late fill meets at most the lease of another.
//! - A `renew` that overtakes or is overtaken finds the lease or does not, and writes nothing else.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::link::Link;
use super::script::{ACQUIRE, FILL, RELEASE, RENEW, Script};
use super::{LARGE, Valkey, get, millis, within_limit};
use crate::key::StoredKey;
use crate::remote::{Acquired, Claim, Deadline, Lease, RemoteError};
use crate::time::MAX_TTL;

/// The answer of `acquire` where the lease was granted.
const GRANTED: i64 = 1;
/// The server does not know a script: it has restarted, or was told to forget.
pub(super) const UNKNOWN: &str = "NOSCRIPT";

impl Valkey {
    /// Runs a script by its hash, and where the server does not know it by its source.
    pub(super) async fn script(
        &self,
        link: &Link,
        script: &Script,
        key: &StoredKey,
        args: &[&[u8]],
        deadline: Deadline,
    ) -> Result<Value, RemoteError> {
        match link.run(&script.by_hash(key, args), deadline).await {
            Err(RemoteError::Refused { code, .. }) if code == UNKNOWN => {
                link.run(&script.by_source(key, args), deadline).await
            }
            answer => answer,
        }
    }

    pub(super) async fn take_lease(
        &self,
        key: &StoredKey,
        claim: Claim<'_>,
        deadline: Deadline,
    ) -> Result<Acquired, RemoteError> {
        let link = self.link_of(key);
        let (ttl, large) = (millis(claim.ttl), LARGE.to_string());
        let args = [
            claim.lease.as_bytes(),
            ttl.as_bytes(),
            claim.seen,
            large.as_bytes(),
        ];
        loop {
            let answer = self.script(link, &ACQUIRE, key, &args, deadline).await?;
            match answer {
                Value::Int(GRANTED) => return Ok(Acquired::Granted),
                // There is a large value.
                Value::Int(_) => {}
                Value::Array(held) => return self.held(held),
                value => return self.target.decode(value).map(Acquired::Value),
            }
            self.saw_large();
            let bulk = self.bulk();
            bulk.ready(deadline).await;
            let value = bulk.run(&get(key), deadline).await?;
            let value = self.target.decode::<Option<Bytes>>(value)?;
            let unseen = |value: &Bytes| claim.seen.is_empty() || !value.starts_with(claim.seen);
            if let Some(value) = value.filter(unseen) {
                return Ok(Acquired::Value(value));
            }
            // Removed or replaced meanwhile.
        }
    }

    fn held(&self, held: Vec<Value>) -> Result<Acquired, RemoteError> {
        let (by, left): (Bytes, i64) = self.target.decode(Value::Array(held))?;
        Ok(Acquired::Held {
            by: Lease::read(&by),
            // Less than nothing says that it never ends, which only a stranger's lease does.
            left: u64::try_from(left).map_or(MAX_TTL, Duration::from_millis),
        })
    }

    pub(super) async fn renew_lease(
        &self,
        key: &StoredKey,
        lease: &Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        let ttl = millis(ttl);
        let args = [lease.as_bytes(), ttl.as_bytes()];
        let link = self.link_of(key);
        let answer = self.script(link, &RENEW, key, &args, deadline).await?;
        self.target.decode(answer)
    }

    pub(super) async fn write_under_lease(
        &self,
        key: &StoredKey,
        lease: &Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        within_limit(&value)?;
        let ttl = millis(ttl);
        let args = [lease.as_bytes(), &*value, ttl.as_bytes()];
        let link = self.link_for(key, &value, deadline).await;
        let answer = self.script(link, &FILL, key, &args, deadline).await?;
        self.target.decode(answer)
    }

    pub(super) async fn end_lease(
        &self,
        key: &StoredKey,
        lease: &Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        let ttl = note.map_or_else(String::new, |(_, ttl)| millis(ttl));
        let note = note.as_ref().map_or(&[][..], |(note, _)| note.as_bytes());
        let args = [lease.as_bytes(), note, ttl.as_bytes()];
        let link = self.link_of(key);
        let answer = self.script(link, &RELEASE, key, &args, deadline).await?;
        self.target.decode(answer)
    }
}
