//! From the text of one value to its type. `None` means not allowed; the setting's row in the table
//! says what is.

use crate::key::Prefix;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::builder::BackendChoice;

/// The longest time a remote command may take.
const MAX_TIMEOUT: Duration = Duration::from_hours(1);

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

pub(super) fn backend(text: &str) -> Option<BackendChoice> {
    BackendChoice::ALL
        .into_iter()
        .find(|choice| choice.name().eq_ignore_ascii_case(text))
}

pub(super) fn port(text: &str) -> Option<u16> {
    whole_number(text)?.try_into().ok().filter(|port| *port > 0)
}

/// The server decides which of these databases it has.
pub(super) fn database(text: &str) -> Option<u32> {
    let database: u16 = whole_number(text)?.try_into().ok()?;
    Some(database.into())
}

pub(super) fn connections(text: &str) -> Option<usize> {
    whole_number(text)?
        .try_into()
        .ok()
        .filter(|count| (1..=1024).contains(count))
}

pub(super) fn timeout(text: &str) -> Option<Duration> {
    seconds(text).filter(|timeout| !timeout.is_zero() && *timeout <= MAX_TIMEOUT)
}

pub(super) fn ttl(text: &str) -> Option<Duration> {
    seconds(text).filter(|ttl| *ttl <= crate::time::MAX_TTL)
}

pub(super) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A name that a resolver can look up, or an address; IPv6 with or without its brackets, returned
/// without.
pub(super) fn host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[') {
        let address = address.strip_suffix(']')?;
        return is_ipv6(address).then(|| address.to_owned());
    }
    let is_name = (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    // `10.0.0.256` and `6379` have the form of a name, but can only be a mistyped address.
    let only_digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let usable = if only_digits {
        text.parse::<Ipv4Addr>().is_ok()
    } else {
        is_name || is_ipv6(text)
    };
    usable.then(|| text.to_owned())
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "eth0"));
    address.parse::<Ipv6Addr>().is_ok()
        && !zone.is_empty()
        && zone.bytes().all(|b| b.is_ascii_alphanumeric())
}

pub(super) fn prefix(text: &str) -> Option<Prefix> {
    Prefix::new(text).ok()
}

fn whole_number(text: &str) -> Option<u32> {
    // `str::parse` would take a sign.
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Decimal seconds, exact, rounded up to the millisecond so that no positive time becomes zero.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() + fraction.len() == 0
        || !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let (kept, rest) = fraction.split_at(fraction.len().min(3));
    let millis: u64 = format!("{kept:0<3}").parse().ok()?;
    let millis = millis + u64::from(rest.bytes().any(|b| b != b'0'));
    Some(Duration::from_millis(
        whole.checked_mul(1000)?.checked_add(millis)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_to_the_millisecond_and_never_rounded_to_zero() {
        for (text, millis) in [
            ("0", 0),
            ("0.0", 0),
            ("4", 4000),
            ("0.5", 500),
            (".5", 500),
            ("5.", 5000),
            ("0.3", 300),
            ("1.001", 1001),
        ] {
            assert_eq!(seconds(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(seconds("0.0000000001"), Some(Duration::from_millis(1)));
        assert_eq!(seconds("2.0001"), Some(Duration::from_millis(2001)));
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e3",
            "nan",
            "inf",
            "1,5",
            "5m",
            "1.2.3",
            "99999999999999999999",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (text, host_name) in [
            ("localhost", "localhost"),
            ("my_cache.internal.", "my_cache.internal."),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
        ] {
            assert_eq!(host(text).as_deref(), Some(host_name), "{text}");
        }
        let long = "a".repeat(254);
        for text in [
            "",
            "h:6379",
            "redis://h",
            "u@h",
            "a b",
            "[::1",
            "[h]",
            "1:2",
            "10.0.0.256",
            "fe80::1%",
            "é",
            &long,
        ] {
            assert_eq!(host(text), None, "{text}");
        }
    }
}
