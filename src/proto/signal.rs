//! A node's part in signalling: it stays in up to two servers, so that others can reach it, and sends messages by the
//! servers that its peers stay in.
//!
//! ```text
//!   tell ──▶ letters ──▶ the receiver's server: one we are in, or a guest visit to it
//!                            │ dialled · line · closed · on_timeout      (from the I/O)
//!                        channel: ENTER, PROVE, TELL, HEARD, ECHO
//!                            ▼
//!                        Dial · Write · HangUp · Happening                (to the I/O)
//! ```
//!
//! A message is delivered at most once, and its sender learns of each exactly once what became of it. It is sent a second
//! time, by another server, only if the first has said that the receiver is not there.

pub(super) mod backoff;
mod channel;
mod keep;
mod letters;
mod links;
mod rtt;
mod settings;
#[cfg(test)]
mod tests;

pub use channel::LinkId;
pub use rtt::Rtt;
pub use settings::{End, Happening, Outcome, Output, Settings, Sign, TellError};

use super::identity::PublicKey;
use super::rdv_msg::signal::{MAX_MESSAGE, message_text};
use crate::small::SmallMap;
use backoff::Backoff;
use channel::{Channel, Step};
use letters::{Letter, Letters, MOST_SERVERS, State};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Why we are connected to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Peers find us there.
    Home,
    /// Somebody is there whom we have something to say.
    Guest,
}

#[derive(Debug)]
struct Server {
    /// It is one of the settings, not learned from a peer.
    configured: bool,
    role: Role,
    channel: Option<Channel>,
    backoff: Backoff,
    not_before: Option<Instant>,
    /// How the last connection ended.
    trouble: String,
    /// When it was last of use.
    used: Instant,
    /// What it called itself when it told us that we had entered elsewhere.
    replaced: Option<(String, Instant)>,
    /// It is the same server as this one, where we are.
    alias: Option<String>,
}

/// The state of a node's signalling.
pub struct Signalling {
    settings: Settings,
    sign: Sign,
    rng: fastrand::Rng,
    servers: SmallMap<String, Server>,
    links: SmallMap<LinkId, String>,
    next_link: u64,
    letters: Letters,
    /// When guest visits were begun, lately.
    visits: VecDeque<Instant>,
    outputs: VecDeque<Output>,
    stopped: bool,
}

impl std::fmt::Debug for Signalling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let here: Vec<&str> = self.homes().collect();
        write!(f, "Signalling(at {}, {} messages under way)", here.join(" and "), self.letters.len())
    }
}

impl Signalling {
    /// Begins: the first servers are to be dialled. `sign` signs for [`Settings::id`]; `seed` decides about pauses.
    pub fn new(now: Instant, mut settings: Settings, sign: Sign, seed: u64) -> Signalling {
        settings.servers.iter_mut().for_each(|server| server.make_ascii_lowercase());
        let mut signalling = Signalling {
            sign,
            rng: fastrand::Rng::with_seed(seed),
            servers: SmallMap::new(),
            links: SmallMap::new(),
            next_link: 1,
            letters: Letters::default(),
            visits: VecDeque::new(),
            outputs: VecDeque::new(),
            stopped: false,
            settings,
        };
        for name in signalling.settings.servers.clone() {
            signalling.servers.insert(name, Server::new(now, true));
        }
        signalling.keep(now);
        signalling
    }

    /// Sends a message to a node. `tag` is the caller's name for it, not one of a message that is under way; `via` are the
    /// servers that the peer's locator names, as `host:port`, best first (at most four are tried; if there are none, our own).
    ///
    /// # Errors
    /// It cannot be taken; then nothing more will be said of it. Else it gets exactly one [`Happening::Done`].
    pub fn tell(
        &mut self,
        now: Instant,
        tag: u64,
        to: PublicKey,
        via: &[String],
        message: &[u8],
    ) -> Result<(), TellError> {
        if self.stopped {
            return Err(TellError::Stopped);
        }
        if message.is_empty() || message.len() > MAX_MESSAGE {
            return Err(TellError::Size);
        }
        if self.letters.len() >= self.settings.queue {
            return Err(TellError::Full);
        }
        if self.letters.contains(tag) {
            return Err(TellError::Tag);
        }
        let named = if via.is_empty() { &self.settings.servers[..] } else { via };
        let mut via: Vec<String> = Vec::new();
        for server in named.iter().map(|server| server.to_ascii_lowercase()) {
            if via.len() < MOST_SERVERS && !via.contains(&server) {
                via.push(server);
            }
        }
        if via.is_empty() {
            return Err(TellError::NoServer);
        }
        let state = State::Waiting { next: now };
        let until = now + self.settings.patience;
        let (message, trouble) = (message_text(message), "no server answered in time".to_owned());
        self.letters.insert(tag, Letter { to, message, via, dialled: 0, state, until, trouble });
        self.keep(now);
        Ok(())
    }

