//! A client that asks for one page again and again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;

/// What one turn measured.
pub(super) struct Turn {
    /// Of each request, in milliseconds.
    pub(super) times: Vec<f64>,
    took: Duration,
}

impl Turn {
    /// Requests in a second.
    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }
}

/// Asks for `path` on so many connections for so long.
pub(super) async fn turn(
    address: SocketAddr,
    path: &'static str,
    connections: usize,
    length: Duration,
) -> Result<Turn, Failure> {
    let mut asking = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address, path).await?;
        // Before the clock runs: what is to be stored is.
        connection.ask().await?;
        asking.push(connection);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in asking {
        tasks.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < length {
                let asked = Instant::now();
                connection.ask().await?;
                times.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(Turn {
        times,
        took: began.elapsed(),
    })
}

/// A connection, and where a response on it is read into.
pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    read: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr, path: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench.example\r\n\r\n");
        Ok(Self {
            stream,
            request: request.into_bytes(),
            read: Vec::with_capacity(16 * 1024),
        })
    }

    /// Asks once, and reads the answer to its end; its head.
    pub(super) async fn ask(&mut self) -> Result<&[u8], Failure> {
        self.stream.write_all(&self.request).await?;
        self.read.clear();
        let mut whole = None;
        while whole.is_none_or(|whole| self.read.len() < whole) {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("a service hung up".into());
            }
            if whole.is_none() {
                whole = length(&self.read)?;
            }
        }
        let end = head_end(&self.read).unwrap_or_default();
        self.read.get(..end).ok_or_else(|| "no head".into())
    }
}

fn head_end(read: &[u8]) -> Option<usize> {
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(end + 4)
}

/// How long a response is, once its head is there.
fn length(read: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(end) = head_end(read) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(read.get(..end).unwrap_or_default())?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("no 200: {head}").into());
    }
    let says = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    let says: usize = says.ok_or("a response without a length")?.parse()?;
    Ok(Some(end + says))
}
