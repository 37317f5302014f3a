//! What the library does when something changes under it: the network, the router, the clock.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use p2pnet::config::{Config, NodeType, ServerKind};
use p2pnet::event::Kind as Event;
use p2pnet::report::Report;

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::Network;
use crate::node::{Node, serve, silence, stranger_gets_in};
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "changes::wan",
            "the router gets another address outside: told, mapped and checked anew",
            wan,
        ),
        Case::new("changes::lan", "the host gets another address: noticed by itself, looked at anew", lan),
        Case::new(
            "changes::dead",
            "a mapping that the router lost without a word is found dead and made again",
            dead,
        ),
        Case::new(
            "changes::same",
            "a change that is none, and looks that find all well, take nothing back",
            same,
        ),
        Case::new(
            "changes::hurry",
            "who does not wait for the start has the port mapped all the same",
            hurry,
        ),
        Case::new(
            "changes::rivals",
            "two nodes behind one router that want the same port both get one",
            rivals,
        ),
        Case::new("changes::ipv6", "IPv6 behind a firewall and without one; a pinhole by PCP", ipv6),
        Case::new(
            "changes::double",
            "a mapping on the nearer of two routers is not taken for reachable",
            double,
        ),
        Case::new(
            "changes::clock",
            "servers that agree tell how wrong the clock is, one liar among them",
            clock,
        ),
        Case::new(
            "changes::silent",
            "READY in time with everything silent, and the LAN works before it",
            silent,
        ),
    ]
}

fn mapped_home() -> Home {
    Home::new("a", Nat::kernel(Kind::Preserve)).upnpd(Upnpd::all())
}

fn wan(_: &Notes) -> Result {
    let mut network = Lab::new().with(mapped_home()).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |_| {})?;
    assert_eq!(node.ready()?.info.node_type, NodeType::Passive);
    let new = network.change_wan("a")?;
    // The machine itself sees nothing of it: the program knows.
    node.net.network_changed()?;
    node.until("INFO", |e| e.kind == Event::Info)?;
    let report = node.settled("the new address", |r| {
        r.info.wan_ip == Some(new.into()) && r.info.reachable == Some(true) && r.info.forwarding as i32 > 1
    })?;
    assert!(stranger_gets_in(&network, (new, report.info.external_port).into()), "{}", report.to_json());
    node.stop()
}

fn lan(_: &Notes) -> Result {
    let network = Lab::new().with(mapped_home()).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |_| {})?;
    node.ready()?;
    let host = network.host("a");
    let old = host.ip4();
    let [a, b, c, _] = old.octets();
    let (new, gateway) = (Ipv4Addr::new(a, b, c, 77), network.gateway("a").to_string());
    host.run("ip", &["addr", "flush", "dev", "eth0", "scope", "global"])?;
    host.run("ip", &["addr", "add", &format!("{new}/24"), "dev", "eth0"])?;
    host.run("ip", &["route", "replace", "default", "via", &gateway])?;
    let report = node.settled("the new address", |r| {
        r.info.lan_ip == Some(new.into()) && r.info.reachable == Some(true) && r.info.forwarding as i32 > 1
    })?;
    assert!(report.steps.iter().any(|s| s.topic == "network"), "{}", report.to_json());
    assert!(stranger_gets_in(&network, (network.wan("a"), report.info.external_port).into()));
    node.stop()
}

fn dead(_: &Notes) -> Result {
    let network = Lab::new().with(mapped_home()).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |c| c.verify_interval = Duration::from_millis(300))?;
    let door = (network.wan("a"), node.ready()?.info.external_port).into();
    assert!(stranger_gets_in(&network, door));
    network.upnpd("a").forget()?;
    node.settled("the mapping made again", |_| {
        !network.upnpd("a").mappings().unwrap_or_default().is_empty()
    })?;
    let report = node.settled("reachable again", |r| r.info.reachable == Some(true))?;
    assert!(
        stranger_gets_in(&network, (network.wan("a"), report.info.external_port).into()),
        "{}",
        report.to_json()
    );
    node.stop()
}

