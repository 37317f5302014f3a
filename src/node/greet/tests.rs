use std::future::{Future, poll_fn};
use std::net::Ipv4Addr;
use std::task::Poll;

use tokio::net::TcpListener;

use super::*;
use crate::config::{Config, Dialect};
use crate::event::Via;
use crate::node::conn::Conn;
use crate::proto::handshake::NO_NETWORK;
use crate::proto::identity::Identity;
use crate::proto::network::NetworkId;
use crate::proto::session::{Session, Settings};

const TOKEN: Token = [7; 16];

fn node(n: u8) -> Shared {
    let key = Some(Arc::new(Identity::from_secret(&[n; 32])));
    let after = Duration::from_secs(20);
    Shared::new(Config { dialect: Dialect::Secure, key, handshake_timeout: after, ..Config::default() })
}

fn key(node: &Shared) -> PublicKey {
    node.myself().unwrap().public()
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), test).await.expect("hung: a minute has passed")
    })
}

/// Both, at the same time.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|cx| {
        if of_a.is_none() {
            of_a = ready(a.as_mut().poll(cx));
        }
        if of_b.is_none() {
            of_b = ready(b.as_mut().poll(cx));
        }
        if of_a.is_some() && of_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_a.unwrap(), of_b.unwrap())
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let (connector, accepted) = both(TcpStream::connect(at), listener.accept()).await;
    (connector.unwrap(), accepted.unwrap().0, at)
}

fn connect(to: &Shared, chosen: bool) -> Role {
    Role::Connect { to: Some(key(to)), token: TOKEN, chosen }
}

const HELD: Answer = Answer::Welcome { chosen: false };

/// Both ends of a connection of `a` to `b`, greeted by the key, with these answers.
async fn greeted(a: &Shared, b: &Shared, answers: [Answer; 2]) -> (Greeted, Greeted) {
    let (connector, acceptor, at) = pair().await;
    let (c, a) =
        both(async { greet(a, connector, at, connect(b, false)).await?.answer(answers[0]).await }, async {
            greet(b, acceptor, at, Role::Accept).await?.answer(answers[1]).await
        })
        .await;
    (c.unwrap(), a.unwrap())
}

#[test]
fn the_acceptor_decides_with_the_peer_in_view() {
    run(async {
        let (a, b) = (node(1), node(2));
        let (connector, acceptor, at) = pair().await;
        let (met, came) = both(greet(&a, connector, at, connect(&b, true)), async {
            let came = greet(&b, acceptor, at, Role::Accept).await.unwrap();
            assert_eq!((came.peer.key, came.peer.token), (key(&a), TOKEN));
            assert!(came.peer.chosen && !came.peer.live);
            came.answer(Answer::Welcome { chosen: true }).await.unwrap()
        })
        .await;
        let met = met.unwrap();
        assert!(met.peer.key == key(&b) && met.peer.chosen && met.peer.live);
        let mut came = came;
        let (_kept, verdict) = both(met.answer(HELD), came.control()).await;
        assert_eq!(verdict.unwrap(), Some(Control::Verdict { chosen: false }));
    });
}

#[test]
fn a_held_connection_waits_to_be_chosen() {
    run(async {
        let (a, b) = (node(1), node(2));
        let (mut c, mut d) = greeted(&a, &b, [HELD, HELD]).await;
        assert_eq!(d.control().await.unwrap(), Some(Control::Verdict { chosen: false }));
        // A wait that is given up has lost nothing.
        for _ in 0..3 {
            let waited = tokio::time::timeout(Duration::from_millis(1), d.control()).await;
            assert!(waited.is_err());
        }
        c.tell(Control::Choose).await.unwrap();
        assert_eq!(d.control().await.unwrap(), Some(Control::Choose));
        d.tell(Control::Choose).await.unwrap();
        assert_eq!(c.control().await.unwrap(), Some(Control::Choose));
        // The program's bytes are left to whoever opens the connection.
        let mut frame = Vec::new();
        c.transport.sealer.seal(b"early\r\n", &mut frame).unwrap();
        stream::write_all(&c.stream, &frame).await.unwrap();
        assert_eq!(d.control().await.unwrap(), None);
        drop(c);
        assert_eq!(d.control().await.unwrap(), None);
    });
}

