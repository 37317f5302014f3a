import Foundation
import XCTest

@testable import P2PNet

final class ConnectionTests: XCTestCase {
    func testLinesBothWays() async throws {
        for configure in [{ _ in }, classic] as [Configure] {
            let pair = try await Pair(configure)
            let count = 2000
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for (from, to) in [(pair.atA, pair.atB), (pair.atB, pair.atA)] {
                    tasks.addTask {
                        for i in 0..<count { try await from.send(line: "line \(i), grüße") }
                    }
                    tasks.addTask {
                        var i = 0
                        for try await line in to.lines {
                            XCTAssertEqual(line, "line \(i), grüße")
                            i += 1
                            if i == count { break }
                        }
                        XCTAssertEqual(i, count)
                    }
                }
                try await tasks.waitForAll()
            }
            await pair.close()
        }
    }

    func testAnyByteButALineEndTravelsInALine() async throws {
        let pair = try await Pair()
        let every = (0...255).map { UInt8($0) }
        try await pair.atA.send(line: every)
        let packet = try await pair.atB.receive()
        XCTAssertEqual(packet, Packet(.line, every))
        await pair.close()
    }

    func testMessagesKeepTheirBoundariesAndTheirPlaceAmongLines() async throws {
        let pair = try await Pair()
        let binary = (0..<300_000).map { _ in UInt8.random(in: 0...255) }
        try await pair.atA.send(line: "before")
        try await pair.atA.send(message: Data(binary))
        try await pair.atA.send(message: [])
        try await pair.atA.send(line: "after".dropFirst(0))
        let expected = [
            Packet(.line, Array("before".utf8)), Packet(.message, binary), Packet(.message, []), Packet(.line, Array("after".utf8)),
        ]
        var got: [Packet] = []
        for try await packet in pair.atB.packets {
            got.append(packet)
            if got.count == expected.count { break }
        }
        XCTAssertTrue(got == expected)
        await pair.close()
    }

    func testLinesAndMessagesCanBeReadBesideEachOther() async throws {
        let pair = try await Pair()
        let (from, to) = (pair.atA, pair.atB)
        async let lines = to.lines.reduce(into: []) { $0.append($1) }
        async let messages = to.messages.reduce(into: []) { $0.append($1) }
        for i in 0..<200 {
            try await from.send(line: "\(i)")
            try await from.send(message: [UInt8(i)])
        }
        from.close()
        let (gotLines, gotMessages) = try await (lines, messages)
        XCTAssertEqual(gotLines, (0..<200).map { "\($0)" })
        XCTAssertEqual(gotMessages, (0..<200).map { [UInt8($0)] })
        await pair.close()
    }

    func testWhatCannotBeSentIsSaid() async throws {
        let pair = try await Pair {
            $0.maxLine = 100
            $0.maxMessage = 1000
        }
        await expect(.invalid) { try await pair.atA.send(line: "") }
        await expect(.invalid) { try await pair.atA.send(line: "two\r\nlines") }
        await expect(.tooLarge) { try await pair.atA.send(line: String(repeating: "x", count: 101)) }
        await expect(.tooLarge) { try await pair.atA.send(message: [UInt8](repeating: 0, count: 1001)) }
        await expect(.unsupported) { try await pair.atA.send(data: [1]) }
        try await pair.atA.send(line: "a \r or a \n alone is an ordinary character")
        await pair.close()
        let plain = try await Pair(classic)
        await expect(.unsupported) { try await plain.atA.send(message: [1]) }
        await plain.close()
    }

    func testThePeersCloseEndsTheSequenceAfterEveryLine() async throws {
        let pair = try await Pair()
        for _ in 0..<100 { try await pair.atA.send(line: "x") }
        pair.atA.close()
        var count = 0
        for try await _ in pair.atB.lines { count += 1 }
        XCTAssertEqual(count, 100)
        let after = try await pair.atB.receive()
        XCTAssertNil(after)
        let atB = try await pair.atB.ended()
        XCTAssertEqual(atB.code, .closed)
        XCTAssertNil(atB.error)
        let error = await expect(.closed) { try await pair.atB.send(line: "x") }
        XCTAssertTrue(error.message.contains(atB.message), "\(error)")
        let atA = try await pair.atA.ended()
        XCTAssertEqual(atA.code, .ok)
        XCTAssertEqual(atA.unacknowledged, 0)
        await pair.close()
    }

    func testAConnectionThatWasClosedHereThrows() async throws {
        let pair = try await Pair()
        let atA = pair.atA
        let waiting = Task { try await atA.receiveLine() }
        let beside = Task { for try await _ in atA.messages {} }
        try await until("two to wait") { atA.link.waiting == 2 }
        atA.close()
        await expect(.closed) { try await waiting.value }
        await expect(.closed) { try await beside.value }
        for _ in 0..<2 { // before and after its last event
            await expect(.closed) { try await atA.receiveLine() }
            await expect(.closed) { try await atA.receive() }
            await expect(.closed) { for try await _ in atA.lines {} }
            await expect(.closed) { try await atA.send(line: "x") }
            await expect(.closed) { try await atA.send(message: []) }
            await expect(.closed) { try atA.trySend(line: "x") }
            atA.close()
            _ = try await atA.ended()
        }
        await expect(.closed) { try atA.info() }
        await expect(.closed) { try await atA.takeSocket() }
        _ = try await pair.atB.ended()
        XCTAssertTrue(pair.b.connections.isEmpty)
        await pair.close()
    }

    func testReadingCanBeCancelledAndLosesNothing() async throws {
        let pair = try await Pair()
        let (atA, atB) = (pair.atA, pair.atB)
        await expectCancellation { try await cancelledSoon { try await atB.receiveLine() } }
        for round in 0..<300 { // the line and the cancellation at the same time: it is in one place or the other
            let reading = Task { try await atB.receiveLine() }
            async let sent: Void = atA.send(line: "\(round)")
            reading.cancel()
            try await sent
            let got = try? await reading.value
            let line: String?
            if let got { line = got } else { line = try await atB.receiveLine() }
            XCTAssertEqual(line, "\(round)")
        }
        XCTAssertEqual(atB.link.waiting, 0)
        await pair.close()
    }

    private static func small(_ options: inout NetOptions) {
        options.sendBuffer = 8192
        options.recvBuffer = 8192
        options.resendWindow = 65536
    }

    func testSendersWaitForThePeerAndNothingIsLost() async throws {
        let pair = try await Pair(Self.small)
        let (atA, atB) = (pair.atA, pair.atB)
        let line = String(repeating: "x", count: 1000)
        // The peer does not read: buffers of ours and of the system fill. Whoever has written may only have been slow at it, so that
        // there is room again: then that fills, too.
        let counted = Counted()
        var (full, unread) = (false, UInt64(0))
        while !full || unread < 8192 {
            await expectCancellation {
                try await cancelledWhenQuiet(counted) {
                    while true {
                        try await atA.send(line: line)
                        counted.add()
                    }
                }
            }
            full = try !atA.trySend(line: line)
            if !full { counted.add() }
            unread = try atB.info().unreadBytes
        }
        XCTAssertTrue(unread <= 8192 + 1 << 20, "\(unread) bytes wait for the reader")
        // Four senders wait; they go on as soon as the peer reads.
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<4 {
                tasks.addTask { for _ in 0..<100 { try await atA.send(line: line) } }
            }
            for _ in 0..<counted.count + 400 {
                let got = try await atB.receiveLine()
                XCTAssertEqual(got, line)
            }
            try await tasks.waitForAll()
        }
        await pair.close()
    }

    func testManyLinesAtOnce() async throws {
        for configure in [Self.small, { classic(&$0); $0.sendBuffer = 8192 }] as [Configure] {
            let pair = try await Pair(configure)
            let (atA, atB) = (pair.atA, pair.atB)
            let lines = (0..<5000).map { "line \($0) 你" } + [String(repeating: "ü", count: 50_000), "after it"]
            let bytes = (0..<300).map { [UInt8(truncatingIfNeeded: $0), 0xff, 0, 0xfe] }
            let sending = Task {
                try await atA.send(lines: lines)
                try await atA.send(lines: [String]())
                try await atA.send(line: "between")
                try await atA.send(lines: lines.reversed().map { $0.dropFirst() })
                try await atA.send(lines: bytes)
                atA.close()
            }
            let expected = lines + ["between"] + lines.reversed().map { String($0.dropFirst()) }
            var got: [Packet] = []
            for try await packet in atB.packets { got.append(packet) }
            try await sending.value
            XCTAssertTrue(got.prefix(expected.count).map(\.text) == expected)
            XCTAssertTrue(got.dropFirst(expected.count).map(\.bytes) == bytes)
            await pair.close()
        }
    }

    func testManyLinesOfWhichOneCannotBeSent() async throws {
        let pair = try await Pair { $0.maxLine = 100 }
        let (atA, atB) = (pair.atA, pair.atB)
        let before = (0..<700).map { "line \($0)" } // more than are given to the library at once
        let long = String(repeating: "x", count: 101)
        for (code, bad) in [(P2PError.Code.invalid, ""), (.invalid, "two\r\nlines"), (.tooLarge, long)] {
            let error = await expect(code) { try await atA.send(lines: before + [bad, "never"]) }
            XCTAssertEqual(error.line, 700)
            XCTAssertTrue(error.message.hasPrefix("lines[700]: "), error.message)
            let first = await expect(code) { try await atA.send(lines: [bad, "never"]) }
            XCTAssertEqual(first.line, 0)
        }
        try await atA.send(line: "last")
        atA.close()
        let got = try await atB.lines.reduce(into: []) { $0.append($1) }
        XCTAssertTrue(got == before + before + before + ["last"], "\(got.count) lines")
        let closed = await expect(.closed) { try await atA.send(lines: ["never"]) }
        XCTAssertEqual(closed.line, 0)
        let single = await expect(.closed) { try await atA.send(line: "never") }
        XCTAssertNil(single.line)
        await pair.close()
    }

    func testSendingManyLinesCanBeCancelled() async throws {
        let pair = try await Pair(Self.small)
        let (atA, atB) = (pair.atA, pair.atB)
        let lines = (0..<20_000).map { "\($0) " + String(repeating: "x", count: 1000) } // more than fit: nobody reads
        let sending = Task { try await atA.send(lines: lines) }
        try await until("some of them to arrive") { !atB.link.isEmpty }
        sending.cancel()
        await expectCancellation { try await sending.value }
        atA.close()
        var count = 0
        for try await line in atB.lines { // a part of them, in order and without a gap
            XCTAssertEqual(line, lines[count])
            count += 1
        }
        XCTAssertTrue(count > 0 && count < lines.count, "\(count)")
        await pair.close()
    }

    func testAConnectionThatIsNotReadSlowsNoOther() async throws {
        let b = try loopback("127.0.0.3", Self.small)
        let flooding = try loopback("127.0.0.2", Self.small)
        let talking = try loopback("127.0.0.4", Self.small)
        let (flood, unread) = try await join(flooding, b)
        let counted = Counted()
        await expectCancellation {
            try await cancelledWhenQuiet(counted) {
                while true {
                    try await flood.send(line: String(repeating: "x", count: 1000))
                    counted.add()
                }
            }
        }
        let (talk, read) = try await join(talking, b)
        for _ in 0..<100 {
            try await talk.send(line: "hello")
            _ = try await read.receiveLine()
        }
        try await until("something to wait on the one that is not read") { !unread.link.isEmpty }
        unread.close() // which drops what waits
        _ = try await unread.ended()
        for net in [b, flooding, talking] { await net.close() }
    }

    func testAStreamOfBytes() async throws {
        for configure in [{ _ in }, classic] as [Configure] {
            let pair = try await Pair {
                configure(&$0)
                $0.framing = .raw
                $0.sendBuffer = 1 << 16
            }
            let (atA, atB) = (pair.atA, pair.atB)
            let data = Data((0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) })
            let sending = Task {
                try await atA.send(data: data)
                atA.close()
            }
            var got = Data()
            for try await piece in atB.data { got.append(contentsOf: piece) }
            try await sending.value
            XCTAssertTrue(got == data, "\(got.count) of \(data.count) bytes came, or others")
            await pair.close()
        }
    }

    func testTheSocketCanBeTaken() async throws {
        let pair = try await Pair(classic)
        try await pair.atA.send(line: "a line first")
        try await until("the line to arrive") { !pair.atB.link.isEmpty }
        let (descriptor, rest) = try await pair.atB.takeSocket()
        XCTAssertEqual(rest, [])
        let first = try await pair.atB.receiveLine()
        XCTAssertEqual(first, "a line first")
        XCTAssertEqual(write(descriptor, "from the socket\r\n", 17), 17)
        let second = try await pair.atA.receiveLine()
        XCTAssertEqual(second, "from the socket")
        try await pair.atA.send(line: "to the socket")
        var got: [UInt8] = []
        try await until("the line on the socket") {
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 { got += buffer.prefix(count) }
            return got.count >= 15
        }
        XCTAssertEqual(String(decoding: got, as: UTF8.self), "to the socket\r\n")
        close(descriptor)
        _ = try await pair.atB.ended()
        await pair.close()
        let secure = try await Pair()
        await expect(.unsupported) { try await secure.atA.takeSocket() }
        await secure.close()
    }

    func testAPeerThatIsKilledEndsTheConnection() async throws {
        let process = Process()
        process.executableURL = builtPrograms().appendingPathComponent("lonely-peer")
        let out = Pipe()
        process.standardOutput = out
        try process.run()
        let at = String(decoding: out.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let net = try loopback("127.0.0.2", { $0.resumeGrace = .zero })
        let connection = try await net.connect(to: at)
        try await connection.send(line: "hello")
        let line = try await connection.receiveLine()
        XCTAssertEqual(line, "heard hello")
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        do {
            let line = try await connection.receiveLine()
            XCTAssertNil(line, "a line of the dead")
        } catch {
            XCTAssertTrue(error is P2PError, "\(error)")
        }
        let end = try await connection.ended()
        XCTAssertFalse(end.message.isEmpty)
        await expect(.closed) { try await connection.send(line: "hello?") }
        XCTAssertTrue(net.connections.isEmpty)
        await net.close()
    }

    func testConnectionInfo() async throws {
        let pair = try await Pair()
        let atA = try pair.atA.info()
        XCTAssertEqual(atA.peerID, try Locator(try pair.b.unl()).id)
        XCTAssertEqual(atA.via, .lan)
        XCTAssertFalse(atA.inbound)
        XCTAssertEqual(atA.peer, pair.atA.peer)
        XCTAssertEqual(atA.path, .first)
        XCTAssertNil(atA.relay)
        let atB = try pair.atB.info()
        XCTAssertTrue(atB.inbound)
        XCTAssertFalse(atB.peerID.isEmpty)
        XCTAssertEqual(pair.a.connections, [pair.atA])
        XCTAssertEqual(Set(pair.a.connections), [pair.atA])
        XCTAssertNotNil(pair.atA.request)
        XCTAssertNil(pair.atB.request)
        await pair.close()
    }
}

/// Counts, on any thread.
final class Counted: @unchecked Sendable {
    private let lock = NSLock()
    private var value = 0

    var count: Int { lock.withLock { value } }
    func add() { lock.withLock { value += 1 } }
}

/// Cancels what has not counted on for a while.
func cancelledWhenQuiet(_ counted: Counted, _ body: @escaping @Sendable () async throws -> Void) async throws {
    let task = Task(operation: body)
    var last = -1
    while counted.count != last {
        last = counted.count
        try await Task.sleep(for: .milliseconds(300))
    }
    task.cancel()
    try await task.value
}
