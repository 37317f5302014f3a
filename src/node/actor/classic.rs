//! What only nets of the classic dialect do with one another.

use super::Actor;
use crate::node::log::log;

impl Actor {
    /// REVERSE_CONNECT, REVERSE_QUERY or REVERSE_ORIGIN has come over the DHT ([`crate::proto::dht_msg::Reverse`] reads it).
    pub(super) fn reverse_message(&mut self, text: &str) {
        log!(self.shared, Debug, "not acted upon: {text}");
    }
}
