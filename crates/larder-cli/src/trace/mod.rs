//! Traces of requests.

mod columns;
mod lines;
mod source;

use std::collections::HashMap;
use std::path::Path;

use crate::failure::Failure;
use columns::Columns;
use lines::{Line, Lines};

/// All requests of a trace, in their order.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Each key by a number of its own, from 0.
    pub(crate) keys: Vec<u32>,
    /// Where the trace has them, as many as keys.
    pub(crate) sizes: Option<Vec<u32>>,
    pub(crate) costs: Option<Vec<f64>>,
    /// In milliseconds.
    pub(crate) times: Option<Vec<u64>>,
    /// How many different keys there are.
    pub(crate) distinct: usize,
    /// The share of all keys that it has.
    pub(crate) share: f64,
    pub(crate) skipped: Skipped,
}

/// How a recording of larder begins, before its share.
const SHARE: &str = "# larder recording: share";

fn parsed(share: &str) -> Option<f64> {
    let share = share.trim().parse().ok();
    share.filter(|share| *share > 0.0 && *share <= 1.0)
}

/// Lines that are no requests.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    pub(crate) malformed: u64,
    /// What is wrong with the first of them.
    pub(crate) first: Option<String>,
}

/// One request, as its line says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: Option<u32>,
    pub(crate) cost: Option<f64>,
    pub(crate) time: Option<u64>,
}

impl Trace {
    /// Reads a trace; `progress` is told the number of requests from time to time.
    pub(crate) fn read(
        path: &Path,
        is_strict: bool,
        progress: impl Fn(u64),
    ) -> Result<Self, Failure> {
        let source = source::open(path).map_err(|source| Failure::Open {
            path: path.to_owned(),
            source,
        })?;
        let mut lines = Lines::new(source);
        let mut trace = Self {
            share: 1.0,
            ..Self::default()
        };
        let mut numbers: HashMap<Box<str>, u32> = HashMap::new();
        let mut columns = None;
        loop {
            let number = lines.read();
            let line = lines.next().map_err(|source| Failure::Read {
                path: path.to_owned(),
                lines: number,
                source,
            })?;
            let row = match line {
                None => break,
                Some(Line::TooLong) => Err(format!("it is longer than {} bytes", lines::LONGEST)),
                Some(Line::NotText) => Err("it is no UTF-8 text".to_owned()),
                Some(Line::Text(line)) if line.starts_with('#') => {
                    if let Some(share) = line.strip_prefix(SHARE) {
                        trace.share = parsed(share).ok_or_else(|| Failure::Share {
                            path: path.to_owned(),
                            share: share.trim().to_owned(),
                        })?;
                    }
                    continue;
                }
                Some(Line::Text("")) => continue,
                Some(Line::Text(line)) => {
                    if columns.is_none() {
                        let (found, is_header) =
                            Columns::of(line).map_err(|problem| Failure::Columns {
                                path: path.to_owned(),
                                problem,
                            })?;
                        columns = Some(found);
                        if is_header {
                            continue;
                        }
                    }
                    match &columns {
                        Some(columns) => columns.row(line),
                        None => continue,
                    }
                }
            };
            match row {
                Ok(row) => {
                    if !trace.push(row, &mut numbers) {
                        let path = path.to_owned();
                        return Err(Failure::TooLong { path });
                    }
                    if trace.keys.len().is_multiple_of(1 << 16) {
                        progress(trace.keys.len() as u64);
                    }
                }
                Err(problem) => {
                    let problem = format!("line {}: {problem}", number + 1);
                    if is_strict {
                        let path = path.to_owned();
                        return Err(Failure::Line { path, problem });
                    }
                    trace.skipped.malformed += 1;
                    trace.skipped.first.get_or_insert(problem);
                }
            }
        }
        if trace.keys.is_empty() {
            return Err(Failure::Empty {
                path: path.to_owned(),
                first: trace.skipped.first,
            });
        }
        trace.distinct = numbers.len();
        Ok(trace)
    }

    /// Whether there was room for it.
    fn push(&mut self, row: Row<'_>, numbers: &mut HashMap<Box<str>, u32>) -> bool {
        let next = u32::try_from(numbers.len()).ok();
        let number = numbers.get(row.key).copied().or(next);
        let Some(number) = number.filter(|_| self.keys.len() < u32::MAX as usize) else {
            return false;
        };
        if Some(number) == next {
            numbers.insert(row.key.into(), number);
        }
        self.keys.push(number);
        // All rows have the same columns.
        if let Some(size) = row.size {
            self.sizes.get_or_insert_default().push(size);
        }
        if let Some(cost) = row.cost {
            self.costs.get_or_insert_default().push(cost);
        }
        if let Some(time) = row.time {
            let times = self.times.get_or_insert_default();
            // Requests come in their order, whatever their clocks said.
            times.push(times.last().map_or(time, |last| time.max(*last)));
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn size(&self, at: usize) -> u32 {
        self.sizes.as_ref().map_or(1, |sizes| sizes[at])
    }

    pub(crate) fn cost(&self, at: usize) -> f64 {
        self.costs.as_ref().map_or(1.0, |costs| costs[at])
    }

    /// In milliseconds since the first request.
    pub(crate) fn time(&self, at: usize) -> u64 {
        let times = self.times.as_ref();
        times.map_or(0, |times| times[at] - times[0])
    }
}
