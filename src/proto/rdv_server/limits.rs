//! What a stranger may cost the rendezvous server: the limits, and the account kept for each address.
//!
//! An IPv6 user has a whole /64 network, so accounts are kept per /64 there and per address for IPv4.

use super::signal::SignalLimits;
use crate::proto::relay::RelayLimits;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The limits of a rendezvous server. [`Default`] suits a public server on a small machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections at once, all addresses together. Default 20,000.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64. Default 256.
    pub connections_per_address: usize,
    /// Requests per second that one address may make in the long run; a new connection counts as one.
    /// Default 100.
    pub requests_per_second: u32,
    /// Requests one address may make at once after a quiet time. Default 500.
    pub request_burst: u32,
    /// A connection that has not made its first request by then is closed. Default 30 s.
    pub first_request: Duration,
    /// A connection without requests for so long is closed, unless it is the channel of a simultaneous node.
    /// Default 120 s.
    pub idle: Duration,
    /// How long a registration lasts without being renewed. Default 24 h, as in PyP2P, whose nodes renew theirs
    /// every 12 h.
    pub node_lifetime: Duration,
    /// Passive nodes kept; beyond that the one that registered longest ago is dropped. Default 200,000.
    pub passive_nodes: usize,
    /// Passive nodes kept from one IPv6 /64. Default 64.
    pub passive_per_network: usize,
    /// Challengers waiting for one simultaneous node. Default 100, as in PyP2P.
    pub candidates_per_node: usize,
    /// Nodes one connection may be challenging at once. Default 32.
    pub candidates_per_connection: usize,
    /// Name nodes at 127.0.0.1 and ::1 in NODES, which PyP2P never does. For tests on one machine. Default false.
    pub list_loopback: bool,
    /// Limits of signalling.
    pub signal: SignalLimits,
    /// Limits of the relay.
    pub relay: RelayLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 20_000,
            connections_per_address: 256,
            requests_per_second: 100,
            request_burst: 500,
            first_request: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            node_lifetime: Duration::from_secs(86_400),
            passive_nodes: 200_000,
            passive_per_network: 64,
            candidates_per_node: 100,
            candidates_per_connection: 32,
            list_loopback: false,
            signal: SignalLimits::default(),
            relay: RelayLimits::default(),
        }
    }
}

/// The address an account is kept for: the IPv4 address, or the /64 network of an IPv6 address.
pub fn account_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

/// A token bucket: `burst` requests at once, `rate` per second in the long run.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(now: Instant, burst: f64) -> Bucket {
        Bucket { tokens: burst, at: now }
    }

    pub(super) fn is_full(&mut self, now: Instant, rate: f64, burst: f64) -> bool {
        self.refill(now, rate, burst);
        self.tokens >= burst
    }

    pub(super) fn take(&mut self, now: Instant, rate: f64, burst: f64) -> bool {
        self.refill(now, rate, burst);
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }

    fn refill(&mut self, now: Instant, rate: f64, burst: f64) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(burst);
        self.at = self.at.max(now);
    }
}

#[derive(Debug)]
struct Account {
    connections: usize,
    bucket: Bucket,
}

/// The accounts of all addresses: how many connections each has and how fast it may ask. Also used for HTTP.
#[derive(Debug)]
pub struct Accounts {
    rate: f64,
    burst: f64,
    per_address: usize,
    most: usize,
    table: BTreeMap<IpAddr, Account>,
}

impl Accounts {
    /// `per_address` connections and `rate` requests per second (`burst` at once) for each address; at most about
    /// `most` accounts are kept.
    pub fn new(per_address: usize, rate: u32, burst: u32, most: usize) -> Accounts {
        let (rate, burst) = (f64::from(rate), f64::from(burst.max(1)));
        Accounts { rate, burst, per_address, most: most.max(1), table: BTreeMap::new() }
    }

    /// Counts a new connection, unless the address has too many. Each `Ok` needs one [`Accounts::closed`].
    pub fn open(&mut self, now: Instant, ip: IpAddr) -> Result<(), Refusal> {
        if self.table.len() >= self.most {
            // Without connections an account is only the memory of a recent burst.
            self.table.retain(|_, account| account.connections > 0);
        }
        let (rate, burst) = (self.rate, self.burst);
        let account = self
            .table
            .entry(account_of(ip))
            .or_insert(Account { connections: 0, bucket: Bucket::new(now, burst) });
        if account.connections >= self.per_address {
            return Err(Refusal::ConnectionsOfAddress);
        }
        if !account.bucket.take(now, rate, burst) {
            return Err(Refusal::Rate);
        }
        account.connections += 1;
        Ok(())
    }

