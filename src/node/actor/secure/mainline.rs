//! BitTorrent's DHT: starts its task, tells it what the node is, gives it what the connector asks. `heard` sorts what
//! comes back.
//!
//! ```text
//!   own: locator, port ── Publish, Announce ─▶ ┌───────────────┐ ── Found ────────────▶ candidates to dial
//!   connector ────── LookUp, Tell by letter ─▶ │ dht::mainline │ ── Located, Message ─▶ connector
//!   bootstrap, advertise ─────────── Find ───▶ └───────────────┘ ── Trouble, Online ──▶ log
//! ```
//!
//! Its place is taken by `no_mainline` in a build without the feature.

mod heard;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::super::Actor;
use crate::config::text::PUBLIC_MAINLINE;
use crate::config::{LETTERS, PUBLISH, ServerKind};
use crate::dht::mainline::{self, Config, Order, PUBLIC_BOOTSTRAP, Ways};
use crate::error::{Code, Error};
use crate::node::shared::Outcome;
use crate::proto::connect::Input;
use crate::proto::identity::PublicKey;
use crate::proto::mainline::{Fault, Settings};
use crate::proto::nat::scope::Scope;
use crate::proto::unl::UnlV3;
use heard::Find;

pub(in super::super) use crate::proto::mainline::Happening;

/// Orders that may wait for the task, and happenings for the actor.
const QUEUE: usize = 64;
/// What found no room among them is tried again then.
const AGAIN: Duration = Duration::from_secs(1);
/// Changes of the network that come sooner after one another are one: each costs nodes of the DHT a hundred datagrams.
const BETWEEN_CHANGES: Duration = Duration::from_secs(10);
/// How long a request to be announced waits for that.
const ANNOUNCING: Duration = Duration::from_secs(30);

/// The actor's end.
#[derive(Default)]
pub(super) struct Desk {
    orders: Option<mpsc::Sender<Order>>,
    happenings: Option<mpsc::Receiver<Happening>>,
    /// Our locator, if the DHT has not been given it; and what it was given.
    locator: Option<UnlV3>,
    published: Option<UnlV3>,
    /// What it was told of our port, and of our address from outside.
    place: Option<(Option<u16>, Option<IpAddr>)>,
    announced: bool,
    /// Requests that wait to be announced, and how long.
    waiting: Vec<(u64, Instant)>,
    finds: BTreeMap<u64, Find>,
    next_find: u64,
    /// An order has found no room: when to try again.
    again: Option<Instant>,
    changed: Option<Instant>,
    change_due: Option<Instant>,
    /// Where our queries come from, as nodes of the DHT say.
    outside: Option<IpAddr>,
    /// What was complained of last.
    trouble: Option<String>,
}

impl Desk {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        match self.happenings.as_mut().map(|rx| rx.poll_recv(cx)) {
            Some(Poll::Ready(Some(happening))) => Poll::Ready(happening),
            _ => Poll::Pending,
        }
    }

    /// When [`Actor::mainline_due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|(_, until)| *until);
        waiting.chain(self.again).chain(self.change_due).min()
    }

    /// Our locator as it is now.
    pub(super) fn set_locator(&mut self, locator: Option<&UnlV3>) {
        if self.orders.is_some()
            && let Some(locator) = locator
        {
            self.locator = Some(locator).filter(|new| self.published.as_ref() != Some(new)).cloned();
        }
    }

    fn order(&mut self, order: Order) -> bool {
        let taken = self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok());
        if !taken {
            self.again = Some(Instant::now() + AGAIN);
        }
        taken
    }
}

