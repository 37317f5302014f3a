//! The options and the kinds of servers, by number.

/// The options of p2p_config_set_int() (below 1000) and p2p_config_set_str() (from 1001). Times are in milliseconds,
/// sizes in bytes, switches 0 or 1. The default stands first.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_opt {
    /// P2P_NODE_UNKNOWN; how others reach this node. Unknown: found out at the start and when the network changes, and
    /// the port is opened on the router where it can be. Another type is taken as told.
    P2P_OPT_NODE_TYPE = 1,
    /// P2P_NET_P2P; what the net is for.
    P2P_OPT_NET_TYPE = 2,
    /// P2P_NAT_UNKNOWN; the NAT in front of this node, if you know it. Unknown: measured at the rendezvous servers.
    P2P_OPT_NAT_TYPE = 3,
    /// 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which).
    P2P_OPT_PASSIVE_PORT = 4,
    /// 10; connections others may open to us. Further ones wait in the system's backlog; in the secure dialect they are told
    /// that there is no room.
    P2P_OPT_MAX_INBOUND = 5,
    /// 10; connections we open.
    P2P_OPT_MAX_OUTBOUND = 6,
    /// 3; below so many connections the node bootstraps sooner and advertises again.
    P2P_OPT_MIN_CONNECTED = 7,
    /// P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP; port mapping protocols that may be tried, if the node type is unknown.
    P2P_OPT_FORWARDING = 8,
    /// 1; may ask rendezvous servers for nodes.
    P2P_OPT_BOOTSTRAP = 9,
    /// 0; 1 = a line that this net has seen before is not delivered again (for flooding networks).
    P2P_OPT_DEDUP = 10,
    /// P2P_FRAMING_LINES; how bytes become events.
    P2P_OPT_FRAMING = 11,
    /// 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed.
    P2P_OPT_MAX_LINE = 12,
    /// 1048576; bytes waiting to be sent on one connection before P2P_ERR_WOULD_BLOCK.
    P2P_OPT_SEND_BUFFER = 13,
    /// 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer.
    P2P_OPT_RECV_BUFFER = 14,
    /// 5000; one connection attempt, name look-up included. (To one of the addresses of a locator of version 3: 4000, unless this
    /// is set to something else.)
    P2P_OPT_CONNECT_TIMEOUT_MS = 15,
    /// P2P_LOG_WARN; what becomes a LOG event, or a line on the log descriptor.
    P2P_OPT_LOG_LEVEL = 16,
    /// -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open.
    P2P_OPT_LOG_FD = 17,
    /// 0; for tests: seeds every random choice, 0 = from the system.
    P2P_OPT_SEED = 18,
    /// 1; may register at rendezvous servers.
    P2P_OPT_ADVERTISE = 19,
    /// 1; may take part in hole punching.
    P2P_OPT_SIMULTANEOUS = 20,
    /// -1; connections per address: 0 = one, 1 = any number, -1 = any number, but one on p2p nets of the classic dialect. (In
    /// the secure dialect there is one connection per node, whatever its address.)
    P2P_OPT_DUPLICATE_IP = 21,
    /// 65536; lines remembered for P2P_OPT_DEDUP, the oldest are forgotten first.
    P2P_OPT_DEDUP_ENTRIES = 22,
    /// 3600000; how long P2P_OPT_DEDUP remembers a line, 0 = until it is pushed out.
    P2P_OPT_DEDUP_TTL_MS = 23,
    /// 1024; elements between our thread and yours. One element holds all lines of one socket read.
    P2P_OPT_EVENT_QUEUE = 24,
    /// 1024; requests under way, or done and not taken by you, at one time.
    P2P_OPT_MAX_REQUESTS = 25,
    /// 10000; for what comes before the first line of a link (the nonce of direct nets).
    P2P_OPT_HANDSHAKE_TIMEOUT_MS = 26,
    /// 2000; one exchange with one rendezvous server, connecting included.
    P2P_OPT_SERVER_TIMEOUT_MS = 27,
    /// 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued.
    P2P_OPT_CLOSE_TIMEOUT_MS = 28,
    /// 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never.
    P2P_OPT_KEEPALIVE_MS = 29,
    /// 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default.
    P2P_OPT_DEAD_PEER_TIMEOUT_MS = 30,
    /// 1800000; time between two bootstraps while outbound connections are wanted.
    P2P_OPT_BOOTSTRAP_INTERVAL_MS = 31,
    /// 43200000; time between two advertisements while under P2P_OPT_MIN_CONNECTED inbound.
    P2P_OPT_ADVERTISE_INTERVAL_MS = 32,
    /// 5000; first pause before an early bootstrap while under P2P_OPT_MIN_CONNECTED; doubles each time.
    P2P_OPT_RETRY_INTERVAL_MS = 33,
    /// 3000; READY comes at the latest then, whatever does not answer. The node works before it.
    P2P_OPT_START_TIMEOUT_MS = 34,
    /// 3600000; for how long a port is asked of the router; renewed at half of it.
    P2P_OPT_MAPPING_LEASE_MS = 35,
    /// 1200000; time between two looks from outside whether the mapped port is still open, 0 = none.
    P2P_OPT_VERIFY_INTERVAL_MS = 36,
    /// 1; the system is asked to tell of changes of its network (Linux), as p2p_network_changed() does.
    P2P_OPT_NETWORK_MONITOR = 37,
    /// P2P_DIALECT_SECURE; how the node speaks with others, who have to speak the same. Nodes of PyP2P speak
    /// P2P_DIALECT_CLASSIC.
    P2P_OPT_DIALECT = 38,
    /// 10000; for p2p_unl_connect(), all ways of getting through together. (Classic: 60 s where it waits for the peer to
    /// come, as PyP2P does.)
    P2P_OPT_UNL_CONNECT_TIMEOUT_MS = 39,
    /// 86400000; for how long a locator of version 3 holds.
    P2P_OPT_UNL_LIFETIME_MS = 40,
    /// 256; attempts of hole punching open at one time, all peers together.
    P2P_OPT_PUNCH_HALF_OPEN = 41,
    /// 1000; attempts of hole punching begun within any minute, all peers together.
    P2P_OPT_PUNCH_PER_MINUTE = 42,
    /// 0; addresses of local networks (private, loopback) that a peer names are tried wherever this node is. For tests.
    P2P_OPT_LOCAL_PEERS = 43,
    /// 1; peers that no other way connects are connected by a relay (secure dialect): a server that passes on what it cannot
    /// read. 0 = never, neither for us nor for those who call us.
    P2P_OPT_RELAY = 44,
    /// 30000; how long a connection of the secure dialect whose link has broken waits for another one, which is made by
    /// itself. 0 = it ends with its link.
    P2P_OPT_RESUME_GRACE_MS = 45,
    /// 4194304 (from 65536); bytes of a connection of the secure dialect that are sent and not acknowledged, and kept to be
    /// sent again. More are not sent: what you send waits in P2P_OPT_SEND_BUFFER.
    P2P_OPT_RESEND_WINDOW = 46,
    /// 1048576; longest message either way (secure dialect). A peer that sends a longer one is closed.
    P2P_OPT_MAX_MESSAGE = 47,
    /// 10000 (from 3000); a link of the secure dialect on which nothing arrives for so long while an answer is due is given
    /// up for another one.
    P2P_OPT_LINK_TIMEOUT_MS = 48,
    /// P2P_MAINLINE_PUBLISH | P2P_MAINLINE_ANNOUNCE | P2P_MAINLINE_LETTERS; what the net tells in BitTorrent's DHT, if a server of
    /// kind P2P_SERVER_MAINLINE is added.
    P2P_OPT_MAINLINE = 50,
    /// 2; letters for this node that may lie in BitTorrent's DHT at one time, 0 = it takes none.
    P2P_OPT_MAINLINE_SLOTS = 51,
    /// 30000; time between two looks for such letters, each some 20 KB on the wire for a slot.
    P2P_OPT_MAINLINE_POLL_MS = 52,
    /// 0; so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time (secure
    /// dialect). It has to be one that can be reached itself. 0 = it relays for nobody. P2P_ERR_UNSUPPORTED by p2p_net_new() in
    /// a build without it (p2p_features()).
    P2P_OPT_RELAY_SESSIONS = 53,
    /// 8; connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end.
    P2P_OPT_RELAY_PER_ADDRESS = 54,
    /// 262144; bytes per second that this node passes on for one pair, both ways together, in the long run. Four times as much
    /// at once after a quiet time. 0 = no limit.
    P2P_OPT_RELAY_RATE = 55,
    /// 1048576; the same for all pairs together, which take turns. 0 = no limit.
    P2P_OPT_RELAY_RATE_IN_ALL = 56,
    /// 17179869184; after so many bytes this node cuts a pair off, which may then meet again. 0 = no limit.
    P2P_OPT_RELAY_BYTES = 57,
    /// 600000 (from 1000); a pair for which nothing has got through this node for so long is cut off.
    P2P_OPT_RELAY_IDLE_MS = 58,
    /// 1; a thread that sleeps in p2p_wait() does the node's work meanwhile, so that an event need not wake another thread on
    /// its way to your program. Only the node's own work: nothing of yours is called. 0 = the net's own thread does it
    /// always; for threads with stacks of less than 128 KiB, or that have changed their network namespace (setns(2)).
    P2P_OPT_LEASE = 59,
    /// 0 (to 1000); microseconds for which p2p_wait() looks for events before it sleeps, as long as that pays: an answer that
    /// comes meanwhile is there sooner, and the CPU is busy meanwhile. After vain tries it looks ever more seldom; it yields
    /// to who else wants that CPU. 20 is a good value for answers that come at once. Needs P2P_OPT_LEASE.
    P2P_OPT_SPIN_US = 60,
    /// ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A
    /// particular address is also the source of our own connections.
    P2P_OPT_PASSIVE_BIND = 1001,
    /// ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen
    /// on it and connect from it. "" or "default" = the system's choice.
    P2P_OPT_INTERFACE = 1002,
    /// ""; this node's address as the internet sees it, if you know better than we can find out.
    P2P_OPT_WAN_IP = 1003,
    /// ""; the routers to ask for a port, by address, separated by commas; "" = found out.
    P2P_OPT_GATEWAY = 1004,
    /// ""; a directory in which the net notes what it has opened on routers, so that a program that crashed cleans up at
    /// its next start. It is made if it is not there. "" = no file is written.
    P2P_OPT_STATE_DIR = 1005,
    /// ""; name of the network this node belongs to (secure dialect): nodes of others are turned away. "" = the one network
    /// without a name, to which all programs belong that set none: give yours a name.
    P2P_OPT_NETWORK = 1006,
    /// ""; the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect). "" = that of the key
    /// file, or a new one at each start.
    P2P_OPT_KEY = 1007,
    /// ""; a file with the node's secret key. It is made, for its owner only, if it is not there. "" = no file is written,
    /// and the node is another one at its next start (unless P2P_OPT_KEY is set).
    P2P_OPT_KEY_FILE = 1008,
    /// ""; a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect).
    /// Strangers are turned away before they cost anything, and cannot find out who this is.
    P2P_OPT_NETWORK_KEY = 1009,
}

