//! Fights between two nodes of ours, by a server of ours.

use super::*;
use crate::proto::punch::Frame;
use crate::proto::punch::fight::FightSetup;
use crate::proto::rdv_msg::Reply;

const NONCE: Frame = [b'7'; FRAME_LEN];

fn setup(ours: Side, peer_ip: IpAddr, ahead: f64) -> FightSetup {
    let own = ours.outside_ip.into_iter().collect();
    // The server looks whether times are about right.
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let clock = (Instant::now(), unix.as_secs_f64() + ahead);
    FightSetup { ours, peer_ip, own, allow_inside: true, clock, seed: fastrand::u64(..) }
}

/// A node's standing channel to the server.
async fn channel(server: SocketAddr, from: IpAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let stream = socket.connect(server).await.unwrap();
    send(&stream, "SIMULTANEOUS READY 0 0").await;
    stream
}

async fn send(stream: &TcpStream, line: &str) {
    stream.writable().await.unwrap();
    stream.try_write(format!("{line}\r\n").as_bytes()).unwrap();
}

async fn reply(stream: &TcpStream) -> Reply {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        line.push(char::from(read(stream, 1).await[0]));
    }
    Reply::parse(line.trim_end()).unwrap_or_else(|| panic!("{line:?}"))
}

/// Until the server knows the node, a challenge comes back empty; so the node's channel asks for something behind it.
async fn registered(stream: &TcpStream) {
    send(stream, "SOURCE TCP").await;
    while !matches!(reply(stream).await, Reply::RemoteTcp(_)) {}
}

async fn fight_each_other(sides: [Side; 2]) -> [Fought; 2] {
    let [a, b] = sides.map(|side| side.outside_ip.unwrap());
    let [_, _, s] = addresses();
    let server = Server::spawn(ServerConfig::on(s)).unwrap();
    let at = server.local_addrs().rendezvous[0];
    let servers = [at.to_string()];
    let standing = channel(at, b).await;
    registered(&standing).await;
    let (_tell, inbox) = mpsc::channel(1);
    let begin = BeginFight::Challenge { server: at.to_string(), nonce: NONCE };
    // The challenger's clock is ahead, so it comes first, and there is less to wait for.
    let challenger =
        run_fight(begin, setup(sides[0], b, 5.5), ways(a, &servers), inbox, |_| panic!("no channel"));
    let challenger = tokio::spawn(challenger);
    let ports = loop {
        if let Reply::Challenge { ip, predictions, .. } = reply(&standing).await {
            assert_eq!(ip, a);
            break predictions;
        }
    };
    assert_eq!(ports.len(), 4);
    let (_keep, inbox) = mpsc::channel(1);
    let (lines, mut said) = mpsc::unbounded_channel();
    let challenged = run_fight(
        BeginFight::Accept { ports },
        setup(sides[1], a, 0.0),
        ways(b, &servers),
        inbox,
        move |line| drop(lines.send(line)),
    );
    let challenged = tokio::spawn(challenged);
    let line = said.recv().await.unwrap();
    assert!(line.starts_with(&format!("ACCEPT {a} ")), "{line}");
    send(&standing, &line).await;
    let ends = [challenger.await.unwrap(), challenged.await.unwrap()];
    server.stop();
    ends
}

async fn one_connection([challenger, challenged]: [Fought; 2]) {
    assert_eq!(challenged.nonce.as_deref(), Some(&NONCE));
    assert_eq!(challenger.nonce, None);
    let ours = challenger.outcome.unwrap().0;
    let theirs = challenged.outcome.unwrap().0;
    assert_eq!(ours.local_addr().unwrap(), theirs.peer_addr().unwrap());
    send(&ours, "hello").await;
    assert_eq!(read(&theirs, 7).await, b"hello\r\n");
}

#[test]
fn computed_ports() {
    block_on(async {
        let [a, b, _] = addresses();
        one_connection(fight_each_other([preserving(a), preserving(b)]).await).await;
    });
}

#[test]
fn asked_ports() {
    block_on(async {
        let [a, b, _] = addresses();
        let asked = |ip| side(ip, Mapping::EndpointIndependent, Allocation::Random);
        one_connection(fight_each_other([asked(a), asked(b)]).await).await;
    });
}

#[test]
fn no_server_no_fight() {
    block_on(async {
        let [a, b, s] = addresses();
        let (_tell, inbox) = mpsc::channel(1);
        let begin = BeginFight::Challenge { server: format!("{s}:1"), nonce: NONCE };
        let fought = run_fight(begin, setup(preserving(a), b, 0.0), ways(a, &[]), inbox, |_| ()).await;
        assert!(fought.outcome.is_err() && fought.nonce.is_none());
    });
}

#[test]
fn cancelled_before_it_begins() {
    block_on(async {
        let [a, b, _] = addresses();
        let (tell, inbox) = mpsc::channel(1);
        let ways = ways(b, &[]);
        let budget = Arc::clone(&ways.budget);
        let (lines, mut said) = mpsc::unbounded_channel();
        let begin = BeginFight::Accept { ports: vec![5001, 5002, 5003, 5004] };
        let line = move |line| drop(lines.send(line));
        let fight = tokio::spawn(run_fight(begin, setup(preserving(b), a, 0.0), ways, inbox, line));
        assert!(said.recv().await.is_some());
        assert_eq!(budget.lock().half_open(), 4);
        tell.send(FightInbox::Cancel).await.unwrap();
        let failure = fight.await.unwrap().outcome.unwrap_err();
        assert_eq!(failure.reason, Reason::Cancelled);
        assert_eq!(budget.lock().half_open(), 0);
    });
}
