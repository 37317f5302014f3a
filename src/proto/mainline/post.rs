//! One message on its way into another node's mailbox: ask which mailbox, look which slot is free, write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::letter::Token;
use super::mailbox::Mailbox;
use crate::proto::identity::PublicKey;

/// Slots whose number has reached this are unusable: honest writers count from 1, one at a time.
pub(super) const CEILING: i64 = 1 << 40;
/// How many slots are written to before we give up, if the DHT finds each too old.
const MOST_TRIES: usize = 3;
/// Answers come first from those who have the newest, mostly. This long after the first one the best so far is taken.
const AFTER_FIRST: Duration = Duration::from_millis(700);
/// Empty slots have no first answer: this long after the question they are taken for empty.
const LOOK: Duration = Duration::from_millis(1500);

/// Where a message is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The receiver's mailbox is being looked up.
    Asking { best: Option<(i64, Mailbox)>, decide: Option<Instant> },
    /// Its slots are being looked into.
    Looking { mailbox: Mailbox, seen: BTreeMap<u8, i64>, open: BTreeSet<u8>, decide: Instant },
    /// It is being written.
    Writing { mailbox: Mailbox, seen: BTreeMap<u8, i64> },
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) to: PublicKey,
    pub(super) token: Token,
    pub(super) message: Vec<u8>,
    pub(super) stage: Stage,
    tried: BTreeSet<u8>,
}

impl Post {
    pub(super) fn new(to: PublicKey, token: Token, message: Vec<u8>) -> Post {
        let stage = Stage::Asking { best: None, decide: None };
        Post { to, token, message, stage, tried: BTreeSet::new() }
    }

    /// Something that the receiver has published about its mailbox.
    pub(super) fn mailbox(&mut self, now: Instant, seq: i64, mailbox: Mailbox) {
        if let Stage::Asking { best, decide } = &mut self.stage
            && best.is_none_or(|(newest, _)| newest < seq)
        {
            *best = Some((seq, mailbox));
            decide.get_or_insert(now + AFTER_FIRST);
        }
    }

    /// Goes on to look into the slots of this mailbox: the numbers of all.
    pub(super) fn look(&mut self, now: Instant, mailbox: Mailbox) -> Vec<u8> {
        let open: BTreeSet<u8> = (0..mailbox.slots).collect();
        let slots = open.iter().copied().collect();
        self.stage = Stage::Looking { mailbox, seen: BTreeMap::new(), open, decide: now + LOOK };
        slots
    }

    /// What lies in a slot has this number.
    pub(super) fn seen(&mut self, slot: u8, seq: i64) {
        if let Stage::Looking { seen, .. } = &mut self.stage {
            let newest = seen.entry(slot).or_insert(seq);
            *newest = seq.max(*newest);
        }
    }

    /// One slot has been looked into.
    pub(super) fn looked(&mut self, slot: u8) {
        if let Stage::Looking { open, .. } = &mut self.stage {
            open.remove(&slot);
        }
    }

    /// The slot to write into next, and under which number: one that is empty, if there is one. `None`: none is left.
    pub(super) fn choose(&mut self, rng: &mut fastrand::Rng) -> Option<(Mailbox, u8, i64)> {
        let (mailbox, seen) = match &self.stage {
            Stage::Looking { mailbox, seen, .. } | Stage::Writing { mailbox, seen, .. } => (*mailbox, seen),
            Stage::Asking { .. } => return None,
        };
        if self.tried.len() >= MOST_TRIES {
            return None;
        }
        let last = |slot: &u8| seen.get(slot).copied().unwrap_or(0).max(0);
        let usable: Vec<u8> = (0..mailbox.slots)
            .filter(|slot| !self.tried.contains(slot) && last(slot) < CEILING - 1)
            .collect();
        let empty: Vec<u8> = usable.iter().copied().filter(|slot| !seen.contains_key(slot)).collect();
        let slot = *rng.choice(if empty.is_empty() { &usable } else { &empty })?;
        Some((mailbox, slot, last(&slot) + 1))
    }

    /// It is being written there.
    pub(super) fn writing(&mut self, mailbox: Mailbox, slot: u8) {
        self.tried.insert(slot);
        let seen = match &mut self.stage {
            Stage::Looking { seen, .. } | Stage::Writing { seen, .. } => std::mem::take(seen),
            Stage::Asking { .. } => BTreeMap::new(),
        };
        self.stage = Stage::Writing { mailbox, seen };
    }

    /// When it is to be decided with what has been answered so far.
    pub(super) fn decide_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Asking { decide, .. } => *decide,
            Stage::Looking { decide, open, .. } => (!open.is_empty()).then_some(*decide),
            Stage::Writing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post() -> (Post, Mailbox) {
        let mailbox = Mailbox { slots: 3, network: None, key: [5; 32] };
        (Post::new(PublicKey([1; 32]), [2; 16], b"x".to_vec()), mailbox)
    }

    #[test]
    fn an_empty_slot_first_then_others_and_none_twice() {
        let (mut post, mailbox) = post();
        assert_eq!(post.look(Instant::now(), mailbox), [0, 1, 2]);
        post.seen(0, 7);
        post.seen(0, 6);
        post.seen(1, i64::MAX);
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(post.choose(&mut rng), Some((mailbox, 2, 1)));
        post.writing(mailbox, 2);
        assert_eq!(post.choose(&mut rng), Some((mailbox, 0, 8)));
        post.writing(mailbox, 0);
        assert_eq!(post.choose(&mut rng), None, "the last one is blocked");
    }

    #[test]
    fn numbers_below_one_are_no_harm() {
        let (mut post, mailbox) = post();
        post.look(Instant::now(), mailbox);
        (0..3).for_each(|slot| post.seen(slot, i64::MIN));
        assert_eq!(post.choose(&mut fastrand::Rng::with_seed(1)).unwrap().2, 1);
    }

    #[test]
    fn the_newest_mailbox_counts() {
        let (mut post, mailbox) = post();
        let now = Instant::now();
        assert_eq!(post.decide_at(), None);
        post.mailbox(now, 5, mailbox);
        post.mailbox(now, 4, Mailbox { key: [6; 32], ..mailbox });
        post.mailbox(now, 6, Mailbox { key: [7; 32], ..mailbox });
        let Stage::Asking { best: Some((6, best)), .. } = post.stage else { panic!("{:?}", post.stage) };
        assert_eq!(best.key, [7; 32]);
        assert_eq!(post.decide_at(), Some(now + AFTER_FIRST));
    }
}
