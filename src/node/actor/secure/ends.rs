//! How connections of the secure dialect end: those that were to become the program's, and the program's own.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::super::Actor;
use super::links::{Link, Ushered};
use crate::error::{Code, Error};
use crate::node::conn::Conn;
use crate::node::log::log;
use crate::node::usher::Word;
use crate::proto::connect::{Closing, ConnId, Input};
use crate::proto::handshake::Answer;
use crate::proto::identity::PublicKey;

impl Actor {
    /// Forgets a connection that is not open; the requests that were to have it end with `why`. Whether the connector
    /// knows of it.
    pub(super) fn let_go(&mut self, conn: ConnId, why: Error) -> bool {
        let Some(secure) = &mut self.secure else { return false };
        match secure.links.remove(&conn) {
            Some(Link::Ushered(Ushered { id, known, opening, task, peer, .. })) => {
                task.abort();
                if let Some(id) = id {
                    // The request of a dial of ours ends with it.
                    self.fail(id, why.clone());
                }
                let opened = opening.is_some();
                for request in opening.into_iter().flat_map(|(_, requests)| requests) {
                    self.shared.done(request, why.clone().into());
                }
                if let Some(peer) = peer.filter(|_| opened) {
                    self.link_not_made(&peer);
                }
                known
            }
            Some(Link::Dialling(task)) => {
                task.abort();
                true
            }
            _ => true,
        }
    }

    /// The program does not want the connection any more that it dialled, in the table as `id`. If it has been decided that
    /// this is the one between the two nodes, it stays: the peer may have it already, and other requests wait for it.
    /// False if nobody has begun to talk on it yet.
    pub(in super::super) fn secure_cancel_dial(&mut self, id: u64, why: &Error) -> bool {
        let ours = |(conn, link): (&ConnId, &Link)| match link {
            Link::Ushered(u) if u.id == Some(id) => Some((*conn, u.opening.is_some())),
            _ => None,
        };
        match self.secure.as_ref().and_then(|s| s.links.iter().find_map(ours)) {
            Some((_, true)) => {
                if let Some(entry) = self.table.get_mut(id) {
                    let request = std::mem::take(&mut entry.request);
                    self.shared.done(request, why.clone().into());
                }
            }
            Some((conn, false)) => {
                let text = why.message.clone().into_owned();
                if self.let_go(conn, why.clone()) {
                    self.secure_input(Input::Closed { conn, os_error: 0, text });
                }
            }
            None => return false,
        }
        true
    }

    /// Ends a connection, as the connector wants it.
    pub(super) fn secure_close(&mut self, conn: ConnId, why: Closing) {
        if self.forget_meeting(conn, why) {
            return;
        }
        let Some(secure) = &mut self.secure else { return };
        if let Some(id) = secure.given.remove(&conn) {
            secure.open.remove(&id);
            if why == Closing::Replaced {
                // The session goes over to the next one, which keeps this one open until then.
                return;
            }
            if let Some(open) = self.shared.conn(id) {
                let peer = open.peer.to_string_lossy();
                log!(self.shared, Info, "closing the connection with {peer}: {}", why.text());
                open.close_for(why.text());
            }
            return;
        }
        match secure.links.get(&conn) {
            Some(Link::Ushered(ushered)) if !ushered.ours && !ushered.welcomed && why == Closing::Full => {
                // The usher says so, and ends.
                let _ = ushered.words.send(Word::Answer(Answer::Full));
                let id = ushered.id;
                secure.links.remove(&conn);
                if let Some(id) = id {
                    self.fail(id, Error::new(Code::Limit, why.text()));
                }
            }
            Some(Link::Ushered(Ushered { ours: true, id: Some(_), opening: None, .. }))
                if why == Closing::Beaten =>
            {
                self.let_go(conn, duplicate());
            }
            Some(_) => drop(self.let_go(conn, Error::new(code_of(why), why.text()))),
            None => {}
        }
    }

    /// The program has closed its connection with this peer, or it has ended: it is not one to be had any more, though its
    /// last bytes may still be on their way.
    pub(super) fn forget_ending(&mut self, peer: &PublicKey) {
        let Some(secure) = &self.secure else { return };
        let Some(id) = secure.sessions.id_of(peer) else { return };
        let ends = |conn: Arc<Conn>| conn.closed.load(Relaxed) || conn.out.lock().is_closing();
        if self.shared.conn(id).is_none_or(ends) {
            self.secure_closed(id);
        }
    }

    /// A connection of the program's has ended.
    pub(in super::super) fn secure_closed(&mut self, id: u64) {
        let Some(secure) = &mut self.secure else { return };
        let peer = secure.sessions.ended(id);
        if let Some(conn) = secure.open.remove(&id) {
            secure.given.remove(&conn);
            secure
                .connector
                .handle(Instant::now(), Input::Closed { conn, os_error: 0, text: "it has ended".into() });
        }
        if let Some(peer) = peer {
            secure.connector.set_session(Instant::now(), peer, None);
        }
        self.secure_act();
    }
}

/// By its address it was another one.
pub(super) fn duplicate() -> Error {
    Error::new(Code::Duplicate, "that node is connected already, as its key shows")
}

/// What a request is told whose connection the connector does not want: one by an address, or one that was about to open.
fn code_of(why: Closing) -> Code {
    match why {
        Closing::Beaten => Code::Duplicate,
        Closing::Silent => Code::Timeout,
        Closing::Full => Code::Limit,
        Closing::Replaced | Closing::Unknown => Code::Closed,
        Closing::GivenUp => Code::Canceled,
    }
}
