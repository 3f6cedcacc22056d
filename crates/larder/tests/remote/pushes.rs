//! The connection on which the server tells of changes: killed, stopped, refused, overrun. What
//! every remote promises about observers is in the conformance kit.

use std::sync::{Arc, Weak};
use std::thread;

use larder::Clock;
use larder::key::Prefix;
use larder::remote::valkey::Valkey;
use larder::remote::{Deadline, Observer, Pushes, Remote};
use larder::testing::{Heard, Recorder, stored_key};
use larder_servers::{Kind, Reply, Server};

use super::common::{config, eventually, on_each_server, secs, start};

on_each_server!(
    changes_by_others_are_heard_under_the_prefix_only,
    a_flush_is_heard,
    a_restarted_server_begins_anew,
    a_killed_connection_begins_anew,
    a_stopped_server_answers_nothing_and_is_given_up,
    a_short_stop_ends_nothing,
    a_busy_server_answers_nothing,
    a_server_that_is_down_is_listened_to_as_soon_as_it_comes,
    without_the_right_to_listen_the_reason_names_it,
    a_burst_that_overruns_the_servers_buffer_begins_anew,
    closing_or_dropping_ends_the_connection,
    nobody_listens_for_an_observer_that_is_gone,
);

/// A remote that is listened to.
struct Listened {
    remote: Valkey,
    recorder: Arc<Recorder>,
}

impl Listened {
    async fn to(server: &Server) -> Self {
        let listened = Self::with(config(server)).await;
        listened.begun().await;
        listened
    }

    async fn with(config: larder::ConfigBuilder) -> Self {
        let server = config.build().unwrap().server.unwrap();
        let remote = Valkey::connect(&server, Clock::system()).await.unwrap();
        let recorder = Arc::new(Recorder::new());
        let observer: Arc<dyn Observer> = recorder.clone();
        let pushes = remote.watch(&Prefix::default(), Arc::downgrade(&observer));
        assert_eq!(pushes, Pushes::Later);
        Self { remote, recorder }
    }

    async fn heard(&self, what: &str, is: impl Fn(&Heard) -> bool) {
        eventually(what, async || self.recorder.heard().iter().any(&is)).await;
    }

    /// It has begun, and trust in it as well.
    async fn begun(&self) {
        self.heard("it begins", |heard| *heard == Heard::Began)
            .await;
        self.heard("it is answered", |heard| {
            matches!(heard, Heard::Answered(_))
        })
        .await;
    }

    /// A question from now on is answered.
    async fn answered_again(&self) {
        let asked = self.recorder.asked();
        self.heard(
            "it is answered again",
            |heard| matches!(heard, Heard::Answered(at) if *at > asked),
        )
        .await;
    }

    /// What it hears of changes, up to the first answer to a question from now on.
    async fn changes(&self) -> Vec<Heard> {
        let asked = self.recorder.asked();
        self.heard(
            "the next answer",
            |heard| matches!(heard, Heard::Answered(at) if *at > asked),
        )
        .await;
        let mut heard = self.recorder.heard();
        let answer = |heard: &Heard| matches!(heard, Heard::Answered(at) if *at > asked);
        heard.truncate(heard.iter().position(answer).unwrap());
        heard.retain(|heard| !matches!(heard, Heard::Answered(_)));
        heard
    }

    /// It has ended for a reason, and nothing is told between that and the next beginning.
    async fn begins_anew(&self, because: &str) {
        let ended = |heard: &Heard| matches!(heard, Heard::Ended(_));
        let since_the_end = || {
            let mut heard = self.recorder.heard();
            let end = heard.iter().position(ended).unwrap_or(heard.len());
            heard.split_off(end)
        };
        eventually("it ends and begins anew", async || {
            since_the_end().contains(&Heard::Began)
        })
        .await;
        let heard = since_the_end();
        let Heard::Ended(reason) = &heard[0] else {
            unreachable!();
        };
        assert!(reason.contains(because), "{reason}");
        let mut between = heard.iter().take_while(|heard| **heard != Heard::Began);
        assert!(between.all(ended), "{heard:?}");
        self.recorder.clear();
        self.hears_a_write().await;
    }

