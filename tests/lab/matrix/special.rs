//! What is not a pair of NATs: two hosts of one home, double NATs, IPv6, loss, wrong clocks. Rows of the matrix, and cases.

use std::time::Duration;

use crate::Result;
use crate::kernel_nat::Kind;
use crate::natbox::{By, NatBox, Ports};
use crate::network::Network;
use crate::topology::{Home, Lab, Nat};

/// A special case: a lab, two of its hosts, and how they have to get through.
pub(crate) struct Special {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) lab: Lab,
    pub(crate) hosts: [&'static str; 2],
    /// Options for peer.c besides those all have.
    pub(crate) options: [Vec<String>; 2],
    /// What is done to the network once it is up.
    pub(crate) prepare: fn(&Network) -> Result,
    /// The ways that count; empty: it has to fail, in time and with a reason.
    pub(crate) ways: &'static [&'static str],
}

const INSIDE: &[&str] = &["lan"];
const PUNCHED: &[&str] = &["punch"];
const PLAIN: &[&str] = &["direct", "reverse"];
const ANY: &[&str] = &["direct", "reverse", "punch"];
const RELAYED: &[&str] = &["relay"];

/// All of them; the delay is one way between two homes.
pub(crate) fn all() -> Vec<Special> {
    let mut all = Vec::new();
    one_home(&mut all);
    carriers(&mut all);
    ipv6(&mut all);
    hardships(&mut all);
    all
}

fn preserve() -> Nat {
    Nat::kernel(Kind::Preserve)
}

fn boxed(mapping: By, ports: Ports) -> NatBox {
    NatBox::new(mapping, By::AddressAndPort, ports)
}

fn special(
    name: &'static str,
    what: &'static str,
    lab: Lab,
    hosts: [&'static str; 2],
    ways: &'static [&'static str],
) -> Special {
    let lab = Lab { delay: Duration::from_micros(12_500), ..lab };
    Special { name, what, lab, hosts, options: [Vec::new(), Vec::new()], prepare: |_| Ok(()), ways }
}

fn one_home(all: &mut Vec<Special>) {
    let two = |nat: Nat| Lab::new().with(Home::new("a", nat).hosts(2));
    let hosts = ["a", "a2"];
    all.push(special("same-lan", "two hosts of one home", two(preserve()), hosts, INSIDE));
    let random = Nat::kernel(Kind::Random);
    all.push(special("same-lan-random", "two hosts behind one random NAT", two(random), hosts, INSIDE));
    // A guest network: what connects them is the router alone.
    let hairpin = || Nat::boxed(boxed(By::Endpoint, Ports::Preserving).hairpin());
    let isolated = special(
        "same-nat-hairpin",
        "two hosts that only their NAT connects, and it turns packets around",
        two(hairpin()),
        hosts,
        ANY,
    );
    all.push(Special { prepare: isolate, ..isolated });
    let isolated = special(
        "same-nat-no-hairpin",
        "two hosts that only their NAT connects, and it does not",
        two(preserve()),
        hosts,
        RELAYED,
    );
    all.push(Special { prepare: isolate, ..isolated });
}

/// Keeps the ports of the home's bridge from talking to each other.
fn isolate(network: &Network) -> Result {
    for port in ["lan1", "lan2"] {
        network.router("a").run("ip", &["link", "set", port, "type", "bridge_slave", "isolated", "on"])?;
    }
    Ok(())
}

