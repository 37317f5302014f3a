//! What the box does to a packet: out, in, back in (hairpin), or an answer. Pure: time and packets come in.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::natbox::NatBox;
use crate::natbox::mapping::{Inbound, Table};
use crate::natbox::packet::{self, End, Flow};
use crate::topology::Unsolicited;

/// The box at work.
pub(crate) struct Translator {
    table: Table,
    /// The address outside.
    wan: Ipv4Addr,
    hairpin: bool,
    unsolicited: Unsolicited,
}

/// Where a packet leaves the box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Inside(Vec<u8>),
    Outside(Vec<u8>),
}

impl Translator {
    pub(crate) fn new(nat: &NatBox, wan: Ipv4Addr, unsolicited: Unsolicited) -> Translator {
        Translator { table: Table::new(nat.rules), wan, hairpin: nat.hairpin, unsolicited }
    }

    /// Knows no mapping any more.
    pub(crate) fn forget(&mut self) {
        self.table.forget_all();
    }

    /// A packet from inside. `None`: it is dropped.
    pub(crate) fn outward(&mut self, now: Duration, mut data: Vec<u8>) -> Option<Exit> {
        if is_v6(&data) {
            return Some(Exit::Outside(data));
        }
        if packet::quoted(&mut data).is_some() {
            return self.error_outward(data);
        }
        let flow = packet::flow(&data)?;
        let port = self.table.outbound(now, flow.protocol, flow.source, flow.destination)?;
        let outside = SocketAddrV4::new(self.wan, port);
        packet::rewrite(&mut data, End::Source, outside)?;
        if *flow.destination.ip() == self.wan {
            return self.turned_around(now, &flow, outside, data);
        }
        if flow.rst {
            self.table.reset(port);
        }
        Some(Exit::Outside(data))
    }

    /// A packet from inside to the address outside: the other inside host sees it come from there.
    fn turned_around(
        &mut self,
        now: Duration,
        flow: &Flow,
        outside: SocketAddrV4,
        mut data: Vec<u8>,
    ) -> Option<Exit> {
        if !self.hairpin {
            return None;
        }
        match self.table.inbound(now, flow.protocol, flow.destination.port(), outside) {
            Inbound::To(inside) => {
                packet::rewrite(&mut data, End::Destination, inside)?;
                Some(Exit::Inside(data))
            }
            Inbound::Unmapped | Inbound::Filtered => None,
        }
    }

    /// A packet from outside. `None`: it is dropped.
    pub(crate) fn inward(&mut self, now: Duration, mut data: Vec<u8>) -> Option<Exit> {
        if is_v6(&data) {
            return Some(Exit::Inside(data));
        }
        if packet::quoted(&mut data).is_some() {
            return self.error_inward(now, data);
        }
        let flow = packet::flow(&data)?;
        match self.table.inbound(now, flow.protocol, flow.destination.port(), flow.source) {
            Inbound::To(inside) => {
                packet::rewrite(&mut data, End::Destination, inside)?;
                if flow.rst {
                    self.table.reset(flow.destination.port());
                }
                Some(Exit::Inside(data))
            }
            Inbound::Unmapped | Inbound::Filtered if flow.syn && !flow.ack => {
                let answer = match self.unsolicited {
                    Unsolicited::Drop => None,
                    Unsolicited::Rst | Unsolicited::OwnStack => packet::reset_for(&data),
                    Unsolicited::Icmp => packet::unreachable_for(&data),
                };
                answer.map(Exit::Outside)
            }
            Inbound::Unmapped | Inbound::Filtered => None,
        }
    }

    /// An ICMP error about a packet that went in: it must speak of the address outside.
    fn error_outward(&mut self, mut data: Vec<u8>) -> Option<Exit> {
        let quote = packet::quoted(&mut data)?;
        let about = packet::flow(quote)?;
        let port = self.table.existing(about.protocol, about.destination, about.source)?;
        packet::rewrite(quote, End::Destination, SocketAddrV4::new(self.wan, port))?;
        packet::readdress_error(&mut data, End::Source, self.wan)?;
        Some(Exit::Outside(data))
    }

    /// An ICMP error about a packet that went out: it belongs to the one who sent that.
    fn error_inward(&mut self, now: Duration, mut data: Vec<u8>) -> Option<Exit> {
        let quote = packet::quoted(&mut data)?;
        let about = packet::flow(quote)?;
        let found = self.table.inbound(now, about.protocol, about.source.port(), about.destination);
        let Inbound::To(inside) = found else { return None };
        packet::rewrite(quote, End::Source, inside)?;
        packet::readdress_error(&mut data, End::Destination, *inside.ip())?;
        Some(Exit::Inside(data))
    }
}

/// IPv6 is not translated.
fn is_v6(data: &[u8]) -> bool {
    data.first().is_some_and(|first| first >> 4 == 6)
}