    async fn hears_a_write(&self) {
        let key = stored_key("texts", "heard").unwrap();
        let end = Deadline::after(secs(10));
        eventually("it is written", async || {
            let set = self.remote.set(&key, "value".into(), secs(60), end);
            set.await.is_ok()
        })
        .await;
        let changed = Heard::Changed(key.as_str().to_owned());
        self.heard("the write is heard", |heard| *heard == changed)
            .await;
    }
}

/// The ids of connections that are told of changes.
fn listeners(server: &Server) -> Vec<String> {
    let list = server.command(&["CLIENT", "LIST"]).unwrap();
    let mut ids = Vec::new();
    for line in list.as_str().unwrap().lines() {
        let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
        if field("flags=").unwrap().contains('B') {
            ids.push(field("id=").unwrap().to_owned());
        }
    }
    ids
}

async fn changes_by_others_are_heard_under_the_prefix_only(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    listened.recorder.clear();
    for key in ["other:1", "cache", "cacheX:1", "", "lease:{cache:texts:1}"] {
        server.command(&["SET", key, "foreign"]).unwrap();
    }
    server
        .command(&[&b"SET"[..], b"cache:texts:\xff", b"not text"])
        .unwrap();
    server.command(&["SET", "cache:texts:1", "value"]).unwrap();
    let lease = "cache:lease:{cache:texts:1}";
    server.command(&["SET", lease, "lease", "PX", "1"]).unwrap();
    let (value, lease) = (
        Heard::Changed("cache:texts:1".to_owned()),
        Heard::LeaseChanged("cache:texts:1".to_owned()),
    );
    let heard = listened.changes().await;
    assert!(
        heard.contains(&value) && heard.contains(&lease),
        "{heard:?}"
    );
    assert!(
        heard.iter().all(|h| [&value, &lease].contains(&h)),
        "{heard:?}"
    );
    // An end by time is one, too.
    eventually("the lease expires", async || {
        let all = listened.recorder.heard();
        all.iter().filter(|heard| **heard == lease).count() == 2
    })
    .await;
}

async fn a_flush_is_heard(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    for command in [&["FLUSHALL"][..], &["FLUSHDB"], &["FLUSHALL", "ASYNC"]] {
        listened.recorder.clear();
        server.command(command).unwrap();
        assert_eq!(listened.changes().await, [Heard::Flushed], "{command:?}");
    }
}

async fn a_restarted_server_begins_anew(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    server.kill();
    listened
        .heard("it ends", |heard| matches!(heard, Heard::Ended(_)))
        .await;
    server.restart().unwrap();
    listened.begins_anew("lost").await;
    listened.recorder.clear();
    server.restart().unwrap();
    listened.begins_anew("lost").await;
}

async fn a_killed_connection_begins_anew(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    for _ in 0..3 {
        let [id] = &listeners(&server)[..] else {
            panic!("one is told of changes");
        };
        listened.recorder.clear();
        let killed = server.command(&["CLIENT", "KILL", "ID", id]).unwrap();
        assert_eq!(killed, Reply::Int(1));
        listened.begins_anew("lost").await;
    }
}

async fn a_stopped_server_answers_nothing_and_is_given_up(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    server.pause().unwrap();
    listened.recorder.clear();
    listened
        .heard("it is given up", |heard| matches!(heard, Heard::Ended(_)))
        .await;
    let mut heard = listened.recorder.heard();
    // An answer may have been on its way.
    heard.retain(|heard| !matches!(heard, Heard::Answered(_)));
    let Heard::Ended(reason) = &heard[0] else {
        panic!("{heard:?}");
    };
    assert!(reason.contains("no answer within 2s"), "{reason}");
    server.resume().unwrap();
    listened.begins_anew("no answer").await;
    listened.answered_again().await;
}

async fn a_short_stop_ends_nothing(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    server.pause().unwrap();
    listened.recorder.clear();
    let asked = listened.recorder.asked();
    eventually("it is asked", async || listened.recorder.asked() > asked).await;
    server.resume().unwrap();
    assert_eq!(listened.changes().await, []);
    listened.hears_a_write().await;
}

