//! What a wrong address leads to: something that is no server, or that says nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::ServerError;

const HTTP_ERROR: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
const GARBAGE: &[u8] = b"\x16\x03\x01\x00\xff\xfe no protocol \x00\r\n";

/// Listens and answers whatever it reads with what is not RESP.
#[derive(Debug)]
pub struct NotAServer(Listener);

impl NotAServer {
    /// Answers as a web server does: an HTTP error.
    ///
    /// # Errors
    ///
    /// Where no port can be had.
    pub fn http() -> Result<Self, ServerError> {
        Self::answering(HTTP_ERROR)
    }

    /// Answers with bytes of no protocol.
    ///
    /// # Errors
    ///
    /// Where no port can be had.
    pub fn garbage() -> Result<Self, ServerError> {
        Self::answering(GARBAGE)
    }

    /// Answers with these bytes each time it has read something.
    ///
    /// # Errors
    ///
    /// Where no port can be had.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Result<Self, ServerError> {
        Listener::start(Some(answer.into())).map(Self)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.0.accepted()
    }
}

/// Listens, accepts, and never answers.
#[derive(Debug)]
pub struct Silent(Listener);

impl Silent {
    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// Where no port can be had.
    pub fn start() -> Result<Self, ServerError> {
        Listener::start(None).map(Self)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.0.accepted()
    }
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn start(answer: Option<Vec<u8>>) -> Result<Self, ServerError> {
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen().map_err(ServerError::io("listen on 127.0.0.1"))?;
        let shared = Arc::new(Shared::default());
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, answer.as_deref(), &shared)
        });
        Ok(Self {
            address,
            shared,
            accepting: Some(accepting),
        })
    }

    fn accepted(&self) -> usize {
        self.shared.connections().len()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the accepting thread; it is gone already if this fails.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, answer: Option<&[u8]>, shared: &Shared) {
    for connection in listener.incoming() {
        if shared.ended.load(Ordering::Acquire) {
            return;
        }
        let Ok(connection) = connection else { continue };
        let answering = answer.zip(connection.try_clone().ok());
        // Counted before it is answered: whoever has the answer may ask for the count.
        shared.connections().push(connection);
        if let Some((answer, stream)) = answering {
            let answer = answer.to_vec();
            thread::spawn(move || keep_answering(stream, &answer));
        }
    }
}

/// Until the other side, or the listener's drop, closes the connection.
fn keep_answering(mut stream: TcpStream, answer: &[u8]) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}
