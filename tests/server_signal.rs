//! Signalling with the real program, over loopback, with real keys.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod server_support;

use p2pnet::proto::identity::{Identity, PublicKey};
use p2pnet::proto::rdv_msg::signal::{Network, message_text, proof_text};
use p2pnet::proto::rdv_msg::{Reply, SignalReply, SignalRequest};
use server_support::*;
use std::io::Write;
use std::net::SocketAddr;

fn identity(n: u8) -> Identity {
    Identity::from_secret(&[n; 32])
}

fn id(n: u8) -> PublicKey {
    identity(n).public()
}

fn proof(n: u8, client: &Client, nonce: &[u8; 32], network: &str) -> String {
    let network: Network = network.parse().unwrap();
    let server = client.stream.get_ref().peer_addr().unwrap();
    let signature = Box::new(identity(n).sign(&proof_text(nonce, &id(n), server, &network)));
    SignalRequest::Prove { server, signature }.to_string()
}

fn nonce(client: &mut Client, n: u8, network: &str) -> [u8; 32] {
    match Reply::parse(&client.ask(&format!("ENTER {} {network}", id(n)))) {
        Some(Reply::Signal(SignalReply::Nonce { nonce, .. })) => *nonce,
        other => panic!("{other:?}"),
    }
}

/// Node `n` enters on a connection that stands.
fn enter_on(client: &mut Client, n: u8, network: &str) {
    let nonce = nonce(client, n, network);
    let answer = client.ask(&proof(n, client, &nonce, network));
    assert!(answer.starts_with("ENTERED server="), "{answer}");
}

fn enter_from(server: SocketAddr, ip: &str, n: u8, network: &str) -> Client {
    let mut client = Client::connect(server, ip);
    enter_on(&mut client, n, network);
    client
}

fn enter(server: &Daemon, n: u8) -> Client {
    enter_from(server.rendezvous, "127.0.0.2", n, "net")
}

fn tell(tag: usize, to: u8, message: &[u8]) -> String {
    format!("TELL {tag} {} {}", id(to), message_text(message))
}

/// After this the server has seen everything said before.
fn echo(client: &mut Client) {
    assert_eq!(client.ask("ECHO sync"), "ECHO sync");
}

fn told(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name} in {page}"))
}

#[test]
fn many_nodes_behind_one_address_talk_to_each_other() {
    let server = Daemon::start(&[]);
    let mut nodes: Vec<Client> = (0..40).map(|n| enter(&server, n)).collect();
    for n in 0..40u8 {
        let to = (n + 7) % 40;
        let text = format!("from {n} to {to}");
        assert_eq!(nodes[usize::from(n)].ask(&tell(5, to, text.as_bytes())), "TOLD 5");
        let heard = nodes[usize::from(to)].hear().unwrap();
        assert_eq!(heard, format!("MESSAGE 1 {} {}", id(n), message_text(text.as_bytes())));
        nodes[usize::from(to)].say("HEARD 1");
        assert_eq!(nodes[usize::from(n)].hear().unwrap(), "HEARD 5");
    }
    let page = server.get("/metrics").1;
    assert_eq!(told(&page, "p2p_signal_nodes"), 40);
    assert_eq!(told(&page, "p2p_signal_waiting"), 0);
    for result in ["told", "heard"] {
        assert_eq!(told(&page, &format!("p2p_signal_messages_total{{result=\"{result}\"}}")), 40);
    }
    assert_eq!(told(&page, "p2p_rendezvous_requests_total{verb=\"prove\"}"), 40);
}

#[test]
fn both_ports_and_both_families_meet() {
    let server = Daemon::start(&["--listen", "[::]:0"]);
    let v4 = |port| SocketAddr::from(([127, 0, 0, 1], port));
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let mut a = enter_from(v4(server.rendezvous.port()), "127.0.0.2", 1, "net");
    let v6 = SocketAddr::new("::1".parse().unwrap(), server.nat.port());
    let mut b = enter_from(v6, "::1", 2, "net");
    assert_eq!(a.ask(&tell(1, 2, b"x")), "TOLD 1");
    assert_eq!(b.hear().unwrap(), format!("MESSAGE 1 {} eA", id(1)));
}

