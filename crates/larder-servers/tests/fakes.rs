//! What the stand-ins for wrong addresses do.
#![allow(clippy::unwrap_used)] // The helpers of tests may panic as tests do.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use larder_servers::{NotAServer, Silent};

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

#[test]
fn a_web_server_answers_with_an_http_error() {
    let fake = NotAServer::http().unwrap();
    let mut stream = connect(fake.port());
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert_eq!(fake.accepted(), 1);
}

#[test]
fn garbage_is_answered_to_each_request() {
    let fake = NotAServer::garbage().unwrap();
    let mut stream = connect(fake.port());
    for _ in 0..2 {
        stream.write_all(b"PING\r\n").unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
    }
}

#[test]
fn a_silent_one_accepts_and_never_answers_until_dropped() {
    let fake = Silent::start().unwrap();
    let mut stream = connect(fake.port());
    stream.write_all(b"PING\r\n").unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let error = stream.read(&mut [0; 8]).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    assert_eq!(fake.accepted(), 1);
    let port = fake.port();
    drop(fake);
    // The end of the input, or a reset: both say that it is gone.
    assert!(!stream.read(&mut [0; 8]).is_ok_and(|read| read > 0));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
