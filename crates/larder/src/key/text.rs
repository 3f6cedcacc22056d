//! The text of canonical JSON: its limit, its string escapes and their reverse.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::{KeyError, MAX_CANONICAL};

/// JSON text that stops growing at [`MAX_CANONICAL`] bytes.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What was written from byte `start` on.
    pub(super) fn since(&self, start: usize) -> &str {
        self.0.get(start..).unwrap_or_default()
    }

    /// Takes back what was written from byte `start` on.
    pub(super) fn take_since(&mut self, start: usize) -> String {
        self.0.split_off(start.min(self.0.len()))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn room(&self, more: usize) -> Result<(), KeyError> {
        let len = self.0.len().saturating_add(more);
        if len > MAX_CANONICAL {
            return Err(KeyError::TooLong {
                len,
                max: MAX_CANONICAL,
            });
        }
        Ok(())
    }

    /// Appends `json` as it is.
    pub(super) fn push(&mut self, json: &str) -> Result<(), KeyError> {
        self.room(json.len())?;
        self.0.push_str(json);
        Ok(())
    }

    /// Appends `text` as a JSON string.
    pub(super) fn push_string(&mut self, text: &str) -> Result<(), KeyError> {
        self.room(text.len().saturating_add(2))?;
        self.0.push('"');
        let mut start = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                0x08 => "\\b",
                0x09 => "\\t",
                0x0a => "\\n",
                0x0c => "\\f",
                0x0d => "\\r",
                0x00..0x20 => &format!("\\u{byte:04x}"),
                _ => continue,
            };
            self.push(&text[start..at])?;
            self.push(escape)?;
            start = at + 1;
        }
        self.push(&text[start..])?;
        self.push("\"")
    }
}

/// The text that a canonical JSON string stands for; `None` where `json` is no such string.
pub(super) fn unescape(json: &str) -> Option<Cow<'_, str>> {
    let body = json.strip_prefix('"')?.strip_suffix('"')?;
    if !body.contains('\\') {
        return Some(Cow::Borrowed(body));
    }
    let mut text = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        text.push(match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let code: String = chars.by_ref().take(4).collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
            }
            quoted => quoted,
        });
    }
    Some(Cow::Owned(text))
}

/// What `value` displays, which may be no longer than a key.
pub(super) fn display<T: fmt::Display + ?Sized>(value: &T) -> Result<String, KeyError> {
    /// Keeps the error that `fmt::Error` cannot carry.
    struct Bounded {
        text: Text,
        error: Option<KeyError>,
    }
    impl fmt::Write for Bounded {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.text.push(part).map_err(|error| {
                self.error = Some(error);
                fmt::Error
            })
        }
    }

    let mut out = Bounded {
        text: Text::default(),
        error: None,
    };
    match write!(out, "{value}") {
        Ok(()) => Ok(out.text.into_string()),
        Err(fmt::Error) => Err(out.error.unwrap_or_else(|| KeyError::Serialize {
            message: "its `Display` returned an error".to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_take_the_fewest_escapes_and_come_back() {
        for (text, json) in [
            ("", r#""""#),
            ("a\"b\\c/", r#""a\"b\\c/""#),
            ("\u{8}\t\n\u{c}\r", r#""\b\t\n\f\r""#),
            ("\0\u{b}\u{1f}\u{7f}", "\"\\u0000\\u000b\\u001f\u{7f}\""),
            ("é\u{2028}𝄞", "\"é\u{2028}𝄞\""),
        ] {
            let mut out = Text::default();
            out.push_string(text).unwrap();
            assert_eq!(out.into_string(), json);
            assert_eq!(unescape(json).unwrap(), text);
        }
        assert_eq!(unescape("42"), None);
        assert_eq!(unescape("\""), None);
    }

    #[test]
    fn the_limit_holds_before_and_within_a_string() {
        let error = Text::default()
            .push_string(&"a".repeat(1 << 20))
            .unwrap_err();
        assert_eq!(
            error,
            KeyError::TooLong {
                len: (1 << 20) + 2,
                max: MAX_CANONICAL
            }
        );

        let mut out = Text::default();
        let error = out.push_string(&"\0".repeat(60_000)).unwrap_err();
        assert!(matches!(error, KeyError::TooLong { .. }), "{error}");
        assert!(out.len() <= MAX_CANONICAL);

        assert!(
            Text::default()
                .push_string(&"a".repeat(MAX_CANONICAL - 2))
                .is_ok()
        );
        assert!(
            Text::default()
                .push_string(&"a".repeat(MAX_CANONICAL - 1))
                .is_err()
        );
    }

    #[test]
    fn a_display_that_fails_or_never_ends_is_an_error() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    out.write_str("again and ")?;
                }
            }
        }
        struct Failing;
        impl fmt::Display for Failing {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        assert!(matches!(display(&Endless), Err(KeyError::TooLong { .. })));
        assert!(matches!(display(&Failing), Err(KeyError::Serialize { .. })));
        assert_eq!(display(&42).unwrap(), "42");
    }
}
