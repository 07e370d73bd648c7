//! Instructions that a forwarded request costs, counted by callgrind: repeatable where microseconds are not.
//!
//! ```sh
//! cargo bench -p lb --bench instructions               # count, and compare with the recorded numbers
//! cargo bench -p lb --bench instructions -- --check    # exit code 1 if one has grown by more than 5 %
//! cargo bench -p lb --bench instructions -- --record   # record the numbers of this rustc version and processor
//! ```
//!
//! `--lb PATH` counts another executable, for example one that is built already.
//!
//! The balancer runs with one worker and three servers of this process, all on loopback, and gets the same requests each
//! time. Numbers of another rustc version or processor are shown and not compared. Without valgrind the bench is skipped.

mod callgrind;
mod load;
mod recorded;

use std::process::{Command, ExitCode};

use callgrind::{Callgrind, Instructions};
use load::{Connections, Load, Servers};
use recorded::Recorded;

/// What is counted: a name, the connections, and the number of requests.
const CASES: [(&str, Connections, usize); 2] = [
    ("kept connections", Connections::Kept(32), 4_000),
    ("a connection per request", Connections::New, 1_000),
];

/// Growth above which `--check` fails, in percent of the recorded number.
const ALLOWED_GROWTH: f64 = 5.0;

fn main() -> ExitCode {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: valgrind is missing");
        return ExitCode::SUCCESS;
    }
    let mut arguments = std::env::args().skip_while(|argument| argument != "--lb").skip(1);
    let executable = arguments.next().unwrap_or_else(|| env!("CARGO_BIN_EXE_lb").to_owned());
    let servers = Servers::start();
    let balancer = Callgrind::start(&executable, &servers.upstreams());
    let load = Load::new(balancer.traffic());
    let counted: Vec<_> = CASES
        .map(|(name, connections, requests)| {
            load.run(connections, requests / 4); // leases, pools and buffers are filled
            let instructions = balancer.count(requests, || load.run(connections, requests));
            (name, instructions)
        })
        .into();
    drop(balancer);
    if has("--record") {
        Recorded::new(&counted).write();
    }
    let recorded = Recorded::read();
    let mut grown = false;
    println!("instructions a request          all   without mem*   recorded   change");
    for (name, Instructions { all, without_memory }) in counted {
        let (number, change) = match recorded.number(name) {
            Some(number) => (number.to_string(), Some((without_memory as f64 / number as f64 - 1.0) * 100.0)),
            None => ("–".to_owned(), None),
        };
        grown |= change.is_some_and(|percent| percent > ALLOWED_GROWTH);
        let change = change.map_or("–".to_owned(), |percent| format!("{percent:+.1} %"));
        println!("{name:<26} {all:>8} {without_memory:>14} {number:>10} {change:>8}");
    }
    println!("{}", recorded.about());
    match has("--check") && grown {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
