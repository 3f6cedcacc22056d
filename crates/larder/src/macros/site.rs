//! A function's cache: what it is called, and where its handle is kept.
//!
//! A [`Slot`] is a static of each cached function. It holds one handle for each process-wide larder that
//! there has been, in a list that only grows: a hit reads two pointers and compares two numbers, and takes
//! no lock. A larder that was closed and replaced leaves its emptied caches there, so what is kept is
//! bounded by how often `larder::global` was initialised. Larders that are passed keep the handles
//! themselves ([`Larder::remembered`]), and those go with them.
//!
//! What a cache is called must tell apart all that the function is when it runs: type and const parameters,
//! its own and those of the `impl` around it, and the type that implements a trait. A macro does not see
//! all of these, so the function is asked: a closure within it has them all in its type. Two types may still
//! read alike, as closures of one function do, and items of one name in two of its blocks: see [`whole`] and
//! [`claim`].

use std::any::{Any, TypeId, type_name, type_name_of_val};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, CacheBuilder};
use crate::error::Error;
use crate::global;
use crate::key::{CacheKey, CacheName};
use crate::larder::Larder;
use crate::value::CacheValue;

/// Where a function keeps its cache: as what it is, where the function's types are the same at each call, or
/// else [`Erased`].
#[derive(Debug)]
pub struct Slot<C> {
    first: OnceLock<Node<C>>,
    /// The last generation in which it was said why there is no cache.
    told: AtomicU64,
}

#[derive(Debug)]
struct Node<C> {
    /// Which process-wide larder it belongs to.
    generation: u64,
    kept: C,
    next: Box<OnceLock<Self>>,
}

/// What can keep a cache.
pub trait Keeps<C>: Sized + 'static {
    /// Keeps the cache of a type's method.
    fn keep(of: TypeId, cache: C) -> Self;

    /// The cache, if it is the one that is meant.
    fn kept(&self, of: TypeId) -> Option<&C>;
}

impl<K: CacheKey + 'static, V: 'static> Keeps<Self> for Cache<K, V> {
    fn keep(_: TypeId, cache: Self) -> Self {
        cache
    }

    #[inline]
    fn kept(&self, _: TypeId) -> Option<&Self> {
        Some(self)
    }
}

/// A cache whose types depend on the call. A generic type's method is one function with many caches, so it
/// is known whose it is.
#[derive(Debug)]
pub struct Erased {
    of: TypeId,
    cache: Box<dyn Any + Send + Sync>,
}

impl<C: Any + Send + Sync> Keeps<C> for Erased {
    fn keep(of: TypeId, cache: C) -> Self {
        Self {
            of,
            cache: Box::new(cache),
        }
    }

    #[inline]
    fn kept(&self, of: TypeId) -> Option<&C> {
        self.cache.downcast_ref().filter(|_| self.of == of)
    }
}

impl<N: 'static> Slot<N> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            told: AtomicU64::new(0),
        }
    }

    /// The cache of this generation; else the place at the list's end.
    #[inline]
    fn find<C: 'static>(
        &'static self,
        generation: u64,
        of: TypeId,
    ) -> Result<&'static C, &'static OnceLock<Node<N>>>
    where
        N: Keeps<C>,
    {
        let mut place = &self.first;
        while let Some(node) = place.get() {
            if node.generation == generation
                && let Some(cache) = node.kept.kept(of)
            {
                return Ok(cache);
            }
            place = &node.next;
        }
        Err(place)
    }
}

impl<N: 'static> Default for Slot<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A cached function: where it stands in the program, and what its cache is called.
#[derive(Debug)]
pub struct Site<N: 'static> {
    /// Where its handles are kept.
    pub slot: &'static Slot<N>,
    /// The type of a closure within the function, and what that is called: it holds all generic parameters.
    pub of: (TypeId, &'static str),
    /// The function's name.
    pub function: &'static str,
    /// The names of the arguments that its key is made of, where that was not said.
    pub arguments: Option<&'static str>,
    /// The version that it declares.
    pub version: Option<&'static str>,
    /// The cache's name, where it was said.
    pub name: Option<&'static str>,
    /// Whether the types of its key and its value are known only to the compiler.
    pub generic: bool,
}

/// What a closure of a function is, with its name.
#[inline]
pub fn whole<T: ?Sized>(closure: &T) -> (TypeId, &'static str) {
    (typeid::of::<T>(), type_name_of_val(closure))
}

/// Says whose name this is, for as long as the program runs.
///
/// # Errors
/// Where it is another function's already, or another type's: their values must not meet (G5).
fn claim(name: &str, slot: usize, of: TypeId) -> Result<(), Error> {
    static OWNERS: LazyLock<Mutex<HashMap<String, (usize, TypeId)>>> =
        LazyLock::new(Mutex::default);
    let mut owners = OWNERS.lock();
    match owners.get(name) {
        None => {
            owners.insert(name.to_owned(), (slot, of));
            Ok(())
        }
        Some(owner) if *owner == (slot, of) => Ok(()),
        Some(_) => Err(Error::OpenedOtherwise {
            name: name.to_owned(),
            open: "that of a function or a type with the same path".to_owned(),
            asked: "that of another one: a `version` tells two functions apart".to_owned(),
        }),
    }
}

