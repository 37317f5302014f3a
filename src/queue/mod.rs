//! From our thread to yours: a bounded, lock-free queue of events, and the means to wait for it.
//!
//! ```text
//!   runtime thread ── push ──▶ ring (bounded, lock-free) ──▶ pop ── inbox ── your callback
//!                        └───▶ spill (only while the ring is full) ─▶┘
//! ```
//!
//! * One element is one socket read with all its lines, not one line ([`Batch`]).
//! * Whoever reads sockets asks [`Queue::has_room`] first and stops reading without it, so data waits in the kernel and
//!   TCP slows the peer. Nothing is ever dropped but log events, and those are counted.
//! * What must not wait ([`Notice`]: opened, closed, done, ...) goes to the spill while the ring is full. The spill is
//!   bounded by what can cause a notice: connections and requests, both limited, and no new ones are taken meanwhile.
//! * The program is woken only when the queue turns from empty to non-empty.

pub(crate) mod chunk;
pub(crate) mod inbox;
mod signal;
pub(crate) mod view;

use std::collections::VecDeque;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering::SeqCst, fence};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::Code;
use crate::event::{Kind, LogLevel};
use crate::node::conn::Conn;
use chunk::{Chunk, Pool};
use signal::Signal;

/// The bytes of one socket read that are ready for the program: complete lines, or raw data.
pub(crate) struct Batch {
    pub(crate) conn: Arc<Conn>,
    pub(crate) chunk: Chunk,
    /// Up to here no line ends.
    pub(crate) seen: usize,
    pub(crate) end: usize,
    pub(crate) at_ms: u64,
}

/// An event that is not data.
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    pub(crate) conn: Option<Arc<Conn>>,
    pub(crate) request: u64,
    pub(crate) result: Result<(), Code>,
    pub(crate) os_error: i32,
    pub(crate) code: i32,
    pub(crate) text: String,
    /// Whom it is about where that is no connection.
    pub(crate) peer: Option<CString>,
    pub(crate) at_ms: u64,
}

/// Where messages stand in a buffer; the byte behind each is free.
pub(crate) type Messages = Vec<(usize, usize)>;

pub(crate) enum Item {
    Lines(Batch),
    /// Lines with messages between them.
    Mixed(Batch, Messages),
    Data(Batch),
    Notice(Box<Notice>),
}

