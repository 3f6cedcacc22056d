//! `cargo xtask fuzz`: hostile bytes into the decoder of stored values.

use crate::command::{cargo, has_cargo, root, show};
use crate::failure::Failure;

const TARGET: &str = "envelope";

/// Fuzzes for so many seconds. Without cargo-fuzz it says what to install, and fails nothing.
pub(crate) fn run(seconds: u32) -> Result<(), Failure> {
    if !root().join("fuzz/Cargo.toml").exists() {
        println!("notice: there is no fuzz/ to run");
        return Ok(());
    }
    if !has_cargo("fuzz") {
        println!("notice: not fuzzed; install it with `cargo install cargo-fuzz --locked`");
        return Ok(());
    }
    let limit = format!("-max_total_time={seconds}");
    let mut command = cargo(&["fuzz", "run", "-s", "none", TARGET, "--", &limit]);
    // cargo-fuzz asks for flags that a stable compiler has and hides.
    command.env("RUSTC_BOOTSTRAP", "1");
    show(command)
}
