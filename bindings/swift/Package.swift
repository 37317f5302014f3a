// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "P2PNet",
    platforms: [.macOS(.v12), .iOS(.v15)],
    products: [.library(name: "P2PNet", targets: ["P2PNet"])],
    targets: [
        // libp2pnet as `make install` puts it; p2pnet.pc says where.
        .systemLibrary(name: "CP2PNet", pkgConfig: "p2pnet"),
        .target(name: "P2PNet", dependencies: ["CP2PNet"]),
        .executableTarget(name: "alice", dependencies: ["P2PNet"], path: "Examples/alice"),
        .executableTarget(name: "bob", dependencies: ["P2PNet"], path: "Examples/bob"),
        .executableTarget(name: "direct", dependencies: ["P2PNet"], path: "Examples/direct"),
        .executableTarget(name: "chat", dependencies: ["P2PNet"], path: "Examples/chat"),
        .testTarget(name: "P2PNetTests", dependencies: ["P2PNet"]),
    ]
)
