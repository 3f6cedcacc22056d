//! Stands between a store and who hears of its changes, and lets no more through than the test says.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::remote::{Asked, Observer};
use crate::time::Tick;

/// Hears what a store tells, and hands it on.
pub(super) struct Relay {
    observer: Weak<dyn Observer>,
    has_begun: AtomicBool,
    is_silent: AtomicBool,
}

impl Relay {
    pub(super) fn new(observer: Weak<dyn Observer>) -> Self {
        Self {
            observer,
            has_begun: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
        }
    }

    /// Whether anybody still listens.
    pub(super) fn is_heard(&self) -> bool {
        self.observer.strong_count() > 0
    }

    /// Hands nothing on, or all again.
    pub(super) fn silence(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Tells that the stream is lost.
    pub(super) fn sever(&self) {
        self.at(|observer| observer.ended("the test broke the stream of changes"));
    }

    /// Tells that it begins again, and that nothing is missing from here on.
    pub(super) fn mend(&self) {
        self.at(|observer| {
            observer.began();
            observer.answered(Asked(Tick(u64::MAX)));
        });
    }

    fn at(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = self.observer.upgrade() {
            tell(&*observer);
        }
    }

    fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        if !self.is_silent.load(Ordering::SeqCst) {
            self.at(what);
        }
    }
}

impl Observer for Relay {
    fn began(&self) {
        // A store that takes another's place goes on with the stream.
        if !self.has_begun.swap(true, Ordering::SeqCst) {
            self.tell(Observer::began);
        }
    }

    fn changed(&self, key: &str) {
        self.tell(|observer| observer.changed(key));
    }

    fn lease_changed(&self, key: &str) {
        self.tell(|observer| observer.lease_changed(key));
    }

    fn flushed(&self) {
        self.tell(Observer::flushed);
    }

    fn asks(&self) -> Asked {
        let observer = self.observer.upgrade();
        observer.map_or(Asked(Tick(0)), |observer| observer.asks())
    }

    fn answered(&self, asked: Asked) {
        self.tell(|observer| observer.answered(asked));
    }

    fn ended(&self, reason: &str) {
        self.tell(|observer| observer.ended(reason));
    }
}
