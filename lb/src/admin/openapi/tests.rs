//! Compares the document with the registered routes.

use super::*;

/// The routes in the sources: `.route("/path", web::post()…)`; `read()` is GET and HEAD.
fn routes() -> Vec<(String, Vec<&'static str>)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    let mut files: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut routes = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("openapi/tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for call in text.split(".route(").skip(1) {
            // The files of the dashboard are registered from a table.
            let Some(call) = call.trim_start().strip_prefix('"') else { continue };
            let (path, rest) = call.split_once('"').unwrap();
            let known = [
                ("read()", vec!["GET", "HEAD"]),
                ("web::get()", vec!["GET"]),
                ("web::post()", vec!["POST"]),
                ("web::put()", vec!["PUT"]),
                ("web::delete()", vec!["DELETE"]),
            ];
            let rest = rest.trim_start_matches([',', ' ', '\n']);
            let (_, methods) = known.into_iter().find(|(how, _)| rest.starts_with(how)).unwrap();
            routes.push((path.to_owned(), methods));
        }
    }
    assert!(routes.len() > 15, "{routes:?}");
    routes.push(("/".to_owned(), vec!["GET", "HEAD"]));
    routes
}

#[test]
fn routes_and_described_operations_are_the_same() {
    let routes = routes();
    for (path, methods) in &routes {
        let allowed = allowed(path).unwrap_or_else(|| panic!("{path} is not described"));
        for method in methods {
            assert!(allowed.split(", ").any(|allowed| allowed == *method), "{method} {path}: {allowed}");
        }
    }
    for (path, item) in &DOCUMENT.paths.paths {
        for method in methods(item) {
            let is_route = |(of, methods): &(String, Vec<&str>)| of == path && methods.contains(&method);
            assert!(routes.iter().any(is_route), "{method} {path} is not a route");
        }
    }
}

#[test]
fn every_operation_has_a_unique_id_and_a_summary() {
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in &DOCUMENT.paths.paths {
        for operation in [&item.get, &item.head, &item.post, &item.put, &item.delete].into_iter().flatten() {
            let name = operation.operation_id.clone().unwrap();
            assert!(names.insert(name.clone()), "{name} is not unique");
            assert!(operation.summary.is_some(), "{path} has no summary");
        }
    }
}

#[test]
fn allowed_methods_of_a_path() {
    assert_eq!(allowed("/api/reload").as_deref(), Some("POST"));
    assert_eq!(allowed("/livez").as_deref(), Some("GET, HEAD"));
    for none in ["/api", "/api/reload/", "/api/reload/x", "", "*", "//livez"] {
        assert_eq!(allowed(none), None, "{none}");
    }
}
