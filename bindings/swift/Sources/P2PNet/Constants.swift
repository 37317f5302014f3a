// Made from include/p2pnet.h by make_constants.py: change the header, then run that.

/// The version of the header that this package was made for; ``libraryVersion`` is that of the library.
public let headerVersion = "0.1.0"

extension P2PError {
    /// What a call or a request came to. Zero is success, negative is failure; p2p_strerror() says it in words.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// Success.
        public static let ok = Code(rawValue: 0)

        /// An argument is not what the function takes: a NULL, a malformed address, a line with CR LF inside.
        public static let invalid = Code(rawValue: -1)

        /// The library failed internally; your program lives. If it was the library's thread, the net is stopped
        /// (STOPPED).
        public static let panic = Code(rawValue: -2)

        /// The connection or the net is closed.
        public static let closed = Code(rawValue: -3)

        /// Not possible in the net's present state: not started, started twice, no handler set.
        public static let state = Code(rawValue: -4)

        /// Another thread is in p2p_poll(), p2p_next_event() or p2p_next_events() of this net.
        public static let busy = Code(rawValue: -5)

        /// Called from inside a callback of this net, where it cannot work.
        public static let reentrant = Code(rawValue: -6)

        /// An unknown option, or something this net or this build does not do.
        public static let unsupported = Code(rawValue: -7)

        /// No such connection or request, or not any more.
        public static let notFound = Code(rawValue: -8)

        /// A number outside the option's range.
        public static let range = Code(rawValue: -9)

        /// The connection's send buffer is full: try again after WRITABLE.
        public static let wouldBlock = Code(rawValue: -10)

        /// Longer than max_line: it will never fit.
        public static let tooLarge = Code(rawValue: -11)

        /// Your buffer is too small; the size it needs was stored.
        public static let tooSmall = Code(rawValue: -12)

        /// A limit of this net is reached: connections, requests.
        public static let limit = Code(rawValue: -13)

        /// The address is this node's own: on a p2p net with any port, so that two nets on one machine need an address
        /// each.
        public static let ownAddress = Code(rawValue: -14)

        /// That peer is connected already, and this net takes one connection per address.
        public static let duplicate = Code(rawValue: -15)

        /// It took too long.
        public static let timeout = Code(rawValue: -20)

        /// Your program cancelled it, or stopped the net.
        public static let canceled = Code(rawValue: -21)

        /// The other side refused the connection.
        public static let refused = Code(rawValue: -22)

        /// The other side broke the connection.
        public static let reset = Code(rawValue: -23)

        /// The other side broke the protocol.
        public static let brokenProtocol = Code(rawValue: -24)

        /// Every way to the peer failed.
        public static let noPath = Code(rawValue: -25)

        /// No rendezvous server is configured, or none answered.
        public static let noServer = Code(rawValue: -26)

        /// The operating system said no; os_error holds its number.
        public static let io = Code(rawValue: -27)

        /// The constant's name, or the number if it has none here.
        public var description: String {
            switch rawValue {
            case 0: return "ok"
            case -1: return "invalid"
            case -2: return "panic"
            case -3: return "closed"
            case -4: return "state"
            case -5: return "busy"
            case -6: return "reentrant"
            case -7: return "unsupported"
            case -8: return "notFound"
            case -9: return "range"
            case -10: return "wouldBlock"
            case -11: return "tooLarge"
            case -12: return "tooSmall"
            case -13: return "limit"
            case -14: return "ownAddress"
            case -15: return "duplicate"
            case -20: return "timeout"
            case -21: return "canceled"
            case -22: return "refused"
            case -23: return "reset"
            case -24: return "brokenProtocol"
            case -25: return "noPath"
            case -26: return "noServer"
            case -27: return "io"
            default: return "Code(\(rawValue))"
            }
        }
    }
}

