//! A router's nftables rules: the kinds of NAT the kernel can do, the firewall, and the chains that miniupnpd fills.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::topology::{Home, Nat, Unsolicited};

/// The kinds of NAT made out of the kernel's. Filtering is by address and port, but for `Cone`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// External port = source port, one mapping for all destinations.
    Preserve,
    /// A random external port in 10000-29999, one mapping for all destinations. Source ports outside of that range.
    Eim,
    /// As `Preserve`, and everybody may send in: full cone.
    Cone,
    /// External port = source port + 7, one mapping for all destinations.
    Delta,
    /// The next external port (30000 and on) for each destination.
    Seq,
    /// A random external port for each destination.
    Random,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] =
        [Kind::Preserve, Kind::Eim, Kind::Cone, Kind::Delta, Kind::Seq, Kind::Random];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Preserve => "preserve",
            Kind::Eim => "eim",
            Kind::Cone => "cone",
            Kind::Delta => "delta",
            Kind::Seq => "seq",
            Kind::Random => "random",
        }
    }
}

/// How far [`Kind::Delta`] moves a port.
pub(crate) const DELTA: u16 = 7;
/// Where [`Kind::Eim`] takes its ports from.
pub(crate) const EIM_PORTS: std::ops::RangeInclusive<u16> = 10_000..=29_999;
/// The first port of [`Kind::Seq`] and how many there are.
pub(crate) const SEQ_PORTS: (u16, u16) = (30_000, 8192);

/// The table that holds everything, the chains of miniupnpd included.
pub(crate) const TABLE: &str = "lab";

/// The rules of a home's router, whose interface `wan` has this address if it has one.
pub(crate) fn ruleset(home: &Home, wan: Option<Ipv4Addr>) -> String {
    let mut rules = format!("table inet {TABLE} {{\n");
    // The chains miniupnpd writes to.
    rules.push_str("chain miniupnpd { }\nchain prerouting_miniupnpd { }\nchain postrouting_miniupnpd { }\n");
    if let (Nat::Kernel(kind), Some(wan)) = (&home.nat, wan) {
        translation(&mut rules, *kind, wan);
    }
    filters(&mut rules, home);
    if let Some(daemon) = &home.upnpd {
        rules.push_str(&daemon.protocol_filter());
    }
    rules.push_str("}\n");
    rules
}

fn translation(rules: &mut String, kind: Kind, wan: Ipv4Addr) {
    // Writing to a String cannot fail.
    let _ = match kind {
        Kind::Delta => {
            let last = u16::MAX - DELTA;
            let pairs = (1024..=last).map(|port| (port, port + DELTA));
            writeln!(
                rules,
                "map delta {{ type inet_service : inet_service; elements = {{ {} }}\n}}",
                join(pairs)
            )
        }
        Kind::Cone => {
            let map = "type inet_service : ipv4_addr . inet_service; flags dynamic; size 65535;";
            writeln!(rules, "map cone_tcp {{ {map} }}\nmap cone_udp {{ {map} }}")
        }
        _ => Ok(()),
    };
    rules.push_str("chain prerouting { type nat hook prerouting priority dstnat; policy accept;\n");
    rules.push_str("jump prerouting_miniupnpd\n");
    if kind == Kind::Cone {
        for protocol in ["tcp", "udp"] {
            let _ = writeln!(
                rules,
                "iifname wan ip daddr {wan} dnat ip to {protocol} dport map @cone_{protocol}"
            );
        }
    }
    rules.push_str("}\nchain postrouting { type nat hook postrouting priority srcnat; policy accept;\n");
    rules.push_str("jump postrouting_miniupnpd\n");
    for protocol in ["tcp", "udp"] {
        let to = match kind {
            Kind::Preserve => format!("meta l4proto {protocol} snat ip to {wan}"),
            Kind::Eim => {
                let (first, last) = (EIM_PORTS.start(), EIM_PORTS.end());
                format!("meta l4proto {protocol} snat ip to {wan}:{first}-{last}")
            }
            Kind::Cone => format!(
                "meta l4proto {protocol} update @cone_{protocol} {{ {protocol} sport : ip saddr . {protocol} sport }} \
                 snat ip to {wan}"
            ),
            Kind::Delta => {
                format!("meta l4proto {protocol} snat ip to {wan}:{protocol} sport map @delta")
            }
            Kind::Seq => {
                let (first, number) = SEQ_PORTS;
                let ports = (0..number).map(|n| (n, first + n));
                // An offset instead of a map counts in the wrong byte order.
                format!(
                    "meta l4proto {protocol} snat ip to {wan}:numgen inc mod {number} map {{ {} }}",
                    join(ports)
                )
            }
            Kind::Random => format!("meta l4proto {protocol} snat ip to {wan} fully-random"),
        };
        let _ = writeln!(rules, "oifname wan {to}");
    }
    let _ = writeln!(rules, "oifname wan ip protocol icmp snat ip to {wan}\n}}");
}

/// What comes in from outside unasked.
fn filters(rules: &mut String, home: &Home) {
    let refuse = |own_stack: &str| match home.unsolicited {
        Unsolicited::Drop => "drop\n".to_owned(),
        Unsolicited::Rst => "meta l4proto tcp reject with tcp reset\ndrop\n".to_owned(),
        Unsolicited::Icmp => "reject with icmpx type port-unreachable\n".to_owned(),
        Unsolicited::OwnStack => own_stack.to_owned(),
    };
    let answers = "iifname != wan accept\nct state established,related accept\nct status dnat accept\n";
    rules.push_str("chain input { type filter hook input priority filter; policy accept;\n");
    if !matches!(home.nat, Nat::Public) || home.ipv6_firewall {
        rules.push_str(answers);
        rules.push_str("meta l4proto { icmp, ipv6-icmp } accept\n");
        rules.push_str(&refuse("accept\n"));
    }
    rules.push_str("}\nchain forward { type filter hook forward priority filter; policy accept;\n");
    rules.push_str(answers);
    rules.push_str("jump miniupnpd\n");
    if home.ipv6 && home.ipv6_firewall {
        let _ = writeln!(rules, "meta nfproto ipv6 jump refuse");
    }
    // What the userspace box lets in has no connection here; it filters by itself.
    if !matches!(home.nat, Nat::Public | Nat::Boxed(_)) {
        let _ = writeln!(rules, "meta nfproto ipv4 jump refuse");
    }
    let _ = writeln!(rules, "}}\nchain refuse {{\n{}}}", refuse("drop\n"));
}

/// The elements of a map.
fn join(pairs: impl Iterator<Item = (u16, u16)>) -> String {
    let mut text = String::new();
    for (from, to) in pairs {
        // Without the spaces nft reads an element as one name.
        let _ = write!(text, "{from} : {to}, ");
    }
    text
}
