import CP2PNet

/// A packet that came in and was not read yet, as the library's event. It counts in the connection's `recvBuffer` until it is
/// taken: the library slows the peer, and nothing here needs a limit.
final class Kept: @unchecked Sendable {
    private let event: UnsafePointer<p2p_event>
    let kind: Packet.Kind

    init(_ event: UnsafePointer<p2p_event>) {
        self.event = event
        switch EventKind(rawValue: p2ps_kind(event)) {
        case .line: kind = .line
        case .message: kind = .message
        default: kind = .data
        }
    }

    // On any thread, also after the end of its net.
    deinit { p2p_event_free(event) }

    var packet: Packet { Packet(kind, Array(event.bytes)) }
}

/// What a connection is inside: what came in, and those who wait to read or to write.
final class Link: @unchecked Sendable {
    let core: Core
    let id: UInt64
    let request: UInt64
    let peer: String
    let closed = Latch<ConnectionEnd>()

    private let lock = Lock()
    private var lines = Queue<(at: UInt64, kept: Kept)>()
    private var others = Queue<(at: UInt64, kept: Kept)>() // messages, or data
    private var count: UInt64 = 0
    private var readers: [(wants: Wanted, waiter: Waiter<Packet?>)] = []
    private var writers: [Waiter<Void>] = []
    private var room = 0 // how often the library has said that there is some
    private var end: ConnectionEnd?
    private var abandoned: P2PError?

    enum Wanted {
        case line, other, any

        func includes(_ kind: Packet.Kind) -> Bool {
            switch self {
            case .any: return true
            case .line: return kind == .line
            case .other: return kind != .line
            }
        }
    }

    init(_ core: Core, id: UInt64, request: UInt64, peer: String) {
        self.core = core
        self.id = id
        self.request = request
        self.peer = peer
    }

    // MARK: reading

    /// A packet has come in.
    func arrived(_ kept: Kept) {
        lock {
            guard abandoned == nil else { return }
            while let at = readers.firstIndex(where: { $0.wants.includes(kept.kind) }) {
                // One that was cancelled meanwhile takes nothing.
                if readers.remove(at: at).waiter.resolve(.success(kept.packet)) { return }
            }
            count += 1
            if kept.kind == .line {
                lines.append((count, kept))
            } else {
                others.append((count, kept))
            }
        }
    }

    private func takeFirst(_ wanted: Wanted) -> Kept? {
        let fromLines: Bool
        switch wanted {
        case .line: fromLines = true
        case .other: fromLines = false
        case .any:
            guard let line = lines.first, let other = others.first else {
                fromLines = !lines.isEmpty
                break
            }
            fromLines = line.at < other.at
        }
        return fromLines ? lines.removeFirst()?.kept : others.removeFirst()?.kept
    }

    /// The next packet of a kind; nil if the peer has closed the connection and all of them were read.
    func receive(_ wanted: Wanted) async throws -> Packet? {
        try Task.checkCancellation()
        let waiter = Waiter<Packet?>()
        let (kept, over) = try lock { () throws -> (Kept?, Bool) in
            if let abandoned { throw abandoned }
            if let kept = takeFirst(wanted) { return (kept, false) }
            if let end {
                if let error = end.error { throw error }
                return (nil, true)
            }
            readers.append((wanted, waiter))
            return (nil, false)
        }
        if over { return nil }
        if let kept { return kept.packet }
        defer { lock { readers.removeAll { $0.waiter === waiter } } }
        return try await waiter.value()
    }

    var isEmpty: Bool { lock { lines.isEmpty && others.isEmpty } }

    /// How many wait to read.
    var waiting: Int { lock { readers.count } }

    // MARK: writing

    /// Repeats a call until there is room for it. `attempt` gives the library's result.
    func send(_ attempt: (OpaquePointer) -> Int32) async throws {
        while true {
            try Task.checkCancellation()
            let seen = lock { room }
            if try attemptOnce(attempt) { return }
            try await waitForRoom(since: seen)
        }
    }

    /// So many bytes of lines are given to the library in one call, and the rest of the last one's.
    private static let piece = 64 << 10