/// What an event is about. Ignore kinds you do not know.
public struct EventKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The start is finished.
    public static let ready = EventKind(rawValue: 1)

    /// The net has stopped; the last event. result is `P2PError.Code.ok`, or `P2PError.Code.panic` with the story in
    /// data.
    public static let stopped = EventKind(rawValue: 2)

    /// What p2p_net_get_info() tells of this node's situation has changed: type, NAT, addresses. Not the counts.
    public static let info = EventKind(rawValue: 3)

    /// conn is usable. request is the p2p_connect() it came from, or 0.
    public static let opened = EventKind(rawValue: 4)

    /// conn is gone; its last event. result and data say why: `P2PError.Code.ok` = you closed it,
    /// `P2PError.Code.closed` = the peer did. Secure dialect: code is how many lines and messages you sent were not
    /// acknowledged; `P2PError.Code.ok` only if all have arrived.
    public static let closed = EventKind(rawValue: 5)

    /// A line came in on conn: data, without its CR LF.
    public static let line = EventKind(rawValue: 6)

    /// Bytes came in on conn (`Framing.raw`).
    public static let data = EventKind(rawValue: 7)

    /// conn takes data again after `P2PError.Code.wouldBlock`.
    public static let writable = EventKind(rawValue: 8)

    /// request has completed with result; data tells the story. p2p_connect(): conn is the connection.
    /// p2p_net_bootstrap(): code is how many nodes the server named.
    public static let done = EventKind(rawValue: 9)

    /// Carry data to the node peer over your DHT (p2p_config_set_dht() without send), and hand it to p2p_dht_deliver()
    /// there. request is the p2p_dht_put() it comes from, or a number of the net's own.
    public static let dhtSend = EventKind(rawValue: 10)

    /// Something to tell whoever looks after the program: data, with its level in code.
    public static let log = EventKind(rawValue: 11)

    /// A message that another program has sent by p2p_dht_put() has come: data. peer is who is said to have sent it, ""
    /// if that is not known; nobody has checked it.
    public static let dhtMessage = EventKind(rawValue: 12)

    /// The link that carries conn (secure dialect) has broken, or another one has taken its place: code is one of
    /// P2P_PATH_*, data says it in words, peer is where it leads now. Nothing is to be done: conn and what you sent on
    /// it stay as they are.
    public static let path = EventKind(rawValue: 13)

    /// A message came in on conn (secure dialect, `Framing.lines`): data, sent by p2p_send(). It may be empty.
    public static let message = EventKind(rawValue: 14)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 1: return "ready"
        case 2: return "stopped"
        case 3: return "info"
        case 4: return "opened"
        case 5: return "closed"
        case 6: return "line"
        case 7: return "data"
        case 8: return "writable"
        case 9: return "done"
        case 10: return "dhtSend"
        case 11: return "log"
        case 12: return "dhtMessage"
        case 13: return "path"
        case 14: return "message"
        default: return "EventKind(\(rawValue))"
        }
    }
}

/// How others reach a node; PyP2P's names.
public struct NodeType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Not told, or not found out yet.
    public static let unknown = NodeType(rawValue: 0)

    /// Accepts connections from outside.
    public static let passive = NodeType(rawValue: 1)

    /// Only connects out.
    public static let active = NodeType(rawValue: 2)

    /// Behind a NAT whose ports can be predicted: reachable by hole punching.
    public static let simultaneous = NodeType(rawValue: 3)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "unknown"
        case 1: return "passive"
        case 2: return "active"
        case 3: return "simultaneous"
        default: return "NodeType(\(rawValue))"
        }
    }
}

/// The NAT in front of a node; PyP2P's names.
public struct NAT: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Not known.
    public static let unknown = NAT(rawValue: 0)

    /// There is none.
    public static let noNAT = NAT(rawValue: 1)

    /// The external port is the internal one.
    public static let preserving = NAT(rawValue: 2)

    /// External ports follow one another at a constant distance.
    public static let delta = NAT(rawValue: 3)

    /// One internal port keeps one external port towards all destinations.
    public static let reuse = NAT(rawValue: 4)

    /// External ports cannot be foreseen.
    public static let random = NAT(rawValue: 5)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "unknown"
        case 1: return "noNAT"
        case 2: return "preserving"
        case 3: return "delta"
        case 4: return "reuse"
        case 5: return "random"
        default: return "NAT(\(rawValue))"
        }
    }
}

/// Ways to open a port on the router, as bits.
public struct Forwarding: OptionSet, Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The router was set up by hand.
    public static let manual = Forwarding(rawValue: 1)

    /// UPnP IGD.
    public static let upnp = Forwarding(rawValue: 2)

    /// NAT-PMP (RFC 6886).
    public static let natpmp = Forwarding(rawValue: 4)

    /// PCP (RFC 6887).
    public static let pcp = Forwarding(rawValue: 8)
}

/// How long the NAT keeps one outside port for one local port (RFC 4787, section 4.1).
public struct NATMapping: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Not known.
    public static let unknown = NATMapping(rawValue: 0)

    /// For all destinations.
    public static let endpointIndependent = NATMapping(rawValue: 1)

    /// For one destination address.
    public static let addressDependent = NATMapping(rawValue: 2)

    /// For one destination address and port.
    public static let addressAndPortDependent = NATMapping(rawValue: 3)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "unknown"
        case 1: return "endpointIndependent"
        case 2: return "addressDependent"
        case 3: return "addressAndPortDependent"
        default: return "NATMapping(\(rawValue))"
        }
    }
}

