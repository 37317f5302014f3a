//! The actor's tasks: how they are started, and that none of them panics unheard.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::AbortHandle;

use super::{Actor, Msg};

impl Actor {
    /// Starts a task whose panic ends the net instead of vanishing.
    pub(super) fn spawn(&self, task: impl Future<Output = Option<Msg>> + Send + 'static) -> AbortHandle {
        // Behind one type: what a runtime makes of each type of task would be a tenth of the library.
        self.spawn_guarded(Guarded(Box::pin(task)))
    }

    fn spawn_guarded(&self, task: Guarded) -> AbortHandle {
        let report = self.report.clone();
        let guarded = async move {
            if let Some(msg) = task.await.unwrap_or_else(|what| Some(Msg::Panicked(what))) {
                // The actor is gone only when the net has ended.
                let _ = report.send(msg);
            }
        };
        tokio::spawn(guarded).abort_handle()
    }
}

/// A task whose panic becomes an error.
struct Guarded(Pin<Box<dyn Future<Output = Option<Msg>> + Send>>);

impl Future for Guarded {
    type Output = std::result::Result<Option<Msg>, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
