//! What a node is asked to do in the DHT: find a locator, find nodes, deliver a message.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use super::engine::{Mainline, Purpose};
use super::find::Found;
use super::item::Item;
use super::letter::{MAX_MESSAGE, SealError, Token, seal};
use super::mailbox::Mailbox;
use super::names::{locator_salt, mailbox_salt};
use super::post::{Post, Stage};
use super::settings::{Fault, Happening, Query, QueryError, Time};
use crate::proto::identity::PublicKey;
use crate::proto::unl::{Check, UnlV3};

#[derive(Debug)]
enum Errand {
    Resolve { key: PublicKey, best: Option<i64> },
    Find,
    Send(Box<Post>),
}

#[derive(Debug)]
struct UnderWay {
    errand: Errand,
    begun: bool,
    until: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Errands {
    all: BTreeMap<u64, UnderWay>,
    /// What the look-up for nodes that is under way has found.
    found: Option<Found>,
    /// When messages were sent in the last minute.
    sent: VecDeque<Instant>,
}

impl Errands {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let decides = |it: &UnderWay| match &it.errand {
            Errand::Send(post) => post.decide_at(),
            Errand::Resolve { .. } | Errand::Find => None,
        };
        self.all.values().flat_map(|it| [Some(it.until), decides(it)]).flatten().min()
    }
}

impl Mainline {
    /// Looks up the locator of a key: any number of [`Happening::Located`], then [`Happening::Done`].
    pub fn resolve(&mut self, now: Time, tag: u64, key: PublicKey) {
        self.begin(now, tag, Errand::Resolve { key, best: None });
    }

    /// Looks for nodes of the network: any number of [`Happening::Found`], then [`Happening::Done`].
    pub fn find(&mut self, now: Time, tag: u64) {
        self.begin(now, tag, Errand::Find);
    }

    /// Puts a message into another node's mailbox: then [`Happening::Done`]. 1 to [`MAX_MESSAGE`] bytes.
    pub fn send(&mut self, now: Time, tag: u64, to: PublicKey, message: Vec<u8>) {
        if message.is_empty() || message.len() > MAX_MESSAGE {
            return self.refuse(tag, Fault::Seal(SealError::Size));
        }
        if to == self.identity.public() {
            return self.refuse(tag, Fault::Own);
        }
        while self.errands.sent.front().is_some_and(|at| *at + Duration::from_secs(60) <= now.at) {
            self.errands.sent.pop_front();
        }
        if self.errands.sent.len() >= self.settings.sends {
            return self.refuse(tag, Fault::TooMany);
        }
        let random = (self.random)().and_then(|bytes| bytes.first_chunk::<16>().copied());
        let Some(token): Option<Token> = random else { return self.refuse(tag, Fault::NoRandom) };
        if self.begin(now, tag, Errand::Send(Box::new(Post::new(to, token, message)))) {
            self.errands.sent.push_back(now.at);
        }
    }

    fn begin(&mut self, now: Time, tag: u64, errand: Errand) -> bool {
        let refused = if self.stopped {
            Some(Fault::Stopped)
        } else if self.errands.all.contains_key(&tag) {
            Some(Fault::Tag)
        } else {
            (self.errands.all.len() >= self.settings.errands).then_some(Fault::TooMany)
        };
        if let Some(why) = refused {
            self.refuse(tag, why);
            return false;
        }
        let until = now.at + self.settings.patience;
        self.errands.all.insert(tag, UnderWay { errand, begun: false, until });
        self.on_timeout(now);
        true
    }

    fn refuse(&mut self, tag: u64, why: Fault) {
        self.tell(Happening::Done { tag, outcome: Err(why) });
    }

    fn done(&mut self, tag: u64, outcome: Result<(), Fault>) {
        if self.errands.all.remove(&tag).is_some() {
            self.tell(Happening::Done { tag, outcome });
        }
    }

    pub(super) fn restart_errands(&mut self) {
        self.errands.found = None;
        for it in self.errands.all.values_mut() {
            it.begun = false;
            if let Errand::Send(post) = &mut it.errand {
                **post = Post::new(post.to, post.token, std::mem::take(&mut post.message));
            }
        }
    }

    pub(super) fn end_errands(&mut self, why: &Fault) {
        let tags: Vec<u64> = self.errands.all.keys().copied().collect();
        tags.into_iter().for_each(|tag| self.done(tag, Err(why.clone())));
    }

