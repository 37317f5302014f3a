//! What a node does in the DHT by itself: it keeps its locator and its mailbox published and its address announced, and
//! looks into its mailbox.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::engine::{Mainline, Purpose};
use super::inbox::{Inbox, Judged};
use super::item::Item;
use super::names::{locator_salt, mailbox_salt};
use super::publication::Publication;
use super::settings::{Happening, Job, Query, QueryError, Settings, Time};
use crate::proto::identity::PublicKey;
use crate::proto::unl::UnlV3;

/// After an announcement that failed.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(30);
/// Random numbers that were not to be had may be there later.
const NO_RANDOM: Duration = Duration::from_secs(60);

/// What is kept published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Locator,
    Mailbox,
}

#[derive(Debug)]
pub(super) struct Duties {
    locator: Publication,
    mailbox: Publication,
    inbox: Option<Inbox>,
    /// When to look into the mailbox.
    poll: Option<Instant>,
    eager_until: Option<Instant>,
    /// When to tell that the locator runs out, and when it does.
    renew: Option<(Instant, u64)>,
    port: Option<u16>,
    announce: Option<Instant>,
    /// It is to be announced as soon as the look-up for nodes is over.
    announce_next: bool,
    own: Vec<SocketAddr>,
    pub(super) outside: Option<IpAddr>,
}

impl Duties {
    pub(super) fn new(settings: &Settings, owner: PublicKey) -> Duties {
        let publication = |salt| Publication::new(salt, settings.republish, settings.gap);
        Duties {
            locator: publication(locator_salt(settings.network)),
            mailbox: publication(mailbox_salt(settings.network)),
            inbox: (settings.slots > 0).then(|| Inbox::new(owner, settings)),
            poll: None,
            eager_until: None,
            renew: None,
            port: None,
            announce: None,
            announce_next: false,
            own: Vec::new(),
            outside: None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let published = [self.locator.poll_timeout(), self.mailbox.poll_timeout()];
        let rest = [self.poll, self.renew.map(|(at, _)| at), self.announce];
        published.into_iter().chain(rest).flatten().min()
    }

    /// Whether an address is one of ours.
    pub(super) fn is_own(&self, addr: SocketAddr) -> bool {
        self.own.contains(&addr) || (self.outside == Some(addr.ip()) && self.port == Some(addr.port()))
    }

    fn publication(&mut self, what: What) -> &mut Publication {
        match what {
            What::Locator => &mut self.locator,
            What::Mailbox => &mut self.mailbox,
        }
    }
}

impl Mainline {
    /// From now on this is the node's locator. It has to be its own.
    pub fn publish(&mut self, now: Time, locator: &UnlV3) {
        if self.stopped || *locator.identity() != self.identity.public() {
            return;
        }
        let expires = locator.record().expires;
        self.duties.renew = expires.filter(|end| *end > now.unix).map(|end| {
            let half = Duration::from_secs((end - now.unix) / 2);
            (now.at.checked_add(half).unwrap_or(now.at), end)
        });
        self.duties.locator.set(now, locator.text().as_bytes().to_vec(), expires);
        self.on_timeout(now);
    }

    /// The node's locator is not known for now: the one before is not written again.
    pub fn withhold(&mut self) {
        self.duties.renew = None;
        self.duties.locator.clear();
    }

    /// Others of the network can reach us at this port of our outside address, or (`None`) cannot. `own` are addresses
    /// under which we must not find ourselves.
    pub fn announce(&mut self, now: Time, port: Option<u16>, own: Vec<SocketAddr>) {
        if self.stopped {
            return;
        }
        let is_new = self.duties.port != port;
        (self.duties.port, self.duties.own) = (port, own);
        if is_new {
            self.duties.announce = port.map(|_| now.at);
        }
        self.on_timeout(now);
    }

    /// Answers are likely: look into the mailbox often for a while.
    pub(super) fn be_eager(&mut self, now: Time) {
        self.duties.eager_until = Some(now.at + self.settings.eager_for);
        if let Some(poll) = &mut self.duties.poll {
            *poll = (*poll).min(now.at + self.settings.eager_poll);
        }
    }

    pub(super) fn renew_duties(&mut self, now: Time) {
        self.duties.locator.renew(now);
        self.duties.mailbox.renew(now);
        self.duties.announce = self.duties.port.map(|_| now.at);
        self.duties.poll = self.duties.inbox.as_ref().map(|_| now.at);
        if let Some(inbox) = &mut self.duties.inbox {
            inbox.give_up();
        }
    }

    pub(super) fn pause_duties(&mut self) {
        self.duties.locator.pause();
        self.duties.mailbox.pause();
        (self.duties.announce, self.duties.poll) = (None, None);
    }

