//! What the columns of a trace mean.

use super::Row;

/// Which column holds what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    separator: char,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    Size,
    Cost,
    Time,
    Ignored,
}

/// In the order that they have where no line names them.
const KINDS: [(&str, Kind); 5] = [
    ("key", Kind::Key),
    ("size", Kind::Size),
    ("cost", Kind::Cost),
    ("time", Kind::Time),
    ("-", Kind::Ignored),
];

impl Columns {
    /// What the first line says, and whether it names the columns.
    pub(super) fn of(line: &str) -> Result<(Self, bool), String> {
        let separator = if line.contains('\t') { '\t' } else { ',' };
        let names: Vec<_> = line.split(separator).map(str::trim).collect();
        let is_header = names.iter().any(|name| name.eq_ignore_ascii_case("key"));
        if !is_header {
            let kinds: Vec<_> = KINDS.iter().map(|(_, kind)| *kind).take(4).collect();
            let kinds = kinds.get(..names.len()).ok_or_else(|| {
                format!(
                    "its first request has {} columns; without a line that names them there are \
                     key, size, cost and time",
                    names.len()
                )
            })?;
            let kinds = kinds.to_vec();
            return Ok((Self { separator, kinds }, false));
        }
        let mut kinds = Vec::new();
        for name in names {
            let kind = KINDS
                .iter()
                .find(|(known, _)| name.eq_ignore_ascii_case(known));
            let Some((_, kind)) = kind else {
                return Err(format!(
                    "its first line names a column {name:?}; there are key, size, cost and time, and - \
                     for what is to be left out"
                ));
            };
            if *kind != Kind::Ignored && kinds.contains(kind) {
                return Err(format!("its first line names the column {name:?} twice"));
            }
            kinds.push(*kind);
        }
        Ok((Self { separator, kinds }, true))
    }

    /// A request, or what is wrong with its line.
    pub(super) fn row<'a>(&self, line: &'a str) -> Result<Row<'a>, String> {
        let mut row = Row {
            key: "",
            size: None,
            cost: None,
            time: None,
        };
        let mut fields = line.split(self.separator).map(str::trim);
        for kind in &self.kinds {
            let field = fields.next().ok_or_else(|| self.miscounted(line))?;
            match kind {
                Kind::Key if field.is_empty() => return Err("its key is empty".to_owned()),
                Kind::Key => row.key = field,
                Kind::Size => row.size = Some(size(field)?),
                Kind::Cost => row.cost = Some(number("cost", field)?),
                Kind::Time => row.time = Some(millis(number("time", field)?)),
                Kind::Ignored => {}
            }
        }
        if fields.next().is_some() {
            return Err(self.miscounted(line));
        }
        Ok(row)
    }

    fn miscounted(&self, line: &str) -> String {
        let (there, wanted) = (line.split(self.separator).count(), self.kinds.len());
        format!("it has {there} columns, where the first line has {wanted}")
    }
}

fn size(field: &str) -> Result<u32, String> {
    let size = field.parse().ok().filter(|size| *size > 0);
    size.ok_or_else(|| {
        format!(
            "its size {field:?} is no whole number from 1 to {}",
            u32::MAX
        )
    })
}

fn number(what: &str, field: &str) -> Result<f64, String> {
    let number = field.parse().ok();
    let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("its {what} {field:?} is no number of at least 0"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative; a time that is too large becomes the largest"
)]
fn millis(seconds: f64) -> u64 {
    (seconds * 1e3) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(line: &str) -> Columns {
        Columns::of(line).unwrap().0
    }

    #[test]
    fn columns_without_names_have_their_usual_order() {
        let row = columns("a,1,2,3").row("b, 10 ,2.5,1.5").unwrap();
        let expected = Row {
            key: "b",
            size: Some(10),
            cost: Some(2.5),
            time: Some(1_500),
        };
        assert_eq!(row, expected);
        assert_eq!(columns("a").row("b").unwrap().size, None);
        assert_eq!(columns("a\t1").row("b, c\t7").unwrap().key, "b, c");
    }

    #[test]
    fn columns_with_names_have_any_order() {
        let (columns, is_header) = Columns::of("time,-,Key,size").unwrap();
        assert!(is_header);
        let row = columns.row("2,GET,a,7").unwrap();
        assert_eq!((row.key, row.size, row.time), ("a", Some(7), Some(2_000)));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let columns = columns("a,1,1,1");
        for (line, problem) in [
            ("a,1,1", "it has 3 columns, where the first line has 4"),
            ("a,1,1,1,1", "it has 5 columns, where the first line has 4"),
            (",1,1,1", "its key is empty"),
            (
                "a,0,1,1",
                "its size \"0\" is no whole number from 1 to 4294967295",
            ),
            (
                "a,-1,1,1",
                "its size \"-1\" is no whole number from 1 to 4294967295",
            ),
            ("a,1,NaN,1", "its cost \"NaN\" is no number of at least 0"),
            ("a,1,-1,1", "its cost \"-1\" is no number of at least 0"),
            ("a,1,1,x", "its time \"x\" is no number of at least 0"),
        ] {
            assert_eq!(columns.row(line).unwrap_err(), problem, "{line}");
        }
        for line in ["key,bytes", "key,size,size", "a,1,1,1,1"] {
            assert!(Columns::of(line).is_err(), "{line}");
        }
    }
}
