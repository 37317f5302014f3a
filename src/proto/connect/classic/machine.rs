//! The machine: all requests of a node, their attempts, and the connections they may be looking for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::decide::Way;
use super::matching::spell;
use super::request::{Request, Running, Waits};
use super::reverse::Book;
use super::types::{AttemptId, Claim, Failure, Limits, Link, Options, Output, Us};
use crate::error::Code;
use crate::event::Via;
use crate::proto::conn_id::Nonce;
use crate::proto::connect::report::{End, Result as Ended, Story};
use crate::proto::punch::fight::BETWEEN_FIGHTS;
use crate::proto::unl::UnlV2;
use crate::small::SmallMap;

/// Punches of one request. Against an original, a good connection may be lost because it keeps another.
const PUNCHES: u32 = 3;
/// A punch takes six seconds and a bit; it is not begun when there is less left.
const PUNCH_TIME: Duration = Duration::from_secs(8);

/// All requests of a node. Call what has happened, then take [`Classic::poll_story`] and [`Classic::poll_output`] until
/// there is none.
#[derive(Debug)]
pub struct Classic {
    pub(super) limits: Limits,
    /// In the order of their coming.
    pub(super) requests: SmallMap<u64, Request>,
    /// Attempts and the requests they are for.
    pub(super) attempts: SmallMap<AttemptId, u64>,
    /// Open connections that others have made and nobody has claimed.
    pub(super) unclaimed: SmallMap<u64, Link>,
    /// Secret nonces of requests that have ended, by which latecomers are known.
    pub(super) late: VecDeque<Nonce>,
    pub(super) book: Book,
    next: u64,
    pub(super) outputs: VecDeque<Output>,
    pub(super) stories: VecDeque<Story>,
}

impl Classic {
    /// Without requests.
    pub fn new(limits: Limits) -> Classic {
        Classic {
            limits,
            requests: SmallMap::new(),
            attempts: SmallMap::new(),
            unclaimed: SmallMap::new(),
            late: VecDeque::new(),
            book: Book::default(),
            next: 1,
            outputs: VecDeque::new(),
            stories: VecDeque::new(),
        }
    }

    /// The program wants a connection. `fresh`: 32 random bytes nobody can foresee.
    pub fn connect(
        &mut self,
        now: Instant,
        us: &Us,
        request: u64,
        text: &str,
        options: Options,
        fresh: [u8; 32],
    ) {
        let nonce = options.nonce.unwrap_or_else(|| spell(fresh));
        match UnlV2::decode(text) {
            Ok(unl) => {
                let mut new = Request::new(now, us, request, (text, unl), options, nonce);
                if us.text.is_some() && unl.is_same_node(&us.unl) {
                    new.ways.clear();
                    new.met.push((Code::SelfConnect, 0, "that is this node's own locator".into()));
                } else if new.ways.is_empty() {
                    let text = "neither node can be reached by the other: both are active (no port is open, and the NAT \
                                cannot be punched)";
                    new.met.push((Code::NoPath, 0, text.into()));
                }
                self.enter(new);
            }
            Err(e) => {
                let mut story = Story { request, locator: text.to_owned(), ..Story::default() };
                let reason = e.to_string();
                story.over(Duration::ZERO, End::Failed { code: Code::Invalid, reason: reason.clone() });
                self.stories.push_back(story);
                self.outputs.push_back(Output::Done { request, outcome: Err((Code::Invalid, 0, reason)) });
            }
        }
        self.settle(now, us);
    }

    pub(super) fn enter(&mut self, request: Request) {
        let key = self.fresh();
        self.requests.insert(key, request);
    }

    pub(super) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The program gives a request up. `false`: it is none of these.
    pub fn cancel(&mut self, now: Instant, us: &Us, request: u64, why: &str) -> bool {
        let found = self.requests.iter().find(|(_, r)| r.number == request && request != 0);
        let Some(key) = found.map(|(key, _)| *key) else { return false };
        self.end(now, key, Err((Code::Canceled, 0, why.to_owned())));
        self.settle(now, us);
        true
    }

    /// The net stops: everything ends, and nothing is begun.
    pub fn stop(&mut self, now: Instant) {
        for key in self.requests.keys().copied().collect::<Vec<_>>() {
            self.end(now, key, Err((Code::Canceled, 0, "the net was stopped".into())));
        }
    }

    /// A link is open: one of ours, or somebody else's. What it is.
    pub fn opened(&mut self, now: Instant, us: &Us, link: Link) -> Claim {
        let claim = match link.attempt {
            Some(attempt) => match self.attempts.get(&attempt).copied() {
                Some(key) => self.won(now, us, key, &link),
                None => Claim::Unwanted("it is not wanted any more"),
            },
            None => self.arrived(now, us, &link),
        };
        if claim == Claim::Nobody && link.attempt.is_none() {
            self.unclaimed.insert(link.conn, link);
        }
        self.settle(now, us);
        claim
    }

    fn won(&mut self, now: Instant, us: &Us, key: u64, link: &Link) -> Claim {
        let Some(request) = self.requests.get_mut(&key) else { return Claim::Nobody };
        let via = match request.stopped(now, Ended::Won, 0, "connected") {
            Some(Running { way: Way::Punch, .. }) => Via::Punch,
            _ if request.meeting.inside => Via::Lan,
            _ => Via::Direct,
        };
        if request.by_peer() {
            let node = request.unl;
            self.end_with(now, key, via, link.from);
            self.query(now, us, link.conn, node);
            return Claim::Nobody;
        }
        let request = request.number;
        self.end_with(now, key, via, link.from);
        Claim::Request { request, via }
    }

