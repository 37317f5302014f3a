//! What a request does next, and how it ends.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::decide::Way;
use super::machine::Classic;
use super::matching::{Wanted, is_zero};
use super::request::{Met, Request, Running, Waits};
use super::target;
use super::types::{AttemptId, Output, Us};
use crate::error::Code;
use crate::event::Via;
use crate::proto::connect::report::{End, Result as Ended, Technique};
use crate::proto::dht_msg::{Ask, Reverse};
use crate::proto::punch;

/// How long a simultaneous node that was asked to connect has, before it is challenged as well.
const ASK_FIRST: Duration = Duration::from_secs(4);
/// Latecomers that are known.
const LATE: usize = 64;

impl Classic {
    /// Lets every request go on as far as it can.
    pub(super) fn settle(&mut self, now: Instant, us: &Us) {
        for key in self.requests.keys().copied().collect::<Vec<_>>() {
            self.start(now, key);
            while self.advance(now, us, key) {}
        }
    }

    /// Lets a request begin unless an earlier one for the same UNL is under way.
    fn start(&mut self, now: Instant, key: u64) {
        let Some(request) = self.requests.get(&key).filter(|r| r.until.is_none()) else { return };
        let unl = request.unl;
        if self
            .requests
            .iter()
            .take_while(|(earlier, _)| **earlier < key)
            .any(|(_, earlier)| earlier.unl == unl)
        {
            return;
        }
        let until = now + self.limits.request;
        if let Some(request) = self.requests.get_mut(&key) {
            request.until = Some(until);
        }
        self.told(Some(key));
    }

    /// Begins what comes next. Whether there may be more to do.
    fn advance(&mut self, now: Instant, us: &Us, key: u64) -> bool {
        let Some(request) = self.requests.get_mut(&key) else { return false };
        if request.until.is_none() || request.running.is_some() {
            return false;
        }
        if request.not_before.is_some_and(|at| at > now) {
            return false;
        }
        request.not_before = None;
        match request.ways.pop_front() {
            Some(Way::Dial) => self.dial(now, us, key),
            Some(way @ (Way::Wait | Way::Ask)) => self.wait(now, us, key, way),
            Some(Way::Punch) => return self.punch(now, us, key),
            None if request.waits.is_some() => return false,
            None => {
                let reason = request.reason();
                self.end(now, key, Err(reason));
                return false;
            }
        }
        self.told(Some(key));
        true
    }

    fn begin(&mut self, now: Instant, key: u64, way: Way, to: SocketAddr) -> Option<AttemptId> {
        let attempt = self.fresh();
        let request = self.requests.get_mut(&key)?;
        let (technique, at) = match way {
            Way::Punch => (Technique::Punch, request.at(now)),
            _ if request.meeting.inside => (Technique::Lan, request.at(now)),
            _ => (Technique::Direct, request.at(now)),
        };
        let entry = request.story.began(at, technique, Some(to));
        request.running = Some(Running { attempt, way, entry });
        self.attempts.insert(attempt, key);
        Some(attempt)
    }

    fn dial(&mut self, now: Instant, us: &Us, key: u64) {
        let Some(request) = self.requests.get_mut(&key) else { return };
        let (to, nonce) = (request.address(), request.nonce);
        if let Err(why) = target::judge(us, to, request.meeting.inside, request.by_peer()) {
            let code = if why == target::NotDialled::Own { Code::SelfConnect } else { Code::NoPath };
            request.met.push((code, 0, format!("not connecting to {to}: {}", why.text())));
            return;
        }
        if let Some(attempt) = self.begin(now, key, Way::Dial, to) {
            self.outputs.push_back(Output::Dial { attempt, to, nonce });
        }
    }

    /// Challenges the peer, if it may be. `false`: others punch at the moment.
    fn punch(&mut self, now: Instant, us: &Us, key: u64) -> bool {
        let Some(request) = self.requests.get_mut(&key) else { return false };
        let (peer, nonce) = (request.meeting.their_ip, request.nonce);
        let outside = Some(IpAddr::V4(us.unl.wan_ip));
        let own: Vec<IpAddr> = us.own.lan_ip.into_iter().collect();
        let refusal = match us.no_punch {
            Some(why) => Some(why),
            None => punch::target::check(peer.into(), &own, outside, us.allows_inside(peer.into()))
                .err()
                .map(punch::target::Refusal::text),
        };
        if let Some(why) = refusal {
            request.met.push((Code::NoPath, 0, format!("not punching to {peer}: {why}")));
            self.told(Some(key));
            return true;
        }
        let punching = |r: &&Request| r.running.is_some_and(|running| running.way == Way::Punch);
        let others = self.requests.values().filter(punching);
        let same = others.clone().any(|r| r.meeting.their_ip == peer);
        if same || others.count() >= us.punches.max(1) {
            if let Some(request) = self.requests.get_mut(&key) {
                request.ways.push_front(Way::Punch);
            }
            return false;
        }
        if let Some(request) = self.requests.get_mut(&key) {
            request.punches += 1;
            if !us.clock && request.punches == 1 {
                request
                    .note(now, "no NTP server has told the time: the punch is timed by the system's clock");
            }
        }
        if let Some(attempt) = self.begin(now, key, Way::Punch, SocketAddr::new(peer.into(), 0)) {
            self.outputs.push_back(Output::Fight { attempt, peer, nonce });
        }
        self.told(Some(key));
        false
    }

