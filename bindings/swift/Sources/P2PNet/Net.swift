import CP2PNet

/// One node. It is started when it is made, and ends with ``close()`` or when the program has forgotten it: itself and every
/// ``Connection`` of it.
///
///     let net = try Net {
///         $0.netType = .direct
///         $0.servers = [.rendezvous("rendezvous.example.org:8000")]
///     }
///     let connection = try await net.connect(unl: locator)   // by whatever way gets through
///     try await connection.send(line: "hello")
///     for try await line in connection.lines { print(line) }
///
/// Everything may be called from any task and thread at any time; after the end it throws a ``P2PError`` of code `closed`.
/// A net has one thread of this package, which waits for the library, and one thread of the library.
public final class Net: Sendable {
    let core: Core

    /// Makes a net and starts it: the port it listens on is open then.
    public init(_ options: NetOptions = NetOptions()) throws {
        core = try Core(options)
    }

    public convenience init(_ configure: (inout NetOptions) throws -> Void) throws {
        var options = NetOptions()
        try configure(&options)
        try self.init(options)
    }

    deinit { core.stop("the net was forgotten by the program") }

    // MARK: life

    /// Waits until the start is finished: the node knows its type, its NAT and its addresses, as far as they can be found out. It
    /// works before that.
    public func ready() async throws { try await core.ready.wait().get() }

    /// Stops the net and waits for its end: what was sent goes out (for `closeTimeout` at most), connections close, servers take
    /// the node off their lists, routers close its port. Whoever waits in a call gets an error of code `closed`. Calling it again
    /// is fine.
    public func close() async {
        core.stop("the net is closed")
        await core.ended.uncancelled()
    }

    public var isClosed: Bool { core.isClosing }

    /// Waits until the net has ended, and says why: `closed` after ``close()``, `panic` if the library failed inside.
    public func ended() async throws -> P2PError { try await core.ended.wait() }

    /// Says that the machine's network is another one now: NAT, port mapping and reachability are found out anew. On Linux the
    /// net notices most of this by itself.
    public func networkChanged() throws {
        try core.enter { raw in try told { p2ps_network_changed(raw, $0) } }
    }

    // MARK: requests

    /// Asks the rendezvous servers for nodes and connects to them, now and whenever connections are wanted; they come from
    /// ``incoming``. How many the server named. `noServer`: none answered.
    @discardableResult
    public func bootstrap() async throws -> Int {
        Int(try await core.request { p2ps_bootstrap($0, $1, $2) }.outcome.code)
    }

    /// Has this node listed at the rendezvous servers, now and again when needed. `state`: others cannot reach it.
    public func advertise() async throws {
        _ = try await core.request { p2ps_advertise($0, $1, $2) }
    }

    /// Connects to "host:port" (an IPv6 address in brackets). Cancelling the task gives it up.
    public func connect(to address: String) async throws -> Connection {
        let address = try withoutNUL("the address", address)
        return try await connection { p2ps_connect($0, address, $1, $2) }
    }

    /// Connects to the node with this locator by whatever way works: a plain connection, one inside the local network, the peer
    /// connecting to us, hole punching, a relay. `noPath`: every way failed; the error says why, and ``explain(_:)`` with its
    /// `request` tells all of it. In the secure dialect two nodes have one connection: if there is one already, it is that.
    /// Cancelling the task gives it up.
    public func connect(unl locator: String) async throws -> Connection {
        let locator = try withoutNUL("the locator", locator)
        return try await connection { p2ps_unl_connect($0, locator, $1, $2) }
    }

    /// The same in the classic dialect with PyP2P's choices. `nonce`: 64 hexadecimal digits, from which both ends make the
    /// connection's id; nil is a random one.
    public func connect(unl locator: String, nonce: String?, flags: ClassicFlags = []) async throws -> Connection {
        let locator = try withoutNUL("the locator", locator)
        let nonce = try nonce.map { try withoutNUL("the nonce", $0) }
        return try await connection { p2ps_unl_connect_classic($0, locator, nonce, flags.rawValue, $1, $2) }
    }

    private func connection(
        _ begin: (OpaquePointer, UnsafeMutablePointer<UInt64>, UnsafeMutablePointer<p2p_error>) -> Int32
    ) async throws -> Connection {
        let (id, outcome) = try await core.request(begin)
        guard let link = outcome.link else {
            throw P2PError(.closed, "the connection has ended as soon as it was opened", request: id)
        }
        return Connection(link, of: self)
    }

