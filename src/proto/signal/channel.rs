//! One connection to one server: entering, being there, the end.

use super::rtt::Rtt;
use super::{End, Settings, Sign};
use crate::proto::identity::PublicKey;
use crate::proto::rdv_msg::signal::{Reason, Refused, Terms, message_bytes, proof_text};
use crate::proto::rdv_msg::{Reply, Request, SignalReply, SignalRequest};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A connection; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

#[derive(Debug)]
enum State {
    /// The I/O is at it.
    Dialling,
    /// ENTER is said.
    Asked { at: SocketAddr, since: Instant },
    /// PROVE is said.
    Proving { at: SocketAddr },
    /// We can be reached here.
    Here { at: SocketAddr, terms: Terms, since: Instant },
}

/// What a line has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// We can be reached here from now on.
    Entered,
    /// A new sample; this is the least now.
    Rtt(Duration),
    Told(u64),
    Heard(u64),
    Unheard(u64),
    Absent(u64),
    /// A TELL of ours was refused.
    Refused(u64, Refused),
    Message(PublicKey, Vec<u8>),
    Over(End),
}

/// A connection and how far it has come.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) link: LinkId,
    state: State,
    /// If nothing comes until then, the server is gone or the way to it.
    expects: Option<Instant>,
    echo_at: Option<Instant>,
    /// The number of the last ECHO, and when it was said if there is no answer yet.
    echo: (u64, Option<Instant>),
    pub(super) rtt: Rtt,
    /// Of the last MESSAGE.
    number: u64,
}

impl Channel {
    /// A channel that is being dialled.
    pub(super) fn new(now: Instant, link: LinkId, settings: &Settings) -> Channel {
        Channel {
            link,
            state: State::Dialling,
            expects: Some(now + settings.answer),
            echo_at: None,
            echo: (0, None),
            rtt: Rtt::default(),
            number: 0,
        }
    }

    /// What the server has told us to keep to, once we are there.
    pub(super) fn terms(&self) -> Option<&Terms> {
        match &self.state {
            State::Here { terms, .. } => Some(terms),
            _ => None,
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.terms().is_some()
    }

    /// How long we have been there.
    pub(super) fn stay(&self, now: Instant) -> Duration {
        match &self.state {
            State::Here { since, .. } => now.saturating_duration_since(*since),
            _ => Duration::ZERO,
        }
    }

    /// The server's address, once it is connected.
    pub(super) fn at(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Dialling => None,
            State::Asked { at, .. } | State::Proving { at } | State::Here { at, .. } => Some(*at),
        }
    }

    /// The connection stands. Begins to enter.
    pub(super) fn connected(&mut self, now: Instant, at: SocketAddr, settings: &Settings, out: &mut String) {
        if !matches!(self.state, State::Dialling) {
            return;
        }
        let enter = SignalRequest::Enter { id: settings.id, network: settings.network.clone() };
        write_line(out, Request::Signal(enter));
        // A server without signalling meets ENTER with silence, and answers in order: so it will show.
        write_line(out, Request::SourceTcp { local_port: None });
        self.state = State::Asked { at, since: now };
        self.expects = Some(now + settings.answer);
    }

    /// Takes a line of the server. `known` knows a server by its mark, if we are there already.
    pub(super) fn line(
        &mut self,
        now: Instant,
        line: &str,
        settings: &Settings,
        sign: &Sign,
        known: impl Fn(&str) -> Option<String>,
        out: &mut String,
    ) -> Step {
        let reply = match (Reply::parse(line), &self.state) {
            (Some(Reply::Signal(reply)), _) => reply,
            (Some(Reply::RemoteTcp(_)), State::Asked { .. }) => return Step::Over(End::NoSignalling),
            _ => return Step::Nothing,
        };
        match (reply, &self.state) {
            (SignalReply::Nonce { mark, .. }, State::Asked { .. }) if let Some(other) = known(&mark) => {
                // To enter would only replace ourselves.
                Step::Over(End::SameAs(other))
            }
            (SignalReply::Nonce { nonce, .. }, State::Asked { at, since }) => {
                let at = *at;
                let sample = now.saturating_duration_since(*since);
                let signature = Box::new(sign(&proof_text(&nonce, &settings.id, at, &settings.network)));
                write_line(out, Request::Signal(SignalRequest::Prove { server: at, signature }));
                self.state = State::Proving { at };
                self.expects = Some(now + settings.answer);
                Step::Rtt(self.rtt.add(now, sample))
            }
            (SignalReply::Entered(terms), State::Proving { at }) => {
                self.state = State::Here { at: *at, terms, since: now };
                self.expects = None;
                self.say_echo(now, settings, out);
                Step::Entered
            }
            (SignalReply::Refused(refused), State::Asked { .. } | State::Proving { .. }) => {
                Step::Over(match refused.reason {
                    Reason::Off => End::NoSignalling,
                    _ => End::Refused(refused),
                })
            }
            (reply, State::Here { .. }) => {
                self.expects = None;
                self.here(now, reply, out)
            }
            _ => Step::Nothing,
        }
    }

