//! The lines a node and a rendezvous server exchange, as types: [`Request`] goes to the server, [`Reply`] comes back.
//!
//! Both sides of this crate use the same types: the client formats a [`Request`] and parses a [`Reply`], the server
//! the other way round. Lines come without their CRLF; the line layer adds and removes it. The grammar is that of
//! PyP2P 0.8.3, with IPv6 addresses allowed wherever an IPv4 address is (see `docs/protocol-rendezvous.md`).
//!
//! Every parser here looks at each byte a bounded number of times: the patterns of the original are exponential in
//! the length of a malformed line.

mod observed;
mod relay;
mod reply;
mod request;
pub mod signal;

pub use observed::{Alternate, MAX_ALTERNATES, NotAnAlternate, Observed};
pub use relay::{NotAToken, RelayProof, RelayReason, RelayReply, RelayTerms, RelayToken, parse_relay};
pub use reply::Reply;
pub use request::Request;
pub use signal::{SignalReply, SignalRequest};

use std::fmt;
use std::net::IpAddr;

/// Longest line, in bytes without CRLF, that a rendezvous server reads. A longer one ends the connection.
pub const MAX_LINE: usize = 16_384;

/// Most ports one CANDIDATE, ACCEPT, CHALLENGE or FIGHT may carry. PyP2P sends four.
pub const MAX_PORTS: usize = 64;

/// Most nodes one BOOTSTRAP can ask for and one NODES can carry.
pub const MAX_NODES: usize = 100;

/// Longest time field, in characters, of an ACCEPT or FIGHT. PyP2P writes about 30.
pub const MAX_NTP: usize = 64;

/// The transport a hole is to be punched for. PyP2P only ever punches TCP but lets both names through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `TCP`
    Tcp,
    /// `UDP`
    Udp,
}

impl Transport {
    fn parse(text: &str) -> Option<Transport> {
        match text {
            "TCP" => Some(Transport::Tcp),
            "UDP" => Some(Transport::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        })
    }
}

/// Reads the time field of an ACCEPT or FIGHT (`1*DIGIT ["." 1*DIGIT]`) as Unix seconds.
pub fn ntp_seconds(text: &str) -> Option<f64> {
    if !is_ntp(text) {
        return None;
    }
    text.parse().ok()
}

fn is_ntp(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    text.len() <= MAX_NTP && is_digits(whole) && is_digits(fraction)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A decimal number of any length; beyond `u32` it stays at the maximum, as no field has a use for such a value.
fn number(text: &str) -> Option<u32> {
    if !is_digits(text) {
        return None;
    }
    Some(text.bytes().fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0'))))
}

/// A port 1..=65535; leading zeros are harmless.
fn port(text: &str) -> Option<u16> {
    number(text).and_then(|n| u16::try_from(n).ok()).filter(|&n| n != 0)
}

/// One or more ports with exactly one space between them, at most [`MAX_PORTS`].
fn ports(text: &str) -> Option<Vec<u16>> {
    let mut list = Vec::with_capacity(4);
    for field in text.split(' ') {
        if list.len() == MAX_PORTS {
            return None;
        }
        list.push(port(field)?);
    }
    Some(list)
}

/// An address in its usual text form. A v4-mapped v6 address is the v4 address.
fn ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn write_ports(f: &mut fmt::Formatter<'_>, ports: &[u16]) -> fmt::Result {
    ports.iter().try_for_each(|port| write!(f, " {port}"))
}

/// A final lone LF is tolerated after a pattern that must match to the end of the line, as the original does.
fn without_final_lf(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_saturate_and_ports_are_checked() {
        assert_eq!(number("99999999999999999999"), Some(u32::MAX));
        assert_eq!(number(""), None);
        assert_eq!(number("-1"), None);
        assert_eq!(number("+1"), None);
        assert_eq!(number("١"), None, "digits are ASCII digits");
        assert_eq!(port("00080"), Some(80));
        assert_eq!(port("0"), None);
        assert_eq!(port("65536"), None);
        assert_eq!(port("65535"), Some(65535));
    }

    #[test]
    fn ports_are_bounded_and_separated_by_one_space() {
        assert_eq!(ports("1 2 3"), Some(vec![1, 2, 3]));
        for bad in ["", " 1", "1 ", "1  2", "1\t2", "1,2", "1 0"] {
            assert_eq!(ports(bad), None, "{bad:?}");
        }
        let most = vec!["7"; MAX_PORTS].join(" ");
        assert_eq!(ports(&most).map(|p| p.len()), Some(MAX_PORTS));
        assert_eq!(ports(&format!("{most} 7")), None);
    }

    #[test]
    fn time_fields() {
        assert_eq!(ntp_seconds("1412137849.288068"), Some(1_412_137_849.288_068));
        assert_eq!(ntp_seconds("12"), Some(12.0));
        for bad in ["", ".5", "5.", "1.2.3", "1e9", "-1", "nan", "inf", " 1"] {
            assert_eq!(ntp_seconds(bad), None, "{bad:?}");
        }
        assert_eq!(ntp_seconds(&"1".repeat(MAX_NTP + 1)), None);
    }

    #[test]
    fn a_malformed_line_of_full_length_is_refused_quickly() {
        // The original needs 2^n steps for n digits here; with linear work even thousands of such lines are nothing.
        for n in [24, 1000, MAX_LINE - 30] {
            let digits = "1".repeat(n);
            assert_eq!(Request::parse(&format!("CANDIDATE 1.2.3.4 TCP {digits}x")), None);
            assert_eq!(Request::parse(&format!("ACCEPT 1.2.3.4 {digits}x TCP 1")), None);
            assert_eq!(Reply::parse(&format!("CHALLENGE 1.2.3.4 {digits}x TCP")), None);
            assert_eq!(Reply::parse(&format!("FIGHT 1.2.3.4 {digits}x TCP 1")), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(line in any::<String>()) {
            let _ = Request::parse(&line);
            let _ = Reply::parse(&line);
        }

        #[test]
        fn near_misses_are_read_or_refused(
            line in "(BOOTSTRAP|RELAY|PASSIVE READY|SIMULTANEOUS READY|CANDIDATE|ACCEPT|SOURCE TCP|OBSERVE|NODES|CHALLENGE|FIGHT|\
                     REMOTE TCP|OBSERVED [0-9]{1,3}[.]0[.]0[.]1 [0-9]{1,5})( |  |)\
                     ([0-9.: \n]|TCP|UDP|p:|\\[::1\\]| next=| http=| alt=){0,40}",
        ) {
            if let Some(request) = Request::parse(&line) {
                // What was understood is written in a form that is understood as the same.
                let written = request.to_string();
                prop_assert_eq!(Request::parse(&written), Some(request));
            }
            if let Some(reply) = Reply::parse(&line) {
                prop_assert_eq!(Reply::parse(&reply.to_string()), Some(reply));
            }
        }
    }
}
