//! Groups, as a larder's user invalidates, frees and erases them.

use std::sync::Arc;

use super::Larder;
use crate::error::Error;
use crate::key::{Tag, Tenant};
use crate::remote::RemoteError;
use crate::scope::{Scopes, Strength};
use crate::sweep::{Erased, Erasure, Range, Sweep};
use crate::telemetry::Invalidated;

impl Larder {
    /// Invalidates every value of any cache that has this tag; seen from a [`tenant`](Self::tenant),
    /// those of the tenant. Loads that are under way are not stored with it.
    ///
    /// After it returned `Ok`, no call of this process gets one of them (G2). Others see it as soon as
    /// they hear of it: see [`Coherence`](crate::Coherence).
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// users.entry(&42).tags(["team:7"]).set("Ann").await?;
    ///
    /// larder.invalidate_tag("team:7").await?;
    /// assert!(users.get(&42).await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the name of the tag or the tenant cannot be, or the server did not confirm it:
    /// [`Error::Pending`]. It is tried again then, and this process believes none of the values.
    ///
    /// # Cancel safety
    /// Once polled, it goes on to its end even where the future is dropped.
    pub async fn invalidate_tag(&self, tag: impl AsRef<str>) -> Result<(), Error> {
        self.invalidate_tags([tag], Strength::Remove).await
    }

