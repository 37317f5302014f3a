//! Whatever a rendezvous server or a node may be sent: the parsers take or refuse it, and the server's state machine
//! survives any script of connections and lines with its tables bounded; so does a node's side of signalling.
#![no_main]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::identity::{PublicKey, Signature};
use p2pnet::proto::rdv_msg::{Reply, Request};
use p2pnet::proto::rdv_server::{Endpoints, Limits, Output, Rendezvous};
use p2pnet::proto::relay::Client;
use p2pnet::proto::signal::{Happening, LinkId, Output as NodeOutput, Settings, Signalling};

/// Proofs cannot be guessed, so some of the wrong ones have to do.
fn verify(id: &PublicKey, _text: &[u8], signature: &Signature) -> bool {
    id.0[0] & 1 == signature[0] & 1
}

/// The client: servers say what they like, connections come and go.
fn node(data: &[u8]) {
    let mut now = Instant::now();
    let servers = ["a:1", "b:1", "c:1"].map(str::to_owned);
    let Ok(network) = "net".parse() else { return };
    let settings = Settings::new(PublicKey([1; 32]), network, servers.to_vec());
    let mut node = Signalling::new(now, settings, Box::new(|_| [0; 64]), 1);
    let (mut links, mut under_way) = (Vec::<LinkId>::new(), Vec::new());
    for (step, tag) in data.split(|b| *b == 0).take(64).zip(1..) {
        let Some((&what, rest)) = step.split_first() else { continue };
        let link =
            links.get(links.len().wrapping_sub(1 + usize::from(what % 8))).copied().unwrap_or(LinkId(0));
        match what / 8 % 8 {
            0 => node.dialled(now, link, Ok((Ipv4Addr::new(192, 0, 2, what % 3), 1).into())),
            1 => node.dialled(now, link, Err("no".to_owned())),
            2 => node.closed(now, link, "reset"),
            3 => {
                now += Duration::from_millis(u64::from(what) * 40);
                node.on_timeout(now);
                assert!(node.poll_timeout().is_none_or(|at| at > now));
            }
            4 => {
                if node.tell(now, tag, PublicKey([2; 32]), &[format!("x{}:1", what % 8)], rest).is_ok() {
                    under_way.push(tag);
                }
            }
            _ => node.line(now, link, rest),
        }
        while let Some(output) = node.poll_output() {
            match output {
                NodeOutput::Dial { link, .. } => links.push(link),
                // Whatever a node says, a server understands.
                NodeOutput::Write { text, .. } => {
                    assert!(text.split_terminator("\r\n").all(|line| Request::parse(line).is_some()));
                }
                NodeOutput::Happening(Happening::Done { tag, .. }) => {
                    let before = under_way.len();
                    under_way.retain(|other| *other != tag);
                    assert_eq!(under_way.len() + 1, before, "reported once");
                }
                _ => {}
            }
        }
    }
    node.leave(now);
    let done = std::iter::from_fn(|| node.poll_output())
        .filter(|output| matches!(output, NodeOutput::Happening(Happening::Done { .. })));
    assert_eq!(done.count(), under_way.len(), "all are reported");
}

fuzz_target!(|data: &[u8]| {
    node(data);
    // What a relay says to a node: it takes no more than is there, and all unless GO or a refusal comes.
    if let Ok((taken, terms)) = Client::default().read(data) {
        assert!(taken <= data.len() && (terms.is_some() || taken == data.len()));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some(request) = Request::parse(text) {
            let written = request.to_string();
            assert_eq!(Request::parse(&written).map(|r| r.to_string()), Some(written));
        }
        if let Some(reply) = Reply::parse(text) {
            let written = reply.to_string();
            assert_eq!(Reply::parse(&written).map(|r| r.to_string()), Some(written));
        }
    }
    let mut server = Rendezvous::new(Limits::default(), 1);
    server.set_endpoints(Endpoints {
        rendezvous: vec![(Ipv4Addr::UNSPECIFIED, 8000).into(), (Ipv4Addr::UNSPECIFIED, 8001).into()],
        http: Vec::new(),
        alternates: Vec::new(),
    });
    server.set_signal(verify, [1; 32]);
    let local = Some((Ipv4Addr::new(192, 0, 2, 1), 8000).into());
    let mut now = Instant::now();
    let mut conns = Vec::new();
    let mut relayed = BTreeSet::new();
    for (step, port) in data.split(|b| *b == 0).take(64).zip(1024..) {
        let Some((&what, line)) = step.split_first() else { continue };
        match what / 8 % 4 {
            0 => {
                let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, what % 4 + 1));
                conns.extend(server.open_at(now, (ip, port).into(), local));
            }
            1 if !conns.is_empty() => server.closed(now, conns.remove(usize::from(what) % conns.len())),
            2 => {
                now += Duration::from_secs(u64::from(what));
                server.on_timeout(now);
            }
            _ => {}
        }
        if let Some(conn) = conns.get(usize::from(what % 8)) {
            server.line(now, 1.7e9, *conn, line);
        }
        while let Some(output) = server.poll_output() {
            match output {
                Output::Close { conn, .. } => {
                    server.closed(now, conn);
                    conns.retain(|c| *c != conn);
                }
                // Whatever the server says, a node understands.
                Output::Send { conn, reply } => {
                    assert!(!relayed.contains(&conn));
                    assert_eq!(Reply::parse(&reply.to_string()), Some(reply));
                }
                // Nothing was said on it, and nothing will be.
                Output::Relay { conn, .. } => assert!(relayed.insert(conn)),
                Output::Log(_) => {}
            }
        }
        assert_eq!(server.connections(), conns.len());
        let (v4, v6) = server.passive_nodes();
        assert!(v4 <= 4 && v6 == 0 && server.simultaneous_nodes() <= 4);
        assert!(server.signal_nodes() <= conns.len() && server.signal_waiting() <= 32 * conns.len());
    }
});
