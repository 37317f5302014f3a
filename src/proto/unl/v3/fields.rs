//! A record as bytes: fields of tag, length and value in ascending order, what is not known or empty left out.
//!
//! | tag | value |
//! |---|---|
//! | 1 | network id, 16 bytes |
//! | 2 | expiry, a number |
//! | 3 | one byte: forwarding × 16 + node type |
//! | 4 | NAT: type; mapping × 16 + allocation; delta as a number (0, -1, 1, -2, … are counted 0, 1, 2, 3, …) |
//! | 5 | candidates: family × 16 + kind, address, port |
//! | 6 | servers: family × 16, address (of family 0: length and name), port |
//! | 7 | relays: as servers |
//!
//! The family is 4 or 6. Numbers are big endian, without leading zero bytes, 0 has none. Reading takes only what writing
//! would have written; a new value of an old field would not be understood by older nodes, so it needs a new tag.

use std::net::IpAddr;

use super::error::V3Error;
use super::record::{MAX_EXPIRES, Record, RecordError};
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::network::NetworkId;
use crate::proto::unl::{Candidate, CandidateKind, ForwardingType, Host, Nat, NodeType, Server};

const NETWORK: u8 = 1;
const EXPIRES: u8 = 2;
const NODE: u8 = 3;
const NAT: u8 = 4;
const CANDIDATES: u8 = 5;
const SERVERS: u8 = 6;
const RELAYS: u8 = 7;

const V4: u8 = 4;
const V6: u8 = 6;
const NAME: u8 = 0;

// The numbers of the wire are the places in these lists.
const NODE_TYPES: [Option<NodeType>; 4] =
    [None, Some(NodeType::Passive), Some(NodeType::Active), Some(NodeType::Simultaneous)];
const FORWARDING_TYPES: [ForwardingType; 6] = [
    ForwardingType::None,
    ForwardingType::Manual,
    ForwardingType::Forwarded,
    ForwardingType::Upnp,
    ForwardingType::NatPmp,
    ForwardingType::Pcp,
];
const NAT_TYPES: [NatType; 6] =
    [NatType::Unknown, NatType::None, NatType::Preserving, NatType::Delta, NatType::Reuse, NatType::Random];
const MAPPINGS: [Mapping; 4] = [
    Mapping::Unknown,
    Mapping::EndpointIndependent,
    Mapping::AddressDependent,
    Mapping::AddressAndPortDependent,
];
const ALLOCATIONS: [Allocation; 5] = [
    Allocation::Unknown,
    Allocation::Preserving,
    Allocation::Delta,
    Allocation::Sequential,
    Allocation::Random,
];

fn number_of<T: PartialEq>(list: &[T], value: &T) -> u8 {
    list.iter().position(|other| other == value).unwrap_or(0) as u8
}

fn value_of<T: Copy>(list: &[T], number: u8, what: &'static str) -> Result<T, V3Error> {
    list.get(usize::from(number)).copied().ok_or(V3Error::Malformed { what })
}

/// The fields of a valid record.
pub(super) fn write(record: &Record) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::new();
    let mut field = |tag, value: &[u8]| {
        let len = u8::try_from(value.len()).map_err(|_| RecordError::TooLong)?;
        if len > 0 {
            out.extend_from_slice(&[tag, len]);
            out.extend_from_slice(value);
        }
        Ok(())
    };
    field(NETWORK, record.network.as_ref().map_or(&[], |id| &id.0))?;
    field(EXPIRES, &number(record.expires.unwrap_or(0)))?;
    let node =
        number_of(&FORWARDING_TYPES, &record.forwarding) << 4 | number_of(&NODE_TYPES, &record.node_type);
    field(NODE, if node == 0 { &[] } else { std::slice::from_ref(&node) })?;
    field(NAT, &write_nat(&record.nat))?;
    field(CANDIDATES, &record.candidates.iter().flat_map(write_candidate).collect::<Vec<u8>>())?;
    field(SERVERS, &record.servers.iter().flat_map(write_server).collect::<Vec<u8>>())?;
    field(RELAYS, &record.relays.iter().flat_map(write_server).collect::<Vec<u8>>())?;
    Ok(out)
}

fn number(value: u64) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect()
}

fn write_nat(nat: &Nat) -> Vec<u8> {
    if *nat == Nat::default() {
        return Vec::new();
    }
    let behaviour = number_of(&MAPPINGS, &nat.mapping) << 4 | number_of(&ALLOCATIONS, &nat.allocation);
    // 0, -1, 1, -2: the sign in the lowest bit, so that small distances are short.
    let delta = (nat.delta << 1 ^ nat.delta >> 31) as u32;
    let mut value = vec![number_of(&NAT_TYPES, &nat.nat_type), behaviour];
    value.extend(number(delta.into()));
    value
}

fn family(ip: IpAddr) -> (u8, Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => (V4, v4.octets().into()),
        IpAddr::V6(v6) => (V6, v6.octets().into()),
    }
}

fn write_candidate(candidate: &Candidate) -> Vec<u8> {
    let (family, ip) = family(candidate.ip);
    [&[family << 4 | candidate.kind as u8], &ip[..], &candidate.port.to_be_bytes()].concat()
}

