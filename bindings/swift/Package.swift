// swift-tools-version:5.9
import PackageDescription

let strict: [SwiftSetting] = [.enableExperimentalFeature("StrictConcurrency")]

func example(_ name: String) -> Target {
    .executableTarget(name: name, dependencies: ["P2PNet", "ExampleSupport"], path: "Examples/\(name)", swiftSettings: strict)
}

let package = Package(
    name: "P2PNet",
    platforms: [.macOS(.v13), .iOS(.v16), .tvOS(.v16), .watchOS(.v9)],
    products: [.library(name: "P2PNet", targets: ["P2PNet"])],
    targets: [
        // libp2pnet and its header, where `make install` put them: p2pnet.pc says where that is.
        .systemLibrary(name: "CP2PNet", pkgConfig: "p2pnet"),
        .target(name: "P2PNet", dependencies: ["CP2PNet"], swiftSettings: strict),
        .target(name: "ExampleSupport", path: "Examples/Support", swiftSettings: strict),
        example("alice"),
        example("bob"),
        example("direct"),
        example("chat"),
        // A peer for tests that kill it.
        .executableTarget(
            name: "lonely-peer", dependencies: ["P2PNet", "ExampleSupport"], path: "Tests/Peer", swiftSettings: strict),
        .testTarget(name: "P2PNetTests", dependencies: ["P2PNet", "lonely-peer"], swiftSettings: strict),
    ]
)
