//! Why a request failed, in a sentence: the best explanation first, then what else was tried.

use std::time::Instant;

use super::attempt::Attempt;
use super::call::{Call, CallEnd};
use super::core::Core;
use super::link::Step;
use super::pair::Pair;
use super::search::Search;
use crate::proto::punch::Reason;

/// Addresses named in a sentence.
const NAMED: usize = 3;

impl Pair {
    /// Why nothing more can come of the attempt.
    pub(super) fn why(&self, now: Instant, core: &Core) -> String {
        let Some(attempt) = &self.attempt else { return String::new() };
        // Who is not there would not be reached behind another NAT either.
        let absent = matches!(attempt.call, Call::Over(CallEnd::Absent));
        let hopeless =
            attempt.punch_failure.filter(|failure| !absent && matches!(failure.reason, Reason::Hopeless(_)));
        let main = match (hopeless, self.why_not_called(attempt, core)) {
            (Some(failure), _) => failure.to_string(),
            (None, Some(why)) => why,
            (None, None) => match (&attempt.broken, attempt.punch_failure, attempt.no_punch) {
                (Some((at, why)), _, _) => {
                    format!("a connection with {at} came about, but broke before it could be used: {why}")
                }
                (None, Some(failure), _) => format!("hole punching failed: {failure}"),
                (None, None, Some(why)) => format!("hole punching was not possible: {why}"),
                (None, None, None) => "nothing was left to be tried".to_owned(),
            },
        };
        let mut text = format!("{main}; {}", self.why_not_direct(attempt));
        if let Some(why) = attempt.search.as_ref().and_then(Search::why) {
            text.push_str(&format!("; {why}"));
        }
        if let Some(why) = attempt.relay.why() {
            text.push_str(&format!("; no relay: {why}"));
        }
        add_deceiver(attempt, &mut text);
        self.add_expiry(attempt, now, core, &mut text);
        text
    }

    /// Why a request has run out of time: what was still going on.
    pub(super) fn why_late(&self, now: Instant, core: &Core) -> String {
        let Some(attempt) = &self.attempt else { return String::new() };
        let mut open = Vec::new();
        if self.punch.is_some() {
            open.push("a hole punch was under way".to_owned());
        }
        let count = |most: Step| self.links.values().filter(|link| link.step <= most).count();
        let (dialling, all) = (count(Step::Dialling), self.links.len());
        if dialling > 0 {
            open.push(format!("{dialling} dials had no answer yet"));
        }
        if self.links.values().any(|link| link.relay.is_some()) {
            open.push("a relay had been asked to connect the two".to_owned());
        }
        if all > dialling {
            open.push(format!("{} connections were being opened", all - dialling));
        }
        match &attempt.call {
            call if call.is_over(now) => {}
            Call::Answered { .. } => open.push("the peer had been asked to connect to us".to_owned()),
            _ => open.push("the peer was being called".to_owned()),
        }
        open.extend(attempt.search.as_ref().and_then(Search::under_way).map(str::to_owned));
        if open.is_empty() {
            open.push("attempts were waiting for their turn".to_owned());
        }
        let mut text = format!("it took too long: {}", open.join(", "));
        if let Some(failure) = attempt.punch_failure {
            text.push_str(&format!("; hole punching failed: {failure}"));
        }
        add_deceiver(attempt, &mut text);
        self.add_expiry(attempt, now, core, &mut text);
        text
    }

    fn why_not_called(&self, attempt: &Attempt, core: &Core) -> Option<String> {
        let Call::Over(end) = &attempt.call else { return None };
        let servers = match self.via() {
            via if via.is_empty() => core.own.servers.clone(),
            via => via,
        };
        Some(match end {
            CallEnd::Absent => format!(
                "the peer is at none of its signalling servers ({}): it is offline, or has moved on",
                servers.join(", ")
            ),
            CallEnd::Unreachable(_) | CallEnd::NotPassed(_) | CallEnd::Silent => {
                format!("{end}, called by {}", servers.join(", "))
            }
            CallEnd::Impossible(_) | CallEnd::Refused(_) => end.to_string(),
        })
    }

    fn why_not_direct(&self, attempt: &Attempt) -> String {
        let failed = &attempt.failed_dials;
        if failed.is_empty() {
            let named = attempt.unl.record().candidates.len();
            return match named {
                0 => "its locator names no address to connect to".to_owned(),
                _ => format!(
                    "none of the {named} addresses in its locator is one to be connected to from here"
                ),
            };
        }
        let shown: Vec<String> = failed.iter().take(NAMED).map(|(at, why)| format!("{at}: {why}")).collect();
        let more = match failed.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("no connection to {}{more}", shown.join(", "))
    }

    fn add_expiry(&self, attempt: &Attempt, now: Instant, core: &Core, text: &mut String) {
        if attempt.expired.is_none() {
            return;
        }
        let expired =
            attempt.unl.record().expires.zip(core.own.unix(now)).and_then(|(s, u)| u.checked_sub(s));
        let ago = match expired.unwrap_or(0) {
            s @ 0..120 => format!("{s} seconds"),
            s @ 120..7200 => format!("{} minutes", s / 60),
            s @ 7200..172_800 => format!("{} hours", s / 3600),
            s => format!("{} days", s / 86_400),
        };
        text.push_str(&format!("; the locator expired {ago} ago: ask the peer for a new one"));
    }
}

fn add_deceiver(attempt: &Attempt, text: &mut String) {
    if let Some(server) = &attempt.deceiver {
        text.push_str(&format!("; what {server} passed on as the peer's was changed, or is not the peer's"));
    }
}
