import CP2PNet

/// A connection to one peer. It belongs to its net: forgetting it does not close it, ``close()`` does. Two of them are equal if
/// they are the same connection.
public final class Connection: Sendable, Hashable {
    let link: Link
    /// Kept while the program has a connection of it.
    public let net: Net

    init(_ link: Link, of net: Net) {
        self.link = link
        self.net = net
    }

    public static func == (a: Connection, b: Connection) -> Bool { a.link === b.link }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(link)) }

    /// The connection's number, never used twice in a net.
    public var id: UInt64 { link.id }
    /// The peer's address where the connection was opened, "ip:port"; ``info()`` tells where it is now, and its key.
    public var peer: String { link.peer }
    /// The request that it comes from, for ``Net/explain(_:)``; nil if it comes from none.
    public var request: UInt64? { link.request == 0 ? nil : link.request }

    // MARK: reading

    /// The lines that come in. The sequence ends if the peer has closed the connection, and throws if it has broken, or was closed
    /// here (`closed`).
    ///
    /// Nothing that came in is dropped, and what waits is bounded: once `recvBuffer` bytes were not read, by whichever of the
    /// sequences, the library stops reading, and TCP slows the peer. So read ``messages`` too if the peer sends some, or
    /// ``packets``. Each line comes once, to one of those who iterate; who iterates later goes on where others left off.
    public var lines: Lines { Lines(connection: self) }

    /// The messages that come in (secure dialect). See ``lines``.
    public var messages: Chunks { Chunks(connection: self) }

    /// The bytes that come in, in pieces as they come, if the net's framing is `raw`. See ``lines``.
    public var data: Chunks { Chunks(connection: self) }

    /// Everything that comes in, in order. See ``lines``.
    public var packets: Packets { Packets(connection: self) }

    /// The next line; nil if the peer has closed the connection.
    public func receiveLine() async throws -> String? { try await link.receive(.line)?.text }

    /// The next message, or piece of bytes; nil if the peer has closed the connection.
    public func receiveMessage() async throws -> [UInt8]? { try await link.receive(.other)?.bytes }

    /// What comes next; nil if the peer has closed the connection.
    public func receive() async throws -> Packet? { try await link.receive(.any) }

    // MARK: writing

    /// Sends a line; its end is added. It waits while the peer does not read; if the task is cancelled then, the line was not
    /// sent. `invalid`: the line is empty, or has a line end (CR LF) inside. `tooLarge`: it is longer than `maxLine`.
    public func send(line: some StringProtocol & Sendable) async throws {
        var line = String(line)
        try await link.send { raw in line.withUTF8 { p2ps_send_line(raw, self.id, $0.baseAddress, $0.count) } }
    }

    /// Sends a line that is no UTF-8 text.
    public func send(line bytes: some Collection<UInt8> & Sendable) async throws {
        try await link.send { raw in bytes.contiguous { p2ps_send_line(raw, self.id, $0.baseAddress, $0.count) } }
    }

    /// Sends many lines in their order, for less than as many calls cost. It waits while the peer does not read; if the task is
    /// cancelled then, a part may have been sent. Errors are those of `send(line:)`, and tell in ``P2PError/line`` which line was
    /// not sent: those before it were, none behind it was. What other tasks send may come between.
    public func send<Line: StringProtocol>(lines: some Collection<Line> & Sendable) async throws {
        try await link.send(lines: lines) { line, text in text.append(contentsOf: line.utf8) }
    }

    /// Sends many lines that are no UTF-8 text.
    public func send<Line: Collection<UInt8>>(lines: some Collection<Line> & Sendable) async throws {
        try await link.send(lines: lines) { line, text in text.append(contentsOf: line) }
    }

    /// Sends a message of 0 to `maxMessage` bytes, whole and in order with lines (secure dialect; else `unsupported`). It waits
    /// while the peer does not read; if the task is cancelled then, the message was not sent.
    public func send(message: some Collection<UInt8> & Sendable) async throws {
        try await link.send { raw in message.contiguous { p2ps_send(raw, self.id, $0.baseAddress, $0.count) } }
    }

    /// Sends bytes as they are, if the net's framing is `raw`; else `unsupported`. It waits while the peer does not read; if the
    /// task is cancelled then, a part may have been sent.
    public func send(data: some Collection<UInt8> & Sendable) async throws {
        guard link.core.isRaw else {
            throw P2PError(.unsupported, "send(data:) is for nets whose framing is raw: use send(line:) or send(message:)")
        }
        var rest = data[...]
        while !rest.isEmpty { // pieces that fit into what sendBuffer has room for
            let piece = rest.prefix(64 << 10)
            try await link.send { raw in piece.contiguous { p2ps_send(raw, self.id, $0.baseAddress, $0.count) } }
            rest = rest[piece.endIndex...]
        }
    }

    /// `send(line:)` without waiting. False: there was no room, and nothing was sent.
    public func trySend(line: some StringProtocol) throws -> Bool {
        var line = String(line)
        return try link.attemptOnce { raw in line.withUTF8 { p2ps_send_line(raw, id, $0.baseAddress, $0.count) } }
    }

    /// `send(message:)` without waiting. False: there was no room, and nothing was sent.
    public func trySend(message: some Collection<UInt8>) throws -> Bool {
        try link.attemptOnce { raw in message.contiguous { p2ps_send(raw, id, $0.baseAddress, $0.count) } }
    }

    // MARK: the end

    /// Closes the connection once what was sent has gone out (for `closeTimeout` at most), without waiting for that:
    /// ``ended()`` does. What has come in and was not read is dropped, and whoever waits gets an error of code `closed`.
    public func close() {
        link.abandon(P2PError(.closed, "the connection is closed"))
        _ = try? link.core.enter { p2ps_conn_close($0, id) } // else the net is closed, and with it this
    }

    /// How it has ended; nil while it is open.
    public var end: ConnectionEnd? { link.closed.value }

    /// Waits until it has ended, and says how. What had come in can still be read then.
    public func ended() async throws -> ConnectionEnd { try await link.closed.wait() }

    // MARK: about it

    /// The connection's situation; throws `closed` after its end.
    public func info() throws -> ConnectionInfo {
        var info = p2p_conn_info()
        let code = P2PError.Code(rawValue: try link.core.enter { p2ps_conn_info($0, id, &info) })
        guard code == .ok else { throw link.failure(code) }
        return ConnectionInfo(&info)
    }

    /// Takes the socket of the connection over, to go on with a protocol of your own (classic dialect; else `unsupported`), once
    /// what was sent is written. `descriptor` is yours then, to be closed by you, and non-blocking. The connection ends with that;
    /// what it had read can still be read from it, and `rest` is the beginning of an unfinished line. It waits for
    /// `closeTimeout` at most; after an error the connection goes on as it was.
    public func takeSocket() async throws -> (descriptor: Int32, rest: [UInt8]) {
        let waiter = Waiter<(Int32, [UInt8])>()
        let failed = startThread { [self] in // the library may wait there
            waiter.resolve(Result { try takeNow() })
        }
        if failed != 0 { throw P2PError(.io, "the system gives no thread to wait for the socket", errno: failed) }
        let (descriptor, rest) = try await waiter.uncancelled()
        return (descriptor, rest)
    }

    private func takeNow() throws -> (Int32, [UInt8]) {
        var room = 1 << 16
        while true {
            var descriptor: Int32 = -1
            var length = 0
            var code = P2PError.Code.ok
            let rest = try [UInt8](unsafeUninitializedCapacity: room) { buffer, used in
                code = P2PError.Code(rawValue: try link.core.enter {
                    p2ps_take_fd($0, id, &descriptor, buffer.baseAddress, buffer.count, &length)
                })
                used = code == .ok ? min(length, buffer.count) : 0
            }
            if code == .ok { return (descriptor, rest) }
            guard code == .tooSmall, length > room else { throw link.failure(code) }
            room = length
        }
    }
}

