//! Any inputs in any order: every request ends once and in time, nothing is left, and no connection is opened twice.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::proto::connect::message::Refusal;
use crate::proto::punch::{self, Body, Failure, Reason};
use proptest::prelude::*;

/// What was said, as far as later steps refer to it.
#[derive(Default)]
struct Seen {
    conns: Vec<ConnId>,
    closed: BTreeSet<ConnId>,
    open: BTreeMap<ConnId, PublicKey>,
    punches: BTreeSet<PunchId>,
    /// Look-ups in the DHT, and letters.
    searches: BTreeSet<u64>,
    tags: Vec<u64>,
    tokens: Vec<Token>,
    done: BTreeMap<u64, usize>,
}

impl Seen {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Dial { conn, .. } => self.conns.push(conn),
                Output::Relay { conn, token, .. } => {
                    self.conns.push(conn);
                    self.tokens.push(token.0);
                }
                Output::Open { conn, peer, .. } => {
                    assert!(!self.open.values().any(|other| *other == peer), "two at once");
                    assert!(self.open.insert(conn, peer).is_none() && !self.closed.contains(&conn));
                }
                Output::Close { conn, .. } => {
                    self.open.remove(&conn);
                    self.closed.insert(conn);
                }
                Output::LookUp { tag, .. } => {
                    self.searches.insert(tag);
                }
                Output::Tell { tag, message, via, .. } => {
                    if via[..] == [MAINLINE] {
                        self.searches.insert(tag);
                    }
                    match Message::decode(&message).unwrap() {
                        Message::Call { token, .. } => {
                            self.tags.push(tag);
                            self.tokens.push(token);
                        }
                        Message::Punch(message) => self.tokens.push(message.token.0),
                        _ => {}
                    }
                }
                Output::Punch { punch, begin } => {
                    self.punches.insert(punch);
                    if let Begin::Initiate { token, .. } = &*begin {
                        self.tokens.push(token.0);
                    }
                }
                Output::Done { request, outcome, .. } => {
                    *self.done.entry(request).or_default() += 1;
                    assert!(outcome.is_err() || self.open.contains_key(&outcome.unwrap()));
                }
                _ => {}
            }
        }
    }
}

fn pick<T: Copy>(list: &[T], n: u8) -> Option<T> {
    (!list.is_empty()).then(|| list[usize::from(n) % list.len()])
}

