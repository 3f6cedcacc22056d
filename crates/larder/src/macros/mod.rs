//! What the code calls that [`cached`](macro@crate::cached) and [`invalidates`](macro@crate::invalidates)
//! write. It is no part of the API: it changes with the macros, without notice.
//!
//! The macros see the text of a function and not its types, so whatever depends on a type is decided
//! here, by traits:
//!
//! - `returns`: what a function returns, seen through aliases: a `Result` or not, a value, an `Arc` or
//!   an `Option`; and how its error type takes in that another caller's load failed.
//! - `site`: the cache of a function, opened once, and again when the process-wide larder is another one.
//! - `text`: keys, tenants and tags that a template makes, without an allocation where they are short.
//! - `load`, `sync` and `batch`: the way of a call past a miss, so that the function runs at most once.
//! - `invalidate`: what happens after a function has succeeded.

mod batch;
mod invalidate;
mod load;
mod returns;
mod site;
mod sync;
mod text;

pub use batch::{Pair, load_many, no_tags, pairs, pairs_by, tags_by};
pub use invalidate::{Invalidation, Task, Told, all, all_blocking, many, one, process_wide};
pub use load::{With, hit, hit_unless_due, load, load_spawned};
pub use returns::{
    ARC, CLONED, Held, HoldsNoError, InBackground, IsNotClone, IsPlain, IsSettled, IsValue, OPTION,
    Optional, PLAIN, Probe, RESULT, Returned, Settles, Succeeds, TakesFailure, VALUE, ValueOf,
    WRAPPED,
};
pub use site::{Erased, Keeps, Site, Slot, built, whole};
pub use sync::{load_blocking, wait_for};
pub use text::{Borrowed, KeyOf, Text, key_part};
