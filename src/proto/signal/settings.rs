//! What a node's signalling is told at its start, and what it tells.

use super::LinkId;
use crate::proto::identity::{PublicKey, Signature};
use crate::proto::rdv_msg::signal::{Network, Reason, Refused};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Signs for the node.
pub type Sign = Box<dyn Fn(&[u8]) -> Signature + Send>;

/// Who the node is and how it behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's key.
    pub id: PublicKey,
    /// Its network.
    pub network: Network,
    /// Servers as `host:port`, best first.
    pub servers: Vec<String>,
    /// In how many of them it stays. Default 2.
    pub homes: usize,
    /// At how many others it may be at once to reach somebody there. Default 8.
    pub guests: usize,
    /// A guest visit that was of no use for so long ends. Default 60 s: answers come the same way.
    pub linger: Duration,
    /// Pause between two ECHOs; shorter if the server wants to hear more often. Default 20 s.
    pub echo: Duration,
    /// For how long a server may be silent that has something to answer. Default 5 s.
    pub answer: Duration,
    /// For how long a message may be under way. Default 10 s.
    pub patience: Duration,
    /// Messages under way at once. Default 64.
    pub queue: usize,
}

impl Settings {
    /// The defaults, for a node.
    pub fn new(id: PublicKey, network: Network, servers: Vec<String>) -> Settings {
        Settings {
            id,
            network,
            servers,
            homes: 2,
            guests: 8,
            linger: Duration::from_secs(60),
            echo: Duration::from_secs(20),
            answer: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            queue: 64,
        }
    }
}

/// What the I/O has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to a server, and report by [`super::Signalling::dialled`].
    Dial {
        /// The connection's name.
        link: LinkId,
        /// `host:port`.
        server: String,
        /// It is named by a peer, not by the settings: think twice about where that leads.
        guest: bool,
    },
    /// Send this text as it is. It is CRLF-ended lines.
    Write {
        /// On which connection.
        link: LinkId,
        /// What.
        text: String,
    },
    /// End a connection, or the attempt, after what is still to be sent on it. Nothing more needs to be reported of it.
    HangUp {
        /// Which connection.
        link: LinkId,
    },
    /// Tell the rest of the node.
    Happening(Happening),
}

/// What the rest of the node may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The node can be reached at a server.
    Entered {
        /// Which, as it is called in locators and settings.
        server: String,
        /// Its address.
        at: SocketAddr,
        /// It stays: locators should name it. Told again when a guest visit becomes a stay.
        home: bool,
        /// It says that it relays (`docs/protocol-rendezvous.md`, section 9).
        relay: bool,
    },
    /// A connection to a server has ended, or did not come about. It is tried again where that makes sense.
    Left {
        /// Which.
        server: String,
        /// Whether the node could be reached there.
        entered: bool,
        /// Why.
        end: End,
    },
    /// The way to a server was measured.
    Rtt {
        /// Which.
        server: String,
        /// The least round trip lately.
        least: Duration,
    },
    /// A message from another node.
    Message {
        /// By which server: an answer finds its sender there.
        server: String,
        /// The sender. The server vouches for it; what is in the message should prove it.
        from: PublicKey,
        /// What it says.
        message: Vec<u8>,
    },
    /// The receiver of a message is at this server, and the message on its way to it. [`Happening::Done`] follows.
    Told {
        /// Which message.
        tag: u64,
        /// Which server.
        server: String,
    },
    /// What became of a message; once for each.
    Done {
        /// Which message.
        tag: u64,
        /// What.
        outcome: Outcome,
    },
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver's side has confirmed it.
    Heard {
        /// By which server it went.
        server: String,
        /// From sending it to the confirmation: the round trip to the peer by way of the server.
        rtt: Duration,
    },
    /// It was on its way, but the receiver left, or did not confirm it in time. It may have arrived.
    Unheard,
    /// None of the servers knows the receiver. It has not arrived.
    Absent,
    /// The server would not pass it on. It has not arrived.
    Refused(Refused),
    /// The connection to the server ended, or the server was silent, before it could say. It may have arrived.
    Lost,
    /// No server could be asked in time, for this reason. It has not arrived.
    Unreachable(String),
    /// It was not taken in the first place. (Of two messages with one tag under way this is the second.)
    NotTaken(TellError),
}

impl Outcome {
    /// Whether the receiver may have it.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Outcome::Heard { .. } | Outcome::Unheard | Outcome::Lost)
    }
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TellError {
    /// As many messages are under way as may be.
    Full,
    /// It is empty, or longer than any server takes.
    Size,
    /// A message with this tag is under way.
    Tag,
    /// No server is known.
    NoServer,
    /// The node has left.
    Stopped,
}

impl fmt::Display for TellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TellError::Full => "expected fewer messages under way at once; try again later",
            TellError::Size => "expected a message of 1 to 8192 bytes",
            TellError::Tag => "expected a tag that no other message under way has",
            TellError::NoServer => "expected a server of the receiver, or one of our own",
            TellError::Stopped => "signalling has ended",
        })
    }
}

impl std::error::Error for TellError {}

/// Why a connection to a server has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It could not be made.
    Dial(String),
    /// It broke.
    Lost(String),
    /// The server did not answer in time.
    Silent,
    /// The same key has entered there by another connection.
    Replaced,
    /// The server would not have us.
    Refused(Refused),
    /// It is a server without signalling.
    NoSignalling,
    /// It is this server by another name, where we are already.
    SameAs(String),
    /// [`super::Signalling::network_changed`]
    NetworkChanged,
    /// We went, being done there.
    Left,
}

impl End {
    /// The least pause before that server is tried again.
    pub(super) fn pause(&self) -> Duration {
        Duration::from_secs(match self {
            End::Dial(_) | End::Lost(_) | End::Silent | End::NetworkChanged | End::SameAs(_) | End::Left => 0,
            // Somebody else has our key, and will be told the same: no game of ping-pong.
            End::Replaced => 60,
            // That takes a change at one of the ends.
            End::Refused(Refused { reason: Reason::Proof | Reason::Server | Reason::Line, .. }) => 600,
            End::Refused(_) => 10,
            End::NoSignalling => 3600,
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Dial(why) | End::Lost(why) => f.write_str(why),
            End::Silent => f.write_str("it did not answer in time"),
            End::Replaced => f.write_str("this node has entered there by another connection"),
            End::Refused(refused) => refused.fmt(f),
            End::NoSignalling => f.write_str("it does no signalling"),
            End::SameAs(other) => write!(f, "it is {other} by another name"),
            End::NetworkChanged => f.write_str("the network has changed"),
            End::Left => f.write_str("left"),
        }
    }
}
