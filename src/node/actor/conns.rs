//! Connections as the program has them: taken into service, ended, not come about, no longer wanted.

use std::sync::Arc;

use super::secure::Start;
use super::{Actor, Msg, secure};
use crate::error::{Code, Error, Result};
use crate::event::Kind;
use crate::node::conn::{Conn, TASK};
use crate::node::link::Life;
use crate::node::log::log;
use crate::node::session;
use crate::node::shared::Outcome;
use crate::node::table::State;
use crate::queue::{Item, Notice};

impl Actor {
    /// Takes an opened connection into service.
    pub(super) fn opened(&mut self, id: u64, outcome: Result<Arc<Conn>>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let request = entry.request;
        match outcome {
            Ok(mut conn) => {
                entry.request = 0;
                let Some(request) = self.claim(id, request, &mut conn) else { return };
                self.enter(id, Arc::clone(&conn), request, None);
                if request != 0 {
                    let outcome = Outcome { conn: Some(conn), ..Outcome::ok(0, String::new()) };
                    self.shared.done(request, outcome);
                }
                self.classic_act();
            }
            Err(e) => {
                log!(self.shared, Debug, "{e}");
                self.fail(id, e);
            }
        }
    }

    /// A connection in the table is the program's from now on: OPENED, and the task that works for it. `start` is what that
    /// begins with in the secure dialect.
    pub(super) fn enter(&mut self, id: u64, conn: Arc<Conn>, request: u64, start: Option<Start>) {
        if !self.table.open_up(id, Arc::clone(&conn)) {
            return;
        }
        self.shared.conns.write().insert(id, Arc::clone(&conn));
        self.shared.counters.opened.add(1);
        self.upkeep.connected();
        self.count_connections();
        let notice = Notice { request, ..self.shared.notice(Kind::Opened, &conn) };
        self.shared.queue.push(Item::Notice(Box::new(notice)));
        let shared = Arc::clone(&self.shared);
        let Some(Start { link }) = start else {
            // It was made with a socket, and nobody else takes that away.
            return match Life::new(shared, Arc::clone(&conn)) {
                Some(life) => self.start_link(life),
                None => {
                    conn.done_with(TASK);
                    let _ = self.report.send(Msg::Gone { id });
                }
            };
        };
        let (report, tell) = (self.report.clone(), self.report.clone());
        let closed = move || drop(report.send(Msg::Closed { id }));
        let says = move |report| drop(tell.send(Msg::Secure(secure::News::Session { id, report })));
        self.start_session(session::Life::new(shared, conn, link, says, closed));
    }

    /// A connection that was to be opened will not be.
    pub(super) fn fail(&mut self, id: u64, e: Error) {
        let Some(entry) = self.table.remove(id) else { return };
        if entry.request != 0 {
            self.shared.done(entry.request, e.into());
        } else {
            self.classic_failed(id, e);
        }
    }

    pub(super) fn cancel(&mut self, request: u64) {
        if self.classic_cancel(request) {
            return;
        }
        if self.at.forget_advertise(request) {
            self.shared.done(request, Error::new(Code::Canceled, "cancelled by this program").into());
        } else if let Some(id) = self.table.by_request(request) {
            let canceled = Error::new(Code::Canceled, "cancelled by this program");
            if self.secure_cancel_dial(id, &canceled) {
                return;
            }
            if let Some(State::Opening(task)) = self.table.get_mut(id).map(|e| &e.state) {
                task.abort();
            }
            self.fail(id, canceled);
        } else {
            self.secure_cancel(request);
            // A question to the servers: it goes on for the net's own sake, its answer comes too late for the program.
            // One that has not begun never does.
            self.shared.done(request, Error::new(Code::Canceled, "cancelled by this program").into());
        }
    }

    /// An open connection has ended; whoever learns it from the event may connect again.
    pub(super) fn closed(&mut self, id: u64) {
        self.table.ending(id);
        self.classic_closed(id);
        self.count_connections();
        self.secure_closed(id);
    }

    /// An open connection's task has ended.
    pub(super) fn gone(&mut self, id: u64) {
        self.table.remove(id);
        self.count_connections();
    }

    /// Tells the program how many connections there are.
    pub(super) fn count_connections(&self) {
        let mut info = self.shared.info.lock();
        info.inbound = self.table.open(true);
        info.outbound = self.table.open(false);
    }
}
