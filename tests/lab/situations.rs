//! `table`: what the library finds out and opens behind every kind of NAT, and how long its start takes, as Markdown.
//!
//! ```text
//!   make situations
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use p2pnet::config::NodeType;
use p2pnet::report::{Report, node_type_name};

use crate::Result;
use crate::cases::catalogue;
use crate::network::Network;
use crate::node::{Node, serve, silence};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

/// How often each kind of NAT is looked at.
const RUNS: usize = 20;
/// One way, for each home's line: 50 ms there and back to the server.
const DELAY_MS: u64 = 25;

type Daemon = (&'static str, fn() -> Upnpd);
const DAEMONS: [Daemon; 4] =
    [("PCP", Upnpd::pcp), ("NAT-PMP", Upnpd::natpmp), ("UPnP", Upnpd::upnp), ("all three", Upnpd::all)];

/// Prints both tables.
pub(crate) fn print() -> Result {
    println!("# What a node finds out and opens behind each kind of NAT\n");
    println!(
        "Made by `make situations` in the [NAT lab](lab.md): the library itself, {RUNS} starts for each verdict; lines of\n\
         {DELAY_MS} ms one way (round trip to the server {} ms). The names of the kinds are explained in [lab.md](lab.md);\n\
         boxes are named mapping-filtering-ports, and have no router daemon. A port counts as reachable only when a\n\
         connection from outside has arrived.\n",
        2 * DELAY_MS
    );
    println!(
        "| NAT | classified as | of {RUNS} | without a mapping | {} |",
        DAEMONS.map(|d| d.0).join(" | ")
    );
    println!("|---|---|---|---|{}", "---|".repeat(DAEMONS.len()));
    for nat in catalogue::nats() {
        println!("{}", row(&nat)?);
    }
    println!("\n## From the start to READY\n");
    println!("Both ways on the host's interface, until READY.\n");
    println!("| situation | node type | READY after | packets | bytes |");
    println!("|---|---|---|---|---|");
    for (what, setting) in [
        ("the router speaks all protocols, servers answer", Setting { daemon: true, ..Setting::default() }),
        ("the router speaks nothing, servers answer", Setting::default()),
        ("the router is silent, servers answer", Setting { router_drops: true, ..Setting::default() }),
        (
            "the router speaks all protocols, servers are silent",
            Setting { daemon: true, server_drops: true, ..Setting::default() },
        ),
        ("everything is silent", Setting { router_drops: true, server_drops: true, ..Setting::default() }),
    ] {
        println!("{}", start(what, &setting)?);
    }
    Ok(())
}

fn row(nat: &Nat) -> Result<String> {
    let network = Lab::new().with(Home::new("a", nat.clone())).delay_ms(DELAY_MS).build()?;
    let _server = serve(&network)?;
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..RUNS {
        let mut node = Node::start(&network, "a", |c| (c.forwarding, c.node_type) = (0, NodeType::Active))?;
        *verdicts.entry(verdict(&node.ready()?)).or_default() += 1;
        node.stop()?;
    }
    let (best, times) = verdicts.iter().max_by_key(|(_, times)| **times).ok_or("no verdict")?;
    let mut cells = vec![nat.to_string(), best.clone(), times.to_string()];
    let mut node = Node::start(&network, "a", |c| c.forwarding = 0)?;
    cells.push(standing(&node.ready()?, &node));
    node.stop()?;
    for (_, daemon) in DAEMONS {
        cells.push(match nat {
            Nat::Kernel(_) => with_daemon(nat, daemon())?,
            _ => "".into(),
        });
    }
    Ok(format!("| {} |", cells.join(" | ")))
}

fn with_daemon(nat: &Nat, daemon: Upnpd) -> Result<String> {
    let home = Home::new("a", nat.clone()).upnpd(daemon);
    let network = Lab::new().with(home).delay_ms(DELAY_MS).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |_| {})?;
    let text = standing(&node.ready()?, &node);
    node.stop()?;
    Ok(text)
}

fn verdict(report: &Report) -> String {
    let i = &report.info;
    let ports = match i.nat_delta {
        0 => i.allocation.name().to_owned(),
        delta => format!("{} {delta:+}", i.allocation.name()),
    };
    format!("{}: {}, {ports}", i.nat, i.mapping.name())
}

fn standing(report: &Report, node: &Node) -> String {
    let i = &report.info;
    let reached = match i.reachable {
        Some(true) if i.forwarding as i32 > 1 => format!("reachable by {}", i.forwarding.name()),
        Some(true) => "reachable".into(),
        Some(false) => "closed".into(),
        None => "not known".into(),
    };
    format!("{}, {reached}, {}", node_type_name(i.node_type), seconds(node.ready))
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".into(), |t| format!("{:.2} s", t.as_secs_f64()))
}

/// What does not answer.
#[derive(Default)]
struct Setting {
    daemon: bool,
    router_drops: bool,
    server_drops: bool,
}

fn start(what: &str, setting: &Setting) -> Result<String> {
    let mut home = Home::new("a", Nat::kernel(crate::kernel_nat::Kind::Preserve));
    if setting.daemon {
        home = home.upnpd(Upnpd::all());
    }
    let network = Lab::new().with(home).delay_ms(DELAY_MS).build()?;
    let _server = serve(&network)?;
    if setting.router_drops {
        silence(&network.router("a"))?;
    }
    if setting.server_drops {
        silence(&network.server())?;
    }
    let before = traffic(&network)?;
    let mut node = Node::start(&network, "a", |_| {})?;
    let report = node.ready()?;
    let after = traffic(&network)?;
    let (packets, bytes) = (after.0 - before.0, after.1 - before.1);
    let text = format!(
        "| {what} | {} | {} | {packets} | {bytes} |",
        node_type_name(report.info.node_type),
        seconds(node.ready)
    );
    node.stop()?;
    Ok(text)
}

/// Packets and bytes of the host's interface, both ways.
pub(crate) fn traffic(network: &Network) -> Result<(u64, u64)> {
    let text = network.host("a").enter(|| std::fs::read_to_string("/proc/net/dev"))?;
    let line = text.lines().find_map(|l| l.trim().strip_prefix("eth0:")).ok_or("no eth0")?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [bytes_in, packets_in, _, _, _, _, _, _, bytes_out, packets_out, ..] => {
            Ok((packets_in + packets_out, bytes_in + bytes_out))
        }
        _ => Err("/proc/net/dev has another form".into()),
    }
}
