//! rtnetlink messages: which of them tell of a change.
//!
//! Most notices repeat what is known: a wireless link reports scans and rates, an address its lifetime with each router
//! advertisement, a network manager replaces a route by itself. So what was said before is kept, in a bounded table,
//! and a message counts only if it says something else. Reads nothing beyond what it was given; a message that is cut
//! off or of an unknown kind is ignored.

use crate::small::SmallMap;
use std::net::IpAddr;

/// Things that are remembered. With more (a router's whole table) everything is forgotten and begins anew.
const MOST: usize = 4096;

/// Attributes, by linux/if_link.h, if_addr.h and rtnetlink.h.
const IFLA_WIRELESS: u16 = 11;
const IFLA_OPERSTATE: u16 = 16;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;

/// The flags of a link that decide whether it carries anything: IFF_UP, IFF_RUNNING, IFF_LOWER_UP.
const LINK_FLAGS: u32 = 0x1 | 0x40 | 0x1_0000;
/// The flags of an address that decide whether it is used: IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE.
const ADDRESS_FLAGS: u32 = 0x08 | 0x20 | 0x40;

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Link(u32),
    Address(u32, IpAddr),
    Route {
        table: u32,
        to: Option<IpAddr>,
        length: u8,
        gateway: Option<IpAddr>,
        interface: u32,
        metric: u32,
        v6: bool,
    },
}

/// A message understood: the thing and its state, `None` if it is gone.
type Notice = (Thing, Option<u32>);

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    things: SmallMap<Thing, u32>,
}

impl Known {
    /// The addresses there are now; links and routes become known by their first message.
    pub(super) fn now() -> Known {
        let mut known = Known::default();
        for (index, ip) in super::super::iface::indexed().unwrap_or_default().into_iter().take(MOST) {
            known.things.insert(Thing::Address(index, ip), 0);
        }
        known
    }

    /// Takes a datagram of messages in; whether one of them tells of a change.
    pub(super) fn takes(&mut self, datagram: &[u8]) -> bool {
        let mut changed = false;
        let mut rest = datagram;
        // struct nlmsghdr: length, type, flags, sequence, port.
        while let Some(length) = u32_at(rest, 0).map(|l| l as usize).filter(|l| *l >= 16 && *l <= rest.len())
        {
            let body = rest.get(16..length).unwrap_or_default();
            changed |= match u16_at(rest, 4).map_or(0, i32::from) {
                libc::NLMSG_OVERRUN => true,
                kind => read(kind as u16, body).is_some_and(|notice| self.is_news(notice)),
            };
            rest = rest.get(align(length)..).unwrap_or_default();
        }
        changed
    }

    fn is_news(&mut self, (thing, state): Notice) -> bool {
        match state {
            Some(state) => {
                if self.things.len() >= MOST {
                    self.things.clear();
                }
                self.things.insert(thing, state) != Some(state)
            }
            None => {
                self.things.remove(&thing);
                true
            }
        }
    }
}

/// What the body of a message of this kind says, if it is of interest.
fn read(kind: u16, body: &[u8]) -> Option<Notice> {
    match kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => link(body, kind == libc::RTM_NEWLINK),
        libc::RTM_NEWADDR | libc::RTM_DELADDR => address(body, kind == libc::RTM_NEWADDR),
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => route(body, kind == libc::RTM_NEWROUTE),
        _ => None,
    }
}

/// struct ifinfomsg: family, a gap, type (2), index (4), flags (4), change (4).
fn link(body: &[u8], is_new: bool) -> Option<Notice> {
    // Bridges report their ports in messages of a family of their own.
    if *body.first()? != libc::AF_UNSPEC as u8 {
        return None;
    }
    let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
    let mut state = flags & LINK_FLAGS;
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_WIRELESS => return None,
            IFLA_OPERSTATE => state |= u32::from(*value.first()?) << 24,
            _ => {}
        }
    }
    Some((Thing::Link(index), is_new.then_some(state)))
}

/// struct ifaddrmsg: family, prefix length, flags, scope, index (4).
fn address(body: &[u8], is_new: bool) -> Option<Notice> {
    let (v6, index) = (is_v6(body)?, u32_at(body, 4)?);
    let (mut flags, mut local, mut address) = (u32::from(*body.get(2)?), None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            // On a point-to-point link the address is the other end's.
            IFA_LOCAL => local = ip(value, v6),
            IFA_ADDRESS => address = ip(value, v6),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    Some((Thing::Address(index, local.or(address)?), is_new.then_some(flags & ADDRESS_FLAGS)))
}

/// struct rtmsg: family, destination length, source length, tos, table, protocol, scope, type, flags (4).
fn route(body: &[u8], is_new: bool) -> Option<Notice> {
    /// The table of the machine's own addresses.
    const LOCAL: u32 = 255;
    /// An entry that the kernel made for itself from another (RTM_F_CLONED).
    const CLONED: u32 = 0x200;
    const UNICAST: u8 = 1;
    let v6 = is_v6(body)?;
    let (length, mut table) = (*body.get(1)?, u32::from(*body.get(4)?));
    if *body.get(7)? != UNICAST || u32_at(body, 8)? & CLONED != 0 {
        return None;
    }
    let (mut to, mut gateway, mut interface, mut metric) = (None, None, 0, 0);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            RTA_DST => to = ip(value, v6),
            RTA_GATEWAY => gateway = ip(value, v6),
            RTA_OIF => interface = u32_at(value, 0)?,
            RTA_PRIORITY => metric = u32_at(value, 0)?,
            RTA_TABLE => table = u32_at(value, 0)?,
            _ => {}
        }
    }
    let is_on_link = matches!(to, Some(IpAddr::V6(v6)) if v6.is_unicast_link_local() || v6.is_multicast());
    if table == LOCAL || is_on_link {
        return None;
    }
    let thing = Thing::Route { table, to, length, gateway, interface, metric, v6 };
    Some((thing, is_new.then_some(0)))
}

fn is_v6(body: &[u8]) -> Option<bool> {
    match i32::from(*body.first()?) {
        libc::AF_INET => Some(false),
        libc::AF_INET6 => Some(true),
        _ => None,
    }
}

fn ip(value: &[u8], v6: bool) -> Option<IpAddr> {
    if v6 {
        <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
    } else {
        <[u8; 4]>::try_from(value).ok().map(IpAddr::from)
    }
}

/// struct rtattr: length, type; then the value, padded to four bytes.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        // The upper two bits are marks.
        let kind = u16_at(rest, 2)? & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
