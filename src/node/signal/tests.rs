//! The task with real sockets and a real server on loopback.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use super::*;
use crate::node::resolve::Resolver;
use crate::proto::identity::Identity;
use crate::proto::rdv_server::{Limits, SignalLimits};
use crate::proto::signal::{End, Outcome};
use crate::server::{NatPort, Server, ServerConfig};

/// Only to turn a hang into a failure.
const WATCHDOG: Duration = Duration::from_secs(60);

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(WATCHDOG, test).await.expect("hung") });
}

struct Node {
    id: PublicKey,
    orders: mpsc::Sender<Order>,
    happenings: mpsc::Receiver<Happening>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(n: u8, servers: &[String]) -> Node {
        Node::with_queue(n, servers, 64)
    }

    fn with_queue(n: u8, servers: &[String], queue: usize) -> Node {
        let identity = Identity::from_secret(&[n; 32]);
        let id = identity.public();
        let settings = Settings::new(id, "net".parse().unwrap(), servers.to_vec());
        let (orders, taken) = mpsc::channel(16);
        let (tell, happenings) = mpsc::channel(queue);
        let reach = Reach { resolver: Resolver::new(), bound: None, limit: WATCHDOG };
        let ways = Ways { reach, may_visit: Arc::new(|at| at.port() != 9) };
        let sign: Sign = Box::new(move |text| identity.sign(text));
        let task = tokio::spawn(run(settings, sign, u64::from(n), ways, taken, tell));
        Node { id, orders, happenings, task }
    }

    async fn tell(&self, tag: u64, to: PublicKey, via: &[String], message: &[u8]) {
        let order = Order::Tell { tag, to, via: via.to_vec(), message: message.to_vec() };
        self.orders.send(order).await.unwrap();
    }

    /// The next thing that happens and that `wanted` makes something of.
    async fn next<T>(&mut self, wanted: impl Fn(&Happening) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.happenings.recv().await.expect("the task has ended")) {
                return found;
            }
        }
    }

    async fn entered(&mut self) -> String {
        self.next(|what| match what {
            Happening::Entered { server, .. } => Some(server.clone()),
            _ => None,
        })
        .await
    }

    async fn message(&mut self) -> (PublicKey, Vec<u8>) {
        self.next(|what| match what {
            Happening::Message { from, message, .. } => Some((*from, message.clone())),
            _ => None,
        })
        .await
    }

    async fn done(&mut self) -> (u64, Outcome) {
        self.next(|what| match what {
            Happening::Done { tag, outcome } => Some((*tag, outcome.clone())),
            _ => None,
        })
        .await
    }

    async fn left(&mut self) -> End {
        self.next(|what| match what {
            Happening::Left { end, .. } => Some(end.clone()),
            _ => None,
        })
        .await
    }
}

async fn server_with(config: ServerConfig) -> (Server, Vec<String>) {
    let server = Server::start(config).await.unwrap();
    let at = server.local_addrs().rendezvous[0].to_string();
    (server, vec![at])
}

fn config() -> ServerConfig {
    ServerConfig { http: Vec::new(), nat: NatPort::Off, ..ServerConfig::on([127, 0, 0, 1].into()) }
}

async fn server() -> (Server, Vec<String>) {
    server_with(config()).await
}

#[test]
fn two_nodes_talk_and_know_how_far_apart_they_are() {
    block_on(async {
        let (_server, at) = server().await;
        let (mut a, mut b) = (Node::start(1, &at), Node::start(2, &at));
        assert_eq!((a.entered().await, b.entered().await), (at[0].clone(), at[0].clone()));
        a.tell(7, b.id, &at, b"Hello.").await;
        assert_eq!(b.message().await, (a.id, b"Hello.".to_vec()));
        assert!(matches!(a.done().await, (7, Outcome::Heard { .. })));
        b.tell(7, a.id, &[], &[7; 2048]).await;
        assert_eq!(a.message().await.1.len(), 2048);
        a.orders.send(Order::Measure).await.unwrap();
        let rtt = |what: &Happening| match what {
            Happening::Rtt { least, .. } => Some(*least),
            _ => None,
        };
        assert!(a.next(rtt).await < WATCHDOG);
        a.tell(8, PublicKey([9; 32]), &at, b"?").await;
        assert_eq!(a.done().await, (8, Outcome::Absent));
        a.tell(9, b.id, &at, b"").await;
        assert!(matches!(a.done().await, (9, Outcome::NotTaken(_))));
    });
}

