//! `cargo xtask`: everything the project runs beside plain cargo.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod command;
mod examples;
mod failure;
mod features;
mod fuzz;
mod metadata;
mod mutants;
mod repeat;
mod setup;
mod sim;
mod suite;
mod test;

use std::env;
use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
cargo xtask COMMAND

  setup                 install what the tests need: the Valkey and Redis servers
  test                  everything that must hold before a change is merged
  repeat N [FILTER]     run the tests N times in a row; stop at the first failure
  fuzz [--seconds N]    fuzz the decoder of stored values (default: 60 seconds)
  sim [--seeds N] [--from S] [--seed S]
                        simulate several processes on one server (default: 2000 histories)
  mutants [NAME]        show that the simulation finds known faults, or the one that is named
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Message(message) = failure {
                eprintln!("error: {message}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Failure> {
    match args {
        ["setup"] => setup::run(),
        ["test"] => test::run(),
        ["repeat", times, filter @ ..] => repeat::run(number(times)?, filter),
        ["fuzz"] => fuzz::run(60),
        ["fuzz", "--seconds", seconds] => fuzz::run(number(seconds)?),
        ["sim", flags @ ..] => sim::run(flags),
        ["mutants"] => mutants::run(None),
        ["mutants", name] => mutants::run(Some(name)),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "not a command: `{}`\n\n{USAGE}",
            args.join(" ")
        ))),
    }
}

fn number(text: &str) -> Result<u32, Failure> {
    text.parse()
        .map_err(|_| Failure::new(format!("`{text}` is not a number")))
}
