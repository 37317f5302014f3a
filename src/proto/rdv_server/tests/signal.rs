//! Each rule of signalling on its own. Signatures are those of a fake: the hash of id and text.

use super::*;
use crate::proto::identity::{PublicKey, Signature};
use crate::proto::rdv_msg::SignalRequest;
use crate::proto::rdv_msg::signal::{Network, Nonce, proof_text};
use sha2::{Digest, Sha256};

pub(super) fn fake_sign(id: &PublicKey, text: &[u8]) -> Signature {
    let half: [u8; 32] = Sha256::new().chain_update(id.as_bytes()).chain_update(text).finalize().into();
    std::array::from_fn(|i| half[i % 32])
}

pub(super) fn fake_verify(id: &PublicKey, text: &[u8], signature: &Signature) -> bool {
    fake_sign(id, text) == *signature
}

pub(super) fn id(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

const SERVER: &str = "192.0.2.1:8000";

pub(super) fn proof(n: u8, nonce: &Nonce, network: &str) -> String {
    let (server, network) = (SERVER.parse().unwrap(), network.parse::<Network>().unwrap());
    let signature = Box::new(fake_sign(&id(n), &proof_text(nonce, &id(n), server, &network)));
    SignalRequest::Prove { server, signature }.to_string()
}

impl World {
    fn nonce(&mut self, conn: ConnId, n: u8, network: &str) -> Nonce {
        let said = self.ask(conn, &format!("ENTER {} {network}", id(n)));
        match said.first().map(|line| Reply::parse(line)) {
            Some(Some(Reply::Signal(crate::proto::rdv_msg::SignalReply::Nonce { nonce, .. }))) => *nonce,
            _ => panic!("{said:?}"),
        }
    }

    /// Node `n` enters from `ip`; nothing is said to others.
    pub(super) fn enter(&mut self, ip: &str, n: u8, network: &str) -> ConnId {
        let conn = self.open(ip);
        let nonce = self.nonce(conn, n, network);
        let said = self.ask(conn, &proof(n, &nonce, network));
        assert!(said.len() == 1 && said[0].starts_with("ENTERED "), "{said:?}");
        conn
    }

    /// The last of what was said to a connection, by its first two words.
    fn outcome(&mut self, conn: ConnId, line: &str) -> String {
        self.said();
        self.say(conn, line);
        let said = self.said();
        let last = said.into_iter().rfind(|(to, _)| *to == conn).map(|(_, line)| line).unwrap_or_default();
        last.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }
}

fn tell(tag: u64, to: u8) -> String {
    format!("TELL {tag} {} Zg", id(to))
}

#[test]
fn nodes_behind_one_address_send_each_other_messages() {
    let mut w = World::new();
    let (a, b) = (w.enter("1.1.1.1", 1, "net"), w.enter("1.1.1.1", 2, "net"));
    w.say(a, &tell(7, 2));
    assert_eq!(w.said(), [lines(a, &["TOLD 7"]), lines(b, &[&format!("MESSAGE 1 {} Zg", id(1))])].concat());
    w.say(a, &tell(8, 2));
    w.said();
    assert_eq!(w.server.signal_waiting(), 2);
    w.say(b, "HEARD 2");
    assert_eq!(w.said(), lines(a, &["HEARD 7", "HEARD 8"]));
    w.say(b, "HEARD 2");
    assert!(w.said().is_empty(), "once is enough");
    w.say(b, &tell(0, 1));
    assert_eq!(w.said(), [lines(b, &["TOLD 0"]), lines(a, &[&format!("MESSAGE 1 {} Zg", id(2))])].concat());
    assert_eq!(w.outcome(a, &tell(9, 1)), "MESSAGE 2", "to itself as well");
    assert_eq!((w.server.signal_nodes(), w.server.counters().signal_told), (2, 4));
}

#[test]
fn who_is_not_here_or_in_another_network_is_absent() {
    let mut w = World::new();
    let a = w.enter("1.1.1.1", 1, "net");
    assert_eq!(w.ask(a, &tell(1, 2)), ["ABSENT 1"]);
    let other = w.enter("2.2.2.2", 2, "other");
    assert_eq!(w.ask(a, &tell(2, 2)), ["ABSENT 2"]);
    let same = w.enter("2.2.2.2", 2, "net");
    assert_eq!(w.outcome(a, &tell(3, 2)), "TOLD 3", "one node may be in two networks");
    w.server.closed(w.now, same);
    assert_eq!(w.said(), lines(a, &["UNHEARD 3"]));
    assert_eq!(w.ask(a, &tell(4, 2)), ["ABSENT 4"]);
    w.server.closed(w.now, other);
    assert_eq!(w.server.signal_nodes(), 1);
}

#[test]
fn entering_again_replaces_the_older_connection() {
    let mut w = World::new();
    let (a, old) = (w.enter("1.1.1.1", 1, "net"), w.enter("2.2.2.2", 2, "net"));
    w.say(a, &tell(5, 2));
    w.said();
    let new = w.open("3.3.3.3");
    let nonce = w.nonce(new, 2, "net");
    assert_eq!(w.outcome(a, &tell(6, 2)), "TOLD 6", "until the proof the older one counts");
    w.said();
    w.say(new, &proof(2, &nonce, "net"));
    let said = w.said();
    assert_eq!(
        said[..2],
        lines(old, &["REPLACED"])[..].iter().cloned().chain(lines(a, &["UNHEARD 5"])).collect::<Vec<_>>()[..]
    );
    assert_eq!(said[2..4], [lines(a, &["UNHEARD 6"]), lines(old, &["<replaced>"])].concat()[..]);
    assert!(said[4].0 == new && said[4].1.starts_with("ENTERED"));
    w.say(a, &tell(7, 2));
    assert_eq!(w.said()[1].0, new);
    // What the older one still says or how it ends is of no consequence.
    w.say(old, "HEARD 1");
    w.server.closed(w.now, old);
    assert!(w.said().is_empty());
    assert_eq!((w.server.signal_nodes(), w.server.counters().signal_replaced), (2, 1));
}

#[test]
fn only_the_owner_of_a_key_enters() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    let nonce = w.nonce(conn, 1, "net");
    let good = proof(1, &nonce, "net");
    for (line, reason) in [
        (proof(2, &nonce, "net"), "REFUSED PROOF"),
        (proof(1, &nonce, "other"), "REFUSED PROOF"),
        (proof(1, &[0; 32], "net"), "REFUSED PROOF"),
        (good.replace("192.0.2.1", "192.0.2.2"), "REFUSED PROOF"),
        (good, "REFUSED PROOF"),
    ] {
        // The last one is the right one, for another connection: an old proof is worth nothing.
        let conn = w.open("1.1.1.1");
        w.nonce(conn, 1, "net");
        w.say(conn, &line);
        let said = w.said();
        assert!(said[0].1.starts_with(reason), "{said:?}");
        assert_eq!(said[1], (conn, "<turned-away>".to_owned()));
    }
    assert_eq!(w.server.signal_nodes(), 0);
    assert_eq!(w.server.connections(), 1);
    // On its own connection it still counts, once.
    assert!(w.ask(conn, &proof(1, &nonce, "net"))[0].starts_with("ENTERED"));
    assert_eq!(w.outcome(conn, &proof(1, &nonce, "net")), "REFUSED ORDER");
}

