//! Goes through the server's keys, a page at a time.

use std::collections::VecDeque;

use super::Looker;
use crate::remote::{Cursor, Page, RemoteError};

/// Keys that the server looks at in one go. It took 0.15 ms for 256 among two million, and 0.4 ms at the
/// most, on Valkey 8.0 and Redis 7.0.
pub(super) const COUNT: usize = 256;

/// The way through all keys that begin with one text after another.
pub(super) struct Walk {
    unders: VecDeque<String>,
    cursor: Option<Cursor>,
}

impl Walk {
    pub(super) fn through(unders: impl IntoIterator<Item = String>) -> Self {
        Self {
            unders: unders.into_iter().collect(),
            cursor: None,
        }
    }

    /// The next page; `None` at the end. It is the same again until [`advance`](Self::advance).
    ///
    /// A place that is lost makes it begin anew: whatever came through a restart is under another
    /// cursor now.
    pub(super) async fn page(&mut self, looker: &Looker<'_>) -> Result<Option<Page>, RemoteError> {
        let Some(under) = self.unders.front() else {
            return Ok(None);
        };
        let page = looker
            .remote
            .scan(under, self.cursor.as_ref(), COUNT, looker.deadline());
        match page.await {
            Err(RemoteError::CursorLost { .. }) => {
                self.cursor = None;
                let page = looker.remote.scan(under, None, COUNT, looker.deadline());
                page.await.map(Some)
            }
            page => page.map(Some),
        }
    }

    /// The page has been dealt with.
    pub(super) fn advance(&mut self, page: Page) {
        self.cursor = page.next;
        if self.cursor.is_none() {
            self.unders.pop_front();
        }
    }
}
