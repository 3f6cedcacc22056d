//! What an operator reads when the configuration is wrong.

use super::{config, parse, problems};

#[test]
fn an_error_lists_every_problem_in_the_order_of_the_table() {
    let error = parse(
        "CACHE_ENABLED=maybe CACHE_BACKEND=valkey VALKEY_HOST=h:1 VALKEY_PORT=70000 REDIS_DB=-1 \
         VALKEY_MAX_CONNECTIONS=0 REDIS_RETRY_ON_TIMEOUT=x VALKEY_TIMEOUT=0 CACHE_PERSISTENT_TTL=-1 \
         CACHE_DEFAULT_TTL=5m CACHE_KEY_PREFIX=*",
    )
    .unwrap_err();
    let expected = r#"the cache's configuration is not valid:
  CACHE_ENABLED is "maybe", expected one of true, false, 1, 0, yes, no, on, off
  VALKEY_HOST is "h:1", expected a host name or an IP address, without scheme and port
  VALKEY_PORT is "70000", expected a whole number from 1 to 65535
  REDIS_DB is "-1", expected a whole number from 0 to 65535
  VALKEY_MAX_CONNECTIONS is "0", expected a whole number from 1 to 1024
  REDIS_RETRY_ON_TIMEOUT is "x", expected one of true, false, 1, 0, yes, no, on, off
  VALKEY_TIMEOUT is "0", expected seconds, more than 0 and at most 3600, such as 4 or 0.5
  CACHE_PERSISTENT_TTL is "-1", expected seconds from 0 to 315576000, such as 300 or 0.5; 0 means do not store
  CACHE_DEFAULT_TTL is "5m", expected seconds from 0 to 315576000, such as 300 or 0.5; 0 means do not store
  CACHE_KEY_PREFIX is "*", expected 1 to 100 of the characters A-Z a-z 0-9 - . _ : / @ = , + (a : is added where it does not end with one)"#;
    assert_eq!(error.to_string(), expected);
    // What a `main` that returns the error prints.
    assert_eq!(format!("{error:?}"), expected);
    assert_eq!(
        format!("{:?}", larder::Error::from(error.clone())),
        expected
    );
    assert_eq!(error.problems().len(), 10);
    assert_eq!(error.problems()[2].setting, "VALKEY_PORT");
    assert_eq!(error.problems()[2].value, "70000");
    assert_eq!(
        error.problems()[2].expected,
        "a whole number from 1 to 65535"
    );
}

#[test]
fn a_url_without_a_scheme_is_told_from_other_mistakes() {
    for url in [
        "localhost:6379",
        "localhost",
        "localhost:6379/0",
        "u:p@h:6379",
        "redis:h",
    ] {
        let error = parse(&format!("VALKEY_URL={url}")).unwrap_err().to_string();
        assert!(error.contains("begins with no scheme"), "{url}: {error}");
        assert!(error.contains("valkey:// or redis://"), "{url}: {error}");
        assert!(!error.contains(url), "{error}");
    }
    let error = parse("VALKEY_URL=postgres://h").unwrap_err().to_string();
    assert!(!error.contains("no scheme"), "{error}");
}

#[test]
fn a_wrong_backend_does_not_hide_the_other_problems() {
    assert_eq!(
        problems("CACHE_BACKEND=x VALKEY_HOST=a VALKEY_PORT=x CACHE_DEFAULT_TTL=x"),
        ["CACHE_BACKEND", "VALKEY_PORT", "CACHE_DEFAULT_TTL"]
    );
}

#[test]
fn each_problem_is_one_line_however_odd_its_value() {
    let vars = [(
        "CACHE_KEY_PREFIX".to_owned(),
        format!("a\nb{}", "é".repeat(1000)),
    )];
    let error = larder::config::Config::from_vars(vars).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 2);
    assert!(error.problems()[0].value.chars().count() <= 201);
}

#[test]
fn the_port_that_kubernetes_sets_is_recognised() {
    let error = parse("REDIS_HOST=h REDIS_PORT=tcp://10.0.0.11:6379")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("REDIS_PORT is \"tcp://10.0.0.11:6379\""),
        "{error}"
    );
    assert!(error.contains("set enableServiceLinks to false"), "{error}");
    // Beside a URL, or without a server, it does not count.
    assert_eq!(
        config("REDIS_URL=redis://h REDIS_PORT=tcp://10.0.0.11:6379"),
        config("REDIS_URL=redis://h")
    );
    assert_eq!(config("REDIS_PORT=tcp://10.0.0.11:6379"), config(""));
}
