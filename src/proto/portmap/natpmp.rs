//! NAT-PMP (RFC 6886): a question of 2 or 12 bytes, an answer of 12 or 16.
//!
//! A response is version 0, the operation plus 128, a result code and the gateway's clock, then what was asked for. We
//! never suggest external port 0 ("any"): some routers refuse it, though the RFC allows it.

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
        // A success that grants a lifetime is no answer to the wish for removal: it is a late one to an earlier wish.
        if wanted == 0 && lifetime != 0 {
            return Err(Stray::Empty("the removal"));
        }
        Ok(Ok(Answer::Mapped { epoch, external_port: external, lifetime }))
    }
}

/// A gateway that speaks PCP only answers with its own version and the result "unsupported version" (RFC 6887 9).
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

/// Whether a datagram is a NAT-PMP gateway's "I do not know this version", which is how it answers a PCP request: version
/// 0, the operation of the request or none, result 1.
pub(crate) fn declines_version(datagram: &[u8]) -> bool {
    datagram.len() >= HEAD
        && datagram.first() == Some(&VERSION)
        && datagram.get(1).is_some_and(|op| *op >= RESPONSE)
        && be16(datagram, 2) == UNSUPPORTED_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAP: Request =
        Request::Map { transport: Transport::Tcp, internal_port: 4020, external_port: 4020, lifetime: 3600 };

    /// The success a gateway sends to [`MAP`].
    fn mapped(external: u16, lifetime: u32) -> Vec<u8> {
        let mut out = vec![0, 130, 0, 0, 0, 0, 0, 9];
        out.extend(4020u16.to_be_bytes());
        out.extend(external.to_be_bytes());
        out.extend(lifetime.to_be_bytes());
        out
    }

    #[test]
    fn requests_are_as_in_the_rfc() {
        assert_eq!(Request::ExternalAddress.encode(), [0, 0]);
        assert_eq!(MAP.encode(), [0, 2, 0, 0, 0x0f, 0xb4, 0x0f, 0xb4, 0, 0, 0x0e, 0x10]);
        assert_eq!(Request::unmap(Transport::Udp, 1).encode(), [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_success_is_taken() {
        let want = Answer::Mapped { epoch: 9, external_port: 4021, lifetime: 60 };
        assert_eq!(MAP.judge(&mapped(4021, 60)), Verdict::Answer(want));
        let address = [0, 128, 0, 0, 0, 0, 0, 9, 11, 0, 0, 1];
        let want = Answer::ExternalAddress { epoch: 9, ip: Ipv4Addr::new(11, 0, 0, 1) };
        assert_eq!(Request::ExternalAddress.judge(&address), Verdict::Answer(want));
    }

    #[test]
    fn what_real_gateways_get_wrong_is_no_answer() {
        let stray = |datagram: &[u8]| match MAP.judge(datagram) {
            Verdict::Stray(stray) => stray,
            other => panic!("{other:?}"),
        };
        assert_eq!(stray(&[]), Stray::Length { has: 0, needs: 8 });
        assert_eq!(stray(&[0, 130]), Stray::Length { has: 2, needs: 8 });
        assert_eq!(stray(&mapped(4020, 60)[..12]), Stray::Length { has: 12, needs: 16 });
        let mut udp = mapped(4020, 60);
        udp[1] = 129;
        assert_eq!(stray(&udp), Stray::Opcode(129));
        let mut other_port = mapped(4020, 60);
        other_port[9] ^= 1;
        assert_eq!(stray(&other_port), Stray::Port(4021));
        assert_eq!(stray(&mapped(4020, 0)), Stray::Empty("a lifetime"));
        assert_eq!(stray(&mapped(0, 60)), Stray::Empty("a port"));
        assert_eq!(stray(&MAP.encode()), Stray::Request);
        assert_eq!(stray(&[3, 130, 0, 1, 0, 0, 0, 0]), Stray::Version(3));
        let nowhere = [0, 128, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
        assert_eq!(Request::ExternalAddress.judge(&nowhere), Verdict::Stray(Stray::Empty("an address")));
    }

    #[test]
    fn a_late_success_does_not_pass_for_a_removal() {
        let unmap = Request::unmap(Transport::Tcp, 4020);
        assert_eq!(unmap.judge(&mapped(4020, 60)), Verdict::Stray(Stray::Empty("the removal")));
        let done = Answer::Mapped { epoch: 9, external_port: 0, lifetime: 0 };
        assert_eq!(unmap.judge(&mapped(0, 0)), Verdict::Answer(done));
    }

    #[test]
    fn refusals_have_their_names_and_need_no_body() {
        for (code, name) in
            [(2, "not authorized"), (3, "network failure"), (4, "out of resources"), (77, "unknown")]
        {
            let Verdict::Refused(refusal) = MAP.judge(&[0, 130, 0, code, 0, 0, 1, 0]) else {
                panic!("{code}")
            };
            assert_eq!((refusal.code, refusal.name, refusal.epoch), (code.into(), name, Some(256)));
        }
    }

    #[test]
    fn a_gateway_that_speaks_pcp_only_says_so() {
        let mut pcp = vec![0; 24];
        (pcp[0], pcp[1], pcp[3]) = (2, 0x82, 1);
        let Verdict::Refused(refusal) = MAP.judge(&pcp) else { panic!() };
        assert_eq!(refusal.speaks, Some(2));
        assert_eq!(MAP.judge(&pcp[..8]), Verdict::Stray(Stray::Version(2)));
    }

    proptest! {
        #[test]
        fn only_what_fits_the_question_is_an_answer(
            datagram in proptest::collection::vec(any::<u8>(), 0..40),
            fit in any::<[bool; 4]>(),
        ) {
            let mut datagram = datagram;
            // Push random bytes towards an answer, else nothing would ever be one.
            for ((at, byte), fit) in [(0, 0), (1, 130), (2, 0), (3, 0)].into_iter().zip(fit) {
                if let (Some(slot), true) = (datagram.get_mut(at), fit) { *slot = byte; }
            }
            if let (Some(port), true) = (datagram.get_mut(8..10), fit[0]) { port.copy_from_slice(&4020u16.to_be_bytes()); }
            if let Verdict::Answer(Answer::Mapped { external_port, lifetime, .. }) = MAP.judge(&datagram) {
                prop_assert!(datagram.len() >= 16 && external_port != 0 && lifetime != 0);
                prop_assert_eq!(&datagram[..4], &[0, 130, 0, 0]);
                prop_assert_eq!(&datagram[8..10], &4020u16.to_be_bytes());
            }
            let _ = Request::ExternalAddress.judge(&datagram);
        }

        #[test]
        fn every_answer_a_gateway_can_give_is_understood(external in 1u16.., lifetime in 1u32.., extra in 0usize..8) {
            let mut datagram = mapped(external, lifetime);
            datagram.resize(16 + extra, 0);
            let want = Answer::Mapped { epoch: 9, external_port: external, lifetime };
            prop_assert_eq!(MAP.judge(&datagram), Verdict::Answer(want));
        }
    }
}
