// Made from include/p2pnet.h by make_constants.py: change the header, then run that.

extension NetOptions {
    /// `NodeType.unknown`; how others reach this node. Unknown: found out at the start and when the network changes,
    /// and the port is opened on the router where it can be. Another type is taken as told.
    public var nodeType: NodeType? {
        get { self[constant: 1] }
        set { self[constant: 1] = newValue }
    }

    /// `NetType.p2p`; what the net is for.
    public var netType: NetType? {
        get { self[constant: 2] }
        set { self[constant: 2] = newValue }
    }

    /// `NAT.unknown`; the NAT in front of this node, if you know it. Unknown: measured at the rendezvous servers.
    public var natType: NAT? {
        get { self[constant: 3] }
        set { self[constant: 3] = newValue }
    }

    /// 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which).
    public var passivePort: Int? {
        get { self[number: 4] }
        set { self[number: 4] = newValue }
    }

    /// 10; connections others may open to us. Further ones wait in the system's backlog; in the secure dialect they are
    /// told that there is no room.
    public var maxInbound: Int? {
        get { self[number: 5] }
        set { self[number: 5] = newValue }
    }

    /// 10; connections we open.
    public var maxOutbound: Int? {
        get { self[number: 6] }
        set { self[number: 6] = newValue }
    }

    /// 3; below so many connections the node bootstraps sooner and advertises again.
    public var minConnected: Int? {
        get { self[number: 7] }
        set { self[number: 7] = newValue }
    }

    /// `Forwarding.upnp` | `Forwarding.natpmp` | `Forwarding.pcp`; port mapping protocols that may be tried, if the
    /// node type is unknown.
    public var forwarding: Forwarding? {
        get { self[constant: 8] }
        set { self[constant: 8] = newValue }
    }

    /// 1; may ask rendezvous servers for nodes.
    public var bootstrap: Bool? {
        get { self[switch: 9] }
        set { self[switch: 9] = newValue }
    }

    /// 0; 1 = a line that this net has seen before is not delivered again (for flooding networks).
    public var dedup: Bool? {
        get { self[switch: 10] }
        set { self[switch: 10] = newValue }
    }

    /// `Framing.lines`; how bytes become events.
    public var framing: Framing? {
        get { self[constant: 11] }
        set { self[constant: 11] = newValue }
    }

    /// 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed.
    public var maxLine: Int? {
        get { self[number: 12] }
        set { self[number: 12] = newValue }
    }

    /// 1048576; bytes waiting to be sent on one connection before `P2PError.Code.wouldBlock`.
    public var sendBuffer: Int? {
        get { self[number: 13] }
        set { self[number: 13] = newValue }
    }

    /// 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer.
    public var recvBuffer: Int? {
        get { self[number: 14] }
        set { self[number: 14] = newValue }
    }

    /// 5000; one connection attempt, name look-up included. (To one of the addresses of a locator of version 3: 4000,
    /// unless this is set to something else.)
    public var connectTimeout: Duration? {
        get { self[milliseconds: 15] }
        set { self[milliseconds: 15] = newValue }
    }

    /// `LogLevel.warn`; what becomes a LOG event, or a line on the log descriptor.
    public var logLevel: LogLevel? {
        get { self[constant: 16] }
        set { self[constant: 16] = newValue }
    }

    /// -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open.
    public var logFD: Int? {
        get { self[number: 17] }
        set { self[number: 17] = newValue }
    }

    /// 0; for tests: seeds every random choice, 0 = from the system.
    public var seed: Int? {
        get { self[number: 18] }
        set { self[number: 18] = newValue }
    }

    /// 1; may register at rendezvous servers.
    public var advertise: Bool? {
        get { self[switch: 19] }
        set { self[switch: 19] = newValue }
    }

    /// 1; may take part in hole punching.
    public var simultaneous: Bool? {
        get { self[switch: 20] }
        set { self[switch: 20] = newValue }
    }

    /// -1; connections per address: 0 = one, 1 = any number, -1 = any number, but one on p2p nets of the classic
    /// dialect. (In the secure dialect there is one connection per node, whatever its address.)
    public var duplicateIP: Bool? {
        get { self[switch: 21] }
        set { self[switch: 21] = newValue }
    }

