//! Messages over the DHT: starts what carries them, gives it what goes out, and sorts what comes in.

use std::ffi::CString;
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::Actor;
use crate::dht::{Happening, NodeId, ORDERS, Order};
use crate::error::{Code, Error, Result};
use crate::event::Kind;
use crate::node::log::log;
use crate::node::shared::{Outcome, Shared};
use crate::proto::dht_msg::Reverse;
use crate::queue::{Item, Notice};

/// Messages that wait for the program to carry them; more are refused.
const MAX_WAITING: usize = 256;

/// The actor's end of the seam in [`crate::dht`].
pub(super) struct Desk {
    happenings: Option<mpsc::Receiver<Happening>>,
    carrier: Carrier,
}

/// What carries messages.
enum Carrier {
    /// Nothing.
    None,
    /// A task of ours.
    Task(mpsc::Sender<Order>),
    /// The program. `waiting` messages are in the event queue for it.
    Program { waiting: usize },
}

impl Desk {
    pub(super) fn new(shared: &Shared) -> Desk {
        Desk { happenings: shared.dht.take(), carrier: Carrier::None }
    }

    /// The next happening.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        match self.happenings.as_mut().map(|rx| rx.poll_recv(cx)) {
            Some(Poll::Ready(Some(happening))) => Poll::Ready(happening),
            _ => Poll::Pending,
        }
    }
}

impl Actor {
    /// Starts what the configuration chooses.
    pub(super) fn begin_dht(&mut self) {
        let Some(id) = self.shared.dht_id else { return };
        if self.shared.config.own_dht.is_some() {
            self.dht.carrier = Carrier::Program { waiting: 0 };
            return;
        }
        let (orders, taken) = mpsc::channel(ORDERS);
        if let Some(carrier) = crate::dht::carrier(&self.shared, &self.reach, id, taken) {
            self.dht.carrier = Carrier::Task(orders);
            self.spawn(async move {
                carrier.await;
                None
            });
        }
    }

    /// Sends a message. What becomes of it is heard by [`Actor::dht_done`] under this tag, which nothing else has: a
    /// request's id, or [`Shared::new_id`].
    pub(super) fn dht_put(&mut self, to: NodeId, text: String, tag: u64) {
        let taken = match &mut self.dht.carrier {
            Carrier::None => {
                Err(Error::new(Code::Unsupported, "this net has no DHT (P2P_SERVER_DHT, p2p_config_set_dht)"))
            }
            Carrier::Task(orders) => orders.try_send(Order::Put { tag, to, text }).map_err(|_| full(ORDERS)),
            Carrier::Program { waiting } if *waiting >= MAX_WAITING => Err(full(MAX_WAITING)),
            Carrier::Program { waiting } => {
                *waiting += 1;
                let peer = CString::new(to.to_string()).ok();
                let notice = Notice { request: tag, text, peer, ..self.shared.queue.notice(Kind::DhtSend) };
                self.shared.queue.push(Item::Notice(Box::new(notice)));
                Ok(())
            }
        };
        if let Err(e) = taken {
            self.dht_done(tag, Err(e));
        }
    }

    /// The program has taken a message to carry, or says that it cannot.
    pub(super) fn dht_sent(&mut self, tag: u64, outcome: std::result::Result<(), Code>) {
        if let Carrier::Program { waiting } = &mut self.dht.carrier {
            *waiting = waiting.saturating_sub(1);
            self.dht_done(
                tag,
                outcome.map_err(|code| Error::new(code, "this program's DHT did not take the message")),
            );
        }
    }

    /// A message is with the carrier (not: with its receiver), or will not be.
    fn dht_done(&mut self, tag: u64, outcome: Result<()>) {
        if let Err(e) = &outcome {
            log!(self.shared, Debug, "DHT message {tag}: {e}");
        }
        // For a tag that is no request's this does nothing.
        self.shared.done(tag, outcome.map_or_else(Outcome::from, |()| Outcome::ok(0, "sent".to_owned())));
    }

    /// Tells the carrier what is not a message.
    pub(super) fn order_dht(&self, order: Order) {
        if let Carrier::Task(orders) = &self.dht.carrier {
            // One that does not find time to hear of the network has found out by itself.
            let _ = orders.try_send(order);
        }
    }

    pub(super) fn dht_happening(&mut self, happening: Happening) {
        match happening {
            Happening::Registered { node_id, at } => {
                log!(self.shared, Info, "reachable by DHT messages as {node_id} at {at}");
            }
            Happening::Message { from, text } => self.dht_message(from, text),
            Happening::Put { tag, outcome } => self.dht_done(tag, outcome),
            Happening::Neighbours(nodes) => {
                for n in nodes {
                    let (id, ip, port) = (n.id, n.ip, n.port);
                    let test = if n.can_test { ", may be tested" } else { "" };
                    log!(self.shared, Debug, "DHT neighbour {id} at {ip} port {port}{test}");
                }
            }
            Happening::Trouble(what) => log!(self.shared, Warn, "DHT: {what}"),
        }
    }

    /// A message has come: one of ours, or something of the program's.
    fn dht_message(&mut self, from: String, text: String) {
        match Reverse::parse(&text) {
            Some(Ok(_)) => self.reverse_message(&text),
            Some(Err(e)) => {
                log!(self.shared, Debug, "a DHT message that begins like a reverse connect is none: {e}")
            }
            None => {
                let peer = CString::new(from).ok();
                let notice = Notice { text, peer, ..self.shared.queue.notice(Kind::DhtMessage) };
                self.shared.queue.push(Item::Notice(Box::new(notice)));
            }
        }
    }
}

fn full(most: usize) -> Error {
    Error::new(Code::Limit, format!("{most} DHT messages are waiting to be sent already"))
}
