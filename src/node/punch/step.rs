//! What comes next in a punch: something by the inbox, something from the sockets, or a point in time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::sockets::{Event, Sockets};

/// Steps in a row before other work of the thread has its turn.
const IN_A_ROW: u32 = 32;
/// For want of any point in time.
const LONG: Duration = Duration::from_secs(3600);

/// What has come.
pub(super) enum Step<T> {
    Inbox(T),
    Event(Event),
    /// Perhaps nothing: look at the clock.
    Time,
}

pub(super) struct Steps<T> {
    inbox: Option<mpsc::Receiver<T>>,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    set: Option<Instant>,
    in_a_row: u32,
}

impl<T> Steps<T> {
    pub(super) fn new(inbox: mpsc::Receiver<T>) -> Steps<T> {
        Steps { inbox: Some(inbox), timer: Box::pin(sleep(LONG)), set: None, in_a_row: 0 }
    }

    /// Sends off what is due and waits for what comes next, until `until` at the latest.
    pub(super) async fn next(&mut self, sockets: &mut Sockets, until: Option<Instant>) -> Step<T> {
        self.in_a_row += 1;
        if sockets.launch(Instant::now()) || self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            tokio::task::yield_now().await;
            return Step::Time;
        }
        let at = until.into_iter().chain(sockets.deadline()).min();
        if at != self.set {
            self.set = at;
            self.timer.as_mut().reset(at.unwrap_or_else(|| Instant::now() + LONG).into());
        }
        poll_fn(|cx| {
            // The clock before all else: attempts have to leave at their time.
            if self.timer.as_mut().poll(cx).is_ready() {
                self.set = None;
                self.timer.as_mut().reset((Instant::now() + LONG).into());
                return Poll::Ready(Step::Time);
            }
            if let Some(inbox) = &mut self.inbox
                && let Poll::Ready(come) = inbox.poll_recv(cx)
            {
                match come {
                    Some(come) => return Poll::Ready(Step::Inbox(come)),
                    None => self.inbox = None,
                }
            }
            let event = sockets.poll(cx).map(Step::Event);
            if event.is_pending() {
                self.in_a_row = 0;
            }
            event
        })
        .await
    }
}
