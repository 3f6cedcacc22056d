//! The promises, one function each. The page of [`Remote`] states them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::conformance::{Kit, Verdict, ample, get, remove, set};
use crate::key::StoredKey;
use crate::remote::{Claim, Deadline, Lease, Remote, RemoteState, Sighting};

/// Long enough not to expire during a check.
pub(super) const LONG: Duration = Duration::from_mins(1);

pub(super) fn demand(fine: bool, broken: impl FnOnce() -> String) -> Verdict {
    if fine { Ok(()) } else { Err(broken()) }
}

/// A readable account of some bytes, which may be a megabyte.
fn shown(bytes: Option<&Bytes>) -> String {
    match bytes {
        None => "nothing".to_owned(),
        Some(bytes) if bytes.len() <= 40 => format!("{bytes:?}"),
        Some(bytes) => format!("{} bytes, {:?}…", bytes.len(), bytes.slice(..20)),
    }
}

pub(super) fn same(key: &StoredKey, got: Option<&Bytes>, want: Option<&Bytes>) -> Verdict {
    demand(got == want, || {
        format!("{key} holds {} instead of {}", shown(got), shown(want))
    })
}

/// `len` bytes in which each value from 0 to 255 occurs, in a pattern that does not repeat early.
pub(super) fn pattern(len: usize) -> Bytes {
    (0..len)
        .map(|at| (at ^ (at >> 8)).to_le_bytes()[0])
        .collect()
}

pub(super) async fn nothing<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("any")?;
    kit.set(&key, Bytes::from_static(b"value"), LONG).await?;
    same(&key, kit.get(&key).await?.as_ref(), None)?;
    demand(!kit.remove(&key).await?, || {
        "`remove` found something".to_owned()
    })?;
    demand(kit.remote.server_time().is_none(), || {
        "it has a server's time".to_owned()
    })?;
    let state = kit.remote.health(ample()).await.state;
    demand(state == RemoteState::Absent, || {
        format!("`health` says {state:?} instead of Absent")
    })?;
    kit.remote.close().await;
    kit.remote.close().await;
    Ok(())
}

pub(super) async fn absent<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("absent")?;
    same(&key, kit.get(&key).await?.as_ref(), None)
}

pub(super) async fn bytes<R: Remote>(kit: &Kit<R>) -> Verdict {
    let all: Bytes = (0..=255).collect();
    let values = [
        Bytes::from_static(b"a"),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\0\0a\0"),
        Bytes::from_static(b"\r\n$-1\r\n"),
        all,
        pattern((64 << 10) - 1),
        pattern(64 << 10),
        pattern(1 << 20),
    ];
    for value in values {
        let key = kit.key(&("bytes", value.len()))?;
        kit.set(&key, value.clone(), LONG).await?;
        // Twice: a store may take another way once it has seen a large value.
        for _ in 0..2 {
            same(&key, kit.get(&key).await?.as_ref(), Some(&value))?;
        }
        kit.remove(&key).await?;
    }
    Ok(())
}

pub(super) async fn replace<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("replace")?;
    for value in ["first", "a longer second", "3rd", "3rd"] {
        let value = Bytes::from_static(value.as_bytes());
        kit.set(&key, value.clone(), LONG).await?;
        same(&key, kit.get(&key).await?.as_ref(), Some(&value))?;
    }
    Ok(())
}

async fn remove_once<R: Remote>(kit: &Kit<R>, key: &StoredKey, want: bool) -> Verdict {
    let was_there = kit.remove(key).await?;
    demand(was_there == want, || {
        format!("`remove` of {key} returned {was_there} instead of {want}")
    })
}

pub(super) async fn removal<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("remove")?;
    remove_once(kit, &key, false).await?;
    kit.set(&key, Bytes::from_static(b"value"), LONG).await?;
    remove_once(kit, &key, true).await?;
    same(&key, kit.get(&key).await?.as_ref(), None)?;
    remove_once(kit, &key, false).await?;
    kit.set(&key, Bytes::from_static(b"back"), LONG).await?;
    same(
        &key,
        kit.get(&key).await?.as_ref(),
        Some(&Bytes::from_static(b"back")),
    )
}

pub(super) async fn keys<R: Remote>(kit: &Kit<R>) -> Verdict {
    let long = "k".repeat(200);
    let hashed = "k".repeat(201);
    let texts = [
        "", "a", "A", " a", "a ", "42", "*", "?", "[a]", "{a}", "}{", "%", "%61", "\\", "\"", "'",
        ":", "::", "a:b", "a\0b", "a\r\nb", "é", "e\u{301}", "🗝", "~", "null", "tenant", "lease",
        &long, &hashed,
    ];
    let mut places = Vec::new();
    for tenant in [None, Some("acme"), Some("a:b*{c}")] {
        for text in texts {
            places.push(kit.place(tenant, text)?);
        }
        places.push(kit.place(tenant, &42)?);
        places.push(kit.place(tenant, &-42)?);
        places.push(kit.place(tenant, &("a", 42))?);
        places.push(kit.place(tenant, &true)?);
    }
    let value = |at: usize| Bytes::from(format!("value {at}"));
    for (at, key) in places.iter().enumerate() {
        same(key, kit.get(key).await?.as_ref(), None)?;
        kit.set(key, value(at), LONG).await?;
    }
    for (at, key) in places.iter().enumerate() {
        same(key, kit.get(key).await?.as_ref(), Some(&value(at)))?;
    }
    for key in &places {
        remove_once(kit, key, true).await?;
    }
    Ok(())
}

