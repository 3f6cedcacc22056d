//! The promises about observers, one function each. The pages of [`Remote`] and
//! [`Observer`](crate::remote::Observer) state them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::conformance::{Kit, Verdict, ample, remove, set};
use super::leases::{fill, release, take};
use super::promises::{LONG, demand};
use super::recorder::{Heard, Recorder};
use crate::key::{Prefix, StoredKey};
use crate::remote::{Lease, Pushes, Remote, Sighting};

/// How long a change may take to be told, and a stream to begin.
const BOUND: Duration = Duration::from_secs(5);

/// A recorder at each handle.
struct Watched {
    recorders: [Arc<Recorder>; 2],
    pushes: Pushes,
}

impl Watched {
    /// `None` where the remote tells of nothing.
    async fn by<R: Remote>(kit: &Kit<R>, prefix: &Prefix) -> Result<Option<Self>, String> {
        let recorders = [(); 2].map(|()| Arc::new(Recorder::new()));
        let watch = |remote: &R, recorder: &Arc<Recorder>| {
            let weak = Arc::downgrade(recorder);
            remote.watch(prefix, weak)
        };
        let pushes = watch(&kit.remote, &recorders[0]);
        let other = watch(&kit.other, &recorders[1]);
        demand(pushes == other, || {
            format!("one handle tells {pushes:?}, and the other {other:?}")
        })?;
        if pushes == Pushes::None {
            return Ok(None);
        }
        let watched = Self { recorders, pushes };
        let began = |_, recorder: &Recorder| !recorder.heard().is_empty();
        watched.all("`began` was not told", began).await?;
        for recorder in &watched.recorders {
            let first = recorder.heard().first().cloned();
            demand(first == Some(Heard::Began), || {
                format!(
                    "what was told first is {first:?} instead of {:?}",
                    Heard::Began
                )
            })?;
        }
        Ok(Some(watched))
    }

