#[larder::cached(skip(make))]
async fn generic<T, F: Fn() -> T>(make: F, id: u64) -> Option<T> {
    Some(make())
}

#[larder::cached(returns = Box<_>)]
async fn unknown_shape(id: u64) -> u64 {
    id
}

#[larder::invalidates(tags = ["users"])]
async fn write<T>(value: T) -> T {
    value
}

fn main() {}
