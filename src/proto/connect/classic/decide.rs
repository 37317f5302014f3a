//! Who connects to whom, by the types of both nodes: PyP2P's decision, as a list of what is tried in turn.
//!
//! | we \ they | passive | active | simultaneous |
//! |---|---|---|---|
//! | passive | connect, or ask (master); wait (not master) | wait | wait, then punch |
//! | active | connect | nothing | punch |
//! | simultaneous | connect, then wait | wait | punch (master); wait (not master) |
//!
//! *Wait* is for a connection of theirs; they are asked for it, if there is a way to. *Ask* (ours) waits only if they
//! can be asked: a passive node that we cannot get through to may get through to us.

use crate::proto::unl::{NodeType, UnlV2};

/// One way to come to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// We connect to them.
    Dial,
    /// They connect to us; they are asked to, if they can be.
    Wait,
    /// They connect to us, if they can be asked to.
    Ask,
    /// Both connect at once, arranged by a rendezvous server; we are the challenger.
    Punch,
}

/// The ways between two nodes, in turn. None: neither can be reached by the other.
pub fn ways(ours: NodeType, theirs: NodeType, master: bool) -> Vec<Way> {
    use NodeType as T;
    let mut ways = Vec::new();
    for (kind, to_them) in [(T::Passive, Way::Dial), (T::Simultaneous, Way::Punch)] {
        match (ours == kind, theirs == kind) {
            (true, true) if master => ways.push(to_them),
            (_, false) | (true, true) if ours == kind => ways.push(Way::Wait),
            (false, true) => ways.push(to_them),
            _ => {}
        }
    }
    if ways == [Way::Dial] && ours == T::Passive {
        ways.push(Way::Ask);
    }
    ways
}

/// Whether we are master of the two: the larger text, as a number. PyP2P compares the texts as they are.
pub fn is_master(ours: &str, theirs: &str) -> bool {
    (ours.len(), ours) > (theirs.len(), theirs)
}

/// Where two nodes meet: the addresses and types that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Our address.
    pub our_ip: std::net::Ipv4Addr,
    /// Theirs.
    pub their_ip: std::net::Ipv4Addr,
    /// Our type.
    pub ours: NodeType,
    /// Theirs.
    pub theirs: NodeType,
    /// Both are behind one address, and meet inside.
    pub inside: bool,
}

/// Two nodes with one WAN address are in one network: there LAN addresses count, and with `hairpin` both are reachable.
pub fn meeting(ours: &UnlV2, theirs: &UnlV2, hairpin: bool) -> Meeting {
    let inside = ours.wan_ip == theirs.wan_ip;
    let (our_ip, their_ip) = if inside { (ours.lan_ip, theirs.lan_ip) } else { (ours.wan_ip, theirs.wan_ip) };
    let kind = |kind| if inside && hairpin { NodeType::Passive } else { kind };
    Meeting { our_ip, their_ip, ours: kind(ours.node_type), theirs: kind(theirs.node_type), inside }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NodeType::{Active, Passive, Simultaneous};
    use Way::{Ask, Dial, Punch, Wait};

    #[test]
    fn the_table() {
        for (ours, theirs, as_master, as_other) in [
            (Passive, Passive, &[Dial, Ask][..], &[Wait][..]),
            (Passive, Active, &[Wait], &[Wait]),
            (Passive, Simultaneous, &[Wait, Punch], &[Wait, Punch]),
            (Active, Passive, &[Dial], &[Dial]),
            (Active, Active, &[], &[]),
            (Active, Simultaneous, &[Punch], &[Punch]),
            (Simultaneous, Passive, &[Dial, Wait], &[Dial, Wait]),
            (Simultaneous, Active, &[Wait], &[Wait]),
            (Simultaneous, Simultaneous, &[Punch], &[Wait]),
        ] {
            assert_eq!(ways(ours, theirs, true), as_master, "{ours} to {theirs}");
            assert_eq!(ways(ours, theirs, false), as_other, "{ours} to {theirs}");
        }
    }

    #[test]
    fn if_one_of_two_masters_dials_the_other_waits() {
        for kind in [Passive, Simultaneous] {
            let one = ways(kind, kind, true);
            let other = ways(kind, kind, false);
            assert!(one[0] != Wait && other[0] == Wait, "{kind}");
        }
    }

    fn unl(wan: [u8; 4], lan: [u8; 4], node_type: NodeType) -> UnlV2 {
        UnlV2 {
            node_id: [0; 20],
            node_type,
            nat_type: crate::proto::nat::NatType::Preserving,
            forwarding_type: crate::proto::unl::ForwardingType::Manual,
            listen_port: 5000,
            wan_ip: wan.into(),
            lan_ip: lan.into(),
            version: 2,
        }
    }

    #[test]
    fn behind_one_address_the_inner_ones_count() {
        let a = unl([8, 8, 8, 8], [192, 168, 0, 1], Active);
        let b = unl([8, 8, 8, 8], [192, 168, 0, 2], Simultaneous);
        let met = meeting(&a, &b, true);
        assert_eq!((met.their_ip, met.ours, met.theirs), (b.lan_ip, Passive, Passive));
        assert_eq!(meeting(&a, &b, false).theirs, Simultaneous);
        let far = unl([9, 9, 9, 9], [192, 168, 0, 2], Simultaneous);
        assert_eq!(meeting(&a, &far, true).their_ip, far.wan_ip);
        assert!(!meeting(&a, &far, true).inside);
    }

    #[test]
    fn master_is_the_larger_number() {
        assert!(is_master("B", "A") && !is_master("A", "B") && !is_master("A", "A"));
        assert!(is_master("AA", "B"), "a longer number is larger");
    }
}
