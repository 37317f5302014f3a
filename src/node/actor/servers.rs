//! The rendezvous servers: asking for nodes, being listed, being taken off.

use super::{Actor, Msg};
use crate::config::Dialect;
use crate::error::{Code, Error, Result};
use crate::node::log::log;
use crate::node::rendezvous::{Reach, ask};
use crate::node::shared::Outcome;
use crate::proto::rdv_client::{Answer, Ask, Exchange};
use crate::proto::rdv_msg::signal::Network;
use crate::proto::upkeep::Chore;

impl Actor {
    /// Starts a chore, for the program (`request`) or by ourselves (0).
    pub(super) fn begin(&mut self, chore: Chore, request: u64) {
        let config = &self.shared.config;
        let servers: Vec<String> = config.rendezvous().map(str::to_owned).collect();
        let what = match chore {
            // Twice what is wanted, as PyP2P: some will be gone.
            Chore::Bootstrap => Ask::Nodes { want: config.max_outbound * 2 },
            Chore::Advertise => {
                let info = self.shared.info.lock();
                let port = if info.external_port == 0 { info.passive_port } else { info.external_port };
                Ask::List { port, max_inbound: config.max_inbound }
            }
            Chore::Clear => Ask::Unlist,
        };
        let exchange = Exchange::new(what);
        // In the classic dialect there are no networks.
        let what = match config.dialect {
            Dialect::Secure => exchange.among(Network::listed(config.network, config.network_key.as_ref())),
            Dialect::Classic => exchange,
        };
        self.upkeep.begun(chore);
        if chore == Chore::Bootstrap && servers.is_empty() && config.uses_mainline() {
            return self.find_nodes(request);
        }
        let reach = self.reach.clone();
        self.spawn(async move {
            let outcome = match chore {
                Chore::Bootstrap => first_with_nodes(&reach, servers, what).await,
                Chore::Advertise | Chore::Clear => all(&reach, servers, what).await,
            };
            Some(Msg::Server { chore, request, outcome })
        });
    }

    pub(super) fn server_done(&mut self, chore: Chore, request: u64, outcome: Result<Answer>) {
        let nobody = match &outcome {
            Ok(Answer::Nodes(nodes)) => nodes.is_empty(),
            Ok(Answer::Done) => false,
            Err(_) => true,
        };
        if chore == Chore::Bootstrap && nobody && self.shared.config.uses_mainline() {
            if let Err(e) = &outcome {
                log!(self.shared, Warn, "{e}");
            }
            return self.find_nodes(request);
        }
        self.upkeep.ended(chore, outcome.is_ok(), std::time::Instant::now());
        match outcome {
            Ok(answer) => {
                let (count, text) = match answer {
                    Answer::Nodes(mut nodes) => {
                        let count = nodes.len();
                        nodes.reverse();
                        self.candidates = nodes;
                        (count, format!("{count} nodes named"))
                    }
                    Answer::Done if chore == Chore::Advertise => (0, "listed".to_owned()),
                    Answer::Done => (0, "taken off the list".to_owned()),
                };
                log!(self.shared, Info, "rendezvous: {text}");
                if request != 0 {
                    self.shared.done(request, Outcome::ok(i32::try_from(count).unwrap_or(i32::MAX), text));
                }
            }
            Err(e) => {
                log!(self.shared, Warn, "{e}");
                if request != 0 {
                    self.shared.done(request, e.into());
                }
            }
        }
    }
}

/// Asks the servers in their order until one names nodes. An empty answer counts if no other is to be had.
async fn first_with_nodes(reach: &Reach, servers: Vec<String>, what: Exchange) -> Result<Answer> {
    let mut outcome = Err(no_server());
    for server in servers {
        match ask(reach, &server, &what).await {
            Ok(Answer::Nodes(nodes)) if !nodes.is_empty() => return Ok(Answer::Nodes(nodes)),
            Ok(empty) => outcome = Ok(empty),
            Err(e) if outcome.is_err() => outcome = Err(as_no_server(e)),
            Err(_) => {}
        }
    }
    outcome
}

/// Tells every server, at once; one that does it is enough.
pub(super) async fn all(reach: &Reach, servers: Vec<String>, what: Exchange) -> Result<Answer> {
    let mut outcome = Err(no_server());
    let mut running = tokio::task::JoinSet::new();
    for server in servers {
        let (reach, what) = (reach.clone(), what.clone());
        running.spawn(async move { ask(&reach, &server, &what).await });
    }
    while let Some(done) = running.join_next().await {
        match done {
            Ok(Ok(answer)) => outcome = Ok(answer),
            Ok(Err(e)) if outcome.is_err() => outcome = Err(as_no_server(e)),
            _ => {}
        }
    }
    outcome
}

fn no_server() -> Error {
    Error::new(Code::NoServer, "no rendezvous server is configured (p2p_config_add_server)")
}

/// Whatever kept the last server from answering: for the program it is "no server answered", with the story.
fn as_no_server(e: Error) -> Error {
    Error { code: Code::NoServer, ..e }
}
