//! The actor's tasks: how they are started, and that none of them panics unheard.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::{Actor, Msg};
use crate::node::executor::Ender;
use crate::node::link::Life;

impl Actor {
    /// Starts a task whose panic ends the net instead of vanishing.
    pub(super) fn spawn(&self, task: impl Future<Output = Option<Msg>> + Send + 'static) -> AbortHandle {
        // Behind one type: what a runtime makes of each type of task would be a tenth of the library.
        self.spawn_guarded(Box::pin(task))
    }

    fn spawn_guarded(&self, task: Task) -> AbortHandle {
        tokio::spawn(Guarded { task: Some(task), report: self.report.clone() }).abort_handle()
    }

    /// The same by our own executor, of which nothing but the task itself is in the runtime: for what there are thousands of at once.
    pub(super) fn spawn_own(&self, task: impl Future<Output = Option<Msg>> + Send + 'static) -> Ender {
        let task: Task = Box::pin(task);
        self.shared.executor.start(Guarded { task: Some(task), report: self.report.clone() })
    }

    /// Starts the task of an open connection of the classic dialect, of which there may be thousands: not boxed.
    pub(super) fn start_link(&self, link: Life) {
        self.shared.executor.start(Linked { link: Some(link), report: self.report.clone() });
    }

    /// The same for one of the secure dialect; a session, whose number comes last.
    pub(super) fn start_session(&self, session: impl Future<Output = u64> + Send + Unpin + 'static) {
        self.spawn_own(Served(session));
    }
}

type Task = Pin<Box<dyn Future<Output = Option<Msg>> + Send>>;

/// A task that reports how it ends, also if by a panic. With the runtime's part it has 128 bytes, in which it goes.
struct Guarded {
    task: Option<Task>,
    report: UnboundedSender<Msg>,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(task) = &mut self.task else { return Poll::Ready(()) };
        let msg = ready!(unless_panicked(|| task.as_mut().poll(cx)));
        // Before that is known: what it holds ends with it.
        self.task = None;
        if let Some(msg) = msg {
            // The actor is gone only when the net has ended.
            let _ = self.report.send(msg);
        }
        Poll::Ready(())
    }
}

/// The same for a connection's.
struct Linked {
    link: Option<Life>,
    report: UnboundedSender<Msg>,
}

impl Future for Linked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Linked { link, report } = &mut *self;
        let Some(life) = link else { return Poll::Ready(()) };
        let closed = |id| drop(report.send(Msg::Closed { id }));
        let msg = ready!(unless_panicked(|| life.poll(cx, closed).map(|id| Some(Msg::Gone { id }))));
        *link = None;
        if let Some(msg) = msg {
            let _ = report.send(msg);
        }
        Poll::Ready(())
    }
}

/// What `poll` says, or how it panicked.
fn unless_panicked(poll: impl FnOnce() -> Poll<Option<Msg>>) -> Poll<Option<Msg>> {
    std::panic::catch_unwind(AssertUnwindSafe(poll))
        .unwrap_or_else(|panic| Poll::Ready(Some(Msg::Panicked(panic_text(&*panic)))))
}

/// The task of a session, whose number comes last: what is left to say is that it is gone.
struct Served<L>(L);

impl<L: Future<Output = u64> + Unpin> Future for Served<L> {
    type Output = Option<Msg>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Msg>> {
        Pin::new(&mut self.0).poll(cx).map(|id| Some(Msg::Gone { id }))
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use crate::node::conn::Conn;
    use crate::node::table::Entry;

    /// What every idle connection has: nobody lets it grow unknowingly. (`tests/memory.rs` counts all of it.)
    #[test]
    fn what_there_may_be_thousands_of_is_small() {
        // Around a task the runtime has 96 bytes, and makes a multiple of 128 of both; the executor has 32.
        assert!(size_of::<Guarded>() <= 128 - 96);
        assert!(size_of::<Linked>() <= 120, "{}", size_of::<Linked>());
        assert!(size_of::<Conn>() <= 288, "{}", size_of::<Conn>());
        assert!(size_of::<Entry>() <= 56, "{}", size_of::<Entry>());
    }
}
