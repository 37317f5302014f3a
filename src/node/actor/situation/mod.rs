//! The node's situation: carries out what [`crate::proto::situation`] wants to know, and tells the program what came of it.
//!
//! Here is what is known and what is done about it; `ask` has the questions, `answer` what comes back, `tell` what the
//! program hears of it.

mod answer;
mod ask;
mod tell;

use std::net::IpAddr;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use self::ask::{means, own_v6};
use self::tell::summary;
use super::Actor;
use crate::boxed::boxed;
use crate::config::NodeType;
use crate::error::{Code, Error, Result};
use crate::event::Kind;
use crate::node::log::log;
use crate::node::measure::{self, Knocked, Probed};
use crate::os;
use crate::portmap::{Happening, Order};
use crate::proto::clock_sync::NetClock;
use crate::proto::nat::report::NatReport;
use crate::proto::situation::{Action, Door, Granted, Same, Situation};
use crate::proto::upkeep::Chore;
use crate::queue::{Item, Notice};
use crate::report::node_type_name;
use crate::small::SmallMap;

/// Changes of the network that come sooner after one another than this are looked at together.
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);

/// What is known beyond the state machine, and what is under way.
pub(super) struct Standpoint {
    machine: Situation,
    /// Goes up when the network changes: answers about an earlier one are dropped.
    network: u32,
    /// Our address on the IPv6 internet.
    lan_ip6: Option<IpAddr>,
    /// The NAT as measured last.
    pub(in super::super) probed: Option<Probed>,
    granted: Option<Granted>,
    clock_offset_us: Option<i64>,
    /// When the last change was looked at, and when the next one is to be.
    changed: Option<Instant>,
    change_due: Option<Instant>,
    /// What asks about this network.
    tasks: Vec<AbortHandle>,
    /// The last question for each door; the answer to an earlier one is about something else by now.
    knocks: SmallMap<Door, u64>,
    mapper: Option<Mapper>,
    /// Mappers that are taking down what they have opened.
    leaving: Vec<Mapper>,
    /// For what may hang in the system.
    places: measure::Places,
    /// Requests to be listed, waiting for the node to know whether it can be.
    advertise: Vec<u64>,
}

/// Where a mapper takes its orders; it has ended when that is closed.
#[derive(Clone)]
struct Mapper {
    number: u64,
    orders: UnboundedSender<Order>,
}

impl Standpoint {
    /// When [`Actor::situation_due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.machine.deadline(), self.change_due].into_iter().flatten().min()
    }

    /// The NAT as measured last, if it was in this network.
    pub(super) fn nat(&self) -> Option<&NatReport> {
        self.probed.as_ref().filter(|_| self.machine.is_nat_known()).map(|probed| &probed.report)
    }

    /// Whether it is still being found out how others reach this node.
    pub(super) fn is_deciding(&self) -> bool {
        self.machine.is_deciding()
    }

    /// True time minus the system's clock, if it is known.
    pub(super) fn clock_offset_us(&self) -> Option<i64> {
        self.clock_offset_us
    }

    /// Gives up a request to be listed that is still waiting. Whether it was.
    pub(super) fn forget_advertise(&mut self, request: u64) -> bool {
        let before = self.advertise.len();
        self.advertise.retain(|r| *r != request);
        self.advertise.len() < before
    }
}

/// What a task of this part reports.
pub(crate) enum Found {
    Nat { network: u32, since: Instant, outcome: Result<Probed> },
    Port { mapper: u64, happening: Happening },
    Knock { number: u64, since: Instant, door: Door, port: u16, outcome: Result<Knocked> },
    Hairpin { network: u32, since: Instant, works: Option<bool> },
    Clock { since: Instant, outcome: Result<NetClock> },
    NetworkChanged,
}

impl Actor {
    pub(super) fn standpoint(shared: &crate::node::shared::Shared, bound: Option<IpAddr>) -> Standpoint {
        let port = shared.info.lock().passive_port;
        Standpoint {
            machine: Situation::begin(means(shared, bound), port, Instant::now()),
            network: 0,
            lan_ip6: own_v6(&shared.config, bound),
            probed: None,
            granted: None,
            clock_offset_us: None,
            changed: None,
            change_due: None,
            tasks: Vec::new(),
            knocks: SmallMap::new(),
            mapper: None,
            leaving: Vec::new(),
            places: measure::Places::default(),
            advertise: Vec::new(),
        }
    }

    /// The first questions of the net's life.
    pub(super) fn begin_situation(&mut self) {
        *self.shared.info.lock() = self.info_now();
        self.ask_the_time();
        if self.shared.config.network_monitor {
            self.watch_network();
        }
        self.act();
    }