/// How the NAT chooses an outside port (RFC 4787, section 4.2).
public struct NATAllocation: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Not known.
    public static let unknown = NATAllocation(rawValue: 0)

    /// The local port.
    public static let preserving = NATAllocation(rawValue: 1)

    /// The local port plus nat_delta.
    public static let delta = NATAllocation(rawValue: 2)

    /// The last one given plus nat_delta.
    public static let sequential = NATAllocation(rawValue: 3)

    /// No rule was found.
    public static let random = NATAllocation(rawValue: 4)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "unknown"
        case 1: return "preserving"
        case 2: return "delta"
        case 3: return "sequential"
        case 4: return "random"
        default: return "NATAllocation(\(rawValue))"
        }
    }
}

/// What becomes of a connection from outside that nobody here asked for.
public struct Unsolicited: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Not known.
    public static let unknown = Unsolicited(rawValue: 0)

    /// Nothing comes back.
    public static let dropped = Unsolicited(rawValue: 1)

    /// It is refused (a TCP RST).
    public static let reset = Unsolicited(rawValue: 2)

    /// An ICMP error comes back.
    public static let unreachable = Unsolicited(rawValue: 3)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "unknown"
        case 1: return "dropped"
        case 2: return "reset"
        case 3: return "unreachable"
        default: return "Unsolicited(\(rawValue))"
        }
    }
}

/// How a connection came to be.
public struct Via: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The peer connected to us.
    public static let accept = Via(rawValue: 1)

    /// We connected to the peer.
    public static let direct = Via(rawValue: 2)

    /// One connected to the other inside the network that both are in.
    public static let lan = Via(rawValue: 3)

    /// Both connected at the same moment, through the NATs between them.
    public static let punch = Via(rawValue: 4)

    /// The peer connected to us because we had asked it to.
    public static let reverse = Via(rawValue: 5)

    /// By a relay, a server or a node that passes on what both send. It sees that they talk and how much, and can read
    /// nothing.
    public static let relay = Via(rawValue: 6)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 1: return "accept"
        case 2: return "direct"
        case 3: return "lan"
        case 4: return "punch"
        case 5: return "reverse"
        case 6: return "relay"
        default: return "Via(\(rawValue))"
        }
    }
}

/// What was last heard of the link that carries a connection (secure dialect).
public struct LinkPath: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// It is the one that the connection was opened with.
    public static let first = LinkPath(rawValue: 0)

    /// It has broken. Another one is being made; what you send waits.
    public static let lost = LinkPath(rawValue: 1)

    /// Another one has taken its place after it had broken.
    public static let resumed = LinkPath(rawValue: 2)

    /// Another one has taken its place while it lived.
    public static let moved = LinkPath(rawValue: 3)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "first"
        case 1: return "lost"
        case 2: return "resumed"
        case 3: return "moved"
        default: return "LinkPath(\(rawValue))"
        }
    }
}

/// Kinds of addresses in a locator.
public struct CandidateKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// None.
    public static let noCandidate = CandidateKind(rawValue: 0)

    /// In the node's own network.
    public static let lan = CandidateKind(rawValue: 1)

    /// As the internet sees the node.
    public static let wan = CandidateKind(rawValue: 2)

    /// A port that the node's router passes on.
    public static let mapped = CandidateKind(rawValue: 3)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "noCandidate"
        case 1: return "lan"
        case 2: return "wan"
        case 3: return "mapped"
        default: return "CandidateKind(\(rawValue))"
        }
    }
}

/// What a net is for.
public struct NetType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// A flooding network: bootstraps and advertises. Classic dialect: one connection per address.
    public static let p2p = NetType(rawValue: 1)

    /// For connections to chosen nodes: neither bootstraps nor advertises. Classic dialect: several connections per
    /// address, and the nets at both ends have to be of this type.
    public static let direct = NetType(rawValue: 2)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 1: return "p2p"
        case 2: return "direct"
        default: return "NetType(\(rawValue))"
        }
    }
}

/// How a node speaks with others. A net speaks one dialect; nothing on the wire chooses between them.
public struct Dialect: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// PyP2P's, byte for byte: plain lines, UNL version 2, nodes known by their address.
    public static let classic = Dialect(rawValue: 1)

    /// The default. Nodes are known by a key, both ends of a link prove who they are, all of it is encrypted,
    /// connections outlive their links, and locators are signed (UNL version 3).
    public static let secure = Dialect(rawValue: 2)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 1: return "classic"
        case 2: return "secure"
        default: return "Dialect(\(rawValue))"
        }
    }
}

