//! The task behind one connection of the classic dialect: its opening, then reading and writing until the end.
//!
//! One task per socket, no thread, no buffer while idle. Reading stops when the program does not take what was read
//! (its own limit) or the event queue is full (the net's limit); what is not read waits in the kernel, and TCP slows the
//! peer. The end is always one CLOSED event with the reason.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::conn::Conn;
use super::mismatch;
use super::receive::Receiver;
use super::room::Room;
use super::shared::Shared;
use super::stream;
use super::takeover::{NotTaken, Taken};
use crate::config::NetType;
use crate::error::{Code, Error};
use crate::event::{Kind, Via};
use crate::proto::conn_id::Nonce;
use crate::proto::handshake::sent_by_secure;
use crate::proto::link::{Opening, Role};
use crate::queue::{Item, Notice};

/// Takes a fresh TCP connection through the classic dialect's opening. `nonce` is what a connector on a direct net sends.
/// ([`super::greet`] is the secure dialect's.)
pub(crate) async fn open(
    shared: &Arc<Shared>,
    id: u64,
    via: Via,
    peer: SocketAddr,
    stream: TcpStream,
    nonce: Nonce,
) -> Result<Arc<Conn>, Error> {
    let config = &shared.config;
    let role = if via == Via::Accept { Role::Acceptor } else { Role::Connector };
    let mut opening = Opening::classic(config.net_type == NetType::Direct, role, nonce);
    let shake = async {
        stream::write_all(&stream, opening.hello()).await?;
        let mut buf = [0; 256];
        while !opening.is_open() {
            let room = opening.wants().min(buf.len());
            let n = stream::read_some(&stream, &mut buf[..room]).await?;
            opening.input(&buf[..n]);
        }
        Ok(())
    };
    let failed = match timeout(config.handshake_timeout, shake).await {
        Ok(Ok(())) => {
            let mut conn = Conn::new(id, via, peer, stream, config);
            conn.nonce = opening.nonce();
            return Ok(Arc::new(conn));
        }
        Ok(Err(e)) => Error::io(format_args!("opening the link with {peer}"), &e),
        Err(_) => {
            let ms = config.handshake_timeout.as_millis();
            let message = format!("{peer} sent no complete nonce within {ms} ms (handshake_timeout_ms)");
            Error::new(Code::Timeout, message)
        }
    };
    Err(if sent_by_secure(opening.begun()) { mismatch::told(shared, failed) } else { failed })
}

/// What the task has been woken for.
enum Ready {
    Read,
    Write,
    Woken,
    Room,
    TooLate,
}

struct Link {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    stream: Arc<TcpStream>,
    receiver: Receiver,
    /// What the writer holds, and how much of it the system has.
    writing: Vec<u8>,
    written: usize,
    room: Room,
    /// Why nothing can be sent any more. What had arrived before is still read; then the connection ends with this.
    broken: Option<Error>,
    /// When a closing connection stops trying to send the rest.
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// Runs an open connection to its end. `closed` is called right before the CLOSED event.
pub(crate) async fn run(shared: Arc<Shared>, conn: Arc<Conn>, closed: impl FnOnce()) {
    // It was made with one, and nobody else takes it away.
    let Some(stream) = conn.out.stream() else { return };
    let receiver = Receiver::new(&shared.config, Arc::clone(&shared.queue.pool), None);
    let mut link = Link {
        shared,
        conn,
        stream,
        receiver,
        writing: Vec::new(),
        written: 0,
        room: Room::default(),
        broken: None,
        deadline: None,
    };
    let end = link.work().await;
    let closing = link.conn.out.lock().is_closing();
    let unsent = link.conn.out.lock().queued();
    let handed_over = link.hand_over(end.as_ref().err().map(|e| e.code));
    {
        let mut out = link.conn.out.lock();
        link.shared.close_books(&link.conn, &mut out);
        if !handed_over && let (Some(_), Some(takeover)) = (out.handing_over(), link.conn.takeover.get()) {
            // Asked for when it was over.
            takeover.answer(Err(Code::Closed.into()));
        }
    }
    link.conn.closed.store(true, SeqCst);
    let mut notice = Notice { ..link.shared.notice(Kind::Closed, &link.conn) };
    match end {
        Ok(()) => match link.conn.closed_for.get() {
            Some(why) => (notice.result, notice.text) = (Err(Code::Closed), (*why).into()),
            None if handed_over => notice.text = "taken over by this program".into(),
            None => notice.text = "closed by this program".into(),
        },
        Err(e) => {
            let foreign = link.receiver.sent_by_secure(link.conn.bytes_in.load(Relaxed));
            let e = if foreign { mismatch::explained(&link.shared, e) } else { e };
            notice.result = Err(e.code);
            notice.os_error = e.os_error;
            notice.text = e.message.into_owned();
        }
    }
    if unsent > 0 {
        notice.text += &format!(" ({unsent} bytes were not sent)");
    }
    closed();
    link.shared.queue.push(Item::Notice(Box::new(notice)));
    if handed_over {
        return;
    }
    if closing {
        let limit = link.shared.config.close_timeout;
        let _ = timeout(limit, stream::linger(&link.stream)).await;
    }
    link.conn.shut();
}

impl Link {
    /// Reads and writes until the program closes (`Ok`) or something ends the connection.
    async fn work(&mut self) -> Result<(), Error> {
        loop {
            let mut blocked = false;
            let all_sent = self.broken.is_none() && self.try_write_out(&mut blocked);
            if self.conn.out.lock().is_closing() {
                if let Some(e) = self.broken.take() {
                    return Err(e);
                }
                if all_sent && self.conn.out.lock().handing_over().is_some() {
                    match self.may_hand_over() {
                        true => return Ok(()),
                        false => continue,
                    }
                }
                if all_sent {
                    stream::end(&self.stream);
                    return Ok(());
                }
            }
            match self.ready(blocked).await {
                Ready::Write | Ready::Woken | Ready::Room => {}
                Ready::Read => self.read().map_err(|e| self.broken.take().unwrap_or(e))?,
                Ready::TooLate if self.conn.out.lock().handing_over().is_some() => {
                    self.go_on(Code::Timeout.into());
                }
                Ready::TooLate => {
                    let ms = self.shared.config.close_timeout.as_millis();
                    let message =
                        format!("closed by this program; the peer did not take the rest within {ms} ms");
                    return Err(Error::new(Code::Timeout, message));
                }
            }
        }
    }

