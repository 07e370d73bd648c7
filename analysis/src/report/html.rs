//! `report.html`: one self-contained file, charts included, that loads nothing from elsewhere.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{Page, Section};
use crate::table::Table;

const STYLE: &str = include_str!("style.css");

/// Renders the whole document.
pub fn of(page: &Page) -> String {
    let settings: String = page
        .settings
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt> <dd>{}</dd></div>", escaped(name), escaped(value)))
        .collect();
    let contents: String = page
        .sections
        .iter()
        .map(|section| {
            let (title, summary) = (escaped(&section.title), escaped(&section.summary));
            format!("<li><a href=\"#{}\">{title}</a><br>{summary}</li>\n", section.name)
        })
        .collect();
    let sections: String = page.sections.iter().map(section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Analysis of a consistent-hashing balancer</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Analysis of a consistent-hashing balancer</h1>\n<nav><ul>{contents}</ul></nav>\n<dl>{settings}</dl>\n\
         {sections}</body>\n</html>\n"
    )
}

fn section(section: &Section) -> String {
    let text: String = section.paragraphs().map(|text| format!("<p>{}</p>\n", escaped(text))).collect();
    // PNG rather than SVG, because SVG text depends on the fonts of the reader's machine.
    let charts: String = section
        .charts
        .iter()
        .map(|chart| {
            let caption = escaped(&chart.caption);
            let png = BASE64_STANDARD.encode(&chart.png);
            format!(
                "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{png}\">\
                 <figcaption>{caption}</figcaption></figure>\n"
            )
        })
        .collect();
    let tables: String = section.tables.iter().map(table).collect();
    let title = escaped(&section.title);
    format!("<section id=\"{}\">\n<h2>{title}</h2>\n{text}{charts}{tables}</section>\n", section.name)
}

fn table(table: &Table) -> String {
    let class = |at: usize| if table.is_text(at) { "" } else { " class=\"number\"" };
    let heads: String = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, head)| format!("<th{}>{}</th>", class(at), escaped(head)))
        .collect();
    let row = |row: &Vec<crate::table::Cell>| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(at, cell)| format!("<td{}>{}</td>", class(at), escaped(&cell.to_string())));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<div class=\"table\"><table>\n<caption>{}</caption>\n<thead><tr>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n",
        escaped(&table.caption)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Cell;

    #[test]
    fn names_are_escaped_and_nothing_is_loaded() {
        let mut names = Table::new("t", "names", &["replica"]);
        names.row([Cell::text("<script src=\"x\">&")]);
        let section = Section { tables: vec![names], ..Section::skipped("x", "A-1: x", "<b>") };
        let text = of(&Page { settings: Vec::new(), sections: vec![section] });
        assert!(text.contains("<td>&lt;script src=&quot;x&quot;&gt;&amp;</td>"), "{text}");
        assert!(text.contains("<a href=\"#x\">A-1: x</a><br>Skipped: &lt;b&gt;.</li>"), "{text}");
        assert!(text.contains("<p>Skipped: &lt;b&gt;.</p>"), "{text}");
        assert!(!text.contains("http") && !text.contains("<script") && !text.contains("<link"), "{text}");
    }
}
