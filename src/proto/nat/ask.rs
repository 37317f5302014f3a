//! One question of a probe: "how do you see me?", to a server that may be old.
//!
//! OBSERVE and SOURCE TCP go out in one write. A server of ours answers both, in that order; PyP2P's knows
//! only the second. So the first answer settles it, without a time limit to find out that a server is old.

use std::net::SocketAddr;

use crate::proto::rdv_msg::{Observed, Reply, Request};

/// Longest line, in bytes without CRLF, that a probe reads. OBSERVED with all its fields has less than 400.
pub const MAX_LINE: usize = 1024;

/// Which server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// It has to be found out.
    #[default]
    Unknown,
    /// One that knows OBSERVE. Only that is sent to it: each request counts against our address's budget.
    Ours,
    /// One that does not.
    Old,
}

/// What to send on a probe's connection, CRLF included.
pub fn opening(server: Server, local_port: u16) -> String {
    let (observe, source) = (Request::Observe, Request::SourceTcp { local_port: Some(local_port) });
    match server {
        Server::Unknown => format!("{observe}\r\n{source}\r\n"),
        Server::Ours => format!("{observe}\r\n"),
        Server::Old => format!("{source}\r\n"),
    }
}

/// What a server saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A server of ours tells all.
    Observed(Box<Observed>),
    /// An old one tells the port.
    Port(u16),
}

impl Seen {
    /// Takes a line of the server, without CRLF. `None`: no answer, go on reading.
    pub fn read(line: &[u8]) -> Option<Seen> {
        match Reply::parse(std::str::from_utf8(line).ok()?)? {
            Reply::Observed(observed) => Some(Seen::Observed(observed)),
            Reply::RemoteTcp(port) => Some(Seen::Port(port)),
            _ => None,
        }
    }

    /// Our outside port.
    pub fn port(&self) -> u16 {
        match self {
            Seen::Observed(observed) => observed.client.port(),
            Seen::Port(port) => *port,
        }
    }

    /// Who answers so.
    pub fn server(&self) -> Server {
        match self {
            Seen::Observed(_) => Server::Ours,
            Seen::Port(_) => Server::Old,
        }
    }

    /// Our outside address, if it was told.
    pub fn client(&self) -> Option<SocketAddr> {
        match self {
            Seen::Observed(observed) => Some(observed.client),
            Seen::Port(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_and_old_servers() {
        assert_eq!(opening(Server::Unknown, 40001), "OBSERVE\r\nSOURCE TCP 40001\r\n");
        assert_eq!(opening(Server::Ours, 40001), "OBSERVE\r\n");
        assert_eq!(opening(Server::Old, 40001), "SOURCE TCP 40001\r\n");
        let new = Seen::read(b"OBSERVED 203.0.113.7 61002 next=8001").unwrap();
        assert_eq!((new.port(), new.client()), (61002, Some("203.0.113.7:61002".parse().unwrap())));
        assert_eq!(new.server(), Server::Ours);
        let old = Seen::read(b"REMOTE TCP 61002").unwrap();
        assert_eq!((old.port(), old.client()), (61002, None));
        assert_eq!(old.server(), Server::Old);
    }

    #[test]
    fn what_is_no_answer() {
        for line in [
            &b""[..],
            b"HTTP/1.1 400 Bad Request",
            b"REMOTE TCP 70000",
            b"OBSERVED x 5",
            b"RECONNECT",
            b"\xff",
        ] {
            assert_eq!(Seen::read(line), None, "{line:?}");
        }
    }
}
