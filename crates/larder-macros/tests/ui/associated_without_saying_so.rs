#[larder::cached]
async fn user(id: u64) -> u64 {
    id
}

pub struct Repo;

impl Repo {
    #[larder::cached]
    pub async fn user(id: u64) -> u64 {
        id + 1
    }
}

#[larder::cached(cache = users, key = id)]
async fn other(users: &larder::Cache<u64, u64>, id: u64) -> u64 {
    id
}

impl Repo {
    #[larder::cached(cache = users, key = id)]
    pub async fn other(users: &larder::Cache<u64, u64>, id: u64) -> u64 {
        id + 1
    }
}

fn main() {}
