//! larder: the whole public API, with its near tier off.

use super::subject::{Client, Entries};
use crate::Failure;

#[derive(Clone)]
pub(super) struct Api(pub(super) Entries);

impl Client for Api {
    const NAME: &'static str = "larder";

    async fn get(&mut self, n: usize) -> Result<bool, Failure> {
        let value = self.0.cache.get(&(n as u64)).await;
        Ok(value.is_some_and(|value| value.len() == self.0.value.len()))
    }

    async fn set(&mut self, n: usize) -> Result<(), Failure> {
        let value = String::from(&*self.0.value);
        Ok(self.0.cache.set(&(n as u64), value).await?)
    }
}
