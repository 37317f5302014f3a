import CP2PNet

#if canImport(Darwin)
import Foundation
#endif

/// What the library said about a failure.
///
///     do {
///         let connection = try await net.connect(unl: locator)
///     } catch let error as P2PError where error.code == .noPath {
///         print(error)    // which ways were tried, and why they failed
///     }
public struct P2PError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public let code: Code
    /// The operating system's error number, 0 if none was involved.
    public let errno: Int32
    /// What failed, on what, why, and often what to do: one English sentence.
    public let message: String
    /// The request that failed, for ``Net/explain(_:)``; nil if it was none.
    public internal(set) var request: UInt64?
    /// Of `send(lines:)`: how many of the lines were sent, which is the place of the one that was not, counted from 0; else nil.
    public internal(set) var line: Int?

    init(_ code: Code, _ message: String, errno: Int32 = 0, request: UInt64? = nil) {
        self.code = code
        self.errno = errno
        self.message = message.isEmpty ? code.meaning : message
        self.request = request
    }

    public var description: String { "p2pnet: \(message)" }

    /// The same, about one of many lines.
    func about(line: Int) -> P2PError {
        var error = P2PError(code, code == .closed ? message : "lines[\(line)]: \(message)", errno: errno, request: request)
        error.line = line
        return error
    }
}

extension P2PError.Code {
    /// The code in a few words.
    public var meaning: String { String(cString: p2ps_strerror(rawValue)) }
}

#if canImport(Darwin)
extension P2PError: LocalizedError {
    public var errorDescription: String? { message }
}
#endif

/// Calls the library, and makes its failure an error with its story.
func told(_ call: (UnsafeMutablePointer<p2p_error>) throws -> Int32) throws {
    var story = p2ps_error()
    let result = P2PError.Code(rawValue: try call(&story))
    guard result != .ok else { return }
    guard p2ps_error_code(&story) == result.rawValue else { throw P2PError(result, "") }
    throw P2PError(result, String(cString: p2ps_error_message(&story)), errno: story.os_error)
}

/// The same for calls that tell no story.
func checked(_ result: Int32) throws {
    let code = P2PError.Code(rawValue: result)
    guard code == .ok else { throw P2PError(code, "") }
}

/// A text for C, which would lose what follows a NUL.
func withoutNUL(_ what: String, _ text: String) throws -> String {
    if text.utf8.contains(0) { throw P2PError(.invalid, "\(what) has a NUL inside") }
    return text
}

/// What a function writes into a buffer, having said how large that has to be.
func written(_ call: (UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>) throws -> Int32) throws -> String {
    var room = 1024
    while true {
        var need = 0
        var result: Int32 = 0
        let text = try String(unsafeUninitializedCapacity: room) { buffer in
            result = try buffer.withMemoryRebound(to: CChar.self) { try call($0.baseAddress, $0.count, &need) }
            return result == P2PError.Code.ok.rawValue ? max(need - 1, 0) : 0
        }
        if result != P2PError.Code.tooSmall.rawValue {
            try checked(result)
            return text
        }
        room = need + need / 8 // it may have grown when we ask again
    }
}

extension String {
    /// The text in an array of C.
    init<Array>(array: Array) {
        self = withUnsafeBytes(of: array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
