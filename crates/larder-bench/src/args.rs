//! The command line.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: larder-bench near|remote [options]

  --seconds S      how long each subject of a case is measured, all rounds together
  --rounds N       how many turns each subject takes; the median counts (default 15)
  --cases TEXT     only cases whose name holds TEXT, such as string/zipf
  --subjects LIST  only these subjects, separated by commas; ratios need both sides
  --short          a fraction of a second a case: shows that it runs, not how fast";

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    Near,
    Remote,
}

impl Bench {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Remote => "remote",
        }
    }

    /// Long enough that the median of a quiet machine repeats to a few per cent.
    fn seconds(self) -> f64 {
        match self {
            Self::Near => 3.0,
            Self::Remote => 4.5,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) bench: Bench,
    pub(crate) short: bool,
    pub(crate) rounds: usize,
    seconds: f64,
    cases: String,
    subjects: Vec<String>,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let bench = match words.next().as_deref() {
            Some("near") => Bench::Near,
            Some("remote") => Bench::Remote,
            Some(other) => return Err(format!("there is no bench `{other}`")),
            None => return Err("which bench?".to_owned()),
        };
        let mut args = Self {
            bench,
            short: false,
            rounds: 15,
            seconds: bench.seconds(),
            cases: String::new(),
            subjects: Vec::new(),
        };
        while let Some(option) = words.next() {
            if option == "--short" {
                args.short = true;
                args.rounds = 3;
                args.seconds = 0.06;
                continue;
            }
            let value = words
                .next()
                .ok_or_else(|| format!("`{option}` is no option, or lacks its value"))?;
            let wrong = || format!("`{option} {value}` is not allowed");
            match option.as_str() {
                "--seconds" => {
                    args.seconds = value.parse().map_err(|_| wrong())?;
                    if !(0.001..=3600.0).contains(&args.seconds) {
                        return Err(wrong());
                    }
                }
                "--rounds" => {
                    args.rounds = value.parse().map_err(|_| wrong())?;
                    if !(1..=1000).contains(&args.rounds) {
                        return Err(wrong());
                    }
                }
                "--cases" => args.cases = value,
                "--subjects" => args.subjects = value.split(',').map(str::to_owned).collect(),
                _ => return Err(format!("there is no option `{option}`")),
            }
        }
        Ok(args)
    }

    /// How long one turn takes.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_secs_f64(self.seconds / self.rounds as f64)
    }

    pub(crate) fn wants_case(&self, case: &str) -> bool {
        case.contains(&self.cases)
    }

    pub(crate) fn wants_subject(&self, subject: &str) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|wanted| wanted == subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_and_wrong_ones_refused() -> Result<(), String> {
        let args = parse("near --seconds 14 --rounds 7 --cases zipf --subjects larder,moka")?;
        assert_eq!(args.turn(), Duration::from_secs(2));
        assert!(args.wants_case("string/zipf") && !args.wants_case("string/hot"));
        assert!(args.wants_subject("moka") && !args.wants_subject("cachet"));
        assert!(parse("remote --short")?.short);
        for wrong in [
            "",
            "far",
            "near --fast",
            "near --fast 1",
            "near --rounds",
            "near --rounds 0",
            "near --seconds -1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