    /// 65536; lines remembered for `NetOptions.dedup`, the oldest are forgotten first.
    public var dedupEntries: Int? {
        get { self[number: 22] }
        set { self[number: 22] = newValue }
    }

    /// 3600000; how long `NetOptions.dedup` remembers a line, 0 = until it is pushed out.
    public var dedupTTL: Duration? {
        get { self[milliseconds: 23] }
        set { self[milliseconds: 23] = newValue }
    }

    /// 1024; elements between our thread and yours. One element holds all lines of one socket read.
    public var eventQueue: Int? {
        get { self[number: 24] }
        set { self[number: 24] = newValue }
    }

    /// 1024; requests under way, or done and not taken by you, at one time.
    public var maxRequests: Int? {
        get { self[number: 25] }
        set { self[number: 25] = newValue }
    }

    /// 10000; for what comes before the first line of a link (the nonce of direct nets).
    public var handshakeTimeout: Duration? {
        get { self[milliseconds: 26] }
        set { self[milliseconds: 26] = newValue }
    }

    /// 2000; one exchange with one rendezvous server, connecting included.
    public var serverTimeout: Duration? {
        get { self[milliseconds: 27] }
        set { self[milliseconds: 27] = newValue }
    }

    /// 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued.
    public var closeTimeout: Duration? {
        get { self[milliseconds: 28] }
        set { self[milliseconds: 28] = newValue }
    }

    /// 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never.
    public var keepalive: Duration? {
        get { self[milliseconds: 29] }
        set { self[milliseconds: 29] = newValue }
    }

    /// 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default.
    public var deadPeerTimeout: Duration? {
        get { self[milliseconds: 30] }
        set { self[milliseconds: 30] = newValue }
    }

    /// 1800000; time between two bootstraps while outbound connections are wanted.
    public var bootstrapInterval: Duration? {
        get { self[milliseconds: 31] }
        set { self[milliseconds: 31] = newValue }
    }

    /// 43200000; time between two advertisements while under `NetOptions.minConnected` inbound.
    public var advertiseInterval: Duration? {
        get { self[milliseconds: 32] }
        set { self[milliseconds: 32] = newValue }
    }

    /// 5000; first pause before an early bootstrap while under `NetOptions.minConnected`; doubles each time.
    public var retryInterval: Duration? {
        get { self[milliseconds: 33] }
        set { self[milliseconds: 33] = newValue }
    }

    /// 3000; READY comes at the latest then, whatever does not answer. The node works before it.
    public var startTimeout: Duration? {
        get { self[milliseconds: 34] }
        set { self[milliseconds: 34] = newValue }
    }

    /// 3600000; for how long a port is asked of the router; renewed at half of it.
    public var mappingLease: Duration? {
        get { self[milliseconds: 35] }
        set { self[milliseconds: 35] = newValue }
    }

    /// 1200000; time between two looks from outside whether the mapped port is still open, 0 = none.
    public var verifyInterval: Duration? {
        get { self[milliseconds: 36] }
        set { self[milliseconds: 36] = newValue }
    }

    /// 1; the system is asked to tell of changes of its network (Linux), as p2p_network_changed() does.
    public var networkMonitor: Bool? {
        get { self[switch: 37] }
        set { self[switch: 37] = newValue }
    }

    /// `Dialect.secure`; how the node speaks with others, who have to speak the same. Nodes of PyP2P speak
    /// `Dialect.classic`.
    public var dialect: Dialect? {
        get { self[constant: 38] }
        set { self[constant: 38] = newValue }
    }

    /// 10000; for p2p_unl_connect(), all ways of getting through together. (Classic: 60 s where it waits for the peer
    /// to come, as PyP2P does.)
    public var unlConnectTimeout: Duration? {
        get { self[milliseconds: 39] }
        set { self[milliseconds: 39] = newValue }
    }

    /// 86400000; for how long a locator of version 3 holds.
    public var unlLifetime: Duration? {
        get { self[milliseconds: 40] }
        set { self[milliseconds: 40] = newValue }
    }

    /// 256; attempts of hole punching open at one time, all peers together.
    public var punchHalfOpen: Int? {
        get { self[number: 41] }
        set { self[number: 41] = newValue }
    }

    /// 1000; attempts of hole punching begun within any minute, all peers together.
    public var punchPerMinute: Int? {
        get { self[number: 42] }
        set { self[number: 42] = newValue }
    }