    // MARK: connections

    /// Connections that this program did not ask for by name: those that peers opened, and those of ``bootstrap()``. It ends
    /// with the net, or when the task is cancelled. Each connection comes once, to one of those who iterate.
    ///
    /// Those that nobody takes stay open, read nothing further once their buffer is full, and count in `maxInbound`: set that to 0
    /// if no peer should come.
    public var incoming: Incoming { Incoming(net: self) }

    /// The next of ``incoming``.
    public func accept() async throws -> Connection {
        if let link = try await core.accept() { return Connection(link, of: self) }
        throw core.over ?? P2PError(.closed, "the net is closed")
    }

    /// The open connections, oldest first, those of ``incoming`` that nobody has taken yet included.
    public var connections: [Connection] {
        core.state { core.links.values.sorted { $0.id < $1.id } }.map { Connection($0, of: self) }
    }

    /// Sends a line to every open connection but one, without waiting. How many took it, and whether all did: the others had no
    /// room for it.
    @discardableResult
    public func broadcast(line: some StringProtocol, except: Connection? = nil) throws -> (sent: Int, complete: Bool) {
        var sent: UInt32 = 0
        let except = except.flatMap { $0.link.core === core ? $0.id : nil } ?? 0
        var line = String(line)
        let result = try core.enter { raw in
            line.withUTF8 { p2ps_broadcast(raw, $0.baseAddress, $0.count, except, &sent) }
        }
        let code = P2PError.Code(rawValue: result)
        if code == .wouldBlock { return (Int(sent), false) }
        try checked(result)
        return (Int(sent), true)
    }

    // MARK: what it tells

    /// This node's locator, one line of text by which others connect to it. It changes with the node's situation: ask when it is
    /// needed. `state`: it is of version 2 (classic dialect), and our address from outside is not known yet.
    public func unl() throws -> String {
        try core.enter { raw in try written { p2ps_unl_get(raw, $0, $1, $2) } }
    }

    /// The same with some facts replaced: `["candidate": "mapped 203.0.113.7:6881"]`. What is said is not checked against the
    /// facts.
    public func unl(replacing changes: KeyValuePairs<String, String>) throws -> String {
        let texts = try changes.map { try withoutNUL("a change", "\($0.key)=\($0.value)") }
        return try core.enter { raw in
            try withCStrings(texts) { list in
                try written { buffer, room, need in
                    var result: Int32 = 0
                    try told { story in
                        result = p2ps_unl_construct(raw, list.baseAddress, list.count, buffer, room, need, story)
                        return result == P2PError.Code.tooSmall.rawValue ? 0 : result
                    }
                    return result
                }
            }
        }
    }

    /// News: lines of the log, changes of the situation, other links of connections. The last 256 wait for whoever iterates;
    /// nothing depends on them.
    public var notices: Feed<Notice> { Feed(buffer: core.notices) }

    /// The story behind ``info()``, as JSON: every question that was asked of routers and servers, with its answer.
    public func report() throws -> String {
        try core.enter { raw in try written { p2ps_report(raw, $0, $1, $2) } }
    }

    /// The story of a ``connect(unl:)``, as JSON: the peer's addresses, what was tried, when, what it met, and why it ended as it
    /// did. The last 64 are known; else `notFound`.
    public func explain(_ request: UInt64) throws -> String {
        try core.enter { raw in try written { p2ps_explain(raw, request, $0, $1, $2) } }
    }
}

/// Connections as they come: ``Net/incoming``.
public struct Incoming: AsyncSequence, Sendable {
    public typealias Element = Connection
    let net: Net

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(net: net) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let net: Net

        public mutating func next() async -> Connection? {
            guard let link = try? await net.core.accept() else { return nil }
            return Connection(link, of: net)
        }
    }
}

/// Texts as C has lists of them.
private func withCStrings<Value>(
    _ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) throws -> Value
) rethrows -> Value {
    let lists: [[CChar]] = texts.map { $0.utf8.map { CChar(truncatingIfNeeded: $0) } + [0] }
    var pointers: [UnsafePointer<CChar>?] = []
    func next(_ at: Int) throws -> Value {
        guard at < lists.count else { return try pointers.withUnsafeBufferPointer(body) }
        return try lists[at].withUnsafeBufferPointer {
            pointers.append($0.baseAddress)
            return try next(at + 1)
        }
    }
    return try next(0)
}
