//! The dashboard at /: static files embedded in the executable; their data comes from /api.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EntityTag, IfNoneMatch};
use actix_web::web::{Header, ServiceConfig, route};
use actix_web::{HttpResponse, guard};

/// One file of the dashboard.
struct Page {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! page {
    ($path:literal, $kind:ident, $file:literal) => {
        Page { path: $path, kind: $kind, text: include_str!($file) }
    };
}

static PAGES: [Page; 21] = [
    page!("/", HTML, "index.html"),
    page!("/dashboard.css", CSS, "style.css"),
    page!("/dashboard.js", SCRIPT, "main.js"),
    page!("/dashboard/api.js", SCRIPT, "api.js"),
    page!("/dashboard/change.js", SCRIPT, "change.js"),
    page!("/dashboard/colors.js", SCRIPT, "colors.js"),
    page!("/dashboard/dense.js", SCRIPT, "dense.js"),
    page!("/dashboard/dialog.js", SCRIPT, "dialog.js"),
    page!("/dashboard/dom.js", SCRIPT, "dom.js"),
    page!("/dashboard/events.js", SCRIPT, "events.js"),
    page!("/dashboard/hotkeys.js", SCRIPT, "hotkeys.js"),
    page!("/dashboard/icon.svg", ICON, "icon.svg"),
    page!("/dashboard/key.js", SCRIPT, "key.js"),
    page!("/dashboard/live.js", SCRIPT, "live.js"),
    page!("/dashboard/manage.js", SCRIPT, "manage.js"),
    page!("/dashboard/replicas.js", SCRIPT, "replicas.js"),
    page!("/dashboard/ring.js", SCRIPT, "ring.js"),
    page!("/dashboard/slots.js", SCRIPT, "slots.js"),
    page!("/dashboard/store.js", SCRIPT, "store.js"),
    page!("/dashboard/totals.js", SCRIPT, "totals.js"),
    page!("/dashboard/way.js", SCRIPT, "way.js"),
];

/// Registers a route for each file.
pub fn routes(config: &mut ServiceConfig) {
    for page in &PAGES {
        let read = guard::Any(guard::Get()).or(guard::Head());
        let serve = move |seen: Header<IfNoneMatch>| async move { page.answer(&seen) };
        config.route(page.path, route().guard(read).to(serve));
    }
}

impl Page {
    /// Responds with the file, or 304. The browser revalidates it each time, so that a new version of lb shows its own
    /// dashboard at once.
    fn answer(&self, seen: &IfNoneMatch) -> HttpResponse {
        let tag = EntityTag::new_strong(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(self.text.as_bytes())));
        let unchanged = match seen {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|seen| seen.weak_eq(&tag)),
        };
        let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, tag.to_string()));
        if unchanged {
            return answer.finish();
        }
        answer.insert_header((CONTENT_TYPE, self.kind)).body(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_smaller_than_80_kb_together() {
        let size: usize = PAGES.iter().map(|page| page.text.len()).sum();
        assert!(size < 80_000, "{size}");
    }

    #[test]
    fn the_files_load_nothing_from_other_origins_and_have_no_inline_code() {
        for page in &PAGES {
            // The SVG namespace is a name: nothing is fetched from it.
            let lower = page.text.to_lowercase().replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http:", "https:", "\"//", "'//", "(//", "@import", "ws:", "wss:"] {
                assert!(!lower.contains(foreign), "{foreign} in {}", page.path);
            }
            for inline in ["style=\"", "style='", "onclick=", "onload=", "javascript:", "innerhtml", "eval("]
            {
                assert!(!lower.contains(inline), "{inline} in {}", page.path);
            }
        }
        let html = PAGES[0].text;
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=").count());
        assert!(!html.contains("<style"));
    }

    #[test]
    fn modules_import_only_served_files() {
        for page in &PAGES {
            let imports = page.text.lines().filter(|line| line.starts_with("import "));
            for line in imports {
                let from = line.split('"').nth(1).expect("a module's name in double quotes, on one line");
                assert!(PAGES.iter().any(|page| page.path == from), "{from} in {}", page.path);
            }
        }
    }
}
