//! What clients may take: time and connections.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::{Answer, Origin, Proxy, eventually, reader};

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

/// An origin that answers to the head of a request, takes nothing more, and keeps its connection.
fn hasty() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            kept.push(stream);
        }
    });
    url
}

/// A client that has its answer, in the middle of a body.
fn answered(proxy: &Proxy) -> std::net::TcpStream {
    let mut client = proxy.connect();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\nabc";
    client.write_all(head.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\nok") {
        client.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    client
}

#[test]
fn a_client_that_stops_in_the_middle_of_a_body_after_its_answer_leaves_its_seat() {
    let args = ["--connections", "1", "--timeout", "0.5"];
    let proxy = Proxy::start(&hasty(), &args, &[]);
    let idle = answered(&proxy);
    assert_eq!(proxy.get("/other").body, "ok");
    drop(idle);
}

#[test]
fn an_origin_that_takes_nothing_of_a_body_after_its_answer_keeps_no_seat() {
    let args = ["--connections", "1", "--timeout", "0.5"];
    let proxy = Proxy::start(&hasty(), &args, &[]);
    let mut sending = answered(&proxy);
    std::thread::spawn(move || {
        // Until what lies on the way is full, and longer: until the connection is closed.
        while sending.write_all(&[b'x'; 8_192]).is_ok() {}
        assert!(sending.read(&mut [0]).is_err());
    });
    assert_eq!(proxy.get("/other").body, "ok");
}

#[test]
fn an_answer_may_begin_long_before_its_request_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let (mut read, mut byte) = (Vec::new(), [0]);
        while !read.ends_with(b"12345") && stream.read(&mut byte).unwrap_or(0) == 1 {
            read.push(byte[0]);
            if read.ends_with(b"\r\n\r\n") {
                stream.write_all(head).unwrap();
            }
        }
        let _ = stream.write_all(b"4\r\nread\r\n0\r\n\r\n");
    });
    let proxy = Proxy::start(&url, &["--timeout", "1"], &[]);
    let mut client = proxy.connect();
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    for byte in ["1", "2", "3", "4", "5"] {
        std::thread::sleep(Duration::from_millis(400));
        client.write_all(byte.as_bytes()).unwrap();
    }
    let answer = Answer::read(&mut client);
    assert_eq!((answer.status(), answer.body.contains("read")), (200, true));
}
