//! The HTTP port of the real program: PyP2P's scripts, the clean paths, and the limits.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod server_support;

use serde_json::{Value, json};
use server_support::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

fn clean(server: &Daemon, path: &str) -> (u16, Value) {
    let (status, body) = server.get(path);
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
}

fn old(server: &Daemon, query: &str) -> String {
    let (status, body) = server.get(&format!("/dht_msg.php?{query}"));
    assert_eq!(status, 200);
    body
}

fn register(server: &Daemon, id: &str) {
    assert_eq!(
        old(server, &format!("call=register&node_id={id}&password=p{id}&port=5&network_id=n")),
        "success"
    );
}

fn put(server: &Daemon, to: &str, from: &str, msg: &str) -> String {
    old(server, &format!("call=put&dest_node_id={to}&msg={msg}&node_id={from}&password=p{from}&list_pop=1"))
}

fn list_path(id: &str) -> String {
    format!("/dht_msg.php?call=list&node_id={id}&password=p{id}&list_pop=1")
}

/// Sends a request and does not read the answer.
fn send(server: &Daemon, path: &str) -> TcpStream {
    let mut stream = connect(server.http, "127.0.0.1");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    stream
}

/// Waits until `/metrics` says so.
fn until_metric(server: &Daemon, name: &str, value: u64) {
    let line = format!("{name} {value}");
    let start = Instant::now();
    while !server.get("/metrics").1.lines().any(|l| l == line) {
        assert!(start.elapsed() < WATCHDOG, "hung: {line} does not come");
        thread::yield_now();
    }
}

#[test]
fn what_is_my_address() {
    let server = Daemon::start(&[]);
    let request = "GET /net.php?action=get_wan_ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(http(server.http, "127.0.0.9", request), (200, "127.0.0.9".to_owned()));
    assert_eq!(clean(&server, "/v1/wan-ip"), (200, json!({ "ip": "127.0.0.1" })));
}

#[test]
fn is_my_port_reachable() {
    let server = Daemon::start(&[]);
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let ask = |port: &str, proto: &str| {
        server.get(&format!("/net.php?action=is_port_forwarded&port={port}&proto={proto}")).1
    };
    let (yes, no) = ("{\"result\": \"yes\"}", "{\"result\": \"no\"}");
    assert_eq!(ask(&port.to_string(), "TCP"), yes);
    assert_eq!(ask(&port.to_string(), "UDP"), no);
    for bad in ["0", "65536", "x", ""] {
        assert_eq!(ask(bad, "TCP"), no);
    }
    assert_eq!(
        clean(&server, &format!("/v1/port-check?port={port}")).1,
        json!({ "reachable": true, "answer": "open" })
    );
    // Bound and not listened on: so it is nobody else's meanwhile.
    let reserved = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    reserved.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = reserved.local_addr().unwrap().as_socket().unwrap().port();
    assert_eq!(ask(&port.to_string(), "TCP"), no);
    assert_eq!(
        clean(&server, &format!("/v1/port-check?port={port}")).1,
        json!({ "reachable": false, "answer": "refused" })
    );
    assert_eq!(clean(&server, "/v1/port-check?port=x").1, json!({ "reachable": false }), "nothing to ask");
    // It connects to who asks and to nobody else: 127.0.0.1 listens, but 127.0.0.9 asks.
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let path = format!("/net.php?action=is_port_forwarded&port={port}&proto=TCP&ip=127.0.0.1");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(http(server.http, "127.0.0.9", &request).1, no);
}

