//! The mailbox's requests: the I/O around [`crate::proto::mailbox`], as one task with a small task and a thread per request.
//!
//! ```text
//!   actor ── Order ─▶ run ── Ask, GiveUp ─▶ request (task): looks up, waits ── thread that may hang: HTTP
//!     ◀── Happening ──┘ ◀───── Done ────────┘
//! ```
//!
//! A request for messages hangs for as long as nothing comes. Giving up its task breaks its connection, and the thread
//! ends by that, in its own time. When nobody takes the happenings, nothing more is asked.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::{Happening, Order};
use crate::error::{Code, Error, Result};
use crate::http::{Address, Client, Limits, look_up, on_thread};
use crate::node::resolve::Resolver;
use crate::proto::mailbox::{self, CallId, Mailbox, NoReply, Output, PutError, Reply, Settings, Style};
use crate::small::SmallMap;

/// To look a name up, and to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest head of a request: a message is part of it.
const MAX_REQUEST: usize = 20 << 10;
/// Requests whose threads may exist at once in one net, those that were given up and still hang among them.
const AT_ONCE: usize = 24;

/// How to get at servers.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) resolver: Resolver,
    /// Where connections leave from.
    pub(super) bound: Option<IpAddr>,
}

/// In whose words the server at this address is asked.
pub(super) fn style(address: &Address) -> Style {
    address.script().map_or(Style::Clean, |path| Style::Script(path.to_owned()))
}

/// What is known of a server.
struct Site {
    address: Address,
    /// Where it was found; looked up again after a failure.
    addrs: Option<Vec<SocketAddr>>,
    /// A client that has a connection left, perhaps.
    idle: Option<Client>,
}

/// A request's end.
struct Done {
    id: CallId,
    server: usize,
    reply: std::result::Result<Reply, NoReply>,
    addrs: Option<Vec<SocketAddr>>,
    client: Option<Client>,
}

/// What the task has been woken for.
enum Input {
    Done(Box<Done>),
    Order(Order),
    Timer,
    Deaf,
}

struct Task {
    node: Mailbox,
    id: super::NodeId,
    sites: Vec<Site>,
    ways: Ways,
    places: Arc<Semaphore>,
    orders: mpsc::Receiver<Order>,
    happenings: mpsc::Sender<Happening>,
    requests: JoinSet<Done>,
    running: SmallMap<CallId, AbortHandle>,
}

/// Keeps a node's mailboxes until it is told to leave, or nobody is left to give orders or to be told.
///
/// `sites` are where the servers of `settings` are. Dropping this future breaks all connections.
pub(super) async fn run(
    settings: Settings,
    sites: Vec<Address>,
    ways: Ways,
    orders: mpsc::Receiver<Order>,
    happenings: mpsc::Sender<Happening>,
) {
    let id = settings.id;
    let node = Mailbox::new(Instant::now(), settings, super::generator().u64(..));
    let mut task = Task {
        node,
        id,
        sites: sites.into_iter().map(|address| Site { address, addrs: None, idle: None }).collect(),
        ways,
        places: Arc::new(Semaphore::new(AT_ONCE)),
        orders,
        happenings,
        requests: JoinSet::new(),
        running: SmallMap::new(),
    };
    while task.settle().await {
        match task.next().await {
            Input::Done(done) => task.done(*done),
            Input::Order(Order::Put { tag, to, text }) => task.node.put(Instant::now(), tag, to, &text),
            Input::Order(Order::NetworkChanged) => task.network_changed(),
            Input::Timer => task.node.on_timeout(Instant::now()),
            Input::Order(Order::Leave) | Input::Deaf => break,
        }
    }
}

