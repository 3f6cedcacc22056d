//! `larder proxy`: a shared cache by RFC 9111 before one HTTP service.
//!
//! A request passes through three services: `rewrite` makes it one for the origin, whatever the client
//! called that; the library's layer answers it from what is stored; `origin` asks the origin.

mod connect;
mod origin;
mod rewrite;
mod serve;
mod timed;

use std::fmt::Display;
use std::io::Write;

use larder::http::HttpCacheLayer;
use larder::{Backend, Larder, NearCapacity};
use tokio::net::TcpListener;

use crate::args::Proxy;
use crate::failure::Failure;
use origin::OriginClient;
use rewrite::Rewrite;
use serve::Limits;

pub(crate) fn run(args: &Proxy) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(proxy(args))
}

async fn proxy(args: &Proxy) -> Result<(), Failure> {
    let address = args.listen;
    let refused = |source| Failure::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    // Before it says that it is there: a signal from now on ends it in an orderly way.
    let ending = serve::ending().map_err(Failure::Runtime)?;
    let larder = Larder::from_env().await.map_err(Box::new)?;
    let layer = HttpCacheLayer::standard(&larder)
        .name("proxy")
        .max_body(usize::try_from(args.max_body).unwrap_or(usize::MAX))
        .near(NearCapacity::Bytes(args.memory))
        .stale_if_error(args.stale_if_error)
        .build()
        .map_err(Box::new)?;
    let authority = &args.origin.0;
    let service = Rewrite::new(
        authority.clone(),
        layer.around(OriginClient::new(args.timeout)),
    );
    let mut out = std::io::stdout();
    // Who reads it may have gone; the proxy is there all the same.
    let _told = writeln!(
        out,
        "larder proxy: http://{bound} for http://{authority}, {}",
        match larder.config().backend {
            Backend::Memory => "stored in memory",
            Backend::Valkey => "stored in valkey",
            Backend::Redis => "stored in redis",
            _ => "stored nowhere",
        }
    );
    let _told = out.flush();
    let limits = Limits {
        connections: args.connections.get(),
        patience: args.timeout,
    };
    serve::serve(listener, service, limits, ending).await;
    larder.close().await;
    Ok(())
}

/// Tells the operator. Who reads it may have gone, and the proxy is there all the same.
fn say(what: &dyn Display) {
    let _told = writeln!(std::io::stderr(), "larder proxy: {what}");
}
