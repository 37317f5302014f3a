//! What a punch may aim at. The peer names ports, never an address: the address is the one that its locator
//! and the signalling agree on, and even that one must be an address a stranger can have. So nobody can make
//! a node knock at a third party's door, at its own, or at one inside its network.

use std::fmt;
use std::net::IpAddr;

use super::side::LOWEST_PORT;
use crate::proto::nat::scope::Scope;

/// Why an address is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peer says it is somewhere else than its locator and the signalling say.
    NotAgreed,
    /// No address of a host (unspecified, broadcast, multicast, reserved).
    NotAHost,
    /// Of a private, shared, link-local or loopback network.
    Inside,
    /// Our own.
    Own,
}

impl Refusal {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::NotAgreed => {
                "the peer names another outside address than its locator and the signalling do"
            }
            Refusal::NotAHost => "the peer's outside address is none that a host can have",
            Refusal::Inside => "the peer's outside address belongs to a local network",
            Refusal::Own => "the peer's outside address is our own",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Whether `peer` may be aimed at by a node whose addresses are `own` and whose outside address is `outside`.
///
/// Two nodes behind one outside address may aim at it: that is where their NAT would let them meet, if it
/// does hairpin. `allow_inside` lets local networks through, for tests and for nets that live in one.
///
/// # Errors
/// The [`Refusal`].
pub fn check(
    peer: IpAddr,
    own: &[IpAddr],
    outside: Option<IpAddr>,
    allow_inside: bool,
) -> Result<(), Refusal> {
    let peer = peer.to_canonical();
    let shared_outside = outside.is_some_and(|ip| ip.to_canonical() == peer);
    match Scope::of(peer) {
        Scope::None => Err(Refusal::NotAHost),
        _ if own.iter().any(|ip| ip.to_canonical() == peer) => Err(Refusal::Own),
        Scope::Global => Ok(()),
        _ if allow_inside || shared_outside => Ok(()),
        _ => Err(Refusal::Inside),
    }
}

/// Whether what the peer says of its address is what was agreed.
///
/// # Errors
/// [`Refusal::NotAgreed`].
pub fn agree(agreed: IpAddr, said: IpAddr) -> Result<(), Refusal> {
    if agreed.to_canonical() == said.to_canonical() { Ok(()) } else { Err(Refusal::NotAgreed) }
}

/// The ports that may be aimed at, each once, in order, at most `most`.
pub fn ports(named: &[u16], most: usize) -> Vec<u16> {
    let mut ports: Vec<u16> = Vec::new();
    for port in named.iter().filter(|port| **port >= LOWEST_PORT) {
        if ports.len() < most && !ports.contains(port) {
            ports.push(*port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn judge(peer: &str) -> Result<(), Refusal> {
        check(ip(peer), &[ip("192.168.1.2"), ip("198.51.100.9")], Some(ip("198.51.100.1")), false)
    }

    #[test]
    fn who_may_be_aimed_at() {
        for good in ["203.0.113.5", "8.8.8.8", "2001:db8::1", "198.51.100.1", "172.32.0.1", "100.128.0.1"] {
            assert_eq!(judge(good), Ok(()), "{good}");
        }
        for inside in [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
        ] {
            assert_eq!(judge(inside), Err(Refusal::Inside), "{inside}");
        }
        for none in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "ff02::1"] {
            assert_eq!(judge(none), Err(Refusal::NotAHost), "{none}");
        }
        assert_eq!(judge("::ffff:10.0.0.1"), Err(Refusal::Inside));
        assert_eq!(judge("198.51.100.9"), Err(Refusal::Own));
        assert_eq!(judge("::ffff:192.168.1.2"), Err(Refusal::Own));
    }

    #[test]
    fn behind_one_carrier_both_may_meet_at_its_inner_address() {
        let shared = ip("100.64.0.7");
        assert_eq!(check(shared, &[], Some(shared), false), Ok(()));
        assert_eq!(check(shared, &[], Some(ip("100.64.0.8")), false), Err(Refusal::Inside));
        assert_eq!(check(shared, &[], None, true), Ok(()));
    }

    #[test]
    fn agreement_and_ports() {
        assert_eq!(agree(ip("::ffff:8.8.8.8"), ip("8.8.8.8")), Ok(()));
        assert_eq!(agree(ip("8.8.8.8"), ip("8.8.4.4")), Err(Refusal::NotAgreed));
        assert_eq!(ports(&[5000, 80, 5000, 0, 6000, 7000], 2), [5000, 6000]);
    }
}
