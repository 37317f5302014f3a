//! Only a datagram that fits the question is an answer. The first byte of the input says how the rest is
//! pushed towards one, else the fuzzer would see little but refusals.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::portmap::natpmp::{Answer, Request};
use p2pnet::proto::portmap::{Question, Transport, Verdict};

fuzz_target!(|data: &[u8]| {
    let Some((&push, rest)) = data.split_first() else { return };
    let mut datagram = rest.to_vec();
    let request = match push & 3 {
        0 => Request::ExternalAddress,
        1 => Request::unmap(Transport::Tcp, 4020),
        _ => Request::Map { transport: Transport::Udp, internal_port: 4020, external_port: 1, lifetime: 60 },
    };
    if push & 4 != 0
        && let Some(head) = datagram.get_mut(..4)
    {
        head.copy_from_slice(&[0, 128 + request.opcode(), 0, 0]);
    }
    if push & 8 != 0
        && let Some(port) = datagram.get_mut(8..10)
    {
        port.copy_from_slice(&4020u16.to_be_bytes());
    }
    match (request, request.judge(&datagram)) {
        (Request::ExternalAddress, Verdict::Answer(Answer::ExternalAddress { ip, .. })) => {
            assert!(datagram.len() >= 12 && datagram[..4] == [0, 128, 0, 0]);
            assert_eq!(ip.octets(), datagram[8..12]);
            assert!(!ip.is_unspecified());
        }
        (
            Request::Map { lifetime: wanted, .. },
            Verdict::Answer(Answer::Mapped { external_port, lifetime, .. }),
        ) => {
            assert!(datagram.len() >= 16 && datagram[..4] == [0, 128 + request.opcode(), 0, 0]);
            assert_eq!(datagram[8..10], 4020u16.to_be_bytes());
            assert_eq!(wanted == 0, lifetime == 0);
            assert!(wanted == 0 || external_port != 0);
        }
        (_, Verdict::Answer(other)) => panic!("{other:?} to {request:?}"),
        (_, Verdict::Refused(refusal)) => assert!(datagram[1] >= 128 && refusal.code != 0),
        (_, Verdict::Stray(stray)) => assert!(!stray.to_string().is_empty()),
    }
});
