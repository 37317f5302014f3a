//! One side of a session: what is to be said on the link, what the other's words mean, when a link is given up.
//!
//! In turns, while there is a link: say what [`Session::control`] gives; send what [`Session::again`] gives; if
//! [`Session::may_send`], send something new and hand it over with [`Session::sent`], or hand it over by [`Session::put`] to be
//! given what can be sent of it. Tell what arrives by [`Session::received`] and [`Session::heard`], and look at
//! [`Session::due`] when [`Session::deadline`] has come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::live::{Live, Times, Verdict};
use super::piece::Piece;
use super::window::{Unsettled, Window};
use super::{NONE, SessionId, Violation};
use crate::proto::handshake::Control;

/// So much may arrive before it is acknowledged at once,
pub const ACK_AFTER: u64 = 256 << 10;
/// but not so soon after the last time: to be told costs the sender a wake-up and more,
pub const ACK_APART: Duration = Duration::from_millis(1);
/// unless so much has arrived meanwhile.
pub const ACK_MOST: u64 = 1 << 20;
/// What arrives is acknowledged at the latest after this time.
pub const ACK_WITHIN: Duration = Duration::from_millis(100);

/// What a session goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Units sent and not acknowledged beyond which nothing new is sent. The last piece may exceed it.
    pub window: u64,
    /// How long an answer of the peer may take before the link is given up.
    pub silence: Duration,
    /// How long nothing may happen on a link before the peer is asked whether it is there.
    pub idle: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { window: 4 << 20, silence: Duration::from_secs(10), idle: Some(Duration::from_secs(15)) }
    }
}

/// What a word of the peer means for whoever works for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that he has to know.
    Nothing,
    /// Some of what was sent has arrived: there may be room to send more.
    Room,
    /// The peer relays for its network.
    Relays(SocketAddr),
    /// The peer has closed the session, and will send `missing` units never that it had accepted from its program.
    Closed {
        /// 0, unless the peer's time to send them had run out.
        missing: u64,
    },
}

/// What time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// There is something to be said.
    Say,
    /// The link is silent: give it up.
    Silent,
}

/// A link that carries the session.
#[derive(Debug)]
struct Up {
    /// To be said first.
    hello: Option<Control>,
    /// Where we relay, to be said.
    relays: Option<SocketAddr>,
    live: Live,
    pong: Option<u32>,
    /// What the peer was told last that we have.
    told: u64,
    /// When it was told that.
    told_at: Option<Instant>,
    /// When it is to be told more.
    ack_at: Option<Instant>,
    ack_now: bool,
    /// Whether the end was said on it.
    close_said: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    settings: Settings,
    window: Window,
    received: u64,
    up: Option<Up>,
    closing: bool,
    closed_by_peer: bool,
    rtt: Option<Duration>,
    resumptions: u64,
    resent: u64,
    /// Where we relay.
    relays: Option<SocketAddr>,
}

impl Session {
    /// A session that begins with a link. `said`: what each holds was said on that link already.
    pub fn begin(now: Instant, id: SessionId, settings: Settings, said: bool) -> Session {
        let hello = (!said).then_some(Control::Session { id: NONE, received: 0 });
        Session {
            id,
            settings,
            window: Window::default(),
            received: 0,
            up: Some(Up::new(now, hello, 0)),
            closing: false,
            closed_by_peer: false,
            rtt: None,
            resumptions: 0,
            resent: 0,
            relays: None,
        }
    }

