//! A node: its connector, and what the I/O around it has to remember.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use p2pnet::error::Error;
use p2pnet::event::Via;
use p2pnet::proto::connect::report::Story;
use p2pnet::proto::connect::{Connector, PunchId, Token};
use p2pnet::proto::identity::{Identity, PublicKey};
use p2pnet::proto::punch::{self, Budget, Frame, Session, SlotId};
use p2pnet::proto::unl::UnlV3;

use p2pnet::proto::rdv_msg::RelayToken;

use crate::net::Net;
use crate::relay::End;

/// What the host calls a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Conn(u64),
    Punch(PunchId, punch::ConnId),
}

/// What goes over a connection.
#[derive(Clone, Debug)]
pub enum Data {
    Frame(Frame),
    /// The handshake: who sends it is proved, and only who it is for can answer.
    Greeting {
        from: PublicKey,
        to: PublicKey,
        token: Token,
        chosen: bool,
    },
    Reply {
        chosen: bool,
    },
    Third {
        chosen: bool,
    },
    Choose,
    /// Its sender relays for the network, there.
    Relays(SocketAddr),
    /// The program's.
    Line,
}

/// How far the I/O is with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Dialling,
    /// Accepted; the greeting is awaited.
    Accepted,
    /// The connector has been told of the peer, or is waiting for the reply.
    Shaking,
    Open,
}

#[derive(Debug)]
pub struct Link {
    pub ours: bool,
    pub step: Step,
    pub peer: Option<PublicKey>,
    pub since: Instant,
    /// A line that came before the program had the connection.
    pub line: Option<Instant>,
}

#[derive(Debug)]
pub struct Opened {
    pub peer: PublicKey,
    pub via: Via,
    pub at: Instant,
    /// When the other side's line was there.
    pub line: Option<Instant>,
    pub closed: Option<Instant>,
}

pub struct Request {
    pub to: usize,
    pub at: Instant,
    pub done: Option<(Instant, Result<u64, Error>, Story)>,
}

pub struct Punch {
    pub session: Session,
    pub slots: BTreeMap<SlotId, u16>,
    pub due: BTreeMap<punch::ConnId, Instant>,
    pub wake: Option<Instant>,
    pub v6: bool,
}

pub struct Node {
    pub key: PublicKey,
    pub identity: Identity,
    pub connector: Connector,
    pub locator: UnlV3,
    pub listen: u16,
    pub servers: BTreeSet<String>,
    pub budget: Budget,
    pub punches: BTreeMap<PunchId, Punch>,
    pub links: BTreeMap<u64, Link>,
    pub opened: BTreeMap<u64, Opened>,
    pub requests: BTreeMap<u64, Request>,
    pub wake: Option<Instant>,
    /// Winners of punches, by their names in the punch.
    pub winners: BTreeMap<(PunchId, punch::ConnId), u64>,
    /// Dialled, for the limits.
    pub dials: Vec<(PublicKey, SocketAddr)>,
    /// Messages told.
    pub told: usize,
    /// Nodes that relay, as its locators have named them.
    pub named: BTreeSet<String>,
}

pub enum Event {
    Wake(usize),
    PunchWake(usize, PunchId),
    Message {
        to: usize,
        from: PublicKey,
        server: String,
        bytes: Vec<u8>,
    },
    Told(usize, u64, String),
    Outcome(usize, u64, p2pnet::proto::signal::Outcome),
    PunchDial(usize, PunchId, punch::ConnId, crate::tcp::Key, bool),
    Bound(usize, PunchId, SlotId, bool),
    Asked(usize, PunchId, SlotId, u16),
    NoGreeting(usize, u64),
    /// A connection has named its token.
    AtRelay(End, RelayToken),
    RelayGo(End),
    RelayLate(End),
    RelayData(End, Box<Data>),
    RelayEnd(End, &'static str),
    Action(crate::plan::Action),
}

pub type Network = Net<Event, Name, Data>;
