//! One side: its session, the program that uses it, and what the I/O around it remembers.

use std::collections::BTreeMap;
use std::time::Instant;

use p2pnet::proto::handshake::Control;
use p2pnet::proto::session::machine::Epitaph;
use p2pnet::proto::session::{
    Heard, Incoming, Part, Piece, Session, SessionId, Settings, Unsettled, Violation,
};

/// What travels on a link.
#[derive(Clone, Debug)]
pub enum Frame {
    Lines(Vec<u8>),
    Part(Vec<u8>, bool),
    Control(Vec<u8>),
    /// The other end has closed the link.
    Fin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Line(Vec<u8>),
    Message(Vec<u8>),
}

/// A session that is held.
pub struct Held {
    pub session: Session,
    pub incoming: Incoming,
    /// The link that carries it.
    pub link: Option<usize>,
    /// The link on which it is being taken up.
    pub asking: Option<(usize, Instant)>,
    /// When it is given up for want of a link.
    pub grace: Option<Instant>,
    /// When a closing one is given up.
    pub closing: Option<Instant>,
    /// Accepted from the program and not sent.
    pub outbox: Piece,
    partial: Vec<u8>,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Closed,
    ClosedByPeer { missing: u64 },
    Anew,
    Grace,
    TooLate,
    Restart,
}

#[derive(Debug, Default)]
pub struct Story {
    pub sent: Vec<Item>,
    pub got: Vec<Item>,
    pub end: Option<(Why, Unsettled)>,
}

pub struct Side {
    pub settings: Settings,
    pub held: Option<Held>,
    /// The last session that ended here.
    pub ended: Option<Epitaph>,
    /// The greatest link that was opened here.
    pub opened: Option<usize>,
    /// An accepted link on which the peer's word is awaited before anything is said.
    pub listening: Option<usize>,
    /// The program takes nothing.
    pub stalled: bool,
    pub stories: BTreeMap<(SessionId, u64), Story>,
    /// How often this side has restarted.
    pub life: u64,
    pub resumptions: u64,
    pub wake: Option<Instant>,
}

impl Held {
    pub fn new(session: Session, link: usize, announced: bool) -> Held {
        let mut incoming = Incoming::default();
        incoming.new_link(announced);
        Held {
            session,
            incoming,
            link: Some(link),
            asking: None,
            grace: None,
            closing: None,
            outbox: Piece::default(),
            partial: Vec::new(),
        }
    }

    /// The next frames, as many as fit.
    pub fn speak(&mut self, now: Instant, most: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.len() < most {
            if let Some(control) = self.session.control(now, self.outbox.is_empty()) {
                frames.push(Frame::Control(control.encode().to_vec()));
            } else if let Some((piece, from, to)) = self.session.again(700) {
                frames.extend(piece.parts(from, to).map(frame));
            } else if !self.outbox.is_empty() && self.session.id().first().is_some_and(|byte| byte % 2 == 1) {
                // Half of the sessions take over what cannot be sent yet.
                self.session.put(&mut self.outbox);
            } else if self.session.may_send() && !self.outbox.is_empty() {
                let len = self.outbox.len();
                frames.extend(self.outbox.parts(0, len).map(frame));
                self.session.sent(&mut self.outbox);
            } else {
                break;
            }
        }
        frames
    }

    /// Takes a frame; what it completes goes to `got`.
    pub fn hear(&mut self, now: Instant, frame: Frame, got: &mut Vec<Item>) -> Result<Heard, Violation> {
        let wanted = !self.incoming.is_discarding();
        match frame {
            Frame::Lines(bytes) => {
                self.incoming.lines(bytes.len())?;
                for byte in bytes.into_iter().filter(|_| wanted) {
                    self.partial.push(byte);
                    if let Some(line) = self.partial.strip_suffix(b"\r\n") {
                        got.push(Item::Line(line.to_vec()));
                        self.partial.clear();
                    }
                }
            }
            Frame::Part(bytes, last) => {
                if wanted && !self.incoming.is_in_message() && !self.partial.is_empty() {
                    return Err(Violation::Mixed);
                }
                self.incoming.part(bytes.len(), last)?;
                if wanted {
                    self.partial.extend(bytes);
                    if last {
                        got.push(Item::Message(std::mem::take(&mut self.partial)));
                    }
                }
            }
            Frame::Control(bytes) => {
                let control = Control::decode(&bytes).unwrap();
                self.incoming.control(&control)?;
                return self.session.heard(now, &control);
            }
            Frame::Fin => unreachable!("the world's"),
        }
        self.session.received(now, self.incoming.received());
        Ok(Heard::Nothing)
    }

    pub fn send(&mut self, item: &Item) {
        match item {
            Item::Line(line) => {
                self.outbox.push_lines(line);
                self.outbox.push_lines(b"\r\n");
            }
            Item::Message(message) => self.outbox.push_message(message),
        }
    }

    /// What is not known to have arrived.
    pub fn unsettled(&self) -> Unsettled {
        let mut unsettled = self.session.unsettled();
        unsettled.lines += self.outbox.ends_behind(0);
        unsettled.bytes += self.outbox.len() as u64;
        unsettled
    }

    pub fn deadline(&self, reading: bool) -> Option<Instant> {
        let asking = self.asking.map(|(_, at)| at);
        [self.session.deadline(reading), asking, self.grace, self.closing].into_iter().flatten().min()
    }
}

fn frame(part: Part<'_>) -> Frame {
    match part {
        Part::Lines(bytes) => Frame::Lines(bytes.to_vec()),
        Part::Message { part, last } => Frame::Part(part.to_vec(), last),
    }
}

impl Side {
    pub fn new(settings: Settings) -> Side {
        Side {
            settings,
            held: None,
            ended: None,
            opened: None,
            listening: None,
            stalled: false,
            stories: BTreeMap::new(),
            life: 0,
            resumptions: 0,
            wake: None,
        }
    }

    /// A new session begins with a link.
    pub fn begin(&mut self, now: Instant, id: SessionId, link: usize, said: bool, announced: bool) {
        assert!(self.held.is_none());
        let session = Session::begin(now, id, self.settings, said);
        self.held = Some(Held::new(session, link, announced));
        let before = self.stories.insert((id, self.life), Story::default());
        assert!(before.is_none(), "a session began twice");
    }

    /// The session is over.
    pub fn end(&mut self, why: Why) {
        let Some(held) = self.held.take() else { return };
        self.resumptions += held.session.resumptions();
        let story = self.stories.get_mut(&(held.session.id(), self.life)).unwrap();
        assert!(story.end.is_none());
        story.end = Some((why, held.unsettled()));
        self.ended = Some(held.session.epitaph());
    }

    pub fn restart(&mut self) {
        self.end(Why::Restart);
        (self.ended, self.opened, self.listening) = (None, self.opened, None);
        (self.stalled, self.life) = (false, self.life + 1);
    }
}
