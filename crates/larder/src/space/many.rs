//! Several keys at once: one question to the server for all that memory does not have.

use std::borrow::Borrow;
use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::judge::Opened;
use super::{Look, Read, Server, Space, Wanted};
use crate::key::{CacheKey, StoredKey, Tenant};
use crate::load::Proof;
use crate::near::{NearRef, Stored};
use crate::options::Call;
use crate::outcome::Found;
use crate::remote::Deadline;
use crate::scope::{Borne, Scope, Scopes, Standing};
use crate::telemetry::Miss;
use crate::value::CacheValue;
use crate::wire::Stamp;

/// How many keys one request to the server asks for at most. More are asked for in several, at the
/// same time: while one answer is decoded the next is on its way.
const MOST_ASKED: usize = 256;

/// One of several keys that the server is asked for.
pub(crate) struct Wants<'a, Q: ?Sized> {
    pub(crate) at: NearRef<'a, Q>,
    pub(crate) key: &'a StoredKey,
    /// Taken before.
    pub(crate) proof: Proof,
}

/// What is known of one key once the server has answered.
enum Told<V> {
    /// All.
    Look(Look<V>),
    /// A value, but not yet what its stamps are worth.
    Opened(Read, Opened<V>),
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
        let began = self.now();
        let mut answers: Vec<Option<Found<V>>> = Vec::with_capacity(keys.len());
        let mut open: Vec<(usize, NearRef<'_, Q>)> = Vec::new();
        for key in keys {
            let at = NearRef::new(tenant, *key);
            let near = self.near_entry(&at);
            if near.is_none() {
                self.sampling.saw(at.hash64());
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
        open.retain(|(_, at)| {
            let key = self.stored_key(at).ok();
            let can_be = key.is_some();
            stored_keys.extend(key);
            if !can_be {
                self.count(at.tenant, |counters| counters.missed(Miss::InvalidKey));
            }
            can_be
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
        // What memory had is older by now, and may be past its TTL (G4).
        let older = self.now().since(began);
        for answer in &mut answers {
            *answer = answer.take().and_then(|found| found.later(older));
        }
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
        let Some(server) = self.server.as_ref().filter(|_| call.remote) else {
            let kept = wants.iter().map(|want| self.near_kept(&want.at));
            return kept.map(Self::without_server).collect();
        };
        let base = self.base(wants.first().and_then(|want| want.at.tenant));
        let parts = wants.chunks(MOST_ASKED);
        let told = join_all(parts.map(|part| self.ask_many(server, part, &base, deadline)));
        let (told, has_base) = if self.scopes.knows(&base) {
            (told.await, false)
        } else {
            // So that a change from now on is a change of who asks (G2).
            for want in wants {
                let _since = Scopes::record(&base, want.proof);
            }
            // Where they are not known they are read beside the values. If that fails, it is tried
            // again once there are values to judge.
            let known = self.know(server, &base, None, deadline);
            let (told, known) = join(told, known).await;
            (told, known.is_ok())
        };
        let told: Vec<Told<V>> = told.into_iter().flatten().collect();
        let standings = self.stand_many(server, &base, &told, has_base, deadline);
        let standings = standings.await;
        let moment = self.moment(server);
        told.into_iter()
            .zip(standings)
            .zip(wants)
            .map(|((told, standing), want)| match told {
                Told::Look(look) => look,
                Told::Opened(read, opened) => {
                    self.verdict(&want.at, &read, call, opened, standing, moment)
                }
            })
            .collect()
    }

    /// Asks the server once for several keys, and opens what it answers.
    async fn ask_many<Q>(
        &self,
        server: &Server,
        wants: &[Wants<'_, Q>],
        base: &Borne,
        deadline: Deadline,
    ) -> Vec<Told<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let mut kept: Vec<Option<Stored<V>>> =
            wants.iter().map(|want| self.near_kept(&want.at)).collect();
        let all_kept = kept.iter().all(Option::is_some);
        // Not for what was removed here, and may still be there.
        let is_asked = |want: &&Wants<'_, Q>| !server.recovery.is_pending(want.key);
        let asked: Vec<&Wants<'_, Q>> = wants.iter().filter(is_asked).collect();
        let keys: Vec<&StoredKey> = asked.iter().map(|want| want.key).collect();
        let answer = server.remote.get_many(&keys, deadline);
        let answer = self.patiently(all_kept, answer).await;
        let mut values = answer.map(Vec::into_iter);
        let mut asked = asked.into_iter().peekable();
        let tell = |(want, kept): (&Wants<'_, Q>, &mut Option<Stored<V>>)| {
            if asked.next_if(|asked| std::ptr::eq(*asked, want)).is_none() {
                return Told::Look(Look::missed(Miss::RemoteUnavailable, false));
            }
            let bytes = match &mut values {
                Ok(values) => values.next().flatten(),
                Err(error) => return Told::Look(self.unanswered(kept.take(), want.key, error)),
            };
            let Some(bytes) = bytes else {
                return Told::Look(self.absent(&want.at, want.proof));
            };
            let read = Read {
                bytes,
                proof: want.proof,
            };
            match self.open_value(server, &want.at, want.key, &read, base) {
                Ok(opened) => Told::Opened(read, opened),
                Err(reject) => Told::Look(read.unreadable(want.key, reject)),
            }
        };
        wants.iter().zip(&mut kept).map(tell).collect()
    }

    /// How the groups of values stand, by their stamps, which are read at once where they are not known.
    async fn stand_many(
        &self,
        server: &Server,
        base: &Borne,
        told: &[Told<V>],
        has_base: bool,
        deadline: Deadline,
    ) -> Vec<Standing> {
        // Most values bear no more than these.
        let base_now: Option<Vec<Stamp>> = self.scopes.stamps(base);
        let mut unknown: Vec<Arc<Scope>> = Vec::new();
        let mut stand = |told: &Told<V>| {
            let Told::Opened(_, opened) = told else {
                return Standing::Unknown;
            };
            let standing = match &base_now {
                Some(now) if Arc::ptr_eq(&opened.borne, base) => {
                    Scopes::standing_by(now, opened.stamps())
                }
                _ => self.scopes.standing(&opened.borne, opened.stamps()),
            };
            if standing == Standing::Unknown {
                for scope in opened.to_read(has_base) {
                    if !unknown.iter().any(|known| Arc::ptr_eq(known, scope)) {
                        unknown.push(Arc::clone(scope));
                    }
                }
            }
            standing
        };
        let mut standings: Vec<Standing> = told.iter().map(&mut stand).collect();
        if !standings.contains(&Standing::Unknown) {
            return standings;
        }
        if let Err(error) = self.know(server, &unknown, None, deadline).await {
            tracing::debug!(target: "larder::remote", %error, "stamps are not known");
            return standings;
        }
        for (standing, told) in standings.iter_mut().zip(told) {
            if let (Standing::Unknown, Told::Opened(_, opened)) = (*standing, told) {
                *standing = Scopes::standing_as_read(&opened.borne, opened.stamps());
            }
        }
        standings
    }
}
