//! Values of bounded caches: each operation is one script on one partition, whose index shares a slot with its
//! values and their leases.
//!
//! A policy that takes no note of reads reads as any cache does. Where a script may do no more and is not done
//! yet, it says so and is asked again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};
use redis::Value;

use super::adopt::Adoption;
use super::link::Link;
use super::script::{
    BOUNDED_ACQUIRE, BOUNDED_DISCARD, BOUNDED_FILL, BOUNDED_OPEN, BOUNDED_READ, BOUNDED_READ_MANY,
    BOUNDED_REMOVE, BOUNDED_SET, Script,
};
use super::{LARGE, Valkey, millis, within_limit};
use crate::bounded::Bounds;
use crate::key::StoredKey;
use crate::remote::{Acquired, Claim, Deadline, Lease, RemoteError, Sighting};

/// What a script answers that was to store something.
const STORED: i64 = 1;
const AGAIN: i64 = 2;
const TOO_LARGE: i64 = 3;
/// The error of a script that found other bounds.
const OTHERWISE: &str = "BOUNDED";
/// Values that one script reads.
const PIECE: usize = 64;

/// A group of keys that one script is about: where they were among all, and where their index begins.
struct Part<'a, T> {
    index: String,
    members: Vec<(usize, &'a T)>,
}

impl<'a, T> Part<'a, T> {
    /// `all` by their index; those without one are left out.
    fn of(
        all: impl Iterator<Item = (usize, &'a T)>,
        index: impl Fn(&T) -> Option<String>,
    ) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for (at, one) in all {
            let Some(index) = index(one) else { continue };
            match parts.iter_mut().find(|part| part.index == index) {
                Some(part) => part.members.push((at, one)),
                None => parts.push(Self {
                    index,
                    members: vec![(at, one)],
                }),
            }
        }
        parts
    }
}

impl Valkey {
    /// Looks whether the server has the same bounds, in each partition, and makes it so where there are none.
    pub(super) async fn agree(
        &self,
        bounds: &Arc<Bounds>,
        deadline: Deadline,
    ) -> Result<(), RemoteError> {
        let partitions: Vec<u16> = (0..bounds.bounded().partition_count()).collect();
        let mut losses = Vec::new();
        // The first one alone: where others have it otherwise, or come at the same time, the rest is
        // not touched.
        let (first, rest) = partitions.split_at(partitions.len().min(1));
        for piece in first.chunks(1).chain(rest.chunks(PIECE)) {
            let all = piece
                .iter()
                .map(|partition| self.open_partition(bounds, *partition, deadline));
            losses.extend(try_join_all(all).await?);
        }
        bounds.agree();
        for (partition, loss) in partitions.into_iter().zip(losses) {
            self.adopt(bounds, partition, loss);
        }
        Ok(())
    }

    /// What its index was found to have lost, or nothing.
    async fn open_partition(
        &self,
        bounds: &Bounds,
        partition: u16,
        deadline: Deadline,
    ) -> Result<String, RemoteError> {
        let index = bounds.index_of(partition);
        let [policy, unit, share, partitions, total] = bounds.settings(partition);
        let resizes: &[u8] = if bounds.bounded().resizes() {
            b"1"
        } else {
            b"0"
        };
        let args = [policy, unit, share, partitions, total, resizes];
        let keys = [index.as_bytes()];
        let answer = self.script_on(self.common(), &BOUNDED_OPEN, &keys, &args, deadline);
        let answer = self.target.decode(answer.await?)?;
        let (policy, unit, partitions, total, lost): (String, String, String, String, String) =
            answer;
        let here = bounds.settings(partition);
        let is_alike =
            [&policy, &unit, &partitions].map(String::as_bytes) == [here[0], here[1], here[3]];
        // Who has it open goes on where another one resizes it.
        if is_alike && (bounds.is_agreed() || total.as_bytes() == here[4]) {
            return Ok(lost);
        }
        let parts = match &*partitions {
            "1" => String::new(),
            partitions => format!(" in {partitions} partitions"),
        };
        Err(RemoteError::BoundedOtherwise {
            name: bounds.name().as_str().to_owned(),
            there: format!("{policy} of {total} {unit}{parts}"),
            asked: bounds.bounded().to_string(),
        })
    }

