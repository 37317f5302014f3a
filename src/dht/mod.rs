//! Messages to nodes that no connection leads to: the seam between a net and whatever carries them.
//!
//! ```text
//!   actor ── Order (bounded) ─▶ a carrier: mailbox, Mainline   ── or a DHT_SEND event ─▶ the program's own DHT
//!     ▲                                │                                                  │ p2p_dht_deliver()
//!     └──── Happening (bounded) ───────┴──────────────────────────────────────────────────┘
//! ```
//!
//! A carrier is a task that takes [`Order`]s until it is told to leave, and reports [`Happening`]s. Both queues are bounded.
//! When the actor takes no happenings, because the program takes no events, a carrier fetches nothing more: messages
//! stay where they are. An order that finds no room is refused, not queued.
//!
//! A message is a text of 1 to [`MAX_TEXT`] bytes. How it looks on the wire is the carrier's business: the mailbox uses
//! PyP2P's form ([`crate::proto::dht_msg`]). It is never evaluated on the way.
//!
//! Who is who: nodes have 20-byte names ([`NodeId`]), written as 40 hexadecimal digits. They prove nothing. Whatever
//! a message asks for is checked by whoever acts on it.
//!
//! All this is the classic dialect's. In the secure one nodes are keys, and BitTorrent's DHT carries sealed bytes between them:
//! a task of the same kind with orders of its own, `mainline`.

#[cfg(feature = "mainline")]
pub(crate) mod mainline;

#[cfg(feature = "reach")]
mod mailbox;

use std::future::Future;
use std::pin::Pin;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::config::{Config, ServerKind};
use crate::error::Result;
use crate::node::key::random;
#[cfg(feature = "reach")]
use crate::node::log::log;
use crate::node::rendezvous::Reach;
use crate::node::shared::Shared;

pub(crate) use crate::proto::dht_id::NodeId;
#[cfg(feature = "reach")]
use crate::proto::dht_id::random_word;
pub(crate) use crate::proto::mailbox::{MAX_TEXT, Neighbour};

/// Orders that may wait for a carrier.
pub(crate) const ORDERS: usize = 64;
/// Happenings that may wait for the actor.
pub(crate) const HAPPENINGS: usize = 256;

/// What the node wants of a carrier.
#[derive(Debug)]
#[cfg_attr(not(feature = "reach"), allow(dead_code, reason = "there is no carrier in this build"))]
pub(crate) enum Order {
    /// Carry a message. There will be one [`Happening::Put`] with this tag.
    Put {
        /// The caller's name for it, used once.
        tag: u64,
        /// The receiver.
        to: NodeId,
        /// 1 to [`MAX_TEXT`] bytes.
        text: String,
    },
    /// The machine's network is another one: what hangs is given up, servers are tried at once.
    NetworkChanged,
    /// The end: the task gives everything up and ends. What was not answered is not reported any more.
    Leave,
}

/// What a carrier reports.
#[derive(Debug)]
#[cfg_attr(not(feature = "reach"), allow(dead_code, reason = "there is no carrier in this build"))]
pub(crate) enum Happening {
    /// The node can be reached by its name, or can again.
    Registered {
        /// Its name.
        node_id: NodeId,
        /// Where, for people.
        at: String,
    },
    /// A message has come, once.
    Message {
        /// Who sent it, if the carrier tells; "" otherwise. Nobody has checked it.
        from: String,
        /// What it says.
        text: String,
    },
    /// What became of a message: it is with the carrier (not: with the receiver), or the reason why not.
    Put {
        /// The caller's name for it.
        tag: u64,
        /// How it went.
        outcome: Result<()>,
    },
    /// Other nodes of the network, as far as the carrier knows.
    Neighbours(Vec<Neighbour>),
    /// Something does not work; it is tried again where that makes sense. For the log.
    Trouble(String),
}

/// Where happenings come in, of one net: the carrier's, and what the program hands in.
pub(crate) struct Inlet {
    /// For the carrier, and for the program's threads.
    pub(crate) tx: mpsc::Sender<Happening>,
    /// The actor's end, until it has taken it.
    rx: Mutex<Option<mpsc::Receiver<Happening>>>,
}

impl Inlet {
    pub(crate) fn new() -> Inlet {
        let (tx, rx) = mpsc::channel(HAPPENINGS);
        Inlet { tx, rx: Mutex::new(Some(rx)) }
    }

    /// The receiving end, once.
    pub(crate) fn take(&self) -> Option<mpsc::Receiver<Happening>> {
        self.rx.lock().take()
    }
}

/// The name by which a net of this configuration is sent messages; `None` = it takes none.
pub(crate) fn name(config: &Config) -> Option<NodeId> {
    let with_mailbox = || config.servers_of(ServerKind::Dht).next().map(|_| NodeId::random(&mut generator()));
    config.own_dht.or_else(with_mailbox)
}

/// A generator that nobody can foresee, for one name or one password.
pub(crate) fn generator() -> fastrand::Rng {
    // A system without randomness is no reason not to start: the name only has to be one that nobody else has.
    random().map_or_else(|_| fastrand::Rng::new(), |seed| fastrand::Rng::with_seed(u64::from_ne_bytes(seed)))
}

/// A carrier, to be run until it ends.
type Carrier = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The task that carries messages for a net of this configuration.
#[cfg(feature = "reach")]
pub(crate) fn carrier(
    shared: &Shared,
    reach: &Reach,
    id: NodeId,
    orders: mpsc::Receiver<Order>,
) -> Option<Carrier> {
    use crate::http::Address;
    use crate::proto::mailbox::{Server, Settings};
    let (mut servers, mut sites) = (Vec::new(), Vec::new());
    for name in shared.config.servers_of(ServerKind::Dht) {
        match Address::parse(name, "dht_msg.php") {
            Ok(address) => {
                servers.push(Server { name: name.to_owned(), style: mailbox::style(&address) });
                sites.push(address);
            }
            Err(e) => log!(shared, Warn, "mailbox {e}"),
        }
    }
    let password = random_word(&mut generator(), 30);
    let mut settings = Settings::new(id, &password, secret(), servers);
    settings.port = shared.info.lock().passive_port;
    if let Some(network) = shared.config.network {
        settings.network = network.to_string();
    }
    let ways = mailbox::Ways { resolver: reach.resolver.clone(), bound: reach.bound };
    Some(Box::pin(mailbox::run(settings, sites, ways, orders, shared.dht.tx.clone())))
}

/// Without HTTP there is none.
#[cfg(not(feature = "reach"))]
pub(crate) fn carrier(_: &Shared, _: &Reach, _: NodeId, _: mpsc::Receiver<Order>) -> Option<Carrier> {
    None
}

/// What tokens are made from.
#[cfg(feature = "reach")]
fn secret() -> [u8; 32] {
    random().unwrap_or_else(|_| {
        let mut rng = generator();
        std::array::from_fn(|_| rng.u8(..))
    })
}
