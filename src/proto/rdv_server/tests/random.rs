//! Random use of the rendezvous server: what must hold whatever clients do.

use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_use_keeps_the_promises(
        ops in prop::collection::vec((0..12u8, 0..6u8, 0..6u8, 0..200u64), 0..250),
    ) {
        let limits = Limits {
            connections: 12,
            connections_per_address: 4,
            request_burst: 60,
            requests_per_second: 1,
            passive_nodes: 3,
            candidates_per_node: 2,
            candidates_per_connection: 2,
            ..Limits::default()
        };
        let mut w = World::with(limits);
        // Who is open, and from where.
        let mut open: BTreeMap<ConnId, IpAddr> = BTreeMap::new();
        for (op, a, b, step) in ops {
            let addresses =
                ["1.1.1.1", "1.1.1.2", "127.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:9::1"];
            let ip: IpAddr = addresses[usize::from(a)].parse().unwrap();
            let other = addresses[usize::from(b)];
            let conn = open.keys().nth(usize::from(a)).copied().unwrap_or(ConnId(0));
            match op {
                0..=2 => {
                    if let Ok(conn) = w.server.open(w.now, SocketAddr::new(ip, 1000)) {
                        prop_assert!(open.insert(conn, ip).is_none(), "ids are not reused");
                    }
                }
                3 => {
                    w.server.closed(w.now, conn);
                    open.remove(&conn);
                }
                4 => w.say(conn, &format!("PASSIVE READY {} 1", u64::from(b) * step)),
                5 => w.say(conn, "SIMULTANEOUS READY 0 0"),
                6 | 7 => w.say(conn, &format!("CANDIDATE {other} TCP {}", step + 1)),
                8 => w.say(conn, &format!("ACCEPT {other} 5 TCP {}", UNIX + step as f64)),
                9 => w.say(conn, if b == 0 { "CLEAR" } else { "BOOTSTRAP 5" }),
                10 => w.say(conn, ["QUIT", "OBSERVE", "OBSERVE"].get(usize::from(b)).unwrap_or(&"SOURCE TCP 1")),
                _ => {
                    w.pass(step);
                    w.server.on_timeout(w.now);
                    prop_assert!(w.server.poll_timeout().is_none_or(|at| at > w.now), "all that was due is done");
                }
            }
            while let Some(output) = w.server.poll_output() {
                match output {
                    Output::Send { conn, reply } => {
                        prop_assert!(open.contains_key(&conn), "{reply} to a connection that is not open");
                        match reply {
                            Reply::Nodes(nodes) => {
                                prop_assert!(!nodes.is_empty() && nodes.len() <= 3);
                                for node in nodes {
                                    prop_assert_ne!(node.ip(), open[&conn]);
                                    prop_assert_eq!(node.is_ipv4(), open[&conn].is_ipv4());
                                    prop_assert_ne!(node.port(), 0);
                                }
                            }
                            Reply::RemoteTcp(port) => prop_assert_eq!(port, 1000),
                            Reply::Observed(o) => prop_assert_eq!(o.client, SocketAddr::new(open[&conn], 1000)),
                            _ => {}
                        }
                    }
                    Output::Close { conn, .. } => prop_assert!(open.remove(&conn).is_some()),
                    Output::Log(_) => {}
                }
            }
            prop_assert_eq!(w.server.connections(), open.len());
            prop_assert!(open.len() <= 12);
            let (v4, v6) = w.server.passive_nodes();
            prop_assert!(v4 + v6 <= 3);
            prop_assert!(w.server.simultaneous_nodes() <= open.len());
            prop_assert!(w.server.challenges.is_consistent(2));
            prop_assert!(w.server.candidates() <= 2 * open.len());
        }
        // When all have left, nothing but passive nodes stays.
        for conn in open.into_keys() {
            w.server.closed(w.now, conn);
        }
        w.pass(86_400);
        w.server.on_timeout(w.now);
        prop_assert_eq!(w.server.poll_timeout(), None);
        prop_assert_eq!(w.server.candidates() + w.server.simultaneous_nodes() + w.server.accounts.len(), 0);
    }
}
