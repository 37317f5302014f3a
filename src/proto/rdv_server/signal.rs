//! Signalling: nodes enter under their key and send each other short messages.
//!
//! ```text
//!   ENTER id network ─▶        connection: nothing but a nonce is kept, for as long as `prove`
//!          ◀─ NONCE
//!   PROVE signature ─▶         a node of its network; an older connection of the same node ends with REPLACED
//!          ◀─ ENTERED
//!   TELL tag id message ─▶     ◀─ TOLD, and MESSAGE to the receiver; ABSENT; or REFUSED
//!          ◀─ HEARD tag        when the receiver has said HEARD, or UNHEARD when it went without a word
//! ```
//!
//! What waits for a receiver is bounded by what it has not confirmed, so a slow one costs its senders their messages and
//! the server nothing. Unlike with the verbs of PyP2P every line is answered.

mod enter;
mod limits;
mod messages;
mod nodes;

pub use limits::{Rate, SignalLimits, Verify};

use super::{CloseReason, ConnId, Event, Rendezvous};
use crate::proto::base64url;
use crate::proto::identity::PublicKey;
use crate::proto::rdv_msg::signal::{Misspelt, Network, Nonce, Reason, Refused};
use crate::proto::rdv_msg::{Reply, SignalReply, SignalRequest};
use limits::Buckets;
use nodes::{Node, Nodes};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A connection that has said ENTER and not yet PROVE.
#[derive(Debug)]
struct Entering {
    id: PublicKey,
    network: Network,
    nonce: Nonce,
    /// How many had been drawn then.
    drawn: u64,
    until: Instant,
}

/// The state of signalling.
#[derive(Debug)]
pub(super) struct Signal {
    /// Without it nobody can enter.
    verify: Option<Verify>,
    /// What nonces are made from. Nobody else knows it, so nobody can tell the next one.
    secret: [u8; 32],
    drawn: u64,
    entering: BTreeMap<ConnId, Entering>,
    nodes: Nodes,
    proofs: Buckets<IpAddr>,
    proofs_in_all: Buckets<()>,
    addresses: Buckets<IpAddr>,
}

impl Signal {
    pub(super) fn new(limits: &SignalLimits) -> Signal {
        Signal {
            verify: None,
            secret: [0; 32],
            drawn: 0,
            entering: BTreeMap::new(),
            nodes: Nodes::default(),
            proofs: Buckets::new(limits.proofs),
            proofs_in_all: Buckets::new(limits.proofs_in_all),
            addresses: Buckets::new(limits.address),
        }
    }

    fn draw(&mut self) -> Nonce {
        self.drawn += 1;
        self.hash(b"nonce", self.drawn)
    }

    fn hash(&self, what: &[u8], count: u64) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.secret).chain_update(count.to_be_bytes());
        hash.chain_update(what).finalize().into()
    }

    /// What this run of the server is called towards this node. Nobody else is told, so no other server can pass for it.
    fn name(&self, id: &PublicKey) -> String {
        let hash = self.hash(&[b"name", &id.as_bytes()[..]].concat(), 0);
        base64url::encode(hash.get(..9).unwrap_or_default())
    }

    /// When this connection has to be looked at, and whether that is instead of its usual time.
    pub(super) fn deadline(&self, limits: &SignalLimits, conn: ConnId, asked: Instant) -> Option<Instant> {
        let unheard = |node: &Node| node.oldest().map(|since| since + limits.heard);
        match self.nodes.get(conn) {
            Some(node) => unheard(node).into_iter().chain([asked + limits.idle]).min(),
            None => self.entering.get(&conn).map(|entering| entering.until),
        }
    }

    /// Why this connection's time is up; `None`: it is none of signalling.
    pub(super) fn overdue(
        &self,
        limits: &SignalLimits,
        conn: ConnId,
        now: Instant,
    ) -> Option<(CloseReason, String)> {
        let Some(node) = self.nodes.get(conn) else {
            let limit = limits.prove.as_secs_f32();
            let due = self.entering.get(&conn).is_some_and(|entering| entering.until <= now);
            return due
                .then(|| (CloseReason::Unproved, format!("expected PROVE within {limit} s after ENTER")));
        };
        if node.oldest().is_some_and(|since| since + limits.heard <= now) {
            let limit = limits.heard.as_secs_f32();
            return Some((CloseReason::Unheard, format!("expected HEARD within {limit} s after a MESSAGE")));
        }
        let limit = limits.idle.as_secs_f32();
        Some((CloseReason::Idle, format!("expected a line at least every {limit} s, such as ECHO")))
    }

    /// Whether a line of signalling on this connection is paid by its node, and whether it may. `None`: by its address.
    pub(super) fn may_say(
        &mut self,
        now: Instant,
        limits: &SignalLimits,
        conn: ConnId,
        request: Option<&SignalRequest<'_>>,
    ) -> Option<bool> {
        let node = self.nodes.get_mut(conn)?;
        // How many of these there are is up to others.
        let free = matches!(request, Some(SignalRequest::Heard { upto }) if node.is_news(*upto));
        Some(free || node.may_say(now, limits))
    }

    /// Now and then.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.proofs.sweep(now);
        self.proofs_in_all.sweep(now);
        self.addresses.sweep(now);
        self.nodes.sweep(now);
    }

    /// Whether nothing is left that a sweep could forget.
    pub(super) fn is_idle(&self) -> bool {
        self.proofs.len() + self.proofs_in_all.len() + self.addresses.len() + self.nodes.len() == 0
    }
}

