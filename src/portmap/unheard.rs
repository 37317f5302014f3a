//! Requests that change a router and have not been answered: what they ask for may be there all the same.
//!
//! An answer may be lost, or late because the router has much to do. What was asked for is kept here until it
//! is known to be there or not, so that it can be taken down without an answer; and at the end nothing is
//! asked any more, lest a request that is sent once more come after the removal.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::udp::Fail;
use super::way::Mapping;
use crate::small::SmallMap;

/// A race and the number of a way in it.
pub(super) type Id = (u64, usize);

/// See the module.
#[derive(Default)]
pub(super) struct Unheard {
    asked: Mutex<SmallMap<Id, Mapping>>,
    over: AtomicBool,
    ended: Notify,
}

impl Unheard {
    /// Asks for `wanted`. A removal needs no more than that; what does (UPnP's) is not kept.
    ///
    /// # Errors
    /// What the question comes to, or that the end has come.
    pub(super) async fn ask<T>(
        &self,
        id: Id,
        wanted: Option<Mapping>,
        question: impl Future<Output = Result<T, Fail>>,
    ) -> Result<T, Fail> {
        let Some(wanted) = wanted else { return question.await };
        self.asked.lock().insert(id, wanted);
        let answer = self.until_the_end(question).await.unwrap_or_else(|| Err(cut()));
        if !matches!(answer, Err(Fail::Silent(_))) {
            self.asked.lock().remove(&id);
        }
        answer
    }

    /// Does something unless the end has come, or until it comes.
    pub(super) async fn until_the_end<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut ended) = (std::pin::pin!(work), std::pin::pin!(self.ended.notified()));
        ended.as_mut().enable();
        if self.over.load(Relaxed) {
            return None;
        }
        std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => ended.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// A way has ended: what it has asked for without hearing of it.
    pub(super) fn take(&self, id: Id) -> Option<Mapping> {
        self.asked.lock().remove(&id)
    }

    /// Nothing is asked from here on; what was, without an answer.
    pub(super) fn end(&self) -> impl Iterator<Item = Mapping> + use<> {
        self.over.store(true, Relaxed);
        self.ended.notify_waiters();
        std::mem::take(&mut *self.asked.lock()).into_values()
    }
}

fn cut() -> Fail {
    Fail::Io("not needed any more".into())
}
