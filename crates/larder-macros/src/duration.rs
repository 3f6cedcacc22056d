//! Times as text: `"5m"`, `"1h30m"`, `"2 days"`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Result};

const ALLOWED: &str = "numbers with the units ms, s, m, h, d and w, or their words, as in \"250ms\", \"5m\", \
                       \"1h30m\" or \"2 days\"";
/// Ten years of 365.25 days, in milliseconds: the longest that is stored anywhere.
const LONGEST: u64 = 10 * 8766 * 3_600_000;

/// A time in whole milliseconds.
pub(crate) fn parse(text: &LitStr) -> Result<u64> {
    let millis = millis(&text.value()).map_err(|problem| {
        let value = text.value();
        Error::new(
            text.span(),
            format!("{value:?} is no time: {problem}; allowed are {ALLOWED}"),
        )
    })?;
    if millis > LONGEST {
        return Err(Error::new(
            text.span(),
            "longer than the ten years that are allowed",
        ));
    }
    Ok(millis)
}

/// The `Duration` of a text that was read.
pub(crate) fn tokens(millis: u64) -> TokenStream {
    quote!(::core::time::Duration::from_millis(#millis))
}

fn millis(text: &str) -> std::result::Result<u64, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("there is nothing in it".to_owned());
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after
            .find(|char: char| !char.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("{rest:?} does not begin with a whole number"));
        }
        if unit.is_empty() {
            return Err(format!("{number} has no unit"));
        }
        let each = unit_of(unit).ok_or_else(|| format!("{unit:?} is no unit"))?;
        let part = number
            .parse()
            .ok()
            .and_then(|number: u64| number.checked_mul(each));
        sum = part
            .and_then(|part| sum.checked_add(part))
            .ok_or_else(|| format!("{number} {unit} is too much"))?;
        rest = next.trim_start();
    }
    Ok(sum)
}

fn unit_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 24 * 3_600_000,
        "w" | "week" | "weeks" => 7 * 24 * 3_600_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_their_forms() {
        for (text, expected) in [
            ("250ms", 250),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2 days", 172_800_000),
            ("1 hour 30 minutes", 5_400_000),
            (" 1w ", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_says_why() {
        for (text, part) in [
            ("5 parsecs", "\"parsecs\" is no unit"),
            ("5", "5 has no unit"),
            ("", "nothing"),
            ("-5m", "does not begin"),
            ("1.5h", "1 has no unit"),
            ("5m and 3s", "does not begin"),
            ("99999999999999999999s", "too much"),
            ("18446744073709551615ms 1ms", "too much"),
        ] {
            let problem = millis(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
