//! `cargo xtask setup`: installs the programs that the tests start.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use larder_servers::{Kind, Program, Server};

use crate::command::{read, show, succeeds};
use crate::failure::Failure;

const BACKPORTS_LIST: &str = "/etc/apt/sources.list.d/larder-backports.list";

/// Installs what is missing, and starts each once.
pub(crate) fn run() -> Result<(), Failure> {
    let missing: Vec<Program> = Program::ALL
        .into_iter()
        .filter(|program| program.find().is_none())
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    for kind in Kind::ALL {
        let server = Server::start(kind)?;
        println!("{}: {}", kind.program(), server.version());
    }
    for (program, argument) in [(Program::PROMETHEUS, "--version"), (Program::NGINX, "-v")] {
        let path = program.find().ok_or_else(|| by_hand(&[program]))?;
        let mut asked = Command::new(path);
        asked.arg(argument);
        // nginx says it on its stderr, which is shown as it is.
        if let Some(version) = read(asked)?.lines().next() {
            println!("{version}");
        }
    }
    Ok(())
}

fn install(missing: &[Program]) -> Result<(), Failure> {
    let apt = Apt::on_this_machine().ok_or_else(|| by_hand(missing))?;
    apt.get(&["update"])?;
    for program in missing {
        let package = program.package();
        if apt.offers(package)? {
            apt.get(&["install", "--yes", "--no-install-recommends", package])?;
        } else {
            let suite = apt.add_backports()?;
            apt.get(&["update"])?;
            if !apt.offers(package)? {
                return Err(by_hand(missing));
            }
            let from = ["install", "--yes", "--no-install-recommends", "-t", &suite];
            apt.get(&[&from[..], &[package]].concat())?;
        }
        apt.leave_stopped(package);
    }
    Ok(())
}

fn by_hand(missing: &[Program]) -> Failure {
    let programs: Vec<_> = missing.iter().map(|program| program.binary()).collect();
    Failure::new(format!(
        "the tests start real servers, and there is no {} on PATH. Install Valkey 8, Redis 7, Prometheus 2 and nginx 1.18 or later:
  Debian 13 and later: apt-get install valkey-server redis-server prometheus nginx
  Debian 12:           the same, valkey-server from bookworm-backports
  Fedora:              dnf install valkey redis nginx /usr/bin/prometheus
  macOS:               brew install valkey redis prometheus nginx
On Debian, `cargo xtask setup` does it for root, or with a sudo that asks for no password.",
        programs.join(", no ")
    ))
}

/// A Debian whose packages we may change.
struct Apt {
    codename: String,
    sudo: bool,
}

