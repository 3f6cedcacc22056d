//! The promises about leases, one function each. The page of [`Remote`] states them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::conformance::{Kit, Verdict, ample, set};
use super::promises::{LONG, demand, pattern, same};
use crate::key::StoredKey;
use crate::remote::{Acquired, Claim, Lease, Remote};

/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
/// A busy machine may look late; one look in time is enough.
const LATE: Duration = Duration::from_millis(300);

fn claim(lease: &Lease, ttl: Duration) -> Claim<'_> {
    Claim {
        lease,
        ttl,
        seen: &[],
    }
}

pub(super) async fn acquire(
    remote: &impl Remote,
    key: &StoredKey,
    claim: Claim<'_>,
) -> Result<Acquired, String> {
    let answer = remote.acquire(key, claim, ample()).await;
    answer.map_err(|error| format!("`acquire` of {key} failed: {error}"))
}

async fn renew(
    remote: &impl Remote,
    key: &StoredKey,
    lease: &Lease,
    ttl: Duration,
) -> Result<bool, String> {
    let answer = remote.renew(key, lease, ttl, ample()).await;
    answer.map_err(|error| format!("`renew` of {key} failed: {error}"))
}

pub(super) async fn fill(
    remote: &impl Remote,
    key: &StoredKey,
    lease: &Lease,
    value: &Bytes,
) -> Result<bool, String> {
    let answer = remote.fill(key, lease, value.clone(), LONG, ample()).await;
    answer.map_err(|error| format!("`fill` of {key} failed: {error}"))
}

pub(super) async fn release(
    remote: &impl Remote,
    key: &StoredKey,
    lease: &Lease,
    note: Option<(Lease, Duration)>,
) -> Result<bool, String> {
    let answer = remote.release(key, lease, note, ample()).await;
    answer.map_err(|error| format!("`release` of {key} failed: {error}"))
}

/// Takes the lease of a key for a minute, and demands that it is given.
pub(super) async fn take(remote: &impl Remote, key: &StoredKey, lease: &Lease) -> Verdict {
    taken(key, &acquire(remote, key, claim(lease, LONG)).await?)
}

fn taken(key: &StoredKey, acquired: &Acquired) -> Verdict {
    demand(*acquired == Acquired::Granted, || {
        format!("the lease of {key} was not granted: {acquired:?}")
    })
}

/// Demands that the lease of a key is held by one, and says for how long still.
async fn held(remote: &impl Remote, key: &StoredKey, by: &Lease) -> Result<Duration, String> {
    let asks = Lease::draw();
    match acquire(remote, key, claim(&asks, LONG)).await? {
        Acquired::Held { by: holder, left } if holder == *by => Ok(left),
        other => Err(format!(
            "the lease of {key}, which {by:?} holds, answers {other:?}"
        )),
    }
}

/// Demands what `fill`, `renew` or `release` said.
fn said(what: &str, key: &StoredKey, said: bool, want: bool) -> Verdict {
    demand(said == want, || {
        format!("{what} of {key} returned {said} instead of {want}")
    })
}

pub(super) async fn granted_once<R: Remote>(kit: &Kit<R>) -> Verdict {
    let (key, apart) = (kit.key("lease once")?, kit.key("lease apart")?);
    let (one, other) = (Lease::draw(), Lease::draw());
    let began = Instant::now();
    take(&*kit.remote, &key, &one).await?;
    for remote in [&kit.remote, &kit.other] {
        let left = held(&**remote, &key, &one).await?;
        let least = LONG.saturating_sub(began.elapsed() + LATE);
        demand(left >= least && left <= LONG, || {
            format!("{key} is held for {LONG:?}, and {left:?} are said to be left of it")
        })?;
    }
    take(&*kit.other, &apart, &other).await?;
    // Asked for again, it is granted again, from then on.
    let again = acquire(&*kit.remote, &key, claim(&one, LONG / 2)).await?;
    taken(&key, &again)?;
    let left = held(&*kit.other, &key, &one).await?;
    demand(left <= LONG / 2, || {
        format!("granted again for {:?}, it lives for {left:?}", LONG / 2)
    })
}

