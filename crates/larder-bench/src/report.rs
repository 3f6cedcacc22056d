//! What is printed: a JSON object a line on stdout; a table and the budgets on stderr.

use std::fmt::Write as _;

use serde::Serialize;

/// One measurement. Fields that do not apply are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) bench: &'static str,
    pub(crate) case: String,
    pub(crate) subject: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tasks: Option<usize>,
    /// What one call takes in its own thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ns_per_op: Option<f64>,
    /// What all threads or tasks do together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ops_per_s: Option<f64>,
    /// The slowest and the fastest turn, as shares of the median: how quiet the machine was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocs_per_op: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_entry: Option<f64>,
    /// The share of lookups that missed, where it is more than one in a thousand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) misses: Option<f64>,
}

/// A budget of the design: a ratio and its limit.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) limit: Limit,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Verdict {
    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.measured <= limit,
            Limit::AtLeast(limit) => self.measured >= limit,
        }
    }
}

/// Rows as they come, and the verdicts on them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    lines: Vec<Vec<Cell>>,
    verdicts: Vec<Verdict>,
}

/// A column of the table and what stands in it.
pub(crate) type Cell = (&'static str, String);

impl Report {
    /// Prints the row to stdout, and keeps it for the table.
    pub(crate) fn row(&mut self, row: Row) {
        print(&row);
        self.rows.push(row);
    }

    /// The same for a bench with figures of its own. Lines with the same columns are one table.
    pub(crate) fn line(&mut self, row: &impl Serialize, cells: Vec<Cell>) {
        print(row);
        self.lines.push(cells);
    }

    /// The figure that `of` picks from the row of a case and subject, where it was measured.
    pub(crate) fn figure(
        &self,
        case: &str,
        subject: &str,
        width: usize,
        of: impl Fn(&Row) -> Option<f64>,
    ) -> Option<f64> {
        self.rows
            .iter()
            .filter(|row| row.case == case && row.subject == subject)
            .filter(|row| row.threads.or(row.tasks).unwrap_or(1) == width)
            .find_map(of)
    }

    /// The subjects that were measured, each once.
    pub(crate) fn subjects(&self) -> Vec<&'static str> {
        let mut subjects: Vec<_> = self.rows.iter().map(|row| row.subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    /// Judges a figure, where there is one.
    pub(crate) fn judge(&mut self, what: impl Into<String>, measured: Option<f64>, limit: Limit) {
        if let Some(measured) = measured {
            self.verdicts.push(Verdict {
                what: what.into(),
                measured,
                limit,
            });
        }
    }

    /// Prints table and budgets to stderr.
    pub(crate) fn show(&self) {
        eprint!("{}", self.table());
    }

    fn table(&self) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            self.show_rows(&mut text);
        }
        for table in self.lines.chunk_by(|a, b| columns(a).eq(columns(b))) {
            show_lines(&mut text, table);
        }
        self.show_verdicts(&mut text);
        text
    }

    // Writing to a `String` cannot fail.
    fn show_rows(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n{:<20} {:<16} {:>7} {:>10} {:>12} {:>13} {:>7} {:>11} {:>8}\n",
            "case",
            "subject",
            "width",
            "ns/op",
            "ops/s",
            "spread",
            "allocs",
            "bytes/entry",
            "misses"
        );
        let mut case = "";
        for row in &self.rows {
            if row.case != case && !case.is_empty() {
                text.push('\n');
            }
            case = &row.case;
            let width = row.threads.or(row.tasks);
            let _ = writeln!(
                text,
                "{:<20} {:<16} {:>7} {:>10} {:>12} {:>13} {:>7} {:>11} {:>8}",
                row.case,
                row.subject,
                cell(width, |width| width.to_string()),
                cell(row.ns_per_op, |ns| format!("{ns:.1}")),
                cell(row.ops_per_s, |ops| format!("{ops:.0}")),
                cell(row.spread, |[low, high]| format!("{low:.2}..{high:.2}")),
                cell(row.allocs_per_op, |allocs| format!("{allocs:.2}")),
                cell(row.bytes_per_entry, |bytes| format!("{bytes:.1}")),
                cell(row.misses, |share| format!("{:.3} %", share * 100.0)),
            );
        }
    }

    fn show_verdicts(&self, text: &mut String) {
        if !self.verdicts.is_empty() {
            let _ = writeln!(text, "\n{:<68} {:>9} {:>9}", "budget", "measured", "limit");
        }
        for verdict in &self.verdicts {
            let (sign, limit) = match verdict.limit {
                Limit::AtMost(limit) => ("<=", limit),
                Limit::AtLeast(limit) => (">=", limit),
            };
            let word = if verdict.is_met() { "ok" } else { "MISS" };
            let _ = writeln!(
                text,
                "{:<68} {:>9.2} {sign:>3} {limit:>5} {word}",
                verdict.what, verdict.measured
            );
        }
    }
}

