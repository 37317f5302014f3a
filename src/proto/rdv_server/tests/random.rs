//! Random use of the rendezvous server: what must hold whatever clients do.

use super::*;
use crate::proto::rdv_msg::SignalReply;
use crate::proto::rdv_msg::signal::Nonce;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_use_keeps_the_promises(
        ops in prop::collection::vec((0..24u8, 0..6u8, 0..6u8, 0..200u64), 0..250),
    ) {
        let limits = Limits {
            connections: 12,
            connections_per_address: 4,
            request_burst: 60,
            requests_per_second: 5,
            passive_nodes: 3,
            candidates_per_node: 2,
            candidates_per_connection: 2,
            signal: SignalLimits {
                nodes: 4,
                nodes_per_address: 2,
                queue: 3,
                queue_bytes: 20,
                pair: Rate::new(1, 4),
                proofs: Rate::new(1, 9),
                lines: Rate::new(1, 20),
                ..SignalLimits::default()
            },
            ..Limits::default()
        };
        let mut w = World::with(limits);
        // Who is open, and from where; who was given which nonce; what was told and not reported.
        let mut nonces: BTreeMap<ConnId, (u8, Nonce, u64)> = BTreeMap::new();
        let mut outputs = Vec::new();
        let mut told: BTreeSet<(ConnId, u64)> = BTreeSet::new();
        let mut relayed: BTreeSet<ConnId> = BTreeSet::new();
        let mut tag = 0;
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
                23 => w.say(conn, if b < 3 { "NETWORK a" } else { "NETWORK b more" }),
                22 => w.say(conn, if b == 0 { "RELAY x" } else { "RELAY 0123456789abcdef0123456789abcdef" }),
                10 => w.say(conn, ["QUIT", "OBSERVE", "OBSERVE"].get(usize::from(b)).unwrap_or(&"SOURCE TCP 1")),
                11..=14 => {
                    // Usually entering goes through, sometimes it stops half way, or the proof is for something else.
                    if op != 14 {
                        w.say(conn, &format!("ENTER {} net{}", signal::id(b), step % 5 / 4));
                    }
                    for output in std::iter::from_fn(|| w.server.poll_output()).collect::<Vec<_>>() {
                        if let Output::Send { conn, reply: Reply::Signal(SignalReply::Nonce { nonce, .. }) } = &output {
                            nonces.insert(*conn, (b, **nonce, step % 5 / 4));
                        }
                        outputs.push(output);
                    }
                    if op != 13
                        && let Some((n, nonce, network)) = nonces.get(&conn)
                    {
                        w.say(conn, &signal::proof(*n, nonce, &format!("net{}", network ^ u64::from(step % 11 == 0))));
                    }
                }
                15..=17 => {
                    tag += 1;
                    w.say(conn, &format!("TELL {tag} {} {}", signal::id(b), "A".repeat(step as usize / 40 * 4 + 4)));
                }
                18 if b == 5 => w.say(conn, "LEAVE"),
                18..=20 => w.say(conn, &format!("HEARD {}", step / 60 + 1)),
                _ => {
                    w.pass(if b == 0 { step } else { step / 10 });
                    w.server.on_timeout(w.now);
                    prop_assert!(w.server.poll_timeout().is_none_or(|at| at > w.now), "all that was due is done");
                }
            }
            outputs.extend(std::iter::from_fn(|| w.server.poll_output()));
            for output in outputs.drain(..) {
                match output {
                    Output::Send { conn, reply } => {
                        prop_assert!(open.contains_key(&conn), "{reply} to a connection that is not open");
                        prop_assert!(!relayed.contains(&conn), "{reply} among others' bytes");
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
                            Reply::Signal(SignalReply::Told { tag }) => prop_assert!(told.insert((conn, tag))),
                            Reply::Signal(SignalReply::Heard { tag } | SignalReply::Unheard { tag }) => {
                                prop_assert!(told.remove(&(conn, tag)), "reported once and only if it was told");
                            }
                            Reply::Signal(SignalReply::Left) => told.retain(|(teller, _)| *teller != conn),
                            Reply::Observed(o) => prop_assert_eq!(o.client, SocketAddr::new(open[&conn], 1000)),
                            _ => {}
                        }
                    }
                    Output::Close { conn, .. } => prop_assert!(open.remove(&conn).is_some()),
                    Output::Relay { conn, .. } => {
                        prop_assert!(open.contains_key(&conn) && relayed.insert(conn), "once");
                    }
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
            prop_assert!(w.server.signal_is_consistent());
            prop_assert!(w.server.signal_nodes() <= 4 && w.server.signal_waiting() <= 12);
        }
        // Of those who are still here each message was reported, or its receiver has it and has not said so.
        let mut waiting = told.clone();
        waiting.retain(|(conn, _)| open.contains_key(conn));
        prop_assert!(waiting.len() <= w.server.signal_waiting());
        // When all have left, nothing but passive nodes stays.
        for conn in open.into_keys() {
            w.server.closed(w.now, conn);
        }
        w.pass(86_400);
        w.server.on_timeout(w.now);
        prop_assert_eq!(w.server.poll_timeout(), None);
        prop_assert_eq!(w.server.candidates() + w.server.simultaneous_nodes() + w.server.accounts.len(), 0);
        prop_assert_eq!(w.server.signal_nodes() + w.server.signal_waiting(), 0);
    }
}
