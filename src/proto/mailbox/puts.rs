//! Messages under way to others: one at a time, each until a server has it or its patience ends.
//!
//! They leave in the order in which they were given, as far as one receiver can see: one that has to be put again holds up
//! those to the same node, not those to others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::call::Call;
use super::settings::{CallId, PutError};
use super::wrap::{Mint, wrap};
use crate::proto::dht_id::NodeId;

/// The longest text, in bytes. Wrapped, it fits into what mailboxes take by default (16 KiB of digits).
pub const MAX_TEXT: usize = 8000;

/// Pause before a message is put again that a server did not take; doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(8);

#[derive(Debug)]
struct Put {
    tag: u64,
    to: NodeId,
    digits: String,
    /// Its patience ends then.
    until: Instant,
    /// It is not put before.
    not_before: Instant,
    tries: u32,
    /// What went wrong last.
    last: String,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<'a> {
    /// Not now; again after a pause.
    Later(&'a str),
    /// This server does not work: again as soon as one does.
    Elsewhere(&'a str),
    /// It is over, one way or the other.
    Ended,
}

#[derive(Debug)]
pub(super) struct Puts {
    mint: Mint,
    patience: Duration,
    most: usize,
    queue: VecDeque<Put>,
    /// The request for one of them, by its tag.
    current: Option<(CallId, u64)>,
    /// One of them was chosen and its request has no name yet.
    chosen: Option<u64>,
}

impl Puts {
    pub(super) fn new(secret: [u8; 32], patience: Duration, most: usize) -> Puts {
        Puts { mint: Mint::new(secret), patience, most, queue: VecDeque::new(), current: None, chosen: None }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn add(&mut self, now: Instant, tag: u64, to: NodeId, text: &str) -> Result<(), PutError> {
        if self.queue.len() >= self.most {
            return Err(PutError::Queue(self.most));
        }
        if text.is_empty() || text.len() > MAX_TEXT {
            let message = format!("the message has {} bytes; expected 1 to {MAX_TEXT}", text.len());
            return Err(PutError::Size(message));
        }
        let digits = wrap(text, &self.mint.next()).map_err(|e| PutError::Size(e.to_string()))?;
        let (until, not_before) = (now + self.patience, now);
        self.queue.push_back(Put { tag, to, digits, until, not_before, tries: 0, last: String::new() });
        Ok(())
    }

    /// The next message to be put, if none is being put; then [`Puts::asked`] names the request.
    pub(super) fn next(&mut self, now: Instant) -> Option<Call> {
        if self.current.is_some() {
            return None;
        }
        let put = self.firsts().find(|put| put.not_before <= now)?;
        let (tag, call) = (put.tag, Call::Put { to: put.to, digits: put.digits.clone() });
        self.chosen = Some(tag);
        Some(call)
    }

    /// Of those to each receiver the first.
    fn firsts(&self) -> impl Iterator<Item = &Put> {
        let is_first = |at: usize, to: NodeId| self.queue.iter().take(at).all(|earlier| earlier.to != to);
        self.queue.iter().enumerate().filter(move |(at, put)| is_first(*at, put.to)).map(|(_, put)| put)
    }

    pub(super) fn asked(&mut self, id: CallId) {
        self.current = self.chosen.take().map(|tag| (id, tag));
    }

    /// What came of a request. The tag, if it is over.
    pub(super) fn judge(&mut self, now: Instant, id: CallId, verdict: Verdict<'_>) -> Option<u64> {
        let (_, tag) = self.current.take_if(|(current, _)| *current == id)?;
        let at = self.queue.iter().position(|put| put.tag == tag)?;
        let put = self.queue.get_mut(at)?;
        match verdict {
            Verdict::Later(why) => {
                put.not_before = now + (PAUSE * (1 << put.tries.min(8))).min(LONGEST);
                put.tries += 1;
                why.clone_into(&mut put.last);
                None
            }
            Verdict::Elsewhere(why) => {
                why.clone_into(&mut put.last);
                None
            }
            Verdict::Ended => self.queue.remove(at).map(|put| put.tag),
        }
    }

    /// What was being put is put again.
    pub(super) fn again(&mut self, now: Instant) {
        self.current = None;
        for put in &mut self.queue {
            put.not_before = put.not_before.min(now);
        }
    }

    /// Those whose patience has ended, each with the request for it, if there is one.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(Option<CallId>, u64, PutError)> {
        let mut ended = Vec::new();
        let (patience, current) = (self.patience, &mut self.current);
        self.queue.retain_mut(|put| {
            let is_over = put.until <= now;
            if is_over {
                let id = current.take_if(|(_, tag)| *tag == put.tag).map(|(id, _)| id);
                ended.push((id, put.tag, PutError::Late { patience, last: std::mem::take(&mut put.last) }));
            }
            !is_over
        });
        ended
    }

    /// When there is something to do: a patience ends, or a pause does and a server is open by then. `opens` is from when on
    /// one is, as far as known.
    pub(super) fn deadline(&self, opens: Option<Instant>) -> impl Iterator<Item = Instant> {
        let ends = self.queue.iter().map(|put| put.until).min();
        let again = self.firsts().map(|put| put.not_before).min().filter(|_| self.current.is_none());
        let again = again.zip(opens).map(|(at, open)| open.max(at));
        [ends, again].into_iter().flatten()
    }
}
