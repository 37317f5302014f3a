//! PCP version 2 (RFC 6887): the operations MAP and ANNOUNCE.
//!
//! A MAP request names our address, a nonce, what to forward and what we would like to have outside. Only who
//! knows the nonce may change the mapping, so it is kept (and journalled) as long as the mapping. IPv4
//! addresses travel as `::ffff:a.b.c.d`. For IPv6 a MAP opens the firewall: the address stays, the port
//! usually too.
//!
//! We send no options: PREFER_FAILURE would turn "that port is taken, have another" into an error, and
//! THIRD_PARTY is for those who map for others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Question, Refusal, Stray, Transport, Verdict, be16, be32, natpmp};

/// The version number.
pub const VERSION: u8 = 2;

/// The first bit of the operation: set in a response.
const RESPONSE: u8 = 0x80;

/// Bytes of the header of a request and of a response.
const HEAD: usize = 24;

/// Bytes of a MAP request or response without options.
const MAP_LEN: usize = HEAD + 36;

/// No PCP message is longer (RFC 6887 7).
const MAX_LEN: usize = 1100;

const OP_ANNOUNCE: u8 = 0;
const OP_MAP: u8 = 1;

/// "I do not speak that version."
const UNSUPP_VERSION: u8 = 1;

/// What makes a mapping ours.
pub type Nonce = [u8; 12];

/// A request to forward a port to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Our address, which has to be the datagram's sender.
    pub client: IpAddr,
    /// The same in every request for the same mapping.
    pub nonce: Nonce,
    /// What is forwarded.
    pub transport: Transport,
    /// Our port.
    pub internal_port: u16,
    /// The port we would like to have outside.
    pub external_port: u16,
    /// The address we had outside; unspecified if none.
    pub external_ip: Option<IpAddr>,
    /// Seconds; 0 removes the mapping.
    pub lifetime: u32,
}

/// A mapping, as granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The gateway's clock, in seconds.
    pub epoch: u32,
    /// The port outside.
    pub external_port: u16,
    /// The address outside.
    pub external_ip: IpAddr,
    /// Seconds.
    pub lifetime: u32,
}

/// A request for the gateway's clock and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Our address.
    pub client: IpAddr,
}

/// An address as PCP writes it.
fn to_sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn from_sixteen(bytes: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.try_into().ok()?;
    Some(Ipv6Addr::from(octets).to_canonical())
}

fn head(opcode: u8, lifetime: u32, client: IpAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAP_LEN);
    out.extend([VERSION, opcode, 0, 0]);
    out.extend(lifetime.to_be_bytes());
    out.extend(to_sixteen(client));
    out
}

impl Map {
    /// The request that removes this mapping (RFC 6887 15).
    pub fn unmap(self) -> Map {
        Map { lifetime: 0, external_port: 0, external_ip: None, ..self }
    }

