//! Replicas that somebody else runs (`--runtime static`): watched and routed to, never started or stopped.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{FutureExt, LocalBoxFuture, ready, try_join_all};
use futures::stream::{self, LocalBoxStream, StreamExt};

use super::{Error, Event, Found, Instance, Launch, Runtime, Standing, Upstream};
use crate::ring::{Incarnation, SeatId};

/// A fixed list of servers: the first sits in seat 1 and is found as incarnation 1, and so on.
///
/// A host is resolved by [`Runtime::list`], and again by every [`Runtime::launch`] for its seat; of several
/// addresses the resolver's first is taken. All must resolve at the start.
pub struct Fixed(Rc<[Upstream]>);

impl Fixed {
    /// A runtime of these servers, in the order of their seats.
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        Self(upstreams.into())
    }
}

impl Runtime for Fixed {
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let upstreams = self.0.clone();
        async move {
            let seat = launch.seat;
            let upstream = upstreams.get(seat.get() as usize - 1);
            let upstream = upstream.ok_or_else(|| Error::Refused(format!("no upstream for seat {seat}")))?;
            resolve(upstream).await.map_err(|error| {
                Error::Refused(format!("upstream {} ({}): {error}", upstream.name, upstream.host))
            })
        }
        .boxed_local()
    }

    fn stop(&self, _: Incarnation, _: Duration) -> LocalBoxFuture<'static, ()> {
        ready(()).boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        let upstreams = self.0.clone();
        async move {
            let seats = (1..).map_while(SeatId::new).zip(upstreams.iter());
            try_join_all(seats.map(|(seat, upstream)| find(seat, upstream))).await
        }
        .boxed_local()
    }

    fn events(&self) -> LocalBoxStream<'static, Event> {
        stream::pending().boxed_local()
    }
}

async fn find(seat: SeatId, upstream: &Upstream) -> Result<Found, Error> {
    let instance = resolve(upstream).await.map_err(|error| {
        Error::Configured(format!(
            "--upstream {}:{}: does not resolve: {error}",
            upstream.host, upstream.port
        ))
    })?;
    Ok(Found {
        launch: Launch { seat, name: upstream.name.clone(), incarnation: Incarnation(seat.get().into()) },
        weight: upstream.weight,
        instance: Some(instance),
        standing: Standing::Current,
    })
}

async fn resolve(upstream: &Upstream) -> io::Result<Instance> {
    let mut addresses = tokio::net::lookup_host((upstream.host.as_str(), upstream.port)).await?;
    let address = addresses.next().ok_or_else(|| io::Error::other("it has no address"))?;
    Ok(Instance { id: upstream.authority(), address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Weight;

    fn upstream(name: &str, host: &str) -> Upstream {
        let name = name.parse().unwrap();
        Upstream { name, host: host.into(), port: 8080, weight: Weight::new(50).unwrap() }
    }

    fn launch(seat: u32, incarnation: u64) -> Launch {
        let name = "any".parse().unwrap();
        Launch { seat: SeatId::new(seat).unwrap(), name, incarnation: Incarnation(incarnation) }
    }

    #[actix_rt::test]
    async fn seats_in_the_order_given() {
        let found = Fixed::new(vec![upstream("a", "127.0.0.1"), upstream("c", "::1")]).list().await.unwrap();
        let seats: Vec<_> = found.iter().map(|found| found.launch.seat.get()).collect();
        let names: Vec<_> = found.iter().map(|found| found.launch.name.as_str()).collect();
        let incarnations: Vec<_> = found.iter().map(|found| found.launch.incarnation.0).collect();
        assert_eq!((seats, names, incarnations), (vec![1, 2], vec!["a", "c"], vec![1, 2]));
        assert!(found.iter().all(|found| found.weight.get() == 50));
        let address = |at: usize| found[at].instance.as_ref().map(|instance| instance.address.to_string());
        assert_eq!(address(0).as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(address(1).as_deref(), Some("[::1]:8080"));
    }

    #[actix_rt::test]
    async fn one_that_does_not_resolve_is_bad_configuration() {
        // RFC 6761 section 6.4: "invalid" never resolves.
        let fixed = Fixed::new(vec![upstream("a", "127.0.0.1"), upstream("b", "no.invalid")]);
        let Err(Error::Configured(error)) = fixed.list().await else { panic!("it resolves") };
        assert!(error.starts_with("--upstream no.invalid:8080: does not resolve: "), "{error}");
    }

    #[actix_rt::test]
    async fn a_launch_resolves_again() {
        let fixed = Fixed::new(vec![upstream("a", "127.0.0.1"), upstream("b", "no.invalid")]);
        let instance = fixed.launch(launch(1, 9)).await.unwrap();
        assert_eq!(instance.address, "127.0.0.1:8080".parse().unwrap());
        let error = fixed.launch(launch(2, 10)).await.unwrap_err().to_string();
        assert!(error.starts_with("upstream b (no.invalid): "), "{error}");
        assert_eq!(fixed.launch(launch(3, 11)).await, Err(Error::Refused("no upstream for seat 3".into())));
    }
}
