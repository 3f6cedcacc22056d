//! What the server's bytes are worth: whose they are, how old, and whether their groups stand.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Kept, Look, Read, Server, Space, found};
use crate::key::{CacheKey, StoredKey, Tag};
use crate::near::{Life, NearRef};
use crate::options::Call;
use crate::outcome::{Freshness, Source, StaleReason};
use crate::remote::{Deadline, ServerTime};
use crate::scope::{Borne, Scope, Scopes, Standing};
use crate::telemetry::Miss;
use crate::time::Tick;
use crate::value::CacheValue;
use crate::wire::{Envelope, Header, Reject, Stamps};

/// A value that is ours and whole. Whether it may be served is not known yet.
pub(super) struct Opened<V> {
    header: Header,
    stamps: Bytes,
    pub(super) borne: Borne,
    /// How many of them every value of the key bears.
    base: usize,
    value: V,
}

impl<V> Opened<V> {
    pub(super) fn stamps(&self) -> Stamps<'_> {
        Stamps::of(&self.stamps)
    }

    /// The scopes whose stamps were not read beside the value.
    pub(super) fn to_read(&self, has_base: bool) -> &[Arc<Scope>] {
        let known = if has_base { self.base } else { 0 };
        self.borne.get(known..).unwrap_or_default()
    }
}

/// For whom a value is judged.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) call: &'a Call,
    /// What every value of its tenant bears.
    pub(crate) base: &'a Borne,
    /// Whether the stamps of those were read beside the value.
    pub(crate) has_base: bool,
}

/// The times by which values are judged: asked for once, however many they are.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    now: Tick,
    server: Option<ServerTime>,
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// What the server's bytes are worth. What is fresh is offered to the near tier.
    pub(crate) async fn judge<Q>(
        &self,
        server: &Server,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        read: &Read,
        asker: Asker<'_>,
        deadline: Deadline,
    ) -> Look<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let opened = match self.open_value(server, at, key, read, asker.base) {
            Ok(opened) => opened,
            Err(reject) => return read.unreadable(key, reject),
        };
        let borne = &opened.borne;
        let mut standing = self.scopes.standing(borne, opened.stamps());
        if standing == Standing::Unknown {
            let unknown = opened.to_read(asker.has_base);
            // Boxed, as in a lookup.
            let known = Box::pin(self.know(server, unknown, None, deadline));
            if let Err(error) = known.await {
                tracing::debug!(target: "larder::remote", %key, %error, "stamps are not known");
            } else {
                standing = Scopes::standing_as_read(borne, opened.stamps());
            }
        }
        self.verdict(at, read, asker.call, opened, standing, self.moment(server))
    }

    pub(super) fn moment(&self, server: &Server) -> Moment {
        Moment {
            now: self.now(),
            server: server.remote.server_time(),
        }
    }

    /// Opens the envelope and decodes the value.
    pub(super) fn open_value<Q>(
        &self,
        server: &Server,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        read: &Read,
        base: &Borne,
    ) -> Result<Opened<V>, Reject>
    where
        Q: ?Sized,
    {
        let envelope = Envelope::parse(&read.bytes)?;
        let header = envelope.header;
        let stamps = read.bytes.slice_ref(envelope.stamps.as_bytes());
        let value = envelope.decode::<V>(key.original(), server.codec, server.schema)?;
        let tags = envelope.tags.iter().map(|tag| Tag::new(tag?).ok());
        let tags: Option<Vec<Tag>> = tags.collect();
        let tags = tags.ok_or_else(Reject::corrupt)?;
        let borne = self.scopes.with_tags(base, at.tenant, &tags);
        // Before its stamps are compared: a change from now on is a change of who asks, and of those
        // who wait for the same (G2).
        let _since = Scopes::record(&borne, read.proof);
        Ok(Opened {
            header,
            stamps,
            borne,
            base: base.len(),
            value,
        })
    }

    /// What an opened value is worth whose groups stand like this.
    pub(super) fn verdict<Q>(
        &self,
        at: &NearRef<'_, Q>,
        read: &Read,
        call: &Call,
        opened: Opened<V>,
        standing: Standing,
        Moment { now, server }: Moment,
    ) -> Look<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        match standing {
            Standing::Current | Standing::Expired => {}
            Standing::Removed => return read.missed(Miss::Invalidated, true),
            Standing::Unknown => return read.missed(Miss::RemoteUnavailable, false),
        }
        let header = &opened.header;
        let Some((life, freshness)) = judge_age(header, server, now) else {
            return read.missed(Miss::Absent, true);
        };
        let (life, freshness) = judge_standing(life, freshness, standing, now);
        let (value, proof) = (Arc::new(opened.value), read.proof);
        let weight = self.weigh(at.key, &value, Some(read.bytes.len())).ok();
        let cost = Duration::from_micros(header.cost_us.into());
        let stored = self.stored(value, life, weight.unwrap_or(0), true, proof, cost);
        let seen = read.bytes.clone();
        if let Freshness::Stale(reason) = freshness {
            let kept = Kept::of(stored, Source::Remote, reason);
            return Look::Stale { kept, seen };
        }
        let found = found(&stored, Source::Remote, freshness, now);
        // One that is outdated already would have no effect, except to push out a newer one.
        if weight.is_some()
            && call.store
            && self.near_tier().is_some()
            && Scopes::record(&opened.borne, proof)
            && self.holds(proof)
        {
            let _counted = self.near_insert(at.to_key(), stored.clone());
        }
        Look::Fresh {
            found,
            stored,
            seen,
        }
    }
}