    /// Whether the program can have the socket: it has room for what was read.
    fn may_hand_over(&mut self) -> bool {
        let (room, needed) = (self.conn.out.lock().handing_over().unwrap_or(0), self.receiver.unfinished());
        if needed <= room {
            return true;
        }
        self.go_on(NotTaken { code: Code::TooSmall, needed });
        false
    }

    /// The program does not get the socket; all goes on as before.
    fn go_on(&mut self, why: NotTaken) {
        self.deadline = None;
        self.conn.out.lock().go_on();
        if let Some(takeover) = self.conn.takeover.get() {
            takeover.answer(Err(why));
        }
    }

    /// Gives the program the socket, or tells it that it has ended.
    fn hand_over(&mut self, ended: Option<Code>) -> bool {
        if self.conn.out.lock().handing_over().is_none() {
            return false;
        }
        let Some(takeover) = self.conn.takeover.get() else { return false };
        let taken = match ended {
            Some(code) => Err(code),
            // A descriptor of its own: the runtime's knows of the runtime.
            None => self.stream.as_fd().try_clone_to_owned().map_err(|_| Code::Io),
        };
        let handed = taken.is_ok();
        if handed {
            self.conn.out.detach();
        }
        let rest = self.receiver.take_rest();
        takeover.answer(taken.map(|fd| Taken { fd, rest }).map_err(NotTaken::from));
        handed
    }

    /// Waits for whatever comes first. `blocked`: the socket takes no more for the moment.
    async fn ready(&mut self, blocked: bool) -> Ready {
        let closing = self.conn.out.lock().is_closing();
        let reading = !closing && !self.conn.must_pause() && self.room.is_there(&self.shared);
        if closing && self.deadline.is_none() {
            self.deadline = Some(Box::pin(tokio::time::sleep(self.shared.config.close_timeout)));
        }
        let Link { conn, stream, room, deadline, .. } = self;
        let woken = conn.out.wake.notified();
        tokio::pin!(woken);
        poll_fn(|cx| {
            // Reading first: each turn writes anyway, so a program that sends without pause does not keep us from it.
            if reading && stream.poll_read_ready(cx).is_ready() {
                return Poll::Ready(Ready::Read);
            }
            if woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ready::Woken);
            }
            // An error of readiness shows again, with its name, in the read or write that follows.
            if blocked && stream.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Ready::Write);
            }
            if let Some(deadline) = deadline
                && deadline.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Ready::TooLate);
            }
            room.poll(cx).map(|()| Ready::Room)
        })
        .await
    }

    /// Writes what is queued, as far as it goes. True: all of it.
    fn try_write_out(&mut self, blocked: &mut bool) -> bool {
        self.write_out(blocked).unwrap_or_else(|e| {
            self.broken = Some(e);
            false
        })
    }

    /// Writes what is queued. True: all of it.
    fn write_out(&mut self, blocked: &mut bool) -> Result<bool, Error> {
        loop {
            if self.written == self.writing.len() {
                self.written = 0;
                let mut out = self.conn.out.lock();
                if out.is_early() {
                    drop(out);
                    // Returns at once if nobody waits for this CPU.
                    std::thread::yield_now();
                    out = self.conn.out.lock();
                }
                let taken = self.conn.out.take(out, &mut self.writing);
                if taken.room_is_news {
                    self.shared.tell_writable(&self.conn);
                }
                if taken.nothing {
                    return Ok(true);
                }
            }
            match self.shared.write(&self.conn, &self.stream, &self.writing[self.written..]) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    *blocked = true;
                    return Ok(false);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken("sending to", &e)),
            }
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        match self.receiver.read(&self.stream, &self.conn, &self.shared.queue) {
            Ok(()) => Ok(()),
            Err(super::receive::End::Peer { unfinished: 0 }) => {
                Err(Error::new(Code::Closed, "closed by the peer"))
            }
            Err(super::receive::End::Peer { unfinished }) => {
                let message =
                    format!("closed by the peer in the middle of a line ({unfinished} bytes of it lost)");
                Err(Error::new(Code::Closed, message))
            }
            Err(super::receive::End::TooLong) => {
                let message = format!(
                    "the peer sent a line longer than {} bytes (max_line)",
                    self.shared.config.max_line
                );
                Err(Error::new(Code::Protocol, message))
            }
            Err(super::receive::End::Io(e)) => Err(self.broken("receiving from", &e)),
            // Of the secure dialect, which has a task of its own.
            Err(_) => Err(Error::new(Code::Protocol, "the peer broke the protocol")),
        }
    }

    fn broken(&self, doing: &str, e: &io::Error) -> Error {
        Error::io(format_args!("{doing} {}", self.conn.peer.to_string_lossy()), e)
    }
}
