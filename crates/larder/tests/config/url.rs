//! URLs, and what stands beside them.

use std::path::Path;

use larder::config::{Address, Backend};

use super::{config, parse, password, problems, server, tcp};

#[test]
fn each_scheme_means_plain_or_tls() {
    for (scheme, tls) in [
        ("valkey", false),
        ("redis", false),
        ("http", false),
        ("valkeys", true),
        ("rediss", true),
        ("https", true),
    ] {
        for scheme in [scheme.to_owned(), scheme.to_uppercase()] {
            for variable in ["VALKEY_URL", "REDIS_URL"] {
                assert_eq!(
                    server(&format!("{variable}={scheme}://h")).address,
                    tcp("h", 6379, tls),
                    "{scheme}"
                );
            }
            for port in [1, 80, 443, 6379, 65535] {
                assert_eq!(
                    server(&format!("VALKEY_URL={scheme}://h:{port}")).address,
                    tcp("h", port, tls)
                );
            }
        }
    }
}

#[test]
fn a_url_says_host_port_database_user_and_password() {
    for (url, address, database, user, pass) in [
        ("redis://h", tcp("h", 6379, false), 0, None, None),
        ("redis://h/", tcp("h", 6379, false), 0, None, None),
        ("redis://h:7/3", tcp("h", 7, false), 3, None, None),
        ("redis://h?", tcp("h", 6379, false), 0, None, None),
        (
            "redis://u:p@h:7/65535",
            tcp("h", 7, false),
            65535,
            Some("u"),
            Some("p"),
        ),
        ("redis://:p@h", tcp("h", 6379, false), 0, None, Some("p")),
        ("redis://u@h", tcp("h", 6379, false), 0, Some("u"), None),
        ("redis://u:@h", tcp("h", 6379, false), 0, Some("u"), None),
        (
            "redis://:p%40%3a%2F%25%C3%A9+w@h",
            tcp("h", 6379, false),
            0,
            None,
            Some("p@:/%é+w"),
        ),
        (
            "redis://:a:b@c@h",
            tcp("h", 6379, false),
            0,
            None,
            Some("a:b@c"),
        ),
        (
            "redis://10.0.0.1:7",
            tcp("10.0.0.1", 7, false),
            0,
            None,
            None,
        ),
        (
            "rediss://u:p@[::1]:7/1",
            tcp("::1", 7, true),
            1,
            Some("u"),
            Some("p"),
        ),
        (
            "redis://[2001:db8::1]",
            tcp("2001:db8::1", 6379, false),
            0,
            None,
            None,
        ),
    ] {
        let server = server(&format!("VALKEY_URL={url}"));
        assert_eq!(server.address, address, "{url}");
        assert_eq!(server.database, database, "{url}");
        assert_eq!(
            (server.username.as_deref(), password(&server)),
            (user, pass),
            "{url}"
        );
    }
}

#[test]
fn a_unix_url_says_path_database_user_and_password() {
    for (url, path, database, user, pass) in [
        ("unix:///run/valkey.sock", "/run/valkey.sock", 0, None, None),
        (
            "unix:///run/valkey.sock?",
            "/run/valkey.sock",
            0,
            None,
            None,
        ),
        (
            "unix:///a%20b?db=1&password=p%26q+",
            "/a b",
            1,
            None,
            Some("p&q+"),
        ),
        (
            "unix:///s?username=u&password=p@=",
            "/s",
            0,
            Some("u"),
            Some("p@="),
        ),
    ] {
        let server = server(&format!("VALKEY_URL={url}"));
        let Address::Unix { path: found } = &server.address else {
            panic!("{url}: {server:?}")
        };
        assert_eq!(found, Path::new(path), "{url}");
        assert_eq!(
            (
                server.database,
                server.username.as_deref(),
                password(&server)
            ),
            (database, user, pass),
            "{url}"
        );
    }
}

#[test]
fn a_url_that_is_wrong_says_what_was_expected() {
    for (url, expected) in [
        ("h", "a URL such as valkey://"),
        ("h:6379", "a URL such as valkey://"),
        ("redis:h", "a URL such as valkey://"),
        (
            "postgres://h",
            "its scheme one of valkey, valkeys, redis, rediss, unix, http, https",
        ),
        ("redis://", "a host"),
        ("redis:///3", "a host"),
        ("redis://:6379", "a host"),
        ("redis://u:p@", "a host"),
        ("redis://h%20h", "a host"),
        ("redis://10.0.0.256", "a host"),
        ("redis://h:0", "a port from 1 to 65535"),
        ("redis://h:70000", "a port from 1 to 65535"),
        ("redis://h:x", "a port from 1 to 65535"),
        ("redis://[::1", "a URL such as valkey://"),
        ("redis://h/x", "a path from /0 to /65535"),
        ("redis://h/-1", "a path from /0 to /65535"),
        ("redis://h/65536", "a path from /0 to /65535"),
        ("redis://h/1/", "a path from /0 to /65535"),
        ("redis://h#1", "without #"),
        ("redis://:%ff@h", "UTF-8"),
        ("redis://h?db=1", "without the unknown parameters db"),
        (
            "redis://h?ssl_cert_reqs=none&a=b",
            "without the unknown parameters ssl_cert_reqs, a",
        ),
        ("unix://", "the socket's absolute path"),
        ("unix:///", "the socket's absolute path"),
        ("unix://run/s", "the socket's absolute path"),
        ("unix:///s?db=x", "db from 0 to 65535"),
        ("unix:///s?db=65536", "db from 0 to 65535"),
        (
            "unix:///s?db=1&a=b&c=d",
            "without the unknown parameters a, c",
        ),
    ] {
        let error = parse(&format!("REDIS_URL={url}")).expect_err(url);
        let [problem] = error.problems() else {
            panic!("{url}: {error}")
        };
        assert_eq!(problem.setting, "REDIS_URL");
        assert!(problem.expected.contains(expected), "{url}: {problem}");
    }
}

