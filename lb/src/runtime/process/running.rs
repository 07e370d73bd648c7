//! A running child, and how it is stopped.

use std::cell::RefCell;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::sync::watch;

use super::Children;
use super::launcher::Orders;
use super::line_buffer::Reader;
use super::output::Output;
use crate::child::protocol::Order;
use crate::ring::Incarnation;

/// A child of the process runtime, until it is reaped.
pub(super) struct Running {
    /// The process that was started: the built-in replica, or the launcher of a command.
    pub child: Pid,
    /// The process group of the replica; `None` while a launcher has not yet reported the start of its command.
    pub group: Option<Pid>,
    /// Connection to the launcher of a command; `None` for the built-in replica.
    pub orders: Option<Orders>,
    pub port: u16,
    pub stopping: bool,
    pub buffer: Reader,
    /// Closed as soon as the child is reaped.
    pub reaped: watch::Receiver<()>,
}

/// A child that was just started; the caller drops the sender when the child is reaped.
pub(super) fn running(child: Pid, port: u16, output: &Output) -> (Running, watch::Sender<()>) {
    let (alive, reaped) = watch::channel(());
    let buffer = output.buffer.clone();
    (Running { child, group: None, orders: None, port, stopping: false, buffer, reaped }, alive)
}

impl Running {
    pub fn terminate(&self) {
        match &self.orders {
            Some(orders) => orders.send(&Order::Stop),
            None => self.signal(Signal::TERM),
        }
    }

    pub fn kill(&self) {
        match &self.orders {
            Some(orders) => orders.send(&Order::Kill),
            None => self.signal(Signal::KILL),
        }
    }

    /// Kills the child itself, and its known process group.
    pub fn kill_child(&self) {
        self.signal(Signal::KILL);
        let _ = kill_process(self.child, Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            signal_group(group, signal);
        }
    }
}

pub(super) fn with(children: &RefCell<Children>, incarnation: Incarnation, act: fn(&Running)) {
    if let Some(running) = children.borrow().get(&incarnation) {
        act(running);
    }
}

pub(super) fn signal_group(group: Pid, signal: Signal) {
    // An error means that the group has ended already.
    let _ = kill_process_group(group, signal);
}