/// Half of a control frame was read when the connection was opened: the link goes on with it.
#[test]
fn what_was_begun_to_be_read_goes_along() {
    run(async {
        let (a, b) = (node(1), node(2));
        let (c, mut d) = greeted(&a, &b, [HELD, HELD]).await;
        d.stream.readable().await.unwrap();
        let mut first = [0; 5];
        assert_eq!(d.stream.try_read(&mut first).unwrap(), 5);
        d.received.extend(first);
        let open = |greeted: Greeted, via: Via, shared: &Shared| {
            let (at, peer) = (greeted.at, greeted.peer.key);
            let Made { stream, sealer, opening, name } = greeted.into_link();
            let session = Session::begin(Instant::now(), name, Settings::default(), true);
            let from = (1, via, via == Via::Accept, at);
            let conn =
                Arc::new(Conn::secure(from, Arc::clone(&stream), &shared.config, peer, sealer, session));
            (conn, stream, Opening { announced: true, ..opening })
        };
        let ((c, ..), (d, stream, opening)) = (open(c, Via::Direct, &a), open(d, Via::Accept, &b));
        assert_eq!((c.peer_key(), d.peer_key()), (Some(key(&b)), Some(key(&a))));
        let mut receiver = crate::node::receive::Receiver::new(&b.config, &b.queue.pool, Some(opening));
        c.out.send(None, b"hello", b"\r\n").unwrap();
        while !b.queue.is_ready() {
            stream.readable().await.unwrap();
            assert!(receiver.read(&stream, &d, &b.queue).is_ok());
        }
    });
}

#[test]
fn who_is_not_welcome_hears_why() {
    run(async {
        let (a, b) = (node(1), node(2));
        for (answer, code, word) in [
            (Answer::TurnedAway, Code::Refused, "does not let"),
            (Answer::Full, Code::Limit, "no room"),
            (Answer::OtherNetwork, Code::Refused, "network"),
        ] {
            let (connector, acceptor, at) = pair().await;
            let (met, came) = both(greet(&a, connector, at, connect(&b, false)), async {
                greet(&b, acceptor, at, Role::Accept).await?.answer(answer).await
            })
            .await;
            assert_eq!(came.err().unwrap().code, Code::Refused);
            let e = met.err().unwrap();
            assert!(e.code == code && e.message.contains(word), "{e}");
            // With XX it comes after our own last message.
            let (connector, acceptor, at) = pair().await;
            let to_whom = Role::Connect { to: None, token: TOKEN, chosen: false };
            let (met, _) =
                both(async { greet(&a, connector, at, to_whom).await?.answer(HELD).await }, async {
                    greet(&b, acceptor, at, Role::Accept).await?.answer(answer).await
                })
                .await;
            let e = met.unwrap().control().await.err().unwrap();
            assert!(e.code == code && e.message.contains(word), "{e}");
        }
    });
}

#[test]
fn wrong_keys_networks_and_tongues_have_clear_errors() {
    run(async {
        let (a, b, c) = (node(1), node(2), node(3));
        let go = Config { network: Some(NetworkId::of("go")), ..node(4).config.clone() };
        let go = Shared::new(go);
        assert_eq!(a.myself().unwrap().network(), NO_NETWORK);
        for (acceptor, to, code, word) in
            [(&c, &b, Code::Refused, "another key"), (&go, &go, Code::Refused, "another network")]
        {
            let (connector, accepted, at) = pair().await;
            let (met, came) = both(
                greet(&a, connector, at, connect(to, false)),
                greet(acceptor, accepted, at, Role::Accept),
            )
            .await;
            let e = met.err().unwrap();
            assert!(e.code == code && e.message.contains(word), "{e}");
            assert_eq!(
                came.err().unwrap().code,
                if word == "another key" { Code::Protocol } else { Code::Refused }
            );
        }
        let (connector, accepted, at) = pair().await;
        let (came, ()) = both(greet(&b, accepted, at, Role::Accept), async {
            stream::write_all(&connector, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        })
        .await;
        let e = came.err().unwrap();
        assert!(e.code == Code::Protocol && e.message.contains("no handshake"), "{e}");
        let (connector, accepted, at) = pair().await;
        drop(connector);
        assert_eq!(greet(&b, accepted, at, Role::Accept).await.err().unwrap().code, Code::Closed);
    });
}

#[test]
fn a_busy_node_says_so_before_it_computes() {
    run(async {
        let (a, b) = (node(1), node(2));
        // Once is enough, unless the second in which the budget was spent happens to end in between.
        let busy = loop {
            let (connector, acceptor, at) = pair().await;
            let mut budget = std::mem::take(&mut *b.handshakes.lock());
            while budget.allows(Instant::now(), at.ip()) {
                budget.spend(at.ip());
            }
            *b.handshakes.lock() = budget;
            let (met, came) = both(greet(&a, connector, at, connect(&b, false)), async {
                greet(&b, acceptor, at, Role::Accept).await?.answer(HELD).await
            })
            .await;
            if let Err(e) = met {
                assert_eq!(came.err().map(|e| e.code), Some(Code::Limit));
                break e;
            }
        };
        assert!(busy.code == Code::Limit && busy.message.contains("busy"), "{busy}");
    });
}

#[test]
fn silence_has_a_limit() {
    run(async {
        let b =
            Shared::new(Config { handshake_timeout: Duration::from_millis(30), ..node(2).config.clone() });
        let (connector, acceptor, at) = pair().await;
        let e = greet(&b, acceptor, at, Role::Accept).await.err().unwrap();
        assert!(e.code == Code::Timeout && e.message.contains("30 ms"), "{e}");
        drop(connector);
    });
}
