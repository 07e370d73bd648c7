//! Converts the text of an SVG to outlines: a `<text>` is drawn with the fonts of the reader's machine, and not at all
//! without one.

use std::fmt::Write;

use ab_glyph::{Font, FontRef, OutlineCurve, Point, ScaleFont};

/// Ratio of a font's height to the `font-size` that plotters writes.
const HEIGHT: f32 = 1.24;

/// Replaces each `<text>` in an SVG of plotters by a `<path>`, positioned as plotters does in a bitmap, and adds an
/// accessible title. Elements in another form than plotters writes are kept.
pub fn outlined(svg: &str, title: &str, font: &FontRef<'_>) -> String {
    let mut result = String::with_capacity(4 * svg.len());
    let mut rest = svg;
    if let Some((head, body)) = svg.split_once(">\n") {
        let _ = write!(result, "{head} role=\"img\">\n<title>{}</title>\n", escaped(title));
        rest = body;
    }
    while let Some((before, text, after)) = next_text(rest) {
        result += before;
        match path(text, font) {
            Some(path) => result += &path,
            None => result += text,
        }
        rest = after;
    }
    result + rest
}

/// Splits at the first `<text>`: the part before it, the element, the part after it.
fn next_text(svg: &str) -> Option<(&str, &str, &str)> {
    const END: &str = "</text>";
    let start = svg.find("<text ")?;
    let end = start + svg[start..].find(END)? + END.len();
    Some((&svg[..start], &svg[start..end], &svg[end..]))
}

fn path(element: &str, font: &FontRef<'_>) -> Option<String> {
    let (head, words) = element.strip_suffix("</text>")?.split_once('>')?;
    let attribute = |name: &str| head.split_once(&format!(" {name}=\""))?.1.split('"').next();
    let number = |name: &str| attribute(name)?.parse::<f32>().ok();
    let (x, y, height) = (number("x")?, number("y")?, HEIGHT * number("font-size")?);
    let (outline, width) = outline(&unescaped(words.trim()), height, font);
    let left = match attribute("text-anchor")? {
        "start" => 0.0,
        "middle" => -width / 2.0,
        _ => -width,
    };
    // In a bitmap the box of a text is height / HEIGHT high, and its baseline is half the height below its top.
    let base = height / 2.0
        - match attribute("dy")? {
            "0.76em" => 0.0,
            "0.5ex" => height / HEIGHT / 2.0,
            _ => height / HEIGHT,
        };
    let turned = attribute("transform").unwrap_or_default();
    let (fill, opacity) = (attribute("fill")?, attribute("opacity")?);
    Some(format!(
        "<path transform=\"{turned} translate({:.1} {:.1})\" fill=\"{fill}\" opacity=\"{opacity}\" d=\"{outline}\"/>",
        x + left,
        y + base,
    ))
}

/// The path of a line of text that starts on the baseline at 0, and its width.
fn outline(text: &str, height: f32, font: &FontRef<'_>) -> (String, f32) {
    let scaled = font.as_scaled(height);
    let scale = scaled.scale_factor();
    let (mut path, mut pen, mut last) = (String::new(), 0.0, None);
    for glyph in text.chars().map(|char| font.glyph_id(char)) {
        pen += last.map_or(0.0, |last| scaled.kern(last, glyph));
        let at = |point: Point| {
            format!("{:.1} {:.1}", pen + scale.horizontal * point.x, -scale.vertical * point.y)
        };
        let mut end = None;
        for curve in font.outline(glyph).map(|outline| outline.curves).unwrap_or_default() {
            let (start, to, command) = match curve {
                OutlineCurve::Line(a, b) => (a, b, format!("L{}", at(b))),
                OutlineCurve::Quad(a, b, c) => (a, c, format!("Q{} {}", at(b), at(c))),
                OutlineCurve::Cubic(a, b, c, d) => (a, d, format!("C{} {} {}", at(b), at(c), at(d))),
            };
            if end != Some(start) {
                let _ = write!(path, "M{}", at(start));
            }
            path += &command;
            end = Some(to);
        }
        pen += scaled.h_advance(glyph);
        last = Some(glyph);
    }
    (path, pen)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn unescaped(text: &str) -> String {
    // The ampersand comes last, because "&amp;lt;" stands for "&lt;".
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, char)| text.replace(entity, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<text x=\"100\" y=\"50\" dy=\"0.76em\" text-anchor=\"middle\" font-family=\"sans-serif\" \
                        font-size=\"27\" opacity=\"1\" fill=\"#282828\">\nl\n</text>";

    fn font() -> FontRef<'static> {
        FontRef::try_from_slice(dejavu::sans::regular()).unwrap()
    }

    #[test]
    fn a_letter_becomes_a_path_at_its_position() {
        let svg = outlined(&format!("<svg width=\"9\">\n{TEXT}\n</svg>\n"), "a < b", &font());
        assert!(svg.starts_with("<svg width=\"9\" role=\"img\">\n<title>a &lt; b</title>\n<path "), "{svg}");
        assert!(svg.ends_with("/>\n</svg>\n") && !svg.contains("<text"), "{svg}");
        // "l" is a bar. It is 569 of 2,048 units wide, and em is height / 1.164.
        assert!(svg.contains(" d=\"M2.7 -21.9L5.3 -21.9L5.3 -0.0L2.7 -0.0L2.7 -21.9"), "{svg}");
        let half = 27.0 * 1.24 / 1.164 * 569.0 / 2048.0 / 2.0;
        assert!(svg.contains(&format!("translate({:.1} {:.1})", 100.0 - half, 50.0 + 27.0 * 0.62)), "{svg}");
    }

    #[test]
    fn elements_not_written_by_plotters_are_kept() {
        let foreign = "<svg>\n<text x=\"1\">a</text>\n<text </svg>";
        let kept = outlined(foreign, "t", &font());
        assert!(kept.ends_with("<text x=\"1\">a</text>\n<text </svg>"), "{kept}");
    }

    #[test]
    fn entities_are_decoded() {
        assert_eq!(unescaped("a &lt;b&gt; &amp;lt; &quot;c&quot;"), "a <b> &lt; \"c\"");
    }
}
