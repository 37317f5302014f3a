//! The handle's side of messages over the DHT.

use tokio::sync::mpsc::error::TrySendError;

use super::Net;
use crate::dht::{Happening, MAX_TEXT};
use crate::error::{Code, Error, Result};
use crate::node::actor::Command;
use crate::proto::dht_id::NodeId;
use crate::proto::dht_msg::MAX_PACKED;

/// The longest name of a sender.
const MAX_FROM: usize = 128;

impl Net {
    /// The name by which others send messages to this node; `None` if it has no DHT.
    pub fn dht_id(&self) -> Option<NodeId> {
        self.shared.dht_id
    }

    /// Sends a message of 1 to 8000 bytes to a node; DONE tells that it is with the carrier, not that it has arrived.
    ///
    /// # Errors
    /// [`Code::Unsupported`] without a DHT, [`Code::Invalid`] for an empty text, [`Code::TooLarge`]; [`Code::State`],
    /// [`Code::Closed`], [`Code::Limit`].
    pub fn dht_put(&self, to: NodeId, text: &str) -> Result<u64> {
        if self.shared.dht_id.is_none() {
            let message = "this net has no DHT (P2P_SERVER_DHT of p2p_config_add_server, p2p_config_set_dht)";
            return Err(Error::new(Code::Unsupported, message));
        }
        if text.is_empty() {
            return Err(Error::new(Code::Invalid, "the message is empty"));
        }
        if text.len() > MAX_TEXT {
            let message = format!("the message has {} bytes; expected at most {MAX_TEXT}", text.len());
            return Err(Error::new(Code::TooLarge, message));
        }
        self.request(|request| Command::DhtPut { request, to: Box::new(to), text: text.to_owned() })
    }

    /// Hands in a message that the program's own DHT has received for this node; `from` is who sent it, "" if not known.
    ///
    /// # Errors
    /// [`Code::Unsupported`] if the program carries no messages; [`Code::WouldBlock`] while 256 of them wait to be looked at:
    /// take events, and try again; [`Code::TooLarge`], [`Code::Invalid`], [`Code::State`], [`Code::Closed`].
    pub fn dht_deliver(&self, from: &str, text: &str) -> std::result::Result<(), Code> {
        if self.shared.config.own_dht.is_none() {
            return Err(Code::Unsupported);
        }
        self.running().map_err(|e| e.code)?;
        if text.len() > MAX_PACKED || from.len() > MAX_FROM {
            return Err(Code::TooLarge);
        }
        if text.is_empty() || from.contains('\0') {
            return Err(Code::Invalid);
        }
        let message = Happening::Message { from: from.to_owned(), text: text.to_owned() };
        self.shared.dht.tx.try_send(message).map_err(|e| match e {
            TrySendError::Full(_) => Code::WouldBlock,
            TrySendError::Closed(_) => Code::Closed,
        })
    }

    /// The program has taken a message to carry; how that went.
    pub(crate) fn dht_sent(&self, tag: u64, outcome: std::result::Result<(), Code>) {
        // A net that has ended has told the request so.
        self.command(Command::DhtSent { tag, outcome });
    }
}
