use super::*;
use proptest::prelude::*;

const SEC: Duration = Duration::from_secs(1);

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
fn a_port_open_by_itself_needs_no_mapping() {
    let (mut s, now) = begin(means());
    s.checked(Door::Own, Knock::Open, now);
    s.probed(seen(NatType::None));
    assert!(actions(&mut s).ends_with(&[Action::Ready]), "nobody waits for the router");
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::None, 5000));
    s.unmapped();
    assert_eq!(actions(&mut s), [Action::Unmap], "nor need it be asked again");
    // A router that stands beside the way here gives a port of its own address.
    let (mut s, now) = begin(means());
    s.checked(Door::Own, Knock::Open, now);
    s.probed(seen(NatType::None));
    s.mapped(Granted { external_ip: Some("198.51.100.1".parse().unwrap()), ..granted(5000) });
    assert!(actions(&mut s).contains(&Action::Unmap));
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::None, 5000));
}

#[test]
fn a_port_that_was_opened_by_hand_is_told_when_the_router_has_answered() {
    for router_first in [true, false] {
        let (mut s, now) = begin(means());
        s.probed(seen(NatType::Preserving));
        if router_first {
            s.unmapped();
        }
        s.checked(Door::Own, Knock::Open, now);
        if !router_first {
            assert_eq!((s.standing().node_type, s.standing().external_port), (NodeType::Passive, 5000));
            assert_eq!(s.standing().forwarding, Forwarding::None, "it may be the router's work");
            assert!(!actions(&mut s).contains(&Action::Ready));
            s.unmapped();
        }
        assert!(actions(&mut s).ends_with(&[Action::Hairpin, Action::Ready]), "{router_first}");
        assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Manual, 5000));
    }
    // There is no router to ask.
    let (mut s, now) = begin(Means { can_map: false, ..means() });
    s.probed(seen(NatType::Preserving));
    s.checked(Door::Own, Knock::Open, now);
    assert!(actions(&mut s).contains(&Action::Ready));
    assert_eq!(s.standing().forwarding, Forwarding::Manual);
    // What was known to be by hand stays so while the router is asked again.
    let (mut s, now) = begin(means());
    s.probed(seen(NatType::Preserving));
    s.unmapped();
    s.checked(Door::Own, Knock::Open, now);
    let before = s.standing();
    s.renew(means(), true, now + SEC);
    assert_eq!(s.standing(), before);
    s.probed(seen(NatType::Preserving));
    s.checked(Door::Own, Knock::Open, now + SEC);
    assert_eq!(s.standing(), before);
    s.unmapped();
    assert_eq!(s.standing(), before);
}

/// The router has done what it was asked for, and its answer is slower than the knock on the port that it has opened.
#[test]
fn a_port_that_the_router_has_just_opened_is_not_open_by_hand() {
    for nat in [NatType::Random, NatType::None] {
        let early = || {
            let (mut s, now) = begin(means());
            s.probed(seen(nat));
            s.checked(Door::Own, Knock::Open, now);
            assert_eq!(s.standing().forwarding, Forwarding::None, "{nat}: nobody knows by whom");
            assert_eq!((s.standing().node_type, s.standing().external_port), (NodeType::Passive, 5000));
            assert!(!actions(&mut s).contains(&Action::Unmap), "{nat}: that would close it");
            (s, now)
        };
        let by_pcp = (Forwarding::Pcp, 5000);
        let is = |s: &Situation| (s.standing().forwarding, s.standing().external_port);
        // The answer comes, and the knock on the mapped port.
        let (mut s, now) = early();
        s.mapped(granted(5000));
        assert_eq!(is(&s), by_pcp, "{nat}");
        s.checked(Door::Mapped, Knock::Open, now);
        assert_eq!((is(&s), s.standing().reachable), (by_pcp, Some(true)), "{nat}");
        assert!(!actions(&mut s).contains(&Action::Unmap), "{nat}: it is to be kept");
        // It goes: our own port has to be looked at again.
        s.lost(now);
        assert_eq!(actions(&mut s), [Action::Check(Door::Own)], "{nat}");
        assert_eq!(s.standing().reachable, None, "{nat}");
        s.checked(Door::Own, CLOSED, now);
        s.unmapped();
        assert_eq!(s.standing().reachable, Some(false), "{nat}");
        // It is lost, and made again before our own port has been looked at.
        let (mut s, now) = early();
        s.mapped(granted(5000));
        s.checked(Door::Mapped, Knock::Open, now);
        s.lost(now);
        s.checked(Door::Own, Knock::Open, now);
        assert_eq!(s.standing().forwarding, Forwarding::None, "{nat}: again nobody knows");
        s.mapped(granted(5000));
        s.checked(Door::Mapped, Knock::Open, now);
        assert_eq!(is(&s), by_pcp, "{nat}");
        assert!(!actions(&mut s).contains(&Action::Unmap), "{nat}");
        // The router is too late for our patience, and comes all the same.
        let (mut s, now) = early();
        s.timeout(now + MAPPED_BY);
        if nat != NatType::None {
            s.mapped(granted(5000));
            assert_eq!(is(&s), by_pcp, "{nat}");
        }
        // The first answer was that of the knock, the NAT's comes last.
        let (mut s, now) = begin(means());
        s.checked(Door::Own, Knock::Open, now);
        s.mapped(granted(5000));
        s.probed(seen(nat));
        assert!(!actions(&mut s).contains(&Action::Unmap), "{nat}");
        assert_eq!(is(&s), by_pcp, "{nat}");
    }
}

