//! The numeric options: key, name, range and meaning, in one table.
//!
//! `p2p_config_set_int` looks a key up here, the error messages are written from it, and the tests hold the C header's
//! constants and the README's table against it.

use std::time::Duration;

use super::{Config, Dialect, DuplicateIp, Framing, NetType, NodeType};
use crate::error::{Code, Error, Result};
use crate::event::{LogLevel, NatType};

/// One numeric option.
pub struct IntOption {
    /// The number of its `P2P_OPT_*` constant.
    pub key: i32,
    /// Its name in messages and in the documentation.
    pub name: &'static str,
    /// The smallest value it takes.
    pub min: i64,
    /// The largest value it takes.
    pub max: i64,
    /// What it means, one sentence.
    pub meaning: &'static str,
    set: fn(&mut Config, i64),
    get: fn(&Config) -> i64,
}

const fn ms(d: Duration) -> i64 {
    d.as_millis() as i64
}

fn from_ms(v: i64) -> Duration {
    Duration::from_millis(v as u64)
}

macro_rules! options {
    ($($key:literal $name:ident $min:literal ..= $max:literal, |$c:ident, $v:ident| $set:expr, $get:expr, $meaning:literal;)*) => {
        /// Every numeric option, by key.
        pub static INT_OPTIONS: &[IntOption] = &[$(IntOption {
            key: $key,
            name: stringify!($name),
            min: $min,
            max: $max,
            meaning: $meaning,
            set: |$c, $v| $set,
            get: |$c| $get,
        }),*];
    };
}

