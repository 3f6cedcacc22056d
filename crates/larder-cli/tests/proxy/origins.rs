//! Origins that are down, slow, or lie.

use std::net::TcpListener;

use crate::{Origin, Proxy, eventually};

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn an_origin_that_is_down_is_502() {
    let proxy = Proxy::start(&nobody(), &[], &[]);
    let answer = proxy.get("/");
    assert_eq!((answer.status(), &*answer.body), (502, ""));
    let status = answer.header("cache-status");
    assert!(
        status.starts_with("larder; fwd=uri-miss; fwd-status=502"),
        "{status}"
    );
}

#[test]
fn an_origin_that_is_slow_is_504() {
    let origin = Origin::start();
    origin.is_slow();
    let proxy = Proxy::start(&origin.url(), &["--timeout", "0.2"], &[]);
    let answer = proxy.get("/");
    assert_eq!(answer.status(), 504);
    assert!(answer.header("cache-status").contains("fwd-status=504"));
}

#[test]
fn a_stale_response_stands_in_for_an_origin_that_fails() {
    let origin = Origin::start();
    origin.answers("cache-control: max-age=1\r\netag: \"a\"\r\n", "hello");
    let proxy = Proxy::start(&origin.url(), &["--timeout", "0.2"], &[]);
    proxy.get("/");
    origin.is_slow();
    eventually("it is stale", || {
        proxy
            .get("/")
            .header("cache-status")
            .contains("stale-if-error")
    });
    let stale = proxy.get("/");
    assert_eq!((stale.status(), &*stale.body), (200, "hello"));
    assert_ne!(stale.header("age"), "");
}

#[test]
fn an_origin_that_breaks_off_has_nothing_stored() {
    let origin = Origin::start();
    origin.sends("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\nhalf");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    for times in 1..3 {
        let answer = proxy.get("/");
        // It broke off for the client as well, perhaps before its head was sent.
        assert!(answer.body.len() < 10 && !answer.is_hit(), "{answer:?}");
        assert_eq!(origin.times(), times);
    }
}

#[test]
fn an_origin_that_stops_in_the_middle_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            use std::io::Write;
            let mut stream = stream.unwrap();
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\nhalf",
            );
            kept.push(stream);
        }
    });
    let proxy = Proxy::start(&url, &["--timeout", "0.2"], &[]);
    for _ in 0..2 {
        let answer = proxy.get("/");
        assert!(answer.body.len() < 10 && !answer.is_hit(), "{answer:?}");
    }
}

#[test]
fn what_is_no_http_is_502() {
    let origin = Origin::start();
    origin.sends("SSH-2.0-OpenSSH\r\n");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    assert_eq!(proxy.get("/").status(), 502);
}

#[test]
fn a_body_over_the_limit_streams_through() {
    let origin = Origin::start();
    let body = "x".repeat(10_000);
    origin.answers("cache-control: max-age=60\r\n", &body);
    let proxy = Proxy::start(&origin.url(), &["--max-body", "9999B"], &[]);
    for _ in 0..2 {
        let answer = proxy.get("/");
        assert!(answer.body == body && !answer.is_hit());
    }
    let enough = Proxy::start(&origin.url(), &["--max-body", "10000B"], &[]);
    enough.get("/");
    eventually("it is stored", || enough.get("/").is_hit());
    assert!(enough.get("/").body == body);
}

#[test]
fn a_protocol_that_nobody_asked_for_is_502() {
    let origin = Origin::start();
    origin.sends("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: x\r\n\r\n";
    for answer in [proxy.get("/"), proxy.send(request)] {
        assert_eq!((answer.status(), &*answer.body), (502, ""));
    }
}
