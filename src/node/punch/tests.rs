//! Punches on loopback, where every node has an address of its own and nothing translates.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fight;
mod limits;

use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::node::resolve::Resolver;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::punch::{Body, FRAME_LEN, Options, Side};
use crate::server::{Server, ServerConfig};

/// Only to turn a hang into a failure.
const WATCHDOG: Duration = Duration::from_secs(60);

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(WATCHDOG, test).await.expect("hung") })
}

/// Addresses that no test beside has.
fn addresses() -> [IpAddr; 3] {
    let [b, c] = [fastrand::u8(1..=254), fastrand::u8(..)];
    [1, 2, 3].map(|host| Ipv4Addr::new(127, b, c, host).into())
}

fn side(ip: IpAddr, mapping: Mapping, allocation: Allocation) -> Side {
    Side { outside_ip: Some(ip), mapping, allocation, ..Side::default() }
}

fn preserving(ip: IpAddr) -> Side {
    side(ip, Mapping::EndpointIndependent, Allocation::Preserving)
}

fn blind(ip: IpAddr) -> Side {
    side(ip, Mapping::AddressAndPortDependent, Allocation::Random)
}

/// For those that have to fail.
fn hasty() -> Options {
    let ms = Duration::from_millis;
    let (round, hold, hello) = (ms(50), ms(100), ms(200));
    // A peer that is only slow is not taken for gone.
    let silence = WATCHDOG / 2;
    Options { allow_inside: true, round, hold, silence, hello, grace: ms(20), ..Options::default() }
}

fn inside() -> Options {
    Options { allow_inside: true, ..Options::default() }
}

fn setup(ours: Side, peer_ip: IpAddr, options: Options) -> Setup {
    let own = ours.outside_ip.into_iter().collect();
    Setup { ours, peer_ip, own, options, seed: fastrand::u64(..) }
}

fn ways(bound: IpAddr, servers: &[String]) -> Ways {
    let reach = Reach { resolver: Resolver::new(), bound: Some(bound), limit: WATCHDOG };
    Ways { reach, servers: servers.to_vec(), budget: Arc::default() }
}

fn initiate(setup: Setup) -> Begin {
    Begin::Initiate { token: Token(fastrand::u128(..).to_be_bytes()), setup }
}

/// A punch under way.
struct Running {
    tell: mpsc::Sender<Inbox>,
    said: mpsc::UnboundedReceiver<Message>,
    task: JoinHandle<Punched>,
    budget: Arc<Mutex<Budget>>,
}

impl Running {
    fn start(begin: Begin, ways: Ways) -> Running {
        let (tell, inbox) = mpsc::channel(64);
        let (say, said) = mpsc::unbounded_channel();
        let budget = Arc::clone(&ways.budget);
        let task = tokio::spawn(run(begin, ways, inbox, move |message| drop(say.send(message))));
        Running { tell, said, task, budget }
    }

    async fn hear(&self, message: Message) {
        // It may have ended.
        let _ = self.tell.send(Inbox::Message(message)).await;
    }

    async fn end(self) -> Punched {
        let punched = self.task.await.unwrap();
        assert_eq!(self.budget.lock().half_open(), 0, "given back");
        punched
    }
}

/// Carries messages both ways until both have ended; `before` sees each, with who sent it (0: the initiator).
async fn carry(
    mut a: Running,
    b: Setup,
    b_ways: Ways,
    mut before: impl AsyncFnMut(usize, &Message),
) -> [Punched; 2] {
    let offer = loop {
        let message = a.said.recv().await.unwrap();
        if matches!(message.body, Body::Offer(_)) {
            break message;
        }
    };
    let mut b = Running::start(Begin::Respond { offer, setup: b }, b_ways);
    loop {
        let (from, message) = tokio::task::coop::unconstrained(std::future::poll_fn(|cx| {
            for (i, side) in [&mut a, &mut b].into_iter().enumerate() {
                if let std::task::Poll::Ready(Some(message)) = side.said.poll_recv(cx) {
                    return std::task::Poll::Ready((i, Some(message)));
                }
            }
            let over = a.said.is_closed() && b.said.is_closed();
            if over { std::task::Poll::Ready((0, None)) } else { std::task::Poll::Pending }
        }))
        .await;
        let Some(message) = message else { break };
        before(from, &message).await;
        if from == 0 { b.hear(message).await } else { a.hear(message).await }
    }
    [a.end().await, b.end().await]
}

