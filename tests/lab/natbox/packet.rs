//! IPv4 packets as a NAT sees them: the addresses and ports it may change, and the checksums that follow.
//!
//! A packet that does not hold what it should is none of ours: every look into it gives `None`, and it is dropped.

use std::net::{Ipv4Addr, SocketAddrV4};

/// What a packet carries that a NAT must tell apart. ICMP echoes have an identifier where the others have ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Echo,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const UNREACHABLE: u8 = 3;

/// One end of a packet's way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Source,
    Destination,
}

/// What is to be known of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    pub(crate) protocol: Protocol,
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    /// A TCP packet's flags.
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) rst: bool,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn put16(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    bytes.get_mut(at..at + 2)?.copy_from_slice(&value.to_be_bytes());
    Some(())
}

fn address(packet: &[u8], end: End) -> Option<Ipv4Addr> {
    let at = address_at(end);
    Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into())
}

fn address_at(end: End) -> usize {
    if end == End::Source { 12 } else { 16 }
}

/// The length of the IPv4 header of an unfragmented packet.
fn header(packet: &[u8]) -> Option<usize> {
    let length = usize::from(packet.first()? & 0xf) * 4;
    let is_whole = be16(packet, 6)? & 0x3fff == 0;
    (packet.first()? >> 4 == 4 && length >= 20 && packet.len() >= length && is_whole).then_some(length)
}

/// Where the port (or identifier) of an end is, and its checksum, both from the start of the packet.
fn places(packet: &[u8], end: End) -> Option<(Protocol, usize, usize)> {
    let data = header(packet)?;
    let port = if end == End::Source { data } else { data + 2 };
    match *packet.get(9)? {
        TCP => Some((Protocol::Tcp, port, data + 16)),
        UDP => Some((Protocol::Udp, port, data + 6)),
        ICMP if matches!(packet.get(data)?, 0 | 8) => Some((Protocol::Echo, data + 4, data + 2)),
        _ => None,
    }
}

/// Reads a packet of TCP, UDP or ICMP echo; also the start of one, as an ICMP error quotes it.
pub(crate) fn flow(packet: &[u8]) -> Option<Flow> {
    let (protocol, source_at, _) = places(packet, End::Source)?;
    let (_, destination_at, _) = places(packet, End::Destination)?;
    let flags = match protocol {
        Protocol::Tcp => packet.get(header(packet)? + 13).copied().unwrap_or(0),
        _ => 0,
    };
    Some(Flow {
        protocol,
        source: SocketAddrV4::new(address(packet, End::Source)?, be16(packet, source_at)?),
        destination: SocketAddrV4::new(address(packet, End::Destination)?, be16(packet, destination_at)?),
        syn: flags & 2 != 0,
        ack: flags & 16 != 0,
        rst: flags & 4 != 0,
    })
}

/// Changes one end of a packet.
pub(crate) fn rewrite(packet: &mut [u8], end: End, new: SocketAddrV4) -> Option<()> {
    let (protocol, port_at, sum_at) = places(packet, end)?;
    let old = address(packet, end)?;
    let old_port = be16(packet, port_at)?;
    put16(packet, port_at, new.port())?;
    let at = address_at(end);
    packet.get_mut(at..at + 4)?.copy_from_slice(&new.ip().octets());
    renew_header_sum(packet)?;
    // An ICMP error may quote too little for there to be a checksum; one of UDP may be zero for "none".
    let Some(sum) = be16(packet, sum_at) else { return Some(()) };
    if protocol == Protocol::Udp && sum == 0 {
        return Some(());
    }
    let mut sum = adjusted(sum, old_port, new.port());
    if protocol != Protocol::Echo {
        for (old, new) in old.octets().chunks(2).zip(new.ip().octets().chunks(2)) {
            sum = adjusted(sum, be16(old, 0)?, be16(new, 0)?);
        }
    }
    if protocol == Protocol::Udp && sum == 0 {
        sum = 0xffff;
    }
    put16(packet, sum_at, sum)
}

/// The start of the packet that an ICMP error is about.
pub(crate) fn quoted(packet: &mut [u8]) -> Option<&mut [u8]> {
    let data = header(packet)?;
    let is_error = *packet.get(9)? == ICMP && matches!(packet.get(data)?, 3 | 4 | 11 | 12);
    if is_error { packet.get_mut(data + 8..) } else { None }
}

