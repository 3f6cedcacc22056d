//! The table of settings: each with its variables in order of precedence. `variables.md` shows the
//! same table, and a test holds the two together.

/// One row of the table. A value comes from the builder's method, or else from the first variable
/// that is set.
pub(super) struct Setting {
    pub(super) variables: &'static [&'static str],
    /// The builder's method, and the name under which a value from code is stored.
    pub(super) method: &'static str,
    /// What a value may be: the second half of an error message.
    pub(super) allowed: &'static str,
    pub(super) secret: bool,
}

pub(super) static ENABLED: Setting = Setting {
    variables: &["CACHE_ENABLED"],
    method: "ConfigBuilder::enabled",
    allowed: BOOLEAN,
    secret: false,
};

pub(super) static BACKEND: Setting = Setting {
    variables: &["CACHE_BACKEND"],
    method: "ConfigBuilder::backend",
    allowed: "one of auto, valkey, redis, memory, none",
    secret: false,
};

pub(super) static URL: Setting = Setting {
    variables: &["VALKEY_URL", "REDIS_URL"],
    method: "ConfigBuilder::url",
    allowed: "a URL such as valkey://host:6379/0 or unix:///path?db=0, its scheme one of valkey, valkeys, redis, rediss, \
              unix, http, https",
    secret: false,
};

/// A password under another name, so no builder method sets it.
pub(super) static API_KEY: Setting = Setting {
    variables: &["VALKEY_API_KEY"],
    method: "",
    allowed: "UTF-8 text that is not empty",
    secret: true,
};

pub(super) static HOST: Setting = Setting {
    variables: &["VALKEY_HOST", "REDIS_HOST", "CACHE_REDIS_HOST"],
    method: "ConfigBuilder::host",
    allowed: "a host name or an IP address, without scheme and port",
    secret: false,
};

pub(super) static PORT: Setting = Setting {
    variables: &["VALKEY_PORT", "REDIS_PORT", "CACHE_REDIS_PORT"],
    method: "ConfigBuilder::port",
    allowed: "a whole number from 1 to 65535",
    secret: false,
};

pub(super) static DATABASE: Setting = Setting {
    variables: &["VALKEY_DB", "REDIS_DB"],
    method: "ConfigBuilder::database",
    allowed: "a whole number from 0 to 65535",
    secret: false,
};

pub(super) static USERNAME: Setting = Setting {
    variables: &["VALKEY_USERNAME", "REDIS_USERNAME"],
    method: "ConfigBuilder::username",
    allowed: "UTF-8 text that is not empty",
    secret: false,
};

pub(super) static PASSWORD: Setting = Setting {
    variables: &["VALKEY_PASSWORD", "REDIS_PASSWORD"],
    method: "ConfigBuilder::password",
    allowed: "UTF-8 text that is not empty",
    secret: true,
};

pub(super) static CONNECTIONS: Setting = Setting {
    variables: &["VALKEY_MAX_CONNECTIONS", "REDIS_MAX_CONNECTIONS"],
    method: "ConfigBuilder::connections",
    allowed: "a whole number from 1 to 1024",
    secret: false,
};

pub(super) static RETRY_ON_TIMEOUT: Setting = Setting {
    variables: &["VALKEY_RETRY_ON_TIMEOUT", "REDIS_RETRY_ON_TIMEOUT"],
    method: "ConfigBuilder::retry_on_timeout",
    allowed: BOOLEAN,
    secret: false,
};

pub(super) static TIMEOUT: Setting = Setting {
    variables: &["VALKEY_TIMEOUT", "REDIS_TIMEOUT"],
    method: "ConfigBuilder::timeout",
    allowed: "seconds, more than 0 and at most 3600, such as 4 or 0.5",
    secret: false,
};

