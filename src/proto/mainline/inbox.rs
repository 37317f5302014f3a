//! A node's own mailbox: what is done with what lies in it. Everybody may write there, so all is bounded, and each message
//! is taken once.
//!
//! A mailbox has generations. Each has a key of its own; the secret is forgotten when the generation ends, and with it the
//! list of messages that were taken: nothing that was sealed to it can be opened any more.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::letter::{Letter, Token, open};
use super::mailbox::{MAX_SLOTS, Mailbox};
use super::post::CEILING;
use super::settings::Settings;
use crate::proto::identity::{Identity, PublicKey};

/// Values opened in one look into one slot: different nodes of the DHT may have different ones.
const OPENED: u8 = 4;
/// Messages of one generation.
const TOKENS: usize = 256;
/// A mailbox that is blocked is not given up before this age.
const LEAST_AGE: Duration = Duration::from_secs(120);

/// What became of a value in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// A message.
    New(Letter),
    /// It has been taken before.
    Again,
    /// No letter to us.
    Junk,
    /// More than may come in a minute; it can be taken at a later look.
    TooMany,
}

#[derive(Debug)]
struct Slot {
    key: PublicKey,
    looking: bool,
    opened: u8,
    blocked: bool,
}

#[derive(Debug)]
struct Generation {
    number: u64,
    /// Its X25519 half is what letters are sealed to. An identity, because these are wiped.
    secret: Identity,
    mailbox: Mailbox,
    born: Instant,
    /// Set as soon as there is a newer one.
    ends: Option<Instant>,
    tokens: BTreeSet<Token>,
    slots: Vec<Slot>,
}

/// A node's mailbox.
#[derive(Debug)]
pub struct Inbox {
    owner: PublicKey,
    settings: Settings,
    /// At most two, the newest last.
    generations: Vec<Generation>,
    next: u64,
    /// Who sent what was taken in the last minute.
    taken: VecDeque<(Instant, PublicKey)>,
}

impl Inbox {
    /// One that is not open yet ([`Inbox::rotate`]).
    pub fn new(owner: PublicKey, settings: &Settings) -> Inbox {
        let settings = Settings { slots: settings.slots.clamp(1, MAX_SLOTS), ..settings.clone() };
        Inbox { owner, settings, generations: Vec::new(), next: 0, taken: VecDeque::new() }
    }

    /// Begins a generation; the last one ends after a grace. `secret` are 32 random bytes.
    pub fn rotate(&mut self, now: Instant, secret: &[u8; 32]) -> Option<Mailbox> {
        let secret = Identity::from_secret(secret);
        let key = secret.public().x25519()?;
        let mailbox = Mailbox { slots: self.settings.slots, network: self.settings.network, key };
        let slot = |number| Slot {
            key: mailbox.slot(&self.owner, number).public(),
            looking: false,
            opened: 0,
            blocked: false,
        };
        let slots = (0..mailbox.slots).map(slot).collect();
        if self.generations.len() > 1 {
            self.generations.remove(0);
        }
        if let Some(last) = self.generations.last_mut() {
            last.ends = Some(now + self.settings.grace);
        }
        self.next += 1;
        let generation = Generation {
            number: self.next,
            secret,
            mailbox,
            born: now,
            ends: None,
            tokens: BTreeSet::new(),
            slots,
        };
        self.generations.push(generation);
        Some(mailbox)
    }

    /// Whether a new generation is due: this one is old, full, or somebody has made all its slots unusable.
    pub fn wants_rotation(&self, now: Instant) -> bool {
        self.generations.last().is_none_or(|last| {
            let age = now.saturating_duration_since(last.born);
            let is_blocked = last.slots.iter().all(|slot| slot.blocked) && age >= LEAST_AGE;
            age >= self.settings.rotate || last.tokens.len() >= TOKENS || is_blocked
        })
    }

