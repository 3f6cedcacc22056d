//! What happened in a history, for who reads it and for comparing two runs.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use crate::groups::Slot;

#[derive(Debug, Default)]
pub(crate) struct Trace(Vec<Line>);

#[derive(Debug)]
struct Line {
    at: u64,
    process: Option<usize>,
    slot: Option<Slot>,
    what: String,
}

impl Trace {
    pub(crate) fn push(
        &mut self,
        at: u64,
        process: Option<usize>,
        slot: Option<Slot>,
        what: String,
    ) {
        self.0.push(Line {
            at,
            process,
            slot,
            what,
        });
    }

    /// Equal for equal histories. What happens within one millisecond has no order: who waits for
    /// changes, or for the server's next answer, is woken in an order that no seed decides.
    pub(crate) fn hash(&self) -> u64 {
        let mut order: Vec<_> = self.0.iter().collect();
        order.sort_by(|a, b| {
            let key = |line: &Line| (line.at, line.slot, line.process);
            key(a).cmp(&key(b)).then_with(|| a.what.cmp(&b.what))
        });
        let mut hasher = DefaultHasher::new();
        for line in order {
            (line.at, line.process, line.slot, &line.what).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The last `lines` up to `at` that concern `key`, or all keys.
    pub(crate) fn show(&self, key: Option<usize>, at: u64, lines: usize) -> String {
        let concerned: Vec<_> = self
            .0
            .iter()
            .filter(|line| line.at <= at)
            .filter(|line| match (key, line.slot) {
                (None, _) | (_, None | Some(Slot::Keys)) => true,
                (Some(key), Some(Slot::Key(of))) => of == key,
                (Some(key), Some(Slot::Stamp(group))) => group.may_be_of(key),
            })
            .collect();
        let mut text = String::new();
        for line in &concerned[concerned.len().saturating_sub(lines)..] {
            let process = line.process.map(|number| format!("P{number}"));
            let slot = line.slot.map(|slot| match slot {
                Slot::Key(key) => format!("k{key}"),
                Slot::Stamp(group) => format!("{group:?}"),
                Slot::Keys => "keys".to_owned(),
            });
            let (process, slot) = (process.unwrap_or_default(), slot.unwrap_or_default());
            let _ = writeln!(
                text,
                "{:>7} ms  {process:<2} {slot:<2} {}",
                line.at, line.what
            );
        }
        text
    }
}
