//! Why the program ended without its result.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot open the trace {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read the trace {} after {lines} lines: {source}", path.display())]
    Read {
        path: PathBuf,
        lines: u64,
        source: io::Error,
    },
    #[error("the trace {} has no requests{}", path.display(), because(first.as_deref()))]
    Empty {
        path: PathBuf,
        /// What is wrong with the first line that could not be read.
        first: Option<String>,
    },
    #[error("the trace {}: {problem}", path.display())]
    Line { path: PathBuf, problem: String },
    #[error("the trace {}: {problem}", path.display())]
    Columns { path: PathBuf, problem: String },
    #[error(
        "the trace {}: the share of the keys that it has is above 0 and at most 1, not {share:?}", path.display()
    )]
    Share { path: PathBuf, share: String },
    #[error("the trace {} has more than {} requests or keys", path.display(), u32::MAX)]
    TooLong { path: PathBuf },
    #[error(
        "capacities in bytes need the sizes of the values, and the trace {} has no column `size`", path.display()
    )]
    NoSizes { path: PathBuf },
    #[error("a TTL needs the times of the requests, and the trace {} has no column `time`", path.display())]
    NoTimes { path: PathBuf },
    #[error("capacities are in entries or in bytes, not in both")]
    MixedCapacities,
    #[error("cannot tell from its name what {} is to be: it must end in .svg or .png", path.display())]
    PlotKind { path: PathBuf },
    #[error("cannot write the plot {}: {message}", path.display())]
    Plot { path: PathBuf, message: String },
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("cannot listen on {address}: {source}; choose another address by --listen")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot open the cache: {0}")]
    Cache(#[from] Box<larder::Error>),
    #[error("cannot write the result: {0}")]
    Write(#[from] io::Error),
}

fn because(first: Option<&str>) -> String {
    first.map_or_else(String::new, |first| format!(": {first}"))
}
