//! A real Prometheus, which reads the metrics of a service.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::companion::Companion;
use crate::port::{Port, random};
use crate::{Program, ServerError};

/// How long it has to become ready.
const WITHIN: Duration = Duration::from_secs(30);
/// How long it has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// A Prometheus of one's own that scrapes one service: a child process on a free port of 127.0.0.1, with its
/// own folder. Both go when this is dropped, and when the test process is killed.
#[derive(Debug)]
pub struct Prometheus {
    process: Companion,
    port: Port,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts one that reads `/metrics` of the service at `target` five times a second, and waits until it
    /// answers.
    ///
    /// # Errors
    /// Where it is not installed, or not ready within 30 seconds.
    pub fn scraping(target: SocketAddr) -> Result<Self, ServerError> {
        let Some(program) = Program::PROMETHEUS.find() else {
            return Err(ServerError::Missing {
                program: Program::PROMETHEUS,
            });
        };
        let port = Port::reserve()?;
        let name = format!("larder-prometheus-{}-{:x}", std::process::id(), random());
        let folder = std::env::temp_dir().join(name);
        let prepare = || {
            fs::create_dir(&folder)?;
            fs::write(folder.join("prometheus.yml"), configuration(target))?;
            let log = File::create(folder.join("log"))?;
            Ok((log.try_clone()?, log))
        };
        let (stdout, stderr) =
            prepare().map_err(ServerError::io(format!("prepare {}", folder.display())))?;
        let listen = format!("--web.listen-address=127.0.0.1:{}", port.number());
        let mut command = Command::new(program);
        command
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(listen)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        let mut started = Self {
            process: Companion::start_in(&mut command, Some(&folder))?,
            port,
            folder,
        };
        started.wait_until_ready()?;
        Ok(started)
    }

    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.process.exit_status()? {
                return Err(ServerError::Exited {
                    program: Program::PROMETHEUS,
                    port: self.port.number(),
                    status,
                    log: self.log(),
                });
            }
            // The log is the proof that it is this one that answers.
            let listens = self
                .log()
                .contains("Server is ready to receive web requests");
            if listens && self.get("/-/ready").is_ok() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ServerError::NotReady {
                    program: Program::PROMETHEUS,
                    port: self.port.number(),
                    waited: WITHIN,
                    log: self.log(),
                });
            }
            thread::sleep(POLL);
        }
    }

    /// What it answers to a query, in the JSON of its HTTP interface: the value of now, of each series.
    ///
    /// # Errors
    /// Where it does not answer within 5 seconds, or the query is not one.
    pub fn query(&self, query: &str) -> Result<String, ServerError> {
        let query = query.bytes().fold(String::new(), |mut encoded, byte| {
            // Writing to a `String` does not fail.
            let _ = write!(encoded, "%{byte:02X}");
            encoded
        });
        self.get(&format!("/api/v1/query?query={query}"))
            .map_err(ServerError::io("ask Prometheus"))
    }

    /// HTTP/1.0, whose answer ends with the connection.
    fn get(&self, path: &str) -> io::Result<String> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number()))?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        connection.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
            _ => Err(io::Error::other(answer)),
        }
    }

    /// The end of what it wrote.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.end();
        // What is left is in the temporary folder anyway.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(target: SocketAddr) -> String {
    format!(
        "global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
  - job_name: service
    static_configs:
      - targets: ['{target}']
"
    )
}
