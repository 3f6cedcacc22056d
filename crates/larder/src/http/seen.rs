//! A stored response as it was found.

use std::sync::Arc;
use std::time::Duration;

use super::rules::serving::Held;
use super::stored::{Stored, StoredResponse};
use crate::outcome::{Found, Freshness, Source, StaleReason};

/// A response that is stored, and how old it is.
#[derive(Clone)]
pub(super) struct Seen {
    /// A [`Stored::Response`].
    pub(super) stored: Arc<Stored>,
    pub(super) since_stored: Duration,
    vouched: bool,
    pub(super) source: Source,
}

impl Seen {
    pub(super) fn response(&self) -> Option<&StoredResponse> {
        match &*self.stored {
            Stored::Response(response) => Some(response),
            _ => None,
        }
    }

    pub(super) fn held(&self) -> Option<Held<'_>> {
        let response = self.response()?;
        Some(Held {
            terms: &response.terms,
            age: response.age(self.since_stored),
            vouched: self.vouched,
        })
    }
}

impl From<Found<Stored>> for Seen {
    fn from(found: Found<Stored>) -> Self {
        Self {
            since_stored: found.outcome.age,
            // Past its time it is what the origin said, and so is what a server that is away cannot
            // confirm. What was expired, or is of unknown age, is not fresh by its terms.
            vouched: !matches!(
                found.outcome.freshness,
                Freshness::Stale(StaleReason::Invalidated | StaleReason::UnknownLineage)
            ),
            source: found.outcome.source,
            stored: found.value,
        }
    }
}
