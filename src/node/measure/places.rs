//! Questions to the system that take their time, such as its tables of addresses and routes: on threads of their own,
//! which own nothing of the net and are left behind when it stops.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// Threads at once in one net. One that hangs keeps its place.
const AT_ONCE: usize = 4;

/// The places for such threads.
#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Places {
        Places(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Places {
    /// What `ask` says; `None` if there is no thread for it.
    pub(crate) async fn run<T: Send + 'static>(&self, ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let (tx, rx) = oneshot::channel();
        let work = move || {
            // The net may have stopped meanwhile.
            let _ = tx.send(ask());
            drop(place);
        };
        crate::os::thread::start("p2pnet-route", 256 << 10, work).ok()?;
        rx.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanging_threads_are_few() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (places, release) = (Places::default(), Arc::new(parking_lot::Mutex::new(())));
        let held = release.lock();
        let hang = |_| {
            let (places, release) = (places.clone(), Arc::clone(&release));
            runtime.spawn(async move { places.run(move || drop(release.lock())).await })
        };
        let tasks: Vec<_> = (0..3 * AT_ONCE).map(hang).collect();
        runtime.block_on(async {
            while places.0.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
        });
        assert!(tasks.iter().all(|t| !t.is_finished()));
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        drop(held);
        assert_eq!(runtime.block_on(places.run(|| 7)), Some(7), "the places come back");
    }
}
