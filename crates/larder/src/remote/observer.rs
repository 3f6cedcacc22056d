//! Who hears what changes on the server.

use crate::time::Tick;

/// Hears of every change under a prefix, in the order in which the server tells of them.
///
/// The stream of changes is known to be whole from [`began`](Self::began) to
/// [`ended`](Self::ended), up to the moment of the last [`answered`](Self::answered). No method
/// blocks or panics.
pub trait Observer: Send + Sync + 'static {
    /// The stream begins. What changed before is not known.
    fn began(&self);

    /// The value under this stored key may have changed.
    fn changed(&self, key: &str);

    /// The lease of this stored key was taken, renewed or ended. The value may have stayed as it is;
    /// where it did not, [`changed`](Self::changed) tells.
    fn lease_changed(&self, key: &str);

    /// Everything may be gone.
    fn flushed(&self);

    /// Called before the server is asked whether it still answers on the stream.
    fn asks(&self) -> Asked;

    /// The server answered what was asked then: every change that was acknowledged before has been
    /// told.
    fn answered(&self, asked: Asked);

    /// The stream is lost, or could not begin. It is tried again until the remote is closed.
    fn ended(&self, reason: &str);
}

/// When the server was asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked(pub(crate) Tick);

/// How an observer hears of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushes {
    /// It does not.
    None,
    /// Some time after them: what it knows is as old as the last [`Observer::answered`].
    Later,
    /// Before the operation that made the change returns, to whichever process.
    AtOnce,
}
