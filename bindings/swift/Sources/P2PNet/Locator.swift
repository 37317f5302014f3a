import CP2PNet

/// What a locator (UNL) says.
public struct Locator: Hashable, Sendable {
    /// 2 (PyP2P's format) or 3.
    public let version: Int
    /// How the node can be reached.
    public let nodeType: NodeType
    /// The NAT in front of it.
    public let nat: NAT
    /// How its port came to be open.
    public let forwarding: Forwarding
    /// How long its NAT keeps an outside port, how it chooses one, and the constant of that (version 3).
    public let mapping: NATMapping
    public let allocation: NATAllocation
    public let natDelta: Int
    /// Unix time in seconds from which on it is of no use; nil if it says nothing of that.
    public let expires: Int64?
    /// The node's key, 43 letters (version 3), or its DHT id, 40 hexadecimal digits (version 2); "" if none.
    public let id: String
    /// The network it is for; "" for the one without a name.
    public let network: String
    /// Its addresses, the best first.
    public let candidates: [Candidate]

    /// One address of a node.
    public struct Candidate: Hashable, Sendable {
        public let kind: CandidateKind
        /// "ip:port"; port 0 if nobody gets in there.
        public let address: String

        public init(kind: CandidateKind, address: String) {
            self.kind = kind
            self.address = address
        }
    }

    /// Reads a locator, expired or not. `invalid`: the error says what is wrong with it.
    public init(_ locator: String) throws {
        let locator = try withoutNUL("the locator", locator)
        var info = p2p_unl_info()
        try told { p2ps_unl_info(locator, &info, $0) }
        version = Int(info.version)
        nodeType = NodeType(rawValue: p2ps_unl_node_type(&info))
        nat = NAT(rawValue: p2ps_unl_nat(&info))
        forwarding = Forwarding(rawValue: p2ps_unl_forwarding(&info))
        mapping = NATMapping(rawValue: p2ps_unl_mapping(&info))
        allocation = NATAllocation(rawValue: p2ps_unl_allocation(&info))
        natDelta = Int(info.nat_delta)
        expires = info.expires == 0 ? nil : info.expires
        id = String(array: info.id)
        network = String(array: info.network)
        var candidates: [Candidate] = []
        for at in 0..<min(info.candidate_count, UInt32(P2P_UNL_CANDIDATES)) {
            let kind = CandidateKind(rawValue: p2ps_unl_candidate_kind(&info, at))
            candidates.append(withUnsafePointer(to: info) {
                Candidate(kind: kind, address: String(cString: p2ps_unl_candidate($0, at)))
            })
        }
        self.candidates = candidates
    }

    /// Throws what is wrong with a locator; returns if it can be used: whole, signed by its key, not expired by this machine's
    /// clock.
    public static func check(_ locator: String) throws {
        let locator = try withoutNUL("the locator", locator)
        try told { p2ps_unl_check(locator, $0) }
    }
}