#[test]
fn a_proof_for_another_server_is_refused() {
    let mut w = World::new();
    let local = Some("192.0.2.9:8000".parse().unwrap());
    let conn = w.server.open_at(w.now, "1.1.1.1:5".parse().unwrap(), local).unwrap();
    let nonce = w.nonce(conn, 1, "net");
    w.say(conn, &proof(1, &nonce, "net"));
    assert!(w.said()[0].1.starts_with("REFUSED SERVER"));
}

#[test]
fn every_nonce_is_another_one() {
    let mut w = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let conn = w.open("1.1.1.1");
        assert!(seen.insert(w.nonce(conn, 1, "net")));
    }
}

#[test]
fn a_node_knows_the_server_again_and_cannot_be_told_by_another() {
    use crate::proto::rdv_msg::signal::mark_of;
    let mut w = World::new();
    let field = |line: &str, name: &str| {
        line.split(' ').find_map(|field| field.strip_prefix(name)).map(str::to_owned).expect("the field")
    };
    let meet = |w: &mut World, n: u8| {
        let conn = w.open("1.1.1.1");
        let asked = w.ask(conn, &format!("ENTER {} net", id(n))).concat();
        let mark = field(&asked, "mark=");
        w.server.closed(w.now, conn);
        let conn = w.open("1.1.1.1");
        let nonce = w.nonce(conn, n, "net");
        w.say(conn, &proof(n, &nonce, "net"));
        let name = field(&w.said().pop().unwrap().1, "server=");
        assert_eq!(mark_of(&name), mark);
        name
    };
    let (first, again, other) = (meet(&mut w, 1), meet(&mut w, 1), meet(&mut w, 2));
    assert_eq!(first, again);
    assert_ne!(first, other, "what one node is told does not help to fool another");
}

