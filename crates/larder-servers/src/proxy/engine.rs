//! The thread behind a proxy: it owns every socket, and takes orders between two rounds of I/O.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::shutdown;
use rustix::net::sockopt::set_socket_linger;

use super::lane::{End, Faults, Lane, Step};
use super::sniff::Sniffer;
use super::{Bytes, Seen};
use crate::ServerError;
use crate::port::Port;

const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const CHUNK: usize = 64 << 10;

/// What a handle asks of the engine. All of it happens on the engine's thread, so that an order
/// that was carried out holds for every byte from then on.
pub(super) type Order = Box<dyn FnOnce(&mut Engine) + Send>;

#[derive(Debug)]
pub(super) struct Engine {
    upstream: SocketAddr,
    port: Port,
    /// None while new connections are refused.
    listener: Option<TcpListener>,
    /// All that were ever accepted, in that order.
    connections: Vec<Connection>,
    /// What new connections begin with, to the server and to the client.
    faults: [Faults; 2],
    ended: bool,
}

impl Engine {
    pub(super) fn new(upstream: SocketAddr) -> Result<Self, ServerError> {
        let mut engine = Self {
            upstream,
            port: Port::reserve()?,
            listener: None,
            connections: Vec::new(),
            faults: [Faults::default(); 2],
            ended: false,
        };
        engine
            .listen()
            .map_err(ServerError::io("listen on 127.0.0.1"))?;
        Ok(engine)
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(super) fn listen(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port()))?;
            listener.set_nonblocking(true)?;
            self.listener = Some(listener);
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self) {
        if let Some(listener) = self.listener.take() {
            // A process that another thread starts holds a copy of the socket for a moment, which
            // would go on accepting. Where the system does not know this, closing has to do.
            let _ = shutdown(&listener, rustix::net::Shutdown::Both);
        }
    }

    pub(super) fn end(&mut self) {
        self.refuse();
        self.connections.iter_mut().for_each(Connection::close);
        self.ended = true;
    }

    /// Changes the faults of one connection, or of all and of those to come.
    pub(super) fn change(&mut self, which: Option<usize>, change: impl Fn(&mut [Faults; 2])) {
        let now = Instant::now();
        if which.is_none() {
            change(&mut self.faults);
        }
        for connection in self.chosen(which) {
            let mut faults = connection.lanes.each_ref().map(Lane::faults);
            change(&mut faults);
            for (lane, faults) in connection.lanes.iter_mut().zip(faults) {
                lane.change(faults, now);
            }
        }
    }

    pub(super) fn reset(&mut self, which: Option<usize>) {
        self.chosen(which).for_each(Connection::reset);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = |(index, connection): (usize, &Connection)| connection.seen(index);
        self.connections.iter().enumerate().map(seen).collect()
    }

    fn chosen(&mut self, which: Option<usize>) -> impl Iterator<Item = &mut Connection> {
        let all = self.connections.iter_mut().enumerate();
        all.filter(move |(index, _)| which.is_none_or(|which| which == *index))
            .map(|(_, connection)| connection)
    }

    /// Serves until it is told to end.
    pub(super) fn run(mut self, orders: &Receiver<Order>, woken: &UnixStream) {
        let mut buffer = vec![0; CHUNK];
        loop {
            loop {
                match orders.try_recv() {
                    Ok(order) => order(&mut self),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            if self.ended {
                return;
            }
            let now = Instant::now();
            let due = self
                .connections
                .iter_mut()
                .filter_map(|connection| connection.pass_on(now))
                .min();
            for (source, events) in self.wait(due, woken) {
                match source {
                    Source::Order => drain(woken, &mut buffer),
                    Source::Listener => self.accept(),
                    Source::Client(index) => self.connections[index].ready(0, events, &mut buffer),
                    Source::Server(index) => self.connections[index].ready(1, events, &mut buffer),
                }
            }
        }
    }

    /// Waits until a socket is ready, an order came, or the time is there.
    fn wait(&self, until: Option<Instant>, woken: &UnixStream) -> Vec<(Source, PollFlags)> {
        let mut sources = vec![Source::Order];
        let mut polled = vec![PollFd::new(woken, PollFlags::IN)];
        if let Some(listener) = &self.listener {
            sources.push(Source::Listener);
            polled.push(PollFd::new(listener, PollFlags::IN));
        }
        for (index, connection) in self.connections.iter().enumerate() {
            let Some(sockets) = &connection.sockets else {
                continue;
            };
            let both = [
                (Source::Client(index), Some(&sockets.client)),
                (Source::Server(index), sockets.server.as_ref()),
            ];
            for (side, (source, socket)) in both.into_iter().enumerate() {
                let interest = connection.interest(side);
                // A socket of which nothing is wanted would report its end again and again.
                if let Some(socket) = socket
                    && !interest.is_empty()
                {
                    sources.push(source);
                    polled.push(PollFd::new(socket, interest));
                }
            }
        }
        let timeout = until.and_then(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec::try_from(left).ok()
        });
        // It fails only where it was interrupted; the next round then looks again.
        if poll(&mut polled, timeout.as_ref()).is_err() {
            return Vec::new();
        }
        let events = polled.iter().map(PollFd::revents);
        sources
            .into_iter()
            .zip(events)
            .filter(|(_, events)| !events.is_empty())
            .collect()
    }

    fn accept(&mut self) {
        while let Some(Ok((client, _))) = self.listener.as_ref().map(TcpListener::accept) {
            let number = 2 * self.connections.len() as u64;
            let lanes = [
                Lane::new(number, self.faults[0]),
                Lane::new(number + 1, self.faults[1]),
            ];
            let connection = Connection::open(client, self.upstream, lanes);
            self.connections.push(connection);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Order,
    Listener,
    Client(usize),
    Server(usize),
}

#[derive(Debug)]
struct Connection {
    /// None once closed.
    sockets: Option<Sockets>,
    client: Option<SocketAddr>,
    server_sees: Option<SocketAddr>,
    /// To the server, and to the client. The lane with the number of a side is fed by that side.
    lanes: [Lane; 2],
    /// Whether the receiver of each lane took no more at the last attempt.
    blocked: [bool; 2],
    sniffer: Sniffer,
}

#[derive(Debug)]
struct Sockets {
    client: TcpStream,
    /// None where the server was never reached, since the way to it was lost already.
    server: Option<TcpStream>,
}

impl Sockets {
    fn side(&self, side: usize) -> Option<&TcpStream> {
        match side {
            0 => Some(&self.client),
            _ => self.server.as_ref(),
        }
    }
}

impl Connection {
    fn open(client: TcpStream, upstream: SocketAddr, lanes: [Lane; 2]) -> Self {
        let prepare = |socket: &TcpStream| {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)
        };
        let reach = || {
            let server = TcpStream::connect_timeout(&upstream, CONNECT_WITHIN)?;
            prepare(&server)?;
            io::Result::Ok(server)
        };
        let server = if lanes[0].loses() { None } else { reach().ok() };
        let mut connection = Self {
            client: client.peer_addr().ok(),
            server_sees: server.as_ref().and_then(|socket| socket.local_addr().ok()),
            lanes,
            blocked: [false; 2],
            sniffer: Sniffer::default(),
            sockets: None,
        };
        let usable = prepare(&client).is_ok();
        let unreached = server.is_none();
        connection.sockets = Some(Sockets { client, server });
        let [to_server, to_client] = &mut connection.lanes;
        if unreached && (to_server.loses() || to_client.loses()) {
            // Neither the attempt nor its refusal arrives.
            to_server.lose();
            to_client.lose();
            to_client.source_ended(End::Reset, Instant::now());
        } else if unreached || !usable {
            connection.reset();
        }
        connection
    }

    /// Which events of one side's socket matter now.
    fn interest(&self, side: usize) -> PollFlags {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, self.lanes[side].wants_input());
        interest.set(PollFlags::OUT, self.blocked[1 - side]);
        interest
    }

    /// Reads what one side sent, and notes that it takes bytes again.
    fn ready(&mut self, side: usize, events: PollFlags, buffer: &mut [u8]) {
        if events.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
            self.blocked[1 - side] = false;
        }
        let Some(mut socket) = self.sockets.as_ref().and_then(|both| both.side(side)) else {
            return;
        };
        if !self.lanes[side].wants_input() {
            return;
        }
        let now = Instant::now();
        match socket.read(buffer) {
            Ok(0) => self.lanes[side].source_ended(End::Closed, now),
            Ok(count) => {
                let bytes = &buffer[..count];
                if side == 0 {
                    self.sniffer.see(bytes);
                }
                self.lanes[side].take_in(bytes, now);
            }
            Err(error) if is_for_now(&error) => {}
            Err(_) => self.lanes[side].source_ended(End::Reset, now),
        }
    }

    /// Passes on what is due, and returns when there will be more.
    fn pass_on(&mut self, now: Instant) -> Option<Instant> {
        let due = (0..2).filter_map(|from| self.pass_on_from(from, now)).min();
        if self.lanes.iter().all(Lane::is_finished) {
            self.sockets = None;
        }
        self.sockets.as_ref().and(due)
    }

    fn pass_on_from(&mut self, from: usize, now: Instant) -> Option<Instant> {
        loop {
            let lane = &mut self.lanes[from];
            let mut socket = self.sockets.as_ref()?.side(1 - from)?;
            if self.blocked[from] {
                return None;
            }
            match lane.next(now) {
                Step::Wait(until) => return until,
                Step::Pass(bytes) => match socket.write(bytes) {
                    Ok(count) => lane.passed_on(count, now),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if is_for_now(&error) => self.blocked[from] = true,
                    // The receiver is gone, which its own lane tells the sender.
                    Err(_) => lane.finish(),
                },
                Step::End(End::Closed) => {
                    // A receiver that is gone needs no end.
                    let _ = socket.shutdown(Shutdown::Write);
                    lane.finish();
                }
                Step::End(End::Reset) => self.reset(),
            }
        }
    }

    fn close(&mut self) {
        if let Some(sockets) = self.sockets.take() {
            for socket in (0..2).filter_map(|side| sockets.side(side)) {
                // Not needed where the other end is gone.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// Closes both sides so that each is told of a reset, and of no orderly end.
    fn reset(&mut self) {
        if let Some(sockets) = self.sockets.take() {
            for socket in (0..2).filter_map(|side| sockets.side(side)) {
                // A socket that refuses is closed in the orderly way.
                let _ = set_socket_linger(socket, Some(Duration::ZERO));
            }
        }
        self.lanes.iter_mut().for_each(Lane::finish);
    }

    fn seen(&self, index: usize) -> Seen {
        let [to_server, to_client] = self.lanes.each_ref().map(|lane| Bytes {
            read: lane.read(),
            passed: lane.passed(),
            waiting: lane.waiting() as u64,
            ended: lane.has_ended(),
        });
        Seen {
            index,
            is_open: self.sockets.is_some(),
            client: self.client,
            server_sees: self.server_sees,
            commands: self.sniffer.names().to_vec(),
            to_server,
            to_client,
        }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Takes the wake-up calls that brought the engine here.
fn drain(mut woken: &UnixStream, buffer: &mut [u8]) {
    while woken.read(buffer).is_ok_and(|count| count > 0) {}
}