fn step(bench: &mut Bench, seen: &mut Seen, requests: &mut u64, [kind, which, what]: [u8; 3]) -> Vec<Output> {
    let conn = pick(&seen.conns, which).unwrap_or(ConnId(1_000_000 + u64::from(which)));
    let token = pick(&seen.tokens, which).unwrap_or([which | 1; 16]);
    let chosen = what % 2 == 0;
    let candidates = ["wan 203.0.113.7:7000", "mapped 203.0.113.8:7000", "lan 192.168.1.9:7000"];
    let some = &candidates[..usize::from(what % 4)];
    let text = "broken".to_owned();
    let body = match what % 4 {
        0 => Body::Ping(1),
        1 => Body::GaveUp(38),
        _ => Body::Offer(Side { outside_ip: "203.0.113.7".parse().ok(), ..Side::default() }),
    };
    let message = punch::Message { token: punch::Token(token), round: 1, body };
    let server = if which % 4 == 0 { MAINLINE } else { SERVER };
    let hears = |bench: &mut Bench, message: Message| {
        let from = bench.key();
        bench.give(Input::Message { server: server.to_owned(), from, bytes: message.encode() })
    };
    match kind % 25 {
        0 | 1 => {
            *requests += 1;
            let unl = bench.unl(some);
            return bench.connect(*requests, &unl);
        }
        2 => {
            bench.connector.cancel(bench.now, u64::from(which));
            return bench.out();
        }
        3 | 4 => return bench.give(Input::Connected { conn }),
        5 if !seen.open.contains_key(&conn) => {
            seen.closed.insert(conn);
            return bench.give(Input::DialFailed { conn, os_error: 111, text });
        }
        6 | 7 => {
            let (conn, out) = bench.came(token, chosen, what % 5 == 0);
            seen.conns.push(conn);
            return out;
        }
        8 | 9 if !seen.closed.contains(&conn) => return bench.met(conn, chosen),
        10 => return bench.give(Input::Verdict { conn, chosen }),
        11 => return bench.give(Input::Chosen { conn }),
        12 => {
            seen.open.remove(&conn);
            seen.closed.insert(conn);
            return bench.closed(conn);
        }
        13 => {
            let Some(tag) = pick(&seen.tags, which) else { return Vec::new() };
            let outcome = match what % 3 {
                0 => Outcome::Absent,
                1 => Outcome::Lost,
                _ => Outcome::Heard { server: SERVER.to_owned(), rtt: MS * 50 },
            };
            return bench.give(Input::Outcome { tag, outcome });
        }
        14 => return hears(bench, Message::Punch(message)),
        15 => {
            let (locator, punch) = (bench.unl(some).text().to_owned(), chosen.then_some(message));
            return hears(bench, Message::Call { token, locator, punch });
        }
        16 => {
            let locator = bench.unl(some).text().to_owned();
            return hears(bench, Message::Answer { token, dials: what % 9, locator });
        }
        17 => return hears(bench, Message::Refuse { token, reason: Refusal::from_number(what % 9) }),
        23 => return bench.give(Input::Relayed { conn, at: "192.0.2.1:8000".parse().unwrap() }),
        24 => {
            let relay = [what | 1; 16];
            return hears(bench, Message::Relay { token, relay, server: SERVER.to_owned() });
        }
        18 => {
            let punches: Vec<PunchId> = seen.punches.iter().copied().collect();
            let Some(punch) = pick(&punches, which) else { return Vec::new() };
            if what % 4 == 0 {
                return bench.give(Input::PunchSend { punch, message });
            }
            seen.punches.remove(&punch);
            let failure = Failure { reason: Reason::from_number(what), by_peer: chosen };
            let won = what % 4 == 1;
            let winner = won.then(|| bench.connector.next_conn());
            seen.conns.extend(winner);
            let at = "203.0.113.7:4000".parse().unwrap();
            let outcome = winner.map(|conn| (conn, at)).ok_or(failure);
            return bench.give(Input::Punched { punch, outcome, text: String::new() });
        }
        19 | 20 => {
            let searches: Vec<u64> = seen.searches.iter().copied().collect();
            let Some(tag) = pick(&searches, which) else { return Vec::new() };
            if kind % 25 == 19 {
                let locator = Box::new(bench.unl(some));
                return bench.give(Input::Located { tag, locator });
            }
            seen.searches.remove(&tag);
            let outcome = if chosen { Ok(()) } else { Err("nothing".to_owned()) };
            return bench.give(Input::Searched { tag, outcome });
        }
        22 if what % 4 == 0 => {
            // The I/O does so when a session begins, ends, or loses its link.
            let (now, key) = (bench.now, bench.key());
            match which % 3 {
                0 => bench.connector.set_session(now, key, Some([which | 1; 16])),
                1 => bench.connector.set_session(now, key, None),
                _ => bench.connector.recover(now, key, now + MS * u32::from(what) * 40),
            }
            return bench.out();
        }
        _ => {}
    }
    bench.pass(MS * u32::from(what) * 8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_is_told(chooser: bool, dht: bool, script in prop::collection::vec(any::<[u8; 3]>(), 0..80)) {
        let mut bench = Bench::with(chooser, |settings, own| {
            own.relays = vec![SERVER.to_owned()];
            if dht {
                (settings.mainline, settings.letters, own.node_type) = (true, true, Some(NodeType::Passive));
            }
        });
        let (mut seen, mut requests) = (Seen::default(), 0);
        for item in script {
            let out = step(&mut bench, &mut seen, &mut requests, item);
            seen.take(out);
        }
        bench.connector.set_session(bench.now, bench.key(), None);
        // Sessions and messages end by themselves at last. Behind a look-up there may be a punch, and a letter.
        let out = bench.pass(Duration::from_secs(15));
        seen.take(out);
        for _ in 0..3 {
            for punch in std::mem::take(&mut seen.punches) {
                let outcome = Err(Failure { reason: Reason::TooLong, by_peer: false });
                let out = bench.give(Input::Punched { punch, outcome, text: String::new() });
                seen.take(out);
            }
            for tag in std::mem::take(&mut seen.searches) {
                let out = bench.give(Input::Searched { tag, outcome: Ok(()) });
                seen.take(out);
            }
            let out = bench.pass(Duration::from_secs(60));
            seen.take(out);
        }
        prop_assert!(seen.searches.is_empty());
        for request in 1..=requests {
            prop_assert_eq!(seen.done.get(&request), Some(&1), "request {}", request);
        }
        prop_assert_eq!(bench.connector.len(), seen.open.len());
        prop_assert_eq!(bench.connector.open(&bench.key()), seen.open.keys().next().copied());
        prop_assert_eq!(bench.connector.deadline(), None);
        prop_assert!(bench.connector.is_at_rest());
    }
}
