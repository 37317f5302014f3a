import CP2PNet

/// A net's situation: how it stands in its network.
public struct NetInfo: Hashable, Sendable {
    /// How others reach this node, as configured or found out.
    public let nodeType: NodeType
    /// The NAT in front of it, in PyP2P's terms.
    public let nat: NAT
    /// Whether it can be reached from outside by IPv4: a connection has arrived. nil: not known.
    public let reachable: Bool?
    /// The same by IPv6.
    public let reachableV6: Bool?
    /// The port it listens on.
    public let passivePort: Int
    /// Open connections that peers opened.
    public let inbound: Int
    /// Open connections that this node opened.
    public let outbound: Int
    /// The address our connections leave from; "" if not known.
    public let lanIP: String
    /// Our address as the internet sees it; "" if not known.
    public let wanIP: String
    /// Our IPv6 address as the internet sees it; "" if not known.
    public let wanIPv6: String
    /// How the port came to be open.
    public let forwarding: Forwarding
    /// The port by which others reach us from outside; nil if not known.
    public let externalPort: Int?
    /// How long the NAT keeps one outside port.
    public let mapping: NATMapping
    /// How the NAT chooses an outside port.
    public let allocation: NATAllocation
    /// The constant of that choice.
    public let natDelta: Int
    /// What the NAT does with connections that nobody here asked for.
    public let unsolicited: Unsolicited
    /// Whether we can reach ourselves by our outside address; nil: not known.
    public let hairpin: Bool?
    /// Whether there is another NAT behind the first; nil: not known.
    public let doubleNAT: Bool?
    /// True time minus the system's, as NTP servers told; nil: not known.
    public let clockOffset: Duration?

    init(_ info: inout p2p_net_info) {
        nodeType = NodeType(rawValue: p2ps_net_node_type(&info))
        nat = NAT(rawValue: p2ps_net_nat(&info))
        reachable = known(info.reachable)
        reachableV6 = known(info.reachable_v6)
        passivePort = Int(info.passive_port)
        inbound = Int(info.inbound)
        outbound = Int(info.outbound)
        lanIP = String(array: info.lan_ip)
        wanIP = String(array: info.wan_ip)
        wanIPv6 = String(array: info.wan_ip6)
        forwarding = Forwarding(rawValue: p2ps_net_forwarding(&info))
        externalPort = info.external_port == 0 ? nil : Int(info.external_port)
        mapping = NATMapping(rawValue: p2ps_net_mapping(&info))
        allocation = NATAllocation(rawValue: p2ps_net_allocation(&info))
        natDelta = Int(info.nat_delta)
        unsolicited = Unsolicited(rawValue: p2ps_net_unsolicited(&info))
        hairpin = known(info.hairpin)
        doubleNAT = known(info.double_nat)
        clockOffset = info.clock_known != 0 ? .microseconds(info.clock_offset_us) : nil
    }
}

/// What the library tells of something that may not be known.
private func known(_ value: Int32) -> Bool? { value < 0 ? nil : value != 0 }

/// A net's counters since it was made.
public struct NetStats: Hashable, Sendable {
    /// Lines given to the program, and taken from it (messages and pieces of bytes, too).
    public let linesIn, linesOut: UInt64
    /// Bytes received and sent, framing included.
    public let bytesIn, bytesOut: UInt64
    /// Lines not delivered because they had been seen before (`dedup`).
    public let duplicates: UInt64
    /// Connections, both ways.
    public let opened, closed: UInt64
    /// Peers turned away by a rule.
    public let rejected: UInt64
    /// Lines of the log that did not fit.
    public let logDropped: UInt64
}

/// A connection's situation.
public struct ConnectionInfo: Hashable, Sendable {
    /// How it came to be. In the secure dialect this and `peer` are of the link that carries it now.
    public let via: Via
    /// Whether the peer opened it.
    public let inbound: Bool
    /// Bytes accepted for sending that the system has not taken yet.
    public let queuedBytes: UInt64
    /// Bytes received that the program has not read, with what memory they take.
    public let unreadBytes: UInt64
    /// Bytes received and sent, framing included.
    public let bytesIn, bytesOut: UInt64
    /// Time since it was opened.
    public let age: Duration
    /// The peer's address, "ip:port".
    public let peer: String
    /// What both ends call it, 64 hexadecimal digits (direct nets of the classic dialect); else "".
    public let connectionID: String
    /// The peer's key, proved by the handshake (secure dialect, as what follows); else "".
    public let peerID: String
    /// Round trip to the peer's library; nil if not measured.
    public let roundTrip: Duration?
    /// Bytes sent that the peer's library has not acknowledged.
    public let unackedBytes: UInt64
    /// Bytes that had to be sent again because a link broke.
    public let resends: UInt64
    /// How often another link has taken the place of the one before.
    public let resumptions: UInt64
    /// What has become of the link that it was opened with.
    public let path: LinkPath
    /// The relay by which it goes, "host:port"; nil if by none.
    public let relay: String?

    init(_ info: inout p2p_conn_info) {
        via = Via(rawValue: p2ps_conn_via(&info))
        inbound = info.inbound != 0
        queuedBytes = info.queued_bytes
        unreadBytes = info.unread_bytes
        bytesIn = info.bytes_in
        bytesOut = info.bytes_out
        age = .milliseconds(Int64(info.age_ms))
        peer = String(array: info.peer)
        connectionID = String(array: info.con_id)
        peerID = String(array: info.peer_id)
        roundTrip = info.rtt_us == 0 ? nil : .microseconds(Int64(info.rtt_us))
        unackedBytes = info.unacked_bytes
        resends = info.resends
        resumptions = info.resumptions
        path = LinkPath(rawValue: p2ps_conn_path(&info))
        let by = String(array: info.relay)
        relay = by.isEmpty ? nil : by
    }
}

extension Net {
    /// The net's situation. It changes while the net finds out more (``ready()``, ``notices``).
    public func info() throws -> NetInfo {
        var info = p2p_net_info()
        try checked(core.enter { p2ps_net_info($0, &info) })
        return NetInfo(&info)
    }

    /// The net's counters.
    public func stats() throws -> NetStats {
        var now = p2p_stats()
        try checked(core.enter { p2ps_net_stats($0, &now) })
        return NetStats(
            linesIn: now.lines_in, linesOut: now.lines_out, bytesIn: now.bytes_in, bytesOut: now.bytes_out,
            duplicates: now.duplicates, opened: now.opened, closed: now.closed, rejected: now.rejected,
            logDropped: now.log_dropped)
    }
}

/// The version of the library that is loaded, "major.minor.patch".
public var libraryVersion: String {
    let version = p2p_version()
    return "\(version >> 16).\(version >> 8 & 0xff).\(version & 0xff)"
}

/// What the library that is loaded can do.
public struct LibraryFeatures: Hashable, Sendable {
    /// The port mapping protocols that are built in.
    public let forwarding: Forwarding
    /// It can ask servers whether its port is open, and use mailboxes.
    public let http: Bool
    /// It can take part in BitTorrent's DHT.
    public let mainline: Bool
    /// It can relay for its network.
    public let relay: Bool
}

public var libraryFeatures: LibraryFeatures {
    let bits = p2p_features()
    return LibraryFeatures(
        forwarding: Forwarding(rawValue: Int32(truncatingIfNeeded: bits & 0xffff)), http: bits & 1 << 16 != 0,
        mainline: bits & 1 << 17 != 0, relay: bits & 1 << 18 != 0)
}
