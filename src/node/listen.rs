//! The listening sockets: one per address family, on one port.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::config::{Config, Dialect};
use crate::error::{Error, Result};
use crate::os::sock;

/// How often a common port for both families is looked for when any will do.
const TRIES: usize = 16;

/// Opens what the configuration asks for. All sockets have the same port.
pub(crate) fn listen(config: &Config, interface: Option<IpAddr>) -> Result<Vec<TcpListener>> {
    let ips = config.listen_ips(interface);
    let mut last = None;
    for _ in 0..if config.passive_port == 0 { TRIES } else { 1 } {
        match on_all(&ips, config) {
            Ok(listeners) => return Ok(listeners),
            Err((at, e)) if e.kind() == io::ErrorKind::AddrInUse => last = Some((at, e)),
            Err((at, e)) => return Err(explain(at, &e)),
        }
    }
    let (at, e) = last.unwrap_or_else(|| (SocketAddr::new(ips[0], 0), io::ErrorKind::AddrInUse.into()));
    Err(explain(at, &e))
}

/// How connections are kept alive.
pub(crate) fn keep_alive(config: &Config) -> sock::KeepAlive {
    sock::KeepAlive { idle: config.keepalive, dead: config.dead_peer_timeout }
}

fn on_all(ips: &[IpAddr], config: &Config) -> std::result::Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    // Room for a burst that comes faster than we accept: where there is none, the peer's SYN is dropped and it tries again
    // a second later, then three.
    let least = match config.dialect {
        Dialect::Classic => 128,
        // Strangers take no place here, so more of them come in at once.
        Dialect::Secure => 1024,
    };
    let backlog = i32::try_from(config.max_inbound.clamp(least, 4096)).unwrap_or(4096);
    let mut port = config.passive_port;
    let mut listeners: Vec<TcpListener> = Vec::new();
    for ip in ips {
        let at = SocketAddr::new(*ip, port);
        let listening = sock::listen(at, backlog)
            .and_then(|listener| sock::prepare_all(&listener, keep_alive(config)).map(|()| listener));
        match listening {
            Ok(listener) => {
                port = listener.local_addr().map_err(|e| (at, e))?.port();
                listeners.push(listener);
            }
            // A machine without IPv6 listens on IPv4 only; an address the program named must work.
            Err(e) if ip.is_ipv6() && ip.is_unspecified() && !listeners.is_empty() && no_such_family(&e) => {}
            Err(e) => return Err((at, e)),
        }
    }
    Ok(listeners)
}

fn no_such_family(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn explain(at: SocketAddr, e: &io::Error) -> Error {
    let advice = match e.kind() {
        io::ErrorKind::AddrInUse => " (choose another passive_port, or 0 for any)",
        io::ErrorKind::AddrNotAvailable => " (passive_bind must be an address of this machine)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges)",
        _ => "",
    };
    let plain = Error::io(format_args!("listening on {at}"), e);
    Error { message: format!("{}{advice}", plain.message).into(), ..plain }
}