options! {
    1 node_type 0..=3, |c, v| c.node_type = node_type(v), c.node_type as i64,
        "how others reach this node (P2P_NODE_*): unknown (found out, and the port opened on the router where it can be), passive, active, simultaneous";
    2 net_type 1..=2, |c, v| c.net_type = if v == 2 { NetType::Direct } else { NetType::P2p }, c.net_type as i64,
        "P2P_NET_P2P (bootstraps, advertises) or P2P_NET_DIRECT (chosen peers only)";
    3 nat_type 0..=5, |c, v| c.nat_type = nat_type(v), c.nat_type as i64,
        "the NAT in front of this node (P2P_NAT_*), if you know it; unknown = measured at the rendezvous servers";
    4 passive_port 0..=65535, |c, v| c.passive_port = v as u16, i64::from(c.passive_port),
        "port to listen on; 0 = any free one (p2p_net_get_info tells which)";
    5 max_inbound 0..=100000, |c, v| c.max_inbound = v as usize, c.max_inbound as i64,
        "connections others may open to us; further ones wait in the listener's backlog (secure dialect: are told that there is no room)";
    6 max_outbound 0..=100000, |c, v| c.max_outbound = v as usize, c.max_outbound as i64,
        "connections we open; BOOTSTRAP asks for twice as many addresses, at most 100";
    7 min_connected 0..=100000, |c, v| c.min_connected = v as usize, c.min_connected as i64,
        "below this many connections the node advertises again and bootstraps sooner";
    8 forwarding 0..=15, |c, v| c.forwarding = v as u32, i64::from(c.forwarding),
        "P2P_FWD_* bits: which port mapping protocols may be tried, if node_type is unknown";
    9 bootstrap 0..=1, |c, v| c.bootstrap = v == 1, i64::from(c.bootstrap),
        "1 = may ask rendezvous servers for nodes";
    10 dedup 0..=1, |c, v| c.dedup = v == 1, i64::from(c.dedup),
        "1 = a line that this net has seen before is not delivered again (for flooding networks)";
    11 framing 0..=1, |c, v| c.framing = if v == 1 { Framing::Raw } else { Framing::Lines }, c.framing as i64,
        "P2P_FRAMING_LINES (LINE events; secure dialect: also messages, p2p_send) or P2P_FRAMING_RAW (DATA events, p2p_send)";
    12 max_line 16..=16777216, |c, v| c.max_line = v as usize, c.max_line as i64,
        "longest line in bytes, CR LF not counted, either way; a peer that sends a longer one is closed";
    13 send_buffer 1024..=1073741824, |c, v| c.send_buffer = v as usize, c.send_buffer as i64,
        "bytes waiting to be sent on one connection before P2P_ERR_WOULD_BLOCK";
    14 recv_buffer 1024..=1073741824, |c, v| c.recv_buffer = v as usize, c.recv_buffer as i64,
        "received bytes of one connection your program has not taken yet before we stop reading and TCP slows the peer";
    15 connect_timeout_ms 1..=600000, |c, v| c.connect_timeout = from_ms(v), ms(c.connect_timeout),
        "for one connection attempt, name look-up included (an address of a locator of version 3: 4000, unless this is set)";
    16 log_level 0..=5, |c, v| c.log_level = log_level(v), c.log_level as i64,
        "P2P_LOG_*: what becomes a LOG event or a line on log_fd";
    17 log_fd -1..=2147483647, |c, v| c.log_fd = v as i32, i64::from(c.log_fd),
        "file descriptor for log lines instead of LOG events (2 = stderr); stays yours; -1 = events";
    18 seed 0..=9223372036854775807, |c, v| c.seed = v as u64, c.seed as i64,
        "for tests: seeds every random choice; 0 = from the system";
    19 advertise 0..=1, |c, v| c.advertise = v == 1, i64::from(c.advertise),
        "1 = may register at rendezvous servers";
    20 simultaneous 0..=1, |c, v| c.simultaneous = v == 1, i64::from(c.simultaneous),
        "1 = may take part in hole punching";
    21 duplicate_ip -1..=1, |c, v| c.duplicate_ip = duplicate_ip(v), c.duplicate_ip as i64,
        "1 = several connections per address, 0 = one, -1 = several, but for the classic dialect's p2p nets";
    22 dedup_entries 1..=16777216, |c, v| c.dedup_entries = v as usize, c.dedup_entries as i64,
        "lines remembered for dedup; the oldest are forgotten first";
    23 dedup_ttl_ms 0..=315360000000, |c, v| c.dedup_ttl = from_ms(v), ms(c.dedup_ttl),
        "how long dedup remembers a line; 0 = until it is pushed out";
    24 event_queue 16..=1048576, |c, v| c.event_queue = v as usize, c.event_queue as i64,
        "elements between our thread and yours (one element holds all lines of one socket read)";
    25 max_requests 1..=1048576, |c, v| c.max_requests = v as usize, c.max_requests as i64,
        "requests (connect, bootstrap, advertise, ...) under way or not yet reported at one time";
    26 handshake_timeout_ms 1..=600000, |c, v| c.handshake_timeout = from_ms(v), ms(c.handshake_timeout),
        "for what comes before the first line of a link: the nonce of classic direct nets, the secure dialect's handshake";
    27 server_timeout_ms 1..=600000, |c, v| c.server_timeout = from_ms(v), ms(c.server_timeout),
        "for one exchange with one rendezvous server, connecting included";
    28 close_timeout_ms 0..=600000, |c, v| c.close_timeout = from_ms(v), ms(c.close_timeout),
        "how long a closing connection, and p2p_net_stop, may still send what is queued";
    29 keepalive_ms 0..=86400000, |c, v| c.keepalive = from_ms(v), ms(c.keepalive),
        "quiet time after which TCP probes whether the peer still lives, rounded up to seconds; 0 = never";
    30 dead_peer_timeout_ms 0..=86400000, |c, v| c.dead_peer_timeout = from_ms(v), ms(c.dead_peer_timeout),
        "a peer that acknowledges nothing for this long is closed (TCP_USER_TIMEOUT, RFC 5482); 0 = the system's default";
    31 bootstrap_interval_ms 1..=604800000, |c, v| c.bootstrap_interval = from_ms(v), ms(c.bootstrap_interval),
        "time between two bootstraps while outbound connections are wanted";
    32 advertise_interval_ms 1..=604800000, |c, v| c.advertise_interval = from_ms(v), ms(c.advertise_interval),
        "time between two advertisements while under min_connected inbound";
    33 retry_interval_ms 1..=604800000, |c, v| c.retry_interval = from_ms(v), ms(c.retry_interval),
        "first pause before an early bootstrap while under min_connected; doubles up to bootstrap_interval";
    34 start_timeout_ms 0..=600000, |c, v| c.start_timeout = from_ms(v), ms(c.start_timeout),
        "READY comes at the latest then, whatever does not answer; the node works before it";
    35 mapping_lease_ms 1000..=604800000, |c, v| c.mapping_lease = from_ms(v), ms(c.mapping_lease),
        "for how long a port is asked of the router; renewed at half of it";
    36 verify_interval_ms 0..=604800000, |c, v| c.verify_interval = from_ms(v), ms(c.verify_interval),
        "time between two looks from outside whether the mapped port is still open; 0 = none";
    37 network_monitor 0..=1, |c, v| c.network_monitor = v == 1, i64::from(c.network_monitor),
        "1 = the system is asked to tell of changes of its network (Linux), as p2p_network_changed does";
    38 dialect 1..=2, |c, v| c.dialect = if v == 2 { Dialect::Secure } else { Dialect::Classic }, c.dialect as i64,
        "P2P_DIALECT_SECURE (encrypted, nodes known by keys, UNL version 3) or P2P_DIALECT_CLASSIC (PyP2P's protocol, UNL version 2); peers have to speak the same";
    39 unl_connect_timeout_ms 1..=600000, |c, v| c.unl_connect_timeout = from_ms(v), ms(c.unl_connect_timeout),
        "for p2p_unl_connect, all ways of getting through together (classic: 60 s where it waits for the peer, as PyP2P)";
    40 unl_lifetime_ms 60000..=31536000000, |c, v| c.unl_lifetime = from_ms(v), ms(c.unl_lifetime),
        "for how long a locator of version 3 holds; it is renewed by asking for it again";
    41 punch_half_open 0..=65535, |c, v| c.punch_half_open = v as usize, c.punch_half_open as i64,
        "attempts of hole punching open at one time, all peers together; routers keep a table of some thousand flows";
    42 punch_per_minute 0..=1000000, |c, v| c.punch_per_minute = v as usize, c.punch_per_minute as i64,
        "attempts of hole punching begun within any minute, all peers together";
    43 local_peers 0..=1, |c, v| c.local_peers = v == 1, i64::from(c.local_peers),
        "1 = addresses of local networks (private, loopback) that a peer names are tried wherever this node is; for tests";
    44 relay 0..=1, |c, v| c.relay = v == 1, i64::from(c.relay),
        "1 = peers that no other way connects are connected by a relay, a server that passes on what it cannot read (secure dialect)";
    45 resume_grace_ms 0..=86400000, |c, v| c.resume_grace = from_ms(v), ms(c.resume_grace),
        "how long a connection of the secure dialect whose link has broken waits for another one, which is made by itself; 0 = it ends with its link";
    46 resend_window 65536..=1073741824, |c, v| c.resend_window = v as usize, c.resend_window as i64,
        "bytes of a connection of the secure dialect that are sent and not acknowledged, and kept to be sent again; more are not sent";
    47 max_message 0..=1073741824, |c, v| c.max_message = v as usize, c.max_message as i64,
        "longest message in bytes, either way (secure dialect); a peer that sends a longer one is closed";
    48 link_timeout_ms 3000..=86400000, |c, v| c.link_timeout = from_ms(v), ms(c.link_timeout),
        "a link of the secure dialect on which nothing arrives for so long while an answer is due is given up for another one";
    50 mainline 0..=7, |c, v| c.mainline = v as u32, i64::from(c.mainline),
        "P2P_MAINLINE_* bits: what this node tells in BitTorrent's DHT, if a server of kind P2P_SERVER_MAINLINE is added";
    51 mainline_slots 0..=8, |c, v| c.mainline_slots = v as u8, i64::from(c.mainline_slots),
        "letters for this node that may lie in BitTorrent's DHT at one time; 0 = it takes none";
    52 mainline_poll_ms 100..=3600000, |c, v| c.mainline_poll = from_ms(v), ms(c.mainline_poll),
        "time between two looks for such letters, each some 20 KB on the wire for a slot";
    53 relay_sessions 0..=100000, |c, v| (c.volunteer.sessions, c.volunteer.waiting) = (v as usize, v as usize), c.volunteer.sessions as i64,
        "so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time, if it can be reached itself (secure dialect); 0 = it relays for nobody";
    54 relay_per_address 1..=100000, |c, v| c.volunteer.per_address = v as usize, c.volunteer.per_address as i64,
        "connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end";
    55 relay_rate 0..=1073741824, |c, v| (c.volunteer.rate, c.volunteer.burst) = (v as u64, 4 * v as u64), c.volunteer.rate as i64,
        "bytes per second that this node passes on for one pair, both ways together, in the long run (four times as much at once after a quiet time); 0 = no limit";
    56 relay_rate_in_all 0..=1073741824, |c, v| c.volunteer.rate_in_all = v as u64, c.volunteer.rate_in_all as i64,
        "the same for all pairs together, which take turns; 0 = no limit";
    57 relay_bytes 0..=9223372036854775807, |c, v| c.volunteer.bytes = v as u64, c.volunteer.bytes as i64,
        "after so many bytes this node cuts a pair off, which may then meet again; 0 = no limit";
    58 relay_idle_ms 1000..=86400000, |c, v| c.volunteer.idle = from_ms(v), ms(c.volunteer.idle),
        "a pair for which nothing has got through this node for so long is cut off";
    59 lease 0..=1, |c, v| c.lease = v == 1, i64::from(c.lease),
        "1 = a thread that sleeps in p2p_wait does the node's work meanwhile, so that an event wakes nobody else; 0 = our own thread does it always";
    60 spin_us 0..=1000, |c, v| c.spin = Duration::from_micros(v as u64), c.spin.as_micros() as i64,
        "so long p2p_wait looks for events without sleeping, while that pays: an answer that comes within it is taken sooner, for CPU time; 0 = never (needs lease)";
}

