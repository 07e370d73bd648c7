//! The engine's events, for ever; after each break a full look around for what was missed.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::models::{ContainerSummary, EventMessage};
use futures::stream::StreamExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::super::{Event, Exit};
use super::identity::{Facts, Identity};
use super::trouble::Trouble;
use super::{Inner, State, engine, identity};
use crate::ring::Incarnation;

/// Until the engine is asked again after a break.
const PAUSE: Duration = Duration::from_secs(1);

/// The signals that tell a process to end and leave it time: HUP may mean something else, KILL leaves none.
const ENDING: [&str; 3] = ["2", "3", "15"];

/// Watches until nobody listens any more.
pub(super) async fn watch(docker: Rc<Inner>, events: UnboundedSender<Event>) {
    tokio::select! {
        () = events.closed() => {}
        () = follow(&docker, &events) => {}
        () = announce(&docker, &events) => {}
    }
}

/// Reports each return of the engine.
async fn announce(docker: &Rc<Inner>, events: &UnboundedSender<Event>) {
    loop {
        docker.engine.outage().ended().await;
        let _ = events.send(Event::Available);
    }
}

async fn follow(docker: &Rc<Inner>, events: &UnboundedSender<Event>) {
    let mut refused = false;
    loop {
        // What happens from here on the engine tells again, and what happened before is seen by the look around.
        let (since, began) =
            (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now());
        match docker.look_around(events).await {
            Ok(()) => {
                let mut stream = Box::pin(docker.engine.events(docker.labels.cluster(), since));
                let mut end = None;
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(event) => docker.happened(event, events),
                        Err(trouble) => {
                            end = Some(trouble);
                            break;
                        }
                    }
                }
                log::debug!("engine events ended why={end:?}");
                let lasted = began.elapsed() >= PAUSE;
                let why = end.filter(|trouble| !lasted && !refused && !trouble.is_away());
                if let Some(why) = &why {
                    log::warn!("engine sends no events why={why}");
                }
                refused = !lasted && (refused || why.is_some());
                if lasted {
                    continue; // whether the engine is away or not, a look around says
                }
            }
            Err(trouble) => docker.engine.outage().begin(&trouble),
        }
        sleep(PAUSE).await;
    }
}

impl Inner {
    fn happened(self: &Rc<Self>, event: EventMessage, events: &UnboundedSender<Event>) {
        let Some(actor) = event.actor else { return };
        let (id, attributes) = (actor.id.unwrap_or_default(), actor.attributes.unwrap_or_default());
        let attribute = |name: &str| attributes.get(name).map(String::as_str);
        // Nobody listens to a runtime that is being dropped: then there is nothing to tell.
        match (event.action.as_deref(), self.incarnation_of(&id)) {
            (Some("start"), None) if self.is_a_rivals(&Facts::of_event(&attributes)) => {
                let container = attribute("name").unwrap_or(&id).to_owned();
                let _ = events.send(Event::Conflict { container });
            }
            (Some("destroy"), None) if self.is_current_anchor(&id) => {
                let (docker, events) = (self.clone(), events.clone());
                actix_rt::spawn(async move {
                    if let Some(event) = docker.anchor_gone(id).await {
                        let _ = events.send(event);
                    }
                });
            }
            (Some("kill"), Some(incarnation)) => {
                let told = attribute("signal").is_some_and(|signal| ENDING.contains(&signal));
                if told && !self.is_stopping(incarnation) {
                    let _ = events.send(Event::Terminated { incarnation });
                }
            }
            (Some("die"), Some(incarnation)) if self.end(incarnation) => {
                let code = attribute("exitCode").and_then(|code| code.parse().ok()).unwrap_or_default();
                let (docker, events) = (self.clone(), events.clone());
                actix_rt::spawn(async move {
                    let exit = Exit::Ended(docker.ended(&id, code).await);
                    let _ = events.send(Event::Exited { incarnation, exit });
                });
            }
            _ => {}
        }
    }

    /// Compares what exists with what we know of.
    async fn look_around(self: &Rc<Self>, events: &UnboundedSender<Event>) -> Result<(), Trouble> {
        let running: Vec<(Incarnation, String)> = {
            let containers = self.containers.borrow();
            let running = containers.iter().filter(|(_, container)| container.state == State::Running);
            running.map(|(incarnation, container)| (*incarnation, container.id.clone())).collect()
        };
        let summaries = self.engine.list(self.labels.cluster()).await?;
        self.sweep(&summaries);
        for (incarnation, id) in running {
            let runs = summaries.iter().any(|s| s.id.as_ref() == Some(&id) && engine::runs(s));
            if !runs && self.end(incarnation) {
                let exit = Exit::Ended("it ended while the engine was away".to_owned());
                let _ = events.send(Event::Exited { incarnation, exit });
            }
        }
        let strange = |s: &&ContainerSummary| {
            let known = s.id.as_ref().is_none_or(|id| self.incarnation_of(id).is_some());
            let is_a_rivals = |labels| self.is_a_rivals(&Facts::listed(s, labels));
            engine::runs(s) && !known && s.labels.as_ref().is_some_and(is_a_rivals)
        };
        if let Some(rival) = summaries.iter().find(strange) {
            let container = rival.id.clone().unwrap_or_default();
            let _ = events.send(Event::Conflict { container });
        }
        if let Some(event) = self.missing_anchor(&summaries) {
            let _ = events.send(event);
        }
        Ok(())
    }

    /// Whether a container that is not known is a replica of this cluster (no copy of one), and not of our making.
    fn is_a_rivals(&self, facts: &Facts) -> bool {
        let is_replica = matches!(identity::identify(self.labels.cluster(), facts), Identity::Replica(_));
        is_replica && !self.labels.made(facts.labels)
    }

    /// Marks the end of a container; false if it is told already, or our own doing.
    fn end(&self, incarnation: Incarnation) -> bool {
        let mut ended = false;
        self.update(incarnation, |container| {
            ended = matches!(container.state, State::Starting | State::Running);
            if ended {
                container.state = State::Ended;
            }
        });
        ended
    }

    fn is_stopping(&self, incarnation: Incarnation) -> bool {
        let containers = self.containers.borrow();
        containers.get(&incarnation).is_some_and(|container| container.state == State::Stopping)
    }

    fn incarnation_of(&self, id: &str) -> Option<Incarnation> {
        let containers = self.containers.borrow();
        containers.iter().find(|(_, container)| container.id == id).map(|(incarnation, _)| *incarnation)
    }
}
