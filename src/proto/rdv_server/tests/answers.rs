//! Answers as text are the lines that the outputs would have been.

use super::*;
use proptest::prelude::*;

/// What one server said in answer to a line: to the connection itself, and everything else.
fn said(server: &mut Rendezvous, to: ConnId) -> (Vec<u8>, Vec<Output>) {
    let (mut answers, mut rest) = (Vec::new(), Vec::new());
    while let Some(output) = server.poll_output() {
        match output {
            Output::Send { conn, reply } if conn == to => reply.write_line(&mut answers),
            other => rest.push(other),
        }
    }
    (answers, rest)
}

proptest! {
    #[test]
    fn both_ways_say_the_same(
        details: bool,
        ops in prop::collection::vec((0..16u8, 0..5u8, 0..5u8, 0..120u32), 0..120),
    ) {
        let limits = Limits { passive_nodes: 40, request_burst: 60, requests_per_second: 5, ..Limits::default() };
        let (mut one, mut other) = (World::with(limits.clone()), World::with(limits));
        other.now = one.now;
        other.server.set_details(details);
        let mut open = Vec::new();
        for (op, a, b, n) in ops {
            let addresses = ["1.1.1.1", "1.1.1.2", "9.9.9.9", "2001:db8::1", "2001:db8::2"];
            if op < 4 || open.is_empty() {
                let peer = match op {
                    0 | 1 => SocketAddr::new(IpAddr::from([10, 0, a, n as u8]), 5),
                    _ => SocketAddr::new(addresses[usize::from(a)].parse().unwrap(), 5),
                };
                let conn = one.server.open(one.now, peer).ok();
                prop_assert_eq!(conn, other.server.open(one.now, peer).ok());
                open.extend(conn);
                prop_assert_eq!(said(&mut one.server, ConnId(0)).0, said(&mut other.server, ConnId(0)).0);
            }
            let Some(&conn) = open.get(n as usize % open.len().max(1)) else { continue };
            let node = addresses[usize::from(b)];
            let line = match op {
                0..=3 => format!("PASSIVE READY {} 1", n * 500),
                4 => "SIMULTANEOUS READY 0 0".to_owned(),
                5 | 6 => format!("CANDIDATE {node} TCP {}", n + 1),
                7 => format!("ACCEPT {node} 5 TCP {UNIX}"),
                8 => ["SOURCE TCP", "OBSERVE", "QUIT", "CLEAR", "rubbish"][usize::from(a)].to_owned(),
                9 => ["NETWORK a", "RELAY x", "ENTER x", "LEAVE", "HEARD 1"][usize::from(a)].to_owned(),
                10 => format!("ECHO {n}"),
                11 => format!("ENTER {} -", signal::id(a)),
                _ => format!("BOOTSTRAP {n}"),
            };
            one.server.line(one.now, UNIX, conn, line.as_bytes());
            let mut text = b"before".to_vec();
            other.server.line_to(one.now, UNIX, conn, line.as_bytes(), &mut text);
            let (expected, mut outputs) = said(&mut one.server, conn);
            let (none, others) = said(&mut other.server, conn);
            prop_assert_eq!(String::from_utf8(text), String::from_utf8([b"before", &expected[..]].concat()), "{}", line);
            prop_assert!(none.is_empty());
            // Without details only what is notable is told.
            outputs.retain(|output| details || !matches!(output, Output::Log(event) if !event.is_notable()));
            prop_assert_eq!(outputs, others);
            prop_assert_eq!(one.server.counters(), other.server.counters());
        }
    }
}