fn node_type(v: i64) -> NodeType {
    match v {
        1 => NodeType::Passive,
        2 => NodeType::Active,
        3 => NodeType::Simultaneous,
        _ => NodeType::Unknown,
    }
}

fn nat_type(v: i64) -> NatType {
    match v {
        1 => NatType::None,
        2 => NatType::Preserving,
        3 => NatType::Delta,
        4 => NatType::Reuse,
        5 => NatType::Random,
        _ => NatType::Unknown,
    }
}

fn log_level(v: i64) -> LogLevel {
    match v {
        0 => LogLevel::Off,
        1 => LogLevel::Error,
        2 => LogLevel::Warn,
        3 => LogLevel::Info,
        4 => LogLevel::Debug,
        _ => LogLevel::Trace,
    }
}

fn duplicate_ip(v: i64) -> DuplicateIp {
    match v {
        0 => DuplicateIp::Refuse,
        1 => DuplicateIp::Allow,
        _ => DuplicateIp::ByNetType,
    }
}

fn find(key: i32) -> Result<&'static IntOption> {
    INT_OPTIONS.iter().find(|o| o.key == key).ok_or_else(|| {
        Error::new(
            Code::Unsupported,
            if super::text::TEXT_OPTIONS.iter().any(|o| o.key == key) {
                format!("option {key} is a text: use p2p_config_set_str")
            } else {
                format!("there is no option {key} in this version ({})", env!("CARGO_PKG_VERSION"))
            },
        )
    })
}