    pub(super) fn errands_due(&mut self, now: Time) {
        let over: Vec<u64> =
            self.errands.all.iter().filter(|(_, it)| it.until <= now.at).map(|(tag, _)| *tag).collect();
        for tag in over {
            let why = if self.online { Fault::Timeout } else { Fault::Offline };
            match self.errands.all.get(&tag).map(|it| &it.errand) {
                // What was found was told already.
                Some(Errand::Resolve { best: Some(_), .. }) => self.done(tag, Ok(())),
                _ => self.done(tag, Err(why)),
            }
        }
        if !self.online {
            return;
        }
        let waiting: Vec<u64> =
            self.errands.all.iter().filter(|(_, it)| !it.begun).map(|(tag, _)| *tag).collect();
        for tag in waiting {
            self.start(tag);
        }
        let ripe = |it: &UnderWay| match &it.errand {
            Errand::Send(post) => post.decide_at().is_some_and(|at| at <= now.at),
            Errand::Resolve { .. } | Errand::Find => false,
        };
        let ripe: Vec<u64> =
            self.errands.all.iter().filter(|(_, it)| ripe(it)).map(|(tag, _)| *tag).collect();
        ripe.into_iter().for_each(|tag| self.decide(now, tag));
    }

    fn start(&mut self, tag: u64) {
        let hash_is_free = !self.is_asking(|purpose| matches!(purpose, Purpose::Announce | Purpose::Nodes));
        let network = self.settings.network;
        let Some(it) = self.errands.all.get_mut(&tag) else { return };
        match &it.errand {
            Errand::Resolve { key, .. } => {
                it.begun = true;
                let query = Query::Get { key: *key, salt: locator_salt(network) };
                self.ask(Purpose::Resolve(tag), query);
            }
            Errand::Send(post) => {
                it.begun = true;
                let query = Query::Get { key: post.to, salt: mailbox_salt(network) };
                self.ask(Purpose::Mailbox(tag), query);
            }
            // Whoever comes while somebody is looking gets what was found so far, and the rest.
            Errand::Find => match &self.errands.found {
                Some(found) => {
                    it.begun = true;
                    let addrs = found.addrs().to_vec();
                    if !addrs.is_empty() {
                        self.tell(Happening::Found { tag, addrs });
                    }
                }
                None if hash_is_free => {
                    it.begun = true;
                    self.errands.found = Some(Found::default());
                    self.ask(Purpose::Nodes, Query::Peers { hash: self.settings.nodes() });
                }
                None => {}
            },
        }
    }

    pub(super) fn found(&mut self, answer: &[SocketAddrV4]) {
        let Some(found) = &mut self.errands.found else { return };
        let (duties, may) = (&self.duties, &self.may_visit);
        let addrs = found.take(answer, |addr| !duties.is_own(addr) && may(addr), &mut self.rng);
        if addrs.is_empty() {
            return;
        }
        let finds = |it: &UnderWay| it.begun && matches!(it.errand, Errand::Find);
        let tags: Vec<u64> =
            self.errands.all.iter().filter(|(_, it)| finds(it)).map(|(tag, _)| *tag).collect();
        for tag in tags {
            self.tell(Happening::Found { tag, addrs: addrs.clone() });
        }
    }

    pub(super) fn nodes_found(&mut self, now: Time, outcome: &Result<(), QueryError>) {
        let found = self.errands.found.take().is_some_and(|found| !found.addrs().is_empty());
        let finds = |it: &UnderWay| it.begun && matches!(it.errand, Errand::Find);
        let tags: Vec<u64> =
            self.errands.all.iter().filter(|(_, it)| finds(it)).map(|(tag, _)| *tag).collect();
        let outcome = match outcome {
            _ if found => Ok(()),
            Ok(()) => Err(Fault::NotFound),
            Err(why) => Err(Fault::Failed(why.to_string())),
        };
        tags.into_iter().for_each(|tag| self.done(tag, outcome.clone()));
        self.hash_is_free(now);
    }

    /// An item where a locator should be.
    pub(super) fn locator(&mut self, now: Time, tag: u64, item: &Item) {
        let check =
            Check::at(now.unix).tolerance(self.settings.tolerance.as_secs()).network(self.settings.network);
        let Some(UnderWay { errand: Errand::Resolve { key, best }, .. }) = self.errands.all.get_mut(&tag)
        else {
            return;
        };
        if best.is_some_and(|best| best >= item.seq) {
            return;
        }
        let sound = std::str::from_utf8(&item.value).ok().and_then(|text| UnlV3::decode(text).ok());
        let Some(locator) = sound.filter(|unl| unl.identity() == key && unl.check(&check).is_ok()) else {
            return;
        };
        *best = Some(item.seq);
        self.tell(Happening::Located { tag, locator: Box::new(locator), seq: item.seq });
    }

