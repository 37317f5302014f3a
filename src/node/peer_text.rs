//! A peer's address as C reads it, `ip:port`, within a connection: that of IPv4 needs no memory of its own.

use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::ops::Deref;

/// "255.255.255.255:65535" and NUL.
const SHORT: usize = 22;

/// See the module.
pub(crate) enum PeerText {
    Short([u8; SHORT]),
    Long(Box<CStr>),
}

impl PeerText {
    pub(crate) fn new(peer: SocketAddr) -> PeerText {
        let text = peer.to_string();
        let mut short = [0; SHORT];
        match short.get_mut(..text.len()) {
            // The last stays NUL.
            Some(front) if text.len() < SHORT => {
                front.copy_from_slice(text.as_bytes());
                PeerText::Short(short)
            }
            _ => PeerText::Long(CString::new(text).unwrap_or_default().into()),
        }
    }
}

impl Deref for PeerText {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        match self {
            PeerText::Short(text) => CStr::from_bytes_until_nul(text).unwrap_or_default(),
            PeerText::Long(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_address_however_long() {
        for text in [
            "1.2.3.4:5",
            "255.255.255.255:65535",
            "[::1]:1",
            "[1111:2222:3333:4444:5555:6666:7777:8888%9]:65535",
        ] {
            let peer = PeerText::new(text.parse().unwrap());
            assert_eq!(peer.to_bytes(), text.as_bytes());
            assert_eq!(matches!(peer, PeerText::Short(_)), text.len() < SHORT, "{text}");
        }
        assert_eq!(size_of::<PeerText>(), 24);
    }
}
