//! Servers of every kind on loopback, and a listener that may or may not be reached.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The limit of checks that are to end by themselves long before.
const AMPLE: Duration = Duration::from_secs(30);
/// The limit of checks that are to run into it.
const SHORT: Duration = Duration::from_millis(300);

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let watchdog = async { timeout(Duration::from_secs(60), work).await.expect("hung") };
    runtime.block_on(watchdog)
}

/// A node's listener: accepts on 127.0.0.1 and reports.
fn node() -> (Arc<ConnectBacks>, u16, Asker) {
    let backs = Arc::new(ConnectBacks::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let reports = Arc::clone(&backs);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            reports.record(stream.unwrap().peer_addr().unwrap());
        }
    });
    let asker = Asker::new(Resolver::new(), Arc::clone(&backs));
    (backs, port, asker)
}

/// Serves every request by `answer`, which gets its first line. The connection stays open as long as the client wants.
fn server_at(ip: &str, answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
                        answer(text.lines().next().unwrap(), &mut stream);
                    }
                }
            });
        }
    });
    at
}

fn server(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> String {
    server_at("127.0.0.1", answer).to_string()
}

fn reply(stream: &mut TcpStream, body: &str) {
    // In one piece, or Nagle's algorithm holds the second back.
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(whole.as_bytes());
}

/// The port that a request names.
fn port_of(line: &str) -> u16 {
    let (_, rest) = line.split_once("port=").unwrap();
    rest.split(['&', ' ']).next().unwrap().parse().unwrap()
}

/// Does what our server does: connects back, and says what came of it.
fn honest(line: &str, stream: &mut TcpStream) {
    if line.contains("/v1/wan-ip") {
        return reply(stream, "{\"ip\":\"127.0.0.1\"}\n");
    }
    let open = knock((stream.peer_addr().unwrap().ip(), port_of(line)).into());
    reply(stream, &format!("{{\"reachable\":{open}}}\n"));
}

/// Connects, and waits until [`node`] has reported it, which it closes then: a yes counts for half a second before that.
fn knock(at: SocketAddr) -> bool {
    TcpStream::connect(at).is_ok_and(|mut back| back.read(&mut [0]).is_ok())
}

/// A server that gives this answer to a port check, without doing anything.
fn says(body: &'static str) -> String {
    server(move |_, stream| reply(stream, body))
}

/// A server that answers with these bytes and closes.
fn sends(bytes: &'static [u8]) -> String {
    server(move |_, stream| {
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    })
}

/// A port that refuses connections as long as the socket is kept: it is bound and does not listen.
fn closed() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, at)
}

const LO: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

#[test]
fn an_open_port_is_confirmed() {
    let (_, port, asker) = node();
    let at = server(honest);
    let verdict = run(asker.check(std::slice::from_ref(&at), port, LO, AMPLE)).unwrap();
    let proof = Some(Proof::Server);
    assert_eq!(verdict, Verdict { open: true, answer: Answer::Open, seen_ip: LO, server: at, proof });
}

#[test]
fn a_closed_port_is_not_open() {
    let (_, _, asker) = node();
    let (_reserved, closed) = closed();
    let closed = closed.port();
    let verdict = run(asker.check(&[server(honest)], closed, LO, AMPLE)).unwrap();
    assert_eq!((verdict.open, verdict.answer, verdict.seen_ip), (false, Answer::Unknown, LO));
    let refused = says("{\"reachable\": false, \"answer\": \"refused\"}");
    let verdict = run(asker.check(&[server(honest), refused.clone()], closed, LO, AMPLE)).unwrap();
    assert_eq!((verdict.open, verdict.answer, verdict.server), (false, Answer::Refused, refused));
}

#[test]
fn pyp2ps_script_is_spoken() {
    let (_, port, asker) = node();
    let at = server(|line, stream| {
        if line == "GET /x/net.php?action=get_wan_ip HTTP/1.1" {
            return reply(stream, "127.0.0.9");
        }
        let n = port_of(line);
        assert_eq!(line, format!("GET /x/net.php?action=is_port_forwarded&port={n}&proto=TCP HTTP/1.1"));
        let open = knock(([127, 0, 0, 1], n).into());
        reply(stream, if open { "{\"result\": \"yes\"}" } else { "{\"result\": \"no\"}" });
    });
    let url = format!("http://{at}/x/net.php");
    let verdict = run(asker.check(&[url], port, LO, AMPLE)).unwrap();
    assert!(verdict.open);
    assert_eq!(verdict.seen_ip, Some("127.0.0.9".parse().unwrap()));
}