#[test]
fn a_url_is_taken_whole() {
    let beside = "VALKEY_HOST=x VALKEY_PORT=7 VALKEY_DB=7 VALKEY_USERNAME=x";
    let wrong = "VALKEY_HOST=* VALKEY_PORT=70000 VALKEY_DB=x";
    for url in ["valkey://u:p@h:1/2", "valkey://h", "unix:///s"] {
        for vars in [beside, wrong] {
            assert_eq!(
                config(&format!("VALKEY_URL={url} {vars}")),
                config(&format!("VALKEY_URL={url}")),
                "{url}"
            );
        }
    }
}

#[test]
fn a_wrong_url_does_not_make_the_variables_beside_it_count() {
    assert_eq!(
        problems("VALKEY_URL=x VALKEY_PORT=70000 VALKEY_TIMEOUT=x"),
        ["VALKEY_URL", "VALKEY_TIMEOUT"]
    );
}

#[test]
fn a_password_beside_a_url_fills_in() {
    for vars in [
        "VALKEY_PASSWORD=p",
        "VALKEY_API_KEY=p",
        "REDIS_PASSWORD=p",
        "VALKEY_API_KEY=p VALKEY_PASSWORD=p",
    ] {
        for url in [
            "valkey://h",
            "valkey://u@h",
            "unix:///s",
            "https://h",
            "valkey://:p@h",
            "unix:///s?password=p",
        ] {
            assert_eq!(
                password(&server(&format!("VALKEY_URL={url} {vars}"))),
                Some("p"),
                "{url} {vars}"
            );
        }
        assert_eq!(
            password(&server(&format!("VALKEY_HOST=h {vars}"))),
            Some("p"),
            "{vars}"
        );
    }
}

#[test]
fn two_passwords_that_differ_are_an_error_that_names_both() {
    for (vars, loser, winner) in [
        (
            "VALKEY_URL=valkey://:s3cr3t@h VALKEY_PASSWORD=s3cr3t2",
            "VALKEY_PASSWORD",
            "VALKEY_URL",
        ),
        (
            "VALKEY_URL=valkey://:s3cr3t@h REDIS_PASSWORD=s3cr3t2",
            "REDIS_PASSWORD",
            "VALKEY_URL",
        ),
        (
            "VALKEY_URL=valkey://:s3cr3t@h VALKEY_API_KEY=s3cr3t2",
            "VALKEY_API_KEY",
            "VALKEY_URL",
        ),
        (
            "REDIS_URL=redis://:s3cr3t@h REDIS_PASSWORD=s3cr3t2",
            "REDIS_PASSWORD",
            "REDIS_URL",
        ),
        (
            "VALKEY_URL=valkey://h VALKEY_PASSWORD=s3cr3t VALKEY_API_KEY=s3cr3t2",
            "VALKEY_API_KEY",
            "VALKEY_PASSWORD",
        ),
        (
            "VALKEY_HOST=h VALKEY_PASSWORD=s3cr3t VALKEY_API_KEY=s3cr3t2",
            "VALKEY_API_KEY",
            "VALKEY_PASSWORD",
        ),
        (
            "VALKEY_URL=unix:///s?password=s3cr3t VALKEY_API_KEY=s3cr3t2",
            "VALKEY_API_KEY",
            "VALKEY_URL",
        ),
    ] {
        let error = parse(vars).expect_err(vars);
        let line = format!(
            "\n  {loser} is \"***\", expected the same password as {winner} has, or nothing"
        );
        assert_eq!(
            error.to_string(),
            format!("the cache's configuration is not valid:{line}"),
            "{vars}"
        );
    }
    assert_eq!(
        problems("VALKEY_URL=valkey://:a@h VALKEY_PASSWORD=b VALKEY_API_KEY=c"),
        ["VALKEY_PASSWORD", "VALKEY_API_KEY"]
    );
}

#[test]
fn the_scheme_of_the_environments_url_does_not_choose_the_backend() {
    assert_eq!(config("VALKEY_URL=redis://h").backend, Backend::Valkey);
    assert_eq!(config("REDIS_URL=valkey://h").backend, Backend::Redis);
}
