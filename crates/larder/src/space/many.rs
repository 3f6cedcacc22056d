//! Several keys at once: one question to the server for all that memory does not have.

use std::borrow::Borrow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::judge::Opened;
use super::{Look, Read, Server, Space, Wanted};
use crate::key::{CacheKey, StoredKey, Tenant};
use crate::load::Proof;
use crate::near::{NearRef, Stored};
use crate::options::Call;
use crate::outcome::Found;
use crate::remote::{Deadline, RemoteError};
use crate::scope::{Scope, Scopes, Standing};
use crate::telemetry::Miss;
use crate::value::CacheValue;
use crate::wire::Stamp;

/// How many keys one request to the server asks for at most. More are asked for in several, at the
/// same time.
const MOST_ASKED: usize = 1_024;

/// One of several keys that the server is asked for.
pub(crate) struct Wants<'a, Q: ?Sized> {
    pub(crate) at: NearRef<'a, Q>,
    pub(crate) key: &'a StoredKey,
    /// Taken before.
    pub(crate) proof: Proof,
}

/// One key's part in the question, once it is answered.
enum Told<'a, V> {
    /// Decided.
    Look(Look<V>),
    /// A value whose stamps are to be judged.
    Opened(&'a Read, Opened<'a, V>),
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Whole lookups of one tenant's keys, counted, in the order of the keys: what a call without a
    /// loader gets.
    pub(crate) async fn look_up_many<Q>(
        self: &Arc<Self>,
        tenant: Option<&Tenant>,
        keys: &[&Q],
        wanted: Wanted,
        call: &Call,
    ) -> Vec<Option<Found<V>>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let mut answers: Vec<Option<Found<V>>> = Vec::with_capacity(keys.len());
        let mut open: Vec<(usize, NearRef<'_, Q>)> = Vec::new();
        for key in keys {
            let at = NearRef { tenant, key: *key };
            let near = self.near_entry(&at);
            if near.is_none() {
                open.push((answers.len(), at));
            }
            answers.push(near.map(|(found, stored)| {
                self.slide(&at, call, stored);
                found
            }));
        }
        if open.is_empty() {
            return answers;
        }
        let Some(_pass) = self.shared.enter() else {
            return answers;
        };
        let mut stored_keys = Vec::with_capacity(open.len());
        open.retain(|(_, at)| match self.stored_key(at) {
            Ok(key) => {
                stored_keys.push(key);
                true
            }
            Err(_) => {
                self.counters.missed(Miss::InvalidKey);
                false
            }
        });
        let wants: Vec<Wants<'_, Q>> = open
            .iter()
            .zip(&stored_keys)
            .map(|((_, at), key)| Wants {
                at: *at,
                key,
                proof: self.proof(key),
            })
            .collect();
        let looks = self.look_many(&wants, call, self.shared.deadline()).await;
        for ((index, at), look) in open.into_iter().zip(looks) {
            answers[index] = self.answer(&at, look, wanted, call);
        }
        answers
    }

    /// What the near tier still holds past a hit, and what the server holds, of several keys of one
    /// tenant; in their order. Counts nothing.
    pub(crate) async fn look_many<Q>(
        &self,
        wants: &[Wants<'_, Q>],
        call: &Call,
        deadline: Deadline,
    ) -> Vec<Look<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let mut kept: Vec<Option<Stored<V>>> =
            wants.iter().map(|want| self.near_kept(&want.at)).collect();
        let Some(server) = self.server.as_ref().filter(|_| call.remote) else {
            return kept.into_iter().map(Self::without_server).collect();
        };
        let is_pending = |want: &Wants<'_, Q>| server.recovery.is_pending(want.key);
        let asked: Vec<usize> = (0..wants.len())
            .filter(|index| !is_pending(&wants[*index]))
            .collect();
        let all_kept = asked.iter().all(|index| kept[*index].is_some());
        let keys: Vec<&StoredKey> = asked.iter().map(|index| wants[*index].key).collect();
        let (reads, has_base) = self
            .read_many(server, wants, &keys, all_kept, deadline)
            .await;
        let mut reads: Vec<Option<Result<Option<Read>, RemoteError>>> = {
            let mut by_want: Vec<_> = wants.iter().map(|_| None).collect();
            for (index, read) in asked.iter().zip(reads) {
                let proof = wants[*index].proof;
                let read = read.map(|bytes| {
                    bytes.map(|bytes| Read {
                        bytes,
                        proof,
                        has_base,
                    })
                });
                by_want[*index] = Some(read);
            }
            by_want
        };
        let told: Vec<Told<'_, V>> = wants
            .iter()
            .zip(&mut reads)
            .zip(&mut kept)
            .map(|((want, read), kept)| match read {
                // It may hold what was removed here.
                None => Told::Look(Look::missed(Miss::RemoteUnavailable, false)),
                Some(Ok(None)) => Told::Look(self.absent(&want.at, want.proof)),
                Some(Err(error)) => Told::Look(self.unanswered(kept.take(), want.key, error)),
                Some(Ok(Some(read))) => match self.open_value(server, &want.at, want.key, read) {
                    Ok(opened) => Told::Opened(read, opened),
                    Err(reject) => Told::Look(read.unreadable(want.key, reject)),
                },
            })
            .collect();
        self.judge_many(server, wants, told, call, deadline).await
    }

    /// What is under `keys`, and whether the stamps that all values of the tenant bear were read
    /// beside it. Where a request fails, all of its keys do.
    async fn read_many<Q>(
        &self,
        server: &Server,
        wants: &[Wants<'_, Q>],
        keys: &[&StoredKey],
        all_kept: bool,
        deadline: Deadline,
    ) -> (Vec<Result<Option<Bytes>, RemoteError>>, bool)
    where
        Q: ?Sized,
    {
        let base = self.base(wants.first().and_then(|want| want.at.tenant));
        let parts = keys.chunks(MOST_ASKED).map(async |keys| {
            let asked = server.remote.get_many(keys, deadline);
            match self.patiently(all_kept, asked).await {
                Ok(values) => values.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
            }
        });
        let parts = join_all(parts);
        let (parts, has_base) = if self.scopes.stamps(&base).is_some() {
            (parts.await, false)
        } else {
            let known = self.know(server, &base, None, deadline);
            let (parts, known) = join(parts, known).await;
            (parts, known.is_ok())
        };
        (parts.into_iter().flatten().collect(), has_base)
    }

    /// Judges values by the stamps of their groups, which are read at once where they are not known.
    async fn judge_many<Q>(
        &self,
        server: &Server,
        wants: &[Wants<'_, Q>],
        told: Vec<Told<'_, V>>,
        call: &Call,
        deadline: Deadline,
    ) -> Vec<Look<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let base = self.base(wants.first().and_then(|want| want.at.tenant));
        // Most values bear no more than these.
        let base_now: Option<Vec<Stamp>> = self.scopes.stamps(&base);
        let mut unknown: Vec<Arc<Scope>> = Vec::new();
        let standings: Vec<Standing> = told
            .iter()
            .map(|told| {
                let Told::Opened(read, opened) = told else {
                    return Standing::Unknown;
                };
                let standing = match &base_now {
                    Some(now) if Arc::ptr_eq(&opened.borne, &base) => {
                        Scopes::standing_by(now, opened.stamps())
                    }
                    _ => self.scopes.standing(&opened.borne, opened.stamps()),
                };
                if standing == Standing::Unknown {
                    for scope in opened.to_read(read) {
                        if !unknown.iter().any(|known| Arc::ptr_eq(known, scope)) {
                            unknown.push(Arc::clone(scope));
                        }
                    }
                }
                standing
            })
            .collect();
        let known = match self.know(server, &unknown, None, deadline).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(target: "larder::remote", %error, "stamps are not known");
                false
            }
        };
        told.into_iter()
            .zip(standings)
            .zip(wants)
            .map(|((told, mut standing), want)| match told {
                Told::Look(look) => look,
                Told::Opened(read, opened) => {
                    if standing == Standing::Unknown && known {
                        standing = Scopes::standing_as_read(&opened.borne, opened.stamps());
                    }
                    self.verdict(server, &want.at, read, call, opened, standing)
                }
            })
            .collect()
    }
}