    /// The program says, or the system does, that the network is another one. However often they do: it is looked at
    /// at once, and then not again for a while.
    pub(super) fn network_changed(&mut self) {
        let now = Instant::now();
        // What is said from here on is another change.
        self.shared.change_waits.store(false, SeqCst);
        self.secure_network_changed();
        match self.at.changed.map(|last| last + BETWEEN_CHANGES).filter(|t| *t > now) {
            Some(later) => self.at.change_due = Some(later),
            None => self.look_again(now),
        }
    }

    fn look_again(&mut self, now: Instant) {
        (self.at.changed, self.at.change_due) = (Some(now), None);
        self.at.network += 1;
        for task in self.at.tasks.drain(..) {
            task.abort();
        }
        self.shared.step("network", Instant::now(), true, "the network has changed; looking again".into());
        log!(self.shared, Info, "the network has changed; looking again");
        self.order_dht(crate::dht::Order::NetworkChanged);
        self.order_signal(crate::node::signal::Order::NetworkChanged);
        self.order_channel(crate::node::simultaneous::Order::NetworkChanged);
        self.mainline_network_changed();
        let bound = self.reach.bound;
        let lan_ip = bound.or_else(os::iface::lan_ip);
        let lan_ip6 = own_v6(&self.shared.config, bound);
        let same = Same { v4: self.own.lan_ip == lan_ip, v6: self.at.lan_ip6 == lan_ip6 };
        (self.own.lan_ip, self.at.lan_ip6) = (lan_ip, lan_ip6);
        self.at.machine.renew(means(&self.shared, bound), same, now);
        if self.at.clock_offset_us.is_none() {
            self.ask_the_time();
        }
        self.act();
    }

    /// Does what the state machine wants done.
    pub(super) fn act(&mut self) {
        while let Some(action) = self.at.machine.next_action() {
            match action {
                Action::Probe => self.probe(),
                Action::Map => self.map(),
                Action::Remap => self.order(Order::Dead { pinhole: false }),
                Action::Unmap => {
                    self.at.granted = None;
                    self.order(Order::Remove);
                    self.at.leaving.extend(self.at.mapper.take());
                }
                Action::Check(door) => self.knock(door),
                Action::Hairpin => self.hairpin(),
                Action::Ready => self.ready(),
            }
        }
        self.publish();
        if !self.at.advertise.is_empty() && (self.is_passive() || !self.at.machine.is_deciding()) {
            for request in std::mem::take(&mut self.at.advertise) {
                self.advertise(request);
            }
        }
    }

    fn ready(&mut self) {
        self.publish();
        self.shared.ready.store(true, Relaxed);
        if self.shared.config.volunteers() {
            // If it is of no use, that can be told now.
            self.secure_refresh();
        }
        let text = summary(&self.shared.info.lock());
        self.shared
            .queue
            .push(Item::Notice(Box::new(Notice { text, ..self.shared.queue.notice(Kind::Ready) })));
    }

    /// Being listed makes sense only for a node that others reach.
    pub(super) fn advertise(&mut self, request: u64) {
        match self.at.machine.standing().node_type {
            NodeType::Passive if self.shared.config.rendezvous().next().is_none() => {
                self.announce_for(request)
            }
            NodeType::Passive => self.begin(Chore::Advertise, request),
            _ if self.at.machine.is_deciding() => self.at.advertise.push(request),
            other => {
                let other = node_type_name(other);
                let message = format!(
                    "only a passive node can be listed, and this one is {other}: nobody outside has reached its port \
                     (p2p_net_report tells what was tried; set node_type to P2P_NODE_PASSIVE if you know better)"
                );
                self.shared.done(request, Error::new(Code::State, message).into());
            }
        }
    }

    /// Whether others can reach this node, as far as is known.
    pub(super) fn is_passive(&self) -> bool {
        self.at.machine.standing().node_type == NodeType::Passive
    }

    /// The net stops: what was opened on routers is closed. The task that is returned ends when that is done.
    pub(super) fn end_situation(&mut self) -> tokio::task::JoinHandle<()> {
        for request in std::mem::take(&mut self.at.advertise) {
            self.shared.done(request, Error::new(Code::Canceled, "the net was stopped").into());
        }
        self.order(Order::Remove);
        let mut mappers = std::mem::take(&mut self.at.leaving);
        mappers.extend(self.at.mapper.take());
        tokio::spawn(boxed(async move {
            for mapper in mappers {
                mapper.orders.closed().await;
            }
        }))
    }

    /// Does what has become due.
    pub(super) fn situation_due(&mut self, now: Instant) {
        if self.at.change_due.is_some_and(|t| t <= now) {
            self.look_again(now);
        }
        if self.at.machine.deadline().is_some_and(|t| t <= now) {
            self.at.machine.timeout(now);
            self.act();
        }
    }
}
