//! The options that are texts, and the servers.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Config, ServerKind};
use crate::error::{Code, Error, Result};
use crate::proto::identity::{Identity, KEY_LEN};
use crate::proto::network::{NetworkId, NetworkKey};
use crate::proto::unl::UnlV3;

/// One text option.
pub struct TextOption {
    /// The number of its `P2P_OPT_*` constant.
    pub key: i32,
    /// Its name in messages and in the documentation.
    pub name: &'static str,
    /// What it means, one sentence.
    pub meaning: &'static str,
}

/// Every text option, by key.
pub static TEXT_OPTIONS: &[TextOption] = &[
    TextOption {
        key: 1001,
        name: "passive_bind",
        meaning: "address to listen on; \"\" = every IPv4 and IPv6 address, \"0.0.0.0\" = every IPv4, \"::\" = every \
                  IPv6. A particular address is also the source of our own connections",
    },
    TextOption {
        key: 1002,
        name: "interface",
        meaning: "network interface by name (\"eth0\", an alias label such as \"eth0:2\") or by one of its addresses: \
                  connections leave from it; \"\" or \"default\" = the system's choice",
    },
    TextOption {
        key: 1003,
        name: "wan_ip",
        meaning: "this node's address as the internet sees it, if you know better; \"\" = found out",
    },
    TextOption {
        key: 1004,
        name: "gateway",
        meaning: "the routers to ask for a port, by address, separated by commas; \"\" = found out",
    },
    TextOption {
        key: 1005,
        name: "state_dir",
        meaning: "directory for the journal of what the net has opened on routers, so that a program that crashed \
                  cleans up at its next start; \"\" = no file is written",
    },
    TextOption {
        key: 1006,
        name: "network",
        meaning: "name of the network this node belongs to (secure dialect): nodes of others are turned away; \"\" = the one \
                  without a name",
    },
    TextOption {
        key: 1007,
        name: "key",
        meaning: "the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect); \"\" = that of \
                  key_file, or a new one at each start",
    },
    TextOption {
        key: 1008,
        name: "key_file",
        meaning: "file with the node's secret key, made with one (readable for its owner only) if it is not there; \"\" = none",
    },
    TextOption {
        key: 1009,
        name: "network_key",
        meaning: "a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect): \
                  strangers are turned away before they cost anything; \"\" = none",
    },
];

/// Peers that a program may name as the only ones to be let in.
pub const MAX_ALLOWED: usize = 65_536;

/// The longest server address taken, a host name of 253 characters with its port and a scheme.
const MAX_SERVER: usize = 512;

fn address(name: &str, value: &str) -> Result<Option<IpAddr>> {
    if value.is_empty() {
        return Ok(None);
    }
    let bare = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
    bare.parse().map(Some).map_err(|_| {
        Error::new(Code::Invalid, format!("{name} is \"{value}\"; expected an IPv4 or IPv6 address, or \"\""))
    })
}

/// The address others know us by has to be one that a peer can connect to.
fn reachable_address(value: &str) -> Result<Option<IpAddr>> {
    let found = address("wan_ip", value)?;
    if let Some(ip) = found.filter(|ip| ip.is_unspecified() || ip.is_multicast()) {
        return Err(Error::new(Code::Invalid, format!("wan_ip is {ip}, which no peer can connect to")));
    }
    Ok(found)
}

/// A secret of 32 bytes, which becomes what `make` makes of it.
fn secret<T>(name: &str, value: &str, make: impl FnOnce(&[u8; KEY_LEN]) -> T) -> Result<Option<T>> {
    if value.is_empty() {
        return Ok(None);
    }
    // The value is not repeated: messages end up in logs.
    let wrong = || {
        let length = value.chars().count();
        let message = format!("{name} has {length} characters; expected {} hexadecimal digits", 2 * KEY_LEN);
        Error::new(Code::Invalid, message)
    };
    let bytes = crate::node::key::secret_of_hex(value).ok_or_else(wrong)?;
    Ok(Some(make(&bytes)))
}

