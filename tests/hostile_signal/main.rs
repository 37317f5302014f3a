//! Nodes that meet at a hostile rendezvous server: it reads, changes, redirects, repeats, forges and drops what they say to each
//! other. Nothing of that gets through: they are connected, or their programs are told why not.
//!
//! Alice's program has a locator of Bob's that names no address. So she has to call him by the server; then he connects to her, or
//! she to where he says that he is.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may fail anywhere")]

mod server;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use p2pnet::config::{Config, ServerKind};
use p2pnet::error::Code;
use p2pnet::event::{Event, Kind, LogLevel, Via};
use p2pnet::proto::connect::message::Message;
use p2pnet::proto::connect::{Seals, sealed};
use p2pnet::proto::handshake::Myself;
use p2pnet::proto::identity::Identity;
use p2pnet::proto::unl::{Record, UnlV3};
use p2pnet::testing::{TestNode, alone, talk};
use server::{Evil, Passing};

/// A test that waits this long for something hangs.
const HUNG: Duration = Duration::from_secs(120);

fn identity() -> Arc<Identity> {
    Arc::new(Identity::from_secret(&std::array::from_fn(|_| fastrand::u8(..))))
}

fn config(evil: &Evil, key: &Arc<Identity>) -> Config {
    let mut config = Config { log_level: LogLevel::Info, key: Some(Arc::clone(key)), ..alone() };
    config.add_server(ServerKind::Rendezvous, &evil.at.to_string()).unwrap();
    config
}

fn start(config: Config) -> TestNode {
    let node = TestNode::start(config).unwrap();
    node.logged("signalling: entered");
    node
}

fn node(evil: &Evil, key: &Arc<Identity>) -> TestNode {
    start(config(evil, key))
}

/// A locator that names the server and no address.
fn nowhere(evil: &Evil, key: &Identity) -> String {
    let servers = vec![evil.at.to_string().parse().unwrap()];
    UnlV3::sign(Record { servers, ..Record::default() }, key).unwrap().text().to_owned()
}

struct Pair {
    evil: Evil,
    keys: [Arc<Identity>; 2],
    alice: TestNode,
    bob: TestNode,
}

impl Pair {
    fn new(deed: impl FnMut(Passing, &[Passing]) -> Vec<Passing> + Send + 'static) -> Pair {
        let (evil, keys) = (Evil::start(deed), [identity(), identity()]);
        let [alice, bob] = keys.each_ref().map(|key| node(&evil, key));
        Pair { evil, keys, alice, bob }
    }

    /// Alice wants to be connected to Bob: how her request ends.
    fn connect(&self) -> Event {
        let request = self.alice.net.unl_connect(&nowhere(&self.evil, &self.keys[1])).unwrap();
        self.alice.done(request)
    }

    /// She is, and both have that one connection.
    fn connected(&self) -> (u64, u64) {
        let done = self.connect();
        assert_eq!(done.result, Ok(()), "{done:?}");
        let there = self.bob.expect(Kind::Opened).conn;
        talk(&self.alice, done.conn, &self.bob, there, 1);
        assert_eq!((self.alice.net.conns(), self.bob.net.conns()), (vec![done.conn], vec![there]));
        (done.conn, there)
    }

    /// She is not, and hears why; Bob has done nothing about it.
    fn not_connected(&self) -> String {
        let done = self.connect();
        assert_eq!(done.result, Err(Code::NoPath), "{done:?}");
        assert_eq!((self.alice.net.stats().opened, self.bob.net.stats().opened), (0, 0));
        done.text().into_owned()
    }
}

fn faithful(passing: Passing, _: &[Passing]) -> Vec<Passing> {
    vec![passing]
}