pub(super) async fn one_of_many<R: Remote>(kit: &Kit<R>) -> Verdict {
    for round in 0..5 {
        let key = kit.key(&("lease of many", round))?;
        let mut crowd = JoinSet::new();
        for at in 0..50 {
            let remote = Arc::clone(if at % 2 == 0 { &kit.remote } else { &kit.other });
            let key = key.clone();
            crowd.spawn(async move {
                let lease = Lease::draw();
                acquire(&*remote, &key, claim(&lease, LONG)).await
            });
        }
        let mut granted = 0;
        while let Some(done) = crowd.join_next().await {
            let acquired = done.map_err(|error| error.to_string())??;
            granted += u32::from(acquired == Acquired::Granted);
        }
        demand(granted == 1, || {
            format!("of 50 who asked at once, {granted} were granted the lease of {key}")
        })?;
    }
    Ok(())
}

/// Takes a lease for `ttl` and asks until another gets it. Says when that was, since before it.
async fn life<R: Remote>(kit: &Kit<R>, key: &StoredKey, ttl: Duration) -> Result<Duration, String> {
    let (one, other) = (Lease::draw(), Lease::draw());
    let began = Instant::now();
    taken(key, &acquire(&*kit.remote, key, claim(&one, ttl)).await?)?;
    while acquire(&*kit.other, key, claim(&other, LONG)).await? != Acquired::Granted {
        let after = began.elapsed();
        demand(after < ttl + Duration::from_secs(10), || {
            format!("{key}, held for {ttl:?}, was still held after {after:?}")
        })?;
        sleep(Duration::from_millis(2)).await;
    }
    let after = began.elapsed();
    said(
        "`renew` by the old holder",
        key,
        renew(&*kit.remote, key, &one, LONG).await?,
        false,
    )?;
    let late = fill(&*kit.remote, key, &one, &Bytes::from_static(b"late")).await?;
    said("`fill` by the old holder", key, late, false)?;
    let end = release(&*kit.remote, key, &one, None).await?;
    said("`release` by the old holder", key, end, false)?;
    held(&*kit.remote, key, &other).await?;
    Ok(after)
}

pub(super) async fn taken_over<R: Remote>(kit: &Kit<R>) -> Verdict {
    let mut soonest = Duration::MAX;
    for round in 0..10 {
        let key = kit.key(&("lease life", round))?;
        let after = life(kit, &key, SHORT).await?;
        demand(after + Duration::from_millis(2) >= SHORT, || {
            format!("a lease of {SHORT:?} was another's after {after:?}")
        })?;
        soonest = soonest.min(after);
        // More than once, since a machine that stands still hides an end that comes too soon.
        if round >= 2 && soonest < SHORT + LATE {
            return Ok(());
        }
    }
    Err(format!("a lease of {SHORT:?} was held until {soonest:?}"))
}

pub(super) async fn renewed<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("lease renewed")?;
    let (one, other) = (Lease::draw(), Lease::draw());
    let remote = &*kit.remote;
    let none = renew(remote, &key, &one, LONG).await?;
    said("`renew` without a lease", &key, none, false)?;
    taken(&key, &acquire(remote, &key, claim(&one, LONG)).await?)?;
    let foreign = renew(&*kit.other, &key, &other, LONG).await?;
    said("`renew` by another", &key, foreign, false)?;
    // Shorter, then longer: both count from now.
    said(
        "`renew`",
        &key,
        renew(remote, &key, &one, SHORT).await?,
        true,
    )?;
    let left = held(&*kit.other, &key, &one).await?;
    demand(left <= SHORT, || {
        format!("renewed for {SHORT:?}, it lives for {left:?}")
    })?;
    if !renew(remote, &key, &one, LONG).await? {
        // The machine stood still for as long as the lease lived.
        return Ok(());
    }
    sleep(SHORT * 2).await;
    held(&*kit.other, &key, &one).await.map(drop)
}

pub(super) async fn released<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("lease released")?;
    let (one, other) = (Lease::draw(), Lease::draw());
    take(&*kit.remote, &key, &one).await?;
    let foreign = release(&*kit.other, &key, &other, None).await?;
    said("`release` by another", &key, foreign, false)?;
    held(&*kit.other, &key, &one).await?;
    let own = release(&*kit.remote, &key, &one, None).await?;
    said("`release`", &key, own, true)?;
    let again = release(&*kit.remote, &key, &one, None).await?;
    said("a second `release`", &key, again, false)?;
    take(&*kit.other, &key, &other).await
}

