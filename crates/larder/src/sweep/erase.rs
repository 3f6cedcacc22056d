//! Deletes all that the server holds of a tenant, and looks whether that is so.

use bytes::Bytes;
use tokio::time::sleep;

use super::Looker;
use super::look::Patience;
use super::range::Range;
use super::walk::Walk;
use crate::key::{Place, StoredKey, Tenant};
use crate::remote::{LEASE_LEN, Lease, RemoteError, Sighting};
use crate::scope::names;
use crate::space::Shared;
use crate::wire::{HEADER_LEN, Head, STAMP_LEN};

/// How often it is deleted again what a look has found since.
const ROUNDS: usize = 3;

/// What was erased of a tenant: see [`Larder::erase`](crate::Larder::erase).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// Values deleted.
    pub values: u64,
    /// Leases and notes of loads deleted.
    pub leases: u64,
    /// Stamps of the tenant, its caches and its tags deleted.
    pub stamps: u64,
    /// All of these, keys included, as they were sent, in bytes.
    pub bytes: u64,
    /// What a scan of all keys found afterwards. It is zero unless somebody stored something of the
    /// tenant, or asked for it, meanwhile.
    pub remaining: u64,
    /// What lies under the tenant's keys and is not larder's. It is left alone.
    pub foreign: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    Value,
    Lease,
    Stamp,
}

/// Something of the tenant that larder wrote.
struct Trace {
    kind: Kind,
    sighting: Sighting,
    bytes: u64,
}

/// What is done with what is found.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Delete,
    Look,
}

/// The erasure of a tenant that has been cleared.
pub(crate) struct Erasure<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) shared: &'a Shared,
}

impl Erasure<'_> {
    /// Deletes all of it. A server that does not answer is asked again for as long as one call may take.
    pub(crate) async fn run(&self) -> Result<Erased, RemoteError> {
        // A load whose value bears the old stamps has taken its lease by then, so the lease is found, and
        // ended: a process knows of the clear by now, or does not trust what it knew.
        sleep(self.shared.watch.lag()).await;
        let mut erased = Erased::default();
        for _ in 0..ROUNDS {
            self.pass(Pass::Delete, &mut erased).await?;
            (erased.remaining, erased.foreign) = (0, 0);
            self.pass(Pass::Look, &mut erased).await?;
            if erased.remaining == 0 {
                break;
            }
        }
        Ok(erased)
    }

    async fn pass(&self, pass: Pass, erased: &mut Erased) -> Result<(), RemoteError> {
        let looker = Looker::of(self.shared);
        let range = Range::Tenant(self.tenant.clone());
        let stamps = StoredKey::stamp(looker.prefix, &self.stamp());
        let mut unders = range.values_and_leases(looker.prefix);
        // Last: as long as the stamp stands, what bears an older one is known to be outdated.
        unders.push(stamps.as_str().to_owned());
        let mut walk = Walk::through(unders);
        let mut patience = Patience::of(self.shared);
        loop {
            let step = self.step(pass, &mut walk, &looker, erased).await;
            if patience.after(step).await? == Some(false) {
                return Ok(());
            }
        }
    }

    /// The name of the tenant's stamp; those of its caches and tags begin with it and a colon.
    fn stamp(&self) -> String {
        names::tenant(self.tenant.escaped())
    }

    /// One page; `false` at the end.
    async fn step(
        &self,
        pass: Pass,
        walk: &mut Walk,
        looker: &Looker<'_>,
        erased: &mut Erased,
    ) -> Result<bool, RemoteError> {
        let Some(page) = walk.page(looker).await? else {
            return Ok(false);
        };
        let traces = self.traces(&page.keys, looker, erased).await?;
        match pass {
            Pass::Look => erased.remaining += traces.len() as u64,
            Pass::Delete => {
                let sightings: Vec<_> = traces.iter().map(|one| one.sighting.clone()).collect();
                let gone = looker.discard(&sightings).await?;
                for (trace, _) in traces.iter().zip(gone).filter(|(_, gone)| *gone) {
                    self.deleted(trace, looker, erased);
                }
            }
        }
        walk.advance(page);
        Ok(true)
    }

    fn deleted(&self, trace: &Trace, looker: &Looker<'_>, erased: &mut Erased) {
        erased.bytes += trace.bytes;
        let key = StoredKey::found(looker.prefix, &trace.sighting.key);
        match trace.kind {
            Kind::Value => erased.values += 1,
            Kind::Lease => erased.leases += 1,
            Kind::Stamp => {
                erased.stamps += 1;
                // Or values would be stored here with a stamp that is no more.
                self.shared.scopes.note_change(&key);
            }
        }
    }

    /// What of these keys is the tenant's, and larder's. What is not larder's is counted (G10).
    async fn traces(
        &self,
        keys: &[String],
        looker: &Looker<'_>,
        erased: &mut Erased,
    ) -> Result<Vec<Trace>, RemoteError> {
        let range = Range::Tenant(self.tenant.clone());
        let mut found: Vec<(&str, Option<Kind>)> = Vec::new();
        for key in keys {
            match Place::of(looker.prefix, key) {
                // A scan gives other tenants' leases too.
                Some(Place::Value(spot) | Place::Lease(spot)) if !range.covers(&spot) => {}
                Some(Place::Value(_)) => found.push((key, Some(Kind::Value))),
                Some(Place::Lease(_)) => found.push((key, Some(Kind::Lease))),
                Some(Place::Stamp(scope)) if self.is_own(scope) => {
                    found.push((key, Some(Kind::Stamp)));
                }
                // Another tenant's, whose name begins like this one's.
                Some(Place::Stamp(_)) => {}
                None if !range.owns(looker.prefix, key) => {}
                None => found.push((key, None)),
            }
        }
        let names: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
        let heads = looker.heads(&names).await?;
        let mut traces = Vec::new();
        for ((key, kind), head) in found.into_iter().zip(heads) {
            let trace = head
                .zip(kind)
                .and_then(|(head, kind)| Trace::of(kind, key, &head));
            match trace {
                Some(trace) => traces.push(trace),
                None => erased.foreign += 1,
            }
        }
        Ok(traces)
    }

    fn is_own(&self, scope: &str) -> bool {
        let rest = scope.strip_prefix(&*self.stamp());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

impl Trace {
    /// `None` for what larder did not write.
    fn of(kind: Kind, key: &str, head: &Bytes) -> Option<Self> {
        let len = match (kind, Head::read(head)) {
            (Kind::Value, Head::Whole { len, .. }) => len,
            // A newer program's, or a damaged one. That it is the tenant's is certain.
            (Kind::Value, Head::Cut(_) | Head::Unreadable) => head.len(),
            (Kind::Lease, _) if head.len() == LEASE_LEN && !Lease::read(head).is_foreign() => {
                LEASE_LEN
            }
            (Kind::Stamp, _) if head.len() == STAMP_LEN => STAMP_LEN,
            _ => return None,
        };
        Some(Self {
            kind,
            bytes: (key.len() + len) as u64,
            sighting: Sighting {
                key: key.to_owned(),
                seen: head.slice(..head.len().min(HEADER_LEN)),
            },
        })
    }
}
