//! What to ask a UPnP router next when it has refused.
//!
//! Routers disagree about leases and ports, so one goes down a ladder: a lease of an hour; if the router
//! knows permanent mappings only (725), lease 0; if it calls an argument invalid (402), the kind of lease not
//! tried yet, at last the week that some routers name as their longest. If the port is taken (718), another
//! at random from 1024 on; never the same twice, and not many. A port that another host has is left alone in
//! any case.

use crate::small::SmallSet;

/// The longest lease that routers which refuse 0 are known to accept, in seconds.
pub const WEEK: u32 = 604_800;

/// Other external ports tried when the wanted one is taken.
pub const OTHER_PORTS: u32 = 8;

/// Ports below this one are not asked for: they belong to the router's own services and to those with
/// privileges.
const LOWEST: u16 = 1024;

/// One AddPortMapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Port outside.
    pub external_port: u16,
    /// Seconds; 0 is without an end.
    pub lease: u32,
}

/// How a router refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// 725: only permanent leases.
    OnlyPermanent,
    /// 402: invalid arguments, without saying which.
    InvalidArguments,
    /// 718 or 729: somebody has that port.
    Taken,
    /// 724: the external port has to be the internal one.
    SamePort,
    /// 501: "action failed". It may mean anything; some routers say it of a taken port.
    Failed,
    /// Another code, or no sensible answer.
    Other(String),
}

/// Where we are on the ladder.
#[derive(Clone, Debug)]
pub struct Ladder {
    internal_port: u16,
    ask: Ask,
    /// Leases not tried yet, the next one last.
    leases: Vec<u32>,
    /// Ports known to be taken.
    taken: SmallSet<u16>,
    others_left: u32,
    rng: fastrand::Rng,
}

impl Ladder {
    /// Starts with `wanted` outside (normally the internal port), unless `taken`, the ports of other hosts,
    /// has it.
    pub fn new(
        internal_port: u16,
        wanted: u16,
        lease: u32,
        taken: impl IntoIterator<Item = u16>,
        rng: fastrand::Rng,
    ) -> Ladder {
        let mut leases = vec![WEEK, 0];
        leases.retain(|other| *other != lease);
        let ask = Ask { external_port: wanted.max(1), lease };
        let taken = taken.into_iter().collect();
        let mut ladder = Ladder { internal_port, ask, leases, taken, others_left: OTHER_PORTS, rng };
        if ladder.taken.contains(&ladder.ask.external_port) {
            let _ = ladder.other_port();
        }
        ladder
    }

    /// What to ask now.
    pub fn ask(&self) -> Ask {
        self.ask
    }

    /// The router refused [`Ladder::ask`]: what to ask next, or why there is nothing left.
    ///
    /// # Errors
    /// For a person: what the router does not allow.
    pub fn refused(&mut self, no: &No) -> Result<Ask, String> {
        match no {
            No::OnlyPermanent => {
                let zero = self.leases.iter().position(|lease| *lease == 0);
                let zero = zero.ok_or("it wants permanent mappings only, and refuses them (725)")?;
                self.ask.lease = self.leases.remove(zero);
            }
            No::InvalidArguments => {
                let next = self.leases.pop();
                self.ask.lease = next.ok_or("it calls the arguments invalid, whatever the lease (402)")?;
            }
            No::Taken => {
                self.other_port().ok_or("the port and all others that were tried are taken (718)")?;
            }
            No::Failed => {
                // Anything may be meant, so two other ports are enough.
                self.others_left = self.others_left.min(2);
                self.other_port().ok_or("it says only that the action failed (501)")?;
            }
            No::SamePort => {
                if self.ask.external_port == self.internal_port || self.taken.contains(&self.internal_port) {
                    return Err(
                        "it forwards a port only to the same port, and that one is taken (724)".into()
                    );
                }
                self.taken.insert(self.ask.external_port);
                self.ask.external_port = self.internal_port;
            }
            No::Other(why) => return Err(why.clone()),
        }
        Ok(self.ask)
    }

    fn other_port(&mut self) -> Option<()> {
        self.taken.insert(self.ask.external_port);
        self.others_left = self.others_left.checked_sub(1)?;
        // A full table of 64 K foreign mappings does not exist; a bounded search is enough.
        let free = (0..64).map(|_| self.rng.u16(LOWEST..)).find(|port| !self.taken.contains(port))?;
        self.ask.external_port = free;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ladder(taken: &[u16]) -> Ladder {
        Ladder::new(4020, 4020, 3600, taken.iter().copied(), fastrand::Rng::with_seed(5))
    }

    #[test]
    fn the_first_wish_is_the_same_port_for_an_hour() {
        assert_eq!(ladder(&[80]).ask(), Ask { external_port: 4020, lease: 3600 });
    }

    #[test]
    fn leases_go_from_an_hour_to_for_ever_to_a_week() {
        let mut ladder = ladder(&[]);
        assert_eq!(ladder.refused(&No::OnlyPermanent).unwrap().lease, 0);
        assert_eq!(ladder.refused(&No::InvalidArguments).unwrap(), Ask { external_port: 4020, lease: WEEK });
        assert!(ladder.refused(&No::InvalidArguments).unwrap_err().contains("402"));
    }

    #[test]
    fn a_router_that_refuses_everything_permanent_and_wants_it() {
        let mut ladder = ladder(&[]);
        ladder.refused(&No::OnlyPermanent).unwrap();
        assert!(ladder.refused(&No::OnlyPermanent).unwrap_err().contains("725"));
    }

    #[test]
    fn a_taken_port_is_left_alone() {
        let mut ladder = ladder(&[]);
        let other = ladder.refused(&No::Taken).unwrap();
        assert!(other.external_port != 4020 && other.external_port >= 1024 && other.lease == 3600);
        let known = self::ladder(&[4020]);
        assert!(known.ask().external_port != 4020, "known before: not even asked for");
    }

    #[test]
    fn a_router_that_wants_the_same_port_gets_it_or_nothing() {
        let mut ladder = Ladder::new(4020, 5000, 3600, [], fastrand::Rng::with_seed(5));
        assert_eq!(ladder.refused(&No::SamePort).unwrap().external_port, 4020);
        assert!(ladder.refused(&No::SamePort).is_err());
        let mut ladder = self::ladder(&[]);
        ladder.refused(&No::Taken).unwrap();
        assert!(ladder.refused(&No::SamePort).unwrap_err().contains("724"));
    }

    proptest! {
        #[test]
        fn it_ends_and_never_repeats_itself(
            nos in proptest::collection::vec(0u8..5, 40..80),
            taken in proptest::collection::vec(any::<u16>(), 0..40),
            seed in any::<u64>(), lease in prop_oneof![Just(0u32), Just(WEEK), any::<u32>()],
        ) {
            let rng = fastrand::Rng::with_seed(seed);
            let mut ladder = Ladder::new(4020, 4020, lease, taken.iter().copied(), rng);
            let mut asked = std::collections::BTreeSet::new();
            let mut over = false;
            for no in nos {
                let ask = ladder.ask();
                prop_assert!(ask.external_port != 0);
                prop_assert!(asked.insert((ask.external_port, ask.lease)), "{ask:?} twice");
                prop_assert!(ask.external_port == 4020 || ask.external_port >= LOWEST);
                let all = [No::OnlyPermanent, No::InvalidArguments, No::Taken, No::Failed, No::SamePort];
                let no = all[usize::from(no)].clone();
                if ladder.refused(&no).is_err() { over = true; break; }
            }
            prop_assert!(over && asked.len() <= 3 + OTHER_PORTS as usize + 2);
        }
    }
}
