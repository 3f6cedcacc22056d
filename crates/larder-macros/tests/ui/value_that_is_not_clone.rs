#[derive(serde::Serialize, serde::Deserialize)]
pub struct User;

#[larder::cached]
async fn user(id: u64) -> User {
    User
}

fn main() {}