#[test]
fn it_reads_what_it_passes_on() {
    let pair = Pair::new(faithful);
    pair.connected();
    let seen = pair.evil.seen();
    let unl = pair.alice.net.unl().unwrap();
    // Enough of a locator to recognise it: of its text, of what that stands for.
    let record = p2pnet::proto::rdv_msg::signal::message_bytes(&unl[4..]).unwrap();
    let port = pair.alice.listens().port().to_be_bytes();
    let ip = match pair.alice.listens() {
        SocketAddr::V4(at) => at.ip().octets(),
        SocketAddr::V6(_) => unreachable!(),
    };
    assert!(seen.len() >= 2, "a call and an answer");
    for passing in &seen {
        let holds = |what: &[u8]| passing.bytes.windows(what.len()).any(|window| window == what);
        for what in
            [&unl.as_bytes()[..20], &unl.as_bytes()[60..80], &record[..12], &[&ip[..], &port].concat()]
        {
            assert!(!holds(what), "{what:?} is to be read in {passing:?}");
        }
        assert!(Message::decode(&passing.bytes).is_err());
        assert!(passing.bytes.len() > sealed::OVERHEAD && passing.bytes.len() <= sealed::MAX_LEN);
        // With its own key it opens nothing, whoever it says that it is.
        let mut own = Seals::new(Instant::now(), Myself::new(&identity()), [1; 32]);
        assert!(own.open("it", &passing.from, &passing.bytes).is_err());
    }
}

#[test]
fn it_changes_every_message() {
    let pair = Pair::new(|mut passing, _| {
        let at = fastrand::usize(..passing.bytes.len());
        passing.bytes[at] ^= 1 << fastrand::u8(..8);
        vec![passing]
    });
    let why = pair.not_connected();
    assert!(why.starts_with("the peer did not answer, called by 127.0.0.1:"), "{why}");
    pair.bob.logged("as if from");
    pair.evil.instead(|mut passing, _| {
        passing.bytes.truncate(fastrand::usize(1..passing.bytes.len()));
        vec![passing]
    });
    pair.not_connected();
    pair.evil.instead(faithful);
    pair.connected();
}

/// What comes back is changed: the connection that was asked for comes all the same.
#[test]
fn it_changes_the_answers() {
    let pair = Pair::new(faithful);
    let caller = pair.keys[0].public();
    pair.evil.instead(move |mut passing, _| {
        let at = fastrand::usize(..passing.bytes.len());
        passing.bytes[at] ^= if passing.to == caller { 0x10 } else { 0 };
        vec![passing]
    });
    let (here, _) = pair.connected();
    assert_eq!(pair.alice.net.conn_info(here).unwrap().via, Via::Reverse);
}

#[test]
fn it_gives_messages_to_others_and_says_that_they_are_of_others() {
    let carols = identity();
    let carol = carols.public();
    // To Carol; to Bob as if from Carol; back to who has said it.
    let pair = Pair::new(move |passing, _| {
        let redirected = Passing { to: carol, ..passing.clone() };
        let renamed = Passing { from: carol, ..passing.clone() };
        let reflected = Passing { from: passing.to, to: passing.from, bytes: passing.bytes };
        vec![redirected, renamed, reflected]
    });
    let bystander = node(&pair.evil, &carols);
    let why = pair.not_connected();
    assert!(why.contains("what 127.0.0.1:") && why.ends_with("is not the peer's"), "reflected: {why}");
    bystander.logged("as if from");
    pair.bob.logged("as if from");
    assert_eq!(bystander.net.stats().opened, 0);
}

