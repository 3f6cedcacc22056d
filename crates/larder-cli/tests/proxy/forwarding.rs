//! What goes on to the origin and back, and what is stored where.

use larder_servers::{Kind, Server};

use crate::{Origin, Proxy, eventually, reader};

#[test]
fn says_where_it_is_and_what_it_stores_in() {
    let proxy = Proxy::start("http://127.0.0.1:9", &[], &[]);
    let expected = format!(
        "larder proxy: http://{} for http://127.0.0.1:9, stored in memory\n",
        proxy.address
    );
    assert_eq!(proxy.first_line, expected);
}

#[test]
fn stores_what_may_be_stored() {
    let origin = Origin::start();
    origin.answers("cache-control: max-age=60\r\nx-a: 1\r\nx-a: 2\r\n", "hello");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    let miss = proxy.get("/x?y=1");
    assert_eq!((miss.status(), &*miss.body), (200, "hello"));
    assert_eq!(
        miss.header("cache-status"),
        "larder; fwd=uri-miss; fwd-status=200; stored"
    );
    eventually("it is stored", || proxy.get("/x?y=1").is_hit());
    let times = origin.times();
    let hit = proxy.get("/x?y=1");
    assert_eq!(
        (hit.is_hit(), &*hit.body, hit.head.matches("x-a: ").count()),
        (true, "hello", 2)
    );
    assert_eq!(origin.times(), times);
    origin.answers("cache-control: private\r\n", "mine");
    proxy.get("/mine");
    assert!(!proxy.get("/mine").is_hit());
}

#[test]
fn what_ends_at_a_hop_is_neither_forwarded_nor_stored() {
    let origin = Origin::start();
    origin.answers(
        "cache-control: max-age=60\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\n",
        "x",
    );
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    let request = "GET / HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\n\
                   connection: close, x-hop\r\nx-hop: 1\r\nte: trailers\r\nproxy-authorization: Basic eA==\r\n\
                   x-kept: 2\r\n\r\n";
    let miss = proxy.send(request);
    eventually("it is stored", || proxy.get("/").is_hit());
    let asked = origin.asked.lock().unwrap()[0].clone();
    assert!(
        asked.contains(&format!("host: {}", origin.address)),
        "{asked}"
    );
    assert!(
        asked.contains("x-kept: 2") && asked.contains("via: 1.1 larder"),
        "{asked}"
    );
    for gone in ["evil", "x-hop", "te: ", "proxy-authorization"] {
        assert!(!asked.contains(gone), "{gone}: {asked}");
    }
    for answer in [miss, proxy.get("/")] {
        assert!(
            !answer.head.contains("proxy-authenticate"),
            "{}",
            answer.head
        );
        assert!(
            !answer.head.contains("keep-alive: timeout"),
            "{}",
            answer.head
        );
        assert_eq!(answer.header("via"), "1.1 larder");
    }
}

#[test]
fn a_body_of_a_request_goes_on_and_invalidates() {
    let origin = Origin::start();
    origin.answers("cache-control: max-age=60\r\n", "old");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    proxy.get("/");
    eventually("it is stored", || proxy.get("/").is_hit());
    let posted = proxy
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc");
    assert_eq!(
        posted.header("cache-status"),
        "larder; fwd=method; fwd-status=200"
    );
    origin.answers("cache-control: max-age=60\r\n", "new");
    assert_eq!(proxy.get("/").body, "new");
}

#[test]
fn connect_is_refused() {
    let origin = Origin::start();
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    let answer = proxy
        .send("CONNECT b.example:443 HTTP/1.1\r\nhost: b.example\r\nconnection: close\r\n\r\n");
    assert_eq!((answer.status(), origin.times()), (405, 0));
}

#[test]
fn two_proxies_share_a_server() {
    let server = Server::start(Kind::Valkey).unwrap();
    let origin = Origin::start();
    origin.answers("cache-control: max-age=60\r\n", "hello");
    let url = server.url();
    let env = [("VALKEY_URL", &*url)];
    let (one, other) = (
        Proxy::start(&origin.url(), &[], &env),
        Proxy::start(&origin.url(), &[], &env),
    );
    assert!(
        one.first_line.contains("stored in valkey"),
        "{}",
        one.first_line
    );
    one.get("/");
    eventually("it is stored", || one.get("/").is_hit());
    let hit = other.get("/");
    assert_eq!((hit.is_hit(), &*hit.body), (true, "hello"));
    assert_eq!(origin.times(), 1);
}

