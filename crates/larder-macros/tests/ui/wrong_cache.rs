#[larder::cached(cache = users, key = id)]
async fn user(users: &larder::Cache<String, u64>, id: u64) -> u64 {
    id
}

#[larder::cached(cache = 42, key = id)]
async fn number(id: u64) -> u64 {
    id
}

fn main() {}
