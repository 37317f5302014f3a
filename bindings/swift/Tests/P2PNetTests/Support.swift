import Foundation
import XCTest

@testable import P2PNet

/// How long a test may wait for something; nothing is decided by it but that something hangs.
let hung: Duration = .seconds(120)

struct Hung: Error, CustomStringConvertible {
    let description: String
}

/// Waits for a condition that nothing tells of.
func until(_ what: String, _ condition: () throws -> Bool) async throws {
    let begun = ContinuousClock.now
    while try !condition() {
        if ContinuousClock.now - begun > hung { throw Hung(description: "hung: \(what)") }
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// Cancels what takes a moment: whatever waits for a peer that does nothing.
func cancelledSoon<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = Task(operation: body)
    Task {
        try await Task.sleep(for: .milliseconds(200))
        task.cancel()
    }
    return try await task.value
}

@discardableResult
func expect<Value>(
    _ code: P2PError.Code, file: StaticString = #filePath, line: UInt = #line, _ body: () async throws -> Value
) async -> P2PError {
    do {
        let value = try await body()
        XCTFail("expected \(code), got \(value)", file: file, line: line)
    } catch let error as P2PError {
        XCTAssertEqual(error.code, code, "\(error)", file: file, line: line)
        XCTAssertFalse(error.message.isEmpty, file: file, line: line)
        return error
    } catch {
        XCTFail("expected \(code), got \(error)", file: file, line: line)
    }
    return P2PError(.ok, "no error")
}

func expectCancellation<Value>(
    file: StaticString = #filePath, line: UInt = #line, _ body: () async throws -> Value
) async {
    do {
        let value = try await body()
        XCTFail("expected CancellationError, got \(value)", file: file, line: line)
    } catch is CancellationError {
    } catch {
        XCTFail("expected CancellationError, got \(error)", file: file, line: line)
    }
}

typealias Configure = (inout NetOptions) -> Void

func classic(_ options: inout NetOptions) { options.dialect = .classic }

/// A net at an address of this machine. A server or a peer that does not get the CPU for a while is waited for.
func loopback(_ bind: String, _ configure: Configure...) throws -> Net {
    try Net {
        $0.netType = .direct
        $0.nodeType = .passive
        $0.passiveBind = bind
        $0.networkMonitor = false
        $0.serverTimeout = hung
        $0.closeTimeout = hung
        for each in configure { each(&$0) }
    }
}

/// Two nets and a connection between them.
struct Pair {
    let a, b: Net
    let atA, atB: Connection

    init(_ configure: @escaping Configure = { _ in }) async throws {
        a = try loopback("127.0.0.2", configure)
        b = try loopback("127.0.0.3", configure)
        (atA, atB) = try await join(a, b)
    }

    func close() async {
        await a.close()
        await b.close()
    }
}

func join(_ a: Net, _ b: Net) async throws -> (atA: Connection, atB: Connection) {
    let at = try b.info()
    let atA = try await a.connect(to: "\(at.lanIP):\(at.passivePort)")
    return (atA, try await b.accept())
}

func entries(_ folder: String) throws -> Int {
    #if os(Linux)
    return try FileManager.default.contentsOfDirectory(atPath: folder).count
    #else
    throw XCTSkip("there is no \(folder) here")
    #endif
}

/// Bytes of memory in use.
func resident() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(text.split(separator: " ")[1]) ?? 0) * 4096
}

/// A socket that accepts connections, and on which nobody ever says anything.
final class Silent {
    let descriptor: Int32
    let address: String

    init() throws {
        #if canImport(Darwin)
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #else
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        var at = sockaddr_in()
        at.sin_family = sa_family_t(AF_INET)
        at.sin_addr.s_addr = inet_addr("127.0.0.7")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (own, length) = (descriptor, size)
        let ok = withUnsafeMutablePointer(to: &at) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(own, $0, length) == 0 && listen(own, 64) == 0 && getsockname(own, $0, &size) == 0
            }
        }
        XCTAssertTrue(ok)
        address = "127.0.0.7:\(UInt16(bigEndian: at.sin_port))"
    }

    deinit { close(descriptor) }
}

/// The folder with the programs that were built.
func builtPrograms() -> URL {
    #if canImport(Darwin)
    for bundle in Bundle.allBundles where bundle.bundlePath.hasSuffix(".xctest") {
        return bundle.bundleURL.deletingLastPathComponent()
    }
    #endif
    return URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
}

/// A server that tests/bindings/swift.py has started.
func server(_ name: String) throws -> String {
    guard let at = ProcessInfo.processInfo.environment[name] else {
        throw XCTSkip("\(name) is not set: no rendezvous server (tests/bindings/swift.py starts one)")
    }
    return at
}
