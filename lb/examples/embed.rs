//! A balancer inside another program: `cargo run -p lb --example embed` starts one with three built-in replicas on a
//! free port, sends 300 requests with different keys, prints how many each replica has answered, and stops it.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lb::app::Embedded;
use lb::config::Config;

fn main() -> Result<(), Box<dyn Error>> {
    // First, because the balancer starts its replicas from this executable: in a replica this call does not return.
    lb::child::dispatch();
    for (reply, count) in distribution(std::env::current_exe()?, 300)? {
        println!("{count:>4} × {reply}");
    }
    Ok(())
}

/// Sends requests to a balancer that lives as long as this call; returns the number of each different reply.
pub fn distribution(executable: PathBuf, requests: u32) -> Result<BTreeMap<String, u32>, Box<dyn Error>> {
    let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = Config { listen: free_port, admin_listen: None, ..Config::default() };
    let balancer = Embedded::start(config, executable)?;
    let url = format!("http://{}/home", balancer.traffic);

    let replies = actix_rt::System::new().block_on(async {
        let client = awc::Client::default();
        let mut replies = BTreeMap::new();
        for key in 0..requests {
            let request = client.get(&url).insert_header(("x-request-id", key.to_string()));
            let mut reply = request.send().await?;
            let body: serde_json::Value = reply.json().await?;
            *replies.entry(body["message"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        Ok(replies)
    });
    // Stops the replicas, after their requests in flight, and returns when they have ended.
    drop(balancer);
    replies
}
