//! The handle's side of connections: send, close, look.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Net;
use crate::config::{Dialect, Framing};
use crate::error::Code;
use crate::event::ConnInfo;
use crate::node::conn::Conn;
use crate::node::outlet;
use crate::node::sendbuf::After;
use crate::node::{NotTaken, Taken};
use crate::os::simd;
use crate::proto::line::{self, CRLF, LineError};

type Result<T> = std::result::Result<T, Code>;

impl Net {
    fn with_conn<T>(&self, id: u64, f: impl FnOnce(&Arc<Conn>) -> Result<T>) -> Result<T> {
        match self.shared.conns.read().get(&id) {
            Some(conn) => f(conn),
            None => Err(Code::NotFound),
        }
    }

    /// Something was sent. If part of it is left to the runtime, that may have nobody to drive it at this moment.
    #[inline]
    fn pressed(&self, after: After) {
        if after == After::WakeWriter {
            self.shared.lease.press();
        }
    }

    #[inline]
    fn send_on<const N: usize>(&self, conn: u64, text: &[u8], end: &[u8; N]) -> Result<()> {
        match outlet::by_last(self.shared.number, conn, |out, me| out.send(Some(me), text, end)) {
            Some(sent) if sent != Err(Code::Closed) => sent,
            _ => self.send_on_another(conn, text, end),
        }
        .map(|after| self.pressed(after))
    }

    /// Sends on a connection that is not the one this thread has sent on last, or is no more.
    #[inline(never)]
    fn send_on_another<const N: usize>(&self, conn: u64, text: &[u8], end: &[u8; N]) -> Result<After> {
        self.with_conn(conn, |c| {
            outlet::remember(self.shared.number, c, self.is_quick());
            c.out.send(None, text, end)
        })
    }

    /// Whether lines of a length in [`outlet::QUICK`] may be looked at while they are copied.
    fn is_quick(&self) -> bool {
        let config = &self.shared.config;
        simd::PUSHES && config.framing == Framing::Lines && config.max_line >= *outlet::QUICK.end()
    }

