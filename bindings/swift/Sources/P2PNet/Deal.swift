import CP2PNet

/// Events that the library gives, on the net's thread.
extension Core {
    /// How many connections that have ended wait for `incoming`; the oldest go first. What is open is limited by the net's
    /// options.
    static let endedBacklog = 64

    /// Gives an event to whom it is for; true if it is the last one.
    func deal(_ event: UnsafePointer<p2p_event>) -> Bool {
        let kind = EventKind(rawValue: p2ps_kind(event))
        switch kind {
        case .line, .message, .data:
            if let link = link(event) {
                link.arrived(Kept(event)) // which frees it
                return false
            }
        case .writable:
            link(event)?.roomMade()
        case .opened:
            opened(event)
        case .closed:
            closed(event)
        case .done:
            completed(event)
        case .ready:
            ready.set(.success(()))
            tell(kind, event)
        case .dhtMessage:
            messages.put(DHTMessage(from: event.peer, text: event.text))
        case .dhtSend:
            outbox.put(DHTLetter(to: event.peer, text: event.text))
        case .stopped:
            if let error = event.error { stopped(error) }
            p2p_event_free(event)
            return true
        default:
            tell(kind, event)
        }
        p2p_event_free(event)
        return false
    }

    private func link(_ event: UnsafePointer<p2p_event>) -> Link? {
        state { links[event.pointee.conn] }
    }

    private func opened(_ event: UnsafePointer<p2p_event>) {
        let link = Link(self, id: event.pointee.conn, request: event.pointee.request, peer: event.peer)
        state {
            links[link.id] = link
            if let request = requests[link.request] {
                request.link = link
                return
            }
            while !acceptors.isEmpty {
                if acceptors.removeFirst().resolve(.success(link)) { return }
            }
            backlog.append(link)
        }
        if let error = over { link.abandon(error) }
    }

    private func closed(_ event: UnsafePointer<p2p_event>) {
        guard let link = state({ links.removeValue(forKey: event.pointee.conn) }) else { return }
        link.ended(ConnectionEnd(event))
        trimBacklog()
    }

    /// Forgets connections that ended before anybody took them, if there is nothing to read from them or if there are too many:
    /// peers may come and go for ever, and the program need not take any.
    private func trimBacklog() {
        let dropped = state { () -> [Link] in
            var dropped: [Link] = []
            var ended = 0
            var kept: [Link] = []
            for link in backlog.reversed() { // from the newest
                if links[link.id] == nil {
                    let empty = link.isEmpty
                    ended += empty ? 0 : 1
                    if empty || ended > Core.endedBacklog {
                        dropped.append(link)
                        continue
                    }
                }
                kept.append(link)
            }
            backlog = kept.reversed()
            return dropped
        }
        _ = dropped // what they hold is freed here, outside the lock
    }

    private func completed(_ event: UnsafePointer<p2p_event>) {
        let (request, link) = state { () -> (Request?, Link?) in
            let request = requests.removeValue(forKey: event.pointee.request)
            // It may be an older one than this request.
            return (request, links[event.pointee.conn] ?? request?.link)
        }
        guard let request else { return }
        if let error = event.error {
            request.waiter.resolve(.failure(error))
        } else {
            request.waiter.resolve(.success(.init(link: link, code: event.pointee.code)))
        }
    }

    private func tell(_ kind: EventKind, _ event: UnsafePointer<p2p_event>) {
        notices.put(Notice(kind, event))
    }

    /// The next connection that nobody here asked for; nil at the end of the net.
    func accept() async throws -> Link? {
        try Task.checkCancellation()
        let waiter = Waiter<Link?>()
        let first = state { () -> Link?? in
            if isClosing { return .some(nil) }
            if !backlog.isEmpty { return backlog.removeFirst() }
            acceptors.append(waiter)
            return nil
        }
        if let first { return first }
        defer { state { acceptors.removeAll { $0 === waiter } } }
        return try await waiter.value()
    }
}

extension UnsafePointer<p2p_event> {
    var peer: String { String(cString: pointee.peer) }

    /// What it carries.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointee.data, count: pointee.len) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// What it says went wrong, nil if nothing did.
    var error: P2PError? {
        let code = P2PError.Code(rawValue: p2ps_result(self))
        return code == .ok ? nil : P2PError(code, text, errno: pointee.os_error)
    }
}

/// News that nothing depends on: a line of the log, a change of the node's situation, another link of a connection.
public struct Notice: Sendable {
    /// `log`, `info`, `path`, `ready`, or a kind that this package does not know.
    public let kind: EventKind
    /// It in words.
    public let text: String
    /// Of a line of the log.
    public let level: LogLevel?
    /// What has become of a connection's link.
    public let path: LinkPath?
    /// The connection it is about.
    public let connectionID: UInt64?
    /// The peer it is about, "" if none.
    public let peer: String
    /// When it happened, from the net's start.
    public let time: Duration

    init(_ kind: EventKind, _ event: UnsafePointer<p2p_event>) {
        self.kind = kind
        text = event.text
        level = kind == .log ? LogLevel(rawValue: event.pointee.code) : nil
        path = kind == .path ? LinkPath(rawValue: event.pointee.code) : nil
        connectionID = event.pointee.conn == 0 ? nil : event.pointee.conn
        peer = event.peer
        time = .milliseconds(Int64(event.pointee.time_ms))
    }
}
