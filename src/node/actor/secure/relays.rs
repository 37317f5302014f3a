//! Relays: which servers are some, and going to one.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::super::Actor;
use super::News;
use super::links::Link;
use crate::error::Result;
use crate::node::relay::{Meeting, meet};
use crate::node::signal::Ways;
use crate::proto::connect::{ConnId, Input};
use crate::proto::nat::scope::Scope;
use crate::proto::rdv_msg::RelayToken;

impl Actor {
    /// How to get at servers.
    pub(super) fn ways(&self) -> Ways {
        let local = self.shared.config.local_peers;
        Ways {
            reach: self.reach.clone(),
            // A server that only a peer names may be anywhere on the internet, and nowhere nearer.
            may_visit: Arc::new(move |at: SocketAddr| local || Scope::of(at.ip()) == Scope::Global),
        }
    }

    /// A server where we are now says whether it relays.
    pub(super) fn note_relay(&mut self, server: &str, relays: bool) {
        let Some(secure) = &mut self.secure else { return };
        secure.relays.retain(|other| other != server);
        if relays {
            secure.relays.push(server.to_owned());
        }
    }

    pub(super) fn begin_relay(
        &mut self,
        conn: ConnId,
        server: String,
        guest: bool,
        (token, prove): (RelayToken, bool),
        ours: bool,
    ) {
        let proof = prove.then(|| self.shared.membership().proof(token));
        let name = Arc::from(server.as_str());
        let known = self.shared.config.rendezvous().any(|own| own.eq_ignore_ascii_case(&server));
        let meeting = Meeting {
            server,
            guest: guest && !known,
            token,
            proof,
            limit: self.shared.config.connect_timeout,
            keep_alive: self.keep_alive(),
        };
        let (ways, report) = (self.ways(), self.report_secure());
        let task = self.spawn(async move {
            let outcome = meet(meeting, ways).await;
            report(News::Relayed { conn, ours, relay: name, outcome });
            None
        });
        if let Some(secure) = &mut self.secure {
            secure.links.insert(conn, Link::Dialling(task));
        }
    }

    pub(super) fn relayed(
        &mut self,
        conn: ConnId,
        ours: bool,
        relay: Arc<str>,
        outcome: Result<(TcpStream, SocketAddr)>,
    ) {
        let Some(secure) = &mut self.secure else { return };
        if !matches!(secure.links.get(&conn), Some(Link::Dialling(_))) {
            return;
        }
        match outcome {
            Ok((stream, at)) => {
                secure.links.insert(conn, Link::Standing(stream, at, Some(relay)));
                self.secure_input(Input::Relayed { conn, at });
                if !ours {
                    self.receive(conn);
                }
            }
            Err(e) => {
                secure.links.remove(&conn);
                let (os_error, text) = (e.os_error, e.message.into_owned());
                self.secure_input(Input::DialFailed { conn, os_error, text });
            }
        }
    }
}
