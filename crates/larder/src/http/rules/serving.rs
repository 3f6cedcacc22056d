//! RFC 9111 §4, §4.2.4, §5.2.1 and RFC 5861: whether a stored response suits a request.

use std::time::Duration;

use http::HeaderMap;

use super::directives::Directives;
use super::storing::Terms;

/// What a request says of the stored responses that it takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish(Directives);

impl Wish {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        Self(Directives::of_request(request))
    }

    /// Whether nothing of it may be stored (§5.2.1.5).
    pub(crate) fn no_store(&self) -> bool {
        self.0.no_store
    }

    /// Whether the origin is not to be asked (§5.2.1.7).
    pub(crate) fn only_if_cached(&self) -> bool {
        self.0.only_if_cached
    }
}

/// A stored response, as old as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    pub(crate) terms: &'a Terms,
    /// Since the origin made it.
    pub(crate) age: Duration,
    /// Whether the cache vouches for it: nothing invalidated it, and its age is known.
    pub(crate) vouched: bool,
}

impl Held<'_> {
    fn is_fresh(&self) -> bool {
        self.vouched && !self.terms.validate && self.terms.lifetime > self.age
    }

    fn past_lifetime(&self) -> Duration {
        self.age.saturating_sub(self.terms.lifetime)
    }

    /// Within a window past its lifetime.
    fn within(&self, window: Duration) -> bool {
        self.vouched && !self.terms.validate && self.past_lifetime() < window
    }
}

/// What is to be done about a request for which a response is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is served; it is fresh.
    Fresh,
    /// It is served although it is stale, as the request or the response allows.
    Stale,
    /// It is served although it is stale, and asked about behind the client's back.
    Refresh,
    /// The origin is asked, since it is stale.
    AskStale,
    /// The origin is asked, since the request wants that.
    AskWanted,
}

/// Whether a stored response suits a request.
pub(crate) fn decide(held: Held<'_>, wish: &Wish) -> Decision {
    let Wish(wish) = wish;
    if wish.no_cache.is_some() || wish.max_age.is_some_and(|most| held.age > most) {
        // `max-stale` is beside `max-age`: past it, the client does not take it (§5.2.1.1).
        return if held.is_fresh() {
            Decision::AskWanted
        } else {
            Decision::AskStale
        };
    }
    if held.is_fresh() {
        let left = held.terms.lifetime.saturating_sub(held.age);
        return match wish.min_fresh {
            Some(least) if left < least => Decision::AskWanted,
            _ => Decision::Fresh,
        };
    }
    // A client that wants fresh ones takes no stale ones.
    if held.terms.strict || wish.min_fresh.is_some() {
        return Decision::AskStale;
    }
    if held.within(held.terms.stale_while_revalidate) {
        // Not behind the client's back either: what it says of storing would count for all.
        return if wish.only_if_cached {
            Decision::Stale
        } else {
            Decision::Refresh
        };
    }
    match wish.max_stale {
        Some(most)
            // In whole seconds, as both say it.
            if held.vouched && !held.terms.validate && held.past_lifetime().as_secs() <= most.as_secs() => {
            Decision::Stale
        }
        _ => Decision::AskStale,
    }
}

/// Whether what one request brought may be given to those that waited for it: whoever wants the origin's
/// word has it by that, but what the origin says counts.
pub(crate) fn may_share(held: Held<'_>) -> bool {
    matches!(
        decide(held, &Wish::default()),
        Decision::Fresh | Decision::Stale | Decision::Refresh
    )
}

