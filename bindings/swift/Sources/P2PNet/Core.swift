import CP2PNet

/// What a net is inside: the library's net, and the state of those who wait for something of it. It is apart from `Net` so that
/// a net that the program has forgotten can end while its thread runs.
final class Core: @unchecked Sendable {
    /// The library's net, and who may use it. Held for moments only, never during a call of the library.
    private let life = Lock()
    private var raw: OpaquePointer?
    private var inside = 0 // calls of the library that go on now
    private var closing = false
    private var why: P2PError?

    /// Requests, connections and those who wait for them.
    let state = Lock()
    var requests: [UInt64: Request] = [:]
    var links: [UInt64: Link] = [:]
    var backlog: [Link] = []
    var acceptors: [Waiter<Link?>] = []

    let ready = Latch<Result<Void, P2PError>>()
    let ended = Latch<P2PError>()
    let notices = Buffer<Notice>(newest: 256)
    let messages = Buffer<DHTMessage>(newest: 1024)
    let outbox = Buffer<DHTLetter>(newest: 1024)

    /// Milliseconds in which the library has stopped, whatever hangs.
    let grace: Int64
    let isRaw: Bool

    /// A request that is under way.
    final class Request: @unchecked Sendable {
        struct Outcome: Sendable {
            let link: Link?
            let code: Int32
        }

        let waiter = Waiter<Outcome>()
        var link: Link?
    }

    init(_ options: NetOptions) throws {
        let (made, timeout, framing) = try options.used { config -> (OpaquePointer?, Int64, Int64) in
            var net: OpaquePointer?
            var timeout: Int64 = 0
            var framing: Int64 = 0
            try told { p2ps_get_int(config, NetOptions.closeTimeoutKey, &timeout, $0) }
            try told { p2ps_get_int(config, NetOptions.framingKey, &framing, $0) }
            try told { p2ps_net_new(config, &net, $0) }
            return (net, timeout, framing)
        }
        grace = 2 * timeout + 1000
        isRaw = framing == Int64(Framing.raw.rawValue)
        raw = made
        do {
            try told { p2ps_net_start(made, $0) }
            let failed = startThread { self.run() }
            if failed != 0 { throw P2PError(.io, "the system gives no thread to wait for the net", errno: failed) }
        } catch {
            p2ps_net_free(made)
            raw = nil
            throw error
        }
    }

    // MARK: calls of the library

    /// Calls the library with its net, which lives until that is done; throws once the net is closed.
    func enter<Value>(_ body: (OpaquePointer) throws -> Value) throws -> Value {
        let entered = try life { () throws -> OpaquePointer in
            guard !closing, let raw else { throw why ?? P2PError(.closed, "the net is closed") }
            inside += 1
            return raw
        }
        defer { leave() }
        return try body(entered)
    }

    private func leave() {
        life {
            inside -= 1
            if inside == 0 { life.signal() }
        }
    }

    /// Why it is closed, nil while it is not.
    var over: P2PError? { life { closing ? why : nil } }

    var isClosing: Bool { life { closing } }

    // MARK: the end

    /// Begins to stop the net; its thread frees it.
    func stop(_ reason: String) {
        let error = P2PError(.closed, reason)
        let entered = life { () -> OpaquePointer? in
            guard !closing, let raw else { return nil }
            closing = true
            why = why ?? error
            inside += 1
            return raw
        }
        guard let entered else { return }
        defer { leave() }
        // Before the library's connections end: those that open meanwhile see that the net is closing.
        let (links, acceptors) = state { () -> ([Link], [Waiter<Link?>]) in
            defer { self.acceptors = [] }
            return (Array(self.links.values), self.acceptors)
        }
        for link in links { link.abandon(error) }
        for acceptor in acceptors { acceptor.resolve(.success(nil)) }
        p2ps_net_stop(entered)
        p2ps_wake(entered)
    }

    /// The net's thread: takes the library's events to whom they are for, and frees the net in the end. The only one that takes
    /// events, and nothing of the library calls Swift.
    private func run() {
        guard let raw else { return } // it lives: only this thread frees it
        var deadline: Int64?
        while true {
            var event: UnsafePointer<p2p_event>?
            let taken = p2p_next_event(raw, &event)
            if taken == 1, let event {
                if deal(event) { break }
                continue
            }
            if taken < 0 { break }
            var timeout: Int32 = -1
            if isClosing { // the library ends in time. If it did not, the net would be freed all the same
                let now = p2ps_now()
                let until = deadline ?? now + grace
                deadline = until
                if now >= until { break }
                timeout = Int32(clamping: until - now)
            }
            if p2p_wait(raw, timeout) < 0 { break }
        }
        finish(raw)
    }

    /// Its last event has come, and why it ended is known from it.
    func stopped(_ error: P2PError) { life { why = why ?? error } }

    /// Frees the net and lets everybody go who waits for something of it.
    private func finish(_ raw: OpaquePointer) {
        let reason = life { () -> P2PError in
            closing = true
            let reason = why ?? P2PError(.closed, "the net has stopped")
            why = reason
            while inside > 0 { life.wait() } // calls that are under way; nobody begins one
            self.raw = nil
            return reason
        }
        p2ps_net_free(raw)
        let (requests, links, acceptors) = state { () -> ([Request], [Link], [Waiter<Link?>]) in
            defer { (self.requests, self.links, self.backlog, self.acceptors) = ([:], [:], [], []) }
            return (Array(self.requests.values), Array(self.links.values), self.acceptors)
        }
        for request in requests { request.waiter.resolve(.failure(reason)) }
        for link in links { link.ended(ConnectionEnd(reason)) }
        for acceptor in acceptors { acceptor.resolve(.success(nil)) }
        ready.set(.failure(reason))
        notices.finish()
        messages.finish()
        outbox.finish()
        ended.set(reason)
    }

    // MARK: requests

    /// Makes a request of the library's and waits for its end. Cancelling the task cancels it.
    func request(
        _ begin: (OpaquePointer, UnsafeMutablePointer<UInt64>, UnsafeMutablePointer<p2p_error>) -> Int32
    ) async throws -> (id: UInt64, outcome: Request.Outcome) {
        try Task.checkCancellation()
        let request = Request()
        var id: UInt64 = 0
        try enter { raw in
            // Its end may be taken before its number is known here: nobody looks it up until it is noted.
            try state {
                try told { begin(raw, &id, $0) }
                requests[id] = request
            }
        }
        let begun = id
        do {
            let outcome = try await request.waiter.value {
                _ = try? self.enter { p2ps_cancel($0, begun) } // DONE follows at once; it may have succeeded in between
            }
            return (begun, outcome)
        } catch var error as P2PError {
            error.request = begun
            if error.code == .canceled {
                if Task.isCancelled { throw CancellationError() }
                throw over ?? error // nobody else cancels: the net was stopped
            }
            throw error
        }
    }
}

extension NetOptions {
    static let framingKey: Int32 = 11
    static let closeTimeoutKey: Int32 = 28
}