pub(crate) struct Queue {
    tx: Sender<Item>,
    rx: Receiver<Item>,
    /// Elements pushed and not finished by the program. Below zero for the instant in which an element has been taken
    /// before its pusher counted it.
    unfinished: AtomicIsize,
    /// Those of them of which the program has seen everything and keeps it.
    kept: AtomicUsize,
    spill: Mutex<VecDeque<Item>>,
    spilled: AtomicUsize,
    room: Notify,
    room_wanted: AtomicBool,
    ended: AtomicBool,
    signal: Signal,
    pub(crate) pool: Arc<Pool>,
    pub(crate) log_dropped: AtomicU64,
    epoch: Instant,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Queue {
        let (tx, rx) = crossbeam_channel::bounded(capacity);
        Queue {
            tx,
            rx,
            unfinished: AtomicIsize::new(0),
            kept: AtomicUsize::new(0),
            spill: Mutex::default(),
            spilled: AtomicUsize::new(0),
            room: Notify::new(),
            room_wanted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            signal: Signal::default(),
            pool: Arc::default(),
            log_dropped: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    /// Milliseconds on the clock of this net's events.
    pub(crate) fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    // ---- the runtime thread's side ----

    /// Whether data may be pushed. Never true while anything is in the spill, so that nothing overtakes it.
    pub(crate) fn has_room(&self) -> bool {
        self.spilled.load(SeqCst) == 0 && !self.tx.is_full()
    }

    /// Comes back when there may be room again.
    pub(crate) async fn wait_for_room(&self) {
        loop {
            let notified = self.room.notified();
            tokio::pin!(notified);
            // Enlisted before the second look: room made in between is not missed.
            notified.as_mut().enable();
            self.room_wanted.store(true, SeqCst);
            fence(SeqCst);
            if self.has_room() {
                return;
            }
            notified.await;
        }
    }

    /// Appends an element. Never waits, never loses it.
    pub(crate) fn push(&self, item: Item) {
        let item = if self.spilled.load(SeqCst) == 0 {
            match self.tx.try_send(item) {
                Ok(()) => return self.count_one(),
                Err(TrySendError::Full(item) | TrySendError::Disconnected(item)) => item,
            }
        } else {
            item
        };
        let mut spill = self.spill.lock();
        spill.push_back(item);
        self.spilled.store(spill.len(), SeqCst);
        drop(spill);
        self.count_one();
    }

    fn count_one(&self) {
        if self.unfinished.fetch_add(1, SeqCst) == 0 {
            self.signal.raise(|| self.is_ready() || self.has_ended());
        }
    }

    /// Appends an event of kind LOG, unless the queue is more than three quarters full.
    pub(crate) fn push_log(&self, level: LogLevel, text: String) {
        let capacity = self.tx.capacity().unwrap_or(usize::MAX);
        if self.spilled.load(SeqCst) > 0 || self.tx.len() * 4 > capacity * 3 {
            self.log_dropped.fetch_add(1, SeqCst);
            return;
        }
        self.push(Item::Notice(Box::new(Notice { code: level as i32, text, ..self.notice(Kind::Log) })));
    }

    /// A notice to be filled in, with the time of now.
    pub(crate) fn notice(&self, kind: Kind) -> Notice {
        Notice {
            kind,
            conn: None,
            request: 0,
            result: Ok(()),
            os_error: 0,
            code: 0,
            text: String::new(),
            peer: None,
            at_ms: self.now_ms(),
        }
    }

    /// Nothing will be pushed any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, SeqCst);
        self.signal.raise(|| true);
    }

    // ---- the program's side ----

    /// Whether the program would find something.
    pub(crate) fn is_ready(&self) -> bool {
        self.unfinished.load(SeqCst) > 0
    }

    /// Whether everything has been pushed that ever will be.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    /// Elements pushed of which the program has not seen everything.
    pub(crate) fn len(&self) -> u64 {
        let kept = self.kept.load(SeqCst) as u64;
        u64::try_from(self.unfinished.load(SeqCst)).unwrap_or(0).saturating_sub(kept)
    }

    fn pop(&self) -> Option<Item> {
        let item = self.rx.try_recv().ok().or_else(|| {
            // What is in the ring is always older than what is in the spill.
            let mut spill = (self.spilled.load(SeqCst) > 0).then(|| self.spill.lock())?;
            // Between the two looks the runtime may have filled the ring no further: it is closed to it by the spill.
            let item = self.rx.try_recv().ok().or_else(|| spill.pop_front());
            self.spilled.store(spill.len(), SeqCst);
            if spill.is_empty() {
                *spill = VecDeque::new();
            }
            item
        })?;
        fence(SeqCst);
        // Readers go on when half of the ring is free, so that they do not wake for every single place.
        let roomy = || self.spilled.load(SeqCst) == 0 && self.tx.len() * 2 <= self.tx.capacity().unwrap_or(0);
        if self.room_wanted.load(SeqCst) && roomy() && self.room_wanted.swap(false, SeqCst) {
            self.room.notify_waiters();
        }
        Some(item)
    }

    /// One element is done with; it was counted when it was pushed.
    fn finish_one(&self) {
        if self.unfinished.fetch_sub(1, SeqCst) <= 1 {
            self.signal.lower(|| self.is_ready() || self.has_ended());
        }
    }

    /// Sleeps until there is something, a wake, the end of the net, or the time-out. True if there is something.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        self.signal.wait(timeout, || self.is_ready() || self.has_ended()) && self.is_ready()
    }

    /// As [`Queue::wait`], for a thread that drives the runtime meanwhile. `None`: it is to let go, as `let_go` says, of
    /// which [`Queue::let_go`] tells. It calls [`Queue::stop_leading`] at its end.
    pub(crate) fn poll_wait(&self, cx: &Context<'_>, let_go: impl Fn() -> bool) -> Poll<Option<bool>> {
        let ready = || self.is_ready() || self.has_ended();
        self.signal.poll_wait(cx, ready, let_go).map(|found| found.map(|found| found && self.is_ready()))
    }

    pub(crate) fn stop_leading(&self) {
        self.signal.stop_leading();
    }

    pub(crate) fn let_go(&self) {
        self.signal.let_go();
    }

    /// Whether a thread waits by driving the runtime.
    pub(crate) fn is_led(&self) -> bool {
        self.signal.is_led()
    }

    pub(crate) fn wake(&self) {
        self.signal.wake();
    }

    /// The descriptor that is readable while events wait (and for ever once the net has ended).
    pub(crate) fn fd(&self) -> std::io::Result<i32> {
        self.signal.fd(|| self.is_ready() || self.has_ended())
    }
}
