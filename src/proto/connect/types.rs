//! What goes into the connector and what comes out of it.

use std::net::SocketAddr;

use super::report::Story;
use crate::error::Error;
use crate::event::Via;
use crate::proto::identity::PublicKey;
use crate::proto::punch::{self, Failure, Setup};
use crate::proto::rdv_msg::RelayToken;
use crate::proto::signal::Outcome;
use crate::proto::unl::UnlV3;

/// A connection, from its being dialled or accepted on; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A punch; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PunchId(pub u64);

/// Names an attempt to connect, and shows that whoever says it has heard of that attempt. All zeros: none.
pub type Token = [u8; 16];

/// What has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// [`super::Connector::deadline`] has come.
    Wake,
    /// A dial has succeeded.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// We are connected by a relay ([`Output::Relay`]): from now on the connection is the peer's and ours.
    Relayed {
        /// Which.
        conn: ConnId,
        /// The relay's end.
        at: SocketAddr,
    },
    /// A dial has failed, or a relay did not connect us.
    DialFailed {
        /// Which.
        conn: ConnId,
        /// The operating system's error number, 0 if none was involved.
        os_error: i32,
        /// Why, for people: `connection refused`.
        text: String,
    },
    /// A peer has introduced itself on a connection that it has opened (or that a punch has won, if we are the responder).
    Came {
        /// Which: from [`super::Connector::next_conn`], or the punch's winner.
        conn: ConnId,
        /// Who.
        peer: PublicKey,
        /// Its end.
        from: SocketAddr,
        /// The attempt that it says this belongs to.
        token: Token,
        /// Whether it has chosen this connection.
        chosen: bool,
        /// Whether it has shown that it is there now; else what it said may be a recording.
        live: bool,
    },
    /// The peer has answered on a connection that we have opened, and is who it should be.
    Met {
        /// Which: a dialled one, an initiator's punch, or a fresh name for one that the node dialled on its own account.
        conn: ConnId,
        /// Who.
        peer: PublicKey,
        /// Its end.
        at: SocketAddr,
        /// Whether it has chosen this connection.
        chosen: bool,
    },
    /// The peer's last word of the handshake is in, on a connection that it has opened: it is there now.
    Verdict {
        /// Which.
        conn: ConnId,
        /// Whether it has chosen this connection.
        chosen: bool,
    },
    /// The peer has chosen this connection, after the handshake.
    Chosen {
        /// Which.
        conn: ConnId,
    },
    /// A connection, or its handshake, has ended.
    Closed {
        /// Which.
        conn: ConnId,
        /// The operating system's error number, 0 if none was involved.
        os_error: i32,
        /// Why, for people.
        text: String,
    },
    /// A message is on its way to its receiver.
    Told {
        /// Which message.
        tag: u64,
        /// By which server.
        server: String,
    },
    /// What became of a message.
    Outcome {
        /// Which.
        tag: u64,
        /// What.
        outcome: Outcome,
    },
    /// A message of another node, as the server says.
    Message {
        /// By which server.
        server: String,
        /// Whose; what is in it has to prove it.
        from: PublicKey,
        /// The message, sealed ([`super::sealed`]); by a letter ([`super::MAINLINE`]), as it was when the letter was opened.
        bytes: Vec<u8>,
    },
    /// BitTorrent's DHT has a locator of the peer's, signed by it. Others may follow.
    Located {
        /// The look-up.
        tag: u64,
        /// The locator.
        locator: Box<UnlV3>,
    },
    /// The end of a look-up, or what became of a letter; once for each. `Ok`: something was found; the letter lies there.
    Searched {
        /// The look-up's, or the message's.
        tag: u64,
        /// Why not, for people.
        outcome: Result<(), String>,
    },
    /// A punch has something to say to the peer.
    PunchSend {
        /// Which.
        punch: PunchId,
        /// What.
        message: punch::Message,
    },
    /// A punch has ended.
    Punched {
        /// Which.
        punch: PunchId,
        /// A name for the connection, from [`super::Connector::next_conn`], and the peer's end; or why there is none.
        outcome: Result<(ConnId, SocketAddr), Failure>,
        /// What was tried, for people: technique, rounds, ports.
        text: String,
    },
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Connect.
    Dial {
        /// What to call it.
        conn: ConnId,
        /// Where to.
        to: SocketAddr,
        /// Whom it is meant for.
        peer: PublicKey,
    },
    /// Connect to a relay, a server or a node of the network, name this token, and wait there for the peer.
    Relay {
        /// What to call it.
        conn: ConnId,
        /// Whom it is meant for.
        peer: PublicKey,
        /// Where to, as `host:port`.
        server: String,
        /// Whether only the peer names it: think twice about where that leads.
        guest: bool,
        /// Whether it may be a node that relays for our network: show it that we are of that.
        prove: bool,
        /// What to name there.
        token: RelayToken,
        /// Whether it is us who greet ([`Output::Greet`] follows [`Input::Relayed`]); else the peer's greeting is awaited.
        ours: bool,
    },
    /// Begin the handshake on a connection that we have opened.
    Greet {
        /// Which.
        conn: ConnId,
        /// With whom.
        peer: PublicKey,
        /// The attempt that it belongs to.
        token: Token,
        /// Whether we have chosen this connection.
        chosen: bool,
    },
    /// Go on with the handshake, now that the peer is known: it is welcome.
    Answer {
        /// Which.
        conn: ConnId,
        /// Whether we have chosen this connection.
        chosen: bool,
    },
    /// Tell the peer that we have chosen this connection. The handshake is over.
    Choose {
        /// Which.
        conn: ConnId,
    },
    /// This is the connection to that peer; it is the program's from now on. Its [`Output::Done`]s follow.
    Open {
        /// Which.
        conn: ConnId,
        /// To whom.
        peer: PublicKey,
        /// The peer's end.
        at: SocketAddr,
        /// How it came to be.
        via: Via,
        /// How that went.
        story: Box<Story>,
    },
    /// The node has dialled this one on its own account, and is connected to who is there already. It is held for a moment, in
    /// case that the peer has lost the other one; whoever wanted it need not wait for that.
    Spare {
        /// Which.
        conn: ConnId,
    },
    /// Close, whatever state it is in: a dial, a handshake, or the program's connection. Nothing more is to be reported of it.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        why: Closing,
    },
    /// Send a message to a node.
    Tell {
        /// What to call it.
        tag: u64,
        /// To whom.
        to: PublicKey,
        /// By which servers, the best first; none: by our own. [`super::MAINLINE`] alone: by a letter in BitTorrent's DHT.
        via: Vec<String>,
        /// What: sealed to that node, for whoever carries it; not what becomes a letter, which is sealed as such.
        message: Vec<u8>,
    },
    /// Look in BitTorrent's DHT where a node is.
    LookUp {
        /// What to call it.
        tag: u64,
        /// Which node.
        peer: PublicKey,
    },
    /// Begin a punch.
    Punch {
        /// What to call it.
        punch: PunchId,
        /// How.
        begin: Box<Begin>,
    },
    /// The peer says something about a punch.
    PunchMessage {
        /// Which.
        punch: PunchId,
        /// What.
        message: punch::Message,
    },
    /// A punch is not wanted any more. [`Input::Punched`] still follows.
    PunchCancel {
        /// Which.
        punch: PunchId,
    },
    /// A request has ended; once for each. If it is well, the connection is open.
    Done {
        /// Which.
        request: u64,
        /// The connection, or why there is none.
        outcome: Result<ConnId, Error>,
        /// How it went.
        story: Box<Story>,
    },
    /// Something was refused that a well-behaved peer would not have sent. At most one a second on average.
    Log(String),
}

/// How a punch begins.
#[derive(Clone, Debug)]
pub enum Begin {
    /// With us.
    Initiate {
        /// Names the punch; nobody else knows it.
        token: punch::Token,
        /// What it is begun with.
        setup: Setup,
    },
    /// With the peer's offer.
    Respond {
        /// The offer.
        offer: punch::Message,
        /// What it is begun with.
        setup: Setup,
    },
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Another one was chosen.
    Beaten,
    /// The peer has come by another one, as it has lost this one. (It was the program's.)
    Replaced,
    /// The peer said nothing for too long.
    Silent,
    /// It is not wanted any more.
    GivenUp,
    /// The node has no room for it. On a connection that has just come: say so.
    Full,
    /// It is not one that we know.
    Unknown,
}

impl Closing {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Closing::Beaten => "another connection was chosen",
            Closing::Replaced => "the peer has come back by another connection",
            Closing::Silent => "the peer said nothing for too long",
            Closing::GivenUp => "it is not wanted any more",
            Closing::Full => "the node has no room for it",
            Closing::Unknown => "nobody waits for it",
        }
    }
}
