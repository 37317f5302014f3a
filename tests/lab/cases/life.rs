//! The private world: labs side by side, nothing left after a crash, hosts that see their own network.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use p2pnet::config::{NodeType, ServerKind};
use p2pnet::event::Kind as Event;
use p2pnet::server::Server;
use p2pnet::testing::TestNode;
use p2pnet::{Config, Error};

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::{Network, RENDEZVOUS_PORT};
use crate::probe::HUNG;
use crate::runner::{Case, Notes};
use crate::topology::{Lab, Nat};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("life::side-by-side", "two labs with the same names at once", |_| side_by_side()),
        Case::new("life::killed", "after kill -9 no process, namespace or device is left", killed),
        Case::new("life::status", "`up` gives the program's exit status", |_| status()),
        Case::new("life::dropped", "a lab that is dropped takes its devices along", |_| dropped()),
        Case::new("life::views", "in a host /proc/net and /sys are the host's", |_| views()),
        Case::new("life::library", "the library in two homes, the server between them", |_| library()),
    ]
}

/// This program as another lab, inside of this one's world.
fn up(arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("up").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Reads a line that a program of the other lab writes.
fn line(child: &mut Child) -> Result<String> {
    let mut text = String::new();
    let stdout = child.stdout.as_mut().ok_or("no standard output")?;
    BufReader::with_capacity(1, stdout).read_line(&mut text)?;
    Ok(text.trim().into())
}

/// Says that it is there, and ends with its standard input.
const WAIT: &str = "echo there; read line; exit 0";

fn side_by_side() -> Result {
    let start = || up(&["two-homes", "a", "--", "sh", "-c", WAIT]).spawn();
    let mut labs = [start()?, start()?];
    for lab in &mut labs {
        assert_eq!(line(lab)?, "there");
    }
    // Both are up by now.
    for lab in &mut labs {
        drop(lab.stdin.take());
        assert!(lab.wait()?.success());
    }
    Ok(())
}

fn status() -> Result {
    let status = up(&["home-public", "a", "--", "sh", "-c", "exit 7"]).status()?;
    assert_eq!(status.code(), Some(7));
    Ok(())
}

/// State and parent of a process.
fn state(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    Some((words.next()?.into(), words.next()?.parse().ok()?))
}

/// A process and all that come from it.
fn family(first: u32) -> BTreeSet<u32> {
    let parent = |pid: u32| state(pid).map(|(_, parent)| parent);
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<u32> = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut family = BTreeSet::from([first]);
    loop {
        let before = family.len();
        family.extend(
            all.iter()
                .copied()
                .filter(|p| parent(*p).is_some_and(|p| family.contains(&p)))
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            return family;
        }
    }
}

/// One path to each network namespace that a thread of these processes is in, but for this one's own.
fn namespaces(family: &BTreeSet<u32>) -> Result<Vec<String>> {
    let mut known = BTreeSet::from([fs::metadata("/proc/self/ns/net")?.ino()]);
    let mut paths = Vec::new();
    for pid in family {
        for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let path = task.path().join("ns/net");
            if fs::metadata(&path).is_ok_and(|found| known.insert(found.ino())) {
                paths.push(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(paths)
}

fn ip(arguments: &str) -> Result {
    let done = Command::new("ip").args(arguments.split(' ')).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&done.stderr)).into())
}

/// Puts one end of a cable into each namespace of another lab: it goes with the namespace, and takes the end here
/// along. Nothing else tells that a namespace without processes is gone.
fn killed(notes: &Notes) -> Result {
    let mut lab = up(&["home-cone", "a", "--", "sh", "-c", WAIT]).spawn()?;
    assert_eq!(line(&mut lab)?, "there");
    let family = family(lab.id());
    let namespaces = namespaces(&family)?;
    // The world itself, a, ra, net, s.
    assert_eq!(namespaces.len(), 5, "{namespaces:?}");
    assert!(family.len() >= 3, "unshare, the lab, the program: {family:?}");
    let mark = format!("t{:08x}", fastrand::u32(..));
    for (n, path) in namespaces.iter().enumerate() {
        ip(&format!("link add {mark}-{n} type veth peer name traced netns {path}"))?;
    }
    lab.kill()?;
    lab.wait()?;
    let begun = Instant::now();
    let traces = || -> Result<usize> {
        let links = Command::new("ip").args(["-o", "link"]).output()?;
        Ok(String::from_utf8_lossy(&links.stdout).lines().filter(|l| l.contains(&mark)).count())
    };
    // What is left of an orphan until process 1, which is us and does not care, has taken note of its end.
    let alive = |pid: &&u32| state(**pid).is_some_and(|(state, _)| state != "Z");
    loop {
        let (left, cables) = (family.iter().filter(alive).count(), traces()?);
        if left == 0 && cables == 0 {
            break;
        }
        assert!(begun.elapsed() < HUNG, "{left} processes and {cables} namespaces are left");
        std::thread::sleep(Duration::from_millis(5));
    }
    notes.note("gone_after_ms", begun.elapsed().as_millis() as u64);
    Ok(())
}

fn dropped() -> Result {
    let net = Lab::new().home("a", Nat::kernel(Kind::Preserve)).build()?;
    let label = net.router("a").label().to_owned();
    let trace = format!("t{:08x}", fastrand::u32(..));
    ip(&format!("link add {trace} type veth peer name traced netns {label}"))?;
    drop(net);
    assert!(!fs::exists(format!("/run/netns/{label}"))?);
    let begun = Instant::now();
    while Command::new("ip").args(["link", "show", &trace]).output()?.status.success() {
        assert!(begun.elapsed() < HUNG, "hung: the namespace stays");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn views() -> Result {
    let net = Lab::new().home("a", Nat::kernel(Kind::Preserve)).build()?;
    let routes = net.host("a").enter(|| fs::read_to_string("/proc/net/route"))?;
    assert!(routes.lines().any(|l| l.starts_with("eth0\t00000000")), "no default route in\n{routes}");
    let interfaces = net.host("a").enter(|| fs::read_dir("/sys/class/net").map(Iterator::count))?;
    assert_eq!(interfaces, 2, "eth0 and lo");
    let mut text = String::new();
    let mut cat = Command::new("cat");
    let mut program = net.host("a").spawn(cat.arg("/proc/net/route").stdout(Stdio::piped()))?;
    program.0.stdout.take().ok_or("no standard output")?.read_to_string(&mut text)?;
    assert_eq!(text, routes, "what a program sees");
    Ok(())
}

/// A node in this host that knows the server.
fn node(net: &Network, host: &str, node_type: NodeType) -> std::result::Result<TestNode, Error> {
    let host = net.host(host);
    let mut config = Config { node_type, passive_bind: Some(host.ip()), ..Config::default() };
    config.add_server(ServerKind::Rendezvous, &net.server4(0, RENDEZVOUS_PORT).to_string())?;
    host.enter(|| TestNode::start(config))
}

fn library() -> Result {
    let net = Lab::new().home("a", Nat::Public).home("b", Nat::kernel(Kind::Random)).delay_ms(2).build()?;
    let server = net.server().enter(|| Server::spawn(net.rendezvous()))?;
    let text = |e: Error| e.to_string();
    let alice = node(&net, "a", NodeType::Passive).map_err(text)?;
    alice.request(|n| n.advertise()).map_err(text)?;
    let bob = node(&net, "b", NodeType::Active).map_err(text)?;
    bob.request(|n| n.bootstrap()).map_err(text)?;
    let to_alice = bob.expect(Event::Opened).conn;
    bob.net.send_line(to_alice, b"hello").map_err(|code| format!("sending: {code:?}"))?;
    assert_eq!(alice.expect(Event::Line).text(), "hello");
    drop((alice, bob));
    server.stop();
    Ok(())
}
