//! How a tenant's entries are deleted without stamps: what others do.

use larder_servers::Server;

use super::fill::{REGISTRY, TENANT, connect};
use crate::Failure;

#[derive(Clone, Copy)]
pub(super) enum Peer {
    /// `SCAN` by 1,000 with a pattern, and a `DEL` of what a page has.
    ScanAndDelete,
    /// A set in which each write notes its key: `SMEMBERS`, and a `DEL` of all.
    Registry,
}

pub(super) const ALL: [Peer; 2] = [Peer::ScanAndDelete, Peer::Registry];

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ScanAndDelete => "scan+del",
            Self::Registry => "registry",
        }
    }

    pub(super) fn has_registry(self) -> bool {
        matches!(self, Self::Registry)
    }

    pub(super) fn clear(self, server: &Server) -> Result<(), Failure> {
        let mut connection = connect(server)?;
        match self {
            Self::ScanAndDelete => {
                let mut cursor = 0_u64;
                loop {
                    let mut scan = redis::cmd("SCAN");
                    scan.arg(cursor)
                        .arg("MATCH")
                        .arg(format!("cache:tenant:{TENANT}:*"));
                    scan.arg("COUNT").arg(1_000);
                    let (next, keys): (u64, Vec<String>) = scan.query(&mut connection)?;
                    if !keys.is_empty() {
                        redis::cmd("DEL").arg(keys).exec(&mut connection)?;
                    }
                    cursor = next;
                    if cursor == 0 {
                        return Ok(());
                    }
                }
            }
            Self::Registry => {
                let keys: Vec<String> = redis::cmd("SMEMBERS")
                    .arg(REGISTRY)
                    .query(&mut connection)?;
                redis::cmd("DEL")
                    .arg(keys)
                    .arg(REGISTRY)
                    .exec(&mut connection)?;
                Ok(())
            }
        }
    }
}
