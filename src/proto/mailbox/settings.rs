//! What a mailbox client is told at its start, what it has done, and what it tells.

use std::fmt;
use std::time::Duration;

use super::answer::Neighbour;
use super::call::{Call, Style};
use crate::proto::dht_id::NodeId;

/// Servers that are used; further ones are not.
pub const MOST_SERVERS: usize = 4;

/// A mailbox server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name for people.
    pub name: String,
    /// In whose words it is asked.
    pub style: Style,
}

/// Who the node is and how it behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name.
    pub id: NodeId,
    /// What keeps strangers from reading its messages; sent in the clear.
    pub password: String,
    /// Its network, as servers know it. Default `default`, as in PyP2P.
    pub network: String,
    /// The port it listens on, which servers tell its neighbours.
    pub port: u16,
    /// The servers, best first; of these [`MOST_SERVERS`].
    pub servers: Vec<Server>,
    /// For tokens that nobody can foresee.
    pub secret: [u8; 32],
    /// For how long an answer is waited for that need not wait for anything. Default 5 s, as in PyP2P.
    pub answer: Duration,
    /// For how long a script is asked for messages on one connection. Default 600 s.
    pub long_poll: Duration,
    /// Pause between two signs of life. Default 595 s, as in PyP2P.
    pub alive: Duration,
    /// For how long a message may be under way. Default 30 s.
    pub patience: Duration,
    /// Messages under way at once. Default 64.
    pub queue: usize,
}

impl Settings {
    /// The defaults, for a node.
    pub fn new(id: NodeId, password: &str, secret: [u8; 32], servers: Vec<Server>) -> Settings {
        let secs = Duration::from_secs;
        Settings {
            id,
            password: password.to_owned(),
            network: "default".to_owned(),
            port: 0,
            servers,
            secret,
            answer: secs(5),
            long_poll: secs(600),
            alive: secs(595),
            patience: secs(30),
            queue: 64,
        }
    }
}

/// The name of a request that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What the I/O has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a server, and report by [`super::Mailbox::answered`].
    Ask {
        /// The request's name.
        id: CallId,
        /// Which server, by its place in [`Settings::servers`].
        server: usize,
        /// What is asked.
        call: Call,
        /// Path and query of the URL.
        path: String,
        /// For how long to wait for the whole answer.
        limit: Duration,
        /// Bytes the answer may have.
        longest: usize,
    },
    /// Break a request off; its answer does not matter any more.
    GiveUp(CallId),
    /// Tell the rest of the node.
    Happening(Happening),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// What came of the body.
    pub body: Vec<u8>,
    /// Why there is no more of it.
    pub broke: Option<String>,
}

/// Why there is no answer at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoReply {
    /// The limit of the request has passed.
    pub is_late: bool,
    /// For people.
    pub why: String,
}

/// What the rest of the node may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The node has a mailbox there, or has it again.
    Registered {
        /// The server's name.
        server: String,
    },
    /// A message has come.
    Message {
        /// What it says.
        text: String,
    },
    /// What became of a message.
    Put {
        /// The caller's name for it.
        tag: u64,
        /// With a server, or why not.
        outcome: Result<(), PutError>,
    },
    /// Other nodes of the network.
    Neighbours(Vec<Neighbour>),
    /// Something does not work; it is told once until it works again.
    Trouble(String),
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError {
    /// Too many are under way.
    Queue(usize),
    /// Nothing, or more than fits.
    Size(String),
    /// A server says that it never will.
    Never(String),
    /// No server has said in time that it has it. One may have it all the same.
    Late {
        /// For how long it was tried.
        patience: Duration,
        /// What went wrong last, if anything.
        last: String,
    },
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Queue(most) => write!(f, "{most} messages are under way already"),
            PutError::Size(why) => f.write_str(why),
            PutError::Never(why) => write!(f, "the mailbox refuses the message: {why}"),
            PutError::Late { patience, last } => {
                write!(f, "no mailbox took the message within {} s", patience.as_secs())?;
                if last.is_empty() { Ok(()) } else { write!(f, ": {last}") }
            }
        }
    }
}

impl std::error::Error for PutError {}