    /// The same, unless it was looked at before.
    async fn agreed(&self, bounds: &Arc<Bounds>, deadline: Deadline) -> Result<(), RemoteError> {
        if bounds.is_agreed() {
            return Ok(());
        }
        self.agree(bounds, deadline).await
    }

    pub(super) async fn read_bounded(
        &self,
        key: &StoredKey,
        bounds: &Arc<Bounds>,
        deadline: Deadline,
    ) -> Result<Option<Bytes>, RemoteError> {
        self.agreed(bounds, deadline).await?;
        if !bounds.eviction().notes_reads() {
            return self.read(key, deadline).await;
        }
        let (partition, large) = (key.partition(), LARGE.to_string());
        let index = bounds.index_of(partition);
        let [policy, unit, share, partitions, total] = bounds.settings(partition);
        let args = [policy, unit, share, partitions, total, large.as_bytes()];
        let keys = [key.as_bytes(), index.as_bytes()];
        let answer = self.script_on(self.link_of(key), &BOUNDED_READ, &keys, &args, deadline);
        match answer.await? {
            Value::Int(_) => self.read_large(key, deadline).await,
            value => self.target.decode(value),
        }
    }

    pub(super) async fn read_many_bounded(
        &self,
        keys: &[&StoredKey],
        deadline: Deadline,
    ) -> Result<Vec<Option<Bytes>>, RemoteError> {
        for key in keys {
            if let Some(bounds) = key.bounds() {
                self.agreed(bounds, deadline).await?;
            }
        }
        let is_noted = |key: &StoredKey| {
            let bounds = key.bounds();
            bounds.is_some_and(|bounds| bounds.eviction().notes_reads())
        };
        let all = || keys.iter().copied().enumerate();
        let (at, plain): (Vec<usize>, Vec<&StoredKey>) =
            all().filter(|(_, key)| !is_noted(key)).unzip();
        let noted = Part::of(all().filter(|(_, key)| is_noted(key)), StoredKey::index_key);
        let mut pieces = Vec::new();
        for part in &noted {
            for members in part.members.chunks(PIECE) {
                pieces.push(self.read_piece(&part.index, members, deadline));
            }
        }
        let (plain, pieces) =
            try_join(self.read_many(&plain, deadline), try_join_all(pieces)).await?;
        let mut values = vec![None; keys.len()];
        let plain = at.into_iter().zip(plain);
        for (at, value) in plain.chain(pieces.into_iter().flatten()) {
            values[at] = value;
        }
        Ok(values)
    }

    /// Values of one partition, and where each was among all that were asked for.
    async fn read_piece(
        &self,
        index: &str,
        members: &[(usize, &StoredKey)],
        deadline: Deadline,
    ) -> Result<Vec<(usize, Option<Bytes>)>, RemoteError> {
        let Some((key, bounds)) = members
            .first()
            .and_then(|(_, key)| Some((key, key.bounds()?)))
        else {
            return Ok(Vec::new());
        };
        let mut names: Vec<&[u8]> = members.iter().map(|(_, key)| key.as_bytes()).collect();
        names.push(index.as_bytes());
        let args = bounds.settings(key.partition());
        let answer = self.script_on(self.common(), &BOUNDED_READ_MANY, &names, &args, deadline);
        let values: Vec<Option<Bytes>> = self.target.decode(answer.await?)?;
        Ok(members.iter().map(|(at, _)| *at).zip(values).collect())
    }

