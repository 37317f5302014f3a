//! A node whose servers are played by hand.

use std::collections::BTreeMap;

use super::super::*;
use crate::proto::base64url;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) node: Signalling,
    pub(super) happened: Vec<Happening>,
    /// What was dialled and not answered yet; the last link of each server.
    pub(super) dials: Vec<(LinkId, String, bool)>,
    pub(super) links: BTreeMap<String, LinkId>,
    pub(super) hung_up: Vec<LinkId>,
    pub(super) written: Vec<(LinkId, String)>,
}

pub(super) fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

pub(super) fn at(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 8000))
}

impl World {
    pub(super) fn new(servers: &[&str]) -> World {
        World::with(servers, |_| {})
    }

    pub(super) fn with(servers: &[&str], change: impl FnOnce(&mut Settings)) -> World {
        let servers = servers.iter().map(|server| server.to_string()).collect();
        let mut settings = Settings::new(key(1), "net".parse().unwrap(), servers);
        change(&mut settings);
        let now = Instant::now();
        let node = Signalling::new(now, settings, Box::new(|_| [7; 64]), 7);
        let mut world = World {
            now,
            node,
            happened: Vec::new(),
            dials: Vec::new(),
            links: BTreeMap::new(),
            hung_up: Vec::new(),
            written: Vec::new(),
        };
        world.look();
        world
    }

    pub(super) fn look(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Dial { link, server, guest } => {
                    self.links.insert(server.clone(), link);
                    self.dials.push((link, server, guest));
                }
                Output::Write { link, text } => {
                    assert!(text.ends_with("\r\n"));
                    self.written.extend(text.split_terminator("\r\n").map(|line| (link, line.to_owned())));
                }
                Output::HangUp { link } => self.hung_up.push(link),
                Output::Happening(Happening::Rtt { .. }) => {}
                Output::Happening(what) => self.happened.push(what),
            }
        }
    }

    /// The names of the servers dialled since the last call.
    pub(super) fn dialled(&mut self) -> Vec<String> {
        self.dials.drain(..).map(|(_, server, _)| server).collect()
    }

    pub(super) fn happened(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happened)
    }

    /// What was written to a server since the last call.
    pub(super) fn heard(&mut self, server: &str) -> Vec<String> {
        let link = self.links[server];
        let (its, others) = self.written.drain(..).partition(|(to, _)| *to == link);
        self.written = others;
        let its: Vec<(LinkId, String)> = its;
        its.into_iter().map(|(_, line)| line).collect()
    }

    pub(super) fn say(&mut self, server: &str, line: &str) {
        self.node.line(self.now, self.links[server], line.as_bytes());
        self.look();
    }

    pub(super) fn connect(&mut self, server: &str, n: u8) {
        self.node.dialled(self.now, self.links[server], Ok(at(n)));
        self.look();
    }

    pub(super) fn fail(&mut self, server: &str) {
        self.node.dialled(self.now, self.links[server], Err("connection refused".into()));
        self.look();
    }

    /// The server at `at(n)` lets the node enter; it calls itself `called`.
    pub(super) fn enter_as(&mut self, server: &str, n: u8, called: &str) {
        self.connect(server, n);
        let asked = self.heard(server);
        assert_eq!(asked, [format!("ENTER {} net", key(1)), "SOURCE TCP".to_owned()]);
        self.say(server, &format!("NONCE {}", base64url::encode(&[9; 32])));
        self.say(server, "REMOTE TCP 5");
        assert!(self.heard(server)[0].starts_with(&format!("PROVE {} ", at(n))));
        self.say(server, &format!("ENTERED server={called} idle=60 size=2048"));
    }

    pub(super) fn enter(&mut self, server: &str, n: u8) {
        self.enter_as(server, n, &format!("s{n}"));
        assert_eq!(self.heard(server), ["ECHO 1"]);
        self.say(server, "ECHO 1");
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.node.on_timeout(self.now);
        assert!(self.node.poll_timeout().is_none_or(|at| at > self.now), "all that was due is done");
        self.look();
    }

    pub(super) fn tell(&mut self, tag: u64, via: &[&str]) {
        let via: Vec<String> = via.iter().map(|server| server.to_string()).collect();
        self.node.tell(self.now, tag, key(2), &via, b"f").unwrap();
        self.look();
    }

    pub(super) fn ends(&mut self) -> Vec<(String, End)> {
        let left = |what| match what {
            Happening::Left { server, end, .. } => Some((server, end)),
            _ => None,
        };
        self.happened().into_iter().filter_map(left).collect()
    }

    pub(super) fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let done = |what| match what {
            Happening::Done { tag, outcome } => Some((tag, outcome)),
            _ => None,
        };
        self.happened().into_iter().filter_map(done).collect()
    }
}

pub(super) fn tell_line(tag: u64) -> String {
    format!("TELL {tag} {} Zg", key(2))
}
