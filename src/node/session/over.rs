//! The end of a session: what the program is told, and the last words to the peer.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Keeper, Order, Orders, Over, Report, Retired};
use crate::error::{Code, Error, Result};
use crate::event::Kind;
use crate::node::greet::Greeted;
use crate::node::stream;
use crate::proto::handshake::Control;
use crate::proto::session::{Epitaph, NONE, Unsettled};
use crate::queue::{Item, Notice};

impl<R: Fn(Report)> Keeper<R> {
    /// Tells the program and the actor; what is left is to tell the peer.
    pub(super) fn finish(
        &mut self,
        over: Over,
        closed: impl FnOnce(),
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let unsettled = self.conn.out.unsettled();
        self.shared.close_books(&self.conn, &mut self.conn.out.lock());
        self.conn.closed.store(true, SeqCst);
        let notice = self.obituary(&over, unsettled);
        self.abandon_links();
        // What is left to be said: nothing more of the program's.
        match &over {
            Over::Peer { .. } | Over::Program => self.conn.out.words(&mut self.writing),
            Over::Failed(_) | Over::TooLate => self.conn.out.last_word(&mut self.writing),
            Over::Lost(_) | Over::Anew(_) => {}
        }
        let epitaph = self.conn.out.session().map(|seal| seal.session.epitaph());
        let report = match over {
            Over::Anew(handed) => Some(Report::Anew(handed)),
            _ => epitaph.map(Report::Over),
        };
        report.into_iter().for_each(&self.report);
        closed();
        self.shared.queue.push(Item::Notice(Box::new(notice)));
        let limit = self.shared.config.close_timeout;
        let (retired, stream) = (self.retired.take(), self.stream.take());
        let rest = std::mem::take(&mut self.writing).into_rest(self.written);
        Box::pin(async move {
            if let Some(Retired { stream, sealer: Some(mut sealer), mut wire }) = retired.map(|old| *old) {
                // Somebody may be there who has the session: another one with the same key, or one who has given it up and
                // not said so yet. It is over for him, too.
                let close = Control::Close { sent: epitaph.map_or(0, |epitaph| epitaph.sent) };
                if sealer.seal_control(close, &mut wire).is_ok() {
                    let _ = timeout(limit, farewell(&stream, &wire)).await;
                }
            }
            if let Some(stream) = stream {
                let _ = timeout(limit, farewell(&stream, &rest)).await;
            }
        })
    }

    /// Links that are on their way to the session, or are being asked about it: nobody takes them any more. From now on the
    /// actor finds that out by itself.
    fn abandon_links(&mut self) {
        let asking = self.asking.iter_mut().flat_map(|asking| std::mem::take(&mut asking.requests));
        let mut requests: Vec<u64> = asking.collect();
        for order in self.conn.orders().map_or_else(Vec::new, Orders::close) {
            if let Order::Link(handed) = order {
                requests.extend(handed.requests);
            }
        }
        self.strand(requests);
    }

    /// The CLOSED event.
    fn obituary(&self, over: &Over, unsettled: Unsettled) -> Notice {
        let mut notice = Notice { ..self.shared.notice(Kind::Closed, &self.conn) };
        notice.code = i32::try_from(unsettled.lines).unwrap_or(i32::MAX);
        let ms = |time: Duration| time.as_millis();
        let config = &self.shared.config;
        match over {
            Over::Program => match self.conn.closed_for() {
                Some(why) => (notice.result, notice.text) = (Err(Code::Closed), why.into()),
                None if unsettled.bytes > 0 => {
                    notice.result = Err(Code::Closed);
                    notice.text =
                        "closed by this program, and by the peer before everything had arrived".into();
                }
                None => notice.text = "closed by this program".into(),
            },
            Over::TooLate if unsettled.bytes == 0 => notice.text = "closed by this program".into(),
            Over::TooLate => {
                notice.result = Err(Code::Timeout);
                notice.text = format!(
                    "closed by this program; the peer did not take the rest within {} ms (close_timeout_ms)",
                    ms(config.close_timeout)
                );
            }
            Over::Peer { missing } => {
                notice.result = Err(Code::Closed);
                notice.text = "closed by the peer".into();
                if *missing > 0 {
                    notice.text += &format!("; {missing} bytes that it had still to send are lost");
                }
            }
            Over::Failed(e) => notice.tell(e),
            Over::Lost(e) => {
                notice.tell(e);
                if !config.resume_grace.is_zero() && !self.shared.is_stopping() {
                    let grace = ms(config.resume_grace);
                    notice.text +=
                        &format!("; no other link could be made within {grace} ms (resume_grace_ms)");
                }
            }
            Over::Anew(_) => {
                notice.result = Err(Code::Reset);
                notice.text =
                    "the peer has come back without this connection: it was restarted, or had given \
                               the connection up"
                        .into();
            }
        }
        let unfinished = self.receiver.unfinished();
        if unfinished > 0 && self.closing.is_none() {
            notice.text += &format!("; {unfinished} bytes of what it was sending are lost");
        }
        match (unsettled.lines, unsettled.bytes) {
            (0, 0) => {}
            // Raw bytes have no lines.
            (0, bytes) => notice.text += &format!("; {bytes} bytes sent were not acknowledged"),
            (1, _) => notice.text += "; 1 line sent was not acknowledged",
            (lines, _) => notice.text += &format!("; {lines} lines sent were not acknowledged"),
        }
        notice
    }
}

impl Notice {
    fn tell(&mut self, e: &Error) {
        self.result = Err(e.code);
        self.os_error = e.os_error;
        self.text = e.message.clone().into_owned();
    }
}

/// Writes `rest` and takes leave.
async fn farewell(stream: &TcpStream, rest: &[u8]) {
    if stream::write_all(stream, rest).await.is_ok() {
        stream::end(stream);
        stream::linger(stream).await;
    }
}

/// A peer whose session has ended here has made a connection: if it wants to go on with that session, it is told that it is
/// over, and the connection is closed. Else a new session begins with it, on which both have said so.
///
/// # Errors
/// [`Code::Timeout`], and what the system says.
pub(crate) async fn meet_ended(
    mut greeted: Box<Greeted>,
    epitaph: Epitaph,
    (limit, linger): (Duration, Duration),
) -> Result<Option<Box<Greeted>>> {
    let at = greeted.at;
    let late = || Error::new(Code::Timeout, format!("{at} did not say which session it holds"));
    let (id, _) = timeout(limit, greeted.session()).await.map_err(|_| late())??;
    if id != epitaph.id {
        greeted.tell(Control::Session { id: NONE, received: 0 }).await?;
        return Ok(Some(greeted));
    }
    for word in epitaph.words() {
        greeted.tell(word).await?;
    }
    greeted.close(linger).await;
    Ok(None)
}