pub(super) async fn noted<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("lease noted")?;
    let (one, other) = (Lease::draw(), Lease::draw());
    take(&*kit.remote, &key, &one).await?;
    let foreign = release(&*kit.other, &key, &other, Some((Lease::note(), LONG))).await?;
    said("`release` by another", &key, foreign, false)?;
    held(&*kit.other, &key, &one).await?;
    let noted = Some((Lease::note(), LONG / 2));
    said(
        "`release`",
        &key,
        release(&*kit.remote, &key, &one, noted).await?,
        true,
    )?;
    let left = held(&*kit.other, &key, &Lease::note()).await?;
    demand(left <= LONG / 2 && left > LONG / 4, || {
        format!("a note left for {:?} lives for {left:?}", LONG / 2)
    })?;
    let late = fill(&*kit.remote, &key, &one, &Bytes::from_static(b"late")).await?;
    said("`fill` after the release", &key, late, false)?;
    // A short one makes room by itself.
    let brief = kit.key("lease noted briefly")?;
    take(&*kit.remote, &brief, &one).await?;
    let noted = Some((Lease::note(), SHORT));
    said(
        "`release`",
        &brief,
        release(&*kit.remote, &brief, &one, noted).await?,
        true,
    )?;
    sleep(SHORT + Duration::from_millis(50)).await;
    take(&*kit.other, &brief, &other).await
}

pub(super) async fn filled<R: Remote>(kit: &Kit<R>) -> Verdict {
    for (at, value) in [pattern(10), pattern(64 << 10), pattern(1 << 20)]
        .iter()
        .enumerate()
    {
        let key = kit.key(&("lease filled", at))?;
        let (one, other) = (Lease::draw(), Lease::draw());
        take(&*kit.remote, &key, &one).await?;
        // Sent twice, it is done once.
        for what in ["`fill`", "a second `fill`"] {
            said(
                what,
                &key,
                fill(&*kit.remote, &key, &one, value).await?,
                true,
            )?;
        }
        same(&key, kit.get(&key).await?.as_ref(), Some(value))?;
        let gone = renew(&*kit.remote, &key, &one, LONG).await?;
        said("`renew` after the fill", &key, gone, false)?;
        let seen = Claim {
            seen: value,
            ..claim(&other, LONG)
        };
        taken(&key, &acquire(&*kit.other, &key, seen).await?)?;
        let newer = Bytes::from_static(b"newer");
        said(
            "`fill`",
            &key,
            fill(&*kit.other, &key, &other, &newer).await?,
            true,
        )?;
        let late = fill(&*kit.remote, &key, &one, value).await?;
        said("`fill` after another's", &key, late, false)?;
        same(&key, kit.get(&key).await?.as_ref(), Some(&newer))?;
    }
    // Its time to live is its own.
    let key = kit.key("lease filled briefly")?;
    let one = Lease::draw();
    take(&*kit.remote, &key, &one).await?;
    let value = Bytes::from_static(b"value");
    let filled = kit.remote.fill(&key, &one, value, SHORT, ample()).await;
    said(
        "`fill`",
        &key,
        filled.map_err(|error| error.to_string())?,
        true,
    )?;
    sleep(SHORT + Duration::from_millis(50)).await;
    same(&key, kit.get(&key).await?.as_ref(), None)
}

pub(super) async fn fenced<R: Remote>(kit: &Kit<R>) -> Verdict {
    let (late, other) = (Bytes::from_static(b"late"), Bytes::from_static(b"other"));
    let refused = async |what: &str, key: &StoredKey, lease: &Lease, left: Option<&Bytes>| {
        let filled = fill(&*kit.remote, key, lease, &late).await?;
        said(&format!("`fill` {what}"), key, filled, false)?;
        same(key, kit.get(key).await?.as_ref(), left)
    };
    let one = Lease::draw();
    let key = kit.key("fill without a lease")?;
    refused("without a lease", &key, &one, None).await?;
    for (at, there) in [false, true].into_iter().enumerate() {
        let key = kit.key(&("fill after a removal", at))?;
        if there {
            kit.set(&key, other.clone(), LONG).await?;
        }
        let seen = Claim {
            seen: &other,
            ..claim(&one, LONG)
        };
        taken(&key, &acquire(&*kit.remote, &key, seen).await?)?;
        super::conformance::remove(&*kit.other, &key).await?;
        refused("after a removal", &key, &one, None).await?;
    }
    for (at, value) in [other.clone(), pattern(1 << 20)].into_iter().enumerate() {
        let key = kit.key(&("fill after a write", at))?;
        take(&*kit.remote, &key, &one).await?;
        set(&*kit.other, &key, value.clone(), LONG).await?;
        refused("after a write", &key, &one, Some(&value)).await?;
    }
    let key = kit.key("fill in another's place")?;
    take(&*kit.other, &key, &Lease::draw()).await?;
    refused("under another's lease", &key, &one, None).await
}