    #[inline]
    fn checked<'a>(&self, text: &'a [u8]) -> Result<&'a [u8]> {
        match line::check_outgoing(text, self.shared.config.max_line) {
            Ok(()) => Ok(text),
            Err(LineError::TooLong { .. }) => Err(Code::TooLarge),
            Err(LineError::Empty | LineError::HoldsCrlf { .. }) => Err(Code::Invalid),
        }
    }

    /// Sends one line; CR LF is added.
    ///
    /// # Errors
    /// [`Code::WouldBlock`] (WRITABLE follows), [`Code::TooLarge`], [`Code::Invalid`] (empty, or CR LF inside),
    /// [`Code::Closed`], [`Code::NotFound`], [`Code::Unsupported`] with raw framing.
    #[inline]
    pub fn send_line(&self, conn: u64, text: &[u8]) -> Result<()> {
        if outlet::QUICK.contains(&text.len()) && outlet::send_quickly(self.shared.number, conn, text) {
            return Ok(());
        }
        self.send_line_by_long_way(conn, text)
    }

    /// The same, where it is known that [`outlet::send_quickly`] does not send it.
    #[inline(never)]
    pub(crate) fn send_line_by_long_way(&self, conn: u64, text: &[u8]) -> Result<()> {
        if self.shared.config.framing != Framing::Lines {
            return Err(Code::Unsupported);
        }
        let text = self.checked(text)?;
        self.send_on(conn, text, CRLF)
    }

    /// Sends lines in their order, as [`Net::send_line`] does each, with one lock and as few system calls as can be. Tells how many
    /// were taken, and why the next one was not, if not all were.
    ///
    /// # Errors
    /// As [`Net::send_line`], about the first line that was not taken. Those before it were; none behind it was.
    pub fn send_lines<L: AsRef<[u8]>>(&self, conn: u64, lines: &[L]) -> (usize, Result<()>) {
        self.send_each(conn, || lines.iter().map(|line| Ok(line.as_ref())))
    }

    /// The same, of whatever `lines` gives, which may be asked twice.
    pub(crate) fn send_each<'a, I>(&self, conn: u64, lines: impl Fn() -> I) -> (usize, Result<()>)
    where
        I: Iterator<Item = Result<&'a [u8]>>,
    {
        if self.shared.config.framing != Framing::Lines {
            return (0, Err(Code::Unsupported));
        }
        let checked = || lines().map(|line| line.and_then(|line| self.checked(line)));
        let net = self.shared.number;
        let (taken, after, outcome) =
            match outlet::by_last(net, conn, |out, me| out.send_lines(Some(me), checked())) {
                Some(sent) if sent.2 != Err(Code::Closed) => sent,
                _ => self
                    .with_conn(conn, |c| {
                        outlet::remember(net, c, self.is_quick());
                        Ok(c.out.send_lines(None, checked()))
                    })
                    .unwrap_or_else(|code| (0, After::Nothing, Err(code))),
            };
        self.pressed(after);
        (taken, outcome)
    }

    /// Sends a message, whole (secure dialect), or bytes as they are (raw framing, either dialect). All or nothing.
    ///
    /// # Errors
    /// As [`Net::send_line`]; [`Code::TooLarge`] for a message longer than `max_message`; [`Code::Unsupported`] in the classic
    /// dialect with line framing.
    pub fn send(&self, conn: u64, data: &[u8]) -> Result<()> {
        let config = &self.shared.config;
        if config.framing == Framing::Raw {
            if data.is_empty() {
                return Err(Code::Invalid);
            }
            return self.send_on(conn, data, b"");
        }
        if config.dialect != Dialect::Secure {
            return Err(Code::Unsupported);
        }
        if data.len() > config.max_message {
            return Err(Code::TooLarge);
        }
        self.with_conn(conn, |c| c.out.send_message(data)).map(|after| self.pressed(after))
    }

    /// Sends one line to every open connection but `except` (0 = all). How many took it.
    ///
    /// # Errors
    /// [`Code::WouldBlock`] if some had no room (they did not get it), and what [`Net::send_line`] says of the line.
    pub fn broadcast_line(&self, text: &[u8], except: u64) -> (usize, Result<()>) {
        if self.shared.config.framing != Framing::Lines {
            return (0, Err(Code::Unsupported));
        }
        let text = match self.checked(text) {
            Ok(text) => text,
            Err(code) => return (0, Err(code)),
        };
        if let Some(dedup) = &self.shared.dedup {
            dedup.lock().record(Instant::now(), text);
        }
        outlet::with_whole(text, |whole| {
            let (mut sent, mut outcome) = (0, Ok(()));
            for conn in self.shared.conns.read().values().filter(|c| c.id != except) {
                match conn.out.send(None, whole, b"") {
                    Ok(after) => {
                        self.pressed(after);
                        sent += 1;
                    }
                    Err(Code::WouldBlock) => outcome = Err(Code::WouldBlock),
                    Err(_) => {}
                }
            }
            (sent, outcome)
        })
    }

    /// Closes a connection once what is queued is sent; CLOSED follows.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn close(&self, conn: u64) -> Result<()> {
        self.with_conn(conn, |c| {
            c.close();
            Ok(())
        })
    }

    /// Stops reading from a connection (`on`), or goes on. What was read before still comes.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn pause(&self, conn: u64, on: bool) -> Result<()> {
        self.with_conn(conn, |c| {
            c.hold(on);
            Ok(())
        })
    }

    /// Takes the socket of a classic connection over, once what was sent is written: it is the program's then, and CLOSED is the
    /// connection's last event. Lines or bytes that were read before are events before that; what was read of a line that is
    /// not finished, `room` bytes at most, comes with the socket. Waits for the connection's task, at most about
    /// `close_timeout`.
    ///
    /// # Errors
    /// [`Code::Unsupported`] in the secure dialect; [`Code::TooSmall`] with the room that is needed, [`Code::Timeout`] if the
    /// peer does not take what was sent: then the connection goes on as it was. [`Code::Closed`], [`Code::Busy`],
    /// [`Code::NotFound`], [`Code::Io`].
    pub fn take_fd(&self, conn: u64, room: usize) -> std::result::Result<Taken, NotTaken> {
        let conn = self.shared.conn(conn).ok_or(Code::NotFound)?;
        if conn.peer_key().is_some() {
            return Err(Code::Unsupported.into());
        }
        let takeover = conn.new_takeover();
        {
            let mut out = conn.out.lock();
            if out.handing_over().is_some() {
                return Err(Code::Busy.into());
            }
            if out.is_closing() {
                return Err(Code::Closed.into());
            }
            out.hand_over(room);
        }
        conn.out.wake.notify_one();
        let limit = self.shared.config.close_timeout + Duration::from_secs(5);
        takeover.wait(limit).unwrap_or_else(|| Err(Code::Closed.into()))
    }

    /// The ids of the open connections, in the order they were opened.
    pub fn conns(&self) -> Vec<u64> {
        let is_open = |c: &&Arc<Conn>| !c.closed.load(Relaxed);
        let mut ids: Vec<u64> = self.shared.conns.read().values().filter(is_open).map(|c| c.id).collect();
        ids.sort_unstable();
        ids
    }

    /// A connection's situation.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn conn_info(&self, conn: u64) -> Result<ConnInfo> {
        self.with_conn(conn, |c| Ok(c.info()))
    }
}
