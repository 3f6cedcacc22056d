//! `cargo xtask repeat`: the tests over and over, to find those that fail now and then.

use crate::failure::Failure;
use crate::suite::Suite;
use crate::test;

/// Runs the tests so many times, and stops at the first failure.
pub(crate) fn run(times: u32, filter: &[&str]) -> Result<(), Failure> {
    let mut suite = Suite::new();
    let outcome = (1..=times).try_for_each(|round| {
        suite.tests(
            &format!("round {round} of {times}"),
            test::all_tests(filter),
        )
    });
    suite.end(outcome)
}
