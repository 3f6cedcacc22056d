//! RFC 9111 §5.2: `Cache-Control`, and `Pragma` (§5.4) where a request has only that.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderName, PRAGMA};

use super::{has_open_quote, list};

/// What counts as "for ever" in seconds that are too many (RFC 9111 §1.2.2).
const LONGEST: u64 = 1 << 31;

/// What a directive speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The whole response.
    All,
    /// These fields of it.
    Fields(Vec<HeaderName>),
}

/// The directives of a request or a response that this cache knows. Others are ignored (§5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of its own"
)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: Option<Reach>,
    pub(crate) private: Option<Reach>,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    /// What cannot be read counts as zero: such a response is stale (§4.2.1).
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    /// What cannot be read permits nothing.
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    /// Without an argument, of any age.
    pub(crate) max_stale: Option<Duration>,
}

impl Directives {
    /// Those of a response.
    pub(crate) fn of_response(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        for member in list(headers, CACHE_CONTROL) {
            let (name, argument) = split(&member);
            all.apply(&name.to_ascii_lowercase(), argument.as_deref());
        }
        // Prohibitions may lie behind a quote that does not end. `must-understand` must not lift them.
        if has_open_quote(headers, CACHE_CONTROL) {
            all.no_store = true;
            all.private = Some(Reach::All);
        }
        all
    }

    /// Those of a request. `Pragma: no-cache` counts where there is no `Cache-Control`.
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        let mut all = Self::of_response(headers);
        if !headers.contains_key(CACHE_CONTROL)
            && list(headers, PRAGMA).any(|member| member.eq_ignore_ascii_case("no-cache"))
        {
            all.no_cache = Some(Reach::All);
        }
        all
    }

    /// Adds a directive, whose name is in lower case.
    pub(super) fn apply(&mut self, name: &str, argument: Option<&str>) {
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => widen(&mut self.no_cache, argument),
            "private" => widen(&mut self.private, argument),
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => once(&mut self.max_age, argument),
            "s-maxage" => once(&mut self.s_maxage, argument),
            "stale-while-revalidate" => self.stale_while_revalidate = seconds(argument),
            "stale-if-error" => self.stale_if_error = seconds(argument),
            "min-fresh" => self.min_fresh = seconds(argument),
            "max-stale" if argument.is_none() => self.max_stale = Some(Duration::MAX),
            "max-stale" => self.max_stale = seconds(argument),
            _ => {}
        }
    }
}

/// A directive's name, and its argument without quotes. A quote that does not end leaves none.
fn split(member: &str) -> (&str, Option<String>) {
    let Some((name, argument)) = member.split_once('=') else {
        return (member, None);
    };
    let Some(quoted) = argument.trim().strip_prefix('"') else {
        return (name.trim(), Some(argument.trim().to_owned()));
    };
    let (mut text, mut escaped) = (String::new(), false);
    for char in quoted.chars() {
        match char {
            _ if escaped => {
                text.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (name.trim(), Some(text)),
            _ => text.push(char),
        }
    }
    (name.trim(), None)
}

/// Field names narrow what a directive speaks of; where they cannot be read it speaks of all.
fn widen(reach: &mut Option<Reach>, argument: Option<&str>) {
    let fields = argument.and_then(|argument| {
        let names = argument.split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        let names: Result<Vec<HeaderName>, _> = names.map(str::parse).collect();
        names.ok().filter(|names| !names.is_empty())
    });
    *reach = Some(match (reach.take(), fields) {
        (None, Some(fields)) => Reach::Fields(fields),
        (Some(Reach::Fields(mut all)), Some(fields)) => {
            all.extend(fields);
            Reach::Fields(all)
        }
        _ => Reach::All,
    });
}

/// A time that is said once, or alike each time: else it is zero.
fn once(slot: &mut Option<Duration>, argument: Option<&str>) {
    let said = seconds(argument).unwrap_or_default();
    *slot = match *slot {
        Some(before) if before != said => Some(Duration::ZERO),
        _ => Some(said),
    };
}

/// Whole seconds in digits, quoted or not.
pub(super) fn seconds(argument: Option<&str>) -> Option<Duration> {
    let digits = argument?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More than fits is more than the longest.
    let seconds = digits.parse().unwrap_or(LONGEST);
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn response(value: &str) -> Directives {
        Directives::of_response(&headers(&format!("cache-control: {value}")))
    }

    #[test]
    fn names_are_taken_in_any_case_and_over_several_lines() {
        let all = headers("cache-control: No-Store\ncache-control: MAX-AGE=5");
        let all = Directives::of_response(&all);
        assert!(all.no_store);
        assert_eq!(all.max_age, Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_time_that_cannot_be_read_is_zero() {
        for bad in [
            "max-age",
            "max-age=",
            "max-age=x",
            "max-age=-1",
            "max-age=1.5",
            "max-age=60 public",
            "max-age=1, max-age=2",
            "max-age=\"60",
        ] {
            assert_eq!(response(bad).max_age, Some(Duration::ZERO), "{bad}");
        }
        assert_eq!(
            response("max-age=\"60\"").max_age,
            Some(Duration::from_mins(1))
        );
        assert_eq!(
            response("max-age=7, max-age=7").max_age,
            Some(Duration::from_secs(7))
        );
        let huge = response("max-age=99999999999999999999999").max_age;
        assert_eq!(huge, Some(Duration::from_secs(LONGEST)));
    }

    #[test]
    fn what_an_open_quote_may_hide_is_forbidden() {
        for open in [
            "max-age=60, x=\"a, private",
            "x=\"\\\"",
            "must-understand, \"",
        ] {
            let all = response(open);
            assert!(all.no_store && all.private == Some(Reach::All), "{open}");
        }
        assert!(!response("max-age=60, x=\"a, no-store\"").no_store);
    }

    #[test]
    fn fields_narrow_no_cache_and_private() {
        let all = response("no-cache=\"set-cookie, X-A\", private=x-b");
        let fields = |names: &[&'static str]| {
            Some(Reach::Fields(
                names.iter().copied().map(HeaderName::from_static).collect(),
            ))
        };
        assert_eq!(all.no_cache, fields(&["set-cookie", "x-a"]));
        assert_eq!(all.private, fields(&["x-b"]));
        assert_eq!(response("private=\"x\", private").private, Some(Reach::All));
        for whole in [
            "no-cache",
            "no-cache=\"\"",
            "no-cache=\"a b\"",
            "no-cache=\"set-cookie",
        ] {
            assert_eq!(response(whole).no_cache, Some(Reach::All), "{whole}");
        }
    }

    #[test]
    fn pragma_counts_where_a_request_has_nothing_else() {
        let no_cache = |lines| Directives::of_request(&headers(lines)).no_cache.is_some();
        assert!(no_cache("pragma: no-cache"));
        assert!(!no_cache("pragma: no-cache\ncache-control: max-age=1"));
        assert!(
            Directives::of_response(&headers("pragma: no-cache"))
                .no_cache
                .is_none()
        );
    }

    #[test]
    fn max_stale_without_an_argument_is_any_age() {
        assert_eq!(response("max-stale").max_stale, Some(Duration::MAX));
        assert_eq!(
            response("max-stale=9").max_stale,
            Some(Duration::from_secs(9))
        );
        assert_eq!(response("max-stale=x").max_stale, None);
    }
}
