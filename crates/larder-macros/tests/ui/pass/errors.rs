//! Error types that need nothing: all that can hold any error can hold a failed load.

#[larder::cached]
async fn boxed(id: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok(id)
}

mod renamed {
    pub use larder as other;
}

#[renamed::other::cached(crate = renamed::other, ttl = "1h30m", key = "{id}")]
async fn elsewhere(id: u64) -> u64 {
    id
}

/// A name that is a keyword.
#[larder::cached]
pub async fn r#type(r#match: u64, mut count: u64) -> u64 {
    count += r#match;
    count
}

fn main() {
    let _ = (boxed(1), elsewhere(1), r#type(1, 2));
}
