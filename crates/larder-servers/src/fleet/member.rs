//! The fleet's side of one member.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::line::{INDEX, MARK, Message};
use crate::guard::Guard;
use crate::{ServerError, signal};

/// How long a member has to become ready, for one answer, and to finish.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);
/// How many lines of output an error shows.
const SHOWN: usize = 20;

/// One process of a [`Fleet`](super::Fleet).
///
/// Its methods take `&self`, so that threads can give orders to it while another kills it.
#[derive(Debug)]
pub struct Member {
    role: String,
    index: usize,
    pid: u32,
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    heard: Arc<Heard>,
    next: AtomicU64,
    watch: Arc<Mutex<Watch>>,
}

/// Ends the members where the test process cannot.
#[derive(Debug)]
pub(super) struct Watch {
    guard: Guard,
    pids: Vec<u32>,
}

impl Watch {
    pub(super) fn start() -> Result<Self, ServerError> {
        Ok(Self {
            guard: Guard::start(None)?,
            pids: Vec::new(),
        })
    }

    fn add(&mut self, pid: u32) -> Result<(), ServerError> {
        self.pids.push(pid);
        self.guard.watch(&self.pids)
    }

    /// A pid that was waited for may be another's.
    fn remove(&mut self, pid: u32) {
        self.pids.retain(|watched| *watched != pid);
        // A guard that is gone kills nothing.
        let _ = self.guard.watch(&self.pids);
    }
}

#[derive(Debug, Default)]
struct Heard {
    what: Mutex<What>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct What {
    ready: bool,
    answers: HashMap<u64, String>,
    /// The last lines that are no messages.
    output: VecDeque<String>,
    ended: bool,
}

impl Member {
    pub(super) fn spawn(
        mut command: Command,
        role: &str,
        index: usize,
        watch: Arc<Mutex<Watch>>,
    ) -> Result<Self, ServerError> {
        let mut child = command
            .env(INDEX, index.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(ServerError::io("start a member of a fleet"))?;
        let heard = Arc::new(Heard::default());
        let input = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            let heard = Arc::clone(&heard);
            thread::spawn(move || heard.listen(output));
        }
        let member = Self {
            role: role.to_owned(),
            index,
            pid: child.id(),
            child: Mutex::new(child),
            input: Mutex::new(input),
            heard,
            next: AtomicU64::new(0),
            watch,
        };
        lock(&member.watch).add(member.pid)?;
        Ok(member)
    }

    pub(super) fn wait_until_ready(&self) -> Result<(), ServerError> {
        self.wait("become ready", WITHIN, |heard| heard.ready.then_some(()))
    }

    /// Which member it is: the first is 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its process id, which may be another's once it has ended.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives an order, and waits 10 seconds for the answer. Both may be any text.
    ///
    /// # Errors
    ///
    /// Where the member has ended or does not answer. The error shows what it wrote last.
    pub fn ask(&self, order: &str) -> Result<String, ServerError> {
        self.send(order)?.wait(WITHIN)
    }

    /// Gives an order and does not wait, so that several members are at work together.
    ///
    /// # Errors
    ///
    /// Where the member has ended.
    pub fn send(&self, order: &str) -> Result<Pending<'_>, ServerError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(&Message::Text(number, order.to_owned()))?;
        Ok(Pending {
            member: self,
            number,
            order: order.to_owned(),
        })
    }

    /// Whether the process lives. A paused one does.
    pub fn is_running(&self) -> bool {
        matches!(self.exit_status(), Ok(None))
    }

    /// Ends the process at once with SIGKILL. Does nothing if it has ended.
    pub fn kill(&self) {
        let mut child = lock(&self.child);
        // `kill` refuses only a process that ended, and `wait` then collects it.
        let _ = child.kill();
        let _ = child.wait();
        lock(&self.watch).remove(self.pid);
    }

