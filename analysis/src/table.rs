//! Tables of text that fit 100 columns.

/// Names are cut to this many characters.
const NAME_WIDTH: usize = 32;

/// The longest bar, in characters.
const BAR_WIDTH: f64 = 40.0;

/// A row for each replica: its name, its count, its share of the answered, a bar.
pub fn of_counts(counts: &[(String, u32)]) -> String {
    let total: f64 = counts.iter().map(|(_, count)| f64::from(*count)).sum();
    let peak = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let width = counts.iter().map(|(name, _)| cut(name).chars().count()).max().unwrap_or_default().max(7);
    let mut table = format!("{:width$}  requests    share\n", "replica");
    for (name, count) in counts {
        let share = 100.0 * f64::from(*count) / total;
        let bar = "█".repeat((BAR_WIDTH * f64::from(*count) / f64::from(peak)).round() as usize);
        table += &format!("{:width$}  {:>8}  {share:5.1} %  {bar}\n", cut(name), grouped(*count));
    }
    table
}

/// A number with its thousands apart: 10,000.
pub fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// A name that is not too long for a table or a chart.
pub fn cut(name: &str) -> String {
    if name.chars().count() <= NAME_WIDTH {
        return name.to_owned();
    }
    name.chars().take(NAME_WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_100_columns() {
        let counts = [("x".repeat(63), 3_000_000), ("S5".into(), 1_000_000), ("none".into(), 0)];
        let table = of_counts(&counts);
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        assert!(table.contains("3,000,000   75.0 %"), "{table}");
        assert!(table.lines().last().unwrap().ends_with("0    0.0 %  "), "{table}");
    }

    #[test]
    fn thousands_are_apart() {
        let shown = [0, 999, 1000, 10_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "10,000", "1,234,567"]);
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut("server1"), "server1");
        assert_eq!(cut(&"é".repeat(33)), format!("{}…", "é".repeat(31)));
    }
}
