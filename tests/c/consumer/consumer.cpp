// The smallest program in C++: a net says READY and STOPPED to a lambda. Compiled and run by tests/install/run.py.
#include <p2pnet.hpp>

#include <cstdio>

int main()
{
    try {
        bool ready = false, stopped = false;
        p2p::Config options;
        options.set(P2P_OPT_DIALECT, P2P_DIALECT_SECURE).set(P2P_OPT_PASSIVE_BIND, "127.0.0.1");
        p2p::Net net(options);
        net.on_event([&](const p2p::Event &ev) {
            ready |= ev.kind() == P2P_EVENT_READY;
            stopped |= ev.kind() == P2P_EVENT_STOPPED;
            if (ready && !stopped)
                net.stop();
        });
        net.start();
        while (net.wait())
            net.poll();
        return p2p::version() == P2P_VERSION_NUMBER && ready && stopped ? 0 : 4;
    } catch (const p2p::Error &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 3;
    }
}
