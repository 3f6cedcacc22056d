#[larder::cached(key = "user:{idd}")]
async fn no_such_argument(id: u64, team: u64) -> u64 {
    id + team
}

#[larder::cached(key = "users")]
async fn names_no_argument(id: u64) -> u64 {
    id
}

#[larder::cached(key = "user:{id}{team}")]
async fn adjacent(id: u64, team: u64) -> u64 {
    id + team
}

#[larder::cached(key = "user:{id")]
async fn open(id: u64) -> u64 {
    id
}

#[larder::cached(key = "user:id}")]
async fn closed(id: u64) -> u64 {
    id
}

#[larder::cached(key = "user:{id:?}")]
async fn formatted(id: u64) -> u64 {
    id
}

#[larder::cached(key = "user:{id.abs()}")]
async fn called(id: i64) -> i64 {
    id
}

#[larder::cached(tags = ["team:{tem}"])]
async fn tag(id: u64, team: u64) -> u64 {
    id + team
}

#[larder::cached(key = "user:{}")]
async fn empty(id: u64) -> u64 {
    id
}

fn main() {}
