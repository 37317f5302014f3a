//! The task with real sockets, in DHTs of our own on loopback. Nothing here goes anywhere else.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod world;

use super::*;
use crate::proto::mainline::{Fault, MAX_MESSAGE, Mailbox, locator_salt, mailbox_salt};
use crate::proto::network::NetworkId;
use crate::proto::unl::{Record, v3};
use std::collections::BTreeSet;
use std::net::{TcpListener, UdpSocket};
use world::{Node, address, block_on, config, identity, key, locator, network, put, stranger, testnet};

#[test]
fn a_locator_is_published_found_and_updated() {
    let net = testnet(8);
    block_on(async {
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        a.publish(locator(1, 1000)).await;
        assert_eq!(b.resolve(1, 1).await, Ok(locator(1, 1000)));
        a.publish(locator(1, 1001)).await;
        assert_eq!(b.resolve(2, 1).await, Ok(locator(1, 1001)));
        assert_eq!(b.resolve(3, 9).await, Err(Fault::NotFound));
        a.leave().await;
        // It outlives its owner, who comes back with another one.
        assert_eq!(b.resolve(4, 1).await, Ok(locator(1, 1001)));
        let mut a = Node::start(1, &net.bootstrap).await;
        a.publish(locator(1, 1002)).await;
        assert_eq!(b.resolve(5, 1).await, Ok(locator(1, 1002)));
    });
}

/// The longest locator there can be fits into the DHT.
#[test]
fn the_longest_locator_fits() {
    let net = testnet(4);
    // Fields of a later version, which we skip but sign: 617 bytes are all that a record has room for.
    let mut fields = vec![1, 16];
    fields.extend(network().unwrap().0);
    for (tag, len) in [(200, 255u8), (201, 255), (202, 83)] {
        fields.extend([tag, len]);
        fields.extend(vec![7; usize::from(len)]);
    }
    let longest = UnlV3::decode(&v3::seal(&identity(1), &fields).unwrap()).unwrap();
    assert_eq!(longest.text().len(), v3::MAX_TEXT);
    block_on(async {
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        a.publish(longest.clone()).await;
        assert_eq!(b.resolve(1, 1).await, Ok(longest));
    });
}

#[test]
fn expired_forged_and_foreign_locators_are_refused() {
    let net = testnet(6);
    block_on(async {
        let (stranger, salt) = (stranger(&net.bootstrap), locator_salt(network()));
        let record = Record { network: network(), expires: Some(1_700_000_000), ..Record::default() };
        let expired = UnlV3::sign(record, &identity(11)).unwrap();
        put(&stranger, &identity(11), &salt, 1, expired.text().as_bytes()).await;
        put(&stranger, &identity(12), &salt, 1, locator(1, 1000).text().as_bytes()).await;
        let foreign = UnlV3::sign(Record::default(), &identity(13)).unwrap();
        put(&stranger, &identity(13), &salt, 1, foreign.text().as_bytes()).await;
        put(&stranger, &identity(14), &salt, 1, b"p2p3 and nothing else").await;
        put(&stranger, &identity(15), &salt, 1, locator(15, 1000).text().as_bytes()).await;
        let mut node = Node::start(1, &net.bootstrap).await;
        for of in 11..15 {
            assert_eq!(node.resolve(u64::from(of), of).await, Err(Fault::NotFound), "{of}");
        }
        assert_eq!(node.resolve(15, 15).await, Ok(locator(15, 1000)), "only what is wrong is refused");
    });
}

/// The DHT has a number of ours from the future: our clock was wrong, or is.
#[test]
fn a_number_from_the_future_is_outbid() {
    let net = testnet(6);
    block_on(async {
        let (stranger, salt) = (stranger(&net.bootstrap), locator_salt(network()));
        put(&stranger, &identity(1), &salt, 5_000_000_000, locator(1, 1000).text().as_bytes()).await;
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        a.publish(locator(1, 1001)).await;
        assert_eq!(b.resolve(1, 1).await, Ok(locator(1, 1001)));
    });
}

#[test]
fn two_nodes_find_each_other_without_a_server() {
    let net = testnet(6);
    block_on(async {
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        let listeners = [&a, &b].map(|node| TcpListener::bind((node.ip, 0)).unwrap());
        let [at_a, at_b] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        a.announce(at_a.port()).await;
        assert_eq!(a.find(1).await, BTreeSet::new(), "nobody but itself yet");
        b.announce(at_b.port()).await;
        assert_eq!(a.find(2).await, BTreeSet::from([at_b]));
        assert_eq!(b.find(3).await, BTreeSet::from([at_a]));
        std::net::TcpStream::connect(at_b).unwrap();
        let other = config(3, &net.bootstrap);
        let settings = Settings { network: Some(NetworkId::of("go")), ..other.settings.clone() };
        let mut c = Node::with(Config { settings, ..other }).await;
        assert_eq!(c.find(4).await, BTreeSet::new(), "another network");
    });
}