    /// Invalidates the values of several tags, each whole.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag). All of them are tried, and the first failure is
    /// returned.
    ///
    /// # Cancel safety
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub async fn invalidate_tags<T: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = T>,
        strength: Strength,
    ) -> Result<(), Error> {
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?;
        let (mut valid, mut wrong) = (Vec::new(), None);
        for tag in tags {
            match Tag::new(tag.as_ref()) {
                Ok(tag) => valid.push(tag),
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        let shared = &self.inner.shared;
        let of = |scopes: &Scopes| {
            let scope = |tag| scopes.tag(tenant.as_ref(), tag);
            valid.iter().map(scope).collect()
        };
        shared.invalidate(Invalidated::Tag, of, strength).await?;
        wrong.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Invalidates everything under the larder's prefix, in every cache and for every tenant; seen
    /// from a [`tenant`](Self::tenant), everything of the tenant. Nothing else on the server is
    /// touched.
    ///
    /// It is one write, however much there is. What the server held is of no use from then on; the
    /// [`Sweep`] that is returned frees its memory in the background.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// users.set(&42, "Ann").await?;
    ///
    /// let sweep = larder.clear().await?;
    /// assert!(users.get(&42).await.is_none());
    /// sweep.finished().await?; // for who wants to wait for the memory too
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag). Then no sweep begins; [`sweep`](Self::sweep) lets one
    /// begin later.
    ///
    /// # Cancel safety
    /// As [`invalidate_tag`](Self::invalidate_tag). The sweep begins where the future is not dropped
    /// before its end.
    pub async fn clear(&self) -> Result<Sweep, Error> {
        self.invalidate(Strength::Remove).await?;
        if self.tenant == Ok(None) {
            self.forget();
        }
        Ok(self.sweep())
    }

    /// Frees the server's memory of what was removed before now: by [`invalidate_tag`](Self::invalidate_tag),
    /// say, which frees nothing by itself. Seen from a [`tenant`](Self::tenant), what was the tenant's.
    /// Values that may still be served stay.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// larder.invalidate_tag("team:7").await?;
    /// let swept = larder.sweep().finished().await?;
    /// println!("{} values freed, {} bytes", swept.freed, swept.bytes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep(&self) -> Sweep {
        let range = match &self.tenant {
            Ok(None) => Range::Everything,
            Ok(Some(tenant)) => Range::Tenant(tenant.clone()),
            Err(error) => return Sweep::of_nobody(error.clone()),
        };
        self.inner.shared.sweep(range)
    }

    /// [`clear`](Self::clear), in the strength that is given and without a sweep.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    ///
    /// # Cancel safety
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub async fn invalidate(&self, strength: Strength) -> Result<(), Error> {
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?;
        let shared = &self.inner.shared;
        let of = |scopes: &Scopes| {
            vec![match tenant {
                Some(tenant) => scopes.tenant(tenant),
                None => scopes.everything(),
            }]
        };
        let what = match tenant {
            Some(_) => Invalidated::Tenant,
            None => Invalidated::Everything,
        };
        shared.invalidate(what, of, strength).await
    }

    /// Invalidates everything that has no tenant, in every cache, and frees the server's memory of it as
    /// [`clear`](Self::clear) does.
    ///
    /// # Errors
    /// As [`clear`](Self::clear).
    ///
    /// # Cancel safety
    /// As [`clear`](Self::clear).
    pub async fn clear_untenanted(&self) -> Result<Sweep, Error> {
        let shared = &self.inner.shared;
        let of = |scopes: &Scopes| vec![scopes.untenanted()];
        shared
            .invalidate(Invalidated::Untenanted, of, Strength::Remove)
            .await?;
        Ok(shared.sweep(Range::Untenanted))
    }

    /// Deletes all that the server holds of this tenant: values, leases and stamps, in every cache; and then
    /// looks through all keys once more, so that the answer says what was found and that nothing is left.
    /// Near entries of this process go as well.
    ///
    /// It begins with a [`clear`](Self::clear), so nobody is served any of it from then on, and loads that are
    /// under way anywhere are not stored. Who stores something of the tenant meanwhile, or only asks for it,
    /// leaves it there: let nobody do so any more, and delete the tenant at its source, before.
    ///
    /// What it does not reach: append-only files and snapshots that the server has written, its replicas
    /// until they have followed, backups, and the memory of other processes, which no longer serve it, until
    /// it is evicted or expires there. The guide's page on isolation says more. It takes a second at
    /// least, and some where there are millions of keys.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::remote::MemoryRemote;
    /// use larder::{Cache, Larder};
    ///
    /// let larder = Larder::builder().remote(MemoryRemote::new()).build().await?;
    /// let users: Cache<u64, String> = larder.cache("users").build()?;
    /// users.tenant("acme").set(&42, "Ann").await?;
    ///
    /// let erased = larder.tenant("acme").erase().await?;
    /// assert_eq!((erased.values, erased.remaining), (1, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoTenant`] where this is no [`tenant`](Self::tenant)'s view. As
    /// [`invalidate_tag`](Self::invalidate_tag) where the tenant could not be cleared: nothing is deleted
    /// then. [`Error::Remote`] where the server could not be asked in between: some is deleted then, and
    /// all of it cleared.
    ///
    /// # Cancel safety
    /// Once polled, it goes on to its end even where the future is dropped.
    pub async fn erase(&self) -> Result<Erased, Error> {
        let tenant = self.tenant.clone()?.ok_or(Error::NoTenant)?;
        let shared = Arc::clone(&self.inner.shared);
        let Some(_pass) = shared.enter() else {
            return if shared.enabled {
                Err(Error::Closed)
            } else {
                Ok(Erased::default())
            };
        };
        let (larder, stay) = (self.clone(), shared.gate.stay());
        let task = shared.runtime.spawn(async move {
            let _stay = stay;
            larder.erase_tenant(&tenant).await
        });
        task.await.unwrap_or(Err(Error::Closed))
    }

    async fn erase_tenant(&self, tenant: &Tenant) -> Result<Erased, Error> {
        let shared = &self.inner.shared;
        let forget = || {
            let open = self.inner.open.lock();
            let views: Vec<_> = open.values().map(|open| Arc::clone(&open.view)).collect();
            drop(open);
            for view in views {
                view.forget_tenant(tenant);
            }
        };
        forget();
        self.invalidate(Strength::Remove).await?;
        let erased = if shared.recovery.is_some() {
            Erasure { tenant, shared }.run().await
        } else {
            Ok(Erased::default())
        };
        // What was kept here since, with the stamps of now.
        forget();
        erased.map_err(|source| match source {
            RemoteError::Closed => Error::Closed,
            source => Error::Remote {
                operation: "erase",
                key: Range::Tenant(tenant.clone()).to_string(),
                source: Box::new(source),
            },
        })
    }
}