#[test]
fn entering_elsewhere_replaces_and_tells_the_older_one() {
    let server = Daemon::start(&[]);
    let (mut a, mut old) = (enter(&server, 1), enter(&server, 2));
    assert_eq!(a.ask(&tell(1, 2, b"x")), "TOLD 1");
    let mut new = enter_from(server.rendezvous, "127.0.0.9", 2, "net");
    assert_eq!(a.hear().unwrap(), "UNHEARD 1");
    assert!(old.hear().unwrap().starts_with("MESSAGE 1 "));
    assert_eq!(old.hear().unwrap(), "REPLACED");
    assert_eq!(old.hear(), None);
    assert_eq!(a.ask(&tell(2, 2, b"y")), "TOLD 2");
    assert!(new.hear().unwrap().starts_with("MESSAGE 1 "));
    new.say("HEARD 1");
    assert_eq!(a.hear().unwrap(), "HEARD 2");
    drop(new);
    // The end of a connection is noticed in its own time; then the node is absent.
    while a.ask(&tell(3, 2, b"z")) != "ABSENT 3" {
        assert_eq!(a.hear().unwrap(), "UNHEARD 3");
    }
}

#[test]
fn nobody_enters_with_anothers_key_or_an_old_proof() {
    let server = Daemon::start(&[]);
    let mut owner = server.client("127.0.0.2");
    let number = nonce(&mut owner, 1, "net");
    let good = proof(1, &owner, &number, "net");
    let mut forged = proof(2, &owner, &number, "net");
    for (line, how) in [
        (std::mem::take(&mut forged), "by another key"),
        (good.clone(), "for another connection: replayed"),
        (proof(1, &owner, &number, "other"), "for another network"),
        (good.replace("127.0.0.1", "127.0.0.4"), "for another server"),
        (format!("PROVE 127.0.0.1:1 {}", "A".repeat(86)), "made of zeros"),
    ] {
        let mut thief = server.client("127.0.0.3");
        nonce(&mut thief, 1, "net");
        let answer = thief.ask(&line);
        assert!(answer.starts_with("REFUSED PROOF expected"), "{how}: {answer}");
        assert_eq!(thief.hear(), None, "{how}");
    }
    assert!(owner.ask(&good).starts_with("ENTERED"), "on its own connection it is good");
    assert!(owner.ask(&good).starts_with("REFUSED ORDER"), "once");
    // After leaving, the old proof does not let it in again either.
    assert_eq!(owner.ask("LEAVE"), "LEFT");
    nonce(&mut owner, 1, "net");
    assert!(owner.ask(&good).starts_with("REFUSED PROOF"));
    assert_eq!(told(&server.get("/metrics").1, "p2p_signal_refused_total{reason=\"proof\"}"), 6);
}

#[test]
fn networks_do_not_see_each_other() {
    let server = Daemon::start(&[]);
    let mut a = enter(&server, 1);
    let _other = enter_from(server.rendezvous, "127.0.0.2", 2, "other");
    assert_eq!(a.ask(&tell(1, 2, b"x")), "ABSENT 1");
    let mut same = enter(&server, 2);
    assert_eq!(a.ask(&tell(2, 2, b"x")), "TOLD 2");
    assert!(same.hear().unwrap().starts_with("MESSAGE 1 "));
}

#[test]
fn hostile_lines_are_answered_or_end_the_connection() {
    let server = Daemon::start(&[]);
    let mut client = server.client("127.0.0.2");
    let big = "A".repeat(16_000);
    for line in [
        "ENTER".to_owned(),
        format!("ENTER {big} net"),
        format!("ENTER {} {big}", id(1)),
        format!("PROVE 127.0.0.1:1 {big}"),
        "TELL".to_owned(),
        format!("TELL 99999999999999999999999999 {} Zg", id(1)),
        format!("TELL 1 {} {big}=", id(1)),
        format!("TELL 1 {} \u{0}\u{1b}[2J", id(1)),
        format!("HEARD {big}"),
        format!("ECHO {big}"),
        "ECHO \u{202e}".to_owned(),
    ] {
        let answer = client.ask(&line);
        assert!(answer.starts_with("REFUSED LINE ") && answer.len() < 300, "{answer}");
    }
    assert!(client.ask(&format!("TELL 1 {} {big}", id(1))).starts_with("REFUSED ORDER tag=1 "));
    enter_on(&mut client, 1, "net");
    assert!(
        client
            .ask(&format!("TELL 1 {} {big}", id(1)))
            .starts_with("REFUSED SIZE tag=1 expected a message of at most 2048")
    );
    client.stream.get_mut().write_all(b"ECHO \xff\xfe\r\n").unwrap();
    echo(&mut client);
    client.say(&format!("ECHO {}", "x".repeat(20_000)));
    assert_eq!(client.hear(), None, "longer than any line");
}

