//! RFC 9213: fields that speak to some caches alone, such as `CDN-Cache-Control`, and go before
//! `Cache-Control` and `Expires`.

use http::HeaderMap;
use http::header::HeaderName;

use super::directives::Directives;

/// The directives of a response to a cache with this list of targets, and whether they are targeted ones.
pub(crate) fn directives(headers: &HeaderMap, targets: &[HeaderName]) -> (Directives, bool) {
    let mut targeted = targets
        .iter()
        .filter_map(|target| of_field(headers, target));
    match targeted.next() {
        Some(directives) => (directives, true),
        None => (Directives::of_response(headers), false),
    }
}

/// A field that is no dictionary (RFC 9651), or an empty one, is as if it were not there.
fn of_field(headers: &HeaderMap, name: &HeaderName) -> Option<Directives> {
    let lines = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().ok());
    let lines: Option<Vec<&str>> = lines.collect();
    let text = lines?.join(",");
    let mut reader = Reader(text.trim_matches(' '));
    let mut members: Vec<(&str, Value)> = Vec::new();
    while !reader.0.is_empty() {
        let member = reader.member()?;
        // The last one of a name counts.
        members.retain(|(name, _)| *name != member.0);
        members.push(member);
        reader.space();
        if reader.0.is_empty() {
            break;
        }
        reader.take(',')?;
        reader.space();
        if reader.0.is_empty() {
            return None;
        }
    }
    if members.is_empty() {
        return None;
    }
    let mut directives = Directives::default();
    for (name, value) in members {
        match value {
            Value::False => {}
            Value::True => directives.apply(name, None),
            Value::Integer(digits) => directives.apply(name, Some(digits)),
            Value::Text(text) => match name {
                // Its time is no number: it cannot be read.
                "max-age" | "s-maxage" => directives.apply(name, Some("?")),
                _ => directives.apply(name, Some(&text)),
            },
        }
    }
    Some(directives)
}

enum Value<'a> {
    True,
    False,
    Integer(&'a str),
    /// A string's content, or whatever else it is as it stands there.
    Text(String),
}

struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn take(&mut self, char: char) -> Option<()> {
        self.0 = self.0.strip_prefix(char)?;
        Some(())
    }

    fn space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn while_in(&mut self, allowed: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|char| !allowed(char)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn key(&mut self) -> Option<&'a str> {
        if !self
            .0
            .starts_with(|char: char| char.is_ascii_lowercase() || char == '*')
        {
            return None;
        }
        Some(self.while_in(|char| {
            char.is_ascii_lowercase() || char.is_ascii_digit() || "_-.*".contains(char)
        }))
    }

    fn member(&mut self) -> Option<(&'a str, Value<'a>)> {
        let name = self.key()?;
        let value = match self.take('=') {
            Some(()) => self.value()?,
            None => Value::True,
        };
        // Parameters say nothing to a cache, and must be right all the same.
        while self.take(';').is_some() {
            self.0 = self.0.trim_start_matches(' ');
            self.key()?;
            if self.take('=').is_some() {
                self.item()?;
            }
        }
        Some((name, value))
    }

    fn value(&mut self) -> Option<Value<'a>> {
        if self.take('(').is_none() {
            return self.item();
        }
        loop {
            self.0 = self.0.trim_start_matches(' ');
            if self.take(')').is_some() {
                return Some(Value::Text("()".to_owned()));
            }
            self.item()?;
        }
    }

    fn item(&mut self) -> Option<Value<'a>> {
        match self.0.chars().next()? {
            '"' => self.string(),
            '?' => {
                self.take('?')?;
                match self.while_in(|char| char.is_ascii_digit()) {
                    "1" => Some(Value::True),
                    "0" => Some(Value::False),
                    _ => None,
                }
            }
            ':' => {
                self.take(':')?;
                let bytes =
                    self.while_in(|char| char.is_ascii_alphanumeric() || "+/=".contains(char));
                self.take(':')?;
                Some(Value::Text(bytes.to_owned()))
            }
            first if first.is_ascii_digit() || first == '-' => {
                let number = self.while_in(|char| char.is_ascii_digit() || "-.".contains(char));
                let digits = number.strip_prefix('-').unwrap_or(number);
                if digits.is_empty() || digits.contains('-') || digits.len() > 15 {
                    return None;
                }
                // A negative or broken one is a number as well; what it says is not taken for a time.
                Some(Value::Integer(number))
            }
            first if first.is_ascii_alphabetic() || first == '*' => {
                let token = self.while_in(|char| {
                    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(char)
                });
                Some(Value::Text(token.to_owned()))
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Value<'a>> {
        self.take('"')?;
        let mut text = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(Value::Text(text));
                }
                '\\' => text.push(
                    chars
                        .next()
                        .map(|(_, char)| char)
                        .filter(|char| "\"\\".contains(*char))?,
                ),
                _ => text.push(char),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::headers;
    use super::*;

    const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");

    fn of(lines: &str) -> (Directives, bool) {
        directives(&headers(lines), &[CDN])
    }

    #[test]
    fn a_targeted_field_goes_before_cache_control() {
        let (all, targeted) =
            of("cache-control: no-store\ncdn-cache-control: max-age=60, must-revalidate");
        assert!(targeted && !all.no_store && all.must_revalidate);
        assert_eq!(all.max_age, Some(Duration::from_mins(1)));
    }

    #[test]
    fn the_first_target_of_the_list_that_is_there_counts() {
        let lines = headers("cdn-cache-control: max-age=1\nours-cache-control: max-age=2");
        let ours = HeaderName::from_static("ours-cache-control");
        let (all, _) = directives(&lines, &[ours, CDN]);
        assert_eq!(all.max_age, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_field_that_is_no_dictionary_is_as_if_it_were_not_there() {
        for bad in [
            "",
            "MAX-AGE=5",
            "max-age=5,",
            "max-age=\"5",
            "max age=5",
            "max-age=5 no-store",
            "=5",
            "max-age=1234567890123456",
            "a=?2",
            "a=:x",
            "a=(b c",
        ] {
            let (all, targeted) = of(&format!(
                "cache-control: no-store\ncdn-cache-control: {bad}"
            ));
            assert!(!targeted && all.no_store, "{bad}");
        }
    }

    #[test]
    fn values_have_types() {
        let (all, _) = of(
            "cdn-cache-control: max-age=5;a=\"b\";c, no-cache=\"x-a\", public=?0, x=(1 2), y=:aa==:",
        );
        assert_eq!(all.max_age, Some(Duration::from_secs(5)));
        assert!(!all.public && all.no_cache.is_some());
        for wrong in ["max-age=\"5\"", "max-age=x", "max-age=5.5", "max-age=-5"] {
            let (all, targeted) = of(&format!("cdn-cache-control: {wrong}"));
            assert!(targeted);
            assert_eq!(all.max_age, Some(Duration::ZERO), "{wrong}");
        }
        let (all, _) = of("cdn-cache-control: max-age=1\ncdn-cache-control: max-age=2");
        assert_eq!(all.max_age, Some(Duration::from_secs(2)));
    }
}
