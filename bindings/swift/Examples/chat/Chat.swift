// A chat that floods: what one says reaches everybody, also over others.
//
// Nodes that know each other form a mesh, found through a rendezvous server or named with --connect. Each passes on what it hears;
// the option `dedup` drops what comes back, so nothing goes round in circles. Three in a row; what cem says reaches ann, too, over
// ben:
//
//     swift run chat --name ann --port 5000
//     swift run chat --name ben --bind 127.0.0.2 --port 5000 --connect 127.0.0.1:5000
//     swift run chat --name cem --bind 127.0.0.3 --connect 127.0.0.2:5000 --say hello --exit-after 1

import ExampleSupport
import P2PNet

@main
struct Chat {
    let net: Net
    let flags: Flags
    let said = Counter()
    let heard = Counter()

    static func main() async {
        let flags = Flags([
            "name": "me", "bind": "127.0.0.1", "port": "0", "server": "", "connect": "", "say": "", "exit-after": "0",
        ])
        do {
            let net = try Net {
                $0.dialect = .classic
                $0.nodeType = .passive
                $0.passiveBind = flags["bind"]
                $0.passivePort = flags.number("port")
                $0.dedup = true
                if !flags["server"].isEmpty { $0.servers = [.rendezvous(flags["server"])] }
            }
            say("listening on \(flags["bind"]):\(try net.info().passivePort)")
            try await Chat(net: net, flags: flags).run()
        } catch {
            stop("chat: \(error)")
        }
    }

    func run() async throws {
        atInterrupt { [net] in await net.close() }
        if !flags["server"].isEmpty {
            try await net.bootstrap()
            try await net.advertise()
        }
        let named = flags["connect"].isEmpty ? nil : try await net.connect(to: flags["connect"])
        Task {
            for await line in typedLines() where !line.isEmpty { await tell(line) }
        }
        await withTaskGroup(of: Void.self) { tasks in
            if let named { tasks.addTask { await hear(named) } }
            for await connection in net.incoming { // until enough was heard, or Ctrl-C
                tasks.addTask { await hear(connection) }
            }
        }
    }

    /// Prints what comes on a connection, and passes it on to all others.
    func hear(_ connection: Connection) async {
        say("* \(connection.peer) is connected")
        if !flags["say"].isEmpty { await tell(flags["say"]) }
        do {
            for try await line in connection.lines {
                say(line.debugDescription) // it may hold anything: control characters would reach the terminal
                try net.broadcast(line: line, except: connection)
                if await heard.add() == flags.number("exit-after") { await net.close() }
            }
            say("* \(connection.peer) is gone")
        } catch {
            say("* \(connection.peer) is gone: \(error)")
        }
    }

    /// Tells everybody. The number makes the line one of its kind: without it, a second "hello" would count as seen.
    func tell(_ text: String) async {
        let number = await said.add()
        do {
            let all = try net.broadcast(line: "\(flags["name"]) \(number): \(text)").complete
            if !all { complain("chat: somebody's buffer is full, and misses this") } // an everyday thing
        } catch {
            complain("chat: not sent: \(error)")
        }
    }
}