fn print(row: &impl Serialize) {
    match serde_json::to_string(row) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("cannot write a row as JSON: {error}"),
    }
}

fn columns(line: &[Cell]) -> impl Iterator<Item = &'static str> {
    line.iter().map(|(column, _)| *column)
}

fn show_lines(text: &mut String, table: &[Vec<Cell>]) {
    let Some(first) = table.first() else { return };
    let width = |n: usize| {
        let cells = table.iter().filter_map(|line| line.get(n));
        let widest = cells.map(|(_, cell)| cell.len()).max().unwrap_or(0);
        widest.max(first[n].0.len())
    };
    let heading: Vec<Cell> = columns(first).map(|it| (it, it.to_owned())).collect();
    text.push('\n');
    for line in std::iter::once(&heading).chain(table) {
        for (n, (_, cell)) in line.iter().enumerate() {
            // Names to the left, figures to the right.
            let _ = match n {
                0 | 1 => write!(text, "{cell:<width$}  ", width = width(n)),
                _ => write!(text, "{cell:>width$}  ", width = width(n)),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

pub(crate) fn cell<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// The median, and the lowest and highest as shares of it. `values` is not empty.
pub(crate) fn median(values: &mut [f64]) -> (f64, [f64; 2]) {
    values.sort_unstable_by(f64::total_cmp);
    let (Some(low), Some(high)) = (values.first(), values.last()) else {
        return (f64::NAN, [f64::NAN; 2]);
    };
    let half = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    };
    (median, [low / median, high / median])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &'static str, threads: usize, ns: f64) -> Row {
        Row {
            bench: "near",
            case: "string/zipf".to_owned(),
            subject,
            threads: Some(threads),
            ns_per_op: Some(ns),
            ..Row::default()
        }
    }

    #[test]
    fn the_median_of_few_and_even_counts() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), (2.0, [0.5, 1.5]));
        assert_eq!(median(&mut [4.0, 2.0]).0.to_bits(), 3.0_f64.to_bits());
        assert!(median(&mut []).0.is_nan());
    }

    #[test]
    fn a_missed_budget_is_told_from_one_that_is_met() {
        let mut report = Report::default();
        report.row(row("larder", 1, 90.0));
        report.row(row("quick_cache", 1, 100.0));
        let ns = |report: &Report, subject| {
            report.figure("string/zipf", subject, 1, |row| row.ns_per_op)
        };
        let ratio = ns(&report, "larder").zip(ns(&report, "quick_cache"));
        let ratio = ratio.map(|(ours, theirs)| ours / theirs);
        report.judge("met", ratio, Limit::AtMost(1.5));
        report.judge("missed", ratio, Limit::AtLeast(4.0));
        report.judge("not measured", None, Limit::AtLeast(4.0));
        let table = report.table();
        assert!(table.contains("0.90  <=   1.5 ok"), "{table}");
        assert!(table.contains("0.90  >=     4 MISS"), "{table}");
        assert!(!table.contains("not measured"));
    }

    #[test]
    fn lines_with_the_same_columns_are_one_table() {
        let mut report = Report::default();
        let line = |case: &str, loads: &str| {
            vec![
                ("case", case.to_owned()),
                ("subject", "larder".to_owned()),
                ("loads", loads.to_owned()),
            ]
        };
        report.line(&(), line("cold", "1"));
        report.line(&(), line("killed", "10"));
        report.line(&(), vec![("phase", "before".to_owned())]);
        assert_eq!(
            report.table(),
            "\ncase    subject  loads\ncold    larder       1\nkilled  larder      10\n\nphase\nbefore\n"
        );
    }

    #[test]
    fn fields_that_do_not_apply_are_left_out() -> Result<(), serde_json::Error> {
        let line = serde_json::to_string(&row("moka", 2, 1.5))?;
        assert_eq!(
            line,
            r#"{"bench":"near","case":"string/zipf","subject":"moka","threads":2,"ns_per_op":1.5}"#
        );
        Ok(())
    }
}
