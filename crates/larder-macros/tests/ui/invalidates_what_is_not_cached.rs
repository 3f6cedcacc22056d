async fn user(id: u64) -> u64 {
    id
}

#[larder::invalidates(user(id))]
async fn rename(id: u64) -> u64 {
    id
}

fn main() {}
