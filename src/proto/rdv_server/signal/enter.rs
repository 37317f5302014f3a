//! ENTER and PROVE: how a node shows that it owns the key it is known by.

use super::nodes::Node;
use super::{Entering, SignalLimits};
use crate::proto::identity::{PublicKey, Signature};
use crate::proto::rdv_msg::signal::{Network, Reason, Terms, mark_of, proof_text};
use crate::proto::rdv_msg::{Reply, SignalReply};
use crate::proto::rdv_server::{CloseReason, ConnId, Event, Rendezvous, account_of};
use std::net::SocketAddr;
use std::time::Instant;

impl Rendezvous {
    pub(super) fn enter(
        &mut self,
        now: Instant,
        conn: ConnId,
        peer: SocketAddr,
        id: PublicKey,
        network: Network,
    ) {
        self.counters.enter += 1;
        let limits = &self.limits.signal;
        if self.signal.verify.is_none() || limits.nodes == 0 {
            return self.refuse(
                conn,
                Reason::Off,
                None,
                "expected another server: this one does no signalling",
            );
        }
        if self.signal.entering.contains_key(&conn) || self.signal.nodes.get(conn).is_some() {
            return self.refuse(
                conn,
                Reason::Order,
                None,
                "expected one ENTER on a connection, or LEAVE before the next",
            );
        }
        let older = self.signal.nodes.find(&network, &id);
        if !self.signal.nodes.have_room(limits, peer.ip(), older) {
            return self.turn_away(now, conn, Reason::Full, self.crowded());
        }
        let (nonce, mark) = (self.signal.draw(), mark_of(&self.signal.name(&id)));
        let until = now + self.limits.signal.prove;
        self.signal.entering.insert(conn, Entering { id, network, nonce, drawn: self.signal.drawn, until });
        self.send(conn, Reply::Signal(SignalReply::Nonce { nonce: Box::new(nonce), mark }));
    }

    pub(super) fn prove(
        &mut self,
        now: Instant,
        conn: ConnId,
        peer: SocketAddr,
        server: SocketAddr,
        signature: &Signature,
    ) {
        self.counters.prove += 1;
        let verify = self.signal.verify;
        // Whatever comes of it: a nonce is good for one proof.
        let Some((Entering { id, network, nonce, drawn: stay, .. }, verify)) =
            self.signal.entering.remove(&conn).zip(verify)
        else {
            return self.refuse(conn, Reason::Order, None, "expected ENTER before PROVE, and one PROVE only");
        };
        if !self.signal.proofs.take(now, account_of(peer.ip())) || !self.signal.proofs_in_all.take(now, ()) {
            return self.turn_away(
                now,
                conn,
                Reason::Rate,
                "expected fewer attempts to enter; try again later",
            );
        }
        let local = self.conns.get(&conn).and_then(|c| c.local);
        if !self.endpoints.may_be(local, server.ip()) {
            let expected = "expected a proof for this server: PROVE with the address that you connected to";
            return self.turn_away(now, conn, Reason::Server, expected);
        }
        if !verify(&id, &proof_text(&nonce, &id, server, &network), signature) {
            return self.turn_away(
                now,
                conn,
                Reason::Proof,
                "expected a signature of the nonce by the key of this id",
            );
        }
        let older = self.signal.nodes.find(&network, &id);
        if !self.signal.nodes.have_room(&self.limits.signal, peer.ip(), older) {
            return self.turn_away(now, conn, Reason::Full, self.crowded());
        }
        if let Some(older) = older {
            self.counters.signal_replaced += 1;
            self.send(older, Reply::Signal(SignalReply::Replaced));
            self.close(now, older, CloseReason::Replaced);
        }
        let node = Node::new(now, &self.limits.signal, id, network, stay, peer.ip());
        self.signal.nodes.insert(conn, node);
        self.log(Event::Entered { peer, id });
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let terms = Terms {
            server: self.signal.name(&id),
            idle: small(self.limits.signal.idle.as_secs().max(1)),
            size: small(self.limits.signal.size() as u64),
            relay: self.limits.relay.told_wait(),
        };
        self.send(conn, Reply::Signal(SignalReply::Entered(terms)));
    }

    fn crowded(&self) -> String {
        let SignalLimits { nodes, nodes_per_address, .. } = self.limits.signal;
        format!("expected at most {nodes} nodes here, {nodes_per_address} from one address; try again later")
    }
}
