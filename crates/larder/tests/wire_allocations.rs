//! G3 and G6: hostile bytes do not make a reader reserve more than they are worth. One test, as the
//! allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;

use larder::wire::{Codec, Envelope};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[allow(
    dead_code,
    reason = "shared with the other hostile tests and the fuzzer"
)]
mod hostile;

use hostile::{Nasty, valid};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// For an error's text and the like.
const FIXED: usize = 4 << 10;
/// A byte can stand for an element of 96 bytes, in a table that doubles as it grows.
const PER_BYTE: usize = 1 << 10;

fn allocated_by(run: impl FnOnce()) -> usize {
    let region = Region::new(COUNTING);
    run();
    region.change().bytes_allocated
}

/// The test harness has a thread that allocates now and then: of several runs the least counts.
fn least_allocated_by(run: impl Fn()) -> usize {
    let costs = (0..5).map(|_| allocated_by(&run));
    costs.min().unwrap()
}

#[test]
fn hostile_bytes_allocate_no_more_than_they_are_worth() {
    for &codec in Codec::ALL {
        let whole = valid(codec);
        for len in 0..=whole.len() {
            let cost = least_allocated_by(|| {
                let _ = Envelope::parse(&whole[..len]);
                let _ = Envelope::declared_len(&whole[..len]);
            });
            assert_eq!(cost, 0, "parsing allocates");
        }
        let mut promising = whole.clone();
        promising[12..22].fill(0xFF);
        assert_eq!(
            least_allocated_by(|| assert!(Envelope::parse(&promising).is_err())),
            0
        );
    }

    for &codec in Codec::ALL {
        // Sequences, maps, strings and bytes that promise all there is, alone and in each other.
        let promises: &[&[u8]] = match codec.as_str() {
            "json" => &[
                br#"{"Many":["#,
                br#"{"ByName":{"a":"#,
                br#"{"NoWidth":[null,null,"#,
                br#"{"Pair":["#,
            ],
            "msgpack" => &[
                b"\x81\xa4Many\xdd\xff\xff\xff\xff",
                b"\x81\xa6ByName\xdf\xff\xff\xff\xff\xa1a",
                b"\x81\xa6Sorted\xdf\xff\xff\xff\xff\x01",
                b"\x81\xa7NoWidth\xdd\xff\xff\xff\xff\xc0",
                b"\x81\xa6Fields\xdb\xff\xff\xff\xff",
                b"\x81\xa4Many\xc6\xff\xff\xff\xff",
            ],
            _ => &[
                b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                b"\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a",
                b"\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x01",
                b"\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                b"\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            ],
        };
        for promise in promises {
            for repeats in [1, 10, 100, 1_000, 10_000] {
                let bytes = promise.repeat(repeats);
                let cost = allocated_by(|| drop(codec.decode::<Nasty>(&bytes).unwrap_err()));
                let limit = FIXED + PER_BYTE * bytes.len();
                assert!(
                    cost <= limit,
                    "{codec:?} took {cost} bytes for {}",
                    bytes.len()
                );
            }
        }
    }
}
