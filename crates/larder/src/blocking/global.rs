//! One larder for the whole process, reached without passing it around.
//!
//! It is the same one as [`larder::global`](crate::global)'s: whichever of the two installs it, the
//! other finds it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use larder::blocking::{Cache, global};
//!
//! let usable = global::init()?; // from the environment; false: disabled or unreachable
//!
//! // Anywhere else in the program:
//! let larder = global::handle().ok_or("init was not called")?;
//! let users: Cache<u64, String> = larder.cache("users").build()?;
//! users.set(&42, "Ann")?;
//! # assert!(usable);
//! global::close()?;
//! # Ok(())
//! # }
//! ```

use parking_lot::Mutex;

use super::larder::Larder;
use super::runtime::Runtime;
use crate::config::Config;
use crate::error::Error;
use crate::health::Health;
use crate::wait::may_wait;

/// What the installed larder runs on, where that is a blocking larder's.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
/// One initialisation at a time, so that what one of them runs on is not another's larder's.
static INITIALISING: Mutex<()> = Mutex::new(());

/// As [`global::init`](crate::global::init), on a thread of its own.
///
/// # Errors
/// As [`global::init`](crate::global::init); where the system has no thread, and [`Error::InAsyncTask`].
pub fn init() -> Result<bool, Error> {
    init_with(Config::from_env()?)
}

/// [`init`] with a given configuration.
///
/// # Errors
/// As [`init`].
pub fn init_with(config: Config) -> Result<bool, Error> {
    if !may_wait() {
        return Err(Error::InAsyncTask);
    }
    let _one = INITIALISING.lock();
    let runtime = match handle() {
        Some(installed) => installed.runtime().clone(),
        None => Runtime::own()?,
    };
    let usable = runtime.run(crate::global::init_with(config))??;
    let is_its = |installed: &crate::Larder| installed.runtime().id() == runtime.handle().id();
    if crate::global::handle().as_ref().is_some_and(is_its) {
        *RUNTIME.lock() = Some(runtime);
    }
    Ok(usable)
}

/// Installs a larder that was built in code.
///
/// # Errors
/// As [`global::install`](crate::global::install).
pub fn install(larder: &Larder) -> Result<(), Error> {
    crate::global::install(larder.as_async().clone())?;
    *RUNTIME.lock() = Some(larder.runtime().clone());
    Ok(())
}

/// The installed larder.
pub fn handle() -> Option<Larder> {
    let installed = crate::global::handle()?;
    let own = RUNTIME.lock().clone();
    match own {
        Some(own) if own.handle().id() == installed.runtime().id() => {
            Some(Larder::of(installed, own))
        }
        _ => Some(Larder::wrap(installed)),
    }
}

/// How the installed larder is; `None` where there is none.
///
/// # Errors
/// [`Error::InAsyncTask`] alone.
pub fn health() -> Result<Option<Health>, Error> {
    handle().map(|larder| larder.health()).transpose()
}

/// Closes the installed larder and uninstalls it, as [`global::close`](crate::global::close). Without one
/// installed it does nothing.
///
/// # Errors
/// [`Error::InAsyncTask`] alone: the larder stays then.
pub fn close() -> Result<(), Error> {
    let Some(installed) = handle() else {
        return Ok(());
    };
    installed.runtime().run(crate::global::close())?;
    installed.runtime().end();
    let mut runtime = RUNTIME.lock();
    if runtime
        .as_ref()
        .is_some_and(|own| own.handle().id() == installed.runtime().handle().id())
    {
        *runtime = None;
    }
    Ok(())
}
