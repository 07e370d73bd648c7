//! `REPORT.md`: the report with links to the chart files beside it.

use super::Page;
use crate::table::Table;

/// Renders the whole document.
pub fn of(page: &Page) -> String {
    let mut text = String::from("# Analysis of a consistent-hashing balancer\n\n");
    for section in &page.sections {
        text += &format!("- **{}**: {}\n", escaped(&section.title), escaped(&section.summary));
    }
    let settings = page.settings.iter().map(|(name, value)| format!("{name}: {}", escaped(value)));
    text += &format!("\n{}\n", settings.collect::<Vec<_>>().join(" · "));
    for section in &page.sections {
        text += &format!("\n## {}\n\n", escaped(&section.title));
        for paragraph in section.paragraphs() {
            text += &format!("{}\n\n", escaped(paragraph));
        }
        for chart in &section.charts {
            let caption = escaped(&chart.caption);
            text += &format!("![{caption}]({}.png)\n\n*{caption}*\n\n", chart.name);
        }
        for one in &section.tables {
            text += &format!("{}\n\n{}\n", escaped(&one.caption), table(one));
        }
    }
    text
}

fn table(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<_> = table.columns.iter().map(|head| escaped(head)).collect();
    let aligned = (0..heads.len()).map(|at| if table.is_text(at) { "---" } else { "---:" }.to_owned());
    let rows = table.rows.iter().map(|row| {
        let cells: Vec<_> = row.iter().map(|cell| escaped(&cell.to_string())).collect();
        line(&cells)
    });
    line(&heads) + &line(&aligned.collect::<Vec<_>>()) + &rows.collect::<String>()
}

/// Escapes Markdown markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#') {
            escaped.push('\\');
        }
        escaped.push(if char == '\n' { ' ' } else { char });
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Section;
    use crate::table::Cell;

    #[test]
    fn names_are_escaped() {
        let mut names = Table::new("t", "names", &["replica", "n"]);
        names.row([Cell::text("a|b_<c>"), Cell::Count(1)]);
        let section = Section { tables: vec![names], ..Section::skipped("x", "A-1: x", "a_b") };
        let text = of(&Page {
            settings: vec![("url", "http://a".into()), ("seed", "1".into())],
            sections: vec![section],
        });
        assert!(text.contains("- **A-1: x**: Skipped: a\\_b.\n\nurl: http://a · seed: 1\n"), "{text}");
        assert!(text.contains("| replica | n |\n| --- | ---: |\n| a\\|b\\_\\<c\\> | 1 |\n"), "{text}");
    }
}