#[test]
fn who_does_not_prove_it_in_time_is_closed_whatever_else_it_says() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    w.nonce(conn, 1, "net");
    w.pass(9);
    assert_eq!(w.ask(conn, "ECHO a"), ["ECHO a"]);
    w.server.on_timeout(w.now);
    assert!(w.said().is_empty());
    w.pass(1);
    w.server.on_timeout(w.now);
    let said = w.said();
    assert!(said[0].1.starts_with("REFUSED TIME expected PROVE"), "{said:?}");
    assert_eq!(said[1].1, "<unproved>");
}

#[test]
fn order_is_kept() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    let nonce = [0; 32];
    for line in [tell(4, 1), "HEARD 0".to_owned(), proof(1, &nonce, "net")] {
        assert_eq!(w.outcome(conn, &line), "REFUSED ORDER", "{line}");
    }
    assert!(w.ask(conn, &tell(4, 1))[0].starts_with("REFUSED ORDER tag=4 expected "));
    assert_eq!(w.ask(conn, "LEAVE"), ["LEFT"], "there is no harm in leaving twice");
    w.nonce(conn, 1, "net");
    assert_eq!(w.outcome(conn, &format!("ENTER {} net", id(1))), "REFUSED ORDER");
    let conn = w.enter("1.1.1.1", 1, "net");
    assert_eq!(w.outcome(conn, &format!("ENTER {} net", id(2))), "REFUSED ORDER");
    assert_eq!(w.outcome(conn, "HEARD 1"), "REFUSED ORDER", "no message 1 was sent");
    // Leaving makes room for the next.
    assert_eq!(w.ask(conn, "LEAVE"), ["LEFT"]);
    assert_eq!(w.server.signal_nodes(), 0);
    let nonce = w.nonce(conn, 2, "net");
    w.say(conn, &proof(2, &nonce, "net"));
    assert_eq!(w.server.signal_nodes(), 1);
}

#[test]
fn who_left_gets_no_more_reports_even_if_it_comes_back() {
    let mut w = World::new();
    let (a, b) = (w.enter("1.1.1.1", 1, "net"), w.enter("2.2.2.2", 2, "net"));
    w.say(a, &tell(5, 2));
    w.say(a, "LEAVE");
    let nonce = w.nonce(a, 1, "net");
    w.say(a, &proof(1, &nonce, "net"));
    w.said();
    w.say(b, "HEARD 1");
    assert!(w.said().is_empty());
    w.say(a, &tell(5, 2));
    w.say(b, "HEARD 2");
    assert_eq!(w.said().last().unwrap(), &(a, "HEARD 5".to_owned()));
}

