//! Keys as a call has them at hand: texts that a template makes, and references to arguments.

use std::fmt::{self, Display, Write as _};

use crate::key::CacheKey;

/// How long a text may be that is made without an allocation, in bytes.
const SHORT: usize = 120;

/// A text that grows from a template.
///
/// Two different lists of arguments never make the same text. What stands right behind an argument in the
/// template (its first character) is written as `%` and two digits in the argument, and so is the `%`
/// itself, or with `~` where it is a `%` that stands there; the macro refuses templates where nothing stands
/// between two arguments. An argument at the end of its template is written as it is.
///
/// In a pattern, `*` and `?` have a meaning that cannot be taken from them. There an argument's `*` is written
/// as `?`, which stands for any one character: such a pattern may find some more keys, and never fewer.
#[derive(Debug)]
pub struct Text {
    is_pattern: bool,
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
            is_pattern: false,
            short: [0; SHORT],
            len: 0,
            long: String::new(),
        }
    }

    /// Nothing yet, of a pattern.
    #[must_use]
    pub fn pattern() -> Self {
        Self {
            is_pattern: true,
            ..Self::new()
        }
    }

    /// With a part of the template itself.
    #[inline]
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// With an argument at the template's end.
    #[inline]
    #[must_use]
    pub fn last(mut self, value: &(impl Display + ?Sized)) -> Self {
        // A text that grows takes all; a `Display` that fails has written what it wanted.
        let _ = if self.is_pattern {
            write!(Literally(&mut self), "{value}")
        } else {
            write!(self, "{value}")
        };
        self
    }

    /// With an argument that `until` follows.
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

    /// A part of an argument that needs no escape.
    fn argument(&mut self, text: &str) {
        if self.is_pattern && text.contains('*') {
            self.push(&text.replace('*', "?"));
        } else {
            self.push(text);
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
        let mark = if self.until == '%' { '~' } else { '%' };
        let mut rest = part;
        while let Some(at) = rest.find([mark, self.until]) {
            let (before, found) = rest.split_at(at);
            self.out.argument(before);
            let mut chars = found.chars();
            if let Some(char) = chars.next() {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    write!(self.out, "{mark}{byte:02X}")?;
                }
            }
            rest = chars.as_str();
        }
        self.out.argument(rest);
        Ok(())
    }
}

/// An argument of a pattern.
struct Literally<'a>(&'a mut Text);

impl fmt::Write for Literally<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.argument(part);
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
    fn an_argument_of_a_pattern_is_found_and_finds_no_less() {
        let text = |text: Text| {
            text.before("a*:?", ':')
                .literal(":")
                .last("*")
                .as_str()
                .to_owned()
        };
        assert_eq!(text(Text::new()), "a*%3A?:*");
        assert_eq!(text(Text::pattern()), "a?%3A?:?");
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
            pairs in proptest::collection::hash_set(("[a2:%~é]{0,4}", "[a2:%~é]{0,4}"), 2..60),
            until in prop_oneof![Just(':'), Just('%'), Just('~'), Just('2'), Just('é')],
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
