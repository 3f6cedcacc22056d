//! Every variable: what it sets, which comes first, which count.

use std::time::Duration;

use larder::config::{Address, Config};

use super::{config, parse, password, problems, server, tcp};

/// One field as text, with how the tests write it.
fn field(config: &Config, name: &str) -> String {
    let server = || config.server.as_ref().expect("a server");
    match name {
        "host" | "port" => match &server().address {
            Address::Tcp { host, .. } if name == "host" => host.clone(),
            Address::Tcp { port, .. } => port.to_string(),
            other => panic!("{other:?}"),
        },
        "database" => server().database.to_string(),
        "username" => server().username.clone().unwrap_or_default(),
        "password" => password(server()).unwrap_or_default().to_owned(),
        "connections" => server().connections.to_string(),
        "retry" => server().retry_on_timeout.to_string(),
        "timeout" => server().timeout.as_secs_f64().to_string(),
        "remote_ttl" => config.remote_ttl.as_secs_f64().to_string(),
        "memory_ttl" => config.memory_ttl.as_secs_f64().to_string(),
        "prefix" => config.prefix.as_str().to_owned(),
        "url" => match &server().address {
            Address::Tcp { host, .. } => format!("redis://{host}"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

/// A field, its variables in order of precedence, two values that are allowed, some that are not.
type Row = (
    &'static str,
    &'static [&'static str],
    [&'static str; 2],
    &'static [&'static str],
);

const TABLE: [Row; 12] = [
    (
        "url",
        &["VALKEY_URL", "REDIS_URL"],
        ["redis://a", "redis://b"],
        &["a", "ftp://a", "redis://", "redis://a:0"],
    ),
    (
        "host",
        &["VALKEY_HOST", "REDIS_HOST", "CACHE_REDIS_HOST"],
        ["a", "b"],
        &["a:1", "redis://a", "a/b", "[::1", "é"],
    ),
    (
        "port",
        &["VALKEY_PORT", "REDIS_PORT", "CACHE_REDIS_PORT"],
        ["1", "65535"],
        &["0", "65536", "70000", "-1", "+1", "1.0", "x", "4294967296"],
    ),
    (
        "database",
        &["VALKEY_DB", "REDIS_DB"],
        ["1", "65535"],
        &["-1", "65536", "x", "1.5"],
    ),
    (
        "username",
        &["VALKEY_USERNAME", "REDIS_USERNAME"],
        ["a", "b"],
        &[],
    ),
    (
        "password",
        &["VALKEY_PASSWORD", "REDIS_PASSWORD"],
        ["a", "b"],
        &[],
    ),
    (
        "connections",
        &["VALKEY_MAX_CONNECTIONS", "REDIS_MAX_CONNECTIONS"],
        ["2", "1024"],
        &["0", "1025", "-1", "x", "99999999999"],
    ),
    (
        "retry",
        &["VALKEY_RETRY_ON_TIMEOUT", "REDIS_RETRY_ON_TIMEOUT"],
        ["false", "true"],
        &["2", "maybe", "t"],
    ),
    (
        "timeout",
        &["VALKEY_TIMEOUT", "REDIS_TIMEOUT"],
        ["0.5", "3600"],
        &["0", "0.0", "-1", "3600.001", "nan", "inf", "1e3", "5s", "."],
    ),
    (
        "remote_ttl",
        &[
            "VALKEY_CACHE_TTL",
            "REDIS_CACHE_TTL",
            "CACHE_PERSISTENT_TTL",
        ],
        ["0", "315576000"],
        &[
            "-1",
            "315576000.001",
            "NaN",
            "inf",
            "1h",
            "99999999999999999999",
        ],
    ),
    (
        "memory_ttl",
        &["CACHE_DEFAULT_TTL"],
        ["0", "0.25"],
        &["-1", "315576001", "NaN", "-inf", "x"],
    ),
    (
        "prefix",
        &["CACHE_KEY_PREFIX", "VALKEY_PREFIX", "REDIS_PREFIX"],
        ["a:", "b:"],
        &["a*", "{a}", "é", "a%3A"],
    ),
];

#[test]
fn each_variable_sets_its_field() {
    for (name, variables, values, _) in TABLE {
        for variable in variables {
            for value in values {
                let vars = format!("CACHE_BACKEND=valkey {variable}={value}");
                assert_eq!(field(&config(&vars), name), value, "{vars}");
            }
        }
    }
}

#[test]
fn of_two_variables_the_first_in_the_table_counts() {
    for (name, variables, [one, two], bad) in TABLE {
        for (place, first) in variables.iter().enumerate() {
            for second in &variables[place + 1..] {
                // In either order of the environment.
                for vars in [
                    format!("{first}={one} {second}={two}"),
                    format!("{second}={two} {first}={one}"),
                ] {
                    assert_eq!(
                        field(&config(&format!("CACHE_BACKEND=valkey {vars}")), name),
                        one,
                        "{vars}"
                    );
                }
                for bad in bad {
                    let vars = format!("CACHE_BACKEND=valkey {first}={one} {second}={bad}");
                    assert_eq!(field(&config(&vars), name), one, "{vars}");
                }
            }
        }
    }
}

#[test]
fn a_variable_that_is_empty_or_blank_is_not_set() {
    for (name, variables, [_, value], _) in TABLE {
        let [.., last] = variables else {
            panic!("no variables")
        };
        for blank in ["", "  ", "\t\n"] {
            let mut vars: Vec<_> = variables
                .iter()
                .map(|name| ((*name).to_owned(), blank.to_owned()))
                .collect();
            vars.push(("CACHE_BACKEND".to_owned(), "valkey".to_owned()));
            assert_eq!(
                Config::from_vars(vars.clone()),
                parse("CACHE_BACKEND=valkey"),
                "{name}"
            );
            vars.push(((*last).to_owned(), format!(" {value}\n")));
            assert_eq!(
                field(&Config::from_vars(vars).expect("valid"), name),
                value,
                "{last}"
            );
        }
    }
    assert_eq!(
        config("CACHE_ENABLED= CACHE_BACKEND= VALKEY_HOST="),
        config("")
    );
}

#[test]
fn each_value_that_is_not_allowed_names_its_variable() {
    for (name, variables, _, bad) in TABLE {
        for variable in variables {
            for value in bad {
                let error =
                    parse(&format!("CACHE_BACKEND=valkey {variable}={value}")).expect_err(value);
                let [problem] = error.problems() else {
                    panic!("{variable}={value}: {error}")
                };
                assert_eq!(problem.setting, *variable);
                assert!(problem.value == *value || name == "url", "{problem}");
            }
        }
    }
}

#[test]
fn with_redis_no_valkey_variable_counts() {
    for (name, variables, [one, two], bad) in TABLE {
        let rest: Vec<_> = variables
            .iter()
            .filter(|name| !name.starts_with("VALKEY_"))
            .collect();
        for ours in variables.iter().filter(|name| name.starts_with("VALKEY_")) {
            for value in bad.iter().chain(&[one]) {
                assert_eq!(
                    config(&format!("CACHE_BACKEND=redis {ours}={value}")),
                    config("CACHE_BACKEND=redis")
                );
                for other in &rest {
                    let vars = format!("CACHE_BACKEND=redis {ours}={value} {other}={two}");
                    assert_eq!(field(&config(&vars), name), two, "{vars}");
                }
            }
        }
    }
    assert_eq!(
        password(&server("CACHE_BACKEND=redis VALKEY_API_KEY=k")),
        None
    );
    assert_eq!(
        password(&server(
            "CACHE_BACKEND=redis VALKEY_API_KEY=k REDIS_PASSWORD=p"
        )),
        Some("p")
    );
}

#[test]
fn with_memory_and_none_the_servers_variables_do_not_count_and_ttl_and_prefix_do() {
    let servers = [
        "url",
        "host",
        "port",
        "database",
        "connections",
        "retry",
        "timeout",
    ];
    for backend in ["memory", "none"] {
        for (name, variables, [one, _], bad) in TABLE {
            for variable in variables {
                if servers.contains(&name) {
                    for bad in bad {
                        let config = config(&format!("CACHE_BACKEND={backend} {variable}={bad}"));
                        assert_eq!(config.server, None);
                    }
                } else if !bad.is_empty() {
                    assert_eq!(
                        field(
                            &config(&format!("CACHE_BACKEND={backend} {variable}={one}")),
                            name
                        ),
                        one
                    );
                    assert_eq!(
                        problems(&format!("CACHE_BACKEND={backend} {variable}={}", bad[0])),
                        [*variable]
                    );
                }
            }
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = config("CACHE_BACKEND=valkey");
    assert!(config.enabled && !config.require_remote);
    assert_eq!(config.prefix.as_str(), "cache:");
    assert_eq!(
        (config.remote_ttl, config.memory_ttl),
        (Duration::from_hours(1), Duration::from_mins(5))
    );
    let server = config.server.expect("a server");
    assert_eq!(server.address, tcp("localhost", 6379, false));
    assert_eq!((server.database, server.connections), (0, 1));
    assert_eq!((server.username, server.password), (None, None));
    assert_eq!(
        (server.retry_on_timeout, server.timeout),
        (true, Duration::from_secs(4))
    );
}

#[test]
fn times_are_exact_to_the_millisecond_and_a_positive_one_stays_positive() {
    for (seconds, millis) in [
        ("0.3", 300),
        ("1.0005", 1001),
        ("0.0000001", 1),
        ("0", 0),
        ("0.000", 0),
    ] {
        let config = config(&format!(
            "CACHE_DEFAULT_TTL={seconds} CACHE_PERSISTENT_TTL={seconds}"
        ));
        assert_eq!(
            config.memory_ttl,
            Duration::from_millis(millis),
            "{seconds}"
        );
        assert_eq!(
            config.remote_ttl,
            Duration::from_millis(millis),
            "{seconds}"
        );
    }
    assert_eq!(
        server("VALKEY_HOST=a VALKEY_TIMEOUT=0.0001").timeout,
        Duration::from_millis(1)
    );
}
