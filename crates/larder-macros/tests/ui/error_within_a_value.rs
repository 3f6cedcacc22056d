use std::collections::HashMap;
use std::sync::Arc;

type Answer = Result<u64, String>;

#[larder::cached]
async fn perhaps(id: u64) -> Option<Answer> {
    Some(Ok(id))
}

#[larder::cached]
fn shared(id: u64) -> Arc<Answer> {
    Arc::new(Ok(id))
}

#[larder::cached]
async fn twice(id: u64) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Ok(id))
}

#[larder::cached(batch = ids)]
async fn many(
    ids: &[u64],
) -> Result<HashMap<u64, Answer>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(ids.iter().map(|id| (*id, Ok(*id))).collect())
}

fn main() {}
