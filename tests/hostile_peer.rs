//! Whole nodes and what strangers on the network do to them: play recordings, answer in others' places, want them to speak
//! something weaker, begin handshakes by the thousand.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use p2pnet::config::Dialect;
use p2pnet::event::Kind;
use p2pnet::proto::handshake::{Handshake, Myself, Refusal};
use p2pnet::proto::identity::Identity;
use p2pnet::proto::unl::{Candidate, CandidateKind, Record, UnlV3};
use p2pnet::testing::{TestNode, loopback};
use p2pnet::{Code, Config};

/// A test that waits this long for something hangs.
const HUNG: Duration = Duration::from_secs(120);

/// One test counts what the whole process holds: beside it there is no other.
static ALONE: RwLock<()> = RwLock::new(());

fn beside_others() -> RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(PoisonError::into_inner)
}

fn key(n: u8) -> Arc<Identity> {
    Arc::new(Identity::from_secret(&[n; 32]))
}

/// Node `n`.
fn node(n: u8, change: impl FnOnce(&mut Config)) -> TestNode {
    let with_key = |config: &mut Config| {
        config.key = Some(key(n));
        change(config);
    };
    TestNode::alone(with_key).unwrap()
}

/// A locator of node `n` that says that it is there.
fn locator(n: u8, at: SocketAddr) -> String {
    let candidates = vec![Candidate::new(CandidateKind::Lan, at.ip(), at.port())];
    let record =
        Record { candidates, node_type: Some(p2pnet::proto::unl::NodeType::Passive), ..Record::default() };
    UnlV3::sign(record, &key(n)).unwrap().text().to_owned()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((loopback(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// What comes until the end, or until the other one resets.
fn to_the_end(mut stream: &TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(HUNG)).unwrap();
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("hung: it does not end"),
        _ => all,
    }
}

/// Where connections are carried to `to` and written down, both ways.
type Tape = Arc<Mutex<[Vec<u8>; 2]>>;

fn recorder(to: SocketAddr) -> (SocketAddr, Tape) {
    let (listener, at) = listener();
    let tape = Tape::default();
    let recording = Arc::clone(&tape);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(to).unwrap());
            for (way, from, to) in
                [(0, client.try_clone().unwrap(), server.try_clone().unwrap()), (1, server, client)]
            {
                let tape = Arc::clone(&recording);
                std::thread::spawn(move || record(way, from, to, &tape));
            }
        }
    });
    (at, tape)
}

fn record(way: usize, mut from: TcpStream, mut to: TcpStream, tape: &Mutex<[Vec<u8>; 2]>) {
    let mut buf = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        tape.lock().unwrap()[way].extend_from_slice(&buf[..n]);
        if to.write_all(&buf[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Everything that somebody has recorded, sent again: to the same node, to the node that is started anew with the same key, and back to
/// who has said it. Nobody is told of a connection, and no line arrives.
#[test]
fn a_recorded_talk_played_again_opens_nothing() {
    let _others = beside_others();
    for by_locator in [true, false] {
        let (alice, bob) = (node(1, |_| {}), node(2, |_| {}));
        let (at, tape) = recorder(bob.listens());
        let to = if by_locator { locator(2, at) } else { at.to_string() };
        let connect =
            |to: &str| alice.request(|net| if by_locator { net.unl_connect(to) } else { net.connect(to) });
        let a = connect(&to).unwrap().conn;
        let b = bob.expect(Kind::Opened).conn;
        for (from, conn, to) in [(&alice, a, &bob), (&bob, b, &alice)] {
            for said in ["pay ten", "pay twenty"] {
                from.net.send_line(conn, said.as_bytes()).unwrap();
                assert_eq!(to.expect(Kind::Line).text(), said);
            }
            from.net.send(conn, b"and a message").unwrap();
            to.expect(Kind::Message);
        }
        alice.net.close(a).unwrap();
        bob.expect(Kind::Closed);
        alice.expect(Kind::Closed);
        let [said, heard] = tape.lock().unwrap().clone();
        assert!(said.len() > 300 && heard.len() > 150, "{} {}", said.len(), heard.len());
        let again = node(2, |_| {});
        for hearer in [&bob, &again, &alice] {
            let before = (hearer.net.stats().opened, hearer.net.stats().lines_in);
            for recording in [&said, &heard] {
                for piece in [recording.len(), 1 + recording.len() / 3] {
                    let mut stream = TcpStream::connect(hearer.listens()).unwrap();
                    // It may end before everything was said.
                    let _ = recording.chunks(piece).try_for_each(|part| stream.write_all(part));
                    let answer = to_the_end(&stream);
                    // A message of the handshake at most; or two bytes that it is not for us.
                    assert!(answer.len() <= 131, "{} bytes", answer.len());
                }
            }
            assert_eq!((hearer.net.stats().opened, hearer.net.stats().lines_in), before);
            assert!(hearer.net.conns().is_empty());
        }
        // To Alice, who wants to be connected with Bob: whatever of it answers her.
        let (listener, at) = self::listener();
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let _ = stream.write_all([&heard, &said][n % 2]);
                to_the_end(&stream);
            }
        });
        for _ in 0..2 {
            let to = if by_locator { locator(2, at) } else { at.to_string() };
            let e = connect(&to).unwrap_err();
            assert!(matches!(e.code, Code::Protocol | Code::NoPath | Code::Refused), "{e}");
        }
        assert_eq!(alice.net.stats().opened, 1);
    }
}

