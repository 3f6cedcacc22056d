//! Every misuse has a message: `ui/*.rs`, each with what the compiler says in `*.stderr` beside it.

#[test]
fn each_misuse_says_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
}
