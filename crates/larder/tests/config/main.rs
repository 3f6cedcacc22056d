//! The configuration, from every variable and every builder method. No test touches the process's
//! environment.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod backend;
mod builder;
mod environment;
mod errors;
mod secrets;
mod url;

use larder::config::{Address, Config, ConfigError, ServerConfig};

/// The configuration that an environment of `NAME=value` words, parted by spaces, makes.
fn parse(vars: &str) -> Result<Config, ConfigError> {
    Config::from_vars(pairs(vars))
}

fn pairs(vars: &str) -> Vec<(String, String)> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    };
    vars.split(' ')
        .filter(|word| !word.is_empty())
        .map(pair)
        .collect()
}

fn config(vars: &str) -> Config {
    parse(vars).unwrap_or_else(|error| panic!("{vars}: {error}"))
}

fn server(vars: &str) -> ServerConfig {
    config(vars)
        .server
        .unwrap_or_else(|| panic!("{vars}: no server"))
}

/// The sources of all problems.
fn problems(vars: &str) -> Vec<&'static str> {
    match parse(vars) {
        Ok(config) => panic!("{vars}: {config:?}"),
        Err(error) => error
            .problems()
            .iter()
            .map(|problem| problem.setting)
            .collect(),
    }
}

fn tcp(host: &str, port: u16, tls: bool) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
        tls,
    }
}

fn password(server: &ServerConfig) -> Option<&str> {
    server.password.as_ref().map(larder::config::Secret::expose)
}
