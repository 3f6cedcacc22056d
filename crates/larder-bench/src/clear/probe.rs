//! A steady `PING` on a connection of its own: how long the server lets others wait.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use larder_servers::Server;

use crate::Failure;

/// How often it asks, unless an answer takes longer.
const EVERY: Duration = Duration::from_micros(200);

pub(super) struct Probe {
    ends: Arc<AtomicBool>,
    asking: JoinHandle<std::io::Result<Vec<Duration>>>,
}

/// How long answers took, in milliseconds.
pub(super) struct Stalls {
    pub(super) p50: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Probe {
    pub(super) fn start(server: &Server) -> Result<Self, Failure> {
        let stream = TcpStream::connect((server.host(), server.port()))?;
        stream.set_nodelay(true)?;
        let ends = Arc::new(AtomicBool::new(false));
        let asking = thread::spawn({
            let ends = Arc::clone(&ends);
            move || ask(stream, &ends)
        });
        Ok(Self { ends, asking })
    }

    pub(super) fn end(self) -> Result<Stalls, Failure> {
        self.ends.store(true, Ordering::SeqCst);
        let asked = self.asking.join().map_err(|_| "the probe panicked")?;
        let mut times = asked?;
        times.sort_unstable();
        let at = |share: f64| {
            let last = times.len().saturating_sub(1);
            let time = times.get((last as f64 * share).round() as usize);
            time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Ok(Stalls {
            p50: at(0.5),
            p999: at(0.999),
            max: at(1.0),
        })
    }
}

fn ask(mut stream: TcpStream, ends: &AtomicBool) -> std::io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut pong = [0; 7];
    while !ends.load(Ordering::SeqCst) {
        let asked = Instant::now();
        stream.write_all(b"PING\r\n")?;
        stream.read_exact(&mut pong)?;
        let took = asked.elapsed();
        times.push(took);
        thread::sleep(EVERY.saturating_sub(took));
    }
    Ok(times)
}
