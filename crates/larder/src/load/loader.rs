//! What a loader is told, and what it may answer beside the value.

use std::sync::Arc;
use std::time::Duration;

/// What a loader is told of its load.
#[derive(Debug)]
pub struct Load<V> {
    stale: Option<Arc<V>>,
    refresh: bool,
}

impl<V> Load<V> {
    pub(crate) fn new(stale: Option<Arc<V>>, refresh: bool) -> Self {
        Self { stale, refresh }
    }

    /// The value that is to be replaced, if it is at hand: past its TTL and within its stale
    /// window, or still fresh in a refresh.
    ///
    /// A value that carries its own validator (an entity tag, a revision) lets the source answer
    /// "unchanged" instead of sending it again: see [`unchanged`](Self::unchanged).
    pub fn stale(&self) -> Option<&Arc<V>> {
        self.stale.as_ref()
    }

    /// The value of [`stale`](Self::stale), which the source has confirmed: it is fresh again, from
    /// now on.
    pub fn unchanged(&self) -> Option<Loaded<V>> {
        self.stale.clone().map(Loaded::of)
    }

    /// Whether nobody waits for this load: it replaces a value that is still served.
    pub fn is_refresh(&self) -> bool {
        self.refresh
    }
}

/// A value, most often a loaded one, with how it is to be stored.
///
/// ```
/// use std::time::Duration;
/// use larder::Loaded;
///
/// let short = Loaded::new("price".to_owned()).ttl(Duration::from_secs(5));
/// let once = Loaded::new("captcha".to_owned()).do_not_store();
/// ```
#[derive(Debug)]
#[must_use]
pub struct Loaded<V> {
    pub(crate) value: Arc<V>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) stale: Option<Duration>,
    pub(crate) tags: Vec<Box<str>>,
}

impl<V> Loaded<V> {
    /// `value`, for the TTL and the stale window of the call, or else of the cache.
    pub fn new(value: V) -> Self {
        Self::of(Arc::new(value))
    }

    pub(crate) fn of(value: Arc<V>) -> Self {
        Self {
            value,
            ttl: None,
            stale: None,
            tags: Vec::new(),
        }
    }

    /// How long it is fresh. Zero: it is not stored. More than [`MAX_TTL`](crate::MAX_TTL) is cut
    /// to that.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long past its TTL it may be served as stale.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.stale = Some(stale);
        self
    }

    /// Tags that only the value reveals, beside those of the call. With a tag that cannot be (see
    /// [`Tag`](crate::key::Tag)), or more than 64 in all, it is not stored.
    ///
    /// Nothing of them was known before the load, so it takes until the server's next answer on the
    /// connection that it tells changes on, a quarter of a second, until the value is stored: by
    /// then it is known whether one of them was invalidated meanwhile. Where nobody tells, it is
    /// not stored.
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags
            .extend(tags.into_iter().map(|tag| tag.as_ref().into()));
        self
    }

    /// All who wait for the load get the value, and no tier keeps it.
    pub fn do_not_store(self) -> Self {
        self.ttl(Duration::ZERO)
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Arc<V>> for Loaded<V> {
    fn from(value: Arc<V>) -> Self {
        Self::of(value)
    }
}

impl From<&str> for Loaded<String> {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}
