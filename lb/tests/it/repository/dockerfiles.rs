//! The step of the Dockerfiles that builds only the dependencies: cargo accepts the reduced workspace.

use std::path::Path;
use std::process::Command;

/// Runs this step of one Dockerfile outside of Docker, then cargo until it has read the manifests; returns its output.
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
    // A binary target that does not exist ends cargo after it has read the manifests: nothing is compiled.
    let script = format!("{step} && '{}' build --offline --locked -p {package} --bin none", env!("CARGO"));
    let run = Command::new("sh").args(["-c", &script]).current_dir(workspace.path()).output().unwrap();
    String::from_utf8_lossy(&run.stderr).into_owned()
}

#[test]
fn the_dependencies_can_be_built_without_the_sources() {
    for package in ["lb", "replica"] {
        let printed = dependencies_step(package);
        assert!(printed.contains(&format!("no bin target named `none` in `{package}` package")), "{printed}");
    }
}
