//! How a server is asked: by our clean paths, or by PyP2P's script.

use crate::error::Result;
use crate::http::Address;

/// A server that checks ports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server(Address);

impl Server {
    /// Takes `host:port` (our paths, `/v1/port-check` and `/v1/wan-ip`), or `http://host[:port]/path/net.php` (PyP2P's
    /// script); a URL without a path is a server with our paths.
    ///
    /// # Errors
    /// [`Address::parse`]
    pub(super) fn parse(text: &str) -> Result<Server> {
        Address::parse(text, "net.php").map(Server)
    }

    /// Where it is, for a look-up.
    pub(super) fn host_port(&self) -> String {
        self.0.host_port().to_owned()
    }

    /// Asks whether a TCP connection to `port` of the asker comes about.
    pub(super) fn port_check(&self, port: u16) -> String {
        match self.0.script() {
            Some(path) => self.0.url(&format!("{path}?action=is_port_forwarded&port={port}&proto=TCP")),
            None => self.0.url(&format!("/v1/port-check?port={port}")),
        }
    }

    /// Asks for the asker's address.
    pub(super) fn wan_ip(&self) -> String {
        match self.0.script() {
            Some(path) => self.0.url(&format!("{path}?action=get_wan_ip")),
            None => self.0.url("/v1/wan-ip"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
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
