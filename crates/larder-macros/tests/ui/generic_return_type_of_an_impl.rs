pub struct Store<T>(T);

impl<T: Clone + Send + Sync + 'static> Store<T> {
    #[larder::cached(skip(self))]
    pub async fn get(&self, id: u64) -> T {
        self.0.clone()
    }
}

fn main() {}