#[test]
fn what_cannot_be_read_is_answered() {
    let mut w = World::new();
    let conn = w.enter("1.1.1.1", 1, "net");
    assert_eq!(
        w.ask(conn, "TELL 5 me Zg")[0].split(" ID").next(),
        Some("REFUSED LINE tag=5 expected TELL TAG")
    );
    for line in ["ENTER", "PROVE x", "TELL", "HEARD x", "ECHO"] {
        assert!(w.ask(conn, line)[0].starts_with("REFUSED LINE expected "), "{line}");
    }
    assert!(w.ask(conn, "TELLING").is_empty(), "what is none of our verbs is none of our business");
    assert_eq!(w.server.counters().signal_refused[0], 6);
}

#[test]
fn long_messages_are_refused() {
    let mut w = World::new();
    let a = w.enter("1.1.1.1", 1, "net");
    let message = |len: usize| format!("TELL 1 {} {}", id(1), "A".repeat((len * 8).div_ceil(6)));
    assert_eq!(w.outcome(a, &message(2048)), "MESSAGE 1");
    assert!(w.ask(a, &message(2049))[0].starts_with("REFUSED SIZE tag=1 expected a message of at most 2048"));
}

#[test]
fn a_receiver_that_does_not_confirm_gets_no_more_and_is_closed() {
    for (limits, most) in [
        (SignalLimits { queue: 3, ..SignalLimits::default() }, 3),
        (SignalLimits { queue_bytes: 2, ..SignalLimits::default() }, 2),
    ] {
        let mut w = World::with(Limits { signal: limits, ..Limits::default() });
        let (a, b) = (w.enter("1.1.1.1", 1, "net"), w.enter("2.2.2.2", 2, "net"));
        for n in 0..most {
            assert_eq!(w.outcome(a, &tell(n, 2)), format!("TOLD {n}"));
        }
        assert!(w.ask(a, &tell(9, 2))[0].starts_with("REFUSED QUEUE tag=9 "));
        w.pass(15);
        w.say(b, "HEARD 1");
        assert_eq!(w.outcome(a, &tell(10, 2)), format!("TOLD {}", 10));
        // It keeps saying something, but not that it heard the second.
        w.pass(5);
        w.say(b, "ECHO x");
        w.said();
        w.server.on_timeout(w.now);
        let said = w.said();
        assert!(said[0].0 == b && said[0].1.starts_with("REFUSED TIME expected HEARD"), "{said:?}");
        assert_eq!(said.last().unwrap(), &(b, "<unheard>".to_owned()));
        let unheard = said.iter().filter(|(to, line)| *to == a && line.starts_with("UNHEARD")).count();
        assert_eq!(unheard, most as usize, "each sender learns of it");
        assert_eq!(w.ask(a, &tell(11, 2)), ["ABSENT 11"]);
    }
}

#[test]
fn a_silent_node_is_closed_and_echo_keeps_it() {
    let mut w = World::new();
    let (a, b) = (w.enter("1.1.1.1", 1, "net"), w.enter("2.2.2.2", 2, "net"));
    w.pass(59);
    assert_eq!(w.ask(a, "ECHO 1"), ["ECHO 1"]);
    w.pass(1);
    w.server.on_timeout(w.now);
    let said = w.said();
    assert!(
        said[0].0 == b && said[0].1.starts_with("REFUSED TIME expected a line at least every 60 s"),
        "{said:?}"
    );
    assert_eq!(said[1], (b, "<idle>".to_owned()));
    assert_eq!(said.len(), 2);
    // A hole-punching node that entered as well has to be as lively.
    w.say(a, "SIMULTANEOUS READY 0 0");
    w.pass(60);
    w.server.on_timeout(w.now);
    assert_eq!(w.said().last().unwrap(), &(a, "<idle>".to_owned()));
}

