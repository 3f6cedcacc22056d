//! What goes between a fleet and its members: one line a message.

/// Begins each of a member's own lines, which thereby stand out from what else it writes.
pub(super) const MARK: &str = "@larder-fleet ";

/// The role that a process has in a fleet.
pub(super) const ROLE: &str = "LARDER_FLEET_ROLE";
/// Which of its members it is.
pub(super) const INDEX: &str = "LARDER_FLEET_INDEX";

/// What goes either way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// To the fleet: the member takes orders.
    Ready,
    /// To the member: no more orders come.
    Finish,
    /// An order, or the answer to the one with this number.
    Text(u64, String),
}

impl Message {
    pub(super) fn write(&self) -> String {
        match self {
            Self::Ready => "ready".to_owned(),
            Self::Finish => "finish".to_owned(),
            Self::Text(number, text) => {
                let text = text.replace('\\', r"\\").replace('\n', r"\n");
                format!("{number} {}", text.replace('\r', r"\r"))
            }
        }
    }

    pub(super) fn read(line: &str) -> Option<Self> {
        match line {
            "ready" => return Some(Self::Ready),
            "finish" => return Some(Self::Finish),
            _ => {}
        }
        let (number, rest) = line.split_once(' ')?;
        let mut text = String::new();
        let mut letters = rest.chars();
        while let Some(letter) = letters.next() {
            text.push(match letter {
                '\\' => match letters.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    literal => literal,
                },
                literal => literal,
            });
        }
        Some(Self::Text(number.parse().ok()?, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_line() {
        for text in [
            "",
            "plain",
            " a\nb\r\n\\n\\",
            "{\"a\":\"\\n\"}",
            "ready",
            "ü\u{2028}",
        ] {
            let message = Message::Text(7, text.to_owned());
            let line = message.write();
            assert!(!line.contains(['\n', '\r']), "{line}");
            assert_eq!(Message::read(&line), Some(message));
        }
        for message in [Message::Ready, Message::Finish] {
            assert_eq!(Message::read(&message.write()), Some(message));
        }
        assert_eq!(Message::read("x y"), None);
    }
}
