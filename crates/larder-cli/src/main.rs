//! The program `larder`: `larder simulate` runs a trace of requests through caches of several sizes and
//! policies, the ones of the library itself. `larder proxy` stores the responses of an HTTP service.

mod args;
mod clairvoyant;
mod failure;
mod number;
mod plot;
mod proxy;
mod report;
mod simulate;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let done = match command {
        Command::Simulate(args) => simulate::run(&args),
        Command::Proxy(args) => proxy::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("larder: {failure}");
            ExitCode::FAILURE
        }
    }
}
