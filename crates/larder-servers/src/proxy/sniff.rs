//! The names of the first commands that a client sends.

/// How many commands are recorded of each connection.
const RECORDED: usize = 64;
/// How much of an argument is kept: names are short.
const KEPT: usize = 32;
/// A line of RESP that a command may hold is `*` or `$` and a number.
const LONGEST_LINE: usize = 32;

/// Commands that say little without their second word.
const CONTAINERS: [&str; 8] = [
    "ACL", "CLIENT", "CLUSTER", "CONFIG", "FUNCTION", "OBJECT", "PUBSUB", "SCRIPT",
];

/// Reads RESP as it passes by, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    names: Vec<String>,
    state: State,
    line: Vec<u8>,
    arguments: usize,
    /// The first two arguments of the command that is being read.
    words: Vec<String>,
}

#[derive(Debug, Default)]
enum State {
    /// In a line that says how many arguments follow, or how long the next one is.
    #[default]
    Line,
    /// In an argument, of which so many bytes are missing, with its line end.
    Argument(usize),
    /// Enough was recorded, or what comes is not RESP.
    Done,
}

impl Sniffer {
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Done => return,
                State::Line => {
                    bytes = rest;
                    self.line.push(byte);
                    if byte == b'\n' {
                        self.line_ended();
                    } else if self.line.len() > LONGEST_LINE {
                        self.state = State::Done;
                    }
                }
                State::Argument(missing) => {
                    let (part, rest) = bytes.split_at(missing.min(bytes.len()));
                    bytes = rest;
                    let room = KEPT.saturating_sub(self.line.len());
                    self.line.extend(&part[..part.len().min(room)]);
                    self.state = State::Argument(missing - part.len());
                    if part.len() == missing {
                        self.argument_ended();
                    }
                }
            }
        }
    }

    fn line_ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let (kind, number) = line.trim_end().split_at_checked(1).unwrap_or(("", ""));
        self.state = match (kind, number.parse::<usize>()) {
            ("*", Ok(arguments)) if self.arguments == 0 => {
                self.arguments = arguments;
                State::Line
            }
            ("$", Ok(length)) if self.arguments > 0 => State::Argument(length.saturating_add(2)),
            _ => State::Done,
        };
    }

    fn argument_ended(&mut self) {
        let argument = std::mem::take(&mut self.line);
        if self.words.len() < 2 {
            let word = String::from_utf8_lossy(&argument).trim_end().to_uppercase();
            self.words.push(word);
        }
        self.arguments -= 1;
        self.state = State::Line;
        if self.arguments == 0 {
            let words = std::mem::take(&mut self.words);
            let count = match words.first() {
                Some(first) if CONTAINERS.contains(&first.as_str()) => 2,
                _ => 1,
            };
            self.names.push(words[..words.len().min(count)].join(" "));
            if self.names.len() == RECORDED {
                self.state = State::Done;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: &[u8] = b"*2\r\n$5\r\nhello\r\n$1\r\n3\r\n\
        *4\r\n$6\r\nCLIENT\r\n$8\r\ntracking\r\n$2\r\non\r\n$5\r\nBCAST\r\n\
        *3\r\n$3\r\nSET\r\n$0\r\n\r\n$9\r\n*1\r\n$4\r\nX\r\n\
        *1\r\n$4\r\nPING\r\n";

    #[test]
    fn names_are_read_in_whatever_pieces_they_come() {
        for size in 1..COMMANDS.len() {
            let mut sniffer = Sniffer::default();
            for piece in COMMANDS.chunks(size) {
                sniffer.see(piece);
            }
            assert_eq!(sniffer.names(), ["HELLO", "CLIENT TRACKING", "SET", "PING"]);
        }
    }

    #[test]
    fn what_is_not_resp_ends_the_record_and_so_do_enough_commands() {
        for bytes in [
            &b"PING\r\n"[..],
            b"$1\r\nx\r\n",
            b"*1\r\n*1\r\n",
            &[b'*'; 99],
        ] {
            let mut sniffer = Sniffer::default();
            sniffer.see(bytes);
            sniffer.see(COMMANDS);
            assert!(sniffer.names().is_empty(), "{bytes:?}");
        }
        let mut sniffer = Sniffer::default();
        (0..100).for_each(|_| sniffer.see(b"*1\r\n$4\r\nPING\r\n"));
        assert_eq!(sniffer.names().len(), RECORDED);
    }
}
