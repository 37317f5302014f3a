//! Whatever a rendezvous server or a node may be sent: the parsers take or refuse it, and the server's state machine
//! survives any script of connections and lines with its tables bounded.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::rdv_msg::{Reply, Request};
use p2pnet::proto::rdv_server::{Endpoints, Limits, Output, Rendezvous};

fuzz_target!(|data: &[u8]| {
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
    let local = Some((Ipv4Addr::new(192, 0, 2, 1), 8000).into());
    let mut now = Instant::now();
    let mut conns = Vec::new();
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
                Output::Send { reply, .. } => assert_eq!(Reply::parse(&reply.to_string()), Some(reply)),
                Output::Log(_) => {}
            }
        }
        assert_eq!(server.connections(), conns.len());
        let (v4, v6) = server.passive_nodes();
        assert!(v4 <= 4 && v6 == 0 && server.simultaneous_nodes() <= 4);
    }
});
