//! The library's port mapping on a real router: mapped, reachable from the internet, gone when it has to be
//! gone.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use p2pnet::testing::portmap::{self, Mapping, Options, PortMapper, Protocol};

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::Network;
use crate::probe::{self, HUNG};
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

const PORT: u16 = 4000;

/// A router that speaks this, the protocols we may use, and what we are to end up with.
type Way = (&'static str, fn() -> Upnpd, u32, Protocol);

const WAYS: [Way; 7] = [
    ("pcp", Upnpd::pcp, portmap::PCP, Protocol::Pcp),
    ("natpmp", Upnpd::natpmp, portmap::NATPMP, Protocol::NatPmp),
    ("upnp", Upnpd::upnp, portmap::UPNP, Protocol::Upnp),
    ("all", Upnpd::all, portmap::ALL, Protocol::Pcp),
    ("all-pcp", Upnpd::pcp, portmap::ALL, Protocol::Pcp),
    ("all-natpmp", Upnpd::natpmp, portmap::ALL, Protocol::NatPmp),
    ("all-upnp", Upnpd::upnp, portmap::ALL, Protocol::Upnp),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for way @ (name, ..) in WAYS {
        let case = |what: &str, told: &str, run: fn(Way, &Notes) -> Result| {
            Case::new(format!("portmap::{what}::{name}"), told, move |notes| run(way, notes))
        };
        cases.extend([
            case("maps", "mapped, reachable from the internet, gone after the stop", maps),
            case("crash", "after kill -9 the next start takes down what was left", crash),
        ]);
    }
    cases.extend(WAYS[..3].iter().copied().map(|way| {
        let name = format!("portmap::expiry::{}", way.0);
        Case::new(name, "without a renewal the mapping ends with its lease", move |notes| expires(way, notes))
    }));
    cases.extend(WAYS[..4].iter().copied().map(|way| {
        let name = format!("portmap::rivals::{}", way.0);
        Case::new(name, "two hosts that want the same port get different ones", move |n| rivals(way, n))
    }));
    cases.extend([
        Case::new("portmap::renewal", "a short lease is renewed for as long as it is wanted", renews),
        Case::new("portmap::dead", "a mapping that is listed but dead is made again", dead),
        Case::new("portmap::double", "a router behind a carrier's NAT: what it says is told", double),
        Case::new("portmap::none", "a router that speaks nothing costs little and says so", none),
    ]);
    for (name, protocols) in [("pcp", portmap::PCP), ("upnp", portmap::UPNP), ("all", portmap::ALL)] {
        for (form, link_local) in [("global", false), ("link-local", true)] {
            let name = format!("portmap::pinhole::{name}-{form}");
            let what = "a hole in the IPv6 firewall lets the internet in, and is gone after stop and crash";
            cases.push(Case::new(name, what, move |notes| pinhole(protocols, link_local, notes)));
        }
    }
    cases
}

fn home(daemon: Upnpd) -> Home {
    Home::new("a", Nat::kernel(Kind::Preserve)).upnpd(daemon)
}

fn options(net: &Network, host: &str, protocols: u32) -> Options {
    Options { protocols, ..Options::new(net.gateway("a"), net.host(host).ip4(), PORT) }
}

fn start(net: &Network, host: &str, options: Options) -> Result<PortMapper> {
    Ok(net.host(host).enter(|| PortMapper::start(options))?)
}

/// Whether a TCP connection from the internet to this address arrives at the host.
fn arrives(net: &Network, host: &str, to: SocketAddr) -> Result {
    let inside = net.host(host);
    let ip: IpAddr = if to.is_ipv4() { inside.ip4().into() } else { inside.ip6().into() };
    let listener = probe::listen(&inside, SocketAddr::new(ip, PORT))?;
    let _connection = probe::connect(&net.server(), 0, to)?;
    listener.accept()?;
    Ok(())
}

fn outside(mapping: &Mapping) -> Result<SocketAddr> {
    Ok(SocketAddr::new(mapping.external_ip.ok_or("no address outside")?, mapping.external_port))
}

/// Waits until the router has so many mappings.
fn until(net: &Network, number: usize) -> Result {
    let begun = Instant::now();
    while net.upnpd("a").mappings()?.len() != number {
        let there = net.upnpd("a").mappings()?;
        assert!(begun.elapsed() < HUNG, "hung: {number} mappings are wanted, there are {there:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Stops a mapper, after which the router has no mapping any more.
fn stop(net: &Network, mapper: PortMapper) -> Result {
    closed(net, &mapper.stop())
}

/// The router has no mapping any more, after a stop that has told this.
fn closed(net: &Network, told: &[String]) -> Result {
    let daemon = net.upnpd("a");
    if told.iter().any(|t| t.contains("was not removed")) {
        // The router has been asked and has not answered yet.
        return daemon.until_closed();
    }
    assert_eq!(daemon.mappings()?, [], "{told:#?}\n{}", daemon.log());
    Ok(())
}

fn maps((_, daemon, protocols, protocol): Way, notes: &Notes) -> Result {
    let net = Lab::new().with(home(daemon())).build()?;
    let before = packets(&net)?;
    let begun = Instant::now();
    let mapper = start(&net, "a", options(&net, "a", protocols))?;
    let mapping = mapper.mapped();
    notes.note("mapped_ms", begun.elapsed().as_secs_f64() * 1e3);
    assert_eq!((mapping.protocol, mapping.external_port, mapping.pinhole), (protocol, PORT, false));
    assert_eq!(mapping.external_ip, Some(net.wan("a").into()));
    let after = packets(&net)?;
    for (n, name) in ["packets_sent", "bytes_sent", "packets_received", "bytes_received"].iter().enumerate() {
        notes.note(name, after[n] - before[n]);
    }
    arrives(&net, "a", outside(&mapping)?)?;
    assert_eq!(net.upnpd("a").mappings()?.len(), 1);
    let begun = Instant::now();
    let told = mapper.stop();
    notes.note("stopped_ms", begun.elapsed().as_secs_f64() * 1e3);
    closed(&net, &told)
}

/// What the host's interface has sent and received: packets and bytes of each.
fn packets(net: &Network) -> Result<[u64; 4]> {
    let text = net.host("a").enter(|| std::fs::read_to_string("/proc/net/dev"))?;
    let line = text.lines().find_map(|l| l.trim().strip_prefix("eth0:")).ok_or("no eth0")?;
    let n: Vec<u64> = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let at = |i: usize| n.get(i).copied().ok_or("a short line");
    Ok([at(9)?, at(8)?, at(1)?, at(0)?])
}

/// Where a case's journal lies; gone with it.
struct Journal(PathBuf);

impl Journal {
    fn new() -> Journal {
        Journal(std::env::temp_dir().join(format!("p2pnet-lab-{:x}", fastrand::u64(..))))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program that [`crash`] kills: maps a port, says so, and waits for the end of its standard input.
pub(crate) fn child(arguments: &[String]) -> Option<ExitCode> {
    let [command, gateway, local, port, protocols, journal] = arguments else { return None };
    if command != "portmap-child" {
        return None;
    }
    let ip = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
    let mut options = Options::new(ip(gateway), ip(local), port.parse().expect("a port"));
    options.protocols = protocols.parse().expect("bits");
    options.state_dir = Some(journal.into());
    let mapper = PortMapper::start(options).expect("a mapper");
    println!("{}", mapper.mapped().external_port);
    let _ = std::io::stdin().read(&mut [0]);
    mapper.stop();
    Some(ExitCode::SUCCESS)
}

/// Starts [`child`] in host `a` and waits until it has mapped.
fn child_that_maps(
    net: &Network,
    port: u16,
    protocols: u32,
    journal: &Journal,
) -> Result<crate::host::Program> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["portmap-child", &net.gateway("a").to_string(), &net.host("a").ip4().to_string()]);
    command.args([port.to_string(), protocols.to_string()]).arg(&journal.0);
    let mut program = net.host("a").spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let mut line = String::new();
    let stdout = program.0.stdout.as_mut().ok_or("no standard output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    line.trim().parse::<u16>().map_err(|_| format!("the child said {line:?}"))?;
    Ok(program)
}

fn crash((_, daemon, protocols, _): Way, _: &Notes) -> Result {
    let net = Lab::new().with(home(daemon())).build()?;
    let journal = Journal::new();
    let mut program = child_that_maps(&net, PORT, protocols, &journal)?;
    program.0.kill()?;
    program.0.wait()?;
    // A crash tells nobody. A second protocol that asked as well has the router write its entry anew.
    until(&net, 1)?;
    // On another port, so that the new mapping does not replace the old one.
    let mapper = start(
        &net,
        "a",
        Options { port: PORT + 1, state_dir: Some(journal.0.clone()), ..options(&net, "a", protocols) },
    )?;
    mapper.mapped();
    let ports: Vec<u16> = net.upnpd("a").mappings()?.iter().map(|m| m.to.port()).collect();
    assert_eq!(ports, [PORT + 1], "what the journal has is taken down; {:?}", mapper.told());
    stop(&net, mapper)?;
    // And on the same port: the leftover is in nobody's way.
    let mut program = child_that_maps(&net, PORT, protocols, &journal)?;
    program.0.kill()?;
    program.0.wait()?;
    let mapper =
        start(&net, "a", Options { state_dir: Some(journal.0.clone()), ..options(&net, "a", protocols) })?;
    let mapping = mapper.mapped();
    assert_eq!(mapping.external_port, PORT);
    arrives(&net, "a", outside(&mapping)?)?;
    stop(&net, mapper)
}

fn expires((_, daemon, protocols, _): Way, notes: &Notes) -> Result {
    let net = Lab::new().with(home(daemon())).build()?;
    let lease = Duration::from_secs(8);
    let begun = Instant::now();
    let mapper = start(&net, "a", Options { lease, ..options(&net, "a", protocols) })?;
    let mapping = mapper.mapped();
    assert_eq!(mapping.lease, lease);
    arrives(&net, "a", outside(&mapping)?)?;
    // It ends without a word.
    drop(mapper);
    until(&net, 0)?;
    notes.note("gone_after_s", begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() > lease - Duration::from_secs(1), "the mapping ended early");
    Ok(())
}

fn rivals((_, daemon, protocols, _): Way, _: &Notes) -> Result {
    let net = Lab::new().with(home(daemon()).hosts(2)).build()?;
    let one = start(&net, "a", options(&net, "a", protocols))?;
    let first = one.mapped();
    let two = start(&net, "a2", options(&net, "a2", protocols))?;
    let second = two.mapped();
    assert_eq!(first.external_port, PORT);
    assert_ne!(second.external_port, PORT, "{second:?}");
    arrives(&net, "a", outside(&first)?)?;
    arrives(&net, "a2", outside(&second)?)?;
    two.stop();
    arrives(&net, "a", outside(&first)?)?;
    stop(&net, one)
}

/// The lease is 8 s, so without a renewal the mapping would not be there after 13 s.
fn renews(_: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::all())).build()?;
    let lease = Duration::from_secs(8);
    let mappers: Vec<PortMapper> = [portmap::PCP, portmap::NATPMP, portmap::UPNP]
        .into_iter()
        .zip(PORT..)
        .map(|(bit, port)| start(&net, "a", Options { lease, port, ..options(&net, "a", bit) }))
        .collect::<Result<_>>()?;
    for mapper in &mappers {
        mapper.mapped();
    }
    // The router takes a mapping out and puts it in again when it is renewed, so one look may find fewer; but
    // what was not renewed is gone for good by then.
    std::thread::sleep(Duration::from_secs(13));
    until(&net, 3)?;
    mappers.into_iter().for_each(|mapper| drop(mapper.stop()));
    assert_eq!(net.upnpd("a").mappings()?, []);
    Ok(())
}

fn dead(_: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::all())).build()?;
    let mapper = start(&net, "a", options(&net, "a", portmap::ALL))?;
    let mapping = mapper.mapped();
    net.upnpd("a").forget()?;
    assert_eq!(net.upnpd("a").mappings()?, []);
    mapper.dead();
    assert_eq!(mapper.mapped().external_port, mapping.external_port);
    arrives(&net, "a", outside(&mapping)?)?;
    stop(&net, mapper)
}

/// miniupnpd knows that its address is a private one and maps nothing then, unless it is told another
/// address. Both are told to the caller as they are.
fn double(notes: &Notes) -> Result {
    let net = Lab::new()
        .carrier("isp", Nat::kernel(Kind::Preserve))
        .with(home(Upnpd::all()).behind("isp"))
        .build()?;
    let mapper = start(&net, "a", options(&net, "a", portmap::ALL))?;
    let portmap::Heard::Failed(attempts) = mapper.next() else { return Err("it mapped".into()) };
    notes.note("said", attempts.join("; "));
    mapper.stop();
    drop(net);
    let told = home(Upnpd::all().line("ext_ip=11.9.9.9")).behind("isp");
    let net = Lab::new().carrier("isp", Nat::kernel(Kind::Preserve)).with(told).build()?;
    let mapper = start(&net, "a", options(&net, "a", portmap::ALL))?;
    assert_eq!(mapper.mapped().external_ip, Some([11, 9, 9, 9].into()));
    mapper.stop();
    Ok(())
}

/// The router's address on its LAN's link, and the number of host `a`'s interface.
fn link_local(net: &Network) -> Result<(Ipv6Addr, u32)> {
    let text = net.router("a").run("ip", &["-6", "-o", "addr", "show", "scope", "link"])?;
    let words: Vec<&str> =
        text.lines().filter(|l| !l.contains(" wan ")).flat_map(str::split_whitespace).collect();
    let at = words.iter().position(|w| *w == "inet6").and_then(|at| words.get(at + 1));
    let ip = at.and_then(|w| w.split_once('/')).ok_or("the router has no link-local address")?.0.parse()?;
    let scope = net.host("a").enter(|| std::fs::read_to_string("/sys/class/net/eth0/ifindex"))?;
    Ok((ip, scope.trim().parse()?))
}

fn pinhole(protocols: u32, by_link: bool, notes: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::all()).ipv6()).build()?;
    let host = net.host("a");
    let (gateway, scope) = if by_link { link_local(&net)? } else { (net.router("a").ip6(), 0) };
    let gateways = vec![(gateway.into(), scope, host.ip6().into())];
    let journal = Journal::new();
    let options = Options { protocols, gateways, ..Options::new(gateway, host.ip6(), PORT) };
    let options = Options { state_dir: Some(journal.0.clone()), ..options };
    let begun = Instant::now();
    let mapper = start(&net, "a", options.clone())?;
    let mapping = mapper.mapped();
    notes.note("mapped_ms", begun.elapsed().as_secs_f64() * 1e3);
    assert!(mapping.pinhole);
    assert_eq!((mapping.external_ip, mapping.external_port), (Some(host.ip6().into()), PORT));
    arrives(&net, "a", outside(&mapping)?)?;
    assert_eq!(net.upnpd("a").pinholes()?.len(), 1);
    // A crash, and a new start on another port.
    drop(mapper);
    assert_eq!(net.upnpd("a").pinholes()?.len(), 1);
    let mapper = start(&net, "a", Options { port: PORT + 1, ..options })?;
    mapper.mapped();
    assert_eq!(net.upnpd("a").pinholes()?.len(), 1, "{:?}", mapper.told());
    mapper.stop();
    assert_eq!(net.upnpd("a").pinholes()?, Vec::<String>::new());
    Ok(())
}

fn none(notes: &Notes) -> Result {
    let net = Lab::new().home("a", Nat::kernel(Kind::Preserve)).build()?;
    let before = packets(&net)?;
    let begun = Instant::now();
    let mapper = start(&net, "a", options(&net, "a", portmap::ALL))?;
    let portmap::Heard::Failed(attempts) = mapper.next() else { return Err("it mapped on nothing".into()) };
    notes.note("failed_ms", begun.elapsed().as_secs_f64() * 1e3);
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    let after = packets(&net)?;
    notes.note("packets_sent", after[0] - before[0]);
    notes.note("bytes_sent", after[1] - before[1]);
    notes.note("said", attempts.join("; "));
    Ok(())
}
