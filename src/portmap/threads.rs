//! Work that blocks (files, HTTP), on threads that can be left behind.
//!
//! Such a thread holds nothing of the net. If nobody waits for its result any more, it undoes what it did: a
//! router that answers after the limit must not keep a mapping that nobody knows of. How many run at once is
//! limited; a hanging one keeps its place.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// UPnP conversations at once.
const SLOW: usize = 4;

/// Accesses to the journal at once, apart from the former so that a hanging router does not keep us from
/// writing.
const FILES: usize = 2;

pub(super) struct Threads {
    slow: Arc<Semaphore>,
    files: Arc<Semaphore>,
}

impl Threads {
    pub(super) fn new() -> Threads {
        Threads { slow: Arc::new(Semaphore::new(SLOW)), files: Arc::new(Semaphore::new(FILES)) }
    }

    /// Runs `work` for a router. It is told how to ask whether anybody still waits. If nobody does when it is
    /// done, `undo` gets the result. `None`: no thread could be had. Time limits are the caller's.
    #[cfg_attr(not(feature = "upnp"), allow(dead_code, reason = "only UPnP blocks"))]
    pub(super) async fn slow<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
        undo: impl FnOnce(T) + Send + 'static,
    ) -> Option<T> {
        run(Arc::clone(&self.slow), "p2pnet-upnp", work, undo).await
    }

    /// Runs `work` on files.
    pub(super) async fn file<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        run(Arc::clone(&self.files), "p2pnet-journal", |_| work(), drop).await
    }
}

async fn run<T: Send + 'static>(
    places: Arc<Semaphore>,
    name: &str,
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    undo: impl FnOnce(T) + Send + 'static,
) -> Option<T> {
    let place = places.acquire_owned().await.ok()?;
    let (tx, rx) = oneshot::channel();
    let started = crate::os::thread::start(name, 512 << 10, move || {
        let done = work(&|| !tx.is_closed());
        if let Err(done) = tx.send(done) {
            undo(done);
        }
        drop(place);
    });
    started.ok()?;
    rx.await.ok()
}
