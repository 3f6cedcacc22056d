//! One direction of one connection: the bytes on their way, and what delays or loses them.
//!
//! No sockets and no clock in here: [`engine`](super::engine) does the I/O and passes the time in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Latency;

/// How much a lane takes in before it lets TCP push back.
const WINDOW: usize = 4 << 20;
/// The same for a slow lane, whose sender shall feel that it is slow.
const SLOW_WINDOW: usize = 64 << 10;
/// A slow lane passes what it may in so many portions a second.
const PORTIONS: u32 = 100;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) latency: Option<Latency>,
    pub(super) bytes_per_second: Option<u32>,
    pub(super) held: bool,
    pub(super) losing: bool,
}

/// How the sender ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
}

/// What to do next for the receiver.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Pass(&'a [u8]),
    End(End),
    /// Nothing before this moment, or before something changes.
    Wait(Option<Instant>),
}

#[derive(Debug)]
struct Piece {
    due: Instant,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Bytes { bytes: Vec<u8>, start: usize },
    End(End),
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    faults: Faults,
    queue: VecDeque<Piece>,
    waiting: usize,
    last_due: Option<Instant>,
    /// When a slow lane may pass its next portion.
    free_at: Option<Instant>,
    random: u64,
    /// Names this lane among all, so that each has its own sequence of delays.
    number: u64,
    source_ended: bool,
    /// Something was lost: what follows would arrive out of its place, so it is lost too.
    broken: bool,
    over: bool,
    read: u64,
    passed: u64,
}

impl Lane {
    pub(super) fn new(number: u64, faults: Faults) -> Self {
        let mut lane = Self {
            number,
            ..Self::default()
        };
        lane.change(faults, Instant::now());
        lane
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults
    }

    pub(super) fn change(&mut self, faults: Faults, now: Instant) {
        if faults.latency != self.faults.latency {
            self.random = faults.latency.map_or(0, |latency| latency.seed) ^ mix(self.number);
            if faults.latency.is_none() {
                self.queue.iter_mut().for_each(|piece| piece.due = now);
                self.last_due = None;
            }
        }
        self.free_at = None;
        self.faults = faults;
        if faults.losing && !self.queue.is_empty() {
            self.lose();
        }
    }

    /// Whether there is room for more of what the sender sends.
    pub(super) fn wants_input(&self) -> bool {
        let window = match self.faults.bytes_per_second {
            Some(_) => SLOW_WINDOW,
            None => WINDOW,
        };
        !self.over && !self.source_ended && self.waiting < window
    }

    pub(super) fn take_in(&mut self, bytes: &[u8], now: Instant) {
        self.read += bytes.len() as u64;
        if self.loses() {
            return self.lose();
        }
        self.waiting += bytes.len();
        let content = Content::Bytes {
            bytes: bytes.to_vec(),
            start: 0,
        };
        self.push(content, now);
    }

    pub(super) fn source_ended(&mut self, end: End, now: Instant) {
        self.source_ended = true;
        if self.loses() {
            return self.lose();
        }
        self.push(Content::End(end), now);
    }

    pub(super) fn next(&self, now: Instant) -> Step<'_> {
        if self.over || self.faults.held {
            return Step::Wait(None);
        }
        let Some(piece) = self.queue.front() else {
            return Step::Wait(None);
        };
        if piece.due > now {
            return Step::Wait(Some(piece.due));
        }
        let (bytes, start) = match &piece.content {
            Content::End(end) => return Step::End(*end),
            Content::Bytes { bytes, start } => (bytes, *start),
        };
        let portion = match self.faults.bytes_per_second {
            None => bytes.len(),
            Some(0) => return Step::Wait(None),
            Some(rate) => match self.free_at {
                Some(free_at) if free_at > now => return Step::Wait(Some(free_at)),
                _ => rate.div_ceil(PORTIONS) as usize,
            },
        };
        let end = bytes.len().min(start + portion);
        Step::Pass(&bytes[start..end])
    }

    /// The receiver took so many bytes of what [`next`](Self::next) showed.
    pub(super) fn passed_on(&mut self, count: usize, now: Instant) {
        self.passed += count as u64;
        self.waiting -= count;
        if let Some(rate) = self.faults.bytes_per_second {
            let takes = Duration::from_secs(count as u64) / rate.max(1);
            let from = self.free_at.map_or(now, |free_at| free_at.max(now));
            self.free_at = Some(from + takes);
        }
        if let Some(Piece {
            content: Content::Bytes { bytes, start },
            ..
        }) = self.queue.front_mut()
        {
            *start += count;
            if *start == bytes.len() {
                self.queue.pop_front();
            }
        }
    }

    /// The receiver was told of the end, or is gone.
    pub(super) fn finish(&mut self) {
        self.over = true;
        self.clear();
    }

    /// Nothing will ever pass here again.
    pub(super) fn is_finished(&self) -> bool {
        self.over || (self.broken && self.source_ended)
    }

    /// Whether what the sender sends is lost, and with it the news that it ended.
    pub(super) fn loses(&self) -> bool {
        self.faults.losing || self.broken
    }

    /// From here on nothing passes, for ever.
    pub(super) fn lose(&mut self) {
        self.broken = true;
        self.clear();
    }

    pub(super) fn read(&self) -> u64 {
        self.read
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the sender has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.source_ended
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.waiting = 0;
    }

    fn push(&mut self, content: Content, now: Instant) {
        let delay = self.faults.latency.map_or(Duration::ZERO, |latency| {
            latency.base + latency.jitter.mul_f64(self.fraction())
        });
        // TCP keeps the order: nothing overtakes what was sent before it.
        let due = self
            .last_due
            .map_or(now + delay, |last| last.max(now + delay));
        self.last_due = Some(due);
        self.queue.push_back(Piece { due, content });
    }

    /// A number from 0 to 1, the next of this lane's sequence.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        f64::from((mix(self.random) >> 32) as u32) / f64::from(u32::MAX)
    }
}

