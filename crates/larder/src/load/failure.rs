//! How a load fails, and how callers with different error types share one failure.

use std::any::{Any, TypeId};
use std::fmt::{self, Debug, Display};
use std::sync::Arc;
use std::time::Duration;

/// What a loader's error must be: it is shared by all callers who waited for the load.
pub(crate) trait Shared: Any + Display + Send + Sync {}

impl<E: Any + Display + Send + Sync> Shared for E {}

/// Why a load brought no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader returned this error. It is shared with all callers who waited for the load.
    Loader(Arc<E>),
    /// Another caller's loader, which has another error type, returned this error.
    Foreign(ForeignError),
    /// The loader panicked, with this message. The caller that ran it gets this error too.
    Panicked(Arc<str>),
    /// The loader took longer than the cache allows.
    TimedOut {
        /// What it allows.
        after: Duration,
    },
    /// The loader loads its own key again, directly or through other loads: it would wait for
    /// itself.
    Circular,
    /// As many loads are under way, or callers wait for them, as this cache allows, or as many loaders run
    /// as the tenant may have ([`TenantOptions::max_loads`](crate::TenantOptions::max_loads)), and there is no
    /// stale value.
    Overloaded,
    /// The runtime ended while the load was under way.
    RuntimeGone,
    /// A blocking call was made within an async task, where nothing may wait. The loader did not run.
    InAsyncTask,
}

/// An error of a type other than the caller's own.
#[derive(Clone)]
pub struct ForeignError(Arc<dyn Shared>);

impl ForeignError {
    /// The error as `T`, if it is one.
    pub fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }
}

impl Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&*self.0, f)
    }
}

impl Debug for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignError({self})")
    }
}

impl std::error::Error for ForeignError {}

impl<E> LoadError<E> {
    /// The loader's own error, to be turned into the application's; or the rest.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use larder::LoadError;
    ///
    /// #[derive(Debug)]
    /// enum AppError {
    ///     Database(Arc<std::io::Error>),
    ///     Cache(String),
    /// }
    ///
    /// impl From<LoadError<std::io::Error>> for AppError {
    ///     fn from(error: LoadError<std::io::Error>) -> Self {
    ///         match error.into_loader() {
    ///             Ok(database) => Self::Database(database),
    ///             Err(other) => Self::Cache(other.to_string()),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The error itself, where it is not the loader's.
    pub fn into_loader(self) -> Result<Arc<E>, Self> {
        match self {
            Self::Loader(error) => Ok(error),
            other => Err(other),
        }
    }

    /// The loader's own error, where it is of this caller's type.
    pub fn loader(&self) -> Option<&E> {
        match self {
            Self::Loader(error) => Some(error),
            _ => None,
        }
    }
}

// Derived, this would ask for `E: Clone`.
impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Loader(error) => Self::Loader(Arc::clone(error)),
            Self::Foreign(error) => Self::Foreign(error.clone()),
            Self::Panicked(message) => Self::Panicked(Arc::clone(message)),
            Self::TimedOut { after } => Self::TimedOut { after: *after },
            Self::Circular => Self::Circular,
            Self::Overloaded => Self::Overloaded,
            Self::RuntimeGone => Self::RuntimeGone,
            Self::InAsyncTask => Self::InAsyncTask,
        }
    }
}

impl<E: Display> Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(error) => write!(f, "the loader failed: {error}"),
            Self::Foreign(error) => write!(f, "another caller's loader failed: {error}"),
            Self::Panicked(message) => write!(f, "the loader panicked: {message}"),
            Self::TimedOut { after } => write!(f, "the loader was not done after {after:?}"),
            Self::Circular => f.write_str(
                "the loader would wait for itself: it loads its own key, directly or through \
                 other loads",
            ),
            Self::Overloaded => f.write_str(
                "too many loads are under way, or callers wait for them, and there is no stale \
                 value",
            ),
            Self::RuntimeGone => f.write_str("the runtime ended while the load was under way"),
            Self::InAsyncTask => f.write_str(crate::error::IN_ASYNC_TASK),
        }
    }
}

// No `source`: it would demand `E: Error`, and `anyhow::Error` is none.
impl<E: Debug + Display> std::error::Error for LoadError<E> {}

/// A load's failure as a flight keeps it, before it is told to a caller in the caller's type.
#[derive(Clone)]
pub(crate) enum Failure {
    Loader(Arc<dyn Shared>),
    Panicked(Arc<str>),
    TimedOut(Duration),
    Circular,
    Overloaded,
    RuntimeGone,
}

impl Failure {
    /// Which of them, in a word: for logs, which need not have the error's own message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Loader(_) => "error",
            Self::Panicked(_) => "panic",
            Self::TimedOut(_) => "timeout",
            Self::Circular => "circular",
            Self::Overloaded => "overload",
            Self::RuntimeGone => "runtime gone",
        }
    }

    /// The type of the loader's error, where it is one.
    pub(crate) fn error_type(&self) -> Option<TypeId> {
        match self {
            Self::Loader(error) => {
                let any: &dyn Any = &**error;
                Some(any.type_id())
            }
            _ => None,
        }
    }

    pub(crate) fn loader<E: Display + Send + Sync + 'static>(error: E) -> Self {
        Self::Loader(Arc::new(error))
    }

    pub(crate) fn into_error<E: Send + Sync + 'static>(self) -> LoadError<E> {
        match self {
            Self::Loader(error) => {
                let any: Arc<dyn Any + Send + Sync> = error.clone();
                match any.downcast::<E>() {
                    Ok(own) => LoadError::Loader(own),
                    Err(_) => LoadError::Foreign(ForeignError(error)),
                }
            }
            Self::Panicked(message) => LoadError::Panicked(message),
            Self::TimedOut(after) => LoadError::TimedOut { after },
            Self::Circular => LoadError::Circular,
            Self::Overloaded => LoadError::Overloaded,
            Self::RuntimeGone => LoadError::RuntimeGone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_typed_to_its_own_kind_and_erased_to_others() {
        let failure = Failure::loader("no such user".to_owned());
        assert!(
            matches!(failure.clone().into_error::<String>(), LoadError::Loader(e) if *e == "no such user")
        );
        let foreign = failure.into_error::<std::io::Error>();
        assert!(matches!(&foreign, LoadError::Foreign(e) if e.downcast_ref::<String>().is_some()));
        assert_eq!(
            foreign.to_string(),
            "another caller's loader failed: no such user"
        );
    }
}
