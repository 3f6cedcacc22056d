//! What a remote holds, a page at a time.

use bytes::Bytes;

/// A place in a [`scan`](super::Remote::scan), which only the remote that gave it can read.
///
/// It may be as long as a remote needs: one of several nodes puts a place for each of them here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Bytes);

impl Cursor {
    /// The place that the remote writes as `bytes`.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// As the remote wrote it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A part of what a scan finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Whole keys. A key may come more than once.
    pub keys: Vec<String>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Page {
    /// These keys, and where to go on.
    pub fn new(keys: Vec<String>, next: Option<Cursor>) -> Self {
        Self { keys, next }
    }
}

/// A key as a scan gave it, and how what lies under it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The whole key.
    pub key: String,
    /// Enough of what lies there to tell it from anything else. Never empty.
    pub seen: Bytes,
}
