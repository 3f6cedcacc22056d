#[larder::cached(refresh = 0.8)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