/// Somebody else is where a locator leads, or leads her there: another node, she herself, the one she wants under another's name.
#[test]
fn who_answers_has_to_be_the_one_whose_locator_it_is() {
    let _others = beside_others();
    let (alice, bob, mallory) = (node(1, |_| {}), node(2, |_| {}), node(3, |_| {}));
    for (what, at) in [("another node", mallory.listens()), ("ourselves", recorder(alice.listens()).0)] {
        let e = alice.request(|net| net.unl_connect(&locator(2, at))).unwrap_err();
        assert_eq!(e.code, Code::NoPath, "{what}: {e}");
    }
    // Whom she would not call by his name. Her greeting is for Mallory's key.
    let e = alice.request(|net| net.unl_connect(&locator(3, bob.listens()))).unwrap_err();
    assert_eq!(e.code, Code::NoPath, "{e}");
    // Without a key there is nobody in particular: but herself she knows.
    let led_back = recorder(alice.listens()).0.to_string();
    assert_eq!(alice.request(|net| net.connect(&led_back)).unwrap_err().code, Code::SelfConnect);
    for node in [&alice, &bob, &mallory] {
        assert_eq!((node.net.stats().opened, node.net.conns().len()), (0, 0));
    }
}

/// Wherever she connects to by a locator, she greets for that key and in this version, whatever she is answered, and gives up.
#[test]
fn nobody_is_talked_into_something_weaker() {
    let _others = beside_others();
    let stranger = Myself::new(&key(9));
    // What an acceptor would say to a greeting that is for anybody.
    let to_anybody = {
        let mut greeting = Handshake::connect(&Myself::new(&key(1)), None, [1; 16], false, &[7; 32]).unwrap();
        let mut acceptor = Handshake::accept(&stranger, &[8; 32]);
        acceptor.input(&greeting.output().unwrap()).unwrap();
        acceptor.output().unwrap()
    };
    let own = Handshake::connect(&stranger, Some(key(1).public()), [1; 16], true, &[9; 32]).unwrap().output();
    let answers: [(&str, Vec<u8>); 8] = [
        ("as to a greeting for anybody", to_anybody),
        ("a greeting of its own", own.unwrap()),
        ("that it is not for it", Refusal::NotForUs.message().to_vec()),
        ("that it is busy", Refusal::Busy.message().to_vec()),
        ("a refusal that there is not", vec![0, 1, 9]),
        ("a line of the classic dialect", b"REVERSE_QUERY:\r\n".to_vec()),
        ("in clear", b"hello alice\r\n".to_vec()),
        ("nothing", Vec::new()),
    ];
    for (what, answer) in answers {
        let alice = node(1, |c| c.handshake_timeout = Duration::from_secs(2));
        let (listener, at) = listener();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.write_all(&answer);
                let _ = stream.shutdown(Shutdown::Write);
                if tell.send(to_the_end(&stream)).is_err() {
                    return;
                }
            }
        });
        let e = alice.request(|net| net.unl_connect(&locator(2, at))).unwrap_err();
        assert_eq!(e.code, Code::NoPath, "{what}: {e}");
        // A greeting that names its pattern, and nothing behind it.
        let said: Vec<Vec<u8>> = told.try_iter().chain(told.recv()).collect();
        assert!(said.len() <= 2, "{what}: {} connections", said.len());
        for said in said {
            assert_eq!((said.len(), &said[..3]), (181, &[0, 179, 1][..]), "{what}");
        }
        assert_eq!((alice.net.stats().opened, alice.net.stats().lines_in), (0, 0), "{what}");
    }
    // Nor by a locator of the other dialect.
    let (alice, classic) = (node(1, |_| {}), node(2, |c| c.dialect = Dialect::Classic));
    let unl = classic.net.unl().unwrap();
    assert!(alice.request(|net| net.unl_connect(&unl)).is_err(), "connected by {unl}");
}

