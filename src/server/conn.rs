//! One connection to a rendezvous port: reads lines, writes the answers to them and what is in its outbox.
//!
//! Answers are written by whoever has read the questions, at once, all that one read has brought together. What the system
//! does not take then, and what others have to say to this connection, goes through the outbox and its writer.

use super::lines::Lines;
use super::net::{Either, race};
use super::rendezvous::Hub;
use crate::proto::rdv_msg::{RelayToken, Reply};
use crate::proto::rdv_server::{CloseReason, ConnId};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::sync::Notify;

/// How long a connection that is being ended may take to read its last lines.
const FAREWELL: Duration = Duration::from_secs(5);

/// Most bytes that a thread keeps for the answers to come.
const KEPT: usize = 64 * 1024;

/// What a thread needs while it looks at one read, and the next connection's again.
struct Scratch {
    input: [u8; 4096],
    answers: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Box<Scratch>> = RefCell::new(Box::new(Scratch { input: [0; 4096], answers: Vec::new() }));
}

/// What is to be sent on a connection.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<Pending>,
    changed: Notify,
    finishing: Notify,
}

#[derive(Default)]
struct Pending {
    data: Vec<u8>,
    /// Bytes that somebody has taken to write them. They come before `data`.
    in_flight: usize,
    end: End,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    AfterData,
    AtOnce,
}

impl Outbox {
    /// Adds a line. `false`: more than `most` bytes are waiting, and this line is not among them.
    pub(super) fn push(&self, reply: &Reply, most: usize) -> bool {
        let mut state = self.state.lock();
        let before = state.data.len();
        reply.write_line(&mut state.data);
        if state.data.len() + state.in_flight > most {
            state.data.truncate(before);
            return false;
        }
        drop(state);
        self.changed.notify_one();
        true
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state.lock();
        state.data.len() + state.in_flight
    }

    /// Answers come next: `true` if they are to be written by the caller, as nothing waits before them, and what cannot be
    /// is to be given to [`Outbox::settle`]; else they are with the writer.
    pub(super) fn claim(&self, answers: &[u8]) -> bool {
        let mut state = self.state.lock();
        if state.data.is_empty() && state.in_flight == 0 {
            state.in_flight = answers.len();
            return true;
        }
        state.data.extend_from_slice(answers);
        drop(state);
        self.changed.notify_one();
        false
    }

