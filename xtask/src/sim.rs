//! `cargo xtask sim`: several processes on one simulated server, over many seeds.

use std::process::Command;

use crate::command::{cargo, show};
use crate::failure::Failure;

/// How the simulation is built: with all checks on, and optimised enough to be quick.
pub(crate) const TEST: [&str; 7] = [
    "test",
    "--profile",
    "sim",
    "--package",
    "larder",
    "--test",
    "sim",
];
/// The test that runs the seeds which the environment names.
pub(crate) const NAME: &str = "histories_keep_the_guarantees";

const SEEDS: u64 = 2_000;

/// Runs histories until one fails. It shows the failed one, and how to see it again.
pub(crate) fn run(flags: &[&str]) -> Result<(), Failure> {
    let (mut seeds, mut from) = (SEEDS, 0);
    for flag in flags.chunks(2) {
        match flag {
            ["--seeds", count] => seeds = number(count)?,
            ["--from", first] => from = number(first)?,
            ["--seed", seed] => (seeds, from) = (1, number(seed)?),
            _ => {
                return Err(Failure::new(format!(
                    "not a setting of the simulation: `{}`",
                    flag.join(" ")
                )));
            }
        }
    }
    show(histories(cargo(&TEST), seeds, from))
}

/// The test with its settings.
pub(crate) fn histories(mut test: Command, seeds: u64, from: u64) -> Command {
    test.args(["--quiet", "--", NAME, "--exact", "--nocapture"])
        .env("SIM_SEEDS", seeds.to_string())
        .env("SIM_FROM", from.to_string())
        .env("RUST_BACKTRACE", "0");
    test
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse()
        .map_err(|_| Failure::new(format!("`{text}` is not a number")))
}
