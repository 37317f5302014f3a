//! Punches: one task each, between the connector, which carries their messages, and the network.

use tokio::sync::mpsc;

use super::super::Actor;
use super::News;
use crate::node::punch::{self, Inbox, Punched, Ways};
use crate::proto::connect::{Begin, Input, PunchId};
use crate::proto::punch::{Failure, Reason};

/// Messages for one punch that may wait. They are repeated until they are answered; one may be lost.
const QUEUE: usize = 32;

/// A punch under way.
pub(super) struct Punching {
    inbox: mpsc::Sender<Inbox>,
    /// Whether the peer began it.
    responder: bool,
}

impl Actor {
    pub(super) fn begin_punch(&mut self, id: PunchId, begin: Begin) {
        let begin = match begin {
            Begin::Initiate { token, setup } => punch::Begin::Initiate { token, setup },
            Begin::Respond { offer, setup } => punch::Begin::Respond { offer, setup },
        };
        let Some(secure) = &mut self.secure else { return };
        let (inbox, taken) = mpsc::channel(QUEUE);
        let responder = matches!(begin, punch::Begin::Respond { .. });
        secure.punches.insert(id, Punching { inbox, responder });
        let ways = Ways {
            reach: self.reach.clone(),
            servers: self.shared.config.rendezvous().map(str::to_owned).collect(),
            budget: secure.budget.clone(),
        };
        let (says, ends) = (self.report_secure(), self.report_secure());
        self.spawn(async move {
            let outbox = move |message| says(News::PunchSend { punch: id, message });
            let end = punch::run(begin, ways, taken, outbox).await;
            ends(News::Punched { punch: id, end: Box::new(end) });
            None
        });
    }

    pub(super) fn order_punch(&mut self, id: PunchId, order: Inbox) {
        if let Some(punching) = self.secure.as_ref().and_then(|s| s.punches.get(&id)) {
            let _ = punching.inbox.try_send(order);
        }
    }

    pub(super) fn punched(&mut self, id: PunchId, end: Punched) {
        let text = story(&end);
        let Some(secure) = &mut self.secure else { return };
        let responder = secure.punches.remove(&id).is_some_and(|punching| punching.responder);
        let keep_alive = self.keep_alive();
        let outcome = end.outcome.and_then(|(stream, at)| {
            let lost = Failure { reason: Reason::Lost, by_peer: false };
            crate::os::sock::prepare(&stream, keep_alive).map_err(|_| lost)?;
            Ok((stream, at))
        });
        match outcome {
            Ok((stream, at)) => {
                let Some(secure) = &mut self.secure else { return };
                let conn = secure.connector.next_conn();
                // It has a place before the connector hears of it: it may be closed at once.
                self.secure_stands(conn, stream, at);
                self.secure_input(Input::Punched { punch: id, outcome: Ok((conn, at)), text });
                if responder {
                    self.receive(conn);
                }
            }
            Err(failure) => self.secure_input(Input::Punched { punch: id, outcome: Err(failure), text }),
        }
    }
}

/// What a punch has tried, in a sentence.
fn story(end: &Punched) -> String {
    let mut text = match end.technique {
        Some(technique) => technique.to_string(),
        None => "the peer's NAT was not told".to_owned(),
    };
    for round in &end.reports {
        text += &format!("; round {}: {} attempts", round.round, round.flows);
        if let [first, ..] = round.their_ports[..] {
            text += &format!(" at {} of the peer's ports from {first} on", round.their_ports.len());
        }
        if let [first, ..] = round.our_ports[..] {
            text += &format!(", ours told from {first} on");
        }
        for (count, what) in
            [(round.refused, "refused"), (round.unreachable, "unreachable"), (round.opened, "connected")]
        {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
    }
    for (number, count) in &end.errors {
        text += &format!("; {count} times: {}", std::io::Error::from_raw_os_error(*number));
    }
    if let Some(rtt) = end.rtt {
        text += &format!("; round trip by signalling {:.1} ms", rtt.as_secs_f64() * 1000.0);
    }
    text
}