fn same(_: &Notes) -> Result {
    let network = Lab::new().with(mapped_home()).build()?;
    let _server = serve(&network)?;
    let looks = |r: &Report| r.steps.iter().filter(|s| s.topic == "reachability").count();
    let mut node = Node::start(&network, "a", |c| c.verify_interval = Duration::from_millis(100))?;
    node.ready()?;
    let told = |r: &Report| {
        let i = r.info.clone();
        (i.node_type, i.reachable, i.forwarding, i.external_port, i.wan_ip, i.nat, i.hairpin, i.double_nat)
    };
    let before = told(&node.settled("the slowest answer", |r| r.info.hairpin.is_some())?);
    assert_eq!((before.0, before.1), (NodeType::Passive, Some(true)));
    node.infos = 0;
    for changed in [false, true] {
        let begun = looks(&node.net.report());
        if changed {
            node.net.network_changed()?;
        }
        node.settled("ten looks from outside", |r| {
            assert_eq!(told(r), before, "{}", r.to_json());
            looks(r) >= begun + 10
        })?;
    }
    // What strangers meet at our own port is another thing once that is open, too.
    assert!(node.infos <= 2, "{} INFO events: {}", node.infos, node.net.report().to_json());
    node.stop()
}

fn hurry(_: &Notes) -> Result {
    let network = Lab::new().with(mapped_home()).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |c| c.start_timeout = Duration::ZERO)?;
    let report =
        node.settled("the mapped port", |r| r.info.reachable == Some(true) && r.info.forwarding as i32 > 1)?;
    assert!(stranger_gets_in(&network, (network.wan("a"), report.info.external_port).into()));
    node.stop()
}

fn rivals(_: &Notes) -> Result {
    let network = Lab::new().with(mapped_home().hosts(2)).build()?;
    let _server = serve(&network)?;
    let mut nodes = [
        Node::start(&network, "a", |c| c.passive_port = 5555)?,
        Node::start(&network, "a2", |c| c.passive_port = 5555)?,
    ];
    let mut ports = Vec::new();
    for node in &mut nodes {
        let report = node.ready()?;
        assert_eq!(report.info.node_type, NodeType::Passive, "{}", report.to_json());
        ports.push(report.info.external_port);
    }
    let stories: Vec<_> = nodes.iter().map(|n| n.net.report().to_json()).collect();
    assert_ne!(ports[0], ports[1], "{stories:#?}");
    for port in ports {
        assert!(stranger_gets_in(&network, (network.wan("a"), port).into()), "by port {port}");
    }
    nodes.into_iter().try_for_each(Node::stop)
}

fn ipv6(_: &Notes) -> Result {
    let reach = |network: &Network| network.server6(0, crate::network::HTTP_PORT).to_string();
    for (home, open) in [
        (Home::new("a", Nat::kernel(Kind::Preserve)).ipv6(), false),
        (Home::new("a", Nat::kernel(Kind::Preserve)).ipv6().ipv6_open(), true),
        (mapped_home().ipv6(), true),
    ] {
        let network = Lab::new().with(home).build()?;
        let _server = serve(&network)?;
        let at = reach(&network);
        let mut node = Node::start(&network, "a", |c| {
            c.add_server(ServerKind::Reachability, &at).expect("an address");
        })?;
        let report = node.settled("an answer for IPv6", |r| r.info.reachable_v6 == Some(open))?;
        let door = (network.host("a").ip6(), report.info.passive_port).into();
        assert_eq!(stranger_gets_in(&network, door), open, "{}", report.to_json());
        node.ready()?;
        node.stop()?;
    }
    Ok(())
}