#[test]
fn a_body_that_connection_names_poisons_nothing() {
    let origin = Origin::start();
    origin.answers("cache-control: max-age=60\r\n", "evil");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    for (named, framing) in [
        ("content-length", "content-length: 4\r\n\r\nEVIL"),
        (
            "transfer-encoding",
            "transfer-encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
        ),
    ] {
        let request =
            format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close, {named}\r\n{framing}");
        let answer = proxy.send(&request);
        assert_eq!(
            answer.header("cache-status"),
            "larder; fwd=bypass; fwd-status=200",
            "{named}"
        );
        let asked = origin.asked.lock().unwrap().last().unwrap().clone();
        let framing = framing.lines().next().unwrap();
        assert!(asked.contains(framing), "{asked}");
    }
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, host\r\n\r\n";
    origin.answers("cache-control: max-age=60\r\n", "good");
    assert_eq!(proxy.send(request).body, "good");
    let asked = origin.asked.lock().unwrap().last().unwrap().clone();
    let host = format!("host: {}", origin.address);
    assert!(asked.contains(&host), "{asked}");
}

#[test]
fn no_field_that_shapes_the_url_reaches_the_origin() {
    let origin = Origin::start();
    origin.answers("cache-control: max-age=60\r\n", "x");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    let fields = [
        "Forwarded",
        "Front-End-Https",
        "X-Envoy-Original-Path",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Proto",
        "X-Forwarded-Server",
        "X-Host",
        "X-HTTP-Host-Override",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Original-Host",
        "X-Original-URI",
        "X-Original-URL",
        "X-Rewrite-URL",
    ];
    let lines: String = fields.map(|name| format!("{name}: evil\r\n")).concat();
    let request =
        format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-kept: 1\r\n{lines}\r\n");
    assert_eq!(proxy.send(&request).status(), 200);
    let asked = origin.asked.lock().unwrap()[0].clone();
    assert!(asked.contains("x-kept: 1"), "{asked}");
    assert!(!asked.contains("evil"), "{asked}");
}

#[test]
fn the_body_of_a_get_goes_on() {
    let proxy = Proxy::start(&reader(), &["--timeout", "1"], &[]);
    for framing in [
        "content-length: 5\r\n\r\n12345",
        "transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{framing}");
        assert_eq!(proxy.send(&request).body, "read", "{framing}");
    }
}

#[test]
fn a_request_names_one_host() {
    let origin = Origin::start();
    origin.answers("", "x");
    let proxy = Proxy::start(&origin.url(), &[], &[]);
    for (line, hosts, status) in [
        ("GET / HTTP/1.1", "", 400),
        ("GET http://a.example/ HTTP/1.1", "", 400),
        ("GET / HTTP/1.1", "host: a\r\nhost: b\r\n", 400),
        ("GET / HTTP/1.1", "host: a b\r\n", 400),
        ("GET / HTTP/1.0", "host: a\r\nhost: b\r\n", 400),
        ("GET / HTTP/1.0", "", 200),
        ("GET / HTTP/1.1", "host:\r\n", 200),
        ("GET / HTTP/1.1", "host: [::1]:80\r\n", 200),
    ] {
        let request = format!("{line}\r\n{hosts}connection: close\r\n\r\n");
        assert_eq!(proxy.send(&request).status(), status, "{line} {hosts}");
    }
    assert_eq!(origin.times(), 3);
}

#[test]
fn a_change_whose_answer_is_lost_invalidates() {
    let origin = Origin::start();
    let proxy = Proxy::start(&origin.url(), &["--timeout", "0.2"], &[]);
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length:";
    for (rest, sends, status) in [
        ("0\r\n\r\n", None, 504),
        ("0\r\n\r\n", Some("no HTTP"), 502),
        ("5\r\n\r\n123", None, 408),
    ] {
        origin.answers("cache-control: max-age=60\r\n", "old");
        proxy.get("/");
        eventually("it is stored", || proxy.get("/").is_hit());
        match sends {
            Some(bytes) => origin.sends(bytes),
            None => origin.is_slow(),
        }
        assert_eq!(proxy.send(&format!("{head} {rest}")).status(), status);
        origin.answers("cache-control: max-age=60\r\n", "new");
        assert_eq!(proxy.get("/").body, "new", "{status}");
        let purged = proxy.send(&format!("{head} 0\r\n\r\n"));
        assert_eq!(purged.status(), 200);
    }
}
