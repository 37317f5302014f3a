// Written from include/p2pnet.h by scripts/constants.mjs: not by hand.

declare const constants: {
  /** Success. */
  readonly P2P_OK: 0;
  /** An argument is not what the function takes: a NULL, a malformed address, a line with CR LF inside. */
  readonly P2P_ERR_INVALID: -1;
  /** The library failed internally; your program lives. If it was the library's thread, the net is stopped (STOPPED). */
  readonly P2P_ERR_PANIC: -2;
  /** The connection or the net is closed. */
  readonly P2P_ERR_CLOSED: -3;
  /** Not possible in the net's present state: not started, started twice, no handler set. */
  readonly P2P_ERR_STATE: -4;
  /** Another thread is in p2p_poll(), p2p_next_event() or p2p_next_events() of this net. */
  readonly P2P_ERR_BUSY: -5;
  /** Called from inside a callback of this net, where it cannot work. */
  readonly P2P_ERR_REENTRANT: -6;
  /** An unknown option, or something this net or this build does not do. */
  readonly P2P_ERR_UNSUPPORTED: -7;
  /** No such connection or request, or not any more. */
  readonly P2P_ERR_NOT_FOUND: -8;
  /** A number outside the option's range. */
  readonly P2P_ERR_RANGE: -9;
  /** The connection's send buffer is full: try again after WRITABLE. */
  readonly P2P_ERR_WOULD_BLOCK: -10;
  /** Longer than max_line: it will never fit. */
  readonly P2P_ERR_TOO_LARGE: -11;
  /** Your buffer is too small; the size it needs was stored. */
  readonly P2P_ERR_TOO_SMALL: -12;
  /** A limit of this net is reached: connections, requests. */
  readonly P2P_ERR_LIMIT: -13;
  /** The address is this node's own: on a p2p net with any port, so that two nets on one machine need an address each. */
  readonly P2P_ERR_SELF: -14;
  /** That peer is connected already, and this net takes one connection per address. */
  readonly P2P_ERR_DUPLICATE: -15;
  /** It took too long. */
  readonly P2P_ERR_TIMEOUT: -20;
  /** Your program cancelled it, or stopped the net. */
  readonly P2P_ERR_CANCELED: -21;
  /** The other side refused the connection. */
  readonly P2P_ERR_REFUSED: -22;
  /** The other side broke the connection. */
  readonly P2P_ERR_RESET: -23;
  /** The other side broke the protocol. */
  readonly P2P_ERR_PROTOCOL: -24;
  /** Every way to the peer failed. */
  readonly P2P_ERR_NO_PATH: -25;
  /** No rendezvous server is configured, or none answered. */
  readonly P2P_ERR_NO_SERVER: -26;
  /** The operating system said no; os_error holds its number. */
  readonly P2P_ERR_IO: -27;
  /** The start is finished. */
  readonly P2P_EVENT_READY: 1;
  /** The net has stopped; the last event. result is P2P_OK, or P2P_ERR_PANIC with the story in data. */
  readonly P2P_EVENT_STOPPED: 2;
  /** What p2p_net_get_info() tells of this node's situation has changed: type, NAT, addresses. Not the counts. */
  readonly P2P_EVENT_INFO: 3;
  /** conn is usable. request is the p2p_connect() it came from, or 0. */
  readonly P2P_EVENT_OPENED: 4;
  /** conn is gone; its last event. result and data say why: P2P_OK = you closed it, P2P_ERR_CLOSED = the peer did. Secure dialect: code is how many lines and messages you sent were not acknowledged; P2P_OK only if all have arrived. */
  readonly P2P_EVENT_CLOSED: 5;
  /** A line came in on conn: data, without its CR LF. */
  readonly P2P_EVENT_LINE: 6;
  /** Bytes came in on conn (P2P_FRAMING_RAW). */
  readonly P2P_EVENT_DATA: 7;
  /** conn takes data again after P2P_ERR_WOULD_BLOCK. */
  readonly P2P_EVENT_WRITABLE: 8;
  /** request has completed with result; data tells the story. p2p_connect(): conn is the connection. p2p_net_bootstrap(): code is how many nodes the server named. */
  readonly P2P_EVENT_DONE: 9;
  /** Carry data to the node peer over your DHT (p2p_config_set_dht() without send), and hand it to p2p_dht_deliver() there. request is the p2p_dht_put() it comes from, or a number of the net's own. */
  readonly P2P_EVENT_DHT_SEND: 10;
  /** Something to tell whoever looks after the program: data, with its level in code. */
  readonly P2P_EVENT_LOG: 11;
  /** A message that another program has sent by p2p_dht_put() has come: data. peer is who is said to have sent it, "" if that is not known; nobody has checked it. */
  readonly P2P_EVENT_DHT_MESSAGE: 12;
  /** The link that carries conn (secure dialect) has broken, or another one has taken its place: code is one of P2P_PATH_*, data says it in words, peer is where it leads now. Nothing is to be done: conn and what you sent on it stay as they are. */
  readonly P2P_EVENT_PATH: 13;
  /** A message came in on conn (secure dialect, P2P_FRAMING_LINES): data, sent by p2p_send(). It may be empty. */
  readonly P2P_EVENT_MESSAGE: 14;
  /** Not told, or not found out yet. */
  readonly P2P_NODE_UNKNOWN: 0;
  /** Accepts connections from outside. */
  readonly P2P_NODE_PASSIVE: 1;
  /** Only connects out. */
  readonly P2P_NODE_ACTIVE: 2;
  /** Behind a NAT whose ports can be predicted: reachable by hole punching. */
  readonly P2P_NODE_SIMULTANEOUS: 3;
  /** Not known. */
  readonly P2P_NAT_UNKNOWN: 0;
  /** There is none. */
  readonly P2P_NAT_NONE: 1;
  /** The external port is the internal one. */
  readonly P2P_NAT_PRESERVING: 2;
  /** External ports follow one another at a constant distance. */
  readonly P2P_NAT_DELTA: 3;
  /** One internal port keeps one external port towards all destinations. */
  readonly P2P_NAT_REUSE: 4;
  /** External ports cannot be foreseen. */
  readonly P2P_NAT_RANDOM: 5;
  /** None. */
  readonly P2P_FWD_NONE: 0;
  /** The router was set up by hand. */
  readonly P2P_FWD_MANUAL: 1;
  /** UPnP IGD. */
  readonly P2P_FWD_UPNP: 2;
  /** NAT-PMP (RFC 6886). */
  readonly P2P_FWD_NATPMP: 4;
  /** PCP (RFC 6887). */
  readonly P2P_FWD_PCP: 8;
  /** Not known. */
  readonly P2P_MAPPING_UNKNOWN: 0;
  /** For all destinations. */
  readonly P2P_MAPPING_ENDPOINT_INDEPENDENT: 1;
  /** For one destination address. */
  readonly P2P_MAPPING_ADDRESS_DEPENDENT: 2;
  /** For one destination address and port. */
  readonly P2P_MAPPING_ADDRESS_AND_PORT_DEPENDENT: 3;
  /** Not known. */
  readonly P2P_ALLOCATION_UNKNOWN: 0;
  /** The local port. */
  readonly P2P_ALLOCATION_PRESERVING: 1;
  /** The local port plus nat_delta. */
  readonly P2P_ALLOCATION_DELTA: 2;
  /** The last one given plus nat_delta. */
  readonly P2P_ALLOCATION_SEQUENTIAL: 3;
  /** No rule was found. */
  readonly P2P_ALLOCATION_RANDOM: 4;
  /** Not known. */
  readonly P2P_UNSOLICITED_UNKNOWN: 0;
  /** Nothing comes back. */
  readonly P2P_UNSOLICITED_DROPPED: 1;
  /** It is refused (a TCP RST). */
  readonly P2P_UNSOLICITED_RESET: 2;
  /** An ICMP error comes back. */
  readonly P2P_UNSOLICITED_UNREACHABLE: 3;
  /** The peer connected to us. */
  readonly P2P_VIA_ACCEPT: 1;
  /** We connected to the peer. */
  readonly P2P_VIA_DIRECT: 2;
  /** One connected to the other inside the network that both are in. */
  readonly P2P_VIA_LAN: 3;
  /** Both connected at the same moment, through the NATs between them. */
  readonly P2P_VIA_PUNCH: 4;
  /** The peer connected to us because we had asked it to. */
  readonly P2P_VIA_REVERSE: 5;
  /** By a relay, a server or a node that passes on what both send. It sees that they talk and how much, and can read nothing. */
  readonly P2P_VIA_RELAY: 6;
  /** It is the one that the connection was opened with. */
  readonly P2P_PATH_FIRST: 0;
  /** It has broken. Another one is being made; what you send waits. */
  readonly P2P_PATH_LOST: 1;
  /** Another one has taken its place after it had broken. */
  readonly P2P_PATH_RESUMED: 2;
  /** Another one has taken its place while it lived. */
  readonly P2P_PATH_MOVED: 3;
  /** None. */
  readonly P2P_CANDIDATE_NONE: 0;
  /** In the node's own network. */
  readonly P2P_CANDIDATE_LAN: 1;
  /** As the internet sees the node. */
  readonly P2P_CANDIDATE_WAN: 2;
  /** A port that the node's router passes on. */
  readonly P2P_CANDIDATE_MAPPED: 3;
  /** A flooding network: bootstraps and advertises. Classic dialect: one connection per address. */
  readonly P2P_NET_P2P: 1;
  /** For connections to chosen nodes: neither bootstraps nor advertises. Classic dialect: several connections per address, and the nets at both ends have to be of this type. */
  readonly P2P_NET_DIRECT: 2;
  /** PyP2P's, byte for byte: plain lines, UNL version 2, nodes known by their address. */
  readonly P2P_DIALECT_CLASSIC: 1;
  /** The default. Nodes are known by a key, both ends of a link prove who they are, all of it is encrypted, connections outlive their links, and locators are signed (UNL version 3). */
  readonly P2P_DIALECT_SECURE: 2;
  /** Lines ended by CR LF: P2P_EVENT_LINE, p2p_send_line(). In the secure dialect also messages, p2p_send(). */
  readonly P2P_FRAMING_LINES: 0;
  /** Whatever arrives, as it arrives: P2P_EVENT_DATA, p2p_send(). Both ends should have the same framing. */
  readonly P2P_FRAMING_RAW: 1;
  /** Nothing. */
  readonly P2P_LOG_OFF: 0;
  /** What keeps the net from working. */
  readonly P2P_LOG_ERROR: 1;
  /** What somebody should look into. */
  readonly P2P_LOG_WARN: 2;
  /** Milestones. */
  readonly P2P_LOG_INFO: 3;
  /** Why things happen. */
  readonly P2P_LOG_DEBUG: 4;
  /** Everything. */
  readonly P2P_LOG_TRACE: 5;
  /** P2P_NODE_UNKNOWN; how others reach this node. Unknown: found out at the start and when the network changes, and the port is opened on the router where it can be. Another type is taken as told. */
  readonly P2P_OPT_NODE_TYPE: 1;
  /** P2P_NET_P2P; what the net is for. */
  readonly P2P_OPT_NET_TYPE: 2;
  /** P2P_NAT_UNKNOWN; the NAT in front of this node, if you know it. Unknown: measured at the rendezvous servers. */
  readonly P2P_OPT_NAT_TYPE: 3;
  /** 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which). */
  readonly P2P_OPT_PASSIVE_PORT: 4;
  /** 10; connections others may open to us. Further ones wait in the system's backlog; in the secure dialect they are told that there is no room. */
  readonly P2P_OPT_MAX_INBOUND: 5;
  /** 10; connections we open. */
  readonly P2P_OPT_MAX_OUTBOUND: 6;
  /** 3; below so many connections the node bootstraps sooner and advertises again. */
  readonly P2P_OPT_MIN_CONNECTED: 7;
  /** P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP; port mapping protocols that may be tried, if the node type is unknown. */
  readonly P2P_OPT_FORWARDING: 8;
  /** 1; may ask rendezvous servers for nodes. */
  readonly P2P_OPT_BOOTSTRAP: 9;
  /** 0; 1 = a line that this net has seen before is not delivered again (for flooding networks). */
  readonly P2P_OPT_DEDUP: 10;
  /** P2P_FRAMING_LINES; how bytes become events. */
  readonly P2P_OPT_FRAMING: 11;
  /** 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed. */
  readonly P2P_OPT_MAX_LINE: 12;
  /** 1048576; bytes waiting to be sent on one connection before P2P_ERR_WOULD_BLOCK. */
  readonly P2P_OPT_SEND_BUFFER: 13;
  /** 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer. */
  readonly P2P_OPT_RECV_BUFFER: 14;
  /** 5000; one connection attempt, name look-up included. (To one of the addresses of a locator of version 3: 4000, unless this is set to something else.) */
  readonly P2P_OPT_CONNECT_TIMEOUT_MS: 15;
  /** P2P_LOG_WARN; what becomes a LOG event, or a line on the log descriptor. */
  readonly P2P_OPT_LOG_LEVEL: 16;
  /** -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open. */
  readonly P2P_OPT_LOG_FD: 17;
  /** 0; for tests: seeds every random choice, 0 = from the system. */
  readonly P2P_OPT_SEED: 18;
  /** 1; may register at rendezvous servers. */
  readonly P2P_OPT_ADVERTISE: 19;
  /** 1; may take part in hole punching. */
  readonly P2P_OPT_SIMULTANEOUS: 20;
  /** -1; connections per address: 0 = one, 1 = any number, -1 = any number, but one on p2p nets of the classic dialect. (In the secure dialect there is one connection per node, whatever its address.) */
  readonly P2P_OPT_DUPLICATE_IP: 21;
  /** 65536; lines remembered for P2P_OPT_DEDUP, the oldest are forgotten first. */
  readonly P2P_OPT_DEDUP_ENTRIES: 22;
  /** 3600000; how long P2P_OPT_DEDUP remembers a line, 0 = until it is pushed out. */
  readonly P2P_OPT_DEDUP_TTL_MS: 23;
  /** 1024; elements between our thread and yours. One element holds all lines of one socket read. */
  readonly P2P_OPT_EVENT_QUEUE: 24;
  /** 1024; requests under way, or done and not taken by you, at one time. */
  readonly P2P_OPT_MAX_REQUESTS: 25;
  /** 10000; for what comes before the first line of a link (the nonce of direct nets). */
  readonly P2P_OPT_HANDSHAKE_TIMEOUT_MS: 26;
  /** 2000; one exchange with one rendezvous server, connecting included. */
  readonly P2P_OPT_SERVER_TIMEOUT_MS: 27;
  /** 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued. */
  readonly P2P_OPT_CLOSE_TIMEOUT_MS: 28;
  /** 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never. */
  readonly P2P_OPT_KEEPALIVE_MS: 29;
  /** 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default. */
  readonly P2P_OPT_DEAD_PEER_TIMEOUT_MS: 30;
  /** 1800000; time between two bootstraps while outbound connections are wanted. */
  readonly P2P_OPT_BOOTSTRAP_INTERVAL_MS: 31;
  /** 43200000; time between two advertisements while under P2P_OPT_MIN_CONNECTED inbound. */
  readonly P2P_OPT_ADVERTISE_INTERVAL_MS: 32;
  /** 5000; first pause before an early bootstrap while under P2P_OPT_MIN_CONNECTED; doubles each time. */
  readonly P2P_OPT_RETRY_INTERVAL_MS: 33;
  /** 3000; READY comes at the latest then, whatever does not answer. The node works before it. */
  readonly P2P_OPT_START_TIMEOUT_MS: 34;
  /** 3600000; for how long a port is asked of the router; renewed at half of it. */
  readonly P2P_OPT_MAPPING_LEASE_MS: 35;
  /** 1200000; time between two looks from outside whether the mapped port is still open, 0 = none. */
  readonly P2P_OPT_VERIFY_INTERVAL_MS: 36;
  /** 1; the system is asked to tell of changes of its network (Linux), as p2p_network_changed() does. */
  readonly P2P_OPT_NETWORK_MONITOR: 37;
  /** P2P_DIALECT_SECURE; how the node speaks with others, who have to speak the same. Nodes of PyP2P speak P2P_DIALECT_CLASSIC. */
  readonly P2P_OPT_DIALECT: 38;
  /** 10000; for p2p_unl_connect(), all ways of getting through together. (Classic: 60 s where it waits for the peer to come, as PyP2P does.) */
  readonly P2P_OPT_UNL_CONNECT_TIMEOUT_MS: 39;
  /** 86400000; for how long a locator of version 3 holds. */
  readonly P2P_OPT_UNL_LIFETIME_MS: 40;
  /** 256; attempts of hole punching open at one time, all peers together. */
  readonly P2P_OPT_PUNCH_HALF_OPEN: 41;
  /** 1000; attempts of hole punching begun within any minute, all peers together. */
  readonly P2P_OPT_PUNCH_PER_MINUTE: 42;
  /** 0; addresses of local networks (private, loopback) that a peer names are tried wherever this node is. For tests. */
  readonly P2P_OPT_LOCAL_PEERS: 43;
  /** 1; peers that no other way connects are connected by a relay (secure dialect): a server that passes on what it cannot read. 0 = never, neither for us nor for those who call us. */
  readonly P2P_OPT_RELAY: 44;
  /** 30000; how long a connection of the secure dialect whose link has broken waits for another one, which is made by itself. 0 = it ends with its link. */
  readonly P2P_OPT_RESUME_GRACE_MS: 45;
  /** 4194304 (from 65536); bytes of a connection of the secure dialect that are sent and not acknowledged, and kept to be sent again. More are not sent: what you send waits in P2P_OPT_SEND_BUFFER. */
  readonly P2P_OPT_RESEND_WINDOW: 46;
  /** 1048576; longest message either way (secure dialect). A peer that sends a longer one is closed. */
  readonly P2P_OPT_MAX_MESSAGE: 47;
  /** 10000 (from 3000); a link of the secure dialect on which nothing arrives for so long while an answer is due is given up for another one. */
  readonly P2P_OPT_LINK_TIMEOUT_MS: 48;
  /** P2P_MAINLINE_PUBLISH | P2P_MAINLINE_ANNOUNCE | P2P_MAINLINE_LETTERS; what the net tells in BitTorrent's DHT, if a server of kind P2P_SERVER_MAINLINE is added. */
  readonly P2P_OPT_MAINLINE: 50;
  /** 2; letters for this node that may lie in BitTorrent's DHT at one time, 0 = it takes none. */
  readonly P2P_OPT_MAINLINE_SLOTS: 51;
  /** 30000; time between two looks for such letters, each some 20 KB on the wire for a slot. */
  readonly P2P_OPT_MAINLINE_POLL_MS: 52;
  /** 0; so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time (secure dialect). It has to be one that can be reached itself. 0 = it relays for nobody. P2P_ERR_UNSUPPORTED by p2p_net_new() in a build without it (p2p_features()). */
  readonly P2P_OPT_RELAY_SESSIONS: 53;
  /** 8; connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end. */
  readonly P2P_OPT_RELAY_PER_ADDRESS: 54;
  /** 262144; bytes per second that this node passes on for one pair, both ways together, in the long run. Four times as much at once after a quiet time. 0 = no limit. */
  readonly P2P_OPT_RELAY_RATE: 55;
  /** 1048576; the same for all pairs together, which take turns. 0 = no limit. */
  readonly P2P_OPT_RELAY_RATE_IN_ALL: 56;
  /** 17179869184; after so many bytes this node cuts a pair off, which may then meet again. 0 = no limit. */
  readonly P2P_OPT_RELAY_BYTES: 57;
  /** 600000 (from 1000); a pair for which nothing has got through this node for so long is cut off. */
  readonly P2P_OPT_RELAY_IDLE_MS: 58;
  /** 1; a thread that sleeps in p2p_wait() does the node's work meanwhile, so that an event need not wake another thread on its way to your program. Only the node's own work: nothing of yours is called. 0 = the net's own thread does it always; for threads with stacks of less than 128 KiB, or that have changed their network namespace (setns(2)). */
  readonly P2P_OPT_LEASE: 59;
  /** 0 (to 1000); microseconds for which p2p_wait() looks for events before it sleeps, as long as that pays: an answer that comes meanwhile is there sooner, and the CPU is busy meanwhile. After vain tries it looks ever more seldom; it yields to who else wants that CPU. 20 is a good value for answers that come at once. Needs P2P_OPT_LEASE. */
  readonly P2P_OPT_SPIN_US: 60;
  /** ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A particular address is also the source of our own connections. */
  readonly P2P_OPT_PASSIVE_BIND: 1001;
  /** ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen on it and connect from it. "" or "default" = the system's choice. */
  readonly P2P_OPT_INTERFACE: 1002;
  /** ""; this node's address as the internet sees it, if you know better than we can find out. */
  readonly P2P_OPT_WAN_IP: 1003;
  /** ""; the routers to ask for a port, by address, separated by commas; "" = found out. */
  readonly P2P_OPT_GATEWAY: 1004;
  /** ""; a directory in which the net notes what it has opened on routers, so that a program that crashed cleans up at its next start. It is made if it is not there. "" = no file is written. */
  readonly P2P_OPT_STATE_DIR: 1005;
  /** ""; name of the network this node belongs to (secure dialect): nodes of others are turned away. "" = the one network without a name, to which all programs belong that set none: give yours a name. */
  readonly P2P_OPT_NETWORK: 1006;
  /** ""; the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect). "" = that of the key file, or a new one at each start. */
  readonly P2P_OPT_KEY: 1007;
  /** ""; a file with the node's secret key. It is made, for its owner only, if it is not there. "" = no file is written, and the node is another one at its next start (unless P2P_OPT_KEY is set). */
  readonly P2P_OPT_KEY_FILE: 1008;
  /** ""; a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect). Strangers are turned away before they cost anything, and cannot find out who this is. */
  readonly P2P_OPT_NETWORK_KEY: 1009;
  /** A rendezvous server, "host:port": names nodes and lists this one. */
  readonly P2P_SERVER_RENDEZVOUS: 1;
  /** A server that tells over HTTP whether our port is open from outside: "host:port" (a p2p-rendezvous), or the URL of a PyP2P script ("http://host/net.php"). Rendezvous servers of ours are asked by themselves. */
  readonly P2P_SERVER_REACHABILITY: 2;
  /** An NTP server, "host" or "host:port" (123). None is asked unless you add it. */
  readonly P2P_SERVER_NTP: 3;
  /** A mailbox by which nodes leave messages for each other over HTTP: "host:port" (a p2p-rendezvous), or the URL of a PyP2P script ("http://host/dht_msg.php"). P2P_ERR_UNSUPPORTED in a build without HTTP (p2p_features()). */
  readonly P2P_SERVER_DHT: 4;
  /** A node of BitTorrent's DHT to begin with, "host:port", or "public" for the well-known public ones. The net then takes part in that DHT, as far as P2P_OPT_MAINLINE says (secure dialect). P2P_ERR_UNSUPPORTED in a build without it (p2p_features()). */
  readonly P2P_SERVER_MAINLINE: 5;
  /** A relay, "host:port" (a p2p-rendezvous, or a node of the network that relays, P2P_OPT_RELAY_SESSIONS), for peers that no other way connects (secure dialect). Rendezvous servers that relay, and nodes that relay and have been peers of this one, are used by themselves; one that neither node knows in this way has to be added at both. */
  readonly P2P_SERVER_RELAY: 6;
  /** Its locator, under its key: whoever knows the key learns where it is, and when it is there. */
  readonly P2P_MAINLINE_PUBLISH: 1;
  /** Its address, to all who know the network's name: if it can be reached, on a p2p net that may advertise. */
  readonly P2P_MAINLINE_ANNOUNCE: 2;
  /** It has a mailbox for letters ("connect to me"), and leaves such letters for peers that it cannot reach. */
  readonly P2P_MAINLINE_LETTERS: 4;
  /** Nothing. */
  readonly P2P_CLASSIC_DEFAULT: 0;
  /** If both nodes could connect to the other, the one with the larger locator does, and the other waits for it. For programs where both sides call at once and want one connection; they give the same nonce. (PyP2P: force_master=0.) */
  readonly P2P_CLASSIC_NOT_MASTER: 1;
  /** Two nodes behind one address are not taken to reach each other inside. (PyP2P: hairpin=0.) */
  readonly P2P_CLASSIC_NO_HAIRPIN: 2;
};
export = constants;
