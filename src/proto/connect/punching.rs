//! When a punch begins, at which address, and whose it is.
//!
//! There is one punch between two nodes at a time. If both begin one, the chooser's goes on and the follower drops its own
//! as soon as it hears of it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::aim::{Aim, Wish, aim, is_easy, outside};
use super::core::Core;
use super::link::{Link, Step};
use super::message::{Message, Refusal};
use super::pair::{Pair, Punching};
use super::report::{Result, Technique};
use super::rungs::Ladder;
use super::types::{Begin, ConnId, Output, PunchId};
use crate::proto::punch::{self, Body, Failure, Foresight, Reason, Setup, Token};

/// Most punches that a peer may begin in one attempt of its.
const MOST_RESPONSES: u8 = 4;
/// How long to wait for a punch with somebody else to end, where one disturbs the other.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long after the peer has called off its punch we begin our own.
const NEXT: Duration = Duration::from_millis(200);
/// Most punches at a time, of both sides' making.
const MOST_PUNCHES: usize = 16;

impl Pair {
    /// Decides whether and when to punch.
    pub(super) fn wish_to_punch(&mut self, now: Instant, ladder: &Ladder, core: &Core) {
        let patient = ladder.reachable || core.own.is_reachable() || self.dials_near();
        let at = if patient { now + core.settings.punch_after } else { now };
        let silent = self.is_silent(core);
        let Some(attempt) = &mut self.attempt else { return };
        let record = attempt.unl.record();
        let why = if !core.settings.punching {
            "this node does not take part in hole punching"
        } else if silent {
            "there is no signalling to arrange it by"
        } else if aim(record, core, true).or_else(|| aim(record, core, false)).is_none() {
            "of one side no outside address is known"
        } else {
            attempt.wish = Wish::By(at);
            return;
        };
        attempt.no_punch = Some(why);
        self.tale.note(now, format!("no punch: {why}"));
    }

    /// Whether there is no signalling by which to reach the peer.
    fn is_silent(&self, core: &Core) -> bool {
        self.via().is_empty() && core.own.servers.is_empty()
    }