pub(super) async fn seen<R: Remote>(kit: &Kit<R>) -> Verdict {
    let (one, other) = (Lease::draw(), Lease::draw());
    for value in [Bytes::from_static(b"value"), pattern(1 << 20)] {
        let key = kit.key(&("seen", value.len()))?;
        take(&*kit.other, &key, &other).await?;
        release(&*kit.other, &key, &other, None).await?;
        kit.set(&key, value.clone(), LONG).await?;
        let prolonged = [&value[..], b"x"].concat();
        let unseen: [&[u8]; 4] = [b"", b"Value", &value[1..3], &prolonged];
        for seen in unseen {
            let asks = Claim {
                seen,
                ..claim(&one, LONG)
            };
            match acquire(&*kit.remote, &key, asks).await? {
                Acquired::Value(found) => same(&key, Some(&found), Some(&value))?,
                acquired => return Err(format!("{key} holds a value, and answers {acquired:?}")),
            }
        }
        for seen in [&value[..1], &value[..5], &value[..]] {
            let asks = Claim {
                seen,
                ..claim(&one, LONG)
            };
            taken(&key, &acquire(&*kit.remote, &key, asks).await?)?;
        }
        // Who has not read it gets it, whoever holds the lease.
        let asks = claim(&other, LONG);
        match acquire(&*kit.other, &key, asks).await? {
            Acquired::Value(found) => same(&key, Some(&found), Some(&value))?,
            acquired => return Err(format!("{key} holds a value, and answers {acquired:?}")),
        }
        kit.remove(&key).await?;
        let asks = Claim {
            seen: &value[..5],
            ..claim(&other, LONG)
        };
        taken(&key, &acquire(&*kit.other, &key, asks).await?)?;
    }
    Ok(())
}

pub(super) async fn ended<R: Remote>(kit: &Kit<R>) -> Verdict {
    let (one, other) = (Lease::draw(), Lease::draw());
    for by_set in [false, true] {
        let key = kit.key(&("lease ended", by_set))?;
        take(&*kit.remote, &key, &one).await?;
        if by_set {
            set(&*kit.other, &key, Bytes::from_static(b"value"), LONG).await?;
        } else {
            super::conformance::remove(&*kit.other, &key).await?;
        }
        let gone = renew(&*kit.remote, &key, &one, LONG).await?;
        said("`renew` after a write", &key, gone, false)?;
        let asks = Claim {
            seen: b"value",
            ..claim(&other, LONG)
        };
        taken(&key, &acquire(&*kit.remote, &key, asks).await?)?;
    }
    Ok(())
}

pub(super) async fn cancelled<R: Remote>(kit: &Kit<R>) -> Verdict {
    for round in 0..60_u32 {
        let key = kit.key(&("lease cancelled", round))?;
        let (one, other) = (Lease::draw(), Lease::draw());
        let mut asking = kit.remote.acquire(&key, claim(&one, LONG), ample());
        poll_fn(|context| {
            let _ = asking.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        if round % 3 == 1 {
            tokio::task::yield_now().await;
        } else if round % 3 == 2 {
            sleep(Duration::from_micros(u64::from(round) * 20)).await;
        }
        drop(asking);
        release(&*kit.remote, &key, &one, None).await?;
        if round % 4 == 0 {
            // Time for what was cancelled to take effect, if it comes after all.
            sleep(LATE / 10).await;
        }
        take(&*kit.other, &key, &other).await?;
    }
    Ok(())
}