#[test]
fn ready_waits_for_the_router_that_may_have_opened_the_port() {
    let (mut s, now) = begin(means());
    s.checked(Door::Own, Knock::Open, now);
    s.probed(seen(NatType::Random));
    assert!(!actions(&mut s).contains(&Action::Ready));
    s.mapped(granted(5000));
    assert!(actions(&mut s).contains(&Action::Ready));
    assert_eq!(s.standing().forwarding, Forwarding::Pcp);
    // Not for ever.
    let (mut s, now) = begin(means());
    s.checked(Door::Own, Knock::Open, now);
    s.probed(seen(NatType::Random));
    s.timeout(s.deadline().unwrap());
    assert!(actions(&mut s).contains(&Action::Ready));
    assert_eq!(s.standing().node_type, NodeType::Passive);
}

/// Two protocols have asked; the one whose mapping has opened our port has lost, and what it has opened is closed.
#[test]
fn our_own_port_is_looked_at_again_when_the_router_gives_another_one() {
    let (mut s, now) = begin(means());
    s.probed(seen(NatType::Random));
    s.checked(Door::Own, Knock::Open, now);
    actions(&mut s);
    s.mapped(granted(5001));
    assert_eq!(actions(&mut s), [Action::Check(Door::Own), Action::Check(Door::Mapped)]);
    s.checked(Door::Own, CLOSED, now);
    s.checked(Door::Mapped, Knock::Open, now);
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Pcp, 5001));
    s.unmapped();
    assert_eq!(s.standing().reachable, Some(false));
}

