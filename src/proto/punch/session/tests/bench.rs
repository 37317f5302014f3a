//! A session on the bench: given inputs by hand, its outputs kept.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;

/// A session and what it has said.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) budget: Budget,
    pub(super) now: Instant,
    pub(super) outputs: Vec<Output>,
}

impl Bench {
    pub(super) fn initiator(setup: Setup) -> Bench {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let session = Session::initiate(now, TOKEN, setup, &mut budget);
        Bench { session, budget, now, outputs: Vec::new() }.drained()
    }

    pub(super) fn responder(setup: Setup, offer: Side) -> Bench {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let offer = Message { token: TOKEN, round: 1, body: Body::Offer(offer) };
        let session = Session::respond(now, offer, setup, &mut budget).unwrap();
        Bench { session, budget, now, outputs: Vec::new() }.drained()
    }

    pub(super) fn drained(mut self) -> Bench {
        self.drain();
        self
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            self.outputs.push(output);
        }
    }

    pub(super) fn give(&mut self, input: Input) {
        self.session.handle(self.now, input, &mut self.budget);
        self.drain();
    }

    pub(super) fn hear(&mut self, round: u8, body: Body) {
        self.give(Input::Message(Message { token: TOKEN, round, body }));
    }

    pub(super) fn after(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Wake);
        }
        self.now = end;
    }

    pub(super) fn bind_all(&mut self, first: u16) {
        let slots: Vec<SlotId> = self
            .outputs
            .iter()
            .filter_map(|output| match output {
                Output::Bind { slot, .. } => Some(*slot),
                _ => None,
            })
            .collect();
        for (slot, port) in slots.into_iter().zip(first..) {
            self.give(Input::Bound { slot, port });
        }
    }

    /// As initiator, up to its attempts.
    pub(super) fn fire(&mut self) {
        self.bind_all(40_000);
        self.now += Duration::from_millis(50);
        self.hear(1, Body::Pong(0));
        self.hear(1, Body::Answer(preserving(PEER), vec![50_000, 50_001]));
    }

    pub(super) fn connects(&self) -> Vec<(ConnId, SocketAddr, Instant)> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Connect { conn, to, at, .. } => Some((*conn, *to, *at)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn failure(&self) -> Option<Reason> {
        self.outputs.iter().find_map(|output| match output {
            Output::Failed(failure) => Some(failure.reason),
            _ => None,
        })
    }

    pub(super) fn sent(&self, wanted: &Body) -> usize {
        let same = |output: &&Output| matches!(output, Output::Send(message) if message.body == *wanted);
        self.outputs.iter().filter(same).count()
    }

    pub(super) fn closed(&self, conn: ConnId) -> bool {
        self.outputs.contains(&Output::Close(Socket::Conn(conn)))
    }

    pub(super) fn peer_says(&mut self, conn: ConnId, what: hello::What) {
        let frame = hello::write(TOKEN, what, self.session.role().other(), 0);
        self.give(Input::Frame { conn, frame });
    }
}
