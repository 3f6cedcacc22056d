//! Options that cannot be.

use std::time::Duration;

use larder::{CacheBuilder, Error, MAX_TTL, Refresh};

use super::common::secs;
use super::{Names, in_memory, names};

#[tokio::test]
async fn an_option_out_of_its_range_is_an_error_that_names_it_and_the_value() {
    type Builder = CacheBuilder<u32, String>;
    type Case = (fn(Builder) -> Builder, &'static str, &'static str);
    let (larder, _) = in_memory().await;
    let wrong: [Case; 13] = [
        (|b| b.jitter(1.0), "jitter", "1"),
        (|b| b.jitter(-0.25), "jitter", "-0.25"),
        (|b| b.jitter(f64::NAN), "jitter", "NaN"),
        (|b| b.refresh(Refresh::After(0.0)), "refresh", "0"),
        (|b| b.refresh(Refresh::After(1.0)), "refresh", "1"),
        (|b| b.refresh(Refresh::After(f64::NAN)), "refresh", "NaN"),
        (|b| b.refresh(Refresh::ByCost(0.0)), "refresh", "0"),
        (|b| b.refresh(Refresh::ByCost(-2.0)), "refresh", "-2"),
        (
            |b| b.refresh(Refresh::ByCost(f64::INFINITY)),
            "refresh",
            "inf",
        ),
        (
            |b| b.refresh(Refresh::After(0.5)).jitter(7.0),
            "jitter",
            "7",
        ),
        (|b| b.load_timeout(Duration::ZERO), "load_timeout", "0 s"),
        (|b| b.ttl(MAX_TTL + secs(1)), "ttl", "315576001s"),
        (|b| b.stale(MAX_TTL + secs(1)), "stale", "315576001s"),
    ];
    for (option, what, value) in wrong {
        let error = option(names(&larder)).build().unwrap_err();
        assert!(
            matches!(error, Error::OutOfRange { .. } | Error::TooLong { .. }),
            "{error}"
        );
        let message = error.to_string();
        for part in ["\"names\"", what, &format!(" of {value} ")] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let all = names(&larder)
        .jitter(0.0)
        .refresh(Refresh::ByCost(0.001))
        .load_timeout(Duration::MAX)
        .soft_timeout(Duration::ZERO)
        .remote_soft_timeout(Duration::MAX)
        .pause_after_failure(Duration::MAX)
        .cache_errors::<u8>(Duration::MAX);
    let cache: Names = all.build().unwrap();
    cache.set(&1, "Ann").await.unwrap();
    assert!(cache.get_or_load(&2, async || Err(2_u8)).await.is_err());
    assert!(cache.get_or_load(&2, async || Err(2_u8)).await.is_err());
    assert_eq!(cache.stats().loads, 1);
}
