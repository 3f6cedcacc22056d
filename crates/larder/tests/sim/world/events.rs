//! What happens, one event after the other.

use std::collections::VecDeque;
use std::sync::Weak;

use larder::remote::{Asked, Observer};
use tokio::sync::oneshot;

use super::link::Sample;
use super::{Push, State, Telling};
use crate::groups::Slot;
use crate::plan::{ASK_TIME_EVERY, Fault, PING_EVERY};
use crate::scans::stored;
use crate::server::Reply;

pub(super) enum Event {
    /// The next request of a lane reaches the server.
    Arrives {
        process: usize,
        epoch: u64,
        lane: (Slot, u64),
    },
    Answers {
        process: usize,
        epoch: u64,
        reply: Reply,
        answer: oneshot::Sender<Reply>,
    },
    Connect {
        process: usize,
        epoch: u64,
    },
    AskTime {
        process: usize,
    },
    TimeArrives {
        process: usize,
        epoch: u64,
        asked: u64,
    },
    TimeAnswers {
        process: usize,
        epoch: u64,
        sample: Sample,
        answered: u64,
    },
    Subscribe {
        process: usize,
        epoch: u64,
    },
    Ping {
        process: usize,
    },
    PingArrives {
        process: usize,
        epoch: u64,
        asked: Asked,
        at: u64,
    },
    Delivers {
        process: usize,
        epoch: u64,
    },
    /// A process sees that its push connection is gone.
    Noticed {
        process: usize,
    },
    Resume {
        process: usize,
    },
    Strikes(Fault),
    Returns,
    Saves,
    Inspects,
}

impl State {
    #[expect(clippy::too_many_lines, reason = "one arm for each event")]
    pub(super) fn happens(&mut self, event: Event) -> Telling {
        let now = self.now;
        match event {
            Event::Arrives {
                process,
                epoch,
                lane,
            } => self.arrives(process, epoch, lane),
            Event::Answers {
                process,
                epoch,
                reply,
                answer,
            } => {
                let requests = &self.links[process].requests;
                if requests.epoch != epoch {
                    return Vec::new();
                }
                if requests.frozen_until > now {
                    let event = Event::Answers {
                        process,
                        epoch,
                        reply,
                        answer,
                    };
                    self.enqueue(self.links[process].requests.frozen_until, event);
                    return Vec::new();
                }
                let _who_asked_may_have_left = answer.send(reply);
            }
            Event::Connect { process, epoch } => {
                let link = &self.links[process];
                if link.requests.epoch != epoch || link.dead {
                } else if self.up && link.requests.frozen_until <= now {
                    let event = Event::TimeArrives {
                        process,
                        epoch,
                        asked: now,
                    };
                    self.after(self.delay_now(process, 2), event);
                } else {
                    self.after(100, Event::Connect { process, epoch });
                }
            }
            Event::AskTime { process } => {
                let requests = &self.links[process].requests;
                if requests.up {
                    let event = Event::TimeArrives {
                        process,
                        epoch: requests.epoch,
                        asked: now,
                    };
                    let at = requests.frozen_until.max(now) + self.delay_now(process, 2);
                    self.enqueue(at, event);
                }
                self.after(ASK_TIME_EVERY, Event::AskTime { process });
            }
            Event::TimeArrives {
                process,
                epoch,
                asked,
            } => {
                let sample = Sample {
                    server: self.server_now(),
                    local: asked,
                    error: 0,
                    lineage: self.lineage,
                };
                let answered =
                    self.links[process].requests.frozen_until.max(now) + self.delay_now(process, 3);
                let event = Event::TimeAnswers {
                    process,
                    epoch,
                    sample,
                    answered,
                };
                self.enqueue(answered, event);
            }
            Event::TimeAnswers {
                process,
                epoch,
                sample,
                answered,
            } => self.time_answers(process, epoch, sample, answered),
            Event::Subscribe { process, epoch } => {
                let pushes = &mut self.links[process].pushes;
                if pushes.epoch != epoch {
                } else if !self.up || pushes.frozen_until > now {
                    self.after(100, Event::Subscribe { process, epoch });
                } else {
                    pushes.subscribed = true;
                    self.push_to(process, Push::Began);
                }
            }
            Event::Ping { process } => return self.ping(process),
            Event::PingArrives {
                process,
                epoch,
                asked,
                at,
            } => {
                let pushes = &self.links[process].pushes;
                if pushes.epoch != epoch {
                } else if pushes.frozen_until > now {
                    let event = Event::PingArrives {
                        process,
                        epoch,
                        asked,
                        at,
                    };
                    self.enqueue(self.links[process].pushes.frozen_until, event);
                } else {
                    self.push_to(process, Push::Pong(asked, at));
                }
            }
            Event::Delivers { process, epoch } => return self.delivers(process, epoch),
            Event::Noticed { process } => {
                let link = &self.links[process];
                if link.stopped_until > now {
                    self.enqueue(link.stopped_until, Event::Noticed { process });
                    return Vec::new();
                }
                let epoch = link.pushes.epoch;
                let wait = self.rng.between(5, 700);
                self.after(wait, Event::Subscribe { process, epoch });
                self.note(Some(process), None, || {
                    "hears that its pushes ended".to_owned()
                });
                self.check.distrusts(process);
                return self.tell(process, |observer| observer.ended("cut"));
            }
            Event::Resume { process } => {
                let link = &mut self.links[process];
                if link.stopped_until <= now {
                    for waker in std::mem::take(&mut link.woken) {
                        waker.wake();
                    }
                }
            }
            Event::Strikes(fault) => self.strikes(fault),
            Event::Returns => self.returns(),
            Event::Saves => {
                if self.up {
                    self.saved.push(self.store.clone());
                }
                self.after(700, Event::Saves);
            }
            Event::Inspects => {
                let server_now = self.server_now();
                for key in 0..self.plan.keys {
                    if let Some((lease, _)) = self.store.lease(key, server_now) {
                        self.check.lease_stands(key, lease);
                    }
                }
                self.after(100, Event::Inspects);
            }
        }
        Vec::new()
    }

