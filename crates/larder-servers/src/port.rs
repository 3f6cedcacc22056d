//! A port that stays this server's own, also while the server is down.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use crate::ServerError;

/// Ports below the range from which the system gives ports to clients. A client of another test
/// can thus never take the port of a server that is about to restart. A cluster node's bus port,
/// 10,000 above, is below that range as well.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;
const ATTEMPTS: usize = 100;

/// A port on 127.0.0.1, reserved against other test processes until dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// Locked for as long as the port is ours. The system releases it when the process dies.
    _lock: File,
}

impl Port {
    /// Reserves a port on which nothing listens.
    pub(crate) fn reserve() -> Result<Self, ServerError> {
        let folder = lock_folder();
        fs::create_dir_all(&folder)
            .map_err(ServerError::io(format!("create {}", folder.display())))?;
        for _ in 0..ATTEMPTS {
            let number = FIRST + random_below(COUNT);
            let path = folder.join(number.to_string());
            let lock = File::create(&path)
                .map_err(ServerError::io(format!("create {}", path.display())))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    number,
                    _lock: lock,
                });
            }
        }
        Err(ServerError::NoPort { attempts: ATTEMPTS })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// One folder a user: the empty files in it stay, since removing a lock file is a race.
fn lock_folder() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("larder-ports-{user}"))
}

/// A random number, from the seed that the standard library draws for its maps.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn random_below(bound: u16) -> u16 {
    u16::try_from(random() % u64::from(bound)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reserved_ports_differ() {
        let ports: Vec<_> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        let distinct: HashSet<_> = ports.iter().map(Port::number).collect();
        assert_eq!(distinct.len(), ports.len());
    }
}
