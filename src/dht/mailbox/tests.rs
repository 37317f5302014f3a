//! Against our server, which is restarted, and against servers that hang, refuse, flood and lie.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use super::*;
use crate::proto::dht_id::NodeId;
use crate::proto::mailbox::{Server as Site, wrap};
use crate::server::{Server, ServerConfig, ServerThread, StoreConfig};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const ALICE: NodeId = NodeId([0xa; 20]);
const BOB: NodeId = NodeId([0xb; 20]);
const HUNG: Duration = Duration::from_secs(60);

fn run_all<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(HUNG, work).await.expect("hung") })
}

/// A node with what it has heard.
struct Node {
    orders: mpsc::Sender<Order>,
    happenings: mpsc::Receiver<Happening>,
    task: tokio::task::JoinHandle<()>,
    messages: Vec<String>,
    done: std::collections::BTreeMap<u64, Result<()>>,
    registered: usize,
    troubles: Vec<String>,
}

fn node_with(id: NodeId, servers: &[String], change: impl FnOnce(&mut Settings)) -> Node {
    let sites: Vec<Address> = servers.iter().map(|at| Address::parse(at, "dht_msg.php").unwrap()).collect();
    let named = servers.iter().zip(&sites).map(|(name, at)| Site { name: name.clone(), style: style(at) });
    let mut settings = Settings::new(id, "secret", [id.0[0]; 32], named.collect());
    change(&mut settings);
    let (orders, taken) = mpsc::channel(super::super::ORDERS);
    let (told, happenings) = mpsc::channel(super::super::HAPPENINGS);
    let ways = Ways { resolver: Resolver::new(), bound: Some(IpAddr::from([127, 0, 0, 1])) };
    let task = tokio::spawn(run(settings, sites, ways, taken, told));
    let done = std::collections::BTreeMap::new();
    Node { orders, happenings, task, messages: vec![], done, registered: 0, troubles: vec![] }
}

fn node(id: NodeId, servers: &[String]) -> Node {
    node_with(id, servers, |_| {})
}

impl Node {
    async fn hear(&mut self) {
        match self.happenings.recv().await.expect("the task has ended") {
            Happening::Registered { .. } => self.registered += 1,
            Happening::Message { text, .. } => self.messages.push(text),
            Happening::Put { tag, outcome } => {
                assert!(self.done.insert(tag, outcome).is_none(), "{tag} is told twice");
            }
            Happening::Neighbours(_) => {}
            Happening::Trouble(what) => self.troubles.push(what),
        }
    }

    async fn until(&mut self, what: impl Fn(&Node) -> bool) {
        while !what(self) {
            self.hear().await;
        }
    }

    async fn put(&self, tag: u64, to: NodeId, text: &str) {
        self.orders.send(Order::Put { tag, to, text: text.to_owned() }).await.unwrap();
    }

    async fn leave(self) {
        self.orders.send(Order::Leave).await.unwrap();
        self.task.await.unwrap();
    }
}

/// Our server on an address of its own, on `port` if it is not 0.
fn ours(host: u8, port: u16, store: StoreConfig) -> (ServerThread, [String; 2]) {
    let ip: IpAddr = [127, 88, 0, host].into();
    let config = ServerConfig { http: vec![(ip, port).into()], store, ..ServerConfig::on(ip) };
    let server = Server::spawn(config).unwrap();
    let at = server.local_addrs().http[0];
    (server, [at.to_string(), format!("http://{at}/dht_msg.php")])
}

/// A server that answers each request by `answer`, which gets its first line. Counts connections that are open.
fn odd(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (answer, open) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&open);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer, open) = (stream.unwrap(), Arc::clone(&answer), Arc::clone(&counted));
            open.fetch_add(1, SeqCst);
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
                        answer(text.lines().next().unwrap(), &mut stream);
                    }
                }
                open.fetch_sub(1, SeqCst);
            });
        }
    });
    (at.to_string(), open)
}

fn reply(stream: &mut TcpStream, body: &str) {
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(whole.as_bytes());
}

/// What an honest server says to everything but `list`.
fn honest(line: &str, stream: &mut TcpStream) {
    reply(
        stream,
        match line {
            _ if line.contains("/register?") => "{\"registered\":true}",
            _ if line.contains("/mutex?") => "{\"mutex\":false}",
            _ if line.contains("/neighbours?") => "{\"neighbours\":[]}",
            _ if line.contains("call=get_mutex") => "0",
            _ if line.contains("call=find_neighbours") => "[]",
            _ if line.contains(".php?") => "success",
            _ => "{\"done\":true}",
        },
    );
}

