//! A talk recorded to the byte, handshake, frames and session, and what a side that hears a recording takes for true. `attacks` has
//! what somebody between the two can do with it.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::time::{Duration, Instant};

use super::{Heard, Incoming, Piece, Session, Settings, name};
use crate::proto::handshake::transport::{HEAD, Head};
use crate::proto::handshake::{Answer, Control, Handshake, Myself, Opened, Token, Transport};
use crate::proto::identity::Identity;
use crate::proto::network::NetworkId;

/// Connector and acceptor.
const BOTH: [usize; 2] = [0, 1];
/// Who speaks, one after the other; what, says [`End::act`].
const STEPS: usize = 10;

/// How a link comes about: whether the connector knows the acceptor's key, and whether both machines have instructions for AES, so
/// that this is the cipher of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct How {
    ik: bool,
    aes: bool,
}

/// Each pattern and each cipher; the other two pairs differ from these in nothing that is looked at here.
const HOW: [How; 2] = [How { ik: true, aes: true }, How { ik: false, aes: false }];

fn me(side: usize, aes: bool) -> Myself {
    let me = Myself::new(&Identity::from_secret(&[side as u8 + 1; 32]));
    me.in_network(NetworkId::of("chess"), None).with_fast_aes(aes)
}

type Item = (bool, Vec<u8>);

/// What a side says at a step: lines and messages, empty ones among them.
fn items(side: usize, step: usize) -> Vec<Item> {
    let said = |what: &str| format!("{side} says {what} at {step}").into_bytes();
    match step {
        2 | 3 => vec![(false, said("a line")), (true, said("a message"))],
        4 | 5 => {
            vec![(true, Vec::new()), (false, said("\r and another")), (false, Vec::new()), (true, said("m"))]
        }
        _ => Vec::new(),
    }
}

fn all_items(side: usize) -> Vec<Item> {
    (0..STEPS).filter(|step| step % 2 == side).flat_map(|step| items(side, step)).collect()
}

/// How long after the begin a step is.
fn at(start: Instant, step: usize) -> Instant {
    start + Duration::from_millis(if step < 6 { 0 } else { 200 })
}

/// One of the two, without a socket.
struct End {
    side: usize,
    handshake: Option<Handshake>,
    link: Option<Transport>,
    /// The peer has shown that it is there.
    live: bool,
    /// The session is being taken up: the peer's word is missing.
    asking: bool,
    session: Option<Session>,
    incoming: Incoming,
    outbox: Piece,
    partial: Vec<u8>,
    got: Vec<Item>,
    /// Arrived and not taken; to be sent.
    rest: Vec<u8>,
    out: Vec<u8>,
    closed: Option<u64>,
    broken: Option<String>,
}

/// What a side takes for true: what it got, how much of its own has arrived, and whether the peer has closed.
type Facts = (Vec<Item>, u64, u64, Option<u64>);

impl End {
    /// `seed`: another one, another talk.
    fn new(side: usize, how: How, seed: u8) -> End {
        let mut end = End {
            side,
            handshake: None,
            link: None,
            live: false,
            asking: false,
            session: None,
            incoming: Incoming::default(),
            outbox: Piece::default(),
            partial: Vec::new(),
            got: Vec::new(),
            rest: Vec::new(),
            out: Vec::new(),
            closed: None,
            broken: None,
        };
        end.shake(how, seed);
        end
    }

    /// A link begins, also in the place of one that is gone.
    fn shake(&mut self, How { ik, aes }: How, seed: u8) {
        let token: Token = self.session.as_ref().map_or([5; 16], Session::id);
        let ephemeral = [seed.wrapping_mul(2).wrapping_add(self.side as u8); 32];
        let mut handshake = match self.side {
            0 => {
                let to = ik.then(|| me(1, aes).public());
                Handshake::connect(&me(0, aes), to, token, false, &ephemeral).unwrap()
            }
            _ => Handshake::accept(&me(1, aes), &ephemeral),
        };
        (self.out, self.rest) = (handshake.output().unwrap_or_default(), Vec::new());
        (self.handshake, self.link, self.live, self.asking) = (Some(handshake), None, false, false);
        if let Some(session) = &mut self.session {
            session.lost();
        }
    }