    /// Begins a look into all slots that nobody is looking into: generation, slot and key of each.
    pub fn look(&mut self, now: Instant) -> Vec<(u64, u8, PublicKey)> {
        self.generations.retain(|generation| generation.ends.is_none_or(|end| end > now));
        let mut looks = Vec::new();
        for generation in &mut self.generations {
            for (number, slot) in (0..).zip(&mut generation.slots).filter(|(_, slot)| !slot.looking) {
                (slot.looking, slot.opened) = (true, 0);
                looks.push((generation.number, number, slot.key));
            }
        }
        looks
    }

    /// A look is over.
    pub fn looked(&mut self, generation: u64, slot: u8) {
        if let Some((_, slot)) = self.find(generation, slot) {
            slot.looking = false;
        }
    }

    /// All looks are over.
    pub fn give_up(&mut self) {
        self.generations.iter_mut().flat_map(|it| &mut it.slots).for_each(|slot| slot.looking = false);
    }

    /// Judges what lies in a slot.
    pub fn judge(&mut self, now: Instant, generation: u64, number: u8, seq: i64, value: &[u8]) -> Judged {
        let (owner, most, most_of_one) = (self.owner, self.settings.letters, self.settings.letters_of_one);
        while self.taken.front().is_some_and(|(at, _)| *at + Duration::from_secs(60) <= now) {
            self.taken.pop_front();
        }
        let taken = &self.taken;
        let Some(generation) = self.generations.iter_mut().find(|it| it.number == generation) else {
            return Judged::Junk;
        };
        let Some(slot) = generation.slots.get_mut(usize::from(number)) else { return Judged::Junk };
        slot.blocked |= seq >= CEILING;
        if slot.opened >= OPENED {
            return Judged::TooMany;
        }
        slot.opened += 1;
        let opened = open(&generation.secret, &owner, &generation.mailbox, number, value);
        let Some(letter) = opened.filter(|letter| letter.from != owner) else { return Judged::Junk };
        if generation.tokens.contains(&letter.token) {
            return Judged::Again;
        }
        let of_one = taken.iter().filter(|(_, from)| *from == letter.from).count();
        if generation.tokens.len() >= TOKENS || taken.len() >= most || of_one >= most_of_one {
            return Judged::TooMany;
        }
        generation.tokens.insert(letter.token);
        self.taken.push_back((now, letter.from));
        Judged::New(letter)
    }

