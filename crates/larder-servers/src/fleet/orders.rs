//! A member's side: the orders that it takes.

use std::io::{self, BufRead, Write};
use std::process;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::line::{INDEX, MARK, Message, ROLE};

/// The orders of a process that a [`Fleet`](super::Fleet) started.
///
/// When the process that holds the fleet is gone, this one exits at once, whatever it is doing.
#[derive(Debug)]
pub struct Orders {
    role: String,
    index: usize,
    received: Receiver<Order>,
}

impl Orders {
    /// The orders of this process, or `None` where no fleet started it. To be called once.
    ///
    /// They come by standard input, which nothing else may read. Anything may be written to
    /// standard output.
    pub fn of_this_process() -> Option<Self> {
        let role = std::env::var(ROLE).ok()?;
        let index = std::env::var(INDEX).ok()?.parse().ok()?;
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            let mut sender = Some(sender);
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                match Message::read(&line) {
                    Some(Message::Text(number, text)) => {
                        let order = Order { number, text };
                        // A member that takes no more orders leaves them unanswered.
                        let _ = sender.as_ref().map(|sender| sender.send(order));
                    }
                    Some(Message::Finish) => sender = None,
                    _ => {}
                }
            }
            process::exit(1);
        });
        send(&Message::Ready);
        Some(Self {
            role,
            index,
            received,
        })
    }

    /// What the fleet's builder named this process's part.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Which of the fleet's members this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Waits for the next order. `None` means to finish in good order.
    pub fn receive(&mut self) -> Option<Order> {
        self.received.recv().ok()
    }

    /// Answers one order after the other, until it is time to finish.
    pub fn serve(mut self, mut answer: impl FnMut(&str) -> String) {
        while let Some(order) = self.receive() {
            let answer = answer(order.text());
            order.answer(&answer);
        }
    }
}

/// One order, which may be answered from any thread and in any sequence.
#[derive(Debug)]
#[must_use = "the fleet waits for its answer"]
pub struct Order {
    number: u64,
    text: String,
}

impl Order {
    /// What is to be done.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Answers it.
    pub fn answer(self, text: impl Into<String>) {
        send(&Message::Text(self.number, text.into()));
    }
}

/// Writes a line of its own, also where something else has begun one.
fn send(message: &Message) {
    let line = format!("\n{MARK}{}\n", message.write());
    let mut output = io::stdout().lock();
    // A fleet that is gone reads nothing; its end is noticed by the input.
    let _ = output.write_all(line.as_bytes());
    let _ = output.flush();
}
