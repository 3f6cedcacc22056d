//! `larder proxy`, as its users run it: a process, real sockets, an origin that does what a test says.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod bad_input;
mod ending;
mod forwarding;
mod limits;
mod origins;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take. Nothing waits for this in a run that passes.
const BOUND: Duration = Duration::from_secs(20);

/// A proxy in a process of its own, killed when dropped.
struct Proxy {
    child: Child,
    address: SocketAddr,
    first_line: String,
}

impl Proxy {
    fn start(origin: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = command();
        command
            .args(["--origin", origin, "--listen", "127.0.0.1:0"])
            .args(args);
        command.envs(env.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first_line)
            .unwrap();
        let address = first_line
            .split("http://")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        Self {
            address: address.parse().unwrap(),
            child,
            first_line,
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n"
        ))
    }

    fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, in an environment that names no server.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.arg("proxy").env_clear();
    command
}

/// What came over a connection until it was closed.
#[derive(Debug)]
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Self {
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(field, _)| *field == name)
            .map_or("", |(_, value)| value)
    }

    fn is_hit(&self) -> bool {
        self.header("cache-status").starts_with("larder; hit")
    }
}

/// An origin that answers each connection with what it was told to, and keeps the requests' heads.
struct Origin {
    address: SocketAddr,
    answer: Arc<Mutex<Option<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::default(), Arc::default());
        let origin = Self {
            address,
            answer,
            asked,
        };
        let (answer, asked) = (Arc::clone(&origin.answer), Arc::clone(&origin.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                std::thread::spawn(move || Self::serve(stream.unwrap(), &answer, &asked));
            }
        });
        origin
    }

    fn serve(mut stream: TcpStream, answer: &Mutex<Option<String>>, asked: &Mutex<Vec<String>>) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        if head.is_empty() {
            return;
        }
        let head = String::from_utf8(head).unwrap();
        asked.lock().unwrap().push(head.to_ascii_lowercase());
        // `None`: it is slow, and answers once it has one.
        let answer = loop {
            let answer = answer.lock().unwrap().clone();
            match answer {
                Some(answer) => break answer,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let _ = stream.write_all(answer.as_bytes());
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn answers(&self, headers: &str, body: &str) {
        self.sends(&format!(
            "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ));
    }

    fn sends(&self, bytes: &str) {
        *self.answer.lock().unwrap() = Some(bytes.to_owned());
    }

    fn is_slow(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

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
            // Closed with something unread, a connection takes the answer with it.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut read);
        }
    });
    url
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let began = Instant::now();
    while !check() {
        assert!(began.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