    /// Of what was claimed `rest` is left for the writer.
    fn settle(&self, rest: &[u8]) {
        let mut state = self.state.lock();
        state.in_flight = 0;
        if !rest.is_empty() {
            // Others may have said something meanwhile.
            state.data.splice(..0, rest.iter().copied());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Nothing more will come: the connection ends when all is written, or `at_once`.
    pub(super) fn finish(&self, at_once: bool) {
        self.state.lock().end = if at_once { End::AtOnce } else { End::AfterData };
        self.finishing.notify_one();
        self.changed.notify_one();
    }

    fn end(&self) -> End {
        self.state.lock().end
    }

    /// Completes when the connection has to end, whatever is still unwritten.
    async fn over(&self) {
        self.finishing.notified().await;
        if self.end() == End::AfterData {
            Box::pin(tokio::time::sleep(FAREWELL)).await;
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        let data = mem::take(&mut state.data);
        state.in_flight = data.len();
        data
    }

    fn written(&self, n: usize) {
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_sub(n);
    }

    /// Writes until there is nothing left.
    async fn flush(&self, stream: &TcpStream) -> io::Result<()> {
        loop {
            let data = self.take();
            if data.is_empty() {
                return Ok(());
            }
            let mut rest = &data[..];
            while !rest.is_empty() {
                poll_fn(|cx| stream.poll_write_ready(cx)).await?;
                tokio::task::coop::consume_budget().await;
                match stream.try_write(rest) {
                    Ok(n) => {
                        self.written(n);
                        rest = rest.get(n..).unwrap_or_default();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// A connection that has said RELAY, and what has come behind that.
pub(super) struct ForRelay {
    pub(super) stream: TcpStream,
    pub(super) token: RelayToken,
    pub(super) early: Vec<u8>,
}

/// Serves a connection until either side ends it, or until it is the relay's.
pub(super) async fn serve(hub: &Hub, id: ConnId, outbox: &Outbox, mut stream: TcpStream) -> Option<ForRelay> {
    let ended = {
        let (reader, writer) = stream.split();
        let stream = writer.as_ref();
        // Pinned here and raced by reference: whoever takes a future by value makes room for it twice.
        let writing = pin!(async {
            loop {
                outbox.flush(stream).await?;
                if outbox.end() != End::Open {
                    return io::Result::Ok(());
                }
                outbox.changed.notified().await;
            }
        });
        let reading = Reading { hub, id, outbox, stream: reader, lines: Lines::default() };
        let (reading, over) = (pin!(reading), pin!(outbox.over()));
        // The writer ends a connection that the server wants to end; until then there may be more to read.
        race(race(writing, reading), over).await
    };
    match ended {
        // Nothing was sent on it before, so nothing is half written.
        Either::Left(Either::Right(Ok(Some((token, early))))) => Some(ForRelay { stream, token, early }),
        Either::Left(Either::Right(Ok(None))) => {
            // Boxed, as it is short and all connections would make room for it.
            let _ = Box::pin(tokio::time::timeout(FAREWELL, outbox.flush(&stream))).await;
            None
        }
        _ => None,
    }
}

/// Reads lines until the peer ends the connection (`Ok(None)`), or the server wants to, or one says RELAY. Written by hand, as an
/// `async fn` keeps what it is given twice.
struct Reading<'a> {
    hub: &'a Hub,
    id: ConnId,
    outbox: &'a Outbox,
    stream: ReadHalf<'a>,
    lines: Lines,
}

impl Future for Reading<'_> {
    type Output = io::Result<Option<(RelayToken, Vec<u8>)>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match ready!(self.poll_read(cx))? {
                Read::Lines => {}
                Read::End => return Poll::Ready(Ok(None)),
                Read::Relay(token) => {
                    return Poll::Ready(Ok(Some((token, mem::take(&mut self.lines).into_rest()))));
                }
            }
        }
    }
}

/// What has been read.
enum Read {
    Lines,
    End,
    Relay(RelayToken),
}

impl Reading<'_> {
    /// Reads once, and writes the answers. (A client that always has more to say is interrupted by tokio's budget.)
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Read>> {
        let Reading { hub, id, outbox, stream, lines } = self;
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch { input, answers } = &mut **scratch;
            let mut input = ReadBuf::new(input);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut input))?;
            let data = input.filled();
            answers.clear();
            let read = hub.read(*id, outbox, lines, data, answers);
            if read.write {
                let written = match stream.as_ref().try_write(answers) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    written => written?,
                };
                outbox.settle(answers.get(written..).unwrap_or_default());
                if answers.capacity() > KEPT {
                    *answers = Vec::new();
                }
            }
            let Ok(token) = read.token else {
                hub.close(*id, CloseReason::LongLine);
                return Poll::Ready(Ok(Read::End));
            };
            Poll::Ready(Ok(match token {
                Some(token) => Read::Relay(token),
                None if !data.is_empty() => Read::Lines,
                None => Read::End,
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(outbox: &Outbox) -> Vec<u8> {
        outbox.state.lock().data.clone()
    }

    #[test]
    fn what_others_say_meanwhile_comes_behind_the_answers() {
        let outbox = Outbox::default();
        assert!(outbox.claim(b"1\r\n2\r\n"));
        assert!(outbox.push(&Reply::Reconnect, 100));
        assert_eq!(outbox.waiting(), 6 + 11, "what is being written counts");
        outbox.settle(b"\n2\r\n");
        assert_eq!(data(&outbox), b"\n2\r\nRECONNECT\r\n");
        assert!(!outbox.claim(b"3\r\n"), "it is the writer's turn");
        assert_eq!(data(&outbox), b"\n2\r\nRECONNECT\r\n3\r\n");
        // The writer has taken all and not written all of it.
        assert_eq!(outbox.take().len(), 18);
        outbox.written(17);
        assert!(!outbox.claim(b"4\r\n"));
        outbox.written(1);
        assert_eq!(outbox.take(), b"4\r\n");
        outbox.written(3);
        assert!(outbox.claim(b"5\r\n"));
        outbox.settle(b"");
        assert_eq!((outbox.waiting(), outbox.claim(b"6\r\n")), (0, true));
    }

    #[test]
    fn a_line_too_many_is_not_taken() {
        let outbox = Outbox::default();
        assert!(outbox.claim(&[0; 90]));
        assert!(!outbox.push(&Reply::Reconnect, 100));
        assert!(outbox.push(&Reply::Reconnect, 101));
    }
}
