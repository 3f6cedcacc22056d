#[larder::cached(negative_ttl = "5s")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
