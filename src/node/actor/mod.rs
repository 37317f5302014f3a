//! The one owner of a net's state, on the runtime thread.
//!
//! It takes commands from the program and messages from its own tasks, one at a time, and decides; the tasks it spawns
//! do the waiting (dialling, opening, connections, servers) and report back. Nobody else changes the table, so there is
//! nothing to lock.
//!
//! `inputs` has what wakes it; `conns`, `accept` and `connect` the connections, `servers` and `dht` what goes on beside them,
//! `situation` where the node stands, `secure` and `classic` what differs between the dialects.

mod accept;
mod classic;
mod connect;
mod conns;
mod dht;
mod inputs;
mod secure;
mod servers;
mod situation;
mod stop;
mod tasks;

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::log::log;
use super::measure::Knocker;
use super::rendezvous::Reach;
use super::resolve::Resolver;
use super::shared::Shared;
use super::table::Table;
use crate::config::Dialect;
use crate::proto::admit::Own;
use crate::proto::connect::classic::Options;
use crate::proto::upkeep::{Chore, Intervals, Load, Upkeep};
use inputs::Input;
pub(crate) use inputs::{Command, Msg, Target};
pub(crate) use tasks::panic_text;

/// So many new connections are begun before their tasks have their turn: else thousands that come at once would all be there
/// at once, also those that are given up again to make room, and those that stand already.
const IN_A_ROW: u32 = 24;

pub(crate) struct Actor {
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
    inbox: UnboundedReceiver<Msg>,
    /// For the tasks to report to.
    report: UnboundedSender<Msg>,
    listeners: Vec<TcpListener>,
    table: Table,
    upkeep: Upkeep,
    own: Own,
    /// Connecting by UNL in the classic dialect.
    classic: classic::Desk,
    reach: Reach,
    knocker: Knocker,
    /// How the node stands in its network.
    at: situation::Standpoint,
    /// Nodes learned and not tried yet, best last.
    candidates: Vec<SocketAddr>,
    /// Connections accepted and commands taken since others had their turn.
    in_a_row: u32,
    /// A dial that has succeeded, and waits for what can be accepted.
    dialled: Option<Msg>,
    /// Accepting rests until then, after an error such as "too many open files".
    accept_rest: Option<Instant>,
    dht: dht::Desk,
    /// Only in the secure dialect.
    secure: Option<secure::Secure>,
}

