//! The dashboard at /: static files embedded in the executable; their data comes from /api.

use std::borrow::Cow;
use std::rc::Rc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EntityTag, IfNoneMatch};
use actix_web::web::{Header, ServiceConfig, route};
use actix_web::{HttpResponse, guard};

/// The files of the folder, read when lb is built.
#[derive(rust_embed::Embed)]
#[folder = "src/admin/dashboard/files/"]
struct Files;

/// One file of the dashboard.
struct Page {
    path: String,
    kind: &'static str,
    body: Cow<'static, [u8]>,
}

/// Registers a route for each file.
pub fn routes(config: &mut ServiceConfig) {
    for page in pages().map(Rc::new) {
        let path = page.path.clone();
        let read = guard::Any(guard::Get()).or(guard::Head());
        let serve = move |seen: Header<IfNoneMatch>| {
            let page = Rc::clone(&page);
            async move { page.answer(&seen) }
        };
        config.route(&path, route().guard(read).to(serve));
    }
}

fn pages() -> impl Iterator<Item = Page> {
    Files::iter().filter_map(|name| {
        let body = Files::get(&name)?.data;
        Some(Page { path: path(&name), kind: kind(&name)?, body })
    })
}

/// The path at which a file is served.
fn path(name: &str) -> String {
    match name {
        "index.html" => "/".to_owned(),
        "style.css" => "/dashboard.css".to_owned(),
        "main.js" => "/dashboard.js".to_owned(),
        _ => format!("/dashboard/{name}"),
    }
}

/// The content type of a file; `None` if its extension is none of a dashboard's.
fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "js" => Some("text/javascript; charset=utf-8"),
        _ => None,
    }
}

impl Page {
    /// Responds with the file, or 304. The browser revalidates it each time, so that a new version of lb shows its own
    /// dashboard at once.
    fn answer(&self, seen: &IfNoneMatch) -> HttpResponse {
        let tag = EntityTag::new_strong(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&self.body)));
        let unchanged = match seen {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|seen| seen.weak_eq(&tag)),
        };
        let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, tag.to_string()));
        if unchanged {
            return answer.finish();
        }
        answer.insert_header((CONTENT_TYPE, self.kind)).body(self.body.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Page {
        fn text(&self) -> &str {
            std::str::from_utf8(&self.body).unwrap()
        }
    }

    #[test]
    fn each_file_is_embedded_and_served() {
        let served: Vec<_> = pages().map(|page| page.path).collect();
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/dashboard/files"));
        let names = folder.unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(
            served.len(),
            names.inspect(|name| assert!(served.contains(&path(name)), "{name}")).count()
        );
        assert!(pages().all(|page| matches!(page.body, Cow::Borrowed(_))), "a file is read at run time");
    }

    #[test]
    fn the_files_are_smaller_than_80_kb_together() {
        let size: usize = pages().map(|page| page.body.len()).sum();
        assert!(size < 80_000, "{size}");
    }

    #[test]
    fn the_files_load_nothing_from_other_origins_and_have_no_inline_code() {
        for page in pages() {
            // The SVG namespace is a name: nothing is fetched from it.
            let lower = page.text().to_lowercase().replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http:", "https:", "\"//", "'//", "(//", "@import", "ws:", "wss:"] {
                assert!(!lower.contains(foreign), "{foreign} in {}", page.path);
            }
            for inline in ["style=\"", "style='", "onclick=", "onload=", "javascript:", "innerhtml", "eval("]
            {
                assert!(!lower.contains(inline), "{inline} in {}", page.path);
            }
        }
        let index = pages().find(|page| page.path == "/").unwrap();
        let html = index.text();
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=").count());
        assert!(!html.contains("<style"));
    }

    #[test]
    fn modules_import_only_served_files() {
        for page in pages() {
            let imports = page.text().lines().filter(|line| line.starts_with("import "));
            for line in imports {
                let from = line.split('"').nth(1).expect("a module's name in double quotes, on one line");
                assert!(pages().any(|page| page.path == from), "{from} in {}", page.path);
            }
        }
    }
}
