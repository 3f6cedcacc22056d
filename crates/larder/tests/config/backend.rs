//! Which backend the environment chooses, and the switch that turns the cache off.

use larder::config::Backend;

use super::{config, password, problems, server, tcp};

#[test]
fn auto_that_chose_valkey_falls_back_to_redis_variables_and_auto_that_chose_redis_ignores_valkey() {
    let valkey = server("VALKEY_HOST=a REDIS_PORT=7 REDIS_DB=2 REDIS_PASSWORD=p");
    assert_eq!(
        (valkey.address.clone(), valkey.database, password(&valkey)),
        (tcp("a", 7, false), 2, Some("p"))
    );
    let redis = config(
        "REDIS_HOST=a VALKEY_PORT=x VALKEY_DB=x VALKEY_PASSWORD=p VALKEY_PREFIX=* VALKEY_CACHE_TTL=x",
    );
    assert_eq!(redis, config("REDIS_HOST=a"));
    // As the contract has it: the URL's fallback comes before the URL wins over the host.
    assert_eq!(
        server("VALKEY_HOST=a REDIS_URL=redis://b").address,
        tcp("b", 6379, false)
    );
}

#[test]
fn auto_chooses_by_url_and_host() {
    for (vars, backend) in [
        ("", Backend::Memory),
        ("VALKEY_URL=redis://a", Backend::Valkey),
        ("VALKEY_HOST=a", Backend::Valkey),
        ("REDIS_URL=valkey://a", Backend::Redis),
        ("REDIS_HOST=a", Backend::Redis),
        ("CACHE_REDIS_HOST=a", Backend::Redis),
        ("REDIS_HOST=a VALKEY_HOST=b", Backend::Valkey),
        ("REDIS_URL=redis://a VALKEY_URL=redis://b", Backend::Valkey),
        ("VALKEY_HOST= REDIS_HOST=a", Backend::Redis),
        (
            "VALKEY_PORT=1 REDIS_PORT=1 CACHE_REDIS_PORT=1 VALKEY_PASSWORD=p VALKEY_API_KEY=k",
            Backend::Memory,
        ),
    ] {
        for auto in [
            "",
            "CACHE_BACKEND= ",
            "CACHE_BACKEND=auto ",
            "CACHE_BACKEND=AUTO ",
        ] {
            let config = config(&format!("{auto}{vars}"));
            assert_eq!(config.backend, backend, "{auto}{vars}");
            assert_eq!(
                config.server.is_some(),
                backend != Backend::Memory,
                "{auto}{vars}"
            );
        }
    }
}

#[test]
fn a_named_backend_counts_whatever_else_is_set() {
    for (name, backend) in [
        ("valkey", Backend::Valkey),
        ("Redis", Backend::Redis),
        ("MEMORY", Backend::Memory),
        ("none", Backend::None),
    ] {
        for vars in [
            "",
            "VALKEY_HOST=a",
            "REDIS_URL=redis://a",
            "CACHE_REDIS_HOST=a",
        ] {
            assert_eq!(
                config(&format!("CACHE_BACKEND={name} {vars}")).backend,
                backend,
                "{name} {vars}"
            );
        }
    }
    assert_eq!(problems("CACHE_BACKEND=memcached"), ["CACHE_BACKEND"]);
}

#[test]
fn enabled_is_spelt_in_eight_ways_in_any_case() {
    for (word, enabled) in [("true", true), ("1", true), ("yes", true), ("on", true)]
        .into_iter()
        .chain([
            ("false", false),
            ("0", false),
            ("no", false),
            ("off", false),
        ])
    {
        let capital = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        for word in [word.to_owned(), word.to_uppercase(), capital] {
            assert_eq!(
                config(&format!("CACHE_ENABLED={word}")).enabled,
                enabled,
                "{word}"
            );
        }
    }
    for word in ["2", "enabled", "y", "tru", "null"] {
        assert_eq!(
            problems(&format!("CACHE_ENABLED={word}")),
            ["CACHE_ENABLED"]
        );
    }
}

#[test]
fn a_cache_that_is_switched_off_looks_at_no_other_variable() {
    let off = config(
        "CACHE_ENABLED=off CACHE_BACKEND=x VALKEY_URL=x VALKEY_PORT=x CACHE_KEY_PREFIX=* CACHE_DEFAULT_TTL=x",
    );
    assert_eq!(off, config("CACHE_ENABLED=false"));
    assert_eq!(
        (off.enabled, off.backend, off.server),
        (false, Backend::None, None)
    );
}
