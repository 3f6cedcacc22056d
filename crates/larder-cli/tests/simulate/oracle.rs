//! Exact counts of hits, as they are known for traces of the literature.

use super::{Ran, around, recorded, simulate, simulate_with};

const ALL: &str = "fifo,lifo,lru,mru,lfu";

/// Compares the hits of these policies, and those of the clairvoyant.
fn compare(name: &str, ran: &Ran, policies: &str, requests: u64, expected: &[u64]) {
    let outcomes = ran.json();
    let policies = policies.split(',').chain(["clairvoyant"]);
    assert_eq!(outcomes.len(), expected.len());
    for ((outcome, policy), expected) in outcomes.iter().zip(policies).zip(expected) {
        assert_eq!(outcome["policy"], policy);
        assert_eq!(outcome["requests"], requests, "{name}");
        assert_eq!(outcome["hits"], *expected, "{policy} on {name}");
    }
}

/// Where the recorded trace is not at hand, it says so, and the test of the generated one has to do.
fn compare_recorded(name: &str, capacity: &str, policies: &str, requests: u64, expected: &[u64]) {
    let Some(path) = recorded(name) else {
        println!(
            "notice: the trace {name} is not here, so it is not compared; LARDER_TRACES says where \
             {name}.keys.zst lies"
        );
        return;
    };
    let path = path.to_str().unwrap();
    let args = [path, "--policy", policies, "--capacity", capacity, "--json"];
    compare(name, &simulate(&args), policies, requests, expected);
}

#[test]
fn the_generated_loop_has_the_known_hits() {
    let expected = [0, 254_989, 0, 255_488, 0, 255_488];
    let args = ["-", "--policy", ALL, "--capacity", "512", "--json"];
    let ran = simulate_with(&args, around().as_bytes());
    compare("the generated loop", &ran, ALL, 505_500, &expected);
}

#[test]
fn gli_has_the_known_hits() {
    let expected = [670, 3_001, 674, 2_995, 1_885, 3_197];
    compare_recorded("gli", "1000", ALL, 6_015, &expected);
}

#[test]
fn multi3_has_the_known_hits() {
    let expected = [11_992, 17_667, 13_485, 8_765, 14_121, 20_801];
    compare_recorded("multi3", "2000", ALL, 30_241, &expected);
}

#[test]
fn web12_has_the_known_hits() {
    let expected = [65_632, 51_862, 69_371, 17_669, 65_189, 78_721];
    compare_recorded("web12", "2000", ALL, 95_607, &expected);
}

// In two parts, since it is long.
#[test]
fn oltp_has_the_known_hits_of_the_first_three() {
    let expected = [260_805, 128_845, 300_122, 490_155];
    compare_recorded("oltp", "1000", "fifo,lifo,lru", 914_145, &expected);
}

#[test]
fn oltp_has_the_known_hits_of_the_other_two() {
    let expected = [4_161, 126_458, 490_155];
    compare_recorded("oltp", "1000", "mru,lfu", 914_145, &expected);
}

/// Counted by another implementation, written from the paper's pseudocode.
#[test]
fn sieve_has_the_hits_that_another_implementation_counted() {
    for (name, capacity, requests, expected) in [
        ("gli", "1000", 6_015, [1_885, 3_197]),
        ("web12", "2000", 95_607, [71_661, 78_721]),
    ] {
        compare_recorded(name, capacity, "sieve", requests, &expected);
    }
}
