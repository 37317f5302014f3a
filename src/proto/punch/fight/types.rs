//! What goes into a fight and what comes out of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::proto::punch::classic::CLASSIC_PREDICTIONS;
use crate::proto::punch::reason::Failure;
use crate::proto::punch::session::{ConnId, SlotId, Socket};
use crate::proto::punch::side::{Foresight, Side};
use crate::proto::rdv_msg::Reply;

/// What a fight is begun with.
#[derive(Clone, Debug)]
pub struct FightSetup {
    /// Our NAT.
    pub ours: Side,
    /// The other node's WAN address.
    pub peer_ip: IpAddr,
    /// Addresses of this machine, which are never aimed at.
    pub own: Vec<IpAddr>,
    /// Whether addresses of local networks may be aimed at.
    pub allow_inside: bool,
    /// An instant, and the NTP time at it in Unix seconds.
    pub clock: (Instant, f64),
    /// For pauses.
    pub seed: u64,
}

impl FightSetup {
    /// NTP time at an instant.
    pub(super) fn unix_at(&self, now: Instant) -> f64 {
        let (at, unix) = self.clock;
        if now >= at { unix + (now - at).as_secs_f64() } else { unix - (at - now).as_secs_f64() }
    }
}

impl FightSetup {
    /// The outside ports of our local ones but the first, if they can all be foreseen.
    pub(super) fn predictions(
        &self,
        local: &[u16],
        outside: &[Option<u16>],
        remote: Option<u16>,
    ) -> Option<Vec<u16>> {
        let ours = &self.ours;
        let count = CLASSIC_PREDICTIONS;
        let ports: Vec<u16> = match ours.foresight() {
            Foresight::Computed { .. } => {
                local.iter().skip(1).filter_map(|port| ours.compute(*port)).take(count).collect()
            }
            Foresight::Asked => outside.iter().skip(1).flatten().copied().take(count).collect(),
            Foresight::Row { .. } => ours.row(remote.or(ours.last_outside)?, count),
            Foresight::Blind => return None,
        };
        (ports.len() == count && local.len() > count).then_some(ports)
    }
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum FightInput<'a> {
    /// [`super::Fight::deadline`] has come.
    Wake,
    /// The ports are bound.
    Bound {
        /// Local ports, in a row if possible. The server is talked to from the first, slot 0.
        local: &'a [u16],
        /// Their outside ports, if they were to be asked for.
        outside: &'a [Option<u16>],
        /// The outside port of the first (REMOTE TCP).
        remote: Option<u16>,
    },
    /// The ports could not be bound, or no server could be reached from the first.
    BindFailed,
    /// The server says something.
    Reply(&'a Reply),
    /// The connection to the server has ended, or never came to be (challenger).
    ServerLost,
    /// An attempt has succeeded.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// Somebody has come in by a listener.
    Accepted {
        /// A fresh name, from [`super::Fight::next_conn`].
        conn: ConnId,
        /// By which local port.
        slot: SlotId,
    },
    /// An attempt was refused (RST or ICMP).
    Refused {
        /// Which.
        conn: ConnId,
    },
    /// An attempt or a connection has ended in any other way.
    Ended {
        /// Which.
        conn: ConnId,
    },
    /// The 64 octets of the nonce have arrived (challenged side).
    Nonce {
        /// On which connection.
        conn: ConnId,
    },
    /// It is not wanted any more.
    Cancel,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum FightOutput {
    /// Bind so many local ports, in a row if possible, and listen on all but the first. They are slots 0, 1,
    /// 2 ... Connect to a rendezvous server from the first (challenged: keep the connection the challenge
    /// came by, if there is one).
    Bind {
        /// How many.
        count: usize,
        /// Whether to ask a server from each which outside port it has.
        ask: bool,
    },
    /// Send this line, without its CRLF, to the rendezvous server.
    Line(String),
    /// Connect.
    Connect {
        /// What to call it; the same name again is a new socket for the same attempt.
        conn: ConnId,
        /// From which local port.
        slot: SlotId,
        /// Where to.
        to: SocketAddr,
        /// When.
        at: Instant,
    },
    /// Send the nonce on this connection (challenger).
    SendNonce(ConnId),
    /// Close.
    Close(Socket),
    /// It has ended well, with this connection.
    Winner(ConnId),
    /// It has ended without.
    Failed(Failure),
}