impl Apt {
    fn on_this_machine() -> Option<Self> {
        let release = os_release(&fs::read_to_string("/etc/os-release").ok()?);
        let is = |field: &str| {
            release
                .get(field)
                .is_some_and(|ids| ids.split(' ').any(|id| id == "debian"))
        };
        let debian = (is("ID") || is("ID_LIKE")) && Path::new("/usr/bin/apt-get").exists();
        let root = rustix::process::geteuid().is_root();
        let may = root || {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "true"]);
            succeeds(sudo)
        };
        (debian && may).then(|| Self {
            codename: release.get("VERSION_CODENAME").cloned().unwrap_or_default(),
            sudo: !root,
        })
    }

    /// A command with the rights to change the system.
    fn command(&self, program: &str) -> Command {
        if !self.sudo {
            return Command::new(program);
        }
        let mut command = Command::new("sudo");
        command.args(["-n", "--preserve-env=DEBIAN_FRONTEND", program]);
        command
    }

    fn get(&self, args: &[&str]) -> Result<(), Failure> {
        let mut command = self.command("apt-get");
        command
            .args(["--quiet", "-o", "DPkg::Lock::Timeout=120"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        show(command)
    }

    /// Whether one of the machine's sources has the package.
    #[allow(clippy::unused_self)] // Only a Debian can answer.
    fn offers(&self, package: &str) -> Result<bool, Failure> {
        let mut command = Command::new("apt-cache");
        command.args(["policy", package]).env("LC_ALL", "C");
        Ok(has_candidate(&read(command)?))
    }

    /// Adds the backports of this release from the mirror that the machine already uses.
    fn add_backports(&self) -> Result<String, Failure> {
        let mut command = Command::new("apt-get");
        command.args([
            "indextargets",
            "--format",
            "$(SITE) $(SOURCESENTRY)",
            "Created-By: Packages",
            &format!("Codename: {}", self.codename),
        ]);
        let targets = read(command)?;
        let (mirror, entry) = targets
            .lines()
            .find_map(|line| line.split_once(' '))
            .ok_or_else(|| Failure::new("apt names no mirror for this release"))?;
        let file = entry.rsplit_once(':').map_or(entry, |(file, _)| file);
        let keyring = fs::read_to_string(file)
            .ok()
            .and_then(|source| signed_by(&source));
        let suite = format!("{}-backports", self.codename);
        let line = source_line(mirror, &suite, keyring.as_deref());
        self.write(BACKPORTS_LIST, &line)?;
        println!("{BACKPORTS_LIST}: added {suite}");
        Ok(suite)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let write = || {
            let mut tee = self
                .command("tee")
                .arg(path)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()?;
            if let Some(mut stdin) = tee.stdin.take() {
                stdin.write_all(text.as_bytes())?;
            }
            tee.wait()
        };
        match write().map_err(Failure::io(format!("write {path}")))? {
            status if status.success() => Ok(()),
            status => Err(Failure::new(format!("could not write {path}: {status}"))),
        }
    }

    /// Debian starts a server that it installs, on the default port. The tests start their own, so
    /// the service that came with this installation is stopped; where there is none, nothing is.
    fn leave_stopped(&self, service: &str) {
        let mut command = if Path::new("/run/systemd/system").exists() {
            let mut command = self.command("systemctl");
            command.args(["disable", "--now", service]);
            command
        } else {
            let mut command = self.command("service");
            command.args([service, "stop"]);
            command
        };
        command.stdin(Stdio::null());
        succeeds(command);
    }
}

/// The fields of `/etc/os-release`.
fn os_release(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// Whether `apt-cache policy` names a version that could be installed.
fn has_candidate(policy: &str) -> bool {
    policy
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Candidate:"))
        .any(|version| version.trim() != "(none)")
}

/// The keyring file of a source, in either of apt's forms. A key within the file is none.
fn signed_by(source: &str) -> Option<String> {
    let lines = source
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|line| {
            let lower = line.to_lowercase();
            let at = lower.find("signed-by")? + "signed-by".len();
            let value = line.get(at..)?.trim_start_matches([':', '=', ' ']);
            value.split([' ', ']', ',']).next().map(str::to_owned)
        })
        .find(|path| path.starts_with('/'))
}

fn source_line(mirror: &str, suite: &str, keyring: Option<&str>) -> String {
    let options = keyring.map_or_else(String::new, |path| format!("[signed-by={path}] "));
    format!("deb {options}{mirror} {suite} main\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyring_is_found_in_both_forms_of_sources() {
        let deb822 = "Types: deb\n# Signed-By: /no\nSuites: a\nSigned-By: /keys/a.gpg\n";
        assert_eq!(signed_by(deb822).as_deref(), Some("/keys/a.gpg"));
        let list = "deb [arch=amd64 signed-by=/keys/b.gpg] mirror a main\n";
        assert_eq!(signed_by(list).as_deref(), Some("/keys/b.gpg"));
        assert_eq!(signed_by("deb mirror a main\n"), None);
        assert_eq!(
            signed_by("Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
            None
        );
    }

    #[test]
    fn a_source_line_names_the_keyring_where_there_is_one() {
        assert_eq!(
            source_line("mirror", "a-backports", None),
            "deb mirror a-backports main\n"
        );
        assert_eq!(
            source_line("mirror", "a-backports", Some("/k.gpg")),
            "deb [signed-by=/k.gpg] mirror a-backports main\n"
        );
    }

    #[test]
    fn a_package_without_candidate_is_not_offered() {
        assert!(has_candidate(
            "x:\n  Installed: (none)\n  Candidate: 5:8.0.1\n"
        ));
        assert!(!has_candidate(
            "x:\n  Installed: (none)\n  Candidate: (none)\n"
        ));
        assert!(!has_candidate(""));
    }
}