    /// From now on we relay for our network, there; or we do not. The peer is told where, on this link and each that follows.
    pub fn set_relays(&mut self, at: Option<SocketAddr>) {
        if self.relays != at {
            self.relays = at;
            if let Some(up) = &mut self.up {
                up.relays = at;
            }
        }
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The word with which it is taken up on another link, from which on nothing is taken from the one before: see
    /// [`Session::lost`].
    pub fn hello(&self) -> Control {
        Control::Session { id: self.id, received: self.received }
    }

    /// The link has ended, or is left.
    pub fn lost(&mut self) {
        self.up = None;
    }

    /// The session goes on over another link, on which both have said what they hold: the peer has `received`.
    ///
    /// # Errors
    /// [`Violation`] if that cannot be.
    pub fn resume(&mut self, now: Instant, received: u64) -> Result<(), Violation> {
        self.window.resume(received)?;
        self.up = Some(Up { relays: self.relays, ..Up::new(now, None, self.received) });
        self.resumptions += 1;
        self.resent += self.window.repeated();
        Ok(())
    }

    /// Whether there is a link.
    pub fn is_up(&self) -> bool {
        self.up.is_some()
    }

    // ---- what is said ----

    /// The next word to say. `rest`: nothing of the program's waits to be sent.
    pub fn control(&mut self, now: Instant, rest: bool) -> Option<Control> {
        let may_close = self.closing && rest && self.window.behind() == 0;
        let (received, sent) = (self.received, self.window.end());
        let up = self.up.as_mut()?;
        if let Some(hello) = up.hello.take() {
            return Some(hello);
        }
        if let Some(at) = up.relays.take_if(|_| !up.close_said) {
            return Some(Control::Relays { at });
        }
        if let Some(number) = up.pong.take() {
            return Some(Control::Pong { number });
        }
        // Before the last word: what the peer has sent is not to look lost to it.
        let last = may_close && !up.close_said && up.told < received;
        if std::mem::take(&mut up.ack_now) || last {
            (up.told, up.told_at, up.ack_at) = (received, Some(now), None);
            return Some(Control::Ack { received });
        }
        if let Some(number) = up.live.question(now) {
            return Some(Control::Ping { number });
        }
        if may_close && !up.close_said {
            up.close_said = true;
            return Some(Control::Close { sent });
        }
        None
    }

    /// Whether [`Session::control`] has something to say, the end aside.
    pub fn has_word(&self) -> bool {
        let news = |up: &Up| up.hello.is_some() || up.relays.is_some() && !up.close_said;
        let word = |up: &Up| news(up) || up.pong.is_some() || up.ack_now || up.live.wants_to_ask();
        self.up.as_ref().is_some_and(word)
    }

    /// What is to be sent next of what was sent before, on another link, or was put aside: at most `most` units.
    pub fn again(&mut self, most: usize) -> Option<(&Piece, usize, usize)> {
        self.up.as_ref()?;
        self.window.again(most, self.settings.window)
    }

    /// Whether something new may be sent.
    pub fn may_send(&self) -> bool {
        let open = |up: &Up| up.hello.is_none() && !up.close_said;
        self.up.as_ref().is_some_and(open)
            && self.window.behind() == 0
            && self.window.len() < self.settings.window
    }

    /// Something new has been sent. It is moved out of `piece`, which has memory for the next.
    pub fn sent(&mut self, piece: &mut Piece) {
        self.window.push(piece);
    }

    /// Something new is to be sent. It is moved out of `piece`, as by [`Session::sent`].
    pub fn put(&mut self, piece: &mut Piece) {
        self.window.put(piece);
    }

    /// Units that were put aside and have not been sent.
    pub fn unsent(&self) -> u64 {
        self.window.unsent()
    }

    /// Whether something was put aside, or is to be sent again.
    pub fn is_behind(&self) -> bool {
        self.window.behind() > 0
    }

    /// Bytes of memory that wait to be needed again.
    pub fn spare(&self) -> usize {
        self.window.spare()
    }

    /// Gives memory back that has not been needed for a while.
    pub fn tidy(&mut self) {
        self.window.tidy();
    }

    // ---- what arrives ----

    /// So much of the peer's stream has arrived in all.
    pub fn received(&mut self, now: Instant, received: u64) {
        self.received = received;
        let Some(up) = &mut self.up else { return };
        up.live.heard(now);
        let more = received - up.told;
        if more == 0 {
            return;
        }
        let soonest = up.told_at.map_or(now, |at| at + ACK_APART);
        let at = if more < ACK_AFTER { now + ACK_WITHIN } else { soonest };
        up.ack_now |= more >= ACK_MOST || more >= ACK_AFTER && soonest <= now;
        up.ack_at = Some(up.ack_at.map_or(at, |before| before.min(at)));
    }

    /// A word of the peer.
    ///
    /// # Errors
    /// [`Violation`]: the session has to end.
    pub fn heard(&mut self, now: Instant, control: &Control) -> Result<Heard, Violation> {
        let Some(up) = &mut self.up else { return Ok(Heard::Nothing) };
        up.live.heard(now);
        match control {
            Control::Ack { received } => {
                self.window.ack(*received)?;
                return Ok(Heard::Room);
            }
            Control::Ping { number } => up.pong = Some(*number),
            Control::Pong { number } => {
                if let Some(took) = up.live.answer(now, *number) {
                    // As TCP smooths its own (RFC 6298): an eighth of each.
                    self.rtt = Some(self.rtt.map_or(took, |rtt| (rtt * 7 + took) / 8));
                }
            }
            Control::Close { sent } => {
                up.ack_now = true;
                self.closed_by_peer = true;
                return Ok(Heard::Closed { missing: sent.saturating_sub(self.received) });
            }
            Control::Relays { at } => return Ok(Heard::Relays(*at)),
            // What a session it holds is of no matter where one has begun; that it comes once is seen to elsewhere.
            Control::Session { .. } | Control::Verdict { .. } | Control::Choose | Control::Unwelcome(_) => {}
        }
        Ok(Heard::Nothing)
    }

    // ---- time ----

    /// What time has brought. `reading`: the link is being read.
    pub fn due(&mut self, now: Instant, reading: bool) -> Due {
        let (owed, times) = (!self.window.is_empty(), self.times());
        let Some(up) = &mut self.up else { return Due::Nothing };
        if up.ack_at.is_some_and(|at| at <= now) {
            up.ack_now = true;
        }
        match up.live.judge(now, owed, reading, times) {
            Verdict::Silent => return Due::Silent,
            // Any word will do; this one costs no answer.
            Verdict::Speak if !up.live.wants_to_ask() => up.ack_now = true,
            Verdict::Speak | Verdict::Well => {}
        }
        if self.has_word() { Due::Say } else { Due::Nothing }
    }

    /// When to look at [`Session::due`] again.
    pub fn deadline(&self, reading: bool) -> Option<Instant> {
        let up = self.up.as_ref()?;
        let live = up.live.deadline(!self.window.is_empty(), reading, self.times());
        [live, up.ack_at.filter(|_| !up.ack_now)].into_iter().flatten().min()
    }

    /// Asks the peer whether it is there, as something may have happened to the network.
    pub fn probe(&mut self, now: Instant) {
        if let Some(up) = &mut self.up {
            up.live.ask(now);
        }
    }

    fn times(&self) -> Times {
        Times { silence: self.settings.silence, idle: self.settings.idle }
    }

    // ---- the end ----

    /// The program wants the session closed: once everything is sent, that is said.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether it is over on our part: the end was said and everything acknowledged, or the peer has closed as well.
    pub fn is_done(&self) -> bool {
        let said = self.up.as_ref().is_some_and(|up| up.close_said);
        // Over a new link, the peer may turn out to have had everything.
        let settled = self.closing && self.window.is_empty() && (said || self.closed_by_peer);
        settled || said && self.closed_by_peer
    }

    /// What was sent and not acknowledged. Looks at all of it.
    pub fn unsettled(&self) -> Unsettled {
        self.window.unsettled()
    }

    /// The last words of a session that has ended, to a peer that has not heard of it.
    pub fn epitaph(&self) -> Epitaph {
        Epitaph { id: self.id, received: self.received, sent: self.window.end() }
    }

    // ---- figures ----

    /// Round trip, smoothed.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Units that were sent and are not acknowledged.
    pub fn unacked(&self) -> u64 {
        self.window.len() - self.window.unsent()
    }

    /// How often it was taken up on another link.
    pub fn resumptions(&self) -> u64 {
        self.resumptions
    }

    /// Units that had to be sent again.
    pub fn resent(&self) -> u64 {
        self.resent
    }
}

impl Up {
    fn new(now: Instant, hello: Option<Control>, told: u64) -> Up {
        Up {
            hello,
            relays: None,
            live: Live::new(now),
            pong: None,
            told,
            told_at: None,
            ack_at: None,
            ack_now: false,
            close_said: false,
        }
    }
}

/// What is left of a session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epitaph {
    /// Its name.
    pub id: SessionId,
    /// What had arrived of the peer's stream.
    pub received: u64,
    /// What was sent.
    pub sent: u64,
}

impl Epitaph {
    /// What a peer is told that wants to take the session up: what had arrived, and that it is over.
    pub fn words(&self) -> [Control; 2] {
        [Control::Session { id: self.id, received: self.received }, Control::Close { sent: self.sent }]
    }
}
