//! A network as it may be, with answers as slow as they like: what the node says of it in the end is the truth.

use proptest::prelude::*;

use super::*;

/// What the router does with who asks for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Router {
    Refuses,
    Silent,
    /// Gives our own number.
    Same,
    /// Gives another one.
    Other,
    /// Two protocols: one opens our own number, the other one another and wins; the first is closed again.
    Contest,
    /// Gives our own number at an address of its own, where nobody looks for us.
    Beside,
}

/// Something under way, with the stage it is at.
#[derive(Clone, Copy, Debug)]
enum Task {
    Probe,
    Map(u8),
    Lose,
    Unmap,
    Check(Door, Option<Knock>),
}

#[derive(Debug)]
struct World {
    public: bool,
    /// Our own port is open whatever the router does.
    hand: bool,
    router: Router,
    /// How often the router will lose what it has given.
    losses: u8,
    /// The ports of ours that it has open.
    open: Vec<u16>,
    granted: Option<Granted>,
    tasks: Vec<Task>,
    ready: u32,
    unmapped: bool,
}

impl World {
    fn knock(&self, port: u16) -> Knock {
        let mapped = self.open.contains(&port) && self.router != Router::Beside;
        if mapped || self.hand && port == 5000 { Knock::Open } else { CLOSED }
    }

    fn take_orders(&mut self, s: &mut Situation) {
        for action in actions(s) {
            match action {
                Action::Probe => self.tasks.push(Task::Probe),
                Action::Map => self.tasks.push(Task::Map(0)),
                Action::Remap => {
                    self.open.clear();
                    self.tasks.retain(|t| !matches!(t, Task::Map(_) | Task::Lose));
                    self.tasks.push(Task::Map(0));
                }
                Action::Unmap => {
                    self.unmapped = true;
                    self.tasks.retain(|t| !matches!(t, Task::Map(_) | Task::Lose));
                    self.tasks.push(Task::Unmap);
                }
                Action::Check(door) => {
                    // Only the last question for a door counts.
                    self.tasks.retain(|t| !matches!(t, Task::Check(d, _) if *d == door));
                    self.tasks.push(Task::Check(door, None));
                }
                Action::Hairpin => {}
                Action::Ready => self.ready += 1,
            }
        }
    }

    /// One task goes one step.
    fn step(&mut self, s: &mut Situation, which: usize, now: Instant) {
        match self.tasks.swap_remove(which % self.tasks.len()) {
            Task::Probe => s.probed(seen(if self.public { NatType::None } else { NatType::Random })),
            Task::Check(door, None) => {
                let port = self.granted.filter(|_| door == Door::Mapped).map_or(5000, |g| g.external_port);
                self.tasks.push(Task::Check(door, Some(self.knock(port))));
            }
            Task::Check(door, Some(knock)) => s.checked(door, knock, now),
            Task::Map(0) => {
                let open: &[u16] = match self.router {
                    Router::Refuses | Router::Silent => &[],
                    Router::Same | Router::Beside => &[5000],
                    Router::Other => &[5001],
                    Router::Contest => &[5000, 5001],
                };
                self.open = open.to_vec();
                self.tasks.push(Task::Map(1));
            }
            Task::Map(_) => match self.router {
                Router::Silent => {}
                Router::Refuses => s.unmapped(),
                Router::Same | Router::Other | Router::Contest | Router::Beside => {
                    self.open.sort_unstable();
                    self.open = self.open.pop().into_iter().collect();
                    let port = if self.router == Router::Contest { 5001 } else { self.open[0] };
                    let beside = (self.router == Router::Beside).then(|| "198.51.100.1".parse().unwrap());
                    let plain = granted(port);
                    let given = Granted { external_ip: beside.or(plain.external_ip), ..plain };
                    self.granted = Some(given);
                    s.mapped(given);
                    if self.losses > 0 {
                        self.tasks.push(Task::Lose);
                    }
                }
            },
            Task::Lose => {
                self.losses -= 1;
                self.open.clear();
                self.granted = None;
                s.lost(now);
                self.tasks.push(Task::Map(0));
            }
            Task::Unmap => self.open.clear(),
        }
    }
}

fn routers() -> impl Strategy<Value = Router> {
    use Router::{Beside, Contest, Other, Refuses, Same, Silent};
    prop::sample::select(vec![Refuses, Silent, Same, Other, Contest, Beside])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_truth_comes_out(
        router in routers(), hand: bool, public: bool, losses in 0..3u8,
        order in prop::collection::vec(any::<prop::sample::Index>(), 100),
    ) {
        // Behind a NAT such a router is a second one, which is another story.
        let public = public || router == Router::Beside;
        let (mut s, mut now) = begin(means());
        let (open, granted, tasks) = (Vec::new(), None, Vec::new());
        let mut w = World { public, hand, router, losses, open, granted, tasks, ready: 0, unmapped: false };
        w.take_orders(&mut s);
        for which in order {
            if w.tasks.is_empty() {
                break;
            }
            w.step(&mut s, which.index(w.tasks.len()), now);
            w.take_orders(&mut s);
            let is = s.standing();
            prop_assert!(hand || is.forwarding != Forwarding::Manual, "nobody has set it up: {is:?}");
            if hand && is.forwarding == Forwarding::Manual {
                prop_assert_eq!(is.external_port, 5000);
            }
        }
        prop_assert!(w.tasks.is_empty(), "it never ends: {w:?}");
        if router == Router::Silent {
            prop_assert!(w.ready == 0 || public && hand, "{w:?}");
            while s.is_deciding() {
                now = s.deadline().unwrap();
                s.timeout(now);
                w.take_orders(&mut s);
            }
            while !w.tasks.is_empty() {
                w.step(&mut s, 0, now);
            }
        }
        let is = s.standing();
        let by_router = !w.open.is_empty() && router != Router::Beside;
        prop_assert_eq!(is.reachable, Some(hand || by_router), "{:?} {:?}", is, w);
        prop_assert_eq!(w.ready, 1);
        let gives = !matches!(router, Router::Refuses | Router::Silent | Router::Beside);
        if !hand {
            prop_assert!(!w.unmapped && by_router == gives, "a mapping that is needed is kept: {w:?}");
        }
        let by = match () {
            () if by_router => Forwarding::Pcp,
            () if hand && !public => Forwarding::Manual,
            () => Forwarding::None,
        };
        prop_assert_eq!(is.forwarding, by, "{:?} {:?}", is, w);
        let port = w.granted.filter(|_| by_router).map_or(5000, |g| g.external_port);
        prop_assert_eq!(is.external_port, if hand || by_router { port } else { 0 });
    }
}
