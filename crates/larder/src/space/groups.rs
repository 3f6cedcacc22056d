//! Invalidates groups: a scope's stamp is replaced.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::Shared;
use crate::error::Error;
use crate::load::Owed;
use crate::remote::RemoteError;
use crate::scope::{Scope, Scopes, Strength};
use crate::telemetry::Invalidated;
use crate::wire::Stamp;

/// How much of a stamp stays where its scope is only expired: the id of its removals.
const EXPIRE_KEEPS: usize = size_of::<u64>();

impl Shared {
    /// Invalidates each of the scopes that `of` names: in this process by the time that it returns,
    /// in others when they hear of it. What cannot reach the server waits.
    ///
    /// Once polled, it runs to its end, whether or not the caller stays.
    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        what: Invalidated,
        of: impl Fn(&Scopes) -> Vec<Arc<Scope>>,
        strength: Strength,
    ) -> Result<(), Error> {
        let Some(_pass) = self.enter() else {
            return if self.enabled {
                Err(Error::Closed)
            } else {
                Ok(())
            };
        };
        let local: Vec<_> = self.local.lock().iter().filter_map(Weak::upgrade).collect();
        for scopes in local {
            for scope in of(&scopes) {
                scopes.change(&scope);
            }
        }
        let scopes = of(&self.scopes);
        self.invalidations.count(what, scopes.len());
        for scope in &scopes {
            self.scopes.change(scope);
        }
        if self.recovery.is_none() {
            return Ok(());
        }
        let (shared, stay) = (Arc::clone(self), self.gate.stay());
        let task = self.runtime.spawn(async move {
            let _stay = stay;
            // At the same time, so that many take no longer than one. The first failure is told; the
            // others wait as well.
            let all = scopes.iter().map(|scope| shared.replace(scope, strength));
            join_all(all).await.into_iter().collect()
        });
        task.await.unwrap_or(Err(Error::Closed))
    }

    async fn replace(&self, scope: &Scope, strength: Strength) -> Result<(), Error> {
        let Some(recovery) = &self.recovery else {
            return Ok(());
        };
        let stamp = Bytes::copy_from_slice(&Stamp::draw().to_bytes());
        let life = scope.life_for(Duration::ZERO);
        let kept = match strength {
            Strength::Expire => EXPIRE_KEEPS,
            Strength::Remove => 0,
        };
        let deadline = self.deadline();
        let answer = self.remote.splice(&scope.key, kept, stamp, life, deadline);
        let answer = answer.await;
        // Again: what was read meanwhile may be the stamp from before.
        self.scopes.change(scope);
        let Err(source) = answer else {
            // What waits is a removal, and an expiry does less.
            if strength == Strength::Remove {
                recovery.done(&scope.key);
            }
            return Ok(());
        };
        if matches!(source, RemoteError::Closed) {
            return Err(Error::Closed);
        }
        let owed = Owed::Restamp { kept, life };
        let everything = &self.scopes.everything().key;
        recovery.put(&scope.key, owed, everything);
        Err(Error::Pending {
            operation: "invalidate",
            key: scope.key.to_string(),
            source: Box::new(source),
        })
    }
}
