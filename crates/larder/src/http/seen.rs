//! A stored response as it was found.

use std::sync::Arc;
use std::time::Duration;

use super::rules::serving::Held;
use super::stored::StoredResponse;
use crate::outcome::{Freshness, Outcome, StaleReason};

/// A response that is stored, and how old it is.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) response: Arc<StoredResponse>,
    /// Of the response, by now.
    pub(super) age: Duration,
    pub(super) outcome: Outcome,
}

impl Seen {
    pub(super) fn new(response: &Arc<StoredResponse>, outcome: Outcome) -> Self {
        Self {
            age: response.terms.initial_age + outcome.age,
            response: Arc::clone(response),
            outcome,
        }
    }

    pub(super) fn held(&self) -> Held<'_> {
        Held {
            terms: &self.response.terms,
            age: self.age,
            // Past its time it is what the origin said, and so is what a server that is away cannot
            // confirm. What was expired, or is of unknown age, is not fresh by its terms.
            vouched: !matches!(
                self.outcome.freshness,
                Freshness::Stale(StaleReason::Invalidated | StaleReason::UnknownLineage)
            ),
        }
    }
}
