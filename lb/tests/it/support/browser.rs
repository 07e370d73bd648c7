//! A real headless Chromium, controlled through chromedriver.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use super::runs;
use super::tool::installed;
use super::wait::{STATE_TIMEOUT, within};

/// One browser window; all its processes end when it is dropped.
pub struct Browser {
    runtime: tokio::runtime::Runtime,
    client: Client,
    driver: Child,
    profile: TempDir,
    pub origin: String,
}

/// A command that is not part of WebDriver.
#[derive(Debug)]
struct Chrome {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Chrome {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Opens a page of `origin` in a window of this size. Without Chromium it prints `skipped` and returns `None`.
    pub fn open(origin: impl ToString, path: &str, (width, height): (u32, u32)) -> Option<Self> {
        if !installed(&["chromium", "chromedriver"]) {
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", profile.path()) // files of a killed browser are removed with its profile
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines_of_driver = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines_of_driver.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        // Its further output is discarded.
        std::thread::spawn(move || lines_of_driver.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut guard = Guard { driver: Some(driver), profile: Some(profile) };
        let client = runtime.block_on(connect(port.expect("a port"), guard.profile.as_ref().unwrap()));
        let (driver, profile) = (guard.driver.take().unwrap(), guard.profile.take().unwrap());
        let browser =
            Self { runtime, client, driver, profile, origin: format!("http://{}", origin.to_string()) };
        browser.resize(width, height);
        browser.goto(path);
        Some(browser)
    }

    pub fn goto(&self, path: &str) {
        self.runtime.block_on(self.client.goto(&format!("{}{path}", self.origin))).unwrap();
    }

    /// A Chrome DevTools Protocol command.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Emulates the system's colour scheme: `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    /// Runs the body of a function, and returns its result.
    pub fn js(&self, script: &str) -> Value {
        self.runtime
            .block_on(self.client.execute(script, Vec::new()))
            .unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    pub fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.textContent ?? ''", json!(selector));
        self.js(&script).as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        if !within(STATE_TIMEOUT, || self.js(&script) == true) {
            let page = self.js("return document.body.innerText");
            panic!(
                "timed out waiting until {expression}\n{}\n{:#?}",
                page.as_str().unwrap(),
                self.log("browser")
            );
        }
    }

    pub fn click(&self, selector: &str) {
        let element = self.runtime.block_on(self.client.find(fantoccini::Locator::Css(selector))).unwrap();
        self.runtime.block_on(element.click()).unwrap();
    }

    /// Types into the focused element.
    pub fn type_keys(&self, keys: &str) {
        let mut actions = KeyActions::new("keys".to_owned());
        for key in keys.chars() {
            actions = actions.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        }
        self.runtime.block_on(self.client.perform_actions(actions)).unwrap();
    }

    pub fn press(&self, key: Key) {
        self.type_keys(&char::from(key).to_string());
    }

    /// Presses Tab until an expression is true of the focused element, `it`.
    pub fn tab_to(&self, expression: &str) {
        for _ in 0..60 {
            self.press(Key::Tab);
            let focused = format!("const it = document.activeElement; return Boolean({expression})");
            if self.js(&focused) == true {
                return;
            }
        }
        panic!("Tab does not lead to {expression}");
    }

    /// The log entries since the last call; `kind` `browser` is the console.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        self.ask("se/log", json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// The URLs that were requested since the last call.
    pub fn requests(&self) -> Vec<String> {
        let events = self.log("performance");
        let events = events
            .iter()
            .map(|entry| -> Value { serde_json::from_str(entry["message"].as_str().unwrap()).unwrap() });
        // A new window first shows an internal page of the browser.
        let own = |event: &Value| event["message"]["params"]["documentURL"].to_string().contains("chrome://");
        let sent =
            events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent" && !own(event));
        sent.map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// The console's warnings and errors since the last call, without the browser's recommendations.
    pub fn complaints(&self) -> Vec<Value> {
        let mut complaints = self.log("browser");
        complaints.retain(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        complaints
    }

    /// Asserts that the console has no warning or error, and that nothing was requested from another host.
    pub fn assert_content(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let requests = self.requests();
        assert!(!requests.is_empty());
        let elsewhere = |url: &&String| !url.starts_with(&format!("{}/", self.origin));
        assert_eq!(requests.iter().find(elsewhere), None);
    }

    pub fn screenshot(&self) -> Vec<u8> {
        self.runtime.block_on(self.client.screenshot()).unwrap()
    }

    fn ask(&self, path: &'static str, body: Value) -> Value {
        self.runtime.block_on(self.client.issue_cmd(Chrome { path, body })).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.driver, &self.profile);
    }
}

/// A started chromedriver, before the [`Browser`] exists.
struct Guard {
    driver: Option<Child>,
    profile: Option<TempDir>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let (Some(driver), Some(profile)) = (&mut self.driver, &self.profile) {
            end(driver, profile);
        }
    }
}

async fn connect(port: u16, profile: &TempDir) -> Client {
    let data = format!("--user-data-dir={}", profile.path().display());
    let capabilities = json!({
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        // Chromium has no sandbox for root; containers have a small /dev/shm.
        "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--no-first-run", data,
        ] },
    });
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities.as_object().unwrap().clone());
    builder.connect(&format!("http://127.0.0.1:{port}")).await.expect("a browser")
}

/// Ends the driver and the browser that it started: the processes whose command line names its profile.
fn end(driver: &mut Child, profile: &TempDir) {
    let group = Pid::from_raw(i32::try_from(driver.id()).unwrap()).unwrap();
    let _ = kill_process_group(group, Signal::KILL);
    let _ = driver.wait();
    let name = profile.path().display().to_string();
    within(STATE_TIMEOUT, || {
        let mine: Vec<i32> = processes().filter(|pid| mentions(*pid, &name)).collect();
        for pid in &mine {
            let _ = kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL);
        }
        mine.iter().all(|pid| !runs(*pid))
    });
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn mentions(pid: i32, text: &str) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(text)
}
