import CP2PNet

/// A message that came by a mailbox or a DHT, not by a connection.
public struct DHTMessage: Hashable, Sendable {
    /// Who is said to have sent it, "" if that is not known. Nobody has checked it.
    public let from: String
    public let text: String
}

/// What the program's own DHT is to carry: ``Net/dhtOutbox``.
public struct DHTLetter: Hashable, Sendable {
    /// The node it is for, 40 hexadecimal digits.
    public let to: String
    public let text: String
}

extension Net {
    /// This node's name for messages, 40 hexadecimal digits. `unsupported`: the net has no mailbox (`Server.mailbox`) and no
    /// DHT.
    public func dhtID() throws -> String {
        try core.enter { raw in try written { p2ps_dht_id(raw, $0, $1, $2) } }
    }

    /// Leaves a message of 1 to 8000 bytes of UTF-8 for the node with that ``dhtID()``. That it returns means that the message is
    /// with the mailbox, or with the program's own DHT, not that it has arrived.
    public func put(_ text: String, to node: String) async throws {
        let node = try withoutNUL("the receiver", node)
        _ = try await core.request { raw, id, story in
            var text = text
            return text.withUTF8 { p2ps_dht_put(raw, node, $0.baseAddress, $0.count, id, story) }
        }
    }

    /// Messages that came by mailbox or DHT. At most 1024 wait for the program; anybody may send them, and the oldest go first.
    public var dhtMessages: Feed<DHTMessage> { Feed(buffer: core.messages) }

    /// What the program's own DHT is to carry (``NetOptions/ownDHT``): to be given to ``deliver(_:from:)`` at the node it is
    /// for. At most 1024 wait; the oldest go first.
    public var dhtOutbox: Feed<DHTLetter> { Feed(buffer: core.outbox) }

    /// Hands in a message for this node that came over the program's own DHT. False: too many wait; try again later.
    public func deliver(_ text: String, from: String? = nil) throws -> Bool {
        let from = try from.map { try withoutNUL("the sender", $0) }
        var text = text
        let result = try core.enter { raw in text.withUTF8 { p2ps_dht_deliver(raw, from, $0.baseAddress, $0.count) } }
        if P2PError.Code(rawValue: result) == .wouldBlock { return false }
        try checked(result)
        return true
    }
}
