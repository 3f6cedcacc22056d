//! Every feature alone, and none: each must build without warnings, its tests too. The unit tests run with none.

use crate::command::{cargo, show};
use crate::failure::Failure;
use crate::metadata;
use crate::suite::Suite;

const PACKAGE: &str = "larder";

/// All features at once are what the other steps build.
pub(crate) fn run(suite: &mut Suite) -> Result<(), Failure> {
    suite.step("features: default", || check(&[]))?;
    let features = metadata::features(PACKAGE)?;
    let alone = features.iter().map(|feature| Some(feature.as_str()));
    for feature in std::iter::once(None).chain(alone) {
        let name = format!("features: {}", feature.unwrap_or("none"));
        let mut flags = vec!["--no-default-features"];
        flags.extend(feature.iter().flat_map(|feature| ["--features", feature]));
        suite.step(&name, || check(&flags))?;
    }
    // Clippy has compiled each one's tests. With nothing else they rely on nothing else.
    let test = [
        "test",
        "--package",
        PACKAGE,
        "--lib",
        "--quiet",
        "--no-default-features",
    ];
    suite.tests("features: none, unit tests", cargo(&test))?;
    Ok(())
}

/// Clippy sees what `cargo check` sees, shares its artefacts, and can deny warnings for this
/// package without a rebuild of the others.
fn check(flags: &[&str]) -> Result<(), Failure> {
    let check = ["clippy", "--package", PACKAGE, "--all-targets", "--quiet"];
    show(cargo(
        &[&check[..], flags, &["--", "-D", "warnings"]].concat(),
    ))
}
