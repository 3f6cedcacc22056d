//! A remote whose answers are timed.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{Histogram, histogram};

use super::names;
use crate::bounded::Bounds;
use crate::key::{Prefix, StoredKey};
use crate::remote::operations::operations;
use crate::remote::{
    Acquired, Claim, Cursor, Deadline, Lease, Observer, Page, Pushes, Remote, RemoteError,
    RemoteFuture, RemoteHealth, ServerTime, Sighting,
};

/// The same remote, timed; one that stores nothing is not.
pub(crate) fn timed(remote: Arc<dyn Remote>) -> Arc<dyn Remote> {
    if remote.stores() {
        Arc::new(Timed::new(remote))
    } else {
        remote
    }
}

/// One operation.
#[derive(Debug)]
struct Operation {
    name: &'static str,
    times: Histogram,
}

impl Operation {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            times: histogram!(names::REMOTE_DURATION, names::OPERATION => name),
        }
    }

    /// Counts from the first poll. What is dropped before its end counts as nothing.
    fn time<'a, T: Send + 'a>(
        &'a self,
        asked: RemoteFuture<'a, Result<T, RemoteError>>,
    ) -> RemoteFuture<'a, Result<T, RemoteError>> {
        Box::pin(async {
            let began = Instant::now();
            let answer = asked.await;
            self.times.record(began.elapsed());
            if let Err(error) = &answer {
                let labels = [(names::OPERATION, self.name), (names::CAUSE, error.cause())];
                metrics::counter!(names::REMOTE_ERRORS, &labels).increment(1);
            }
            answer
        })
    }
}

/// A remote with a histogram for each of its operations.
macro_rules! timed {
    (
        lookups { $($lookups:tt)* }
        others { $($others:tt)* }
    ) => {
        timed! { $($lookups)* $($others)* }
    };
    ($($name:ident($_type:ident $(, $arg:ident: $of:ty)*) -> $answer:ty;)+) => {
        #[derive(Debug)]
        struct Timed {
            remote: Arc<dyn Remote>,
            $($name: Operation,)+
        }

        impl Timed {
            fn new(remote: Arc<dyn Remote>) -> Self {
                Self {
                    remote,
                    $($name: Operation::new(stringify!($name)),)+
                }
            }
        }

        impl Remote for Timed {
            $(fn $name<'a>(
                &'a self,
                $($arg: $of,)*
                deadline: Deadline,
            ) -> RemoteFuture<'a, Result<$answer, RemoteError>> {
                self.$name.time(self.remote.$name($($arg,)* deadline))
            })+

            fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
                self.remote.watch(prefix, observer)
            }

            fn server_time(&self) -> Option<ServerTime> {
                self.remote.server_time()
            }

            fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
                self.remote.health(deadline)
            }

            fn close(&self) -> RemoteFuture<'_, ()> {
                self.remote.close()
            }

            fn stores(&self) -> bool {
                self.remote.stores()
            }
        }
    };
}

operations!(timed);