    /// Takes one request from the address's budget; `false` if there is none left.
    pub fn request(&mut self, now: Instant, ip: IpAddr) -> bool {
        let (rate, burst) = (self.rate, self.burst);
        self.table.get_mut(&account_of(ip)).is_none_or(|account| account.bucket.take(now, rate, burst))
    }

    /// A connection counted by [`Accounts::open`] has ended.
    pub fn closed(&mut self, now: Instant, ip: IpAddr) {
        let key = account_of(ip);
        if let Some(account) = self.table.get_mut(&key) {
            account.connections = account.connections.saturating_sub(1);
            account.bucket.refill(now, self.rate, self.burst);
            if account.connections == 0 && account.bucket.tokens >= self.burst {
                self.table.remove(&key);
            }
        }
    }

    /// Forgets accounts that have neither connections nor a spent budget.
    pub fn sweep(&mut self, now: Instant) {
        let (rate, burst) = (self.rate, self.burst);
        self.table.retain(|_, account| {
            let full = account.bucket.is_full(now, rate, burst);
            account.connections > 0 || !full
        });
    }

    /// How many accounts are kept.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no account is kept.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// Why a new connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server has as many connections as it may.
    Connections,
    /// This address has as many connections as it may.
    ConnectionsOfAddress,
    /// This address asks too often.
    Rate,
}

impl Refusal {
    /// One word for logs and counters.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::Connections => "connections",
            Refusal::ConnectionsOfAddress => "connections-of-address",
            Refusal::Rate => "rate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn v6_accounts_are_networks() {
        assert_eq!(account_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(account_of(ip("::ffff:1.2.3.4")), ip("1.2.3.4"));
        assert_eq!(account_of(ip("1.2.3.4")), ip("1.2.3.4"));
    }

    #[test]
    fn connections_are_counted_per_address() {
        let now = Instant::now();
        let mut accounts = Accounts::new(2, 10, 100, 100);
        assert_eq!(accounts.open(now, ip("1.1.1.1")), Ok(()));
        assert_eq!(accounts.open(now, ip("1.1.1.1")), Ok(()));
        assert_eq!(accounts.open(now, ip("1.1.1.1")), Err(Refusal::ConnectionsOfAddress));
        assert_eq!(accounts.open(now, ip("1.1.1.2")), Ok(()));
        accounts.closed(now, ip("1.1.1.1"));
        assert_eq!(accounts.open(now, ip("1.1.1.1")), Ok(()));
    }

    #[test]
    fn a_budget_is_spent_and_refills() {
        let now = Instant::now();
        let mut accounts = Accounts::new(10, 2, 3, 100);
        accounts.open(now, ip("1.1.1.1")).unwrap();
        assert!(accounts.request(now, ip("1.1.1.1")));
        assert!(accounts.request(now, ip("1.1.1.1")));
        assert!(!accounts.request(now, ip("1.1.1.1")));
        let later = now + Duration::from_millis(500);
        assert!(accounts.request(later, ip("1.1.1.1")));
        assert!(!accounts.request(later, ip("1.1.1.1")));
        // Reconnecting does not buy a new budget, waiting does.
        accounts.closed(later, ip("1.1.1.1"));
        assert_eq!(accounts.open(later, ip("1.1.1.1")), Err(Refusal::Rate));
        accounts.sweep(later);
        assert_eq!(accounts.len(), 1);
        accounts.sweep(later + Duration::from_secs(2));
        assert!(accounts.is_empty());
    }

    #[test]
    fn accounts_are_bounded() {
        let now = Instant::now();
        let mut accounts = Accounts::new(1, 1, 1, 10);
        for n in 0..1000u32 {
            let ip = IpAddr::from(n.to_be_bytes());
            accounts.open(now, ip).unwrap();
            accounts.closed(now, ip);
            assert!(accounts.len() <= 10);
        }
    }
}
