//! Several processes of the program that runs, to command from it.

mod line;
mod member;
mod orders;

use std::ffi::{OsStr, OsString};
use std::ops::Index;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::ServerError;
use line::ROLE;
use member::Watch;
pub use member::{Member, Pending};
pub use orders::{Order, Orders};

/// Child processes that run this same program, a test's or a bench's, in a role of their own.
///
/// The program asks for its [`Orders`] first of all, and serves them where there are any. A program
/// with a `main` of its own does so there:
///
/// ```standalone_crate
/// use larder_servers::{Fleet, Orders, ServerError};
///
/// fn main() -> Result<(), ServerError> {
///     if let Some(orders) = Orders::of_this_process() {
///         // Here it would make a larder, and answer with what that says.
///         let me = format!("{} {}", orders.role(), orders.index());
///         orders.serve(|order| format!("{me} did {order}"));
///         return Ok(());
///     }
///     let fleet = Fleet::builder("loader").env("CACHE_ENABLED", "true").spawn(3)?;
///     assert_eq!(fleet[1].ask("load a")?, "loader 1 did load a");
///     assert_eq!(fleet.ask_all("load b")?.len(), 3);
///     fleet[2].kill();
///     assert!(fleet[2].ask("load c").is_err());
///     Ok(())
/// } // All of them are ended here.
/// ```
///
/// In a test binary the entry is a test, which passes at once where it is run as one:
///
/// ```no_run
/// use larder_servers::{Fleet, Orders};
///
/// #[test]
/// fn member() {
///     if let Some(orders) = Orders::of_this_process() {
///         match orders.role() {
///             "loader" => orders.serve(|order| order.to_uppercase()),
///             role => panic!("no role is called {role}"),
///         }
///     }
/// }
///
/// #[test]
/// fn three_processes_load_once() {
///     // With the path of its modules, where it is not at the root: `fleet::member`.
///     let fleet = Fleet::builder("loader").entry("member").spawn(3).unwrap();
///     assert_eq!(fleet[0].ask("a").unwrap(), "A");
/// }
/// ```
///
/// The members end when this is dropped, also where they are paused, and also where the process
/// that holds it is killed.
#[allow(clippy::test_attr_in_doctest)] // It shows what a binary of tests holds.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Member>,
}

impl Fleet {
    /// A fleet to start, whose members are told this role.
    pub fn builder(role: impl Into<String>) -> FleetBuilder {
        FleetBuilder {
            role: role.into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Its processes. [`Member::index`] is the place of each.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Gives all members an order, so that they are at work together, and waits for the answers.
    ///
    /// # Errors
    ///
    /// As [`Member::ask`], for the first that fails.
    pub fn ask_all(&self, order: &str) -> Result<Vec<String>, ServerError> {
        let pending = self.send_all(order)?;
        pending
            .iter()
            .map(|pending| pending.wait(member::WITHIN))
            .collect()
    }

    /// Gives all members an order, and does not wait.
    ///
    /// # Errors
    ///
    /// Where a member has ended.
    pub fn send_all(&self, order: &str) -> Result<Vec<Pending<'_>>, ServerError> {
        self.members
            .iter()
            .map(|member| member.send(order))
            .collect()
    }
}

impl Index<usize> for Fleet {
    type Output = Member;

    fn index(&self, index: usize) -> &Member {
        &self.members[index]
    }
}

/// What a fleet's processes are to be. [`Fleet::builder`] makes one.
#[derive(Debug, Clone)]
#[must_use = "nothing starts before `spawn`"]
pub struct FleetBuilder {
    role: String,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl FleetBuilder {
    /// Names the test by which members enter, where the program is a binary of tests.
    ///
    /// It must be given in full, such as `fleet::member`.
    pub fn entry(self, test: &str) -> Self {
        // Nothing of what they print is held back until their end.
        self.args(["--exact", test, "--nocapture"])
    }

    /// Adds arguments to the members' command line, which is empty otherwise.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the members. The others are as in this process.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let pair = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.env.push(pair);
        self
    }

    /// Starts so many members, and returns once all of them take orders.
    ///
    /// # Errors
    ///
    /// Where one of them does not within 10 seconds: most likely it does not ask for its
    /// [`Orders`].
    pub fn spawn(self, count: usize) -> Result<Fleet, ServerError> {
        let program = std::env::current_exe().map_err(ServerError::io("find this program"))?;
        let watch = Arc::new(Mutex::new(Watch::start()?));
        let start = |index| {
            let mut command = Command::new(&program);
            command
                .args(&self.args)
                .envs(self.env.iter().map(|(name, value)| (name, value)))
                .env(ROLE, &self.role);
            Member::spawn(command, &self.role, index, Arc::clone(&watch))
        };
        let members = (0..count).map(start).collect::<Result<Vec<_>, _>>()?;
        members.iter().try_for_each(Member::wait_until_ready)?;
        Ok(Fleet { members })
    }
}
