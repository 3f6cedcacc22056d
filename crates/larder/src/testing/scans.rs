//! The promises about what is found by looking through the store, and freed. The page of [`Remote`]
//! states them.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::conformance::{Kit, Verdict, ample};
use super::leases::take;
use super::promises::{LONG, demand, pattern, same};
use crate::key::StoredKey;
use crate::remote::{Acquired, Claim, Cursor, Lease, Remote, Sighting};

/// Far more pages than any scan of the kit takes: a store may hold other data too.
const MAX_PAGES: usize = 1_000_000;

/// Everything that begins with `under`, looked at by so many keys at once.
async fn scan(remote: &impl Remote, under: &str, count: usize) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let mut cursor: Option<Cursor> = None;
    for _ in 0..MAX_PAGES {
        let page = remote.scan(under, cursor.as_ref(), count, ample()).await;
        let page = page.map_err(|error| format!("`scan` under {under} failed: {error}"))?;
        found.extend(page.keys);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
    Err(format!("`scan` under {under} does not end"))
}

async fn heads(
    remote: &impl Remote,
    keys: &[&str],
    len: usize,
) -> Result<Vec<Option<Bytes>>, String> {
    let heads = remote.heads(keys, len, ample()).await;
    heads.map_err(|error| format!("`heads` failed: {error}"))
}

async fn discard(remote: &impl Remote, sightings: &[Sighting]) -> Result<Vec<bool>, String> {
    let gone = remote.discard(sightings, ample()).await;
    gone.map_err(|error| format!("`discard` failed: {error}"))
}

fn seen(key: &str, seen: &'static [u8]) -> Sighting {
    Sighting {
        key: key.to_owned(),
        seen: Bytes::from_static(seen),
    }
}

/// A key of this run that is read by `label`, and the text that all keys like it begin with.
async fn fill<R: Remote>(kit: &Kit<R>, labels: &[String]) -> Result<Vec<StoredKey>, String> {
    let mut keys = Vec::new();
    for label in labels {
        let key = kit.key(label.as_str())?;
        kit.set(&key, Bytes::from_static(b"value"), LONG).await?;
        keys.push(key);
    }
    Ok(keys)
}

pub(super) async fn found<R: Remote>(kit: &Kit<R>) -> Verdict {
    let labels: Vec<String> = (0..200).map(|n| format!("scanned/{n}")).collect();
    let keys = fill(kit, &labels).await?;
    let all: BTreeSet<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
    let under = kit.key("scanned/")?;
    for remote in [&kit.remote, &kit.other] {
        for count in [16, 1_000] {
            let found = scan(&**remote, under.as_str(), count).await?;
            let missed: Vec<_> = all.difference(&found).take(3).collect();
            demand(missed.is_empty(), || {
                format!(
                    "`scan` by {count} gives {} of 200 keys, and not {missed:?}",
                    found.len()
                )
            })?;
        }
    }
    let nothing = kit.key("scanned by nobody")?;
    let found = scan(&*kit.remote, nothing.as_str(), 1_000).await?;
    demand(found.is_empty(), || format!("under {nothing} is {found:?}"))
}