#[test]
fn questions_leave_from_the_address_given() {
    let (_, port, asker) = node();
    let (tx, rx) = std::sync::mpsc::channel();
    let at = server(move |line, stream| {
        tx.send(stream.peer_addr().unwrap().ip()).unwrap();
        honest(line, stream);
    });
    let source = Some("127.0.0.77".parse().unwrap());
    // The honest server connects back to 127.0.0.77, where nobody listens.
    let verdict = run(asker.check(&[at], port, source, AMPLE)).unwrap();
    assert!(!verdict.open);
    assert_eq!(rx.recv().ok(), source);
}

#[test]
fn the_family_of_the_source_decides() {
    let (_, port, asker) = node();
    for (source, told) in [("::1", "has no IPv6 address"), ("::", "has no IPv6 address")] {
        let e = run(asker.check(&[server(honest)], port, Some(source.parse().unwrap()), AMPLE)).unwrap_err();
        assert!(e.message.contains(told), "{e}");
    }
    if TcpListener::bind("[::1]:0").is_err() {
        return println!("skipped: this machine has no IPv6");
    }
    let at = server_at("::1", |line, stream| {
        let body = if line.contains("wan-ip") { "::1" } else { "{\"reachable\": false}" };
        reply(stream, body);
    });
    let six = Some("::1".parse().unwrap());
    let verdict = run(asker.check(&[at.to_string()], port, six, AMPLE)).unwrap();
    assert_eq!(verdict.seen_ip, six);
}

#[test]
fn a_yes_without_a_connection_is_unconfirmed() {
    let (_, port, asker) = node();
    let liar = says("{\"reachable\": true, \"answer\": \"open\"}");
    let verdict = run(asker.check(std::slice::from_ref(&liar), port, LO, AMPLE)).unwrap();
    assert_eq!((verdict.open, verdict.answer), (false, Answer::Unconfirmed));
    let both = [says("{\"result\": \"no\"}"), liar];
    let verdict = run(asker.check(&both, port, LO, AMPLE)).unwrap();
    assert_eq!((verdict.open, verdict.answer), (false, Answer::Unconfirmed));
    assert_eq!(verdict.server, both[1]);
}

#[test]
fn a_connection_to_another_port_confirms_nothing() {
    let (_, port, asker) = node();
    let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = server(move |_, stream| {
        let _ = TcpStream::connect(other);
        reply(stream, "{\"reachable\": true}");
    });
    let verdict = run(asker.check(&[at], port, LO, AMPLE)).unwrap();
    assert_eq!((verdict.open, verdict.answer), (false, Answer::Unconfirmed));
}

#[test]
fn an_earlier_connection_confirms_nothing() {
    let (backs, port, asker) = node();
    backs.record("127.0.0.1:9".parse().unwrap());
    let verdict = run(asker.check(&[says("{\"reachable\": true}")], port, LO, AMPLE)).unwrap();
    assert!(!verdict.open);
}

#[test]
fn one_honest_server_among_bad_ones_is_enough() {
    let (_, port, asker) = node();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_reserved, gone) = closed();
    let gone = gone.to_string();
    let good = server(honest);
    let servers = [
        silent.local_addr().unwrap().to_string(),
        gone,
        says("{\"result\": \"no\"}"),
        sends(b"\0\0\0"),
        "nonsense".to_owned(),
        good.clone(),
    ];
    let verdict = run(asker.check(&servers, port, LO, AMPLE)).unwrap();
    assert!(verdict.open);
    assert_eq!(verdict.server, good);
}

/// Checks `bad` alone: nothing is claimed, and the error says `told`.
fn fails(bad: String, limit: Duration, told: &str) {
    let (_, port, asker) = node();
    let e = run(asker.check(std::slice::from_ref(&bad), port, LO, limit)).unwrap_err();
    assert_eq!(e.code, Code::NoServer);
    assert!(e.message.contains(told) && e.message.len() < 400, "{told}: {e}");
}

#[test]
fn nobody_to_ask() {
    let (_, port, asker) = node();
    let e = run(asker.check(&[], port, LO, AMPLE)).unwrap_err();
    assert_eq!(e.code, Code::NoServer);
    assert!(e.message.contains("there is none"), "{e}");
    let (_reserved, gone) = closed();
    fails(gone.to_string(), AMPLE, "the connection failed");
    fails("nonsense".to_owned(), AMPLE, "expected host:port");
}

