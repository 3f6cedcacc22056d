//! From [`Settings`] to [`Config`]: the only place that knows which values count, and the only one
//! that checks them.

use super::builder::BackendChoice;
use super::error::Problem;
use super::server_url::backend_of;
use super::settings::{Given, Settings};
use super::variables::{self as var, Setting};
use super::{Backend, Config, ConfigError, defaults, parse};
use crate::key::Prefix;

pub(super) fn validate(settings: &Settings) -> Result<Config, ConfigError> {
    let mut validation = Validation {
        settings,
        without_valkey: false,
        problems: Vec::new(),
    };
    // An operator can always switch the cache off, however wrong the rest is.
    if validation.read(&var::ENABLED, parse::boolean) == Some(false) {
        return Ok(switched_off());
    }
    let config = validation.config();
    if validation.problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::new(validation.problems))
    }
}

fn switched_off() -> Config {
    Config {
        enabled: false,
        backend: Backend::None,
        prefix: Prefix::default(),
        remote_ttl: defaults::REMOTE_TTL,
        memory_ttl: defaults::MEMORY_TTL,
        require_remote: false,
        server: None,
    }
}

/// A value that is missing or wrong reads as `None`. Where it was wrong there is a problem, so that
/// the default that stands in for it reaches nobody.
pub(super) struct Validation<'a> {
    pub(super) settings: &'a Settings,
    /// With the backend `redis`, variables of the Valkey family do not count.
    without_valkey: bool,
    problems: Vec<Problem>,
}

impl<'a> Validation<'a> {
    fn config(&mut self) -> Config {
        let backend = self.backend();
        self.without_valkey = backend == Backend::Redis;
        if let Some(ignored) = self.ignored_server() {
            tracing::warn!(
                target: "larder::config",
                "{ignored} does not count with the backend redis, and nothing else names a server: \
                 {} is taken; set REDIS_URL or REDIS_HOST, or the backend valkey",
                defaults::HOST
            );
        }
        let server = matches!(backend, Backend::Valkey | Backend::Redis).then(|| self.server());
        Config {
            enabled: true,
            backend,
            remote_ttl: self
                .read(&var::REMOTE_TTL, parse::ttl)
                .unwrap_or(defaults::REMOTE_TTL),
            memory_ttl: self
                .read(&var::MEMORY_TTL, parse::ttl)
                .unwrap_or(defaults::MEMORY_TTL),
            prefix: self.read(&var::PREFIX, parse::prefix).unwrap_or_default(),
            require_remote: self.require_remote(server.is_some()),
            server,
        }
    }

    fn backend(&mut self) -> Backend {
        match self.read(&var::BACKEND, parse::backend).unwrap_or_default() {
            BackendChoice::Valkey => Backend::Valkey,
            BackendChoice::Redis => Backend::Redis,
            BackendChoice::Memory => Backend::Memory,
            BackendChoice::None => Backend::None,
            BackendChoice::Auto => self.detect(),
        }
    }

    fn detect(&self) -> Backend {
        let has = |source: &&str| self.settings.has(source);
        let url_in_code = self.first(&var::URL).filter(|given| given.in_code);
        if let Some(backend) = url_in_code.and_then(|given| backend_of(given.text?)) {
            backend
        } else if var::CHOOSES_VALKEY.iter().any(has) {
            Backend::Valkey
        } else if var::CHOOSES_REDIS.iter().any(has) {
            Backend::Redis
        } else if url_in_code.is_some() || has(&var::HOST.method) {
            Backend::Valkey
        } else {
            Backend::Memory
        }
    }

    /// The variable that names a server and does not count with the backend redis, where no other
    /// does: the default that stands in for it is hardly what was meant.
    fn ignored_server(&self) -> Option<&'static str> {
        if !self.without_valkey
            || self.first(&var::URL).is_some()
            || self.first(&var::HOST).is_some()
        {
            return None;
        }
        let mut named = var::CHOOSES_VALKEY.into_iter();
        named.find(|variable| self.settings.has(variable))
    }

    fn require_remote(&mut self, has_server: bool) -> bool {
        let allowed = |text: &str| parse::boolean(text).filter(|required| has_server || !required);
        self.read(&var::REQUIRE_REMOTE, allowed).unwrap_or(false)
    }

    pub(super) fn first(&self, setting: &'static Setting) -> Option<Given<'a>> {
        let without_valkey = self.without_valkey;
        self.settings.first(setting, |variable| {
            !(without_valkey && var::is_valkey_only(variable))
        })
    }

    pub(super) fn read<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read_part(setting, false, parse)
    }

    pub(super) fn read_part<T>(
        &mut self,
        setting: &'static Setting,
        only_code: bool,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self
            .first(setting)
            .filter(|given| given.in_code || !only_code)?;
        self.check(setting, given, parse)
    }

    pub(super) fn check<T>(
        &mut self,
        setting: &Setting,
        given: Given<'_>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = given.text.and_then(parse);
        if value.is_none() {
            let hint = match given.text {
                // What Kubernetes sets for each pod beside a service of the name `valkey` or
                // `redis`.
                Some(text)
                    if std::ptr::eq(setting, &raw const var::PORT)
                        && text.starts_with("tcp://") =>
                {
                    " (this value is from Kubernetes: set enableServiceLinks to false, or set the variable yourself)"
                }
                _ => "",
            };
            self.problem(setting, given, format!("{}{hint}", setting.allowed));
        }
        value
    }

    pub(super) fn problem(&mut self, setting: &Setting, given: Given<'_>, expected: String) {
        self.problems.push(match given.text {
            Some(text) => Problem::new(setting, given.source, text, expected),
            None => Problem::new(setting, given.source, "not Unicode", expected),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_a_problem_where_it_counts() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;

        let broken = || OsString::from_vec(vec![b's', 0xff]);
        let vars = |backend: &str| {
            Settings::from_variables([
                ("CACHE_BACKEND".into(), backend.into()),
                ("VALKEY_PASSWORD".into(), broken()),
                ("VALKEY_URL".into(), broken()),
                ("PATH".into(), broken()),
                (broken(), broken()),
            ])
        };
        let error = validate(&vars("valkey")).unwrap_err();
        let sources: Vec<_> = error
            .problems()
            .iter()
            .map(|problem| problem.setting)
            .collect();
        assert_eq!(sources, ["VALKEY_URL", "VALKEY_PASSWORD"]);
        assert!(validate(&vars("redis")).is_ok());
    }
}
