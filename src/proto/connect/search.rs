//! Where nothing else leads: looking in BitTorrent's DHT where the peer is now, and leaving it a letter there, "connect to me".
//!
//! ```text
//!   look-up   Wanted ─ a second, or nothing else is left ─▶ Asked ─ its locator ─▶ dialled, called ─▶ Over
//!   letter    Unwritten ─ nothing else is left ─▶ OnItsWay ─ it lies there ─▶ Lies ─▶ the peer comes, or Over
//! ```
//!
//! Messages that come and go this way have [`MAINLINE`] in the place of a server. It is slow (a peer looks for letters every
//! half a minute), so nothing is arranged by it that has to be quick: no punch. It takes one letter from each side at most.

use std::time::{Duration, Instant};

use super::call::{Call, CallEnd};
use super::core::Core;
use super::link::Step;
use super::message::{Message, Refusal};
use super::pair::Pair;
use super::report::{Result, Technique};
use super::types::Output;

use crate::proto::unl::UnlV3;

/// What stands in the place of a server for messages that go by BitTorrent's DHT. (No server is called so: they have a port.)
pub const MAINLINE: &str = "mainline";

/// Without the feature there is no value of this, so no [`Search`], and the compiler leaves out what is done with one.
#[derive(Clone, Copy, Debug)]
enum Built {
    #[cfg(feature = "mainline")]
    Here,
}

const HERE: &[Built] = &[
    #[cfg(feature = "mainline")]
    Built::Here,
];

/// Whether there is any of this.
pub(super) const BUILT: bool = !HERE.is_empty();

/// When the look-up begins, if the attempt has come to nothing by then.
const AFTER: Duration = Duration::from_secs(1);
/// How long the peer may take to find a letter and come: it looks every half a minute.
const LETTER: Duration = Duration::from_secs(45);
/// What a request has in all, from the look-up on, whatever its own limit is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an attempt has to do with the DHT.
#[derive(Clone, Debug)]
pub(super) struct Search {
    lookup: LookUp,
    letter: Letter,
    /// No request ends for lack of time before.
    patience: Option<Instant>,
    _built: Built,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LookUp {
    /// Not before; `None`: only when nothing else is left.
    Wanted(Option<Instant>),
    Asked {
        tag: u64,
        found: bool,
    },
    /// Why nothing was found; `None` = something was, or it was not needed.
    Over(Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Letter {
    Unwritten,
    OnItsWay { tag: u64 },
    Lies { until: Instant },
    Over(Option<String>),
}

impl Search {
    /// For an attempt that begins; `None` = the DHT cannot be asked.
    pub(super) fn begin(now: Instant, expired: bool, core: &Core) -> Option<Search> {
        let _built = HERE.first().copied().filter(|_| core.settings.mainline)?;
        let at = if expired { now } else { now + AFTER };
        let (lookup, letter) = (LookUp::Wanted(Some(at)), Letter::Unwritten);
        Some(Search { lookup, letter, patience: None, _built })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match (&self.lookup, &self.letter) {
            (LookUp::Wanted(at), _) => *at,
            (_, Letter::Lies { until }) => Some(*until),
            _ => None,
        }
    }

    /// Whether something may still come of it.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.lookup, LookUp::Over(_)) || self.has_written()
    }

    fn has_written(&self) -> bool {
        matches!(self.letter, Letter::OnItsWay { .. } | Letter::Lies { .. })
    }

    /// What is still going on, for people.
    pub(super) fn under_way(&self) -> Option<&'static str> {
        match (&self.lookup, &self.letter) {
            (_, Letter::Lies { .. }) => Some("a letter to the peer lay in BitTorrent's DHT"),
            (_, Letter::OnItsWay { .. }) => Some("a letter to the peer was being left in BitTorrent's DHT"),
            (LookUp::Asked { .. }, _) => Some("the peer was being looked up in BitTorrent's DHT"),
            _ => None,
        }
    }

    /// Why nothing came of it, for people.
    pub(super) fn why(&self) -> Option<String> {
        let looked = match &self.lookup {
            LookUp::Over(why) => why.as_ref().map(|why| format!("looked up in BitTorrent's DHT: {why}")),
            _ => None,
        };
        let wrote = match &self.letter {
            Letter::Over(why) => why.as_ref().map(|why| format!("a letter to it there: {why}")),
            _ => None,
        };
        match (looked, wrote) {
            (Some(looked), Some(wrote)) => Some(format!("{looked}; {wrote}")),
            (looked, wrote) => looked.or(wrote),
        }
    }

    /// No request of this attempt may run out of time before.
    pub(super) fn patience(&self) -> Option<Instant> {
        self.patience
    }
}

impl Pair {
    /// Asks the DHT when it is time, or nothing else is left.
    pub(super) fn search_if_due(&mut self, now: Instant, core: &mut Core) {
        if self.open.is_some() {
            return;
        }
        let busy = !self.rungs.is_empty() || self.punch.is_some();
        let Some(attempt) = &mut self.attempt else { return };
        let Some(search) = &mut attempt.search else { return };
        let busy = busy || self.links.values().any(|link| link.step < Step::Open);
        let idle = !busy && attempt.call.is_over(now) && !attempt.wish.is_open();
        // Who has answered to us has said where it is.
        let heard = matches!(attempt.call, Call::Answered { .. } | Call::Over(CallEnd::Refused(_)));
        match (&search.lookup, &search.letter) {
            (LookUp::Wanted(_), _) if heard => {
                (search.lookup, search.letter) = (LookUp::Over(None), Letter::Over(None));
            }
            (LookUp::Wanted(at), _) => {
                let due = at.is_some_and(|at| at <= now);
                if idle || due && !matches!(attempt.call, Call::Heard { .. }) {
                    self.look_up(now, core);
                } else if due {
                    search.lookup = LookUp::Wanted(None);
                }
            }
            (LookUp::Over(_), Letter::Unwritten) if idle => self.write_letter(now, core),
            (_, Letter::Lies { until }) if *until <= now => {
                self.letter_over(now, "the peer has not come".to_owned());
            }
            _ => {}
        }
    }