/// Whether a stored response may stand in for an error of the origin (RFC 5861 §4).
pub(crate) fn stands_in(held: Held<'_>, wish: &Wish) -> bool {
    // What became fresh meanwhile, or was asked about for the client's sake alone.
    if held.is_fresh() {
        return wish.0.no_cache.is_none();
    }
    if held.terms.strict || wish.0.no_cache.is_some() {
        return false;
    }
    // Also one that was expired, or that the cache cannot vouch for: it has its bounds, and says what it
    // is.
    let window = wish.0.stale_if_error.unwrap_or_default();
    let window = window.max(held.terms.stale_if_error);
    !held.terms.validate && held.past_lifetime() < window
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn terms() -> Terms {
        Terms {
            lifetime: Duration::from_secs(10),
            ..Terms::default()
        }
    }

    fn decided(terms: &Terms, age: u64, wish: &str) -> Decision {
        let held = Held {
            terms,
            age: Duration::from_secs(age),
            vouched: true,
        };
        decide(held, &Wish::of(&headers(&format!("cache-control: {wish}"))))
    }

    #[test]
    fn fresh_is_younger_than_the_lifetime() {
        assert_eq!(decided(&terms(), 9, ""), Decision::Fresh);
        assert_eq!(decided(&terms(), 10, ""), Decision::AskStale);
        let none = Terms::default();
        assert_eq!(decided(&none, 0, ""), Decision::AskStale);
    }

    #[test]
    fn a_request_may_want_more_than_fresh() {
        assert_eq!(decided(&terms(), 1, "no-cache"), Decision::AskWanted);
        assert_eq!(decided(&terms(), 5, "max-age=4"), Decision::AskWanted);
        assert_eq!(decided(&terms(), 5, "max-age=5"), Decision::Fresh);
        assert_eq!(decided(&terms(), 5, "max-age=0"), Decision::AskWanted);
        assert_eq!(decided(&terms(), 5, "min-fresh=5"), Decision::Fresh);
        assert_eq!(decided(&terms(), 5, "min-fresh=6"), Decision::AskWanted);
    }

    #[test]
    fn a_request_may_take_stale_ones() {
        assert_eq!(decided(&terms(), 15, "max-stale=5"), Decision::Stale);
        assert_eq!(decided(&terms(), 16, "max-stale=5"), Decision::AskStale);
        assert_eq!(decided(&terms(), 1_000, "max-stale"), Decision::Stale);
        assert_eq!(
            decided(&terms(), 15, "max-stale, max-age=12"),
            Decision::AskStale
        );
        let strict = Terms {
            strict: true,
            ..terms()
        };
        assert_eq!(decided(&strict, 15, "max-stale"), Decision::AskStale);
        assert_eq!(decided(&strict, 5, ""), Decision::Fresh);
        let validate = Terms {
            validate: true,
            ..terms()
        };
        assert_eq!(decided(&validate, 1, "max-stale"), Decision::AskStale);
    }

    #[test]
    fn stale_while_revalidate_has_its_window() {
        let terms = Terms {
            stale_while_revalidate: Duration::from_secs(5),
            ..terms()
        };
        assert_eq!(decided(&terms, 14, ""), Decision::Refresh);
        assert_eq!(decided(&terms, 14, "only-if-cached"), Decision::Stale);
        assert_eq!(decided(&terms, 15, ""), Decision::AskStale);
        assert_eq!(decided(&terms, 14, "no-cache"), Decision::AskStale);
    }

    #[test]
    fn stale_if_error_has_its_window() {
        let terms = Terms {
            stale_if_error: Duration::from_secs(5),
            ..terms()
        };
        let stands = |terms: &Terms, age, wish: &str, vouched| {
            let held = Held {
                terms,
                age: Duration::from_secs(age),
                vouched,
            };
            stands_in(held, &Wish::of(&headers(&format!("cache-control: {wish}"))))
        };
        assert!(stands(&terms, 14, "", true));
        assert!(!stands(&terms, 15, "", true));
        assert!(stands(&terms, 15, "stale-if-error=9", true));
        assert!(!stands(&terms, 14, "no-cache", true));
        assert!(stands(&terms, 14, "", false));
        assert!(!stands(&terms, 15, "", false));
        assert!(!stands(
            &Terms {
                strict: true,
                ..terms.clone()
            },
            14,
            "stale-if-error=9",
            true
        ));
    }

    #[test]
    fn what_nobody_vouches_for_is_not_fresh() {
        let terms = terms();
        let held = Held {
            terms: &terms,
            age: Duration::ZERO,
            vouched: false,
        };
        assert_eq!(decide(held, &Wish::default()), Decision::AskStale);
    }
}
