//! The end of a net: bounded in time, whatever hangs.

use std::future::{Future, poll_fn};
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::servers::all;
use super::{Actor, Command, Msg};
use crate::boxed::boxed;
use crate::error::{Code, Error};
use crate::node::log::log;
use crate::node::rendezvous::Reach;
use crate::node::table::State;
use crate::proto::rdv_client::{Ask, Exchange};

/// After the close time-out sockets are cut; this is for their tasks to notice.
const AFTER_CUT: Duration = Duration::from_millis(200);

impl Actor {
    /// Ends everything: requests are cancelled, connections send what is queued, servers are told. `failed` is why the
    /// net cannot go on.
    pub(super) async fn stop(mut self, failed: Option<String>) -> Result<(), String> {
        self.listeners.clear();
        self.shared.stopping.store(true, Relaxed);
        let limit = self.shared.config.close_timeout;
        let unlisted = self.spawn_unlist(limit);
        let unmapped = self.end_situation();
        self.end_secure();
        self.end_classic();
        self.order_dht(crate::dht::Order::Leave);
        let ids: Vec<u64> = self.table.iter().map(|(id, _)| id).collect();
        for id in ids {
            match self.table.get_mut(id).map(|e| &e.state) {
                Some(State::Opening(task)) => {
                    task.abort();
                    self.fail(id, stopped());
                }
                Some(State::Open(conn)) => conn.close(),
                Some(State::Ending(_)) | None => {}
            }
        }
        // Anything on its way to us, answered before the requests are: nobody else would.
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Connect { request, .. }
            | Command::UnlConnect { request, .. }
            | Command::ClassicConnect { request, .. }
            | Command::Bootstrap { request }
            | Command::Advertise { request }
            | Command::DhtPut { request, .. } = command
            {
                self.shared.done(request, stopped().into());
            }
        }
        let unlisted = async { unlisted.await.is_ok() & unmapped.await.is_ok() };
        self.wait(Instant::now() + limit + AFTER_CUT, unlisted).await;
        for (_, entry) in self.table.iter() {
            if let State::Open(conn) | State::Ending(conn) = &entry.state {
                conn.shut();
            }
        }
        self.wait(Instant::now() + AFTER_CUT, async { true }).await;
        log!(self.shared, Info, "stopped");
        failed.map_or(Ok(()), Err)
    }

    fn spawn_unlist(&self, limit: Duration) -> tokio::task::JoinHandle<()> {
        let servers: Vec<String> = self.shared.config.rendezvous().map(str::to_owned).collect();
        let wanted = self.upkeep.is_listed() && limit > Duration::ZERO;
        let reach = Reach { limit: limit.min(self.reach.limit), ..self.reach.clone() };
        tokio::spawn(boxed(async move {
            if wanted {
                // A server that does not answer forgets us by itself, a day later.
                let _ = all(&reach, servers, Exchange::new(Ask::Unlist)).await;
            }
        }))
    }

    /// Takes what the tasks report until all connections are gone and `also` is done, or the time is up.
    async fn wait(&mut self, until: Instant, also: impl Future<Output = bool>) {
        let timer = tokio::time::sleep_until(until.into());
        tokio::pin!(timer, also);
        let mut also_done = false;
        loop {
            if self.table.is_empty() && also_done {
                return;
            }
            let msg = poll_fn(|cx| {
                if let Poll::Ready(msg) = self.inbox.poll_recv(cx) {
                    return Poll::Ready(msg);
                }
                if !also_done && also.as_mut().poll(cx).is_ready() {
                    also_done = true;
                    return Poll::Ready(None);
                }
                timer.as_mut().poll(cx).map(|()| None)
            })
            .await;
            match msg {
                Some(Msg::Closed { id }) => self.closed(id),
                Some(Msg::Gone { id }) => self.gone(id),
                // An entry that was taken off the table while its task had already succeeded.
                Some(Msg::Server { request, .. }) if request != 0 => {
                    self.shared.done(request, stopped().into());
                }
                Some(_) => {}
                None if Instant::now() >= until => return,
                None => {}
            }
        }
    }
}

fn stopped() -> Error {
    Error::new(Code::Canceled, "the net was stopped")
}
