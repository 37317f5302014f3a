//! Whom a UNL may make us dial. UNLs come from strangers: by hand, and in REVERSE_CONNECT without anybody having looked.
//!
//! * Never: no port, unspecified, multicast, broadcast and reserved addresses, and this node itself.
//! * Addresses on the internet: always.
//! * Local ones (loopback, link-local, private, shared between customers of a provider): only if our own address of the
//!   same role is of that kind, too. A node at home is never sent to an address at home by a node from elsewhere.
//!
//! At a stranger's word, ports below 1024 of local addresses are left alone as well: what listens there is a service of
//! the household. How often: [`super::reverse`].

use std::net::{IpAddr, SocketAddr};

use super::types::Us;
use crate::proto::admit::Refusal;
use crate::proto::nat::scope::Scope;
use crate::proto::punch::target::LOWEST_PORT;

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDialled {
    /// No address that a host can have, or no port.
    NotAPeer,
    /// This node.
    Own,
    /// Of a local network that we are not in, or that the locator gives no right to.
    Local,
    /// A service's port on a local network, at a stranger's word.
    Service,
}

impl NotDialled {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            NotDialled::NotAPeer => "not an address a peer can have",
            NotDialled::Own => "that is this node itself",
            NotDialled::Local => {
                "an address of a local network, from a node that is not in ours (option local_peers allows it)"
            }
            NotDialled::Service => {
                "a port below 1024 in our own network, named by somebody who asked us to connect there"
            }
        }
    }
}

/// Whether we may dial `to`. `inside`: the two nodes have one WAN address, and this is the LAN address.
/// `asked_by_peer`: not our program wants it.
///
/// # Errors
/// Why not.
pub fn judge(us: &Us, to: SocketAddr, inside: bool, asked_by_peer: bool) -> Result<(), NotDialled> {
    let scope = Scope::of(to.ip());
    if scope == Scope::None {
        return Err(NotDialled::NotAPeer);
    }
    us.own.may_dial(to, std::iter::empty()).map_err(|refusal| match refusal {
        Refusal::NotAPeer => NotDialled::NotAPeer,
        Refusal::Own | Refusal::Duplicate => NotDialled::Own,
    })?;
    if scope == Scope::Global {
        return Ok(());
    }
    let ours = if inside { us.unl.lan_ip } else { us.unl.wan_ip };
    if Scope::of(IpAddr::V4(ours)) != scope && !us.local_peers {
        return Err(NotDialled::Local);
    }
    if asked_by_peer && to.port() < LOWEST_PORT {
        return Err(NotDialled::Service);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::connect::classic::tests::us;

    #[test]
    fn who_may_be_dialled() {
        let at_home = us("203.0.113.7", "192.168.0.5", crate::proto::unl::NodeType::Active);
        let judge = |to: &str, inside| judge(&at_home, to.parse().unwrap(), inside, false);
        for good in ["8.8.8.8:1", "198.51.100.1:5", "203.0.113.7:7"] {
            assert_eq!(judge(good, false), Ok(()), "{good}");
        }
        for none in ["0.0.0.0:1", "224.0.0.1:5", "255.255.255.255:5", "240.0.0.1:5", "8.8.8.8:0"] {
            assert_eq!(judge(none, false), Err(NotDialled::NotAPeer), "{none}");
        }
        for local in ["127.0.0.1:1", "10.0.0.1:5", "192.168.0.9:5", "169.254.1.1:5", "100.64.0.1:5"] {
            assert_eq!(judge(local, false), Err(NotDialled::Local), "{local}");
        }
        assert_eq!(judge("192.168.0.9:5", true), Ok(()));
        assert_eq!(judge("127.0.0.1:5", true), Err(NotDialled::Local));
        assert_eq!(judge("192.168.0.5:50500", true), Err(NotDialled::Own));
    }

    #[test]
    fn at_a_strangers_word_no_services_at_home() {
        let at_home = us("203.0.113.7", "192.168.0.5", crate::proto::unl::NodeType::Active);
        let judge = |to: &str| judge(&at_home, to.parse().unwrap(), true, true);
        assert_eq!(judge("192.168.0.9:445"), Err(NotDialled::Service));
        assert_eq!(judge("192.168.0.9:44445"), Ok(()));
        assert_eq!(judge("8.8.8.8:443"), Ok(()));
    }

    #[test]
    fn a_net_on_loopback_or_in_a_private_network_lives_there() {
        let loopback = us("127.0.0.2", "127.0.0.2", crate::proto::unl::NodeType::Passive);
        assert_eq!(judge(&loopback, "127.0.0.3:5000".parse().unwrap(), false, true), Ok(()));
        let carrier = us("100.64.0.7", "10.0.0.2", crate::proto::unl::NodeType::Passive);
        assert_eq!(judge(&carrier, "100.64.0.8:5000".parse().unwrap(), false, true), Ok(()));
        assert_eq!(judge(&carrier, "10.0.0.3:5000".parse().unwrap(), false, true), Err(NotDialled::Local));
        let told = Us { local_peers: true, ..carrier };
        assert_eq!(judge(&told, "10.0.0.3:5000".parse().unwrap(), false, true), Ok(()));
    }
}
