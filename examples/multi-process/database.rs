//! The slow thing that all processes share. It lives in the process that starts the others, which reach it over
//! the network, as they would a real one; so it knows who asks, and how often.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::message::Peer;

/// How long it takes to find a price.
const SLOW: Duration = Duration::from_millis(100);

#[derive(Serialize, Deserialize)]
enum Request {
    Price { process: usize, product: u64 },
    Change { product: u64, cents: u64 },
}

pub(crate) struct Database {
    pub(crate) address: SocketAddr,
    queries: watch::Receiver<Vec<usize>>,
}

impl Database {
    pub(crate) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (log, queries) = watch::channel(Vec::new());
        let cents = Mutex::new(HashMap::from([(1, 990), (2, 450)]));
        let tables = Arc::new(Tables { cents, log });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tables = Arc::clone(&tables);
                // One that has gone away in between, as a process that was killed, wants no answer.
                tokio::spawn(async move { tables.answer(stream).await });
            }
        });
        Ok(Self { address, queries })
    }

    /// How often a price was asked for.
    pub(crate) fn queries(&self) -> usize {
        self.queries.borrow().len()
    }

    /// Which processes asked, after that many queries.
    pub(crate) fn askers(&self, after: usize) -> Vec<usize> {
        self.queries.borrow()[after..].to_vec()
    }

    /// Waits until there are more queries than that, and says which process asked first.
    pub(crate) async fn next_asker(&mut self, after: usize) -> io::Result<usize> {
        let queries = self.queries.wait_for(|queries| queries.len() > after).await;
        Ok(queries.map_err(io::Error::other)?[after])
    }
}

struct Tables {
    cents: Mutex<HashMap<u64, u64>>,
    /// Which process asked, for each query.
    log: watch::Sender<Vec<usize>>,
}

impl Tables {
    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let (reader, writer) = stream.split();
        let mut peer = Peer::new(reader, writer);
        let cents = match peer.receive().await? {
            Request::Price { process, product } => {
                self.log.send_modify(|log| log.push(process));
                tokio::time::sleep(SLOW).await;
                let cents = self.cents.lock().unwrap_or_else(PoisonError::into_inner);
                cents.get(&product).copied()
            }
            Request::Change { product, cents } => {
                let mut table = self.cents.lock().unwrap_or_else(PoisonError::into_inner);
                table.insert(product, cents)
            }
        };
        peer.send(&cents).await
    }
}

/// How a process reaches it.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) process: usize,
}

impl Client {
    /// The price in cents; `None` for what is not sold.
    pub(crate) async fn price(self, product: u64) -> io::Result<Option<u64>> {
        let process = self.process;
        self.ask(Request::Price { process, product }).await
    }

    pub(crate) async fn change(self, product: u64, cents: u64) -> io::Result<Option<u64>> {
        self.ask(Request::Change { product, cents }).await
    }

    async fn ask(self, request: Request) -> io::Result<Option<u64>> {
        let mut stream = TcpStream::connect(self.address).await?;
        let (reader, writer) = stream.split();
        let mut peer = Peer::new(reader, writer);
        peer.send(&request).await?;
        peer.receive().await
    }
}
