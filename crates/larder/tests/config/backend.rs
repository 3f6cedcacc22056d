//! Which backend the environment chooses, and the switch that turns the cache off.

use std::fmt;
use std::sync::{Arc, Mutex};

use larder::config::Backend;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

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

/// Keeps the messages of all warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Warnings {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0.lock().unwrap().push(format!("{value:?}"));
    }
}

#[test]
fn a_server_that_does_not_count_with_redis_is_warned_of_where_nothing_else_names_one() {
    let warned = |vars: &str| {
        let warnings = Warnings::default();
        let server = tracing::subscriber::with_default(warnings.clone(), || server(vars));
        let said = warnings.0.lock().unwrap().join(" ");
        (server.address, said)
    };
    for name in ["VALKEY_URL=valkey://a:7", "VALKEY_HOST=a"] {
        let (address, said) = warned(&format!("CACHE_BACKEND=redis {name}"));
        assert_eq!(address, tcp("localhost", 6379, false));
        let variable = name.split_once('=').unwrap().0;
        assert!(said.contains(variable), "{said}");
        assert!(
            said.contains("localhost") && said.contains("REDIS_URL"),
            "{said}"
        );
        for redis in ["REDIS_URL=redis://b", "REDIS_HOST=b", "CACHE_REDIS_HOST=b"] {
            let (address, said) = warned(&format!("CACHE_BACKEND=redis {name} {redis}"));
            assert_eq!((address, said.as_str()), (tcp("b", 6379, false), ""));
        }
    }
    for quiet in ["CACHE_BACKEND=redis", "CACHE_BACKEND=valkey VALKEY_HOST=a"] {
        assert_eq!(warned(quiet).1, "", "{quiet}");
    }
}
