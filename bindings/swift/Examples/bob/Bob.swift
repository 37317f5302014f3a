// Bob is the other of two programs that find each other: he finds Alice and says "test" to her. Read Alice first.
//
//     swift run bob [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]
//
// He ends when N answers have come, or at Ctrl-C.

import ExampleSupport
import P2PNet

@main
struct Bob {
    let net: Net
    let answers = Counter()
    let enough: Int

    static func main() async {
        let flags = Flags(["bind": "127.0.0.3", "port": "44445", "server": "127.0.0.1:8000", "lines": "0"])
        do {
            let net = try Net {
                $0.dialect = .classic
                $0.nodeType = .passive
                $0.passiveBind = flags["bind"]
                $0.passivePort = flags.number("port")
                $0.servers = [.rendezvous(flags["server"])]
            }
            say("listening on \(flags["bind"]):\(try net.info().passivePort)")
            try await Bob(net: net, enough: flags.number("lines")).run(flags["server"])
        } catch {
            stop("bob: \(error)")
        }
    }

    func run(_ server: String) async throws {
        atInterrupt { [net] in await net.close() }
        let known = try await net.bootstrap()
        if known == 0 { // while it has too few connections the net asks again by itself, first after 5 s
            say("nobody is listed at \(server) yet; asking again soon")
        } else {
            say("\(known) other nodes known at \(server)")
        }
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try? await talk() }
            // Whom the server named comes from `incoming`, as those that connect to us do.
            for await connection in net.incoming {
                tasks.addTask { await listen(to: connection) }
            }
        }
        let count = await answers.count
        if count < enough { stop("bob: only \(count) answers have come") }
        say("done: \(count) answers received")
    }

    /// Says "test" to all connections, until the net is closed. The guide does so every second; we are in more of a hurry.
    func talk() async throws {
        while true {
            try await Task.sleep(for: .milliseconds(500))
            if try net.broadcast(line: "test").sent > 0 { say("> test") }
        }
    }

    func listen(to connection: Connection) async {
        say("connected: \(connection.peer)")
        do {
            for try await line in connection.lines {
                say("< \(line.debugDescription)")
                if await answers.add() == enough { await net.close() }
            }
            say("gone: \(connection.peer)")
        } catch {
            say("gone: \(connection.peer): \(error)")
        }
    }
}