#[test]
fn answers_that_are_none() {
    fails(sends(b""), AMPLE, "without a whole answer");
    fails(sends(b"\0\0\0\0\r\n\r\n"), AMPLE, "no proper answer");
    fails(sends(b"HTTP/1.1 200 OK\r\n\r\n{\"reachable\": true}\0"), AMPLE, "follows the JSON");
    fails(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"reachable\": true}"), AMPLE, "");
    fails(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"reachable\": true}"), AMPLE, "a string of");
    fails(sends(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{\"reachable\": true}"), AMPLE, "no proper");
    fails(
        sends(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n{\"reachable\": true}"),
        AMPLE,
        "compressed",
    );
    fails(sends(b"HTTP/1.1 503 Busy\r\n\r\n{\"reachable\": true}"), AMPLE, "status 503");
    fails(says("<html>yes</html>"), AMPLE, "flat JSON");
}

#[test]
fn redirects_are_not_followed() {
    let (tx, rx) = std::sync::mpsc::channel::<String>();
    let elsewhere = server(move |line, stream| {
        tx.send(line.to_owned()).unwrap();
        honest(line, stream);
    });
    let at = server(move |_, stream| {
        let _ = write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/v1/port-check?port=1\r\ncontent-length: 0\r\n\r\n"
        );
    });
    fails(at, AMPLE, "status 302");
    assert!(rx.try_recv().is_err());
}

#[test]
fn endless_answers_are_cut_off() {
    let endless = |start: &'static [u8], more: &'static [u8]| {
        server(move |_, stream| {
            let _ = stream.write_all(start);
            while stream.write_all(more).is_ok() {}
        })
    };
    fails(
        endless(b"HTTP/1.1 200 OK\r\n", b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"),
        AMPLE,
        "no proper",
    );
    fails(
        endless(b"HTTP/1.1 200 OK\r\nx: ", b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
        AMPLE,
        "no proper",
    );
    fails(
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"                                        "),
        AMPLE,
        "more than",
    );
    let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    fails(endless(chunks, b"5\r\n     \r\n"), AMPLE, "more than");
}

#[test]
fn servers_that_never_finish_meet_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    fails(silent.local_addr().unwrap().to_string(), SHORT, "did not answer");
    let drip = server(|_, stream| {
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"reachable\": true}".iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    fails(drip, SHORT, "did not answer");
    let interim = server(|_, stream| while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {});
    fails(interim, SHORT, "");
}

#[test]
fn a_check_that_is_given_up_breaks_its_connections() {
    let (_, port, asker) = node();
    let (tx, rx) = std::sync::mpsc::channel();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let held = server(move |_, stream| {
        asked.send(()).unwrap();
        // Nothing is answered; this ends when the client breaks the connection.
        let _ = stream.read(&mut [0]);
        tx.send(()).unwrap();
    });
    // Not before the other has been reached: a connection that was never made cannot be broken.
    let was_asked = parking_lot::Mutex::new(was_asked);
    let good = server(move |line, stream| {
        if line.contains("/v1/wan-ip") {
            was_asked.lock().recv().unwrap();
        }
        honest(line, stream);
    });
    let verdict = run(asker.check(&[held, good], port, LO, AMPLE)).unwrap();
    assert!(verdict.open);
    rx.recv_timeout(AMPLE * 2).expect("the connection is still there");
    // And its thread is gone, or it could not be asked again.
    run(async {
        while asker.places.available_permits() < AT_ONCE {
            tokio::task::yield_now().await
        }
    });
}

/// Prints how long a check takes on loopback; not a limit.
#[test]
fn time_of_a_check() {
    let (_, port, asker) = node();
    let servers = [server(honest), server(honest), server(honest)];
    let begun = std::time::Instant::now();
    let verdict = run(asker.check(&servers, port, LO, AMPLE)).unwrap();
    assert!(verdict.open);
    println!("a check with three servers took {:?}", begun.elapsed());
}

#[test]
#[cfg(feature = "server")]
fn our_own_server_answers_on_both_paths() {
    use crate::server::{Server, ServerConfig};
    let (_, port, asker) = node();
    // On an address of its own, so that it connects back from another one.
    let server = Server::spawn(ServerConfig::on("127.66.0.1".parse().unwrap())).unwrap();
    let at = server.local_addrs().http[0];
    let (_reserved, closed) = closed();
    for name in [at.to_string(), format!("http://{at}/net.php")] {
        let begun = std::time::Instant::now();
        let verdict = loop {
            let verdict = run(asker.check(std::slice::from_ref(&name), port, LO, AMPLE)).unwrap();
            // It says yes as soon as it is connected, and our listener may be too slow to have noticed.
            if verdict.answer != Answer::Unconfirmed || begun.elapsed() > 4 * AMPLE {
                break verdict;
            }
        };
        assert_eq!((verdict.open, verdict.seen_ip), (true, LO), "{name}");
        let verdict = run(asker.check(&[name], closed.port(), LO, AMPLE)).unwrap();
        assert!(!verdict.open && matches!(verdict.answer, Answer::Unknown | Answer::Refused), "{verdict:?}");
    }
}