#[test]
fn a_sealed_message_arrives_once() {
    let net = testnet(8);
    block_on(async {
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        a.is(Happening::MailboxOpen).await;
        b.is(Happening::MailboxOpen).await;
        a.send(1, 2, b"Call me.").await.unwrap();
        assert_eq!(b.message().await, (key(1), b"Call me.".to_vec()));
        let long = vec![7; MAX_MESSAGE];
        a.send(2, 2, &long).await.unwrap();
        // The first one lies there still, or has been overwritten; what comes next is the second.
        assert_eq!(b.message().await, (key(1), long));
        b.send(3, 1, b"I did.").await.unwrap();
        assert_eq!(a.message().await, (key(2), b"I did.".to_vec()));
        assert_eq!(a.send(4, 9, b"Nobody there").await, Err(Fault::NoMailbox));
        b.leave().await;
        // Back again, it has another mailbox. What lies in the old one stays there.
        let mut b = Node::start(2, &net.bootstrap).await;
        b.is(Happening::MailboxOpen).await;
        a.send(5, 2, b"Still there?").await.unwrap();
        assert_eq!(b.message().await, (key(1), b"Still there?".to_vec()));
    });
}

/// A slot holds what somebody else has written, sealed for somebody else, or nothing at all.
#[test]
fn junk_in_a_mailbox_is_no_message() {
    let net = testnet(6);
    block_on(async {
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        b.is(Happening::MailboxOpen).await;
        let stranger = stranger(&net.bootstrap);
        let salt = mailbox_salt(network());
        let published = stranger.get_mutable_most_recent(key(2).as_bytes(), Some(&salt)).await.unwrap();
        let mailbox = Mailbox::decode(published.value()).unwrap();
        for (number, value) in [(0, &b""[..]), (1, &[1; 996])] {
            put(&stranger, &mailbox.slot(&key(2), number), b"", 7, value).await;
        }
        a.send(1, 2, b"In spite of it.").await.unwrap();
        assert_eq!(b.message().await, (key(1), b"In spite of it.".to_vec()));
    });
}

/// A DHT of nothing but our nodes, in which all find all.
#[test]
fn twenty_nodes() {
    block_on(async {
        let first = Node::with(Config { serve: true, ..config(101, &[]) }).await;
        let bootstrap = [first.udp.to_string()];
        let mut nodes = vec![first];
        for n in 102..121 {
            let mut config = Config { serve: true, ..config(n, &bootstrap) };
            // Twenty mailboxes of the test's speed would be more than the nodes answer.
            config.settings.slots = 0;
            nodes.push(Node::with(config).await);
        }
        for (n, node) in (101..).zip(&mut nodes) {
            let port = 1000 + u16::from(n);
            node.order(Order::Publish(Box::new(locator(n, port)))).await;
            let own = vec![SocketAddr::from((node.ip, port))];
            node.order(Order::Announce { port: Some(port), own }).await;
        }
        for node in &mut nodes {
            let mut open = BTreeSet::from(["announced", "published"]);
            while !open.is_empty() {
                match node.happenings.recv().await.unwrap() {
                    Happening::Announced => open.remove("announced"),
                    Happening::Published => open.remove("published"),
                    _ => false,
                };
            }
        }
        let all: BTreeSet<SocketAddr> =
            (1101..).zip(&nodes).map(|(port, node)| SocketAddr::from((node.ip, port))).collect();
        for (n, node) in (101..).zip(&mut nodes) {
            let other = if n == 120 { 101 } else { n + 1 };
            assert_eq!(node.resolve(1, other).await, Ok(locator(other, 1000 + u16::from(other))));
            let found = node.find(2).await;
            assert!(found.is_subset(&all) && !found.contains(&(node.ip, 1000 + u16::from(n)).into()));
            assert!(found.len() >= 9, "of 19 others {} found", found.len());
        }
        nodes[19].send(3, 101, b"From the last to the first").await.unwrap();
        assert_eq!(nodes[0].message().await, (key(120), b"From the last to the first".to_vec()));
        for node in nodes {
            node.leave().await;
        }
    });
}

