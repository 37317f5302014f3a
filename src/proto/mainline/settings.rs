//! What goes into the state machine and comes out of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::item::Item;
use super::letter::{SealError, Token};
use super::names::{InfoHash, members_hash, nodes_hash};
use crate::proto::identity::PublicKey;
use crate::proto::network::{NetworkId, NetworkKey};
use crate::proto::unl::UnlV3;

/// Now, by both clocks: the one that only counts, and the one that has a date (Unix seconds).
///
/// The date decides only about expiries of locators, and makes sequence numbers that grow across restarts. If it is
/// wrong, these numbers are taken from what the DHT has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// By the clock that only counts.
    pub at: Instant,
    /// Unix seconds.
    pub unix: u64,
}

/// 32 bytes that nobody can guess; `None` if the system has none.
pub type Random = Box<dyn FnMut() -> Option<[u8; 32]> + Send>;

/// Whether an address that strangers have named may be handed on as one to dial.
pub type MayVisit = Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>;

/// A query's name.
pub type Job = u64;

/// How a node uses the DHT.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's network.
    pub network: Option<NetworkId>,
    /// What its nodes share, if it has a key.
    pub network_key: Option<NetworkKey>,
    /// How many slots its mailbox has, at most [`super::MAX_SLOTS`]; 0 = it has none. Default 2.
    pub slots: u8,
    /// Pause between two looks into the mailbox. Default 30 s.
    pub poll: Duration,
    /// The same for [`Settings::eager_for`] after a message was sent, when answers are likely. Default 5 s.
    pub eager_poll: Duration,
    /// Default 60 s.
    pub eager_for: Duration,
    /// How long a mailbox is used until there is a new one. Default 30 min.
    pub rotate: Duration,
    /// How long the old mailbox is still looked into then. Default 2 min.
    pub grace: Duration,
    /// What is published is published again after so long; the DHT forgets after two hours. Default 1 h.
    pub republish: Duration,
    /// Least time between two times that the same is published, changed or not. Default 2 min.
    pub gap: Duration,
    /// Our address is announced again after so long. Default 15 min.
    pub announce: Duration,
    /// For how long an expired locator is still taken: our clock may be fast. Default 60 s.
    pub tolerance: Duration,
    /// Look-ups and messages under way at once. Default 16.
    pub errands: usize,
    /// For how long a look-up or a message may be under way. Default 30 s.
    pub patience: Duration,
    /// Messages that may be sent in a minute. Default 20.
    pub sends: usize,
    /// Messages that are taken in a minute; the rest waits in the mailbox. Default 30.
    pub letters: usize,
    /// The same for one sender. Default 6.
    pub letters_of_one: usize,
}

impl Settings {
    /// The defaults.
    pub fn new(network: Option<NetworkId>) -> Settings {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Settings {
            network,
            network_key: None,
            slots: 2,
            poll: Duration::from_secs(30),
            eager_poll: Duration::from_secs(5),
            eager_for: minutes(1),
            rotate: minutes(30),
            grace: minutes(2),
            republish: minutes(60),
            gap: minutes(2),
            announce: minutes(15),
            tolerance: minutes(1),
            errands: 16,
            patience: Duration::from_secs(30),
            sends: 20,
            letters: 30,
            letters_of_one: 6,
        }
    }
}

impl Settings {
    /// What nodes of the network announce themselves under.
    pub(super) fn nodes(&self) -> InfoHash {
        match &self.network_key {
            Some(key) => members_hash(self.network, key),
            None => nodes_hash(self.network),
        }
    }
}

/// What the I/O has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the DHT. Answers by [`super::Mainline::item`] or [`super::Mainline::peers`], any number; then exactly one
    /// [`super::Mainline::finished`].
    Query {
        /// The query's name.
        job: Job,
        /// What.
        query: Query,
    },
    /// Tell the rest of the node.
    Happening(Happening),
}