/// Looks until the value is gone. Returns when that was seen, since before it was set.
async fn life<R: Remote>(kit: &Kit<R>, ttl: Duration) -> Result<Duration, String> {
    let key = kit.key(&("life", u64::try_from(ttl.as_micros()).unwrap_or(0)))?;
    let value = Bytes::from_static(b"value");
    let began = Instant::now();
    kit.set(&key, value.clone(), ttl).await?;
    while let Some(found) = kit.get(&key).await? {
        same(&key, Some(&found), Some(&value))?;
        let after = began.elapsed();
        demand(after < ttl + Duration::from_secs(10), || {
            format!("{key}, set for {ttl:?}, was still there after {after:?}")
        })?;
        sleep(Duration::from_millis(2)).await;
    }
    Ok(began.elapsed())
}

pub(super) async fn kept<R: Remote>(kit: &Kit<R>) -> Verdict {
    for millis in [300, 1_500] {
        let ttl = Duration::from_millis(millis);
        let gone = life(kit, ttl).await?;
        demand(gone + Duration::from_millis(2) >= ttl, || {
            format!("a value set for {ttl:?} was gone after {gone:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn gone<R: Remote>(kit: &Kit<R>) -> Verdict {
    // A busy machine may look late; one look in time is enough.
    const LATE: Duration = Duration::from_millis(300);
    for ttl in [1, 50, 400].map(Duration::from_millis) {
        let mut soonest = Duration::MAX;
        for _ in 0..10 {
            soonest = soonest.min(life(kit, ttl).await?);
            if soonest < ttl + LATE {
                break;
            }
        }
        demand(soonest < ttl + LATE, || {
            format!("a value set for {ttl:?} was there until {soonest:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn renewed<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("renewed")?;
    let second = Bytes::from_static(b"second");
    let short = Duration::from_millis(100);
    kit.set(&key, Bytes::from_static(b"first"), short).await?;
    kit.set(&key, second.clone(), LONG).await?;
    sleep(short * 2).await;
    same(&key, kit.get(&key).await?.as_ref(), Some(&second))
}

pub(super) async fn shared<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("shared")?;
    for (writer, reader) in [(&kit.remote, &kit.other), (&kit.other, &kit.remote)] {
        for value in [b"first", b"newer"] {
            let value = Bytes::from_static(value);
            set(&**writer, &key, value.clone(), LONG).await?;
            same(&key, get(&**reader, &key).await?.as_ref(), Some(&value))?;
        }
        demand(remove(&**writer, &key).await?, || {
            "`remove` did not find what the other handle had set".to_owned()
        })?;
        same(&key, get(&**reader, &key).await?.as_ref(), None)?;
    }
    Ok(())
}

pub(super) async fn deadline<R: Remote>(kit: &Kit<R>) -> Verdict {
    /// What a call may take beyond its deadline on a busy machine.
    const GRACE: Duration = Duration::from_secs(2);
    async fn within<T>(what: &str, budget: Duration, call: impl Future<Output = T>) -> Verdict {
        let answer = timeout(budget + GRACE, call).await;
        demand(answer.is_ok(), || {
            format!("`{what}` with a deadline in {budget:?} still waited {GRACE:?} after it")
        })
    }
    let remote = &kit.remote;
    let key = kit.key("deadline")?;
    let value = pattern(1 << 20);
    let lease = Lease::draw();
    for micros in [0, 1, 100, 5_000] {
        let budget = Duration::from_micros(micros);
        let end = || Deadline::after(budget);
        within("get", budget, remote.get(&key, end())).await?;
        let write = remote.set(&key, value.clone(), LONG, end());
        within("set", budget, write).await?;
        within("remove", budget, remote.remove(&key, end())).await?;
        let claim = Claim {
            lease: &lease,
            ttl: LONG,
            seen: &[],
        };
        within("acquire", budget, remote.acquire(&key, claim, end())).await?;
        within("renew", budget, remote.renew(&key, &lease, LONG, end())).await?;
        let fill = remote.fill(&key, &lease, value.clone(), LONG, end());
        within("fill", budget, fill).await?;
        within("release", budget, remote.release(&key, &lease, None, end())).await?;
        let under = key.as_str();
        within("scan", budget, remote.scan(under, None, 64, end())).await?;
        within("heads", budget, remote.heads(&[under], 64, end())).await?;
        let sighting = Sighting {
            key: under.to_owned(),
            seen: value.slice(..64),
        };
        let discard = remote.discard(std::slice::from_ref(&sighting), end());
        within("discard", budget, discard).await?;
        within("health", budget, remote.health(end())).await?;
    }
    // What timed out must not be taken for a later call's answer. Another key, since a write that
    // timed out may still take effect.
    let key = kit.key("after the deadline")?;
    let small = Bytes::from_static(b"small");
    kit.set(&key, small.clone(), LONG).await?;
    same(&key, kit.get(&key).await?.as_ref(), Some(&small))
}

pub(super) async fn dropped<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = |at: u32| kit.key(&("dropped", at));
    let value = |at: u32| Bytes::from(format!("value {at}"));
    for at in 0..100 {
        kit.set(&key(at)?, value(at), LONG).await?;
    }
    for at in 0..100 {
        let key = key(at)?;
        // Polled once at least, then for up to a millisecond.
        let patience = Duration::from_micros(u64::from(at % 10) * 100);
        let calls = [at % 3 == 0, at % 3 == 1, true];
        if calls[0] {
            let _ = timeout(patience, kit.remote.set(&key, value(at), LONG, ample())).await;
        }
        if calls[1] {
            let _ = timeout(patience, kit.remote.remove(&key, ample())).await;
        }
        let _ = timeout(patience, kit.remote.get(&key, ample())).await;
        drop(kit.remote.get(&key, ample()));
    }
    for at in 0..100 {
        let key = key(at)?;
        let found = kit.get(&key).await?;
        if found.is_none() && at % 3 == 1 {
            continue;
        }
        same(&key, found.as_ref(), Some(&value(at)))?;
    }
    Ok(())
}

pub(super) async fn crowd<R: Remote>(kit: &Kit<R>) -> Verdict {
    let mut crowd = JoinSet::new();
    for at in 0..1_000_usize {
        let remote = Arc::clone(if at % 2 == 0 { &kit.remote } else { &kit.other });
        let key = kit.key(&("crowd", at))?;
        // Every hundredth is large.
        let value = if at % 100 == 0 {
            pattern((64 << 10) + at)
        } else {
            Bytes::from(format!("value {at}"))
        };
        crowd.spawn(async move {
            set(&*remote, &key, value.clone(), LONG).await?;
            same(&key, get(&*remote, &key).await?.as_ref(), Some(&value))?;
            let was_there = remove(&*remote, &key).await?;
            demand(was_there, || format!("{key} was gone before its removal"))
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(())
}

pub(super) async fn time<R: Remote>(kit: &Kit<R>) -> Verdict {
    let now = |remote: &R| {
        let time = remote.server_time();
        time.ok_or_else(|| "`server_time` is None after a contact".to_owned())
    };
    let before = Instant::now();
    let first = now(&kit.remote)?;
    let between = Instant::now();
    sleep(Duration::from_millis(250)).await;
    let least = between.elapsed();
    let second = now(&kit.remote)?;
    let third = now(&kit.other)?;
    let most = before.elapsed();
    for (name, later) in [("this handle", second), ("the other handle", third)] {
        demand(later.lineage == first.lineage, || {
            format!(
                "{name} has the lineage {} instead of {}",
                later.lineage, first.lineage
            )
        })?;
        let passed = i128::from(later.now_ms) - i128::from(first.now_ms);
        // Both were cut to whole milliseconds.
        let slack = i128::from(first.error_ms) + i128::from(later.error_ms) + 2;
        let (least, most) = (least.as_millis(), most.as_millis());
        let fits = i128::try_from(least).is_ok_and(|least| passed + slack >= least)
            && i128::try_from(most).is_ok_and(|most| passed - slack <= most);
        demand(fits, || {
            format!("{passed} ms passed at {name} while {least} to {most} ms did here")
        })?;
    }
    Ok(())
}

pub(super) async fn health<R: Remote>(kit: &Kit<R>) -> Verdict {
    let health = kit.remote.health(ample()).await;
    demand(
        health.state == RemoteState::Up && !health.address.is_empty(),
        || format!("it says {health:?}"),
    )
}

pub(super) async fn close<R: Remote>(kit: &Kit<R>, handle: R) -> Verdict {
    let key = kit.key("close")?;
    let value = Bytes::from_static(b"value");
    set(&handle, &key, value.clone(), LONG).await?;
    handle.close().await;
    handle.close().await;
    // Refused or not, it answers.
    let _ = handle.get(&key, ample()).await;
    let _ = handle.health(ample()).await;
    handle.close().await;
    same(&key, kit.get(&key).await?.as_ref(), Some(&value))?;
    kit.remove(&key).await.map(drop)
}
