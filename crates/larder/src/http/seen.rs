//! A stored response as it was found.

use std::sync::Arc;
use std::time::Duration;

use super::rules::serving::Held;
use super::stored::StoredResponse;
use crate::outcome::{Freshness, Outcome, Source, StaleReason};

/// A response that is stored, and how old it is.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) response: Arc<StoredResponse>,
    /// Of the response, by now.
    pub(super) age: Duration,
    vouched: bool,
    pub(super) source: Source,
}

impl Seen {
    pub(super) fn new(response: &Arc<StoredResponse>, outcome: &Outcome) -> Self {
        Self {
            age: response.terms.initial_age + outcome.age,
            // Past its time it is what the origin said, and so is what a server that is away cannot
            // confirm. What was expired, or is of unknown age, is not fresh by its terms.
            vouched: !matches!(
                outcome.freshness,
                Freshness::Stale(StaleReason::Invalidated | StaleReason::UnknownLineage)
            ),
            source: outcome.source,
            response: Arc::clone(response),
        }
    }

    pub(super) fn held(&self) -> Held<'_> {
        Held {
            terms: &self.response.terms,
            age: self.age,
            vouched: self.vouched,
        }
    }
}