/// How received bytes become events.
public struct Framing: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Lines ended by CR LF: `EventKind.line`, p2p_send_line(). In the secure dialect also messages, p2p_send().
    public static let lines = Framing(rawValue: 0)

    /// Whatever arrives, as it arrives: `EventKind.data`, p2p_send(). Both ends should have the same framing.
    public static let raw = Framing(rawValue: 1)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "lines"
        case 1: return "raw"
        default: return "Framing(\(rawValue))"
        }
    }
}

/// How much is logged.
public struct LogLevel: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Nothing.
    public static let off = LogLevel(rawValue: 0)

    /// What keeps the net from working.
    public static let error = LogLevel(rawValue: 1)

    /// What somebody should look into.
    public static let warn = LogLevel(rawValue: 2)

    /// Milestones.
    public static let info = LogLevel(rawValue: 3)

    /// Why things happen.
    public static let debug = LogLevel(rawValue: 4)

    /// Everything.
    public static let trace = LogLevel(rawValue: 5)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 0: return "off"
        case 1: return "error"
        case 2: return "warn"
        case 3: return "info"
        case 4: return "debug"
        case 5: return "trace"
        default: return "LogLevel(\(rawValue))"
        }
    }
}

/// Kinds of servers for p2p_config_add_server().
public struct ServerKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// A rendezvous server, "host:port": names nodes and lists this one.
    public static let rendezvous = ServerKind(rawValue: 1)

    /// A server that tells over HTTP whether our port is open from outside: "host:port" (a p2p-rendezvous), or the URL
    /// of a PyP2P script ("http://host/net.php"). Rendezvous servers of ours are asked by themselves.
    public static let reachability = ServerKind(rawValue: 2)

    /// An NTP server, "host" or "host:port" (123). None is asked unless you add it.
    public static let ntp = ServerKind(rawValue: 3)

    /// A mailbox by which nodes leave messages for each other over HTTP: "host:port" (a p2p-rendezvous), or the URL of
    /// a PyP2P script ("http://host/dht_msg.php"). `P2PError.Code.unsupported` in a build without HTTP
    /// (p2p_features()).
    public static let dht = ServerKind(rawValue: 4)

    /// A node of BitTorrent's DHT to begin with, "host:port", or "public" for the well-known public ones. The net then
    /// takes part in that DHT, as far as `NetOptions.mainline` says (secure dialect). `P2PError.Code.unsupported` in a
    /// build without it (p2p_features()).
    public static let mainline = ServerKind(rawValue: 5)

    /// A relay, "host:port" (a p2p-rendezvous, or a node of the network that relays, `NetOptions.relaySessions`), for
    /// peers that no other way connects (secure dialect). Rendezvous servers that relay, and nodes that relay and have
    /// been peers of this one, are used by themselves; one that neither node knows in this way has to be added at both.
    public static let relay = ServerKind(rawValue: 6)

    /// The constant's name, or the number if it has none here.
    public var description: String {
        switch rawValue {
        case 1: return "rendezvous"
        case 2: return "reachability"
        case 3: return "ntp"
        case 4: return "dht"
        case 5: return "mainline"
        case 6: return "relay"
        default: return "ServerKind(\(rawValue))"
        }
    }
}

/// Bits of `NetOptions.mainline`: what a net tells in BitTorrent's DHT. It looks peers and nodes up there in any case.
public struct MainlineShare: OptionSet, Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Its locator, under its key: whoever knows the key learns where it is, and when it is there.
    public static let publish = MainlineShare(rawValue: 1)

    /// Its address, to all who know the network's name: if it can be reached, on a p2p net that may advertise.
    public static let announce = MainlineShare(rawValue: 2)

    /// It has a mailbox for letters ("connect to me"), and leaves such letters for peers that it cannot reach.
    public static let letters = MainlineShare(rawValue: 4)
}

/// What p2p_unl_connect_classic() is to do otherwise than PyP2P does by default; bits.
public struct ClassicFlags: OptionSet, Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// If both nodes could connect to the other, the one with the larger locator does, and the other waits for it. For
    /// programs where both sides call at once and want one connection; they give the same nonce. (PyP2P:
    /// force_master=0.)
    public static let notMaster = ClassicFlags(rawValue: 1)

    /// Two nodes behind one address are not taken to reach each other inside. (PyP2P: hairpin=0.)
    public static let noHairpin = ClassicFlags(rawValue: 2)
}