#[test]
fn a_mapping_that_is_listed_and_dead_is_made_anew_once() {
    let (mut s, now) = begin(means());
    s.probed(seen(NatType::Preserving));
    s.mapped(granted(7000));
    s.checked(Door::Own, CLOSED, now);
    actions(&mut s);
    s.checked(Door::Mapped, CLOSED, now);
    assert_eq!(actions(&mut s), [Action::Remap]);
    s.mapped(granted(7000));
    assert_eq!(actions(&mut s), [Action::Check(Door::Mapped)]);
    s.checked(Door::Mapped, CLOSED, now);
    assert!(!actions(&mut s).contains(&Action::Remap));
    assert_eq!((s.standing().node_type, s.standing().reachable), (NodeType::Simultaneous, Some(false)));
    // The next look from outside begins anew.
    s.timeout(now + 1200 * SEC);
    assert_eq!(actions(&mut s), [Action::Check(Door::Mapped)]);
    s.checked(Door::Mapped, Knock::Open, now + 1200 * SEC);
    assert_eq!((s.standing().node_type, s.standing().external_port), (NodeType::Passive, 7000));
    s.timeout(now + 2400 * SEC);
    s.checked(Door::Mapped, CLOSED, now + 2400 * SEC);
    assert_eq!(actions(&mut s), [Action::Check(Door::Mapped), Action::Remap]);
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
    let (mut s, _) = begin(Means { node_type: NodeType::Passive, ..means() });
    assert_eq!(actions(&mut s), [Action::Ready], "nothing is asked");
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
fn a_new_network_is_asked_anew_and_ready_comes_once() {
    let (mut s, now) = begin(means());
    actions(&mut s);
    s.timeout(s.deadline().unwrap());
    assert_eq!(actions(&mut s), [Action::Ready]);
    s.renew(means(), true, now + 100 * SEC);
    assert_eq!(actions(&mut s), [Action::Probe, Action::Map, Action::Check(Door::Own)]);
    s.timeout(now + 200 * SEC);
    assert_eq!(actions(&mut s), []);
    assert_eq!(s.deadline(), None);
}

#[test]
fn a_network_that_keeps_changing_does_not_put_ready_off() {
    let (mut s, now) = begin(means());
    let by = s.deadline().unwrap();
    for half_seconds in 1..6 {
        s.renew(means(), true, now + half_seconds * SEC / 2);
        assert!(!actions(&mut s).contains(&Action::Ready));
        assert_eq!(s.deadline(), Some(by));
    }
    s.timeout(by);
    assert_eq!(actions(&mut s), [Action::Ready]);
}

#[test]
fn looking_again_takes_nothing_back_until_it_is_answered() {
    let (mut s, now) = passive(5000);
    let before = s.standing();
    s.timeout(now + 1200 * SEC);
    assert_eq!(actions(&mut s), [Action::Check(Door::Mapped)]);
    assert_eq!(s.standing(), before, "the look from outside is only beginning");
    s.checked(Door::Mapped, Knock::Unknown, now + 1200 * SEC);
    assert_eq!(s.standing(), before, "nobody could be asked: that proves nothing");
    s.timeout(now + 2400 * SEC);
    assert_eq!(actions(&mut s), [Action::Check(Door::Mapped)], "the next look comes all the same");
}

#[test]
fn a_new_network_may_be_the_old_one() {
    let (mut s, now) = passive(5000);
    let before = s.standing();
    s.renew(means(), true, now + SEC);
    let checks = [Action::Check(Door::Own), Action::Check(Door::Mapped)];
    assert_eq!(actions(&mut s), [&[Action::Probe, Action::Map][..], &checks].concat());
    assert_eq!(s.standing(), before, "what was said holds until it is answered");
    s.probed(seen(NatType::Preserving));
    // The router has nothing new to say of a mapping that is as it was.
    s.checked(Door::Mapped, Knock::Open, now + 2 * SEC);
    s.checked(Door::Own, Knock::Open, now + 2 * SEC);
    assert_eq!(s.standing().node_type, NodeType::Passive);
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Pcp, 5000));
}

#[test]
fn what_was_said_of_an_earlier_network_does_not_hold_for_ever() {
    let (mut s, now) = passive(5000);
    s.renew(means(), true, now + 10 * SEC);
    assert_eq!(s.standing().reachable, Some(true));
    let until = s.deadline().unwrap();
    assert!(until <= now + 14 * SEC);
    s.timeout(until);
    assert_eq!((s.standing().node_type, s.standing().reachable), (NodeType::Active, None));
    // With another address of our own it does not hold at all.
    let (mut s, now) = passive(5000);
    s.renew(means(), false, now + 10 * SEC);
    assert_eq!(actions(&mut s), [Action::Probe, Action::Map, Action::Check(Door::Own)]);
    assert_eq!((s.standing().reachable, s.nat()), (None, NatType::Unknown));
    // Another outside address ends it at once: it was the other one that could be reached.
    let (mut s, now) = passive(5000);
    s.renew(means(), true, now + 10 * SEC);
    s.probed(Seen { wan_ip: Some("198.51.100.7".parse().unwrap()), ..seen(NatType::Preserving) });
    assert_eq!((s.standing().reachable, s.standing().double_nat), (None, None));
}

#[test]
fn a_port_that_was_open_by_the_routers_mapping_is_not_without_it() {
    // The knock on our own port came after the mapping, which has the same number.
    let (mut s, now) = passive(5000);
    s.checked(Door::Own, Knock::Open, now);
    s.lost(now);
    assert_eq!(actions(&mut s), [Action::Check(Door::Own)]);
    assert_eq!(s.standing().reachable, None);
    s.checked(Door::Own, CLOSED, now);
    s.unmapped();
    assert_eq!((s.standing().reachable, s.standing().node_type), (Some(false), NodeType::Simultaneous));
    // The same if it is the look from outside that finds it closed.
    let (mut s, now) = passive(5000);
    s.checked(Door::Own, Knock::Open, now);
    s.timeout(now + 1200 * SEC);
    s.checked(Door::Mapped, CLOSED, now + 1200 * SEC);
    assert_ne!(s.standing().reachable, Some(true));
}

