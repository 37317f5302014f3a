//! Plain sockets in hosts, for cases that look at the network itself.
//!
//! A socket belongs to the host it was made in and can be used from any thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::Result;
use crate::host::Host;

/// When something has not happened after this long, it does not happen at all.
pub(crate) const HUNG: Duration = Duration::from_secs(90);

/// A connection between a host and the server.
pub(crate) struct Seen {
    /// Where the server saw it come from.
    pub(crate) from: SocketAddr,
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

fn any(family: &SocketAddr) -> IpAddr {
    if family.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// A TCP socket in this host, bound to this port in such a way that others can be bound to it as well.
pub(crate) fn tcp_socket(host: &Host, local: SocketAddr) -> Result<Socket> {
    let made = host.enter(|| {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&local.into())?;
        Ok::<_, std::io::Error>(socket)
    });
    Ok(made.map_err(|e| format!("a TCP socket on {local} in {}: {e}", host.name()))?)
}

/// Listens in this host.
pub(crate) fn listen(host: &Host, local: impl Into<SocketAddr>) -> Result<TcpListener> {
    let socket = tcp_socket(host, local.into())?;
    socket.listen(64)?;
    Ok(socket.into())
}

/// Connects from this port (0: any) of a host.
pub(crate) fn connect(host: &Host, port: u16, to: SocketAddr) -> Result<TcpStream> {
    let socket = tcp_socket(host, (any(&to), port).into())?;
    let connected = socket.connect_timeout(&to.into(), HUNG);
    connected.map_err(|e| format!("{} connecting from port {port} to {to}: {e}", host.name()))?;
    Ok(socket.into())
}

/// Starts to connect and does not wait for the outcome.
pub(crate) fn connect_later(host: &Host, port: u16, to: SocketAddr) -> Result<Socket> {
    let socket = tcp_socket(host, (any(&to), port).into())?;
    socket.set_nonblocking(true)?;
    match socket.connect(&to.into()) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e.into()),
        _ => Ok(socket),
    }
}

/// Connects from this port of a host to a listener of the server.
pub(crate) fn observe(host: &Host, port: u16, server: &TcpListener) -> Result<Seen> {
    let client = connect(host, port, server.local_addr()?)?;
    let (server, from) = server.accept()?;
    Ok(Seen { from, client, server })
}

/// A UDP socket in this host that gives up receiving after a while.
pub(crate) fn udp(host: &Host, local: impl Into<SocketAddr>) -> Result<UdpSocket> {
    let local = local.into();
    let made = host.enter(|| UdpSocket::bind(local));
    let socket = made.map_err(|e| format!("a UDP socket on {local} in {}: {e}", host.name()))?;
    socket.set_read_timeout(Some(HUNG))?;
    Ok(socket)
}

/// Sends a datagram to the server's socket and gives the address it came from there.
pub(crate) fn observe_udp(client: &UdpSocket, server: &UdpSocket) -> Result<SocketAddr> {
    client.send_to(b"where from?", server.local_addr()?)?;
    let (text, from) = receive(server)?;
    if text == "where from?" { Ok(from) } else { Err(format!("the server received {text:?}").into()) }
}

/// The next datagram.
pub(crate) fn receive(socket: &UdpSocket) -> Result<(String, SocketAddr)> {
    let mut buffer = [0; 2048];
    let received = socket.recv_from(&mut buffer);
    let (length, from) = received.map_err(|e| format!("nothing came to {:?}: {e}", socket.local_addr()))?;
    Ok((String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned(), from))
}