    fn wait(&mut self, now: Instant, us: &Us, key: u64, way: Way) {
        let tag = self.fresh();
        let Some(request) = self.requests.get_mut(&key) else { return };
        if request.by_peer() {
            // It has asked us: to ask it in turn would go on for ever.
            request.met.push((
                Code::NoPath,
                0,
                "the peer that asked to be connected to cannot be reached".into(),
            ));
            return;
        }
        // PyP2P asks as the master only: the other one of two is about to connect by itself.
        let text =
            us.text.as_deref().filter(|_| us.dht && request.options.force_master).map(spell_for_pattern);
        let can = request.unl.node_id != [0; 20];
        let message = text
            .as_deref()
            .filter(|_| can)
            .and_then(|unl| Reverse::new(Ask::Connect(request.nonce), unl).ok());
        let at = request.at(now);
        let Some(message) = message else {
            if way == Way::Wait {
                request.note(now, if us.dht { NOBODY_TO_ASK } else { NO_MESSAGES });
                let entry = request.story.began(at, Technique::Reverse, None);
                request.waits = Some(Waits { asked: None, entry });
                if request.options.nonce.is_none_or(|nonce| is_zero(&nonce)) {
                    request.wanted = Wanted::From(request.meeting.their_ip);
                }
                self.look_back(now, us, key);
            }
            return;
        };
        let put = Output::Put { tag, to: request.unl.node_id, text: message.to_string() };
        request.note(now, "asked the peer to connect to us (REVERSE_CONNECT)");
        let entry = request.story.began(at, Technique::Reverse, None);
        request.waits = Some(Waits { asked: Some(tag), entry });
        if request.options.nonce.is_some_and(|nonce| is_zero(&nonce)) {
            request.wanted = Wanted::From(request.meeting.their_ip);
        }
        if !request.ways.is_empty() {
            request.not_before = Some(now + ASK_FIRST);
        }
        self.book.asked(request.unl, now + self.limits.request + self.limits.origin);
        self.outputs.push_back(put);
        self.look_back(now, us, key);
    }

    /// Looks whether the peer has connected before it was waited for.
    fn look_back(&mut self, now: Instant, us: &Us, key: u64) {
        let Some(request) = self.requests.get_mut(&key) else { return };
        let found = self.unclaimed.values().find(|link| request.wanted.is(us, link)).copied();
        let Some(link) = found else { return };
        self.unclaimed.remove(&link.conn);
        request.waits_no_more(now, Ended::Won, "the peer had connected already");
        let number = request.number;
        self.end_with(now, key, Via::Accept, link.from);
        self.outputs.push_back(Output::Done { request: number, outcome: Ok(link.conn) });
    }

    /// A request has a connection.
    pub(super) fn end_with(&mut self, now: Instant, key: u64, via: Via, peer: SocketAddr) {
        self.finish(now, key, End::Connected { via, peer });
    }

    /// A request ends without.
    pub(super) fn end(&mut self, now: Instant, key: u64, outcome: Result<u64, Met>) {
        let Some(request) = self.requests.get(&key) else { return };
        let (number, by_peer, address) = (request.number, request.by_peer(), request.address());
        if let Err((code, _, reason)) = &outcome {
            if by_peer {
                self.outputs.push_back(Output::Note(format!("{address} asked for a connection: {reason}")));
            }
            self.finish(now, key, End::Failed { code: *code, reason: reason.clone() });
        }
        if !by_peer {
            self.outputs.push_back(Output::Done { request: number, outcome });
        }
    }

    fn finish(&mut self, now: Instant, key: u64, end: End) {
        let Some(mut request) = self.requests.remove(&key) else { return };
        if let Some(running) = request.running.take() {
            self.outputs.push_back(Output::Abandon { attempt: running.attempt });
        }
        self.attempts.retain(|_, of| *of != key);
        request.over(now, end);
        if matches!(request.wanted, Wanted::Secret(_)) && request.waits.is_some() {
            self.late.push_back(request.nonce);
            if self.late.len() > LATE {
                self.late.pop_front();
            }
        }
        self.tell(&request);
    }

    /// The story of a request has gone on.
    pub(super) fn told(&mut self, key: Option<u64>) {
        if let Some(request) = key.and_then(|key| self.requests.remove(&key).map(|r| (key, r))) {
            self.tell(&request.1);
            self.requests.insert(request.0, request.1);
        }
    }

    fn tell(&mut self, request: &Request) {
        if !request.by_peer() {
            self.stories.push_back(request.story.clone());
        }
    }
}

const NO_MESSAGES: &str =
    "waiting for the peer to connect: there is no way to ask it (no messages by node id here)";
const NOBODY_TO_ASK: &str = "waiting for the peer to connect: its locator names no node id to ask it by";

/// Our UNL in a form in which an original that takes it for a pattern, as it does, gets a valid one: of two `+` in a row
/// some Pythons think it is an error. The `_` between them is passed over by whoever reads the UNL.
pub(super) fn spell_for_pattern(unl: &str) -> String {
    unl.replace("++", "+_+").replace("++", "+_+")
}
