//! A script without async: what is in a folder's text files, counted once for each version of a file.
//!
//! ```sh
//! cargo run --release --example script -- crates/larder/src
//! CACHE_BACKEND=valkey VALKEY_URL=valkey://127.0.0.1:6379 cargo run --release --example script
//! ```
//!
//! With a server the second run counts nothing: the first one's counts are there.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, UNIX_EPOCH};

use larder::blocking::{Cache, Larder};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error + Send + Sync>;

/// A file as it was at one time: changed, it is another key.
#[derive(Clone, Serialize, Hash, PartialEq, Eq)]
struct Version {
    path: String,
    bytes: u64,
    changed_ms: u64,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Counts {
    lines: u64,
    words: u64,
    longest: u64,
}

fn main() -> ExitCode {
    let folder = std::env::args().nth(1);
    let folder = folder.unwrap_or_else(|| "examples".to_owned());
    match run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> Result<(), Failure> {
    // In memory, on Valkey or on Redis: the environment says which.
    let larder = Larder::from_env()?;
    println!("\n  cache   {}", larder.health()?);
    let counted: Cache<Version, Counts> = larder
        .cache("counts")
        .ttl(Duration::from_hours(24))
        .build()?;

    let files = versions(folder)?;
    let began = Instant::now();
    // One question to the server for all files, and one call for those that nobody has counted.
    let counts = counted.get_or_load_many(&files, |missing: Vec<Version>| {
        let count = |file: Version| count(&file.path).map(|counts| (file, counts));
        missing
            .into_iter()
            .map(count)
            .collect::<Result<Vec<_>, _>>()
    })?;
    let took = began.elapsed();

    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.lines));
    println!("  folder  {}, {} files\n", folder.display(), all.len());
    println!("  {:>7} {:>8} {:>8}", "lines", "words", "longest");
    for (file, counts) in all.iter().take(5) {
        let Counts {
            lines,
            words,
            longest,
        } = ***counts;
        println!("  {lines:>7} {words:>8} {longest:>8}  {}", file.path);
    }
    let stats = counted.stats();
    println!(
        "\n  {} counts were there, {} files were read, in {took:.1?}",
        stats.hits(),
        stats.misses()
    );
    larder.close()?;
    Ok(())
}

/// What the loader does: reads a file from end to end.
fn count(path: &str) -> Result<Counts, std::io::Error> {
    let bytes = fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut counts = Counts::default();
    for line in text.lines() {
        counts.lines += 1;
        counts.words += line.split_whitespace().count() as u64;
        counts.longest = counts.longest.max(line.chars().count() as u64);
    }
    Ok(counts)
}

/// All files below `folder`, as they are now.
fn versions(folder: &Path) -> Result<Vec<Version>, Failure> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.is_file() {
                let changed = about.modified()?.duration_since(UNIX_EPOCH)?;
                found.push(Version {
                    path: entry.path().display().to_string(),
                    bytes: about.len(),
                    changed_ms: u64::try_from(changed.as_millis())?,
                });
            }
        }
    }
    Ok(found)
}
