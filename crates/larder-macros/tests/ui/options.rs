#[larder::cached(tll = "5m")]
async fn unknown(id: u64) -> u64 {
    id
}

#[larder::cached(ttl = "5m", ttl = "6m")]
async fn twice(id: u64) -> u64 {
    id
}

#[larder::cached("users")]
async fn nameless(id: u64) -> u64 {
    id
}

#[larder::cached(ttl)]
async fn without_a_value(id: u64) -> u64 {
    id
}

#[larder::cached(spawn = true)]
async fn switch(id: u64) -> u64 {
    id
}

#[larder::cached(skip = id)]
async fn no_list(id: u64) -> u64 {
    id
}

#[larder::cached(skip(db))]
async fn skips_nothing(id: u64) -> u64 {
    id
}

#[larder::cached(skip(team), key = id)]
async fn skips_with_a_key(id: u64, team: u64) -> u64 {
    id + team
}

#[larder::cached(cache = "users")]
async fn shared_without_a_key(id: u64) -> u64 {
    id
}

#[larder::cached(cache = users, key = id, load_timeout = "1s")]
async fn option_of_a_passed_cache(users: &larder::Cache<u64, u64>, id: u64) -> u64 {
    id
}

#[larder::cached(cache = "users", key = id, version = 2)]
async fn version_of_a_shared_cache(id: u64) -> u64 {
    id
}

#[larder::cached(tags = "team")]
async fn tag_without_a_list(id: u64) -> u64 {
    id
}

#[larder::cached(load_timeout = std::time::Duration::from_secs(id))]
async fn cache_wide_option_of_an_argument(id: u64) -> u64 {
    id
}

pub struct Repo(std::time::Duration);

impl Repo {
    #[larder::cached(skip(self), options = |cache| cache.load_timeout(self.0))]
    pub async fn cache_wide_option_of_self(&self, id: u64) -> u64 {
        id
    }

    #[larder::cached(tenant = "{selfish}")]
    pub async fn self_in_no_option(&self, selfish: u64, id: u64) -> u64 {
        id + selfish
    }
}

#[larder::cached(cache = "counts", key = id)]
async fn shared_by_all_types<T: Default>(id: u64) -> u64 {
    id
}

pub struct Id<T>(u64, std::marker::PhantomData<T>);

#[larder::cached(cache = "names", key = "{id.0}")]
async fn shared_by_all_kinds_of_ids<T>(id: Id<T>) -> u64 {
    id.0
}

fn main() {}
