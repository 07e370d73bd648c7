//! Tests with real look-ups.

use super::*;
use crate::ring::Weight;

fn upstream(host: &str, port: u16) -> Option<Upstream> {
    let name = "any".parse().unwrap();
    Some(Upstream { name, host: host.into(), port, weight: Weight::new(50).unwrap() })
}

fn seat(seat: u32) -> SeatId {
    SeatId::new(seat).unwrap()
}

fn launch(n: u32) -> Launch {
    Launch { seat: seat(n), name: "any".parse().unwrap(), incarnation: Incarnation(9) }
}

#[actix_rt::test]
async fn a_launch_gives_the_address_of_the_seats_server() {
    let runtime = StaticServers::new();
    runtime.assign(seat(1), upstream("127.0.0.1", 8080));
    runtime.assign(seat(2), upstream("::1", 8080));
    let one = Instance { id: "127.0.0.1:8080".to_owned(), address: "127.0.0.1:8080".parse().unwrap() };
    assert_eq!(runtime.launch(launch(1)).await, Ok(one));
    assert_eq!(runtime.launch(launch(2)).await.unwrap().address, "[::1]:8080".parse().unwrap());
    runtime.assign(seat(2), None);
    assert_eq!(runtime.launch(launch(2)).await, Err(Error::Refused("seat 2 has no upstream".into())));
    assert_eq!(runtime.list().await, Ok(Vec::new()));
}

#[actix_rt::test]
async fn a_name_that_does_not_resolve_is_an_error_of_the_launch() {
    let runtime = StaticServers::new();
    // RFC 6761 section 6.4: "invalid" never resolves.
    runtime.assign(seat(1), upstream("no.invalid", 80));
    let error = runtime.launch(launch(1)).await.unwrap_err().to_string();
    assert!(error.starts_with("no.invalid does not resolve: "), "{error}");
    runtime.assign(seat(1), upstream("127.0.0.7", 80));
    assert_eq!(runtime.launch(launch(1)).await.unwrap().address, "127.0.0.7:80".parse().unwrap());
}

#[actix_rt::test]
async fn every_answer_is_reported_except_for_a_former_server() {
    let runtime = StaticServers::new();
    let mut events = runtime.events();
    runtime.assign(seat(1), upstream("no.invalid", 80));
    runtime.assign(seat(1), upstream("127.0.0.7", 80));
    runtime.assign(seat(1), upstream("127.0.0.7", 80));
    for _ in 0..2 {
        let Some(Event::Resolved { seat: of, id, addresses }) = events.next().await else {
            panic!("no event")
        };
        assert_eq!((of, id.as_str()), (seat(1), "127.0.0.7:80"));
        assert_eq!(addresses, Ok(vec!["127.0.0.7:80".parse().unwrap()]));
        runtime.assign(seat(1), upstream("127.0.0.7", 80));
    }
}
