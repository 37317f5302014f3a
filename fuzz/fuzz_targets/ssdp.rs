//! A location that is taken belongs to the sender, has no control characters and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::portmap::ssdp::{parse_url, read};

fuzz_target!(|data: &[u8]| {
    let Some((&push, rest)) = data.split_first() else { return };
    let from = if push & 1 == 0 { "192.168.1.1:1900" } else { "[fe80::1%3]:1900" };
    let from = from.parse().expect("an address");
    let mut datagram = Vec::new();
    if push & 2 != 0 {
        datagram.extend_from_slice(b"HTTP/1.1 200 OK\r\nLOCATION: http://");
        datagram.extend_from_slice(if push & 1 == 0 { b"192.168.1.1" } else { b"[fe80::1]" });
    }
    datagram.extend_from_slice(rest);
    if let Ok(found) = read(&datagram, from, [192, 168, 1, 5].into()) {
        assert_eq!((found.addr.ip(), found.addr.port() != 0), (from.ip(), true));
        assert!(found.path.starts_with('/') && found.path.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(parse_url(&found.to_string(), from), Some(found));
    }
});
