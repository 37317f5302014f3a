//! Tests that need a network of their own: gateways as they may be, and changes while a monitor listens.
//!
//! Each runs on a thread in a new network namespace, which is gone with the thread; the machine's own set-up is not
//! touched. That needs root and iproute2; without, the tests say that they were skipped.

use std::io::Write;
use std::net::IpAddr;
use std::process::Command;
use std::slice::from_ref;
use std::time::Duration;

use super::netlink::Monitor;
use super::route::{Gateway, gateways, situation};

/// Runs `test` in a network namespace with lo up and two cables, `a0` to `a1` and `b0` to `b1`.
fn inside(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // SAFETY: unshare takes no pointers; it changes only the calling thread, which ends with the test.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            let e = std::io::Error::last_os_error();
            return Some(format!("no network namespace can be made here: {e}"));
        }
        if Command::new("ip").arg("-V").output().is_err() {
            return Some("ip (iproute2) is needed".to_owned());
        }
        // Nothing is to happen by itself a second later: no addresses of the kernel's own, no search for duplicates.
        for (setting, value) in [("addr_gen_mode", "1"), ("accept_dad", "0")] {
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/default/{setting}"), value);
        }
        ip("link set lo up");
        for cable in ["a", "b"] {
            ip(&format!("link add {cable}0 type veth peer name {cable}1"));
            ip(&format!("link set {cable}0 up"));
            ip(&format!("link set {cable}1 up"));
        }
        // The kernel notices carriers at its leisure.
        for end in ["a0", "a1", "b0", "b1"] {
            while !ip(&format!("-o link show dev {end}")).contains("state UP") {}
        }
        test();
        None
    });
    if let Some(why) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        // Not println, which the test harness swallows.
        let _ = writeln!(std::io::stderr(), "skipped: {name}: {why}");
    }
}

