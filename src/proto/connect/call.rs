//! Our call: telling the peer by the signalling that we want to connect, until it has answered.
//!
//! ```text
//!   Wanted ─▶ Told ─ heard ─▶ Heard ─ answer ─▶ Answered        the peer may connect to us until then
//!     ▲         │ not heard     │ no answer
//!     └─ Pause ◀┴───────────────┘ ─ often enough ─▶ Over
//! ```

use std::time::{Duration, Instant};

use super::core::Core;
use super::message::{Message, Refusal};
use super::pair::Pair;
use super::report::{Result, Technique};
use super::types::Token;
use crate::proto::punch;
use crate::proto::signal::Outcome;
use crate::proto::unl::UnlV3;

/// Most calls of an attempt.
const MOST_CALLS: u8 = 3;
/// How long our own locator, or a punch's first message, is waited for.
const PREPARATION: Duration = Duration::from_secs(3);
const OFFER: Duration = Duration::from_millis(100);
/// How long a message may be under way before it counts as undeliverable.
const UNDER_WAY: Duration = Duration::from_millis(4500);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_millis(1500);
/// Before the peer is called again: it, or a server, may be just coming back.
const PAUSE: Duration = Duration::from_millis(700);
/// Most answers to our calls that are looked at.
const MOST_ANSWERS: u8 = 4;

/// How far the call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To be made as soon as everything for it is there, at the latest then.
    Wanted { until: Instant },
    /// On its way.
    Told { tag: u64, until: Instant },
    /// The peer has it; its answer has time until then.
    Heard { until: Instant },
    /// It has not arrived; again then.
    Pause { until: Instant, why: CallEnd },
    /// The peer has answered, and may connect to us until then.
    Answered { until: Option<Instant> },
    /// Nothing came of it.
    Over(CallEnd),
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallEnd {
    /// It could not be made.
    Impossible(&'static str),
    /// The peer is at none of its servers.
    Absent,
    /// No server could be asked.
    Unreachable(String),
    /// The server did not pass it on.
    NotPassed(String),
    /// The peer said nothing.
    Silent,
    /// The peer does not want it.
    Refused(Refusal),
}

impl Call {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Call::Wanted { until }
            | Call::Told { until, .. }
            | Call::Heard { until }
            | Call::Pause { until, .. } => Some(*until),
            Call::Answered { until } => *until,
            Call::Over(_) => None,
        }
    }

    /// Whether nothing more can come of it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self {
            Call::Answered { until } => until.is_none_or(|until| until <= now),
            Call::Over(_) => true,
            _ => false,
        }
    }
}

impl Pair {
    /// Decides when to call: at once, or when our locator or the punch's first message is there.
    pub(super) fn prepare_call(&mut self, now: Instant, core: &Core) {
        let nobody = self.via().is_empty() && core.own.servers.is_empty();
        let Some(attempt) = &mut self.attempt else { return };
        attempt.call = match &core.own.locator {
            _ if nobody => Call::Over(CallEnd::Impossible(
                "the locator names no signalling server, and this node is in none",
            )),
            None => Call::Wanted { until: now + PREPARATION },
            Some(_) if attempt.wish.is_due(now) && self.punch.is_none() => {
                Call::Wanted { until: now + OFFER }
            }
            Some(_) => Call::Wanted { until: now },
        };
    }

