//! Where and how a server is asked: our clean paths, or PyP2P's script.

use crate::config::text::split_host_port;
use crate::error::{Code, Error, Result};

/// The longest address of a server.
const MAX: usize = 512;

/// A server that checks ports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// `host:port` as it stands in the URL, an IPv6 address in brackets.
    authority: String,
    /// The path of PyP2P's script; `None` for our paths.
    script: Option<String>,
}

impl Server {
    /// Takes `host:port` (our paths, `/v1/port-check` and `/v1/wan-ip`), or `http://host[:port]/path/net.php` (PyP2P's
    /// script); a URL without a path is a server with our paths.
    ///
    /// # Errors
    /// [`Code::Invalid`] with what was expected; [`Code::Unsupported`] for `https`.
    pub(super) fn parse(text: &str) -> Result<Server> {
        let wrong = |why: &str| {
            let shown: String = text.chars().take(80).collect();
            let message = format!("\"{shown}\" {why}; expected host:port or http://host[:port]/path/net.php");
            Err(Error::new(Code::Invalid, message))
        };
        if text.len() > MAX {
            return wrong("is too long");
        }
        let scheme = text.get(..7).filter(|s| s.eq_ignore_ascii_case("http://"));
        let Some(rest) = scheme.and_then(|_| text.get(7..)) else {
            if text.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://")) {
                let message = format!("\"{text}\": TLS is not built in; expected http://");
                return Err(Error::new(Code::Unsupported, message));
            }
            if text.contains("://") || text.contains('/') {
                return wrong("is no http:// address");
            }
            return Ok(Server { authority: authority(text)?, script: None });
        };
        let (at, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // What RFC 3986, section 3.3, allows in a path.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&b);
        if !path.bytes().all(fits) {
            return wrong("has a path that does not fit into a URL");
        }
        // A port may be left out of a URL; the last colon of [::1] is none.
        let has_port = at.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let authority = authority(&if has_port { at.to_owned() } else { format!("{at}:80") })?;
        Ok(Server { authority, script: Some(path.to_owned()).filter(|p| p.len() > 1) })
    }

    /// Where it is, for a look-up.
    pub(super) fn host_port(&self) -> String {
        self.authority.clone()
    }

    /// Asks whether a TCP connection to `port` of the asker comes about.
    pub(super) fn port_check(&self, port: u16) -> String {
        match &self.script {
            Some(path) => {
                format!("http://{}{path}?action=is_port_forwarded&port={port}&proto=TCP", self.authority)
            }
            None => format!("http://{}/v1/port-check?port={port}", self.authority),
        }
    }

    /// Asks for the asker's address.
    pub(super) fn wan_ip(&self) -> String {
        match &self.script {
            Some(path) => format!("http://{}{path}?action=get_wan_ip", self.authority),
            None => format!("http://{}/v1/wan-ip", self.authority),
        }
    }
}

/// Checks `host:port`; the host goes into a URL and a header as it is.
fn authority(text: &str) -> Result<String> {
    let (host, port) = split_host_port(text)?;
    let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    if !is_v6 && !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        let message = format!("\"{text}\" has no host name that fits into a URL; expected host:port");
        return Err(Error::new(Code::Invalid, message));
    }
    Ok(if is_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_servers() {
        let ours = Server::parse("example.org:8080").unwrap();
        assert_eq!(ours.port_check(7), "http://example.org:8080/v1/port-check?port=7");
        assert_eq!(ours.wan_ip(), "http://example.org:8080/v1/wan-ip");
        assert_eq!(Server::parse("http://example.org:8080/"), Ok(ours));
        let old = Server::parse("HTTP://example.org/p2p/net.php").unwrap();
        assert_eq!(old.host_port(), "example.org:80");
        let check = "http://example.org:80/p2p/net.php?action=is_port_forwarded&port=7&proto=TCP";
        assert_eq!(old.port_check(7), check);
        assert_eq!(old.wan_ip(), "http://example.org:80/p2p/net.php?action=get_wan_ip");
        assert_eq!(Server::parse("http://[::1]").unwrap().host_port(), "[::1]:80");
        assert_eq!(Server::parse("[::1]:8080").unwrap().wan_ip(), "http://[::1]:8080/v1/wan-ip");
    }

    #[test]
    fn what_is_no_server() {
        for bad in [
            "",
            "example.org",
            "example.org:0",
            "http://",
            "http:///net.php",
            "http://user@example.org/net.php",
            "http://example.org/net.php?action=x",
            "http://example.org/net.php#x",
            "http://example.org/a b",
            "http://example.org/>",
            "http://example.org:99999/net.php",
            "ftp://example.org/net.php",
            "example.org:80/net.php",
            "[fe80::1%eth0]:80",
            "ex\u{e4}mple.org:80",
            "example.org\r\nX:80",
        ] {
            let e = Server::parse(bad).unwrap_err();
            assert_eq!(e.code, Code::Invalid, "{bad}");
            assert!(e.message.contains("expected"), "{e}");
        }
        assert_eq!(Server::parse("https://example.org/net.php").unwrap_err().code, Code::Unsupported);
        assert!(Server::parse(&format!("http://{}/net.php", "a".repeat(600))).is_err());
    }

    proptest! {
        /// Whatever is taken makes a URL that the HTTP crate takes as well.
        #[test]
        fn what_is_taken_makes_a_url(text in "(http://)?[a-z0-9.:\\[\\]@_-]{0,20}(:[0-9]{1,5})?(/[!-~]{0,10})?") {
            if let Ok(server) = Server::parse(&text) {
                prop_assert!(server.port_check(65535).parse::<ureq::http::Uri>().is_ok(), "{}", text);
                prop_assert!(server.wan_ip().parse::<ureq::http::Uri>().is_ok(), "{}", text);
            }
        }
    }
}
