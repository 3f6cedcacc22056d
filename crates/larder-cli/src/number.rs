//! Numbers for people.

/// With a comma before each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in the largest unit that shows it whole.
pub(crate) fn bytes(number: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units
        .into_iter()
        .find(|(bits, _)| number >> bits > 0 && number.trailing_zeros() >= *bits);
    match unit {
        Some((bits, unit)) => format!("{} {unit}", grouped(number >> bits)),
        None => format!("{} B", grouped(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn bytes_are_shown_whole() {
        for (number, text) in [
            (1, "1 B"),
            (1_000, "1,000 B"),
            (65_536, "64 KiB"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
