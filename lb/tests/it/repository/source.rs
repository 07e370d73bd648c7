//! Rules of structure that the sources must keep: planes whose modules use only those below, pure cores, handles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The top-level modules in layers, from the top. A module uses only modules of the layers below its own.
const LAYERS: &[&[&str]] = &[
    &["app"],
    &["cli"],
    &["config"],
    &["admin"],
    &["observe"],
    &["proxy"],
    &["auth"],
    &["control"],
    &["runtime"],
    &["child", "fleet", "http1", "logging"],
    &["balance", "stats"],
    &["ring"],
    &["name", "number", "shortage", "statuses"],
    &["text"],
];

/// The top-level modules that each module uses: exactly these.
const USES: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "admin", "auth", "config", "control", "fleet", "logging", "observe", "proxy", "runtime",
            "shortage",
        ],
    ),
    ("cli", &["auth", "config", "fleet", "name", "number", "proxy", "ring", "runtime", "statuses", "text"]),
    (
        "config",
        &[
            "admin", "auth", "balance", "control", "fleet", "number", "observe", "proxy", "ring", "runtime",
            "statuses",
        ],
    ),
    (
        "admin",
        &[
            "auth", "balance", "control", "fleet", "name", "number", "observe", "proxy", "ring", "runtime",
            "stats",
        ],
    ),
    ("observe", &["name", "proxy", "ring"]),
    (
        "proxy",
        &[
            "auth", "balance", "control", "fleet", "http1", "name", "ring", "shortage", "stats", "statuses",
            "text",
        ],
    ),
    ("auth", &["control"]),
    ("control", &["balance", "fleet", "logging", "name", "ring", "runtime", "stats"]),
    ("runtime", &["child", "fleet", "http1", "logging", "name", "ring", "shortage", "statuses"]),
    ("fleet", &["name", "ring", "stats"]),
    ("child", &["shortage"]),
    ("stats", &["name", "ring"]),
    ("ring", &["name"]),
    ("name", &["text"]),
];

/// The files of the two planes that know the status codes of errors; `error.rs` of `proxy` has those of both.
const STATUSES: &[&str] = &["proxy/error.rs", "admin/error.rs"];

/// Other files that name a status code of an error, and why.
const STATUSES_ELSEWHERE: &[(&str, &str)] = &[
    ("proxy/service.rs", "NOT_FOUND"), // compared with the status of a replica's reply
];

/// Folders of `lb/src` whose code is pure: the time and randomness are given, and effects are returned.
const PURE: &[&str] = &["balance/", "fleet/", "proxy/router/endpoints/", "ring/"];

/// The actors' modules: their callers use a handle, so addresses and channels of replies stay inside.
const ACTORS: &[&str] = &[
    "control/ring/",
    "control/supervisor/",
    "control/journal",
    "control/router_link.rs",
    "auth/",
    "admin/metrics/",
    "proxy/router/",
    "app/reload.rs",
];

/// Words of actix and tokio that only actors' modules contain.
const INTERNALS: &[&str] = &["Addr<", "Recipient<", "SendWrapper", "oneshot::"];

/// Files outside the actors' modules that contain some of these words.
const CHANNELS: &[(&str, &[&str])] = &[
    // Results of threads and the end of a thread, not replies of actors.
    ("runtime/static_servers/lookup.rs", &["oneshot::"]),
    ("app/embed.rs", &["oneshot::"]),
    ("app/workers.rs", &["oneshot::"]),
    ("observe/access_log/mod.rs", &["oneshot::"]),
    ("observe/access_log/writer.rs", &["oneshot::"]),
    // The part of ReloadActor that the admin API may use: the actor itself lies above, in `app`.
    ("admin/api/reload.rs", &["Recipient<"]),
];

fn sources() -> Vec<PathBuf> {
    super::files(&["lb/src"], &["rs"])
}

/// The top-level module of a file; `None` for `lib.rs` and `main.rs`.
fn module(path: &Path) -> Option<String> {
    let path = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = path.iter().next().unwrap().to_str().unwrap();
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(module, "lib" | "main")).then(|| module.to_owned())
}

/// The code of a file without comments and without its unit tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| {
        ["tests", "tests.rs", "testing", "fuzz.rs"].iter().any(|name| part == *name)
            || part.to_str().is_some_and(|p| p.starts_with("simulation"))
    })
}

#[test]
fn modules_use_only_the_modules_below_them() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut upwards = BTreeSet::new();
    for path in sources().iter().filter(|path| !is_test(path)) {
        let Some(module) = module(path) else { continue };
        let own = layer(&module).unwrap_or_else(|| panic!("{module} is in no layer"));
        for used in code(path).split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(below) = layer(&used).filter(|_| used != module) else { continue };
            if below <= own {
                upwards.insert(format!("{module} → {used} in {}", path.display()));
            }
            uses.entry(module.clone()).or_default().insert(used);
        }
    }
    assert_eq!(upwards, BTreeSet::new(), "arrows that do not point down");
    let listed = USES.iter().map(|(module, uses)| {
        (module.to_string(), uses.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
    });
    assert_eq!(uses, listed.collect::<BTreeMap<_, _>>(), "left: in the sources, right: in USES");
}

/// A successful response, a redirect or 304 may be made anywhere; what a client gets as an error has one file in each
/// plane.
#[test]
fn statuses_of_errors_are_known_in_one_file_of_each_plane() {
    let mut wrong = BTreeSet::new();
    for path in sources().iter().filter(|path| !is_test(path)) {
        let path_in_src = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
        let name = path_in_src.to_str().unwrap();
        if !(name.starts_with("proxy/") || name.starts_with("admin/")) || STATUSES.contains(&name) {
            continue;
        }
        let code = code(path);
        for constructor in ["StatusCode::", "HttpResponse::"] {
            for used in code.split(constructor).skip(1) {
                let used: String =
                    used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let is_error = match used.as_str() {
                    "OK" | "SWITCHING_PROTOCOLS" | "NO_CONTENT" | "NOT_MODIFIED" => false,
                    "Ok" | "Accepted" | "SeeOther" | "NotModified" | "build" | "from" => false,
                    used => !STATUSES_ELSEWHERE.contains(&(name, used)),
                };
                if is_error {
                    wrong.insert(format!("{constructor}{used} in {name}"));
                }
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn pure_code_uses_no_actor_no_task_and_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_pure =
        |path: &&PathBuf| PURE.iter().any(|pure| path.starts_with(src.join(pure))) && !is_test(path);
    let mut wrong = BTreeSet::new();
    for path in sources().iter().filter(is_pure) {
        let code = code(path);
        for used in ["actix", "tokio", "awc::Client", "Instant::now", "SystemTime::now", "Rng::new"] {
            if code.contains(used) {
                wrong.insert(format!("{used} in {}", path.display()));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn actors_are_used_through_their_handles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources().iter().filter(|path| !is_test(path)) {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        if ACTORS.iter().any(|module| file.starts_with(module)) {
            continue;
        }
        let excepted = CHANNELS.iter().find(|(other, _)| *other == file).map_or(&[][..], |(_, words)| words);
        let code = code(path);
        for word in INTERNALS.iter().filter(|word| code.contains(**word) != excepted.contains(*word)) {
            wrong.push(format!("{file}: {word}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "call the actor's handle, or correct CHANNELS");
}
