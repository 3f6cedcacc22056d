//! `remote`: hits on a server.

use crate::Failure;
use crate::args::Args;
use crate::report::Report;

pub(crate) fn run(_args: &Args, _report: &mut Report) -> Result<(), Failure> {
    Err("not yet".into())
}