#[test]
fn a_visit_reaches_a_peer_at_another_server() {
    block_on(async {
        let ((_s, at), (_t, there)) = (server().await, server().await);
        let (mut a, mut b) = (Node::start(1, &at), Node::start(2, &there));
        b.entered().await;
        a.tell(1, b.id, &there, b"x").await;
        assert_eq!(b.message().await.0, a.id);
        // The answer finds its way by the same server.
        b.tell(2, a.id, &there, b"y").await;
        assert_eq!(a.message().await.0, b.id);
        // Where we would not go, we do not.
        let (port_nine, nobody) = ("127.0.0.1:9".to_owned(), PublicKey([9; 32]));
        a.tell(3, nobody, &[port_nine], b"x").await;
        match a.next(|what| matches!(what, Happening::Done { tag: 3, .. }).then(|| what.clone())).await {
            Happening::Done { outcome: Outcome::Unreachable(why), .. } => {
                assert!(why.contains("because a peer"), "{why}")
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn it_comes_back_after_a_restart_of_the_server() {
    block_on(async {
        // An address of this test alone, so that the port stays free meanwhile.
        let here = ServerConfig { listen: vec!["127.213.7.9:0".parse().unwrap()], ..config() };
        let (server, at) = server_with(here).await;
        let (mut a, mut b) = (Node::start(1, &at), Node::start(2, &at));
        a.entered().await;
        b.entered().await;
        server.stop().await;
        assert!(matches!(a.left().await, End::Lost(_)));
        let again = ServerConfig { listen: vec![at[0].parse().unwrap()], ..config() };
        let (_server, _) = server_with(again).await;
        a.entered().await;
        b.entered().await;
        a.tell(1, b.id, &at, b"x").await;
        assert_eq!(b.message().await.0, a.id);
    });
}

#[test]
fn a_changed_network_brings_it_back_at_once() {
    block_on(async {
        let (_server, at) = server().await;
        let (mut a, mut b) = (Node::start(1, &at), Node::start(2, &at));
        a.entered().await;
        b.entered().await;
        b.orders.send(Order::NetworkChanged).await.unwrap();
        assert_eq!(b.left().await, End::NetworkChanged);
        b.entered().await;
        a.tell(1, b.id, &at, b"x").await;
        assert_eq!(b.message().await.0, a.id);
    });
}

#[test]
fn a_second_program_with_the_same_key_replaces_the_first() {
    block_on(async {
        let (_server, at) = server().await;
        let mut first = Node::start(1, &at);
        first.entered().await;
        let mut second = Node::start(1, &at);
        second.entered().await;
        assert_eq!(first.left().await, End::Replaced);
    });
}

#[test]
fn a_node_that_takes_no_happenings_makes_its_senders_wait_and_loses_nothing() {
    block_on(async {
        let open = crate::proto::rdv_server::Rate::new(100_000, 100_000);
        let signal = SignalLimits {
            messages: open,
            pair: open,
            address: open,
            receiver: open,
            lines: open,
            queue: 8,
            heard: WATCHDOG,
            ..SignalLimits::default()
        };
        let limits = Limits { signal, ..Limits::default() };
        let (_server, at) = server_with(ServerConfig { limits, ..config() }).await;
        let (mut a, mut b) = (Node::start(1, &at), Node::with_queue(2, &at, 1));
        a.entered().await;
        b.entered().await;
        // Until the server says that enough is waiting.
        let (mut taken, mut tag) = (Vec::new(), 0u64);
        let mut open = std::collections::BTreeSet::new();
        loop {
            tag += 1;
            a.tell(tag, b.id, &at, &tag.to_be_bytes()).await;
            open.insert(tag);
            let told = |what: &Happening| match what {
                Happening::Told { tag, .. } => Some((*tag, None)),
                Happening::Done { tag, outcome } => Some((*tag, Some(outcome.clone()))),
                _ => None,
            };
            // Either it is told, or refused; HEARD of earlier ones may come between.
            let refused = loop {
                match a.next(told).await {
                    (n, None) if n == tag => break false,
                    (n, Some(Outcome::Heard { .. })) => assert!(open.remove(&n)),
                    (n, Some(Outcome::Refused(_))) => {
                        assert!(n == tag && open.remove(&n));
                        break true;
                    }
                    other => panic!("{other:?}"),
                }
            };
            if refused {
                break;
            }
            taken.push(tag);
        }
        assert!(taken.len() >= 8, "{}", taken.len());
        for tag in taken {
            assert_eq!(b.message().await.1, tag.to_be_bytes(), "all of them, in their order");
        }
    });
}

#[test]
fn leaving_ends_the_task_and_makes_it_absent() {
    block_on(async {
        let (_server, at) = server().await;
        let (mut a, mut b) = (Node::start(1, &at), Node::start(2, &at));
        a.entered().await;
        b.entered().await;
        b.orders.send(Order::Leave).await.unwrap();
        assert_eq!(b.left().await, End::Left);
        b.task.await.unwrap();
        a.tell(1, b.id, &at, b"x").await;
        assert_eq!(a.done().await, (1, Outcome::Absent));
        // Nobody gives orders, or nobody listens: then there is nothing to be done either.
        let Node { task, orders, happenings, .. } = a;
        drop(happenings);
        task.await.unwrap();
        drop(orders);
        let Node { task, orders, happenings: _kept, .. } = Node::start(3, &at);
        drop(orders);
        task.await.unwrap();
    });
}

#[test]
fn a_server_that_talks_rubbish_or_nothing_is_left() {
    use std::io::Write;
    block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = vec![listener.local_addr().unwrap().to_string()];
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The other end may be gone before all is written.
            let _ = stream.write_all(&vec![b'x'; 100_000]);
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 mail.example ESMTP\r\n\xff\r\nREMOTE TCP 5\r\n").unwrap();
            listener.accept().unwrap()
        });
        let mut node = Node::start(1, &at);
        match node.left().await {
            End::Lost(why) => assert!(why.contains("over-long") || why.contains("reset"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(node.left().await, End::NoSignalling);
        // That one is not asked again for long; the thread still waits and is let go.
        std::net::TcpStream::connect(&at[0]).unwrap();
        thread.join().unwrap();
    });
}