    pub(super) fn is_punch_due(&self, now: Instant) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.wish.is_due(now))
    }

    /// Which of the two families to punch by, if one is left: the easier one first.
    fn next_aim(&self, core: &Core) -> Option<Aim> {
        let attempt = self.attempt.as_ref()?;
        let family =
            |v4: bool| aim(attempt.unl.record(), core, v4).filter(|_| !attempt.punched[usize::from(!v4)]);
        match (family(true), family(false)) {
            (Some(v4), Some(v6)) => Some(if is_easy(&v4) { v4 } else { v6 }),
            (v4, v6) => v4.or(v6),
        }
    }

    /// Begins a punch if it is time, or nothing else is left to be waited for.
    pub(super) fn punch_if_due(&mut self, now: Instant, core: &mut Core) {
        let waiting = !self.rungs.is_empty()
            || self.links.values().any(|link| link.step < Step::Open)
            || core.own.is_reachable() && self.attempt.as_ref().is_some_and(|a| !a.call.is_over(now));
        let Some(attempt) = self.attempt.as_ref().filter(|attempt| attempt.wish.is_open()) else { return };
        let waiting = waiting || matches!(attempt.wish, Wish::From(_));
        if self.punch.is_some() || !attempt.wish.is_due(now) && waiting {
            return;
        }
        if self.is_crowded(core) {
            return self.set_wish(Wish::From(now + LOOK_AGAIN));
        }
        match self.next_aim(core) {
            Some(aim) => self.initiate(now, aim, core),
            None => self.set_wish(Wish::None),
        }
    }

    fn set_wish(&mut self, wish: Wish) {
        if let Some(attempt) = &mut self.attempt {
            attempt.wish = wish;
        }
    }

    /// Whether a punch would have to share what can only be used once: in a row of ports each connection moves the next one.
    fn is_crowded(&self, core: &Core) -> bool {
        let row = matches!(core.own.side.foresight(), Foresight::Row { .. });
        core.punches.len() >= if row { 1 } else { MOST_PUNCHES }
    }

    fn initiate(&mut self, now: Instant, aim: Aim, core: &mut Core) {
        let token = Token(core.token());
        let setup = self.setup(aim, core);
        if let Some(attempt) = &mut self.attempt {
            attempt.wish = Wish::None;
            attempt.punched[usize::from(!aim.target.is_ipv4())] = true;
        }
        self.start(now, token, true, aim.target, Begin::Initiate { token, setup }, core);
    }

    fn setup(&self, aim: Aim, core: &mut Core) -> Setup {
        let mut options = core.settings.punch.clone();
        options.allow_inside |= core.settings.local_peers;
        let (own, seed) = (core.own.addresses.clone(), core.seed());
        Setup { ours: aim.ours, peer_ip: aim.target, own, options, seed }
    }

    fn start(
        &mut self,
        now: Instant,
        token: Token,
        ours: bool,
        target: IpAddr,
        begin: Begin,
        core: &mut Core,
    ) {
        let id = PunchId(core.name());
        let entry = self.tale.began(now, Technique::Punch, None);
        self.punch = Some(Box::new(Punching { id, token, ours, target, entry }));
        core.punches.insert(id, (self.peer, self.via()));
        core.push(Output::Punch { punch: id, begin: Box::new(begin) });
    }

    /// Ends the punch that goes on.
    pub(super) fn stop_punch(&mut self, now: Instant, result: Result, core: &mut Core) {
        if let Some(punch) = self.punch.take() {
            self.tale.ended(punch.entry, now, result, 0, "it was called off");
            core.push(Output::PunchCancel { punch: punch.id });
        }
    }

    /// The peer turns out to be at another address: what was aimed at the old one is aimed again.
    pub(super) fn aim_again(&mut self, now: Instant, core: &mut Core) {
        let Some(attempt) = &self.attempt else { return };
        let record = attempt.unl.record();
        match &self.punch {
            Some(punch) if punch.ours => {
                let v4 = punch.target.is_ipv4();
                let target = outside(record, v4);
                if target == Some(punch.target) {
                    return;
                }
                self.stop_punch(now, Result::GivenUp, core);
                if let Some(attempt) = self.attempt.as_mut().filter(|_| target.is_some()) {
                    attempt.punched[usize::from(!v4)] = false;
                    attempt.wish = Wish::By(now);
                }
            }
            // What could not be done with the old locator may be possible now.
            None if attempt.wish == Wish::None
                && attempt.punched == [false; 2]
                && core.settings.punching
                && !self.is_silent(core)
                && self.next_aim(core).is_some() =>
            {
                self.set_wish(Wish::By(now));
            }
            _ => {}
        }
    }

    /// A punch of ours has something to say.
    pub(super) fn punch_says(&mut self, now: Instant, message: punch::Message, core: &mut Core) {
        if !self.call_with(now, &message, core) {
            core.tell(self.peer, self.via(), &Message::Punch(message));
        }
    }

    /// The peer says something about a punch.
    pub(super) fn punch_message(&mut self, now: Instant, message: punch::Message, core: &mut Core) {
        if let Some(punch) = self.punch.as_ref().filter(|punch| punch.token == message.token) {
            return core.push(Output::PunchMessage { punch: punch.id, message });
        }
        let Body::Offer(side) = &message.body else { return };
        let opening = self.links.values().any(|link| link.step >= Step::Open);
        if message.round != 1 || opening && self.called.is_none() {
            return;
        }
        // Before the call we do not know who that is; the offer will be repeated.
        let unl = self.called.as_ref().map(|called| &called.unl);
        let Some(unl) = unl.or(self.attempt.as_ref().map(|attempt| &attempt.unl)) else { return };
        if !core.settings.punching {
            let (token, reason) = (message.token.0, Refusal::NoPunching);
            core.tell(self.peer, self.via(), &Message::Refuse { token, reason });
            return;
        }
        let v4 = side.outside_ip.is_none_or(|ip| ip.to_canonical().is_ipv4());
        let Some(aim) = aim(unl.record(), core, v4) else { return };
        if self.punch.as_ref().is_some_and(|punch| punch.ours && self.chooser) {
            // Ours is the one.
            return;
        }
        let replaces = self.punch.is_some();
        if self.responded >= MOST_RESPONSES || !replaces && self.is_crowded(core) {
            return;
        }
        if replaces {
            self.tale.note(now, "the peer punches as well; its punch is the one");
            self.stop_punch(now, Result::GivenUp, core);
        }
        self.responded += 1;
        let (token, setup) = (message.token, self.setup(aim, core));
        self.start(now, token, false, aim.target, Begin::Respond { offer: message, setup }, core);
    }

    /// The peer does not take part in our punch.
    pub(super) fn punch_refused(&mut self, now: Instant, token: super::Token, core: &mut Core) -> bool {
        let ours = self.punch.as_ref().is_some_and(|punch| punch.ours && punch.token.0 == token);
        if ours {
            self.tale.note(now, "the peer does not take part in hole punching");
            self.stop_punch(now, Result::Failed, core);
            self.set_wish(Wish::None);
        }
        ours
    }

    /// The punch that goes on has ended.
    pub(super) fn punched(
        &mut self,
        now: Instant,
        outcome: std::result::Result<(ConnId, std::net::SocketAddr), Failure>,
        text: &str,
        core: &mut Core,
    ) {
        let Some(punch) = self.punch.take() else { return };
        match outcome {
            Ok((conn, at)) => self.won(now, conn, at, &punch, text, core),
            Err(failure) => {
                let why = failure.to_string();
                let text = if text.is_empty() { why } else { format!("{why} ({text})") };
                self.tale.ended(punch.entry, now, Result::Failed, 0, text);
                self.punch_failed(now, failure, punch.ours, core);
            }
        }
    }

    fn won(
        &mut self,
        now: Instant,
        conn: ConnId,
        at: std::net::SocketAddr,
        punch: &Punching,
        text: &str,
        core: &mut Core,
    ) {
        let link = Link {
            ours: punch.ours,
            punch: Some(punch.token.0),
            until: Some(now + core.settings.handshake),
            entry: punch.entry,
            story: text.to_owned(),
            ..Link::new(now, at, Technique::Punch)
        };
        self.add_link(conn, link, core);
        if punch.ours {
            self.greet(now, conn, core);
        }
    }

    fn punch_failed(&mut self, now: Instant, failure: Failure, ours: bool, core: &Core) {
        let again = !ours && failure.by_peer && failure.reason == Reason::Cancelled;
        let Some(attempt) = &mut self.attempt else { return };
        if again {
            // It was the peer's and it has lost interest, or has a connection that we will hear of. We have not.
            attempt.punched = [false; 2];
            attempt.wish = Wish::From(now + NEXT);
            return;
        }
        attempt.punch_failure = Some(failure);
        if ours && self.next_aim(core).is_some() {
            self.set_wish(Wish::By(now));
        } else {
            self.relay_from(now);
        }
    }
}
