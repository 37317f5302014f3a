use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, DuplicateIp};
use crate::error::Code;
use crate::event::Kind;
use crate::node::Net;
use crate::node::conn::Conn;

fn net() -> Net {
    let net = Net::new(Config {
        passive_bind: Some(Ipv4Addr::LOCALHOST.into()),
        duplicate_ip: DuplicateIp::Allow,
        bootstrap: false,
        advertise: false,
        // Whoever is closed has the time for it that a busy machine needs.
        close_timeout: Duration::from_secs(60),
        ..Config::default()
    });
    let net = net.unwrap();
    net.start().unwrap();
    net
}

/// Takes events until one is of `kind`: its connection and its text.
fn next(net: &Net, kind: Kind) -> (u64, Vec<u8>) {
    let hung = Instant::now() + Duration::from_secs(60);
    let mut found = None;
    while found.is_none() {
        assert!(Instant::now() < hung, "no {kind:?}");
        net.wait(Some(Duration::from_secs(1))).unwrap();
        net.take(1, |view| {
            if view.kind == kind {
                let text = view.data_nul.strip_suffix(b"\0").unwrap_or_default();
                found = Some((view.conn.map_or(0, |c| c.id), text.to_vec()));
            }
            true
        })
        .unwrap();
    }
    found.unwrap_or_default()
}

/// A net with one connection to `server`, and its number at both ends.
fn client_of(server: &Net) -> (Net, u64, u64) {
    let client = net();
    client.connect(&format!("127.0.0.1:{}", server.info().passive_port)).unwrap();
    let (here, there) = (next(&client, Kind::Opened).0, next(server, Kind::Opened).0);
    (client, here, there)
}

/// What this thread remembers.
fn remembered() -> Arc<Conn> {
    super::last::LAST.with_borrow(|last| (**last).as_ref().map(|last| Arc::clone(&last.conn))).unwrap()
}

#[test]
fn a_thread_that_ends_forgets() {
    let server = net();
    let (client, here, _) = client_of(&server);
    client.send_line(here, b"by this thread").unwrap();
    let conn = remembered();
    let before = Arc::strong_count(&conn);
    std::thread::scope(|s| {
        let during = s.spawn(|| {
            client.send_line(here, b"by another").unwrap();
            Arc::strong_count(&conn)
        });
        assert_eq!(during.join().unwrap(), before + 1);
    });
    assert_eq!(Arc::strong_count(&conn), before);
}

#[test]
fn nets_and_connections_are_not_mixed_up() {
    let servers = [net(), net()];
    let [(a, a_id, _), (b, b_id, _)] = [client_of(&servers[0]), client_of(&servers[1])];
    assert_eq!(a_id, b_id, "each net counts its own");
    for i in 0..20 {
        // Each twice in a row, so that the second goes by what was remembered.
        let text = format!("line {}", i / 2);
        a.send_line(a_id, text.as_bytes()).unwrap();
        a.send_line(a_id, b"again").unwrap();
        b.send_line(b_id, text.as_bytes()).unwrap();
        assert_eq!(next(&servers[0], Kind::Line).1, text.as_bytes());
        assert_eq!(next(&servers[0], Kind::Line).1, b"again");
        assert_eq!(next(&servers[1], Kind::Line).1, text.as_bytes());
    }
    assert_eq!(a.send_line(a_id + 1000, b"x"), Err(Code::NotFound));
    assert_eq!(servers[1].stats().lines_in, 20);
}

#[test]
fn what_is_remembered_of_an_ended_connection_holds_nothing_and_finds_nothing() {
    let server = net();
    let (client, id, there) = client_of(&server);
    client.send_line(id, b"remember me").unwrap();
    assert_eq!(next(&server, Kind::Line).1, b"remember me");
    server.close(there).unwrap();
    let before = remembered();
    assert!(before.out.stream.lock().is_some());
    assert_eq!(next(&client, Kind::Closed).0, id);
    // The next look settles the event.
    client.take(1, |_| true).unwrap();
    assert_eq!(client.send_line(id, b"x"), Err(Code::NotFound));
    assert!(client.join());
    drop(client);
    assert!(before.out.stream.lock().is_none(), "a net that is gone has closed its sockets");
    assert!(server.join());
}

#[test]
fn what_is_remembered_has_no_socket_once_task_and_program_are_done_or_the_net_is_gone() {
    let server = net();
    let ([first, second], mut conns) = ([client_of(&server), client_of(&server)], Vec::new());
    for (client, id, _) in [first, second] {
        client.send_line(id, b"remember me").unwrap();
        conns.push(remembered());
        if conns.len() == 1 {
            client.close(id).unwrap();
            next(&client, Kind::Closed);
            client.take(1, |_| true).unwrap();
            // The task is done with it when the peer has closed its end, too.
            let hung = Instant::now() + Duration::from_secs(60);
            while conns[0].out.stream.lock().is_some() {
                assert!(Instant::now() < hung, "the socket is still there");
                client.wait(Some(Duration::from_millis(1))).unwrap();
            }
        }
        // Of the second the program never takes the end.
        drop(client);
        assert!(conns.iter().all(|conn| conn.out.stream.lock().is_none()));
        assert_eq!(conns.last().map(|conn| conn.out.send(None, b"x", b"\r\n")), Some(Err(Code::Closed)));
    }
}

#[test]
fn another_thread_and_the_next_connection_find_their_own() {
    let (server, other) = (net(), net());
    let (client, first, _) = client_of(&server);
    client.send_line(first, b"one").unwrap();
    std::thread::scope(|s| s.spawn(|| client.send_line(first, b"two").unwrap()).join()).unwrap();
    client.connect(&format!("127.0.0.1:{}", other.info().passive_port)).unwrap();
    let second = next(&client, Kind::Opened).0;
    client.send_line(second, b"three").unwrap();
    client.send_line(first, b"four").unwrap();
    let texts = |net: &Net, n| Vec::from_iter((0..n).map(|_| next(net, Kind::Line).1));
    assert_eq!(texts(&server, 3), [&b"one"[..], b"two", b"four"]);
    assert_eq!(texts(&other, 1), [b"three"]);
}

#[test]
fn a_line_to_all_keeps_its_place_among_others() {
    let (server, third) = (net(), net());
    let (client, id, _) = client_of(&server);
    client.connect(&format!("127.0.0.1:{}", third.info().passive_port)).unwrap();
    next(&client, Kind::Opened);
    // Longer than what is written at once, and than what a thread keeps memory for.
    let long = "long ".repeat(20_000);
    for i in 0..8 {
        client.send_line(id, format!("before {i}").as_bytes()).unwrap();
        assert_eq!(client.broadcast_line(format!("to all {i}").as_bytes(), 0), (2, Ok(())));
        assert_eq!(client.send_lines(id, &["behind", "it"]), (2, Ok(())));
        assert_eq!(client.broadcast_line(long.as_bytes(), id), (1, Ok(())));
    }
    for i in 0..8 {
        for want in [&format!("before {i}"), &format!("to all {i}"), "behind", "it"] {
            assert_eq!(next(&server, Kind::Line).1, want.as_bytes());
        }
        assert_eq!(next(&third, Kind::Line).1, format!("to all {i}").as_bytes());
        assert!(next(&third, Kind::Line).1 == long.as_bytes());
    }
    assert_eq!(client.stats().lines_out, 8 * 6);
}
