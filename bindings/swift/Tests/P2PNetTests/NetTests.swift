import Foundation
import XCTest

@testable import P2PNet

final class NetTests: XCTestCase {
    func testTheLibraryIsThatOfTheHeader() {
        XCTAssertEqual(libraryVersion, headerVersion)
        XCTAssertEqual("\(EventKind.line) \(NAT(rawValue: 99)) \(P2PError.Code.noPath)", "line NAT(99) noPath")
        XCTAssertTrue(P2PError.Code.noPath.meaning.contains("way"))
        XCTAssertTrue(libraryFeatures.forwarding.contains(.pcp))
    }

    func testErrorsOfTheLibraryCarryItsMessage() async throws {
        let error = await expect(.range) { try Net { $0.maxLine = 3 } }
        XCTAssertTrue(error.message.contains("16"))
        XCTAssertEqual("\(error)", "p2pnet: \(error.message)")
        await expect(.unsupported) { try Net { $0[text: 12] = "long" } }
        await expect(.unsupported) { try Net { $0[number: 9999] = 1 } }
        await expect(.invalid) { try Net { $0.wanIP = "nonsense" } }
        await expect(.invalid) { try Net { $0.network = "a\0b" } }
        await expect(.range) { try Net { $0.connectTimeout = .seconds(Int64.max) } }
        await expect(.invalid) { try Net { $0.servers = [.rendezvous("no port")] } }
        await expect(.invalid) { try Net { $0.allowedPeers = ["nobody"] } }
        let io = await expect(.io) { try Net { $0.passiveBind = "203.0.113.1" } } // documentation, nobody's address
        XCTAssertEqual(io.errno, EADDRNOTAVAIL)
        for wrong in ["", "nonsense", "p2p3AAAA", "a\0b"] {
            await expect(.invalid) { try Locator.check(wrong) }
            await expect(.invalid) { try Locator(wrong) }
        }
    }

    func testOptionsHaveSwiftsTypes() async throws {
        var options = NetOptions()
        options.dedup = true
        options.keepalive = .seconds(90)
        options.connectTimeout = .nanoseconds(1)
        options.forwarding = [.pcp, .upnp]
        options.dialect = .classic
        options.passiveBind = "127.0.0.2"
        XCTAssertEqual(options.connectTimeout, .milliseconds(1))
        XCTAssertEqual(options.forwarding, [.upnp, .pcp])
        XCTAssertEqual(options.dedup, true)
        XCTAssertEqual(options.dialect, .classic)
        XCTAssertNil(options.maxLine)
        options.dedup = nil
        XCTAssertNil(options.dedup)
        let net = try Net(options)
        XCTAssertNotEqual(try net.info().passivePort, 0)
        await net.close()
    }

    func testRequestsFailWithTheirStory() async throws {
        let net = try loopback("127.0.0.2")
        var listener: Silent? = try Silent()
        let nobody = listener!.address
        listener = nil
        let error = await expect(.refused) { try await net.connect(to: nobody) }
        XCTAssertEqual(error.errno, ECONNREFUSED)
        XCTAssertTrue(error.message.contains("127.0.0.7"))
        XCTAssertNotNil(error.request)
        await expect(.invalid) { try await net.connect(to: "no port") }
        await expect(.invalid) { try await net.connect(unl: "nonsense") }
        await expect(.unsupported) { try await net.bootstrap() } // a direct net does not
        let finds = try loopback("127.0.0.2", { $0.netType = .p2p; $0.servers = [.rendezvous(nobody)] })
        let noServer = await expect(.noServer) { try await finds.bootstrap() }
        XCTAssertTrue(noServer.message.contains(nobody))
        await expect(.noServer) { try await finds.advertise() }
        await expect(.notFound) { try net.explain(12345) }
        await expect(.unsupported) { try net.dhtID() }
        await expect(.unsupported) { try await net.put("x", to: String(repeating: "a", count: 40)) }
        await net.close()
        await finds.close()
    }

    func testConnectByLocatorAndItsStory() async throws {
        for configure in [{ _ in }, classic] as [Configure] {
            let a = try loopback("127.0.0.2", configure)
            let b = try loopback("127.0.0.3", configure)
            let locator = try b.unl()
            try Locator.check(locator)
            let connection = try await a.connect(unl: locator)
            let story = try a.explain(XCTUnwrap(connection.request))
            XCTAssertNoThrow(try JSONSerialization.jsonObject(with: Data(story.utf8)))
            if try Locator(locator).version == 3 { // two nodes have one connection
                let again = try await a.connect(unl: locator)
                XCTAssertEqual(again, connection)
            }
            await a.close()
            await b.close()
        }
    }

