//! TELL and HEARD: the way of a message, and what its sender learns of it.

use super::Rate;
use super::nodes::Sender;
use crate::proto::identity::PublicKey;
use crate::proto::rdv_msg::signal::{Reason, message_len};
use crate::proto::rdv_msg::{Reply, SignalReply};
use crate::proto::rdv_server::{ConnId, Event, Rendezvous, account_of};
use std::net::SocketAddr;
use std::time::Instant;

impl Rendezvous {
    pub(super) fn pass_on(
        &mut self,
        now: Instant,
        conn: ConnId,
        peer: SocketAddr,
        tag: u64,
        to: PublicKey,
        message: &str,
    ) {
        self.counters.tell += 1;
        let limits = &self.limits.signal;
        let Some(sender) = self.signal.nodes.get_mut(conn) else {
            return self.refuse(conn, Reason::Order, Some(tag), "expected ENTER and PROVE before TELL");
        };
        let bytes = message_len(message).unwrap_or(usize::MAX);
        if bytes > limits.size() {
            let expected = format!("expected a message of at most {} bytes", limits.size());
            return self.refuse(conn, Reason::Size, Some(tag), expected);
        }
        let too_often = |rate: Rate, how: &str| {
            format!("expected at most {} messages a second, {} at once, {how}", rate.per_second, rate.burst)
        };
        if !sender.may_tell(now, limits) {
            let expected = too_often(limits.messages, "from one node");
            return self.refuse(conn, Reason::Rate, Some(tag), expected);
        }
        let (from, sender) = (sender.id, Sender { conn, stay: sender.stay });
        let found =
            self.signal.nodes.get(conn).and_then(|sender| self.signal.nodes.find(&sender.network, &to));
        if !self.signal.addresses.take(now, account_of(peer.ip())) {
            let expected = too_often(limits.address, "from one address");
            return self.refuse(conn, Reason::Rate, Some(tag), expected);
        }
        let Some((there, receiver)) =
            found.and_then(|there| self.signal.nodes.get_mut(there).map(|receiver| (there, receiver)))
        else {
            self.counters.signal_absent += 1;
            return self.send(conn, Reply::Signal(SignalReply::Absent { tag }));
        };
        if !receiver.has_room(limits, bytes) {
            let expected = "expected the receiver to confirm earlier messages first; try again later";
            return self.refuse(conn, Reason::Queue, Some(tag), expected);
        }
        if let Err(how) = receiver.may_get(now, limits, from, peer.ip()) {
            let expected = format!("expected fewer messages {how}; try again later");
            return self.refuse(conn, Reason::Rate, Some(tag), expected);
        }
        let number = receiver.add(now, sender, tag, bytes);
        self.counters.signal_told += 1;
        self.log(Event::PassedOn { peer, to, bytes });
        self.send(conn, Reply::Signal(SignalReply::Told { tag }));
        let message = SignalReply::Message { number, from, message: message.to_owned() };
        self.send(there, Reply::Signal(message));
        self.reschedule(there);
    }

    pub(super) fn heard(&mut self, conn: ConnId, upto: u64) {
        self.counters.heard += 1;
        let Some(node) = self.signal.nodes.get_mut(conn) else {
            return self.refuse(conn, Reason::Order, None, "expected ENTER and PROVE before HEARD");
        };
        if upto > node.last() {
            let expected = format!("expected HEARD with the number of a MESSAGE, {} at most", node.last());
            return self.refuse(conn, Reason::Order, None, expected);
        }
        while let Some(message) = self.signal.nodes.get_mut(conn).and_then(|node| node.pop(upto)) {
            self.counters.signal_heard += 1;
            self.report(message.from, SignalReply::Heard { tag: message.tag });
        }
    }

    /// The connection has ended or its node has left: nobody can be reached there any more.
    pub(in crate::proto::rdv_server) fn signal_closed(
        &mut self,
        conn: ConnId,
        peer: SocketAddr,
        why: &'static str,
    ) {
        self.signal.entering.remove(&conn);
        let Some(mut node) = self.signal.nodes.remove(conn) else { return };
        self.log(Event::Left { peer, id: node.id, why });
        while let Some(message) = node.pop(u64::MAX) {
            self.counters.signal_unheard += 1;
            self.report(message.from, SignalReply::Unheard { tag: message.tag });
        }
    }

    /// Tells a sender what became of its message, if it is still here.
    fn report(&mut self, sender: Sender, what: SignalReply) {
        if self.signal.nodes.get(sender.conn).is_some_and(|node| node.stay == sender.stay) {
            self.send(sender.conn, Reply::Signal(what));
        }
    }
}