    pub(super) async fn write_bounded(
        &self,
        key: &StoredKey,
        bounds: &Arc<Bounds>,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<(), RemoteError> {
        within_limit(&value)?;
        let ttl = millis(ttl);
        let rest: [&[u8]; 2] = [&value, ttl.as_bytes()];
        let link = self.link_for(key, &value, deadline).await;
        let store = self.store(link, &BOUNDED_SET, key, bounds, &rest, deadline);
        store.await.map(drop)
    }

    pub(super) async fn fill_bounded(
        &self,
        key: &StoredKey,
        bounds: &Arc<Bounds>,
        lease: &Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        within_limit(&value)?;
        let ttl = millis(ttl);
        let rest: [&[u8]; 3] = [&value, ttl.as_bytes(), lease.as_bytes()];
        let link = self.link_for(key, &value, deadline).await;
        self.store(link, &BOUNDED_FILL, key, bounds, &rest, deadline)
            .await
    }

    /// Whether it was stored. The value is the first of `rest`.
    async fn store(
        &self,
        link: &Link,
        script: &Script,
        key: &StoredKey,
        bounds: &Arc<Bounds>,
        rest: &[&[u8]],
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        self.agreed(bounds, deadline).await?;
        let partition = key.partition();
        let (index, lease) = (bounds.index_of(partition), key.lease_key());
        let keys = [key.as_bytes(), lease.as_bytes(), index.as_bytes()];
        let settings = bounds.settings(partition);
        let mut before = "0".to_owned();
        loop {
            let args = [&settings[..], &[before.as_bytes()], rest].concat();
            let answer = match self.script_on(link, script, &keys, &args, deadline).await {
                Err(RemoteError::Refused { code, .. }) if code == OTHERWISE => {
                    self.agree(bounds, deadline).await?;
                    continue;
                }
                answer => answer?,
            };
            let (status, lost, capacity, was): (i64, String, u64, String) =
                self.target.decode(answer)?;
            self.adopt(bounds, partition, lost);
            match status {
                // What makes room for a large value may take several steps. After the capacity was
                // lowered it need be no less full than at the first.
                AGAIN => before = was,
                TOO_LARGE => {
                    let value = rest.first().map_or(0, |value| value.len());
                    return Err(RemoteError::BeyondCapacity {
                        name: bounds.name().as_str().to_owned(),
                        len: key.as_bytes().len() + value,
                        capacity,
                    });
                }
                status => return Ok(status == STORED),
            }
        }
    }

    pub(super) async fn take_bounded_lease(
        &self,
        key: &StoredKey,
        bounds: &Arc<Bounds>,
        claim: Claim<'_>,
        deadline: Deadline,
    ) -> Result<Acquired, RemoteError> {
        self.agreed(bounds, deadline).await?;
        let partition = key.partition();
        let (index, lease) = (bounds.index_of(partition), key.lease_key());
        let (ttl, large) = (millis(claim.ttl), LARGE.to_string());
        let rest: [&[u8]; 4] = [
            claim.lease.as_bytes(),
            ttl.as_bytes(),
            claim.seen,
            large.as_bytes(),
        ];
        let keys = [key.as_bytes(), lease.as_bytes(), index.as_bytes()];
        let args = [&bounds.settings(partition)[..], &rest].concat();
        let link = self.link_of(key);
        loop {
            let answer = self
                .script_on(link, &BOUNDED_ACQUIRE, &keys, &args, deadline)
                .await?;
            if let Some(acquired) = self.acquired(key, claim, answer, deadline).await? {
                return Ok(acquired);
            }
        }
    }

    /// It goes by what the server has agreed on: whoever found the key need not know.
    pub(super) async fn delete_bounded(
        &self,
        key: &StoredKey,
        index: String,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        let lease = key.lease_key();
        let keys = [key.as_bytes(), lease.as_bytes(), index.as_bytes()];
        let answer = self.script_on(self.link_of(key), &BOUNDED_REMOVE, &keys, &[], deadline);
        self.target.decode(answer.await?)
    }

    /// Discards values of bounded caches together with what their index knows of them, and others as they are.
    pub(super) async fn discard_bounded(
        &self,
        sightings: &[Sighting],
        deadline: Deadline,
    ) -> Result<Vec<bool>, RemoteError> {
        let all = || sightings.iter().enumerate();
        let (at, plain): (Vec<usize>, Vec<&Sighting>) =
            all().filter(|(_, one)| !is_bounded_value(&one.key)).unzip();
        let parts = Part::of(all(), |one| index_of(&one.key));
        let mut pieces = Vec::new();
        for part in &parts {
            for members in part.members.chunks(PIECE) {
                pieces.push(self.discard_piece(&part.index, members, deadline));
            }
        }
        let mut gone = vec![false; sightings.len()];
        let plain = at
            .into_iter()
            .zip(self.discard_plain(&plain, deadline).await?);
        let bounded = try_join_all(pieces).await?.into_iter().flatten();
        for (at, is_gone) in plain.chain(bounded) {
            gone[at] = is_gone;
        }
        Ok(gone)
    }

    async fn discard_piece(
        &self,
        index: &str,
        members: &[(usize, &Sighting)],
        deadline: Deadline,
    ) -> Result<Vec<(usize, bool)>, RemoteError> {
        let mut keys: Vec<&[u8]> = members.iter().map(|(_, one)| one.key.as_bytes()).collect();
        keys.push(index.as_bytes());
        let seen: Vec<&[u8]> = members.iter().map(|(_, one)| &*one.seen).collect();
        let answer = self.script_on(self.common(), &BOUNDED_DISCARD, &keys, &seen, deadline);
        let gone: Vec<bool> = self.target.decode(answer.await?)?;
        Ok(members.iter().map(|(at, _)| *at).zip(gone).collect())
    }

    /// Looks in the background for values that the index does not know, if it has lost any and nobody does.
    fn adopt(&self, bounds: &Arc<Bounds>, partition: u16, lost: String) {
        if !lost.is_empty() && bounds.lost(partition, lost) {
            let adoption = Adoption::of(bounds);
            let (link, target) = (self.common().clone(), Arc::clone(&self.target));
            self.runtime.spawn(adoption.run(link, target));
        }
    }
}

/// Whether a value of a bounded cache lies under a key.
pub(super) fn is_bounded_value(key: &str) -> bool {
    index_of(key).is_some()
}

/// Where the index begins that knows of the value under this key: `<prefix>[tenant:<tenant>:]{<tag>}:<key>`.
///
/// A prefix that itself ends like a tenant's is taken for one, and the index keeps an entry without a value,
/// which it gets rid of like any such. For a lease there is no index where this says.
fn index_of(key: &str) -> Option<String> {
    let (before, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once("}:")?;
    let prefix = before
        .strip_suffix(':')
        .and_then(|before| before.rsplit_once(':'))
        .and_then(|(before, _tenant)| before.strip_suffix("tenant"))
        .filter(|prefix| prefix.ends_with(':'));
    Some(format!("{}bounded:{{{tag}}}", prefix.unwrap_or(before)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::Bounded;
    use crate::key::{CacheName, Prefix, Tenant};

    #[test]
    fn the_index_of_a_key_that_was_found_is_that_of_the_key() {
        for prefix in ["p", "p:lease", "lease", "a:b"] {
            let (prefix, name) = (
                Prefix::new(prefix).unwrap(),
                CacheName::new("a:{b").unwrap(),
            );
            let bounds = Bounds::new(&prefix, &name, Bounded::lru(9).partitions(3)).unwrap();
            let bounds = Arc::new(bounds);
            for tenant in [None, Some("acme"), Some("tenant"), Some("a:b")] {
                for key in ["", "tenant:x:", "}:", "a:b"] {
                    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
                    let key = StoredKey::bounded(&bounds, tenant.as_ref(), key).unwrap();
                    assert_eq!(index_of(key.as_str()), key.index_key());
                    assert_eq!(key.index_key(), Some(bounds.index_of(key.partition())));
                    assert!(!is_bounded_value(&key.index_key().unwrap()));
                }
            }
            let plain = StoredKey::new(&prefix, None, &name, "k").unwrap();
            assert!(!is_bounded_value(plain.as_str()));
            assert!(!is_bounded_value(&plain.lease_key()));
        }
    }
}
