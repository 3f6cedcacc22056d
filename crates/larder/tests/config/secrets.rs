//! No password in what can be printed.

use larder::config::{Config, ConfigBuilder, Secret};

use super::{pairs, parse};

/// Environments that hold `s3cr3t` in every place where a password can stand, rightly or by
/// mistake.
const WITH_SECRETS: [&str; 20] = [
    "VALKEY_HOST=h VALKEY_PASSWORD=s3cr3t",
    "VALKEY_HOST=h VALKEY_API_KEY=s3cr3t VALKEY_PORT=x",
    "VALKEY_URL=valkey://u:s3cr3t@h",
    "VALKEY_URL=valkey://s3cr3t@h/x",
    "VALKEY_URL=valkey://u:s3cr3t@h:70000",
    "VALKEY_URL=valkey://u:a/s3cr3t@h",
    "VALKEY_URL=valkey://u:1/s3cr3t@h",
    "VALKEY_URL=valkey://u:1?s3cr3t@h",
    "VALKEY_URL=valkey://u:1?a=s3cr3t@h",
    "VALKEY_URL=valkey://u:1?s3cr3t=1@h",
    "VALKEY_URL=valkey://u:1#s3cr3t@h",
    "VALKEY_URL=valkey://u:s3cr3t",
    "VALKEY_URL=u:s3cr3t@h",
    "VALKEY_URL=s3cr3t",
    "VALKEY_URL=valkey://h?password=s3cr3t",
    "VALKEY_URL=unix:///s?db=x&password=s3cr3t",
    "VALKEY_URL=unix:///s?db=1&password=a&s3cr3t",
    "VALKEY_HOST=valkey://u:s3cr3t@h",
    "VALKEY_HOST=u:s3cr3t@h",
    "VALKEY_URL=valkey://:other@h VALKEY_PASSWORD=s3cr3t",
];

#[test]
fn no_error_and_no_debug_form_shows_a_password() {
    for vars in WITH_SECRETS {
        let shown = match parse(vars) {
            Ok(config) => format!("{config:?} {config:#?}"),
            Err(error) => format!("{error} {error:?} {error:#?}"),
        };
        assert!(!shown.contains("s3cr3t"), "{vars}: {shown}");
        let builder = ConfigBuilder::from_vars(pairs(vars))
            .url("redis://:s3cr3t@h")
            .password("s3cr3t");
        assert!(!format!("{builder:?}").contains("s3cr3t"), "{builder:?}");
    }
}

#[test]
fn an_error_keeps_what_is_not_secret_of_a_url() {
    let error = parse("VALKEY_URL=valkeys://u:s3cr3t@cache.internal:6380/x").unwrap_err();
    assert_eq!(
        error.problems()[0].value,
        "valkeys://***@cache.internal:6380/x"
    );
}

#[test]
fn a_secret_is_shown_by_expose_only() {
    let secret = Secret::new("s3cr3t");
    assert_eq!(format!("{secret:?} {secret:#?}"), "*** ***");
    assert_eq!(secret.expose(), "s3cr3t");
    let config = Config::builder()
        .host("h")
        .password("s3cr3t")
        .build()
        .unwrap();
    assert!(
        format!("{config:?}").contains("password: Some(***)"),
        "{config:?}"
    );
}
