//! What comes of a connection: what its lines lead to, and its end.

use super::channel::{Channel, Step};
use super::{End, Happening, LinkId, Outcome, Output, Role, Server, Signalling, write};
use crate::proto::rdv_msg::signal::mark_of;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A stay of so long shows that a server works: the next pause is a short one again.
const SETTLED: Duration = Duration::from_secs(30);
/// A server that ends one connection for another within this time is the server of the other one.
const ALIAS: Duration = Duration::from_secs(10);

impl Signalling {
    pub(super) fn step(&mut self, now: Instant, name: String, link: LinkId, step: Step) {
        match step {
            Step::Nothing | Step::Over(_) => {}
            Step::Entered => self.entered(now, name),
            Step::Rtt(least) => self.happen(Happening::Rtt { server: name, least }),
            Step::Told(tag) => {
                if self.letters.told(tag, link) {
                    self.happen(Happening::Told { tag, server: name });
                }
            }
            Step::Heard(tag) => {
                if let Some(rtt) = self.letters.heard(now, tag, link) {
                    self.done(tag, Outcome::Heard { server: name, rtt });
                }
            }
            Step::Unheard(tag) => {
                if self.letters.end(tag, link) {
                    self.done(tag, Outcome::Unheard);
                }
            }
            Step::Absent(tag) => {
                let same = |(other, server): (&String, &Server)| {
                    (*other == name || server.alias.as_ref() == Some(&name)).then(|| other.clone())
                };
                let names: Vec<String> = self.servers.iter().filter_map(same).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                if let Some(outcome) = self.letters.absent(now, tag, link, &names) {
                    self.done(tag, outcome);
                }
            }
            Step::Refused(tag, refused) => {
                if self.letters.end(tag, link) {
                    self.done(tag, Outcome::Refused(refused));
                }
            }
            Step::Message(from, message) => {
                if let Some(server) = self.servers.get_mut(&name) {
                    server.used = now;
                }
                self.happen(Happening::Message { server: name, from, message });
            }
        }
    }

    fn entered(&mut self, now: Instant, name: String) {
        let Some(server) = self.servers.get_mut(&name) else { return };
        let home = server.role == Role::Home;
        let Some(channel) = &server.channel else { return };
        let terms = channel.terms().cloned().unwrap_or_default();
        let (at, called, relay) = (channel.at(), terms.server, terms.relay > 0);
        if let Some(at) = at {
            self.happen(Happening::Entered { server: name.clone(), at, home, relay });
        }
        // If we have just been replaced at a server that calls itself so, it was by this connection.
        for (_, server) in self.servers.iter_mut().filter(|(other, _)| **other != name) {
            let was_here = server.replaced.as_ref().is_some_and(|(its, at)| {
                !called.is_empty() && *its == called && now.saturating_duration_since(*at) < ALIAS
            });
            if was_here {
                server.alias = Some(name.clone());
            }
        }
    }

    pub(super) fn take(&mut self, link: LinkId) -> Option<(String, Channel)> {
        let name = self.links.get(&link)?.clone();
        let channel = self.servers.get_mut(&name)?.channel.take_if(|channel| channel.link == link)?;
        Some((name, channel))
    }

    pub(super) fn put(&mut self, name: String, channel: Channel, out: String) {
        write(&mut self.outputs, channel.link, out);
        if let Some(server) = self.servers.get_mut(&name) {
            server.channel = Some(channel);
        }
    }

    /// A connection is over; it has been taken out already.
    pub(super) fn over(&mut self, now: Instant, name: String, channel: Channel, end: End) {
        self.links.remove(&channel.link);
        let entered = channel.is_here();
        let called = channel.terms().map(|terms| terms.server.clone()).unwrap_or_default();
        let same = self.here_as(&called).filter(|_| end == End::Replaced);
        for server in self.servers.values_mut().filter(|server| server.alias.as_ref() == Some(&name)) {
            server.alias = None;
            server.not_before = None;
        }
        if let Some(server) = self.servers.get_mut(&name) {
            server.used = now;
            server.trouble = end.to_string();
            if channel.stay(now) >= SETTLED {
                server.backoff.reset();
            }
            let on_purpose = matches!(end, End::Left | End::NetworkChanged | End::SameAs(_));
            let pause = (!on_purpose).then(|| server.backoff.next(&mut self.rng, end.pause()));
            server.not_before = pause.map(|pause| now + pause);
            if let End::SameAs(other) = &end {
                server.alias = Some(other.clone());
            }
            if end == End::Replaced {
                server.alias = same;
                server.replaced = Some((called, now));
            }
        }
        self.letters.trouble(&name, &end.to_string());
        for (tag, outcome) in self.letters.lost(channel.link) {
            self.done(tag, outcome);
        }
        self.happen(Happening::Left { server: name, entered, end });
    }

    /// The server that we are connected to at this address.
    pub(super) fn server_at(&self, at: SocketAddr) -> Option<String> {
        let is = |server: &Server| server.channel.as_ref().and_then(Channel::at) == Some(at);
        self.servers.iter().find(|(_, server)| is(server)).map(|(name, _)| name.clone())
    }

    /// The server where we are and that has this mark.
    pub(super) fn marked(&self, mark: &str) -> Option<String> {
        let is = |server: &Server| {
            let terms = server.channel.as_ref().and_then(Channel::terms);
            terms.is_some_and(|terms| !terms.server.is_empty() && mark_of(&terms.server) == mark)
        };
        self.servers.iter().find(|(_, server)| is(server)).map(|(name, _)| name.clone())
    }

    /// The server where we are and that calls itself so.
    fn here_as(&self, called: &str) -> Option<String> {
        let is = |server: &Server| {
            let terms = server.channel.as_ref().and_then(Channel::terms);
            !called.is_empty() && terms.is_some_and(|terms| terms.server == called)
        };
        self.servers.iter().find(|(_, server)| is(server)).map(|(name, _)| name.clone())
    }

    pub(super) fn hang_up_all(&mut self, now: Instant, end: &End) {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            if let Some((name, channel)) = self.take(link) {
                self.outputs.push_back(Output::HangUp { link });
                self.over(now, name, channel, end.clone());
            }
        }
    }

    pub(super) fn done(&mut self, tag: u64, outcome: Outcome) {
        self.happen(Happening::Done { tag, outcome });
    }

    pub(super) fn happen(&mut self, what: Happening) {
        self.outputs.push_back(Output::Happening(what));
    }
}
