//! Experiment A-1: how many requests each replica gets.

use crate::Error;
use crate::balancer::Balancer;
use crate::chart::BarChart;
use crate::load::{Answers, Load};
use crate::output::Output;
use crate::stats::Spread;
use crate::table::{self, grouped};

/// Runs it, prints the table, and writes `distribution.txt` and `distribution.png`.
pub async fn run(balancer: &Balancer, load: Load, output: &Output) -> Result<(), Error> {
    let answers = load.run(balancer).await;
    let counts = in_natural_order(&answers);
    let numbers: Vec<u32> = counts.iter().map(|(_, count)| *count).collect();
    let Some(spread) = Spread::of(&numbers) else {
        let reason = answers.first_failure.expect("a load has a request, and none was answered");
        return Err(Error::NothingAnswered { requests: load.requests, reason });
    };

    let report = report(balancer, load, &answers, &counts, spread);
    print!("{report}");
    let chart = BarChart {
        title: format!("A-1: how {} requests spread over the replicas", grouped(load.requests)),
        bars_axis: "Replica",
        values_axis: "Requests answered",
        bars: &counts,
        mean: spread.mean,
    };
    let text = output.write("distribution.txt", |path| std::fs::write(path, &report))?;
    let picture = output.write("distribution.png", |path| chart.draw(path))?;
    println!("\n{}\n{}", text.display(), picture.display());
    Ok(())
}

fn report(
    balancer: &Balancer,
    load: Load,
    answers: &Answers,
    counts: &[(String, u32)],
    spread: Spread,
) -> String {
    let Spread { mean, deviation, peak_to_average } = spread;
    let rate = f64::from(load.requests) / answers.time.as_secs_f64();
    let mut report = format!(
        "A-1 distribution: {} requests to {}/home\n{} connections, seed {}, {rate:.0} requests/s\n\n{}\n\
         mean {mean:.1}   standard deviation {deviation:.1}   peak-to-average {peak_to_average:.3}   failed {}\n",
        grouped(load.requests),
        balancer.url(),
        load.connections,
        load.seed,
        table::of_counts(counts),
        grouped(answers.failed),
    );
    if let Some(failure) = &answers.first_failure {
        report += &format!("the first failure: {failure}\n");
    }
    report
}

/// Replicas as people sort them: `server2` before `server10`.
fn in_natural_order(answers: &Answers) -> Vec<(String, u32)> {
    let mut counts: Vec<_> = answers.by_replica.iter().map(|(name, count)| (name.clone(), *count)).collect();
    counts.sort_by_cached_key(|(name, _)| {
        let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
        // A longer number is a larger one, if it has no leading zeros: close enough for a table.
        (word.to_owned(), name.len(), name.clone())
    });
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    #[test]
    fn natural_order() {
        let names = ["server10", "server2", "S5", "server1"];
        let by_replica: BTreeMap<_, _> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        let sorted = in_natural_order(&Answers { by_replica, ..Answers::default() });
        let sorted: Vec<_> = sorted.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(sorted, ["S5", "server1", "server2", "server10"]);
    }

    /// A balancer whose first of two replicas answers everything, on a connection for each request.
    fn lopsided() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = BufReader::new(connection.unwrap());
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && connection.read_until(b'\n', &mut head).unwrap() > 0 {}
                let body = if head.starts_with(b"GET /rep ") {
                    r#"{"message":{"N":2,"replicas":["a","idle"]},"status":"successful"}"#
                } else {
                    r#"{"message":"Hello from Server: a","status":"successful"}"#
                };
                let length = body.len();
                let reply = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                connection.get_mut().write_all(reply.as_bytes()).unwrap();
            }
        });
        format!("http://{address}")
    }

    #[actix_rt::test]
    async fn a_replica_that_answers_nothing_counts() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::open(directory.path().to_owned()).unwrap();
        let balancer = crate::balancer::find_or_embed(Some(lopsided().parse().unwrap())).await.unwrap();
        run(&balancer, Load { requests: 10, connections: 1, seed: 1 }, &output).await.unwrap();
        let report = std::fs::read_to_string(directory.path().join("distribution.txt")).unwrap();
        assert!(report.contains("\nidle            0    0.0 %"), "{report}");
        assert!(report.contains("peak-to-average 2.000"), "{report}");
    }

    #[actix_rt::test]
    async fn from_a_real_replica_to_the_files() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let server = actix_rt::spawn(replica::serve_until(listener, "server 1".into(), async move {
            stopped.await.unwrap();
        }));
        let directory = tempfile::tempdir().unwrap();
        let output = Output::open(directory.path().join("out")).unwrap();

        let balancer = crate::balancer::find_or_embed(Some(url)).await.unwrap();
        let load = Load { requests: 500, connections: 20, seed: 1 };
        run(&balancer, load, &output).await.unwrap();

        let report = std::fs::read_to_string(directory.path().join("out/distribution.txt")).unwrap();
        assert!(report.contains("server 1       500  100.0 %"), "{report}");
        assert!(report.contains("failed 0"), "{report}");
        let picture = std::fs::read(directory.path().join("out/distribution.png")).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));

        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        let error = run(&balancer, load, &output).await.unwrap_err().to_string();
        assert!(error.starts_with("not one of 500 requests was answered"), "{error}");
    }
}
