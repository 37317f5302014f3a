//! Which connection of several: the node with the smaller key, the *chooser*, chooses; the other, the *follower*, opens what
//! is chosen. Whoever dialled or called makes no difference, so two nodes that call each other at once agree.
//!
//! ```text
//!            chooser dials                              follower dials
//!   chooser ── m1 chosen ───────▶ follower     follower ── m1 ───────────────▶ chooser
//!           ◀─────────────── m2 ──  opens if the        ◀──────── m2 chosen ──  opens if the token is fresh,
//!   opens   ── m3 chosen ───────▶   token is fresh,     opens ── m3 ─────────▶   else here
//!                                   else here
//! ```
//!
//! The chooser has at most one choice at a time and lets go of it only by closing it, so whatever the follower opens is either
//! the one or about to end. What the follower hears of a choice while it has an open connection is newer than that one: all
//! others ended when it was opened, so whatever it hears on began after that.
//!
//! A choice is made early, in the first message that allows it, and that connection may turn out dead. If another one has
//! proved alive meanwhile, the chooser lets go of the silent one after a little more than that one took, and says CHOOSE on
//! the other.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::core::Core;
use super::pair::{Link, MOST_LINKS, Pair, Step};
use super::report::{End, Result, Technique};
use super::tale::Tale;
use super::types::{Closing, ConnId, Output, Token};
use crate::event::Via;
use crate::proto::nat::scope::Scope;

/// How much longer than another one a chosen connection may take to prove alive.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the follower waits for the choice.
const CHOICE: Duration = Duration::from_secs(10);
/// How long the follower keeps a connection that nobody needs, in case it is chosen: shorter than the chooser's hold, so that
/// this one can tell it from one whose other end has lost the open one.
const SPARE: Duration = Duration::from_secs(1);

impl Pair {
    /// A connection that we have opened is there: greets.
    pub(super) fn greet(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        let chosen = self.chooser && self.choice.is_none() && self.open.is_none();
        let asked = self.called.as_ref().map(|called| called.token);
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.step = Step::Greeted;
        link.greeted = now;
        link.until = Some(now + core.settings.handshake);
        let token = link.punch.or(asked).unwrap_or_default();
        if chosen {
            self.choice = Some(conn);
        }
        core.push(Output::Greet { conn, peer: self.peer, token, chosen });
    }

    /// The peer has greeted on a connection that it has opened.
    #[expect(clippy::too_many_arguments, reason = "they are one message's fields")]
    pub(super) fn came(
        &mut self,
        now: Instant,
        conn: ConnId,
        from: SocketAddr,
        token: Token,
        chosen: bool,
        live: bool,
        core: &mut Core,
    ) {
        let asked = self.attempt.as_ref().is_some_and(|attempt| attempt.token == token);
        match self.links.get(&conn) {
            Some(link) if link.step == Step::Awaited => {}
            Some(_) => return,
            None => {
                let welcome = asked || self.called.is_some() || self.attempt.is_some() || self.open.is_some();
                if self.links.len() >= MOST_LINKS || core.own.full && !welcome {
                    return core.close(conn, Closing::Full);
                }
                let link = self.arrived(now, from, asked);
                self.links.insert(conn, link);
                core.conns.insert(conn, self.peer);
            }
        }
        let choose = self.chooser && self.choice.is_none() && self.open.is_none();
        let Some(link) = self.links.get_mut(&conn) else { return };
        let fresh = live || asked || link.punch == Some(token);
        (link.step, link.greeted) = (Step::Answered, now);
        link.until = Some(now + core.settings.handshake);
        if choose {
            self.choice = Some(conn);
        }
        core.push(Output::Answer { conn, chosen: choose });
        if fresh {
            // With a connection open, only what the peer says in answer to us is newer than that.
            self.proved(now, conn, chosen && (live || self.open.is_none()), core);
        }
    }

    fn arrived(&mut self, now: Instant, from: SocketAddr, asked: bool) -> Link {
        let entry = self.attempt.as_ref().and_then(|attempt| attempt.reverse).filter(|_| asked);
        if entry.is_none() {
            self.tale.note(now, format!("the peer has connected to us from {from}"));
        }
        Link {
            at: from,
            step: Step::Answered,
            ours: false,
            technique: if inside(from.ip()) { Technique::Lan } else { Technique::Direct },
            punch: None,
            asked,
            greeted: now,
            proved: None,
            until: None,
            entry,
        }
    }

    /// The peer has answered on a connection that we have opened.
    pub(super) fn met(&mut self, now: Instant, conn: ConnId, at: SocketAddr, chosen: bool, core: &mut Core) {
        match self.links.get(&conn) {
            Some(link) if link.step == Step::Greeted => {}
            Some(_) => return,
            None if self.links.len() >= MOST_LINKS => return core.close(conn, Closing::Full),
            None => {
                let link = Link { ours: true, step: Step::Greeted, ..self.arrived(now, at, false) };
                self.links.insert(conn, link);
                core.conns.insert(conn, self.peer);
            }
        }
        let free = self.chooser && self.choice.is_none() && self.open.is_none();
        if free {
            self.choice = Some(conn);
        }
        core.push(Output::Answer { conn, chosen: self.choice == Some(conn) });
        self.proved(now, conn, chosen, core);
    }

    /// The peer's last word of the handshake.
    pub(super) fn verdict(&mut self, now: Instant, conn: ConnId, chosen: bool, core: &mut Core) {
        match self.links.get(&conn).map(|link| link.step) {
            Some(Step::Answered) => self.proved(now, conn, chosen, core),
            Some(Step::Proved) if chosen => self.chosen(now, conn, core),
            _ => {}
        }
    }

