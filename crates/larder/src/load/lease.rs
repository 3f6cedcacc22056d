//! The lease of a flight: taken, renewed, and given back, whatever happens to who holds it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::gate::{Gate, Stay};
use crate::key::StoredKey;
use crate::remote::{Acquired, Claim, Deadline, Lease, Remote, RemoteError};

/// How long a lease lives after its holder died.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(3);
/// A third of it, so that two renewals may be lost.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long the note of a load that stored nothing stands.
const NOTE_TTL: Duration = Duration::from_secs(1);

/// What a lease is taken from and given back to.
#[derive(Clone)]
pub(crate) struct Lessor {
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) runtime: Handle,
    pub(crate) gate: Arc<Gate>,
    /// What one request grants to the remote.
    pub(crate) timeout: Duration,
    /// How long a lease is renewed at most.
    pub(crate) cap: Duration,
}

/// A lease that is held, or was asked for and may be. Dropped, it is given back.
#[must_use]
pub(crate) struct Held(Option<Arc<Inner>>);

struct Inner {
    lessor: Lessor,
    key: StoredKey,
    lease: Lease,
}

/// What became of asking for a lease.
pub(crate) enum Asked {
    Granted(Held),
    /// By another flight.
    Held {
        by: Lease,
        left: Duration,
    },
    Value(Bytes),
    Failed(RemoteError),
}

impl Held {
    /// Asks for the lease of `key`. `seen` is how the value begins that the caller has read.
    ///
    /// Cancel safe: the guard exists before the request is sent, and gives back what was granted.
    pub(crate) async fn ask(
        lessor: &Lessor,
        key: &StoredKey,
        seen: &[u8],
        deadline: Deadline,
    ) -> Asked {
        let mut held = Self(Some(Arc::new(Inner {
            lessor: lessor.clone(),
            key: key.clone(),
            lease: Lease::draw(),
        })));
        let Some(inner) = held.0.clone() else {
            return Asked::Failed(RemoteError::Closed);
        };
        let claim = Claim {
            lease: &inner.lease,
            ttl: LEASE_TTL,
            seen,
        };
        match lessor.remote.acquire(key, claim, deadline).await {
            Ok(Acquired::Granted) => {
                lessor.runtime.spawn(keep(Arc::downgrade(&inner)));
                Asked::Granted(held)
            }
            Ok(Acquired::Held { by, left }) => {
                held.0 = None;
                Asked::Held { by, left }
            }
            Ok(Acquired::Value(bytes)) => {
                held.0 = None;
                Asked::Value(bytes)
            }
            // It may have been granted all the same, and is given back.
            Err(error) => Asked::Failed(error),
        }
    }

    /// Writes a value under the lease, which ends with it; whether it still was the flight's own.
    pub(crate) async fn fill(
        mut self,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        let Some(inner) = self.0.clone() else {
            return Ok(false);
        };
        let remote = &inner.lessor.remote;
        let filled = remote
            .fill(&inner.key, &inner.lease, value, ttl, deadline)
            .await;
        match &filled {
            Ok(_) => self.0 = None,
            // The next load would bring it again: nobody waits for that.
            Err(error) if error.refuses_value() => self.leave_note(),
            Err(_) => {}
        }
        filled
    }

    /// Gives the lease back, and tells those who wait elsewhere that nothing was stored.
    pub(crate) fn leave_note(mut self) {
        if let Some(inner) = self.0.take() {
            inner.give_back(Some((Lease::note(), NOTE_TTL)));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            inner.give_back(None);
        }
    }
}

impl Inner {
    fn give_back(self: Arc<Self>, note: Option<(Lease, Duration)>) {
        let stay: Stay = self.lessor.gate.stay();
        let runtime = self.lessor.runtime.clone();
        runtime.spawn(async move {
            let _stay = stay;
            let Self { lessor, key, lease } = &*self;
            let deadline = Deadline::after(lessor.timeout);
            if let Err(error) = lessor.remote.release(key, lease, note, deadline).await {
                tracing::debug!(target: "larder::load", %key, %error, "cannot give a lease back");
            }
        });
    }
}

/// Renews a lease until it is given back, lost, or held for too long.
async fn keep(lease: std::sync::Weak<Inner>) {
    let began = Instant::now();
    loop {
        sleep(RENEW_EVERY).await;
        let Some(held) = lease.upgrade() else { return };
        if began.elapsed() >= held.lessor.cap {
            return;
        }
        let deadline = Deadline::after(held.lessor.timeout.min(RENEW_EVERY));
        let remote = &held.lessor.remote;
        match remote
            .renew(&held.key, &held.lease, LEASE_TTL, deadline)
            .await
        {
            Ok(true) => {}
            // Invalidated, or taken over: its fill will be refused.
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(target: "larder::load", key = %held.key, %error, "cannot renew a lease");
            }
        }
    }
}