    pub(super) fn arrives(&mut self, process: usize, epoch: u64, lane: (Slot, u64)) {
        let slot = lane.0;
        let requests = &mut self.links[process].requests;
        if requests.epoch != epoch {
            return;
        }
        if requests.frozen_until > self.now {
            let at = requests.frozen_until;
            let event = Event::Arrives {
                process,
                epoch,
                lane,
            };
            self.enqueue(at, event);
            return;
        }
        let Some(waiting) = requests.lanes.get_mut(&lane).and_then(VecDeque::pop_front) else {
            return;
        };
        if requests.lanes.get(&lane).is_some_and(VecDeque::is_empty) {
            requests.lanes.remove(&lane);
        }
        let reply = self.apply(process, slot, &waiting);
        let text = self.describe(process, slot, &waiting.request);
        let delay = self.delay(process, slot, (&text, 1));
        let event = Event::Answers {
            process,
            epoch,
            reply,
            answer: waiting.answer,
        };
        self.after(delay, event);
    }

    pub(super) fn time_answers(
        &mut self,
        process: usize,
        epoch: u64,
        sample: Sample,
        answered: u64,
    ) {
        let requests = &mut self.links[process].requests;
        if requests.epoch != epoch {
            return;
        }
        let asked = sample.local * 1_000;
        let error = (answered * 1_000 - asked) / 2;
        let sample = Sample {
            local: asked + error,
            error,
            ..sample
        };
        requests.sample = Some(sample.or_older(requests.sample));
        if !requests.up {
            requests.up = true;
            self.note(Some(process), None, || "is connected".to_owned());
        }
    }

    pub(super) fn ping(&mut self, process: usize) -> Telling {
        self.after(PING_EVERY, Event::Ping { process });
        let now = self.now;
        let link = &self.links[process];
        if link.dead || link.stopped_until > now || !link.pushes.subscribed {
            return Vec::new();
        }
        let observer = link.pushes.observer.as_ref().and_then(Weak::upgrade);
        let Some(observer) = observer else {
            return Vec::new();
        };
        let epoch = link.pushes.epoch;
        let at = link.pushes.frozen_until.max(now) + self.delay_now(process, 4);
        let asked = observer.asks();
        let event = Event::PingArrives {
            process,
            epoch,
            asked,
            at: now,
        };
        self.enqueue(at, event);
        // What an observer frees may ask the world in turn.
        vec![Box::new(move || drop(observer))]
    }

    pub(super) fn tell(
        &mut self,
        process: usize,
        what: impl FnOnce(&dyn Observer) + 'static,
    ) -> Telling {
        let observer = self.links[process].pushes.observer.as_ref();
        match observer.and_then(Weak::upgrade) {
            Some(observer) => vec![Box::new(move || what(&*observer))],
            None => Vec::new(),
        }
    }

    pub(super) fn delivers(&mut self, process: usize, epoch: u64) -> Telling {
        let pushes = &mut self.links[process].pushes;
        if pushes.epoch != epoch {
            return Vec::new();
        }
        if pushes.frozen_until > self.now {
            let at = pushes.frozen_until;
            self.enqueue(at, Event::Delivers { process, epoch });
            return Vec::new();
        }
        let Some(push) = pushes.sent.pop_front() else {
            return Vec::new();
        };
        match push {
            Push::Began => {
                self.note(Some(process), None, || {
                    "hears pushes from now on".to_owned()
                });
                self.check.heard_all(process, &[]);
                self.tell(process, Observer::began)
            }
            Push::Changed(key, write) => {
                self.note(Some(process), Some(key), || "hears of a change".to_owned());
                self.check.heard(process, key, write);
                self.tell(process, move |observer| {
                    observer.changed(stored(key).as_str());
                })
            }
            Push::LeaseChanged(key) => self.tell(process, move |observer| {
                observer.lease_changed(stored(key).as_str());
            }),
            Push::StampChanged(group, seq) => {
                let slot = Slot::Stamp(group);
                self.note_of(process, slot, || "hears of a change".to_owned());
                self.check.heard_stamp(process, group, seq);
                self.tell(process, move |observer| observer.changed(&group.stamp()))
            }
            Push::Flushed(writes) => {
                self.note(Some(process), None, || "hears of a flush".to_owned());
                self.check.heard_all(process, &writes);
                self.tell(process, Observer::flushed)
            }
            Push::Pong(asked, at) => {
                self.check.trusts(process, at);
                self.tell(process, move |observer| observer.answered(asked))
            }
        }
    }
}