pub(super) async fn bounded<R: Remote>(kit: &Kit<R>) -> Verdict {
    let labels = ["edge", "edge/one", "edgy", "ed"].map(str::to_owned);
    let keys = fill(kit, &labels).await?;
    let whole = keys[0].as_str();
    let found = scan(&*kit.remote, whole, 1_000).await?;
    let wanted = BTreeSet::from([whole.to_owned(), keys[1].as_str().to_owned()]);
    demand(found == wanted, || {
        format!("under {whole} are {wanted:?}, and `scan` gives {found:?}")
    })?;
    for glob in ["*", "?", "[a-z]", "\\"] {
        let under = format!("{whole}{glob}");
        let found = scan(&*kit.remote, &under, 1_000).await?;
        demand(found.is_empty(), || {
            format!("under {under} is nothing, and `scan` gives {found:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn leases<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("scanned lease")?;
    let lease = Lease::draw();
    take(&*kit.remote, &key, &lease).await?;
    let at = key.lease_key();
    let under = at.trim_end_matches('}');
    let found = scan(&*kit.other, under, 1_000).await?;
    demand(found == BTreeSet::from([at.clone()]), || {
        format!("under {under} is the lease, and `scan` gives {found:?}")
    })?;
    let held = heads(&*kit.other, &[at.as_str()], 64).await?;
    let wanted = Bytes::copy_from_slice(lease.as_bytes());
    demand(held == [Some(wanted.clone())], || {
        format!("the lease at {at} reads {held:?}")
    })?;
    // Another's stays.
    let sighting = |seen: Bytes| Sighting {
        key: at.clone(),
        seen,
    };
    let other = Bytes::copy_from_slice(Lease::draw().as_bytes());
    for (seen, want) in [(other, false), (wanted, true)] {
        let gone = discard(&*kit.other, &[sighting(seen)]).await?;
        demand(gone == [want], || {
            format!("`discard` of the lease at {at} says {gone:?} instead of {want}")
        })?;
    }
    take(&*kit.remote, &key, &Lease::draw()).await
}

pub(super) async fn beginnings<R: Remote>(kit: &Kit<R>) -> Verdict {
    let (first, absent, large) = (
        kit.key("head")?,
        kit.key("no head")?,
        kit.key("large head")?,
    );
    kit.set(&first, Bytes::from_static(b"value"), LONG).await?;
    let long = pattern(1 << 20);
    kit.set(&large, long.clone(), LONG).await?;
    let keys = [large.as_str(), absent.as_str(), first.as_str()];
    for len in [1, 5, 300] {
        let found = heads(&*kit.remote, &keys, len).await?;
        let value = Bytes::from_static(b"value").slice(..len.min(5));
        let wanted = [Some(long.slice(..len)), None, Some(value)];
        demand(found == wanted, || {
            let found: Vec<_> = found
                .iter()
                .map(|head| head.as_ref().map(Bytes::len))
                .collect();
            format!("`heads` of {len} bytes gives {found:?}")
        })?;
    }
    let none = heads(&*kit.remote, &[], 10).await?;
    demand(none.is_empty(), || {
        format!("`heads` of nothing is {none:?}")
    })?;
    kit.remove(&large).await.map(drop)
}

pub(super) async fn discarded<R: Remote>(kit: &Kit<R>) -> Verdict {
    let labels = ["gone", "kept", "whole"].map(str::to_owned);
    let keys = fill(kit, &labels).await?;
    let absent = kit.key("never")?;
    let sightings = [
        seen(keys[0].as_str(), b"val"),
        seen(keys[1].as_str(), b"vam"),
        seen(absent.as_str(), b"val"),
        seen(keys[2].as_str(), b"value and more"),
    ];
    let gone = discard(&*kit.remote, &sightings).await?;
    let wanted = [true, false, false, false];
    demand(gone == wanted, || {
        format!("`discard` says {gone:?} instead of {wanted:?}")
    })?;
    same(&keys[0], kit.get(&keys[0]).await?.as_ref(), None)?;
    for key in &keys[1..] {
        let value = Bytes::from_static(b"value");
        same(key, kit.get(key).await?.as_ref(), Some(&value))?;
    }
    let none = discard(&*kit.remote, &[]).await?;
    demand(none.is_empty(), || {
        format!("`discard` of nothing is {none:?}")
    })
}

pub(super) async fn unfenced<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("leased and discarded")?;
    kit.set(&key, Bytes::from_static(b"value"), LONG).await?;
    let lease = Lease::draw();
    let claim = Claim {
        lease: &lease,
        ttl: LONG,
        seen: b"value",
    };
    let acquired = kit.remote.acquire(&key, claim, ample()).await;
    demand(acquired == Ok(Acquired::Granted), || {
        format!("the lease of {key} was not granted: {acquired:?}")
    })?;
    discard(&*kit.remote, &[seen(key.as_str(), b"value")]).await?;
    let value = Bytes::from_static(b"loaded");
    let filled = kit.remote.fill(&key, &lease, value.clone(), LONG, ample());
    let filled = filled.await;
    demand(filled == Ok(true), || {
        format!("the fill after `discard` of {key} says {filled:?}")
    })?;
    same(&key, kit.get(&key).await?.as_ref(), Some(&value))
}
