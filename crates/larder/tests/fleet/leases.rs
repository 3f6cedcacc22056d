//! G1: one load in the fleet, whoever dies, stops or fails.

use std::time::{Duration, Instant};

use larder_servers::{Kind, Reply};

use super::{fleet_at, lease_of, leased, loads, on_each_server, start, until};

on_each_server!(
    a_cold_key_is_loaded_once_in_the_fleet,
    a_holder_that_was_killed_is_taken_over,
    a_holder_that_was_stopped_is_taken_over_and_stores_nothing,
    a_slow_holder_keeps_its_lease,
    a_load_that_fails_does_not_make_others_queue_up,
    a_lease_that_a_stranger_wrote_is_not_waited_for_for_ever,
);

fn a_cold_key_is_loaded_once_in_the_fleet(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 4);
    let answers = fleet.ask_all("crowd k loaded 200 250").unwrap();
    assert_eq!(answers, ["loaded"; 4]);
    assert_eq!(fleet.members().iter().map(loads).sum::<usize>(), 1);
}

fn a_holder_that_was_killed_is_taken_over(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 4);
    let _lost = fleet[0].send("load k lost 60000").unwrap();
    leased(&server, "k");
    let began = Instant::now();
    let waiting: Vec<_> = fleet.members()[1..]
        .iter()
        .map(|member| member.send("crowd k loaded 100 100").unwrap())
        .collect();
    fleet[0].kill();
    for answer in waiting {
        assert_eq!(answer.wait(Duration::from_secs(10)).unwrap(), "loaded");
    }
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "as long as a lease"
    );
    assert_eq!(fleet.members()[1..].iter().map(loads).sum::<usize>(), 1);
}

fn a_holder_that_was_stopped_is_taken_over_and_stores_nothing(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    let late = fleet[0].send("load k late 300").unwrap();
    leased(&server, "k");
    fleet[0].pause().unwrap();
    assert_eq!(fleet[1].ask("load k loaded 0").unwrap(), "loaded");
    fleet[0].resume().unwrap();
    // Its own caller asked before, and gets what was loaded for it.
    assert_eq!(late.wait(Duration::from_secs(10)).unwrap(), "late");
    until("the late fill was refused", || {
        fleet[0].ask("refused").unwrap() == "1"
    });
    for member in fleet.members() {
        assert_eq!(member.ask("get k").unwrap(), "loaded");
    }
}

fn a_slow_holder_keeps_its_lease(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    // Longer than a lease lives unless renewed.
    let slow = fleet[0].send("load k slow 5000").unwrap();
    leased(&server, "k");
    assert_eq!(fleet[1].ask("load k other 0").unwrap(), "slow");
    assert_eq!(slow.wait(Duration::from_secs(10)).unwrap(), "slow");
    assert_eq!(loads(&fleet[1]), 0);
}

fn a_load_that_fails_does_not_make_others_queue_up(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 4);
    assert!(fleet[0].ask("fail k").unwrap().starts_with("error"));
    let began = Instant::now();
    let slow = fleet.send_all("load k loaded 400").unwrap();
    for answer in slow {
        assert_eq!(answer.wait(Duration::from_secs(10)).unwrap(), "loaded");
    }
    // One after another they would have taken 1.6 s.
    assert!(
        began.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        began.elapsed()
    );
}

fn a_lease_that_a_stranger_wrote_is_not_waited_for_for_ever(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 1);
    server.command(&["SET", &lease_of("k"), "mine"]).unwrap();
    assert_eq!(fleet[0].ask("load k loaded 0").unwrap(), "loaded");
    let stranger = server.command(&["GET", &lease_of("k")]).unwrap();
    assert_eq!(stranger, Reply::Text(b"mine".to_vec()), "it is left alone");
}
