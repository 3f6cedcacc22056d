//! One larder for the whole process, reached without passing it around.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use larder::global;
//!
//! let usable = global::init().await?; // from the environment; false: disabled or unreachable
//! global::set("limit", &10_u32).ttl(Duration::from_secs(60)).await?;
//! assert_eq!(global::get::<u32>("limit").await, Some(10));
//! assert_eq!(global::get::<u32>("limit").tenant("acme").await, None);
//! assert!(global::remove("limit").await?);
//! # assert!(usable);
//! global::close().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`get`], [`set`], [`remove`] and [`exists`] work on the cache `persistent`
//! ([`Larder::persistent`]). For typed caches take [`handle`] and open them once.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::config::Config;
use crate::error::Error;
use crate::health::Health;
use crate::larder::Larder;

#[cfg(feature = "json")]
mod call;

#[cfg(feature = "json")]
pub use call::{Call, Exists, Get, Remove, Set, exists, get, remove, set};

static INSTALLED: RwLock<Option<Larder>> = RwLock::new(None);
/// Counts each change of what is installed, while it is locked.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// One initialisation at a time; it is held across the connecting.
static INITIALISING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Installs a larder as the environment configures it. `true`: it is usable. `false`: it is
/// switched off, or its server is unreachable for now; the application runs on either way.
///
/// Called again with the same configuration it only answers.
///
/// # Errors
/// Where the environment's configuration has problems, the server refuses it, or a larder with
/// other settings is installed.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn init() -> Result<bool, Error> {
    init_with(Config::from_env()?).await
}

/// [`init`] with a given configuration.
///
/// # Errors
/// As [`init`].
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn init_with(config: Config) -> Result<bool, Error> {
    let _one = INITIALISING.lock().await;
    let larder = if let Some(installed) = handle() {
        conflict(&installed, &config)?;
        installed
    } else {
        let larder = Larder::with(config).await?;
        install(larder.clone())?;
        larder
    };
    Ok(larder.health().await.is_usable())
}

/// Installs a larder that was built in code.
///
/// # Errors
/// Where another one is installed, also if it has the same configuration: it may have another remote.
pub fn install(larder: Larder) -> Result<(), Error> {
    let mut installed = INSTALLED.write();
    match installed
        .as_ref()
        .filter(|installed| !installed.is_closed())
    {
        Some(installed) if installed.is_same(&larder) => Ok(()),
        Some(installed) => Err(otherwise(installed, larder.config())),
        None => {
            *installed = Some(larder);
            GENERATION.fetch_add(1, Ordering::Release);
            Ok(())
        }
    }
}

fn conflict(installed: &Larder, asked: &Config) -> Result<(), Error> {
    if installed.config() == asked {
        return Ok(());
    }
    Err(otherwise(installed, asked))
}

fn otherwise(installed: &Larder, asked: &Config) -> Error {
    Error::InstalledOtherwise {
        installed: format!("{:?}", installed.config()),
        asked: format!("{asked:?}"),
    }
}

/// The installed larder: for typed caches, and for everything else that it can do.
pub fn handle() -> Option<Larder> {
    INSTALLED
        .read()
        .as_ref()
        .filter(|installed| !installed.is_closed())
        .cloned()
}

/// Which of the larders that were installed one after another is the current one. Who keeps something of it
/// asks whether that is still so.
#[cfg(feature = "macros")]
#[inline]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// How the installed larder is; `None` where there is none.
pub async fn health() -> Option<Health> {
    Some(handle()?.health().await)
}

/// Closes the installed larder, as [`Larder::close`] with its bounded wait, and uninstalls it. Until the next
/// initialisation, lookups miss and writes return [`Error::NotInstalled`]. Without one installed
/// it does nothing.
///
/// # Cancel safety
/// The larder is uninstalled at the first poll; dropped before the end, what was under way still
/// ends by itself.
pub async fn close() {
    let installed = {
        let mut installed = INSTALLED.write();
        GENERATION.fetch_add(1, Ordering::Release);
        installed.take()
    };
    if let Some(larder) = installed {
        larder.close().await;
    }
}
