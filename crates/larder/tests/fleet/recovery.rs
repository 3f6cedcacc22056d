//! Writes that cannot reach the server wait for it.

use larder_servers::{Kind, Reply};

use super::{fleet_at, on_each_server, proxied, start, trusted, until};

on_each_server!(
    a_removal_that_could_not_reach_the_server_is_made_up_for,
    a_set_that_could_not_reach_the_server_never_appears_later,
);

fn a_removal_that_could_not_reach_the_server_is_made_up_for(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 1);
    let (proxy, behind) = proxied(&server);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    proxy.cut().unwrap();
    let pending = behind[0].ask("remove k").unwrap();
    assert!(
        pending.contains("cannot remove cache:fleet:k yet"),
        "{pending}"
    );
    assert_eq!(behind[0].ask("pending").unwrap(), "1");
    assert_eq!(behind[0].ask("lookup k").unwrap(), "nothing");
    proxy.heal().unwrap();
    until("it is made up for", || {
        server.command(&["EXISTS", "cache:fleet:k"]).unwrap() == Reply::Int(0)
    });
    until("nothing waits any more", || {
        behind[0].ask("pending").unwrap() == "0"
    });
    until("everybody knows", || {
        fleet[0].ask("lookup k").unwrap() == "nothing"
    });
}

fn a_set_that_could_not_reach_the_server_never_appears_later(kind: Kind) {
    let server = start(kind);
    let fleet = fleet_at(&server.url(), 1);
    let (proxy, behind) = proxied(&server);
    assert_eq!(fleet[0].ask("set k old").unwrap(), "done");
    proxy.cut().unwrap();
    let pending = behind[0].ask("set k lost").unwrap();
    assert!(
        pending.contains("cannot set cache:fleet:k yet"),
        "{pending}"
    );
    proxy.heal().unwrap();
    until("what it was to replace is gone", || {
        behind[0].ask("pending").unwrap() == "0"
    });
    trusted(&behind[0]);
    assert_eq!(fleet[0].ask("lookup k").unwrap(), "nothing");
    assert_eq!(behind[0].ask("load k new 0").unwrap(), "new");
    assert_eq!(fleet[0].ask("get k").unwrap(), "new");
}
