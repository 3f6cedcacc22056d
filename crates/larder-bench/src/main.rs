//! larder and its peers, side by side in one run.
//!
//! `README.md` of this crate says how it measures, and how to read what it prints.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times become ratios; none comes near the limits of a float"
)]

mod args;
mod batch;
mod bounded;
mod clear;
mod clock;
mod fence;
mod http;
mod member;
mod near;
mod outage;
mod policies;
mod remote;
mod report;
mod stampede;
mod tenants;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use args::{Args, Bench};
use larder_servers::Orders;
use report::Report;

/// Whatever went wrong ends the run, and is shown.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    if let Some(orders) = Orders::of_this_process() {
        return match serve(orders) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("a process of the bench failed: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!("{message}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let mut report = Report::default();
    let outcome = match args.bench {
        Bench::Near => near::run(&args, &mut report),
        Bench::Macros => near::run_macros(&args, &mut report),
        Bench::Remote => remote::run(&args, &mut report),
        Bench::Batch => batch::run(&args, &mut report),
        Bench::Stampede => stampede::run(&args, &mut report),
        Bench::Fence => fence::run(&args, &mut report),
        Bench::Outage => outage::run(&args, &mut report),
        Bench::Clear => clear::run(&args, &mut report),
        Bench::Tenants => tenants::run(&args, &mut report),
        Bench::Bounded => bounded::run(&args, &mut report),
        Bench::Policies => policies::run(&args, &mut report),
        Bench::Http => http::run(&args, &mut report),
    };
    report.show();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} failed: {error}", args.bench.name());
            ExitCode::FAILURE
        }
    }
}

/// The part of a process that a bench started.
fn serve(orders: Orders) -> Result<(), Failure> {
    match orders.role() {
        stampede::ROLE => stampede::serve(orders),
        fence::ROLE => fence::serve(orders),
        clear::ROLE => clear::serve(orders),
        role => Err(format!("no role is called {role}").into()),
    }
}
