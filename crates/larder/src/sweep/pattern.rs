//! Patterns of keys: `*` and `?`, and nothing else that has a meaning.

use crate::error::Error;

/// The longest pattern, in bytes.
const MAX_LEN: usize = 1024;

/// What keys are to look like.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Box<str>);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        if pattern.is_empty() || pattern.len() > MAX_LEN {
            let end = pattern.floor_char_boundary(MAX_LEN.min(60));
            return Err(Error::Pattern {
                pattern: pattern.get(..end).unwrap_or_default().to_owned(),
                len: pattern.len(),
                max: MAX_LEN,
            });
        }
        Ok(Self(pattern.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every key looks like it.
    pub(crate) fn is_all(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether a key that reads `text` looks like it.
    ///
    /// The last `*` takes as little as it can, and more where that turns out to be too little; those
    /// before it need never be looked at again. So a key costs no more than its length times the
    /// pattern's.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut rest) = (&*self.0, text);
        // Behind the last `*`, and what it was matched with.
        let mut retry: Option<(&str, &str)> = None;
        loop {
            let mut wanted = pattern.chars();
            let mut found = rest.chars();
            match (wanted.next(), found.next()) {
                (Some('*'), _) => {
                    pattern = wanted.as_str();
                    retry = Some((pattern, rest));
                    continue;
                }
                (None, None) => return true,
                (Some(want), Some(char)) if want == '?' || want == char => {
                    (pattern, rest) = (wanted.as_str(), found.as_str());
                    continue;
                }
                _ => {}
            }
            // The last `*` has to take one character more.
            let Some((behind, from)) = retry else {
                return false;
            };
            let mut from = from.chars();
            if from.next().is_none() {
                return false;
            }
            (pattern, rest) = (behind, from.as_str());
            retry = Some((behind, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn a_star_is_any_run_and_a_question_mark_one_character() {
        for (pattern, yes, no) in [
            ("a", &["a"][..], &["", "aa", "b", "A"][..]),
            (
                "user:*",
                &["user:", "user:1", "user:1:2"],
                &["user", "xuser:1"],
            ),
            ("*:7", &[":7", "a:7", ":7:7"], &["7", ":77"]),
            (
                "a*b*c",
                &["abc", "aXbYc", "abcbc", "abbc"],
                &["ab", "acb", "abcd"],
            ),
            ("?", &["a", "é", "🗝", "*"], &["", "ab", "e\u{301}"]),
            ("a?c", &["abc", "aéc", "a?c"], &["ac", "abbc"]),
            ("*?", &["a", "ab"], &[""]),
            ("[a-c]^\\", &["[a-c]^\\"], &["a", "b", "[a-c]^"]),
            ("%41", &["%41"], &["A"]),
            ("**", &["", "a"], &[]),
        ] {
            for text in yes {
                assert!(matches(pattern, text), "{pattern} {text}");
            }
            for text in no {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_is_an_error_that_says_what_can() {
        for pattern in [String::new(), "*a".repeat(513)] {
            let error = Pattern::new(&pattern).unwrap_err().to_string();
            assert!(
                error.contains("1 to 1024 bytes") && error.contains("`*`"),
                "{error}"
            );
        }
        assert!(Pattern::new(&"é*".repeat(300)).is_ok());
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_length_times_the_keys() {
        assert!(!matches(&("*a".repeat(500) + "b"), &"a".repeat(65_000)));
    }

    /// The plain way, which takes for ever on hostile patterns.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', behind @ ..], _) => (0..=text.len()).any(|n| plain(behind, &text[n..])),
            (['?', behind @ ..], [_, rest @ ..]) => plain(behind, rest),
            ([want, behind @ ..], [char, rest @ ..]) if want == char => plain(behind, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_way(pattern in "[ab?*é]{1,8}", text in "[abé*]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let want = plain(&chars(&pattern), &chars(&text));
            prop_assert_eq!(matches(&pattern, &text), want);
        }
    }
}
