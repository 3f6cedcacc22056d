//! What holds where nothing is given. A test holds these to the documented table.

use std::time::Duration;

pub(super) const HOST: &str = "localhost";
pub(super) const PORT: u16 = 6379;
pub(super) const DATABASE: u32 = 0;
pub(super) const CONNECTIONS: usize = 1;
pub(super) const RETRY_ON_TIMEOUT: bool = true;
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);
pub(super) const REMOTE_TTL: Duration = Duration::from_hours(1);
pub(super) const MEMORY_TTL: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::builder::BackendChoice;
    use crate::config::parse;
    use crate::config::variables::{self as var, Setting, tests::documented_default};
    use crate::key::Prefix;

    #[test]
    fn the_defaults_are_those_of_the_table() {
        fn default<T>(setting: &Setting, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
            parse(documented_default(setting))
        }
        assert_eq!(default(&var::ENABLED, parse::boolean), Some(true));
        assert_eq!(
            default(&var::BACKEND, parse::backend),
            Some(BackendChoice::default())
        );
        assert_eq!(default(&var::HOST, parse::host).as_deref(), Some(HOST));
        assert_eq!(default(&var::PORT, parse::port), Some(PORT));
        assert_eq!(default(&var::DATABASE, parse::database), Some(DATABASE));
        assert_eq!(
            default(&var::CONNECTIONS, parse::connections),
            Some(CONNECTIONS)
        );
        assert_eq!(
            default(&var::RETRY_ON_TIMEOUT, parse::boolean),
            Some(RETRY_ON_TIMEOUT)
        );
        assert_eq!(default(&var::TIMEOUT, parse::timeout), Some(TIMEOUT));
        assert_eq!(default(&var::REMOTE_TTL, parse::ttl), Some(REMOTE_TTL));
        assert_eq!(default(&var::MEMORY_TTL, parse::ttl), Some(MEMORY_TTL));
        assert_eq!(
            default(&var::PREFIX, parse::prefix),
            Some(Prefix::default())
        );
        assert_eq!(default(&var::REQUIRE_REMOTE, parse::boolean), Some(false));
    }
}
