//! What all pairs of the connector share: the settings, the names, the limits, and what is to be done.

use std::collections::VecDeque;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::limits::Limits;
use super::message::Message;
use super::seals::Seals;
use super::search::MAINLINE;
use super::settings::{Own, Settings};
use super::tokens::Tokens;
use super::types::{Closing, ConnId, Output, PunchId, Token};
use super::volunteers::Volunteers;
use crate::proto::identity::PublicKey;
use crate::small::SmallMap;

/// See the module.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) own: Own,
    pub(super) limits: Limits,
    pub(super) seals: Seals,
    /// Calls that were heard.
    pub(super) heard: Tokens,
    pub(super) outputs: VecDeque<Output>,
    /// Peers that relay for the network.
    pub(super) volunteers: Volunteers,
    /// Whose each connection is.
    pub(super) conns: SmallMap<ConnId, PublicKey>,
    /// Whose each punch is, until it has ended, and by which servers that peer is told of it.
    pub(super) punches: SmallMap<PunchId, (PublicKey, Vec<String>)>,
    /// Whom each request wants.
    pub(super) requests: SmallMap<u64, PublicKey>,
    /// Whose call each message is that is under way.
    pub(super) calls: SmallMap<u64, PublicKey>,
    /// Whose each look-up in the DHT is, and each letter left there.
    pub(super) searches: SmallMap<u64, PublicKey>,
    /// Dials under way.
    pub(super) dialling: usize,
    /// Calls that are being answered.
    pub(super) answering: usize,
    secret: [u8; 32],
    names: u64,
}

impl Core {
    pub(super) fn new(settings: Settings, seals: Seals, secret: [u8; 32]) -> Core {
        Core {
            limits: Limits::new(settings.dials_asked),
            seals,
            heard: Tokens::default(),
            settings,
            own: Own::default(),
            outputs: VecDeque::new(),
            volunteers: Volunteers::default(),
            conns: SmallMap::new(),
            punches: SmallMap::new(),
            requests: SmallMap::new(),
            calls: SmallMap::new(),
            searches: SmallMap::new(),
            dialling: 0,
            answering: 0,
            secret,
            names: 0,
        }
    }

    /// A number that nobody has had.
    pub(super) fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// 32 bytes that nobody can foresee and nobody has had.
    fn random(&mut self) -> [u8; 32] {
        let number = self.name().to_be_bytes();
        Sha256::new()
            .chain_update(b"p2pnet connect\0")
            .chain_update(self.secret)
            .chain_update(number)
            .finalize()
            .into()
    }

    /// A token that nobody can foresee.
    pub(super) fn token(&mut self) -> Token {
        let random = self.random();
        random.first_chunk().copied().unwrap_or([1; 16])
    }

    /// A seed for guesses.
    pub(super) fn seed(&mut self) -> u64 {
        self.random().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn close(&mut self, conn: ConnId, why: Closing) {
        self.conns.remove(&conn);
        self.push(Output::Close { conn, why });
    }

    /// Sends a message whose fate does not matter.
    pub(super) fn tell(&mut self, to: PublicKey, via: Vec<String>, message: &Message) -> u64 {
        let tag = self.name();
        // Letters are sealed by the mailbox. The others always can be: the key has signed a locator, or sealed what we
        // have opened.
        let letter = via[..] == [MAINLINE];
        let plain = message.encode();
        if let Some(message) = if letter { Some(plain) } else { self.seals.seal(&to, &plain) } {
            self.push(Output::Tell { tag, to, via, message });
        }
        tag
    }

    /// A line about a peer that does what it should not.
    pub(super) fn log(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if self.limits.may_log(now) {
            self.push(Output::Log(text()));
        }
    }
}