/// Nor does an acceptor take a greeting that was changed into the other kind, or says more than it has.
#[test]
fn a_greeting_of_another_kind_is_none() {
    let _others = beside_others();
    let bob = node(2, |_| {});
    let me = Myself::new(&key(9));
    let named = Handshake::connect(&me, Some(key(2).public()), [1; 16], false, &[9; 32]).unwrap().output();
    let anybody = Handshake::connect(&me, None, [1; 16], false, &[9; 32]).unwrap().output();
    let (named, anybody) = (named.unwrap(), anybody.unwrap());
    let with = |greeting: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = greeting.to_vec();
        change(&mut changed);
        changed
    };
    let length = |greeting: &mut Vec<u8>| {
        let len = (greeting.len() - 2) as u16;
        greeting[..2].copy_from_slice(&len.to_be_bytes());
    };
    let cases = [
        with(&named, &|g| g[2] = 2),
        with(&anybody, &|g| g[2] = 1),
        with(&named, &|g| g[2] = 0),
        with(&named, &|g| g[2] = 3),
        // The longer greeting's beginning, as the shorter one.
        with(&named, &|g| {
            g.truncate(anybody.len());
            g[2] = 2;
            length(g);
        }),
        with(&anybody, &|g| {
            g.resize(named.len(), 0);
            g[2] = 1;
            length(g);
        }),
        b"hello bob\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    for (n, greeting) in cases.iter().enumerate() {
        let mut stream = TcpStream::connect(bob.listens()).unwrap();
        stream.write_all(greeting).unwrap();
        let answer = to_the_end(&stream);
        // Nothing, or a refusal.
        assert!(matches!(answer[..], [] | [0, 1, _]), "{n}: {answer:?}");
    }
    assert_eq!(bob.net.stats().opened, 0);
    // The two are good as they are.
    for greeting in [named, anybody] {
        let mut stream = TcpStream::connect(bob.listens()).unwrap();
        stream.write_all(&greeting).unwrap();
        let mut answer = [0; 53];
        stream.read_exact(&mut answer[..51]).unwrap();
    }
}

