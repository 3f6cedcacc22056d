//! `cargo xtask`: everything the project runs beside plain cargo.
fn main() {}