    fn here(&mut self, now: Instant, reply: SignalReply, out: &mut String) -> Step {
        match reply {
            SignalReply::Told { tag } => Step::Told(tag),
            SignalReply::Heard { tag } => Step::Heard(tag),
            SignalReply::Unheard { tag } => Step::Unheard(tag),
            SignalReply::Absent { tag } => Step::Absent(tag),
            SignalReply::Message { number, from, message } => {
                write_line(out, Request::Signal(SignalRequest::Heard { upto: number }));
                let is_new = number > self.number;
                self.number = self.number.max(number);
                match message_bytes(&message).filter(|_| is_new) {
                    Some(message) => Step::Message(from, message),
                    None => Step::Nothing,
                }
            }
            SignalReply::Echo { token } if token == self.echo.0.to_string() => match self.echo.1.take() {
                Some(said) => Step::Rtt(self.rtt.add(now, now.saturating_duration_since(said))),
                None => Step::Nothing,
            },
            SignalReply::Replaced => Step::Over(End::Replaced),
            SignalReply::Refused(refused) => match (refused.tag, refused.reason) {
                (Some(tag), _) => Step::Refused(tag, refused),
                // The server hangs up after these.
                (None, Reason::Time | Reason::Rate | Reason::Full | Reason::Off) => {
                    Step::Over(End::Refused(refused))
                }
                (None, _) => Step::Nothing,
            },
            _ => Step::Nothing,
        }
    }

    /// Sends a message.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        tag: u64,
        to: PublicKey,
        message: &str,
        answer: Duration,
        out: &mut String,
    ) {
        write_line(out, Request::Signal(SignalRequest::Tell { tag, to, message }));
        self.expects.get_or_insert(now + answer);
    }

    /// Asks for an echo now, if none is on its way.
    pub(super) fn measure(&mut self, now: Instant, settings: &Settings, out: &mut String) {
        if self.is_here() && self.echo.1.is_none() {
            self.say_echo(now, settings, out);
        }
    }

    /// Takes leave.
    pub(super) fn leave(&mut self, out: &mut String) {
        if self.is_here() {
            write_line(out, Request::Signal(SignalRequest::Leave));
            write_line(out, Request::Quit);
        }
    }

    /// When [`Channel::on_timeout`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.expects.into_iter().chain(self.echo_at).min()
    }

    /// Time has passed.
    pub(super) fn on_timeout(&mut self, now: Instant, settings: &Settings, out: &mut String) -> Option<End> {
        if self.expects.is_some_and(|at| at <= now) {
            return Some(End::Silent);
        }
        if self.echo_at.is_some_and(|at| at <= now) {
            self.say_echo(now, settings, out);
        }
        None
    }

    fn say_echo(&mut self, now: Instant, settings: &Settings, out: &mut String) {
        let Some(terms) = self.terms() else { return };
        // Three in the time the server waits, so that it never waits in vain.
        let often = Duration::from_millis(u64::from(terms.idle) * 1000 / 3);
        self.echo_at = Some(now + settings.echo.min(often));
        self.echo = (self.echo.0 + 1, Some(now));
        let token = self.echo.0.to_string();
        write_line(out, Request::Signal(SignalRequest::Echo { token: &token }));
        self.expects.get_or_insert(now + settings.answer);
    }
}

fn write_line(out: &mut String, request: Request<'_>) {
    // Writing to a string does not fail.
    let _ = write!(out, "{request}\r\n");
}
