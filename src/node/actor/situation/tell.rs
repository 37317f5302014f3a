//! What the program is told of the situation.

use std::net::IpAddr;

use super::super::Actor;
use crate::event::NetInfo;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::Mapping;
use crate::proto::nat::scope::Scope;
use crate::report::node_type_name;

impl Actor {
    /// What is to be told of the situation now.
    pub(super) fn info_now(&self) -> NetInfo {
        let (config, at) = (&self.shared.config, &self.at);
        let standing = at.machine.standing();
        let probed = at.probed.as_ref().filter(|_| at.machine.is_nat_known());
        let report = probed.map(|p| &p.report);
        let outside = at.granted.and_then(|g| g.external_ip).filter(|ip| Scope::of(*ip) == Scope::Global);
        let before = self.shared.info.lock().clone();
        NetInfo {
            node_type: standing.node_type,
            nat: at.machine.nat(),
            nat_delta: report.map_or(0, |r| r.delta),
            mapping: report.map_or(Mapping::Unknown, |r| r.mapping),
            allocation: report.map_or_else(Default::default, |r| r.allocation),
            unsolicited: standing.unsolicited,
            hairpin: standing.hairpin,
            double_nat: standing.double_nat,
            forwarding: standing.forwarding,
            external_port: standing.external_port,
            reachable: standing.reachable,
            reachable_v6: standing.reachable_v6,
            lan_ip: self.own.lan_ip,
            wan_ip: config
                .wan_ip
                .or_else(|| report.and_then(|r| r.wan_ip))
                .or(outside)
                .or_else(|| self.mainline_outside()),
            // There is hardly a NAT for IPv6: what is global on our side is so on the other.
            wan_ip6: report.and_then(|r| r.wan_ip6).map(IpAddr::V6).or(at.lan_ip6),
            clock_offset_us: at.clock_offset_us,
            ..before
        }
    }

    /// Tells the program, if there is something new to tell.
    pub(in super::super) fn publish(&mut self) {
        let now = self.info_now();
        let before = std::mem::replace(&mut *self.shared.info.lock(), now.clone());
        if before == now {
            return;
        }
        self.own.wan_ip = now.wan_ip;
        self.shared.info_changed(summary(&now));
        // Who is listed under another address or port has to say so.
        let known = |i: &NetInfo| (i.external_port, i.wan_ip);
        if known(&before) != known(&now) && now.external_port != 0 {
            self.upkeep.moved();
        }
        self.secure_refresh();
    }
}

/// The situation in a sentence.
pub(super) fn summary(i: &NetInfo) -> String {
    let mut text = node_type_name(i.node_type).to_owned();
    match i.nat {
        NatType::Unknown => {}
        NatType::None => text += "; no NAT",
        nat => {
            text += &format!("; {nat} NAT");
            if i.double_nat == Some(true) {
                text += " behind another";
            }
        }
    }
    if let Some(ip) = i.wan_ip {
        text += &format!("; seen as {ip}");
    }
    match i.reachable {
        Some(true) => text += &format!("; port {} is open", i.external_port),
        Some(false) => text += "; not reachable from outside",
        None => {}
    }
    if i.forwarding as i32 > 1 {
        text += &format!(" by {}", i.forwarding.name());
    }
    text
}
