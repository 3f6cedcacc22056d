#[larder::cached]
async fn nothing(id: u64) {}

#[larder::cached]
async fn reference(name: &str) -> &str {
    name
}

#[larder::cached]
async fn unnamed(id: u64) -> impl std::fmt::Display {
    id
}

#[larder::cached]
async fn changing(list: &mut Vec<u64>) -> u64 {
    list.len() as u64
}

#[larder::cached]
async fn pattern((a, b): (u64, u64)) -> u64 {
    a + b
}

#[larder::cached]
const fn constant(id: u64) -> u64 {
    id
}

#[larder::cached]
unsafe fn dangerous(id: u64) -> u64 {
    id
}

#[larder::cached]
struct User;

pub trait Users {
    #[larder::cached]
    fn user(&self, id: u64) -> u64;
}

pub struct Repo;

impl Repo {
    #[larder::cached]
    fn user(&self, id: u64) -> u64 {
        id
    }
}

#[larder::cached(spawn)]
fn not_async(id: u64) -> u64 {
    id
}

pub trait Boxes {
    fn boxed<'a>(
        &'a self,
        id: u64,
    ) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send + 'a>>;
}

impl Boxes for Repo {
    #[larder::cached(skip(self), in_trait)]
    fn boxed<'a>(
        &'a self,
        id: u64,
    ) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
        Box::pin(async move { id })
    }
}

fn main() {}
