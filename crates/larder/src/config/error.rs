//! What is wrong with a configuration, all of it at once.

use std::fmt;

use super::secret::{REDACTED, redact_url};
use super::variables::{self, Setting};

/// The configuration is not valid. It lists every problem, not only the first.
///
/// Its `Display` form has one line for each problem: the variable or builder method, its value, and
/// what is allowed. So has its `Debug` form, which is what a `main` that returns the error prints. No
/// password is ever part of it.
///
/// ```
/// use larder::config::Config;
///
/// let vars = [("VALKEY_HOST", "db"), ("VALKEY_PORT", "70000")];
/// let vars = vars.map(|(name, value)| (name.into(), value.into()));
/// let error = Config::from_vars(vars).unwrap_err();
/// assert_eq!(
///     error.problems()[0].to_string(),
///     "VALKEY_PORT is \"70000\", expected a whole number from 1 to 65535",
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Every problem that was found; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cache's configuration is not valid:")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// One value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where the value comes from: an environment variable such as `VALKEY_PORT`, or a builder
    /// method such as `ConfigBuilder::port`.
    pub setting: &'static str,
    /// The value, with `***` in the place of what is secret.
    pub value: String,
    /// What the value may be.
    pub expected: String,
}

impl Problem {
    pub(super) fn new(
        setting: &Setting,
        source: &'static str,
        value: &str,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            setting: source,
            value: shown(setting, value),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {:?}, expected {}",
            self.setting, self.value, self.expected
        )
    }
}

/// The value as an error may show it. A URL pasted into the variable of the host is still a URL
/// with a password.
fn shown(setting: &Setting, value: &str) -> String {
    const LONGEST: usize = 200;
    if setting.secret {
        return REDACTED.to_owned();
    }
    let is_url = std::ptr::eq(setting, &raw const variables::URL);
    let may_hold_a_password = is_url || value.contains("://") || value.contains('@');
    let value = if may_hold_a_password {
        redact_url(value)
    } else {
        value.to_owned()
    };
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    }
}
