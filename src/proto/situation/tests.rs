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
    assert!(actions(&mut s).ends_with(&[Action::Unmap, Action::Ready]));
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::None, 5000));
    let (mut s, now) = begin(means());
    s.probed(seen(NatType::Preserving));
    s.checked(Door::Own, Knock::Open, now);
    assert_eq!(s.standing().forwarding, Forwarding::Manual, "somebody has set the router up");
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
    s.renew(means(), now + 100 * SEC);
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
        s.renew(means(), now + half_seconds * SEC / 2);
        assert!(!actions(&mut s).contains(&Action::Ready));
        assert_eq!(s.deadline(), Some(by));
    }
    s.timeout(by);
    assert_eq!(actions(&mut s), [Action::Ready]);
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Probed(bool),
    Mapped(u16),
    Unmapped,
    Checked(u8, u8),
    Renew,
    Time(u16),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        any::<bool>().prop_map(Happens::Probed),
        (4999..5002u16).prop_map(Happens::Mapped),
        Just(Happens::Unmapped),
        (0..3u8, 0..3u8).prop_map(|(door, knock)| Happens::Checked(door, knock)),
        Just(Happens::Renew),
        (0..3000u16).prop_map(Happens::Time),
    ]
}

proptest! {
    /// Whatever comes in whatever order: READY at most once and by its time, and nobody is called reachable on whose port
    /// no connection from outside has arrived.
    #[test]
    fn nothing_is_claimed_that_was_not_seen(inputs in prop::collection::vec(happens(), 0..40), v6 in any::<bool>()) {
        let (mut s, mut now) = begin(Means { can_check_v6: v6, ..means() });
        let (mut ready, mut open) = (0, false);
        for input in inputs {
            match input {
                Happens::Probed(none) => s.probed(seen(if none { NatType::None } else { NatType::Delta })),
                Happens::Mapped(port) => s.mapped(granted(port)),
                Happens::Unmapped => s.unmapped(),
                Happens::Checked(door, knock) => {
                    let door = [Door::Own, Door::Mapped, Door::OwnV6][usize::from(door)];
                    let knock = [Knock::Open, CLOSED, Knock::Unknown][usize::from(knock)];
                    open |= knock == Knock::Open;
                    s.checked(door, knock, now);
                }
                Happens::Renew => {
                    s.renew(means(), now);
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
            prop_assert!(open || is.reachable != Some(true) && is.reachable_v6 != Some(true));
            prop_assert!(open || is.node_type != NodeType::Passive);
            prop_assert!(s.deadline().is_none_or(|t| t > now || ready == 0));
        }
        s.timeout(now + 3 * SEC);
        ready += actions(&mut s).iter().filter(|a| **a == Action::Ready).count();
        prop_assert_eq!(ready, 1);
    }
}