impl Actor {
    /// Takes part, if the configuration says so.
    pub(super) fn begin_mainline(&mut self) {
        let config = &self.shared.config;
        let (true, Ok(identity)) = (config.uses_mainline(), self.shared.identity()) else { return };
        let mut settings = Settings::new(config.network);
        settings.network_key = config.network_key.clone();
        settings.slots = if config.mainline & LETTERS == 0 { 0 } else { config.mainline_slots };
        settings.poll = config.mainline_poll;
        settings.eager_poll = settings.eager_poll.min(settings.poll);
        let mut bootstrap = Vec::new();
        for at in config.servers_of(ServerKind::Mainline) {
            match at {
                PUBLIC_MAINLINE => bootstrap.extend(PUBLIC_BOOTSTRAP.map(str::to_owned)),
                at => bootstrap.push(at.to_owned()),
            }
        }
        let bind = match self.reach.bound {
            Some(IpAddr::V4(ip)) => ip,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let (local, inside) = (config.local_peers, bind.is_loopback());
        let ways = Ways {
            resolver: self.reach.resolver.clone(),
            // Who only strangers name may be anywhere on the internet, and nowhere nearer.
            may_visit: Arc::new(move |at| match Scope::of(at.ip()) {
                Scope::Global => true,
                Scope::Loopback => local || inside,
                Scope::None => false,
                _ => local,
            }),
            random: mainline::system_random(),
            seed: if config.seed == 0 { fastrand::u64(..) } else { config.seed },
        };
        let config =
            Config { identity: Arc::clone(identity), settings, bootstrap, bind, port: 0, serve: false };
        let (orders, taken) = mpsc::channel(QUEUE);
        let (happened, happenings) = mpsc::channel(QUEUE);
        self.spawn(async move {
            mainline::run(config, ways, taken, happened).await;
            None
        });
        if let Some(secure) = &mut self.secure {
            (secure.mainline.orders, secure.mainline.happenings) = (Some(orders), Some(happenings));
        }
    }

    fn desk(&mut self) -> Option<&mut Desk> {
        self.secure.as_mut().map(|secure| &mut secure.mainline).filter(|desk| desk.orders.is_some())
    }

    /// Tells what has changed, and does what has become due.
    pub(in super::super) fn mainline_due(&mut self, now: Instant) {
        let settled = self.shared.ready.load(Relaxed) && !self.at.is_deciding();
        let place = self.place();
        let listen = &self.own.listen;
        let publishes = self.shared.config.mainline & PUBLISH != 0;
        let Some(desk) = self.secure.as_mut().map(|secure| &mut secure.mainline) else { return };
        if desk.orders.is_none() {
            return;
        }
        if desk.change_due.is_some_and(|at| at <= now) {
            return self.mainline_network_changed();
        }
        if desk.again.is_some_and(|at| at <= now) {
            desk.again = None;
        }
        if settled && desk.again.is_none() {
            if desk.place != Some(place) {
                let (port, outside) = place;
                let outside = outside.zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
                let own = listen.iter().copied().chain(outside).collect();
                if desk.order(Order::Announce { port, own }) {
                    (desk.place, desk.announced) = (Some(place), false);
                }
            }
            if publishes && let Some(locator) = desk.locator.take() {
                match desk.order(Order::Publish(Box::new(locator.clone()))) {
                    true => desk.published = Some(locator),
                    false => desk.locator = Some(locator),
                }
            }
        }
        let late: Vec<u64> =
            desk.waiting.iter().filter(|(_, until)| *until <= now).map(|(r, _)| *r).collect();
        desk.waiting.retain(|(_, until)| *until > now);
        for request in late {
            let message = format!(
                "BitTorrent's DHT has not taken our address within {} s; it is tried again",
                ANNOUNCING.as_secs()
            );
            self.shared.done(request, Error::new(Code::Timeout, message).into());
        }
    }

    /// The port to announce, if others reach this node by it, and the address from outside.
    fn place(&self) -> (Option<u16>, Option<IpAddr>) {
        let info = self.shared.info.lock();
        let port = if info.external_port == 0 { info.passive_port } else { info.external_port };
        let port = Some(port).filter(|_| self.shared.config.announces() && self.is_passive());
        (port, info.wan_ip)
    }

    /// The machine's network is another one. What the DHT has of us may be wrong now, so it is not told again.
    pub(in super::super) fn mainline_network_changed(&mut self) {
        let now = Instant::now();
        let Some(desk) = self.desk() else { return };
        if let Some(due) = desk.changed.map(|last| last + BETWEEN_CHANGES).filter(|due| *due > now) {
            desk.change_due = Some(due);
            return;
        }
        (desk.changed, desk.change_due) = (Some(now), None);
        let quiet = Order::Announce { port: None, own: Vec::new() };
        for order in [Order::Withhold, quiet, Order::NetworkChanged] {
            desk.order(order);
        }
        (desk.place, desk.announced, desk.outside) = (None, false, None);
        desk.locator = desk.locator.take().or(desk.published.take());
        desk.published = None;
    }

    /// Our address as the DHT sees it, where no server tells it.
    pub(in super::super) fn mainline_outside(&self) -> Option<IpAddr> {
        let outside = self.secure.as_ref()?.mainline.outside?;
        let alone = self.shared.config.rendezvous().next().is_none();
        Some(outside).filter(|ip| alone && Scope::of(*ip) == Scope::Global)
    }

    /// Where is that peer?
    pub(super) fn look_up(&mut self, tag: u64, peer: PublicKey) {
        self.ask_mainline(tag, Order::Resolve { tag, key: peer });
    }

    /// Leaves a letter for a peer.
    pub(super) fn leave_letter(&mut self, tag: u64, to: PublicKey, message: Vec<u8>) {
        self.ask_mainline(tag, Order::Send { tag, to, message });
    }

    fn ask_mainline(&mut self, tag: u64, order: Order) {
        if !self.desk().is_some_and(|desk| desk.order(order)) {
            self.secure_input(Input::Searched { tag, outcome: Err(Fault::TooMany.to_string()) });
        }
    }

    /// The program wants this node to be found.
    pub(in super::super) fn announce_for(&mut self, request: u64) {
        match self.desk() {
            Some(desk) if !desk.announced => desk.waiting.push((request, Instant::now() + ANNOUNCING)),
            _ => self.announced_for(request),
        }
    }

    fn announced_for(&self, request: u64) {
        self.shared.done(request, Outcome::ok(0, "announced in BitTorrent's DHT".to_owned()));
    }
}
