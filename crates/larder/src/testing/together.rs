//! The promises about several values at once, and about values that are read and written in one step.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::conformance::{Kit, Verdict, ample};
use super::promises::{LONG, demand, same};
use crate::remote::Remote;

pub(super) async fn many<R: Remote>(kit: &Kit<R>) -> Verdict {
    let keys = [kit.key("first")?, kit.key("absent")?, kit.key("last")?];
    let value = |text: &'static str| Bytes::from_static(text.as_bytes());
    kit.set(&keys[0], value("one"), LONG).await?;
    kit.set(&keys[2], value("two"), LONG).await?;
    let asked = [&keys[2], &keys[1], &keys[0], &keys[2]];
    let found = kit.remote.get_many(&asked, ample()).await;
    let found = found.map_err(|error| format!("`get_many` failed: {error}"))?;
    let wanted = [
        Some(value("two")),
        None,
        Some(value("one")),
        Some(value("two")),
    ];
    demand(found == wanted, || {
        format!("`get_many` gives {found:?} instead of {wanted:?}")
    })?;
    let none = kit.remote.get_many(&[], ample()).await;
    demand(none.as_ref().is_ok_and(Vec::is_empty), || {
        format!("`get_many` of nothing gives {none:?}")
    })
}

pub(super) async fn keep<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("kept")?;
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
    for value in [&first, &second] {
        let there = kit.remote.keep(&key, value.clone(), Some(LONG), ample());
        let there = there
            .await
            .map_err(|error| format!("`keep` failed: {error}"))?;
        same(&key, Some(&there), Some(&first))?;
    }
    same(&key, kit.get(&key).await?.as_ref(), Some(&first))
}

pub(super) async fn keep_prolongs<R: Remote>(kit: &Kit<R>) -> Verdict {
    let (short, long) = (Duration::from_millis(300), LONG);
    let (key, lasting) = (kit.key("prolonged")?, kit.key("lasting")?);
    let value = Bytes::from_static(b"value");
    let keep = async |key, ttl| {
        let kept = kit.remote.keep(key, value.clone(), ttl, ample()).await;
        kept.map(drop)
            .map_err(|error| format!("`keep` failed: {error}"))
    };
    keep(&key, Some(short)).await?;
    keep(&key, Some(long)).await?;
    // What lives longer already is not cut short.
    keep(&key, Some(short)).await?;
    keep(&lasting, None).await?;
    keep(&lasting, Some(short)).await?;
    sleep(short * 2).await;
    same(&key, kit.get(&key).await?.as_ref(), Some(&value))?;
    same(&lasting, kit.get(&lasting).await?.as_ref(), Some(&value))?;
    // Nothing of the kit stays.
    kit.remove(&lasting).await.map(drop)
}

pub(super) async fn splice<R: Remote>(kit: &Kit<R>) -> Verdict {
    let key = kit.key("spliced")?;
    let steps: [(&'static [u8], usize, &'static [u8]); 4] = [
        (b"aaaa", 2, b"aaaa"), // nothing was there
        (b"bbbb", 2, b"aabb"),
        (b"cccc", 0, b"cccc"),
        (b"longer", 2, b"longer"), // not of its length
    ];
    for (value, kept, wanted) in steps {
        let value = Bytes::from_static(value);
        let there = kit.remote.splice(&key, kept, value, Some(LONG), ample());
        let there = there
            .await
            .map_err(|error| format!("`splice` failed: {error}"))?;
        same(&key, Some(&there), Some(&Bytes::from_static(wanted)))?;
        same(&key, kit.get(&key).await?.as_ref(), Some(&there))?;
    }
    Ok(())
}
