//! Configuration from code, alone and over an environment.

use std::time::Duration;

use larder::MAX_TTL;
use larder::config::{Backend, BackendChoice, Config, ConfigBuilder};

use super::{config, pairs, password, tcp};

type Change = fn(ConfigBuilder) -> ConfigBuilder;

const SAME: [(&str, Change); 22] = [
    ("", |b| b),
    ("CACHE_ENABLED=true", |b| b.enabled(true)),
    ("CACHE_ENABLED=false", |b| b.enabled(false)),
    ("CACHE_BACKEND=auto", |b| b.backend(BackendChoice::Auto)),
    ("CACHE_BACKEND=valkey", |b| b.backend(Backend::Valkey)),
    ("CACHE_BACKEND=redis", |b| b.backend(Backend::Redis)),
    ("CACHE_BACKEND=memory", |b| b.backend(Backend::Memory)),
    ("CACHE_BACKEND=none", |b| b.backend(BackendChoice::None)),
    ("VALKEY_URL=valkeys://u:p@h:1/2", |b| {
        b.url("valkeys://u:p@h:1/2")
    }),
    ("VALKEY_URL=unix:///s?db=3", |b| b.url("unix:///s?db=3")),
    ("REDIS_URL=redis://h", |b| b.url("redis://h")),
    ("VALKEY_HOST=h", |b| b.host("h")),
    ("VALKEY_HOST=h VALKEY_PORT=7", |b| b.host("h").port(7)),
    ("VALKEY_HOST=h VALKEY_DB=7", |b| b.host("h").database(7)),
    ("VALKEY_HOST=h VALKEY_USERNAME=u VALKEY_PASSWORD=p", |b| {
        b.host("h").username("u").password("p")
    }),
    ("VALKEY_HOST=h VALKEY_MAX_CONNECTIONS=4", |b| {
        b.host("h").connections(4)
    }),
    ("VALKEY_HOST=h VALKEY_RETRY_ON_TIMEOUT=no", |b| {
        b.host("h").retry_on_timeout(false)
    }),
    ("VALKEY_HOST=h VALKEY_TIMEOUT=0.5", |b| {
        b.host("h").timeout(Duration::from_millis(500))
    }),
    ("VALKEY_CACHE_TTL=0", |b| b.remote_ttl(Duration::ZERO)),
    ("VALKEY_CACHE_TTL=1.5", |b| {
        b.remote_ttl(Duration::from_millis(1500))
    }),
    ("CACHE_DEFAULT_TTL=315576000", |b| b.memory_ttl(MAX_TTL)),
    ("CACHE_KEY_PREFIX=app", |b| b.prefix("app")),
];

#[test]
fn code_and_environment_make_the_same_configuration() {
    for (vars, change) in SAME {
        let from_code = change(Config::builder())
            .build()
            .unwrap_or_else(|error| panic!("{vars}: {error}"));
        assert_eq!(from_code, config(vars), "{vars}");
        let over_environment = change(ConfigBuilder::from_vars(pairs(vars))).build();
        assert_eq!(over_environment, Ok(from_code), "{vars}");
    }
}

fn problems(builder: ConfigBuilder) -> Vec<(&'static str, String)> {
    let error = builder.build().expect_err("a problem");
    error
        .problems()
        .iter()
        .map(|problem| (problem.setting, problem.value.clone()))
        .collect()
}

