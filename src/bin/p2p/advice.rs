//! What to do about it: the page's last lines.

use p2pnet::config::NodeType;
use p2pnet::event::{Allocation, Forwarding, Mapping, NatType};
use p2pnet::report::Report;

/// A few sentences for a person, most useful first.
pub(crate) fn advice(report: &Report) -> Vec<String> {
    let i = &report.info;
    let mut lines = Vec::new();
    let mut say = |text: &str| lines.push(text.to_owned());
    let reached = i.reachable == Some(true) || i.reachable_v6 == Some(true);
    if reached {
        say("Others can connect to this machine directly. There is nothing to do.");
    } else {
        match i.node_type {
            NodeType::Simultaneous => say(match (i.nat, i.mapping) {
                (NatType::Random, Mapping::EndpointIndependent) => {
                    "Nobody can connect from outside, but a server can be asked for the port this NAT gives: hole punching works with nearly all peers, over a rendezvous server."
                }
                (NatType::Random, _) => {
                    "Nobody can connect from outside, and this NAT's ports cannot be foreseen: hole punching works only towards peers whose NAT is easier."
                }
                (NatType::None, _) => {
                    "Nobody can connect from outside, but hole punching through the firewall works with nearly all peers, over a rendezvous server."
                }
                _ => {
                    "Nobody can connect from outside, but this NAT's ports can be foreseen: hole punching works with most peers, over a rendezvous server."
                }
            }),
            _ => say(
                "Nobody can connect from outside as far as is known; this machine can still connect to others.",
            ),
        }
        if i.reachable.is_none() {
            say(
                "Nobody could be asked whether the port is open: name a rendezvous server (--server) or a reachability server (--reach).",
            );
        }
        if i.double_nat == Some(true) {
            say(
                "There are two NATs one behind the other (or a carrier's NAT): opening a port on your own router is not enough. Ask the provider for a public address, or use IPv6.",
            );
        } else if i.forwarding == Forwarding::None && i.nat != NatType::None {
            say(&format!(
                "To be reachable: switch UPnP, NAT-PMP or PCP on in the router, or forward TCP port {} to {} by hand.",
                i.passive_port,
                i.lan_ip.map_or_else(|| "this machine".into(), |ip| ip.to_string())
            ));
        } else if i.nat == NatType::None {
            say(&format!(
                "The address is public, so a firewall is in the way: let TCP port {} in.",
                i.passive_port
            ));
        }
    }
    if i.nat == NatType::Unknown && i.wan_ip.is_none() {
        say("The NAT could not be measured: name a rendezvous server that answers (--server).");
    }
    if i.allocation == Allocation::Random && i.mapping == Mapping::AddressAndPortDependent && !reached {
        say(
            "A NAT like this one is often called \"strict\" or \"symmetric\"; some routers have a switch for it.",
        );
    }
    if i.clock_offset_us.is_some_and(|us| us.abs() > 1_000_000) {
        say("The clock is wrong. This library does not mind; certificates and old PyP2P nodes do.");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use p2pnet::{Config, Net};

    fn report() -> Report {
        Net::new(Config::default()).expect("a net").report()
    }

    #[test]
    fn a_reachable_machine_is_left_in_peace() {
        let mut r = report();
        r.info.reachable = Some(true);
        r.info.nat = NatType::Preserving;
        assert_eq!(advice(&r), ["Others can connect to this machine directly. There is nothing to do."]);
    }

    #[test]
    fn two_nats_are_not_blamed_on_the_router() {
        let mut r = report();
        r.info.reachable = Some(false);
        r.info.double_nat = Some(true);
        let text = advice(&r).join("\n");
        assert!(text.contains("two NATs") && !text.contains("switch UPnP"), "{text}");
    }

    #[test]
    fn what_hole_punching_can_do_depends_on_the_nat() {
        let of = |nat, mapping| {
            let mut r = report();
            r.info.reachable = Some(false);
            r.info.node_type = NodeType::Simultaneous;
            (r.info.nat, r.info.mapping) = (nat, mapping);
            advice(&r).first().cloned().unwrap_or_default()
        };
        let one_port = of(NatType::Random, Mapping::EndpointIndependent);
        assert!(one_port.contains("nearly all peers"), "{one_port}");
        for (nat, expected) in [
            (NatType::Random, "only towards peers whose NAT is easier"),
            (NatType::None, "through the firewall works with nearly all peers"),
            (NatType::Preserving, "works with most peers"),
            (NatType::Delta, "works with most peers"),
        ] {
            let text = of(nat, Mapping::AddressAndPortDependent);
            assert!(text.contains(expected), "{nat:?}: {text}");
        }
    }

    #[test]
    fn a_closed_port_comes_with_what_to_do() {
        let mut r = report();
        r.info.reachable = Some(false);
        r.info.passive_port = 50_500;
        r.info.nat = NatType::Delta;
        assert!(advice(&r).join("\n").contains("forward TCP port 50500"));
    }
}
