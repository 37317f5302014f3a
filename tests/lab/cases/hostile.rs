//! Hostile locators and calls: whom a node can be made to knock at, counted at the victim's door.
//!
//! What is allowed: eight addresses of one locator, each dialled once (a dial ends after four seconds, and TCP repeats an
//! unanswered SYN each second), and no address of a local network that is not evidently the peer's.

use std::collections::BTreeSet;
use std::net::TcpStream;

use crate::Result;
use crate::host::Host;
use crate::kernel_nat::Kind;
use crate::network::Network;
use crate::node::serve;
use crate::peer::{self, Peer};
use crate::probe::HUNG;
use crate::runner::{Case, Notes, skip};
use crate::topology::{Home, Lab, Nat};

/// Most dials of one attempt, and SYNs of one dial: one at first and one each second (older kernels: after one and three).
const DIALS: u64 = 8;
const SYNS: u64 = 5;
/// How often a hostile node calls.
const CALLS: u64 = 12;

pub(crate) fn cases() -> Vec<Case> {
    let silent = "a locator with a third party's addresses, which is silent: so many SYNs and no more";
    let refuses = "the same, and the third party refuses: one SYN for each address";
    vec![
        Case::new("connect::hostile-locator-silent", silent, |notes| third_party(true, notes)),
        Case::new("connect::hostile-locator-refused", refuses, |notes| third_party(false, notes)),
        Case::new(
            "connect::hostile-locator-lan",
            "a locator with a neighbour's, the router's and loopback addresses: nothing is dialled",
            neighbours,
        ),
        Case::new(
            "connect::hostile-calls",
            "calls that ask to come to a third party: an attempt of ours has no more dials for it",
            calls,
        ),
    ]
}

/// Counts the SYNs that come to a host, by port; and is silent, if told so.
fn count(host: &Host, silent: bool) -> Result {
    let verdict = if silent { "tcp flags & (syn | ack) == syn drop" } else { "" };
    let rules = format!(
        "table inet count {{\nset ports {{ type inet_service; flags dynamic; size 65535; counter; }}\n\
         counter syns {{ }}\nchain in {{\ntype filter hook input priority -300;\n\
         ip daddr != {{ {}, 127.0.0.1 }} accept\ntcp flags & (syn | ack) == syn counter name syns\n\
         tcp flags & (syn | ack) == syn update @ports {{ tcp dport }}\n{verdict}\n}}\n}}\n",
        host.ip4()
    );
    host.feed("nft", &["-f", "-"], &rules).map(drop)
}

/// SYNs that came, and to how many ports.
fn counted(host: &Host) -> Result<(u64, usize)> {
    let text = host.run("nft", &["-j", "list", "table", "inet", "count"])?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    let items = json["nftables"].as_array().ok_or("nft says no list")?;
    let syns = items.iter().find_map(|item| item["counter"]["packets"].as_u64()).ok_or("no counter")?;
    let ports = items.iter().find_map(|item| item["set"]["elem"].as_array().map(Vec::len));
    Ok((syns, ports.unwrap_or(0)))
}

/// Shows that one more SYN, from this host, makes the count one more.
fn it_counts(host: &Host, from: &Host) -> Result {
    let (before, _) = counted(host)?;
    let at = (host.ip(), 5).into();
    from.enter(|| TcpStream::connect_timeout(&at, HUNG)).err().ok_or("somebody listens there")?;
    let (after, _) = counted(host)?;
    if after == before + 1 {
        Ok(())
    } else {
        Err(format!("the counter of {} does not count", host.name()).into())
    }
}

fn network(lab: Lab) -> Result<Network> {
    if let Some(reason) = peer::obstacle() {
        return skip(reason);
    }
    lab.delay_ms(5).build()
}

fn start(network: &Network, host: &str, more: &[&str]) -> Result<Peer> {
    let mut peer = Peer::start(network, host, &[&["--dialect", "2", "--forwarding", "0"], more].concat())?;
    peer.ready()?;
    Ok(peer)
}

