//! Connecting by locator when more than one thing happens: both call at once, one calls several, the peer is gone, the
//! program thinks better of it.

use std::collections::BTreeSet;

use p2pnet::error::Code;
use p2pnet::server::Server;

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::Network;
use crate::node::serve;
use crate::peer::{self, NO_PATH, Peer};
use crate::runner::{Case, Notes, skip};
use crate::topology::{Home, Lab, Nat};

/// How often both call at once; who comes first differs from time to time.
const MEETINGS: usize = 6;

pub(crate) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, a, b) in [
        ("punch", Nat::kernel(Kind::Preserve), Nat::kernel(Kind::Seq)),
        ("plain", Nat::Public, Nat::kernel(Kind::Preserve)),
        ("public", Nat::Public, Nat::Public),
        ("relay", Nat::kernel(Kind::Random), Nat::kernel(Kind::Random)),
    ] {
        let lab = Lab::new().home("a", a).home("b", b).delay_ms(5);
        let name = format!("connect::both-at-once-{name}");
        let what = "each calls the other at the same moment: one connection comes of it";
        all.push(Case::new(name, what, move |notes| both(&lab, ["a", "b"], notes)));
    }
    let lab = Lab::new().with(Home::new("a", Nat::kernel(Kind::Preserve)).hosts(2));
    let what = "the same in one LAN, where both are reached at once";
    all.push(Case::new("connect::both-at-once-lan", what, move |notes| both(&lab, ["a", "a2"], notes)));
    let what = "one node calls three others, each twice, at once: three connections";
    all.push(Case::new("connect::several", what, several));
    let what = "the peer has gone without a word: the failure says why, and soon";
    all.push(Case::new("connect::peer-gone", what, peer_gone));
    let what = "the relay ends while two are connected by it: both are told";
    all.push(Case::new("connect::relay-ends", what, relay_ends));
    for (who, callers) in [("caller", &["a"][..]), ("called", &["b"]), ("both", &["a", "b"])] {
        let what =
            "random NATs, no relay, and a node of the network that volunteers and was connected before";
        let name = format!("connect::volunteer-known-to-{who}");
        all.push(Case::new(name, what, move |notes| by_a_volunteer(callers, notes)));
    }
    let what = "the program gives up: that is the end, and the next call works";
    all.push(Case::new("connect::cancel", what, cancel));
    all
}

fn start<const N: usize>(network: &Network, hosts: [&str; N]) -> Result<[Peer; N]> {
    if let Some(reason) = peer::obstacle() {
        return skip(reason);
    }
    let mut peers = Vec::new();
    for host in hosts {
        peers.push(Peer::start(network, host, &["--dialect", "2"])?);
    }
    for peer in &mut peers {
        peer.ready()?;
    }
    peers.try_into().map_err(|_| "so many hosts, so many peers".into())
}

/// How many connections a peer has, and how many it has been told of.
fn connections(peer: &mut Peer) -> Result<(u64, usize)> {
    peer.order("connections")?;
    let open =
        peer.hear("its connections", |v| v["event"] == "connections")?["count"].as_u64().unwrap_or_default();
    Ok((open, peer.unheard().iter().filter(|v| v["event"] == "opened").count()))
}

fn both(lab: &Lab, hosts: [&str; 2], notes: &Notes) -> Result {
    let network = lab.clone().build()?;
    let _server = serve(&network)?;
    let [mut a, mut b] = start(&network, hosts)?;
    let mut ways = BTreeSet::new();
    for meeting in 1..=MEETINGS {
        let locators = [a.locator()?, b.locator()?];
        a.unheard();
        b.unheard();
        a.order(&format!("connect {}", locators[1]))?;
        b.order(&format!("connect {}", locators[0]))?;
        for peer in [&mut a, &mut b] {
            let outcome = peer.outcome(true)?;
            let story = || format!("meeting {meeting}: {:?} {}", outcome.via, outcome.story);
            ways.insert(outcome.via.clone().map_err(|_| story())?);
        }
        for peer in [&mut a, &mut b] {
            assert_eq!(connections(peer)?, (1, 1), "meeting {meeting}: connections open, and told of");
        }
        a.close()?;
        b.alone()?;
    }
    notes.note("ways", ways.into_iter().collect::<Vec<_>>().join(", "));
    a.quit()?;
    b.quit()
}

