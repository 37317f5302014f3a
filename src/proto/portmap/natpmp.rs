//! NAT-PMP (RFC 6886): a question of 2 or 12 bytes, an answer of 12 or 16.
//!
//! A response is version 0, the operation plus 128, a result code and the gateway's clock, then what was
//! asked for. We never suggest external port 0 ("any"): some routers refuse it, though the RFC allows it.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Question, Refusal, Stray, Transport, Verdict, be16, be32};

/// The version number; PCP, on the same port, is 2.
pub const VERSION: u8 = 0;

/// Added to the operation in a response.
const RESPONSE: u8 = 128;

/// Version, operation, result and clock: all that a refusal needs to have.
const HEAD: usize = 8;

/// Result code 1: the version of the request is not known.
const UNSUPPORTED_VERSION: u16 = 1;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Which address do you have outside?
    ExternalAddress,
    /// Forward a port to me.
    Map {
        /// What is forwarded.
        transport: Transport,
        /// Our port.
        internal_port: u16,
        /// The port we would like to have outside.
        external_port: u16,
        /// Seconds; 0 removes the mapping.
        lifetime: u32,
    },
}

/// What a gateway grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::ExternalAddress`].
    ExternalAddress {
        /// The gateway's clock, in seconds since it lost or set up its mappings.
        epoch: u32,
        /// Its address outside.
        ip: Ipv4Addr,
    },
    /// To [`Request::Map`].
    Mapped {
        /// As above.
        epoch: u32,
        /// The port outside; perhaps not the one we asked for.
        external_port: u16,
        /// Seconds; perhaps fewer than we asked for.
        lifetime: u32,
    },
}

impl Request {
    /// The request that removes our mapping of a port (RFC 6886 3.4).
    pub const fn unmap(transport: Transport, internal_port: u16) -> Request {
        Request::Map { transport, internal_port, external_port: 0, lifetime: 0 }
    }

    /// The number of the operation.
    pub const fn opcode(&self) -> u8 {
        match self {
            Request::ExternalAddress => 0,
            Request::Map { transport: Transport::Udp, .. } => 1,
            Request::Map { transport: Transport::Tcp, .. } => 2,
        }
    }

    /// Bytes a success has at least.
    const fn answer_len(&self) -> usize {
        match self {
            Request::ExternalAddress => 12,
            Request::Map { .. } => 16,
        }
    }
}

impl Question for Request {
    type Answer = Answer;

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.opcode()];
        if let Request::Map { internal_port, external_port, lifetime, .. } = self {
            out.extend([0, 0]);
            out.extend(internal_port.to_be_bytes());
            out.extend(external_port.to_be_bytes());
            out.extend(lifetime.to_be_bytes());
        }
        out
    }

    fn judge(&self, datagram: &[u8]) -> Verdict<Answer> {
        match self.read(datagram) {
            Ok(Ok(answer)) => Verdict::Answer(answer),
            Ok(Err(refusal)) => Verdict::Refused(refusal),
            Err(stray) => Verdict::Stray(stray),
        }
    }
}

impl Request {
    fn read(&self, datagram: &[u8]) -> Result<Result<Answer, Refusal>, Stray> {
        let &[version, opcode, ..] = datagram else {
            return Err(Stray::Length { has: datagram.len(), needs: HEAD });
        };
        if opcode < RESPONSE {
            return Err(Stray::Request);
        }
        if version != VERSION {
            return speaks_other_version(version, datagram).map(Err);
        }
        if datagram.len() < HEAD {
            return Err(Stray::Length { has: datagram.len(), needs: HEAD });
        }
        if opcode != RESPONSE + self.opcode() {
            return Err(Stray::Opcode(opcode));
        }
        let (result, epoch) = (be16(datagram, 2), be32(datagram, 4));
        if result != 0 {
            let name = result_name(result);
            return Ok(Err(Refusal { code: result, name, epoch: Some(epoch), wait: None, speaks: None }));
        }
        if datagram.len() < self.answer_len() {
            return Err(Stray::Length { has: datagram.len(), needs: self.answer_len() });
        }
        let Request::Map { internal_port, lifetime: wanted, .. } = *self else {
            let ip = Ipv4Addr::from(be32(datagram, 8));
            return if ip.is_unspecified() {
                Err(Stray::Empty("an address"))
            } else {
                Ok(Ok(Answer::ExternalAddress { epoch, ip }))
            };
        };
        let (internal, external, lifetime) = (be16(datagram, 8), be16(datagram, 10), be32(datagram, 12));
        if internal != internal_port {
            return Err(Stray::Port(internal));
        }
        if wanted != 0 && lifetime == 0 {
            return Err(Stray::Empty("a lifetime"));
        }
        if wanted != 0 && external == 0 {
            return Err(Stray::Empty("a port"));
        }
        // A success that grants a lifetime is no answer to the wish for removal: it is a late one to an
        // earlier wish.
        if wanted == 0 && lifetime != 0 {
            return Err(Stray::Empty("the removal"));
        }
        Ok(Ok(Answer::Mapped { epoch, external_port: external, lifetime }))
    }
}

/// A gateway that speaks PCP only answers with its own version and the result "unsupported version" (RFC 6887
/// 9).
fn speaks_other_version(version: u8, datagram: &[u8]) -> Result<Refusal, Stray> {
    // PCP's result code is the fourth byte and its shortest response has 24 bytes.
    match (version, datagram.get(3)) {
        (2, Some(1)) if datagram.len() >= 24 => Ok(Refusal {
            code: 1,
            name: "UNSUPP_VERSION",
            epoch: Some(be32(datagram, 8)),
            wait: Some(Duration::from_secs(be32(datagram, 4).into())),
            speaks: Some(2),
        }),
        _ => Err(Stray::Version(version)),
    }
}

/// The name of a result code in RFC 6886 3.5.
const fn result_name(code: u16) -> &'static str {
    match code {
        UNSUPPORTED_VERSION => "unsupported version",
        2 => "not authorized",
        3 => "network failure",
        4 => "out of resources",
        5 => "unsupported operation",
        _ => "unknown",
    }
}

/// Whether a datagram is a NAT-PMP gateway's "I do not know this version", which is how it answers a PCP
/// request: version 0, the operation of the request or none, result 1.
pub(crate) fn declines_version(datagram: &[u8]) -> bool {
    datagram.len() >= HEAD
        && datagram.first() == Some(&VERSION)
        && datagram.get(1).is_some_and(|op| *op >= RESPONSE)
        && be16(datagram, 2) == UNSUPPORTED_VERSION
}

#[cfg(test)]
mod tests;
