//! Calls: how they begin, and that they end in time and with no error but a loader's (G3).

use larder::LoadError;
use tokio::task;

use super::{Call, Check, End, From, Kind, LoadFailed, Made, PANIC, Tagged, Value, Write};
use crate::groups::Tag;
use crate::plan::{LOAD_TIMEOUT, TIMEOUT};

impl Check {
    /// A `set` gets the number of its value too.
    pub(crate) fn begin(
        &mut self,
        process: usize,
        key: usize,
        kind: Kind,
        tags: &[Tag],
    ) -> (usize, Value) {
        let (seq, now, call) = (self.seq, self.now, self.calls.len());
        let mut value = Value { id: usize::MAX };
        let mut write = None;
        if let Kind::Set | Kind::Remove = kind {
            // The source changes first.
            self.sources[key] += 1;
            let number = self.writes.len();
            write = Some(number);
            if kind == Kind::Set {
                value.id = self.made.len();
                self.made.push(Made {
                    process,
                    key,
                    tagged: Tagged::new(key, tags, &[]),
                    began: seq,
                    began_at: now,
                    version: self.sources[key],
                    landed_at: Some(now),
                    from: From::Set { write: number },
                    applied: None,
                    restored: None,
                });
            } else {
                self.place(process, key).removals.push_back(number);
            }
            let what = if kind == Kind::Set { "set" } else { "remove" };
            self.writes.push(Write {
                process: Some(process),
                value: (kind == Kind::Set).then_some(value.id),
                ..self.new_write(what, None)
            });
            self.writes_of[key].push(number);
        }
        let place = self.place(process, key);
        place.open_calls += 1;
        place.claims.remove(&task::try_id());
        if let Some(write) = write {
            place.touched = seq;
            if kind == Kind::Set {
                place.sets.push((write, now));
            }
        }
        self.calls.push(Call {
            process,
            key,
            kind,
            began: seq,
            began_at: now,
            stopped: self.stopped[process],
            write,
        });
        (call, value)
    }

    pub(crate) fn end(&mut self, call: usize, end: &End) {
        let (seq, now) = (self.seq, self.now);
        let Call {
            process,
            key,
            kind,
            began_at,
            stopped,
            write,
            ..
        } = self.calls[call];
        let place = self.place(process, key);
        place.open_calls -= 1;
        place.last_active = now;
        if self.dead[process] {
            return;
        }
        if let Some(write) = write {
            // One that is dropped goes on; its end is not seen.
            if let End::Wrote | End::Refused = end {
                self.writes[write].ended = Some(seq);
                let place = self.place(process, key);
                place.touched = seq;
                place.sets.retain(|(unsent, _)| *unsent != write);
            }
        }
        let took = now - began_at - (self.stopped[process] - stopped);
        let limit = match kind {
            Kind::Get | Kind::Lookup | Kind::Set | Kind::Remove => TIMEOUT + 50,
            // The remote's time, other processes' loads, and leaders that are dropped.
            Kind::Load | Kind::Spawn => 4 * (LOAD_TIMEOUT + TIMEOUT),
        };
        if took > limit {
            self.fail(key, format!("G3: call {call} took {took} ms"));
        }
        match end {
            End::Found { id, outcome } => self.serve(call, *id, *outcome),
            End::Failed(error) => self.fails(call, error),
            End::Dropped | End::Nothing | End::Wrote | End::Refused => {}
        }
    }

    /// An error of a read must be that of a load of the key, which ran meanwhile.
    pub(super) fn fails(&mut self, call: usize, error: &LoadError<LoadFailed>) {
        let Call { key, began, .. } = self.calls[call];
        let id = match error {
            LoadError::Loader(error) => Some(error.0),
            LoadError::Panicked(text) => text
                .strip_prefix(PANIC)
                .and_then(|number| number.parse().ok()),
            _ => None,
        };
        let excused = id.and_then(|id| self.made.get(id)).is_some_and(|made| {
            made.key == key
                && matches!(made.from, From::Load { failed: true, ended: Some(ended), .. } if ended > began)
        });
        if !excused {
            self.fail(key, format!("G3: call {call} fails with {error:?}"));
        }
    }
}
