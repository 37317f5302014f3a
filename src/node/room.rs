//! Room in the event queue, as a connection's task waits for it: without room it does not read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::shared::Shared;

/// What the task waits on, while it waits.
#[derive(Default)]
pub(super) struct Room(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Room {
    /// Whether there is room. If not, [`Room::poll`] tells when to look again; until it has, there is none.
    pub(super) fn is_there(&mut self, shared: &Arc<Shared>) -> bool {
        if self.0.is_none() && !shared.queue.has_room() {
            let shared = Arc::clone(shared);
            self.0 = Some(Box::pin(async move { shared.queue.wait_for_room().await }));
        }
        self.0.is_none()
    }

    /// Ready once, when there is room again after there was none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waited = self.0.as_mut().map_or(Poll::Pending, |waiting| waiting.as_mut().poll(cx));
        if waited.is_ready() {
            self.0 = None;
        }
        waited
    }
}
