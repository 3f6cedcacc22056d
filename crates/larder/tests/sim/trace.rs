//! What happened in a history, for who reads it and for comparing two runs.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

#[derive(Debug, Default)]
pub(crate) struct Trace(Vec<Line>);

#[derive(Debug)]
struct Line {
    at: u64,
    process: Option<usize>,
    key: Option<usize>,
    what: String,
}

impl Trace {
    pub(crate) fn push(
        &mut self,
        at: u64,
        process: Option<usize>,
        key: Option<usize>,
        what: String,
    ) {
        self.0.push(Line {
            at,
            process,
            key,
            what,
        });
    }

    /// Equal for equal histories. What happens to different keys within one millisecond has no
    /// order: those who wait for changes are woken in the order of a hash with a seed of its own.
    pub(crate) fn hash(&self) -> u64 {
        let mut order: Vec<_> = self.0.iter().collect();
        order.sort_by_key(|line| (line.at, line.key, line.process));
        let mut hasher = DefaultHasher::new();
        for line in order {
            (line.at, line.process, line.key, &line.what).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The last `lines` up to `at` that concern `key`, or all keys.
    pub(crate) fn show(&self, key: Option<usize>, at: u64, lines: usize) -> String {
        let concerned: Vec<_> = self
            .0
            .iter()
            .filter(|line| line.at <= at)
            .filter(|line| key.is_none() || line.key.is_none() || line.key == key)
            .collect();
        let mut text = String::new();
        for line in &concerned[concerned.len().saturating_sub(lines)..] {
            let name = |prefix: &str, number: Option<usize>| {
                number.map_or_else(String::new, |number| format!("{prefix}{number}"))
            };
            let _ = writeln!(
                text,
                "{:>7} ms  {:<2} {:<2} {}",
                line.at,
                name("P", line.process),
                name("k", line.key),
                line.what
            );
        }
        text
    }
}
