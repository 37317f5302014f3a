//! Notices of the system that the network changed: links, addresses, routes (rtnetlink(7) on Linux).
//!
//! A notice says only that it is time to look again. They come in bursts ([`crate::proto::settle`] waits them out), and
//! whether anything of interest is different then, [`super::route::situation`] tells by comparison.
//!
//! Where there is no such notice the monitor never fires: on other systems, and on Android from version 11 on, which
//! lets no program listen. Programs there tell the library by themselves.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod message;

/// Waits for changes of the network.
pub(crate) struct Monitor {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    listening: Option<linux::Listening>,
}

impl Monitor {
    /// Begins to listen. If that is not possible, the monitor never fires, and the text says why, for the log.
    ///
    /// To be called inside a tokio runtime with I/O.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn open() -> (Monitor, Option<String>) {
        match linux::Listening::new() {
            Ok(listening) => (Monitor { listening: Some(listening) }, None),
            Err(e) => (Monitor { listening: None }, Some(format!("network changes are not noticed: {e}"))),
        }
    }

    /// See the one for Linux.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn open() -> (Monitor, Option<String>) {
        (Monitor {}, Some("network changes are not noticed on this system".to_owned()))
    }

    /// Waits until something changed; for ever if nothing does. May be given up and called again: no notice is lost.
    pub(crate) async fn changed(&mut self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(listening) = &mut self.listening
            && listening.changed().await.is_ok()
        {
            return;
        }
        // No monitor, or its socket failed, which has no known cause.
        std::future::pending().await
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::message::Known;

    /// As much as the kernel puts into one datagram.
    const BUFFER: usize = 32 << 10;
    /// Datagrams taken in a row before others get their turn.
    const AT_ONCE: usize = 64;

    /// A socket that is told of changes, and what is known already.
    pub(super) struct Listening {
        socket: AsyncFd<OwnedFd>,
        known: Known,
        buffer: Vec<u8>,
    }

    impl Listening {
        pub(super) fn new() -> io::Result<Listening> {
            // SAFETY: an OwnedFd keeps its descriptor, the same one, open until it is dropped, and `socket` is never
            // taken out of the AsyncFd.
            let socket = unsafe { AsyncFd::register_with_interest(open()?, Interest::READABLE)? };
            Ok(Listening { socket, known: Known::now(), buffer: vec![0; BUFFER] })
        }

        pub(super) async fn changed(&mut self) -> io::Result<()> {
            loop {
                let mut ready = self.socket.readable().await?;
                for _ in 0..AT_ONCE {
                    match receive(self.socket.get_ref(), &mut self.buffer) {
                        Ok(Some(n)) => {
                            if self.known.takes(self.buffer.get(..n).unwrap_or_default()) {
                                return Ok(());
                            }
                        }
                        Ok(None) => {
                            ready.clear_ready();
                            break;
                        }
                        // More came than we read, so something did change, and what is known is no longer.
                        Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                            self.known = Known::now();
                            return Ok(());
                        }
                        Err(e) => return Err(e),
                    }
                }
                tokio::task::yield_now().await;
            }
        }
    }

    fn open() -> io::Result<OwnedFd> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: all zero is a valid address of this kind: port 0 (the kernel chooses), no groups.
        let mut address = unsafe { std::mem::zeroed::<libc::sockaddr_nl>() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        let addresses = libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let routes = libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE;
        address.nl_groups = (libc::RTMGRP_LINK | addresses | routes) as u32;
        let len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: bind reads the address, whose size is given.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
        if bound == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
    }

    /// One datagram of the kernel: its length, 0 for one to be ignored; `None` if there is none now.
    fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: all zero is a valid address of this kind.
        let mut from = unsafe { std::mem::zeroed::<libc::sockaddr_nl>() };
        let mut len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: recvfrom fills at most the buffer's and the address's sizes, which are given.
        let n = unsafe {
            let data = buffer.as_mut_ptr().cast();
            let from = std::ptr::from_mut(&mut from).cast();
            // MSG_TRUNC: the datagram's whole length, also if it did not fit.
            libc::recvfrom(socket.as_raw_fd(), data, buffer.len(), libc::MSG_TRUNC, from, &mut len)
        };
        match usize::try_from(n) {
            // Any program may send to this socket; only the kernel is believed.
            Ok(_) if from.nl_pid != 0 => Ok(Some(0)),
            Ok(n) if n > buffer.len() => Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
            Ok(n) => Ok(Some(n)),
            Err(_) => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
                e if e.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
                e => Err(e),
            },
        }
    }
}
