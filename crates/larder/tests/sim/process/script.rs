//! What is random about a call: how its loader goes, and how long it may go on.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use crate::groups::Tag;
use crate::plan::Plan;
use crate::rng::Rng;

/// How a loader goes.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) end: ScriptEnd,
    /// The tags that the value is loaded with, and those that only it reveals.
    pub(super) tags: Vec<Tag>,
    pub(super) late: Vec<Tag>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ScriptEnd {
    Value,
    Error,
    Panic,
}

impl Script {
    pub(super) fn draw(plan: &Plan, key: usize, rng: &mut Rng) -> Self {
        let end = if !rng.percent(plan.failures) {
            ScriptEnd::Value
        } else if rng.percent(70) {
            ScriptEnd::Error
        } else {
            ScriptEnd::Panic
        };
        Self {
            before: rng.between(0, plan.load / 2),
            after: rng.between(0, plan.load / 2),
            end,
            tags: some_tags(key, plan.tags, rng),
            late: some_tags(key, plan.late_tags, rng),
        }
    }
}

/// So many in a hundred of those that a value of `key` may have.
fn some_tags(key: usize, percent: u64, rng: &mut Rng) -> Vec<Tag> {
    let mut tags = Tag::of_key(key).to_vec();
    tags.retain(|_| rng.percent(percent));
    tags
}

/// How long a call may go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    Endless,
    Millis(u64),
    Polls(u64),
}

impl Patience {
    pub(super) fn draw(plan: &Plan, rng: &mut Rng) -> Self {
        if !rng.percent(plan.drops) {
            Self::Endless
        } else if rng.percent(50) {
            Self::Millis(rng.between(0, 2 * plan.latency.1 + plan.load))
        } else {
            Self::Polls(rng.between(1, 6))
        }
    }

    /// `None` where the future was dropped before its end.
    pub(super) async fn grant<F: Future>(self, future: F) -> Option<F::Output> {
        match self {
            Self::Endless => Some(future.await),
            Self::Millis(time) => timeout(Duration::from_millis(time), future).await.ok(),
            Self::Polls(mut polls) => {
                let mut future = pin!(future);
                poll_fn(|cx| match future.as_mut().poll(cx) {
                    Poll::Ready(output) => Poll::Ready(Some(output)),
                    Poll::Pending => {
                        polls -= 1;
                        if polls == 0 {
                            Poll::Ready(None)
                        } else {
                            Poll::Pending
                        }
                    }
                })
                .await
            }
        }
    }
}