#[test]
fn messages_in_the_words_of_the_old_script() {
    let server = Daemon::start(&[]);
    register(&server, "aa");
    register(&server, "bb");
    assert_eq!(
        old(&server, "call=register&node_id=aa&password=other&port=5&network_id=n"),
        "Already registered.success"
    );
    assert_eq!(old(&server, "call=last_alive&node_id=aa&password=paa"), "success");
    assert_eq!(old(&server, "call=last_alive&node_id=aa&password=other"), "failure");
    assert!(["0", "1"].contains(&&*old(&server, "call=get_mutex&node_id=aa&password=paa")));
    let near: Value =
        serde_json::from_str(&old(&server, "call=find_neighbours&node_id=aa&password=paa&network_id=n"))
            .unwrap();
    assert_eq!(
        (&near[0]["id"], &near[0]["ip"], &near[0]["port"]),
        (&json!("bb"), &json!("127.0.0.1"), &json!(5))
    );
    assert_eq!(put(&server, "aa", "bb", "d942%2B"), "success");
    assert_eq!(put(&server, "aa", "bb", "two"), "success");
    assert_eq!(put(&server, "aa", "cc", "x"), "failure");
    assert_eq!(server.get(&list_path("aa")).1, "[\"d942+\",\"two\"]");
    assert_eq!(old(&server, "call=list&node_id=aa&password=wrong&list_pop=1"), "failure");
    assert_eq!(old(&server, "call=put&node_id=aa&password=paa"), "failure");
    assert_eq!(old(&server, "call=last_alive"), "");
    // Messages that are not removed can be read by everybody, and again.
    assert_eq!(
        old(&server, "call=put&dest_node_id=aa&msg=open&node_id=bb&password=pbb&list_pop=0"),
        "success"
    );
    for _ in 0..2 {
        assert_eq!(old(&server, "call=list&node_id=aa&list_pop=0"), "[\"open\"]");
    }
}

