import CP2PNet

/// What a ``Net`` is told when it is made. What is nil, or not mentioned, is at the library's default.
///
///     var options = NetOptions()
///     options.netType = .direct
///     options.connectTimeout = .seconds(3)
///     options.servers = [.rendezvous("rendezvous.example.org:8000")]
///
/// The library says what a value has to be, when the net is made.
public struct NetOptions: Sendable {
    private enum Value: Sendable {
        case number(Int64)
        case text(String)
    }

    private var values: [Int32: Value] = [:]

    /// Servers are used in this order: bootstrapping asks one after the other, the others are asked at once.
    public var servers: [Server] = []

    /// The nodes that are let in and may be connected to (secure dialect): keys, 43 letters each, or locators. Empty: all are.
    public var allowedPeers: [String] = []

    /// The program carries messages between nodes itself: what is to be sent comes from ``Net/dhtOutbox``, what arrives is
    /// given to ``Net/deliver(_:from:)``.
    public var ownDHT: OwnDHT?

    public init() {}

    /// A DHT of the program's own.
    public struct OwnDHT: Hashable, Sendable {
        /// This node's name in it, 40 hexadecimal digits; nil: a random one (``Net/dhtID()``).
        public var nodeID: String?

        public init(nodeID: String? = nil) { self.nodeID = nodeID }
    }

    /// Any option that is a number, by the library's number for it: also one that this package does not know yet.
    public subscript(number key: Int32) -> Int? {
        get {
            guard case .number(let value)? = values[key] else { return nil }
            return Int(clamping: value)
        }
        set { values[key] = newValue.map { .number(Int64($0)) } }
    }

    /// The same for an option that is a text.
    public subscript(text key: Int32) -> String? {
        get {
            guard case .text(let value)? = values[key] else { return nil }
            return value
        }
        set { values[key] = newValue.map { .text($0) } }
    }

    subscript(switch key: Int32) -> Bool? {
        get { self[number: key].map { $0 != 0 } }
        set { self[number: key] = newValue.map { $0 ? 1 : 0 } }
    }

    subscript<Constant: RawRepresentable>(constant key: Int32) -> Constant? where Constant.RawValue == Int32 {
        get { self[number: key].flatMap { Constant(rawValue: Int32(clamping: $0)) } }
        set { self[number: key] = newValue.map { Int($0.rawValue) } }
    }

    /// Rounded up: a time that is not zero never becomes zero, which often means "for ever".
    subscript(milliseconds key: Int32) -> Duration? {
        get { self[number: key].map { .milliseconds($0) } }
        set {
            values[key] = newValue.map { time in
                let (seconds, rest) = time.components
                let (whole, over) = seconds.multipliedReportingOverflow(by: 1000)
                let more = (rest + 999_999_999_999_999) / 1_000_000_000_000_000
                return .number(over ? (seconds < 0 ? .min : .max) : whole.addingReportingOverflow(more).partialValue)
            }
        }
    }

    /// Gives the library's options with all of this to a function.
    func used<Value>(_ use: (OpaquePointer) throws -> Value) throws -> Value {
        guard let config = p2p_config_new() else { throw P2PError(.limit, "there is no memory for a net's options") }
        defer { p2p_config_free(config) }
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .number(let number):
                try told { p2ps_set_int(config, key, number, $0) }
            case .text(let text):
                let text = try withoutNUL("the option \(optionNames[key] ?? String(key))", text)
                try told { p2ps_set_str(config, key, text, $0) }
            }
        }
        for server in servers {
            let address = try withoutNUL("the address of a server", server.address)
            try told { p2ps_add_server(config, server.kind.rawValue, address, $0) }
        }
        for peer in allowedPeers {
            let peer = try withoutNUL("the name of a peer", peer)
            try told { p2ps_allow_peer(config, peer, $0) }
        }
        if let ownDHT {
            let name = try ownDHT.nodeID.map { try withoutNUL("the name in the DHT", $0) }
            try told { p2ps_own_dht(config, name, $0) }
        }
        return try use(config)
    }
}

/// A server that a net uses.
public struct Server: Hashable, Sendable {
    public var kind: ServerKind
    /// "host:port" (an IPv6 address in brackets), or what else the kind says.
    public var address: String

    public init(_ kind: ServerKind, _ address: String) {
        self.kind = kind
        self.address = address
    }

    /// A rendezvous server, "host:port": it names nodes, lists this one, and helps peers to connect.
    public static func rendezvous(_ address: String) -> Server { Server(.rendezvous, address) }

    /// A mailbox for messages between nodes, "host:port" or a URL.
    public static func mailbox(_ address: String) -> Server { Server(.dht, address) }

    /// A relay, "host:port", for peers that no other way connects.
    public static func relay(_ address: String) -> Server { Server(.relay, address) }
}
