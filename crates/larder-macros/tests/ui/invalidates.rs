#[larder::invalidates]
async fn nothing(id: u64) -> u64 {
    id
}

#[larder::invalidates(key = "user:{id}")]
async fn no_cache(id: u64) -> u64 {
    id
}

#[larder::invalidates(cache = "users", key = "user:{id}")]
async fn by_name(id: u64) -> u64 {
    id
}

#[larder::invalidates(cache = users)]
async fn no_key(users: &larder::Cache<u64, u64>, id: u64) -> u64 {
    id
}

#[larder::invalidates(tags = ["team:{tem}"])]
async fn wrong_template(team: u64) -> u64 {
    team
}

#[larder::invalidates(tag = ["team:{team}"])]
async fn unknown_option(team: u64) -> u64 {
    team
}

#[larder::invalidates(user)]
async fn no_call(id: u64) -> u64 {
    id
}

#[larder::invalidates(cache = users, pattern = "user:{team}*")]
async fn wildcard_behind_an_argument(users: &larder::Cache<String, u64>, team: &str) {}

fn main() {}
