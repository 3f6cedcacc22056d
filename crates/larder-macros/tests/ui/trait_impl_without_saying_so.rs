pub trait Users {
    async fn user(&self, id: u64) -> u64;
}

pub struct Repo;

impl Users for Repo {
    #[larder::cached(skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
