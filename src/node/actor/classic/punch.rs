//! Fights: those that we challenge to, those that we are challenged to, and the channel by which we hear of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::super::{Actor, Msg};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::event::Via;
use crate::node::conn::Conn;
use crate::node::log::log;
use crate::node::punch::{BeginFight, FightInbox, Fought, Ways, run_fight};
use crate::node::simultaneous::{Happening, Order, run};
use crate::node::table::{Entry, State};
use crate::os::sock::{self, KeepAlive};
use crate::proto::conn_id::Nonce;
use crate::proto::connect::classic::AttemptId;
use crate::proto::punch::fight::FightSetup;
use crate::proto::punch::{Failure, Reason, Side};

/// A fight with this error may end differently when it is fought again.
pub(super) const AGAIN: Code = Code::NoPath;

/// The channel's orders. Dropped, it ends.
pub(super) struct Channel {
    orders: mpsc::UnboundedSender<Order>,
    task: tokio::task::AbortHandle,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a fight is begun with, but for the time: that is looked at when it begins.
#[derive(Clone)]
struct Corner {
    ours: Side,
    peer_ip: IpAddr,
    own: Vec<IpAddr>,
    allow_inside: bool,
    clock_offset_us: i64,
    seed: u64,
}

impl Corner {
    fn setup(&self) -> FightSetup {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        FightSetup {
            ours: self.ours,
            peer_ip: self.peer_ip,
            own: self.own.clone(),
            allow_inside: self.allow_inside,
            clock: (Instant::now(), system + self.clock_offset_us as f64 / 1e6),
            seed: self.seed,
        }
    }
}

impl Actor {
    fn corner(&self, peer: IpAddr) -> Corner {
        let us = self.us();
        let listen = self.own.listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
        Corner {
            ours: self.side(),
            peer_ip: peer,
            own: listen.chain(self.own.lan_ip).collect(),
            allow_inside: us.allows_inside(peer),
            clock_offset_us: self.at.clock_offset_us().unwrap_or(0),
            seed: Some(self.shared.config.seed)
                .filter(|seed| *seed != 0)
                .unwrap_or_else(|| fastrand::u64(..)),
        }
    }

    fn punch_ways(&self) -> Ways {
        let servers = self.shared.config.rendezvous().map(str::to_owned).collect();
        Ways { reach: self.reach.clone(), servers, budget: Arc::clone(&self.classic.budget) }
    }

    /// Challenges a node, at each server in turn until one knows it.
    pub(super) fn challenge(&mut self, attempt: AttemptId, peer: Ipv4Addr, nonce: Nonce) {
        if let Err(e) = self.has_outbound_place() {
            return self.not_begun(attempt, e);
        }
        let (id, peer) = (self.shared.new_id(), IpAddr::V4(peer));
        let (corner, ways) = (self.corner(peer), self.punch_ways());
        let (shared, keep_alive) = (Arc::clone(&self.shared), self.keep_alive());
        let task = self.spawn(async move {
            let mut met = Vec::new();
            let mut outcome = Err(Error::new(Code::NoServer, "no rendezvous server is configured"));
            for server in ways.servers.clone() {
                let (_nobody, inbox) = mpsc::channel::<FightInbox>(1);
                let begin = BeginFight::Challenge { server: server.clone(), nonce };
                let fought = run_fight(begin, corner.setup(), ways.clone(), inbox, |_| {}).await;
                let failed = fought.outcome.as_ref().err().copied();
                let Some(failure) = failed else {
                    outcome = won(fought, (id, false, nonce), keep_alive, &shared.config);
                    break;
                };
                met.push(format!("{server}: {failure}{}", errors(&fought)));
                outcome = Err(Error::new(code(failure), format!("punching to {peer}: {}", met.join("; "))));
                // Only what is the server's fault may be different at another one.
                if !matches!(failure.reason, Reason::Absent | Reason::NoLocalPort) {
                    break;
                }
            }
            Some(Msg::Opened { id, outcome })
        });
        self.classic.attempts.insert(id, (attempt, nonce));
        self.classic.challenges.insert(id);
        self.table.insert(id, Entry::new([peer], None, false, State::Opening(task.into())));
    }

    /// Something has come by the channel.
    pub(in crate::node::actor) fn channel(&mut self, happening: Happening) {
        match happening {
            Happening::Note(text) => log!(self.shared, Info, "rendezvous: {text}"),
            Happening::Challenged { link, ip, ports } => self.challenged(link, ip, ports),
        }
    }

