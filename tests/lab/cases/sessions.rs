//! What happens to links of sessions under traffic: numbered lines go both ways without pause (peer/stream.c), then something
//! breaks, and they go on, over the same connection, each line once, in order, as it was sent.
//!
//! Nobody helps: no program says that the network has changed, and all times are the defaults.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Instant;

use p2pnet::event::Path;
use serde_json::Value;

use crate::Result;
use crate::host::{Host, Program};
use crate::kernel_nat::Kind;
use crate::natbox::{By, NatBox, Ports};
use crate::network::{HTTP_PORT, Network, RENDEZVOUS_PORT};
use crate::peer::{self, Peer, plain};
use crate::runner::{Case, Notes, skip};
use crate::topology::{Home, Lab, Nat};

/// How the two are connected in the beginning: a calls b.
#[derive(Clone, Copy)]
enum Way {
    /// b is public.
    Direct,
    /// Both are behind NATs that keep their port for all.
    Punch,
    /// The same, with boxes of our own.
    BoxedPunch,
    /// Both are behind NATs with random ports.
    Relay,
}

/// What breaks.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    /// a's router answers every packet of the connection by a reset, both ways, until both ends have had one.
    Reset,
    /// a's router forgets its connections. It takes up what goes on from inside, as a new one.
    Forgotten,
    /// The same, and it does not: it was switched off and on.
    Restarted,
    /// a's provider gives it another address.
    Wan,
    /// a itself gets another address in its network.
    Address,
    /// a moves to another network: its cable is pulled, and it has another one to another home.
    Moved,
    /// The server, which may be the relay, is killed and started again.
    Server,
}

pub(crate) fn cases() -> Vec<Case> {
    use Trouble::{Address, Forgotten, Moved, Reset, Restarted, Server, Wan};
    let mut all = Vec::new();
    for (way, name) in
        [(Way::Direct, "direct"), (Way::Punch, "punch"), (Way::BoxedPunch, "box"), (Way::Relay, "relay")]
    {
        for (trouble, word, what) in [
            (Reset, "reset", "both ends of the TCP connection get a reset"),
            (Forgotten, "forgotten", "the router forgets its connections and takes up what goes on"),
            (Restarted, "restarted", "the router forgets its connections"),
            (Wan, "wan", "the provider gives another address"),
            (Address, "address", "a node's own address changes"),
            (Moved, "moved", "a node moves to another network"),
            (Server, "server", "the server, which relays for some, is killed and started again"),
        ] {
            let boxed = matches!(way, Way::BoxedPunch);
            if boxed && trouble != Restarted {
                continue;
            }
            let what = format!("{what}: the connection goes on, and no line is lost or comes twice");
            let run = move |notes: &Notes| case(way, trouble, notes);
            all.push(Case::new(format!("sessions::{word}-{name}"), what, run));
        }
    }
    let what = "what kept two from each other ends: their relayed connection becomes a punched one, and no line is lost";
    all.push(Case::new("sessions::leaves-the-relay", what, leaves_the_relay));
    all
}

/// Something between the two homes lets nothing through at first, so they are relayed.
fn leaves_the_relay(notes: &Notes) -> Result {
    if let Some(reason) = peer::obstacle() {
        return skip(reason);
    }
    let nat = || Nat::kernel(Kind::Preserve);
    let network = Lab::new().home("a", nat()).home("b", nat()).delay_ms(5).build()?;
    let (router, other) = (network.router("a"), network.wan("b"));
    let wall = format!(
        "table inet wall {{\nchain through {{\ntype filter hook forward priority -10;\nip daddr {other} drop\n}}\n}}\n"
    );
    router.feed("nft", &["-f", "-"], &wall)?;
    let _server = serve(&network)?;
    let mut talk = Talk::begin(&network, Way::Relay)?;
    router.run("nft", &["delete", "table", "inet", "wall"])?;
    let begun = Instant::now();
    for n in 0..2 {
        let moved = talk.path(n, &[Path::Moved])?;
        assert_eq!(moved["via"], "punch", "{moved}");
        talk.peers[n].keep(moved);
    }
    notes.note("moved_ms", begun.elapsed().as_millis() as u64);
    talk.look()?;
    talk.goes_on(500)?;
    let paths: Vec<String> = talk.peers.iter_mut().map(Peer::paths).collect();
    assert_eq!(paths, ["moved to punch"; 2], "once, and no link was lost");
    talk.end()
}

