//! What clients and servers notice of a proxy's faults.
#![allow(clippy::unwrap_used)] // The helpers of tests may panic as tests do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use larder_servers::{Direction, Kind, Latency, Proxy, Seen, Server, Silent};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONG: &[u8] = b"+PONG\r\n";
const FOR_EVER: Duration = Duration::from_hours(1);

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

struct Client(TcpStream);

impl Client {
    fn try_new(proxy: &Proxy) -> std::io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self(stream))
    }

    fn new(proxy: &Proxy) -> Self {
        Self::try_new(proxy).unwrap()
    }

    fn send(&mut self, words: &[&str]) {
        let arguments = words
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()));
        let command = format!("*{}\r\n{}", words.len(), arguments.collect::<String>());
        self.0.write_all(command.as_bytes()).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, answer: &[u8]) {
        let mut bytes = vec![0; answer.len()];
        self.0.read_exact(&mut bytes).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(answer)
        );
    }

    /// Reads until these bytes came.
    fn expect_up_to(&mut self, end: &[u8]) {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            bytes.extend(byte);
        }
    }

    /// Whether nothing can be read, and no end either.
    fn is_silent(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let silent = self
            .0
            .read(&mut [0])
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).unwrap();
        silent
    }

    fn end(&mut self) -> std::io::Result<usize> {
        self.0.read(&mut [0])
    }
}

/// A server, a proxy before it, and a client that has been served.
fn start(kind: Kind) -> (Server, Proxy, Client) {
    let server = Server::start(kind).unwrap();
    let proxy = Proxy::before(&server).unwrap();
    let mut client = Client::new(&proxy);
    client.send(&["PING"]);
    client.expect(PONG);
    (server, proxy, client)
}

fn seen(proxy: &Proxy, index: usize) -> Seen {
    proxy.connections().unwrap()[index].clone()
}

fn server_has(server: &Server, seen: &Seen) -> bool {
    let list = server.command(&["CLIENT", "LIST"]).unwrap();
    let address = format!(" addr={} ", seen.server_sees.unwrap());
    list.as_str().unwrap().contains(&address)
}

#[test]
fn bytes_pass_both_ways_and_are_counted() {
    for kind in Kind::ALL {
        let (server, proxy, mut client) = start(kind);
        assert_eq!(proxy.url(), format!("{kind}://127.0.0.1:{}", proxy.port()));
        let value = "x".repeat(3_000_000);
        client.send(&["SET", "big", &value]);
        client.expect(b"+OK\r\n");
        client.send(&["GET", "big"]);
        client.expect(format!("$3000000\r\n{value}\r\n").as_bytes());
        let monitor = server.monitor().unwrap();
        client.send(&["GET", "none"]);
        client.expect(b"$-1\r\n");

        let connection = seen(&proxy, 0);
        assert_eq!(connection.commands, ["PING", "SET", "GET", "GET"]);
        assert_eq!(connection.client, Some(client.0.local_addr().unwrap()));
        assert_eq!(
            monitor.commands().unwrap()[0].client,
            connection.server_sees.unwrap().to_string()
        );
        assert_eq!(connection.to_client.read, 7 + 5 + 3_000_012 + 5);
        assert_eq!(connection.to_client.passed, connection.to_client.read);
        assert_eq!(connection.to_client.waiting, 0);
        let traffic = proxy.traffic().unwrap();
        assert_eq!((traffic.accepted, traffic.open), (1, 1));
        assert_eq!(traffic.to_server, connection.to_server.passed);
        assert_eq!(traffic.to_client, connection.to_client.passed);
    }
}

#[test]
fn latency_delays_each_direction_for_all_or_for_one() {
    let (_server, proxy, mut client) = start(Kind::Valkey);
    let mut other = Client::new(&proxy);
    let each = Duration::from_millis(40);
    let latency = Latency::of(each).jitter(Duration::from_millis(5), 1);
    for (direction, least) in [
        (Direction::ToServer, each),
        (Direction::ToClient, each),
        (Direction::Both, 2 * each),
    ] {
        proxy.all().latency(direction, latency).unwrap();
        let start = Instant::now();
        client.send(&["PING"]);
        client.expect(PONG);
        assert!(start.elapsed() >= least, "{direction:?}");
        proxy.all().heal().unwrap();
    }

    // One whose answers take an hour, beside one whose answers do not.
    proxy
        .only(0)
        .latency(Direction::ToClient, FOR_EVER)
        .unwrap();
    client.send(&["PING"]);
    proxy
        .wait_for(|seen| seen.index == 0 && seen.to_client.waiting == 7)
        .unwrap();
    other.send(&["PING"]);
    other.expect(PONG);
    assert!(client.is_silent());
    proxy.only(0).heal().unwrap();
    client.expect(PONG);
}

