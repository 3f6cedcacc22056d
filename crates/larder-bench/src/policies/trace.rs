//! The requests: made ones, and recorded ones from a folder.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::Failure;
use crate::workload::{KEYS, Pattern};

pub(super) struct Trace {
    pub(super) name: String,
    pub(super) capacity: u64,
    pub(super) keys: Vec<u64>,
}

/// Recorded traces and the capacities at which they are usually compared.
const RECORDED: [(&str, u64); 5] = [
    ("gli", 1_000),
    ("loop", 512),
    ("multi3", 2_000),
    ("web12", 2_000),
    ("oltp", 1_000),
];

/// Zipf keys with room for a tenth of them: most requests hit, and the others evict.
pub(super) fn zipf() -> Trace {
    Trace {
        name: "zipf".to_owned(),
        capacity: KEYS as u64 / 10,
        keys: Pattern::Zipf
            .sequence()
            .into_iter()
            .map(u64::from)
            .collect(),
    }
}

/// Those that lie in the folder, as `NAME.keys.zst` with a key on each line.
pub(super) fn recorded(folder: &Path) -> Result<Vec<Trace>, Failure> {
    let mut traces = Vec::new();
    for (name, capacity) in RECORDED {
        let path = folder.join(format!("{name}.keys.zst"));
        if !path.is_file() {
            continue;
        }
        let text = ruzstd::decoding::StreamingDecoder::new(File::open(path)?)?;
        let keys = BufReader::new(text).lines().map(|line| Ok(number(&line?)));
        traces.push(Trace {
            name: name.to_owned(),
            capacity,
            keys: keys.collect::<Result<_, Failure>>()?,
        });
    }
    Ok(traces)
}

fn number(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
