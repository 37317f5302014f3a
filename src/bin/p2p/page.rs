//! What a person sees: a line for each answer, and the page at the end.

use std::fmt::Write;

use p2pnet::event::{Forwarding, NatType, NetInfo, Unsolicited};
use p2pnet::report::{Report, Step, node_type_name};

use crate::advice::advice;
use crate::node::plain;

/// Colours, if it is a terminal that shows them.
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn new(terminal: bool) -> Paint {
        Paint(terminal && std::env::var_os("NO_COLOR").is_none())
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn good(&self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn bad(&self, text: &str) -> String {
        self.with("33", text)
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Who is asked.
pub(crate) fn whom(servers: usize, reach: usize, ntp: usize) -> String {
    let count =
        |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
    let parts = [
        Some("the router".to_owned()),
        count(servers, "rendezvous server"),
        count(reach, "reachability server"),
        count(ntp, "NTP server"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// One answer.
pub(crate) fn step(s: &Step, paint: &Paint) -> String {
    let mark = if s.good { paint.good("+") } else { paint.bad("-") };
    format!("{mark} {:>6} ms  {:<12} {}", s.at_ms, s.topic, plain(&s.text))
}

/// Whether every question has been answered that comes after READY.
pub(crate) fn is_complete(report: &Report, asked_the_time: bool) -> bool {
    let has = |topic: &str| report.steps.iter().any(|s| s.topic == topic);
    let hairpin = has("hairpin")
        || !matches!(report.info.nat, n if n != NatType::None && has("nat") && n != NatType::Unknown);
    hairpin && (has("clock") || !asked_the_time)
}

/// The page.
pub(crate) fn page(report: &Report, paint: &Paint) -> String {
    let i = &report.info;
    let mut out = String::from("\n");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<18} {value}");
    };
    row("this machine", addresses(i));
    row("NAT", nat(i));
    if i.nat != NatType::None && i.nat != NatType::Unknown {
        row("  mapping", i.mapping.name().into());
        row("  ports", ports(i));
    }
    row("  strangers", strangers(i).into());
    if i.nat != NatType::None {
        row("  hairpin", yes_no(i.hairpin).into());
        row("  second NAT", yes_no(i.double_nat).into());
    }
    row("port mapping", mapping(i));
    row("reachable (IPv4)", reach(i.reachable, paint, i.external_port));
    row("reachable (IPv6)", reach(i.reachable_v6, paint, i.passive_port));
    row("clock", clock(i));
    row("node type", paint.bold(node_type_name(i.node_type)));
    out.push('\n');
    for line in advice(report) {
        let _ = writeln!(out, "  {line}");
    }
    out
}

fn addresses(i: &NetInfo) -> String {
    let of = |ip: Option<std::net::IpAddr>| ip.map_or_else(|| "?".into(), |ip| ip.to_string());
    let mut text = format!("{}, seen from outside as {}", of(i.lan_ip), of(i.wan_ip));
    if let Some(ip) = i.wan_ip6 {
        text += &format!(" and {ip}");
    }
    text
}

fn nat(i: &NetInfo) -> String {
    match i.nat {
        NatType::Unknown => "not known".into(),
        NatType::None => "none: the address is this machine's own".into(),
        nat => nat.name().into(),
    }
}

fn ports(i: &NetInfo) -> String {
    match i.nat_delta {
        0 => i.allocation.name().into(),
        delta => format!("{} ({delta:+})", i.allocation.name()),
    }
}

fn strangers(i: &NetInfo) -> &'static str {
    match i.unsolicited {
        Unsolicited::Unknown => "not known",
        Unsolicited::Dropped => "dropped without an answer",
        Unsolicited::Reset => "refused (RST)",
        Unsolicited::Unreachable => "refused (ICMP)",
    }
}

fn yes_no(known: Option<bool>) -> &'static str {
    match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    }
}

fn mapping(i: &NetInfo) -> String {
    match i.forwarding {
        Forwarding::None => "none".into(),
        Forwarding::Manual => "set up by hand".into(),
        by => {
            format!("{}: outside port {} leads to port {} here", by.name(), i.external_port, i.passive_port)
        }
    }
}

fn reach(known: Option<bool>, paint: &Paint, port: u16) -> String {
    match known {
        Some(true) => paint.good(&format!("yes, by port {port}")),
        Some(false) => paint.bad("no"),
        None => "not known".into(),
    }
}

fn clock(i: &NetInfo) -> String {
    i.clock_offset_us.map_or_else(|| "not asked".into(), |us| format!("{:+} ms off", us / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use p2pnet::{Config, Net};

    fn report() -> Report {
        Net::new(Config::default()).expect("a net").report()
    }

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        let page = page(&report(), &Paint::new(false));
        assert!(
            page.contains("NAT                not known") && page.contains("reachable (IPv4)   not known"),
            "{page}"
        );
        assert!(!page.contains('\x1b'));
    }

    #[test]
    fn a_servers_text_cannot_steer_the_terminal() {
        let s = Step { topic: "nat", at_ms: 1, took_ms: 1, good: false, text: "a\x1b[2Jb\r\nc".into() };
        assert!(step(&s, &Paint::new(false)).ends_with("a?[2Jb??c"));
    }

    #[test]
    fn an_open_port_is_told_with_its_number() {
        let mut r = report();
        r.info.reachable = Some(true);
        r.info.external_port = 4321;
        r.info.passive_port = 50_500;
        r.info.forwarding = Forwarding::Pcp;
        let page = page(&r, &Paint::new(false));
        assert!(
            page.contains("yes, by port 4321") && page.contains("PCP: outside port 4321 leads to port 50500"),
            "{page}"
        );
    }
}