#[test]
fn a_cut_resets_and_refuses_until_healed() {
    for kind in Kind::ALL {
        let (server, proxy, mut client) = start(kind);
        let before = seen(&proxy, 0);
        assert!(server_has(&server, &before));
        proxy.cut().unwrap();
        let end = client.end().unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        let refusal = Client::try_new(&proxy).err().unwrap();
        assert_eq!(refusal.kind(), ErrorKind::ConnectionRefused);
        assert!(!seen(&proxy, 0).is_open);
        wait_until("the server has noticed", || !server_has(&server, &before));

        proxy.heal().unwrap();
        let mut client = Client::new(&proxy);
        client.send(&["PING"]);
        client.expect(PONG);
        let traffic = proxy.traffic().unwrap();
        assert_eq!((traffic.accepted, traffic.open), (2, 1));
    }
}

#[test]
fn one_connection_is_reset_and_the_others_and_new_ones_are_served() {
    let (_server, proxy, mut first) = start(Kind::Valkey);
    let mut second = Client::new(&proxy);
    second.send(&["CLIENT", "ID"]);
    second.expect_up_to(b"\r\n");
    let chosen = proxy.wait_for(|seen| seen.sent("CLIENT ID")).unwrap();
    assert_eq!(chosen.index, 1);
    proxy.only(chosen.index).reset().unwrap();
    assert_eq!(second.end().unwrap_err().kind(), ErrorKind::ConnectionReset);
    for client in [&mut first, &mut Client::new(&proxy)] {
        client.send(&["PING"]);
        client.expect(PONG);
    }
}

#[test]
fn half_open_connections_stay_and_say_nothing() {
    for kind in Kind::ALL {
        let (server, proxy, mut client) = start(kind);
        let mut idle = Client::new(&proxy);
        proxy.wait_for(|seen| seen.index == 1).unwrap();
        let before = seen(&proxy, 0);
        proxy.all().half_open(Direction::Both).unwrap();

        // New ones are accepted, and do not reach the server.
        let mut new = Client::new(&proxy);
        for client in [&mut client, &mut new] {
            client.send(&["SET", "lost", "1"]);
        }
        for index in [0, 2] {
            proxy
                .wait_for(|seen| seen.index == index && seen.sent("SET"))
                .unwrap();
        }
        assert!(client.is_silent() && new.is_silent());
        assert_eq!(seen(&proxy, 2).server_sees, None);

        // What lost something is lost for good, the rest goes on.
        proxy.heal().unwrap();
        client.send(&["SET", "lost", "2"]);
        idle.send(&["PING"]);
        idle.expect(PONG);
        let mut later = Client::new(&proxy);
        later.send(&["EXISTS", "lost"]);
        later.expect(b":0\r\n");
        assert!(client.is_silent() && new.is_silent());

        // The server never hears that the client has left.
        drop(client);
        wait_until("the proxy has read the end", || {
            seen(&proxy, 0).to_server.ended
        });
        later.send(&["PING"]);
        later.expect(PONG);
        assert!(server_has(&server, &before));
        assert!(seen(&proxy, 0).is_open);
        drop(new);
        wait_until("nothing is left of it", || !seen(&proxy, 2).is_open);
        proxy.all().reset().unwrap();
        wait_until("the server has noticed", || !server_has(&server, &before));
    }
}

#[test]
fn a_connection_may_be_half_open_in_one_direction() {
    let (server, proxy, mut client) = start(Kind::Valkey);
    proxy.only(0).half_open(Direction::ToClient).unwrap();
    client.send(&["SET", "a", "1"]);
    wait_until("the write has arrived", || {
        server.command(&["EXISTS", "a"]).unwrap().as_int() == Some(1)
    });
    wait_until("its answer is lost", || {
        let to_client = seen(&proxy, 0).to_client;
        to_client.read == to_client.passed + 5 && to_client.waiting == 0
    });
    assert!(client.is_silent());
    // What the server says of its end is lost as well.
    server.kill();
    let mut other = Client::new(&proxy);
    assert!(other.end().is_err(), "no server, so it is reset");
    assert!(client.is_silent());
}

#[test]
fn a_slow_direction_takes_its_time_and_pushes_back() {
    let (server, proxy, mut client) = start(Kind::Valkey);
    let value = "x".repeat(20_000);
    server.command(&["SET", "a", &value]).unwrap();
    proxy.all().slow(Direction::ToClient, 100_000).unwrap();
    let start = Instant::now();
    client.send(&["GET", "a"]);
    client.expect(format!("$20000\r\n{value}\r\n").as_bytes());
    // 200 ms, less one portion.
    assert!(start.elapsed() >= Duration::from_millis(189));

    // At no bytes a second it takes in little, and the rest waits at the server.
    proxy.all().slow(Direction::ToClient, 0).unwrap();
    let huge = "x".repeat(32 << 20);
    server.command(&["SET", "b", &huge]).unwrap();
    client.send(&["GET", "b"]);
    proxy
        .wait_for(|seen| seen.to_client.waiting >= 64 << 10)
        .unwrap();
    assert!(seen(&proxy, 0).to_client.waiting <= 128 << 10);
    proxy.heal().unwrap();
    client.expect(format!("${}\r\n{huge}\r\n", huge.len()).as_bytes());
}