fn several(_: &Notes) -> Result {
    let others = ["b", "c", "d"];
    let kinds = [Nat::kernel(Kind::Preserve), Nat::kernel(Kind::Seq), Nat::Public];
    let lab = Lab::new().home("a", Nat::kernel(Kind::Preserve)).delay_ms(5);
    let network = others.into_iter().zip(kinds).fold(lab, |lab, (name, nat)| lab.home(name, nat)).build()?;
    let _server = serve(&network)?;
    let [mut a, mut b, mut c, mut d] = start(&network, ["a", "b", "c", "d"])?;
    let mut locators = Vec::new();
    for other in [&mut b, &mut c, &mut d] {
        locators.push(other.locator()?);
    }
    for locator in locators.iter().chain(&locators) {
        a.order(&format!("connect {locator}"))?;
    }
    for _ in 0..6 {
        let outcome = a.outcome(true)?;
        outcome.via.map_err(|why| format!("{why}: {}", outcome.story))?;
    }
    assert_eq!(connections(&mut a)?, (3, 3), "the caller's connections, open and told of");
    for other in [&mut b, &mut c, &mut d] {
        assert_eq!(connections(other)?, (1, 1), "a called one's connections, open and told of");
    }
    for node in [a, b, c, d] {
        node.quit()?;
    }
    Ok(())
}

fn peer_gone(notes: &Notes) -> Result {
    let lab =
        Lab::new().home("a", Nat::kernel(Kind::Preserve)).home("b", Nat::kernel(Kind::Preserve)).delay_ms(5);
    let network = lab.build()?;
    let _server = serve(&network)?;
    let [mut a, mut b] = start(&network, ["a", "b"])?;
    let locator = b.locator()?;
    // As when a program crashes: the system closes its connections.
    b.kill()?;
    let outcome = a.connect(&locator)?;
    let why = outcome.via.err().ok_or("connected to a node that is not there")?;
    assert_eq!(outcome.code, NO_PATH, "{why}");
    assert_eq!(outcome.story["state"], "failed", "{}", outcome.story);
    notes.note("why", why);
    notes.note("after_ms", outcome.opened.as_millis() as u64);
    a.quit()
}

fn relay_ends(notes: &Notes) -> Result {
    let random = || Nat::kernel(Kind::Random);
    let network = Lab::new().home("a", random()).home("b", random()).delay_ms(5).build()?;
    let server = serve(&network)?;
    let [mut a, mut b] = start(&network, ["a", "b"])?;
    let outcome = a.connect(&b.locator()?)?;
    assert_eq!(outcome.via.as_deref(), Ok("relay"), "{}", outcome.story);
    notes.note("opened_ms", outcome.opened.as_millis() as u64);
    server.stop();
    a.alone()?;
    b.alone()?;
    a.quit()?;
    b.quit()
}

/// Those of the two who know the volunteer have been connected with it.
fn by_a_volunteer(knowing: &[&str], notes: &Notes) -> Result {
    if let Some(reason) = peer::obstacle() {
        return skip(reason);
    }
    let random = || Nat::kernel(Kind::Random);
    let lab = Lab::new().home("a", random()).home("b", random()).home("c", Nat::Public).delay_ms(5);
    let network = lab.build()?;
    let mut config = network.rendezvous();
    config.limits.relay.sessions = 0;
    let _server = network.server().enter(|| Server::spawn(config))?;
    let mut c = Peer::start(&network, "c", &["--dialect", "2", "--relay-sessions", "4"])?;
    let [mut a, mut b] = start(&network, ["a", "b"])?;
    c.ready()?;
    let failed = a.connect(&b.locator()?)?;
    assert_eq!(failed.code, NO_PATH, "{}", failed.story);
    for (name, node) in [("a", &mut a), ("b", &mut b)] {
        if knowing.contains(&name) {
            let outcome = node.connect(&c.locator()?)?;
            assert_eq!(outcome.via.as_deref(), Ok("direct"), "{}", outcome.story);
        }
    }
    let outcome = a.connect(&b.locator()?)?;
    assert_eq!(outcome.via.as_deref(), Ok("relay"), "{}", outcome.story);
    let by = outcome.winner().map(|winner| peer::plain(&winner["text"])).unwrap_or_default();
    let address = network.host("c").ip().to_string();
    assert!(by.contains(&format!("by the relay {address}:")), "{by}");
    notes.note("opened_ms", outcome.opened.as_millis() as u64);
    for node in [a, b, c] {
        node.quit()?;
    }
    Ok(())
}

fn cancel(_: &Notes) -> Result {
    // The lines are slow enough for the order to come before the connection.
    let lab = Lab::new()
        .home("a", Nat::kernel(Kind::Preserve))
        .home("b", Nat::kernel(Kind::Preserve))
        .delay_ms(100);
    let network = lab.build()?;
    let _server = serve(&network)?;
    let [mut a, mut b] = start(&network, ["a", "b"])?;
    let locator = b.locator()?;
    a.order(&format!("connect {locator}"))?;
    a.order("cancel")?;
    let outcome = a.outcome(true)?;
    assert_eq!(outcome.code, Code::Canceled as i64, "{:?}", outcome.via);
    assert_eq!(outcome.story["state"], "failed", "{}", outcome.story);
    let again = a.connect(&locator)?;
    again.via.map_err(|why| format!("after a cancelled one: {why}: {}", again.story))?;
    assert_eq!(connections(&mut a)?, (1, 1), "open, and told of");
    a.quit()?;
    b.quit()
}
