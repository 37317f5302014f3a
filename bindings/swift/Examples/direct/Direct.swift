// Alice connects to Bob by his locator and says "Sup Bob.": the direct connect of PyP2P's guide.
//
// A locator (UNL, "universal node locator") is one line of text that says who a node is and how it can be reached.
// connect(unl:) takes it and does whatever it takes to get there. Here both nets are in one program on one machine; in life Bob's
// locator travels by chat, e-mail or a lobby server.
//
//     swift run direct [--classic] [--explain]

import ExampleSupport
import P2PNet

@main
struct Direct {
    static func main() async {
        let flags = Flags(["classic": "false", "explain": "false"])
        do {
            try await run(dialect: flags.isOn("classic") ? .classic : .secure, explain: flags.isOn("explain"))
        } catch {
            stop("direct: \(error)") // which ways were tried, and why they failed
        }
        say("done")
    }

    static func run(dialect: Dialect, explain: Bool) async throws {
        let alice = try start("127.0.0.4", dialect)
        let bob = try start("127.0.0.5", dialect)
        let locator = try bob.unl()
        say("Bob's locator: \(locator)")
        async let answered: Void = answer(bob)

        let connection = try await alice.connect(unl: locator)
        say("Alice has connected to Bob at \(connection.peer).")
        try await connection.send(line: "Sup Bob.")
        say("Alice hears: \(try await connection.receiveLine() ?? "nothing")")
        if explain, let request = connection.request { say(try alice.explain(request)) }
        try await answered
        await alice.close()
        await bob.close()
    }

    static func answer(_ bob: Net) async throws {
        let connection = try await bob.accept()
        say("Bob hears: \(try await connection.receiveLine() ?? "nothing")")
        try await connection.send(line: "Not much, Alice.")
    }

    /// A net for chosen peers, at an address of its own on this machine.
    static func start(_ bind: String, _ dialect: Dialect) throws -> Net {
        try Net {
            $0.dialect = dialect
            $0.netType = .direct
            $0.nodeType = .passive
            $0.passiveBind = bind
        }
    }
}