    /// The chooser has chosen this one.
    pub(super) fn chosen(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        let proved = self.links.get(&conn).is_some_and(|link| link.step == Step::Proved);
        if proved && !self.chooser {
            self.open_link(now, conn, core);
        }
    }

    fn proved(&mut self, now: Instant, conn: ConnId, chosen: bool, core: &mut Core) {
        let busy = self.open.is_some();
        let held = core.settings.held;
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.step = Step::Proved;
        link.proved = Some(now);
        if !self.chooser {
            link.until = Some(now + if busy { SPARE } else { CHOICE });
            if chosen {
                self.open_link(now, conn, core);
            }
            return;
        }
        link.until = Some(now + if busy { held } else { CHOICE });
        if self.choice == Some(conn) {
            self.open_link(now, conn, core);
        } else {
            self.choose_again(now, core);
        }
    }

    /// Chooser without a choice: takes the first that has proved alive.
    fn choose_again(&mut self, now: Instant, core: &mut Core) {
        if !self.chooser || self.choice.is_some() || self.open.is_some() {
            return;
        }
        let proved = self.links.iter().filter(|(_, link)| link.step == Step::Proved);
        if let Some(conn) = proved.min_by_key(|(_, link)| link.proved).map(|(conn, _)| *conn) {
            self.choose(now, conn, core);
        }
    }

    /// Connections have gone: one of them may have been the choice.
    pub(super) fn after_losses(&mut self, now: Instant, core: &mut Core) {
        self.choose_again(now, core);
    }

    fn choose(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        self.choice = Some(conn);
        core.push(Output::Choose { conn });
        self.open_link(now, conn, core);
    }

    /// This is the one: all others end.
    fn open_link(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        (link.step, link.until) = (Step::Open, None);
        let link = link.clone();
        let old = self.open.map(|(old, _)| old);
        if old.is_some() {
            self.tale = Tale::begin(now);
            self.tale.note(now, "the peer has come back by this connection: it has lost the one before");
        }
        let others: Vec<ConnId> = self.links.keys().copied().filter(|other| *other != conn).collect();
        let via = via(&link);
        self.tale.ended(link.entry, now, Result::Won, 0, "this is the connection");
        self.stop_punch(now, Result::GivenUp, core);
        for other in others {
            let (why, result) = if old == Some(other) {
                (Closing::Replaced, Result::Beaten)
            } else if self.links.get(&other).is_some_and(|link| link.step >= Step::Greeted) {
                (Closing::Beaten, Result::Beaten)
            } else {
                (Closing::Beaten, Result::GivenUp)
            };
            self.close_link(now, other, why, result, core);
        }
        self.open = Some((conn, now));
        if self.chooser {
            self.choice = Some(conn);
        }
        self.forget_called(core);
        let (peer, at) = (self.peer, link.at);
        self.tale.over(now, End::Connected { via, peer: at });
        let first = self.attempt.as_ref().and_then(|attempt| attempt.waiting.first()).map_or(0, |(r, _)| *r);
        let story = Box::new(self.tale.of(first));
        core.push(Output::Open { conn, peer, at, via, story });
        self.succeed(conn, core);
    }

    /// A dial or a connection has ended by itself.
    pub(super) fn lost(&mut self, now: Instant, conn: ConnId, os_error: i32, text: &str, core: &mut Core) {
        let Some(link) = self.take_link(conn, core) else { return };
        if link.step < Step::Open {
            self.tale.ended(link.entry, now, Result::Failed, os_error, text);
            self.failed_dial(&link, text);
        }
        self.choose_again(now, core);
    }

    /// When a chosen connection is let go of because another one is alive.
    pub(super) fn impatient_at(&self) -> Option<Instant> {
        let choice = self.links.get(&self.choice?).filter(|link| link.step < Step::Proved)?;
        let took = |link: &Link| Some(link.proved?.saturating_duration_since(link.greeted));
        let alive = self.links.values().filter(|link| link.step == Step::Proved).filter_map(took).min()?;
        Some(choice.greeted + alive * 2 + PATIENCE)
    }

    /// Ends what has said nothing for too long, and lets what was held take the open one's place.
    pub(super) fn expire_links(&mut self, now: Instant, core: &mut Core) {
        if let (Some(choice), true) = (self.choice, self.impatient_at().is_some_and(|at| at <= now)) {
            self.tale.note(now, "the chosen connection is silent, another one is alive");
            self.close_link(now, choice, Closing::Silent, Result::Failed, core);
            self.choose_again(now, core);
        }
        let late = |link: &Link| link.until.is_some_and(|at| at <= now);
        while let Some(conn) = self.links.iter().find(|(_, link)| late(link)).map(|(conn, _)| *conn) {
            let Some(link) = self.links.get(&conn).cloned() else { return };
            if self.chooser && link.step == Step::Proved && self.open.is_some() {
                self.choose(now, conn, core);
                continue;
            }
            let why = if self.open.is_some() { Closing::Beaten } else { Closing::Silent };
            self.close_link(now, conn, why, Result::Failed, core);
            self.failed_dial(&link, "no answer in time");
            self.choose_again(now, core);
        }
    }
}

/// Whether an address is one of a local network.
pub(super) fn inside(ip: IpAddr) -> bool {
    matches!(Scope::of(ip), Scope::Loopback | Scope::Link | Scope::Private)
}

/// How a connection came to be.
pub(super) fn via(link: &Link) -> Via {
    match (link.technique, link.ours) {
        _ if link.punch.is_some() => Via::Punch,
        (Technique::Lan, true) => Via::Lan,
        (_, true) => Via::Direct,
        _ if link.asked => Via::Reverse,
        (Technique::Lan, _) => Via::Lan,
        _ => Via::Accept,
    }
}
