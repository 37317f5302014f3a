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
//! proved alive meanwhile, the chooser lets go of the silent one after a little more than two round trips, and says CHOOSE on
//! the other. The follower may have opened the silent one by then (if its first message was no recording); so it keeps
//! the others until the chooser's third message confirms it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::core::Core;
use super::link::{Link, Step, inside};
use super::pair::{MOST_LINKS, Pair};
use super::report::{End, Result, Technique};
use super::tale::Tale;
use super::types::{Closing, ConnId, Output, Token};

/// How long the follower waits for the choice.
const CHOICE: Duration = Duration::from_secs(10);
/// How long the follower keeps a connection that nobody needs, in case it is chosen: shorter than the chooser's hold, so that
/// this one can tell it from one whose other end has lost the open one.
pub(super) const SPARE: Duration = Duration::from_secs(1);

impl Pair {
    /// A connection that we have opened is there: greets.
    pub(super) fn greet(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        let chosen = self.chooser && self.choice.is_none() && self.open.is_none();
        let asked = self.called.as_ref().map(|called| called.token);
        let Some(link) = self.links.get_mut(&conn) else { return };
        if link.step == Step::Dialling {
            link.trip = Some(now.saturating_duration_since(link.greeted));
        }
        link.step = Step::Greeted;
        link.greeted = now;
        link.until = Some(now + core.settings.handshake);
        let token = link.punch.or(asked).or(self.session).unwrap_or_default();
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
        let resumes = self.session == Some(token);
        match self.links.get(&conn) {
            Some(link) if link.step == Step::Awaited => {}
            Some(_) => return,
            None => {
                let expected = asked || self.called.is_some() || self.attempt.is_some();
                let welcome = expected || self.open.is_some() || self.session.is_some();
                if self.links.len() >= MOST_LINKS || core.own.full && !welcome {
                    return core.close(conn, Closing::Full);
                }
                let link = Link { resumes, ..self.arrived(now, from, asked) };
                self.add_link(conn, link, core);
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
            self.proved(now, conn, chosen && (live || self.open.is_none()), live, core);
        }
    }

    fn arrived(&mut self, now: Instant, from: SocketAddr, asked: bool) -> Link {
        let entry = self.attempt.as_ref().and_then(|attempt| attempt.reverse).filter(|_| asked);
        if entry.is_none() {
            self.tale.note(now, format!("the peer has connected to us from {from}"));
        }
        let technique = if inside(from.ip()) { Technique::Lan } else { Technique::Direct };
        Link { step: Step::Answered, asked, entry, ..Link::new(now, from, technique) }
    }

    /// The peer has answered on a connection that we have opened.
    pub(super) fn met(&mut self, now: Instant, conn: ConnId, at: SocketAddr, chosen: bool, core: &mut Core) {
        let own = !self.links.contains_key(&conn);
        match self.links.get(&conn) {
            Some(link) if link.step == Step::Greeted => {}
            Some(_) => return,
            None if self.links.len() >= MOST_LINKS => return core.close(conn, Closing::Full),
            None => {
                let link = Link { ours: true, step: Step::Greeted, ..self.arrived(now, at, false) };
                self.add_link(conn, link, core);
            }
        }
        let free = self.chooser && self.choice.is_none() && self.open.is_none();
        if free {
            self.choice = Some(conn);
        }
        core.push(Output::Answer { conn, chosen: self.choice == Some(conn) });
        self.proved(now, conn, chosen, true, core);
        if own && self.open.is_some_and(|(open, _)| open != conn) {
            core.push(Output::Spare { conn });
        }
    }

    /// The peer's last word of the handshake.
    pub(super) fn verdict(&mut self, now: Instant, conn: ConnId, chosen: bool, core: &mut Core) {
        match self.links.get(&conn).map(|link| link.step) {
            Some(Step::Answered) => self.proved(now, conn, chosen, true, core),
            Some(Step::Proved) if chosen => self.chosen(now, conn, core),
            Some(Step::Open) => self.confirm(now, core),
            _ => {}
        }
    }

    /// The chooser has chosen this one.
    pub(super) fn chosen(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        let proved = self.links.get(&conn).is_some_and(|link| link.step == Step::Proved);
        if !proved || self.chooser {
            return;
        }
        if self.confirmed {
            return self.open_link(now, conn, true, core);
        }
        // One of the two is about to end: which one was chosen first cannot be told.
        if let Some(link) = self.links.get_mut(&conn) {
            (link.chosen, link.until) = (true, Some(now + SPARE));
        }
    }

    /// The peer is there. `confirmed`: it has answered to something that we have said on this connection.
    fn proved(&mut self, now: Instant, conn: ConnId, chosen: bool, confirmed: bool, core: &mut Core) {
        let busy = self.open.is_some();
        // A spare one of the race that the open one has won comes soon after that. Whoever comes later, or names the session
        // that we hold, has lost the open one or wants another.
        let held = self.open.map_or(now, |(_, since)| since + core.settings.held).max(now);
        let relayed = core.settings.sessions && self.is_relayed();
        let Some(link) = self.links.get_mut(&conn) else { return };
        if link.step == Step::Greeted || !link.ours && link.greeted < now {
            link.trip = Some(now.saturating_duration_since(link.greeted));
        }
        link.step = Step::Proved;
        link.proved = Some(now);
        if !self.chooser {
            link.until = Some(now + if busy { SPARE } else { CHOICE });
            if chosen && self.open.is_none() {
                self.open_link(now, conn, confirmed, core);
            } else if chosen {
                self.chosen(now, conn, core);
            }
            return;
        }
        link.until = Some(match busy {
            true if link.resumes || relayed && link.relay.is_none() => now,
            true => held,
            false => now + CHOICE,
        });
        if self.choice == Some(conn) {
            self.open_link(now, conn, confirmed, core);
        } else {
            self.after_losses(now, core);
        }
    }

    /// Without a choice, or an open connection: takes the first that has proved alive (chooser), or that the chooser has
    /// turned to (follower).
    pub(super) fn after_losses(&mut self, now: Instant, core: &mut Core) {
        if self.choice.is_some() || self.open.is_some() {
            return;
        }
        let fits = |link: &Link| link.step == Step::Proved && (self.chooser || link.chosen);
        let fitting = self.links.iter().filter(|(_, link)| fits(link));
        let first = fitting.min_by_key(|(_, link)| link.proved).map(|(conn, _)| *conn);
        match first {
            Some(conn) if self.chooser => self.choose(now, conn, core),
            Some(conn) => self.open_link(now, conn, true, core),
            None => {}
        }
    }

    pub(super) fn choose(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        self.choice = Some(conn);
        core.push(Output::Choose { conn });
        self.open_link(now, conn, true, core);
    }

    /// This is the one: all others end. If it is not confirmed yet, those that might have to take its place stay until it is.
    pub(super) fn open_link(&mut self, now: Instant, conn: ConnId, confirmed: bool, core: &mut Core) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        (link.step, link.until) = (Step::Open, None);
        let link = link.clone();
        self.remember_way(&link, core);
        if let Some((old, _)) = self.open {
            if self.is_relayed() && link.relay.is_none() {
                self.tale.note(now, "in place of the one by a relay");
            } else {
                self.tale = Tale::begin(now);
                self.tale.note(now, "the peer has come back by this connection: it has lost the one before");
            }
            self.close_link(now, old, Closing::Replaced, Result::Beaten, core);
        }
        let via = link.via();
        let text = if link.story.is_empty() { "this is the connection".to_owned() } else { link.story };
        self.tale.ended(link.entry, now, Result::Won, 0, text);
        self.open = Some((conn, now));
        self.confirmed = confirmed;
        self.recovered();
        self.want_better(now, link.ours && core.settings.sessions);
        self.close_others(now, core);
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

    /// Ends what is not needed any more beside the open connection.
    fn close_others(&mut self, now: Instant, core: &mut Core) {
        let least = if self.confirmed { Step::Open } else { Step::Awaited };
        // A punch behind a relayed connection may yet lead to a better one.
        if self.confirmed && !(core.settings.sessions && self.is_relayed()) {
            self.stop_punch(now, Result::GivenUp, core);
        }
        let others = self.links.iter().filter(|(_, link)| link.step < least);
        for other in others.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            let greeted = self.links.get(&other).is_some_and(|link| link.step >= Step::Greeted);
            let result = if greeted { Result::Beaten } else { Result::GivenUp };
            self.close_link(now, other, Closing::Beaten, result, core);
        }
    }

    /// The other end has the open connection, too.
    pub(super) fn confirm(&mut self, now: Instant, core: &mut Core) {
        if !self.confirmed {
            self.confirmed = true;
            self.close_others(now, core);
        }
    }

    /// A dial or a connection has ended by itself.
    pub(super) fn lost(&mut self, now: Instant, conn: ConnId, os_error: i32, text: &str, core: &mut Core) {
        let Some(link) = self.take_link(conn, core) else { return };
        if link.step < Step::Open {
            self.tale.ended(link.entry, now, Result::Failed, os_error, text);
            self.failed_dial(&link, text);
        }
        if let Some(relay) = link.relay.as_deref().filter(|_| link.step == Step::Awaited) {
            core.volunteers.failed(relay);
            self.relay_missed(&link, core);
        }
        self.after_losses(now, core);
    }
}
