//! The state machine by itself: what it asks, in what order, and what it says of the answers.

mod change;
mod chaos;
mod own;
mod world;

use super::*;
use crate::config::NetType;
use crate::proto::nat::behaviour::Unsolicited;

const SEC: Duration = Duration::from_secs(1);
/// Our own addresses after a change: as before, or others.
const SAME: Same = Same { v4: true, v6: true };
const OTHER: Same = Same { v4: false, v6: false };

fn means() -> Means {
    Means {
        node_type: NodeType::Unknown,
        nat_type: NatType::Unknown,
        net_type: NetType::Direct,
        simultaneous: true,
        can_probe: true,
        can_map: true,
        can_check: true,
        can_check_v6: false,
        v4: true,
        start_timeout: 3 * SEC,
        verify_interval: 1200 * SEC,
    }
}

fn begin(means: Means) -> (Situation, Instant) {
    let now = Instant::now();
    (Situation::begin(means, 5000, now), now)
}

fn actions(s: &mut Situation) -> Vec<Action> {
    std::iter::from_fn(|| s.next_action()).collect()
}

fn seen(nat: NatType) -> Seen {
    Seen { nat, wan_ip: Some("203.0.113.9".parse().unwrap()), can_check: true, can_check_v6: false }
}

fn granted(port: u16) -> Granted {
    Granted { by: Forwarding::Pcp, external_ip: Some("203.0.113.9".parse().unwrap()), external_port: port }
}

/// A node behind a NAT that a router has made reachable by `port`; its own port is still being knocked on.
fn passive(port: u16) -> (Situation, Instant) {
    let (mut s, now) = begin(means());
    s.probed(seen(NatType::Preserving));
    s.mapped(granted(port));
    s.checked(Door::Mapped, Knock::Open, now);
    actions(&mut s);
    assert_eq!(s.standing().node_type, NodeType::Passive);
    (s, now)
}

const CLOSED: Knock = Knock::Closed(Unsolicited::Dropped);

#[test]
fn everything_is_asked_at_once_and_a_mapped_port_that_is_open_decides() {
    let (mut s, now) = begin(means());
    assert_eq!(actions(&mut s), [Action::Probe, Action::Map, Action::Check(Door::Own)]);
    s.mapped(granted(5000));
    assert_eq!(actions(&mut s), [Action::Check(Door::Mapped)]);
    s.checked(Door::Mapped, Knock::Open, now);
    assert_eq!(actions(&mut s), [], "the NAT is not known yet");
    s.probed(seen(NatType::Preserving));
    assert_eq!(
        actions(&mut s),
        [Action::Hairpin, Action::Ready],
        "nobody waits for the knock on our own port"
    );
    let is = s.standing();
    assert_eq!((is.node_type, is.forwarding, is.external_port), (NodeType::Passive, Forwarding::Pcp, 5000));
    assert_eq!((is.reachable, is.double_nat), (Some(true), Some(false)));
}

#[test]
fn behind_a_closed_nat_the_kind_of_nat_decides() {
    for (nat, net_type, simultaneous, node_type) in [
        (NatType::Preserving, NetType::Direct, true, NodeType::Simultaneous),
        // PyP2P calls a node behind a random NAT simultaneous as well.
        (NatType::Random, NetType::Direct, true, NodeType::Simultaneous),
        (NatType::Preserving, NetType::P2p, true, NodeType::Active),
        (NatType::Preserving, NetType::Direct, false, NodeType::Active),
        (NatType::Unknown, NetType::Direct, true, NodeType::Active),
    ] {
        let (mut s, now) = begin(Means { net_type, simultaneous, ..means() });
        s.probed(seen(nat));
        s.unmapped();
        assert_eq!(s.standing().node_type, NodeType::Unknown, "the knock is not back");
        s.checked(Door::Own, CLOSED, now);
        let is = s.standing();
        assert_eq!((is.node_type, is.reachable), (node_type, Some(false)), "{nat}");
        assert_eq!(is.unsolicited, Unsolicited::Dropped);
        assert!(actions(&mut s).contains(&Action::Ready));
    }
}

#[test]
fn behind_two_nats_asking_the_router_again_is_no_use() {
    let (mut s, now) = begin(means());
    s.probed(seen(NatType::Preserving));
    s.mapped(Granted { external_ip: Some("100.64.3.4".parse().unwrap()), ..granted(5000) });
    actions(&mut s);
    s.checked(Door::Mapped, CLOSED, now);
    assert!(!actions(&mut s).contains(&Action::Remap));
    assert_eq!(s.standing().double_nat, Some(true));
}

