//! A call of the peer: who calls is checked, told where we are now, and connected to if it can be.

use std::time::{Duration, Instant};

use super::core::Core;
use super::link::Step;
use super::message::{Message, Refusal};
use super::pair::{CALLED, Called, Pair};
use super::rungs;
use super::search::MAINLINE;
use super::tale::Tale;
use super::types::{Closing, ConnId, Token};
use crate::proto::punch;
use crate::proto::unl::UnlV3;

/// For so long after its end a caller's locator is accepted: clocks differ.
const TOLERANCE: u64 = 2 * 86_400;
/// A call that comes so soon after the connection was opened belongs to the attempt that it came of.
const ECHO: Duration = Duration::from_secs(2);

impl Pair {
    /// Takes a call. What it costs us was granted already.
    pub(super) fn call_came(
        &mut self,
        now: Instant,
        server: String,
        token: Token,
        locator: &str,
        offer: Option<punch::Message>,
        core: &mut Core,
    ) {
        let fresh = |(_, since)| now.saturating_duration_since(since) < ECHO;
        if self.open.is_some_and(fresh) && !self.is_relayed() {
            return;
        }
        if !core.heard.is_fresh(now, self.peer, token) {
            return core.log(now, || format!("{server} passed on an old call of {}", self.peer));
        }
        let unl = match self.check_caller(now, locator, core) {
            Ok(unl) => unl,
            Err(reason) => {
                core.log(now, || format!("{} was not let in: its call shows that {reason}", self.peer));
                core.tell(self.peer, vec![server], &Message::Refuse { token, reason });
                return;
            }
        };
        let by_letter = server == MAINLINE;
        if !by_letter {
            self.server = Some(server.clone());
        }
        let again = self.called.as_ref().is_some_and(|called| called.token == token);
        if !again {
            self.begin_called(now, token, &unl, &server, core);
        }
        let ladder = rungs::plan(unl.record(), &core.own, &core.settings);
        let dials = self.add_rungs(now, &ladder, core);
        let dials = u8::try_from(dials).unwrap_or(u8::MAX).min(super::message::MAX_DIALS);
        if let Some(called) = &mut self.called {
            called.until = now + CALLED;
            called.dials = called.dials.max(dials);
        }
        // A letter costs the DHT more than a connection, which is answer enough.
        let locator = core.own.locator.as_ref().filter(|_| !by_letter || dials == 0);
        if let Some(locator) = locator.map(|unl| unl.text().to_owned()) {
            core.tell(self.peer, vec![server], &Message::Answer { token, dials, locator });
        }
        // We may want the same: this is where the peer is now.
        self.renew(now, unl, core);
        if let Some(offer) = offer.filter(|_| !by_letter) {
            self.punch_message(now, offer, core);
        }
    }

    fn begin_called(&mut self, now: Instant, token: Token, unl: &UnlV3, server: &str, core: &mut Core) {
        if self.attempt.is_none() && self.links.values().all(|link| link.step == Step::Open) {
            self.tale = Tale::begin(now);
            self.tale.introduce(&core.own, &core.settings.identity, unl);
        }
        self.tale.note(now, format!("the peer has called us by {server}"));
        if self.called.is_none() {
            core.answering += 1;
        } else {
            // Anew: what failed for the one before may be tried again.
            let dialling = |to| self.links.values().any(|link| link.ours && link.at == to);
            self.dialled.retain(|to| dialling(*to));
        }
        let called = Box::new(Called {
            token,
            unl: unl.clone(),
            server: server.to_owned(),
            dials: 0,
            in_vain: false,
            relays: 0,
            until: now + CALLED,
        });
        self.called = Some(called);
    }

    fn check_caller(&self, now: Instant, locator: &str, core: &Core) -> Result<UnlV3, Refusal> {
        let unl = UnlV3::decode(locator).map_err(|_| Refusal::Locator)?;
        if *unl.identity() != self.peer {
            return Err(Refusal::Locator);
        }
        if unl.record().network != core.settings.network {
            return Err(Refusal::OtherNetwork);
        }
        let late = unl.record().expires.zip(core.own.unix(now));
        if late.is_some_and(|(since, unix)| unix >= since.saturating_add(TOLERANCE)) {
            return Err(Refusal::Expired);
        }
        let full = core.own.full || core.answering >= core.settings.calls;
        if full && self.attempt.is_none() && self.called.is_none() && self.open.is_none() {
            return Err(Refusal::Busy);
        }
        Ok(unl)
    }

    /// The peer does not want it any more.
    pub(super) fn call_withdrawn(&mut self, now: Instant, token: Token, core: &mut Core) {
        if self.called.as_ref().is_some_and(|called| called.token == token) {
            core.heard.withdraw(self.peer, token);
            self.tale.note(now, "the peer does not want the connection any more");
            self.end_called(now, core);
        }
    }

    /// Forgets the peer's call, as there is a connection.
    pub(super) fn forget_called(&mut self, core: &mut Core) {
        if self.called.take().is_some() {
            core.answering = core.answering.saturating_sub(1);
        }
        self.rungs.clear();
    }

    /// Stops what was only done for the peer's call.
    pub(super) fn end_called(&mut self, now: Instant, core: &mut Core) {
        if self.attempt.is_some() {
            if self.called.take().is_some() {
                core.answering = core.answering.saturating_sub(1);
            }
            return;
        }
        self.forget_called(core);
        let given_up = super::report::Result::GivenUp;
        self.stop_punch(now, given_up, core);
        let ours = |link: &super::link::Link| (link.ours || link.relay.is_some()) && link.step < Step::Proved;
        let conns: Vec<ConnId> =
            self.links.iter().filter(|(_, link)| ours(link)).map(|(conn, _)| *conn).collect();
        for conn in conns {
            self.close_link(now, conn, Closing::GivenUp, given_up, core);
        }
        self.after_losses(now, core);
    }
}