    fn arrived(&mut self, now: Instant, us: &Us, link: &Link) -> Claim {
        if self.late.contains(&link.nonce) {
            return Claim::Unwanted("the request it answers has ended");
        }
        let waiting = |r: &Request| r.until.is_some() && !r.by_peer() && r.wanted.is(us, link);
        let Some(key) = self.requests.iter().find(|(_, r)| waiting(r)).map(|(key, _)| *key) else {
            return Claim::Nobody;
        };
        let Some(request) = self.requests.get_mut(&key) else { return Claim::Nobody };
        let asked = request.waits.is_some_and(|waits| waits.asked.is_some());
        if link.from.ip().to_canonical() != request.meeting.their_ip {
            request.note(now, format!("the peer comes from {}, not where its locator says", link.from.ip()));
        }
        request.waits_no_more(now, Ended::Won, "the peer has connected");
        let number = request.number;
        let via = match asked {
            _ if link.punched => Via::Punch,
            true => Via::Reverse,
            false => Via::Accept,
        };
        self.end_with(now, key, via, link.from);
        Claim::Request { request: number, via }
    }

    /// An attempt has failed.
    pub fn failed(&mut self, now: Instant, us: &Us, attempt: AttemptId, why: Failure) {
        let key = self.attempts.remove(&attempt);
        if let Some(request) = key.and_then(|key| self.requests.get_mut(&key)) {
            let running = request.stopped(now, Ended::Failed, why.os_error, &why.text);
            let time_left = request.until.is_some_and(|until| until >= now + PUNCH_TIME + BETWEEN_FIGHTS);
            if running.is_some_and(|r| r.way == Way::Punch)
                && why.again
                && request.punches < PUNCHES
                && time_left
            {
                request.note(now, "the punch is tried again");
                request.ways.push_front(Way::Punch);
                // The challenged node ignores what comes sooner.
                request.not_before = Some(now + BETWEEN_FIGHTS);
            } else {
                request.met.push((why.code, why.os_error, why.text));
            }
            self.told(key);
        }
        self.settle(now, us);
    }

    /// What became of a message: it is on its way, or why not.
    pub fn sent(&mut self, now: Instant, us: &Us, tag: u64, outcome: Result<(), &str>) {
        let Err(why) = outcome else { return };
        if let Some(conn) = self.book.query_of(tag) {
            self.book.forget(conn);
            self.outputs.push_back(Output::Close { conn, why: "whoever asked for it cannot be asked back" });
            return;
        }
        let asked = |r: &Request| r.waits.and_then(|waits| waits.asked) == Some(tag);
        if let Some((key, request)) = self.requests.iter_mut().find(|(_, r)| asked(r)) {
            let text = format!("the peer could not be asked to connect: {why}");
            if request.options.nonce.is_some() {
                request.note(now, text);
                request.waits = request.waits.map(|waits| Waits { asked: None, ..waits });
            } else {
                // Nobody else knows the nonce.
                request.waits_no_more(now, Ended::Failed, &text);
                request.met.push((Code::NoPath, 0, text));
            }
            request.not_before = None;
            let key = *key;
            self.told(Some(key));
        }
        self.settle(now, us);
    }

    /// A connection has ended.
    pub fn closed(&mut self, conn: u64) {
        self.unclaimed.remove(&conn);
        self.book.forget(conn);
    }

    /// [`Classic::deadline`] has come.
    pub fn wake(&mut self, now: Instant, us: &Us) {
        for (conn, node) in self.book.unanswered(now) {
            self.outputs.push_back(Output::Note(format!(
                "{}:{} has not said that it asked for the connection; closing it",
                node.wan_ip, node.listen_port
            )));
            self.outputs.push_back(Output::Close { conn, why: "nobody says they have asked for it" });
        }
        let late = |r: &Request| r.until.is_some_and(|until| until <= now);
        for key in self.requests.iter().filter(|(_, r)| late(r)).map(|(key, _)| *key).collect::<Vec<_>>() {
            let limit = self.limits.request.as_millis();
            let Some(request) = self.requests.get_mut(&key) else { continue };
            let text = match request.waits {
                Some(Waits { asked: Some(_), .. }) => "the peer was asked to connect and did not",
                Some(_) => {
                    "the peer did not connect to us, and it could not be asked to (that needs messages by node id)"
                }
                None => "there is no time left",
            };
            request.met.push((
                Code::Timeout,
                0,
                format!("{text} within {limit} ms (unl_connect_timeout_ms)"),
            ));
            let reason = request.reason();
            self.end(now, key, Err((Code::Timeout, reason.1, reason.2)));
        }
        self.settle(now, us);
    }

    /// When to call [`Classic::wake`].
    pub fn deadline(&self) -> Option<Instant> {
        let requests =
            self.requests.values().flat_map(|r| [r.until, r.not_before.filter(|_| r.running.is_none())]);
        requests.flatten().chain(self.book.deadline()).min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The story of a program's request that has gone on, all of it so far. To be taken before the program hears of an
    /// end: it may ask for the story then.
    pub fn poll_story(&mut self) -> Option<Story> {
        self.stories.pop_front()
    }

    /// Requests that have not ended, those of peers among them.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}
