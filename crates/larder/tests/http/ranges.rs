//! RFC 9110 §14: parts of what is stored whole.

use http::StatusCode;

use crate::origin::{World, date};

async fn filled() -> World {
    let world = World::standard().await;
    world.origin.answers(
        200,
        "cache-control: max-age=60\netag: \"a\"\ncontent-type: text/plain",
        "0123456789",
    );
    world.get("/").await;
    world
}

#[tokio::test]
async fn a_part_is_cut_from_what_is_stored() {
    let world = filled().await;
    for (range, part, place) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-999", "89", "bytes 8-9/10"),
    ] {
        let answer = world.get_with("/", &format!("range: {range}")).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::PARTIAL_CONTENT, part)
        );
        assert_eq!(answer.header("content-range"), place);
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_eq!(answer.header("content-type"), "text/plain");
        assert!(answer.is_hit());
    }
}

#[tokio::test]
async fn what_cannot_be_had_is_416_and_what_cannot_be_read_is_the_whole() {
    let world = filled().await;
    let beyond = world.get_with("/", "range: bytes=10-").await;
    assert_eq!(
        (beyond.status, &*beyond.body),
        (StatusCode::RANGE_NOT_SATISFIABLE, "")
    );
    assert_eq!(beyond.header("content-range"), "bytes */10");
    for ignored in [
        "bytes=3-1",
        "bytes=x",
        "pages=1-2",
        "bytes=0-1,4-5",
        "bytes",
        "bytes=0-1\nrange: bytes=2-3",
    ] {
        let answer = world.get_with("/", &format!("range: {ignored}")).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, "0123456789"),
            "{ignored}"
        );
    }
}

#[tokio::test]
async fn if_range_asks_for_a_part_of_this_response_only() {
    let world = filled().await;
    let of = async |condition: &str| {
        world
            .get_with("/", &format!("range: bytes=0-0\nif-range: {condition}"))
            .await
            .status
    };
    assert_eq!(of("\"a\"").await, StatusCode::PARTIAL_CONTENT);
    assert_eq!(of("\"b\"").await, StatusCode::OK);
    assert_eq!(of("W/\"a\"").await, StatusCode::OK);
    assert_eq!(of(&date(0)).await, StatusCode::OK);
    assert_eq!(of("gibberish").await, StatusCode::OK);
}

#[tokio::test]
async fn a_copy_goes_before_a_part() {
    let world = filled().await;
    let answer = world
        .get_with("/", "range: bytes=0-0\nif-none-match: \"a\"")
        .await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_part_of_what_is_not_stored_is_the_origins() {
    let world = World::standard().await;
    world.origin.answers(
        206,
        "cache-control: max-age=60\ncontent-range: bytes 0-0/10",
        "0",
    );
    let part = world.get_with("/", "range: bytes=0-0").await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(world.origin.last().headers["range"], "bytes=0-0");
    world
        .origin
        .answers(200, "cache-control: max-age=60", "0123456789");
    let whole = world.get("/").await;
    assert_eq!((whole.is_hit(), &*whole.body), (false, "0123456789"));
}

#[tokio::test]
async fn a_stale_whole_is_confirmed_and_cut() {
    let world = filled().await;
    world.advance(61);
    world
        .origin
        .answers(304, "etag: \"a\"\ncache-control: max-age=60", "");
    let part = world.get_with("/", "range: bytes=2-3").await;
    assert_eq!(
        (part.status, &*part.body),
        (StatusCode::PARTIAL_CONTENT, "23")
    );
    assert!(!world.origin.last().headers.contains_key("range"));
}
