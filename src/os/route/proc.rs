//! Default routes from /proc/net/route and /proc/net/ipv6_route.
//!
//! One line per route, columns parted by white space, numbers in hexadecimal. Of an IPv4 multipath route the first hop
//! is shown.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Route;

/// Flags of a route (linux/route.h).
const UP: u32 = 1;
const GATEWAY: u32 = 2;
const REJECT: u32 = 0x200;

/// As much of a table as is read. A router with a full table of the internet has its default route at the beginning.
const MOST_BYTES: u64 = 1 << 20;

/// What the kernel says now; a table that cannot be read (Android from version 10 on) is taken for empty.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = parse_v4(&read("route"));
    routes.extend(parse_v6(&read("ipv6_route")));
    routes
}

fn read(table: &str) -> String {
    let mut text = Vec::new();
    // The calling thread's network namespace is the one that its sockets are in; /proc/net is the first thread's.
    let mine = std::fs::File::open(format!("/proc/thread-self/net/{table}"));
    if let Ok(file) = mine.or_else(|_| std::fs::File::open(format!("/proc/net/{table}"))) {
        // What was read before an error is worth having.
        let _ = file.take(MOST_BYTES).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

fn leads_on(flags: &str) -> bool {
    hex(flags).is_some_and(|f| f & (UP | GATEWAY | REJECT) == UP | GATEWAY)
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, after one line of headings. The addresses are the
/// numbers as they lie in memory; the metric is decimal.
fn parse_v4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (name, to, gateway, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let (metric, mask) = (fields.nth(2)?, fields.next()?);
        let ip = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
        let is_default = hex(to)? == 0 && hex(mask)? == 0;
        let metric = metric.parse().ok()?;
        let route = Route { metric, interface: name.to_owned(), ip: IpAddr::V4(ip) };
        (is_default && leads_on(flags) && !ip.is_unspecified()).then_some(route)
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// `destination length source length gateway metric refcnt use flags name`, without headings.
fn parse_v6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (to, length) = (fields.next()?, fields.next()?);
        let (gateway, metric) = (fields.nth(2)?, fields.next()?);
        let (flags, name) = (fields.nth(2)?, fields.next()?);
        let address = |text: &str| u128::from_str_radix(text, 16).ok();
        let ip = Ipv6Addr::from(address(gateway)?);
        let is_default = address(to)? == 0 && hex(length)? == 0;
        let metric = hex(metric)?;
        let route = Route { metric, interface: name.to_owned(), ip: IpAddr::V6(ip) };
        (is_default && leads_on(flags) && !ip.is_unspecified()).then_some(route)
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    /// An address as the kernel prints it on this machine.
    fn printed(ip: &str) -> String {
        format!("{:08X}", u32::from_ne_bytes(ip.parse::<Ipv4Addr>().unwrap().octets()))
    }

    fn route(metric: u32, interface: &str, ip: &str) -> Route {
        Route { metric, interface: interface.to_owned(), ip: ip.parse().unwrap() }
    }

    #[test]
    fn ipv4() {
        let (home, vpn, net) = (printed("192.168.1.1"), printed("10.8.0.1"), printed("10.8.0.0"));
        let text = format!(
            "{HEAD}tun0\t00000000\t{vpn}\t0003\t0\t0\t50\t00000000\t0\t0\t0   \n\
             wlan0\t00000000\t{home}\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             tun0\t{net}\t00000000\t0001\t0\t0\t50\t00FFFFFF\t0\t0\t0\n\
             wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n\
             half\t00000000\t{vpn}\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
             down\t00000000\t{home}\t0002\t0\t0\t0\t00000000\t0\t0\t0\n\
             rej\t00000000\t{home}\t0203\t0\t0\t0\t00000000\t0\t0\t0\n\
             short\t00000000\t{home}\t0003\n"
        );
        assert_eq!(parse_v4(&text), [route(50, "tun0", "10.8.0.1"), route(600, "wlan0", "192.168.1.1")]);
    }

    #[test]
    fn ipv6() {
        let (zero, router) = ("0".repeat(32), "fe800000000000000000000000000001");
        let text = format!(
            "{zero} 00 {zero} 00 {router} 00000400 00000001 00000000 00450003     eth0\n\
             fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             {zero} 01 {zero} 00 {router} 00000400 00000001 00000000 00000003     tun0\n\
             {zero} 00 {zero} 00 {router} 00000400\n"
        );
        assert_eq!(parse_v6(&text), [route(1024, "eth0", "fe80::1")]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([0-9a-fA-Fx. \t\n-]|eth0|\\PC){0,200}") {
            parse_v4(&text);
            parse_v6(&text);
        }

        #[test]
        fn any_gateway_is_found(ip in 1u32.., metric: u32, v6 in 1u128..) {
            let text = format!("{HEAD}e\t00000000\t{:08X}\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0\n", ip);
            let ip = Ipv4Addr::from(ip.to_ne_bytes());
            prop_assert_eq!(parse_v4(&text), [Route { metric, interface: "e".into(), ip: ip.into() }]);
            let zero = "0".repeat(32);
            let text = format!("{zero} 00 {zero} 00 {v6:032x} {metric:08x} 0 0 00000003 e\n");
            let ip = Ipv6Addr::from(v6).into();
            prop_assert_eq!(parse_v6(&text), [Route { metric, interface: "e".into(), ip }]);
        }
    }
}
