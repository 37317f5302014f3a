//! Two nodes in a lab that call each other again and again, and what comes of each call.
//!
//! Each try punches anew, from fresh local ports. The nodes themselves are started anew after some tries, and after each
//! failure, and the routers then forget everything, so that nothing of one is left for the next. (Not in between: what
//! still comes of the last connection would be a stranger's to them, and its refusal takes a port in a row.)

use std::time::Duration;

use p2pnet::proto::rdv_server::Rate;
use p2pnet::server::{Server, ServerThread};

use crate::matrix::record::Try;
use crate::network::Network;
use crate::peer::Peer;
use crate::topology::Nat;
use crate::{Result, world};

/// How long a relayed connection is looked at: whether it becomes a direct one.
const PATIENCE: Duration = Duration::from_secs(8);
const PLENTY: Rate = Rate::new(10_000, 10_000);
/// Tries before the nodes are started anew.
const FRESH: usize = 5;

/// What the server makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Its limits are those it has for everybody.
    AsUsual,
    /// It allows nodes that start every few seconds, and call each other twice a second.
    AgainAndAgain,
}

/// Two hosts of a lab and what their nodes are told.
pub(crate) struct Pair<'a> {
    network: &'a Network,
    /// Ends when dropped.
    _server: ServerThread,
    hosts: [String; 2],
    options: [Vec<String>; 2],
    nodes: Option<[Peer; 2]>,
    used: usize,
}

/// What came of a try.
pub(crate) struct Tried {
    pub(crate) outcome: Try,
    /// Why the two do not agree, if so.
    pub(crate) disagreed: Option<String>,
}

impl<'a> Pair<'a> {
    /// Starts a server; the nodes are started when they are needed. `options` are those of peer.c.
    pub(crate) fn new(
        network: &'a Network,
        hosts: [&str; 2],
        options: [Vec<String>; 2],
        manner: Manner,
    ) -> Result<Pair<'a>> {
        let mut config = network.rendezvous();
        if manner == Manner::AgainAndAgain {
            config.limits.request_burst = 100_000;
            let signal = &mut config.limits.signal;
            (signal.proofs, signal.lines, signal.messages) = (PLENTY, PLENTY, PLENTY);
            (signal.pair, signal.address, signal.receiver) = (PLENTY, PLENTY, PLENTY);
        }
        let server = network.server().enter(|| Server::spawn(config))?;
        Ok(Pair { network, _server: server, hosts: hosts.map(str::to_owned), options, nodes: None, used: 0 })
    }

    /// One try: a node, the first or the second (0, 1), connects to the other by its locator. `only_relay`: nothing else is to
    /// be expected, and nothing is waited for behind it.
    pub(crate) fn attempt(&mut self, caller: usize, only_relay: bool) -> Result<Tried> {
        let [a, b] = self.nodes()?;
        let (caller, called) = if caller == 0 { (a, b) } else { (b, a) };
        let locator = called.locator()?;
        let mut disagreed = None;
        for node in [&mut *caller, &mut *called] {
            // What was closed stays closed.
            if let Some(late) = node.unheard().iter().find(|v| v["event"] == "opened") {
                disagreed = Some(format!("a connection came after the last try's was closed: {late}"));
                node.close()?;
            }
        }
        let outcome = caller.connect(&locator)?;
        let relayed = outcome.via.as_deref() == Ok("relay") && !only_relay;
        let moved = relayed.then(|| caller.leaves_relay(PATIENCE)).flatten();
        if outcome.via.is_ok() {
            caller.close()?;
            called.alone()?;
        }
        for (who, node) in [("caller", &mut *caller), ("called one", &mut *called)] {
            let said = node.unheard();
            let opened = said.iter().filter(|v| v["event"] == "opened").count();
            if disagreed.is_none() && opened != usize::from(outcome.via.is_ok()) {
                let said: Vec<String> = said.iter().map(ToString::to_string).collect();
                disagreed = Some(format!(
                    "the {who} was told of {opened} connections: {:?} {}; it said {}",
                    outcome.via,
                    outcome.story,
                    said.join(" ")
                ));
            }
        }
        self.used += 1;
        if outcome.via.is_err() || disagreed.is_some() || self.used >= FRESH {
            self.stop()?;
        }
        let outcome = Try { moved: moved.map(|(via, at)| (via, at - outcome.begun)), ..Try::of(&outcome) };
        Ok(Tried { outcome, disagreed })
    }

    /// Both nodes, ready.
    pub(crate) fn nodes(&mut self) -> Result<[&mut Peer; 2]> {
        if self.nodes.is_none() {
            self.forget_everything();
            let start = |n: usize| {
                let options: Vec<&str> = self.options[n].iter().map(String::as_str).collect();
                Peer::start(self.network, &self.hosts[n], &options)
            };
            let mut nodes = [start(0)?, start(1)?];
            for node in &mut nodes {
                node.ready()?;
            }
            (self.nodes, self.used) = (Some(nodes), 0);
        }
        let nodes = self.nodes.as_mut().ok_or("no nodes")?;
        Ok(nodes.each_mut())
    }

    /// Stops both nodes; the next try starts others.
    pub(crate) fn stop(&mut self) -> Result {
        for node in self.nodes.take().into_iter().flatten() {
            node.quit()?;
        }
        Ok(())
    }

    /// The kernel's NATs forget all. (Without conntrack they remember ports that no new node uses.)
    fn forget_everything(&self) {
        for home in self.network.homes().filter(|h| !matches!(h.nat, Nat::Boxed(_))) {
            if world::installed("conntrack") {
                let _ = self.network.router(&home.name).output("conntrack", &["-F"]);
            }
        }
    }
}