/// Changes the outer address of an ICMP error, after what it quotes has been changed.
pub(crate) fn readdress_error(packet: &mut [u8], end: End, new: Ipv4Addr) -> Option<()> {
    let at = address_at(end);
    packet.get_mut(at..at + 4)?.copy_from_slice(&new.octets());
    renew_header_sum(packet)?;
    let data = header(packet)?;
    renew_sum(packet.get_mut(data..)?, 2)
}

/// RFC 1624: the checksum after a word under it has changed.
fn adjusted(sum: u16, old: u16, new: u16) -> u16 {
    !folded(u64::from(!sum) + u64::from(!old) + u64::from(new))
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn summed(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

fn renew_sum(bytes: &mut [u8], at: usize) -> Option<()> {
    put16(bytes, at, 0)?;
    let sum = !folded(summed(bytes));
    put16(bytes, at, sum)
}

fn renew_header_sum(packet: &mut [u8]) -> Option<()> {
    let length = header(packet)?;
    renew_sum(packet.get_mut(..length)?, 10)
}

/// An IPv4 header in front of this.
fn wrapped(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr, data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(20 + data.len()).ok()?;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(data);
    renew_header_sum(&mut packet)?;
    Some(packet)
}

/// The TCP reset that answers a SYN.
pub(crate) fn reset_for(syn: &[u8]) -> Option<Vec<u8>> {
    let flow = flow(syn)?;
    let data = header(syn)?;
    let sequence = u32::from_be_bytes(syn.get(data + 4..data + 8)?.try_into().ok()?);
    let mut tcp = Vec::new();
    tcp.extend(flow.destination.port().to_be_bytes());
    tcp.extend(flow.source.port().to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(sequence.wrapping_add(1).to_be_bytes());
    tcp.extend([0x50, 0x14, 0, 0, 0, 0, 0, 0]);
    let (from, to) = (*flow.destination.ip(), *flow.source.ip());
    let pseudo = summed(&from.octets()) + summed(&to.octets()) + u64::from(TCP) + tcp.len() as u64;
    let sum = !folded(pseudo + summed(&tcp));
    put16(&mut tcp, 16, sum)?;
    wrapped(TCP, from, to, &tcp)
}

/// The ICMP error (port unreachable) that answers a packet.
pub(crate) fn unreachable_for(packet: &[u8]) -> Option<Vec<u8>> {
    let flow = flow(packet)?;
    let quote = packet.get(..(header(packet)? + 8).min(packet.len()))?;
    let mut icmp = vec![UNREACHABLE, 3, 0, 0, 0, 0, 0, 0];
    icmp.extend(quote);
    renew_sum(&mut icmp, 2)?;
    wrapped(ICMP, *flow.destination.ip(), *flow.source.ip(), &icmp)
}

/// Whether every checksum in a packet is right: for tests.
pub(crate) fn is_sound(packet: &[u8]) -> bool {
    let Some(data) = header(packet) else { return false };
    if folded(summed(&packet[..data])) != 0xffff {
        return false;
    }
    let payload = &packet[data..];
    let pseudo = summed(&packet[12..20]) + u64::from(packet[9]) + payload.len() as u64;
    match packet[9] {
        UDP if be16(payload, 6) == Some(0) => true,
        TCP | UDP => folded(pseudo + summed(payload)) == 0xffff,
        ICMP => folded(summed(payload)) == 0xffff,
        _ => false,
    }
}

/// A UDP packet: for tests.
pub(crate) fn udp_packet(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Option<Vec<u8>> {
    let mut udp = Vec::new();
    udp.extend(source.port().to_be_bytes());
    udp.extend(destination.port().to_be_bytes());
    udp.extend(u16::try_from(8 + data.len()).ok()?.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(data);
    let pseudo = summed(&source.ip().octets()) + summed(&destination.ip().octets());
    let sum = !folded(pseudo + u64::from(UDP) + udp.len() as u64 + summed(&udp));
    put16(&mut udp, 6, sum)?;
    wrapped(UDP, *source.ip(), *destination.ip(), &udp)
}
