//! Two nodes, and servers as they should be, or not.

use super::super::*;
use crate::proto::dht_id::NodeId;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const ALICE: NodeId = NodeId([0xa; 20]);
pub(super) const BOB: NodeId = NodeId([0xb; 20]);
pub(super) const MS: Duration = Duration::from_millis(1);

/// A server as it should be, or not.
#[derive(Default)]
pub(super) struct Server {
    pub(super) nodes: BTreeMap<String, String>,
    pub(super) boxes: BTreeMap<String, Vec<(u64, String)>>,
    pub(super) next: u64,
    /// Says failure to everything but registrations.
    pub(super) refuses: bool,
    /// Mailboxes hold so many.
    pub(super) room: Option<usize>,
    pub(super) asked: usize,
}

/// The parameters of a path.
pub(super) fn params(path: &str) -> BTreeMap<&str, &str> {
    path.split_once('?').unwrap().1.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
}

impl Server {
    /// The answer, or `None` to wait for a message.
    pub(super) fn answer(&mut self, clean: bool, call: &Call, path: &str) -> Option<(u16, String)> {
        self.asked += 1;
        let p = params(path);
        let (id, password) = (p["node_id"].to_owned(), p["password"].to_owned());
        let done =
            |clean_text: &str, text: &str| Some((200, if clean { clean_text } else { text }.to_owned()));
        if *call == Call::Register {
            self.nodes.entry(id).or_insert(password);
            return done("{\"registered\":true}", "Already registered.success");
        }
        if self.refuses || self.nodes.get(&id) != Some(&password) {
            return Some(if clean { (403, "{}".into()) } else { (200, "failure".into()) });
        }
        match call {
            Call::Register | Call::Alive => done("{\"done\":true}", "success"),
            Call::Mutex => done("{\"mutex\":true}", "1"),
            Call::Neighbours => done("{\"neighbours\":[]}", "[]"),
            Call::Put { .. } => {
                let held = self.boxes.entry(p["dest_node_id"].to_owned()).or_default();
                if self.room.is_some_and(|room| held.len() >= room) {
                    return Some(if clean {
                        (429, "{\"error\":\"full\"}".into())
                    } else {
                        (200, "failure".into())
                    });
                }
                self.next += 1;
                held.push((self.next, p["msg"].to_owned()));
                done("{\"done\":true}", "success")
            }
            Call::List { .. } => {
                let held = self.boxes.entry(id).or_default();
                if let Some(ack) = p.get("ack").map(|ack| ack.parse::<u64>().unwrap()) {
                    held.retain(|(n, _)| *n > ack);
                }
                if held.is_empty() {
                    return None;
                }
                let texts: Vec<_> = held.iter().map(|(_, text)| text.clone()).collect();
                if clean {
                    let all: Vec<_> =
                        held.iter().map(|(n, text)| serde_json::json!({ "id": n, "msg": text })).collect();
                    return Some((200, serde_json::json!({ "messages": all }).to_string()));
                }
                held.clear();
                Some((200, serde_json::to_string(&texts).unwrap()))
            }
        }
    }
}

pub(super) struct Waiting {
    pub(super) node: usize,
    pub(super) id: CallId,
    pub(super) server: usize,
    pub(super) call: Call,
    pub(super) path: String,
    pub(super) until: Instant,
}

/// Two nodes and their servers.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) clean: bool,
    pub(super) nodes: [Mailbox; 2],
    pub(super) servers: Vec<Server>,
    pub(super) up: Vec<bool>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) told: [Vec<Happening>; 2],
}

pub(super) fn world(clean: bool, count: usize, change: impl Fn(&mut Settings)) -> World {
    let now = Instant::now();
    let style = if clean { Style::Clean } else { Style::Script("/dht_msg.php".into()) };
    let names = (0..count).map(|n| super::Server { name: format!("s{n}"), style: style.clone() });
    let node = |id: NodeId, n: u8| {
        let mut settings = Settings::new(id, "secret", [n; 32], names.clone().collect());
        change(&mut settings);
        Mailbox::new(now, settings, n.into())
    };
    World {
        now,
        clean,
        nodes: [node(ALICE, 1), node(BOB, 2)],
        servers: (0..count).map(|_| Server::default()).collect(),
        up: vec![true; count],
        waiting: vec![],
        told: [vec![], vec![]],
    }
}