    pub(super) fn duties_due(&mut self, now: Time) {
        if let Some((at, expires)) = self.duties.renew
            && at <= now.at
        {
            self.duties.renew = None;
            self.tell(Happening::Renew { expires });
        }
        if self.duties.poll.is_some_and(|at| at <= now.at) {
            self.look(now);
        }
        self.write(now, What::Locator);
        self.write(now, What::Mailbox);
        // One hash, one query at a time: the answers to different questions about one hash would mix.
        if let Some(port) = self.duties.port
            && self.duties.announce.is_some_and(|at| at <= now.at)
        {
            self.duties.announce = None;
            if self.is_asking(|purpose| matches!(purpose, Purpose::Announce | Purpose::Nodes)) {
                self.duties.announce_next = true;
            } else {
                let hash = self.settings.nodes();
                self.ask(Purpose::Announce, Query::Announce { hash, port });
            }
        }
    }

    fn write(&mut self, now: Time, what: What) {
        let job = self.next_job();
        let publication = self.duties.publication(what);
        let Some((value, seq)) = publication.write(now, job) else { return };
        let salt = publication.salt.clone();
        // Both kinds of values are shorter than what the DHT takes.
        if let Some(item) = Item::sign(&self.identity, &salt, seq, &value) {
            self.ask(Purpose::Publish(what), Query::Put { item: Box::new(item) });
        }
    }

    pub(super) fn published(&mut self, now: Time, what: What, job: Job, outcome: &Result<(), QueryError>) {
        let publication = self.duties.publication(what);
        let is_outdated = publication.finished(now, job, outcome);
        let salt = publication.salt.clone();
        if is_outdated {
            let key = self.identity.public();
            self.ask(Purpose::Newest(what), Query::Get { key, salt });
        }
        match (outcome, what) {
            (Ok(()), What::Locator) => self.tell(Happening::Published),
            (Ok(()), What::Mailbox) => self.tell(Happening::MailboxOpen),
            (Err(why), _) => {
                let what = if what == What::Locator { "the locator" } else { "the mailbox" };
                self.tell(Happening::Trouble(format!("publishing {what} in the DHT: {why}")));
            }
        }
    }

    pub(super) fn newest(&mut self, now: Time, what: What, seq: i64) {
        self.duties.publication(what).found(now, seq);
        self.on_timeout(now);
    }

    pub(super) fn announced(&mut self, now: Time, outcome: &Result<(), QueryError>) {
        let next = match outcome {
            Ok(()) => {
                self.tell(Happening::Announced);
                self.settings.announce
            }
            Err(why) => {
                self.tell(Happening::Trouble(format!("announcing our address in the DHT: {why}")));
                ANNOUNCE_AGAIN
            }
        };
        self.duties.announce = self.duties.port.map(|_| now.at + next);
        self.hash_is_free(now);
    }

    /// A query about the network's hash is over.
    pub(super) fn hash_is_free(&mut self, now: Time) {
        if std::mem::take(&mut self.duties.announce_next) {
            self.duties.announce = self.duties.port.map(|_| now.at);
        }
    }

    /// Looks into the mailbox; first makes a new one if it is time for that.
    fn look(&mut self, now: Time) {
        let Some(inbox) = &mut self.duties.inbox else { return };
        if inbox.wants_rotation(now.at) {
            let made = (self.random)().and_then(|secret| inbox.rotate(now.at, &secret));
            let Some(mailbox) = made else {
                self.duties.poll = Some(now.at + NO_RANDOM);
                return self.tell(Happening::Trouble(
                    "opening a mailbox in the DHT: the system has no random numbers".to_owned(),
                ));
            };
            self.duties.mailbox.set(now, mailbox.encode().to_vec(), None);
            // Nobody knows it yet; the one before is looked into the next time.
            self.duties.poll = Some(now.at + self.settings.eager_poll);
            return;
        }
        let looks = inbox.look(now.at);
        for (generation, slot, key) in looks {
            self.ask(Purpose::Slot(generation, slot), Query::Get { key, salt: Vec::new() });
        }
        let is_eager = self.duties.eager_until.is_some_and(|until| until > now.at);
        let pause = if is_eager { self.settings.eager_poll } else { self.settings.poll };
        self.duties.poll = Some(now.at + pause);
    }

    pub(super) fn letter(&mut self, now: Time, generation: u64, slot: u8, item: &Item) {
        let Some(inbox) = &mut self.duties.inbox else { return };
        match inbox.judge(now.at, generation, slot, item.seq, &item.value) {
            Judged::New(letter) => {
                let (from, token, message) = (letter.from, letter.token, letter.message);
                self.tell(Happening::Message { from, token, message });
            }
            Judged::Again | Judged::Junk | Judged::TooMany => {}
        }
    }

    pub(super) fn slot_looked(&mut self, generation: u64, slot: u8) {
        if let Some(inbox) = &mut self.duties.inbox {
            inbox.looked(generation, slot);
        }
    }
}
