//! The promises about bounded caches. The page of [`Remote::open_bounded`] states them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::conformance::{Kit, Verdict, ample, get, set};
use super::promises::{LONG, demand};
use super::recorder::{Heard, Recorder};
use crate::bounded::{Bounded, Bounds, ServerEviction};
use crate::key::{CacheName, StoredKey};
use crate::remote::{Pushes, Remote, RemoteError};

/// How long a change may take to be told.
const BOUND: Duration = Duration::from_secs(5);

/// The bounds of a cache of this run that nothing else uses.
fn bounds<R: Remote>(kit: &Kit<R>, of: &str, bounded: Bounded) -> Result<Arc<Bounds>, String> {
    let name = CacheName::new(&format!("{}-{of}", kit.name()?.as_str()));
    let name = name.map_err(|error| error.to_string())?;
    let bounds = Bounds::new(kit.prefix()?, &name, bounded).map_err(|error| error.to_string())?;
    Ok(Arc::new(bounds))
}

fn key(bounds: &Arc<Bounds>, key: u32) -> Result<StoredKey, String> {
    StoredKey::bounded(bounds, None, &key).map_err(|error| error.to_string())
}

async fn open<R: Remote>(remote: &R, bounds: &Arc<Bounds>) -> Verdict {
    let opened = remote.open_bounded(bounds, ample()).await;
    opened.map_err(|error| format!("`open_bounded` failed: {error}"))
}

pub(super) async fn opened<R: Remote>(kit: &Kit<R>, eviction: ServerEviction) -> Verdict {
    let bounded = Bounded::new(eviction, 10).partitions(2);
    open(&*kit.remote, &bounds(kit, "opened", bounded)?).await?;
    open(&*kit.other, &bounds(kit, "opened", bounded)?).await?;
    let other = match eviction {
        ServerEviction::Fifo => ServerEviction::Lru,
        _ => ServerEviction::Fifo,
    };
    for wrong in [
        Bounded::new(other, 10).partitions(2),
        Bounded::new(eviction, 11).partitions(2),
        Bounded::new(eviction, 10).partitions(3),
        Bounded::new(eviction, 10).partitions(2).in_bytes(),
        Bounded::new(other, 10).partitions(2).resizing(),
    ] {
        let wrong_bounds = bounds(kit, "opened", wrong)?;
        let answer = kit.other.open_bounded(&wrong_bounds, ample()).await;
        let names_both = matches!(
            &answer,
            Err(RemoteError::BoundedOtherwise { there, asked, .. })
                if *there == bounded.to_string() && *asked == wrong.to_string()
        );
        demand(names_both, || {
            format!("opened as {wrong} what is {bounded}, it says {answer:?}")
        })?;
    }
    let resized = Bounded::new(eviction, 11).partitions(2);
    open(&*kit.other, &bounds(kit, "opened", resized.resizing())?).await?;
    open(&*kit.remote, &bounds(kit, "opened", resized)?).await
}

/// Which of the first `count` keys have a value, by a way that is no read.
async fn there<R: Remote>(
    kit: &Kit<R>,
    bounds: &Arc<Bounds>,
    count: u32,
) -> Result<Vec<u32>, String> {
    let keys: Vec<StoredKey> = (0..count)
        .map(|n| key(bounds, n))
        .collect::<Result<_, _>>()?;
    let names: Vec<&str> = keys.iter().map(StoredKey::as_str).collect();
    let heads = kit.remote.heads(&names, 1, ample()).await;
    let heads = heads.map_err(|error| format!("`heads` failed: {error}"))?;
    let there = (0..count).zip(heads).filter(|(_, head)| head.is_some());
    Ok(there.map(|(n, _)| n).collect())
}

pub(super) async fn makes_room<R: Remote>(kit: &Kit<R>, eviction: ServerEviction) -> Verdict {
    let bounds = bounds(kit, "full", Bounded::new(eviction, 4))?;
    let value = Bytes::from_static(b"value");
    for n in 0..4 {
        set(&*kit.remote, &key(&bounds, n)?, value.clone(), LONG).await?;
    }
    // By use: 0 and 1 twice and 2 and 3 once; 1 last, then 0, 3, 2.
    for n in [0, 1] {
        get(&*kit.other, &key(&bounds, n)?).await?;
    }
    set(&*kit.other, &key(&bounds, 4)?, value, LONG).await?;
    let wanted = match eviction {
        ServerEviction::Fifo => vec![1, 2, 3, 4],
        ServerEviction::Lifo => vec![0, 1, 2, 4],
        ServerEviction::Lru | ServerEviction::Lfu => vec![0, 1, 3, 4],
        ServerEviction::Mru => vec![0, 2, 3, 4],
    };
    let left = there(kit, &bounds, 5).await?;
    demand(left == wanted, || {
        format!("{left:?} are left where {wanted:?} should be")
    })
}

pub(super) async fn told<R: Remote>(kit: &Kit<R>, eviction: ServerEviction) -> Verdict {
    let bounds = bounds(kit, "told", Bounded::new(eviction, 1))?;
    let (first, second) = (key(&bounds, 1)?, key(&bounds, 2)?);
    let value = Bytes::from_static(b"value");
    set(&*kit.remote, &first, value.clone(), LONG).await?;
    let recorder = Arc::new(Recorder::new());
    let weak = Arc::downgrade(&recorder);
    if kit.other.watch(kit.prefix()?, weak) == Pushes::None {
        return Ok(());
    }
    let since = Instant::now();
    let heard = |wanted: &Heard| recorder.heard().contains(wanted);
    while !heard(&Heard::Began) && since.elapsed() < BOUND {
        sleep(Duration::from_millis(2)).await;
    }
    set(&*kit.remote, &second, value, LONG).await?;
    let wanted = Heard::Changed(first.as_str().to_owned());
    while !heard(&wanted) {
        demand(since.elapsed() < BOUND, || {
            format!("that {first} was evicted was not told within {BOUND:?}")
        })?;
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

pub(super) async fn refuses<R: Remote>(kit: &Kit<R>, eviction: ServerEviction) -> Verdict {
    let bounds = bounds(kit, "large", Bounded::new(eviction, 1_000).in_bytes())?;
    let (small, large) = (key(&bounds, 1)?, key(&bounds, 2)?);
    let value = |len| Bytes::from(vec![7; len]);
    for key in [&small, &large] {
        set(&*kit.remote, key, value(100), LONG).await?;
    }
    let answer = kit.remote.set(&large, value(1_000), LONG, ample()).await;
    let refused = matches!(
        answer,
        Err(RemoteError::BeyondCapacity {
            capacity: 1_000,
            ..
        })
    );
    demand(refused, || {
        format!("1,000 bytes where at most 1,000 may be with their key: {answer:?}")
    })?;
    let left = there(kit, &bounds, 3).await?;
    demand(left == [1], || {
        format!("after the `set` that was refused {left:?} are there instead of [1]")
    })
}