fn double(_: &Notes) -> Result {
    // miniupnpd maps nothing when it sees that its own address is not public: it is told another one.
    let home =
        Home::new("a", Nat::kernel(Kind::Preserve)).upnpd(Upnpd::all().line("ext_ip=11.9.9.9")).behind("isp");
    let network = Lab::new().carrier("isp", Nat::kernel(Kind::Preserve)).with(home).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |_| {})?;
    let report = node.ready()?;
    let i = &report.info;
    assert_eq!((i.reachable, i.double_nat), (Some(false), Some(true)), "{}", report.to_json());
    assert_eq!((i.node_type, i.wan_ip), (NodeType::Simultaneous, Some(network.public("a").into())));
    node.stop()
}

/// An NTP server (RFC 5905) in the server host whose clock is `ahead` of ours.
fn ntp_server(network: &Network, which: usize, ahead: Duration, stop: Arc<AtomicBool>) -> Result<String> {
    let at = network.server4(which, 0).ip();
    let socket = network.server().enter(|| UdpSocket::bind((at, 0)))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let name = socket.local_addr()?.to_string();
    std::thread::spawn(move || {
        let mut packet = [0; 128];
        while !stop.load(SeqCst) {
            let Ok((48.., from)) = socket.recv_from(&mut packet) else { continue };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + ahead;
            let seconds = (now.as_secs() + 2_208_988_800) as u32;
            let fraction = ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000) as u32;
            let time = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
            let mut answer = vec![0x24, 1, 4, 0xEC];
            answer.extend([0; 12]);
            answer.extend(&time);
            answer.extend(&packet[40..48]);
            answer.extend(&time);
            answer.extend(&time);
            let _ = socket.send_to(&answer, from);
        }
    });
    Ok(name)
}

fn clock(notes: &Notes) -> Result {
    let network = Lab::new().home("a", Nat::kernel(Kind::Random)).delay_ms(25).build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let (right, wrong) = (Duration::from_secs(30), Duration::from_secs(86_400));
    let servers = [(0, right), (1, right), (0, wrong)];
    let names: Vec<String> = servers
        .into_iter()
        .map(|(which, ahead)| ntp_server(&network, which, ahead, Arc::clone(&stop)))
        .collect::<Result<_>>()?;
    let mut node = Node::start(&network, "a", |c| {
        names.iter().for_each(|at| c.add_server(ServerKind::Ntp, at).expect("an address"));
    })?;
    let report = node.settled("the time", |r| r.info.clock_offset_us.is_some())?;
    let off = report.info.clock_offset_us.unwrap_or(0);
    assert!((off - 30_000_000).abs() < 100_000, "{off} us");
    notes.note("offset_us", off);
    let took = report.steps.iter().find(|s| s.topic == "clock").map_or(0, |s| s.took_ms);
    notes.note("took_ms", took);
    stop.store(true, SeqCst);
    node.stop()
}

fn silent(notes: &Notes) -> Result {
    let network = Lab::new().with(Home::new("a", Nat::kernel(Kind::Preserve)).hosts(2)).build()?;
    silence(&network.router("a"))?;
    silence(&network.server())?;
    let as_usual = |config: &mut Config| {
        let usual = Config::default();
        (config.start_timeout, config.server_timeout) = (usual.start_timeout, usual.server_timeout);
        config.close_timeout = usual.close_timeout;
    };
    let mut node = Node::start(&network, "a", |config| {
        as_usual(config);
        // Time for what is to be tried before.
        config.start_timeout = Duration::from_secs(10);
    })?;
    let lan: IpAddr = network.host("a").ip();
    let port = node.net.info().passive_port;
    let connect = || std::net::TcpStream::connect((lan, port));
    let peer = network.host("a2").enter(connect)?;
    assert!(!node.net.report().ready, "the LAN is to be tried before READY");
    drop(peer);
    let report = node.ready()?;
    assert_eq!(report.info.node_type, NodeType::Active, "{}", report.to_json());
    // Whatever is under way when it is stopped: nothing of it is waited for beyond the limits.
    for _ in 0..3 {
        Node::start(&network, "a", as_usual)?.stop()?;
    }
    let took = node.ready.unwrap_or_default();
    notes.note("ready_ms", took.as_millis() as u64);
    node.stop()
}