fn ip(command: &str) -> String {
    let done = Command::new("ip").args(command.split(' ')).output().expect("ip");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {command}: {told}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn gateway(interface: &str, ip: &str, local: &str) -> Gateway {
    Gateway { ip: address(ip), scope: 0, local: address(local), interface: interface.to_owned() }
}

#[test]
fn a_machine_with_only_lo_has_no_gateway() {
    inside(|| {
        ip("link del a0");
        ip("link del b0");
        assert_eq!(gateways(None, &[]), []);
        assert_eq!(gateways(Some("lo"), &[]), []);
    });
}

#[test]
fn two_gateways_in_their_order() {
    inside(|| {
        ip("addr add 10.1.0.5/24 dev a0");
        ip("addr add 10.2.0.5/24 dev b0");
        ip("route add default via 10.1.0.1 dev a0 metric 600");
        ip("route add default via 10.2.0.1 dev b0 metric 100");
        let (a, b) = (gateway("a0", "10.1.0.1", "10.1.0.5"), gateway("b0", "10.2.0.1", "10.2.0.5"));
        assert_eq!(gateways(None, &[]), [b.clone(), a.clone()]);
        assert_eq!(gateways(Some("a0"), &[]), from_ref(&a), "only the chosen interface's");
        assert_eq!(gateways(Some("10.2.0.5"), &[]), [b]);
        ip("addr add 10.1.0.77/24 dev a0 label a0:2");
        let named = Gateway { local: address("10.1.0.77"), ..a.clone() };
        assert_eq!(gateways(Some("a0:2"), &[]), from_ref(&named));
        assert_eq!(gateways(Some("10.1.0.77"), &[]), [named]);
        ip("route add default via 10.1.0.2 dev a0 metric 700");
        let second = Gateway { ip: address("10.1.0.2"), ..a.clone() };
        assert_eq!(gateways(Some("a0"), &[]), [a, second], "two on one interface");
    });
}

#[test]
fn a_vpn_without_a_gateway_hides_no_router() {
    inside(|| {
        ip("addr add 10.1.0.5/24 dev a0");
        ip("route add default via 10.1.0.1 dev a0 metric 600");
        ip("link add wg0 type bridge");
        ip("link set wg0 up");
        ip("addr add 10.9.0.2/32 dev wg0");
        ip("route add default dev wg0 metric 50");
        ip("route add 0.0.0.0/1 dev wg0");
        ip("route add 128.0.0.0/1 dev wg0");
        assert_eq!(gateways(None, &[]), [gateway("a0", "10.1.0.1", "10.1.0.5")]);
        assert_eq!(gateways(Some("wg0"), &[]), []);
    });
}

#[test]
fn a_link_local_gateway_has_a_scope_and_a_global_address_of_ours() {
    inside(|| {
        ip("addr add 2001:db8:1::5/64 dev a0 nodad");
        ip("-6 route add default via fe80::1 dev a0");
        let found = gateways(None, &[]);
        let scope = super::iface::index("a0").expect("a0");
        let there = Gateway { scope, ..gateway("a0", "fe80::1", "2001:db8:1::5") };
        assert_eq!(found, from_ref(&there));
        let other = Gateway { ip: address("fe80::2"), ..there };
        assert_eq!(
            gateways(None, &[address("fe80::2")]),
            from_ref(&other),
            "an override on the router's link"
        );
        assert_eq!(gateways(Some("a0"), &[address("fe80::2")]), [other]);
        assert_eq!(gateways(Some("b0"), &[]), []);
    });
}

#[test]
fn overrides_have_our_address_towards_them() {
    inside(|| {
        ip("addr add 10.1.0.5/24 dev a0");
        ip("addr add 10.2.0.5/24 dev b0");
        ip("route add default via 10.1.0.1 dev a0");
        let (far, near) = (address("10.99.0.1"), address("10.2.0.9"));
        let expected = [gateway("a0", "10.99.0.1", "10.1.0.5"), gateway("b0", "10.2.0.9", "10.2.0.5")];
        assert_eq!(gateways(None, &[far, near]), expected);
        ip("route del default");
        assert_eq!(gateways(None, &[far]), [], "there is no way to it");
    });
}

/// A monitor under test.
struct Watched {
    runtime: tokio::runtime::Runtime,
    monitor: Monitor,
}

impl Watched {
    /// Whether it fires for what has been sent until now: netlink delivers while a change is made.
    fn fired(&mut self) -> bool {
        let now = async { tokio::time::timeout(Duration::ZERO, self.monitor.changed()).await.is_ok() };
        self.runtime.block_on(now)
    }

    fn fires(&mut self, command: &str) -> bool {
        while self.fired() {}
        ip(command);
        self.fired()
    }

    /// For what the kernel reports later.
    fn will_fire(&mut self, command: &str) {
        while self.fired() {}
        ip(command);
        let soon = async { tokio::time::timeout(Duration::from_secs(60), self.monitor.changed()).await };
        self.runtime.block_on(soon).expect("hung: no change was noticed");
    }
}

#[test]
fn changes_are_noticed_and_repetitions_are_not() {
    inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        ip("addr add 10.3.0.5/24 dev b0");
        let (monitor, why) = runtime.block_on(async { Monitor::open() });
        assert_eq!(why, None);
        let mut w = Watched { runtime, monitor };
        assert!(!w.fires("addr change 10.3.0.5/24 dev b0 valid_lft 900 preferred_lft 900"), "known before");
        assert!(w.fires("addr add 10.1.0.5/24 dev a0"), "an address");
        assert!(!w.fires("addr change 10.1.0.5/24 dev a0 valid_lft 900 preferred_lft 600"), "its lifetime");
        assert!(!w.fires("neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev a0"), "a neighbour");
        assert!(w.fires("route add default via 10.1.0.1 dev a0"), "a route");
        assert!(!w.fires("route replace default via 10.1.0.1 dev a0"), "the same route");
        assert!(w.fires("route replace default via 10.1.0.2 dev a0"), "another gateway");
        assert!(w.fires("addr del 10.1.0.5/24 dev a0"), "an address gone");
        assert!(w.fires("addr add 2001:db8::5/64 dev a0 nodad"), "an IPv6 address");
        assert!(w.fires("link add d0 type bridge"), "an interface");
        w.will_fire("link set a1 down");
        w.will_fire("link set a1 up");
        // More than the socket holds, unread.
        let batch = std::env::temp_dir().join(format!("p2pnet-netns-{}", std::process::id()));
        let storm: Vec<_> =
            (0..4000).map(|n| format!("addr add 10.9.{}.{}/32 dev d0", n / 250, n % 250)).collect();
        std::fs::write(&batch, storm.join("\n")).expect("a file");
        assert!(w.fires(&format!("-batch {}", batch.display())), "a storm");
        let _ = std::fs::remove_file(&batch);
        assert!(w.fires("link del d0"), "after the storm");
    });
}

#[test]
fn the_situation_tells_changes_apart() {
    inside(|| {
        ip("addr add 10.1.0.5/24 dev a0");
        ip("route add default via 10.1.0.1 dev a0 metric 100");
        let before = situation();
        ip("addr change 10.1.0.5/24 dev a0 valid_lft 900 preferred_lft 600");
        ip("link add d0 type bridge");
        ip("neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev a0");
        assert_eq!(situation(), before);
        ip("route replace default via 10.1.0.2 dev a0 metric 100");
        assert_ne!(situation(), before);
        ip("route replace default via 10.1.0.1 dev a0 metric 100");
        assert_eq!(situation(), before);
        ip("link set d0 up");
        ip("addr add 10.5.0.1/24 dev d0");
        assert_ne!(situation(), before);
        ip("link del d0");
        ip("addr add 10.9.0.1/32 dev lo");
        assert_ne!(situation(), before);
        ip("addr del 10.9.0.1/32 dev lo");
        ip("link add wg0 type bridge");
        ip("link set wg0 up");
        ip("addr add 10.9.0.2/32 dev wg0");
        let idle = situation();
        ip("route add default dev wg0 metric 50");
        assert_ne!(situation(), idle, "a way without a gateway");
    });
}