/// Kinds of servers for p2p_config_add_server().
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_server {
    /// A rendezvous server, "host:port": names nodes and lists this one.
    P2P_SERVER_RENDEZVOUS = 1,
    /// A server that tells over HTTP whether our port is open from outside: "host:port" (a p2p-rendezvous), or the URL of
    /// a PyP2P script ("http://host/net.php"). Rendezvous servers of ours are asked by themselves.
    P2P_SERVER_REACHABILITY = 2,
    /// An NTP server, "host" or "host:port" (123). None is asked unless you add it.
    P2P_SERVER_NTP = 3,
    /// A mailbox by which nodes leave messages for each other over HTTP: "host:port" (a p2p-rendezvous), or the URL of a PyP2P
    /// script ("http://host/dht_msg.php"). P2P_ERR_UNSUPPORTED in a build without HTTP (p2p_features()).
    P2P_SERVER_DHT = 4,
    /// A node of BitTorrent's DHT to begin with, "host:port", or "public" for the well-known public ones. The net then takes part in
    /// that DHT, as far as P2P_OPT_MAINLINE says (secure dialect). P2P_ERR_UNSUPPORTED in a build without it (p2p_features()).
    P2P_SERVER_MAINLINE = 5,
    /// A relay, "host:port" (a p2p-rendezvous, or a node of the network that relays, P2P_OPT_RELAY_SESSIONS), for peers that no
    /// other way connects (secure dialect). Rendezvous servers that relay, and nodes that relay and have been peers of this one,
    /// are used by themselves; one that neither node knows in this way has to be added at both.
    P2P_SERVER_RELAY = 6,
}

/// Bits of P2P_OPT_MAINLINE: what a net tells in BitTorrent's DHT. It looks peers and nodes up there in any case.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_mainline {
    /// Its locator, under its key: whoever knows the key learns where it is, and when it is there.
    P2P_MAINLINE_PUBLISH = 1,
    /// Its address, to all who know the network's name: if it can be reached, on a p2p net that may advertise.
    P2P_MAINLINE_ANNOUNCE = 2,
    /// It has a mailbox for letters ("connect to me"), and leaves such letters for peers that it cannot reach.
    P2P_MAINLINE_LETTERS = 4,
}

const _: () =
    assert!(crate::config::PUBLISH == 1 && crate::config::ANNOUNCE == 2 && crate::config::LETTERS == 4);
