//! What the rendezvous server did, for logs and counters.

use super::{CloseReason, Refusal};
use crate::proto::identity::PublicKey;
use crate::proto::rdv_msg::RelayReason;
use crate::proto::rdv_msg::signal::Reason;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

/// Something worth a line in a log. [`Event::what`] names it, [`Event::fields`] gives the details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection was taken.
    Opened {
        /// Who connected.
        peer: SocketAddr,
    },
    /// A connection was not taken.
    Refused {
        /// Who tried to connect.
        peer: SocketAddr,
        /// Why not.
        why: Refusal,
    },
    /// The server ended a connection.
    Closing {
        /// Its peer.
        peer: SocketAddr,
        /// Why.
        why: CloseReason,
    },
    /// A connection has ended.
    Closed {
        /// Its peer.
        peer: SocketAddr,
    },
    /// A node registered.
    Registered {
        /// The connection it used.
        peer: SocketAddr,
        /// `passive` or `simultaneous`.
        kind: &'static str,
        /// The port it named.
        port: u32,
    },
    /// A BOOTSTRAP was answered.
    Bootstrapped {
        /// Who asked.
        peer: SocketAddr,
        /// How many nodes it was told.
        nodes: usize,
    },
    /// A node was forgotten because it asked for that.
    Cleared {
        /// Who asked.
        peer: SocketAddr,
    },
    /// A registration ran out.
    Expired {
        /// The node's address.
        ip: IpAddr,
    },
    /// Somebody wants to punch a hole to a node.
    Candidate {
        /// Who.
        peer: SocketAddr,
        /// To which node.
        node: IpAddr,
    },
    /// A node accepted, and its challenger was told.
    Fight {
        /// The node.
        peer: SocketAddr,
        /// The challenger.
        challenger: IpAddr,
    },
    /// A line was answered by silence.
    Ignored {
        /// Who sent it.
        peer: SocketAddr,
        /// Why.
        why: &'static str,
    },
    /// A node can be reached by signalling.
    Entered {
        /// Its connection.
        peer: SocketAddr,
        /// Who it is.
        id: PublicKey,
    },
    /// It no longer can.
    Left {
        /// Its connection.
        peer: SocketAddr,
        /// Who it is.
        id: PublicKey,
        /// Why.
        why: &'static str,
    },
    /// A message was passed on.
    PassedOn {
        /// The sender's connection.
        peer: SocketAddr,
        /// The receiver.
        to: PublicKey,
        /// The message's length.
        bytes: usize,
    },
    /// A connection was left to the relay.
    ToRelay {
        /// Who.
        peer: SocketAddr,
    },
    /// A RELAY was refused.
    NotRelayed {
        /// Who.
        peer: SocketAddr,
        /// Why.
        reason: RelayReason,
    },
    /// A line of signalling was refused.
    Unwilling {
        /// Who sent it.
        peer: SocketAddr,
        /// Why.
        reason: Reason,
    },
}

impl Event {
    /// What happened, in a word or two.
    pub fn what(&self) -> &'static str {
        match self {
            Event::Opened { .. } => "opened",
            Event::Refused { .. } => "refused",
            Event::Closing { .. } => "closing",
            Event::Closed { .. } => "closed",
            Event::Registered { .. } => "registered",
            Event::Bootstrapped { .. } => "bootstrapped",
            Event::Cleared { .. } => "cleared",
            Event::Expired { .. } => "expired",
            Event::Candidate { .. } => "candidate",
            Event::Fight { .. } => "fight",
            Event::Ignored { .. } => "ignored",
            Event::Entered { .. } => "entered",
            Event::Left { .. } => "left",
            Event::PassedOn { .. } => "passed-on",
            Event::ToRelay { .. } => "to-relay",
            Event::NotRelayed { .. } => "not-relayed",
            Event::Unwilling { .. } => "unwilling",
        }
    }

    /// Whether an operator wants to see it without asking for details: a limit was hit.
    pub fn is_notable(&self) -> bool {
        match self {
            Event::Refused { .. } => true,
            Event::Closing { why, .. } => !matches!(
                why,
                CloseReason::Quit | CloseReason::Idle | CloseReason::Replaced | CloseReason::Unheard
            ),
            _ => false,
        }
    }

    /// Calls `field` with the name and value of each detail.
    pub fn fields(&self, field: &mut dyn FnMut(&'static str, &dyn Display)) {
        match self {
            Event::Opened { peer }
            | Event::Closed { peer }
            | Event::Cleared { peer }
            | Event::ToRelay { peer } => {
                field("peer", peer);
            }
            Event::Refused { peer, why } => {
                field("peer", peer);
                field("why", &why.word());
            }
            Event::Closing { peer, why } => {
                field("peer", peer);
                field("why", &why.word());
            }
            Event::Registered { peer, kind, port } => {
                field("peer", peer);
                field("kind", kind);
                field("port", port);
            }
            Event::Bootstrapped { peer, nodes } => {
                field("peer", peer);
                field("nodes", nodes);
            }
            Event::Expired { ip } => field("ip", ip),
            Event::Candidate { peer, node } => {
                field("peer", peer);
                field("node", node);
            }
            Event::Fight { peer, challenger } => {
                field("peer", peer);
                field("challenger", challenger);
            }
            Event::Ignored { peer, why } => {
                field("peer", peer);
                field("why", why);
            }
            Event::Entered { peer, id } => {
                field("peer", peer);
                field("node", id);
            }
            Event::Left { peer, id, why } => {
                field("peer", peer);
                field("node", id);
                field("why", why);
            }
            Event::PassedOn { peer, to, bytes } => {
                field("peer", peer);
                field("to", to);
                field("bytes", bytes);
            }
            Event::NotRelayed { peer, reason } => {
                field("peer", peer);
                field("why", reason);
            }
            Event::Unwilling { peer, reason } => {
                field("peer", peer);
                field("why", reason);
            }
        }
    }
}

/// How often each thing happened since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field counts the verb or the happening it is named after")]
pub struct Counters {
    pub opened: u64,
    pub refused: u64,
    pub closed_by_us: u64,
    pub bootstrap: u64,
    pub passive_ready: u64,
    pub simultaneous_ready: u64,
    pub source_tcp: u64,
    pub observe: u64,
    pub candidate: u64,
    pub accept: u64,
    pub clear: u64,
    pub quit: u64,
    pub ignored: u64,
    pub expired: u64,
    pub replies: u64,
    pub enter: u64,
    pub prove: u64,
    pub tell: u64,
    pub heard: u64,
    pub echo: u64,
    pub leave: u64,
    pub relay: u64,
    pub signal_told: u64,
    pub signal_absent: u64,
    pub signal_heard: u64,
    pub signal_unheard: u64,
    pub signal_replaced: u64,
    /// In the order of [`Reason::ALL`].
    pub signal_refused: [u64; Reason::ALL.len()],
    /// Before the relay was asked; in the order of [`RelayReason::ALL`].
    pub relay_refused: [u64; RelayReason::ALL.len()],
}
