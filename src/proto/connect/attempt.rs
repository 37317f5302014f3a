//! What we want of a peer: requests that wait for a connection to it, what was tried for them, and how they end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::aim::Wish;
use super::call::Call;
use super::core::Core;
use super::link::Step;
use super::message::{Message, Refusal};
use super::pair::Pair;
use super::relay::Relaying;
use super::report::{End, Result, Technique};
use super::rungs::{self, Ladder};
use super::search::Search;
use super::tale::Tale;
use super::types::{Closing, ConnId, Output, Token};
use crate::error::{Code, Error};
use crate::proto::punch::Failure;
use crate::proto::unl::UnlV3;

/// See the module.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) token: Token,
    /// The peer's locator, the newest that we have.
    pub(super) unl: UnlV3,
    /// The requests, and when each runs out.
    pub(super) waiting: Vec<(u64, Instant)>,
    pub(super) call: Call,
    /// How often the peer was called.
    pub(super) calls: u8,
    /// How many of its answers were looked at.
    pub(super) answers: u8,
    /// The entry of "the peer connects to us" in the story.
    pub(super) reverse: Option<usize>,
    pub(super) wish: Wish,
    /// Whether a punch by IPv4, by IPv6 was tried.
    pub(super) punched: [bool; 2],
    /// Why none is tried.
    pub(super) no_punch: Option<&'static str>,
    /// How the last punch failed.
    pub(super) punch_failure: Option<Failure>,
    pub(super) relay: Relaying,
    /// Dials that have failed, and how.
    pub(super) failed_dials: Vec<(SocketAddr, String)>,
    /// The last connection that had come otherwise and broke.
    pub(super) broken: Option<(SocketAddr, String)>,
    /// How often was dialled on its account.
    pub(super) dials: usize,
    /// Seconds since the locator has expired.
    pub(super) expired: Option<u64>,
    /// What BitTorrent's DHT is asked, if it can be.
    pub(super) search: Option<Search>,
    /// A server that has passed on in the peer's name what is not the peer's.
    pub(super) deceiver: Option<String>,
}

impl Attempt {
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|(_, until)| *until);
        let search = self.search.as_ref().and_then(Search::deadline);
        let ours = [self.call.deadline(), self.wish.deadline(), self.relay.deadline(), search];
        waiting.chain(ours.into_iter().flatten()).min()
    }
}

impl Pair {
    /// The program wants a connection to this peer.
    pub(super) fn request(
        &mut self,
        now: Instant,
        request: u64,
        unl: &UnlV3,
        limit: Duration,
        core: &mut Core,
    ) {
        if let Some((conn, _)) = self.open {
            let mut tale = Tale::begin(now);
            tale.introduce(&core.own, &core.settings.identity, unl);
            tale.note(now, "that peer is connected already");
            if let Some(link) = self.links.get(&conn) {
                tale.over(now, End::Connected { via: link.via(), peer: link.at });
            }
            return core.push(Output::Done { request, outcome: Ok(conn), story: Box::new(tale.of(request)) });
        }
        let until = now + limit;
        if let Some(attempt) = &mut self.attempt {
            let patience = attempt.search.as_ref().and_then(Search::patience);
            attempt.waiting.push((request, patience.map_or(until, |least| until.max(least))));
            if unl.supersedes(&attempt.unl) {
                self.renew(now, unl.clone(), core);
            }
            self.tale.note(now, format!("request {request} waits for the same peer"));
        } else {
            self.begin(now, unl, core);
            if let Some(attempt) = &mut self.attempt {
                attempt.waiting.push((request, until));
            }
        }
        core.requests.insert(request, self.peer);
    }

    pub(super) fn begin(&mut self, now: Instant, unl: &UnlV3, core: &mut Core) {
        self.tale = Tale::begin(now);
        self.tale.introduce(&core.own, &core.settings.identity, unl);
        for link in self.links.values_mut() {
            // What the peer has begun goes on.
            link.entry = link.ours.then(|| self.tale.began(now, link.technique, Some(link.at))).flatten();
        }
        if let Some(punch) = &mut self.punch {
            punch.entry = self.tale.began(now, Technique::Punch, None);
        }
        let expired = unl.record().expires.zip(core.own.unix(now));
        let expired = expired.and_then(|(since, unix)| unix.checked_sub(since)).filter(|by| *by > 0);
        self.attempt = Some(Box::new(Attempt {
            token: core.token(),
            unl: unl.clone(),
            waiting: Vec::new(),
            call: Call::Wanted { until: now },
            calls: 0,
            answers: 0,
            reverse: None,
            wish: Wish::None,
            punched: [false; 2],
            no_punch: None,
            punch_failure: None,
            relay: Relaying::default(),
            failed_dials: Vec::new(),
            broken: None,
            dials: 0,
            expired,
            search: Search::begin(now, expired.is_some(), core),
            deceiver: None,
        }));
        if let Some(seconds) = expired {
            self.tale
                .note(now, format!("the locator expired {seconds} s ago by our clock; tried all the same"));
        }
        let ladder = self.plan(now, unl, core);
        self.wish_to_punch(now, &ladder, core);
        self.wish_to_relay(now, &ladder, core);
        self.prepare_call(now, core);
    }

    /// Judges the addresses of a locator that is new.
    fn plan(&mut self, now: Instant, unl: &UnlV3, core: &Core) -> Ladder {
        let ladder = rungs::plan(unl.record(), &core.own, &core.settings);
        self.tale.story_mut().choices.clone_from(&ladder.choices);
        self.add_rungs(now, &ladder, core);
        ladder
    }