    /// What it does by itself at a step.
    fn act(&mut self, step: usize) {
        for (message, bytes) in items(self.side, step) {
            if message {
                self.outbox.push_message(&bytes);
            } else {
                self.outbox.push_lines(&bytes);
                self.outbox.push_lines(b"\r\n");
            }
        }
        if step == 8
            && let Some(session) = &mut self.session
        {
            session.close();
        }
    }

    /// What it has to send now.
    fn speak(&mut self, now: Instant) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.out);
        let (Some(session), Some(link)) = (&mut self.session, &mut self.link) else { return out };
        if self.asking || self.broken.is_some() {
            return out;
        }
        session.due(now, true);
        loop {
            if let Some(control) = session.control(now, self.outbox.is_empty()) {
                link.sealer.seal_control(control, &mut out).unwrap();
            } else if let Some((piece, from, to)) = session.again(9) {
                piece.seal(from, to, &mut link.sealer, &mut out).unwrap();
            } else if session.may_send() && !self.outbox.is_empty() {
                self.outbox.seal(0, self.outbox.len(), &mut link.sealer, &mut out).unwrap();
                session.sent(&mut self.outbox);
            } else {
                return out;
            }
        }
    }

    fn feed(&mut self, now: Instant, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while self.broken.is_none() && self.closed.is_none() {
            match self.step(now) {
                Ok(true) => {}
                Ok(false) => return,
                Err(e) => self.broken = Some(e),
            }
        }
    }

    /// Takes the next message or frame. False: it is not whole.
    fn step(&mut self, now: Instant) -> Result<bool, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        if let Some(mut handshake) = self.handshake.take() {
            let used = handshake.input(&self.rest).map_err(|e| text(&e))?.used;
            self.rest.drain(..used);
            if handshake.is_asking() {
                handshake.answer(Answer::Welcome { chosen: false }).unwrap();
            }
            self.out.extend(handshake.output().unwrap_or_default());
            if !handshake.is_done() {
                self.handshake = Some(handshake);
                return Ok(used > 0);
            }
            let (peer, link) = handshake.into_transport().unwrap();
            assert_eq!(peer.key, me(1 - self.side, false).public());
            (self.link, self.live) = (Some(link), peer.live);
            if self.live {
                self.begin(now);
            }
            return Ok(true);
        }
        let Some(head) = self.rest.first_chunk() else { return Ok(false) };
        let head = Head::parse(*head).map_err(|e| text(&e))?;
        if self.rest.len() < HEAD + head.body {
            return Ok(false);
        }
        let mut body: Vec<u8> = self.rest.drain(..HEAD + head.body).skip(HEAD).collect();
        let opened = self.link.as_mut().unwrap().opener.open_any(head, &mut body).map_err(|e| text(&e))?;
        if !self.live {
            assert!(matches!(opened, Opened::Control(Control::Verdict { .. })), "{opened:?}");
            self.live = true;
            self.begin(now);
            return Ok(true);
        }
        self.take(now, opened, &body).map_err(|e| text(&e))?;
        Ok(true)
    }

    fn begin(&mut self, now: Instant) {
        let link = self.link.as_mut().unwrap();
        match &self.session {
            Some(session) => {
                link.sealer.seal_control(session.hello(), &mut self.out).unwrap();
                self.asking = true;
            }
            None => {
                let settings = Settings { window: 1 << 16, ..Settings::default() };
                self.session = Some(Session::begin(now, name(&link.binding), settings, false));
                self.incoming.new_link(false);
            }
        }
    }

    fn take(&mut self, now: Instant, opened: Opened, body: &[u8]) -> Result<(), super::Violation> {
        let session = self.session.as_mut().unwrap();
        match opened {
            Opened::Control(Control::Session { id, received }) if self.asking => {
                assert_eq!(id, session.id());
                session.resume(now, received)?;
                self.incoming.new_link(true);
                self.asking = false;
            }
            Opened::Data(len) => {
                self.incoming.lines(len)?;
                for byte in &body[..len] {
                    self.partial.push(*byte);
                    if let Some(line) = self.partial.strip_suffix(b"\r\n") {
                        self.got.push((false, line.to_vec()));
                        self.partial.clear();
                    }
                }
            }
            Opened::Part { end, last } => {
                self.incoming.part(end - 1, last)?;
                self.partial.extend_from_slice(&body[1..end]);
                if last {
                    self.got.push((true, std::mem::take(&mut self.partial)));
                }
            }
            Opened::Control(control) => {
                self.incoming.control(&control)?;
                if let Heard::Closed { missing } = session.heard(now, &control)? {
                    self.closed = Some(missing);
                }
            }
        }
        session.received(now, self.incoming.received());
        Ok(())
    }

    fn facts(&self) -> Facts {
        let acked = |session: &Session| session.epitaph().sent - session.unacked();
        let acked = self.session.as_ref().map_or(0, acked);
        (self.got.clone(), self.incoming.received(), acked, self.closed)
    }
}