    /// Sends lines in their order, many with one call of the library. `append` puts a line's bytes behind those of others.
    func send<Lines: Collection>(lines: Lines, append: (Lines.Element, inout [UInt8]) -> Void) async throws {
        var next = lines.startIndex
        var sent = 0
        while next != lines.endIndex {
            var text: [UInt8] = []
            var lengths: [Int] = []
            var at = next
            while at != lines.endIndex, lengths.count < Int(P2PS_LINES_AT_ONCE), text.count < Self.piece {
                let before = text.count
                append(lines[at], &text)
                lengths.append(text.count - before)
                lines.formIndex(after: &at)
            }
            var taken = 0
            do {
                try await send { raw in
                    let result = p2ps_send_lines(raw, id, text, lengths, lengths.count, &taken)
                    return taken > 0 ? P2PError.Code.ok.rawValue : result // the next call tells why no more were
                }
            } catch let error as P2PError {
                throw error.about(line: sent)
            }
            sent += taken
            lines.formIndex(&next, offsetBy: taken)
        }
    }

    /// False: there was no room, and nothing was sent.
    func attemptOnce(_ attempt: (OpaquePointer) -> Int32) throws -> Bool {
        let code = P2PError.Code(rawValue: try core.enter(attempt))
        switch code {
        case .ok: return true
        case .wouldBlock: return false
        default: throw failure(code)
        }
    }

    private func waitForRoom(since seen: Int) async throws {
        let waiter = Waiter<Void>()
        let already = lock { () -> Bool in
            if room != seen || abandoned != nil || end != nil { return true } // the next attempt tells
            writers.append(waiter)
            return false
        }
        if already { return }
        defer { lock { writers.removeAll { $0 === waiter } } }
        try await waiter.value()
    }

    /// The library takes data again.
    func roomMade() {
        let waiting = lock { () -> [Waiter<Void>] in
            room += 1
            defer { writers = [] }
            return writers
        }
        for writer in waiting { writer.resolve(.success(())) }
    }

    /// A result of sending as an error. That of a connection that is gone says why it is.
    func failure(_ code: P2PError.Code) -> P2PError {
        switch code {
        case .notFound, .closed:
            let why = lock { abandoned?.message ?? end.map { "the connection is gone: \($0.message)" } }
            return P2PError(.closed, why ?? "the connection is closing")
        case .invalid:
            return P2PError(code, "\(code.meaning): a line has one byte at least, and no CR LF inside")
        case .tooLarge:
            return P2PError(code, "\(code.meaning): maxLine and maxMessage of the net's options say how long one may be")
        case .unsupported:
            let needs = "messages need the secure dialect, lines a net whose framing is lines, and the socket the classic dialect"
            return P2PError(code, "\(code.meaning): \(needs)")
        default:
            return P2PError(code, "")
        }
    }

    // MARK: the end

    /// This program wants nothing more of it. What came in and was not read is dropped.
    func abandon(_ error: P2PError) {
        let (readers, writers, dropped) = lock { () -> ([Waiter<Packet?>], [Waiter<Void>], [Any]) in
            guard abandoned == nil else { return ([], [], []) }
            abandoned = error
            room += 1
            defer {
                (self.readers, self.writers) = ([], [])
                lines.removeAll()
                others.removeAll()
            }
            return (self.readers.map { $0.waiter }, self.writers, [lines, others]) // freed outside the lock
        }
        _ = dropped
        for reader in readers { reader.resolve(.failure(error)) }
        for writer in writers { writer.resolve(.success(())) }
    }

    /// Its last event. What came in can still be read.
    func ended(_ end: ConnectionEnd) {
        let (readers, writers) = lock { () -> ([Waiter<Packet?>], [Waiter<Void>]) in
            self.end = end
            room += 1
            defer { (self.readers, self.writers) = ([], []) }
            return (self.readers.map { $0.waiter }, self.writers)
        }
        for reader in readers {
            reader.resolve(end.error.map { .failure($0) } ?? .success(nil))
        }
        for writer in writers { writer.resolve(.success(())) }
        closed.set(end)
    }
}
