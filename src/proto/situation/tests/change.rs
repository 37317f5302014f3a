//! What is known is looked at again: another network, a mapping that is lost or dead.

use super::*;

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
fn a_new_network_is_asked_anew_and_ready_comes_once() {
    let (mut s, now) = begin(means());
    actions(&mut s);
    s.timeout(s.deadline().unwrap());
    assert_eq!(actions(&mut s), [Action::Ready]);
    s.renew(means(), SAME, now + 100 * SEC);
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
        s.renew(means(), SAME, now + half_seconds * SEC / 2);
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
    s.renew(means(), SAME, now + SEC);
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
    s.renew(means(), SAME, now + 10 * SEC);
    assert_eq!(s.standing().reachable, Some(true));
    let until = s.deadline().unwrap();
    assert!(until <= now + 14 * SEC);
    s.timeout(until);
    assert_eq!((s.standing().node_type, s.standing().reachable), (NodeType::Active, None));
    // With another address of our own it does not hold at all.
    let (mut s, now) = passive(5000);
    s.renew(means(), OTHER, now + 10 * SEC);
    assert_eq!(actions(&mut s), [Action::Probe, Action::Map, Action::Check(Door::Own)]);
    assert_eq!((s.standing().reachable, s.nat()), (None, NatType::Unknown));
    // Another outside address ends it at once: it was the other one that could be reached.
    let (mut s, now) = passive(5000);
    s.renew(means(), SAME, now + 10 * SEC);
    s.probed(Seen { wan_ip: Some("198.51.100.7".parse().unwrap()), ..seen(NatType::Preserving) });
    assert_eq!((s.standing().reachable, s.standing().double_nat), (None, None));
}

/// A provider that gives out another IPv6 prefix each night leaves the IPv4 port where it was, and the router that keeps it has
/// nothing new to say of it.
#[test]
fn another_address_of_one_family_leaves_the_other_as_it_was() {
    let both = Means { can_check_v6: true, ..means() };
    let known = || {
        let (mut s, now) = begin(both);
        s.probed(Seen { can_check_v6: true, ..seen(NatType::Preserving) });
        s.mapped(granted(5000));
        for door in [Door::Mapped, Door::Own, Door::OwnV6] {
            s.checked(door, Knock::Open, now);
        }
        s.hairpinned(Some(true));
        actions(&mut s);
        assert_eq!((s.standing().reachable, s.standing().reachable_v6), (Some(true), Some(true)));
        (s, now)
    };
    let (mut s, now) = known();
    let before = s.standing();
    s.renew(both, Same { v4: true, v6: false }, now + SEC);
    let expected = Standing { reachable_v6: None, ..before };
    assert_eq!(s.standing(), expected);
    assert_eq!((before.forwarding, before.external_port), (Forwarding::Pcp, 5000));
    s.probed(Seen { can_check_v6: true, ..seen(NatType::Preserving) });
    s.checked(Door::Mapped, Knock::Open, now + 2 * SEC);
    s.checked(Door::Own, Knock::Open, now + 2 * SEC);
    s.checked(Door::OwnV6, CLOSED, now + 2 * SEC);
    s.timeout(now + 60 * SEC);
    assert_eq!((s.standing().forwarding, s.standing().external_port), (Forwarding::Pcp, 5000));
    assert_eq!((s.standing().reachable, s.standing().reachable_v6), (Some(true), Some(false)));
    // The other way round.
    let (mut s, now) = known();
    s.renew(both, Same { v4: false, v6: true }, now + SEC);
    let standing = s.standing();
    assert_eq!((standing.reachable, standing.reachable_v6, standing.hairpin), (None, Some(true), None));
    assert_eq!((standing.external_port, s.nat()), (0, NatType::Unknown));
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