/// It says itself what it cannot change: in clear, sealed by a key of its own, in a node's name or in its own.
#[test]
fn it_forges() {
    let pair = Pair::new(faithful);
    let mallory = identity();
    let (key, locator) = (mallory.public(), pair.alice.net.unl().unwrap());
    let mut seals = Seals::new(Instant::now(), Myself::new(&mallory), [1; 32]);
    pair.evil.instead(move |passing, _| {
        let message = Message::Call { token: [7; 16], locator: locator.clone(), punch: None }.encode();
        let (to, from) = (passing.to, passing.from);
        let mut own = |from| Passing { from, to, bytes: seals.seal(&to, &message).unwrap() };
        // As nodes spoke before they sealed; as if from the caller; and with the caller's locator as if it were its own.
        vec![own(from), own(key), Passing { bytes: message.clone(), ..passing }]
    });
    pair.not_connected();
    pair.bob.logged("a message that is not of that node for this one");
    pair.bob.logged("not a sealed message of this version");
    pair.bob.logged("was not let in: its call shows that it finds our locator faulty");
    // What it says to her in his name changes nothing of what he does.
    let mut seals = Seals::new(Instant::now(), Myself::new(&mallory), [2; 32]);
    let [caller, called] = pair.keys.each_ref().map(|key| key.public());
    pair.evil.instead(move |passing, _| {
        let reason = p2pnet::proto::connect::message::Refusal::NotReached;
        let refuse = Message::Refuse { token: [7; 16], reason }.encode();
        let bytes = seals.seal(&caller, &refuse).unwrap();
        let forged = Passing { from: called, to: caller, bytes };
        vec![forged.clone(), passing, forged]
    });
    pair.connected();
}

/// Every message comes three times, each time with all those before it.
#[test]
fn it_repeats() {
    let pair = Pair::new(|passing, before| {
        let all = || before.iter().chain([&passing]).cloned();
        all().chain(all()).chain(all()).collect()
    });
    let (here, there) = pair.connected();
    pair.alice.net.close(here).unwrap();
    pair.bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == there);
    // All of it again, now that nobody wants anything; and then something that is wanted, which is all that comes about.
    pair.evil.seen().iter().for_each(|passing| pair.evil.pass(passing));
    pair.bob.logged("a message that has been here before");
    pair.connected();
    assert_eq!((pair.alice.net.stats().opened, pair.bob.net.stats().opened), (2, 2));
}

/// A node that was started anew has forgotten what it has heard. What an old call can do then, and no more: it connects to where
/// the caller was, once, and whoever is there now has to be the caller.
#[test]
fn it_repeats_an_old_call_to_a_node_that_was_started_anew() {
    let mut pair = Pair::new(faithful);
    let (here, _) = pair.connected();
    pair.alice.net.close(here).unwrap();
    pair.alice.wait_for("CLOSED", |e| e.kind == Kind::Closed);
    let call = pair.evil.seen().into_iter().find(|passing| passing.to == pair.keys[1].public()).unwrap();
    pair.bob.net.stop();
    pair.bob = node(&pair.evil, &pair.keys[1]);
    (0..3).for_each(|_| pair.evil.pass(&call));
    let opened = pair.alice.wait_for("OPENED", |e| e.kind == Kind::Opened && e.conn != here);
    pair.bob.expect(Kind::Opened);
    pair.bob.logged("a message that has been here before");
    pair.alice.net.close(opened.conn).unwrap();
    // Somebody else is there.
    let at = pair.alice.listens();
    pair.alice.net.stop();
    assert!(pair.alice.net.join());
    let listener = TcpListener::bind(at).unwrap();
    pair.bob.net.stop();
    pair.bob = node(&pair.evil, &pair.keys[1]);
    pair.evil.pass(&call);
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(HUNG)).unwrap();
    let mut greeting = [0; 181];
    stream.read_exact(&mut greeting).unwrap();
    let holds = |what: &[u8]| greeting.windows(what.len()).any(|window| window == what);
    assert!(!holds(pair.keys[1].public().as_bytes()) && !holds(pair.keys[0].public().as_bytes()));
    drop(stream);
    assert_eq!(pair.bob.net.stats().opened, 0);
}

#[test]
fn it_says_that_it_passes_on_and_does_not() {
    let pair = Pair::new(|_, _| Vec::new());
    let why = pair.not_connected();
    assert!(why.starts_with("the peer did not answer, called by 127.0.0.1:"), "{why}");
}

/// What it keeps back for a while comes about late.
#[test]
fn it_keeps_messages_back() {
    let pair = Pair::new(|passing, before| {
        let first = before.iter().find(|old| old.to == passing.to);
        first.cloned().into_iter().chain(first.map(|_| passing)).collect()
    });
    pair.connected();
}
