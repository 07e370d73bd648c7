//! The balancer as a service of docker-compose: its replicas belong to the project.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::support::docker::{Cluster, build_image, docker, docker_log, inspect};
use crate::support::{call, until};

/// A project of the repository's compose file with other names.
struct Project {
    cluster: Cluster,
    own_image: String,
    port: String,
    admin_port: String,
}

impl Project {
    /// Without an engine or docker-compose it prints `skipped` and returns `None`.
    fn new() -> Option<Self> {
        let cluster = Cluster::new()?;
        if Command::new("docker-compose").arg("version").output().is_err() {
            eprintln!("skipped: there is no docker-compose");
            return None;
        }
        let own_image = format!("{}-own", cluster.name);
        let directory = tempfile::tempdir().unwrap();
        // Like Dockerfile.lb, with the binary that the tests have built.
        let text = format!(
            "FROM {}\nENV LB_LISTEN=0.0.0.0:5000 LB_ADMIN_LISTEN=0.0.0.0:5001 LB_RUNTIME=docker\nUSER 0\nENTRYPOINT [\"/lb\"]\n",
            cluster.name
        );
        std::fs::write(directory.path().join("Dockerfile"), text).unwrap();
        build_image(&own_image, directory.path());
        let [port, admin_port] = [(); 2].map(|()| crate::support::port::free().to_string());
        Some(Self { cluster, own_image, port, admin_port })
    }

    fn compose(&self, args: &[&str]) -> String {
        let name = &self.cluster.name;
        let mut compose = Command::new("docker-compose");
        compose.args(["-f", concat!(env!("CARGO_MANIFEST_DIR"), "/../docker-compose.yml"), "-p", name]);
        for (variable, value) in
            [("CLUSTER", name), ("NETWORK", name), ("IMAGE", name), ("OWN_IMAGE", &self.own_image)]
        {
            compose.env(format!("LB_{variable}"), value);
        }
        let output = compose
            .env("LB_PORT", &self.port)
            .env("LB_ADMIN_PORT", &self.admin_port)
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The container of the balancer.
    fn balancer(&self) -> String {
        let project = format!("label=com.docker.compose.project={}", self.cluster.name);
        let service = "label=com.docker.compose.oneoff=False";
        docker(&["ps", "-aq", "--filter", &project, "--filter", service]).unwrap()
    }

    /// Waits until three replicas serve; returns their names.
    fn names(&self) -> Vec<String> {
        let to: SocketAddr = format!("127.0.0.1:{}", self.port).parse().unwrap();
        // The engine accepts connections to a published port before a process listens behind it.
        let networks = inspect(&self.balancer(), ".NetworkSettings.Networks");
        let behind = format!("{}:5000", networks[&self.cluster.name]["IPAddress"].as_str().unwrap());
        until("the balancer listens", || std::net::TcpStream::connect(&behind).is_ok());
        let mut names: Vec<String> = Vec::new();
        until("three replicas serve", || {
            let rep: Value = call(to, "GET", "/rep", &[], b"").json();
            names = serde_json::from_value(rep["message"]["replicas"].clone()).unwrap();
            names.len() == 3
        });
        assert_eq!(call(to, "GET", "/home", &[], b"").status, 200);
        names
    }

    fn assert_nothing_is_left(&self) {
        let project = format!("label=com.docker.compose.project={}", self.cluster.name);
        assert_eq!(docker(&["ps", "-aq", "--filter", &project]).as_deref(), Some(""));
        assert_eq!(self.cluster.containers(), [""; 0]);
        assert_eq!(docker(&["network", "inspect", &self.cluster.name]), None);
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let project = format!("label=com.docker.compose.project={}", self.cluster.name);
        for container in docker(&["ps", "-aq", "--filter", &project]).unwrap_or_default().lines() {
            docker(&["rm", "-f", container]);
        }
        docker(&["rmi", "-f", &self.own_image]);
    }
}

#[test]
fn up_ps_and_down_work_and_up_can_be_repeated() {
    let Some(project) = Project::new() else { return };
    project.compose(&["up", "-d"]);
    let names = project.names();
    let containers = |names: &[String]| -> Vec<Value> {
        names.iter().map(|name| inspect(&project.cluster.container(name), ".Id")).collect()
    };
    let before = containers(&names);

    project.compose(&["up", "-d"]);
    assert_eq!(project.names(), names);
    assert_eq!(containers(&names), before);

    let log = docker_log(&project.balancer());
    let (_, token) = log.split_once("login url=http://127.0.0.1:5001/login?token=").expect("a login link");
    let token = token.split_whitespace().next().unwrap();
    let admin: SocketAddr = format!("127.0.0.1:{}", project.admin_port).parse().unwrap();
    let logged_in = call(admin, "GET", &format!("/login?token={token}"), &[], b"");
    let cookie = logged_in.header("set-cookie")[0].split(';').next().unwrap().to_owned();
    let state = call(admin, "GET", "/api/state", &[("Cookie", &cookie)], b"");
    assert_eq!((state.status, &state.json()["target"]), (200, &serde_json::json!(3)));
    assert_eq!(call(admin, "GET", "/api/state", &[], b"").status, 401);
    docker(&["exec", &project.balancer(), "/lb", "healthcheck"]).expect("the health check succeeds");
    let listed = project.compose(&["ps"]);
    assert!(names.iter().all(|name| listed.contains(&project.cluster.container(name))), "{listed}");

    project.compose(&["down"]);
    project.assert_nothing_is_left();
}

#[test]
fn down_removes_everything_even_after_a_kill_of_the_balancer() {
    let Some(project) = Project::new() else { return };
    project.compose(&["up", "-d"]);
    project.names();
    docker(&["kill", &project.balancer()]).unwrap();
    assert_eq!(project.cluster.containers().len(), 3);
    project.compose(&["down"]);
    project.assert_nothing_is_left();
}

#[test]
fn a_recreated_balancer_adopts_its_replicas() {
    let Some(project) = Project::new() else { return };
    project.compose(&["up", "-d"]);
    let names = project.names();
    docker(&["rm", "-f", &project.balancer()]).unwrap();
    project.compose(&["up", "-d"]);
    assert_eq!(project.names(), names);
    project.compose(&["down"]);
    project.assert_nothing_is_left();
}
