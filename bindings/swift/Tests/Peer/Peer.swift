// A peer for tests that kill it: listens, says where, and answers lines until then.

import ExampleSupport
import P2PNet

@main
struct Peer {
    static func main() async throws {
        let net = try Net {
            $0.netType = .direct
            $0.nodeType = .passive
            $0.passiveBind = "127.0.0.9"
            $0.networkMonitor = false
        }
        say("127.0.0.9:\(try net.info().passivePort)")
        for await connection in net.incoming {
            Task {
                for try await line in connection.lines { try await connection.send(line: "heard \(line)") }
            }
        }
    }
}