#[test]
fn who_does_not_prove_it_is_closed() {
    let server = Daemon::start(&["--signal-prove-timeout", "0.2"]);
    let mut client = server.client("127.0.0.2");
    nonce(&mut client, 1, "net");
    assert!(client.hear().unwrap().starts_with("REFUSED TIME expected PROVE within 0.2 s"));
    assert_eq!(client.hear(), None);
}

#[test]
fn who_says_nothing_is_closed() {
    // That ECHO is enough to stay is tested without a clock, beside the code.
    let server = Daemon::start(&["--signal-idle-timeout", "0.3"]);
    let mut idle = enter(&server, 1);
    assert!(
        idle.hear().unwrap().starts_with("REFUSED TIME expected a line at least every 0.3 s, such as ECHO")
    );
    assert_eq!(idle.hear(), None);
}

#[test]
fn rates_are_kept_and_told() {
    let server =
        Daemon::start(&["--signal-pair-messages-per-second", "0", "--signal-pair-message-burst", "3"]);
    let (mut a, mut b, mut c) = (enter(&server, 1), enter(&server, 2), enter(&server, 3));
    for tag in 0..5 {
        let expected =
            if tag < 3 { format!("TOLD {tag}") } else { format!("REFUSED RATE tag={tag} expected fewer") };
        assert!(a.ask(&tell(tag, 2, b"x")).starts_with(&expected));
    }
    assert_eq!(a.ask(&tell(9, 3, b"x")), "TOLD 9", "to another it may");
    assert_eq!(c.ask(&tell(9, 2, b"x")).split(' ').next(), Some("MESSAGE"));
    assert_eq!(c.hear().unwrap(), "TOLD 9", "and another may");
    // What comes through is no more than that.
    for _ in 0..4 {
        assert!(b.hear().unwrap().starts_with("MESSAGE "));
    }
    echo(&mut b);
    // Entering again does not buy more.
    drop(a);
    let mut a = enter_from(server.rendezvous, "127.0.0.5", 1, "net");
    assert!(a.ask(&tell(1, 2, b"x")).starts_with("REFUSED RATE"));
}

#[test]
fn a_flood_of_lines_ends_the_flooder_and_not_its_neighbour() {
    let server = Daemon::start(&["--signal-lines-per-second", "1", "--signal-line-burst", "50"]);
    let (mut flooder, mut neighbour) = (enter(&server, 1), enter(&server, 2));
    let sent = flooder.stream.get_mut().write_all("ECHO x\r\n".repeat(2000).as_bytes());
    let answers: Vec<String> = std::iter::from_fn(|| flooder.hear()).collect();
    // If the server closed before it had read all, the system may have thrown its last words away.
    assert!(answers.len() < 100, "{} answers, {sent:?}", answers.len());
    echo(&mut neighbour);
}

