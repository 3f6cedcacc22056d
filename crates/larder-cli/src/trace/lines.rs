//! The lines of a trace, of bounded length.

use std::io::{self, BufRead};

/// In bytes. Of a longer line no more is kept in memory than this.
pub(super) const LONGEST: usize = 64 << 10;

pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    read: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without the white space around it.
    Text(&'a str),
    TooLong,
    NotText,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::new(),
            read: 0,
        }
    }

    /// How many lines were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0;
        let mut has_ended = false;
        while !has_ended {
            let bytes = match self.source.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                break;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            has_ended = end.is_some();
            let part = &bytes[..end.unwrap_or(bytes.len())];
            length += part.len();
            if length <= LONGEST {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(has_ended);
            self.source.consume(used);
        }
        if length == 0 && !has_ended {
            return Ok(None);
        }
        self.read += 1;
        if length > LONGEST {
            return Ok(Some(Line::TooLong));
        }
        // Some programs put a mark of the byte order before the first.
        let line = self
            .line
            .strip_prefix(b"\xef\xbb\xbf")
            .filter(|_| self.read == 1);
        let text = std::str::from_utf8(line.unwrap_or(&self.line));
        Ok(Some(
            text.map_or(Line::NotText, |text| Line::Text(text.trim())),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_kind_come_one_by_one() {
        let long = "x".repeat(LONGEST + 1);
        let fits = "y".repeat(LONGEST);
        let text = format!("\u{feff}a\r\n\n{long}\n{fits}\n  b \nlast");
        let bytes = [text.as_bytes(), b"\n\xff\xfe\n"].concat();
        // Parts of 7 bytes, so that lines are cut anywhere.
        let mut lines = Lines::new(io::BufReader::with_capacity(7, &bytes[..]));
        for expected in [
            Line::Text("a"),
            Line::Text(""),
            Line::TooLong,
            Line::Text(&fits),
            Line::Text("b"),
            Line::Text("last"),
            Line::NotText,
        ] {
            assert_eq!(lines.next().unwrap(), Some(expected));
        }
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.read(), 7);
    }
}
