//! The steps of a run, their times, and the sum of their tests.

use std::ops::AddAssign;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{self, Tests};
use crate::failure::Failure;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Who runs the tests, and so writes the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    CargoTest,
    Nextest,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Counts {
    /// Reads the runner's summary line; `None` for any other line. A failed test's output under
    /// nextest holds the summary of its own harness, which must not count again.
    pub(crate) fn in_summary(line: &str, runner: Runner) -> Option<Self> {
        let line = line.trim();
        let is_summary = match runner {
            Runner::CargoTest => line.starts_with("test result: "),
            Runner::Nextest => line.starts_with("Summary [") && line.contains(" run: "),
        };
        if !is_summary {
            return None;
        }
        let mut counts = Self::default();
        let words: Vec<&str> = line
            .split([' ', ',', ';', '('])
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else {
                continue;
            };
            match pair[1] {
                "passed" => counts.passed += number,
                // Nextest tells "timed out" and "exec failed" from the others.
                "failed" | "timed" | "exec" => counts.failed += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

/// Runs steps one after another, and says at the end what they came to.
#[derive(Debug)]
pub(crate) struct Suite {
    started: Instant,
    counts: Counts,
    times: Vec<(String, Duration)>,
    summaries: Vec<String>,
}

impl Suite {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            counts: Counts::default(),
            times: Vec::new(),
            summaries: Vec::new(),
        }
    }

    /// Announces and runs a step that holds no tests of its own. Its failure counts as one.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        run: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let started = self.announce(name);
        let outcome = run();
        self.finish(name, started, outcome.is_ok());
        if outcome.is_err() {
            self.counts.failed += 1;
        }
        outcome
    }

    /// Announces and runs a step of tests, and adds up what its summaries say.
    pub(crate) fn tests(&mut self, name: &str, command: Command) -> Result<(), Failure> {
        let started = self.announce(name);
        let tests = command::run_tests(command);
        let passed = matches!(
            &tests,
            Ok(Tests {
                outcome: Ok(()),
                ..
            })
        );
        self.finish(name, started, passed);
        let Tests {
            counts,
            summaries,
            outcome,
        } = tests.inspect_err(|_| self.counts.failed += 1)?;
        self.counts += counts;
        self.summaries
            .extend(summaries.into_iter().map(|line| format!("{name}: {line}")));
        if outcome.is_err() && counts.failed == 0 {
            // Such as tests that do not compile.
            self.counts.failed += 1;
        }
        outcome
    }

    /// Counts one test that xtask ran by itself.
    pub(crate) fn count(&mut self, passed: bool) {
        self.counts += Counts {
            passed: u64::from(passed),
            failed: u64::from(!passed),
        };
    }

    /// Runs a step whose tests call [`count`](Self::count).
    pub(crate) fn counted(
        &mut self,
        name: &str,
        run: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let started = self.announce(name);
        let before = self.counts;
        let outcome = run(self);
        if outcome.is_err() && self.counts.failed == before.failed {
            self.counts.failed += 1;
        }
        self.finish(name, started, outcome.is_ok());
        let (passed, failed) = (
            self.counts.passed - before.passed,
            self.counts.failed - before.failed,
        );
        self.summaries
            .push(format!("{name}: {passed} passed, {failed} failed"));
        outcome
    }

    /// Prints the failure, the times, the summaries, and alone on the last line the sum.
    pub(crate) fn end(&self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        if let Err(failure) = &outcome {
            println!("\nerror: {failure}");
        }
        println!();
        for (name, time) in &self.times {
            println!("{:7.1} s  {name}", time.as_secs_f64());
        }
        println!("{:7.1} s  in all", self.started.elapsed().as_secs_f64());
        println!();
        for summary in &self.summaries {
            println!("{summary}");
        }
        println!(
            "{} passed, {} failed",
            self.counts.passed, self.counts.failed
        );
        outcome.map_err(|_| Failure::Shown)
    }

    fn announce(&self, name: &str) -> Instant {
        println!(
            "\n==> {name} (at {:.0} s)",
            self.started.elapsed().as_secs_f64()
        );
        Instant::now()
    }

    fn finish(&mut self, name: &str, started: Instant, passed: bool) {
        let time = started.elapsed();
        let word = if passed { "done" } else { "FAILED" };
        println!("<== {name}: {word} in {:.1} s", time.as_secs_f64());
        self.times.push((name.to_owned(), time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(line: &str, runner: Runner) -> Option<(u64, u64)> {
        Counts::in_summary(line, runner).map(|counts| (counts.passed, counts.failed))
    }

    #[test]
    fn the_summary_of_cargo_test_is_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(counts(line, Runner::CargoTest), Some((12, 3)));
        assert_eq!(counts(line, Runner::Nextest), None);
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let line = "     Summary [   1.234s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(counts(line, Runner::Nextest), Some((6, 3)));
        let cut = "     Summary [   1.234s] 3/9 tests run: 2 passed, 1 failed, 0 skipped";
        assert_eq!(counts(cut, Runner::Nextest), Some((2, 1)));
    }

    #[test]
    fn other_lines_hold_no_counts() {
        for line in ["test a ... ok", "running 3 tests", "4 passed", ""] {
            assert_eq!(counts(line, Runner::CargoTest), None);
            assert_eq!(counts(line, Runner::Nextest), None);
        }
    }
}