#[test]
fn a_value_from_code_is_checked_like_any_other() {
    let server = || Config::builder().backend(Backend::Valkey);
    for (builder, method, value) in [
        (server().url("nowhere"), "ConfigBuilder::url", "***"),
        (server().url(""), "ConfigBuilder::url", "***"),
        (server().host(""), "ConfigBuilder::host", ""),
        (server().host(" h"), "ConfigBuilder::host", " h"),
        (server().port(0), "ConfigBuilder::port", "0"),
        (server().database(65536), "ConfigBuilder::database", "65536"),
        (server().username(""), "ConfigBuilder::username", ""),
        (server().password(""), "ConfigBuilder::password", "***"),
        (server().connections(0), "ConfigBuilder::connections", "0"),
        (
            server().connections(1025),
            "ConfigBuilder::connections",
            "1025",
        ),
        (
            server().timeout(Duration::ZERO),
            "ConfigBuilder::timeout",
            "0",
        ),
        (
            server().timeout(Duration::from_millis(3_600_001)),
            "ConfigBuilder::timeout",
            "3600.001",
        ),
        (
            server().remote_ttl(Duration::MAX),
            "ConfigBuilder::remote_ttl",
            "18446744073709551615.999999999",
        ),
        (
            server().memory_ttl(MAX_TTL + Duration::from_nanos(1)),
            "ConfigBuilder::memory_ttl",
            "315576000.000000001",
        ),
        (server().prefix(""), "ConfigBuilder::prefix", ""),
        (server().prefix("a b"), "ConfigBuilder::prefix", "a b"),
    ] {
        assert_eq!(problems(builder), [(method, value.to_owned())]);
    }
    let all = problems(server().port(0).database(65536).connections(0).prefix("*"));
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn a_variable_that_code_replaces_cannot_be_wrong() {
    let vars = "CACHE_ENABLED=x CACHE_BACKEND=x VALKEY_URL=x VALKEY_PORT=x VALKEY_DB=x VALKEY_PASSWORD=env \
                VALKEY_API_KEY=key VALKEY_USERNAME=env VALKEY_MAX_CONNECTIONS=x VALKEY_RETRY_ON_TIMEOUT=x \
                VALKEY_TIMEOUT=x VALKEY_CACHE_TTL=x CACHE_DEFAULT_TTL=x CACHE_KEY_PREFIX=*";
    let change = |builder: ConfigBuilder| {
        let builder = builder
            .enabled(true)
            .backend(Backend::Valkey)
            .host("h")
            .port(7)
            .database(7)
            .username("u");
        let builder = builder
            .password("p")
            .connections(7)
            .retry_on_timeout(false)
            .timeout(Duration::from_secs(7));
        builder
            .remote_ttl(Duration::from_secs(7))
            .memory_ttl(Duration::from_secs(7))
            .prefix("p")
            .build()
    };
    let from_code = change(Config::builder());
    assert!(from_code.is_ok());
    assert_eq!(change(ConfigBuilder::from_vars(pairs(vars))), from_code);
}

fn server(vars: &str, change: Change) -> larder::config::ServerConfig {
    let config = change(ConfigBuilder::from_vars(pairs(vars))).build();
    config
        .unwrap_or_else(|error| panic!("{vars}: {error}"))
        .server
        .expect("a server")
}

#[test]
fn code_replaces_parts_of_the_environments_url() {
    let vars = "VALKEY_URL=valkeys://u:p@h:1/2";
    assert_eq!(server(vars, |b| b.port(7)).address, tcp("h", 7, true));
    assert_eq!(server(vars, |b| b.database(7)).database, 7);
    assert_eq!(
        server(vars, |b| b.username("me")).username.as_deref(),
        Some("me")
    );
    assert_eq!(
        password(&server(vars, |b| b.password("mine"))),
        Some("mine")
    );
    // Another host is another server, to which neither the TLS nor the password of that URL
    // belongs.
    let elsewhere = server(vars, |b| b.host("elsewhere"));
    assert_eq!(elsewhere.address, tcp("elsewhere", 6379, false));
    assert_eq!(
        (elsewhere.database, elsewhere.username, elsewhere.password),
        (0, None, None)
    );
}

#[test]
fn a_url_from_code_replaces_the_environments_server_and_takes_its_password_where_it_has_none() {
    let vars = "VALKEY_URL=valkey://:env@env VALKEY_HOST=env VALKEY_PORT=9 VALKEY_PASSWORD=env";
    assert_eq!(
        server(vars, |b| b.url("valkey://h")).address,
        tcp("h", 6379, false)
    );
    assert_eq!(
        password(&server(vars, |b| b.url("valkey://h"))),
        Some("env")
    );
    assert_eq!(
        password(&server(vars, |b| b.url("valkey://:mine@h"))),
        Some("mine")
    );
    // Redis, by its scheme: then no variable of the Valkey family counts.
    assert_eq!(password(&server(vars, |b| b.url("redis://h"))), None);
}

#[test]
fn what_code_sets_beside_its_own_url_fills_it_and_may_not_contradict_it() {
    let filled = server("", |b| {
        b.url("valkey://h")
            .host("h")
            .port(7)
            .database(7)
            .username("u")
            .password("p")
    });
    assert_eq!(filled.address, tcp("h", 7, false));
    assert_eq!(
        (
            filled.database,
            filled.username.as_deref(),
            password(&filled)
        ),
        (7, Some("u"), Some("p"))
    );
    let contradicted = Config::builder()
        .url("valkey://u:p@h:1/2")
        .host("x")
        .port(7)
        .database(7);
    let methods: Vec<_> = problems(contradicted.username("x").password("x"))
        .into_iter()
        .map(|problem| problem.0)
        .collect();
    assert_eq!(
        methods,
        [
            "ConfigBuilder::host",
            "ConfigBuilder::port",
            "ConfigBuilder::database",
            "ConfigBuilder::username",
            "ConfigBuilder::password"
        ]
    );
    assert_eq!(
        problems(Config::builder().url("unix:///s").host("h").port(7)),
        [
            ("ConfigBuilder::host", "h".to_owned()),
            ("ConfigBuilder::port", "7".to_owned())
        ]
    );
}

#[test]
fn auto_in_code_chooses_by_the_urls_scheme_and_takes_valkey_where_that_does_not_say() {
    for (vars, change, backend) in [
        ("", (|b| b.url("redis://h")) as Change, Backend::Redis),
        ("", |b| b.url("REDISS://h"), Backend::Redis),
        ("", |b| b.url("valkeys://h"), Backend::Valkey),
        ("", |b| b.url("unix:///s"), Backend::Valkey),
        ("", |b| b.host("h"), Backend::Valkey),
        ("", |b| b.port(7), Backend::Memory),
        ("REDIS_HOST=a", |b| b.host("h"), Backend::Redis),
        ("REDIS_HOST=a", |b| b.url("valkey://h"), Backend::Valkey),
        ("VALKEY_HOST=a", |b| b.url("redis://h"), Backend::Redis),
        (
            "CACHE_BACKEND=memory",
            |b| b.url("redis://h"),
            Backend::Memory,
        ),
        (
            "CACHE_BACKEND=memory VALKEY_HOST=h",
            |b| b.backend(BackendChoice::Auto),
            Backend::Valkey,
        ),
    ] {
        let config = change(ConfigBuilder::from_vars(pairs(vars)))
            .build()
            .expect(vars);
        assert_eq!(config.backend, backend, "{vars}");
    }
}

#[test]
fn a_required_server_must_be_configured() {
    for (vars, fits) in [
        ("", false),
        ("CACHE_BACKEND=memory VALKEY_HOST=h", false),
        ("CACHE_BACKEND=none", false),
        ("VALKEY_HOST=h", true),
        ("CACHE_BACKEND=redis", true),
    ] {
        let config = ConfigBuilder::from_vars(pairs(vars))
            .require_remote(true)
            .build();
        assert_eq!(
            config.is_ok_and(|config| config.require_remote),
            fits,
            "{vars}"
        );
        assert!(
            ConfigBuilder::from_vars(pairs(vars))
                .require_remote(false)
                .build()
                .is_ok()
        );
    }
    assert_eq!(
        problems(Config::builder().require_remote(true)),
        [("ConfigBuilder::require_remote", "true".to_owned())]
    );
    // Switched off, there is nothing to reach.
    let off = Config::builder()
        .require_remote(true)
        .enabled(false)
        .build();
    assert_eq!(off.map(|config| config.require_remote), Ok(false));
}