    fn look_up(&mut self, now: Instant, core: &mut Core) {
        let Some(attempt) = &mut self.attempt else { return };
        let Some(search) = &mut attempt.search else { return };
        let tag = core.name();
        search.lookup = LookUp::Asked { tag, found: false };
        search.patience = Some(now + PATIENCE);
        for (_, until) in &mut attempt.waiting {
            *until = (*until).max(now + PATIENCE);
        }
        core.searches.insert(tag, self.peer);
        core.push(Output::LookUp { tag, peer: self.peer });
        self.tale.note(now, "looking in BitTorrent's DHT where the peer is now");
    }

    /// The DHT has a locator of the peer's.
    pub(super) fn located(&mut self, now: Instant, tag: u64, unl: &UnlV3, core: &mut Core) {
        if *unl.identity() != self.peer || unl.record().network != core.settings.network {
            return;
        }
        if self.attempt.as_ref().is_none_or(|attempt| attempt.search.is_none()) {
            return;
        }
        let before = self.via();
        let Some(attempt) = &mut self.attempt else { return };
        match attempt.search.as_mut().map(|search| &mut search.lookup) {
            Some(LookUp::Asked { tag: asked, found }) if *asked == tag => *found = true,
            _ => return,
        }
        if attempt.unl == *unl {
            return self.tale.note(now, "BitTorrent's DHT has the same locator");
        }
        // One without an end holds until another comes.
        let ends = attempt.unl.record().expires.zip(unl.record().expires);
        if ends.is_some_and(|(known, found)| found < known) {
            return self.tale.note(now, "BitTorrent's DHT has an older locator of the peer");
        }
        self.tale.note(now, "BitTorrent's DHT has another locator of the peer");
        self.renew(now, unl.clone(), core);
        let unheard = |call: &Call| matches!(call, Call::Over(end) if !matches!(end, CallEnd::Refused(_)));
        let elsewhere = self.via().iter().any(|server| !before.contains(server));
        if let Some(attempt) = self.attempt.as_mut().filter(|attempt| elsewhere && unheard(&attempt.call)) {
            (attempt.calls, attempt.reverse) = (0, None);
            self.prepare_call(now, core);
        }
    }

    fn write_letter(&mut self, now: Instant, core: &mut Core) {
        let Some(attempt) = &mut self.attempt else { return };
        let Some(search) = &mut attempt.search else { return };
        let locator = core.own.locator.as_ref().map(|unl| unl.text().to_owned());
        let vain = match &locator {
            _ if !core.settings.letters => Some(None),
            None => Some(Some("our own locator is not known yet")),
            Some(_) if !core.own.may_be_reached() => {
                Some(Some("nobody could come, as nobody reaches this node"))
            }
            Some(_) => None,
        };
        if let Some(why) = vain {
            search.letter = Letter::Over(why.map(str::to_owned));
            return;
        }
        let Some(locator) = locator else { return };
        let message = Message::Call { token: attempt.token, locator, punch: None };
        let tag = core.tell(self.peer, vec![MAINLINE.to_owned()], &message);
        search.letter = Letter::OnItsWay { tag };
        core.searches.insert(tag, self.peer);
        attempt.reverse = self.tale.began(now, Technique::Reverse, None);
    }

    /// The end of a look-up, or what became of a letter.
    pub(super) fn searched(&mut self, now: Instant, tag: u64, outcome: std::result::Result<(), String>) {
        let Some(search) = self.attempt.as_mut().and_then(|attempt| attempt.search.as_mut()) else { return };
        match (&search.lookup, &search.letter) {
            (LookUp::Asked { tag: asked, found }, _) if *asked == tag => {
                let why = outcome.err().filter(|_| !found);
                if let Some(why) = &why {
                    self.tale.note(now, format!("looked up in BitTorrent's DHT: {why}"));
                }
                search.lookup = LookUp::Over(why);
            }
            (_, Letter::OnItsWay { tag: sent }) if *sent == tag => match outcome {
                Ok(()) => {
                    search.letter = Letter::Lies { until: now + LETTER };
                    self.tale.note(now, "a letter lies in the peer's mailbox in BitTorrent's DHT");
                }
                Err(why) => self.letter_over(now, why),
            },
            _ => {}
        }
    }

    /// The peer has answered to a letter that nothing comes of it, or it has answered otherwise.
    pub(super) fn letter_refused(&mut self, now: Instant, reason: Refusal) -> bool {
        let search = self.attempt.as_ref().and_then(|attempt| attempt.search.as_ref());
        let sent = search.is_some_and(Search::has_written);
        if sent {
            self.letter_over(now, format!("the peer refused: {reason}"));
        }
        sent
    }

    /// The peer has answered; a letter says nothing that it does not know.
    pub(super) fn letter_answered(&mut self) {
        if let Some(search) = self.attempt.as_mut().and_then(|attempt| attempt.search.as_mut())
            && search.has_written()
        {
            search.letter = Letter::Over(None);
        }
    }

    fn letter_over(&mut self, now: Instant, why: String) {
        let Some(attempt) = &mut self.attempt else { return };
        let entry = attempt.reverse;
        if let Some(search) = &mut attempt.search {
            search.letter = Letter::Over(Some(why.clone()));
        }
        self.tale.ended(entry, now, Result::Failed, 0, format!("by a letter in BitTorrent's DHT: {why}"));
    }
}
