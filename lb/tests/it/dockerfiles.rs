//! The Dockerfiles' step that builds the dependencies alone: cargo accepts what it leaves of the workspace.

use std::path::Path;
use std::process::Command;

/// The step of one Dockerfile on the manifests, outside of Docker, and then cargo as far as the manifests.
fn dependencies_step(package: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let workspace = tempfile::tempdir().unwrap();
    for file in ["Cargo.toml", "Cargo.lock", "lb/Cargo.toml", "replica/Cargo.toml", "analysis/Cargo.toml"] {
        let copy = workspace.path().join(file);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(root.join(file), copy).unwrap();
    }
    let text = std::fs::read_to_string(root.join(format!("Dockerfile.{package}"))).unwrap();
    let step = text.split("\nRUN ").nth(1).and_then(|step| step.split("&& cargo build").next()).unwrap();
    // A program that is not there ends cargo once it has read the manifests: nothing is compiled.
    let script = format!("{step} && '{}' build --offline --locked -p {package} --bin none", env!("CARGO"));
    let run = Command::new("sh").args(["-c", &script]).current_dir(workspace.path()).output().unwrap();
    String::from_utf8_lossy(&run.stderr).into_owned()
}

#[test]
fn the_dependencies_can_be_built_without_the_sources() {
    for package in ["lb", "replica"] {
        let said = dependencies_step(package);
        assert!(said.contains(&format!("no bin target named `none` in `{package}` package")), "{said}");
    }
}