fn write_server(server: &Server) -> Vec<u8> {
    let (family, host) = match &server.host {
        Host::Ip(ip) => family(*ip),
        // A valid name has at most 253 bytes.
        Host::Name(name) => (NAME, [&[name.len() as u8], name.as_bytes()].concat()),
    };
    [&[family << 4], &host[..], &server.port.to_be_bytes()].concat()
}

/// The record in fields whose signature fits.
pub(super) fn read(fields: &[u8]) -> Result<Record, V3Error> {
    let mut record = Record::default();
    let mut rest = Reader(fields);
    let mut last = 0;
    while !rest.0.is_empty() {
        let [tag, len] = rest.array()?;
        let value = rest.bytes(len.into())?;
        if tag <= last {
            return Err(V3Error::Malformed { what: "fields in ascending order, each once" });
        }
        last = tag;
        if value.is_empty() {
            return Err(V3Error::Malformed { what: "no empty field" });
        }
        let mut value = Reader(value);
        match tag {
            NETWORK => record.network = Some(NetworkId(value.array()?)),
            EXPIRES => record.expires = Some(value.number(MAX_EXPIRES)?),
            NODE => (record.forwarding, record.node_type) = read_node(&mut value)?,
            NAT => record.nat = read_nat(&mut value)?,
            CANDIDATES => record.candidates = value.list(read_candidate)?,
            SERVERS => record.servers = value.list(read_server)?,
            RELAYS => record.relays = value.list(read_server)?,
            // Of a later version. The signature covers it; we have no use for it.
            _ => continue,
        }
        if !value.0.is_empty() {
            return Err(V3Error::Malformed { what: "fields of the length they have" });
        }
    }
    record.validate().map_err(V3Error::Content)?;
    Ok(record)
}

fn read_node(value: &mut Reader) -> Result<(ForwardingType, Option<NodeType>), V3Error> {
    let what = "a known node type and forwarding type";
    let [byte] = value.array()?;
    if byte == 0 {
        return Err(V3Error::Malformed { what });
    }
    Ok((value_of(&FORWARDING_TYPES, byte >> 4, what)?, value_of(&NODE_TYPES, byte & 15, what)?))
}

fn read_nat(value: &mut Reader) -> Result<Nat, V3Error> {
    let what = "a known kind of NAT";
    let [nat_type, behaviour] = value.array()?;
    let delta = if value.0.is_empty() { 0 } else { value.number(u32::MAX.into())? as u32 };
    let nat = Nat {
        nat_type: value_of(&NAT_TYPES, nat_type, what)?,
        mapping: value_of(&MAPPINGS, behaviour >> 4, what)?,
        allocation: value_of(&ALLOCATIONS, behaviour & 15, what)?,
        delta: (delta >> 1) as i32 ^ -((delta & 1) as i32),
    };
    if nat == Nat::default() { Err(V3Error::Malformed { what }) } else { Ok(nat) }
}

fn read_ip(family: u8, value: &mut Reader) -> Result<IpAddr, V3Error> {
    match family {
        V4 => Ok(IpAddr::from(value.array::<4>()?)),
        V6 => Ok(IpAddr::from(value.array::<16>()?)),
        _ => Err(V3Error::Malformed { what: "IPv4 or IPv6 addresses" }),
    }
}

fn read_candidate(value: &mut Reader) -> Result<Candidate, V3Error> {
    let [head] = value.array()?;
    let kind = CandidateKind::ALL
        .into_iter()
        .find(|kind| *kind as u8 == head & 15)
        .ok_or(V3Error::Malformed { what: "known kinds of addresses" })?;
    Ok(Candidate { kind, ip: read_ip(head >> 4, value)?, port: u16::from_be_bytes(value.array()?) })
}

fn read_server(value: &mut Reader) -> Result<Server, V3Error> {
    let [head] = value.array()?;
    if head & 15 != 0 {
        return Err(V3Error::Malformed { what: "known kinds of servers" });
    }
    let host = if head >> 4 == NAME {
        let [len] = value.array()?;
        let name = value.bytes(len.into())?;
        let name = str::from_utf8(name).map_err(|_| V3Error::Malformed { what: "host names" })?;
        Host::Name(name.to_owned())
    } else {
        Host::Ip(read_ip(head >> 4, value)?)
    };
    Ok(Server { host, port: u16::from_be_bytes(value.array()?) })
}

/// Bytes not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], V3Error> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or(V3Error::Malformed { what: "fields that are whole" })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], V3Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// All that is left, as a number from 1 to `max`.
    fn number(&mut self, max: u64) -> Result<u64, V3Error> {
        let error = V3Error::Malformed { what: "numbers in their range, without leading zeros" };
        let bytes = std::mem::take(&mut self.0);
        if bytes.len() > 8 || bytes.first().is_none_or(|&first| first == 0) {
            return Err(error);
        }
        let value = bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        if value <= max { Ok(value) } else { Err(error) }
    }

    /// All that is left, one after the other. A field's 255 bytes bound the number.
    fn list<T>(&mut self, one: fn(&mut Reader) -> Result<T, V3Error>) -> Result<Vec<T>, V3Error> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(one(self)?);
        }
        Ok(all)
    }
}