    /// A punch that begins with the call has its first message.
    pub(super) fn call_with(&mut self, now: Instant, offer: &punch::Message, core: &mut Core) -> bool {
        let wanted = self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.call, Call::Wanted { .. }));
        let offers = matches!(offer.body, punch::Body::Offer(_));
        if wanted && offers && core.own.locator.is_some() {
            self.call(now, Some(offer.clone()), core);
            return true;
        }
        false
    }

    pub(super) fn call_if_due(&mut self, now: Instant, core: &mut Core) {
        let Some(attempt) = &mut self.attempt else { return };
        if attempt.call.deadline().is_none_or(|until| until > now) {
            // What waits for our locator may go as soon as it is there.
            let early = matches!(attempt.call, Call::Wanted { .. }) && attempt.calls == 0;
            let offer = match &self.punch {
                Some(punch) => punch.ours,
                None => self.is_punch_due(now),
            };
            if !early || offer || core.own.locator.is_none() {
                return;
            }
            return self.call(now, None, core);
        }
        match attempt.call.clone() {
            Call::Wanted { .. } if core.own.locator.is_some() => self.call(now, None, core),
            Call::Wanted { .. } => {
                self.call_ends(now, CallEnd::Impossible("our own locator is not known yet"));
            }
            Call::Pause { .. } => self.call(now, None, core),
            Call::Told { tag, .. } => {
                core.calls.remove(&tag);
                self.call_failed(now, CallEnd::Unreachable("no server answered in time".to_owned()), None);
            }
            Call::Heard { .. } if attempt.calls < MOST_CALLS => self.call(now, None, core),
            Call::Heard { .. } => self.call_ends(now, CallEnd::Silent),
            Call::Answered { .. } => {
                attempt.call = Call::Answered { until: None };
                let entry = attempt.reverse;
                self.tale.ended(entry, now, Result::Failed, 0, "the peer's connection has not come");
            }
            Call::Over(_) => {}
        }
    }

    fn call(&mut self, now: Instant, punch: Option<punch::Message>, core: &mut Core) {
        let via = self.via();
        let Some(locator) = core.own.locator.as_ref().map(|unl| unl.text().to_owned()) else { return };
        let Some(attempt) = &mut self.attempt else { return };
        attempt.calls = attempt.calls.saturating_add(1);
        if attempt.reverse.is_none() {
            attempt.reverse = self.tale.began(now, Technique::Reverse, None);
        }
        let token = attempt.token;
        let tag = core.tell(self.peer, via, &Message::Call { token, locator, punch });
        core.calls.insert(tag, self.peer);
        if let Some(attempt) = &mut self.attempt {
            attempt.call = Call::Told { tag, until: now + UNDER_WAY };
        }
    }

    /// The call is at the peer's server.
    pub(super) fn call_told(&mut self, now: Instant, server: &str) {
        self.tale.note(now, format!("the peer is at {server}; our call is on its way"));
    }

    /// What became of a call.
    pub(super) fn call_outcome(&mut self, now: Instant, tag: u64, outcome: Outcome) {
        let Some(attempt) = &mut self.attempt else { return };
        if !matches!(attempt.call, Call::Told { tag: current, .. } if current == tag) {
            return;
        }
        match outcome {
            Outcome::Heard { server, rtt } => {
                attempt.call = Call::Heard { until: now + ANSWER + rtt };
                let ms = rtt.as_millis();
                self.tale
                    .note(now, format!("the peer has heard our call by {server}, {ms} ms there and back"));
            }
            Outcome::Unheard | Outcome::Lost => self.call_failed(now, CallEnd::Silent, Some(PAUSE / 2)),
            Outcome::Absent => self.call_failed(now, CallEnd::Absent, Some(PAUSE)),
            Outcome::Refused(refused) => {
                self.call_failed(now, CallEnd::NotPassed(refused.to_string()), Some(PAUSE));
            }
            Outcome::Unreachable(why) => self.call_failed(now, CallEnd::Unreachable(why), None),
            Outcome::NotTaken(why) => self.call_failed(now, CallEnd::NotPassed(why.to_string()), Some(PAUSE)),
        }
    }

    fn call_failed(&mut self, now: Instant, why: CallEnd, pause: Option<Duration>) {
        let Some(attempt) = &mut self.attempt else { return };
        // Who is not there does not come so soon; but two nodes may have begun at the same time.
        let most = if why == CallEnd::Absent { 2 } else { MOST_CALLS };
        match pause.filter(|_| attempt.calls < most) {
            Some(pause) => attempt.call = Call::Pause { until: now + pause, why },
            None => self.call_ends(now, why),
        }
    }

    fn call_ends(&mut self, now: Instant, why: CallEnd) {
        let text = why.to_string();
        let Some(attempt) = &mut self.attempt else { return };
        attempt.call = Call::Over(why);
        let entry = attempt.reverse;
        match entry {
            Some(_) => self.tale.ended(entry, now, Result::Failed, 0, text),
            None => self.tale.note(now, format!("the peer is not called: {text}")),
        }
    }

    /// A server has passed on in the peer's name what is not the peer's.
    pub(super) fn deceived(&mut self, now: Instant, server: &str) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.deceiver.is_none()) else {
            return;
        };
        attempt.deceiver = Some(server.to_owned());
        self.tale
            .note(now, format!("what {server} passed on as the peer's was changed, or is not the peer's"));
    }

    /// The peer has answered our call.
    pub(super) fn answered(&mut self, now: Instant, token: Token, dials: u8, locator: &str, core: &mut Core) {
        let limit = core.settings.dial + Duration::from_secs(1);
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.token == token) else { return };
        attempt.answers = attempt.answers.saturating_add(1);
        if attempt.answers > MOST_ANSWERS {
            return;
        }
        let first = !matches!(attempt.call, Call::Answered { .. });
        self.letter_answered();
        let Some(attempt) = self.attempt.as_mut() else { return };
        if first {
            attempt.call = Call::Answered { until: (dials > 0).then_some(now + limit) };
            let entry = attempt.reverse;
            let plural = if dials == 1 { "address" } else { "addresses" };
            self.tale.note(now, format!("the peer has answered; it connects to {dials} {plural} of ours"));
            if dials == 0 {
                let text = "the peer sees no address of ours that it could connect to";
                self.tale.ended(entry, now, Result::Failed, 0, text);
            }
        }
        match UnlV3::decode(locator) {
            Ok(unl) if *unl.identity() == self.peer && unl.record().network == core.settings.network => {
                self.renew(now, unl, core);
            }
            _ => core.log(now, || format!("{} answered with a locator that is not its own", self.peer)),
        }
    }

    /// The peer says that nothing comes of our call or punch, or that it does not want its own any more.
    pub(super) fn refusal_came(&mut self, now: Instant, token: Token, reason: Refusal, core: &mut Core) {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.token == token) {
            self.refused(now, reason);
        } else if !self.punch_refused(now, token, core)
            && !self.relay_refused(now, token, reason, core)
            && reason == Refusal::Cancelled
        {
            self.call_withdrawn(now, token, core);
        }
    }

    fn refused(&mut self, now: Instant, reason: Refusal) {
        if self.letter_refused(now, reason) {
            return;
        }
        let Some(attempt) = &mut self.attempt else { return };
        let entry = attempt.reverse;
        if reason == Refusal::NotReached {
            if let Call::Answered { until } = &mut attempt.call {
                *until = None;
                self.tale.ended(
                    entry,
                    now,
                    Result::Failed,
                    0,
                    "the peer has tried all our addresses in vain",
                );
            }
        } else if !matches!(attempt.call, Call::Answered { .. } | Call::Over(_)) {
            self.call_ends(now, CallEnd::Refused(reason));
        }
    }
}

impl std::fmt::Display for CallEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallEnd::Impossible(why) => f.write_str(why),
            CallEnd::Absent => f.write_str("the peer is at none of its servers"),
            CallEnd::Unreachable(why) => {
                write!(f, "no signalling server could be asked for the peer ({why})")
            }
            CallEnd::NotPassed(why) => write!(f, "the call was not passed on ({why})"),
            CallEnd::Silent => f.write_str("the peer did not answer"),
            CallEnd::Refused(reason) => write!(f, "the peer refused: {reason}"),
        }
    }
}