    func testALocatorThatLeadsNowhereSaysWhy() async throws {
        let a = try loopback("127.0.0.2", { $0.unlConnectTimeout = hung })
        let b = try loopback("127.0.0.3")
        let locator = try b.unl()
        await b.close()
        let error = await expect(.noPath) { try await a.connect(unl: locator) }
        XCTAssertFalse(try a.explain(XCTUnwrap(error.request)).isEmpty)
        await a.close()
    }

    func testARequestCanBeCancelled() async throws {
        let net = try loopback("127.0.0.2", { $0.handshakeTimeout = hung })
        let silent = try Silent()
        let at = silent.address
        let connecting = Task { try await net.connect(to: at) }
        try await until("the request") { net.core.state { net.core.requests.count == 1 } }
        connecting.cancel()
        await expectCancellation { try await connecting.value }
        XCTAssertTrue(net.core.state { net.core.requests.isEmpty })
        await expectCancellation { try await cancelledSoon { try await net.connect(to: at) } }
        await expectCancellation { try await cancelledSoon { try await net.accept() } }
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await net.connect(to: at)
        }
        await expectCancellation { try await late.value }
        let iterating = Task { for await _ in net.incoming {} }
        iterating.cancel()
        await iterating.value
        await net.close()
    }

    func testEverythingAfterCloseIsClosed() async throws {
        let pair = try await Pair()
        let (b, atB) = (pair.b, pair.atB)
        try await pair.atA.send(line: "never read")
        try await until("the line to arrive") { !atB.link.isEmpty }
        XCTAssertFalse(b.isClosed)
        await b.close()
        await b.close()
        _ = try await atB.ended()
        let why = try await b.ended()
        XCTAssertEqual(why.code, .closed)
        XCTAssertTrue(b.isClosed)
        await expect(.closed) { try await b.accept() }
        await expect(.closed) { try await b.connect(to: "127.0.0.1:1") }
        await expect(.closed) { try await b.connect(unl: "x") }
        await expect(.closed) { try await b.connect(unl: "x", nonce: "y") }
        await expect(.closed) { try await b.bootstrap() }
        await expect(.closed) { try await b.advertise() }
        await expect(.closed) { try b.broadcast(line: "x") }
        await expect(.closed) { try b.unl() }
        await expect(.closed) { try b.unl(replacing: ["version": "3"]) }
        await expect(.closed) { try b.report() }
        await expect(.closed) { try b.explain(1) }
        await expect(.closed) { try b.info() }
        await expect(.closed) { try b.stats() }
        await expect(.closed) { try b.dhtID() }
        await expect(.closed) { try await b.put("x", to: "y") }
        await expect(.closed) { try b.deliver("x") }
        await expect(.closed) { try b.networkChanged() }
        for await _ in b.incoming { XCTFail("a connection of a closed net") }
        for await _ in b.notices {}
        for await _ in b.dhtMessages {}
        XCTAssertTrue(b.connections.isEmpty)
        await expect(.closed) { try await atB.receiveLine() }
        await expect(.closed) { try await atB.send(line: "x") }
        await expect(.closed) { try atB.info() }
        atB.close()
        _ = try await pair.atA.ended()
        await pair.a.close()
    }

    func testStopWhileBusy() async throws {
        for _ in 0..<rounds(30, short: 3) {
            // Little that waits to be sent: what a's end cuts off, b would wait for.
            let pair = try await Pair { $0.sendBuffer = 1 << 14 }
            let silent = try Silent()
            let (a, b, atA, atB, at) = (pair.a, pair.b, pair.atA, pair.atB, silent.address)
            await withTaskGroup(of: Void.self) { tasks in
                @Sendable func busy(_ what: String, _ body: () async throws -> Void) async {
                    do {
                        while true { try await body() }
                    } catch let error as P2PError where error.code == .closed {
                    } catch {
                        XCTFail("\(what): \(error)")
                    }
                }
                for _ in 0..<2 {
                    tasks.addTask { await busy("send") { try await atA.send(line: "x") } }
                    tasks.addTask { await busy("message") { try await atA.send(message: [1]) } }
                    tasks.addTask { await busy("connect") { _ = try await a.connect(to: at) } }
                    tasks.addTask { await busy("accept") { _ = try await a.accept() } }
                    tasks.addTask { await busy("look") { _ = try atA.info(); await Task.yield() } }
                    tasks.addTask { await busy("report") { _ = try a.report(); await Task.yield() } }
                    tasks.addTask { await busy("read") { _ = try await atA.receive() } }
                    tasks.addTask { for await _ in a.dhtMessages {} }
                    tasks.addTask { for await _ in a.notices {} }
                }
                tasks.addTask { do { while try await atB.receive() != nil {} } catch {} }
                do {
                    try await until("some traffic") { try b.stats().linesIn > 100 }
                } catch {
                    XCTFail("\(error)")
                }
                for _ in 0..<2 { tasks.addTask { await a.close() } }
            }
            await b.close()
        }
    }

    func testAThousandNetsLeaveNothingBehind() async throws {
        func round(_ count: Int) async throws {
            for i in 0..<count {
                let net = try loopback("127.0.0.2")
                if i % 100 == 0 { // and some with connections that nobody closes
                    let other = try loopback("127.0.0.3")
                    let (atNet, _) = try await join(net, other)
                    try await atNet.send(line: "nobody reads this")
                    await other.close()
                }
                await net.close()
            }
        }
        try await round(50) // what the runtime and the library make once
        let descriptors = try entries("/proc/self/fd")
        let threads = try entries("/proc/self/task")
        let memory = try resident()
        try await round(rounds(1000, short: 100))
        try await until("descriptors to be closed") { try entries("/proc/self/fd") <= descriptors }
        // The runtime has a few threads for tasks, whatever the nets were.
        try await until("threads to end") { try entries("/proc/self/task") <= threads + 5 }
        let grown = try resident() - memory
        XCTAssertLessThan(grown, 32 << 20)
    }

    func testForgottenNetsEnd() async throws {
        let keep = try loopback("127.0.0.3")
        func forgotten() async throws {
            let net = try loopback("127.0.0.2")
            // A connection with something unread in it, forgotten with its net while it is open.
            let (atNet, atKeep) = try await join(net, keep)
            try await atKeep.send(line: "unread")
            try await until("the line") { !atNet.link.isEmpty }
        }
        try await forgotten() // what the runtime and the library make once
        try await until("the first to end") { keep.connections.isEmpty }
        let descriptors = try entries("/proc/self/fd")
        for _ in 0..<20 { try await forgotten() }
        try await until("what was forgotten to end") { try entries("/proc/self/fd") <= descriptors }
        XCTAssertTrue(keep.connections.isEmpty)
        await keep.close()
    }

    func testANetLivesAsLongAsAConnectionOfIt() async throws {
        let keep = try loopback("127.0.0.3")
        var connection: Connection? = try await {
            let (connection, _) = try await join(try loopback("127.0.0.2"), keep)
            return connection
        }()
        let other = keep.connections[0]
        for _ in 0..<10 {
            try await connection?.send(line: "still here")
            let line = try await other.receiveLine()
            XCTAssertEqual(line, "still here")
        }
        weak var net = connection?.net
        connection = nil
        try await until("the net to go") { net == nil } // an event that is under way may still hold it
        _ = try await other.ended()
        await keep.close()
    }

    func testWhatWasForgottenInAnyOrderIsNoCrash() async throws {
        for order in 0..<6 {
            var pair: Pair? = try await Pair()
            var net: Net? = pair?.b
            var connection: Connection? = pair?.atB
            try await pair?.atA.send(line: "unread")
            let incoming = net?.incoming.makeAsyncIterator()
            var lines = connection?.lines.makeAsyncIterator()
            if order % 2 == 0 { await pair?.a.close() }
            if order % 3 == 0 { await net?.close() }
            pair = nil
            if order < 3 { net = nil }
            connection = nil
            _ = try? await lines?.next()
            lines = nil
            net = nil
            _ = incoming
        }
    }

    func testConnectionsThatNobodyTakesDoNotPileUp() async throws {
        let net = try loopback("127.0.0.3", classic)
        let port = try net.info().passivePort
        let all = Core.endedBacklog + 20
        for i in 0..<all {
            let stranger = try loopback("127.0.0.2", classic)
            let connection = try await stranger.connect(to: "127.0.0.3:\(port)")
            if i % 2 == 0 { try await connection.send(line: "\(i)") }
            await stranger.close()
        }
        try await until("all to be gone") { try net.connections.isEmpty && net.stats().closed == all }
        var lines: [String?] = []
        while !net.core.state({ net.core.backlog.isEmpty }) {
            lines.append(try await net.accept().receiveLine())
        }
        XCTAssertEqual(lines, stride(from: 0, to: all, by: 2).map { "\($0)" })
        await net.close()
    }

    func testNewsOfTheNet() async throws {
        let net = try loopback("127.0.0.2", { $0.logLevel = .debug })
        try await net.ready()
        try await net.ready()
        let cancelled = Task { for await _ in net.notices {} }
        cancelled.cancel()
        await cancelled.value // who gives up takes nothing away from others
        try net.networkChanged()
        var seen: Set<EventKind> = []
        for await news in net.notices {
            seen.insert(news.kind)
            if let level = news.level {
                XCTAssertTrue((LogLevel.error.rawValue...LogLevel.debug.rawValue).contains(level.rawValue))
                XCTAssertFalse(news.text.isEmpty)
            }
            if seen.contains(.log) { break }
        }
        let info = try net.info()
        XCTAssertEqual(info.nodeType, .passive)
        XCTAssertEqual(info.lanIP, "127.0.0.2")
        XCTAssertNoThrow(try JSONSerialization.jsonObject(with: Data(net.report().utf8)))
        await net.close()
    }

    func testLocators() async throws {
        let net = try loopback("127.0.0.2")
        let locator = try Locator(net.unl(replacing: ["candidate": "mapped 203.0.113.7:6881", "candidate": "lan 192.168.1.2:1"]))
        XCTAssertEqual(locator.version, 3)
        XCTAssertEqual(locator.id.count, 43)
        XCTAssertGreaterThan(try XCTUnwrap(locator.expires), Int64(Date().timeIntervalSince1970))
        XCTAssertTrue(locator.candidates.contains(.init(kind: .mapped, address: "203.0.113.7:6881")))
        XCTAssertTrue(locator.candidates.contains(.init(kind: .lan, address: "192.168.1.2:1")))
        await expect(.invalid) { try net.unl(replacing: ["no": "such thing"]) }
        await expect(.invalid) { try net.unl(replacing: ["a": "x\0b"]) }
        await net.close()
    }

    func testBroadcast() async throws {
        let center = try loopback("127.0.0.2")
        var here: [Connection] = []
        var there: [Connection] = []
        for i in 0..<4 {
            let (atCenter, at) = try await join(center, try loopback("127.0.0.\(3 + i)"))
            here.append(atCenter)
            there.append(at)
        }
        let all = try center.broadcast(line: "to all")
        XCTAssertTrue(all == (4, true))
        let some = try center.broadcast(line: "to all but one", except: here[0])
        XCTAssertTrue(some == (3, true))
        try await here[0].send(line: "to one")
        for (i, connection) in there.enumerated() {
            let first = try await connection.receiveLine()
            let second = try await connection.receiveLine()
            XCTAssertEqual(first, "to all")
            XCTAssertEqual(second, i == 0 ? "to one" : "to all but one")
        }
        for connection in there { await connection.net.close() }
        await center.close()
    }

    func testNodesFindEachOtherByAServer() async throws {
        let at = try server("P2PNET_TEST_SERVER")
        func node(_ bind: String) throws -> Net {
            try loopback(bind, { $0.netType = .p2p; $0.servers = [.rendezvous(at)] })
        }
        let (alice, bob) = (try node("127.0.0.12"), try node("127.0.0.13"))
        try await alice.advertise()
        let known = try await bob.bootstrap()
        XCTAssertEqual(known, 1)
        let (atBob, atAlice) = (try await bob.accept(), try await alice.accept())
        try await atBob.send(line: "test")
        let line = try await atAlice.receiveLine()
        XCTAssertEqual(line, "test")
        await alice.close()
        await bob.close()
    }

    func testMessagesByAMailbox() async throws {
        let at = try server("P2PNET_TEST_MAILBOX")
        if !libraryFeatures.http { throw XCTSkip("this build of the library has no HTTP") }
        let alice = try loopback("127.0.0.12", { $0.servers = [.mailbox(at)] })
        let bob = try loopback("127.0.0.13", { $0.servers = [.mailbox(at)] })
        let to = try bob.dhtID()
        try await alice.put("a letter", to: to)
        for await message in bob.dhtMessages {
            XCTAssertEqual(message.text, "a letter")
            break
        }
        await expect(.invalid) { try await alice.put("x", to: "nobody") }
        await expect(.invalid) { try await alice.put("", to: to) }
        await alice.close()
        await bob.close()
    }

    func testMessagesByADHTOfTheProgram() async throws {
        let alice = try loopback("127.0.0.2", { $0.ownDHT = .init() })
        let bob = try loopback("127.0.0.3", { $0.ownDHT = .init(nodeID: String(repeating: "b", count: 40)) })
        let carrying = Task {
            for await letter in alice.dhtOutbox {
                XCTAssertEqual(letter.to, String(repeating: "b", count: 40))
                XCTAssertTrue(try bob.deliver(letter.text, from: "alice"))
            }
        }
        try await alice.put("carried", to: bob.dhtID())
        for await message in bob.dhtMessages {
            XCTAssertEqual(message, DHTMessage(from: "alice", text: "carried"))
            break
        }
        await alice.close()
        try await carrying.value
        await bob.close()
    }

    /// With P2PNET_TEST_SHORT there are fewer.
    private func rounds(_ count: Int, short: Int) -> Int {
        ProcessInfo.processInfo.environment["P2PNET_TEST_SHORT"] == nil ? count : short
    }
}