    /// 0; addresses of local networks (private, loopback) that a peer names are tried wherever this node is. For tests.
    public var localPeers: Bool? {
        get { self[switch: 43] }
        set { self[switch: 43] = newValue }
    }

    /// 1; peers that no other way connects are connected by a relay (secure dialect): a server that passes on what it
    /// cannot read. 0 = never, neither for us nor for those who call us.
    public var relay: Bool? {
        get { self[switch: 44] }
        set { self[switch: 44] = newValue }
    }

    /// 30000; how long a connection of the secure dialect whose link has broken waits for another one, which is made by
    /// itself. 0 = it ends with its link.
    public var resumeGrace: Duration? {
        get { self[milliseconds: 45] }
        set { self[milliseconds: 45] = newValue }
    }

    /// 4194304 (from 65536); bytes of a connection of the secure dialect that are sent and not acknowledged, and kept
    /// to be sent again. More are not sent: what you send waits in `NetOptions.sendBuffer`.
    public var resendWindow: Int? {
        get { self[number: 46] }
        set { self[number: 46] = newValue }
    }

    /// 1048576; longest message either way (secure dialect). A peer that sends a longer one is closed.
    public var maxMessage: Int? {
        get { self[number: 47] }
        set { self[number: 47] = newValue }
    }

    /// 10000 (from 3000); a link of the secure dialect on which nothing arrives for so long while an answer is due is
    /// given up for another one.
    public var linkTimeout: Duration? {
        get { self[milliseconds: 48] }
        set { self[milliseconds: 48] = newValue }
    }

    /// `MainlineShare.publish` | `MainlineShare.announce` | `MainlineShare.letters`; what the net tells in BitTorrent's
    /// DHT, if a server of kind `ServerKind.mainline` is added.
    public var mainline: MainlineShare? {
        get { self[constant: 50] }
        set { self[constant: 50] = newValue }
    }

    /// 2; letters for this node that may lie in BitTorrent's DHT at one time, 0 = it takes none.
    public var mainlineSlots: Int? {
        get { self[number: 51] }
        set { self[number: 51] = newValue }
    }

    /// 30000; time between two looks for such letters, each some 20 KB on the wire for a slot.
    public var mainlinePoll: Duration? {
        get { self[milliseconds: 52] }
        set { self[milliseconds: 52] = newValue }
    }

    /// 0; so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time
    /// (secure dialect). It has to be one that can be reached itself. 0 = it relays for nobody.
    /// `P2PError.Code.unsupported` by p2p_net_new() in a build without it (p2p_features()).
    public var relaySessions: Int? {
        get { self[number: 53] }
        set { self[number: 53] = newValue }
    }

    /// 8; connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end.
    public var relayPerAddress: Int? {
        get { self[number: 54] }
        set { self[number: 54] = newValue }
    }

    /// 262144; bytes per second that this node passes on for one pair, both ways together, in the long run. Four times
    /// as much at once after a quiet time. 0 = no limit.
    public var relayRate: Int? {
        get { self[number: 55] }
        set { self[number: 55] = newValue }
    }

    /// 1048576; the same for all pairs together, which take turns. 0 = no limit.
    public var relayRateInAll: Int? {
        get { self[number: 56] }
        set { self[number: 56] = newValue }
    }

    /// 17179869184; after so many bytes this node cuts a pair off, which may then meet again. 0 = no limit.
    public var relayBytes: Int? {
        get { self[number: 57] }
        set { self[number: 57] = newValue }
    }

    /// 600000 (from 1000); a pair for which nothing has got through this node for so long is cut off.
    public var relayIdle: Duration? {
        get { self[milliseconds: 58] }
        set { self[milliseconds: 58] = newValue }
    }

    /// 1; a thread that sleeps in p2p_wait() does the node's work meanwhile, so that an event need not wake another
    /// thread on its way to your program. Only the node's own work: nothing of yours is called. 0 = the net's own
    /// thread does it always; for threads with stacks of less than 128 KiB, or that have changed their network
    /// namespace (setns(2)).
    public var lease: Int? {
        get { self[number: 59] }
        set { self[number: 59] = newValue }
    }

