//! Answers that make no sense together, in any order.

use proptest::prelude::*;

use super::*;

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
                    s.renew(means(), SAME, now);
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
