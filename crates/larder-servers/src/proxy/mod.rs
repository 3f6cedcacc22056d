//! A TCP proxy that delays, holds, loses and cuts what passes through it, as a test asks.

mod engine;
mod lane;
mod sniff;

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Kind, Server, ServerError};
use engine::{Engine, Order};
use lane::Faults;

/// How long [`Proxy::wait_for`] waits.
const WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);

/// Stands before a server on a port of its own, and passes bytes both ways until told otherwise.
///
/// Faults hold for [`all`](Self::all) connections or for [`only`](Self::only) one, which is chosen
/// by what its client [has sent](Seen::sent). Each call returns once it holds: after
/// [`hold`](Link::hold) not one further byte passes.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
///
/// use larder_servers::{Direction, Kind, Proxy, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::start(Kind::Valkey)?;
/// let proxy = Proxy::before(&server)?;
/// // Here larder would connect to `proxy.url()`.
/// let mut client = TcpStream::connect(("127.0.0.1", proxy.port()))?;
/// proxy.all().hold(Direction::ToClient)?;
/// client.write_all(b"*1\r\n$4\r\nPING\r\n")?;
///
/// // The answer has come as far as the proxy, and stays there while the test does other things.
/// let held = proxy.wait_for(|seen| seen.sent("PING") && seen.to_client.waiting == 7)?;
/// proxy.only(held.index).release(Direction::ToClient)?;
/// let mut answer = [0; 7];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"+PONG\r\n");
///
/// proxy.cut()?; // Now its clients see resets and refusals …
/// proxy.heal()?; // … until here.
/// # Ok(())
/// # }
/// ```
///
/// Dropping it closes all connections and its port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    scheme: &'static str,
    orders: Sender<Order>,
    waker: UnixStream,
    engine: Option<JoinHandle<()>>,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What clients send.
    ToServer,
    /// What the server sends.
    ToClient,
    /// Both of them.
    Both,
}

impl Direction {
    /// Whether it covers the lane to the server, and the one to the client.
    fn covers(self) -> [bool; 2] {
        [self != Self::ToClient, self != Self::ToServer]
    }
}

/// How long each piece of data is on its way, in one direction.
///
/// A [`Duration`] is one without jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    base: Duration,
    jitter: Duration,
    seed: u64,
}

impl Latency {
    /// The same for all.
    pub fn of(base: Duration) -> Self {
        Self {
            base,
            jitter: Duration::ZERO,
            seed: 0,
        }
    }

    /// Adds between nothing and this much to each piece. The order stays: a piece waits for those
    /// before it.
    ///
    /// Each connection has its own sequence for each direction, which its index and the seed
    /// determine. A piece is what the proxy reads at once, so runs repeat as far as their timing
    /// does.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration, seed: u64) -> Self {
        self.jitter = jitter;
        self.seed = seed;
        self
    }
}

impl From<Duration> for Latency {
    fn from(base: Duration) -> Self {
        Self::of(base)
    }
}

/// One connection that a proxy accepted, as it was when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Its number, counted from 0 in the order in which they were accepted.
    pub index: usize,
    /// Whether the proxy still holds it open.
    pub is_open: bool,
    /// Whose it is.
    pub client: Option<SocketAddr>,
    /// The address that the server takes for the client's, in `CLIENT LIST` and in a
    /// [`Monitor`](crate::Monitor).
    pub server_sees: Option<SocketAddr>,
    /// The first 64 commands, in capitals: `HELLO`, `CLIENT TRACKING`, `GET`. Also those that were
    /// held or lost on their way.
    pub commands: Vec<String>,
    /// What the client has sent.
    pub to_server: Bytes,
    /// What the server has sent.
    pub to_client: Bytes,
}

impl Seen {
    /// Whether this was among its first commands, such as `CLIENT TRACKING`.
    pub fn sent(&self, command: &str) -> bool {
        self.commands.iter().any(|sent| sent == command)
    }
}

/// What went in one direction of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bytes {
    /// Bytes that the proxy took from the sender.
    pub read: u64,
    /// Bytes that it gave to the receiver.
    pub passed: u64,
    /// Bytes that it keeps for later. What is missing to `read` was lost.
    pub waiting: u64,
    /// Whether the proxy has read that the sender ended.
    pub ended: bool,
}