    /// 0 (to 1000); microseconds for which p2p_wait() looks for events before it sleeps, as long as that pays: an
    /// answer that comes meanwhile is there sooner, and the CPU is busy meanwhile. After vain tries it looks ever more
    /// seldom; it yields to who else wants that CPU. 20 is a good value for answers that come at once. Needs
    /// `NetOptions.lease`.
    public var spinUs: Int? {
        get { self[number: 60] }
        set { self[number: 60] = newValue }
    }

    /// ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A
    /// particular address is also the source of our own connections.
    public var passiveBind: String? {
        get { self[text: 1001] }
        set { self[text: 1001] = newValue }
    }

    /// ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen on
    /// it and connect from it. "" or "default" = the system's choice.
    public var interface: String? {
        get { self[text: 1002] }
        set { self[text: 1002] = newValue }
    }

    /// ""; this node's address as the internet sees it, if you know better than we can find out.
    public var wanIP: String? {
        get { self[text: 1003] }
        set { self[text: 1003] = newValue }
    }

    /// ""; the routers to ask for a port, by address, separated by commas; "" = found out.
    public var gateway: String? {
        get { self[text: 1004] }
        set { self[text: 1004] = newValue }
    }

    /// ""; a directory in which the net notes what it has opened on routers, so that a program that crashed cleans up
    /// at its next start. It is made if it is not there. "" = no file is written.
    public var stateDir: String? {
        get { self[text: 1005] }
        set { self[text: 1005] = newValue }
    }

    /// ""; name of the network this node belongs to (secure dialect): nodes of others are turned away. "" = the one
    /// network without a name, to which all programs belong that set none: give yours a name.
    public var network: String? {
        get { self[text: 1006] }
        set { self[text: 1006] = newValue }
    }

    /// ""; the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect). "" = that of the key
    /// file, or a new one at each start.
    public var key: String? {
        get { self[text: 1007] }
        set { self[text: 1007] = newValue }
    }

    /// ""; a file with the node's secret key. It is made, for its owner only, if it is not there. "" = no file is
    /// written, and the node is another one at its next start (unless `NetOptions.key` is set).
    public var keyFile: String? {
        get { self[text: 1008] }
        set { self[text: 1008] = newValue }
    }

    /// ""; a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect).
    /// Strangers are turned away before they cost anything, and cannot find out who this is.
    public var networkKey: String? {
        get { self[text: 1009] }
        set { self[text: 1009] = newValue }
    }
}

/// The names of options, for failures.
let optionNames: [Int32: String] = [
    1: "nodeType",
    2: "netType",
    3: "natType",
    4: "passivePort",
    5: "maxInbound",
    6: "maxOutbound",
    7: "minConnected",
    8: "forwarding",
    9: "bootstrap",
    10: "dedup",
    11: "framing",
    12: "maxLine",
    13: "sendBuffer",
    14: "recvBuffer",
    15: "connectTimeout",
    16: "logLevel",
    17: "logFD",
    18: "seed",
    19: "advertise",
    20: "simultaneous",
    21: "duplicateIP",
    22: "dedupEntries",
    23: "dedupTTL",
    24: "eventQueue",
    25: "maxRequests",
    26: "handshakeTimeout",
    27: "serverTimeout",
    28: "closeTimeout",
    29: "keepalive",
    30: "deadPeerTimeout",
    31: "bootstrapInterval",
    32: "advertiseInterval",
    33: "retryInterval",
    34: "startTimeout",
    35: "mappingLease",
    36: "verifyInterval",
    37: "networkMonitor",
    38: "dialect",
    39: "unlConnectTimeout",
    40: "unlLifetime",
    41: "punchHalfOpen",
    42: "punchPerMinute",
    43: "localPeers",
    44: "relay",
    45: "resumeGrace",
    46: "resendWindow",
    47: "maxMessage",
    48: "linkTimeout",
    50: "mainline",
    51: "mainlineSlots",
    52: "mainlinePoll",
    53: "relaySessions",
    54: "relayPerAddress",
    55: "relayRate",
    56: "relayRateInAll",
    57: "relayBytes",
    58: "relayIdle",
    59: "lease",
    60: "spinUs",
    1001: "passiveBind",
    1002: "interface",
    1003: "wanIP",
    1004: "gateway",
    1005: "stateDir",
    1006: "network",
    1007: "key",
    1008: "keyFile",
    1009: "networkKey",
]