    /// Stops the process where it is with SIGSTOP, and returns once it stands still.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.expect_running()?;
        signal::pause(&lock(&self.child))
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.expect_running()?;
        signal::send(&lock(&self.child), Signal::CONT)
    }

    /// Has the member finish in good order once it has answered all orders, and waits for its end.
    ///
    /// # Errors
    ///
    /// Where it has not ended after 10 seconds, or with another status than success.
    pub fn finish(&self) -> Result<(), ServerError> {
        self.write(&Message::Finish)?;
        let deadline = Instant::now() + WITHIN;
        loop {
            match self.exit_status()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended(status)),
                None if Instant::now() >= deadline => return Err(self.silent("finished", WITHIN)),
                None => thread::sleep(POLL),
            }
        }
    }

    /// The last lines that it wrote to standard output and that are no answers.
    pub fn output(&self) -> Vec<String> {
        self.heard.lock().output.iter().cloned().collect()
    }

    fn write(&self, message: &Message) -> Result<(), ServerError> {
        let line = message.write() + "\n";
        let written = match &mut *lock(&self.input) {
            Some(input) => input.write_all(line.as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        written.or_else(|error| {
            self.expect_running()?;
            Err(ServerError::io("give an order to a member of a fleet")(
                error,
            ))
        })
    }

    /// Waits until what was heard holds the wanted.
    fn wait<T>(
        &self,
        awaited: &str,
        within: Duration,
        mut wanted: impl FnMut(&mut What) -> Option<T>,
    ) -> Result<T, ServerError> {
        let mut found = None;
        let (heard, _) = self
            .heard
            .changed
            .wait_timeout_while(self.heard.lock(), within, |heard| {
                found = wanted(heard);
                found.is_none() && !heard.ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        let ended = heard.ended;
        drop(heard);
        if let Some(found) = found {
            return Ok(found);
        }
        if ended {
            self.wait_for_end()?;
        }
        Err(self.silent(awaited, within))
    }

    /// A member whose output ended is about to end itself, which is the error then.
    fn wait_for_end(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + WITHIN;
        while Instant::now() < deadline {
            self.expect_running()?;
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn expect_running(&self) -> Result<(), ServerError> {
        match self.exit_status()? {
            Some(status) => Err(self.ended(status)),
            None => Ok(()),
        }
    }

    fn exit_status(&self) -> Result<Option<ExitStatus>, ServerError> {
        let status = lock(&self.child)
            .try_wait()
            .map_err(ServerError::io("look at a member of a fleet"))?;
        if status.is_some() {
            lock(&self.watch).remove(self.pid);
        }
        Ok(status)
    }

    fn ended(&self, status: ExitStatus) -> ServerError {
        ServerError::MemberEnded {
            role: self.role.clone(),
            index: self.index,
            status,
            output: self.output().join("\n"),
        }
    }

    fn silent(&self, awaited: &str, waited: Duration) -> ServerError {
        ServerError::MemberSilent {
            role: self.role.clone(),
            index: self.index,
            awaited: awaited.to_owned(),
            waited,
            output: self.output().join("\n"),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An order that was given and whose answer was not yet taken.
#[derive(Debug)]
#[must_use = "its answer may be an error"]
pub struct Pending<'a> {
    member: &'a Member,
    number: u64,
    order: String,
}

impl Pending<'_> {
    /// Waits for the answer. One that comes too late does not get in the way of later orders.
    ///
    /// # Errors
    ///
    /// Where the member has ended, or does not answer in this time.
    pub fn wait(&self, within: Duration) -> Result<String, ServerError> {
        let awaited = format!("answered `{}`", self.order);
        self.member
            .wait(&awaited, within, |heard| heard.answers.remove(&self.number))
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, What> {
        lock(&self.what)
    }

    /// Reads what a member writes, until it ends.
    fn listen(&self, output: impl Read) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            self.hear(String::from_utf8_lossy(&line).trim_end_matches('\n'));
            line.clear();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn hear(&self, line: &str) {
        let mut heard = self.lock();
        match line.strip_prefix(MARK).and_then(Message::read) {
            Some(Message::Ready) => heard.ready = true,
            Some(Message::Text(number, text)) => {
                heard.answers.insert(number, text);
            }
            // A message is preceded by an empty line.
            _ if line.is_empty() => {}
            _ => {
                if heard.output.len() == SHOWN {
                    heard.output.pop_front();
                }
                heard.output.push_back(line.to_owned());
            }
        }
        drop(heard);
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
