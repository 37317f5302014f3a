// Written from include/p2pnet.h by scripts/constants.mjs: not by hand.

export type NodeType = 'unknown' | 'passive' | 'active' | 'simultaneous';
export type NetType = 'p2p' | 'direct';
export type NatType = 'unknown' | 'none' | 'preserving' | 'delta' | 'reuse' | 'random';
export type Forwarding = 'none' | 'manual' | 'upnp' | 'natpmp' | 'pcp';
export type Mapping = 'unknown' | 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';
export type Allocation = 'unknown' | 'preserving' | 'delta' | 'sequential' | 'random';
export type Unsolicited = 'unknown' | 'dropped' | 'reset' | 'unreachable';
export type Via = 'accept' | 'direct' | 'lan' | 'punch' | 'reverse' | 'relay';
export type Path = 'first' | 'lost' | 'resumed' | 'moved';
export type CandidateKind = 'none' | 'lan' | 'wan' | 'mapped';
export type Dialect = 'classic' | 'secure';
export type Framing = 'lines' | 'raw';
export type LogLevel = 'off' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
export type ServerKind = 'rendezvous' | 'reachability' | 'ntp' | 'dht' | 'mainline' | 'relay';
export type MainlineShare = 'publish' | 'announce' | 'letters';
/** The C name of a result. */
export type ResultCode =
  | 'P2P_OK'
  | 'P2P_ERR_INVALID'
  | 'P2P_ERR_PANIC'
  | 'P2P_ERR_CLOSED'
  | 'P2P_ERR_STATE'
  | 'P2P_ERR_BUSY'
  | 'P2P_ERR_REENTRANT'
  | 'P2P_ERR_UNSUPPORTED'
  | 'P2P_ERR_NOT_FOUND'
  | 'P2P_ERR_RANGE'
  | 'P2P_ERR_WOULD_BLOCK'
  | 'P2P_ERR_TOO_LARGE'
  | 'P2P_ERR_TOO_SMALL'
  | 'P2P_ERR_LIMIT'
  | 'P2P_ERR_SELF'
  | 'P2P_ERR_DUPLICATE'
  | 'P2P_ERR_TIMEOUT'
  | 'P2P_ERR_CANCELED'
  | 'P2P_ERR_REFUSED'
  | 'P2P_ERR_RESET'
  | 'P2P_ERR_PROTOCOL'
  | 'P2P_ERR_NO_PATH'
  | 'P2P_ERR_NO_SERVER'
  | 'P2P_ERR_IO';