/// What went through a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections so far.
    pub accepted: usize,
    /// Connections that are open now.
    pub open: usize,
    /// Bytes that the server was given.
    pub to_server: u64,
    /// Bytes that clients were given.
    pub to_client: u64,
}

impl Proxy {
    /// Starts one before a server.
    ///
    /// # Errors
    ///
    /// Where no port or no thread can be had.
    pub fn before(server: &Server) -> Result<Self, ServerError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        Self::start(address, server.kind().scheme())
    }

    /// Starts one before whatever listens at an address, or does not.
    ///
    /// # Errors
    ///
    /// Where no port or no thread can be had.
    pub fn before_address(address: SocketAddr) -> Result<Self, ServerError> {
        Self::start(address, Kind::Valkey.scheme())
    }

    fn start(upstream: SocketAddr, scheme: &'static str) -> Result<Self, ServerError> {
        let engine = Engine::new(upstream)?;
        let port = engine.port();
        let start = || {
            let (waker, woken) = UnixStream::pair()?;
            waker.set_nonblocking(true)?;
            woken.set_nonblocking(true)?;
            let (orders, received) = mpsc::channel();
            let engine = thread::Builder::new()
                .name(format!("proxy-{port}"))
                .spawn(move || engine.run(&received, &woken))?;
            Ok((orders, waker, engine))
        };
        let (orders, waker, engine) = start().map_err(ServerError::io("start a proxy"))?;
        Ok(Self {
            port,
            scheme,
            orders,
            waker,
            engine: Some(engine),
        })
    }

    /// Its port on 127.0.0.1, which stays its own while it refuses connections.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As [`Server::url`], with the proxy's port.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Every connection, and each that is yet to come.
    pub fn all(&self) -> Link<'_> {
        Link {
            proxy: self,
            which: None,
        }
    }

    /// The connection with this [index](Seen::index). Where there is none, nothing happens.
    pub fn only(&self, index: usize) -> Link<'_> {
        Link {
            proxy: self,
            which: Some(index),
        }
    }

    /// Resets every connection, and refuses new ones until [`heal`](Self::heal).
    ///
    /// # Errors
    ///
    /// Where the proxy's thread has ended.
    pub fn cut(&self) -> Result<(), ServerError> {
        self.ask(|engine| {
            engine.refuse();
            engine.reset(None);
        })
    }

    /// Ends all faults, of each connection and of those to come, and accepts again.
    ///
    /// # Errors
    ///
    /// Where the system does not give the proxy its port back.
    pub fn heal(&self) -> Result<(), ServerError> {
        self.all().heal()?;
        let deadline = Instant::now() + WITHIN;
        loop {
            match self.ask(Engine::listen)? {
                // A process that is being started holds the old listener for a moment.
                Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                    thread::sleep(POLL);
                }
                listening => {
                    let doing = format!("listen on port {} again", self.port);
                    return listening.map_err(ServerError::io(doing));
                }
            }
        }
    }

    /// Every connection so far, in the order in which they were accepted.
    ///
    /// # Errors
    ///
    /// Where the proxy's thread has ended.
    pub fn connections(&self) -> Result<Vec<Seen>, ServerError> {
        self.ask(|engine| engine.seen())
    }

    /// Waits for a connection of which this is true, and returns the first.
    ///
    /// # Errors
    ///
    /// Where there is none within 10 seconds. The error shows those that there are.
    pub fn wait_for(&self, wanted: impl Fn(&Seen) -> bool) -> Result<Seen, ServerError> {
        let deadline = Instant::now() + WITHIN;
        loop {
            let seen = self.connections()?;
            if let Some(found) = seen.iter().find(|seen| wanted(seen)) {
                return Ok(found.clone());
            }
            if Instant::now() >= deadline {
                return Err(ServerError::NoSuchConnection {
                    waited: WITHIN,
                    seen,
                });
            }
            thread::sleep(POLL);
        }
    }

    /// Counts what went through so far.
    ///
    /// # Errors
    ///
    /// Where the proxy's thread has ended.
    pub fn traffic(&self) -> Result<Traffic, ServerError> {
        let seen = self.connections()?;
        Ok(Traffic {
            accepted: seen.len(),
            open: seen.iter().filter(|seen| seen.is_open).count(),
            to_server: seen.iter().map(|seen| seen.to_server.passed).sum(),
            to_client: seen.iter().map(|seen| seen.to_client.passed).sum(),
        })
    }

    /// Has the engine do something, and waits until it is done.
    fn ask<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, ServerError> {
        let (done, result) = mpsc::channel();
        let order: Order = Box::new(move |engine| {
            // Whoever asked waits for it below.
            let _ = done.send(act(engine));
        });
        self.orders
            .send(order)
            .map_err(|_| ServerError::ProxyEnded { port: self.port })?;
        // A pipe that is full wakes the engine as well.
        let _ = (&self.waker).write(&[0]);
        result
            .recv()
            .map_err(|_| ServerError::ProxyEnded { port: self.port })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // An engine that has ended already needs no ending.
        let _ = self.ask(Engine::end);
        if let Some(engine) = self.engine.take() {
            let _ = engine.join();
        }
    }
}

