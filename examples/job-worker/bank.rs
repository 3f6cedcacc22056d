//! The slow thing that the jobs need.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apalis::prelude::BoxDynError;

/// How long it takes to answer.
const SLOW: Duration = Duration::from_millis(50);

/// A bank that is asked over the network, or so it seems.
pub(crate) struct Bank {
    euros: Mutex<HashMap<String, f64>>,
    asked: AtomicU64,
}

impl Default for Bank {
    fn default() -> Self {
        let euros = [("USD", 0.92), ("GBP", 1.17), ("JPY", 0.0062)];
        let euros = euros.map(|(currency, euros)| (currency.to_owned(), euros));
        Self {
            euros: Mutex::new(HashMap::from(euros)),
            asked: AtomicU64::new(0),
        }
    }
}

impl Bank {
    pub(crate) async fn rate(&self, currency: &str) -> Result<f64, BoxDynError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(SLOW).await;
        let rate = self.euros().get(currency).copied();
        rate.ok_or_else(|| format!("the bank knows no currency `{currency}`").into())
    }

    pub(crate) async fn set_rate(&self, currency: &str, euros: f64) -> Result<(), BoxDynError> {
        tokio::time::sleep(SLOW).await;
        self.euros().insert(currency.to_owned(), euros);
        Ok(())
    }

    /// How often a rate was asked for.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn euros(&self) -> MutexGuard<'_, HashMap<String, f64>> {
        self.euros.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
