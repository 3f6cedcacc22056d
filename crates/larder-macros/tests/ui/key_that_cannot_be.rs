pub struct Filter {
    pub name: String,
}

#[larder::cached]
async fn not_serialisable(filter: Filter) -> usize {
    filter.name.len()
}

#[larder::cached]
async fn float(id: u64, price: f64) -> u64 {
    id
}

fn main() {}
