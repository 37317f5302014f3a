//! What the node knows of itself and how it is set, for the connector.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::Actor;
use crate::config::{Config, LETTERS, NodeType, ServerKind};
use crate::node::locator;
use crate::os;
use crate::proto::connect::{Own, Settings};
use crate::proto::identity::PublicKey;
use crate::proto::punch::Side;
use crate::proto::unl::{self, Overrides, UnlV3};

/// The connector's settings as the program has set them.
pub(super) fn settings(config: &Config, identity: PublicKey) -> Settings {
    let usual = Settings::new(identity, config.network);
    Settings {
        local_peers: config.local_peers,
        punching: config.simultaneous,
        relay: config.relay,
        sessions: !config.resume_grace.is_zero(),
        relays: config.servers_of(ServerKind::Relay).map(str::to_ascii_lowercase).collect(),
        mainline: config.uses_mainline(),
        letters: config.mainline & LETTERS != 0,
        limit: config.unl_connect_timeout,
        dial: match config.connect_timeout {
            // One address of several is given less than the only one there is, unless the program has said how much.
            limit if limit == Config::default().connect_timeout => usual.dial,
            limit => limit,
        },
        handshake: config.handshake_timeout,
        ..usual
    }
}

impl Actor {
    /// Tells the connector how things stand, as something about that has changed.
    pub(in super::super) fn secure_refresh(&mut self) {
        let Some(secure) = &self.secure else { return };
        let info = self.shared.info.lock().clone();
        let side = match &self.at.probed {
            Some(probed) => Side::from(&probed.report),
            None => Side {
                outside_ip: info.wan_ip,
                mapping: info.mapping,
                allocation: info.allocation,
                ..Side::default()
            },
        };
        let locator = locator::locator(&self.shared, &Overrides::default()).ok();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let own = Own {
            locator: locator.and_then(|text| UnlV3::decode(&text).ok()),
            node_type: match info.node_type {
                NodeType::Unknown => None,
                NodeType::Passive => Some(unl::NodeType::Passive),
                NodeType::Active => Some(unl::NodeType::Active),
                NodeType::Simultaneous => Some(unl::NodeType::Simultaneous),
            },
            nat: info.nat,
            side,
            outside6: match info.wan_ip6 {
                Some(IpAddr::V6(ip)) => Some(ip),
                _ => None,
            },
            hairpin: info.hairpin,
            addresses: os::iface::addresses()
                .map_or_else(|_| Vec::new(), |all| all.iter().map(|a| a.ip).collect()),
            listen: self.own.listen.clone(),
            servers: self.shared.homes.lock().clone(),
            relays: secure.relays.clone(),
            full: secure.full,
            clock: Some((Instant::now(), unix)),
        };
        self.note_volunteering(own.locator.as_ref());
        let life = self.shared.config.unl_lifetime;
        if let Some(secure) = &mut self.secure {
            // A locator's end is rounded to such a part of its life: this is when the next one differs.
            secure.refresh_at = Some(Instant::now() + (life / 24).max(Duration::from_secs(1)));
            secure.mainline.set_locator(own.locator.as_ref());
            secure.connector.set_own(Instant::now(), own);
        }
        self.secure_act();
    }

    /// Tells the connector whether there is room for peers that come by themselves, if that has changed.
    pub(super) fn secure_room(&mut self) {
        let full = self.table.open(true) + self.welcomed() >= self.shared.config.max_inbound;
        self.shared.full.store(full, Relaxed);
        if let Some(secure) = &mut self.secure {
            secure.full = full;
            // Nothing else of what we are has changed, and strangers can make this happen often.
            secure.connector.set_full(full);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_takes_as_long_as_the_program_says() {
        let dial = |connect_timeout| {
            let config = Config { connect_timeout, ..Config::default() };
            settings(&config, PublicKey([1; 32])).dial
        };
        let second = Duration::from_secs(1);
        assert_eq!(dial(Config::default().connect_timeout), 4 * second);
        assert_eq!([dial(second), dial(9 * second)], [second, 9 * second]);
    }
}
