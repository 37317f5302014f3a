//! Sockets as the node wants them: non-blocking, bound where the program said, with the options set.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// For send(2): a broken connection is an error, never a signal. Apple's systems have an option of the socket for it
/// instead, which std sets on each.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGPIPE: i32 = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGPIPE: i32 = 0;

/// How a connection is kept alive; [`Duration::ZERO`] switches a part off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    /// Quiet time before the first probe.
    pub(crate) idle: Duration,
    /// After this long without an acknowledgement the connection is dead (RFC 5482).
    pub(crate) dead: Duration,
}

fn new(addr: SocketAddr) -> io::Result<Socket> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let socket = {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket
    };
    if addr.is_ipv6() {
        // The IPv4 side has a socket of its own: one family per socket, on every system alike.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// A listening socket. Two listeners never share a port: SO_REUSEADDR only lets a restarted program take its port back.
pub(crate) fn listen(addr: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = new(addr)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// A socket for one connection attempt to `to`, from `source` if given.
pub(crate) fn outgoing(to: SocketAddr, source: Option<IpAddr>) -> io::Result<std::net::TcpStream> {
    let socket = new(to)?;
    if let Some(ip) = source {
        // Let the system choose the port at connect time, by the whole 4-tuple: else 28,000 connections are the end.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = set_bind_address_no_port(&socket);
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    Ok(socket.into())
}

/// A socket bound to a port that may have several connections, and a listener, at once. Port 0: one that nobody has.
pub(crate) fn shared(at: SocketAddr) -> io::Result<Socket> {
    let socket = new(at)?;
    socket.set_reuse_address(true)?;
    // Every socket of the port needs it; without it a listener keeps all others out.
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Begins to connect to `to` from exactly `from`. The SYN has left when this returns, so connections leave in the order
/// of the calls; the socket is writable when the connection stands or has failed.
pub(crate) fn connecting(to: SocketAddr, from: SocketAddr) -> io::Result<std::net::TcpStream> {
    connect_from(shared(from)?, to, None)
}

/// The same, from a socket that is bound already. `hops`: the SYN dies at the router after so many, which later packets
/// do not.
pub(crate) fn connect_from(
    socket: Socket,
    to: SocketAddr,
    hops: Option<u8>,
) -> io::Result<std::net::TcpStream> {
    let usual = hops.map(|hops| shorten(&socket, to, hops)).transpose()?;
    let begun = socket.connect(&to.into());
    if let Some(usual) = usual {
        set_hops(&socket, to, usual)?;
    }
    match begun {
        Err(e) if !in_progress(&e) => Err(e),
        _ => Ok(socket.into()),
    }
}

/// Gives what is sent next so many hops; tells how many there were.
fn shorten(socket: &Socket, to: SocketAddr, hops: u8) -> io::Result<u32> {
    let usual = if to.is_ipv4() { socket.ttl_v4()? } else { socket.unicast_hops_v6()? };
    // The router that drops the SYN says so, and the system would end the attempt. But it believes no such message
    // about a packet with fewer hops than this.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    set_least_hops(socket, to, 2)?;
    set_hops(socket, to, hops.into())?;
    Ok(usual)
}

fn set_hops(socket: &Socket, to: SocketAddr, hops: u32) -> io::Result<()> {
    if to.is_ipv4() { socket.set_ttl_v4(hops) } else { socket.set_unicast_hops_v6(hops) }
}

/// What comes in with fewer hops left is dropped (RFC 5082), and so are errors about packets that had fewer.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_least_hops(socket: &Socket, to: SocketAddr, hops: libc::c_int) -> io::Result<()> {
    const IPV6_MINHOPCOUNT: libc::c_int = 73;
    let option = if to.is_ipv4() {
        (libc::IPPROTO_IP, libc::IP_MINTTL)
    } else {
        (libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT)
    };
    set_int(socket, option, hops)
}

fn in_progress(e: &io::Error) -> bool {
    #[cfg(unix)]
    let started = e.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let started = false;
    started || e.kind() == io::ErrorKind::WouldBlock
}

/// A listening socket beside connections from the same port.
pub(crate) fn listen_shared(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = shared(addr)?;
    socket.listen(4)?;
    Ok(socket.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_bind_address_no_port(socket: &Socket) -> io::Result<()> {
    set_int(socket, (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT), 1)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_int(socket: &Socket, (level, name): (libc::c_int, libc::c_int), value: libc::c_int) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the option takes an int; its address and size are given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the connections of a listener begin with its options: then they are set once, by [`prepare_all`].
const INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Sets what every connection of the node has on those that this listener will accept, as far as the system can.
pub(crate) fn prepare_all(listener: &std::net::TcpListener, keep: KeepAlive) -> io::Result<()> {
    if INHERITED { tune_socket(&SockRef::from(listener), keep) } else { Ok(()) }
}

/// The rest of that on a connection that such a listener has accepted.
pub(crate) fn prepare_accepted(stream: &tokio::net::TcpStream, keep: KeepAlive) -> io::Result<()> {
    if INHERITED { Ok(()) } else { prepare(stream, keep) }
}

/// Sets what every connection of the node has: no Nagle delay, keep-alive, a limit for unacknowledged data.
pub(crate) fn prepare(stream: &tokio::net::TcpStream, keep: KeepAlive) -> io::Result<()> {
    tune_socket(&SockRef::from(stream), keep)
}

/// The same for a socket that blocks.
#[cfg_attr(not(feature = "reach"), allow(dead_code, reason = "HTTP is what blocks"))]
pub(crate) fn tune(stream: &std::net::TcpStream, keep: KeepAlive) -> io::Result<()> {
    tune_socket(&SockRef::from(stream), keep)
}

fn tune_socket(socket: &Socket, keep: KeepAlive) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if keep.idle > Duration::ZERO {
        let idle = Duration::from_secs(keep.idle.as_secs().max(1));
        // Probes come as often as the peer's death may take, a third each, so that the last fits in before the end.
        let pause = if keep.dead > Duration::ZERO { keep.dead / 3 } else { Duration::from_secs(20) };
        let probes = TcpKeepalive::new().with_time(idle).with_interval(pause.max(Duration::from_secs(1)));
        // Linux does not count the probes where there is a limit for unacknowledged data, but looks at that.
        let counted = keep.dead.is_zero() || cfg!(not(any(target_os = "linux", target_os = "android")));
        socket.set_tcp_keepalive(&if counted { probes.with_retries(3) } else { probes })?;
    }
    // Keep-alive probes stop once unacknowledged data is queued; this limit covers that case.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if keep.dead > Duration::ZERO {
        socket.set_tcp_user_timeout(Some(keep.dead))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused() {
        let first = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let e = listen(first.local_addr().unwrap(), 1).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn one_port_has_connections_and_a_listener() {
        let a = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let b = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let first = connecting(a.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap()).unwrap();
        let from = first.local_addr().unwrap();
        let second = connecting(b.local_addr().unwrap(), from).unwrap();
        assert_eq!(second.local_addr().unwrap(), from);
        assert_eq!(listen_shared(from).unwrap().local_addr().unwrap(), from);
        let taken = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        assert!(connecting(a.local_addr().unwrap(), taken.local_addr().unwrap()).is_err());
    }

    /// What is set on a listener is what its connections have.
    #[test]
    fn accepted_connections_are_prepared() {
        let keep = KeepAlive { idle: Duration::from_secs(7), dead: Duration::from_secs(12) };
        let listener = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        prepare_all(&listener, keep).unwrap();
        let _peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (stream, _) = tokio::net::TcpListener::from_std(listener).unwrap().accept().await.unwrap();
            prepare_accepted(&stream, keep).unwrap();
            let socket = SockRef::from(&stream);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), keep.idle);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), keep.dead / 3);
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            #[cfg(any(target_os = "linux", target_os = "android"))]
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(keep.dead));
        });
    }

    #[test]
    fn both_families_may_have_one_port_each() {
        let both = || {
            let four = listen("0.0.0.0:0".parse().unwrap(), 1).unwrap();
            let port = four.local_addr().unwrap().port();
            listen(SocketAddr::new("::".parse().unwrap(), port), 1)
        };
        // Somebody else may have the other one of a pair, but not of so many.
        let all: Vec<_> = (0..20).map(|_| both()).collect();
        assert!(all.iter().any(Result::is_ok), "{all:?}");
    }
}