/// How old a value is and what that makes of it; `None` past its stale window (G4).
///
/// Its age is a difference of two times of one server's clock, the later one estimated and taken
/// at its highest (G7). Where the clock is not the one that the value was stamped by, its age is
/// unknown: it is stale at best.
fn judge_age(header: &Header, server: Option<ServerTime>, now: Tick) -> Option<(Life, Freshness)> {
    let ttl = Duration::from_millis(header.ttl_ms);
    let stale = Duration::from_millis(header.stale_ms);
    let server = server.filter(|server| server.lineage == header.lineage);
    let (age, past_ttl) = match server {
        Some(server) => {
            let latest = server.now_ms.saturating_add(server.error_ms);
            let age = Duration::from_millis(latest.saturating_sub(header.written_ms));
            (age, StaleReason::Expired)
        }
        None => (ttl, StaleReason::UnknownLineage),
    };
    if age >= ttl + stale {
        return None;
    }
    let freshness = if age < ttl {
        Freshness::Fresh
    } else {
        Freshness::Stale(past_ttl)
    };
    Some((Life::new(now.minus(age), ttl, stale), freshness))
}

/// What the groups of a value make of its freshness: one that is expired is past its TTL from now on,
/// also where a load that is to replace it fails.
fn judge_standing(
    life: Life,
    freshness: Freshness,
    standing: Standing,
    now: Tick,
) -> (Life, Freshness) {
    if freshness != Freshness::Fresh || standing != Standing::Expired {
        return (life, freshness);
    }
    let life = Life {
        fresh_until: now,
        ..life
    };
    (life, Freshness::Stale(StaleReason::Invalidated))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000_000_000);

    fn header(written_ms: u64) -> Header {
        Header {
            written_ms,
            lineage: 7,
            ttl_ms: 1_000,
            stale_ms: 500,
            ..Header::default()
        }
    }

    fn judge_at(now_ms: u64, error_ms: u64, lineage: u64) -> Option<(Duration, Freshness)> {
        let server = ServerTime {
            now_ms,
            error_ms,
            lineage,
        };
        judge_age(&header(50_000), Some(server), NOW)
            .map(|(life, freshness)| (NOW.since(life.born), freshness))
    }

    #[test]
    fn freshness_follows_the_servers_clock_at_its_latest() {
        let ms = Duration::from_millis;
        assert_eq!(judge_at(50_100, 5, 7), Some((ms(105), Freshness::Fresh)));
        assert_eq!(judge_at(50_994, 5, 7), Some((ms(999), Freshness::Fresh)));
        let expired = Freshness::Stale(StaleReason::Expired);
        assert_eq!(judge_at(50_995, 5, 7), Some((ms(1_000), expired)));
        assert_eq!(judge_at(51_494, 5, 7), Some((ms(1_499), expired)));
        assert_eq!(judge_at(51_495, 5, 7), None);
    }

    #[test]
    fn a_value_from_before_a_restart_is_stale_at_best() {
        let unknown = Freshness::Stale(StaleReason::UnknownLineage);
        assert_eq!(judge_at(50_000, 0, 8).map(|(_, f)| f), Some(unknown));
        assert!(judge_age(&header(0), None, NOW).is_some());
        let strict = Header {
            stale_ms: 0,
            ..header(50_000)
        };
        assert!(judge_age(&strict, None, NOW).is_none());
    }

    #[test]
    fn a_clock_that_ran_backwards_makes_nothing_older_than_it_is() {
        assert_eq!(judge_at(1, 1, 7), Some((Duration::ZERO, Freshness::Fresh)));
    }
}