/// Routers that a program may name.
const MAX_GATEWAYS: usize = 8;

fn gateways(value: &str) -> Result<Vec<IpAddr>> {
    let all: Vec<_> = value.split(',').map(str::trim).filter(|v| !v.is_empty()).collect();
    if all.len() > MAX_GATEWAYS {
        let message = format!("gateway names {} addresses; expected at most {MAX_GATEWAYS}", all.len());
        return Err(Error::new(Code::Invalid, message));
    }
    Ok(all
        .into_iter()
        .map(|ip| address("gateway", ip))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

impl Config {
    /// Sets the text option `key`.
    ///
    /// # Errors
    /// [`Code::Unsupported`] for an unknown key, [`Code::Invalid`] for a text that is not what the option takes.
    pub fn set_str(&mut self, key: i32, value: &str) -> Result<()> {
        match key {
            1001 => self.passive_bind = address("passive_bind", value)?,
            1002 => {
                self.interface = Some(value).filter(|v| !v.is_empty() && *v != "default").map(str::to_owned)
            }
            1003 => self.wan_ip = reachable_address(value)?,
            1004 => self.gateways = gateways(value)?,
            1006 => self.network = Some(value).filter(|v| !v.is_empty()).map(NetworkId::of),
            1007 => self.key = secret("key", value, |s| Arc::new(Identity::from_secret(s)))?,
            1008 => self.key_file = Some(value).filter(|v| !v.is_empty()).map(Into::into),
            1009 => self.network_key = secret("network_key", value, |s| NetworkKey::new(*s))?,
            1005 => self.state_dir = Some(value).filter(|v| !v.is_empty()).map(Into::into),
            _ if super::options::INT_OPTIONS.iter().any(|o| o.key == key) => {
                let message = format!("option {key} is a number: use p2p_config_set_int");
                return Err(Error::new(Code::Unsupported, message));
            }
            _ => {
                let message =
                    format!("there is no option {key} in this version ({})", env!("CARGO_PKG_VERSION"));
                return Err(Error::new(Code::Unsupported, message));
            }
        }
        Ok(())
    }

    /// Lets a node in and be connected to, by its key (43 letters) or a locator of it; all others then are not. (Secure
    /// dialect.)
    ///
    /// # Errors
    /// [`Code::Invalid`] if it is neither; [`Code::Limit`] for more than [`MAX_ALLOWED`].
    pub fn allow_peer(&mut self, who: &str) -> Result<()> {
        let key = match who.parse() {
            Ok(key) => key,
            Err(not_a_key) => match UnlV3::decode(who) {
                Ok(unl) => *unl.identity(),
                Err(e) => {
                    let message = format!("a peer to allow is {not_a_key}, nor a locator: {e}");
                    return Err(Error::new(Code::Invalid, message));
                }
            },
        };
        if self.allowed_peers.len() >= MAX_ALLOWED && !self.allowed_peers.contains(&key) {
            return Err(Error::new(Code::Limit, format!("more than {MAX_ALLOWED} peers to allow")));
        }
        self.allowed_peers.insert(key);
        Ok(())
    }

    /// Adds a server. Those of a kind are used in the order they were added.
    ///
    /// # Errors
    /// [`Code::Invalid`] if `at` is not what the kind takes (see [`ServerKind`]).
    pub fn add_server(&mut self, kind: ServerKind, at: &str) -> Result<()> {
        let (name, checked) = match kind {
            ServerKind::Rendezvous => ("rendezvous", split_host_port(at).map(drop)),
            ServerKind::Relay => ("relay", split_host_port(at).map(drop)),
            ServerKind::Reachability => ("reachability", reachability(at)),
            ServerKind::Dht if !cfg!(feature = "reach") => {
                let message = "server: this build speaks no HTTP (cargo feature \"reach\")";
                ("DHT", Err(Error::new(Code::Unsupported, message)))
            }
            ServerKind::Dht => ("DHT", reachability(at)),
            ServerKind::Mainline if !cfg!(feature = "mainline") => {
                let message = "server: BitTorrent's DHT is not in this build (cargo feature \"mainline\")";
                ("Mainline", Err(Error::new(Code::Unsupported, message)))
            }
            ServerKind::Mainline if at == PUBLIC_MAINLINE => ("Mainline", Ok(())),
            ServerKind::Mainline => ("Mainline", split_host_port(at).map(drop)),
            ServerKind::Ntp => ("NTP", split_host_port(&with_port(at, NTP_PORT)).map(drop)),
        };
        checked.map_err(|e| Error::new(e.code, format!("{name} server {}", e.message)))?;
        let at = if kind == ServerKind::Ntp { with_port(at, NTP_PORT) } else { at.to_owned() };
        self.servers.push((kind, at));
        Ok(())
    }
}

/// In the place of a server's address: BitTorrent's own well-known nodes.
pub const PUBLIC_MAINLINE: &str = "public";

const NTP_PORT: u16 = 123;

/// A server's address with `port` behind it, if it names none.
fn with_port(at: &str, port: u16) -> String {
    if at.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("[{at}]:{port}");
    }
    let bare = !at.contains(':') || at.starts_with('[') && at.ends_with(']');
    if bare { format!("{at}:{port}") } else { at.to_owned() }
}

/// `host:port`, or `http://host[:port]/path`.
fn reachability(at: &str) -> Result<()> {
    let Some(rest) = at.strip_prefix("http://") else {
        if at.contains("://") {
            let message = format!("\"{at}\" has a scheme that is not spoken; expected http:// or host:port");
            return Err(Error::new(Code::Invalid, message));
        }
        return split_host_port(at).map(drop);
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
    if path.contains(odd) {
        let message = format!("\"{at}\" has a query or a blank; expected http://host:port/path");
        return Err(Error::new(Code::Invalid, message));
    }
    split_host_port(&with_port(host, 80)).map(drop)
}

/// Takes `host:port` apart; an IPv6 address stands in brackets.
///
/// # Errors
/// [`Code::Invalid`] with a message that quotes the text and says what was expected.
pub fn split_host_port(text: &str) -> Result<(&str, u16)> {
    let wrong = |what: &str| {
        let shown: String = text.chars().take(80).collect();
        Err(Error::new(
            Code::Invalid,
            format!("\"{shown}\" {what}; expected host:port, 192.0.2.1:port or [2001:db8::1]:port"),
        ))
    };
    if text.len() > MAX_SERVER {
        return wrong("is too long");
    }
    let Some((host, port)) = text.rsplit_once(':') else { return wrong("has no port") };
    // parse() alone would take a sign.
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let Some(port) = port.parse::<u16>().ok().filter(|p| digits && *p > 0) else {
        return wrong("has no port between 1 and 65535");
    };
    let bare = match host.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(inside) if inside.parse::<std::net::Ipv6Addr>().is_ok() || inside.contains('%') => inside,
            _ => return wrong("has no IPv6 address in its brackets"),
        },
        None if host.contains(':') => return wrong("has an IPv6 address without brackets"),
        None => host,
    };
    if bare.is_empty() || bare.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("has no host name");
    }
    Ok((bare, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port() {
        assert_eq!(split_host_port("example.org:8000"), Ok(("example.org", 8000)));
        assert_eq!(split_host_port("[::1]:1"), Ok(("::1", 1)));
        for bad in [
            "", "x", ":", ":80", "x:", "x:0", "x:65536", "::1:80", "[::1:80", "[x]:80", "a b:80", "x:-1",
            "x:+80",
        ] {
            let e = split_host_port(bad).unwrap_err();
            assert_eq!(e.code, Code::Invalid, "{bad}");
            assert!(e.message.contains("expected host:port"), "{e}");
        }
        assert!(split_host_port(&"a".repeat(10_000)).is_err());
    }

    #[test]
    fn texts_are_checked_when_they_are_set() {
        let mut c = Config::default();
        c.set_str(1001, "127.0.0.2").unwrap();
        c.set_str(1003, "[2001:db8::1]").unwrap();
        c.set_str(1002, "eth0:2").unwrap();
        assert_eq!(c.interface.as_deref(), Some("eth0:2"));
        c.set_str(1002, "default").unwrap();
        assert_eq!(c.interface, None);
        let e = c.set_str(1001, "localhost").unwrap_err();
        assert!(e.message.contains("passive_bind") && e.message.contains("localhost"), "{e}");
        assert!(c.set_str(4, "x").unwrap_err().message.contains("p2p_config_set_int"));
        assert_eq!(c.set_str(77, "x").unwrap_err().code, Code::Unsupported);
        assert!(c.add_server(ServerKind::Rendezvous, "nowhere").is_err());
        assert!(c.set_str(1003, "0.0.0.0").unwrap_err().message.contains("no peer can connect"));
        c.set_str(1004, "192.0.2.1, fe80::1").unwrap();
        assert_eq!(c.gateways.len(), 2);
        assert!(c.set_str(1004, "router").unwrap_err().message.contains("gateway"));
        assert!(c.set_str(1004, &"192.0.2.1,".repeat(9)).is_err());
        c.set_str(1005, "/var/lib/x").unwrap();
        c.set_str(1007, &"a1".repeat(32)).unwrap();
        assert_eq!(c.key.as_ref().map(|key| *key.secret()), Some([0xa1; 32]));
        let e = c.set_str(1007, "a1a1").unwrap_err();
        assert!(e.message.contains("64 hexadecimal") && !e.message.contains("a1a1"), "{e}");
        c.set_str(1006, "chess").unwrap();
        assert_eq!(c.network, Some(NetworkId::of("chess")));
        assert_eq!(c.state_dir.as_deref(), Some(std::path::Path::new("/var/lib/x")));
    }

    #[test]
    fn each_kind_of_server_has_its_form() {
        let mut c = Config::default();
        for (kind, good, kept) in [
            (ServerKind::Ntp, "192.0.2.1", "192.0.2.1:123"),
            (ServerKind::Ntp, "time.example:4123", "time.example:4123"),
            (ServerKind::Ntp, "2001:db8::1", "[2001:db8::1]:123"),
            (ServerKind::Ntp, "[2001:db8::1]", "[2001:db8::1]:123"),
            (ServerKind::Reachability, "h.example:8080", "h.example:8080"),
            (ServerKind::Reachability, "http://h.example/net.php", "http://h.example/net.php"),
            (ServerKind::Reachability, "http://[::1]:8080/p2p/net.php", "http://[::1]:8080/p2p/net.php"),
        ] {
            c.add_server(kind, good).unwrap();
            assert_eq!(c.servers.last(), Some(&(kind, kept.to_owned())));
        }
        for bad in
            ["https://h.example/", "h.example", "http:///x", "http://h.example/a b", "http://h.example/?a"]
        {
            let e = c.add_server(ServerKind::Reachability, bad).unwrap_err();
            assert!(e.message.starts_with("reachability server"), "{e}");
        }
        assert!(c.add_server(ServerKind::Ntp, "").is_err());
    }

    #[test]
    fn nodes_of_bittorrents_dht_only_where_it_is_built_in() {
        let mut c = Config::default();
        for at in ["public", "dht.example:6881"] {
            let added = c.add_server(ServerKind::Mainline, at);
            if cfg!(feature = "mainline") {
                added.unwrap();
                assert!(c.uses_mainline());
            } else {
                let e = added.unwrap_err();
                assert_eq!(e.code, Code::Unsupported);
                assert!(e.message.contains("cargo feature \"mainline\""), "{e}");
                assert!(!c.uses_mainline() && c.servers.is_empty());
            }
        }
        let e = c.add_server(ServerKind::Mainline, "somewhere").unwrap_err();
        let expected = if cfg!(feature = "mainline") { Code::Invalid } else { Code::Unsupported };
        assert_eq!(e.code, expected, "{e}");
    }
}