/// A script keeps the server busy: it refuses `PING` before it has told of what was changed.
async fn a_busy_server_answers_nothing(kind: Kind) {
    let server = Arc::new(start(kind));
    let listened = Listened::to(&server).await;
    server
        .command(&["CONFIG", "SET", "lua-time-limit", "10"])
        .unwrap();
    let busy = thread::spawn({
        let server = Arc::clone(&server);
        move || server.command(&["EVAL", "while true do end", "0"])
    });
    eventually("it is busy", async || {
        matches!(server.command(&["PING"]), Ok(Reply::Error(error)) if error.contains("BUSY"))
    })
    .await;
    let asked = listened.recorder.asked();
    eventually("it is asked", async || {
        listened.recorder.asked() > asked + 3
    })
    .await;
    let heard = listened.recorder.heard();
    let late = |heard: &Heard| match heard {
        Heard::Answered(at) => *at > asked,
        heard => *heard != Heard::Began,
    };
    assert!(!heard.iter().any(late), "{heard:?}");
    server.command(&["SCRIPT", "KILL"]).unwrap();
    listened.answered_again().await;
    let _ = busy.join();
}

async fn a_server_that_is_down_is_listened_to_as_soon_as_it_comes(kind: Kind) {
    let server = start(kind);
    server.kill();
    let listened = Listened::with(config(&server)).await;
    listened
        .heard("there is none", |heard| matches!(heard, Heard::Ended(_)))
        .await;
    server.restart().unwrap();
    listened.begins_anew("").await;
}

async fn without_the_right_to_listen_the_reason_names_it(kind: Kind) {
    let server = start(kind);
    let grant = |rules: &[&str]| {
        let user = ["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all"];
        let granted = server.command(&[&user, rules].concat()).unwrap();
        assert_eq!(granted.as_str(), Some("OK"));
    };
    for (without, named) in [
        (
            "-client|tracking",
            ["CLIENT TRACKING", "`+client|tracking`"],
        ),
        ("-ping", ["PING", "`+ping`"]),
    ] {
        grant(&[without]);
        let config = config(&server).username("app").password("secret");
        let listened = Listened::with(config).await;
        let ended = |heard: &Heard| matches!(heard, Heard::Ended(_));
        listened.heard("it is refused", ended).await;
        let heard = listened.recorder.heard();
        let Some(Heard::Ended(reason)) = heard.into_iter().find(ended) else {
            unreachable!();
        };
        for word in named {
            assert!(reason.contains(word), "{reason}");
        }
        assert!(reason.contains("permission"), "{reason}");
        grant(&[]);
        listened.recorder.clear();
        listened.begun().await;
        listened.remote.close().await;
    }
}

async fn a_burst_that_overruns_the_servers_buffer_begins_anew(kind: Kind) {
    let server = start(kind);
    let listened = Listened::to(&server).await;
    let limit = "normal 100kb 0 0";
    server
        .command(&["CONFIG", "SET", "client-output-buffer-limit", limit])
        .unwrap();
    let burst = "for i = 1, 20000 do redis.call('SET', 'cache:texts:' .. i, i) end";
    listened.recorder.clear();
    server.command(&["EVAL", burst, "0"]).unwrap();
    listened.begins_anew("lost").await;
}

async fn closing_or_dropping_ends_the_connection(kind: Kind) {
    let server = start(kind);
    for close in [true, false] {
        let Listened { remote, recorder } = Listened::to(&server).await;
        assert_eq!(listeners(&server).len(), 1);
        recorder.clear();
        if close {
            remote.close().await;
        } else {
            drop(remote);
        }
        eventually("it ends", async || {
            let ended = Heard::Ended("the larder was closed".to_owned());
            recorder.heard().last() == Some(&ended) && listeners(&server).is_empty()
        })
        .await;
    }
}

async fn nobody_listens_for_an_observer_that_is_gone(kind: Kind) {
    let server = start(kind);
    let Listened { remote, recorder } = Listened::to(&server).await;
    drop(recorder);
    eventually("it ends", async || listeners(&server).is_empty()).await;
    // Nor for one that never was, or comes too late.
    remote.watch(&Prefix::default(), Weak::<Recorder>::new());
    remote.close().await;
    let late = Arc::new(Recorder::new());
    let weak = Arc::downgrade(&late);
    remote.watch(&Prefix::default(), weak);
    drop(remote);
    eventually("nobody listens", async || listeners(&server).is_empty()).await;
    assert_eq!(late.heard(), []);
}
