//! The answers: into the story that the program may read, and on to the state machine.

use std::time::Instant;

use super::super::Actor;
use super::Found;
use super::ask::{is_in_v4, own_v6};
use crate::error::Result;
use crate::node::log::log;
use crate::node::measure::{self, Knocked, News, Probed};
use crate::portmap::Happening;
use crate::proto::nat::NatType;
use crate::proto::situation::{Door, Knock, Seen};

impl Actor {
    /// Takes an answer.
    pub(in crate::node::actor) fn found(&mut self, found: Found) {
        let now = Instant::now();
        let here = self.at.network;
        match found {
            Found::Nat { network, since, outcome } if network == here => self.nat_found(since, outcome),
            Found::Port { mapper, happening } => self.port_happened(mapper, happening),
            Found::Knock { number, since, door, port, outcome }
                if self.at.knocks.get(&door) == Some(&number) =>
            {
                self.knocked(since, door, port, outcome);
            }
            Found::Hairpin { network, since, works } if network == here => {
                let text = match works {
                    Some(true) => "this node reaches itself by its outside address",
                    Some(false) => {
                        "the NAT does not lead its own hosts back by the outside address (no hairpin)"
                    }
                    None => "whether the NAT leads its own hosts back cannot be told",
                };
                self.shared.step("hairpin", since, works != Some(false), text.into());
                self.at.machine.hairpinned(works);
            }
            Found::Clock { since, outcome } => match outcome {
                Ok(clock) => {
                    let us = measure::offset_us(&clock);
                    let text = format!("the system's clock is {} ms off", us / 1000);
                    self.shared.step("clock", since, us.abs() < 1_000_000, text);
                    self.at.clock_offset_us = Some(us);
                }
                Err(e) => self.shared.step("clock", since, false, e.to_string()),
            },
            Found::NetworkChanged => self.network_changed(),
            // About a network we have left.
            Found::Nat { .. } | Found::Knock { .. } | Found::Hairpin { .. } => {}
        }
        self.at.machine.timeout(now);
        self.act();
    }

    fn nat_found(&mut self, since: Instant, outcome: Result<Probed>) {
        match outcome {
            Ok(probed) => {
                let r = &probed.report;
                self.shared.step("nat", since, r.nat != NatType::Unknown, r.to_string());
                let met =
                    |v6: bool| cfg!(feature = "reach") && probed.http.iter().any(|at| at.is_ipv6() == v6);
                let seen = Seen {
                    nat: r.nat,
                    wan_ip: r.wan_ip,
                    can_check: met(false) && is_in_v4(&self.shared.config, self.reach.bound, self.own.lan_ip),
                    can_check_v6: met(true) && own_v6(&self.shared.config, self.reach.bound).is_some(),
                };
                self.at.probed = Some(probed);
                self.at.machine.probed(seen);
            }
            Err(e) => {
                log!(self.shared, Info, "the NAT could not be measured: {e}");
                self.shared.step("nat", since, false, e.to_string());
                self.at.probed = None;
                self.at.machine.probed(Seen::default());
            }
        }
    }

    fn port_happened(&mut self, mapper: u64, happening: Happening) {
        if self.at.mapper.as_ref().is_none_or(|m| m.number != mapper) {
            if let Happening::Note(text) = happening {
                log!(self.shared, Info, "port mapping: {text}");
            }
            return;
        }
        let (news, good, text, took) = measure::news(&happening);
        if let Some(text) = text {
            log!(self.shared, Info, "port mapping: {text}");
            let since = Instant::now().checked_sub(took).unwrap_or_else(Instant::now);
            self.shared.step("mapping", since, good, text);
        }
        match news {
            News::Granted(granted) => {
                self.at.granted = Some(granted);
                self.at.machine.mapped(granted);
            }
            News::Pinhole => self.at.machine.pinholed(),
            News::NoPinhole => self.at.machine.unpinholed(),
            News::Lost => {
                self.at.granted = None;
                self.at.machine.lost(Instant::now());
            }
            News::None => {
                self.at.granted = None;
                self.at.machine.unmapped();
            }
            News::Nothing => {}
        }
    }

    fn knocked(&mut self, since: Instant, door: Door, port: u16, outcome: Result<Knocked>) {
        let knock = match outcome {
            Ok(knocked) => {
                let open = knocked.knock == Knock::Open;
                self.shared.step("reachability", since, open, format!("port {port}: {}", knocked.text));
                knocked.knock
            }
            Err(e) => {
                self.shared.step("reachability", since, false, format!("port {port}: {e}"));
                Knock::Unknown
            }
        };
        self.at.machine.checked(door, knock, Instant::now());
    }
}