    /// Tells by a [`Happening`] what [`Signalling::tell`] has answered, for those who only hear these.
    pub fn not_taken(&mut self, tag: u64, why: TellError) {
        self.done(tag, Outcome::NotTaken(why));
    }

    /// The I/O has connected, to this address, or it could not.
    pub fn dialled(&mut self, now: Instant, link: LinkId, outcome: Result<SocketAddr, String>) {
        let Some((name, mut channel)) = self.take(link) else { return };
        match outcome {
            Ok(at) if let Some(other) = self.server_at(at) => {
                // To enter would only replace ourselves.
                self.outputs.push_back(Output::HangUp { link });
                self.over(now, name, channel, End::SameAs(other));
            }
            Ok(at) => {
                let mut out = String::new();
                channel.connected(now, at, &self.settings, &mut out);
                self.put(name, channel, out);
            }
            Err(why) => {
                self.over(now, name, channel, End::Dial(why));
            }
        }
        self.keep(now);
    }

    /// A line came, without its CRLF.
    pub fn line(&mut self, now: Instant, link: LinkId, line: &[u8]) {
        let Some(text) = std::str::from_utf8(line).ok() else { return };
        let Some((name, mut channel)) = self.take(link) else { return };
        let mut out = String::new();
        match channel.line(now, text, &self.settings, &self.sign, |mark| self.marked(mark), &mut out) {
            Step::Over(end) => {
                self.outputs.push_back(Output::HangUp { link });
                self.over(now, name, channel, end);
            }
            step => {
                self.put(name.clone(), channel, out);
                self.step(now, name, link, step);
            }
        }
        self.keep(now);
    }

    /// The connection has ended. Harmless for one that was hung up from here.
    pub fn closed(&mut self, now: Instant, link: LinkId, why: &str) {
        if let Some((name, channel)) = self.take(link) {
            self.over(now, name, channel, End::Lost(why.to_owned()));
            self.keep(now);
        }
    }

    /// The machine has other addresses, or other ways: whatever is connected is given up, and everything dialled anew at
    /// once, so that peers find us again.
    pub fn network_changed(&mut self, now: Instant) {
        self.hang_up_all(now, &End::NetworkChanged);
        for server in self.servers.values_mut() {
            server.backoff.reset();
            server.not_before = None;
        }
        self.keep(now);
    }

    /// Measures the way to all servers now; the answers come as [`Happening::Rtt`].
    pub fn measure(&mut self, now: Instant) {
        for channel in self.servers.values_mut().filter_map(|server| server.channel.as_mut()) {
            let mut out = String::new();
            channel.measure(now, &self.settings, &mut out);
            write(&mut self.outputs, channel.link, out);
        }
    }

    /// Leaves all servers. Nothing will be dialled or sent any more.
    pub fn leave(&mut self, now: Instant) {
        self.stopped = true;
        for channel in self.servers.values_mut().filter_map(|server| server.channel.as_mut()) {
            let mut out = String::new();
            channel.leave(&mut out);
            write(&mut self.outputs, channel.link, out);
        }
        self.hang_up_all(now, &End::Left);
        for (tag, outcome) in self.letters.all() {
            self.done(tag, outcome);
        }
    }

    /// What to do next, until there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The servers where peers find us now: what a locator should name.
    pub fn homes(&self) -> impl Iterator<Item = &str> {
        let is_home = |server: &Server| server.role == Role::Home && server.is_here();
        self.servers.iter().filter(move |(_, server)| is_home(server)).map(|(name, _)| name.as_str())
    }

    /// The least round trip to a server lately.
    pub fn rtt(&self, now: Instant, server: &str) -> Option<Duration> {
        self.servers.get(server)?.channel.as_ref()?.rtt.least(now)
    }
}

impl Server {
    fn new(now: Instant, configured: bool) -> Server {
        Server {
            configured,
            role: Role::Guest,
            channel: None,
            backoff: Backoff::default(),
            not_before: None,
            trouble: String::new(),
            used: now,
            replaced: None,
            alias: None,
        }
    }

    fn is_here(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::is_here)
    }

    fn may_be_dialled(&self, now: Instant) -> bool {
        self.channel.is_none() && self.alias.is_none() && self.not_before.is_none_or(|at| at <= now)
    }
}

fn write(outputs: &mut VecDeque<Output>, link: LinkId, text: String) {
    if !text.is_empty() {
        outputs.push_back(Output::Write { link, text });
    }
}