    fn find(&mut self, generation: u64, slot: u8) -> Option<(&Mailbox, &mut Slot)> {
        let generation = self.generations.iter_mut().find(|it| it.number == generation)?;
        Some((&generation.mailbox, generation.slots.get_mut(usize::from(slot))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::seal;
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    struct World {
        inbox: Inbox,
        now: Instant,
        owner: PublicKey,
    }

    fn world() -> (World, Mailbox) {
        let owner = Identity::from_secret(&[1; 32]).public();
        let mut inbox = Inbox::new(owner, &Settings::new(None));
        let now = Instant::now();
        assert!(inbox.wants_rotation(now));
        let mailbox = inbox.rotate(now, &[100; 32]).unwrap();
        (World { inbox, now, owner }, mailbox)
    }

    fn letter(world: &World, mailbox: &Mailbox, from: u8, token: u8) -> Vec<u8> {
        let from = Identity::from_secret(&[from; 32]);
        seal(&from, &world.owner, mailbox, 0, &[token; 32], &[token; 16], b"Call me.").unwrap()
    }

    fn judge(world: &mut World, generation: u64, value: &[u8]) -> Judged {
        world.inbox.looked(generation, 0);
        world.inbox.look(world.now);
        world.inbox.judge(world.now, generation, 0, 1, value)
    }

    #[test]
    fn each_message_is_taken_once() {
        let (mut world, mailbox) = world();
        let (a, b) = (letter(&world, &mailbox, 2, 1), letter(&world, &mailbox, 2, 2));
        assert!(matches!(judge(&mut world, 1, &a), Judged::New(_)));
        assert!(matches!(judge(&mut world, 1, &b), Judged::New(_)));
        assert_eq!(judge(&mut world, 1, &a), Judged::Again);
        // The same message in another letter is the same message.
        let from = Identity::from_secret(&[2; 32]);
        let again = seal(&from, &world.owner, &mailbox, 0, &[77; 32], &[1; 16], b"Call me.").unwrap();
        assert_eq!(judge(&mut world, 1, &again), Judged::Again);
        let own = letter(&world, &mailbox, 1, 3);
        assert_eq!(judge(&mut world, 1, &own), Judged::Junk, "our own letter");
    }

    #[test]
    fn a_letter_can_still_be_opened_for_a_while_and_then_never_again() {
        let (mut world, mailbox) = world();
        let (soon, late) = (letter(&world, &mailbox, 2, 1), letter(&world, &mailbox, 2, 2));
        world.now += 30 * MINUTE;
        assert!(world.inbox.wants_rotation(world.now));
        let new = world.inbox.rotate(world.now, &[101; 32]).unwrap();
        assert_ne!(new, mailbox);
        world.now += MINUTE;
        assert!(matches!(judge(&mut world, 1, &soon), Judged::New(_)));
        assert_eq!(judge(&mut world, 2, &soon), Judged::Junk, "it was for the old one");
        world.now += MINUTE;
        assert_eq!(judge(&mut world, 1, &late), Judged::Junk);
        assert_eq!(world.inbox.generations.len(), 1);
    }

    #[test]
    fn floods_wait() {
        let (mut world, mailbox) = world();
        for token in 0..6 {
            let value = letter(&world, &mailbox, 2, token);
            assert!(matches!(judge(&mut world, 1, &value), Judged::New(_)));
        }
        let more = letter(&world, &mailbox, 2, 6);
        assert_eq!(judge(&mut world, 1, &more), Judged::TooMany);
        let other = letter(&world, &mailbox, 3, 7);
        assert!(matches!(judge(&mut world, 1, &other), Judged::New(_)), "others are not kept waiting");
        world.now += MINUTE;
        assert!(matches!(judge(&mut world, 1, &more), Judged::New(_)));
    }

    #[test]
    fn a_look_opens_a_few_values_only() {
        let (mut world, mailbox) = world();
        world.inbox.look(world.now);
        for _ in 0..OPENED {
            assert_eq!(world.inbox.judge(world.now, 1, 0, 1, b"junk"), Judged::Junk);
        }
        let value = letter(&world, &mailbox, 2, 1);
        assert_eq!(world.inbox.judge(world.now, 1, 0, 1, &value), Judged::TooMany);
        assert!(matches!(judge(&mut world, 1, &value), Judged::New(_)), "at the next look");
    }

    #[test]
    fn a_blocked_mailbox_is_given_up() {
        let (mut world, _) = world();
        world.inbox.look(world.now);
        world.inbox.judge(world.now, 1, 0, i64::MAX, b"junk");
        world.now += 2 * MINUTE;
        assert!(!world.inbox.wants_rotation(world.now), "one slot is left");
        world.inbox.judge(world.now, 1, 1, CEILING, b"junk");
        assert!(world.inbox.wants_rotation(world.now));
    }

    #[test]
    fn a_full_mailbox_is_given_up() {
        let (mut world, mailbox) = world();
        for n in 0..=255u8 {
            let from = Identity::from_secret(&[2 + n % 40; 32]);
            let token = [n; 16];
            let value = seal(&from, &world.owner, &mailbox, 0, &[9; 32], &token, b"x").unwrap();
            world.now += Duration::from_secs(2);
            assert!(matches!(judge(&mut world, 1, &value), Judged::New(_)), "{n}");
        }
        assert!(world.inbox.wants_rotation(world.now));
        let value = letter(&world, &mailbox, 99, 3);
        assert!(!matches!(judge(&mut world, 1, &value), Judged::New(_)));
    }

    proptest! {
        #[test]
        fn whatever_lies_there_is_harmless(
            values in proptest::collection::vec((0u64..3, 0u8..10, any::<i64>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..20)
        ) {
            let (mut world, _) = world();
            for (generation, slot, seq, value) in values {
                let judged = world.inbox.judge(world.now, generation, slot, seq, &value);
                prop_assert!(matches!(judged, Judged::Junk | Judged::TooMany));
                world.inbox.looked(generation, slot);
            }
        }
    }
}
