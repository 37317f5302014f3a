//! NATs and topologies with a name: for `up`, and each is a case (it comes up, every home reaches the server).

use crate::kernel_nat::Kind;
use crate::natbox::{By, NatBox, Ports};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

/// Every kind of NAT, for tables over all of them. Its text is its name.
pub(crate) fn nats() -> Vec<Nat> {
    const BY: [By; 3] = [By::Endpoint, By::Address, By::AddressAndPort];
    let ports = [
        Ports::Preserving,
        Ports::Delta(9),
        Ports::Delta(-5),
        Ports::Sequential { step: 1, noise: 0 },
        Ports::Sequential { step: -3, noise: 0 },
        Ports::Sequential { step: 1, noise: 2 },
        Ports::Random,
    ];
    let boxes = BY.into_iter().flat_map(|mapping| ports.map(move |ports| (mapping, ports)));
    let boxes = boxes.map(|(mapping, ports)| Nat::boxed(NatBox::new(mapping, By::AddressAndPort, ports)));
    [Nat::Public, Nat::Firewall].into_iter().chain(Kind::ALL.map(Nat::kernel)).chain(boxes).collect()
}

/// Name, what it is, the lab.
pub(crate) fn all() -> Vec<(String, &'static str, Lab)> {
    let one_home = |nat: Nat| (format!("home-{nat}"), "one home", Lab::new().home("a", nat));
    let mut all: Vec<_> = nats().into_iter().map(one_home).collect();
    let mut add = |name: &str, what, lab| all.push((name.into(), what, lab));

    let preserve = || Nat::kernel(Kind::Preserve);
    let symmetric = || Nat::boxed(NatBox::new(By::AddressAndPort, By::AddressAndPort, Ports::Random));
    add("two-homes", "two homes", Lab::new().home("a", preserve()).home("b", preserve()));
    let slow = Lab::new().home("a", preserve()).home("b", symmetric()).delay_ms(25);
    add("two-homes-25ms", "two homes with delays of 25 ms, one behind a box", slow);
    let same = |name| Home::new(name, preserve()).lan([192, 168, 1]);
    add("same-lan", "two homes with the same LAN prefix", Lab::new().with(same("a")).with(same("b")));
    let two = Lab::new().with(Home::new("a", preserve()).hosts(2));
    add("two-hosts", "two hosts in one home", two);
    let hairpin = NatBox::new(By::Endpoint, By::Endpoint, Ports::Preserving).hairpin();
    let hairpin = Lab::new().with(Home::new("a", Nat::boxed(hairpin)).hosts(2));
    add("hairpin", "two hosts behind a box that turns packets around", hairpin);

    let double = Lab::new().carrier("isp", preserve()).with(Home::new("a", preserve()).behind("isp"));
    add("double-nat", "a home behind a carrier's NAT", double);
    let double = Lab::new().carrier("isp", symmetric()).with(Home::new("a", symmetric()).behind("isp"));
    add("double-nat-boxes", "a box behind a box", double.delay_ms(5));
    let neighbours = |name| Home::new(name, preserve()).behind("isp");
    let neighbours = Lab::new().carrier("isp", preserve()).with(neighbours("a")).with(neighbours("b"));
    add("two-homes-one-isp", "two homes behind one carrier's NAT", neighbours);

    let dual = Lab::new().with(Home::new("a", preserve()).ipv6());
    add("dual-stack", "IPv4 behind a NAT, IPv6 behind a stateful firewall", dual);
    let dual = Lab::new().with(Home::new("a", symmetric()).ipv6()).delay_ms(5);
    add("dual-stack-box", "IPv4 behind a box, IPv6 behind a stateful firewall", dual);
    let dual = Lab::new().carrier("isp", preserve()).with(Home::new("a", preserve()).ipv6().behind("isp"));
    let dual = Lab { homes: dual.homes.into_iter().map(Home::ipv6_open).collect(), ..dual };
    add("double-nat-ipv6", "two NATs for IPv4, IPv6 without a firewall", dual);
    add("ipv6-only", "IPv6 alone", Lab::new().with(Home::new("a", Nat::Public).ipv6_only()));

    let daemon = |hosts| Home::new("a", Nat::kernel(Kind::Random)).hosts(hosts).upnpd(Upnpd::all());
    add("upnpd", "a router with miniupnpd, two hosts", Lab::new().with(daemon(2)));
    add("upnpd-dual-stack", "a router with miniupnpd and IPv6", Lab::new().with(daemon(1).ipv6()));
    all
}
