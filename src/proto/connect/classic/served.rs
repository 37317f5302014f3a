//! What peers ask of us, and what they answer: the messages over the DHT.

use std::time::Instant;

use super::decide::Way;
use super::machine::Classic;
use super::request::Request;
use super::reverse::AT_ONCE;
use super::types::{Options, Output, Us};
use crate::proto::conn_id::Nonce;
use crate::proto::dht_msg::{Ask, Reverse};
use crate::proto::unl::UnlV2;

impl Classic {
    /// A message has come. `false`: it is none of ours, but the program's.
    pub fn message(&mut self, now: Instant, us: &Us, text: &str) -> bool {
        let Some(read) = Reverse::parse(text) else { return false };
        match read {
            Ok(Reverse { ask: Ask::Connect(nonce), unl, node }) => self.asked(now, us, unl, node, nonce),
            Ok(Reverse { ask: Ask::Query, node, .. }) => self.queried(now, us, node),
            Ok(Reverse { ask: Ask::Origin, node, .. }) => match self.book.confirmed(&node) {
                Some(_) => self.note(format!("{} says it asked for the connection", node.wan_ip)),
                None => {
                    self.note(format!("{} says it asked for a connection that was not made", node.wan_ip))
                }
            },
            Err(e) => self.note(format!("a REVERSE message that cannot be read: {e}")),
        }
        self.settle(now, us);
        true
    }

    fn note(&mut self, text: String) {
        self.outputs.push_back(Output::Note(text));
    }

    /// A node wants us to connect to it.
    fn asked(&mut self, now: Instant, us: &Us, text: &str, node: UnlV2, nonce: Nonce) {
        let options = Options { nonce: Some(nonce), ..Options::default() };
        let mut request = Request::new(now, us, 0, (text, node), options, nonce);
        // Only what we begin: it waits already.
        request.ways.retain(|way| matches!(way, Way::Dial | Way::Punch));
        let connected = |link: &super::Link| super::matching::is_named(us, link, &request.meeting, nonce);
        let refusal = if us.text.is_none() || !us.dht || node.node_id == [0; 20] {
            Some("it could not be asked whether it said so")
        } else if node.is_same_node(&us.unl) {
            Some("that is this node itself")
        } else if request.ways.is_empty() {
            Some("neither of us can be reached")
        } else if self.unclaimed.values().any(connected) {
            Some("it is connected already")
        } else if self.requests.values().filter(|r| r.by_peer()).count() >= AT_ONCE {
            Some("too many at once")
        } else {
            self.book.may_follow(now, &node, &nonce).err().map(super::reverse::Ignored::text)
        };
        let address = request.address();
        match refusal {
            Some(why) => self.note(format!("{address} asks to be connected to; not done: {why}")),
            None => {
                self.note(format!("{address} asks to be connected to"));
                self.enter(request);
            }
        }
    }

    /// Asks whoever wanted this connection whether it did.
    pub(super) fn query(&mut self, now: Instant, us: &Us, conn: u64, node: UnlV2) {
        let ours = us.text.as_deref().unwrap_or_default();
        match Reverse::new(Ask::Query, ours) {
            Ok(message) => {
                let (tag, text) = (self.fresh(), message.to_string());
                self.book.query(conn, node, tag, now + self.limits.origin);
                self.outputs.push_back(Output::Put { tag, to: node.node_id, text });
            }
            // Our WAN address has just been lost.
            Err(_) => self.outputs.push_back(Output::Close { conn, why: "we cannot ask who wanted it" }),
        }
    }

    /// A node wants to know whether we have asked it to connect.
    fn queried(&mut self, now: Instant, us: &Us, node: UnlV2) {
        if !self.book.did_ask(now, &node) {
            return self.note(format!("{} asks about a connection that we did not ask for", node.wan_ip));
        }
        self.note(format!("{} asks whether we asked for its connection", node.wan_ip));
        let Some(ours) = us.text.as_deref() else { return };
        if let Ok(message) = Reverse::new(Ask::Origin, ours) {
            let (tag, text) = (self.fresh(), message.to_string());
            self.outputs.push_back(Output::Put { tag, to: node.node_id, text });
        }
        if ours.contains('+') {
            // An original takes our UNL for a regular expression, in which `x+` stands for one x or more. This is what
            // matches it; everybody else cannot read it and passes it over.
            let (tag, matching) = (self.fresh(), super::steps::spell_for_pattern(ours).replace('+', ""));
            let text = format!("REVERSE_ORIGIN:{matching}");
            self.outputs.push_back(Output::Put { tag, to: node.node_id, text });
        }
    }
}