fn lab(way: Way) -> Lab {
    let (a, b) = match way {
        Way::Direct => (Nat::kernel(Kind::Random), Nat::Public),
        Way::Punch => (Nat::kernel(Kind::Preserve), Nat::kernel(Kind::Preserve)),
        Way::BoxedPunch => {
            let nat = || {
                Nat::boxed(NatBox::new(
                    By::Endpoint,
                    By::AddressAndPort,
                    Ports::Sequential { step: 1, noise: 0 },
                ))
            };
            (nat(), nat())
        }
        Way::Relay => (Nat::kernel(Kind::Random), Nat::kernel(Kind::Random)),
    };
    // c is where a may move to.
    let c = Home::new("c", Nat::kernel(Kind::Random));
    Lab::new().home("a", a).home("b", b).with(c).delay_ms(5)
}

fn via(way: Way) -> &'static str {
    match way {
        Way::Direct => "direct",
        Way::Punch | Way::BoxedPunch => "punch",
        Way::Relay => "relay",
    }
}

/// The server as a program of its own, which can be killed as programs are.
fn serve(network: &Network) -> Result<Program> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_p2p-rendezvous"));
    for at in network.server_addresses() {
        command.args([
            "--listen",
            &format!("{at}:{RENDEZVOUS_PORT}"),
            "--http",
            &format!("{at}:{HTTP_PORT}"),
        ]);
    }
    command.args(["--store", "memory", "--print-addrs"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = network.server().spawn(&mut command)?;
    let output = program.0.stdout.take().ok_or("no pipe from the server")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.is_empty() { Err("the server does not start".into()) } else { Ok(program) }
}

/// Two nodes that talk.
struct Talk {
    peers: [Peer; 2],
    /// Lines of the other one's that each has had when it was last asked.
    had: [u64; 2],
}

impl Talk {
    fn begin(network: &Network, way: Way) -> Result<Talk> {
        let mut peers = [0, 1].map(|n| Peer::start(network, ["a", "b"][n], &["--dialect", "2"]));
        for peer in &mut peers {
            peer.as_mut().map_err(|e| e.to_string())?.ready()?;
        }
        let [a, b] = peers;
        let mut talk = Talk { peers: [a?, b?], had: [0; 2] };
        let [a, b] = &mut talk.peers;
        let outcome = a.connect(&b.locator()?)?;
        assert_eq!(outcome.via.as_deref(), Ok(via(way)), "{}", outcome.story);
        a.order("stream 1")?;
        b.order("stream 2")?;
        talk.goes_on(300)?;
        Ok(talk)
    }

    /// So many more lines arrive at both; what each says of its connection then.
    fn goes_on(&mut self, more: u64) -> Result<[Value; 2]> {
        for n in 0..2 {
            let until = self.had[n] + more;
            self.peers[n].order(&format!("until {until}"))?;
        }
        let mut said = [Value::Null, Value::Null];
        for n in 0..2 {
            let reached = |v: &Value| ["reached", "wrong", "closed"].iter().any(|event| v["event"] == *event);
            said[n] = self.peers[n].hear("that the lines go on", reached)?;
            if said[n]["event"] != "reached" {
                return Err(format!("{}: {}", ["a", "b"][n], said[n]).into());
            }
            self.had[n] = number(&said[n]["received"]);
        }
        Ok(said)
    }

    /// Where each is by now, so that what comes from now on can be told from what was on its way.
    fn look(&mut self) -> Result {
        for n in 0..2 {
            self.peers[n].order("until 1")?;
            self.had[n] =
                number(&self.peers[n].hear("where it is", |v| v["event"] == "reached")?["received"]);
        }
        Ok(())
    }

    /// Waits until one of the two is told this of its path.
    fn path(&mut self, n: usize, codes: &[Path]) -> Result<Value> {
        let wanted = |v: &Value| v["event"] == "path" && codes.iter().any(|code| v["code"] == *code as i32);
        self.peers[n].hear(&format!("one of {codes:?}"), wanted)
    }

    /// Both stop; everything has arrived, over the one connection that each was told of.
    fn end(mut self) -> Result {
        let mut sent = [0; 2];
        for n in 0..2 {
            self.peers[n].order("rest")?;
            let rested = self.peers[n].hear("that all has arrived", |v| v["event"] == "rested")?;
            sent[n] = number(&rested["sent"]);
            assert_eq!(sent[n], number(&rested["arrived"]), "what arrived at the other: {rested}");
        }
        self.look()?;
        assert_eq!(self.had, [sent[1], sent[0]], "lines that came");
        for peer in &mut self.peers {
            peer.order("connections")?;
            let open = peer.hear("its connections", |v| v["event"] == "connections")?;
            assert_eq!(open["count"], 1, "connections");
            let said = peer.unheard();
            let count = |event: &str| said.iter().filter(|v| v["event"] == event).count();
            assert_eq!((count("opened"), count("closed"), count("wrong")), (1, 0, 0), "{said:?}");
        }
        self.peers.into_iter().try_for_each(Peer::quit)
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

const AGAIN: &[Path] = &[Path::Resumed, Path::Moved];

fn case(way: Way, trouble: Trouble, notes: &Notes) -> Result {
    if let Some(reason) = peer::obstacle() {
        return skip(reason);
    }
    let mut network = lab(way).build()?;
    let mut server = Some(serve(&network)?);
    let mut talk = Talk::begin(&network, way)?;
    let begun = Instant::now();
    make(trouble, way, &mut network, &mut server, &mut talk)?;
    // What was on its way when it broke may still arrive; what is sent behind that goes over what there is now.
    talk.look()?;
    let now = talk.goes_on(500)?;
    notes.note("went_on_ms", begun.elapsed().as_millis() as u64);
    let paths: Vec<String> = talk.peers.iter_mut().map(Peer::paths).collect();
    notes.note("paths", paths.join(" / "));
    notes.note("via", now[0]["via"].clone());
    let resumed = now.iter().all(|said| number(&said["resumptions"]) > 0);
    match (trouble, way) {
        // It has no part in that.
        (Trouble::Server, Way::Direct | Way::Punch | Way::BoxedPunch) => {
            assert_eq!(paths, ["", ""], "there was nothing to be noticed");
        }
        // What a router forgets it may take up as it was: then nothing has happened.
        (Trouble::Forgotten | Trouble::Restarted, _) => {}
        _ => assert!(resumed, "no other link: {now:?}"),
    }
    talk.end()
}

/// Breaks something. Returns when that is done, and where that is to be seen, when it was seen.
fn make(
    trouble: Trouble,
    way: Way,
    network: &mut Network,
    server: &mut Option<Program>,
    talk: &mut Talk,
) -> Result {
    let host = network.host("a");
    match trouble {
        Trouble::Reset => {
            let router = network.router("a");
            // Who dials again is not refused, but gets no further.
            router.feed(
                "nft",
                &["-f", "-"],
                "table inet trouble {\nchain through {\ntype filter hook forward priority -10;\n\
                 tcp flags & (syn | rst) == 0 reject with tcp reset\n}\n}\n",
            )?;
            for n in 0..2 {
                let broken = talk.path(n, &[Path::Lost])?;
                // Reset, or broken pipe, or an end, by whether a read or a write was first to be told. Not our own patience.
                assert!(
                    !plain(&broken["text"]).contains("link_timeout_ms"),
                    "another end than a reset: {broken}"
                );
                talk.peers[n].keep(broken);
            }
            router.run("nft", &["delete", "table", "inet", "trouble"])?;
        }
        Trouble::Forgotten => network.forget_nat("a", true)?,
        Trouble::Restarted => network.forget_nat("a", false)?,
        Trouble::Wan => drop(network.change_wan("a")?),
        Trouble::Address => {
            let [x, y, z, _] = host.ip4().octets();
            change_address(&host, "eth0", Ipv4Addr::new(x, y, z, 77), network.gateway("a"))?;
        }
        Trouble::Moved => {
            let gateway = network.plug_in("a", "c", "wifi")?;
            let there = format!("link set eth0 down\nroute replace default via {gateway}\n");
            host.feed("ip", &["-batch", "-"], &there)?;
        }
        Trouble::Server => {
            // Killed when it is dropped.
            drop(server.take());
            *server = Some(serve(network)?);
        }
    }
    let breaks = match trouble {
        Trouble::Wan | Trouble::Address | Trouble::Moved => true,
        Trouble::Server => matches!(way, Way::Relay),
        Trouble::Reset | Trouble::Forgotten | Trouble::Restarted => false,
    };
    if breaks {
        for n in 0..2 {
            let again = talk.path(n, AGAIN)?;
            talk.peers[n].keep(again);
        }
    }
    Ok(())
}

fn change_address(host: &Host, device: &str, new: Ipv4Addr, gateway: Ipv4Addr) -> Result {
    let gateway = gateway.to_string();
    host.run("ip", &["addr", "flush", "dev", device, "scope", "global"])?;
    host.run("ip", &["addr", "add", &format!("{new}/24"), "dev", device])?;
    host.run("ip", &["route", "replace", "default", "via", &gateway]).map(drop)
}
