//! The dashboard in a real browser: it shows the state of the API, and its changes do what was planned.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fantoccini::key::Key;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::port;
use crate::support::{Balancer, Killed, call, signal_pid, until};

const DESKTOP: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);

const ADD: &str = "document.querySelector('#dialog[open] #dialog-confirm:not(:disabled)')";

/// A browser that shows the whole fleet of a balancer; `None` if there is no browser.
fn open(lb: &Balancer, size: (u32, u32)) -> Option<Browser> {
    let browser = Browser::open(lb.admin, "/", size)?;
    let seats = lb.state()["seats"].as_array().unwrap().len();
    browser.until(&format!("document.querySelector('#ring-canvas').dataset.seats == {seats}"));
    browser.until("document.querySelector('#live').dataset.live === 'live'");
    Some(browser)
}

/// The 2D context of a copy of `canvas`; reading its pixels causes no warning in the console.
const COPY: &str = "(() => {
  const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  copy.canvas.width = copy.canvas.height = canvas.width;
  copy.drawImage(canvas, 0, 0);
  return copy;
})()";

fn ring(lb: &Balancer) -> Value {
    call(lb.admin, "GET", "/api/ring", &[], b"").json()
}

/// The colour of each seat's slots on the canvas. Asserts that a seat has one colour and that colours differ by seat.
fn colors(browser: &Browser, ring: &Value) -> BTreeMap<u64, String> {
    // A hovered or focused element would fade the rest.
    browser.js("document.activeElement.blur()");
    browser.devtools("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": 1, "y": 1 }));
    browser.until("document.querySelector('#ring-canvas').dataset.highlit === ''");
    let script = format!(
        "const canvas = document.getElementById('ring-canvas');
         const [inner, outer] = [Number(canvas.dataset.inner), Number(canvas.dataset.outer)];
         const context = {COPY};
         const {{ owners, slots }} = {ring};
         let from = 0;
         return owners.flatMap(([seat, run]) => {{
           // Outside of the number in the middle.
           const angle = ((from + run * 0.25) / slots) * 2 * Math.PI - Math.PI / 2;
           const radius = inner + (outer - inner) * 0.4;
           from += run;
           if ((run / slots) * 2 * Math.PI * radius < 12) return [];
           const at = (f) => Math.floor(canvas.width / 2 + radius * f(angle));
           const [r, g, b, a] = context.getImageData(at(Math.cos), at(Math.sin), 1, 1).data;
           return [[seat, `${{r}} ${{g}} ${{b}} ${{a}}`]];
         }});"
    );
    let mut colors = BTreeMap::new();
    for run in browser.js(&script).as_array().unwrap() {
        let (seat, color) = (run[0].as_u64().unwrap(), run[1].as_str().unwrap().to_owned());
        assert!(color.ends_with(" 255"), "seat {seat} is drawn: {color}");
        assert_eq!(*colors.entry(seat).or_insert_with(|| color.clone()), color, "seat {seat}");
    }
    let mut different: Vec<_> = colors.values().collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), colors.len(), "{colors:?}");
    colors
}

/// Asserts that nothing is wider than the window.
fn assert_fits(browser: &Browser) {
    let wide = browser.js(
        "return [...document.querySelectorAll('body *')].filter((node) => !node.closest('.sr, .skip, thead'))
           .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
           .map((node) => `${node.tagName} ${node.className}`)
           .concat(document.documentElement.scrollWidth > innerWidth ? ['the page'] : []);",
    );
    assert_eq!(wide, json!([]));
}

