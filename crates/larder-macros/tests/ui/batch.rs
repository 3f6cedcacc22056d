use std::collections::HashMap;

#[larder::cached(batch = idx)]
async fn no_such_argument(ids: Vec<u64>) -> Result<HashMap<u64, u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(HashMap::new())
}

#[larder::cached(batch = id)]
async fn no_list(id: u64) -> Result<HashMap<u64, u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(HashMap::new())
}

#[larder::cached(batch = ids)]
async fn other_argument(ids: Vec<u64>, team: u64) -> Result<HashMap<u64, u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(HashMap::new())
}

#[larder::cached(batch = ids, refresh = 0.8)]
async fn refresh(ids: Vec<u64>) -> Result<HashMap<u64, u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(HashMap::new())
}

#[larder::cached(batch = ids)]
fn not_async(ids: Vec<u64>) -> Result<HashMap<u64, u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(HashMap::new())
}

#[larder::cached(by = |user| user.id)]
async fn without_a_batch(id: u64) -> u64 {
    id
}

fn main() {}
