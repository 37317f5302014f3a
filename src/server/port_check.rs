//! The port check: connects to a port and tells how it answered.
//!
//! A RST and an ICMP "port unreachable" are one error to connect(2); the system keeps the ICMP message beside
//! it, if it is asked to.

use crate::os::icmp;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::Duration;
use tokio::net::TcpSocket;

/// How a port answered a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortAnswer {
    /// The connection came about.
    Open,
    /// With a RST.
    Refused,
    /// Not at all, within the time.
    Silent,
    /// Somebody on the way, or the host, said by ICMP that there is no way to it.
    Unreachable,
}

impl PortAnswer {
    /// One word for the answer.
    pub(super) fn word(self) -> &'static str {
        match self {
            PortAnswer::Open => "open",
            PortAnswer::Refused => "refused",
            PortAnswer::Silent => "silent",
            PortAnswer::Unreachable => "unreachable",
        }
    }
}

/// Connects to `to` and hangs up. `None`: the attempt could not be made (no socket left, no route of ours).
pub(super) async fn port_check(to: SocketAddr, patience: Duration) -> Option<PortAnswer> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.set_nonblocking(true).ok()?;
    // Without it a refusal by ICMP looks like one by RST.
    let _ = icmp::keep_errors(&socket, to.is_ipv6());
    // The same open socket, to look at when tokio has closed its own.
    let beside = socket.try_clone().ok()?;
    let connect = TcpSocket::from_std_stream(StdStream::from(socket)).connect(to);
    match tokio::time::timeout(patience, connect).await {
        Err(_) => Some(PortAnswer::Silent),
        Ok(Ok(_)) => Some(PortAnswer::Open),
        Ok(Err(_)) if icmp::has_error(&beside) => Some(PortAnswer::Unreachable),
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Some(PortAnswer::Refused),
            ErrorKind::TimedOut => Some(PortAnswer::Silent),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(PortAnswer::Unreachable),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn check(to: SocketAddr) -> Option<PortAnswer> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(port_check(to, Duration::from_secs(30)))
    }

    #[test]
    fn open_and_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(check(listener.local_addr().unwrap()), Some(PortAnswer::Open));
        // Bound and not listened on, so it is nobody else's meanwhile.
        let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let at = closed.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(check(at), Some(PortAnswer::Refused));
    }
}
