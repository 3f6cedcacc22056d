//! Outcomes as text: a table for people, JSON for programs.

use std::io::{self, Write};

use serde_json::json;

use crate::args::Capacity;
use crate::number::{bytes, grouped};
use crate::simulate::Outcome;
use crate::trace::Trace;

/// One object a line.
pub(crate) fn json(out: &mut impl Write, name: &str, outcomes: &[Outcome]) -> io::Result<()> {
    for outcome in outcomes {
        let object = json!({
            "trace": name,
            "policy": outcome.policy,
            "capacity": outcome.capacity.amount(),
            "unit": outcome.capacity.unit(),
            "requests": outcome.requests,
            "hits": outcome.hits,
            "hit_ratio": outcome.hit_ratio(),
            "byte_hit_ratio": outcome.byte_hit_ratio,
            "cost_saved": outcome.cost_saved,
        });
        writeln!(out, "{object}")?;
    }
    Ok(())
}

/// Columns of which the trace knows nothing are left out.
pub(crate) fn table(
    out: &mut impl Write,
    name: &str,
    trace: &Trace,
    outcomes: &[Outcome],
) -> io::Result<()> {
    let (requests, keys) = (grouped(trace.len() as u64), grouped(trace.distinct as u64));
    writeln!(out, "{name}: {requests} requests for {keys} keys")?;
    if trace.share < 1.0 {
        let share = percent(trace.share);
        writeln!(
            out,
            "These are {share} of the keys, and stand for all: capacities were scaled."
        )?;
    }
    let mut rows = vec![
        vec!["capacity", "policy", "hits", "hit ratio"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    let (sizes, costs) = (trace.sizes.is_some(), trace.costs.is_some());
    rows[0].extend(sizes.then(|| "byte hit ratio".to_owned()));
    rows[0].extend(costs.then(|| "cost saved".to_owned()));
    for outcome in outcomes {
        let mut row = vec![
            capacity(outcome.capacity),
            outcome.policy.clone(),
            grouped(outcome.hits),
            percent(outcome.hit_ratio()),
        ];
        row.extend(outcome.byte_hit_ratio.map(percent));
        row.extend(outcome.cost_saved.map(percent));
        rows.push(row);
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut last = None;
    for row in &rows {
        // A line between the capacities.
        if last.is_some_and(|last| last != &row[0]) {
            writeln!(out)?;
        }
        last = Some(&row[0]);
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => write!(out, "{cell:>width$}")?,
                // Names begin on the left, numbers end on the right.
                1 => write!(out, "  {cell:<width$}")?,
                _ => write!(out, "  {cell:>width$}")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(crate) fn capacity(capacity: Capacity) -> String {
    match capacity {
        Capacity::Entries(entries) => grouped(entries),
        Capacity::Bytes(amount) => bytes(amount),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
