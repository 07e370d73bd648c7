//! The engine's event stream, with a full comparison after each interruption for events that were missed.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::models::{ContainerSummary, EventMessage};
use futures::stream::StreamExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::super::{Event, Exit};
use super::engine_error::EngineError;
use super::identity::{ContainerInfo, Identity};
use super::{Inner, State, engine, identity};
use crate::ring::Incarnation;

/// Pause before the stream is requested again after an interruption.
const PAUSE: Duration = Duration::from_secs(1);

/// Signals that request an end and leave time for it: HUP may mean something else, and KILL leaves none.
const ENDING: [&str; 3] = ["2", "3", "15"];

/// Watches until the receiver is dropped.
pub(super) async fn watch(docker: Rc<Inner>, events: UnboundedSender<Event>) {
    tokio::select! {
        () = events.closed() => {}
        () = follow_events(&docker, &events) => {}
        () = report_availability(&docker, &events) => {}
    }
}

/// Reports each time the engine becomes reachable again.
async fn report_availability(docker: &Rc<Inner>, events: &UnboundedSender<Event>) {
    loop {
        docker.engine.outage().ended().await;
        let _ = events.send(Event::Available);
    }
}

async fn follow_events(docker: &Rc<Inner>, events: &UnboundedSender<Event>) {
    let mut refused = false;
    loop {
        // The engine replays what happens from this moment on; what happened before is found by the comparison.
        let (since, began) =
            (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now());
        match docker.reconcile(events).await {
            Ok(()) => {
                let mut stream = Box::pin(docker.engine.events(docker.labels.cluster(), since));
                let mut end = None;
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(event) => docker.handle_event(event, events),
                        Err(error) => {
                            end = Some(error);
                            break;
                        }
                    }
                }
                log::debug!(why:? = end; "engine events ended");
                let lasted = began.elapsed() >= PAUSE;
                let why = end.filter(|error| !lasted && !refused && !error.is_unreachable());
                if let Some(why) = &why {
                    log::warn!(why:%; "engine sends no events");
                }
                refused = !lasted && (refused || why.is_some());
                if lasted {
                    continue; // the comparison shows whether the engine is reachable
                }
            }
            Err(error) => docker.engine.outage().begin(&error),
        }
        sleep(PAUSE).await;
    }
}

impl Inner {
    fn handle_event(self: &Rc<Self>, event: EventMessage, events: &UnboundedSender<Event>) {
        let Some(actor) = event.actor else { return };
        let (id, attributes) = (actor.id.unwrap_or_default(), actor.attributes.unwrap_or_default());
        let attribute = |name: &str| attributes.get(name).map(String::as_str);
        // The receiver is missing only when the runtime is being dropped; its events are not needed then.
        match (event.action.as_deref(), self.incarnation_of(&id)) {
            (Some("start"), None) if self.is_of_another_balancer(&ContainerInfo::of_event(&attributes)) => {
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
                let terminating = attribute("signal").is_some_and(|signal| ENDING.contains(&signal));
                if terminating && !self.is_stopping(incarnation) {
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

    /// Compares the existing containers with the known ones.
    async fn reconcile(self: &Rc<Self>, events: &UnboundedSender<Event>) -> Result<(), EngineError> {
        let running: Vec<(Incarnation, String)> = {
            let containers = self.containers.borrow();
            let running = containers.iter().filter(|(_, container)| container.state == State::Running);
            running.map(|(incarnation, container)| (*incarnation, container.id.clone())).collect()
        };
        let summaries = self.engine.list(self.labels.cluster()).await?;
        self.remove_orphans(&summaries);
        self.remove_late_anchors(&summaries);
        for (incarnation, id) in running {
            let runs = summaries.iter().any(|s| s.id.as_ref() == Some(&id) && engine::runs(s));
            if !runs && self.end(incarnation) {
                let exit = Exit::Ended("it ended while the engine was away".to_owned());
                let _ = events.send(Event::Exited { incarnation, exit });
            }
        }
        let is_unknown = |s: &&ContainerSummary| {
            let known = s.id.as_ref().is_none_or(|id| self.incarnation_of(id).is_some());
            let is_of_another_balancer =
                |labels| self.is_of_another_balancer(&ContainerInfo::listed(s, labels));
            engine::runs(s) && !known && s.labels.as_ref().is_some_and(is_of_another_balancer)
        };
        if let Some(other) = summaries.iter().find(is_unknown) {
            let container = other.id.clone().unwrap_or_default();
            let _ = events.send(Event::Conflict { container });
        }
        if let Some(event) = self.missing_anchor(&summaries) {
            let _ = events.send(event);
        }
        Ok(())
    }

    /// Whether an unknown container is a replica of this cluster (and not a copy of one) that another balancer made.
    fn is_of_another_balancer(&self, info: &ContainerInfo) -> bool {
        let is_replica = matches!(identity::identify(self.labels.cluster(), info), Identity::Replica(_));
        is_replica && !self.labels.made(info.labels)
    }

    /// Marks a container as ended; `false` if that was reported already, or the balancer stopped it.
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

    pub(super) fn incarnation_of(&self, id: &str) -> Option<Incarnation> {
        let containers = self.containers.borrow();
        containers.iter().find(|(_, container)| container.id == id).map(|(incarnation, _)| *incarnation)
    }
}
