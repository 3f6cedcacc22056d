//! `cargo xtask mutants`: shows that the simulation finds the faults that it is there to find.
//!
//! Each is a change of a copy of the sources, or a wrong of the simulated server. One that no
//! history finds fails the command, and so does one whose text is no longer there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command::{cargo, read, root};
use crate::failure::Failure;
use crate::sim;

/// Histories after which a mutant counts as survived.
const SEEDS: u64 = 20_000;

struct Mutant {
    name: &'static str,
    change: Change,
}

enum Change {
    /// The simulated server is wrong.
    Server,
    /// In this file below `crates/larder/src`, the first text becomes the second, so many times.
    Source(&'static str, &'static str, &'static str, usize),
}

use Change::{Server, Source};

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "near-proof-after-the-read",
        change: Source(
            "space/judge.rs",
            "(Arc::new(opened.value), read.proof)",
            "(Arc::new(opened.value), read.proof.as_of(self.watch.no_proof()))",
            1,
        ),
    },
    Mutant {
        name: "no-marks-of-own-writes",
        change: Source("space/write.rs", "watch.mark(&key)", "watch.proof(&key)", 4),
    },
    Mutant {
        name: "trust-never-lapses",
        change: Source(
            "load/watch.rs",
            "let until = asked.0.plus(self.bound);",
            "let until = asked.0.plus(self.bound * 1_000_000);",
            1,
        ),
    },
    Mutant {
        name: "cancelled-acquisition-keeps-the-lease",
        change: Source(
            "load/lease.rs",
            "            inner.give_back(None);",
            "            let _kept = inner;",
            1,
        ),
    },
    Mutant {
        name: "silent-remove",
        change: Server,
    },
    Mutant {
        name: "join-whatever-changed",
        change: Source(
            "load/table.rs",
            "&& shares(state.proof, state.looked);",
            "|| shares(state.proof, state.looked);",
            1,
        ),
    },
    Mutant {
        name: "unfenced-fill",
        change: Server,
    },
    Mutant {
        name: "gap-ignored",
        change: Source(
            "load/watch.rs",
            "fn began(&self) {\n        self.gap();",
            "fn began(&self) {",
            1,
        ),
    },
    Mutant {
        name: "join-without-trust",
        change: Source(
            "space/mod.rs",
            "self.watch.covers(looked)",
            "(self.watch.covers(looked) || true)",
            1,
        ),
    },
    Mutant {
        name: "stale-value-outlives-its-proof",
        change: Source(
            "load/table.rs",
            "state.kept.take_if(|kept| !holds(kept.proof()));",
            "let _ = state.kept.take_if(|kept| !holds(kept.proof()) && false);",
            1,
        ),
    },
    Mutant {
        name: "note-of-an-outdated-load",
        change: Source(
            "load/land.rs",
            "if payload.is_none() {\n                    lease.leave_note();",
            "if payload.is_none() || true {\n                    lease.leave_note();",
            1,
        ),
    },
    Mutant {
        name: "set-across-a-gap",
        change: Source(
            "space/write.rs",
            "let alone = space.holds(mark);",
            "let alone = space.watch.is_unmarked(mark);",
            1,
        ),
    },
    Mutant {
        name: "ageless-landing",
        change: Source(
            "load/table.rs",
            "found.later(now.since(*landed))",
            "found.later(now.since(*landed).min(std::time::Duration::ZERO))",
            1,
        ),
    },
    Mutant {
        name: "unconfirmed-beyond-its-trust",
        change: Source(
            "space/mod.rs",
            "Coherence::Ttl(trust) => Some(trust),",
            "Coherence::Ttl(trust) if confirmed => Some(trust),",
            1,
        ),
    },
    Mutant {
        name: "stamps-from-after-the-load",
        change: Source(
            "load/land.rs",
            "let mut stamps = bearing.stamps;",
            "let borne = self.borne(lead.key().tenant.as_ref(), &bearing.tags);
        let later = self.capture(&borne, lifetime.total(), deadline).await;
        let mut stamps = match later {
            Ok(later) if bearing.late.is_empty() => later,
            _ => bearing.stamps,
        };",
            1,
        ),
    },
    Mutant {
        name: "late-tags-without-the-barrier",
        change: Source(
            "space/stamps.rs",
            "if !watch.caught_up(CATCH_UP).await || ",
            "if !watch.caught_up(CATCH_UP / 1_000_000).await && false || ",
            1,
        ),
    },
    Mutant {
        name: "group-changes-without-its-marks",
        change: Source(
            "scope/stripes.rs",
            "watch.mark_at(stripe);",
            "let _ = (stripe, Watch::mark_at);",
            1,
        ),
    },
    Mutant {
        name: "lost-stamp-matches",
        change: Source(
            "space/stamps.rs",
            "None => absent.push(scope),",
            "None if scope.last().is_some() => scope.learn(scope.last().unwrap_or_default(), proof),
                    None => absent.push(scope),",
            1,
        ),
    },
    Mutant {
        name: "group-not-changed-again-after-the-answer",
        change: Source(
            "space/groups.rs",
            "may be the stamp from before.\n        self.scopes.change(scope);",
            "may be the stamp from before.",
            1,
        ),
    },
    Mutant {
        name: "pending-invalidation-is-believed",
        change: Source(
            "space/stamps.rs",
            "server.recovery.is_pending(&scope.key)",
            "(server.recovery.is_pending(&scope.key) && false)",
            2,
        ),
    },
    Mutant {
        name: "stamp-is-asked-for-while-it-waits",
        change: Source(
            "space/stamps.rs",
            "if unknown.iter().any(pending) {",
            "if unknown.iter().any(pending) && false {",
            1,
        ),
    },
    Mutant {
        name: "scopes-recorded-after-their-stamps-were-read",
        change: Source(
            "space/judge.rs",
            "let _since = Scopes::record(&borne, read.proof);",
            "",
            1,
        ),
    },
    Mutant {
        name: "expired-value-is-fresh-after-a-failed-load",
        change: Source(
            "space/judge.rs",
            "fresh_until: now,",
            "fresh_until: life.fresh_until,",
            1,
        ),
    },
    Mutant {
        name: "late-comers-get-an-outdated-late-tag",
        change: Source(
            "load/land.rs",
            "lead.outdate();",
            "if false { lead.outdate(); }",
            1,
        ),
    },
    Mutant {
        name: "age-counts-from-the-seal",
        change: Source("space/write.rs", ".saturating_sub(age_ms)", ".saturating_sub(age_ms.min(0))", 1),
    },
    Mutant {
        name: "pattern-leaves-leases",
        change: Source(
            "sweep/matching.rs",
            "removed.loads += end(&leases, looker).await?;",
            "",
            1,
        ),
    },
    Mutant {
        name: "pattern-looks-once",
        change: Source("sweep/matching.rs", "const ROUNDS: usize = 2;", "const ROUNDS: usize = 1;", 1),
    },
];