    /// Waits until it holds for all recorders.
    async fn all(&self, broken: &str, check: impl Fn(usize, &Recorder) -> bool) -> Verdict {
        let began = Instant::now();
        while !self.now(&check) {
            demand(began.elapsed() < BOUND, || {
                format!("{broken} within {BOUND:?}")
            })?;
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    fn now(&self, check: impl Fn(usize, &Recorder) -> bool) -> bool {
        let mut all = self.recorders.iter().enumerate();
        all.all(|(at, recorder)| check(at, recorder))
    }

    /// Runs `change`, and demands that each recorder is told `heard` once more.
    async fn tells<T>(
        &self,
        what: &str,
        heard: Heard,
        change: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let count = |recorder: &Recorder| {
            let all = recorder.heard();
            all.iter().filter(|&one| *one == heard).count()
        };
        let before = self.recorders.each_ref().map(|recorder| count(recorder));
        let done = change.await?;
        let told = |at: usize, recorder: &Recorder| count(recorder) > before[at];
        if self.pushes == Pushes::AtOnce {
            demand(self.now(told), || {
                format!("{what} returned before all were told {heard:?}")
            })?;
        } else {
            self.all(&format!("after {what}, {heard:?} was not told"), told)
                .await?;
        }
        Ok(done)
    }
}

fn changed(key: &StoredKey) -> Heard {
    Heard::Changed(key.as_str().to_owned())
}

fn lease_changed(key: &StoredKey) -> Heard {
    Heard::LeaseChanged(key.as_str().to_owned())
}

pub(super) async fn told<R: Remote>(kit: &Kit<R>) -> Verdict {
    let Some(watched) = Watched::by(kit, kit.prefix()?).await? else {
        return Ok(());
    };
    let value = Bytes::from_static(b"value");
    for (at, remote) in [&*kit.remote, &*kit.other].into_iter().enumerate() {
        let key = kit.key(&("told", at))?;
        let (one, note) = (Lease::draw(), Lease::note());
        let value_changes = || changed(&key);
        let lease_changes = || lease_changed(&key);
        watched
            .tells(
                "`remove` of what is not there",
                value_changes(),
                remove(remote, &key),
            )
            .await?;
        let write = set(remote, &key, value.clone(), LONG);
        watched.tells("`set`", value_changes(), write).await?;
        let again = set(remote, &key, value.clone(), LONG);
        watched
            .tells("`set` to the same", value_changes(), again)
            .await?;
        let removal = remove(remote, &key);
        watched.tells("`remove`", value_changes(), removal).await?;
        let taking = || take(remote, &key, &one);
        watched
            .tells("`acquire`", lease_changes(), taking())
            .await?;
        let end = release(remote, &key, &one, None);
        watched.tells("`release`", lease_changes(), end).await?;
        watched
            .tells("`acquire`", lease_changes(), taking())
            .await?;
        let end = release(remote, &key, &one, Some((note, Duration::from_millis(1))));
        watched
            .tells("`release` with a note", lease_changes(), end)
            .await?;
        let removal = remove(remote, &key);
        watched
            .tells("`remove` of a note", value_changes(), removal)
            .await?;
        watched
            .tells("`acquire`", lease_changes(), taking())
            .await?;
        let filling = fill(remote, &key, &one, &value);
        watched.tells("`fill`", value_changes(), filling).await?;
        let sighting = Sighting {
            key: key.as_str().to_owned(),
            seen: value.clone(),
        };
        let sightings = [sighting];
        let discarding = async {
            let gone = remote.discard(&sightings, ample()).await;
            gone.map_err(|error| format!("`discard` of {key} failed: {error}"))
        };
        watched
            .tells("`discard`", value_changes(), discarding)
            .await?;
    }
    Ok(())
}

pub(super) async fn prefixed<R: Remote>(kit: &Kit<R>) -> Verdict {
    let prefix = Prefix::new("conformance:apart").map_err(|error| error.to_string())?;
    let Some(watched) = Watched::by(kit, &prefix).await? else {
        return Ok(());
    };
    let (outside, inside) = (kit.key("outside")?, kit.key_under(&prefix, "inside")?);
    let value = Bytes::from_static(b"value");
    let one = Lease::draw();
    for remote in [&*kit.remote, &*kit.other] {
        remove(remote, &outside).await?;
        take(remote, &outside, &one).await?;
        fill(remote, &outside, &one, &value).await?;
        let write = set(remote, &inside, value.clone(), LONG);
        watched.tells("`set`", changed(&inside), write).await?;
    }
    for recorder in &watched.recorders {
        let heard = recorder.heard();
        let foreign = heard.iter().find(|heard| match heard {
            Heard::Changed(key) | Heard::LeaseChanged(key) => !key.starts_with(prefix.as_str()),
            _ => false,
        });
        demand(foreign.is_none(), || {
            format!("an observer of {prefix} was told {foreign:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn answered<R: Remote>(kit: &Kit<R>) -> Verdict {
    /// Answers that the writes go on for.
    const ANSWERS: usize = 4;
    let watched = Watched::by(kit, kit.prefix()?).await?;
    let Some(watched) = watched.filter(|watched| watched.pushes == Pushes::Later) else {
        return Ok(());
    };
    let watched = Arc::new(watched);
    let answers = |recorder: &Recorder| {
        let heard = recorder.heard();
        heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Answered(_)))
            .count()
    };
    let mut writers = JoinSet::new();
    for writer in 0..4_u32 {
        let remote = Arc::clone(if writer % 2 == 0 {
            &kit.remote
        } else {
            &kit.other
        });
        let watched = Arc::clone(&watched);
        let keys: Result<Vec<_>, _> = (0..3_000)
            .map(|at| kit.key(&("answered", writer, at)))
            .collect();
        let keys = keys?;
        writers.spawn(async move {
            let mut written = Vec::new();
            for (at, key) in keys.into_iter().enumerate() {
                if at % 2 == 0 {
                    set(&*remote, &key, Bytes::from_static(b"value"), LONG).await?;
                } else {
                    remove(&*remote, &key).await?;
                }
                // Acknowledged before any question of a higher number.
                let asked = watched
                    .recorders
                    .each_ref()
                    .map(|recorder| recorder.asked());
                written.push((key, asked));
                if at % 50 == 0 && watched.recorders.iter().all(|one| answers(one) >= ANSWERS) {
                    break;
                }
                sleep(Duration::from_micros(500)).await;
            }
            Ok::<_, String>(written)
        });
    }
    let mut written = Vec::new();
    while let Some(done) = writers.join_next().await {
        written.extend(done.map_err(|error| error.to_string())??);
    }
    let asked = watched
        .recorders
        .each_ref()
        .map(|recorder| recorder.asked());
    let broken = "the question after the last change was not answered";
    let answered = |at: usize, recorder: &Recorder| {
        let heard = recorder.heard();
        let is = |heard: &Heard| matches!(heard, Heard::Answered(to) if *to > asked[at]);
        heard.iter().any(is)
    };
    watched.all(broken, answered).await?;
    for (at, recorder) in watched.recorders.iter().enumerate() {
        let mut told = HashMap::new();
        let mut answered = 0;
        for heard in recorder.heard() {
            match heard {
                Heard::Answered(to) => answered = answered.max(to),
                // The latest question that had been answered when the change was told.
                Heard::Changed(key) => {
                    told.entry(key).or_insert(answered);
                }
                _ => {}
            }
        }
        for (key, asked) in &written {
            let fine = told
                .get(key.as_str())
                .is_some_and(|answered| *answered <= asked[at]);
            demand(fine, || {
                let asked = asked[at];
                format!(
                    "the change of {key} was acknowledged after question {asked}, and told \
                     after the answer to {:?}",
                    told.get(key.as_str())
                )
            })?;
        }
    }
    Ok(())
}

pub(super) async fn unheard<R: Remote>(kit: &Kit<R>) -> Verdict {
    let watched = Watched::by(kit, kit.prefix()?).await?;
    drop(watched);
    let key = kit.key("unheard")?;
    for remote in [&*kit.remote, &*kit.other] {
        set(remote, &key, Bytes::from_static(b"value"), LONG).await?;
        remove(remote, &key).await?;
    }
    Ok(())
}
