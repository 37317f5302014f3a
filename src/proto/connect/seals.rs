//! Sealing what this node says by signalling and opening what it is told, with the heads that are in use: one of ours for each
//! peer, and the last ones of theirs.
//!
//! Nothing here has to be kept. A head of ours that is forgotten is followed by a new one; one of theirs is opened again. So memory
//! is bounded by forgetting what was used longest ago, and a node that was started anew is understood at once.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::limits::{Bucket, Rate};
use super::sealed::{OpenError, Ours, Theirs, parts};
use crate::proto::handshake::Myself;
use crate::proto::identity::PublicKey;
use crate::small::SmallMap;

/// How long we use a head, and how long we remember an unused one of a peer.
const OURS: Duration = Duration::from_secs(5 * 60);
const THEIRS: Duration = Duration::from_secs(10 * 60);
/// Most peers whose heads are remembered, and most heads of one.
const PEERS: usize = 64;
const EACH: usize = 2;
/// Heads opened for one server: as often as servers pass on messages to one node, which is 1 % of a processor.
const OPENED: Rate = Rate { burst: 200, every: Duration::from_millis(20) };
/// Most servers for which that is counted one by one.
const SERVERS: usize = 32;

/// A peer's heads, the last one first, and when they were used.
struct Heard {
    heads: Vec<Theirs>,
    used: Instant,
}

/// A head of ours, since when, and when it was used.
struct Said {
    head: Ours,
    since: Instant,
    used: Instant,
}

/// See the module.
pub struct Seals {
    me: Myself,
    secret: Zeroizing<[u8; 32]>,
    made: u64,
    now: Instant,
    said: SmallMap<PublicKey, Said>,
    heard: SmallMap<PublicKey, Heard>,
    servers: SmallMap<String, Bucket>,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seals(of {}, keys not shown)", self.me.public())
    }
}

impl Seals {
    /// `secret`: 32 bytes that nobody can guess, and that were never given to this before, in this process or another: two
    /// messages sealed from the same ones can be read and forged.
    pub fn new(now: Instant, me: Myself, secret: [u8; 32]) -> Seals {
        let (said, heard, servers) = (SmallMap::new(), SmallMap::new(), SmallMap::new());
        Seals { me, secret: Zeroizing::new(secret), made: 0, now, said, heard, servers }
    }

    /// Time has passed: forgets what is old.
    pub fn pass(&mut self, now: Instant) {
        self.now = now;
        self.said.retain(|_, said| now.saturating_duration_since(said.since) < OURS);
        self.heard.retain(|_, heard| now.saturating_duration_since(heard.used) < THEIRS);
    }

    /// Seals a message to a node. `None`: that is no key of a node.
    pub fn seal(&mut self, to: &PublicKey, plain: &[u8]) -> Option<Vec<u8>> {
        let now = self.now;
        if let Some(said) = self.said.get_mut(to)
            && let Some(sealed) = said.head.seal(plain)
        {
            said.used = now;
            return Some(sealed);
        }
        let ephemeral = self.ephemeral();
        let mut head = Ours::new(&self.me, to, &ephemeral)?;
        let sealed = head.seal(plain);
        make_room(&mut self.said, to, |said| said.used);
        self.said.insert(*to, Said { head, since: now, used: now });
        sealed
    }

    /// Opens a message that a server says is of a node.
    ///
    /// # Errors
    /// [`OpenError`]: it is not, or not for us, or it has been here before; or this server has had too much opened.
    pub fn open(&mut self, server: &str, from: &PublicKey, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (now, parts) = (self.now, parts(bytes)?);
        if let Some(heard) = self.heard.get_mut(from)
            && let Some(known) = heard.heads.iter_mut().find(|known| known.head == *parts.head)
        {
            let plain = known.open(&parts)?;
            heard.used = now;
            return Ok(plain);
        }
        if !self.may_open(server) {
            return Err(OpenError::Busy);
        }
        let mut head = Theirs::open_head(&self.me, from, parts.head)?;
        let plain = head.open(&parts)?;
        // Only what the owner of the key has sealed gets here.
        if !self.heard.contains_key(from) {
            make_room(&mut self.heard, from, |heard| heard.used);
        }
        let heard = self.heard.get_or_insert_with(*from, || Heard { heads: Vec::new(), used: now });
        heard.used = now;
        heard.heads.truncate(EACH - 1);
        heard.heads.insert(0, head);
        Ok(plain)
    }

    /// Whether a head is opened because of this server: who forges costs us so much, and stands in nobody's way but his own.
    fn may_open(&mut self, server: &str) -> bool {
        let now = self.now;
        self.servers.retain(|_, bucket| !bucket.is_full(now));
        let name =
            if self.servers.len() < SERVERS || self.servers.contains_key(server) { server } else { "" };
        self.servers.get_or_insert_with(name.to_owned(), Bucket::default).take(now, OPENED)
    }

    fn ephemeral(&mut self) -> Zeroizing<[u8; 32]> {
        self.made += 1;
        let hash = Sha256::new().chain_update(b"p2pnet signal key\0").chain_update(*self.secret);
        Zeroizing::new(hash.chain_update(self.made.to_be_bytes()).finalize().into())
    }

    /// Peers whose heads are remembered: ours, theirs.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.said.len(), self.heard.len())
    }
}

/// Forgets who was heard of longest ago, if `key` would be one too many.
fn make_room<T>(table: &mut SmallMap<PublicKey, T>, key: &PublicKey, used: impl Fn(&T) -> Instant) {
    if table.len() >= PEERS && !table.contains_key(key) {
        let oldest = table.iter().min_by_key(|(_, item)| used(item)).map(|(key, _)| *key);
        oldest.and_then(|key| table.remove(&key));
    }
}

#[cfg(test)]
mod tests;
