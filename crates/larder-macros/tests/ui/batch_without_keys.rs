pub use std::convert::Infallible;

#[larder::cached(batch = ids)]
async fn values(ids: Vec<u64>) -> Result<Vec<u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(ids)
}

fn main() {}
