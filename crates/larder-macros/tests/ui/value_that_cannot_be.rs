#[derive(Clone)]
pub struct User;

#[larder::cached]
async fn user(id: u64) -> User {
    User
}

fn main() {}