    /// The peer has a newer locator.
    pub(super) fn renew(&mut self, now: Instant, unl: UnlV3, core: &mut Core) {
        let Some(attempt) = &mut self.attempt else { return };
        if attempt.unl == unl {
            return;
        }
        attempt.expired = None;
        let moved = !attempt.unl.has_same_addresses(&unl);
        attempt.unl = unl.clone();
        self.tale.introduce(&core.own, &core.settings.identity, &unl);
        if moved {
            self.tale.note(now, "the peer has other addresses now than in its locator");
        }
        self.plan(now, &unl, core);
        self.aim_again(now, core);
    }

    /// The request is not wanted any more.
    pub(super) fn cancel(&mut self, now: Instant, request: u64, core: &mut Core) {
        let error = Error::new(Code::Canceled, "the request was cancelled");
        self.drop_request(now, request, error, core);
    }

    /// Ends everything but an open connection.
    pub(super) fn stop(&mut self, now: Instant, core: &mut Core) {
        let waiting =
            self.attempt.iter().flat_map(|attempt| attempt.waiting.iter().map(|(request, _)| *request));
        for request in waiting.collect::<Vec<_>>() {
            let error = Error::new(Code::Canceled, "the net was stopped");
            self.drop_request(now, request, error, core);
        }
        self.better = None;
        self.abandon(now, core);
        self.end_called(now, core);
        self.stop_punch(now, Result::GivenUp, core);
        let opening = self.links.iter().filter(|(_, link)| link.step < Step::Open);
        for conn in opening.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.close_link(now, conn, Closing::GivenUp, Result::GivenUp, core);
        }
    }

    /// Requests that have run out of time.
    pub(super) fn expire_requests(&mut self, now: Instant, core: &mut Core) {
        let late = |pair: &Pair| {
            let waiting = pair.attempt.as_ref()?.waiting.iter();
            waiting.clone().find(|(_, until)| *until <= now).map(|(request, _)| *request)
        };
        while let Some(request) = late(self) {
            let reason = self.why_late(now, core);
            self.drop_request(now, request, Error::new(Code::Timeout, reason), core);
        }
    }

    fn drop_request(&mut self, now: Instant, request: u64, error: Error, core: &mut Core) {
        let Some(attempt) = &mut self.attempt else { return };
        let Some(at) = attempt.waiting.iter().position(|(other, _)| *other == request) else { return };
        attempt.waiting.remove(at);
        core.requests.remove(&request);
        let last = attempt.waiting.is_empty();
        let mut tale = self.tale.clone();
        let end = End::Failed { code: error.code, reason: error.message.to_string() };
        tale.over(now, end);
        let story = Box::new(tale.of(request));
        core.push(Output::Done { request, outcome: Err(error), story });
        if last {
            self.abandon(now, core);
        }
    }

    /// Nobody waits any more: stops what was only done for that.
    pub(super) fn abandon(&mut self, now: Instant, core: &mut Core) {
        let Some(attempt) = self.attempt.take() else { return };
        let told = attempt.calls > 0;
        let via = {
            let mut via: Vec<String> = self.server.iter().cloned().collect();
            via.extend(attempt.unl.record().servers.iter().map(ToString::to_string));
            via.dedup();
            via
        };
        if self.called.is_none() || self.punch.as_ref().is_some_and(|punch| punch.ours) {
            self.stop_punch(now, Result::GivenUp, core);
        }
        let called = self.called.is_some();
        let ours = |link: &super::link::Link| link.step < Step::Open && (link.ours && !called || link.asked);
        let given_up: Vec<ConnId> =
            self.links.iter().filter(|(_, link)| ours(link)).map(|(conn, _)| *conn).collect();
        for conn in given_up {
            self.close_link(now, conn, Closing::GivenUp, Result::GivenUp, core);
        }
        if told {
            let (token, reason) = (attempt.token, Refusal::Cancelled);
            core.tell(self.peer, via, &Message::Refuse { token, reason });
        }
        self.after_losses(now, core);
    }

    /// There is a connection.
    pub(super) fn succeed(&mut self, conn: ConnId, core: &mut Core) {
        let Some(attempt) = self.attempt.take() else { return };
        for (request, _) in attempt.waiting {
            core.requests.remove(&request);
            core.push(Output::Done { request, outcome: Ok(conn), story: Box::new(self.tale.of(request)) });
        }
        self.rungs.clear();
    }

    /// Ends the attempt if nothing is left that could come of it.
    pub(super) fn fail_if_hopeless(&mut self, now: Instant, core: &mut Core) {
        let opening = self.links.values().any(|link| link.step < Step::Open);
        let busy = opening || !self.rungs.is_empty() || self.punch.is_some();
        let Some(attempt) = self.attempt.as_ref().filter(|_| !busy) else { return };
        let searching = attempt.search.as_ref().is_some_and(Search::is_open);
        if !attempt.call.is_over(now) || attempt.wish.is_open() || searching {
            return;
        }
        let error = Error::new(Code::NoPath, self.why(now, core));
        self.tale.over(now, End::Failed { code: error.code, reason: error.message.to_string() });
        let Some(attempt) = self.attempt.take() else { return };
        for (request, _) in attempt.waiting {
            core.requests.remove(&request);
            let story = Box::new(self.tale.of(request));
            core.push(Output::Done { request, outcome: Err(error.clone()), story });
        }
    }
}
