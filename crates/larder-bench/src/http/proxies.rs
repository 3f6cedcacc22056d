//! `larder proxy` and nginx before the same origin.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use larder_servers::Program;

use super::client::Connection;
use super::{Subject, service};
use crate::Failure;

/// How long a proxy may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Programs that end with this, and their folder.
pub(super) struct Running {
    pub(super) subjects: Vec<Subject>,
    children: Vec<Child>,
    folder: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ended = child.kill();
            let _ended = child.wait();
        }
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

pub(super) async fn start() -> Result<Running, Failure> {
    let origin = service::serve(service::router()).await?;
    let folder = std::env::temp_dir().join(format!("larder-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut running = Running {
        subjects: Vec::new(),
        children: Vec::new(),
        folder,
    };
    let ours = start_ours(&mut running, origin)?;
    let theirs = start_nginx(&mut running, origin)?;
    for (name, address) in [
        ("origin", origin),
        ("larder-proxy", ours),
        ("nginx", theirs),
    ] {
        is_there(name, address).await?;
        running.subjects.push(Subject {
            name,
            address,
            path: "/items",
        });
    }
    Ok(running)
}

fn start_ours(running: &mut Running, origin: SocketAddr) -> Result<SocketAddr, Failure> {
    let program = std::env::current_exe()?.with_file_name("larder");
    if !program.is_file() {
        let missing = "build the program `larder` first: cargo build --release -p larder-cli";
        return Err(missing.into());
    }
    let mut child = Command::new(program)
        .args(["proxy", "--listen", "127.0.0.1:0", "--origin"])
        .arg(format!("http://{origin}"))
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take();
    running.children.push(child);
    let mut line = String::new();
    BufReader::new(out.ok_or("no output")?).read_line(&mut line)?;
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    Ok(address.ok_or("larder proxy said no address")?.parse()?)
}

fn start_nginx(running: &mut Running, origin: SocketAddr) -> Result<SocketAddr, Failure> {
    // Free a moment ago: nginx does not say which one it took.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let folder = running.folder.display();
    let config = format!(
        "daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; tcp_nodelay on; keepalive_requests 1000000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=all:10m;
    server {{
        listen {address};
        location / {{
            proxy_pass http://{origin};
            proxy_cache all;
            proxy_cache_lock on;
            add_header x-bench-cache $upstream_cache_status;
        }}
    }}
}}
"
    );
    let file = running.folder.join("nginx.conf");
    fs::write(&file, config)?;
    let program = Program::NGINX.find();
    let program = program.ok_or("nginx is needed: `cargo xtask setup` installs it")?;
    let child = Command::new(program)
        .arg("-p")
        .arg(&running.folder)
        .arg("-c")
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()?;
    running.children.push(child);
    Ok(address)
}

/// Waits until it answers, and does so from its cache.
async fn is_there(name: &str, address: SocketAddr) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let answered = async {
            let mut connection = Connection::open(address, "/items").await?;
            connection.ask().await?;
            let head = String::from_utf8_lossy(connection.ask().await?).into_owned();
            Ok::<_, Failure>(name == "origin" || head.contains("; hit") || head.contains("HIT"))
        };
        match answered.await {
            Ok(true) => return Ok(()),
            Ok(false) | Err(_) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(false) => return Err(format!("{name} stores nothing").into()),
            Err(error) => return Err(format!("{name} does not answer: {error}").into()),
        }
    }
}