#[test]
fn a_changed_network_means_a_new_socket_and_all_is_published_again() {
    let net = testnet(6);
    block_on(async {
        let (mut a, mut b) = (Node::start(1, &net.bootstrap).await, Node::start(2, &net.bootstrap).await);
        a.publish(locator(1, 1000)).await;
        b.is(Happening::MailboxOpen).await;
        a.order(Order::Resolve { tag: 1, key: key(2) }).await;
        a.order(Order::NetworkChanged).await;
        let (mut offline, mut online, mut published, mut done) = (0, 0, 0, 0);
        while (offline, online, published, done) != (1, 1, 1, 1) {
            match a.happenings.recv().await.unwrap() {
                Happening::Offline { .. } => offline += 1,
                Happening::Online { .. } => online += 1,
                Happening::Published => published += 1,
                Happening::Done { tag: 1, outcome: Err(Fault::NotFound) } => done += 1,
                _ => {}
            }
        }
        a.send(2, 2, b"From elsewhere").await.unwrap();
        assert_eq!(b.message().await.0, key(1));
    });
}

#[test]
fn a_taken_port_is_no_reason_to_stay_out() {
    block_on(async {
        let config = config(1, &[]);
        let taken = UdpSocket::bind((config.bind, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let node = Node::with(Config { port, ..config }).await;
        assert_ne!(node.udp.port(), port);
        node.leave().await;
    });
}

/// Nobody answers at the places to begin with: things fail with a reason, and leaving does not wait for anybody.
#[test]
fn where_nobody_answers() {
    block_on(async {
        let silent = UdpSocket::bind((address(), 0)).unwrap();
        let mut node = Node::start(1, &[silent.local_addr().unwrap().to_string()]).await;
        assert_eq!(node.resolve(1, 2).await, Err(Fault::NotFound));
        assert_eq!(node.send(2, 3, b"x").await, Err(Fault::NoMailbox));
        node.order(Order::Publish(Box::new(locator(1, 1000)))).await;
        let why =
            node.next(|what| if let Happening::Trouble(why) = what { Some(why.clone()) } else { None }).await;
        assert!(why.contains("in the DHT"), "{why}");
        node.order(Order::Find { tag: 3 }).await;
        let udp = node.udp;
        let begun = Instant::now();
        node.leave().await;
        assert!(begun.elapsed() < Duration::from_secs(60), "it waited for somebody");
        // The thread ends, and its socket is closed.
        while UdpSocket::bind(udp).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// The crate speaks IPv4 only.
#[test]
fn without_a_place_to_begin_it_is_offline_and_says_so() {
    block_on(async {
        let mut node = Node::begin(config(1, &["[::1]:6881".to_owned()]));
        let why = node
            .next(|what| if let Happening::Offline { why } = what { Some(why.clone()) } else { None })
            .await;
        assert!(why.contains("IPv4"), "{why}");
        node.order(Order::NetworkChanged).await;
        node.next(|what| matches!(what, Happening::Offline { .. }).then_some(())).await;
        node.leave().await;
    });
}

/// The crate's thread should not die. If it does, the rest of the node lives, and it is started again.
#[test]
fn when_the_thread_dies_another_is_started() {
    block_on(async {
        let first = Node::with(Config { serve: true, ..config(1, &[]) }).await;
        let other = Config { serve: true, ..config(2, &[first.udp.to_string()]) };
        let mut node = Node::with(other).await;
        node.publish(locator(2, 1000)).await;
        node.order(Order::Resolve { tag: 1, key: key(3) }).await;
        let killer = UdpSocket::bind((guard::KILLER, 0)).unwrap();
        killer.send_to(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t4:aaaa1:y1:qe", node.udp).unwrap();
        let why = node
            .next(|what| if let Happening::Offline { why } = what { Some(why.clone()) } else { None })
            .await;
        assert!(why.contains("unexpectedly"), "{why}");
        node.online().await;
        node.is(Happening::Published).await;
        node.leave().await;
    });
}

/// Whoever drops the task is rid of the thread as well.
#[test]
fn the_thread_ends_with_the_task() {
    let net = testnet(3);
    block_on(async {
        for deaf in [false, true] {
            let mut node = Node::start(1, &net.bootstrap).await;
            let udp = node.udp;
            node.order(Order::Find { tag: 1 }).await;
            if deaf {
                node.happenings.close();
                while node.happenings.recv().await.is_some() {}
                node.task.await.unwrap();
            } else {
                node.task.abort();
                assert!(node.task.await.unwrap_err().is_cancelled());
            }
            while UdpSocket::bind(udp).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
}