#[test]
fn messages_are_limited_by_node_pair_address_and_receiver() {
    let wide = Rate::new(1000, 1000);
    let base =
        SignalLimits { messages: wide, pair: wide, address: wide, receiver: wide, ..SignalLimits::default() };
    let two = Rate::new(1, 2);
    // Which of the messages that follow two from node 1 to node 5 still pass: from node 1 to node 5, node 1 to node 6,
    // node 2 (same address) to node 5, node 3 to node 5, and node 2 to node 5 when eight came from their address.
    for (limits, passing) in [
        (SignalLimits { messages: two, ..base.clone() }, [false, false, true, true, true]),
        (SignalLimits { pair: two, ..base.clone() }, [false, true, true, true, false]),
        (SignalLimits { address: two, ..base.clone() }, [false, false, false, true, false]),
        (SignalLimits { receiver: two, ..base.clone() }, [false, true, false, false, false]),
    ] {
        let mut w = World::with(Limits { signal: limits.clone(), ..Limits::default() });
        let ips =
            ["", "1.1.1.1", "1.1.1.1", "3.3.3.3", "1.1.1.1", "5.5.5.5", "6.6.6.6", "1.1.1.1", "1.1.1.1"];
        let conns: Vec<ConnId> = (1..ips.len()).map(|n| w.enter(ips[n], n as u8, "net")).collect();
        let mut ask = |from: usize, to: u8| {
            let answer = w.outcome(conns[from - 1], &tell(1, to));
            assert!(["TOLD 1", "REFUSED RATE"].contains(&&answer[..]), "{answer}");
            answer == "TOLD 1"
        };
        assert!(ask(1, 5) && ask(1, 5));
        let mut got = [ask(1, 5), ask(1, 6), ask(2, 5), ask(3, 5), false];
        if limits.pair == two {
            // Every node has a budget of its own, but all of an address together four times as much.
            let more = [(2, 5), (4, 5), (4, 5), (7, 5), (7, 5)].map(|(from, to)| ask(from, to));
            assert_eq!(more, [true, true, true, true, true]);
        }
        got[4] = ask(8, 5);
        assert_eq!(got, passing, "{limits:?}");
        w.pass(1);
        assert_eq!(w.outcome(conns[0], &tell(2, 5)), "TOLD 2", "a second later there is room for one");
    }
}

#[test]
fn a_node_that_says_too_much_is_closed_and_its_neighbours_are_not() {
    let signal = SignalLimits { lines: Rate::new(1, 3), ..SignalLimits::default() };
    let mut w =
        World::with(Limits { signal, request_burst: 20, requests_per_second: 0, ..Limits::default() });
    let (a, b) = (w.enter("1.1.1.1", 1, "net"), w.enter("1.1.1.1", 2, "net"));
    for n in 0..3 {
        assert_eq!(w.ask(a, &format!("ECHO {n}")), [format!("ECHO {n}")]);
    }
    let said = w.ask(a, "ECHO more");
    assert!(said[0].starts_with("REFUSED RATE expected fewer lines") && said[1] == "<rate>", "{said:?}");
    assert_eq!(w.ask(b, "ECHO 1"), ["ECHO 1"], "each node pays for itself");
    // What it has to say because others send it messages is free.
    let c = w.enter("3.3.3.3", 3, "net");
    for n in 1..=3 {
        w.say(c, &tell(n, 2));
        w.say(b, &format!("HEARD {n}"));
        assert!(w.said().contains(&(c, format!("HEARD {n}"))));
    }
    assert_eq!(w.ask(b, "HEARD 3").len(), 0);
    assert_eq!(w.ask(b, "HEARD 3").len(), 0);
    assert_eq!(w.ask(b, "HEARD 3")[1], "<rate>", "but only if it is news");
    // Before it has proved who it is, its address pays, and for the verbs of PyP2P always.
    let d = w.open("1.1.1.1");
    let answered = (0..20).take_while(|n| w.ask(d, &format!("ECHO {n}")).len() == 1).count();
    assert!(answered < 20, "{answered}");
}