/** The options of the library. The default stands first; times are in milliseconds, sizes in bytes. */
export interface LibraryOptions {
  /** P2P_NODE_UNKNOWN; how others reach this node. Unknown: found out at the start and when the network changes, and the port is opened on the router where it can be. Another type is taken as told. (P2P_OPT_NODE_TYPE) */
  nodeType?: NodeType | number | undefined;
  /** P2P_NET_P2P; what the net is for. (P2P_OPT_NET_TYPE) */
  netType?: NetType | number | undefined;
  /** P2P_NAT_UNKNOWN; the NAT in front of this node, if you know it. Unknown: measured at the rendezvous servers. (P2P_OPT_NAT_TYPE) */
  natType?: NatType | number | undefined;
  /** 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which). (P2P_OPT_PASSIVE_PORT) */
  passivePort?: number | bigint | undefined;
  /** 10; connections others may open to us. Further ones wait in the system's backlog; in the secure dialect they are told that there is no room. (P2P_OPT_MAX_INBOUND) */
  maxInbound?: number | bigint | undefined;
  /** 10; connections we open. (P2P_OPT_MAX_OUTBOUND) */
  maxOutbound?: number | bigint | undefined;
  /** 3; below so many connections the node bootstraps sooner and advertises again. (P2P_OPT_MIN_CONNECTED) */
  minConnected?: number | bigint | undefined;
  /** P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP; port mapping protocols that may be tried, if the node type is unknown. (P2P_OPT_FORWARDING) */
  forwarding?: readonly Forwarding[] | number | undefined;
  /** 1; may ask rendezvous servers for nodes. (P2P_OPT_BOOTSTRAP) */
  bootstrap?: boolean | number | undefined;
  /** 0; 1 = a line that this net has seen before is not delivered again (for flooding networks). (P2P_OPT_DEDUP) */
  dedup?: boolean | number | undefined;
  /** P2P_FRAMING_LINES; how bytes become events. (P2P_OPT_FRAMING) */
  framing?: Framing | number | undefined;
  /** 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed. (P2P_OPT_MAX_LINE) */
  maxLine?: number | bigint | undefined;
  /** 1048576; bytes waiting to be sent on one connection before P2P_ERR_WOULD_BLOCK. (P2P_OPT_SEND_BUFFER) */
  sendBuffer?: number | bigint | undefined;
  /** 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer. (P2P_OPT_RECV_BUFFER) */
  recvBuffer?: number | bigint | undefined;
  /** 5000; one connection attempt, name look-up included. (To one of the addresses of a locator of version 3: 4000, unless this is set to something else.) (P2P_OPT_CONNECT_TIMEOUT_MS) */
  connectTimeoutMs?: number | bigint | undefined;
  /** P2P_LOG_WARN; what becomes a LOG event, or a line on the log descriptor. (P2P_OPT_LOG_LEVEL) */
  logLevel?: LogLevel | number | undefined;
  /** -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open. (P2P_OPT_LOG_FD) */
  logFd?: number | bigint | undefined;
  /** 0; for tests: seeds every random choice, 0 = from the system. (P2P_OPT_SEED) */
  seed?: number | bigint | undefined;
  /** 1; may register at rendezvous servers. (P2P_OPT_ADVERTISE) */
  advertise?: boolean | number | undefined;
  /** 1; may take part in hole punching. (P2P_OPT_SIMULTANEOUS) */
  simultaneous?: boolean | number | undefined;
  /** -1; connections per address: 0 = one, 1 = any number, -1 = any number, but one on p2p nets of the classic dialect. (In the secure dialect there is one connection per node, whatever its address.) (P2P_OPT_DUPLICATE_IP) */
  duplicateIp?: boolean | number | undefined;
  /** 65536; lines remembered for P2P_OPT_DEDUP, the oldest are forgotten first. (P2P_OPT_DEDUP_ENTRIES) */
  dedupEntries?: number | bigint | undefined;
  /** 3600000; how long P2P_OPT_DEDUP remembers a line, 0 = until it is pushed out. (P2P_OPT_DEDUP_TTL_MS) */
  dedupTtlMs?: number | bigint | undefined;
  /** 1024; elements between our thread and yours. One element holds all lines of one socket read. (P2P_OPT_EVENT_QUEUE) */
  eventQueue?: number | bigint | undefined;
  /** 1024; requests under way, or done and not taken by you, at one time. (P2P_OPT_MAX_REQUESTS) */
  maxRequests?: number | bigint | undefined;
  /** 10000; for what comes before the first line of a link (the nonce of direct nets). (P2P_OPT_HANDSHAKE_TIMEOUT_MS) */
  handshakeTimeoutMs?: number | bigint | undefined;
  /** 2000; one exchange with one rendezvous server, connecting included. (P2P_OPT_SERVER_TIMEOUT_MS) */
  serverTimeoutMs?: number | bigint | undefined;
  /** 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued. (P2P_OPT_CLOSE_TIMEOUT_MS) */
  closeTimeoutMs?: number | bigint | undefined;
  /** 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never. (P2P_OPT_KEEPALIVE_MS) */
  keepaliveMs?: number | bigint | undefined;
  /** 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default. (P2P_OPT_DEAD_PEER_TIMEOUT_MS) */
  deadPeerTimeoutMs?: number | bigint | undefined;
  /** 1800000; time between two bootstraps while outbound connections are wanted. (P2P_OPT_BOOTSTRAP_INTERVAL_MS) */
  bootstrapIntervalMs?: number | bigint | undefined;
  /** 43200000; time between two advertisements while under P2P_OPT_MIN_CONNECTED inbound. (P2P_OPT_ADVERTISE_INTERVAL_MS) */
  advertiseIntervalMs?: number | bigint | undefined;
  /** 5000; first pause before an early bootstrap while under P2P_OPT_MIN_CONNECTED; doubles each time. (P2P_OPT_RETRY_INTERVAL_MS) */
  retryIntervalMs?: number | bigint | undefined;
  /** 3000; READY comes at the latest then, whatever does not answer. The node works before it. (P2P_OPT_START_TIMEOUT_MS) */
  startTimeoutMs?: number | bigint | undefined;
  /** 3600000; for how long a port is asked of the router; renewed at half of it. (P2P_OPT_MAPPING_LEASE_MS) */
  mappingLeaseMs?: number | bigint | undefined;
  /** 1200000; time between two looks from outside whether the mapped port is still open, 0 = none. (P2P_OPT_VERIFY_INTERVAL_MS) */
  verifyIntervalMs?: number | bigint | undefined;
  /** 1; the system is asked to tell of changes of its network (Linux), as p2p_network_changed() does. (P2P_OPT_NETWORK_MONITOR) */
  networkMonitor?: boolean | number | undefined;
  /** P2P_DIALECT_SECURE; how the node speaks with others, who have to speak the same. Nodes of PyP2P speak P2P_DIALECT_CLASSIC. (P2P_OPT_DIALECT) */
  dialect?: Dialect | number | undefined;
  /** 10000; for p2p_unl_connect(), all ways of getting through together. (Classic: 60 s where it waits for the peer to come, as PyP2P does.) (P2P_OPT_UNL_CONNECT_TIMEOUT_MS) */
  unlConnectTimeoutMs?: number | bigint | undefined;
  /** 86400000; for how long a locator of version 3 holds. (P2P_OPT_UNL_LIFETIME_MS) */
  unlLifetimeMs?: number | bigint | undefined;
  /** 256; attempts of hole punching open at one time, all peers together. (P2P_OPT_PUNCH_HALF_OPEN) */
  punchHalfOpen?: number | bigint | undefined;
  /** 1000; attempts of hole punching begun within any minute, all peers together. (P2P_OPT_PUNCH_PER_MINUTE) */
  punchPerMinute?: number | bigint | undefined;
  /** 0; addresses of local networks (private, loopback) that a peer names are tried wherever this node is. For tests. (P2P_OPT_LOCAL_PEERS) */
  localPeers?: boolean | number | undefined;
  /** 1; peers that no other way connects are connected by a relay (secure dialect): a server that passes on what it cannot read. 0 = never, neither for us nor for those who call us. (P2P_OPT_RELAY) */
  relay?: boolean | number | undefined;
  /** 30000; how long a connection of the secure dialect whose link has broken waits for another one, which is made by itself. 0 = it ends with its link. (P2P_OPT_RESUME_GRACE_MS) */
  resumeGraceMs?: number | bigint | undefined;
  /** 4194304 (from 65536); bytes of a connection of the secure dialect that are sent and not acknowledged, and kept to be sent again. More are not sent: what you send waits in P2P_OPT_SEND_BUFFER. (P2P_OPT_RESEND_WINDOW) */
  resendWindow?: number | bigint | undefined;
  /** 1048576; longest message either way (secure dialect). A peer that sends a longer one is closed. (P2P_OPT_MAX_MESSAGE) */
  maxMessage?: number | bigint | undefined;
  /** 10000 (from 3000); a link of the secure dialect on which nothing arrives for so long while an answer is due is given up for another one. (P2P_OPT_LINK_TIMEOUT_MS) */
  linkTimeoutMs?: number | bigint | undefined;
  /** P2P_MAINLINE_PUBLISH | P2P_MAINLINE_ANNOUNCE | P2P_MAINLINE_LETTERS; what the net tells in BitTorrent's DHT, if a server of kind P2P_SERVER_MAINLINE is added. (P2P_OPT_MAINLINE) */
  mainline?: readonly MainlineShare[] | number | undefined;
  /** 2; letters for this node that may lie in BitTorrent's DHT at one time, 0 = it takes none. (P2P_OPT_MAINLINE_SLOTS) */
  mainlineSlots?: number | bigint | undefined;
  /** 30000; time between two looks for such letters, each some 20 KB on the wire for a slot. (P2P_OPT_MAINLINE_POLL_MS) */
  mainlinePollMs?: number | bigint | undefined;
  /** 0; so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time (secure dialect). It has to be one that can be reached itself. 0 = it relays for nobody. P2P_ERR_UNSUPPORTED by p2p_net_new() in a build without it (p2p_features()). (P2P_OPT_RELAY_SESSIONS) */
  relaySessions?: number | bigint | undefined;
  /** 8; connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end. (P2P_OPT_RELAY_PER_ADDRESS) */
  relayPerAddress?: number | bigint | undefined;
  /** 262144; bytes per second that this node passes on for one pair, both ways together, in the long run. Four times as much at once after a quiet time. 0 = no limit. (P2P_OPT_RELAY_RATE) */
  relayRate?: number | bigint | undefined;
  /** 1048576; the same for all pairs together, which take turns. 0 = no limit. (P2P_OPT_RELAY_RATE_IN_ALL) */
  relayRateInAll?: number | bigint | undefined;
  /** 17179869184; after so many bytes this node cuts a pair off, which may then meet again. 0 = no limit. (P2P_OPT_RELAY_BYTES) */
  relayBytes?: number | bigint | undefined;
  /** 600000 (from 1000); a pair for which nothing has got through this node for so long is cut off. (P2P_OPT_RELAY_IDLE_MS) */
  relayIdleMs?: number | bigint | undefined;
  /** 1; a thread that sleeps in p2p_wait() does the node's work meanwhile, so that an event need not wake another thread on its way to your program. Only the node's own work: nothing of yours is called. 0 = the net's own thread does it always; for threads with stacks of less than 128 KiB, or that have changed their network namespace (setns(2)). (P2P_OPT_LEASE) */
  lease?: number | bigint | undefined;
  /** 0 (to 1000); microseconds for which p2p_wait() looks for events before it sleeps, as long as that pays: an answer that comes meanwhile is there sooner, and the CPU is busy meanwhile. After vain tries it looks ever more seldom; it yields to who else wants that CPU. 20 is a good value for answers that come at once. Needs P2P_OPT_LEASE. (P2P_OPT_SPIN_US) */
  spinUs?: number | bigint | undefined;
  /** ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A particular address is also the source of our own connections. (P2P_OPT_PASSIVE_BIND) */
  passiveBind?: string | undefined;
  /** ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen on it and connect from it. "" or "default" = the system's choice. (P2P_OPT_INTERFACE) */
  interface?: string | undefined;
  /** ""; this node's address as the internet sees it, if you know better than we can find out. (P2P_OPT_WAN_IP) */
  wanIp?: string | undefined;
  /** ""; the routers to ask for a port, by address, separated by commas; "" = found out. (P2P_OPT_GATEWAY) */
  gateway?: string | undefined;
  /** ""; a directory in which the net notes what it has opened on routers, so that a program that crashed cleans up at its next start. It is made if it is not there. "" = no file is written. (P2P_OPT_STATE_DIR) */
  stateDir?: string | undefined;
  /** ""; name of the network this node belongs to (secure dialect): nodes of others are turned away. "" = the one network without a name, to which all programs belong that set none: give yours a name. (P2P_OPT_NETWORK) */
  network?: string | undefined;
  /** ""; the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect). "" = that of the key file, or a new one at each start. (P2P_OPT_KEY) */
  key?: string | undefined;
  /** ""; a file with the node's secret key. It is made, for its owner only, if it is not there. "" = no file is written, and the node is another one at its next start (unless P2P_OPT_KEY is set). (P2P_OPT_KEY_FILE) */
  keyFile?: string | undefined;
  /** ""; a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect). Strangers are turned away before they cost anything, and cannot find out who this is. (P2P_OPT_NETWORK_KEY) */
  networkKey?: string | undefined;
}