#[test]
fn a_held_answer_arrives_after_the_invalidation_on_another_connection() {
    for kind in Kind::ALL {
        let (server, proxy, mut reader) = start(kind);
        server.command(&["SET", "a", "old"]).unwrap();
        let mut listener = Client::new(&proxy);
        listener.send(&["HELLO", "3"]);
        listener.send(&["CLIENT", "TRACKING", "on", "BCAST"]);
        listener.expect_up_to(b"+OK\r\n");

        let chosen = proxy.wait_for(|seen| seen.sent("CLIENT TRACKING")).unwrap();
        assert_eq!(chosen.index, 1);
        let others = proxy.connections().unwrap();
        for other in others.iter().filter(|other| !other.sent("CLIENT TRACKING")) {
            proxy.only(other.index).hold(Direction::ToClient).unwrap();
        }
        reader.send(&["GET", "a"]);
        proxy
            .wait_for(|seen| seen.index == 0 && seen.to_client.waiting == 9)
            .unwrap();
        server.command(&["SET", "a", "new"]).unwrap();
        listener.expect(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
        assert!(reader.is_silent());
        proxy.all().release(Direction::ToClient).unwrap();
        reader.expect(b"$3\r\nold\r\n");
        reader.send(&["GET", "a"]);
        reader.expect(b"$3\r\nnew\r\n");
    }
}

#[test]
fn a_held_write_and_the_end_after_it_arrive_when_released() {
    let (server, proxy, mut client) = start(Kind::Valkey);
    let before = seen(&proxy, 0);
    proxy.all().hold(Direction::ToServer).unwrap();
    client.send(&["SET", "a", "late"]);
    drop(client);
    proxy.wait_for(|seen| seen.sent("SET")).unwrap();
    // A new one is held too, and is connected to the server already.
    let mut new = Client::new(&proxy);
    new.send(&["PING"]);
    proxy.wait_for(|seen| seen.to_server.waiting == 14).unwrap();
    assert!(server_has(&server, &before));
    assert_eq!(server.command(&["EXISTS", "a"]).unwrap().as_int(), Some(0));
    assert!(new.is_silent());
    proxy.all().release(Direction::ToServer).unwrap();
    new.expect(PONG);
    wait_until("both ends have closed", || !seen(&proxy, 0).is_open);
    let late = server.command(&["GET", "a"]).unwrap();
    assert_eq!(late.as_str(), Some("late"));
    wait_until("the server has noticed", || !server_has(&server, &before));
}

#[test]
fn ends_pass_as_bytes_do_and_a_server_that_is_away_shows_as_a_reset() {
    let (server, proxy, mut client) = start(Kind::Valkey);
    client.send(&["QUIT"]);
    client.expect(b"+OK\r\n");
    assert_eq!(client.end().unwrap(), 0);
    drop(client);
    wait_until("it is closed", || !seen(&proxy, 0).is_open);

    let mut client = Client::new(&proxy);
    client.0.write_all(PING).unwrap();
    client.expect(PONG);
    server.kill();
    assert!(!client.end().is_ok_and(|read| read > 0));
    let mut client = Client::new(&proxy);
    assert_eq!(client.end().unwrap_err().kind(), ErrorKind::ConnectionReset);
    server.restart().unwrap();
    let mut client = Client::new(&proxy);
    client.send(&["PING"]);
    client.expect(PONG);
}

#[test]
fn nothing_is_left_of_a_dropped_proxy() {
    let silent = Silent::start().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, silent.port()));
    let proxy = Proxy::before_address(address).unwrap();
    let mut client = Client::new(&proxy);
    let mut half_open = Client::new(&proxy);
    client.send(&["PING"]);
    proxy.wait_for(|seen| seen.to_server.passed == 14).unwrap();
    wait_until("both are accepted", || silent.accepted() == 2);
    proxy.only(1).half_open(Direction::Both).unwrap();
    let port = proxy.port();
    drop(proxy);
    assert!(!client.end().is_ok_and(|read| read > 0));
    assert!(!half_open.end().is_ok_and(|read| read > 0));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn threads_share_a_proxy_with_many_connections() {
    let server = Server::start(Kind::Valkey).unwrap();
    let proxy = Proxy::before(&server).unwrap();
    let latency = Latency::of(Duration::ZERO).jitter(Duration::from_millis(1), 3);
    proxy.all().latency(Direction::Both, latency).unwrap();
    thread::scope(|scope| {
        for name in 0..20 {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut client = Client::new(proxy);
                for number in 1..=20 {
                    client.send(&["INCR", &name.to_string()]);
                    client.expect(format!(":{number}\r\n").as_bytes());
                }
            });
        }
    });
    let traffic = proxy.traffic().unwrap();
    assert_eq!(traffic.accepted, 20);
    wait_until("all are closed", || proxy.traffic().unwrap().open == 0);
}