    fn read(&self, datagram: &[u8]) -> Result<Result<Mapped, Refusal>, Stray> {
        let response = match Response::read(datagram, OP_MAP)? {
            Ok(response) => response,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let body = datagram.get(HEAD..MAP_LEN);
        if let Some(body) = body {
            // A refusal repeats the request, so these hold for it as well.
            if body.get(..12) != Some(self.nonce.as_slice()) {
                return Err(Stray::Nonce);
            }
            let transport = body.get(12).copied().unwrap_or_default();
            if transport != self.transport.number() {
                return Err(Stray::Transport(transport));
            }
            if be16(body, 16) != self.internal_port {
                return Err(Stray::Port(be16(body, 16)));
            }
        }
        if response.result != 0 {
            return Ok(Err(response.refusal()));
        }
        let Some(body) = body else {
            return Err(Stray::Length { has: datagram.len(), needs: MAP_LEN });
        };
        let external_port = be16(body, 18);
        let external_ip = body.get(20..36).and_then(from_sixteen).filter(|ip| !ip.is_unspecified());
        if self.lifetime == 0 {
            if response.lifetime != 0 {
                return Err(Stray::Empty("the removal"));
            }
            let external_ip = external_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
            return Ok(Ok(Mapped { epoch: response.epoch, external_port, external_ip, lifetime: 0 }));
        }
        match (response.lifetime, external_port, external_ip) {
            (0, ..) => Err(Stray::Empty("a lifetime")),
            (_, 0, _) => Err(Stray::Empty("a port")),
            (.., None) => Err(Stray::Empty("an address")),
            (lifetime, _, Some(external_ip)) => {
                Ok(Ok(Mapped { epoch: response.epoch, external_port, external_ip, lifetime }))
            }
        }
    }
}

/// The header of a response.
struct Response {
    result: u8,
    lifetime: u32,
    epoch: u32,
}

impl Response {
    /// Reads a response to `opcode`. A version that the gateway does not speak is a refusal already here,
    /// because the rest is then in another format.
    fn read(datagram: &[u8], opcode: u8) -> Result<Result<Response, Refusal>, Stray> {
        let &[version, op, _, result, ..] = datagram else {
            return Err(Stray::Length { has: datagram.len(), needs: HEAD });
        };
        if op & RESPONSE == 0 {
            return Err(Stray::Request);
        }
        if natpmp::declines_version(datagram) {
            let epoch = Some(be32(datagram, 4));
            let speaks = Some(natpmp::VERSION);
            return Ok(Err(Refusal { code: 1, name: "unsupported version", epoch, wait: None, speaks }));
        }
        if version == natpmp::VERSION {
            return Err(Stray::Version(version));
        }
        if datagram.len() < HEAD {
            return Err(Stray::Length { has: datagram.len(), needs: HEAD });
        }
        if datagram.len() > MAX_LEN || !datagram.len().is_multiple_of(4) {
            return Err(Stray::Misshapen(datagram.len()));
        }
        let response = Response { result, lifetime: be32(datagram, 4), epoch: be32(datagram, 8) };
        if version != VERSION {
            return if result == UNSUPP_VERSION {
                Ok(Err(Refusal { speaks: Some(version), ..response.refusal() }))
            } else {
                Err(Stray::Version(version))
            };
        }
        if op & !RESPONSE != opcode {
            return Err(Stray::Opcode(op & !RESPONSE));
        }
        Ok(Ok(response))
    }

    fn refusal(&self) -> Refusal {
        Refusal {
            code: self.result.into(),
            name: result_name(self.result),
            epoch: Some(self.epoch),
            wait: Some(Duration::from_secs(self.lifetime.into())),
            speaks: None,
        }
    }
}

fn verdict<A>(read: Result<Result<A, Refusal>, Stray>) -> Verdict<A> {
    match read {
        Ok(Ok(answer)) => Verdict::Answer(answer),
        Ok(Err(refusal)) => Verdict::Refused(refusal),
        Err(stray) => Verdict::Stray(stray),
    }
}

impl Question for Map {
    type Answer = Mapped;

    fn encode(&self) -> Vec<u8> {
        let mut out = head(OP_MAP, self.lifetime, self.client);
        out.extend(self.nonce);
        out.extend([self.transport.number(), 0, 0, 0]);
        out.extend(self.internal_port.to_be_bytes());
        out.extend(self.external_port.to_be_bytes());
        // "No address in particular" is the unspecified one of our family (RFC 6887 11.1).
        let any: IpAddr = match self.client {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        out.extend(to_sixteen(self.external_ip.unwrap_or(any)));
        out
    }

    fn judge(&self, datagram: &[u8]) -> Verdict<Mapped> {
        verdict(self.read(datagram))
    }
}

impl Question for Announce {
    /// The gateway's clock.
    type Answer = u32;

    fn encode(&self) -> Vec<u8> {
        head(OP_ANNOUNCE, 0, self.client)
    }

    fn judge(&self, datagram: &[u8]) -> Verdict<u32> {
        verdict(Response::read(datagram, OP_ANNOUNCE).map(|read| {
            read.and_then(|response| match response.result {
                0 => Ok(response.epoch),
                _ => Err(response.refusal()),
            })
        }))
    }
}

/// The name of a result code in RFC 6887 7.4.
const fn result_name(code: u8) -> &'static str {
    match code {
        1 => "UNSUPP_VERSION",
        2 => "NOT_AUTHORIZED",
        3 => "MALFORMED_REQUEST",
        4 => "UNSUPP_OPCODE",
        5 => "UNSUPP_OPTION",
        6 => "MALFORMED_OPTION",
        7 => "NETWORK_FAILURE",
        8 => "NO_RESOURCES",
        9 => "UNSUPP_PROTOCOL",
        10 => "USER_EX_QUOTA",
        11 => "CANNOT_PROVIDE_EXTERNAL",
        12 => "ADDRESS_MISMATCH, so there is another NAT between us and the gateway",
        13 => "EXCESSIVE_REMOTE_PEERS",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