    pub(super) fn resolved(&mut self, tag: u64) {
        if let Some(UnderWay { errand: Errand::Resolve { best, .. }, .. }) = self.errands.all.get(&tag) {
            let outcome = best.map(|_| ()).ok_or(Fault::NotFound);
            self.done(tag, outcome);
        }
    }

    pub(super) fn errand_post<T>(&mut self, tag: u64, then: impl FnOnce(&mut Post) -> T) -> T
    where
        T: Default,
    {
        match self.errands.all.get_mut(&tag).map(|it| &mut it.errand) {
            Some(Errand::Send(post)) => then(post),
            _ => T::default(),
        }
    }

    /// An item where a receiver's mailbox should be.
    pub(super) fn mailbox(&mut self, now: Time, tag: u64, item: &Item) {
        let network = self.settings.network;
        if let Some(mailbox) = Mailbox::decode(&item.value).filter(|it| it.network == network) {
            self.errand_post(tag, |post| post.mailbox(now.at, item.seq, mailbox));
        }
    }

    /// All have answered who know the receiver's mailbox.
    pub(super) fn mailbox_known(&mut self, now: Time, tag: u64) {
        if self.errand_post(tag, |post| matches!(post.stage, Stage::Asking { .. })) {
            self.decide(now, tag);
        }
    }

    /// All have answered who know this slot.
    pub(super) fn slot_known(&mut self, now: Time, tag: u64, slot: u8) {
        let is_last = self.errand_post(tag, |post| {
            post.looked(slot);
            matches!(&post.stage, Stage::Looking { open, .. } if open.is_empty())
        });
        if is_last {
            self.decide(now, tag);
        }
    }

    /// Goes on with what is known now.
    fn decide(&mut self, now: Time, tag: u64) {
        let next = self.errand_post(tag, |post| match &post.stage {
            Stage::Asking { best, .. } => Some(best.map(|(_, mailbox)| mailbox)),
            Stage::Looking { .. } | Stage::Writing { .. } => None,
        });
        match next {
            Some(None) => self.done(tag, Err(Fault::NoMailbox)),
            Some(Some(mailbox)) => {
                let to = self.errand_post(tag, |post| Some(post.to));
                let slots = self.errand_post(tag, |post| post.look(now.at, mailbox));
                for slot in slots {
                    let Some(to) = to else { return };
                    let key = mailbox.slot(&to, slot).public();
                    self.ask(Purpose::Look(tag, slot), Query::Get { key, salt: Vec::new() });
                }
            }
            None => self.put_letter(tag),
        }
    }

    /// Writes into the next slot.
    fn put_letter(&mut self, tag: u64) {
        let Some(ephemeral) = (self.random)() else { return self.done(tag, Err(Fault::NoRandom)) };
        let (identity, rng) = (&self.identity, &mut self.rng);
        let Some(UnderWay { errand: Errand::Send(post), .. }) = self.errands.all.get_mut(&tag) else {
            return;
        };
        let Some((mailbox, slot, seq)) = post.choose(rng) else {
            return self.done(tag, Err(Fault::Blocked));
        };
        let sealed = seal(identity, &post.to, &mailbox, slot, &ephemeral, &post.token, &post.message);
        let item = match sealed {
            Ok(value) => Item::sign(&mailbox.slot(&post.to, slot), &[], seq, &value),
            Err(why) => return self.done(tag, Err(Fault::Seal(why))),
        };
        let Some(item) = item else { return self.done(tag, Err(Fault::Seal(SealError::Size))) };
        post.writing(mailbox, slot);
        self.ask(Purpose::Write(tag), Query::Put { item: Box::new(item) });
    }

    /// What became of it.
    pub(super) fn written(&mut self, now: Time, tag: u64, outcome: Result<(), QueryError>) {
        match outcome {
            Ok(()) => {
                self.be_eager(now);
                self.done(tag, Ok(()));
            }
            Err(QueryError::Older) => self.put_letter(tag),
            Err(QueryError::Failed(why)) => self.done(tag, Err(Fault::Failed(why))),
        }
    }
}