/// What was said at each step, in messages and frames.
type Record = Vec<Vec<Vec<u8>>>;

/// Both have messages and frames that begin with their length.
fn units(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    while let Some(head) = bytes.first_chunk() {
        let (unit, rest) = bytes.split_at(HEAD + usize::from(u16::from_be_bytes(*head) & 0x7fff));
        units.push(unit.to_vec());
        bytes = rest;
    }
    units
}

fn record(start: Instant, how: How, seed: u8) -> Record {
    let mut ends = BOTH.map(|side| End::new(side, how, seed));
    let mut record = Vec::new();
    for step in 0..STEPS {
        ends[step % 2].act(step);
        let said = ends[step % 2].speak(at(start, step));
        ends[1 - step % 2].feed(at(start, step), &said);
        record.push(units(&said));
    }
    for (side, end) in ends.iter().enumerate() {
        assert_eq!(end.got, all_items(1 - side), "{:?}", end.broken);
        assert_eq!(end.session.as_ref().unwrap().unacked(), 0);
    }
    assert_eq!((ends[0].closed, ends[1].closed), (None, Some(0)));
    record
}

/// Plays what the other side has said to a new one that does and says the same as then, or, with another seed, says the
/// same in a talk of its own. `change` tells what comes in the place of the message or frame of that number.
fn play(
    start: Instant,
    (side, how, seed): (usize, How, u8),
    record: &Record,
    mut change: impl FnMut(usize, &[u8]) -> Vec<u8>,
) -> End {
    let mut end = End::new(side, how, seed);
    let mut number = 0;
    for (step, units) in record.iter().enumerate() {
        if step % 2 == side {
            end.act(step);
            end.speak(at(start, step));
            continue;
        }
        for unit in units {
            end.feed(at(start, step), &change(number, unit));
            number += 1;
        }
    }
    end
}

/// A side, what comes to it in messages and frames, and what it takes for true before each of them.
struct Scene {
    who: (usize, How, u8),
    start: Instant,
    record: Record,
    comes: Vec<Vec<u8>>,
    /// What it says itself.
    says: Vec<Vec<u8>>,
    before: Vec<Facts>,
}

impl Scene {
    fn play(&self, change: impl FnMut(usize, &[u8]) -> Vec<u8>) -> End {
        play(self.start, self.who, &self.record, change)
    }

    /// It takes for true what came before that message or frame.
    fn believes_what_came_before(&self, number: usize, end: &End, what: &str) {
        assert!(end.facts() == self.before[number], "{what}: {:?} {:?}", self.who, end.facts());
    }
}

/// Each side of a talk of each kind.
fn scenes() -> Vec<Scene> {
    let start = Instant::now();
    let mut scenes = Vec::new();
    for (side, how) in HOW.into_iter().flat_map(|how| BOTH.map(|side| (side, how))) {
        let record = record(start, how, 7);
        let of = |side: usize| -> Vec<Vec<u8>> {
            let steps = record.iter().enumerate().filter(|(step, _)| step % 2 == side);
            steps.flat_map(|(_, units)| units.clone()).collect()
        };
        let (comes, says) = (of(1 - side), of(side));
        let who = (side, how, 7);
        let until = |number| move |n: usize, unit: &[u8]| if n < number { unit.to_vec() } else { Vec::new() };
        let before = (0..=comes.len()).map(|n| play(start, who, &record, until(n)).facts()).collect();
        scenes.push(Scene { who, start, record, comes, says, before });
    }
    scenes
}

mod attacks;