fn third_party(silent: bool, notes: &Notes) -> Result {
    let lab =
        Lab::new().home("a", Nat::kernel(Kind::Preserve)).home("evil", Nat::Public).home("t", Nat::Public);
    let network = network(lab)?;
    let _server = serve(&network)?;
    let victim = network.host("t");
    count(&victim, silent)?;
    let (mut a, mut evil) = (start(&network, "a", &[])?, start(&network, "evil", &[])?);
    let at = victim.ip();
    let changes: Vec<String> = (0..DIALS).map(|n| format!("candidate=mapped {at}:{}", 5000 + n)).collect();
    let locator = evil.constructed(&format!("node_type=passive|{}", changes.join("|")))?;
    // So that nothing else ends the attempt.
    evil.kill()?;
    let outcome = a.connect(&locator)?;
    outcome.via.err().ok_or("connected, whoever to")?;
    let (syns, ports) = counted(&victim)?;
    notes.note("syns", syns);
    let most = if silent { DIALS * SYNS } else { DIALS };
    assert!((1..=most).contains(&syns), "{syns} SYNs at {ports} ports: {}", outcome.story);
    assert!(ports as u64 <= DIALS, "{ports} ports: {}", outcome.story);
    a.quit()
}

fn neighbours(_: &Notes) -> Result {
    let lab = Lab::new().with(Home::new("a", Nat::kernel(Kind::Preserve)).hosts(2)).home("evil", Nat::Public);
    let network = network(lab)?;
    let _server = serve(&network)?;
    let (own, neighbour, router) = (network.host("a"), network.host("a2"), network.router("a"));
    let (mut a, mut evil) = (start(&network, "a", &[])?, start(&network, "evil", &[])?);
    for host in [&own, &neighbour, &router] {
        count(host, false)?;
    }
    let places = [
        format!("lan {}:9100", neighbour.ip()),
        format!("lan {}:80", network.gateway("a")),
        format!("mapped {}:9100", neighbour.ip()),
        "lan 127.0.0.1:6379".to_owned(),
        "mapped 127.0.0.1:6379".to_owned(),
        "mapped 169.254.169.254:8080".to_owned(),
        "mapped 240.0.0.1:5353".to_owned(),
    ];
    let changes: Vec<String> = places.iter().map(|place| format!("candidate={place}")).collect();
    // (No locator can hold a multicast address: it would not be one.)
    let locator = evil.constructed(&format!("node_type=passive|{}", changes.join("|")))?;
    evil.kill()?;
    let outcome = a.connect(&locator)?;
    outcome.via.err().ok_or("connected, whoever to")?;
    for host in [&own, &neighbour, &router] {
        assert_eq!(counted(host)?.0, 0, "SYNs at {}: {}", host.name(), outcome.story);
        it_counts(host, &own)?;
    }
    let candidates = outcome.story["candidates"].as_array().ok_or("no candidates in the story")?;
    let tried: BTreeSet<String> =
        candidates.iter().filter(|c| c["left_out"].is_null()).map(|c| c["address"].to_string()).collect();
    assert!(tried.is_empty(), "it would dial {tried:?}");
    a.quit()
}

fn calls(notes: &Notes) -> Result {
    let lab =
        Lab::new().home("a", Nat::kernel(Kind::Preserve)).home("evil", Nat::Public).home("t", Nat::Public);
    let network = network(lab)?;
    let _server = serve(&network)?;
    let victim = network.host("t");
    count(&victim, false)?;
    let mut a = start(&network, "a", &[])?;
    let at = victim.ip().to_string();
    // It says of itself that it is where the third party is.
    let lie = ["--node-type", "1", "--wan-ip", &at, "--connect-timeout", "1500"];
    let mut evil = start(&network, "evil", &lie)?;
    let locator = a.locator()?;
    for _ in 0..CALLS {
        let outcome = evil.connect(&locator)?;
        if outcome.via.is_ok() {
            evil.close()?;
            a.alone()?;
        }
    }
    let (syns, ports) = counted(&victim)?;
    notes.note("calls", CALLS);
    notes.note("syns", syns);
    // Each call names one address of the third party's.
    assert!(syns <= CALLS * SYNS && ports <= 1, "{syns} SYNs at {ports} ports for {CALLS} calls");
    it_counts(&victim, &network.host("a"))?;
    evil.quit()?;
    a.quit()
}