fn from(ip: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// Whether it has not been ended yet. What was said on it is taken.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    loop {
        match stream.read(&mut [0; 200]) {
            Ok(1..) => {}
            Ok(0) => return false,
            Err(e) => return e.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// A connection, however often it takes while strangers come by the thousand.
fn get_in(from: &TestNode, to: &TestNode) -> u64 {
    let (at, start) = (to.listens().to_string(), Instant::now());
    loop {
        match from.request(|net| net.connect(&at)) {
            Ok(done) => return done.conn,
            Err(e) => assert!(matches!(e.code, Code::Limit | Code::Closed | Code::Reset | Code::Io), "{e}"),
        }
        assert!(start.elapsed() < HUNG, "hung: it does not get in");
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

/// Ten thousand strangers with a whole, right greeting each, from as many addresses, who then say nothing more: the most that a stranger
/// can make a node do. Who is connected notices nothing, who comes gets in, and neither memory nor descriptors grow with their number.
#[test]
fn ten_thousand_who_stop_after_the_greeting() {
    const ALL: usize = 10_000;
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    // They stay as long as this process may have their ends open.
    let room = p2pnet::server::raise_open_files().unwrap_or(1024) as usize;
    let most = ALL.min(room.saturating_sub(descriptors() + 1000));
    // A link that is lost is one that somebody has thrown out, not one whose other end did not get the CPU for a while.
    let [alice, bob, carol] = [1, 2, 3].map(|n| node(n, |c| c.link_timeout = HUNG));
    let a = get_in(&alice, &bob);
    let b = bob.expect(Kind::Opened).conn;
    let mut strangers: VecDeque<TcpStream> = VecDeque::new();
    let (others, mut first) = (descriptors(), None);
    let (me, mut ephemeral) = (Myself::new(&key(9)), [0; 32]);
    for n in 0..ALL {
        let [.., x, y] = (n as u32).to_be_bytes();
        let mut stranger = from([127, 200 + (n >> 14) as u8, x, y.max(1)].into(), bob.listens());
        ephemeral[..4].copy_from_slice(&(n as u32 + 1).to_be_bytes());
        let greeting = Handshake::connect(&me, None, [1; 16], false, &ephemeral).unwrap().output().unwrap();
        // It may have had to go already.
        let _ = stranger.write_all(&greeting);
        if strangers.len() >= most {
            strangers.pop_front();
        }
        strangers.push_back(stranger);
        if n % 1000 != 999 {
            continue;
        }
        // An old connection, both ways, and a new one.
        let said = format!("after {n}");
        alice.net.send_line(a, said.as_bytes()).unwrap();
        assert_eq!(bob.expect(Kind::Line).text(), said);
        bob.net.send_line(b, said.as_bytes()).unwrap();
        assert_eq!(alice.expect(Kind::Line).text(), said);
        let c = get_in(&carol, &bob);
        let there = bob.expect(Kind::Opened).conn;
        carol.net.send_line(c, b"here").unwrap();
        assert_eq!(bob.wait_for("LINE", |e| e.kind == Kind::Line && e.conn == there).text(), "here");
        carol.net.close(c).unwrap();
        carol.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == c);
        bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == there);
        let held = descriptors() - strangers.len();
        assert!(held <= others + 160, "{held} descriptors beside the strangers' own, {others} before");
        let memory = resident_kb();
        let first = *first.get_or_insert(memory);
        assert!(memory <= first + 16_000, "{memory} KB after {n}, {first} KB after the first thousand");
    }
    assert_eq!((alice.net.conns(), bob.net.conns()), (vec![a], vec![b]));
    assert_eq!(alice.net.conn_info(a).unwrap().resumptions, 0, "its link was never lost");
    let still = strangers.iter().filter(|stranger| is_open(stranger)).count();
    assert!(still <= 128, "{still} are still open");
}

/// When many strangers hold one connection each, the oldest has to go, wherever it comes from.
#[test]
fn among_equals_the_oldest_is_displaced() {
    let _others = beside_others();
    // Nobody goes but by being displaced.
    let bob = node(2, |c| c.handshake_timeout = HUNG);
    let at = bob.listens();
    let early: Vec<TcpStream> = (1..=100u8).map(|n| from([127, 201, 1, n].into(), at)).collect();
    let newest = from([127, 254, 254, 254].into(), at);
    let late: Vec<TcpStream> = (1..=100u8).map(|n| from([127, 201, 2, n].into(), at)).collect();
    let start = Instant::now();
    // What is displaced ends a moment later.
    while early.iter().filter(|stranger| is_open(stranger)).count() > 128 - 101 {
        assert!(is_open(&newest), "the newest had to go: {:?}", bob.net.stats());
        assert!(start.elapsed() < HUNG, "hung: {:?}", bob.net.stats());
    }
    assert!(is_open(&newest) && late.iter().all(is_open));
    assert_eq!(bob.net.stats().rejected, 201 - 128);
}