#[test]
fn messages_through_our_server_in_both_styles() {
    let (_server, at) = ours(1, 0, StoreConfig::Memory);
    // Each style to each, and longest messages.
    for (style_a, style_b) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
        run_all(async {
            let mut alice = node(NodeId([1 + style_a as u8; 20]), &[at[style_a].clone()]);
            let bob_id = NodeId([0x10 + style_b as u8 + 2 * style_a as u8; 20]);
            let mut bob = node(bob_id, &[at[style_b].clone()]);
            let long = "\u{e9}".repeat(mailbox::MAX_TEXT / 2);
            for (tag, text) in [(1, "REVERSE_QUERY:x"), (2, "1 + 1 & more=%"), (3, &long)] {
                alice.put(tag, bob_id, text).await;
            }
            alice.until(|n| n.done.len() == 3).await;
            assert!(alice.done.values().all(Result::is_ok), "{:?}", alice.done);
            bob.until(|n| n.messages.len() == 3).await;
            assert_eq!(bob.messages, ["REVERSE_QUERY:x", "1 + 1 & more=%", &long]);
            assert_eq!((alice.troubles.len(), bob.troubles.len()), (0, 0), "{:?}", bob.troubles);
            alice.leave().await;
            bob.leave().await;
        });
    }
}

#[test]
fn a_restart_in_the_middle_loses_nothing_and_doubles_nothing() {
    let folder = std::env::temp_dir().join(format!("p2pnet-mailbox-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (style, file) in [(0, true), (1, true), (0, false), (1, false)] {
        let store = || match file {
            true => StoreConfig::File(folder.join(format!("store-{style}"))),
            false => StoreConfig::Memory,
        };
        let (server, at) = ours(2, 0, store());
        let port = server.local_addrs().http[0].port();
        run_all(async {
            let mut alice = node(ALICE, &at[style..=style]);
            let mut bob = node(BOB, &at[style..=style]);
            alice.until(|n| n.registered == 1).await;
            bob.until(|n| n.registered == 1).await;
            let mut server = Some(server);
            for tag in 1..=40 {
                alice.put(tag, BOB, &format!("message {tag}")).await;
                if tag % 10 == 5 {
                    // What is in memory only dies with the server: then it has to be fetched before.
                    if !file {
                        alice.until(|n| n.done.len() as u64 == tag).await;
                        bob.until(|n| n.messages.len() as u64 == tag).await;
                    }
                    drop(server.take());
                    alice.put(100 + tag, BOB, &format!("message {}", 100 + tag)).await;
                    server = Some(ours(2, port, store()).0);
                    if !file {
                        alice.until(|n| n.done.len() as u64 > tag).await;
                    }
                }
                if !file && tag % 10 == 5 {
                    let count = alice.done.len();
                    bob.until(|n| n.messages.len() == count).await;
                }
                if !file && tag % 10 == 6 {
                    break;
                }
            }
            let sent = if file { 44 } else { 7 };
            alice.until(|n| n.done.len() == sent).await;
            assert!(alice.done.values().all(Result::is_ok), "{:?}", alice.done);
            bob.until(|n| n.messages.len() >= sent).await;
            alice.put(999, BOB, "the last").await;
            bob.until(|n| n.messages.last().is_some_and(|m| m == "the last")).await;
            let different: BTreeSet<&String> = bob.messages.iter().collect();
            assert_eq!((bob.messages.len(), different.len()), (sent + 1, sent + 1), "{:?}", bob.messages);
            alice.leave().await;
            bob.leave().await;
        });
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_server_that_hangs_holds_up_nothing_else() {
    let (hanging, open) = odd(|_, stream| while stream.read(&mut [0]).is_ok_and(|n| n > 0) {});
    let (_server, at) = ours(3, 0, StoreConfig::Memory);
    run_all(async {
        let servers = [hanging, at[0].clone()];
        let mut alice = node(ALICE, &servers);
        let mut bob = node(BOB, &servers);
        alice.put(1, BOB, "hello").await;
        bob.until(|n| n.messages.len() == 1).await;
        alice.until(|n| n.done.len() == 1).await;
        // The other one was asked as well.
        while open.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // A network that has changed breaks what hangs off; so does the end.
        alice.orders.send(Order::NetworkChanged).await.unwrap();
        alice.put(2, BOB, "again").await;
        bob.until(|n| n.messages.len() == 2).await;
        alice.leave().await;
        bob.task.abort();
        let _ = bob.task.await;
        while open.load(SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn long_polls_that_hang_end_with_their_node() {
    // Answers everything but questions for messages.
    let (at, open) = odd(|line, stream| match line.contains("list") && !line.contains("put") {
        true => while stream.read(&mut [0]).is_ok_and(|n| n > 0) {},
        false => honest(line, stream),
    });
    for at in [at.clone(), format!("http://{at}/dht_msg.php")] {
        run_all(async {
            let mut alice = node(ALICE, std::slice::from_ref(&at));
            alice.until(|n| n.registered == 1).await;
            while open.load(SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // It is not waited for.
            alice.leave().await;
            while open.load(SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}

#[test]
fn a_name_with_another_password_is_told_and_never_registered() {
    let (_server, at) = ours(4, 0, StoreConfig::Memory);
    for (n, at) in at.into_iter().enumerate() {
        run_all(async {
            let id = NodeId([0x40 + n as u8; 20]);
            let mut first = node(id, std::slice::from_ref(&at));
            first.until(|n| n.registered == 1).await;
            let mut second = node_with(id, std::slice::from_ref(&at), |s| {
                s.password = "wrong".into();
                s.patience = Duration::from_secs(1);
            });
            second.put(1, ALICE, "x").await;
            second.until(|n| n.done.len() == 1 && !n.troubles.is_empty()).await;
            assert_eq!(second.done[&1].as_ref().unwrap_err().code, Code::Timeout);
            assert!(second.troubles[0].contains("somebody else"), "{:?}", second.troubles);
            assert_eq!((second.registered, second.troubles.len()), (0, 1));
            // The first one is not disturbed.
            first.put(2, id, "to myself").await;
            first.until(|n| n.messages == ["to myself"]).await;
        });
    }
}

#[test]
fn floods_and_nonsense_are_refused_with_the_reason() {
    let letter = wrap::wrap("x", &[1; 12]).unwrap();
    let many = format!("[{}]", vec![format!("\"{letter}\""); 10_000].join(","));
    let huge = format!("[\"{}\"]", "a".repeat(3 << 20));
    for (body, why) in [
        (many, "more than 1024"),
        (huge, "more than 2097152"),
        ("<html>".to_owned(), "expected a JSON list"),
        ("[1]".to_owned(), "shape"),
    ] {
        let (at, _) = odd(move |line, stream| match line.contains("call=list") {
            true => reply(stream, &body),
            false => honest(line, stream),
        });
        run_all(async {
            let mut alice = node(ALICE, &[format!("http://{at}/dht_msg.php")]);
            alice.until(|n| !n.troubles.is_empty()).await;
            assert!(alice.troubles[0].contains(why), "{why}: {:?}", alice.troubles);
            assert!(alice.messages.is_empty());
        });
    }
    // Wrong digits among good ones do not keep these away.
    let (at, _) = odd(move |line, stream| match line.contains("call=list") {
        true => reply(stream, "[\"zz\",\"a131\",\"c1\"]"),
        false => honest(line, stream),
    });
    run_all(async {
        let mut alice = node(ALICE, &[format!("http://{at}/dht_msg.php")]);
        alice.until(|n| !n.messages.is_empty() && !n.troubles.is_empty()).await;
        assert_eq!(alice.messages[0], "1");
        assert!(alice.troubles[0].contains("2 messages"), "{:?}", alice.troubles);
    });
}

#[test]
fn nothing_is_fetched_while_nobody_takes_it() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    // A flood that never ends: 1000 messages in each answer.
    let body = format!("[{}]", vec!["\"a131\""; 1000].join(","));
    let (at, _) = odd(move |line, stream| match line.contains("call=list") {
        true => {
            counted.fetch_add(1, SeqCst);
            reply(stream, &body);
        }
        false => honest(line, stream),
    });
    run_all(async {
        let mut alice = node(ALICE, &[format!("http://{at}/dht_msg.php")]);
        while lists.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // As long as it takes to be sure that it is stuck: the queue of happenings is full.
        while alice.happenings.len() < super::super::HAPPENINGS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(lists.load(SeqCst), 1);
        alice.until(|n| n.messages.len() == 2000).await;
        assert!(lists.load(SeqCst) <= 3);
        // The end does not wait for anybody to take the rest.
        alice.task.abort();
        let _ = alice.task.await;
    });
}

#[test]
fn answers_cut_in_two_cost_nothing_that_is_whole() {
    let cuts = Arc::new(AtomicUsize::new(0));
    let (first, second) = (wrap::wrap("one", &[1; 12]).unwrap(), wrap::wrap("two", &[2; 12]).unwrap());
    let whole = format!("[\"{first}\",\"{second}\"]");
    let (at, _) = odd(move |line, stream| match line.contains("call=list") {
        true if cuts.fetch_add(1, SeqCst) == 0 => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
            let _ = stream.write_all(&[head.as_bytes(), &whole.as_bytes()[..first.len() + 9]].concat());
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // The server had not removed them.
        true if cuts.load(SeqCst) == 2 => reply(stream, &whole),
        true => while stream.read(&mut [0]).is_ok_and(|n| n > 0) {},
        false => honest(line, stream),
    });
    run_all(async {
        let mut alice = node(ALICE, &[format!("http://{at}/dht_msg.php")]);
        alice.until(|n| n.messages.len() == 2).await;
        assert_eq!(alice.messages, ["one", "two"]);
        assert_eq!(alice.troubles.len(), 1);
    });
}

#[test]
fn servers_that_are_not_there_are_told() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    run_all(async {
        let mut alice =
            node_with(ALICE, std::slice::from_ref(&gone), |s| s.patience = Duration::from_millis(300));
        alice.put(1, BOB, "x").await;
        alice.until(|n| n.done.len() == 1 && !n.troubles.is_empty()).await;
        assert!(alice.troubles[0].contains(&gone), "{:?}", alice.troubles);
        let e = alice.done[&1].as_ref().unwrap_err();
        assert!(e.code == Code::Timeout && e.message.contains("no mailbox took"), "{e}");
    });
}