/// Passes a builder through the function of the `options`.
pub fn built<K, V>(
    builder: CacheBuilder<K, V>,
    options: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
) -> CacheBuilder<K, V> {
    options(builder)
}

impl<N: 'static> Site<N> {
    /// The function's cache in the process-wide larder.
    ///
    /// # Errors
    /// Where none is installed, or the cache cannot be opened.
    #[inline]
    pub fn global<K, V>(
        &self,
        options: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
    ) -> Result<&'static Cache<K, V>, Error>
    where
        N: Keeps<Cache<K, V>>,
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let generation = global::generation();
        match self.slot.find(generation, self.of.0) {
            Ok(cache) => Ok(cache),
            Err(_) => self.open_global(generation, options),
        }
    }

    #[cold]
    fn open_global<K, V>(
        &self,
        generation: u64,
        options: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
    ) -> Result<&'static Cache<K, V>, Error>
    where
        N: Keeps<Cache<K, V>>,
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        // Asked after the generation was read: it is that one's larder or a later one's, and nobody
        // looks for an earlier generation again.
        let larder = global::handle().ok_or(Error::NotInstalled)?;
        let mut node = Node {
            generation,
            kept: N::keep(self.of.0, self.open(&larder, options)?),
            next: Box::default(),
        };
        loop {
            // Another thread may be quicker. Then its handle is as good, or the list goes on behind it.
            let place = match self.slot.find(generation, self.of.0) {
                Ok(cache) => return Ok(cache),
                Err(place) => place,
            };
            match place.set(node) {
                // It is there now.
                Ok(()) => {
                    return self
                        .slot
                        .find(generation, self.of.0)
                        .map_err(|_| Error::Closed);
                }
                Err(refused) => node = refused,
            }
        }
    }

    /// The function's cache in a larder that is passed.
    ///
    /// # Errors
    /// Where the cache cannot be opened.
    pub fn within<K, V>(
        &self,
        larder: &Larder,
        options: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
    ) -> Result<Cache<K, V>, Error>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let slot = std::ptr::from_ref(self.slot).addr();
        larder.remembered((slot, self.of.0), |larder| self.open(larder, options))
    }

    fn open<K, V>(
        &self,
        larder: &Larder,
        options: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
    ) -> Result<Cache<K, V>, Error>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let name = if let Some(name) = self.name {
            name.to_owned()
        } else {
            let name = self.own_name(self.generic.then(type_name::<(K, V)>));
            claim(&name, std::ptr::from_ref(self.slot).addr(), self.of.0)?;
            name
        };
        options(larder.cache(name)).build()
    }

    /// Says that the function runs without its cache: once for each process-wide larder.
    #[cold]
    pub fn tell(&self, error: &Error) {
        let generation = global::generation() + 1;
        if self.slot.told.swap(generation, Ordering::Relaxed) != generation {
            tracing::warn!(
                target: "larder",
                function = self.path(), %error,
                "a cached function has no cache and runs at each call"
            );
        }
    }

    /// `app.users.user`: the modules, the type where it is a method, and the function, with what its
    /// parameters are in this call.
    fn path(&self) -> String {
        let mut within = self.of.1;
        while let Some(around) = within.strip_suffix("::{{closure}}") {
            within = around;
        }
        within.replace("::__larder_", "::").replace("::", ".")
    }

    /// What the function's own cache is called: after its place, its version and the names of its
    /// arguments. So arguments that change places, or their names, make another cache.
    fn own_name(&self, types: Option<&str>) -> String {
        let mut name = self.path();
        if let Some(version) = self.version {
            name.push('@');
            name.push_str(version);
        }
        if let Some(arguments) = self.arguments {
            name.push('/');
            name.push_str(arguments);
        }
        if names_a_closure(&self.path()) {
            // Closures of one function read alike. What they are stays the same within a build only.
            let mut hasher = DefaultHasher::new();
            self.of.0.hash(&mut hasher);
            let _ = write!(name, "/{:016x}", hasher.finish());
        }
        if let Some(types) = types {
            name.push('/');
            name.push_str(types);
        }
        if CacheName::new(&name).is_ok() {
            return name;
        }
        // Too long: what it begins with, for readers, and a hash of all.
        let mut short: String = self.function.chars().take(30).collect();
        short.push('~');
        for byte in Sha256::digest(name.as_bytes()) {
            // A text that grows takes all.
            let _ = write!(short, "{byte:02x}");
        }
        short
    }
}

/// Whether a closure is in a path as a type, and not as a place on the way to one.
fn names_a_closure(path: &str) -> bool {
    let mut parts = path.split("{{closure}}");
    parts.next();
    parts.any(|behind| !behind.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_on_the_way_is_no_type() {
        assert!(!names_a_closure("app.users.user<u8>"));
        assert!(!names_a_closure(
            "app.main.{{closure}}.user<app.main.{{closure}}.Db>"
        ));
        assert!(names_a_closure("app.user<app.main.{{closure}}>"));
        assert!(names_a_closure("app.user<(app.main.{{closure}}, u8)>"));
    }
}
