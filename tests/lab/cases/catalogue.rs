//! Topologies with a name: for `up`, and each is a case (it comes up, and every home reaches the server).

use crate::kernel_nat::Kind;
use crate::topology::{Home, Lab, Nat};

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
    all
}
