//! Only a datagram that fits the question is an answer. The first byte of the input says how the rest is
//! pushed towards one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::portmap::pcp::{Announce, Map};
use p2pnet::proto::portmap::{Question, Transport, Verdict};

fuzz_target!(|data: &[u8]| {
    let Some((&push, rest)) = data.split_first() else { return };
    let mut datagram = rest.to_vec();
    let map = Map {
        client: if push & 1 == 0 { [192, 168, 1, 5].into() } else { std::net::Ipv6Addr::LOCALHOST.into() },
        nonce: *b"twelve bytes",
        transport: if push & 2 == 0 { Transport::Tcp } else { Transport::Udp },
        internal_port: 4020,
        external_port: 4020,
        external_ip: None,
        lifetime: if push & 4 == 0 { 3600 } else { 0 },
    };
    if push & 8 != 0
        && let Some(head) = datagram.get_mut(..4)
    {
        head.copy_from_slice(&[2, 0x81, 0, 0]);
    }
    if push & 16 != 0
        && let Some(body) = datagram.get_mut(24..42)
    {
        body.copy_from_slice(&map.encode()[24..42]);
    }
    if let Verdict::Answer(mapped) = map.judge(&datagram) {
        assert!((60..=1100).contains(&datagram.len()) && datagram.len() % 4 == 0);
        assert_eq!((datagram[0], datagram[1], datagram[3]), (2, 0x81, 0));
        assert_eq!(datagram[24..37], map.encode()[24..37]);
        assert_eq!(datagram[40..42], 4020u16.to_be_bytes());
        assert_eq!(map.lifetime == 0, mapped.lifetime == 0);
        assert!(map.lifetime == 0 || (mapped.external_port != 0 && !mapped.external_ip.is_unspecified()));
    }
    if let Verdict::Answer(epoch) = (Announce { client: map.client }).judge(&datagram) {
        assert_eq!(epoch.to_be_bytes(), datagram[8..12]);
    }
});
