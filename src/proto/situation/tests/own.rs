//! Our own port is open: by itself, by hand, or by a router that has not said so yet.

use super::super::mapping::MAPPED_BY;
use super::*;

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
    s.renew(means(), SAME, now + SEC);
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
