//! Any bytes, as stored bytes, as a payload, and as changes to a valid envelope.
//!
//! ```text
//! cargo install cargo-fuzz --locked
//! RUSTC_BOOTSTRAP=1 cargo fuzz run -s none envelope -- -max_total_time=30
//! ```
//! Stable Rust has no sanitizers, so `-s none`; there is no `unsafe` in larder for them to find.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};

#[path = "../../crates/larder/tests/hostile/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod hostile;

#[derive(Debug, arbitrary::Arbitrary)]
enum Input<'a> {
    Stored(&'a [u8]),
    /// Past the magic, and past the checksum.
    Resealed(&'a [u8]),
    Payload(&'a [u8]),
    Mutated {
        edits: Vec<(u16, u8)>,
        cut: u16,
        resealed: bool,
    },
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Stored(bytes) => hostile::check(bytes),
    Input::Resealed(bytes) => {
        let mut bytes = [b"LRD\x01", bytes].concat();
        hostile::reseal(&mut bytes);
        hostile::check(&bytes);
    }
    Input::Payload(bytes) => hostile::check_payload(bytes),
    Input::Mutated {
        edits,
        cut,
        resealed,
    } => hostile::check_mutated(&edits, cut, resealed),
});
