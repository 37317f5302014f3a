//! What strangers may ask of our part of the DHT, and a way to see that the crate's thread has ended: it owns this.

use std::fmt;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Instant;

use mainline::{RequestFilter, RequestSpecific};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Requests answered in a second, of everybody and of one address; twice as many may come at once. (One look-up asks each
/// node it visits for two things; some are under way at once.)
const ALL: f64 = 150.0;
const ONE: f64 = 30.0;
/// Addresses share places: memory does not grow with their number.
const PLACES: usize = 256;

/// In tests: whoever asks from here ends the thread by a panic.
#[cfg(test)]
pub(super) const KILLER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(127, 66, 6, 6);

/// Refuses requests beyond a rate.
#[derive(Clone)]
pub(super) struct Guard {
    limits: Arc<Mutex<Limits>>,
    /// Closed when the last copy is dropped, which is when the thread has ended.
    _alive: mpsc::Sender<()>,
}

struct Limits {
    salt: u64,
    all: Bucket,
    one: Vec<Bucket>,
}

#[derive(Clone)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant, rate: f64) -> Bucket {
        Bucket { left: 2.0 * rate, at: now }
    }

    fn take(&mut self, now: Instant, rate: f64) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        (self.left, self.at) = ((self.left + gained).min(2.0 * rate), now);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

impl Guard {
    /// One, and what is closed when all of its copies are gone.
    pub(super) fn new() -> (Guard, mpsc::Receiver<()>) {
        let (alive, ended) = mpsc::channel(1);
        let now = Instant::now();
        let limits = Limits {
            salt: fastrand::u64(..),
            all: Bucket::full(now, ALL),
            one: vec![Bucket::full(now, ONE); PLACES],
        };
        (Guard { limits: Arc::new(Mutex::new(limits)), _alive: alive }, ended)
    }

    fn allows(&self, now: Instant, from: SocketAddrV4) -> bool {
        let mut limits = self.limits.lock();
        let mixed = (u64::from(from.ip().to_bits()) ^ limits.salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (mixed >> 56) as usize;
        limits.one.get_mut(place).is_some_and(|bucket| bucket.take(now, ONE)) && limits.all.take(now, ALL)
    }
}

impl RequestFilter for Guard {
    fn allow_request(&self, _: &RequestSpecific, from: SocketAddrV4) -> bool {
        #[cfg(test)]
        assert_ne!(*from.ip(), KILLER, "as the test wants it");
        self.allows(Instant::now(), from)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn from(host: u32) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::from_bits(0xc633_0000 + host), 6881)
    }

    #[test]
    fn a_flood_of_one_leaves_room_for_others() {
        let (guard, _ended) = Guard::new();
        let now = Instant::now();
        let answered = (0..1000).filter(|_| guard.allows(now, from(1))).count();
        assert_eq!(answered, 60);
        let others = (2..60).filter(|host| guard.allows(now, from(*host))).count();
        assert!(others > 40, "{others}");
        assert!(guard.allows(now + Duration::from_secs(1), from(1)));
    }

    #[test]
    fn a_flood_of_all_is_bounded() {
        let (guard, _ended) = Guard::new();
        let now = Instant::now();
        assert_eq!((0..100_000).filter(|host| guard.allows(now, from(*host))).count(), 300);
    }

    #[test]
    fn it_shows_when_the_last_copy_is_gone() {
        let (guard, mut ended) = Guard::new();
        let copy = guard.clone();
        drop(guard);
        assert_eq!(ended.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        drop(copy);
        assert_eq!(ended.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
