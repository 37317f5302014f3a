// Alice is one of two programs that find each other: she waits to be found, and answers. Bob finds her.
//
// This is the first example of PyP2P's guide. A net does not connect to its own address, so two nodes on one machine need an
// address each; on Linux all of 127.x.x.x is this machine.
//
//     p2p-rendezvous &
//     swift run alice [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]
//
// She ends when N lines have come, or at Ctrl-C.

import ExampleSupport
import P2PNet

@main
struct Alice {
    let net: Net
    let received = Counter()
    let enough: Int

    static func main() async {
        let flags = Flags(["bind": "127.0.0.2", "port": "44444", "server": "127.0.0.1:8000", "lines": "0"])
        do {
            let net = try Net {
                $0.dialect = .classic
                $0.nodeType = .passive
                $0.passiveBind = flags["bind"]
                $0.passivePort = flags.number("port")
                $0.servers = [.rendezvous(flags["server"])]
            }
            say("listening on \(flags["bind"]):\(try net.info().passivePort)")
            try await Alice(net: net, enough: flags.number("lines")).run(flags["server"])
        } catch {
            stop("alice: \(error)") // what failed, on what, why, what to do
        }
    }

    func run(_ server: String) async throws {
        atInterrupt { [net] in await net.close() }
        say("\(try await net.bootstrap()) other nodes known at \(server)")
        try await net.advertise()
        say("listed at \(server)")
        await withTaskGroup(of: Void.self) { tasks in
            for await connection in net.incoming { // until the net is closed
                tasks.addTask { await listen(to: connection) }
            }
        }
        let count = await received.count
        if count < enough { stop("alice: only \(count) lines have come") }
        say("done: \(count) lines received")
    }

    /// Takes what a connection brings, and answers.
    func listen(to connection: Connection) async {
        say("connected: \(connection.peer)")
        do {
            for try await line in connection.lines {
                say("< \(line.debugDescription)") // it may hold anything, and control characters would reach the terminal
                // An answer less, to a peer that does not read, does no harm.
                if try connection.trySend(line: "got it") { say("> got it") }
                if await received.add() == enough { await net.close() } // which sends what is queued
            }
            say("gone: \(connection.peer)")
        } catch {
            say("gone: \(connection.peer): \(error)")
        }
    }
}