impl Task {
    async fn next(&mut self) -> Input {
        let due = self.node.poll_timeout();
        let mut timer = pin!(tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()));
        let mut deaf = pin!(self.happenings.closed());
        let (requests, orders) = (&mut self.requests, &mut self.orders);
        poll_fn(|cx| {
            if deaf.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Deaf);
            }
            // What came in time must not look late because the clock was asked first.
            while let Poll::Ready(Some(ended)) = requests.poll_join_next(cx) {
                match ended.map_err(|e| e.try_into_panic()) {
                    Ok(done) => return Poll::Ready(Input::Done(Box::new(done))),
                    // Whoever runs this task has to know.
                    Err(Ok(panic)) => std::panic::resume_unwind(panic),
                    // It was given up.
                    Err(Err(_)) => {}
                }
            }
            if let Poll::Ready(order) = orders.poll_recv(cx) {
                return Poll::Ready(Input::Order(order.unwrap_or(Order::Leave)));
            }
            if due.is_some() && timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Timer);
            }
            Poll::Pending
        })
        .await
    }

    fn network_changed(&mut self) {
        for site in &mut self.sites {
            (site.addrs, site.idle) = (None, None);
        }
        self.node.network_changed(Instant::now());
    }

    fn done(&mut self, done: Done) {
        let Done { id, server, reply, addrs, client } = done;
        // One that ended in the moment in which it was given up: what it found is of an earlier network.
        if self.running.remove(&id).is_none() {
            return;
        }
        if let Some(site) = self.sites.get_mut(server) {
            site.addrs = addrs;
            site.idle = client.or(site.idle.take());
        }
        self.node.answered(Instant::now(), id, reply);
    }

    /// Does what the state machine says, until it says nothing more. `false`: nobody is there to be told.
    async fn settle(&mut self) -> bool {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Ask { id, server, path, limit, longest, .. } => {
                    let Some(site) = self.sites.get_mut(server) else { continue };
                    let limits = Limits { connect: CONNECT.min(limit), whole: limit, body: longest };
                    let request = Request {
                        id,
                        server,
                        url: site.address.url(&path),
                        limits,
                        address: site.address.clone(),
                        addrs: site.addrs.clone(),
                        client: site.idle.take(),
                        ways: self.ways.clone(),
                        places: Arc::clone(&self.places),
                    };
                    self.running.insert(id, self.requests.spawn(request.run()));
                }
                Output::GiveUp(id) => {
                    if let Some(task) = self.running.remove(&id) {
                        task.abort();
                    }
                }
                Output::Happening(what) => {
                    if self.happenings.send(self.told(what)).await.is_err() {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn told(&self, what: mailbox::Happening) -> Happening {
        match what {
            mailbox::Happening::Registered { server } => {
                Happening::Registered { node_id: self.id, at: format!("mailbox {server}") }
            }
            mailbox::Happening::Message { text } => Happening::Message { from: String::new(), text },
            mailbox::Happening::Put { tag, outcome } => {
                Happening::Put { tag, outcome: outcome.map_err(|e| Error::new(code(&e), e.to_string())) }
            }
            mailbox::Happening::Neighbours(nodes) => Happening::Neighbours(nodes),
            mailbox::Happening::Trouble(what) => Happening::Trouble(what),
        }
    }
}

fn code(e: &PutError) -> Code {
    match e {
        PutError::Queue(_) => Code::Limit,
        PutError::Size(_) => Code::TooLarge,
        PutError::Never(_) => Code::Refused,
        PutError::Late { .. } => Code::Timeout,
    }
}

/// One question to one server.
struct Request {
    id: CallId,
    server: usize,
    url: String,
    limits: Limits,
    address: Address,
    addrs: Option<Vec<SocketAddr>>,
    client: Option<Client>,
    ways: Ways,
    places: Arc<Semaphore>,
}

impl Request {
    async fn run(mut self) -> Done {
        let begun = Instant::now();
        let asked = self.ask().await;
        let (id, server) = (self.id, self.server);
        match asked {
            Ok((reply, client)) => {
                let reply = Reply {
                    status: reply.status,
                    body: reply.body,
                    broke: reply.broke.map(|e| e.message.into_owned()),
                };
                // A connection that has not been read to its end is of no use.
                let client = Some(client).filter(|_| reply.broke.is_none());
                Done { id, server, reply: Ok(reply), addrs: self.addrs, client }
            }
            Err(e) => {
                let is_late = e.code == Code::Timeout && begun.elapsed() >= self.limits.whole;
                let reply = Err(NoReply { is_late, why: e.message.into_owned() });
                Done { id, server, reply, addrs: None, client: None }
            }
        }
    }

    async fn ask(&mut self) -> Result<(crate::http::Reply, Client)> {
        let late = |_| Error::new(Code::Timeout, "did not answer in time");
        let addrs = match self.addrs.take() {
            Some(addrs) => addrs,
            None => {
                let found = look_up(&self.ways.resolver, &self.address, self.ways.bound);
                let late = |_| Error::new(Code::Timeout, "its name was not found in time");
                timeout(CONNECT, found).await.map_err(late)??
            }
        };
        self.addrs = Some(addrs.clone());
        let places = Arc::clone(&self.places).acquire_owned();
        let place = timeout(self.limits.whole, places).await.map_err(late)?;
        let place = place.map_err(|_| Error::new(Code::Canceled, "the net is stopping"))?;
        let is_used = self.client.is_some();
        let client = self.client.take().unwrap_or_else(|| Client::new(addrs, self.ways.bound, MAX_REQUEST));
        // Dropping this, because the request is given up, breaks the thread's connection.
        let abandon = client.abandon_on_drop();
        let (asked, url, limits) = (client.clone(), self.url.clone(), self.limits);
        let reply = on_thread(place, move || match asked.get(&url, limits) {
            // The server closed the kept connection just when it was used again; or it got the question. Whatever is asked
            // may be asked twice.
            Err(e) if e.code == Code::Reset && is_used => asked.get(&url, limits),
            done => done,
        })
        .await;
        abandon.disarm();
        Ok((reply??, client))
    }
}

#[cfg(all(test, feature = "server"))]
mod tests;
