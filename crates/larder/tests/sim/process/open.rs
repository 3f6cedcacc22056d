//! Calls and loads under way, and who watches them.

use super::Process;
use crate::check::End;

/// What a call is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    Key(usize),
    Groups,
    Pattern,
}

/// A call under way. Dropped, it says so.
pub(super) struct Open<'a> {
    pub(super) process: &'a Process,
    pub(super) call: usize,
    pub(super) about: About,
    pub(super) ended: bool,
}

impl Open<'_> {
    pub(super) fn end(mut self, end: &End) {
        self.ended = true;
        self.tell(end);
    }

    fn tell(&self, end: &End) {
        let call = self.call;
        let mut state = self.process.world.state();
        let (key, name) = match self.about {
            About::Key(key) => {
                state.check.end(call, end);
                (Some(key), "call")
            }
            About::Groups => {
                state.check.end_group(call, end);
                (None, "group call")
            }
            About::Pattern => {
                state.check.end_pattern(call, end);
                (None, "pattern call")
            }
        };
        state.note(Some(self.process.number), key, || match end {
            End::Found {
                id,
                outcome: Some(outcome),
            } => format!(
                "{name} {call} ends with v{id}, {} from {}, age {:?}{}",
                outcome.freshness,
                outcome.source,
                outcome.age,
                if outcome.joined { ", joined" } else { "" }
            ),
            End::Found { id, outcome: None } => format!("{name} {call} ends with v{id}"),
            other => format!("{name} {call} ends: {other:?}"),
        });
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(&End::Dropped);
        }
    }
}

/// A load under way. Dropped, it says so.
pub(super) struct Loading<'a> {
    pub(super) process: &'a Process,
    pub(super) id: usize,
    pub(super) key: usize,
    pub(super) ended: bool,
}

impl Loading<'_> {
    pub(super) fn end(&mut self, with_error: Option<bool>) {
        self.ended = true;
        let mut state = self.process.world.state();
        state.check.load_ended(self.id, with_error);
        let id = self.id;
        state.note(
            Some(self.process.number),
            Some(self.key),
            || match with_error {
                Some(false) => format!("has loaded v{id}"),
                Some(true) => format!("fails to load v{id}"),
                None => format!("drops its load of v{id}"),
            },
        );
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(None);
        }
    }
}