#[test]
fn three_seats_are_drawn_and_a_key_is_explained() {
    let lb = Balancer::start(&[]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let map = ring(&lb);
    let light = colors(&browser, &map);
    assert_eq!(light.len(), 3);
    assert_eq!(browser.js("return document.querySelectorAll('#rows tr[data-phase=ready]').length"), 3);
    assert_eq!(browser.text("[data-total=ready] b"), "3 / 3");
    assert_eq!(lb.get("/home?id=alice").status, 200);
    browser.until("Number(document.querySelector('[data-total=rate] b').textContent) > 0");
    browser.until("/ ms$/.test(document.querySelector('[data-total=p99] b').textContent)");
    for name in lb.names() {
        assert!(browser.text("#rows").contains(&name));
        assert!(
            browser.text("#timeline").contains(&format!("{name} is ready")),
            "events before the page was opened are shown"
        );
    }

    let key = "<img src=x onerror=alert(1)> & \u{fc}";
    browser.click("#key");
    browser.type_keys(key);
    browser.press(Key::Enter);
    browser.until("document.querySelector('#walk .steps')");
    let query = "%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%20%26%20%C3%BC";
    let explained = call(lb.admin, "GET", &format!("/api/explain?key={query}"), &[], b"").json();
    assert_eq!(explained["key"], key);
    let way = browser.js(
        "const steps = document.querySelector('#walk .steps');
         return { slot: Number(steps.dataset.slot), seat: Number(steps.dataset.seat),
                  replica: steps.lastElementChild.querySelector('b').textContent,
                  then: [...document.querySelectorAll('#walk .places .badge')].map((node) => Number(node.textContent)) };",
    );
    let then = explained["walk"].as_array().unwrap().iter().skip(1).map(|place| place["seat"].clone());
    let expected = json!({
        "slot": explained["slot"], "seat": explained["chosen"]["seat"], "replica": explained["chosen"]["replica"],
        "then": then.collect::<Vec<_>>(),
    });
    assert_eq!(way, expected);
    assert_eq!(browser.js("return document.querySelectorAll('#walk img').length"), 0);

    let page = "return getComputedStyle(document.body).backgroundColor";
    let (day, drawn) =
        (browser.js(page), browser.js("return document.querySelector('#ring-canvas').dataset.drawn"));
    browser.prefer("dark");
    browser.until(&format!("document.querySelector('#ring-canvas').dataset.drawn > {drawn}"));
    assert_ne!(browser.js(page), day);
    assert_eq!(colors(&browser, &map), light, "a seat's colour is the same by night");
    browser.click("#theme");
    browser.until("document.documentElement.dataset.theme === 'light'");
    assert_eq!(browser.js(page), day);

    browser.resize(PHONE.0, PHONE.1);
    browser.until("document.querySelector('#ring-canvas').width <= innerWidth");
    assert_fits(&browser);
    browser.click("#add");
    browser.until(ADD);
    assert_fits(&browser);
    browser.assert_content();
}

#[test]
fn an_addition_can_be_planned_and_confirmed_by_keyboard() {
    let lb = Balancer::start(&[]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let before = colors(&browser, &ring(&lb));
    browser.tab_to("it.id === 'add'");
    browser.press(Key::Enter);
    browser.until(ADD);
    let dry = json!({ "n": 1, "dry_run": true, "owners": true });
    let plan = call(lb.admin, "POST", "/api/add", &[("X-LB-Admin", "1")], dry.to_string().as_bytes()).json();
    assert_eq!(browser.text("#dialog dd b"), plan["slots_moved"].to_string());
    assert_eq!(
        browser.js("return document.querySelector('#dialog canvas').dataset.moved"),
        plan["slots_moved"].to_string()
    );
    assert_eq!(lb.names().len(), 3, "nothing changes before the confirmation");

    browser.press(Key::Escape);
    browser.until("!document.querySelector('#dialog').open && document.activeElement.id === 'add'");
    assert_eq!(lb.names().len(), 3);
    browser.press(Key::Enter);
    browser.until(ADD);
    browser.tab_to("it.id === 'add-names'");
    browser.type_keys("S5");
    browser.until(ADD);
    browser.tab_to("it.id === 'dialog-confirm'");
    browser.press(Key::Enter);
    browser.until("!document.querySelector('#dialog').open");
    browser.until("document.querySelectorAll('#rows tr[data-phase=ready]').length === 4");
    browser.until("document.querySelector('#ring-canvas').dataset.seats == 4");
    assert_eq!(lb.names().len(), 4);
    let map = ring(&lb);
    assert_eq!((&map["owners"], &map["digest"]), (&plan["owners"], &plan["digest"]), "the plan came true");
    let after = colors(&browser, &map);
    assert_eq!(after.len(), 4);
    assert!(before.iter().all(|(seat, color)| after[seat] == *color));

    browser.tab_to("it.getAttribute('aria-label') === 'Manage seat 4, S5'");
    browser.press(Key::Enter);
    browser.tab_to("it.textContent === 'Remove …'");
    browser.press(Key::Enter);
    browser.until(ADD);
    browser.tab_to("it.id === 'dialog-confirm'");
    browser.press(Key::Enter);
    browser.until("document.querySelectorAll('#rows tr').length === 3");
    assert_eq!(lb.names().len(), 3);
    browser.assert_content();
}

#[test]
fn a_hot_key_is_listed_and_a_click_explains_it() {
    let lb = Balancer::start(&["--log-key", "plain"]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    assert_eq!(
        browser.js("return document.querySelector('#hot').hidden"),
        true,
        "hot keys were not requested"
    );
    for n in 0..40 {
        let key = if n % 4 == 0 { format!("key {n}") } else { "<b>alice</b>".to_owned() };
        lb.owner(&key);
    }
    browser.until("document.querySelector('#hot-keys button')?.textContent === '<b>alice</b>'");
    browser.click("#hot-keys button");
    browser.until("document.querySelector('#walk .steps')");
    let explained = call(lb.admin, "GET", "/api/explain?key=%3Cb%3Ealice%3C/b%3E", &[], b"").json();
    let slot = browser.js("return Number(document.querySelector('#walk .steps').dataset.slot)");
    assert_eq!(slot, explained["slot"]);
    browser.assert_content();
}

#[test]
fn one_login_with_the_token_is_enough() {
    const TOKEN: &str = "a-token-of-thirty-two-characters";
    let mut lb = Balancer::launch_with(&[], &[("LB_ADMIN_TOKEN", TOKEN)]);
    lb.wait_for("] ready ");
    let Some(browser) = Browser::open(lb.admin, "/", DESKTOP) else { return };
    for (token, place) in [("another-token-of-the-same-length", "/login"), (TOKEN, "/")] {
        browser.until("location.pathname === '/login' && document.activeElement.id === 'token'");
        browser.type_keys(token);
        browser.press(Key::Enter);
        browser.until(&format!("location.pathname === '{place}' && document.readyState === 'complete'"));
        if token != TOKEN {
            browser.until("document.querySelector('[role=alert]').textContent !== ''");
            let refused = browser.complaints();
            assert!(refused.iter().all(|entry| entry["message"].to_string().contains("403")), "{refused:#?}");
            browser.goto("/");
        }
    }
    browser.until("document.querySelectorAll('#rows tr[data-phase=ready]').length === 3");
    assert_eq!(browser.js("return document.cookie"), "", "no script can read it");
    browser.click("#add");
    confirm(&browser);
    browser.until("document.querySelectorAll('#rows tr[data-phase=ready]').length === 4");
    browser.assert_content();

    browser.devtools("Network.clearBrowserCookies", json!({}));
    browser.click("#add");
    browser.until("location.pathname === '/login'");
}

#[test]
fn the_output_of_a_replica_is_shown_live() {
    let replica = env!("CARGO_BIN_EXE_lb");
    let command = format!("sh -c 'echo \"<i>hello</i> from $SERVER_ID\"; exec {replica} replica'");
    let lb = Balancer::start(&["--replica-command", &command]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    manage(&browser, 2, "Logs");
    browser.until("document.querySelector('#dialog pre').textContent.includes('<i>hello</i> from server2')");
    browser.press(Key::Escape);
    browser.until("!document.querySelector('#dialog').open");
    browser.assert_content();
}

#[test]
fn unchanged_pages_are_not_sent_again() {
    let lb = Balancer::launch(&["--replicas", "1"]);
    for (path, kind) in
        [("/", "text/html"), ("/dashboard.js", "text/javascript"), ("/dashboard.css", "text/css")]
    {
        let page = call(lb.admin, "GET", path, &[], b"");
        assert_eq!((page.status, page.header("cache-control")), (200, vec!["no-cache"]));
        assert!(page.header("content-type")[0].starts_with(kind));
        let tag = page.header("etag")[0];
        let again = call(lb.admin, "GET", path, &[("If-None-Match", tag)], b"");
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, vec![tag]));
        assert_eq!(call(lb.admin, "GET", path, &[("If-None-Match", "\"other\"")], b"").body, page.body);
        let head = call(lb.admin, "HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, vec![tag]));
        // The OpenAPI document lists /, but not the files that it loads.
        let known = if path == "/" { 405 } else { 404 };
        assert_eq!(call(lb.admin, "POST", path, &[("X-LB-Admin", "1")], b"").status, known);
    }
}

#[test]
fn a_refusal_shows_its_message_and_changes_nothing() {
    let lb = Balancer::start(&["--max-replicas", "4"]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    browser.click("#add");
    browser.until(ADD);
    browser.click("#add-names");
    for (names, words) in [("server1", "already exists"), ("a,b", "more than newly added")] {
        browser.js("document.querySelector('#add-names').value = ''");
        browser.type_keys(names);
        browser.until(&format!("document.querySelector('#dialog-error').textContent.includes('{words}')"));
        assert_eq!(browser.js("return document.querySelector('#dialog-confirm').disabled"), true);
    }
    browser.js("document.querySelector('#add-n').value = ''");
    browser.type_keys(" ");
    browser.until("document.querySelector('#dialog-error').textContent.includes('whole number')");
    assert_eq!(lb.names().len(), 3);
}

/// Opens the menu of a seat, and chooses an action.
fn manage(browser: &Browser, seat: u32, action: &str) {
    browser.click(&format!("#rows tr[data-seat='{seat}'] button"));
    let button = format!(
        "[...document.querySelectorAll('#dialog .actions button')].find((it) => it.textContent === '{action}')"
    );
    browser.until(&button);
    browser.js(&format!("{button}.click()"));
}

/// Confirms the dialog, and waits until the change is done.
fn confirm(browser: &Browser) {
    browser.until(ADD);
    browser.click("#dialog-confirm");
    browser.until("!document.querySelector('#dialog').open");
}

#[test]
fn a_seat_is_drained_and_weighted_and_its_replica_replaced() {
    let lb = Balancer::start(&[]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let before = colors(&browser, &ring(&lb));
    manage(&browser, 2, "Drain …");
    confirm(&browser);
    browser.until("document.querySelector('#rows tr[data-seat=\"2\"]').dataset.phase === 'draining'");
    assert!(browser.text("#rows tr[data-seat='2']").contains("server2"));
    assert_eq!(
        browser.js("return document.querySelector('#others').hidden"),
        true,
        "a drained replica is shown at its seat"
    );
    browser.until("document.querySelector('#timeline').textContent.includes('server2 is drained')");
    assert_eq!(lb.names(), ["server1", "server3"]);
    assert_eq!(colors(&browser, &ring(&lb)), before);
    manage(&browser, 2, "Undrain …");
    confirm(&browser);
    browser.until("document.querySelector('#rows tr[data-seat=\"2\"]').dataset.phase === 'ready'");
    assert_eq!(lb.names(), ["server1", "server2", "server3"]);
    manage(&browser, 2, "Drain …");
    confirm(&browser);
    signal_pid(lb.pid_of("server2"), Signal::KILL);
    browser.until("document.querySelector('#rows tr[data-seat=\"2\"]').dataset.phase === 'dead'");
    manage(&browser, 2, "Undrain …");
    confirm(&browser);
    browser.until("document.querySelector('#rows tr[data-seat=\"2\"]').dataset.phase === 'ready'");
    assert_eq!(lb.names().len(), 3);

    let slots = |lb: &Balancer| lb.state()["seats"][0]["slots"].as_u64().unwrap();
    let usual = slots(&lb);
    manage(&browser, 1, "Weight …");
    browser.until(ADD);
    browser.js("document.querySelector('#weight').select()");
    browser.type_keys("300");
    browser.until("document.querySelector('#dialog-confirm').textContent === 'Set weight 300'");
    browser.until("document.querySelector('#dialog canvas').dataset.moved > 0");
    assert_eq!(slots(&lb), usual);
    confirm(&browser);
    browser.until("document.querySelector('#rows tr[data-seat=\"1\"]').textContent.includes('weight 300')");
    assert!(slots(&lb) > usual);
    let map = ring(&lb);
    browser.until(&format!(
        "document.querySelector('#ring-canvas').dataset.runs == {}",
        map["owners"].as_array().unwrap().len()
    ));
    assert_eq!(colors(&browser, &map), before);

    manage(&browser, 3, "Replace …");
    confirm(&browser);
    browser.until("!document.querySelector('#rows tr[data-seat=\"3\"]').textContent.includes('server3')");
    assert_eq!(colors(&browser, &ring(&lb)), before);
    browser.until("!document.querySelector('#rolling').disabled");
    browser.until("document.querySelector('#others').hidden");
    browser.click("#rolling");
    confirm(&browser);
    browser.until(
        "document.querySelector('#timeline').textContent.includes('Rolling replacement: 3 of 3 done')",
    );
    browser.until("!document.querySelector('#rolling').disabled");
    assert!(!lb.names().contains(&"server1".to_owned()));
    browser.assert_content();
}

#[test]
fn a_vacant_seat_is_removed() {
    // Replacements have other names, so they do not start.
    let lb = env!("CARGO_BIN_EXE_lb");
    let command = format!("sh -c 'case $SERVER_ID in server*) exec {lb} replica;; esac; exit 1'");
    let mut lb = Balancer::start(&["--replica-command", &command]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    signal_pid(lb.pid_of("server2"), Signal::KILL);
    let delay = |line: &String| Some(line.split_once("seat=2 delay_s=")?.1.parse::<u32>().unwrap());
    until("nothing is tried for a while", || lb.log().iter().filter_map(delay).any(|seconds| seconds > 9));
    browser.until("document.querySelector('#rows tr[data-seat=\"2\"]').dataset.phase === 'vacant'");
    manage(&browser, 2, "Remove …");
    confirm(&browser);
    browser.until("document.querySelectorAll('#rows tr').length === 2");
    assert_eq!(lb.names(), ["server1", "server3"]);
    assert_eq!(lb.state()["target"], 2);
    browser.assert_content();
}

#[test]
fn a_plan_cannot_be_confirmed_after_the_state_has_changed() {
    let lb = Balancer::start(&[]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let seats =
        |seats: &str| format!("{ADD} && document.querySelector('.figures').textContent.includes('{seats}')");
    browser.click("#add");
    browser.until(&seats("3 → 4"));
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
    browser.until(&seats("4 → 5"));
    // From now on the page receives no events.
    browser.devtools("Network.setBlockedURLs", json!({ "urls": ["*/api/state"] }));
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
    browser.click("#dialog-confirm");
    browser.until("document.querySelector('#dialog-error').textContent.includes('has changed')");
    assert_eq!(lb.names().len(), 5);
    confirm(&browser);
    assert_eq!(lb.names().len(), 6, "the change was confirmed");
}

#[test]
fn a_death_is_shown_and_the_seats_keep_their_colours() {
    let lb = Balancer::start(&[]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let map = ring(&lb);
    let before = colors(&browser, &map);
    signal_pid(lb.pid_of("server2"), Signal::KILL);
    browser.until("document.querySelector('#timeline').textContent.includes('server2 is dead in seat 2')");
    assert_eq!(colors(&browser, &map), before, "a vacant seat keeps its colour");
    browser.until(
        "document.querySelector('#timeline').textContent.includes('takes seat 2: its keys come home')",
    );
    browser.until("document.querySelectorAll('#rows tr[data-phase=ready]').length === 3");
    let names = lb.names();
    assert!(!names.contains(&"server2".to_owned()));
    browser.until(&format!("document.querySelector('#rows').textContent.includes('{}')", names[1]));
    assert!(!browser.text("#rows").contains("server2"));
    assert_eq!(colors(&browser, &map), before, "the replacement has the colour of its seat");
    let ids = browser
        .js("return [...document.querySelectorAll('#timeline li')].map((item) => Number(item.dataset.id))");
    let ids: Vec<u64> = serde_json::from_value(ids).unwrap();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "newest first, each once: {ids:?}");
    browser.assert_content();
}

#[test]
fn the_page_is_marked_stale_while_the_balancer_is_gone() {
    let admin = format!("127.0.0.1:{}", port::free());
    let mut lb = Balancer::start(&["--admin-listen", &admin]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    lb.signal(Signal::TERM);
    lb.ended();
    browser.until("document.querySelector('#live').dataset.live === 'lost'");
    browser.until("/reconnecting/.test(document.querySelector('#live').textContent)");
    browser.until("/^last data [1-9].* ago$/.test(document.querySelector('#age').textContent)");
    let lb = Balancer::start(&["--admin-listen", &admin, "--replicas", "2"]);
    browser.until("document.querySelector('#live').dataset.live === 'live'");
    assert_eq!(browser.text("#age"), "");
    browser.until("document.querySelectorAll('#rows tr[data-phase=ready]').length === 2");
    browser.until("document.querySelector('#ring-canvas').dataset.seats == 2");
    assert_eq!(colors(&browser, &ring(&lb)).len(), 2);
}

#[test]
fn a_thousand_seats_of_65536_slots_are_all_drawn() {
    let upstreams: Vec<String> =
        (0..1000).map(|n| format!("--upstream=u{n}=127.1.{}.{}:9", n / 250, n % 250 + 1)).collect();
    let mut args = vec!["--runtime", "static", "--slots", "65536", "--virtual-nodes", "60"];
    args.extend(["--heartbeat-interval", "30s", "--replace-after", "60s"]);
    args.extend(upstreams.iter().map(String::as_str));
    let lb = Balancer::launch(&args);
    lb.until("all seats have joined", |lb| lb.state()["seats"].as_array().unwrap().len() == 1000);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let drawn = browser.js("return { ...document.querySelector('#ring-canvas').dataset }");
    let runs = ring(&lb)["owners"].as_array().unwrap().len();
    assert_eq!((&drawn["slots"], &drawn["runs"]), (&json!("65536"), &json!(runs.to_string())));
    // Slots are drawn in columns: a mosaic of many colours without gaps.
    let (colors, gaps) = mosaic(&browser);
    assert!(colors > 500, "{colors}");
    assert_eq!(gaps, 0);
    assert!(browser.js("return document.querySelectorAll('#rows tr').length").as_u64().unwrap() <= 100);
    browser.click("#filter");
    browser.type_keys("u997");
    browser.until("document.querySelectorAll('#rows tr').length === 1");
    browser.assert_content();
}

/// Number of colours in the ring's band, and number of its pixels without a colour.
fn mosaic(browser: &Browser) -> (u64, u64) {
    let script = "const canvas = document.getElementById('ring-canvas');
         const [inner, outer] = [Number(canvas.dataset.inner), Number(canvas.dataset.outer)];
         const { data, width } = {COPY}.getImageData(0, 0, canvas.width, canvas.height);
         const pixels = new Uint32Array(data.buffer);
         const colors = new Set();
         let gaps = 0;
         pixels.forEach((pixel, at) => {
           const radius = Math.hypot((at % width) + 0.5 - width / 2, Math.floor(at / width) + 0.5 - width / 2);
           if (radius < inner + 1 || radius > outer - 1) return;
           colors.add(pixel);
           if (pixel === 0) gaps++;
         });
         return [colors.size, gaps];";
    let counts = browser.js(&script.replace("{COPY}", COPY));
    (counts[0].as_u64().unwrap(), counts[1].as_u64().unwrap())
}

#[test]
fn with_external_servers_only_supported_actions_are_offered() {
    let [alive, dead] = [port::free(), port::free()];
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["replica"]).env("PORT", alive.to_string()).stderr(Stdio::null());
    let _server = Killed(command.spawn().unwrap());
    let (one, two) = (format!("one=127.0.0.1:{alive}"), format!("two=127.0.0.1:{dead}"));
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &one, "--upstream", &two]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    browser.until("document.querySelector('#add').textContent === 'Add upstream'");
    assert_eq!(browser.js("return document.querySelector('#rolling').hidden"), true);
    browser.until(
        "document.querySelector('#rows tr[data-seat=\"2\"]').textContent.includes('refuses connections')",
    );
    assert!(browser.text("#rows tr[data-seat='2']").contains("two"));
    let buttons =
        "return [...document.querySelectorAll('#dialog .actions button')].map((it) => it.textContent)";
    browser.click("#rows tr[data-seat='1'] button");
    browser.until("document.querySelector('#dialog').open");
    assert_eq!(browser.js(buttons), json!(["Weight …", "Drain …", "Remove …"]));
    browser.press(Key::Escape);
    browser.until("!document.querySelector('#dialog').open");
    manage(&browser, 2, "Remove …");
    confirm(&browser);
    browser.until("document.querySelectorAll('#rows tr').length === 1");
    browser.click("#add");
    browser.until("document.querySelector('#dialog-error').textContent.includes('HOST:PORT')");
    browser.click("#upstream");
    browser.type_keys(&two);
    confirm(&browser);
    browser.until("document.querySelectorAll('#rows tr').length === 2");
    assert_eq!(lb.state()["seats"][1]["name"], "two");
}

/// Draws the picture of the README: real traffic, and an explained key.
/// `cargo test -p lb --test it admin::dashboard::picture -- --ignored` writes lb/docs/dashboard.png.
#[test]
#[ignore = "writes a file of the repository"]
fn picture() {
    let lb = Balancer::start(&["--replicas", "5", "--log-key", "plain"]);
    let Some(browser) = open(&lb, DESKTOP) else { return };
    let traffic = lb.traffic;
    let ended = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let ended = ended.clone();
            std::thread::spawn(move || {
                let mut n = 0;
                while !ended.load(Ordering::Relaxed) {
                    n += 1;
                    let names = ["alice", "bob", "carol", "dave", "erin"];
                    let name = names.get(n % 20).map_or_else(|| format!("{client}-{n}"), ToString::to_string);
                    call(traffic, "GET", &format!("/home?id={name}"), &[], b"");
                    std::thread::sleep(Duration::from_millis(2)); // the rate of the load
                }
            })
        })
        .collect();
    signal_pid(lb.pid_of("server4"), Signal::KILL);
    browser.click("#key");
    browser.type_keys("alice");
    browser.press(Key::Enter);
    // Not for a state: two minutes of requests fill the chart.
    std::thread::sleep(Duration::from_secs(125));
    browser.js("document.activeElement.blur()");
    let picture = browser.screenshot();
    ended.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(picture.len() < 300_000, "{}", picture.len());
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dashboard.png"), picture).unwrap();
}
