//! [g1]: g1_one_load
//! [g2]: g2_no_resurrection
//! [g3]: g3_trouble_is_not_the_callers
//! [g4]: g4_stale_is_declared
//! [g5]: g5_isolation
//! [g6]: g6_bounded
//! [g7]: g7_no_shared_clock
//! [g8]: g8_cancel_safe
//! [g9]: g9_rolling_deploys
//! [g10]: g10_nothing_foreign
//! [metrics]: metrics
//! [macros]: macros
#![cfg_attr(feature = "http", doc = "[http]: mod@crate::guide::http")]
//! [migration]: migration
#![cfg_attr(feature = "blocking", doc = "[blocking]: blocking")]
#![cfg_attr(feature = "testing", doc = "[testing]: testing")]
//!
#![doc = include_str!("../docs/guide/README.md")]
// The links above go before those of the file, which are for readers of the repository.

#[doc = include_str!("../docs/guide/g1-one-load.md")]
pub mod g1_one_load {}

#[doc = include_str!("../docs/guide/g2-no-resurrection.md")]
pub mod g2_no_resurrection {}

#[doc = include_str!("../docs/guide/g3-trouble-is-not-the-callers.md")]
pub mod g3_trouble_is_not_the_callers {}

#[doc = include_str!("../docs/guide/g4-stale-is-declared.md")]
pub mod g4_stale_is_declared {}

#[doc = include_str!("../docs/guide/g5-isolation.md")]
pub mod g5_isolation {}

#[doc = include_str!("../docs/guide/g6-bounded.md")]
pub mod g6_bounded {}

#[doc = include_str!("../docs/guide/g7-no-shared-clock.md")]
pub mod g7_no_shared_clock {}

#[doc = include_str!("../docs/guide/g8-cancel-safe.md")]
pub mod g8_cancel_safe {}

#[doc = include_str!("../docs/guide/g9-rolling-deploys.md")]
pub mod g9_rolling_deploys {}

#[doc = include_str!("../docs/guide/g10-nothing-foreign.md")]
pub mod g10_nothing_foreign {}

#[doc = include_str!("../docs/guide/metrics.md")]
pub mod metrics {}

#[cfg(feature = "macros")]
#[doc = include_str!("../docs/guide/macros.md")]
pub mod macros {}

#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
#[doc = include_str!("../docs/guide/http.md")]
pub mod http {}

#[cfg(feature = "blocking")]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
#[doc = include_str!("../docs/guide/blocking.md")]
pub mod blocking {}

#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
#[doc = include_str!("../docs/guide/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/guide/migration.md")]
pub mod migration {}
