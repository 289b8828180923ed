//! A table in Markdown that also reads well on a terminal.

/// Rows of text under a head.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; the first is set left, the others right.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&text| text.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.head.len(), "a row has as many cells as the head: {cells:?}");
        self.rows.push(cells);
    }

    /// The table as text.
    pub(crate) fn to_markdown(&self) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().chain([&self.head]).map(|row| row[column].chars().count());
                cells.max().unwrap_or(0).max(3)
            })
            .collect();
        let line = |row: &[String]| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, &width)| if column == 0 { "-".repeat(width) } else { format!("{}:", "-".repeat(width - 1)) })
            .collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{}{rows}", line(&self.head), line(&rule))
    }
}

/// A ratio with as many digits as say something.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A span given in nanoseconds, in the unit that suits it.
pub(crate) fn nanos(value: f64) -> String {
    match value {
        value if value < 1e3 => format!("{value:.0} ns"),
        value if value < 1e4 => format!("{:.2} µs", value / 1e3),
        value if value < 1e6 => format!("{:.1} µs", value / 1e3),
        value if value < 1e7 => format!("{:.2} ms", value / 1e6),
        value if value < 1e9 => format!("{:.1} ms", value / 1e6),
        value => format!("{:.2} s", value / 1e9),
    }
}

/// A whole number with separators.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(value: f64) -> String {
    match value.abs() {
        size if size < 10_000.0 => format!("{value:.0} B"),
        size if size < 1e7 => format!("{:.0} KB", value / 1e3),
        _ => format!("{:.0} MB", value / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["what", "time"]);
        table.row(["a local hit", "157 ns"]);
        table.row(["µ", "1 ns"]);
        assert_eq!(
            table.to_markdown(),
            "| what        |   time |\n| ----------- | -----: |\n| a local hit | 157 ns |\n| µ           |   1 ns |\n"
        );
    }

    #[test]
    fn numbers_carry_the_digits_that_say_something() {
        assert_eq!([ratio(0.151), ratio(12.84), ratio(1234.5), ratio(f64::NAN)], ["0.15", "12.8", "1234", "–"]);
        assert_eq!(
            [nanos(21.4), nanos(1_935.0), nanos(17_500.0), nanos(2.5e9)],
            ["21 ns", "1.94 µs", "17.5 µs", "2.50 s"]
        );
        assert_eq!(
            [count(0.0), count(999.6), count(1_000_000.0), count(-12_345.0)],
            ["0", "1,000", "1,000,000", "-12,345"]
        );
        assert_eq!([bytes(312.0), bytes(45_000.0), bytes(2.5e8)], ["312 B", "45 KB", "250 MB"]);
    }
}