/// Runs all mutants, or one.
pub(crate) fn run(name: Option<&str>) -> Result<(), Failure> {
    let chosen: Vec<_> = MUTANTS
        .iter()
        .filter(|mutant| name.is_none_or(|name| name == mutant.name))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::new("no such mutant"));
    }
    let tree = copy()?;
    let mut survivors = Vec::new();
    for mutant in chosen {
        let began = Instant::now();
        let found = mutant.run(&tree)?;
        let took = began.elapsed().as_secs();
        if let Some(after) = found {
            println!(
                "{:<40} found after {after} histories ({took} s)",
                mutant.name
            );
        } else {
            println!(
                "{:<40} NOT FOUND in {SEEDS} histories ({took} s)",
                mutant.name
            );
            survivors.push(mutant.name);
        }
    }
    if survivors.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("not found: {}", survivors.join(", "))))
    }
}

/// A copy of the sources, as they are now.
fn copy() -> Result<PathBuf, Failure> {
    let tree = root().join("target/mutants");
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(Failure::io("remove the last copy"))?;
    }
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root());
    for file in read(list)?.lines() {
        let (from, to) = (root().join(file), tree.join(file));
        if !from.exists() {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(Failure::io("make a folder"))?;
        }
        fs::copy(&from, &to).map_err(Failure::io(format!("copy {file}")))?;
    }
    Ok(tree)
}

impl Mutant {
    /// After how many histories it was found.
    fn run(&self, tree: &Path) -> Result<Option<u64>, Failure> {
        let mut test = cargo(&sim::TEST);
        let Source(file, from, to, times) = self.change else {
            test.env("SIM_WRONG", self.name);
            return outcome(test, tree);
        };
        let path = tree.join("crates/larder/src").join(file);
        let source = fs::read_to_string(&path).map_err(Failure::io(format!("read {file}")))?;
        let there = source.matches(from).count();
        if there != times {
            return Err(Failure::new(format!(
                "{}: {file} has its text {there} times, and not {times}: {from}",
                self.name
            )));
        }
        let write = |text| fs::write(&path, text).map_err(Failure::io(format!("write {file}")));
        write(source.replace(from, to))?;
        let found = outcome(test, tree);
        write(source)?;
        found
    }
}

fn outcome(mut test: Command, tree: &Path) -> Result<Option<u64>, Failure> {
    // Apart from the project's own: cargo would take the one's artefacts for the other's.
    test.current_dir(tree)
        .env("CARGO_TARGET_DIR", root().join("target/mutants-built"));
    let output = sim::histories(test, SEEDS, 0)
        .stdin(Stdio::null())
        .output()
        .map_err(Failure::io("run the simulation"))?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let found = said.lines().find_map(|line| {
        let (_, after) = line.strip_prefix("seed ")?.split_once(" fails, after ")?;
        after.split(' ').next()?.parse().ok()
    });
    match found {
        Some(after) => Ok(Some(after)),
        None => Err(Failure::new(format!("the simulation did not run:\n{said}"))),
    }
}
