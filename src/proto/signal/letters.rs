//! The messages under way: where each may go, where it went, and until when its sender waits.

use super::{LinkId, Outcome};
use crate::proto::identity::PublicKey;
use crate::small::SmallMap;
use std::time::{Duration, Instant};

/// Most servers that are tried for one message.
pub(super) const MOST_SERVERS: usize = 4;

/// How far a message has come.
#[derive(Debug)]
pub(super) enum State {
    /// No server of the receiver is connected yet. The next one is dialled then.
    Waiting { next: Instant },
    /// The server has it, as far as we know.
    Sent { link: LinkId, since: Instant },
    /// The server has passed it on.
    Told { link: LinkId, since: Instant },
}

/// A message.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) to: PublicKey,
    /// In base64url.
    pub(super) message: String,
    /// Servers that may know the receiver and have not denied it, best first. The first `dialled` were tried.
    pub(super) via: Vec<String>,
    pub(super) dialled: usize,
    pub(super) state: State,
    pub(super) until: Instant,
    /// Why it could not be sent so far.
    pub(super) trouble: String,
}

/// All messages under way, by their tag.
#[derive(Debug, Default)]
pub(super) struct Letters {
    table: SmallMap<u64, Letter>,
}

impl Letters {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn contains(&self, tag: u64) -> bool {
        self.table.contains_key(&tag)
    }

    pub(super) fn insert(&mut self, tag: u64, letter: Letter) {
        self.table.insert(tag, letter);
    }

    pub(super) fn get_mut(&mut self, tag: u64) -> Option<&mut Letter> {
        self.table.get_mut(&tag)
    }

    /// Those that still have to be sent.
    pub(super) fn waiting(&self) -> Vec<u64> {
        let waits = |letter: &Letter| matches!(letter.state, State::Waiting { .. });
        self.table.iter().filter(|(_, letter)| waits(letter)).map(|(tag, _)| *tag).collect()
    }

    /// Whether a message waits for this server, or for its answer on this link.
    pub(super) fn need(&self, server: &str, link: Option<LinkId>) -> bool {
        self.table.values().any(|letter| match letter.state {
            State::Waiting { .. } => letter.via.iter().any(|via| via == server),
            State::Sent { link: by, .. } | State::Told { link: by, .. } => Some(by) == link,
        })
    }

    /// The server has passed it on. `false`: nobody waits for that.
    pub(super) fn told(&mut self, tag: u64, link: LinkId) -> bool {
        match self.table.get_mut(&tag).map(|letter| &mut letter.state) {
            Some(state) => match *state {
                State::Sent { link: by, since } if by == link => {
                    *state = State::Told { link, since };
                    true
                }
                _ => false,
            },
            None => false,
        }
    }

    /// The receiver has it: how long that took to be known.
    pub(super) fn heard(&mut self, now: Instant, tag: u64, link: LinkId) -> Option<Duration> {
        let since = match self.table.get(&tag)?.state {
            State::Sent { link: by, since } | State::Told { link: by, since } if by == link => since,
            _ => return None,
        };
        self.table.remove(&tag);
        Some(now.saturating_duration_since(since))
    }

    /// The server has refused it, or lost its receiver. `false`: nobody waits for that.
    pub(super) fn end(&mut self, tag: u64, link: LinkId) -> bool {
        let is_there = self.is_by(tag, link);
        if is_there {
            self.table.remove(&tag);
        }
        is_there
    }

    /// The receiver is not at the server on this link, which has these names. `Some`: nor at any other that could be asked.
    pub(super) fn absent(&mut self, now: Instant, tag: u64, link: LinkId, names: &[&str]) -> Option<Outcome> {
        if !self.is_by(tag, link) {
            return None;
        }
        let letter = self.table.get_mut(&tag)?;
        letter.via.retain(|via| !names.contains(&via.as_str()));
        if letter.via.is_empty() {
            self.table.remove(&tag);
            return Some(Outcome::Absent);
        }
        letter.dialled = 0;
        letter.state = State::Waiting { next: now };
        letter.trouble = format!("{} does not know the receiver", names.join(", "));
        None
    }

    fn is_by(&self, tag: u64, link: LinkId) -> bool {
        self.table.get(&tag).is_some_and(|letter| match letter.state {
            State::Waiting { .. } => false,
            State::Sent { link: by, .. } | State::Told { link: by, .. } => by == link,
        })
    }

    /// The link is gone: what becomes of the messages on it.
    pub(super) fn lost(&mut self, link: LinkId) -> Vec<(u64, Outcome)> {
        self.take(|letter| match letter.state {
            State::Sent { link: by, .. } if by == link => Some(Outcome::Lost),
            State::Told { link: by, .. } if by == link => Some(Outcome::Unheard),
            _ => None,
        })
    }

    /// Why a server could not be used, for those that wait for it.
    pub(super) fn trouble(&mut self, server: &str, why: &str) {
        for letter in self.table.values_mut() {
            let waits = matches!(letter.state, State::Waiting { .. });
            if waits && letter.via.iter().any(|via| via == server) {
                letter.trouble = format!("{server}: {why}");
            }
        }
    }

    /// Gives one up that cannot be sent.
    pub(super) fn give_up(&mut self, tag: u64) -> Option<Outcome> {
        self.table.remove(&tag).map(|letter| letter.given_up())
    }

    /// Those whose time is up.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<(u64, Outcome)> {
        self.take(|letter| (letter.until <= now).then(|| letter.given_up()))
    }

    /// All: nothing will be sent any more.
    pub(super) fn all(&mut self) -> Vec<(u64, Outcome)> {
        self.take(|letter| Some(letter.given_up()))
    }

    /// When something has to be done about one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let of = |letter: &Letter| match letter.state {
            State::Waiting { next } if letter.dialled < letter.via.len() => next.min(letter.until),
            _ => letter.until,
        };
        self.table.values().map(of).min()
    }

    fn take(&mut self, outcome: impl Fn(&Letter) -> Option<Outcome>) -> Vec<(u64, Outcome)> {
        let over: Vec<_> =
            self.table.iter().filter_map(|(tag, letter)| Some((*tag, outcome(letter)?))).collect();
        for (tag, _) in &over {
            self.table.remove(tag);
        }
        over
    }
}

impl Letter {
    fn given_up(&self) -> Outcome {
        match self.state {
            State::Waiting { .. } => Outcome::Unreachable(self.trouble.clone()),
            State::Sent { .. } => Outcome::Lost,
            State::Told { .. } => Outcome::Unheard,
        }
    }
}