#[test]
fn messages_over_the_clean_paths() {
    let server = Daemon::start(&[]);
    let at = |call: &str, rest: &str| clean(&server, &format!("/v1/mailbox/{call}?{rest}"));
    let (a, b) = ("node_id=a&password=p", "node_id=b&password=q");
    assert_eq!(at("register", &format!("{a}&port=5")), (200, json!({ "registered": true, "known": false })));
    assert_eq!(at("register", &format!("{b}&port=6")).1["known"], false);
    assert_eq!(at("register", &format!("{b}&port=6")).1["known"], true);
    assert_eq!(at("alive", a), (200, json!({ "done": true })));
    assert_eq!(at("alive", "node_id=a&password=x").0, 403);
    assert_eq!(at("alive", "").0, 400);
    assert!(at("mutex", a).1["mutex"].is_boolean());
    assert_eq!(at("neighbours", a).1["neighbours"][0]["id"], "b");
    assert_eq!(at("put", &format!("{b}&dest_node_id=a&msg=one")).0, 200);
    assert_eq!(at("put", &format!("{b}&dest_node_id=a")).0, 400);
    // A form says the same as a query.
    let form = format!("{b}&dest_node_id=a&msg=two");
    let request = format!(
        "POST /v1/mailbox/put HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    assert_eq!(http(server.http, "127.0.0.1", &request).0, 200);
    // Messages stay until they are acknowledged.
    let (_, first) = at("list", &format!("{a}&wait=0"));
    let (_, again) = at("list", &format!("{a}&wait=0"));
    assert_eq!(first, again);
    assert_eq!((&first["messages"][0]["msg"], &first["messages"][1]["msg"]), (&json!("one"), &json!("two")));
    let (_, rest) = at("list", &format!("{a}&wait=0&ack={}", first["messages"][0]["id"]));
    assert_eq!(rest["messages"], json!([first["messages"][1]]));
    let (_, none) = at("list", &format!("{a}&wait=0&ack={}", first["messages"][1]["id"]));
    assert_eq!(none["messages"], json!([]));
}

#[test]
fn a_list_waits_for_a_message() {
    let server = Daemon::start(&[]);
    register(&server, "aa");
    let mut waiting = send(&server, &list_path("aa"));
    until_metric(&server, "p2p_http_waiting", 1);
    assert_eq!(put(&server, "aa", "aa", "hello"), "success");
    assert_eq!(read_response(&mut waiting), (200, "[\"hello\"]".to_owned()));
    until_metric(&server, "p2p_mailbox_messages", 0);
}

#[test]
fn a_list_without_messages_ends() {
    let server = Daemon::start(&["--long-poll", "0.1"]);
    register(&server, "aa");
    assert_eq!(server.get(&list_path("aa")), (200, "[]".to_owned()));
}

#[test]
fn who_left_while_waiting_takes_no_message_along() {
    let server = Daemon::start(&[]);
    register(&server, "aa");
    for _ in 0..20 {
        let waiting = send(&server, &list_path("aa"));
        until_metric(&server, "p2p_http_waiting", 1);
        drop(waiting);
        until_metric(&server, "p2p_http_waiting", 0);
    }
    assert_eq!(put(&server, "aa", "aa", "kept"), "success");
    assert_eq!(server.get(&list_path("aa")).1, "[\"kept\"]");
}

#[test]
fn an_answer_that_cannot_be_written_gives_its_messages_back() {
    let server = Daemon::start(&[
        "--mailbox-max-message",
        "10000",
        "--mailbox-max-messages-per-node",
        "3000",
        "--mailbox-max-answer",
        "100000000",
        "--http-write-timeout",
        "2",
    ]);
    register(&server, "aa");
    let text = "x".repeat(10_000);
    for _ in 0..2500 {
        assert_eq!(put(&server, "aa", "aa", &text), "success");
    }
    // 25 MB do not fit into the buffers of the system, and this client does not read.
    let stuck = send(&server, &list_path("aa"));
    let mut first = [0; 1];
    (&stuck).read_exact(&mut first).unwrap();
    // Its messages are given out, so somebody else gets them only when it has been closed.
    let begun = Instant::now();
    let all: Vec<String> = loop {
        // If we did not get the CPU for two seconds, it was cut off as well, and has given its messages back.
        match serde_json::from_str(&server.get(&list_path("aa")).1) {
            Ok(all) => break all,
            Err(e) => assert!(begun.elapsed() < WATCHDOG, "{e}"),
        }
    };
    assert_eq!(all.len(), 2500);
    drop(stuck);
    until_metric(&server, "p2p_mailbox_messages", 0);
}

#[test]
fn waiting_calls_are_limited() {
    let server = Daemon::start(&["--max-waiters-per-node", "2", "--max-waiters", "3"]);
    register(&server, "aa");
    register(&server, "bb");
    let _first = send(&server, &list_path("aa"));
    let _second = send(&server, &list_path("aa"));
    until_metric(&server, "p2p_http_waiting", 2);
    assert_eq!(server.get(&list_path("aa")).1, "failure");
    let _third = send(&server, &list_path("bb"));
    until_metric(&server, "p2p_http_waiting", 3);
    assert_eq!(server.get(&list_path("bb")).1, "failure");
    assert_eq!(clean(&server, "/v1/mailbox/list?node_id=bb&password=pbb").0, 503);
}

#[test]
fn a_request_that_never_ends_is_closed() {
    let server = Daemon::start(&["--http-header-timeout", "0.2"]);
    let mut slow = connect(server.http, "127.0.0.1");
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    assert!([0, 408].contains(&read_response(&mut slow).0));
    // Nor may a connection stay without any request.
    assert_eq!(read_response(&mut connect(server.http, "127.0.0.1")).0, 0);
    let server = Daemon::start(&["--http-body-timeout", "0.2"]);
    let mut slow = connect(server.http, "127.0.0.1");
    slow.write_all(b"POST /v1/wan-ip HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na").unwrap();
    assert_eq!(read_response(&mut slow).0, 408);
}

#[test]
fn an_oversized_request_is_refused() {
    let server = Daemon::start(&["--http-max-head", "8192", "--http-max-body", "1000"]);
    let post = |n: usize| {
        let head = "POST /v1/wan-ip HTTP/1.1\r\nHost: x\r\nConnection: close";
        let body = "x".repeat(n);
        http(server.http, "127.0.0.1", &format!("{head}\r\nContent-Length: {n}\r\n\r\n{body}")).0
    };
    assert_eq!(post(1001), 413);
    assert_eq!(post(1000), 200);
    let long = format!("GET /?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(20_000));
    assert!([0, 414, 431].contains(&http(server.http, "127.0.0.1", &long).0));
    assert_eq!(server.get("/v1/wan-ip").0, 200);
}

#[test]
fn strange_requests() {
    let server = Daemon::start(&[]);
    for (path, status) in [
        ("/", 404),
        ("/net.php", 404),
        ("/net.php?action=x", 404),
        ("/dht_msg.php?call=drop", 404),
        ("/v1/wan-ip?a=%ff", 400),
        ("/v1/mailbox/register?node_id=a", 400),
        ("/healthz", 200),
    ] {
        assert_eq!(server.get(path).0, status, "{path}");
    }
    let many = "a=1&".repeat(100);
    assert_eq!(server.get(&format!("/v1/wan-ip?{many}")).0, 200, "one parameter, named often");
    let many: String = (0..100).map(|n| format!("p{n}=1&")).collect();
    assert_eq!(server.get(&format!("/v1/wan-ip?{many}")).0, 400);
    let long = "x".repeat(129);
    assert_eq!(server.get(&format!("/v1/mailbox/register?node_id={long}&password=p")).0, 400);
    let delete = "DELETE /v1/wan-ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(http(server.http, "127.0.0.1", delete).0, 405);
    assert_eq!(http(server.http, "127.0.0.1", "rubbish\r\n\r\n").0, 400);
}

#[test]
fn too_many_requests_and_connections() {
    let server = Daemon::start(&[
        "--http-requests-per-second",
        "1",
        "--http-request-burst",
        "6",
        "--http-max-connections-per-address",
        "3",
    ]);
    assert_eq!(server.get("/v1/wan-ip").0, 200);
    // Faster than one in a second at some time, whatever keeps us from it now and then.
    let start = Instant::now();
    while ![0, 429].contains(&server.get("/v1/wan-ip").0) {
        assert!(start.elapsed() < WATCHDOG, "it answers all");
    }
    let held: Vec<TcpStream> = (0..3).map(|_| connect(server.http, "127.0.0.2")).collect();
    let request = "GET /v1/wan-ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(http(server.http, "127.0.0.2", request).0, 0);
    assert_eq!(http(server.http, "127.0.0.3", request).0, 200);
    drop(held);
}

#[test]
fn numbers_for_prometheus() {
    let server = Daemon::start(&[]);
    let mut node = server.client("127.0.0.2");
    node.say("PASSIVE READY 5 1");
    node.sync();
    let page = server.get("/metrics").1;
    for line in [
        "p2p_rendezvous_requests_total{verb=\"passive_ready\"} 1",
        "p2p_rendezvous_nodes{kind=\"passive_ipv4\"} 1",
        "p2p_rendezvous_connections 1",
        "p2p_http_connections 1",
        "# TYPE p2p_mailbox_messages gauge",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} in\n{page}");
    }
}

#[test]
fn waiting_calls_are_answered_when_the_server_stops() {
    let mut server = Daemon::start(&[]);
    register(&server, "aa");
    let mut waiting = send(&server, &list_path("aa"));
    until_metric(&server, "p2p_http_waiting", 1);
    server.signal("TERM");
    assert_eq!(read_response(&mut waiting), (200, "[]".to_owned()));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn one_connection_serves_many_requests() {
    let server = Daemon::start(&[]);
    let mut stream = connect(server.http, "127.0.0.7");
    let request = "GET /net.php?action=get_wan_ip HTTP/1.1\r\nHost: x\r\n";
    let heap = format!("{request}\r\n").repeat(4) + request + "Connection: close\r\n\r\n";
    stream.write_all(heap.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("127.0.0.7").count(), 5, "{text}");
}