impl World {
    /// Does what the nodes want; questions wait to be answered.
    pub(super) fn take_outputs(&mut self) {
        for (n, node) in self.nodes.iter_mut().enumerate() {
            while let Some(output) = node.poll_output() {
                match output {
                    Output::Ask { id, server, call, path, limit, longest } => {
                        assert!(longest <= answer::MAX_LIST && path.len() < 20_000);
                        let is_poll = self.clean && matches!(call, Call::List { .. });
                        let until = self.now + if is_poll { Duration::from_secs(30) } else { limit };
                        self.waiting.push(Waiting { node: n, id, server, call, path, until });
                    }
                    Output::GiveUp(id) => self.waiting.retain(|w| (w.node, w.id) != (n, id)),
                    Output::Happening(what) => self.told[n].push(what),
                }
            }
            let at_once = self.waiting.iter().filter(|w| w.node == n).count();
            assert!(at_once <= 3 * self.servers.len() + 1, "{at_once} requests at once");
        }
    }

    pub(super) fn report(&mut self, w: &Waiting, reply: Result<Reply, NoReply>) {
        self.nodes[w.node].answered(self.now, w.id, reply);
    }

    /// Answers one question. `fate`: 0 to 5 honestly, 6 the question is lost, 7 the answer is.
    pub(super) fn answer(&mut self, at: usize, fate: u8) {
        let w = self.waiting.swap_remove(at);
        let lost = |why: &str| Err(NoReply { is_late: false, why: why.into() });
        if !self.up[w.server] || fate == 6 {
            return self.report(&w, lost("connection refused"));
        }
        match self.servers[w.server].answer(self.clean, &w.call, &w.path) {
            None => self.waiting.push(w),
            Some(_) if fate == 7 => self.report(&w, lost("connection reset")),
            Some((status, body)) => {
                self.report(&w, Ok(Reply { status, body: body.into_bytes(), broke: None }));
            }
        }
    }

    /// Lets everything take its honest course until nothing happens any more, or for `limit`.
    pub(super) fn settle(&mut self, limit: Duration) {
        let end = self.now + limit;
        loop {
            self.take_outputs();
            let before = self.waiting.len();
            let next = (0..before).find(|&at| {
                let w = &self.waiting[at];
                let is_idle = matches!(w.call, Call::List { .. })
                    && self.up[w.server]
                    && self.servers[w.server].boxes.get(params(&w.path)["node_id"]).is_none_or(Vec::is_empty)
                    && !self.servers[w.server].refuses
                    && self.servers[w.server]
                        .nodes
                        .get(params(&w.path)["node_id"])
                        .is_some_and(|p| p == "secret");
                !is_idle
            });
            if let Some(at) = next {
                self.answer(at, 0);
                continue;
            }
            let due = self.nodes.iter().filter_map(Mailbox::poll_timeout);
            let Some(at) = due.chain(self.waiting.iter().map(|w| w.until)).min().filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(at);
            while let Some(late) = self.waiting.iter().position(|w| w.until <= self.now) {
                let w = self.waiting.swap_remove(late);
                if self.clean && self.up[w.server] && matches!(w.call, Call::List { .. }) {
                    let body = b"{\"messages\":[]}".to_vec();
                    self.report(&w, Ok(Reply { status: 200, body, broke: None }));
                    continue;
                }
                self.report(&w, Err(NoReply { is_late: true, why: "did not answer in time".into() }));
            }
            self.tick();
        }
        self.now = end;
    }

    pub(super) fn tick(&mut self) {
        let now = self.now;
        for node in &mut self.nodes {
            node.on_timeout(now);
            assert!(node.poll_timeout().is_none_or(|at| at > now), "it would be asked again at once");
        }
    }

    pub(super) fn messages(&self, node: usize) -> Vec<&str> {
        self.told[node]
            .iter()
            .filter_map(
                |what| if let Happening::Message { text } = what { Some(text.as_str()) } else { None },
            )
            .collect()
    }

    pub(super) fn outcomes(&self, node: usize) -> BTreeMap<u64, Result<(), PutError>> {
        let puts = self.told[node].iter().filter_map(|what| match what {
            Happening::Put { tag, outcome } => Some((*tag, outcome.clone())),
            _ => None,
        });
        let all: Vec<_> = puts.collect();
        let map: BTreeMap<_, _> = all.iter().cloned().collect();
        assert_eq!(map.len(), all.len(), "each is told once");
        map
    }

    pub(super) fn troubles(&self, node: usize) -> usize {
        self.told[node].iter().filter(|what| matches!(what, Happening::Trouble(_))).count()
    }
}
