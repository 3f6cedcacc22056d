#[larder::cached(ttl = "5 parsecs")]
async fn user(id: u64) -> u64 {
    id
}

#[larder::cached(ttl = "5", stale = "1m")]
async fn without_a_unit(id: u64) -> u64 {
    id
}

#[larder::cached(ttl = 300)]
async fn number(id: u64) -> u64 {
    id
}

#[larder::cached(ttl = "20 years")]
async fn years(id: u64) -> u64 {
    id
}

#[larder::cached(ttl = "600 weeks")]
async fn too_long(id: u64) -> u64 {
    id
}

#[larder::cached(load_timeout = "0s")]
async fn no_time(id: u64) -> u64 {
    id
}

#[larder::cached(refresh = 1.5)]
async fn late(id: u64) -> u64 {
    id
}

fn main() {}
