//! Every value as it was given, not yet validated: the environment and the builder both fill this.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::variables::{self, Setting};

#[derive(Clone, Default)]
pub(super) struct Settings {
    /// By source: the variable's name, or the builder's method. No setting has both under one name,
    /// so code and environment never overwrite each other.
    values: BTreeMap<&'static str, OsString>,
}

/// One value and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) source: &'static str,
    /// `None` where the environment holds what is not Unicode.
    pub(super) text: Option<&'a str>,
    pub(super) in_code: bool,
}

impl Settings {
    /// Takes the variables of the table that are not empty; all others are none of the cache's
    /// business.
    pub(super) fn from_variables<T: Into<OsString>>(
        vars: impl IntoIterator<Item = (T, T)>,
    ) -> Self {
        let mut settings = Self::default();
        for (name, value) in vars {
            let (name, value): (OsString, OsString) = (name.into(), value.into());
            let known = variables::ALL
                .iter()
                .flat_map(|setting| setting.variables)
                .find(|known| name == ***known);
            let trimmed = value.to_str().map(str::trim);
            if let Some(known) = known
                && trimmed != Some("")
            {
                settings
                    .values
                    .insert(known, trimmed.map(OsString::from).unwrap_or(value));
            }
        }
        settings
    }

    /// Sets a value in code. It is kept as text, so that one validation serves both ways.
    pub(super) fn set(&mut self, setting: &'static Setting, value: impl Into<String>) {
        self.values
            .insert(setting.method, OsString::from(value.into()));
    }

    /// The value that counts: from code, else the first variable that is set.
    pub(super) fn first(
        &self,
        setting: &'static Setting,
        counts: impl Fn(&str) -> bool,
    ) -> Option<Given<'_>> {
        let variables = setting
            .variables
            .iter()
            .copied()
            .filter(|name| counts(name));
        std::iter::once(setting.method)
            .chain(variables)
            .find_map(|source| {
                let text = self.values.get(source)?.to_str();
                Some(Given {
                    source,
                    text,
                    in_code: source == setting.method,
                })
            })
    }

    pub(super) fn has(&self, source: &str) -> bool {
        self.values.contains_key(source)
    }
}

/// Where values come from, and none of the values: one may be a password in the wrong variable.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
