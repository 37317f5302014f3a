//! Connections that came in while a server was asked to connect back: the proof behind a yes.
//!
//! The node's accept loop reports every connection it takes, before anything else is decided about it; nothing is kept
//! unless a check is running. A server's yes is proved by a report that came after the server was asked and is from
//!
//! 1. **the server**: the address our question went to. Nobody else can complete a TCP handshake from there without
//!    being on the path. This is the common case;
//! 2. **outside**: another public address that is not near ours and not our own. The server may leave from another of
//!    its addresses; and if it was not the server at all but a peer, that peer has come in from outside, so the claim
//!    is true whoever said it.
//!
//! Private, link-local, shared (RFC 6598) and loopback addresses prove nothing, because a neighbour may have connected
//! by chance: they say that the port works inside. The same goes for public addresses near ours (the first 16 bits of
//! IPv4, 48 of IPv6), since a whole site may be behind one firewall, and for our own outside address, from which a
//! router that hairpins sends what comes from inside. A server that itself is inside (in a lab, on loopback) proves a
//! way from there, by rule 1.
//!
//! Rule 2 shows that the listener can be reached, not by which outside port: where that matters (checking one mapping of
//! several), ask for [`Proof::Server`].
//!
//! IPv4 and IPv6 prove nothing about each other: both may be asked about at the same time.
//!
//! Two limits remain. A router that rewrites the sources of forwarded connections to its own address makes an open port
//! look unconfirmed: we say no where yes is true, never the reverse. And a server behind the same router as this node
//! can only tell what it sees from there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::http::Ends;

/// Different addresses remembered while a check runs. A flood of more is from outside or hides nothing but itself.
const MOST: usize = 256;

/// The first yes ends a check; other servers that were asked may knock until then, or their SYN come a second time.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// How the arrival of a connection was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It came from the server that was asked.
    Server,
    /// It came from another address outside.
    Outside,
}

/// What the accept loop reports to. Cheap when no check is running: one atomic load.
#[derive(Default)]
pub(crate) struct ConnectBacks {
    watches: AtomicUsize,
    /// Numbered, so that each watch sees only what came after its beginning.
    arrived: Mutex<(u64, Vec<(u64, IpAddr)>)>,
    news: Notify,
    /// When the last check ended.
    ended: Mutex<Option<Instant>>,
}

impl ConnectBacks {
    /// Whether a check is running or has only just ended, so that a connection may be nobody but a server that was asked.
    pub(crate) fn is_watched(&self) -> bool {
        self.watches.load(SeqCst) > 0 || self.ended.lock().is_some_and(|at| at.elapsed() < AFTERWARDS)
    }

    /// A connection from `from` was accepted on the node's listener.
    pub(crate) fn record(&self, from: SocketAddr) {
        if self.watches.load(SeqCst) == 0 {
            return;
        }
        let ip = from.ip().to_canonical();
        {
            let mut guard = self.arrived.lock();
            let (count, list) = &mut *guard;
            *count += 1;
            match list.iter().position(|(_, known)| *known == ip) {
                Some(at) => list[at].0 = *count,
                None if list.len() < MOST => list.push((*count, ip)),
                None => return,
            }
        }
        self.news.notify_waiters();
    }
}

/// A time during which arrivals are kept; begins when it is made, before any server is asked.
pub(crate) struct Watch {
    backs: Arc<ConnectBacks>,
    since: u64,
}

impl Watch {
    pub(crate) fn new(backs: Arc<ConnectBacks>) -> Watch {
        let arrived = backs.arrived.lock();
        backs.watches.fetch_add(1, SeqCst);
        let since = arrived.0;
        drop(arrived);
        Watch { backs, since }
    }

    /// Waits until an arrival proves that the port is open; for ever if none does.
    pub(crate) async fn proof(&self, ends: Ends, seen: Option<IpAddr>) -> Proof {
        loop {
            // Listening begins before looking, so that nothing arrives unnoticed in between.
            let news = self.backs.news.notified();
            if let Some(proof) = self.find(ends, seen) {
                return proof;
            }
            news.await;
        }
    }

    fn find(&self, ends: Ends, seen: Option<IpAddr>) -> Option<Proof> {
        let arrived = self.backs.arrived.lock();
        let new = arrived.1.iter().filter(|(number, _)| *number > self.since);
        let mut proofs = new.filter_map(|(_, from)| judge(*from, ends, seen));
        let first = proofs.next();
        proofs.find(|p| *p == Proof::Server).or(first)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut arrived = self.backs.arrived.lock();
        if self.backs.watches.fetch_sub(1, SeqCst) == 1 {
            arrived.1 = Vec::new();
            *self.backs.ended.lock() = Some(Instant::now());
        }
    }
}

