//! How it ends: in an orderly way.

use std::io::Write;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Answer, Origin, Proxy, eventually};

fn end(signal: Signal) {
    let origin = Origin::start();
    origin.is_slow();
    let mut proxy = Proxy::start(&origin.url(), &[], &[]);
    let mut under_way = proxy.connect();
    under_way
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    eventually("the origin is asked", || origin.times() == 1);
    kill_process(Pid::from_child(&proxy.child), signal).unwrap();
    // Nobody new is let in, and who is in gets an answer.
    let address = proxy.address;
    eventually("it takes no more", || {
        std::net::TcpStream::connect(address).is_err()
    });
    assert!(proxy.child.try_wait().unwrap().is_none());
    origin.answers("", "last");
    let answer = Answer::read(&mut under_way);
    assert_eq!((answer.status(), &*answer.body), (200, "last"));
    let mut ended = None;
    eventually("it ends", || {
        ended = proxy.child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success());
}

#[test]
fn sigterm_lets_requests_end() {
    end(Signal::TERM);
}

#[test]
fn ctrl_c_lets_requests_end() {
    end(Signal::INT);
}
