//! Keys as a call has them at hand: texts that a template makes, and references to arguments.

use std::fmt::{self, Display, Write as _};

use crate::key::CacheKey;

/// How long a text may be that is made without an allocation, in bytes.
const SHORT: usize = 120;

/// A text that grows from a template.
///
/// Two different lists of arguments never make the same text. What stands between two arguments in the
/// template (its first character) is written as `%` and two digits in the first one, and so is the `%`
/// itself; the macro refuses templates where nothing stands between two arguments.
#[derive(Debug)]
pub struct Text {
    short: [u8; SHORT],
    len: usize,
    /// All of it, once it is longer.
    long: String,
}

impl Text {
    /// Nothing yet.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        Self {
            short: [0; SHORT],
            len: 0,
            long: String::new(),
        }
    }

    /// With a part of the template itself.
    #[inline]
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// With the last argument, or one that only the template's end follows.
    #[inline]
    #[must_use]
    pub fn last(mut self, value: &(impl Display + ?Sized)) -> Self {
        // A text that grows takes all; a `Display` that fails has written what it wanted.
        let _ = write!(self, "{value}");
        self
    }

    /// With an argument that `until` divides from the next one.
    #[inline]
    #[must_use]
    pub fn before(mut self, value: &(impl Display + ?Sized), until: char) -> Self {
        let _ = write!(
            Escaped {
                out: &mut self,
                until
            },
            "{value}"
        );
        self
    }

    /// What has grown.
    #[inline]
    pub fn as_str(&self) -> &str {
        if self.long.is_empty() {
            // Whole texts were put there, so it is UTF-8.
            std::str::from_utf8(&self.short[..self.len]).unwrap_or_default()
        } else {
            &self.long
        }
    }

    #[inline]
    fn push(&mut self, text: &str) {
        if self.long.is_empty() {
            let end = self.len + text.len();
            if let Some(room) = self.short.get_mut(self.len..end) {
                room.copy_from_slice(text.as_bytes());
                self.len = end;
                return;
            }
            self.long = self.as_str().to_owned();
        }
        self.long.push_str(text);
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Text {
    #[inline]
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part);
        Ok(())
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

struct Escaped<'a> {
    out: &'a mut Text,
    until: char,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let mut rest = part;
        while let Some(at) = rest.find(['%', self.until]) {
            let (before, found) = rest.split_at(at);
            self.out.push(before);
            let mut chars = found.chars();
            if let Some(char) = chars.next() {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    write!(self.out, "%{byte:02X}")?;
                }
            }
            rest = chars.as_str();
        }
        self.out.push(rest);
        Ok(())
    }
}

/// Nothing: that it compiles says that an argument may be part of a key.
#[inline]
pub fn key_part<T: CacheKey + ?Sized>(_: &T) {}

/// An expression that stands for a key: the key itself, or a reference to it.
#[derive(Debug)]
pub struct KeyOf<T>(pub T);

impl<'a, Q: ?Sized> KeyOf<&'a Q> {
    /// The key that is referred to. Being the type's own, it goes before that of [`Borrowed`].
    #[inline]
    pub fn key(&self) -> &'a Q {
        self.0
    }
}

/// The same for what is no reference.
pub trait Borrowed {
    /// The key's type.
    type Key;

    /// The key.
    fn key(&self) -> &Self::Key;
}

impl<K> Borrowed for KeyOf<K> {
    type Key = K;

    #[inline]
    fn key(&self) -> &K {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_and_a_long_one_read_alike() {
        for len in [SHORT - 3, SHORT - 2, SHORT - 1, SHORT, 3 * SHORT] {
            let long = "é".repeat(len);
            assert_eq!(
                Text::new().literal("k:").last(&long).as_str(),
                format!("k:{long}")
            );
        }
    }

    #[test]
    fn what_divides_two_arguments_cannot_stand_in_the_first() {
        let key = |a: &str, b: &str| {
            Text::new()
                .before(a, ':')
                .literal(":")
                .last(b)
                .as_str()
                .to_owned()
        };
        assert_eq!(key("a:b", "c"), "a%3Ab:c");
        assert_eq!(key("a", "b:c"), "a:b:c");
        assert_eq!(key("100%", "c"), "100%25:c");
    }

    #[test]
    fn a_key_is_itself_or_what_is_referred_to() {
        let name = "ann";
        assert_eq!(KeyOf(name).key(), "ann");
        let pair = (1, "a".to_owned());
        assert_eq!(KeyOf(pair.clone()).key(), &pair);
    }

    proptest! {
        #[test]
        fn two_lists_of_arguments_never_meet(
            pairs in proptest::collection::hash_set(("[ab:%é-]{0,4}", "[ab:%é-]{0,4}"), 2..60),
            until in prop_oneof![Just(':'), Just('-'), Just('é')],
        ) {
            let mut seen = HashMap::new();
            for (a, b) in pairs {
                let divider = until.to_string();
                let text = Text::new().before(&a, until).literal(&divider).last(&b);
                let before = seen.insert(text.as_str().to_owned(), (a, b));
                prop_assert!(before.is_none(), "{before:?}");
            }
        }
    }
}
