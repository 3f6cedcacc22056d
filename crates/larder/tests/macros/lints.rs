//! A function's lints: its body's are its author's, and what is written beside it has none.

#![deny(unused, unfulfilled_lint_expectations, clippy::pedantic)]

use larder::{Larder, cached, invalidates};

use crate::installed;

/// Only where the body is linted, this expectation is met.
#[cached]
#[expect(unused_variables, reason = "it is there to be seen")]
async fn linted(id: u64) -> u64 {
    let seen = id;
    id
}

#[cached]
#[expect(clippy::redundant_closure_for_method_calls, reason = "so is this")]
async fn linted_by_clippy(id: Option<u64>) -> Option<u32> {
    id.map(|id| id.count_ones())
}

/// The attribute uses `team`.
#[cached(tags = ["team:{team}"], key = id)]
async fn used_by_the_attribute(id: u64, team: u64) -> u64 {
    id
}

#[derive(Clone)]
struct Repo {
    larder: Larder,
    added: u64,
}

impl Repo {
    #[cached(larder = self.larder)]
    async fn changed(mut self, mut id: u64) -> u64 {
        self.added += 1;
        id += self.added;
        id
    }

    #[invalidates(self.changed_of(id))]
    async fn changes(mut self, mut id: u64) -> u64 {
        self.added += 1;
        id += self.added;
        id
    }

    fn changed_of_invalidate(&self, id: u64) -> larder::Invalidation {
        self.clone().changed_invalidate(id)
    }
}

trait Reads {
    async fn read(self, id: u64) -> u64;
    fn read_now(&self, id: u64) -> u64;
}

impl Reads for Repo {
    #[cached(larder = self.larder, in_trait)]
    async fn read(mut self, mut id: u64) -> u64 {
        self.added += 1;
        id += self.added;
        id
    }

    #[cached(larder = self.larder, in_trait)]
    fn read_now(&self, id: u64) -> u64 {
        id + self.added
    }
}

trait One {
    async fn one(&self, id: u64) -> u64;
}

impl One for Repo {
    #[cached(larder = self.larder, in_trait)]
    async fn one(&self, id: u64) -> u64 {
        id
    }
}

#[tokio::test]
async fn all_of_them_run() {
    let larder = installed().await;
    let repo = Repo { larder, added: 1 };
    assert_eq!(linted(1).await, 1);
    assert_eq!(linted_by_clippy(Some(1)).await, Some(1));
    assert_eq!(used_by_the_attribute(1, 2).await, 1);
    assert_eq!(repo.clone().changed(1).await, 3);
    assert_eq!(repo.clone().changes(1).await, 3);
    assert_eq!(repo.clone().read(1).await, 3);
    assert_eq!(repo.read_now(1), 2);
    assert_eq!(repo.one(1).await, 1);
}
