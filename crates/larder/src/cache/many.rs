//! Many keys at once.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};

use super::Cache;
use crate::batch::{Batch, BatchError};
use crate::error::Error;
use crate::key::CacheKey;
use crate::load::{Answer, LoadError, Loaded};
use crate::near::NearRef;
use crate::options::Call;
use crate::outcome::Found;
use crate::scope::tags_of;
use crate::space::Wanted;
use crate::telemetry::Miss;
use crate::value::CacheValue;

/// How many keys are worked on at once; a larger batch is done in pieces of so many.
const PIECE: usize = 1 << 13;
/// How many writes are under way at once.
const WRITES: usize = 1 << 10;

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// The values under several keys that are there within their TTL, by key.
    ///
    /// From memory where they are there, and the rest with one request to the server (one for each
    /// thousand keys). Like [`get`](Self::get) it cannot fail. A key that is given twice is one key.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// users.set_many([(1, "Ann"), (2, "Bob")]).await?;
    /// let found = users.get_many(&[1, 2, 3]).await;
    /// assert_eq!(found.len(), 2);
    /// assert_eq!(*found[&2], "Bob");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn get_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> HashMap<K, Arc<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        let value = |found: Found<V>| found.value;
        self.look_up_many(keys, Wanted::Fresh, value).await
    }

    /// [`get_many`](Self::get_many), with source, freshness and age beside each value; also stale ones,
    /// where nothing better can be had.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lookup_many<'k, Q>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
    ) -> HashMap<K, Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        self.look_up_many(keys, Wanted::AlsoStale, |found| found)
            .await
    }

    async fn look_up_many<'k, Q, T>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        wanted: Wanted,
        take: impl Fn(Found<V>) -> T,
    ) -> HashMap<K, T>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        let keys = distinct(keys);
        let mut all = HashMap::with_capacity(keys.len());
        let Ok(tenant) = &self.tenant else {
            for _ in &keys {
                self.space.counters.missed(Miss::InvalidKey);
            }
            return all;
        };
        let call = self.call();
        for piece in keys.chunks(PIECE) {
            let looked = self
                .space
                .look_up_many(tenant.as_ref(), piece, wanted, &call);
            for (key, found) in piece.iter().zip(looked.await) {
                if let Some(found) = found {
                    all.insert((*key).to_owned(), take(found));
                }
            }
        }
        all
    }

    /// The values under several keys; those that are not there are loaded with one call.
    ///
    /// `loader` is given the keys that are neither stored nor being loaded, and returns pairs of a key
    /// and its value, in any order: the value itself, or a [`Loaded`] that says how it is to be stored.
    /// A key that it leaves out has no value and is not in the answer; one that it was not asked for is
    /// not stored; of a key that it brings twice the last value counts.
    ///
    /// All that holds for [`get_or_load`](Self::get_or_load) holds for each key. A key that another
    /// call is loading, a single one or a batch, in this process or elsewhere, is waited for, after
    /// this one has loaded what is its own: so batches that overlap load each key once, and never wait
    /// for each other in a circle. Only if such a load comes to nothing is `loader` called again, with
    /// that key. A batch of more than 8,192 keys is loaded in pieces of so many.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// # struct Database;
    /// # impl Database {
    /// #     async fn users(&self, ids: Vec<u64>) -> Result<Vec<(u64, String)>, std::io::Error> {
    /// #         Ok(ids.into_iter().filter(|id| *id < 10).map(|id| (id, format!("user {id}"))).collect())
    /// #     }
    /// # }
    /// # let db = Database;
    /// users.set(&1, "Ann").await?;
    /// let all = users.get_or_load_many(&[1, 2, 99], |missing| db.users(missing)).await?;
    /// assert_eq!(*all[&1], "Ann");
    /// assert_eq!(*all[&2], "user 2");
    /// assert!(!all.contains_key(&99), "there is no such user");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the load of any of the keys failed and no stale value was at hand: the error of one of
    /// them. [`lookup_or_load_many`](Self::lookup_or_load_many) tells by key.
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load ends there; for each key one of the callers who wait takes
    /// over with its own loader (G8).
    pub async fn get_or_load_many<'k, Q, L, F, I, T, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        loader: L,
    ) -> Result<HashMap<K, Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        let batch = self.lookup_or_load_many(keys, loader).await;
        batch.into_values()
    }

    /// [`get_or_load_many`](Self::get_or_load_many), with what became of each key: its value with
    /// source, freshness and age, or that there is none, or its error.
    ///
    /// # Cancel safety
    /// As [`get_or_load_many`](Self::get_or_load_many).
    pub async fn lookup_or_load_many<'k, Q, L, F, I, T, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        loader: L,
    ) -> Batch<K, V, E>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        self.load_many(keys, self.call(), loader).await
    }

    /// The same, by a call of its own.
    pub(crate) async fn load_many<'k, Q, L, F, I, T, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        call: Call,
        mut loader: L,
    ) -> Batch<K, V, E>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        let keys = distinct(keys);
        let mut batch = Batch::new();
        for piece in keys.chunks(PIECE) {
            let loader = |missing| {
                let loading = loader(missing);
                async {
                    let brought = loading.await?.into_iter();
                    let brought = brought.map(|(key, value)| (key, value.into()));
                    Ok::<HashMap<K, Loaded<V>>, E>(brought.collect())
                }
            };
            // Boxed, since it is large.
            let answers = if let Ok(tenant) = &self.tenant {
                let fetch = self.space.fetch_many(tenant.as_ref(), piece, &call, loader);
                Box::pin(fetch).await
            } else {
                for _ in piece {
                    self.space.counters.missed(Miss::InvalidKey);
                }
                Box::pin(self.space.load_many_alone(piece, loader)).await
            };
            for (key, answer) in piece.iter().zip(answers) {
                let key = (*key).to_owned();
                match answer {
                    Answer::Landed(Ok(found)) => {
                        batch.found.insert(key, found);
                    }
                    Answer::Landed(Err(failure)) => {
                        batch.failed.insert(key, failure.into_error());
                    }
                    Answer::Absent => batch.absent.push(key),
                }
            }
        }
        batch
    }

    /// The values under very many keys, as they come: `keys` is drawn from as the answers are taken,
    /// `size` of them at a time, and each piece is a call of
    /// [`lookup_or_load_many`](Self::lookup_or_load_many). A size of zero counts as one.
    ///
    /// Each key comes with its value, `None` where the loader brought nothing, or its error.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// # let squares: larder::Cache<u64, u64> = larder.cache("squares").build()?;
    /// use futures_util::{StreamExt, pin_mut};
    ///
    /// let answers = squares.load_stream(0..10_000, 500, |missing: Vec<u64>| async {
    ///     Ok::<_, std::io::Error>(missing.into_iter().map(|n| (n, n * n)))
    /// });
    /// pin_mut!(answers);
    /// while let Some((n, answer)) = answers.next().await {
    ///     assert_eq!(answer?.as_deref(), Some(&(n * n)));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, it loads no more; the piece under way ends as
    /// [`get_or_load_many`](Self::get_or_load_many) does.
    pub fn load_stream<L, F, I, T, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        size: usize,
        loader: L,
    ) -> impl Stream<Item = (K, Result<Option<Found<V>>, LoadError<E>>)>
    where
        L: Fn(Vec<K>) -> F,
        F: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        let loader = Arc::new(loader);
        stream::iter(pieces(keys, size))
            .then(move |piece| {
                let (cache, loader) = (self.clone(), Arc::clone(&loader));
                async move {
                    cache
                        .lookup_or_load_many(&piece, |missing| loader(missing))
                        .await
                }
            })
            .flat_map(|batch| stream::iter(batch.into_answers()))
    }

    /// Stores several values, each as [`set`](Self::set) does; a [`Loaded`] has times and tags of its
    /// own. Of a key that is given twice the last value counts.
    ///
    /// # Errors
    /// Where any of them is not stored: which, and why. The others are.
    ///
    /// # Cancel safety
    /// Once polled, the writes that have begun go on to their end even where the future is dropped: all
    /// of them, in a batch of up to 1,024.
    pub async fn set_many<T: Into<Loaded<V>>>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), BatchError<K>> {
        let entries = entries.into_iter().map(|(key, value)| (key, value.into()));
        let entries: HashMap<K, Loaded<V>> = entries.collect();
        let of = entries.len();
        let mut failed = Vec::new();
        if let Ok(tenant) = &self.tenant
            && of > 1
        {
            // Or each write would read and make them for itself.
            self.space.ready_to_write(tenant.as_ref()).await;
        }
        for piece in pieces(entries, WRITES) {
            let writes = piece.into_iter().map(async |(key, value)| {
                let written = self.set_loaded(&key, value).await;
                Some((key, written.err()?))
            });
            failed.extend(join_all(writes).await.into_iter().flatten());
        }
        BatchError::of((), failed, of)
    }

    async fn set_loaded(&self, key: &K, value: Loaded<V>) -> Result<(), Error> {
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?;
        let tags = tags_of(&value.tags)?;
        let call = self.call();
        let call = Call {
            lifetime: call.lifetime.with(value.ttl, value.stale),
            own_ttl: value.ttl.is_some(),
            tags,
            ..call
        };
        let tenant = tenant.as_ref();
        self.space
            .set(NearRef::new(tenant, key), value.value, call)
            .await
    }

    /// Removes the values under several keys, each as [`remove`](Self::remove) does; how many there
    /// were.
    ///
    /// # Errors
    /// Where any removal is not confirmed: which, and why. The others are done.
    ///
    /// # Cancel safety
    /// As [`set_many`](Self::set_many).
    pub async fn remove_many<'k, Q>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
    ) -> Result<usize, BatchError<K>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        let keys = distinct(keys);
        let (mut removed, mut failed) = (0, Vec::new());
        for piece in keys.chunks(WRITES) {
            let removals = piece.iter().map(async |key| {
                let there = self.remove(*key).await;
                (*key, there)
            });
            for (key, there) in join_all(removals).await {
                match there {
                    Ok(there) => removed += usize::from(there),
                    Err(error) => failed.push((key.to_owned(), error)),
                }
            }
        }
        BatchError::of(removed, failed, keys.len())
    }

    /// A call whose values have these tags in common. As they cannot be, nothing is stored.
    #[cfg(feature = "macros")]
    pub(crate) fn call_tagged(&self, tags: &[String]) -> Call {
        let tags = tags_of(tags);
        Call {
            store: tags.is_ok(),
            tags: tags.unwrap_or_default(),
            ..self.call()
        }
    }

    fn call(&self) -> Call {
        let tenant = self.tenant.as_ref().ok().and_then(Option::as_ref);
        Call::new(self.space.lifetime_of(tenant))
    }
}

/// Each key once, in their order.
fn distinct<'k, Q: Hash + Eq + ?Sized>(keys: impl IntoIterator<Item = &'k Q>) -> Vec<&'k Q> {
    let keys = keys.into_iter();
    let mut seen = HashSet::with_capacity(keys.size_hint().0);
    keys.filter(|key| seen.insert(*key)).collect()
}

/// `of`, cut into pieces of this size.
pub(super) fn pieces<I: IntoIterator>(of: I, size: usize) -> impl Iterator<Item = Vec<I::Item>> {
    let mut rest = of.into_iter();
    std::iter::from_fn(move || {
        let piece: Vec<_> = rest.by_ref().take(size.max(1)).collect();
        (!piece.is_empty()).then_some(piece)
    })
}
