//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use larder_servers::Kind;

pub(crate) const USAGE: &str = "\
usage: larder-bench near|macros|remote|batch|stampede|fence|outage|clear|tenants|bounded|policies|http [options]

  --seconds S      near, macros, remote, batch, bounded, policies, http: how long each subject of a case is measured, all rounds together
                   outage: how long the server is away (default 10)
                   clear: how long the idle server is probed (default 5)
  --rounds N       near, macros, remote, batch, bounded, policies, http: how many turns each subject takes; the median counts (default 15)
                   stampede: how many cold keys (default 15)
                   fence: how many invalidations for each subject (default 4000)
                   clear: how often the tenant is cleared before it is swept (default 15)
                   tenants: how many lookups of the quiet tenant (default 100000)
  --callers N      stampede: how many callers in all (default 10000)
  --entries N      clear: how many entries the tenant has, and others as many (default 1000000)
                   bounded: the largest cache that is measured
  --traces FOLDER  policies: where recorded traces are, as NAME.keys.zst (default ../shared/traces)
  --server KIND    stampede, fence, outage, clear, bounded: valkey (the default) or redis
  --cases TEXT     only cases whose name holds TEXT, such as string/zipf
  --subjects LIST  only these subjects, separated by commas; ratios need both sides
  --short          a few seconds: shows that it runs, not how fast";

/// Beside the workspace: they are no part of it.
const TRACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces");

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    Near,
    Macros,
    Remote,
    Batch,
    Stampede,
    Fence,
    Outage,
    Clear,
    Tenants,
    Bounded,
    Policies,
    Http,
}

impl Bench {
    const ALL: [Self; 12] = [
        Self::Near,
        Self::Macros,
        Self::Remote,
        Self::Batch,
        Self::Stampede,
        Self::Fence,
        Self::Outage,
        Self::Clear,
        Self::Tenants,
        Self::Bounded,
        Self::Policies,
        Self::Http,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Macros => "macros",
            Self::Remote => "remote",
            Self::Batch => "batch",
            Self::Stampede => "stampede",
            Self::Fence => "fence",
            Self::Outage => "outage",
            Self::Clear => "clear",
            Self::Tenants => "tenants",
            Self::Bounded => "bounded",
            Self::Policies => "policies",
            Self::Http => "http",
        }
    }

    /// Rounds and seconds: long enough that the median of a quiet machine repeats to a few per
    /// cent.
    fn usual(self) -> (usize, f64) {
        match self {
            Self::Near | Self::Macros => (15, 3.0),
            Self::Remote => (15, 4.5),
            Self::Batch => (15, 6.0),
            Self::Stampede => (15, 0.0),
            Self::Fence => (4_000, 0.0),
            Self::Outage => (1, 10.0),
            Self::Clear => (15, 5.0),
            Self::Tenants => (100_000, 0.0),
            Self::Bounded => (9, 3.0),
            Self::Policies => (9, 2.0),
            Self::Http => (9, 9.0),
        }
    }

    /// The same, to show that it runs.
    fn short(self) -> (usize, f64) {
        match self {
            Self::Near | Self::Macros | Self::Remote | Self::Batch | Self::Bounded | Self::Http => {
                (3, 0.06)
            }
            Self::Policies => (1, 0.06),
            Self::Stampede => (2, 0.0),
            Self::Fence => (400, 0.0),
            Self::Outage => (1, 1.5),
            Self::Clear => (3, 0.3),
            Self::Tenants => (4_000, 0.0),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) bench: Bench,
    pub(crate) short: bool,
    pub(crate) rounds: usize,
    pub(crate) callers: usize,
    pub(crate) entries: usize,
    pub(crate) server: Kind,
    pub(crate) traces: PathBuf,
    seconds: f64,
    cases: String,
    subjects: Vec<String>,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let bench = words.next().ok_or("which bench?")?;
        let bench = Bench::ALL
            .into_iter()
            .find(|known| known.name() == bench)
            .ok_or_else(|| format!("there is no bench `{bench}`"))?;
        let (rounds, seconds) = bench.usual();
        let mut args = Self {
            bench,
            short: false,
            rounds,
            callers: 10_000,
            entries: 1_000_000,
            server: Kind::Valkey,
            traces: PathBuf::from(TRACES),
            seconds,
            cases: String::new(),
            subjects: Vec::new(),
        };
        while let Some(option) = words.next() {
            if option == "--short" {
                args.short = true;
                (args.rounds, args.seconds) = bench.short();
                args.entries = 10_000;
                continue;
            }
            let value = words
                .next()
                .ok_or_else(|| format!("`{option}` is no option, or lacks its value"))?;
            let wrong = || format!("`{option} {value}` is not allowed");
            let number = |most: usize| {
                let number = value.parse().ok().filter(|n| (1..=most).contains(n));
                number.ok_or_else(wrong)
            };
            match option.as_str() {
                "--seconds" => {
                    args.seconds = value.parse().map_err(|_| wrong())?;
                    if !(0.001..=3600.0).contains(&args.seconds) {
                        return Err(wrong());
                    }
                }
                "--rounds" => args.rounds = number(10_000_000)?,
                "--callers" => args.callers = number(100_000)?,
                "--entries" => args.entries = number(10_000_000)?,
                "--server" => {
                    let kind = Kind::ALL.into_iter().find(|kind| kind.to_string() == value);
                    args.server = kind.ok_or_else(wrong)?;
                }
                "--traces" => args.traces = value.into(),
                "--cases" => args.cases = value,
                "--subjects" => args.subjects = value.split(',').map(str::to_owned).collect(),
                _ => return Err(format!("there is no option `{option}`")),
            }
        }
        Ok(args)
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// How long one turn takes.
    pub(crate) fn turn(&self) -> Duration {
        self.duration().div_f64(self.rounds as f64)
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
        let args = parse("stampede --server redis --callers 400 --rounds 3")?;
        assert_eq!(
            (args.server, args.callers, args.rounds),
            (Kind::Redis, 400, 3)
        );
        for wrong in [
            "",
            "far",
            "near --fast",
            "near --fast 1",
            "near --rounds",
            "near --rounds 0",
            "near --seconds -1",
            "fence --server memcached",
            "stampede --callers 0",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