/// The connections to which a fault applies: [all](Proxy::all), or [one](Proxy::only).
///
/// Every method fails only where the proxy's thread has ended.
#[derive(Debug, Clone, Copy)]
#[must_use = "it does nothing by itself"]
pub struct Link<'a> {
    proxy: &'a Proxy,
    which: Option<usize>,
}

#[allow(clippy::missing_errors_doc)] // Said once, at the type.
impl Link<'_> {
    /// Delays what is read from now on.
    pub fn latency(
        &self,
        direction: Direction,
        latency: impl Into<Latency>,
    ) -> Result<(), ServerError> {
        let latency = latency.into();
        self.change(direction, move |faults| faults.latency = Some(latency))
    }

    /// Passes no more than so many bytes a second, and takes in little more than that, so that
    /// the sender feels it. 0 passes none.
    pub fn slow(&self, direction: Direction, bytes_per_second: u32) -> Result<(), ServerError> {
        self.change(direction, move |faults| {
            faults.bytes_per_second = Some(bytes_per_second);
        })
    }

    /// Keeps what comes, the news of an end included, until [`release`](Self::release): a network
    /// that stands still and recovers. It takes in 4 MiB, then the sender waits.
    pub fn hold(&self, direction: Direction) -> Result<(), ServerError> {
        self.change(direction, |faults| faults.held = true)
    }

    /// Passes on what was held, in its order, and all that follows.
    pub fn release(&self, direction: Direction) -> Result<(), ServerError> {
        self.change(direction, |faults| faults.held = false)
    }

    /// Loses what comes and what is on its way, the news of an end included, and closes nothing:
    /// a machine that is gone without a word. New connections are accepted, and do not reach the
    /// server if the way to it is lost.
    ///
    /// A connection that lost something stays silent in that direction after a
    /// [`heal`](Self::heal) too, until it is reset or closed on both sides. One that lost nothing
    /// goes on.
    pub fn half_open(&self, direction: Direction) -> Result<(), ServerError> {
        self.change(direction, |faults| faults.losing = true)
    }

    /// Closes both sides with a reset (RST) at once. What was on its way is lost.
    ///
    /// New connections are accepted; [`Proxy::cut`] refuses them.
    pub fn reset(&self) -> Result<(), ServerError> {
        let which = self.which;
        self.proxy.ask(move |engine| engine.reset(which))
    }

    /// Ends every fault in both directions. What was held or delayed passes at once.
    pub fn heal(&self) -> Result<(), ServerError> {
        self.change(Direction::Both, |faults| *faults = Faults::default())
    }

    fn change(
        &self,
        direction: Direction,
        change: impl Fn(&mut Faults) + Send + 'static,
    ) -> Result<(), ServerError> {
        let which = self.which;
        self.proxy.ask(move |engine| {
            engine.change(which, |lanes| {
                for (faults, covered) in lanes.iter_mut().zip(direction.covers()) {
                    if covered {
                        change(faults);
                    }
                }
            });
        })
    }
}
