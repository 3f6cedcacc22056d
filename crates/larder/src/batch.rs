//! What a call on many keys returns.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::error::Error;
use crate::load::LoadError;
use crate::outcome::Found;

/// What became of each key of
/// [`Cache::lookup_or_load_many`](crate::Cache::lookup_or_load_many): each is in one of the three.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch<K, V, E> {
    /// The values, from wherever they came.
    pub found: HashMap<K, Found<V>>,
    /// Keys that the loader was asked for and brought nothing for.
    pub absent: Vec<K>,
    /// Keys whose load failed, where no stale value was at hand.
    pub failed: HashMap<K, LoadError<E>>,
}

impl<K: Hash + Eq, V, E> Batch<K, V, E> {
    pub(crate) fn new() -> Self {
        Self {
            found: HashMap::new(),
            absent: Vec::new(),
            failed: HashMap::new(),
        }
    }

    /// Each key with its value, or `None`, or its error.
    pub(crate) fn into_answers(
        self,
    ) -> impl Iterator<Item = (K, Result<Option<Found<V>>, LoadError<E>>)> {
        let found = self.found.into_iter();
        let found = found.map(|(key, found)| (key, Ok(Some(found))));
        let absent = self.absent.into_iter().map(|key| (key, Ok(None)));
        let failed = self.failed.into_iter();
        let failed = failed.map(|(key, error)| (key, Err(error)));
        found.chain(absent).chain(failed)
    }

    /// The values alone, if no key failed.
    ///
    /// # Errors
    /// That of one of the keys that failed.
    pub fn into_values(self) -> Result<HashMap<K, Arc<V>>, LoadError<E>> {
        if let Some((_, error)) = self.failed.into_iter().next() {
            return Err(error);
        }
        let value = |(key, found): (K, Found<V>)| (key, found.value);
        Ok(self.found.into_iter().map(value).collect())
    }
}

/// Which keys of [`Cache::set_many`](crate::Cache::set_many) or
/// [`Cache::remove_many`](crate::Cache::remove_many) failed, and why. The others did not.
///
/// The `Debug` form is the message too, since that is what a `main` that returns the error prints.
pub struct BatchError<K> {
    failed: Vec<(K, Error)>,
    of: usize,
}

impl<K> BatchError<K> {
    /// `Ok` where none of the `of` keys failed.
    pub(crate) fn of<T>(done: T, failed: Vec<(K, Error)>, of: usize) -> Result<T, Self> {
        if failed.is_empty() {
            Ok(done)
        } else {
            Err(Self { failed, of })
        }
    }

    /// The keys that failed, each with its error. Never empty.
    pub fn failed(&self) -> &[(K, Error)] {
        &self.failed
    }

    /// The same, owned.
    pub fn into_failed(self) -> Vec<(K, Error)> {
        self.failed
    }
}

impl<K> fmt::Display for BatchError<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} keys failed", self.failed.len(), self.of)?;
        match self.failed.first() {
            Some((_, error)) => write!(f, "; the first: {error}"),
            None => Ok(()),
        }
    }
}

impl<K> fmt::Debug for BatchError<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> std::error::Error for BatchError<K> {}