/// What a connection from `from` proves.
fn judge(from: IpAddr, ends: Ends, seen: Option<IpAddr>) -> Option<Proof> {
    // All of 127/8 is one host, which chooses its source addresses as it likes.
    if from == ends.server || (from.is_loopback() && ends.server.is_loopback()) {
        return Some(Proof::Server);
    }
    if from.is_ipv4() != ends.server.is_ipv4() {
        // A knock that was asked for by the other family, at the same time.
        return None;
    }
    let mine = |ip: IpAddr| from == ip || is_near(from, ip);
    (is_public(from) && !mine(ends.local) && seen != Some(from)).then_some(Proof::Outside)
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && b & 0xc0 == 64;
            let is_never = a == 0 || a >= 224;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared || is_never)
        }
        IpAddr::V6(v6) => v6.octets()[0] & 0xe0 == 0x20,
    }
}

fn is_near(a: IpAddr, b: IpAddr) -> bool {
    let v4 = |ip: Ipv4Addr| u32::from(ip) >> 16;
    let v6 = |ip: Ipv6Addr| u128::from(ip) >> 80;
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => v4(a) == v4(b),
        (IpAddr::V6(a), IpAddr::V6(b)) => v6(a) == v6(b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_proves_a_yes() {
        let (server, outside) = (Some(Proof::Server), Some(Proof::Outside));
        for (from, local, asked, seen, proof) in [
            ("198.51.100.1", "192.168.1.5", "198.51.100.1", "203.0.113.9", server),
            ("198.51.100.2", "192.168.1.5", "198.51.100.1", "203.0.113.9", outside),
            ("192.168.1.7", "192.168.1.5", "198.51.100.1", "203.0.113.9", None),
            ("192.168.1.1", "192.168.1.5", "192.168.1.1", "192.168.1.5", server),
            ("203.0.113.9", "192.168.1.5", "198.51.100.1", "203.0.113.9", None),
            ("100.64.3.4", "192.168.1.5", "198.51.100.1", "203.0.113.9", None),
            ("169.254.3.4", "192.168.1.5", "198.51.100.1", "203.0.113.9", None),
            ("127.0.0.1", "192.168.1.5", "198.51.100.1", "203.0.113.9", None),
            ("127.0.0.1", "127.0.0.5", "127.0.0.4", "127.0.0.5", server),
            ("203.0.77.1", "203.0.113.9", "198.51.100.1", "203.0.113.9", None),
            ("203.1.77.1", "203.0.113.9", "198.51.100.1", "203.0.113.9", outside),
            ("2001:db8:1::1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", server),
            ("2001:db8:3::1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", outside),
            ("2001:db8:2:9::1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", None),
            ("2001:db8:1::1", "192.168.1.5", "198.51.100.1", "203.0.113.9", None),
            ("198.51.100.1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", None),
            ("fe80::1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", None),
            ("fd00::1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", None),
            ("::1", "2001:db8:2::5", "2001:db8:1::1", "2001:db8:2::5", None),
        ] {
            let ends = Ends { local: ip(local), server: ip(asked) };
            assert_eq!(judge(ip(from), ends, Some(ip(seen))), proof, "{from} to {local}, asked {asked}");
        }
    }

    #[test]
    fn a_watch_sees_what_came_after_its_beginning_and_nothing_stays() {
        let backs = Arc::new(ConnectBacks::default());
        let from = "198.51.100.1:7".parse().unwrap();
        let ends = Ends { local: ip("192.168.1.5"), server: ip("198.51.100.1") };
        backs.record(from);
        assert!(!backs.is_watched());
        let first = Watch::new(Arc::clone(&backs));
        assert_eq!(first.find(ends, None), None, "that was before");
        backs.record("[::ffff:198.51.100.1]:7".parse().unwrap());
        assert_eq!(first.find(ends, None), Some(Proof::Server));
        let second = Watch::new(Arc::clone(&backs));
        assert_eq!(second.find(ends, None), None, "that was for the other one");
        backs.record(from);
        assert_eq!(second.find(ends, None), Some(Proof::Server));
        for n in 0..2 * MOST as u32 {
            backs.record((Ipv4Addr::from(0x0b00_0000 + n), 1).into());
        }
        assert_eq!(backs.arrived.lock().1.len(), MOST);
        drop((first, second));
        assert!(backs.arrived.lock().1.is_empty());
        assert!(backs.is_watched(), "a knock may still be on its way");
        *backs.ended.lock() = Instant::now().checked_sub(AFTERWARDS);
        assert!(!backs.is_watched());
    }
}
