//! Percent-encoding of what is not plain in a stored key.

/// The bytes that stand for themselves; every other byte is written `%XX`.
///
/// `%` is never one of them, so an escaped text has one reading. Nor are braces, which would choose
/// a cluster slot, `~`, which marks a hash, and the characters of glob patterns.
pub(super) struct Alphabet([bool; 256]);

/// For tenants and cache names, which end at the next colon.
pub(super) static NAME: Alphabet = Alphabet::new(b"-._@/+=,");

/// For keys and prefixes, in which a colon has no meaning.
pub(super) static KEY: Alphabet = Alphabet::new(b"-._@/+=,:");

const HEX: &[u8; 16] = b"0123456789ABCDEF";

impl Alphabet {
    const fn new(punctuation: &[u8]) -> Self {
        let mut plain = [false; 256];
        let mut byte = 0;
        while byte < plain.len() {
            #[allow(clippy::cast_possible_truncation)] // below 256
            {
                plain[byte] = (byte as u8).is_ascii_alphanumeric();
            }
            byte += 1;
        }
        let mut at = 0;
        while at < punctuation.len() {
            plain[punctuation[at] as usize] = true;
            at += 1;
        }
        Self(plain)
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    /// The length of `text` once escaped, its first byte encoded even if plain where `first` says so.
    pub(super) fn escaped_len(&self, text: &str, first: bool) -> usize {
        let escaped = text.bytes().filter(|byte| !self.contains(*byte)).count();
        let first = first && text.bytes().next().is_some_and(|byte| self.contains(byte));
        text.len() + 2 * (escaped + usize::from(first))
    }

    /// Appends `text` escaped, its first byte encoded even if plain where `first` says so.
    pub(super) fn escape(&self, text: &str, first: bool, out: &mut String) {
        for (at, byte) in text.bytes().enumerate() {
            if self.contains(byte) && !(first && at == 0) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// What the escaped `text` stands for; `None` where no text was ever escaped like that.
pub(super) fn unescape(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Whether `text` is a number as an integer key writes it, or with leading zeros: `-?[0-9]+`.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(alphabet: &Alphabet, text: &str, first: bool) -> String {
        let mut out = String::new();
        alphabet.escape(text, first, &mut out);
        assert_eq!(out.len(), alphabet.escaped_len(text, first));
        out
    }

    #[test]
    fn what_is_not_plain_is_percent_encoded_byte_by_byte() {
        assert_eq!(
            escaped(&NAME, "a:b{c}%~*? é", false),
            "a%3Ab%7Bc%7D%25%7E%2A%3F%20%C3%A9"
        );
        assert_eq!(escaped(&KEY, "a:b/c", false), "a:b/c");
        assert_eq!(escaped(&NAME, "tenant", true), "%74enant");
        assert_eq!(escaped(&NAME, "{x", true), "%7Bx");
        assert_eq!(escaped(&KEY, "", true), "");
    }

    #[test]
    fn what_was_escaped_comes_back() {
        for text in ["", "a", "a:b{c}%~*? é", "%25", "42"] {
            for first in [false, true] {
                assert_eq!(unescape(&escaped(&KEY, text, first)).unwrap(), text);
            }
        }
        for wrong in ["%", "%4", "%4x", "%FF"] {
            assert_eq!(unescape(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_integer_is_digits_with_at_most_a_minus_before_them() {
        for text in [
            "0",
            "42",
            "-1",
            "007",
            "-0",
            "99999999999999999999999999999999999999999",
        ] {
            assert!(is_integer(text), "{text}");
        }
        for text in ["", "-", "--1", "+1", "1.0", "1e3", "1 ", "٣"] {
            assert!(!is_integer(text), "{text}");
        }
    }
}
