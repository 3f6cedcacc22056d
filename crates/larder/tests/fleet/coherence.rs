//! Near tiers follow what other processes write, and know when they cannot.

use std::time::{Duration, Instant};

use larder_servers::{Direction, Kind};

use super::{TRUST, fleet_at, leased, on_each_server, proxied, start, trusted, until};

on_each_server!(
    what_another_process_writes_is_seen_by_push,
    an_absent_key_that_is_removed_is_pushed_too,
    a_process_that_was_stopped_asks_before_it_answers,
    a_listener_that_was_cut_off_costs_the_trust_at_once,
    a_silent_connection_costs_the_trust_in_time,
    a_server_that_was_emptied_empties_memory,
    a_server_back_from_an_old_snapshot_is_not_believed,
    a_promoted_replica_is_not_believed,
    a_server_that_restarts_gives_hits_again_by_itself,
);

/// Lets a process keep `value` in its memory: it reads until the answer comes from there.
fn kept(member: &larder_servers::Member, value: &str) {
    let near = format!("{value} near fresh");
    until("the value is in memory", || {
        member.ask("lookup k").unwrap() == near
    });
}

fn what_another_process_writes_is_seen_by_push(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 3);
    assert_eq!(fleet[0].ask("set k one").unwrap(), "done");
    fleet
        .members()
        .iter()
        .for_each(|member| kept(member, "one"));
    assert_eq!(fleet[1].ask("set k two").unwrap(), "done");
    assert_eq!(
        fleet[1].ask("get k").unwrap(),
        "two",
        "its own write at once"
    );
    fleet
        .members()
        .iter()
        .for_each(|member| kept(member, "two"));
    assert_eq!(fleet[2].ask("remove k").unwrap(), "done");
    assert_eq!(fleet[2].ask("get k").unwrap(), "nothing");
    for member in fleet.members() {
        until("the removal is seen", || {
            member.ask("lookup k").unwrap() == "nothing"
        });
    }
}

fn an_absent_key_that_is_removed_is_pushed_too(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    let slow = fleet[0].send("load k old 4000").unwrap();
    leased(&server, "k");
    // There is nothing yet, but a load that began before. Who comes after must not join it.
    assert_eq!(fleet[1].ask("remove k").unwrap(), "done");
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    assert_eq!(fleet[0].ask("load k new 0").unwrap(), "new");
    assert!(began.elapsed() < Duration::from_secs(3), "it did not wait");
    assert_eq!(slow.wait(Duration::from_secs(10)).unwrap(), "old");
}

fn a_process_that_was_stopped_asks_before_it_answers(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    kept(&fleet[1], "old");
    fleet[1].pause().unwrap();
    assert_eq!(fleet[0].ask("set k new").unwrap(), "done");
    std::thread::sleep(Duration::from_millis(1_500));
    // Waiting for it when it wakes.
    let first = fleet[1].send("get k").unwrap();
    fleet[1].resume().unwrap();
    assert_eq!(first.wait(Duration::from_secs(10)).unwrap(), "new");
}

fn a_listener_that_was_cut_off_costs_the_trust_at_once(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 1);
    let (proxy, behind) = proxied(&server);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    kept(&behind[0], "old");
    let listener = proxy.wait_for(|seen| seen.sent("CLIENT TRACKING")).unwrap();
    // Its pushes are lost with it.
    proxy
        .only(listener.index)
        .half_open(Direction::ToClient)
        .unwrap();
    assert_eq!(fleet[0].ask("set k new").unwrap(), "done");
    proxy.only(listener.index).reset().unwrap();
    trusted(&behind[0]);
    assert_eq!(behind[0].ask("get k").unwrap(), "new");
}

fn a_silent_connection_costs_the_trust_in_time(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 1);
    let (proxy, behind) = proxied(&server);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    kept(&behind[0], "old");
    let listener = proxy.wait_for(|seen| seen.sent("CLIENT TRACKING")).unwrap();
    proxy
        .only(listener.index)
        .hold(Direction::ToClient)
        .unwrap();
    assert_eq!(fleet[0].ask("set k new").unwrap(), "done");
    let began = Instant::now();
    until("the new value is read", || {
        behind[0].ask("get k").unwrap() == "new"
    });
    assert!(began.elapsed() < TRUST, "{:?}", began.elapsed());
}

fn a_server_that_was_emptied_empties_memory(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    fleet
        .members()
        .iter()
        .for_each(|member| kept(member, "old"));
    server.command(&["FLUSHALL"]).unwrap();
    for member in fleet.members() {
        until("nothing is left", || {
            member.ask("lookup k").unwrap() == "nothing"
        });
    }
}

fn a_server_back_from_an_old_snapshot_is_not_believed(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    let snapshot = server.save_snapshot().unwrap();
    assert_eq!(fleet[0].ask("remove k").unwrap(), "done");
    server.restart_from(&snapshot).unwrap();
    for member in fleet.members() {
        trusted(member);
        // Invalidated before: it must not pass for fresh. Declared stale it may be served.
        until("the server is asked again", || {
            assert_eq!(member.ask("get k").unwrap(), "nothing");
            let stale = "old remote stale (written before the server's history changed)";
            member.ask("lookup k").unwrap() == stale
        });
    }
    assert_eq!(fleet[0].ask("load k new 0").unwrap(), "new");
    assert_eq!(fleet[1].ask("get k").unwrap(), "new");
}

fn a_promoted_replica_is_not_believed(kind: Kind) {
    let primary = start(kind);
    let fleet = fleet_at(&primary.url(), 1);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    let replica = larder_servers::Server::start_replica_of(&primary).unwrap();
    replica.wait_until_caught_up(&primary).unwrap();
    replica.promote().unwrap();
    assert_eq!(fleet[0].ask("remove k").unwrap(), "done");
    // The removal is lost with the failover.
    let after = fleet_at(&replica.url(), 1);
    assert_eq!(after[0].ask("get k").unwrap(), "nothing");
    assert_eq!(after[0].ask("load k new 0").unwrap(), "new");
    assert_eq!(after[0].ask("get k").unwrap(), "new");
}

fn a_server_that_restarts_gives_hits_again_by_itself(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    fleet
        .members()
        .iter()
        .for_each(|member| kept(member, "old"));
    server.kill();
    for member in fleet.members() {
        // What is in memory is served, and said to be stale.
        until("the outage is noticed", || {
            let stale = "old near stale (the remote is unavailable)";
            member.ask("lookup k").unwrap() == stale
        });
        assert_eq!(member.ask("load k new 0").unwrap(), "old");
        assert_eq!(member.ask("load other loaded 0").unwrap(), "loaded");
    }
    server.restart().unwrap();
    fleet.members().iter().for_each(trusted);
    until("the server is asked again", || {
        fleet[0].ask("load k new 0").unwrap() == "new"
    });
    fleet
        .members()
        .iter()
        .for_each(|member| kept(member, "new"));
}