impl Config {
    /// Sets the numeric option `key`.
    ///
    /// # Errors
    /// [`Code::Unsupported`] for an unknown key, [`Code::Range`] for a value outside its range; the message names both.
    pub fn set_int(&mut self, key: i32, value: i64) -> Result<()> {
        #[cfg(feature = "testing")]
        if key == TEST_PANIC {
            self.test_panic = value != 0;
            return Ok(());
        }
        let o = find(key)?;
        if !(o.min..=o.max).contains(&value) {
            let message = format!("{} is {value}; expected {} to {} ({})", o.name, o.min, o.max, o.meaning);
            return Err(Error::new(Code::Range, message));
        }
        (o.set)(self, value);
        Ok(())
    }

    /// The value of the numeric option `key`.
    ///
    /// # Errors
    /// [`Code::Unsupported`] for an unknown key.
    pub fn get_int(&self, key: i32) -> Result<i64> {
        find(key).map(|o| (o.get)(self))
    }
}

/// Key of the hidden option by which the tests make our own thread panic.
#[cfg(feature = "testing")]
pub const TEST_PANIC: i32 = 9000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_takes_its_bounds_and_refuses_what_is_outside() {
        for o in INT_OPTIONS {
            let mut c = Config::default();
            let default = c.get_int(o.key).unwrap();
            assert!((o.min..=o.max).contains(&default), "{}: default {default}", o.name);
            for v in [o.min, o.max, default] {
                c.set_int(o.key, v).unwrap();
                assert_eq!(c.get_int(o.key).unwrap(), v, "{}", o.name);
            }
            for v in [o.min.checked_sub(1), o.max.checked_add(1)].into_iter().flatten() {
                let e = c.set_int(o.key, v).unwrap_err();
                assert_eq!(e.code, Code::Range);
                assert!(e.message.contains(o.name), "{e}");
            }
        }
    }

    #[test]
    fn keys_and_names_are_unique_and_in_order() {
        assert!(INT_OPTIONS.windows(2).all(|w| w[0].key < w[1].key));
        let mut names: Vec<_> = INT_OPTIONS.iter().map(|o| o.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), INT_OPTIONS.len());
    }

    #[test]
    fn a_wrong_key_says_what_to_do() {
        let mut c = Config::default();
        assert!(c.set_int(1001, 1).unwrap_err().message.contains("p2p_config_set_str"));
        assert_eq!(c.set_int(-5, 1).unwrap_err().code, Code::Unsupported);
    }
}
