//! What can go wrong with a remote, and with which operation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

/// A method of [`Remote`](crate::remote::Remote), as a [`FaultyRemote`](super::FaultyRemote) tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// The value of one key.
    Get,
    /// The values of several keys.
    GetMany,
    /// A `set`.
    Set,
    /// A `remove`.
    Remove,
    /// A stamp is looked up, or made.
    Keep,
    /// A stamp is replaced, as by an invalidation.
    Splice,
    /// The right to load a key is asked for.
    Acquire,
    /// It is held on to.
    Renew,
    /// A loaded value is stored.
    Fill,
    /// The right to load is given back.
    Release,
    /// A sweep looks for keys.
    Scan,
    /// A sweep looks at values.
    Heads,
    /// A sweep removes values.
    Discard,
    /// A bounded cache is opened.
    OpenBounded,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Get,
        Self::GetMany,
        Self::Set,
        Self::Remove,
        Self::Keep,
        Self::Splice,
        Self::Acquire,
        Self::Renew,
        Self::Fill,
        Self::Release,
        Self::Scan,
        Self::Heads,
        Self::Discard,
        Self::OpenBounded,
    ];
    /// The lookups of values.
    pub const READS: [Self; 2] = [Self::Get, Self::GetMany];
    /// What changes values: `set`, `remove`, and the storing of what was loaded.
    pub const WRITES: [Self; 3] = [Self::Set, Self::Remove, Self::Fill];

    /// Whether a server that is full refuses it.
    pub(super) fn takes_room(self) -> bool {
        matches!(
            self,
            Self::Set | Self::Fill | Self::Keep | Self::Splice | Self::Acquire | Self::OpenBounded
        )
    }
}

/// What goes wrong with an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails at once, and takes no effect: the server cannot be reached.
    Fail,
    /// There is no answer until the caller's deadline, and it takes no effect.
    Hang,
    /// It takes this much longer. Where that is past the caller's deadline, as `Hang`.
    Delay(Duration),
    /// It takes effect, and then the connection breaks: the caller does not know.
    LoseAnswer,
    /// The server has no memory left: what needs some is refused. Reads and removals work.
    Full,
    /// Lookups find these bytes in place of each value that is there.
    Garble(Bytes),
}

/// Where an operation is held: before it takes effect, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// Before it takes effect.
    Before,
    /// When it has taken effect, and the caller does not know yet.
    After,
}

/// One operation that waits for the test. From [`FaultyRemote::hold`](super::FaultyRemote::hold).
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<(Notify, Notify)>);

impl Held {
    /// Waits until the operation has come to the point where it is held.
    ///
    /// # Cancel safety
    /// Dropped before it has come, it may be awaited again.
    pub async fn reached(&self) {
        self.0.0.notified().await;
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.0.1.notify_one();
    }

    /// Comes to the point where it is held, and waits there.
    pub(super) async fn pass(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }
}