#[test]
fn a_receiver_that_does_not_confirm_costs_its_senders_and_nobody_else() {
    let server = Daemon::start(&["--signal-queue", "4", "--signal-heard-timeout", "600"]);
    let (mut a, _slow, mut good) = (enter(&server, 1), enter(&server, 2), enter(&server, 3));
    for tag in 0..4 {
        assert_eq!(a.ask(&tell(tag, 2, b"x")), format!("TOLD {tag}"));
    }
    let full = a.ask(&tell(4, 2, b"x"));
    assert!(full.starts_with("REFUSED QUEUE tag=4 expected the receiver to confirm"), "{full}");
    assert_eq!(a.ask(&tell(5, 3, b"x")), "TOLD 5");
    good.hear();
    good.say("HEARD 1");
    assert_eq!(a.hear().unwrap(), "HEARD 5");
    // It is thrown out in the end, and the senders learn which messages went unheard.
    let server = Daemon::start(&["--signal-queue", "4", "--signal-heard-timeout", "0.3"]);
    let (mut a, mut slow) = (enter(&server, 1), enter(&server, 2));
    // In one piece, so that none comes after that end.
    let all: String = (0..4).map(|tag| tell(tag, 2, b"x") + "\r\n").collect();
    a.stream.get_mut().write_all(all.as_bytes()).unwrap();
    for word in ["TOLD", "UNHEARD"] {
        for tag in 0..4 {
            assert_eq!(a.hear().unwrap(), format!("{word} {tag}"));
        }
    }
    let last = std::iter::from_fn(|| slow.hear()).last().unwrap();
    assert!(last.starts_with("REFUSED TIME expected HEARD within 0.3 s"), "{last}");
    assert_eq!(a.ask(&tell(6, 2, b"x")), "ABSENT 6");
}

#[test]
fn so_many_nodes_and_no_more() {
    let server = Daemon::start(&["--signal-max-nodes", "3", "--signal-max-nodes-per-address", "2"]);
    let turned_away = |ip: &str, n| {
        let mut client = server.client(ip);
        let answer = client.ask(&format!("ENTER {} net", id(n)));
        assert!(
            answer.starts_with("REFUSED FULL expected at most 3 nodes here, 2 from one address"),
            "{answer}"
        );
        assert_eq!(client.hear(), None);
    };
    let (_a, mut b) = (enter(&server, 1), enter(&server, 2));
    turned_away("127.0.0.2", 3);
    let _c = enter_from(server.rendezvous, "127.0.0.3", 3, "net");
    turned_away("127.0.0.4", 4);
    assert_eq!(b.ask("LEAVE"), "LEFT");
    let _d = enter_from(server.rendezvous, "127.0.0.4", 4, "net");
    let off = Daemon::start(&["--signal-max-nodes", "0"]);
    assert!(off.client("127.0.0.2").ask(&format!("ENTER {} net", id(1))).starts_with("REFUSED OFF"));
}

#[test]
fn a_restarted_server_knows_nobody_and_takes_everybody_again() {
    // An address of this test alone, so that the port stays free meanwhile.
    let mut server = Daemon::start(&["--listen", "127.213.7.3:0"]);
    let addr = server.rendezvous;
    let mut a = enter(&server, 1);
    let mut waiting = server.client("127.0.0.2");
    let old = nonce(&mut waiting, 2, "net");
    let old = proof(2, &waiting, &old, "net");
    server.signal("TERM");
    server.wait();
    assert_eq!((a.hear(), waiting.hear()), (None, None));
    let server = Daemon::start(&["--listen", &addr.to_string(), "--nat-listen", "off"]);
    let mut a = enter(&server, 1);
    assert_eq!(a.ask(&tell(1, 2, b"x")), "ABSENT 1");
    let mut b = server.client("127.0.0.2");
    nonce(&mut b, 2, "net");
    assert!(b.ask(&old).starts_with("REFUSED PROOF"), "the nonces are others now");
    enter(&server, 2);
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn the_verbs_of_pyp2p_work_on_the_same_connection() {
    let server = Daemon::start(&[]);
    let mut a = enter(&server, 1);
    a.sync();
    a.say("PASSIVE READY 50500 10");
    a.say("SIMULTANEOUS READY 0 0");
    a.sync();
    assert_eq!(server.client("127.0.0.3").ask("BOOTSTRAP 5"), "NODES p:127.0.0.2:50500 ");
    let mut asker = server.client("127.0.0.3");
    assert_eq!(asker.ask("CANDIDATE 127.0.0.2 TCP 11"), "PREDICTION SET");
    assert_eq!(a.hear().unwrap(), "CHALLENGE 127.0.0.3 11 TCP");
    echo(&mut a);
}