impl Rendezvous {
    /// Lets nodes enter: how their signatures are verified, and a secret of which nonces are made: 32 bytes that nobody can
    /// guess, other ones at each start.
    pub fn set_signal(&mut self, verify: Verify, secret: [u8; 32]) {
        self.signal.verify = Some(verify);
        self.signal.secret = secret;
    }

    /// Nodes that can be reached by signalling.
    pub fn signal_nodes(&self) -> usize {
        self.signal.nodes.len()
    }

    /// Messages that were sent to their receivers and not confirmed yet.
    pub fn signal_waiting(&self) -> usize {
        self.signal.nodes.waiting()
    }

    #[cfg(test)]
    pub(super) fn signal_is_consistent(&self) -> bool {
        self.signal.nodes.is_consistent(&self.limits.signal)
            && self.signal.entering.keys().all(|conn| self.conns.contains_key(conn))
            && self.signal.entering.keys().all(|conn| self.signal.nodes.get(*conn).is_none())
            && self.signal.nodes.len() + self.signal.entering.len() <= self.conns.len()
    }

    pub(super) fn signal(
        &mut self,
        now: Instant,
        conn: ConnId,
        peer: SocketAddr,
        request: SignalRequest<'_>,
    ) {
        match request {
            SignalRequest::Enter { id, network } => self.enter(now, conn, peer, id, network),
            SignalRequest::Prove { server, signature } => self.prove(now, conn, peer, server, &signature),
            SignalRequest::Tell { tag, to, message } => self.pass_on(now, conn, peer, tag, to, message),
            SignalRequest::Heard { upto } => self.heard(conn, upto),
            SignalRequest::Echo { token } => {
                self.counters.echo += 1;
                self.send(conn, Reply::Signal(SignalReply::Echo { token: token.to_owned() }));
            }
            SignalRequest::Leave => {
                self.counters.leave += 1;
                self.signal.entering.remove(&conn);
                self.signal_closed(conn, peer, "left");
                self.send(conn, Reply::Signal(SignalReply::Left));
            }
        }
        if let Some(state) = self.conns.get_mut(&conn) {
            state.signalling = true;
        }
        self.reschedule(conn);
    }

    pub(super) fn misspelt(&mut self, conn: ConnId, misspelt: Misspelt) {
        self.refuse(conn, Reason::Line, misspelt.tag, misspelt.verb.expected());
    }

    /// Says no.
    pub(super) fn refuse(
        &mut self,
        conn: ConnId,
        reason: Reason,
        tag: Option<u64>,
        expected: impl Into<Cow<'static, str>>,
    ) {
        let counter = Reason::ALL.iter().position(|r| *r == reason);
        if let Some(n) = counter.and_then(|at| self.counters.signal_refused.get_mut(at)) {
            *n += 1;
        }
        if let Some(peer) = self.conns.get(&conn).map(|c| c.peer) {
            self.log(Event::Unwilling { peer, reason });
        }
        self.send(
            conn,
            Reply::Signal(SignalReply::Refused(Refused { reason, tag, expected: expected.into() })),
        );
    }

    /// Says no and ends the connection.
    fn turn_away(
        &mut self,
        now: Instant,
        conn: ConnId,
        reason: Reason,
        expected: impl Into<Cow<'static, str>>,
    ) {
        self.refuse(conn, reason, None, expected);
        self.close(now, conn, CloseReason::TurnedAway);
    }
}
