//! A machine in the middle that changes, cuts off or repeats what two nodes say to each other.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use p2pnet::Config;
use p2pnet::event::Kind;
use p2pnet::proto::identity::PublicKey;
use p2pnet::proto::unl::Info;
use p2pnet::testing::TestNode;

use crate::{HUNG, node};

/// A machine in the middle, for one connection at a time.
struct Middle {
    at: SocketAddr,
    wishes: std::sync::mpsc::Sender<Wish>,
}

/// What it does: towards the server (`true`) or the client, at which byte of the stream.
#[derive(Clone, Copy)]
enum Wish {
    Flip(bool, usize, u8),
    Cut(bool, usize),
    /// Everything from there on a second time.
    Repeat(bool, usize, usize),
}

impl Middle {
    fn before(target: SocketAddr) -> Middle {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (wishes, wanted) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for wish in wanted {
                let (client, _) = listener.accept().unwrap();
                let server = TcpStream::connect(target).unwrap();
                for (to_server, from, to) in [
                    (true, client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (false, server, client),
                ] {
                    std::thread::spawn(move || carry(from, to, to_server, wish));
                }
            }
        });
        Middle { at, wishes }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, to_server: bool, wish: Wish) {
    let mut at = 0;
    let mut buf = vec![0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        let mut part = buf[..n].to_vec();
        match wish {
            Wish::Flip(way, byte, bits) if way == to_server && (at..at + n).contains(&byte) => {
                part[byte - at] ^= bits;
            }
            Wish::Cut(way, byte) if way == to_server && (at..at + n).contains(&byte) => {
                let _ = to.write_all(&part[..byte - at]);
                break;
            }
            Wish::Repeat(way, byte, len) if way == to_server && (at..at + n).contains(&byte) => {
                let end = (byte - at + len).min(n);
                let again = part[byte - at..end].to_vec();
                part.splice(end..end, again);
            }
            _ => {}
        }
        at += n;
        if to.write_all(&part).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

const SAID: [&str; 4] = ["one", "two, a little longer", "three", "four"];

/// Whether that connection of a node is, or was, with the node that has this key.
fn is_with(node: &TestNode, conn: u64, key: Option<PublicKey>) -> bool {
    node.net.conn_info(conn).is_ok_and(|info| info.peer_key == key)
}

/// The connection ends with its link.
fn brief(c: &mut Config) {
    c.resume_grace = Duration::ZERO;
}

fn impatient(c: &mut Config) {
    brief(c);
    c.handshake_timeout = Duration::from_secs(2);
    c.close_timeout = Duration::from_millis(100);
}

/// A short talk through the middle: what each side heard before it ended.
///
/// Alice is another node each time: with one that it is connected to, or was a moment ago, a node has no second connection.
fn talk(middle: &Middle, wish: Wish, bob: &TestNode, manner: fn(&mut Config)) -> [Vec<String>; 2] {
    let alice = &node(manner);
    middle.wishes.send(wish).unwrap();
    let key = Info::parse(&alice.net.unl().unwrap()).unwrap().identity;
    let mut heard = [Vec::new(), Vec::new()];
    let Ok(opened) = alice.request(|net| net.connect(&middle.at.to_string())) else {
        return heard;
    };
    let a = opened.conn;
    // One side's changes may be seen by the other only when it answers.
    for said in SAID {
        let _ = alice.net.send_line(a, said.as_bytes());
    }
    let start = Instant::now();
    let mut ends = [None, None];
    let mut b = 0;
    while ends[0].is_none() || (b != 0 && ends[1].is_none()) {
        assert!(start.elapsed() < HUNG, "hung: {heard:?}");
        for (i, node) in [alice, bob].into_iter().enumerate() {
            while let Some(event) = node.net.next_event().unwrap() {
                match event.kind {
                    // What a talk before has left behind may come late.
                    Kind::Opened if i == 1 && is_with(node, event.conn, key) => {
                        b = event.conn;
                        for said in SAID {
                            let _ = bob.net.send_line(b, said.as_bytes());
                        }
                    }
                    Kind::Line if event.conn == [a, b][i] => {
                        heard[i].push(event.text().into_owned());
                        if heard[i].len() == SAID.len() {
                            let _ = node.net.close(event.conn);
                        }
                    }
                    Kind::Closed if event.conn == [a, b][i] => ends[i] = Some(event.result),
                    _ => {}
                }
            }
        }
        alice.net.wait(Some(Duration::from_micros(200))).unwrap();
    }
    heard
}

fn is_prefix(heard: &[String]) -> bool {
    heard.len() <= SAID.len() && heard.iter().zip(SAID).all(|(got, said)| got == said)
}

/// Every byte of the connection changed, cut off at, or repeated from there: nobody ever reads what was not said, twice or
/// with a gap before it. One of the three for each byte, by turns; with `EVERY_WISH` set each byte has all of them.
#[test]
fn a_machine_in_the_middle_can_only_end_the_talk() {
    // Unharmed it is whole, however slow they are.
    let bob = node(brief);
    let whole = talk(&Middle::before(bob.listens()), Wish::Flip(true, usize::MAX, 0), &bob, brief);
    assert!(whole.iter().all(|heard| heard == &SAID), "{whole:?}");
    let bob = node(impatient);
    let middle = Middle::before(bob.listens());
    let all = std::env::var_os("EVERY_WISH").is_some();
    for to_server in [true, false] {
        for byte in 0..300 {
            let wishes = [
                Wish::Flip(to_server, byte, 1 << (byte % 8)),
                Wish::Cut(to_server, byte),
                Wish::Repeat(to_server, byte, 1 + byte % 60),
            ];
            let (first, many) = if all { (0, 3) } else { ((byte + usize::from(to_server)) % 3, 1) };
            for wish in wishes.into_iter().skip(first).take(many) {
                // The two bytes of a length, made larger, are a wait for what never comes.
                let heard = talk(&middle, wish, &bob, impatient);
                assert!(heard.iter().all(|heard| is_prefix(heard)), "byte {byte}: {heard:?}");
            }
        }
    }
}