async fn punch_each_other(sides: [Side; 2], options: [Options; 2], servers: &[String]) -> [Punched; 2] {
    let [a, b] = sides.map(|side| side.outside_ip.unwrap());
    let [for_a, for_b] = options;
    let first = Running::start(initiate(setup(sides[0], b, for_a)), ways(a, servers));
    carry(first, setup(sides[1], a, for_b), ways(b, servers), async |_, _| ()).await
}

/// Both programs say something and read exactly what the other has said.
async fn talk(punched: [Punched; 2]) {
    let streams = punched.map(|punched| punched.outcome.unwrap().0);
    assert_eq!(streams[0].local_addr().unwrap(), streams[1].peer_addr().unwrap(), "the same connection");
    for (i, stream) in streams.iter().enumerate() {
        let text = format!("line {i}");
        stream.writable().await.unwrap();
        assert_eq!(stream.try_write(text.as_bytes()).unwrap(), text.len());
        let other = &streams[1 - i];
        assert_eq!(read(other, text.len()).await, text.as_bytes());
    }
}

/// So many octets and not one more, or all until the end.
async fn read(stream: &TcpStream, count: usize) -> Vec<u8> {
    let (mut read, mut buf) = (Vec::new(), [0; 1024]);
    while read.len() < count {
        stream.readable().await.unwrap();
        let most = (count - read.len()).min(buf.len());
        match stream.try_read(&mut buf[..most]) {
            Ok(0) => break,
            Ok(n) => read.extend_from_slice(&buf[..n]),
            // Closed with something unread.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    read
}

#[test]
fn two_that_foresee_their_ports() {
    block_on(async {
        let [a, b, _] = addresses();
        let punched = punch_each_other([preserving(a), preserving(b)], [inside(), inside()], &[]).await;
        assert!(punched.iter().all(|p| p.technique == Some(Technique::Predict) && p.reports.len() == 1));
        assert!(punched[0].rtt.is_some());
        assert_eq!(punched[0].outcome.as_ref().unwrap().1.ip(), b);
        assert_eq!(punched[1].outcome.as_ref().unwrap().1.ip(), a);
        talk(punched).await;
    });
}

#[test]
fn ports_that_a_server_tells() {
    block_on(async {
        let [a, b, s] = addresses();
        let server = Server::spawn(ServerConfig::on(s)).unwrap();
        // The first one is silent for good: nobody is there.
        let servers = [format!("{s}:1"), server.local_addrs().rendezvous[0].to_string()];
        let asked = |ip| side(ip, Mapping::EndpointIndependent, Allocation::Random);
        let row = side(b, Mapping::AddressDependent, Allocation::Sequential);
        let punched = punch_each_other([asked(a), asked(b)], [inside(), inside()], &servers).await;
        talk(punched).await;
        // A row that does not exist: only that it is asked for.
        let punched = punch_each_other([preserving(a), row], [hasty(), hasty()], &servers).await;
        assert!(punched[1].reports.iter().all(|round| !round.our_ports.is_empty()));
        server.stop();
    });
}

#[test]
fn no_server_tells() {
    block_on(async {
        let [a, b, s] = addresses();
        let asked = side(a, Mapping::EndpointIndependent, Allocation::Random);
        let running = Running::start(initiate(setup(asked, b, hasty())), ways(a, &[format!("{s}:1")]));
        let failure = running.end().await.outcome.unwrap_err();
        assert_eq!(failure, Failure { reason: Reason::NoOutsidePort, by_peer: false });
    });
}

#[test]
fn many_ports_against_guesses() {
    block_on(async {
        let [a, b, _] = addresses();
        let few = || Options { spray_sockets: 300, spray_guesses: 300, ..inside() };
        for sides in [[blind(a), preserving(b)], [preserving(a), blind(b)]] {
            let punched = punch_each_other(sides, [few(), few()], &[]).await;
            assert!(punched.iter().all(|p| matches!(p.technique, Some(Technique::Spray { .. }))));
            talk(punched).await;
        }
    });
}

#[test]
fn hopeless_is_said_without_a_packet() {
    block_on(async {
        let [a, b, _] = addresses();
        let punched = punch_each_other([blind(a), blind(b)], [inside(), inside()], &[]).await;
        for punched in punched {
            assert!(matches!(punched.outcome.unwrap_err().reason, Reason::Hopeless(_)));
            assert!(punched.reports.is_empty());
        }
    });
}

#[test]
fn a_silent_peer() {
    block_on(async {
        let [a, b, _] = addresses();
        let impatient = Options { silence: Duration::from_millis(300), ..hasty() };
        let running = Running::start(initiate(setup(preserving(a), b, impatient)), ways(a, &[]));
        let failure = running.end().await.outcome.unwrap_err();
        assert_eq!(failure, Failure { reason: Reason::Silent, by_peer: false });
    });
}

#[test]
fn what_is_no_offer_begins_nothing() {
    block_on(async {
        let [a, b, _] = addresses();
        let going = Message { token: Token([1; 16]), round: 1, body: Body::Going };
        let begin = Begin::Respond { offer: going, setup: setup(preserving(a), b, inside()) };
        assert!(Running::start(begin, ways(a, &[])).end().await.outcome.is_err());
    });
}

#[test]
fn a_peer_at_whose_ports_nobody_is() {
    // A round is so short that on a busy machine it may be over before its refusals have been seen: then once more.
    block_on(async { while !was_refused_in_each_round().await {} });
}

async fn was_refused_in_each_round() -> bool {
    let [a, b, _] = addresses();
    let mut running = Running::start(initiate(setup(preserving(a), b, hasty())), ways(a, &[]));
    while let Some(message) = running.said.recv().await {
        let body = match message.body {
            Body::Offer(_) => Body::Answer(preserving(b), vec![9999]),
            Body::Ping(number) => Body::Pong(number),
            _ => continue,
        };
        running.hear(Message { body, ..message }).await;
    }
    let punched = running.end().await;
    assert_eq!(punched.outcome.unwrap_err().reason, Reason::Unmet);
    assert_eq!(punched.reports.len(), 3);
    #[cfg(target_os = "linux")]
    let has_error = punched.errors.get(&libc::ECONNREFUSED).is_some_and(|n| *n > 0);
    #[cfg(not(target_os = "linux"))]
    let has_error = true;
    has_error && punched.reports.iter().all(|round| round.refused > 0)
}

#[test]
fn strangers_at_the_listener() {
    block_on(async {
        let [a, b, c] = addresses();
        let first = Running::start(initiate(setup(preserving(a), b, inside())), ways(a, &[]));
        let mut strangers = Vec::new();
        let punched = carry(first, setup(preserving(b), a, inside()), ways(b, &[]), async |_, message| {
            let Body::Answer(_, ports) = &message.body else { return };
            // One is silent, one talks nonsense, one leaves.
            for octets in [0, FRAME_LEN, 10] {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::new(c, 0)).unwrap();
                let stream = socket.connect(SocketAddr::new(b, ports[0])).await.unwrap();
                stream.writable().await.unwrap();
                stream.try_write(&vec![b'x'; octets]).unwrap();
                if octets != 10 {
                    strangers.push(stream);
                }
            }
        });
        talk(punched.await).await;
        for stranger in strangers {
            // A hello at most, then the end.
            assert!(read(&stranger, usize::MAX).await.len() <= FRAME_LEN);
        }
    });
}

#[test]
fn cancelled() {
    block_on(async {
        let [a, b, _] = addresses();
        let mut running = Running::start(initiate(setup(preserving(a), b, inside())), ways(a, &[]));
        assert!(running.said.recv().await.is_some());
        running.tell.send(Inbox::Cancel).await.unwrap();
        let mut last = None;
        while let Some(message) = running.said.recv().await {
            last = Some(message.body);
        }
        assert_eq!(last, Some(Body::GaveUp(Reason::Cancelled.number())), "the peer is told");
        assert_eq!(running.end().await.outcome.unwrap_err().reason, Reason::Cancelled);
    });
}
