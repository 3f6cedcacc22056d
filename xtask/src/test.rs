//! `cargo xtask test`: everything that must hold before a change is merged.

use std::process::Command;

use crate::command::{cargo, has_cargo, show};
use crate::failure::Failure;
use crate::suite::Suite;
use crate::{examples, features, fuzz, setup};

/// Runs every step, stops at the first that fails, and prints the sum as its last line.
pub(crate) fn run() -> Result<(), Failure> {
    let mut suite = Suite::new();
    let outcome = steps(&mut suite);
    suite.end(outcome)
}

/// The benches; of the near tier's many subjects and cases a few.
const BENCHES: [&[&str]; 12] = [
    &[
        "near",
        "--cases",
        "string/zipf",
        "--subjects",
        "larder,quick_cache",
    ],
    &["macros"],
    &["remote"],
    &["batch"],
    &["stampede"],
    &["fence"],
    &["outage"],
    &["clear"],
    &["tenants"],
    &["bounded"],
    &["policies"],
    &["http"],
];

/// Cheap steps first. Steps that build the same selection follow each other.
fn steps(suite: &mut Suite) -> Result<(), Failure> {
    suite.step("setup", setup::run)?;
    suite.step("lock file", || show(cargo(&["fetch", "--locked"])))?;
    suite.step("format", || show(cargo(&["fmt", "--all", "--check"])))?;
    suite.step("clippy", || {
        show(cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    suite.step("documentation", documentation)?;
    suite.step("licences and sources", licences)?;
    suite.tests("tests", all_tests(&[]))?;
    suite.tests(
        "documentation tests",
        cargo(&["test", "--doc", "--workspace", "--all-features"]),
    )?;
    examples::run(suite)?;
    for bench in BENCHES {
        // Whether they hold, and not how fast: that is for the release build, on a quiet machine.
        suite.step(&format!("bench {}, briefly", bench[0]), || {
            let run = ["run", "--quiet", "--package", "larder-bench", "--"];
            show(cargo(&[&run[..], bench, &["--short"]].concat()))
        })?;
    }
    features::run(suite)?;
    suite.step("fuzz", || fuzz::run(5))
}

/// All tests of the workspace, or those that the filter names.
pub(crate) fn all_tests(filter: &[&str]) -> Command {
    let selection = ["--workspace", "--all-features", "--no-fail-fast"];
    let runner: &[&str] = if has_cargo("nextest") {
        &["nextest", "run"]
    } else {
        // Documentation tests have a step of their own.
        &["test", "--lib", "--bins", "--tests", "--examples"]
    };
    cargo(&[runner, &selection, filter].concat())
}

fn documentation() -> Result<(), Failure> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    show(command)
}

/// Advisories change without a commit of ours and need the network, so no test depends on them.
fn licences() -> Result<(), Failure> {
    if !has_cargo("deny") {
        println!("notice: not checked; install it with `cargo install cargo-deny --locked`");
        return Ok(());
    }
    show(cargo(&[
        "deny",
        "--offline",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))
}
