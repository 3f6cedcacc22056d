//! Records the commands that a server receives.

use std::io::BufRead;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::ServerError;
use crate::port::random;
use crate::resp::{ANSWER_WITHIN, Closer, Connection};

/// Marks the monitor's own commands, which are not shown.
const MARK: &str = "larder-monitor:";

/// One command, as the server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Who sent it: an address, or `lua` for a command from a script.
    pub client: String,
    /// The command and its arguments.
    pub args: Vec<Vec<u8>>,
}

impl Recorded {
    /// The command's name in capitals: `GET`.
    pub fn name(&self) -> String {
        self.args.first().map_or_else(String::new, |name| {
            String::from_utf8_lossy(name).to_uppercase()
        })
    }

    /// Whether a script on the server called it, at no round trip.
    pub fn from_script(&self) -> bool {
        self.client == "lua"
    }
}

/// Records every command that a server receives until it is dropped, by `MONITOR`.
///
/// The server leaves out administrative commands (`CONFIG`, `CLIENT`) and `AUTH`. What the test
/// itself sends by [`Server::command`](crate::Server::command) is recorded too.
#[derive(Debug)]
pub struct Monitor {
    port: u16,
    password: Option<String>,
    record: Arc<Record>,
    closer: Closer,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Record {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    commands: Vec<Recorded>,
    ended: bool,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    pub(crate) fn start(port: u16, password: Option<&str>) -> Result<Self, ServerError> {
        let mut connection = Connection::open(port, password)?;
        if let crate::Reply::Error(refusal) = connection.ask(&["MONITOR"])? {
            return Err(ServerError::Protocol(refusal));
        }
        let closer = connection.closer()?;
        let lines = connection.into_lines()?;
        let record = Arc::new(Record::default());
        let listener = thread::spawn({
            let record = Arc::clone(&record);
            move || listen(lines, &record)
        });
        Ok(Self {
            port,
            password: password.map(str::to_owned),
            record,
            closer,
            listener: Some(listener),
        })
    }

    /// Every command received since the start or the last [`clear`](Self::clear), in order.
    ///
    /// Complete: each command that was answered before this call is in it. Once the server has
    /// been killed or stopped, it holds what was recorded until then.
    ///
    /// # Errors
    ///
    /// Where the server runs and does not answer, such as while it is paused.
    pub fn commands(&self) -> Result<Vec<Recorded>, ServerError> {
        Ok(self.settled()?.commands.clone())
    }

    /// Forgets what was recorded so far.
    ///
    /// # Errors
    ///
    /// As [`commands`](Self::commands).
    pub fn clear(&self) -> Result<(), ServerError> {
        self.settled()?.commands.clear();
        Ok(())
    }

    /// The record once everything sent so far is in it: a marked command has come through.
    fn settled(&self) -> Result<MutexGuard<'_, Lines>, ServerError> {
        let mark = format!("{MARK}{:x}", random());
        let sent = self.send(&mark);
        // A mark that could not be sent never comes. The server is gone then, and so will be the
        // listener's connection in a moment.
        let pending = |lines: &mut Lines| {
            !lines.ended && (sent.is_err() || !lines.commands.iter().any(is(&mark)))
        };
        let (mut lines, wait) = self
            .record
            .changed
            .wait_timeout_while(self.record.lock(), ANSWER_WITHIN, pending)
            .unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            sent?;
            return Err(ServerError::Protocol("MONITOR shows nothing".into()));
        }
        lines.commands.retain(|command| !is(&mark)(command));
        Ok(lines)
    }

    fn send(&self, mark: &str) -> Result<(), ServerError> {
        Connection::open(self.port, self.password.as_deref())?.ask(&["ECHO", mark])?;
        Ok(())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.closer.close();
        if let Some(listener) = self.listener.take() {
            // The listener does not panic; if it did, the test has no use for it here.
            let _ = listener.join();
        }
    }
}

fn is(mark: &str) -> impl Fn(&Recorded) -> bool {
    move |command| {
        command
            .args
            .last()
            .is_some_and(|arg| arg == mark.as_bytes())
    }
}

fn listen(mut input: impl BufRead, record: &Record) {
    let mut line = Vec::new();
    while input
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        if let Some(command) = parse(&String::from_utf8_lossy(&line)) {
            record.lock().commands.push(command);
            record.changed.notify_all();
        }
        line.clear();
    }
    record.lock().ended = true;
    record.changed.notify_all();
}

/// Reads `+1339518083.107412 [0 127.0.0.1:60866] "get" "a\x00b"`.
fn parse(line: &str) -> Option<Recorded> {
    let (source, mut rest) = line.split_once(" [")?.1.split_once("] ")?;
    let client = source.split_once(' ')?.1.to_owned();
    let mut args = Vec::new();
    while let Some(start) = rest.find('"') {
        let (arg, after) = unquote(&rest[start + 1..])?;
        args.push(arg);
        rest = after;
    }
    Some(Recorded { client, args })
}

/// Reads up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(Vec<u8>, &str)> {
    let bytes = text.as_bytes();
    let mut arg = Vec::new();
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some((arg, &text[at + 1..])),
            b'\\' => {
                at += 1;
                arg.push(match *bytes.get(at)? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 0x07,
                    b'b' => 0x08,
                    b'x' => {
                        at += 2;
                        u8::from_str_radix(text.get(at - 1..=at)?, 16).ok()?
                    }
                    literal => literal,
                });
            }
            byte => arg.push(byte),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_monitor_is_read_byte_for_byte() {
        let line = r#"+1.5 [0 127.0.0.1:60866] "SET" "a] \"b\\" "\x00\xff\r\n" """#;
        let command = parse(line).unwrap();
        assert_eq!(command.client, "127.0.0.1:60866");
        assert_eq!(
            command.args,
            [
                b"SET".to_vec(),
                br#"a] "b\"#.to_vec(),
                b"\x00\xff\r\n".to_vec(),
                Vec::new()
            ]
        );
    }

    #[test]
    fn a_command_from_a_script_is_told_apart() {
        assert!(parse(r#"+1.5 [0 lua] "get" "a""#).unwrap().from_script());
    }
}
