//! Runs a loader so that its panic is an answer and not the end of the caller's task.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::unwind::caught;

/// Runs `make` and the future it makes; a panic in either comes back as its message.
///
/// The future is dropped with the panic, and nothing of it is looked at again.
pub(crate) async fn catch_panic<F, T>(make: impl FnOnce() -> F) -> Result<T, Arc<str>>
where
    F: Future<Output = T>,
{
    let future = caught(make)?;
    let mut future = pin!(future);
    poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(message) => Poll::Ready(Err(message)),
    })
    .await
}
