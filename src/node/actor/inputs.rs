//! What the actor is told, by the program and by its own tasks, and what else wakes it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::secure::{MainlineHappening, News};
use super::situation::Found;
use crate::dht::NodeId;
use crate::error::{Code, Result};
use crate::node::conn::Conn;
use crate::node::resolve::literal;
use crate::proto::connect::classic::Options;
use crate::proto::rdv_client::Answer;
use crate::proto::upkeep::Chore;

/// What the program asks for. Small: thousands may be asked for at once.
pub(crate) enum Command {
    Connect {
        request: u64,
        to: Target,
    },
    UnlConnect {
        request: u64,
        unl: String,
    },
    /// The same in the classic dialect, with what the program wants to have different.
    ClassicConnect {
        request: u64,
        unl: String,
        options: Box<Options>,
    },
    Bootstrap {
        request: u64,
    },
    Advertise {
        request: u64,
    },
    NetworkChanged,
    Cancel {
        request: u64,
    },
    Stop,
    /// Carry a message over the DHT.
    DhtPut {
        request: u64,
        to: Box<NodeId>,
        text: String,
    },
    /// The program has taken a message of ours that it is to carry; how that went.
    DhtSent {
        tag: u64,
        outcome: std::result::Result<(), Code>,
    },
}

/// Where the program wants a connection to.
pub(crate) enum Target {
    Address(SocketAddr),
    /// A name and a port.
    Name(String),
}

impl Target {
    pub(crate) fn new(host_port: &str) -> Target {
        literal(host_port).map_or_else(|| Target::Name(host_port.to_owned()), Target::Address)
    }
}

/// What a task reports.
pub(crate) enum Msg {
    Resolved {
        id: u64,
        found: Result<Vec<SocketAddr>>,
    },
    Dialled {
        id: u64,
        outcome: Result<(TcpStream, SocketAddr)>,
    },
    Opened {
        id: u64,
        outcome: Result<Arc<Conn>>,
    },
    /// An open connection has ended: its CLOSED event comes right after.
    Closed {
        id: u64,
    },
    /// Nothing is left of it.
    Gone {
        id: u64,
    },
    Server {
        chore: Chore,
        request: u64,
        outcome: Result<Answer>,
    },
    /// Something about the node's situation.
    Found(Found),
    /// Something about connecting in the secure dialect.
    Secure(News),
    /// From the channel by which simultaneous nodes are challenged.
    Channel(crate::node::simultaneous::Happening),
    Panicked(String),
}

/// What the actor is woken for.
pub(super) enum Input {
    Command(Command),
    Msg(Msg),
    Accepted(TcpStream, SocketAddr),
    AcceptFailed(std::io::Error),
    Timer,
    /// The queue may have room again: look whether connections may be accepted.
    Room,
    /// From whatever carries messages that no connection does.
    Dht(crate::dht::Happening),
    Signal(crate::proto::signal::Happening),
    Mainline(MainlineHappening),
}