/// What the DHT is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The items of a key and salt.
    Get {
        /// The key.
        key: PublicKey,
        /// The salt; empty = none.
        salt: Vec<u8>,
    },
    /// Store an item.
    Put {
        /// The item.
        item: Box<Item>,
    },
    /// The addresses announced under a hash.
    Peers {
        /// The hash.
        hash: InfoHash,
    },
    /// Announce our address under a hash, with this TCP port.
    Announce {
        /// The hash.
        hash: InfoHash,
        /// The port.
        port: u16,
    },
}

/// Why a query has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// What was to be stored has a lower sequence number than what is there.
    Older,
    /// Anything else, in words.
    Failed(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Older => f.write_str("the DHT has something newer"),
            QueryError::Failed(why) => f.write_str(why),
        }
    }
}

/// What the rest of the node may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The node's part of the DHT runs, at this UDP address.
    Online {
        /// Where it listens.
        udp: SocketAddr,
    },
    /// It does not run, or not any more. It is started again.
    Offline {
        /// Why.
        why: String,
    },
    /// Nodes of the DHT say that our queries come from this address. No proof, but a hint where no server tells.
    Outside {
        /// The address.
        ip: IpAddr,
    },
    /// The locator is in the DHT, as what was published last or again.
    Published,
    /// Others can find our address under the network's hash.
    Announced,
    /// The mailbox is open, or has been renewed.
    MailboxOpen,
    /// Something did not work; it is tried again. For the log.
    Trouble(String),
    /// Half of the locator's time is over: make one that holds longer. Once for each locator.
    Renew {
        /// When it ends, in Unix seconds.
        expires: u64,
    },
    /// A locator of the key that was asked for, newer than those before it for this tag. Others may follow.
    Located {
        /// The look-up.
        tag: u64,
        /// Signed by that key, of our network, not expired.
        locator: Box<UnlV3>,
        /// The sequence number under which it was published; nodes use the Unix time.
        seq: i64,
    },
    /// Addresses of nodes of our network, none twice, as strangers tell: whether there is anybody, and who, shows when one
    /// connects.
    Found {
        /// The look-up.
        tag: u64,
        /// TCP addresses.
        addrs: Vec<SocketAddr>,
    },
    /// A message from another node, once.
    Message {
        /// Who sent it: proven.
        from: PublicKey,
        /// Its name.
        token: Token,
        /// What it says.
        message: Vec<u8>,
    },
    /// The end of a look-up, or what became of a message; once for each. `Ok`: something was found; the message lies in the
    /// receiver's mailbox (not: it was read).
    Done {
        /// Which.
        tag: u64,
        /// How it went.
        outcome: Result<(), Fault>,
    },
}

/// Why a look-up found nothing, or a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The DHT has nothing (of use) there.
    NotFound,
    /// The receiver has no mailbox, or none of our network.
    NoMailbox,
    /// Somebody has made all slots of the receiver's mailbox unusable.
    Blocked,
    /// It took too long.
    Timeout,
    /// Too many of this kind under way, or in the last minute.
    TooMany,
    /// Its length, or the receiver's key.
    Seal(SealError),
    /// The receiver is this node.
    Own,
    /// One with this tag is under way.
    Tag,
    /// The node's part of the DHT does not run.
    Offline,
    /// The node has left.
    Stopped,
    /// The system has no random numbers.
    NoRandom,
    /// The DHT would not store it, for this reason.
    Failed(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::NotFound => "the DHT has nothing of it",
            Fault::NoMailbox => "the peer takes no messages by the DHT in this network",
            Fault::Blocked => "somebody keeps the peer's mailbox in the DHT occupied",
            Fault::Timeout => "the DHT did not answer in time",
            Fault::TooMany => "expected fewer look-ups or messages by the DHT at once; try again later",
            Fault::Own => "expected another node's key, not our own",
            Fault::Tag => "expected a tag that nothing else under way has",
            Fault::Offline => "the DHT is not running yet, or no node of it can be reached",
            Fault::Stopped => "the DHT has been left",
            Fault::NoRandom => "the system has no random numbers",
            Fault::Seal(why) => return why.fmt(f),
            Fault::Failed(why) => return write!(f, "the DHT did not take the message: {why}"),
        })
    }
}

impl std::error::Error for Fault {}