#[test]
fn so_many_nodes_and_no_more() {
    let signal = SignalLimits { nodes: 3, nodes_per_address: 2, ..SignalLimits::default() };
    let mut w = World::with(Limits { signal, ..Limits::default() });
    let (a, _) = (w.enter("1.1.1.1", 1, "net"), w.enter("1.1.1.1", 2, "net"));
    let ask = |w: &mut World, ip: &str, n: u8| {
        let conn = w.open(ip);
        w.said();
        w.say(conn, &format!("ENTER {} net", id(n)));
        w.said().last().unwrap().1.clone()
    };
    assert_eq!(ask(&mut w, "1.1.1.1", 3), "<turned-away>");
    assert!(ask(&mut w, "1.1.1.1", 1).starts_with("NONCE"), "who is here already may come again");
    let entering = w.open("1.1.1.4");
    let nonce = w.nonce(entering, 4, "net");
    w.enter("2001:db8::1", 3, "net");
    assert_eq!(ask(&mut w, "1.1.1.2", 4), "<turned-away>");
    w.say(entering, &proof(4, &nonce, "net"));
    let said = w.said();
    assert!(said[0].1.starts_with("REFUSED FULL expected at most 3 nodes") && said[1].1 == "<turned-away>");
    // Replacing takes no room, and leaving makes some.
    let again = w.open("1.1.1.1");
    let nonce = w.nonce(again, 1, "net");
    w.say(again, &proof(1, &nonce, "net"));
    assert_eq!(w.said()[0], (a, "REPLACED".to_owned()));
    assert_eq!(w.ask(again, "LEAVE"), ["LEFT"]);
    w.enter("2001:db8::2", 4, "net");
    assert_eq!(ask(&mut w, "2001:db8::3", 5), "<turned-away>", "a /64 is one address");
}

#[test]
fn proofs_are_limited_because_they_cost() {
    for (signal, second_ip) in [
        (SignalLimits { proofs: Rate::new(1, 2), ..SignalLimits::default() }, "1.1.1.1"),
        (SignalLimits { proofs_in_all: Rate::new(1, 2), ..SignalLimits::default() }, "2.2.2.2"),
    ] {
        let mut w = World::with(Limits { signal, ..Limits::default() });
        w.enter("1.1.1.1", 1, "net");
        w.enter("1.1.1.1", 2, "net");
        let conn = w.open(second_ip);
        let nonce = w.nonce(conn, 3, "net");
        w.say(conn, &proof(3, &nonce, "net"));
        let said = w.said();
        assert!(said[0].1.starts_with("REFUSED RATE") && said[1].1 == "<turned-away>", "{said:?}");
        w.pass(1);
        w.enter(second_ip, 3, "net");
    }
}

#[test]
fn a_server_without_signalling_says_so() {
    let mut w = World::with(Limits {
        signal: SignalLimits { nodes: 0, ..SignalLimits::default() },
        ..Limits::default()
    });
    let conn = w.open("1.1.1.1");
    assert_eq!(w.outcome(conn, &format!("ENTER {} net", id(1))), "REFUSED OFF");
    let mut bare = Rendezvous::new(Limits::default(), 7);
    let conn = bare.open(w.now, "1.1.1.1:5".parse().unwrap()).unwrap();
    bare.line(w.now, UNIX, conn, format!("ENTER {} net", id(1)).as_bytes());
    let said = std::iter::from_fn(|| bare.poll_output()).find_map(|output| match output {
        Output::Send { reply, .. } => Some(reply.to_string()),
        _ => None,
    });
    assert!(said.unwrap().starts_with("REFUSED OFF"));
}

#[test]
fn the_verbs_of_pyp2p_work_beside_and_know_nothing_of_it() {
    let mut w = World::new();
    let a = w.enter("2.2.2.2", 1, "net");
    assert_eq!(w.ask(a, "SOURCE TCP"), ["REMOTE TCP 1025"]);
    let asker = w.open("1.1.1.1");
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty(), "it is no simultaneous node");
    w.say(a, "SIMULTANEOUS READY 0 0");
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert!(w.said().contains(&(a, "CHALLENGE 1.1.1.1 10 TCP".to_owned())));
    assert_eq!(w.ask(a, "LEAVE"), ["LEFT"]);
    assert_eq!(w.server.simultaneous_nodes(), 1);
}