extension Collection<UInt8> {
    /// Its bytes in one piece.
    func contiguous<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
        withContiguousStorageIfAvailable(body) ?? Array(self).withUnsafeBufferPointer(body)
    }
}

/// One thing that came in.
public struct Packet: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// A line, without its end.
        case line
        /// A message, whole.
        case message
        /// Some bytes, if the framing is raw.
        case data
    }

    public let kind: Kind
    public let bytes: [UInt8]

    init(_ kind: Kind, _ bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }

    /// The bytes as text; what is no UTF-8 in it is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// How a connection has ended.
public struct ConnectionEnd: Hashable, Sendable {
    /// `ok`: this program closed it. `closed`: the peer did, or the net has ended. Else what broke it.
    public let code: P2PError.Code
    /// It in words.
    public let message: String
    /// How many of the lines and messages sent the peer's library has not acknowledged (secure dialect): they may be lost.
    public let unacknowledged: Int
    /// What broke it; nil if one of the two sides closed it.
    public let error: P2PError?

    init(_ event: UnsafePointer<p2p_event>) {
        code = P2PError.Code(rawValue: p2ps_result(event))
        message = event.text
        unacknowledged = Int(event.pointee.code)
        error = code == .closed ? nil : event.error
    }

    /// Its net has ended.
    init(_ why: P2PError) {
        code = why.code
        message = why.message
        unacknowledged = 0
        error = why
    }
}

/// ``Connection/lines``.
public struct Lines: AsyncSequence, Sendable {
    public typealias Element = String
    let connection: Connection

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let connection: Connection
        public mutating func next() async throws -> String? { try await connection.receiveLine() }
    }
}

/// ``Connection/messages`` and ``Connection/data``.
public struct Chunks: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    let connection: Connection

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let connection: Connection
        public mutating func next() async throws -> [UInt8]? { try await connection.receiveMessage() }
    }
}

/// ``Connection/packets``.
public struct Packets: AsyncSequence, Sendable {
    public typealias Element = Packet
    let connection: Connection

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let connection: Connection
        public mutating func next() async throws -> Packet? { try await connection.receive() }
    }
}
