//! Runs every example: without a server, on Valkey, and on Redis.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use larder_servers::{Kind, Server};
use serde_json::Value;

use crate::command::{cargo, read, root, without_settings};
use crate::failure::Failure;
use crate::suite::Suite;

const PACKAGE: &str = "larder-examples";
/// An example ends by itself, well within this.
const WITHIN: Duration = Duration::from_mins(1);

/// An example that was built.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    name: String,
    program: PathBuf,
}

pub(crate) fn run(suite: &mut Suite) -> Result<(), Failure> {
    let examples = suite.step("build the examples", build)?;
    suite.counted("examples without a server", |suite| {
        run_each(suite, &examples, &[])
    })?;
    for kind in Kind::ALL {
        suite.counted(&format!("examples on {kind}"), |suite| {
            let server = Server::start(kind)?;
            let url = match kind {
                Kind::Valkey => "VALKEY_URL",
                Kind::Redis => "REDIS_URL",
            };
            let settings = [("CACHE_BACKEND", kind.scheme()), (url, &server.url())];
            run_each(suite, &examples, &settings)
        })?;
    }
    Ok(())
}

/// The same selection as the tests build, so that nothing is compiled twice.
fn build() -> Result<Vec<Example>, Failure> {
    let messages = read(cargo(&[
        "build",
        "--workspace",
        "--all-features",
        "--examples",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]))?;
    let mut examples: Vec<_> = messages.lines().filter_map(built).collect();
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(examples)
}

/// Reads cargo's message about a program of the examples' package.
fn built(message: &str) -> Option<Example> {
    let message: Value = serde_json::from_str(message).ok()?;
    let manifest = message["manifest_path"].as_str()?;
    if manifest != root().join("examples/Cargo.toml").to_str()? {
        return None;
    }
    Some(Example {
        name: message["target"]["name"].as_str()?.to_owned(),
        program: message["executable"].as_str()?.into(),
    })
}

fn run_each(
    suite: &mut Suite,
    examples: &[Example],
    settings: &[(&str, &str)],
) -> Result<(), Failure> {
    for example in examples {
        println!("--- {}", example.name);
        let outcome = run_one(example, settings);
        suite.count(outcome.is_ok());
        outcome?;
    }
    if examples.is_empty() {
        println!("`{PACKAGE}` holds no example yet");
    }
    Ok(())
}

fn run_one(example: &Example, settings: &[(&str, &str)]) -> Result<(), Failure> {
    let mut command = Command::new(&example.program);
    without_settings(&mut command);
    let name = &example.name;
    let mut child = command
        .envs(settings.iter().copied())
        .current_dir(root())
        .stdin(Stdio::null())
        .spawn()
        .map_err(Failure::io(format!("run the example `{name}`")))?;
    let deadline = Instant::now() + WITHIN;
    loop {
        let waiting = Failure::io(format!("wait for the example `{name}`"));
        match child.try_wait().map_err(waiting)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                return Err(Failure::new(format!(
                    "the example `{name}` ended with {status}"
                )));
            }
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            None => {
                // It ends or has ended; the failure below is what counts.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::new(format!(
                    "the example `{name}` had not ended after {WITHIN:?}: examples end by themselves"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_programs_of_the_examples_are_run() {
        let message = |folder: &str, executable: Value| {
            let manifest = root().join(folder).join("Cargo.toml");
            let name = "web";
            json!({"manifest_path": manifest, "target": {"name": name}, "executable": executable})
                .to_string()
        };
        let example = built(&message("examples", json!("/x/web"))).unwrap();
        assert_eq!(
            (example.name.as_str(), example.program),
            ("web", "/x/web".into())
        );
        assert_eq!(built(&message("examples", Value::Null)), None);
        assert_eq!(built(&message("xtask", json!("/x/xtask"))), None);
        assert_eq!(built("not json"), None);
    }
}
