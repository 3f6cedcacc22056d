//! Runs a loader so that its panic is an answer and not the end of the caller's task.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// Runs `make` and the future it makes; a panic in either comes back as its message.
///
/// The future is dropped with the panic and nothing of it is looked at again, which is what
/// makes `AssertUnwindSafe` right.
pub(crate) async fn catch_panic<F, T>(make: impl FnOnce() -> F) -> Result<T, Arc<str>>
where
    F: Future<Output = T>,
{
    let future = catch_unwind(AssertUnwindSafe(make)).map_err(|panic| message(&*panic))?;
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        },
    )
    .await
}

fn message(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Arc::from(text.unwrap_or("(a panic without a text)"))
}