    /// Somebody wants to punch to us.
    fn challenged(&mut self, link: u64, ip: IpAddr, ports: Vec<u16>) {
        let Some(channel) = &self.classic.channel else { return };
        let (orders, fighting) = (channel.orders.clone(), self.classic.challenged.len());
        let free = self.table.taken(true) < self.shared.config.max_inbound && self.shared.queue.has_room();
        if !free || fighting >= self.us().punches {
            log!(self.shared, Info, "{ip} wants to punch to us; there is no place for it now");
            let _ = orders.send(Order::Free { ip, fought: false });
            return;
        }
        log!(self.shared, Info, "{ip} wants to punch to us");
        let id = self.shared.new_id();
        let (corner, ways) = (self.corner(ip), self.punch_ways());
        let (shared, keep_alive) = (Arc::clone(&self.shared), self.keep_alive());
        let task = self.spawn(async move {
            let (_nobody, inbox) = mpsc::channel::<FightInbox>(1);
            // If the channel has ended, nobody waits for this line.
            let say = |line| drop(orders.send(Order::Say { link, line }));
            let fought = run_fight(BeginFight::Accept { ports }, corner.setup(), ways, inbox, say).await;
            let nonce = fought.nonce.as_deref().copied();
            let outcome = match (&fought.outcome, nonce) {
                (Err(failure), _) => {
                    let message = format!("{ip} wanted to punch to us: {failure}{}", errors(&fought));
                    Err(Error::new(code(*failure), message))
                }
                (Ok(_), None) => Err(Error::new(Code::Protocol, format!("{ip} has sent no nonce"))),
                (Ok(_), Some(nonce)) => won(fought, (id, true, nonce), keep_alive, &shared.config),
            };
            Some(Msg::Opened { id, outcome })
        });
        self.classic.challenged.insert(id, ip);
        self.table.insert(id, Entry::new([ip], None, true, State::Opening(task.into())));
    }

    /// An entry that may have been a fight is none any more.
    pub(super) fn fight_ended(&mut self, id: u64) {
        self.classic.challenges.remove(&id);
        if let Some(ip) = self.classic.challenged.remove(&id) {
            self.order_channel(Order::Free { ip, fought: true });
        }
    }

    pub(in crate::node::actor) fn order_channel(&self, order: Order) {
        if let Some(channel) = &self.classic.channel {
            // It ends only with the net.
            let _ = channel.orders.send(order);
        }
    }

    /// Sees to it that the channel is there if it is wanted.
    pub(super) fn keep_channel(&mut self) {
        let wanted = self.takes_challenges();
        if wanted == self.classic.channel.is_some() {
            return;
        }
        if !wanted {
            self.classic.channel = None;
            return;
        }
        let (orders, taken) = mpsc::unbounded_channel();
        let servers = self.shared.config.rendezvous().map(str::to_owned).collect();
        let seed =
            Some(self.shared.config.seed).filter(|seed| *seed != 0).unwrap_or_else(|| fastrand::u64(..));
        let (reach, report) = (self.reach.clone(), self.report.clone());
        let task = self.spawn(async move {
            run(servers, seed, reach, taken, move |happening| drop(report.send(Msg::Channel(happening))))
                .await;
            None
        });
        self.classic.channel = Some(Channel { orders, task });
    }
}

/// The connection that a fight was won with.
fn won(
    fought: Fought,
    (id, inbound, nonce): (u64, bool, Nonce),
    keep_alive: KeepAlive,
    config: &Config,
) -> Result<Arc<Conn>> {
    let lost = |failure: Failure| Error::new(code(failure), failure.to_string());
    let (stream, peer): (TcpStream, SocketAddr) = fought.outcome.map_err(lost)?;
    sock::prepare(&stream, keep_alive)
        .map_err(|e| Error::io(format_args!("preparing the connection to {peer}"), &e))?;
    let mut conn = Conn::new(id, Via::Punch, peer, stream, config);
    conn.inbound = inbound;
    conn.set_nonce(Some(nonce));
    Ok(Arc::new(conn))
}

/// What kind of failure that is; [`AGAIN`] if another try may end differently.
fn code(failure: Failure) -> Code {
    match failure.reason {
        Reason::Unmet | Reason::Lost | Reason::Silent => AGAIN,
        Reason::Absent | Reason::NoLocalPort | Reason::NoOutsidePort => Code::NoServer,
        Reason::Budget => Code::Limit,
        Reason::Cancelled => Code::Canceled,
        _ => Code::Unsupported,
    }
}

/// The errors that were met, in brackets.
fn errors(fought: &Fought) -> String {
    if fought.errors.is_empty() {
        return String::new();
    }
    let each =
        |(errno, times): (&i32, &u32)| format!("{} x {}", times, std::io::Error::from_raw_os_error(*errno));
    format!(" ({})", fought.errors.iter().map(each).collect::<Vec<_>>().join(", "))
}
