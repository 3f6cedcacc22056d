//! G2: what one process invalidates, another's load does not bring back.

use std::time::Duration;

use larder_servers::{Kind, Reply};

use super::{fleet_at, leased, on_each_server, start, until};

on_each_server!(
    a_load_that_another_process_overtook_with_a_removal_is_not_stored,
    a_load_that_another_process_overtook_with_a_set_is_not_stored,
    who_asks_after_a_removal_does_not_get_the_load_from_before,
);

fn a_load_that_another_process_overtook_with_a_removal_is_not_stored(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    let load = fleet[0].send("load k old 500").unwrap();
    leased(&server, "k");
    assert_eq!(fleet[1].ask("remove k").unwrap(), "done");
    assert_eq!(load.wait(Duration::from_secs(10)).unwrap(), "old");
    until("the fill was refused", || {
        fleet[0].ask("refused").unwrap() == "1"
    });
    let on_server = server.command(&["EXISTS", "cache:fleet:k"]).unwrap();
    assert_eq!(on_server, Reply::Int(0));
    for member in fleet.members() {
        assert_eq!(member.ask("lookup k").unwrap(), "nothing");
    }
}

fn a_load_that_another_process_overtook_with_a_set_is_not_stored(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    let load = fleet[0].send("load k old 500").unwrap();
    leased(&server, "k");
    assert_eq!(fleet[1].ask("set k new").unwrap(), "done");
    assert_eq!(load.wait(Duration::from_secs(10)).unwrap(), "old");
    for member in fleet.members() {
        assert_eq!(member.ask("get k").unwrap(), "new");
    }
}

fn who_asks_after_a_removal_does_not_get_the_load_from_before(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 2);
    let load = fleet[0].send("load k old 1000").unwrap();
    leased(&server, "k");
    // In the process that loads, and in the other.
    for (member, value) in [(0, "new"), (1, "newer")] {
        assert_eq!(fleet[member].ask("remove k").unwrap(), "done");
        let answer = fleet[member].ask(&format!("load k {value} 0")).unwrap();
        assert_eq!(answer, value);
    }
    assert_eq!(load.wait(Duration::from_secs(10)).unwrap(), "old");
    for member in fleet.members() {
        assert_eq!(member.ask("get k").unwrap(), "newer");
    }
}