/// The finalizer of splitmix64: neighbouring numbers come out unrelated.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn lane(faults: Faults) -> Lane {
        Lane::new(1, faults)
    }

    fn delayed(seed: u64) -> Faults {
        let latency = Latency::of(10 * MS).jitter(10 * MS, seed);
        Faults {
            latency: Some(latency),
            ..Faults::default()
        }
    }

    /// When each of 100 bytes, read 3 ms apart, is due.
    fn delays(lane: &mut Lane, start: Instant) -> Vec<Duration> {
        (0..100)
            .map(|number| {
                lane.take_in(b"x", start + number * 3 * MS);
                lane.queue.back().unwrap().due - start
            })
            .collect()
    }

    #[test]
    fn without_a_fault_all_passes_at_once_and_then_the_end() {
        let now = Instant::now();
        let mut lane = lane(Faults::default());
        lane.take_in(b"ab", now);
        lane.take_in(b"c", now);
        lane.source_ended(End::Closed, now);
        assert_eq!(lane.next(now), Step::Pass(b"ab"));
        lane.passed_on(1, now);
        assert_eq!(lane.next(now), Step::Pass(b"b"));
        lane.passed_on(1, now);
        lane.passed_on(1, now);
        assert_eq!(lane.next(now), Step::End(End::Closed));
        assert_eq!((lane.read(), lane.passed(), lane.waiting()), (3, 3, 0));
        lane.finish();
        assert!(lane.is_finished());
    }

    #[test]
    fn delays_keep_the_order_and_their_bounds_and_repeat_with_their_seed() {
        let now = Instant::now();
        let first = delays(&mut lane(delayed(7)), now);
        assert!(first.is_sorted());
        for (number, due) in (0..).zip(&first) {
            let sent = number * 3 * MS;
            assert!(*due >= sent + 10 * MS && *due <= sent + 20 * MS, "{due:?}");
        }
        let spread: std::collections::HashSet<_> = first.iter().collect();
        assert!(spread.len() > 30);
        assert_eq!(delays(&mut lane(delayed(7)), now), first);
        assert_ne!(delays(&mut lane(delayed(8)), now), first);
        assert_ne!(delays(&mut Lane::new(2, delayed(7)), now), first);
    }

    #[test]
    fn what_is_delayed_passes_once_due_or_once_the_latency_is_taken_away() {
        let now = Instant::now();
        let mut lane = lane(delayed(0));
        lane.take_in(b"x", now);
        let Step::Wait(Some(due)) = lane.next(now) else {
            panic!("it is delayed");
        };
        assert_eq!(lane.next(due), Step::Pass(b"x"));
        lane.change(Faults::default(), now);
        assert_eq!(lane.next(now), Step::Pass(b"x"));
    }

    #[test]
    fn a_slow_lane_passes_no_more_than_its_rate() {
        let start = Instant::now();
        let mut lane = lane(Faults {
            bytes_per_second: Some(1000),
            ..Faults::default()
        });
        lane.take_in(&[0; 500], start);
        let mut now = start;
        loop {
            match lane.next(now) {
                Step::Pass(bytes) => {
                    let count = bytes.len();
                    assert!(count <= 10);
                    lane.passed_on(count, now);
                }
                Step::Wait(Some(until)) if lane.waiting() > 0 => now = until,
                _ => break,
            }
        }
        // The last of its 50 portions leaves after the time that the 49 before it took.
        let took = now - start;
        assert!(took >= 489 * MS && took <= 491 * MS, "{took:?}");
        lane.take_in(&vec![0; SLOW_WINDOW], now);
        assert!(!lane.wants_input());
    }

    #[test]
    fn what_is_held_passes_after_the_release_and_what_was_lost_never() {
        let now = Instant::now();
        let held = Faults {
            held: true,
            ..Faults::default()
        };
        let losing = Faults {
            losing: true,
            ..Faults::default()
        };
        let mut lane = lane(held);
        lane.take_in(b"a", now);
        assert_eq!(lane.next(now), Step::Wait(None));
        lane.change(Faults::default(), now);
        assert_eq!(lane.next(now), Step::Pass(b"a"));
        lane.change(losing, now);
        lane.change(Faults::default(), now);
        lane.take_in(b"b", now);
        assert_eq!(lane.next(now), Step::Wait(None));
        assert_eq!((lane.read(), lane.passed(), lane.waiting()), (2, 0, 0));

        // Where nothing was on its way, nothing is lost.
        let mut idle = Lane::new(1, losing);
        idle.change(Faults::default(), now);
        idle.take_in(b"c", now);
        assert_eq!(idle.next(now), Step::Pass(b"c"));
    }
}