pub(super) static REMOTE_TTL: Setting = Setting {
    variables: &[
        "VALKEY_CACHE_TTL",
        "REDIS_CACHE_TTL",
        "CACHE_PERSISTENT_TTL",
    ],
    method: "ConfigBuilder::remote_ttl",
    allowed: TTL,
    secret: false,
};

pub(super) static MEMORY_TTL: Setting = Setting {
    variables: &["CACHE_DEFAULT_TTL"],
    method: "ConfigBuilder::memory_ttl",
    allowed: TTL,
    secret: false,
};

pub(super) static PREFIX: Setting = Setting {
    variables: &["CACHE_KEY_PREFIX", "VALKEY_PREFIX", "REDIS_PREFIX"],
    method: "ConfigBuilder::prefix",
    allowed: "1 to 100 of the characters A-Z a-z 0-9 - . _ : / @ = , + (a : is added where it does not end with one)",
    secret: false,
};

/// Set in code only: whether a program can do without its server is not for its environment to say.
pub(super) static REQUIRE_REMOTE: Setting = Setting {
    variables: &[],
    method: "ConfigBuilder::require_remote",
    allowed: "false with the backends memory and none; true needs a URL, a host, or the backend valkey or redis",
    secret: false,
};

const BOOLEAN: &str = "one of true, false, 1, 0, yes, no, on, off";
const TTL: &str = "seconds from 0 to 315576000, such as 300 or 0.5; 0 means do not store";

/// Every setting, in the order of the documentation.
pub(super) static ALL: [&Setting; 16] = [
    &ENABLED,
    &BACKEND,
    &URL,
    &API_KEY,
    &HOST,
    &PORT,
    &DATABASE,
    &USERNAME,
    &PASSWORD,
    &CONNECTIONS,
    &RETRY_ON_TIMEOUT,
    &TIMEOUT,
    &REMOTE_TTL,
    &MEMORY_TTL,
    &PREFIX,
    &REQUIRE_REMOTE,
];

/// With the backend `auto`, any of these chooses Valkey…
pub(super) static CHOOSES_VALKEY: [&str; 2] = ["VALKEY_URL", "VALKEY_HOST"];
/// …and else any of these chooses Redis.
pub(super) static CHOOSES_REDIS: [&str; 3] = ["REDIS_URL", "REDIS_HOST", "CACHE_REDIS_HOST"];

/// With the backend `redis`, no variable of this family counts.
pub(super) fn is_valkey_only(variable: &str) -> bool {
    variable.starts_with("VALKEY_")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The columns of the documented table, its settings in the order of [`ALL`].
    fn documented() -> Vec<[&'static str; 4]> {
        let rows = include_str!("variables.md").lines().skip(2);
        let columns = rows.map(|row| {
            row.trim_matches('|')
                .split('|')
                .map(str::trim)
                .collect::<Vec<_>>()
        });
        columns.map(|columns| columns.try_into().unwrap()).collect()
    }

    pub(crate) fn documented_default(setting: &Setting) -> &'static str {
        let row = ALL
            .iter()
            .position(|other| other.method == setting.method)
            .unwrap();
        documented()[row][2].trim_matches('`')
    }

    #[test]
    fn the_documentation_shows_this_table() {
        let documented = documented()
            .into_iter()
            .map(|[_, variables, _, allowed]| (variables.to_owned(), allowed.replace('`', "")));
        let table = ALL.iter().map(|setting| {
            let variables: Vec<_> = setting
                .variables
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            let variables = if variables.is_empty() {
                "none".to_owned()
            } else {
                variables.join(", ")
            };
            (variables, setting.allowed.to_owned())
        });
        assert_eq!(documented.collect::<Vec<_>>(), table.collect::<Vec<_>>());
    }

    #[test]
    fn what_chooses_a_backend_is_a_variable_of_the_table() {
        for name in CHOOSES_VALKEY.iter().chain(&CHOOSES_REDIS) {
            assert!(
                ALL.iter().any(|setting| setting.variables.contains(name)),
                "{name}"
            );
        }
    }
}
