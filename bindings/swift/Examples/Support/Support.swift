// What the examples have in common and what is not about p2pnet: their command lines, Ctrl-C, and printing.

import Dispatch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What stands on the command line: "--name value", or "--name" for switches.
public struct Flags: Sendable {
    private var values: [String: String]

    /// The flags that there are, with their defaults; a switch is "false".
    public init(_ known: KeyValuePairs<String, String>) {
        values = Dictionary(uniqueKeysWithValues: known.map { ($0.key, $0.value) })
        var rest = CommandLine.arguments.dropFirst()
        while let word = rest.popFirst() {
            let name = String(word.drop { $0 == "-" })
            guard word.hasPrefix("-"), let value = values[name] else {
                stop("not understood: \(word); there are \(known.map { "--\($0.key)" }.joined(separator: " "))", status: 2)
            }
            if value == "false" {
                values[name] = "true"
            } else if let next = rest.popFirst() {
                values[name] = next
            } else {
                stop("\(word) needs a value", status: 2)
            }
        }
    }

    public subscript(name: String) -> String { values[name] ?? "" }

    public func isOn(_ name: String) -> Bool { self[name] == "true" }

    public func number(_ name: String) -> Int {
        guard let number = Int(self[name]) else { stop("--\(name) needs a number", status: 2) }
        return number
    }
}

/// Prints a line at once, also into a pipe.
public func say(_ line: String) { put(line, into: 1) }

/// Says what went wrong and ends the program.
public func stop(_ why: String, status: Int32 = 1) -> Never {
    complain(why)
    exit(status)
}

public func complain(_ why: String) { put(why, into: 2) }

private func put(_ line: String, into descriptor: Int32) {
    var text = line + "\n"
    text.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
}

/// Calls a function at Ctrl-C, once; the second one ends the program.
public func atInterrupt(_ body: @escaping @Sendable () async -> Void) {
    signal(SIGINT, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGINT)
    source.setEventHandler {
        signal(SIGINT, SIG_DFL)
        source.cancel()
        Task { await body() }
    }
    source.resume()
}

/// The lines that are typed. Not by readLine(): while that waits it keeps a lock that the program's exit waits for.
public func typedLines() -> AsyncStream<String> {
    AsyncStream { lines in
        DispatchQueue(label: "terminal").async { // a thread of its own: reading waits
            var line: [UInt8] = []
            var byte: UInt8 = 0
            while read(0, &byte, 1) == 1 {
                if byte == UInt8(ascii: "\n") {
                    lines.yield(String(decoding: line, as: UTF8.self))
                    line = []
                } else {
                    line.append(byte)
                }
            }
            lines.finish()
        }
    }
}

/// Counts, from any task.
public actor Counter {
    public private(set) var count = 0

    public init() {}

    @discardableResult
    public func add() -> Int {
        count += 1
        return count
    }
}
