//! How a net is: its situation, the story behind it, its counters.

use std::ffi::c_char;
use std::net::IpAddr;

use super::guard::{copy_out, fill, guard, hand_out};
use super::net::{inner, p2p_net};
use super::structs::*;
use super::types::*;

/// Stores the net's situation in *info.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_get_info(net: *mut p2p_net, info: *mut p2p_net_info) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duty, passed on.
        let done = unsafe { inner(net) }.and_then(|i| {
            let now = i.net.info();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let tristate = |known: Option<bool>| known.map_or(-1, i32::from);
            let mut out = p2p_net_info {
                struct_size: 0,
                node_type: now.node_type.into(),
                nat: now.nat.into(),
                reachable: tristate(now.reachable),
                passive_port: now.passive_port.into(),
                inbound: count(now.inbound),
                outbound: count(now.outbound),
                reserved: 0,
                lan_ip: [0; P2P_ADDR_LEN],
                wan_ip: [0; P2P_ADDR_LEN],
                forwarding: now.forwarding.into(),
                external_port: now.external_port.into(),
                mapping: now.mapping.into(),
                allocation: now.allocation.into(),
                nat_delta: now.nat_delta,
                unsolicited: now.unsolicited.into(),
                hairpin: tristate(now.hairpin),
                double_nat: tristate(now.double_nat),
                reachable_v6: tristate(now.reachable_v6),
                clock_known: now.clock_offset_us.is_some().into(),
                clock_offset_us: now.clock_offset_us.unwrap_or(0),
                wan_ip6: [0; P2P_ADDR_LEN],
            };
            let as_text = |ip: Option<IpAddr>| ip.map_or_else(String::new, |ip| ip.to_string());
            fill(&mut out.lan_ip, &as_text(now.lan_ip));
            fill(&mut out.wan_ip, &as_text(now.wan_ip));
            fill(&mut out.wan_ip6, &as_text(now.wan_ip6));
            // SAFETY: the caller's duty, passed on.
            unsafe { copy_out(info, &out) }
        });
        done.into()
    })
}

/// Stores the net's counters in *stats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_get_stats(net: *mut p2p_net, stats: *mut p2p_stats) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duty, passed on.
        let done = unsafe { inner(net) }.and_then(|i| {
            let s = i.net.stats();
            let out = p2p_stats {
                struct_size: 0,
                reserved: 0,
                lines_in: s.lines_in,
                lines_out: s.lines_out,
                bytes_in: s.bytes_in,
                bytes_out: s.bytes_out,
                duplicates: s.duplicates,
                opened: s.opened,
                closed: s.closed,
                rejected: s.rejected,
                log_dropped: s.log_dropped,
                events_queued: s.events_queued,
            };
            // SAFETY: the caller's duty, passed on.
            unsafe { copy_out(stats, &out) }
        });
        done.into()
    })
}

/// Writes the story behind the situation into buf, as JSON with a NUL: what p2p_net_get_info() tells, and every question
/// that was asked of routers and servers with its answer (docs/doctor.md has the schema). *need is the size it takes,
/// NUL included; P2P_ERR_TOO_SMALL if cap is less: nothing is written then. buf may be NULL if cap is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_report(
    net: *mut p2p_net,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        let done = unsafe { inner(net) }
            .and_then(|i| unsafe { hand_out(&i.net.report().to_json(), buf, cap, need) });
        done.into()
    })
}
