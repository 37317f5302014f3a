//! The state machine: queries and answers. What it asks by itself is in `duties`, what it is asked for in `errands`.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use super::duties::{Duties, What};
use super::errands::Errands;
use super::item::Item;
use super::settings::{Fault, Happening, Job, MayVisit, Output, Query, QueryError, Random, Settings, Time};
use crate::proto::identity::{Identity, PublicKey};

/// Items of one query that are looked at. A signature takes 0.1 ms.
const ITEMS: usize = 48;

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Writing something of ours.
    Publish(What),
    /// Finding out the number of what is there of ours.
    Newest(What),
    /// Announcing our address.
    Announce,
    /// Looking into our own mailbox: generation and slot.
    Slot(u64, u8),
    /// Finding nodes of the network, for all who want them.
    Nodes,
    /// Looking up a locator.
    Resolve(u64),
    /// Looking up the mailbox of a message's receiver.
    Mailbox(u64),
    /// Looking into a slot of it.
    Look(u64, u8),
    /// Writing into it.
    Write(u64),
}

#[derive(Debug)]
struct Asked {
    purpose: Purpose,
    /// Of whom items are expected, and their salt.
    of: Option<(PublicKey, Vec<u8>)>,
    items: usize,
}

/// How a node uses the DHT, without the sockets. Nothing is asked before [`Mainline::online`].
pub struct Mainline {
    pub(super) settings: Settings,
    pub(super) identity: Arc<Identity>,
    pub(super) random: Random,
    pub(super) rng: fastrand::Rng,
    pub(super) may_visit: MayVisit,
    pub(super) online: bool,
    pub(super) stopped: bool,
    pub(super) duties: Duties,
    pub(super) errands: Errands,
    asked: BTreeMap<Job, Asked>,
    next_job: Job,
    outputs: VecDeque<Output>,
}

impl std::fmt::Debug for Mainline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.online { "online" } else { "offline" };
        write!(f, "Mainline({state}, {} queries under way)", self.asked.len())
    }
}

impl Mainline {
    /// Begins, offline. `seed` decides about choices that are no secrets.
    pub fn new(
        settings: Settings,
        identity: Arc<Identity>,
        may_visit: MayVisit,
        random: Random,
        seed: u64,
    ) -> Mainline {
        Mainline {
            duties: Duties::new(&settings, identity.public()),
            errands: Errands::default(),
            rng: fastrand::Rng::with_seed(seed),
            settings,
            identity,
            random,
            may_visit,
            online: false,
            stopped: false,
            asked: BTreeMap::new(),
            next_job: 1,
            outputs: VecDeque::new(),
        }
    }

    /// The DHT can be asked, at this UDP address. All that is to be published is published now.
    pub fn online(&mut self, now: Time, udp: SocketAddr) {
        if self.stopped {
            return;
        }
        self.asked.clear();
        self.restart_errands();
        self.online = true;
        self.tell(Happening::Online { udp });
        self.renew_duties(now);
        self.on_timeout(now);
    }

    /// It cannot be asked any more. What was under way is begun again when it can, if it has not taken too long by then.
    pub fn offline(&mut self, why: String) {
        self.asked.clear();
        self.online = false;
        self.pause_duties();
        self.restart_errands();
        self.tell(Happening::Offline { why });
    }

    /// Where our queries come from, as nodes of the DHT say.
    pub fn outside(&mut self, ip: IpAddr) {
        if self.duties.outside != Some(ip) {
            self.duties.outside = Some(ip);
            self.tell(Happening::Outside { ip });
        }
    }

    /// Ends all: nothing is asked any more.
    pub fn leave(&mut self) {
        self.stopped = true;
        self.online = false;
        self.asked.clear();
        self.pause_duties();
        self.end_errands(&Fault::Stopped);
    }

    /// An item came. It is believed only if its key has signed it and is the one that was asked for.
    pub fn item(&mut self, now: Time, job: Job, item: &Item) {
        let Some(asked) = self.asked.get_mut(&job) else { return };
        let is_wanted = asked.of.as_ref().is_some_and(|(key, salt)| *key == item.key && *salt == item.salt);
        if !is_wanted || asked.items >= ITEMS {
            return;
        }
        asked.items += 1;
        let purpose = asked.purpose;
        if !item.verify() {
            return;
        }
        match purpose {
            Purpose::Newest(what) => self.newest(now, what, item.seq),
            Purpose::Slot(generation, slot) => self.letter(now, generation, slot, item),
            Purpose::Resolve(tag) => self.locator(now, tag, item),
            Purpose::Mailbox(tag) => self.mailbox(now, tag, item),
            Purpose::Look(tag, slot) => self.errand_post(tag, |post| post.seen(slot, item.seq)),
            Purpose::Publish(_) | Purpose::Announce | Purpose::Nodes | Purpose::Write(_) => {}
        }
    }

    /// Addresses came, all from one node of the DHT.
    pub fn peers(&mut self, job: Job, addrs: &[SocketAddrV4]) {
        if self.asked.get(&job).is_some_and(|asked| asked.purpose == Purpose::Nodes) {
            self.found(addrs);
        }
    }

    /// A query is over.
    pub fn finished(&mut self, now: Time, job: Job, outcome: Result<(), QueryError>) {
        let Some(asked) = self.asked.remove(&job) else { return };
        match asked.purpose {
            Purpose::Publish(what) => self.published(now, what, job, &outcome),
            Purpose::Newest(_) => {}
            Purpose::Announce => self.announced(now, &outcome),
            Purpose::Slot(generation, slot) => self.slot_looked(generation, slot),
            Purpose::Nodes => self.nodes_found(now, &outcome),
            Purpose::Resolve(tag) => self.resolved(tag),
            Purpose::Mailbox(tag) => self.mailbox_known(now, tag),
            Purpose::Look(tag, slot) => self.slot_known(now, tag, slot),
            Purpose::Write(tag) => self.written(now, tag, outcome),
        }
        self.on_timeout(now);
    }

    /// When time alone has something to be done.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let duties = self.duties.poll_timeout().filter(|_| self.online);
        duties.into_iter().chain(self.errands.poll_timeout()).min()
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Time) {
        if self.stopped {
            return;
        }
        self.errands_due(now);
        if self.online {
            self.duties_due(now);
        }
    }

    /// What to do next, until there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn tell(&mut self, happening: Happening) {
        self.outputs.push_back(Output::Happening(happening));
    }

    pub(super) fn ask(&mut self, purpose: Purpose, query: Query) -> Job {
        let job = self.next_job;
        self.next_job += 1;
        let of = match &query {
            Query::Get { key, salt } => Some((*key, salt.clone())),
            Query::Put { .. } | Query::Peers { .. } | Query::Announce { .. } => None,
        };
        self.asked.insert(job, Asked { purpose, of, items: 0 });
        self.outputs.push_back(Output::Query { job, query });
        job
    }

    /// The name that the next query will have.
    pub(super) fn next_job(&self) -> Job {
        self.next_job
    }

    pub(super) fn is_asking(&self, wanted: impl Fn(Purpose) -> bool) -> bool {
        self.asked.values().any(|asked| wanted(asked.purpose))
    }
}
