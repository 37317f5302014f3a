//! Topologies with a name: for `up`, and each is a case (it comes up, and every home reaches the server).

use crate::kernel_nat::Kind;
use crate::natbox::{By, NatBox, Ports};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

/// Name, what it is, the lab.
pub(crate) fn all() -> Vec<(String, &'static str, Lab)> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let lab = Lab::new().home("a", Nat::kernel(kind));
        all.push((format!("home-{}", kind.name()), "one home behind a NAT of the kernel", lab));
    }
    let mut add = |name: &str, what, lab| all.push((name.into(), what, lab));
    add("public", "a host with a public address", Lab::new().home("a", Nat::Public));
    add("firewall", "a public address behind a stateful firewall", Lab::new().home("a", Nat::Firewall));
    let preserve = || Nat::kernel(Kind::Preserve);
    add("two-homes", "two homes", Lab::new().home("a", preserve()).home("b", preserve()));
    let same = |name| Home::new(name, preserve()).lan([192, 168, 1]);
    add("same-lan", "two homes with the same LAN prefix", Lab::new().with(same("a")).with(same("b")));
    let two = Lab::new().with(Home::new("a", preserve()).hosts(2));
    add("two-hosts", "two hosts in one home", two);
    let double = Lab::new().carrier("isp", preserve()).with(Home::new("a", preserve()).behind("isp"));
    add("double-nat", "a home behind a carrier's NAT", double);
    let dual = Lab::new().with(Home::new("a", preserve()).ipv6());
    add("dual-stack", "IPv4 behind a NAT, IPv6 behind a stateful firewall", dual);
    add("ipv6-only", "IPv6 alone", Lab::new().with(Home::new("a", Nat::Public).ipv6_only()));
    let boxed = |mapping, filtering, ports| Nat::boxed(NatBox::new(mapping, filtering, ports));
    let seq = Ports::Sequential { step: 1, noise: 0 };
    let symmetric = || boxed(By::AddressAndPort, By::AddressAndPort, Ports::Random);
    let address = boxed(By::Address, By::Address, seq);
    add("home-symmetric", "a box: a random port per destination", Lab::new().home("a", symmetric()));
    add("home-address-seq", "a box: the next port per destination address", Lab::new().home("a", address));
    let noisy = boxed(By::AddressAndPort, By::AddressAndPort, Ports::Sequential { step: 1, noise: 2 });
    add("home-noisy", "a box: the next port but for other traffic's", Lab::new().home("a", noisy));
    let hairpin = NatBox::new(By::Endpoint, By::Endpoint, Ports::Preserving).hairpin();
    let hairpin = Lab::new().with(Home::new("a", Nat::boxed(hairpin)).hosts(2));
    add("hairpin", "two hosts behind a box that turns packets around", hairpin);
    let slow = Lab::new().home("a", preserve()).home("b", symmetric()).delay_ms(25);
    add("two-homes-25ms", "two homes with delays of 25 ms, one behind a box", slow);
    let double = Lab::new().carrier("isp", symmetric()).with(Home::new("a", seq_box(seq)).behind("isp"));
    add("double-nat-boxes", "a box behind a box", double.delay_ms(5));
    let dual = Lab::new().with(Home::new("a", symmetric()).ipv6()).delay_ms(5);
    add("dual-stack-box", "IPv4 behind a box, IPv6 behind a stateful firewall", dual);
    let daemon = |hosts| Home::new("a", Nat::kernel(Kind::Random)).hosts(hosts).upnpd(Upnpd::all());
    add("upnpd", "a router with miniupnpd, two hosts", Lab::new().with(daemon(2)));
    add("upnpd-dual-stack", "a router with miniupnpd and IPv6", Lab::new().with(daemon(1).ipv6()));
    all
}

fn seq_box(ports: Ports) -> Nat {
    Nat::boxed(NatBox::new(By::Endpoint, By::AddressAndPort, ports))
}
