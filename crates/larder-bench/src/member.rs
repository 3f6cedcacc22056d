//! The processes that a bench starts, and how it speaks with them.

use std::sync::Arc;
use std::time::Duration;

use larder::{Larder, NearTrust};
use larder_servers::{Orders, Pending};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use crate::Failure;

/// What begins an answer that is no result.
const FAILED: &str = "failed: ";
/// For what takes long on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// As many workers as a service on this machine would have.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

/// What a process of a bench does as it is told. Orders may be under way together.
pub(crate) trait Member: Send + Sync + 'static {
    type Answer: Serialize + Send;

    fn work(
        self: Arc<Self>,
        order: &[&str],
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// Serves until it is time to finish.
pub(crate) fn serve<M: Member>(runtime: &Runtime, member: &Arc<M>, mut orders: Orders) {
    while let Some(order) = orders.receive() {
        let member = Arc::clone(member);
        runtime.spawn(async move {
            let words: Vec<_> = order.text().split(' ').collect();
            let answer = member.work(&words).await;
            let answer = answer.and_then(|answer| Ok(serde_json::to_string(&answer)?));
            order.answer(answer.unwrap_or_else(|error| format!("{FAILED}{error}")));
        });
    }
}

/// Waits for a member's answer.
pub(crate) fn answer<T: DeserializeOwned>(pending: &Pending<'_>) -> Result<T, Failure> {
    let text = pending.wait(PATIENCE)?;
    match text.strip_prefix(FAILED) {
        Some(error) => Err(error.into()),
        None => Ok(serde_json::from_str(&text)?),
    }
}

/// Waits until the larder trusts its memory: until it hears of what others write.
pub(crate) async fn trusted(larder: &Larder) -> Result<(), Failure> {
    let begin = Instant::now();
    while larder.health().await.near != NearTrust::Trusted {
        if begin.elapsed() > PATIENCE {
            return Err("the server does not tell of changes".into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
