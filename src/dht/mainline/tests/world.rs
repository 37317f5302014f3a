//! The task as a node has it, DHTs of our own, and strangers in them.

use super::super::*;
use crate::proto::mainline::{Fault, Item};
use crate::proto::network::NetworkId;
use crate::proto::unl::{Candidate, CandidateKind, Record};
use ::mainline::async_dht::AsyncDht;
use ::mainline::{Dht, MutableItem, Testnet};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Only to turn a hang into a failure.
pub(super) const WATCHDOG: Duration = Duration::from_secs(600);
pub(super) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

pub(super) fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(WATCHDOG, test).await.expect("hung") });
}

pub(super) fn network() -> Option<NetworkId> {
    Some(NetworkId::of("chess"))
}

pub(super) fn identity(n: u8) -> Arc<Identity> {
    Arc::new(Identity::from_secret(&[n; 32]))
}

pub(super) fn key(n: u8) -> PublicKey {
    identity(n).public()
}

pub(super) fn locator(n: u8, port: u16) -> UnlV3 {
    let candidates = vec![Candidate::new(CandidateKind::Lan, [127, 0, 0, n], port)];
    UnlV3::sign(Record { network: network(), candidates, ..Record::default() }, &identity(n)).unwrap()
}

/// An address of 127/8 that no other test has.
pub(super) fn address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// Fast, so that tests are.
pub(super) fn config(n: u8, bootstrap: &[String]) -> Config {
    let short = Duration::from_millis(200);
    let settings = Settings { poll: short, eager_poll: short, gap: short, ..Settings::new(network()) };
    let (bootstrap, bind) = (bootstrap.to_vec(), address());
    Config { identity: identity(n), settings, bootstrap, bind, port: 0, serve: false }
}

pub(super) struct Node {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) happenings: mpsc::Receiver<Happening>,
    pub(super) task: tokio::task::JoinHandle<()>,
    pub(super) udp: SocketAddr,
    pub(super) ip: Ipv4Addr,
}

impl Node {
    pub(super) async fn start(n: u8, bootstrap: &[String]) -> Node {
        Node::with(config(n, bootstrap)).await
    }

    pub(super) async fn with(config: Config) -> Node {
        let mut node = Node::begin(config);
        node.udp = node.online().await;
        node
    }

    pub(super) fn begin(config: Config) -> Node {
        let (orders, taken) = mpsc::channel(16);
        let (tell, happenings) = mpsc::channel(64);
        let ways = Ways {
            resolver: Resolver::new(),
            may_visit: Arc::new(|addr| addr.ip().is_loopback()),
            random: system_random(),
            seed: 1,
        };
        let ip = config.bind;
        let task = tokio::spawn(run(config, ways, taken, tell));
        Node { orders, happenings, task, udp: (ip, 0).into(), ip }
    }

    pub(super) async fn order(&self, order: Order) {
        self.orders.send(order).await.unwrap();
    }

    pub(super) async fn next<T>(&mut self, wanted: impl Fn(&Happening) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.happenings.recv().await.expect("the task has ended")) {
                return found;
            }
        }
    }

    pub(super) async fn online(&mut self) -> SocketAddr {
        self.next(|what| if let Happening::Online { udp } = what { Some(*udp) } else { None }).await
    }

    pub(super) async fn is(&mut self, wanted: Happening) {
        self.next(|what| (*what == wanted).then_some(())).await;
    }

    pub(super) async fn publish(&mut self, locator: UnlV3) {
        self.order(Order::Publish(Box::new(locator))).await;
        self.is(Happening::Published).await;
    }

    pub(super) async fn announce(&mut self, port: u16) {
        let own = vec![SocketAddr::from((self.ip, port))];
        self.order(Order::Announce { port: Some(port), own }).await;
        self.is(Happening::Announced).await;
    }

    /// All that comes until it is over.
    pub(super) async fn until_done(&mut self, wanted: u64) -> (Vec<Happening>, Result<(), Fault>) {
        let mut came = Vec::new();
        loop {
            match self.happenings.recv().await.expect("the task has ended") {
                Happening::Done { tag, outcome } if tag == wanted => return (came, outcome),
                other => came.push(other),
            }
        }
    }

    pub(super) async fn resolve(&mut self, tag: u64, of: u8) -> Result<UnlV3, Fault> {
        self.order(Order::Resolve { tag, key: key(of) }).await;
        let (came, outcome) = self.until_done(tag).await;
        let located = |what| match what {
            Happening::Located { locator, .. } => Some(*locator),
            _ => None,
        };
        let last = came.into_iter().filter_map(located).next_back();
        assert_eq!(outcome.is_ok(), last.is_some());
        outcome.map(|()| last.unwrap())
    }

    pub(super) async fn find(&mut self, tag: u64) -> BTreeSet<SocketAddr> {
        self.order(Order::Find { tag }).await;
        let (came, _) = self.until_done(tag).await;
        let found = |what| match what {
            Happening::Found { addrs, .. } => addrs,
            _ => Vec::new(),
        };
        came.into_iter().flat_map(found).collect()
    }

    pub(super) async fn send(&mut self, tag: u64, to: u8, message: &[u8]) -> Result<(), Fault> {
        self.order(Order::Send { tag, to: key(to), message: message.to_vec() }).await;
        self.until_done(tag).await.1
    }

    pub(super) async fn message(&mut self) -> (PublicKey, Vec<u8>) {
        self.next(|what| match what {
            Happening::Message { from, message, .. } => Some((*from, message.clone())),
            _ => None,
        })
        .await
    }

    pub(super) async fn leave(mut self) {
        self.order(Order::Leave).await;
        while self.happenings.recv().await.is_some() {}
        self.task.await.unwrap();
    }
}

pub(super) fn testnet(nodes: usize) -> Testnet {
    Testnet::builder(nodes).bind_address(LOOPBACK).build().unwrap()
}

/// A node of the DHT that is nobody's friend.
pub(super) fn stranger(bootstrap: &[String]) -> AsyncDht {
    Dht::builder().bootstrap(bootstrap).bind_address(address()).port(0).build().unwrap().as_async()
}

/// Puts into the DHT what this node of ours would never put there.
pub(super) async fn put(dht: &AsyncDht, who: &Identity, salt: &[u8], seq: i64, value: &[u8]) {
    let item = Item::sign(who, salt, seq, value).unwrap();
    let salt = (!salt.is_empty()).then_some(salt);
    let theirs = MutableItem::new_signed_unchecked(item.key.0, item.signature, value, seq, salt);
    dht.put_mutable(theirs, None).await.unwrap();
}