#[test]
fn a_mapping_that_is_lost_is_waited_for_but_not_for_ever() {
    let (mut s, now) = passive(7000);
    s.checked(Door::Own, CLOSED, now);
    s.lost(now);
    assert_eq!(s.standing().reachable, None, "another one is being asked for");
    assert!(s.is_deciding());
    s.timeout(s.deadline().unwrap());
    assert_eq!(s.standing().reachable, Some(false));
    assert!(!s.is_deciding());
}

#[test]
fn a_knock_on_the_mapped_port_does_not_prove_our_own() {
    // Another host behind our router has our number outside; the router has given us another one.
    let both = || {
        let (mut s, now) = begin(means());
        s.probed(seen(NatType::Preserving));
        s.mapped(granted(5001));
        actions(&mut s);
        (s, now)
    };
    let (mut s, now) = both();
    s.checked(Door::Own, Knock::Open, now);
    assert_eq!((s.standing().reachable, actions(&mut s)), (None, vec![]), "by which door has it come?");
    s.checked(Door::Mapped, Knock::Open, now);
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Pcp, 5001));
    s.lost(now);
    assert_eq!(s.standing().reachable, None, "it was the mapped one");
    // In the other order.
    let (mut s, now) = both();
    s.checked(Door::Mapped, Knock::Open, now);
    s.checked(Door::Own, Knock::Open, now);
    assert_eq!(s.standing().external_port, 5001);
    s.unmapped();
    assert_ne!(s.standing().reachable, Some(true));
    // Nothing came by the mapped port, so it was our own.
    let (mut s, now) = both();
    s.checked(Door::Own, Knock::Open, now);
    s.checked(Door::Mapped, CLOSED, now);
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Manual, 5000));
    // The mapping went before it was known: our own is knocked on alone.
    let (mut s, now) = both();
    s.checked(Door::Own, Knock::Open, now);
    s.unmapped();
    assert_eq!(actions(&mut s), [Action::Check(Door::Own)]);
    s.checked(Door::Own, Knock::Open, now);
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Manual, 5000));
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

#[derive(Clone, Copy, Debug)]
enum Happens {
    Probed(bool),
    Mapped(u16),
    Unmapped,
    Lost,
    Checked(u8, u8),
    Renew,
    Time(u16),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        any::<bool>().prop_map(Happens::Probed),
        (4999..5002u16).prop_map(Happens::Mapped),
        Just(Happens::Unmapped),
        Just(Happens::Lost),
        (0..3u8, 0..3u8).prop_map(|(door, knock)| Happens::Checked(door, knock)),
        Just(Happens::Renew),
        (0..3000u16).prop_map(Happens::Time),
    ]
}

proptest! {
    /// Whatever comes in whatever order: READY at most once and by its time, and nobody is called reachable on whose port
    /// no connection from outside has arrived, in this network or a moment before it changed.
    #[test]
    fn nothing_is_claimed_that_was_not_seen(inputs in prop::collection::vec(happens(), 0..40), v6 in any::<bool>()) {
        let (mut s, mut now) = begin(Means { can_check_v6: v6, ..means() });
        let (mut ready, mut open, mut held): (_, _, Option<Instant>) = (0, false, None);
        for input in inputs {
            match input {
                Happens::Probed(none) => s.probed(seen(if none { NatType::None } else { NatType::Delta })),
                Happens::Mapped(port) => s.mapped(granted(port)),
                Happens::Unmapped => s.unmapped(),
                Happens::Lost => s.lost(now),
                Happens::Checked(door, knock) => {
                    let door = [Door::Own, Door::Mapped, Door::OwnV6][usize::from(door)];
                    let knock = [Knock::Open, CLOSED, Knock::Unknown][usize::from(knock)];
                    open |= knock == Knock::Open;
                    s.checked(door, knock, now);
                }
                Happens::Renew => {
                    s.renew(means(), true, now);
                    held = held.filter(|t| *t > now).or(open.then_some(now + HOLD));
                    open = false;
                }
                Happens::Time(secs) => {
                    now += u32::from(secs) * SEC;
                    s.timeout(now);
                }
            }
            let done = actions(&mut s);
            ready += done.iter().filter(|a| **a == Action::Ready).count();
            let is = s.standing();
            let open = open || held.is_some_and(|t| t > now);
            prop_assert!(open || is.reachable != Some(true) && is.reachable_v6 != Some(true));
            prop_assert!(open || is.node_type != NodeType::Passive);
            prop_assert!(s.deadline().is_none_or(|t| t > now || ready == 0));
        }
        s.timeout(now + 3 * SEC);
        ready += actions(&mut s).iter().filter(|a| **a == Action::Ready).count();
        prop_assert_eq!(ready, 1);
    }
}
