//! What the mailbox file promises: what was acknowledged is there after the worst end a process can have.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod server_support;

use serde_json::{Value, json};
use server_support::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A file name of our own, removed at the end.
struct TempFile(PathBuf);

impl TempFile {
    fn new() -> TempFile {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("p2pnet-store-{}-{}.redb", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        TempFile(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn start(&self) -> Daemon {
        Daemon::start(&["--store", self.path(), "--mailbox-max-messages-per-node", "100000"])
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn register(server: &Daemon, id: &str) {
    let (status, body) = server.get(&format!("/v1/mailbox/register?node_id={id}&password=p&port=5"));
    assert_eq!(status, 200, "{body}");
}

fn list(server: &Daemon, id: &str, rest: &str) -> Vec<Value> {
    let (_, body) = server.get(&format!("/v1/mailbox/list?node_id={id}&password=p&wait=0{rest}"));
    let value: Value = serde_json::from_str(&body).unwrap();
    value["messages"].as_array().unwrap().clone()
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["msg"].as_str().unwrap()).collect()
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let file = TempFile::new();
    let mut acknowledged = BTreeSet::new();
    for round in 0..3 {
        let mut server = file.start();
        if round == 0 {
            register(&server, "a");
        }
        // Several writers, killed in the midst of their work.
        let (tell, told) = std::sync::mpsc::channel();
        let http_addr = server.http;
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let tell = tell.clone();
                thread::spawn(move || {
                    for n in 0.. {
                        let text = format!("{round}-{writer}-{n}");
                        let path = format!("/v1/mailbox/put?node_id=a&password=p&dest_node_id=a&msg={text}");
                        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                        match try_http(http_addr, &request) {
                            Some((200, _)) => tell.send(text).unwrap(),
                            _ => return,
                        }
                    }
                })
            })
            .collect();
        drop(tell);
        for text in told.iter().take(100) {
            acknowledged.insert(text);
        }
        server.signal("KILL");
        server.wait();
        // What was acknowledged up to the last moment counts too.
        acknowledged.extend(told.iter());
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }
    let server = file.start();
    let found = list(&server, "a", "");
    let found: BTreeSet<String> = texts(&found).into_iter().map(str::to_owned).collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    assert!(acknowledged.len() >= 300);
}

/// As [`http`], but the server may be killed at any moment.
fn try_http(to: std::net::SocketAddr, request: &str) -> Option<(u16, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(WATCHDOG)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    // An answer that was cut off is no acknowledgement.
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned())).filter(|(_, body)| body.ends_with('\n'))
}

#[test]
fn order_numbers_and_removals_survive() {
    let file = TempFile::new();
    let put = |server: &Daemon, text: &str| {
        let path = format!("/v1/mailbox/put?node_id=a&password=p&dest_node_id=a&msg={text}");
        assert_eq!(server.get(&path).0, 200);
    };
    let mut server = file.start();
    register(&server, "a");
    ["one", "two", "three"].iter().for_each(|text| put(&server, text));
    let before = list(&server, "a", "");
    assert_eq!(texts(&before), ["one", "two", "three"]);
    let after = list(&server, "a", &format!("&ack={}", before[0]["id"]));
    assert_eq!(texts(&after), ["two", "three"]);
    // Another put is acknowledged after the removal is safe, as both go the same way in turn.
    put(&server, "four");
    server.signal("KILL");
    server.wait();

    let mut server = file.start();
    assert_eq!(texts(&list(&server, "a", "")), ["two", "three", "four"]);
    put(&server, "five");
    let all = list(&server, "a", "");
    let ids: Vec<u64> = all.iter().map(|message| message["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted() && ids[3] > ids[2], "{ids:?}");
    // The old call removes what it gives out.
    assert_eq!(
        server.get("/dht_msg.php?call=list&node_id=a&password=p").1,
        r#"["two","three","four","five"]"#
    );
    put(&server, "six");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(texts(&list(&file.start(), "a", "")), ["six"]);
}

#[test]
fn nodes_keep_their_passwords() {
    let file = TempFile::new();
    let mut server = file.start();
    register(&server, "a");
    server.signal("KILL");
    server.wait();
    let server = file.start();
    assert_eq!(server.get("/v1/mailbox/alive?node_id=a&password=p").0, 200);
    assert_eq!(server.get("/v1/mailbox/register?node_id=a&password=q").1, {
        format!("{}\n", json!({ "known": true, "registered": true }))
    });
    assert_eq!(server.get("/v1/mailbox/alive?node_id=a&password=q").0, 403);
}

#[test]
fn a_file_that_cannot_be_used_is_explained() {
    let file = TempFile::new();
    std::fs::write(&file.0, b"this is no database, and long enough to be looked at").unwrap();
    let taken = TempFile::new();
    let _other = taken.start();
    for path in [file.path(), taken.path(), "/nonexistent/x.redb"] {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0", "--http", "off", "--store", path]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(path) && text.contains("--store"), "{text}");
    }
}

#[test]
fn memory_forgets() {
    let mut server = Daemon::start(&["--store", "memory"]);
    register(&server, "a");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let server = Daemon::start(&["--store", "memory"]);
    assert_eq!(server.get("/v1/mailbox/alive?node_id=a&password=p").0, 403);
}
