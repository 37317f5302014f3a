//! What is done after every input and when time has passed: messages find their way, servers are dialled and left.

use super::channel::Channel;
use super::letters::State;
use super::{Happening, LinkId, Output, Role, Server, Signalling, write};
use std::time::{Duration, Instant};

/// The pause before the next server of a receiver is dialled beside the one before.
const STAGGER: Duration = Duration::from_millis(300);
/// Guest visits begun within [`VISITS_TIME`]: peers name these servers, and must not make us knock at doors all day.
const VISITS: usize = 30;
const VISITS_TIME: Duration = Duration::from_secs(60);
/// Servers remembered that are not of the settings.
const STRANGERS: usize = 64;

impl Signalling {
    /// When [`Signalling::on_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let channels = self.servers.values().filter_map(|server| server.channel.as_ref()?.deadline());
        let homes =
            self.settings.servers.iter().filter_map(|name| self.servers.get(name)).filter_map(|server| {
                let waits = server.channel.is_none() && server.alias.is_none();
                server.not_before.filter(|_| waits && self.lacks_homes())
            });
        let guests = self.servers.iter().filter_map(|(name, server)| self.visit_ends(name, server));
        channels.chain(homes).chain(guests).chain(self.letters.deadline()).min()
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Instant) {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            let Some((name, mut channel)) = self.take(link) else { continue };
            let mut out = String::new();
            match channel.on_timeout(now, &self.settings, &mut out) {
                None => self.put(name, channel, out),
                Some(end) => {
                    self.outputs.push_back(Output::HangUp { link });
                    self.over(now, name, channel, end);
                }
            }
        }
        for (tag, outcome) in self.letters.expired(now) {
            self.done(tag, outcome);
        }
        self.keep(now);
    }

    /// Does whatever can be done now.
    pub(super) fn keep(&mut self, now: Instant) {
        if self.stopped {
            return;
        }
        self.end_visits(now);
        self.move_in(now);
        for tag in self.letters.waiting() {
            self.send(now, tag);
        }
    }

    /// Stays in as many servers as it should.
    fn move_in(&mut self, now: Instant) {
        for name in self.settings.servers.clone() {
            if !self.lacks_homes() {
                return;
            }
            // A server that we know by two names is a home by either.
            let name = self.servers.get(&name).and_then(|server| server.alias.clone()).unwrap_or(name);
            let Some(server) = self.servers.get_mut(&name) else { continue };
            if let Some(channel) = server.channel.as_ref().filter(|_| server.role == Role::Guest) {
                let at = channel.at().filter(|_| channel.is_here());
                let relay = channel.terms().is_some_and(|terms| terms.relay > 0);
                server.role = Role::Home;
                if let Some(at) = at {
                    self.happen(Happening::Entered { server: name, at, home: true, relay });
                }
            } else if server.may_be_dialled(now) {
                self.dial(now, name, Role::Home);
            }
        }
    }

    fn lacks_homes(&self) -> bool {
        let is_home = |server: &&Server| server.role == Role::Home && server.channel.is_some();
        self.servers.values().filter(is_home).count() < self.settings.homes
    }

    /// Brings a waiting message on its way, if a server of its receiver is connected; else sees to it that one will be.
    fn send(&mut self, now: Instant, tag: u64) {
        let Some(letter) = self.letters.get_mut(tag) else { return };
        let here = |name: &String| {
            let server = self.servers.get(name)?;
            let name = server.alias.as_ref().unwrap_or(name);
            let channel = self.servers.get(name)?.channel.as_ref().filter(|channel| channel.is_here())?;
            Some((channel.rtt.least(now), name.clone()))
        };
        if let Some((_, name)) = letter.via.iter().filter_map(here).min() {
            if let Some(server) = self.servers.get_mut(&name)
                && let Some(channel) = &mut server.channel
            {
                let mut out = String::new();
                channel.tell(now, tag, letter.to, &letter.message, self.settings.answer, &mut out);
                server.used = now;
                letter.state = State::Sent { link: channel.link, since: now };
                write(&mut self.outputs, channel.link, out);
            }
            return;
        }
        while let State::Waiting { next } = letter.state
            && next <= now
            && let Some(name) = letter.via.get(letter.dialled).cloned()
        {
            if let Some(server) = self.servers.get(&name).filter(|server| !server.may_be_dialled(now)) {
                // On its way already, or in no state to be asked.
                letter.dialled += 1;
                if server.channel.is_none() && server.alias.is_none() {
                    letter.trouble = format!("{name}: {}", server.trouble);
                }
                continue;
            }
            letter.state = State::Waiting { next: now + STAGGER };
            if self.may_visit(now, &name) {
                self.dial(now, name, Role::Guest);
                if let Some(letter) = self.letters.get_mut(tag) {
                    letter.dialled += 1;
                }
            } else if let Some(letter) = self.letters.get_mut(tag) {
                letter.trouble =
                    "too many servers of other nodes were asked lately; try again later".to_owned();
            }
            return;
        }
        if letter.dialled < letter.via.len() {
            return;
        }
        // All were tried. Our own are tried again; of others it is enough to know that they did not answer.
        let (mut hope, mut again) = (false, None);
        for name in &letter.via {
            let Some(server) = self.servers.get(name) else { continue };
            let alias = server.alias.as_ref().and_then(|name| self.servers.get(name));
            hope |= server.channel.is_some() || alias.is_some_and(|server| server.channel.is_some());
            if server.configured && server.channel.is_none() && server.alias.is_none() {
                let at = server.not_before.unwrap_or(now);
                again = again.into_iter().chain((at < letter.until).then_some(at)).min();
            }
        }
        if let Some(next) = again {
            letter.dialled = 0;
            letter.state = State::Waiting { next };
            if next <= now {
                self.send(now, tag);
            }
        } else if !hope && let Some(outcome) = self.letters.give_up(tag) {
            self.done(tag, outcome);
        }
    }

    /// Whether one more server may be dialled as a guest. Makes room if that is what it takes.
    fn may_visit(&mut self, now: Instant, name: &str) -> bool {
        let is_guest = |server: &Server| server.role == Role::Guest;
        let guests =
            self.servers.values().filter(|server| is_guest(server) && server.channel.is_some()).count();
        if guests >= self.settings.guests {
            let idle = |(name, server): &(&String, &Server)| {
                let link = server.channel.as_ref().map(|channel| channel.link);
                is_guest(server) && server.is_here() && !self.letters.need(name, link)
            };
            let longest = self.servers.iter().filter(idle).min_by_key(|(_, server)| server.used);
            let Some(longest) = longest.map(|(name, _)| name.clone()) else { return false };
            self.end_visit(now, &longest);
        }
        if !self.servers.contains_key(name) {
            let strangers = self.servers.values().filter(|server| !server.configured);
            if strangers.count() >= STRANGERS {
                let idle = |server: &Server| !server.configured && server.channel.is_none();
                let longest = self
                    .servers
                    .iter()
                    .filter(|(_, server)| idle(server))
                    .min_by_key(|(_, server)| server.used);
                let Some(longest) = longest.map(|(name, _)| name.clone()) else { return false };
                self.servers.remove(&longest);
            }
        }
        while self.visits.front().is_some_and(|at| now.saturating_duration_since(*at) >= VISITS_TIME) {
            self.visits.pop_front();
        }
        let may = self.visits.len() < VISITS;
        if may {
            self.visits.push_back(now);
        }
        may
    }

    fn dial(&mut self, now: Instant, name: String, role: Role) {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let server = self.servers.get_or_insert_with(name.clone(), || Server::new(now, false));
        server.role = role;
        server.used = now;
        server.channel = Some(Channel::new(now, link, &self.settings));
        let guest = !server.configured;
        self.links.insert(link, name.clone());
        self.outputs.push_back(Output::Dial { link, server: name, guest });
    }

    /// When a guest visit ends; `None`: it is none, or still of use.
    fn visit_ends(&self, name: &str, server: &Server) -> Option<Instant> {
        let link = server.channel.as_ref().filter(|channel| channel.is_here())?.link;
        let over = server.role == Role::Guest && !self.letters.need(name, Some(link));
        over.then(|| server.used + self.settings.linger)
    }

    fn end_visits(&mut self, now: Instant) {
        let over = |(name, server): (&String, &Server)| {
            self.visit_ends(name, server).filter(|at| *at <= now).map(|_| name.clone())
        };
        for name in self.servers.iter().filter_map(over).collect::<Vec<_>>() {
            self.end_visit(now, &name);
        }
    }

    fn end_visit(&mut self, now: Instant, name: &str) {
        let link =
            self.servers.get(name).and_then(|server| server.channel.as_ref()).map(|channel| channel.link);
        if let Some((name, mut channel)) = link.and_then(|link| self.take(link)) {
            let mut out = String::new();
            channel.leave(&mut out);
            write(&mut self.outputs, channel.link, out);
            self.outputs.push_back(Output::HangUp { link: channel.link });
            self.over(now, name, channel, super::End::Left);
        }
    }
}
