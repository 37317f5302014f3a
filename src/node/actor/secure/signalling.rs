//! Signalling: starts its task, gives it what goes out, sorts what comes in.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::Actor;
use crate::node::log::log;
use crate::node::signal::{self, Order};
use crate::proto::connect::{Input, MAINLINE};
use crate::proto::identity::PublicKey;
use crate::proto::rdv_msg::signal::Network;
use crate::proto::signal::{Happening, Outcome, Settings, TellError};

/// Orders that may wait for the task, and happenings for the actor.
const QUEUE: usize = 64;

impl Actor {
    /// Enters the rendezvous servers, so that peers find this node by its key.
    pub(in super::super) fn begin_secure(&mut self) {
        self.begin_volunteering();
        self.begin_mainline();
        let servers: Vec<String> = self.shared.config.rendezvous().map(str::to_owned).collect();
        let (Some(_), Ok(identity)) = (&self.secure, self.shared.identity()) else { return };
        let identity = Arc::clone(identity);
        if servers.is_empty() {
            return self.secure_refresh();
        }
        let network = Network::from(self.shared.config.network);
        let settings = Settings::new(identity.public(), network, servers);
        let (orders, taken) = mpsc::channel(QUEUE);
        let (happened, happenings) = mpsc::channel(QUEUE);
        let ways = self.ways();
        let seed = match self.shared.config.seed {
            0 => fastrand::u64(..),
            seed => seed,
        };
        self.spawn(async move {
            let sign = Box::new(move |message: &[u8]| identity.sign(message));
            signal::run(settings, sign, seed, ways, taken, happened).await;
            None
        });
        if let Some(secure) = &mut self.secure {
            (secure.signal, secure.happenings) = (Some(orders), Some(happenings));
        }
        self.secure_refresh();
    }

    pub(super) fn tell(&mut self, tag: u64, to: PublicKey, via: Vec<String>, message: Vec<u8>) {
        if via.first().is_some_and(|server| server == MAINLINE) {
            return self.leave_letter(tag, to, message);
        }
        let taken = self
            .secure
            .as_ref()
            .and_then(|s| s.signal.as_ref())
            .map(|signal| signal.try_send(Order::Tell { tag, to, via, message }));
        let why = match taken {
            Some(Ok(())) => return,
            Some(Err(_)) => TellError::Full,
            None => TellError::NoServer,
        };
        self.secure_input(Input::Outcome { tag, outcome: Outcome::NotTaken(why) });
    }

    pub(in super::super) fn order_signal(&self, order: Order) {
        if let Some(signal) = self.secure.as_ref().and_then(|s| s.signal.as_ref()) {
            // One that does not find time to hear of the network has found out by itself.
            let _ = signal.try_send(order);
        }
    }

    pub(in super::super) fn signalled(&mut self, happening: Happening) {
        match happening {
            Happening::Entered { server, home, relay, .. } => {
                log!(self.shared, Info, "signalling: entered {server}");
                self.note_relay(&server, relay);
                if home {
                    let mut homes = self.shared.homes.lock();
                    if !homes.contains(&server) {
                        homes.push(server);
                    }
                }
                self.secure_refresh();
                if let Some(secure) = &mut self.secure {
                    secure.connector.entered(std::time::Instant::now());
                }
                self.secure_act();
            }
            Happening::Left { server, entered, end } => {
                log!(self.shared, Info, "signalling: {server}: {end}");
                self.note_relay(&server, false);
                if entered {
                    self.shared.homes.lock().retain(|home| *home != server);
                    self.secure_refresh();
                }
            }
            Happening::Rtt { .. } => {}
            Happening::Message { from, .. } if !self.shared.config.admits(&from) => {
                log!(self.shared, Debug, "signalling: {from} is not among the peers that are allowed");
            }
            Happening::Message { server, from, message: bytes } => {
                self.secure_input(Input::Message { server, from, bytes });
            }
            Happening::Told { tag, server } => self.secure_input(Input::Told { tag, server }),
            Happening::Done { tag, outcome } => self.secure_input(Input::Outcome { tag, outcome }),
        }
    }
}
