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

    /// The same, for a script that takes any keys.
    pub(super) async fn script_on(
        &self,
        link: &Link,
        script: &Script,
        keys: &[&[u8]],
        args: &[&[u8]],
        deadline: Deadline,
    ) -> Result<Value, RemoteError> {
        script.run_on(link, keys, args, deadline).await
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
            if let Some(acquired) = self.acquired(key, claim, answer, deadline).await? {
                return Ok(acquired);
            }
        }
    }

    /// What the script answers; `None` where it has to be asked again.
    pub(super) async fn acquired(
        &self,
        key: &StoredKey,
        claim: Claim<'_>,
        answer: Value,
        deadline: Deadline,
    ) -> Result<Option<Acquired>, RemoteError> {
        match answer {
            Value::Int(GRANTED) => return Ok(Some(Acquired::Granted)),
            // There is a large value.
            Value::Int(_) => {}
            Value::Array(held) => return self.held(held).map(Some),
            value => return self.target.decode(value).map(Acquired::Value).map(Some),
        }
        let value = self.read_large(key, deadline).await?;
        let unseen = |value: &Bytes| claim.seen.is_empty() || !value.starts_with(claim.seen);
        // Else it was removed or replaced meanwhile.
        Ok(value.filter(unseen).map(Acquired::Value))
    }

    /// A value that is known to be large, apart from what others wait for.
    pub(super) async fn read_large(
        &self,
        key: &StoredKey,
        deadline: Deadline,
    ) -> Result<Option<Bytes>, RemoteError> {
        self.saw_large();
        let bulk = self.bulk();
        bulk.ready(deadline).await;
        let value = bulk.run(&get(key), deadline).await?;
        self.target.decode(value)
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