fn carriers(all: &mut Vec<Special>) {
    let same = |name| Home::new(name, preserve()).lan([192, 168, 1]);
    let lab = Lab::new().with(same("a")).with(same("b"));
    all.push(special("same-prefix", "two homes with the same LAN prefix", lab, ["a", "b"], PUNCHED));
    let inner = |name, nat| Home::new(name, nat).behind("isp");
    let lab = Lab::new().carrier("isp", preserve()).with(inner("a", preserve())).home("b", preserve());
    all.push(special(
        "double-nat",
        "one of two homes behind a carrier's NAT as well",
        lab,
        ["a", "b"],
        PUNCHED,
    ));
    let symmetric = |step| Nat::boxed(boxed(By::AddressAndPort, Ports::Sequential { step, noise: 0 }));
    let lab = Lab::new().carrier("isp", symmetric(2)).with(inner("a", preserve())).home("b", preserve());
    all.push(special(
        "double-nat-seq",
        "the carrier's NAT gives a port per destination",
        lab,
        ["a", "b"],
        PUNCHED,
    ));
    let turning = Nat::boxed(boxed(By::Endpoint, Ports::Preserving).hairpin());
    let lab = |carrier| {
        Lab::new().carrier("isp", carrier).with(inner("a", preserve())).with(inner("b", preserve()))
    };
    all.push(special(
        "one-carrier-hairpin",
        "two homes behind one carrier's NAT that turns packets around",
        lab(turning),
        ["a", "b"],
        PUNCHED,
    ));
    all.push(special(
        "one-carrier-no-hairpin",
        "two homes behind one carrier's NAT that does not",
        lab(preserve()),
        ["a", "b"],
        RELAYED,
    ));
}

fn ipv6(all: &mut Vec<Special>) {
    let two = |home: fn(&str) -> Home| Lab::new().with(home("a")).with(home("b"));
    let hosts = ["a", "b"];
    let only = |name: &str| Home::new(name, Nat::Public).ipv6_only();
    all.push(special("ipv6-only", "IPv6 alone, both behind firewalls", two(only), hosts, PUNCHED));
    let lab = Lab::new().with(only("a")).with(Home::new("b", Nat::Public).ipv6_only().ipv6_open());
    all.push(special("ipv6-only-open", "IPv6 alone, one without a firewall", lab, hosts, PLAIN));
    let dual = |name: &str| Home::new(name, preserve()).ipv6();
    all.push(special("dual-stack", "NATs for IPv4, firewalls for IPv6", two(dual), hosts, PUNCHED));
    let random = |name: &str| Home::new(name, Nat::kernel(Kind::Random)).ipv6();
    let what = "random NATs for IPv4, so only IPv6 gets through, between two firewalls";
    all.push(special("dual-stack-random", what, two(random), hosts, PUNCHED));
    let open = |name: &str| Home::new(name, Nat::kernel(Kind::Random)).ipv6_open();
    all.push(special(
        "dual-stack-open",
        "random NATs for IPv4, no firewalls for IPv6",
        two(open),
        hosts,
        PLAIN,
    ));
}

fn hardships(all: &mut Vec<Special>) {
    let hosts = ["a", "b"];
    let lossy = |nat: Nat| {
        let home = |name| Home::new(name, nat.clone()).loss_percent(2.0);
        Lab::new().with(home("a")).with(home("b"))
    };
    all.push(special("loss", "2 % loss on each line", lossy(preserve()), hosts, PUNCHED));
    let what = "2 % loss on each line, a port per destination";
    all.push(special("loss-seq", what, lossy(Nat::kernel(Kind::Seq)), hosts, PUNCHED));
    for (name, what, off) in [
        ("clock-30", "one clock 30 s behind, the other 30 s ahead", 30),
        ("clock-day", "one clock a day behind, the other a day ahead", 86_400),
    ] {
        let lab = Lab::new().home("a", preserve()).home("b", Nat::kernel(Kind::Seq));
        let clock = |by: i64| vec!["--clock".to_owned(), by.to_string()];
        all.push(Special { options: [clock(-off), clock(off)], ..special(name, what, lab, hosts, PUNCHED) });
    }
    let lab = Lab::new().home("a", Nat::Public).home("b", preserve());
    let clock = |by: i64| vec!["--clock".to_owned(), by.to_string()];
    let what = "the same, and a plain connection would do";
    let options = [clock(-86_400), clock(86_400)];
    all.push(Special { options, ..special("clock-day-public", what, lab, hosts, PLAIN) });
}
