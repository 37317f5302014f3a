//! What more than one task does with a connection's socket: writes everything, reads at least something, takes leave.

use std::io;
use std::net::Shutdown;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;

/// Most bytes that are read and thrown away while the peer's end is waited for.
const MOST_AFTER_OUR_END: usize = 16 << 20;

/// Waits until a connection that is on its way stands.
pub(super) async fn connected(stream: &TcpStream) -> io::Result<()> {
    stream.writable().await?;
    match stream.take_error()? {
        Some(e) => Err(e),
        None => stream.peer_addr().map(drop),
    }
}

pub(super) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Reads at least one byte; the peer's end is an error. However much the peer has to say, others get their turn.
pub(super) async fn read_some(stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        consume_budget().await;
        match stream.try_read(buf) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

/// A read has got less than it had room for: there is no more, and whoever reads next waits. The next read would find that out, too,
/// for a system call. (Linux says when more comes, or the end, also if that was before this: `epoll`'s edges. epoll(7), question 9.)
pub(super) fn has_given_all(stream: &TcpStream) {
    if cfg!(target_os = "linux") {
        let _ = stream.try_io(Interest::READABLE, || io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()));
    }
}

/// Our end: from now on nothing is sent.
pub(super) fn end(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// Behind our end: takes what the peer still sends until its own, so that our last bytes are not destroyed by the RST that
/// closing a socket with unread data causes. Whoever calls it bounds the time.
pub(super) async fn linger(stream: &TcpStream) {
    let mut left = MOST_AFTER_OUR_END;
    while left > 0 && stream.readable().await.is_ok() {
        consume_budget().await;
        match discard(stream) {
            Ok(n) if n > 0 => left = left.saturating_sub(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

/// Reads and throws away. A function of its own, so that its buffer is not part of the task of every connection.
fn discard(stream: &TcpStream) -> io::Result<usize> {
    stream.try_read(&mut [0; 4096])
}