impl Actor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: UnboundedReceiver<Command>,
        listeners: Vec<TcpListener>,
        bound: Option<IpAddr>,
    ) -> Actor {
        let config = &shared.config;
        let (report, inbox) = unbounded_channel();
        let every = Intervals {
            bootstrap: config.bootstrap_interval,
            advertise: config.advertise_interval,
            retry: config.retry_interval,
        };
        let rng = match config.seed {
            0 => fastrand::Rng::new(),
            seed => fastrand::Rng::with_seed(seed),
        };
        let own = Own {
            listen: listeners.iter().filter_map(|l| l.local_addr().ok()).collect(),
            lan_ip: shared.info.lock().lan_ip,
            wan_ip: config.wan_ip,
            allow_duplicate_ip: config.allows_duplicate_ip(),
        };
        let reach = Reach { resolver: Resolver::new(), bound, limit: config.server_timeout };
        let knocker = Knocker::new(reach.resolver.clone());
        let at = Actor::standpoint(&shared, bound);
        let dht = dht::Desk::new(&shared);
        let secure = secure::Secure::new(&shared);
        let classic = classic::Desk::new(&shared.config);
        Actor {
            at,
            knocker,
            commands,
            inbox,
            report,
            listeners,
            table: Table::default(),
            upkeep: Upkeep::new(every, rng),
            own,
            reach,
            candidates: Vec::new(),
            dialled: None,
            accept_rest: None,
            in_a_row: 0,
            dht,
            secure,
            classic,
            shared,
        }
    }

    /// Runs the net until it is told to stop. `Err` tells why it had to stop by itself.
    pub(crate) async fn run(mut self) -> std::result::Result<(), String> {
        for listener in &self.own.listen {
            log!(self.shared, Info, "listening on {listener}");
        }
        self.begin_situation();
        self.classic_due(Instant::now());
        self.begin_dht();
        self.begin_secure();
        #[cfg(feature = "testing")]
        assert!(!self.shared.config.test_panic, "injected by the test_panic option");
        loop {
            let input = self.next().await;
            let begins = matches!(input, Input::Command(_) | Input::Accepted(..));
            self.in_a_row = if begins { self.in_a_row + 1 } else { 0 };
            match input {
                Input::Command(Command::Stop) => return self.stop(None).await,
                Input::Command(command) => self.command(command),
                Input::Msg(Msg::Panicked(what)) => return self.stop(Some(what)).await,
                Input::Msg(msg) => self.message(msg),
                Input::Accepted(stream, from) => self.accepted(stream, from),
                Input::AcceptFailed(e) => self.accept_failed(&e),
                Input::Dht(happening) => self.dht_happening(happening),
                Input::Signal(happening) => self.signalled(happening),
                Input::Mainline(happening) => self.mainline_happened(happening),
                Input::Timer | Input::Room => {}
            }
            self.keep_up();
        }
    }

    /// Waits for the next thing to do.
    async fn next(&mut self) -> Input {
        let load = self.load();
        let accepting = self.may_accept();
        let secure = self.secure.as_ref().and_then(secure::Secure::deadline);
        let (upkeep, classic) = (self.upkeep.deadline(&load), self.classic.deadline());
        let deadlines = [upkeep, self.accept_rest, self.at.deadline(), classic, secure];
        let deadline = deadlines.into_iter().flatten().min();
        let timer = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now).into());
        tokio::pin!(timer);
        // Only a full queue is worth waiting for; its room is what lets us accept again.
        let full = !self.shared.queue.has_room();
        let queue = Arc::clone(&self.shared);
        let room = queue.queue.wait_for_room();
        tokio::pin!(room);
        poll_fn(|cx| {
            let heard = match self.dialled.take() {
                None => self.inbox.poll_recv(cx),
                waiting => Poll::Ready(waiting),
            };
            if let Poll::Ready(Some(msg)) = heard {
                // A connection of this node to itself: its other end is to be known before this one is the program's.
                if matches!(msg, Msg::Dialled { .. })
                    && accepting
                    && self.in_a_row < IN_A_ROW
                    && let Poll::Ready(input) = self.poll_accept(cx)
                {
                    self.dialled = Some(msg);
                    return Poll::Ready(input);
                }
                return Poll::Ready(Input::Msg(msg));
            }
            if self.in_a_row >= IN_A_ROW {
                self.in_a_row = 0;
                // Woken again when whoever drives has looked at the sockets.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                return Poll::Pending;
            }
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => return Poll::Ready(Input::Command(command)),
                // The handle is gone without a word: nobody is there to want anything.
                Poll::Ready(None) => return Poll::Ready(Input::Command(Command::Stop)),
                Poll::Pending => {}
            }
            if accepting && let Poll::Ready(input) = self.poll_accept(cx) {
                return Poll::Ready(input);
            }
            // As connections are: while the program takes nothing, nothing more is fetched for it.
            if let Some(secure) = &mut self.secure {
                if let Poll::Ready(happening) = secure.poll(cx) {
                    return Poll::Ready(Input::Signal(happening));
                }
                if let Poll::Ready(happening) = secure.poll_mainline(cx) {
                    return Poll::Ready(Input::Mainline(happening));
                }
            }
            if !full && let Poll::Ready(happening) = self.dht.poll(cx) {
                return Poll::Ready(Input::Dht(happening));
            }
            if full && room.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Room);
            }
            if deadline.is_some() && timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Timer);
            }
            Poll::Pending
        })
        .await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        for listener in &self.listeners {
            match listener.poll_accept(cx) {
                Poll::Ready(Ok((stream, from))) => return Poll::Ready(Input::Accepted(stream, from)),
                Poll::Ready(Err(e)) => return Poll::Ready(Input::AcceptFailed(e)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Connect { request, to } => self.connect(request, to),
            Command::ClassicConnect { request, unl, options } => self.classic_connect(request, unl, *options),
            Command::UnlConnect { request, unl } => self.unl_connect(request, &unl),
            Command::Bootstrap { request } => self.begin(Chore::Bootstrap, request),
            Command::Advertise { request } => self.advertise(request),
            Command::NetworkChanged => self.network_changed(),
            Command::Cancel { request } => self.cancel(request),
            Command::DhtPut { request, to, text } => self.dht_put(*to, text, request),
            Command::DhtSent { tag, outcome } => self.dht_sent(tag, outcome),
            Command::Stop => {}
        }
    }

    fn message(&mut self, msg: Msg) {
        match msg {
            Msg::Resolved { id, found } => self.resolved(id, found),
            Msg::Dialled { id, outcome } => self.dialled(id, outcome),
            Msg::Opened { id, outcome } => self.opened(id, outcome),
            Msg::Closed { id } => self.closed(id),
            Msg::Gone { id } => self.gone(id),
            Msg::Server { chore, request, outcome } => self.server_done(chore, request, outcome),
            Msg::Found(found) => self.found(found),
            Msg::Secure(news) => self.secure_news(news),
            Msg::Channel(happening) => self.channel(happening),
            Msg::Panicked(_) => {}
        }
    }

    fn load(&self) -> Load {
        let c = &self.shared.config;
        Load {
            inbound: self.table.open(true),
            outbound: self.table.open(false),
            // Whom nobody can reach has no place on a list.
            max_inbound: if self.is_passive() { c.max_inbound } else { 0 },
            max_outbound: c.max_outbound,
            min_connected: c.min_connected,
        }
    }

    /// Does whatever is due.
    fn keep_up(&mut self) {
        let now = Instant::now();
        if self.accept_rest.is_some_and(|t| t <= now) {
            self.accept_rest = None;
        }
        if let Some(chore) = self.upkeep.due(now, &self.load()) {
            self.begin(chore, 0);
        }
        self.situation_due(now);
        self.secure_due(now);
        self.mainline_due(now);
        self.classic_due(now);
        self.dial_candidates();
    }

    /// The program wants a connection to the node with this locator.
    fn unl_connect(&mut self, request: u64, unl: &str) {
        match self.shared.config.dialect {
            Dialect::Secure => self.secure_connect(request, unl),
            Dialect::Classic => self.classic_connect(request, unl.to_owned(), Options::default()),
        }
    }
}
