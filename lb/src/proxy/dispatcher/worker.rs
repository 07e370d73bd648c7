//! What the client connections of one worker share: deadlines, the date, recycled buffers, the state of the drain.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use actix_http::ServiceConfig;
use bytes::BytesMut;

use crate::http1::deadline::{Deadline, Deadlines};

/// Maximum number of recycled buffers.
const MAX_BUFFERS: usize = 64;
/// Capacity in bytes above which a buffer is not recycled.
const MAX_RECYCLED: usize = 16 * 1024;

/// Shared by the connections of one worker, on its thread.
#[derive(Default)]
pub(super) struct Worker {
    deadlines: Deadlines,
    /// Writes the field `Date`, which is formatted twice a second.
    pub date: ServiceConfig,
    /// Output buffers that no response uses. Connections without a response have none.
    buffers: RefCell<Vec<BytesMut>>,
    draining: Cell<bool>,
}

impl Worker {
    /// Registers a deadline, which is not set. It must be called in a `LocalSet`.
    pub fn add_deadline(self: &Rc<Self>) -> Deadline {
        self.deadlines.add_swept(self, |worker, now| worker.deadlines.sweep(now))
    }

    /// An empty buffer.
    pub fn take_buffer(&self) -> BytesMut {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a buffer for a later response.
    pub fn recycle(&self, mut buffer: BytesMut) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < MAX_BUFFERS && buffer.capacity() <= MAX_RECYCLED {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Whether connections are closed instead of kept.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Closes idle connections, and every other one after its response.
    pub fn drain(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }
}