#[test]
fn what_the_program_says_goes_before_what_is_measured() {
    let passive = Means { node_type: NodeType::Passive, ..means() };
    let (mut s, _) = begin(Means { net_type: NetType::P2p, ..passive });
    assert_eq!(actions(&mut s), [Action::Ready], "nothing is asked");
    let (mut s, _) = begin(Means { net_type: NetType::Direct, ..passive });
    assert_eq!(actions(&mut s), [Action::Probe], "its locator names its address");
    s.probed(seen(NatType::Preserving));
    assert_eq!(actions(&mut s), [Action::Hairpin, Action::Ready], "nobody has to knock");
    let is = s.standing();
    assert_eq!((is.node_type, is.forwarding, is.reachable), (NodeType::Passive, Forwarding::Manual, None));
    let (mut s, _) = begin(Means { node_type: NodeType::Active, ..means() });
    assert_eq!(actions(&mut s), [Action::Probe], "no port is wanted");
    s.probed(seen(NatType::Preserving));
    assert_eq!(s.standing().node_type, NodeType::Active);
    for (net_type, nat_type, node_type) in [
        (NetType::P2p, NatType::Preserving, NodeType::Active),
        (NetType::Direct, NatType::Preserving, NodeType::Simultaneous),
        (NetType::Direct, NatType::Random, NodeType::Active),
    ] {
        let told =
            Means { node_type: NodeType::Simultaneous, net_type, nat_type, can_probe: false, ..means() };
        let (s, _) = begin(told);
        assert_eq!((s.standing().node_type, s.nat()), (node_type, nat_type));
    }
}

#[test]
fn servers_learned_from_the_probe_are_asked() {
    let (mut s, _) = begin(Means { can_check: false, ..means() });
    s.mapped(granted(5000));
    assert_eq!(actions(&mut s), [Action::Probe, Action::Map]);
    s.probed(seen(NatType::Preserving));
    assert_eq!(actions(&mut s), [Action::Check(Door::Own), Action::Check(Door::Mapped)]);
}

#[test]
fn servers_that_do_not_answer_do_not_keep_those_that_were_met_from_being_asked() {
    let (mut s, now) = begin(means());
    s.unmapped();
    actions(&mut s);
    s.probed(seen(NatType::None));
    assert_eq!(actions(&mut s), [], "somebody is being asked");
    s.checked(Door::Own, Knock::Unknown, now);
    assert_eq!(actions(&mut s), [Action::Check(Door::Own)]);
    s.checked(Door::Own, Knock::Unknown, now);
    assert_eq!(actions(&mut s), [Action::Ready], "each is asked once");
}

#[test]
fn without_anybody_to_knock_nothing_is_claimed() {
    let (mut s, _) = begin(Means { can_check: false, ..means() });
    s.mapped(granted(5000));
    s.probed(Seen { can_check: false, ..seen(NatType::Preserving) });
    assert_eq!((s.standing().reachable, s.standing().node_type), (None, NodeType::Simultaneous));
    assert!(actions(&mut s).contains(&Action::Ready));
}

#[test]
fn ipv6_alone_makes_no_passive_node_before_it_is_known_whether_there_is_ipv4() {
    let (mut s, now) = begin(Means { can_check_v6: true, ..means() });
    s.checked(Door::OwnV6, Knock::Open, now);
    assert_eq!(s.standing().node_type, NodeType::Unknown);
    s.probed(Seen { wan_ip: None, ..seen(NatType::Unknown) });
    assert_eq!(s.standing().node_type, NodeType::Passive);
}

#[test]
fn without_ipv4_a_pinhole_is_all_that_a_router_gives() {
    let told = Means { can_probe: false, can_check: false, can_check_v6: true, v4: false, ..means() };
    let (mut s, now) = begin(told);
    assert_eq!(actions(&mut s), [Action::Map, Action::Check(Door::OwnV6)]);
    s.checked(Door::OwnV6, CLOSED, now);
    s.pinholed();
    assert_eq!(actions(&mut s), [Action::Check(Door::OwnV6)]);
    s.checked(Door::OwnV6, Knock::Open, now);
    assert_eq!(actions(&mut s), [Action::Ready]);
    let is = s.standing();
    assert_eq!((is.node_type, is.reachable, is.reachable_v6), (NodeType::Passive, None, Some(true)));
}
