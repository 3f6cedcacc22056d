//! What clients may take: time and connections.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::{Answer, Origin, Proxy, eventually};

/// An origin that answers once it has five bytes of a body.
fn reader() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut read, mut byte) = (Vec::new(), [0]);
            while !read.ends_with(b"12345") && stream.read(&mut byte).unwrap_or(0) == 1 {
                read.push(byte[0]);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nread");
        }
    });
    url
}

#[test]
fn an_upload_may_take_longer_than_the_origin() {
    let proxy = Proxy::start(&reader(), &["--timeout", "1"], &[]);
    let mut client = proxy.connect();
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    for byte in ["1", "2", "3", "4", "5"] {
        std::thread::sleep(Duration::from_millis(300));
        client.write_all(byte.as_bytes()).unwrap();
    }
    let answer = Answer::read(&mut client);
    assert_eq!((answer.status(), &*answer.body), (200, "read"));
}

#[test]
fn a_client_that_stops_in_the_middle_of_a_body_is_408() {
    let proxy = Proxy::start(&reader(), &["--timeout", "0.2"], &[]);
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\n123";
    assert_eq!(proxy.send(request).status(), 408);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let origin = Origin::start();
    origin.answers("", "here");
    let proxy = Proxy::start(&origin.url(), &["--connections", "1"], &[]);
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let first = proxy.connect();
    let mut second = proxy.connect();
    second.write_all(request).unwrap();
    second
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(second.read(&mut [0]).is_err(), "it was served beside");
    drop(first);
    second.set_read_timeout(Some(crate::BOUND)).unwrap();
    assert_eq!(Answer::read(&mut second).status(), 200);
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_leaves_its_seat() {
    let origin = Origin::start();
    // More than what lies on the way.
    origin.answers("", &"x".repeat(30_000_000));
    let args = ["--connections", "1", "--timeout", "0.5"];
    let proxy = Proxy::start(&origin.url(), &args, &[]);
    let mut idle = proxy.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    eventually("the origin is asked", || origin.times() == 1);
    origin.answers("", "here");
    assert_eq!(proxy.get("/other").body, "here");
    drop(idle);
}
