//! Nodes around a DHT that is a table, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod world;

use super::*;
use crate::proto::network::NetworkId;
use crate::proto::unl::UnlV3;
use proptest::prelude::*;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;
use world::{MINUTE, SECOND, World, identity, locator, network};

#[test]
fn a_locator_is_published_and_found() {
    let mut world = World::new(2);
    let unl = locator(1, 50500, None, network());
    world.with_node(0, |machine, now| machine.publish(now, &unl));
    world.run(SECOND);
    assert!(world.happened(0).contains(&Happening::Published));
    world.with_node(1, |machine, now| machine.resolve(now, 7, identity(1).public()));
    world.run(SECOND);
    assert_eq!(world.located(1), [unl]);
    assert_eq!(world.done(1), [(7, Ok(()))]);
    world.happened(1);
    world.with_node(1, |machine, now| machine.resolve(now, 8, identity(3).public()));
    world.run(SECOND);
    assert_eq!(world.done(1), [(8, Err(Fault::NotFound))]);
}

#[test]
fn the_newest_wins_and_nobody_is_asked_more_often_than_needed() {
    let settings = Settings { slots: 0, ..Settings::new(network()) };
    let mut world = World::with(2, &settings);
    world.with_node(0, |machine, now| machine.publish(now, &locator(1, 1, None, network())));
    world.run(SECOND);
    for port in 2..50 {
        world.with_node(0, |machine, now| machine.publish(now, &locator(1, port, None, network())));
        world.run(SECOND);
    }
    assert_eq!(world.puts, 1, "48 changes in a minute wait for the second one");
    world.run(2 * MINUTE);
    assert_eq!(world.puts, 2);
    world.with_node(1, |machine, now| machine.resolve(now, 1, identity(1).public()));
    world.run(SECOND);
    assert_eq!(world.located(1), [locator(1, 49, None, network())]);
    world.run(60 * 10 * MINUTE);
    assert_eq!(world.puts, 12, "once an hour");
}

/// Of several items of one key the highest number counts, in whatever order they come.
#[test]
fn what_is_newer_is_told_what_is_older_is_not() {
    let mut world = World::new(1);
    let items: Vec<Item> = [(5, 1), (7, 2), (6, 3), (7, 2), (9, 4)]
        .map(|(seq, port)| {
            let unl = locator(2, port, None, network());
            Item::sign(&identity(2), &locator_salt(network()), seq, unl.text().as_bytes()).unwrap()
        })
        .into();
    world.with_node(0, |machine, now| machine.resolve(now, 1, identity(2).public()));
    let (_, (_, job, _)) = world.under_way.pop_last().unwrap();
    for item in &items {
        world.with_node(0, |machine, now| machine.item(now, job, item));
    }
    let ports: Vec<u16> = world.located(0).iter().map(|unl| unl.record().candidates[0].port).collect();
    assert_eq!(ports, [1, 2, 4]);
}

#[test]
fn forged_expired_and_foreign_ones_are_refused() {
    let mut world = World::new(1);
    let (owner, salt) = (identity(2), locator_salt(network()));
    let now = world.now(0).unix;
    let good = locator(2, 1, Some(now + 100), network());
    let signed = |unl: &UnlV3| Item::sign(&owner, &salt, 9, unl.text().as_bytes()).unwrap();
    let unsound = [
        ("expired", signed(&locator(2, 1, Some(now - 61), network()))),
        ("of another network", signed(&locator(2, 1, None, Some(NetworkId::of("go"))))),
        ("of no network", signed(&locator(2, 1, None, None))),
        ("another node's", signed(&locator(3, 1, None, network()))),
        ("no locator", Item::sign(&owner, &salt, 9, b"p2p3 is no locator").unwrap()),
        ("no text", Item::sign(&owner, &salt, 9, &[0xff; 700]).unwrap()),
        ("under another key", Item::sign(&identity(3), &salt, 9, good.text().as_bytes()).unwrap()),
        ("under another salt", Item::sign(&owner, b"salt", 9, good.text().as_bytes()).unwrap()),
        ("changed", Item { seq: 10, ..signed(&good) }),
    ];
    world.with_node(0, |machine, now| machine.resolve(now, 1, owner.public()));
    let (_, (_, job, _)) = world.under_way.pop_last().unwrap();
    for (why, item) in unsound {
        world.with_node(0, |machine, now| machine.item(now, job, &item));
        assert_eq!(world.located(0), [], "{why}");
    }
    world.with_node(0, |machine, now| machine.item(now, job, &signed(&good)));
    assert_eq!(world.located(0), [good]);
}

/// The owner's clock was set back by a year, or it has been restarted on a machine with another idea of the time.
#[test]
fn a_wrong_clock_does_not_keep_a_locator_out() {
    let settings = Settings { slots: 0, ..Settings::new(network()) };
    let mut world = World::with(2, &settings);
    world.with_node(0, |machine, now| machine.publish(now, &locator(1, 1, None, network())));
    world.run(MINUTE);
    world.nodes[0].fast = -365 * 86400;
    world.restart(0, &settings);
    world.with_node(0, |machine, now| machine.publish(now, &locator(1, 2, None, network())));
    world.run(MINUTE);
    assert!(world.happened(0).contains(&Happening::Published));
    world.with_node(1, |machine, now| machine.resolve(now, 1, identity(1).public()));
    world.run(SECOND);
    assert_eq!(world.located(1), [locator(1, 2, None, network())]);
}

#[test]
fn half_of_a_locators_time() {
    let mut world = World::new(1);
    let expires = world.now(0).unix + 600;
    world.with_node(0, |machine, now| machine.publish(now, &locator(1, 1, Some(expires), network())));
    world.run(299 * SECOND);
    assert!(!world.happened(0).contains(&Happening::Renew { expires }));
    world.run(SECOND);
    assert!(world.happened(0).contains(&Happening::Renew { expires }));
    world.run(60 * MINUTE);
    assert!(!world.happened(0).contains(&Happening::Renew { expires }), "once");
}

#[test]
fn nodes_of_a_network_find_each_other() {
    let mut world = World::new(3);
    for n in 0..3 {
        let own = SocketAddr::new(world.nodes[n].ip.into(), 50500);
        world.with_node(n, |machine, now| machine.announce(now, Some(50500), vec![own]));
    }
    world.run(SECOND);
    assert!(world.happened(0).contains(&Happening::Announced));
    let junk = ["198.51.100.77:0", "198.51.100.78:9", "198.51.100.2:50500"];
    world
        .peers
        .get_mut(&nodes_hash(network()))
        .unwrap()
        .extend(junk.map(|addr| addr.parse::<SocketAddrV4>().unwrap()));
    world.with_node(0, |machine, now| machine.find(now, 1));
    world.with_node(0, |machine, now| machine.find(now, 2));
    world.run(SECOND);
    let mut found = world.found(0);
    found.sort();
    let others: Vec<SocketAddr> =
        ["198.51.100.2:50500", "198.51.100.3:50500"].map(|addr| addr.parse().unwrap()).into();
    assert_eq!(found, [[others[0]; 2], [others[1]; 2]].concat(), "each, for both who look");
    assert_eq!(world.done(0), [(1, Ok(())), (2, Ok(()))]);
    world.run(60 * MINUTE);
    let ours =
        world.peers[&nodes_hash(network())].iter().filter(|addr| *addr.ip() == world.nodes[0].ip).count();
    assert_eq!(ours, 5, "every quarter of an hour");
    world.with_node(0, |machine, now| machine.announce(now, None, Vec::new()));
    world.run(60 * MINUTE);
    let ours =
        world.peers[&nodes_hash(network())].iter().filter(|addr| *addr.ip() == world.nodes[0].ip).count();
    assert_eq!(ours, 5, "not any more");
}

/// What others say of our address keeps us from finding ourselves where no server has told it.
#[test]
fn nobody_finds_itself() {
    let mut world = World::new(1);
    world.with_node(0, |machine, now| machine.announce(now, Some(50500), Vec::new()));
    world.run(SECOND);
    let ip = world.nodes[0].ip.into();
    world.with_node(0, |machine, _| machine.outside(ip));
    assert!(world.happened(0).contains(&Happening::Outside { ip }));
    world.with_node(0, |machine, now| machine.find(now, 1));
    world.run(SECOND);
    assert_eq!(world.found(0), []);
    assert_eq!(world.done(0), [(1, Err(Fault::NotFound))]);
}

/// The answers to different questions about one hash would mix.
#[test]
fn one_question_about_a_hash_at_a_time() {
    let mut world = World::new(1);
    let both = |world: &World| {
        world
            .under_way
            .values()
            .filter(|(_, _, query)| matches!(query, Query::Peers { .. } | Query::Announce { .. }))
            .count()
    };
    world.with_node(0, |machine, now| machine.announce(now, Some(1), Vec::new()));
    world.with_node(0, |machine, now| machine.find(now, 1));
    assert_eq!(both(&world), 1);
    world.run(SECOND);
    assert_eq!(world.done(0), [(1, Ok(()))], "it found itself, as told to");
    world.with_node(0, |machine, now| machine.find(now, 2));
    world.with_node(0, |machine, now| machine.announce(now, Some(2), Vec::new()));
    assert_eq!(both(&world), 1);
    world.run(SECOND);
    assert_eq!(world.peers[&nodes_hash(network())].len(), 2);
}

#[test]
fn a_message_arrives_once_however_often_it_is_seen() {
    let mut world = World::new(2);
    world.run(MINUTE);
    world.with_node(0, |machine, now| machine.send(now, 7, identity(2).public(), b"Call me.".to_vec()));
    world.run(10 * SECOND);
    assert_eq!(world.done(0), [(7, Ok(()))]);
    world.run(10 * MINUTE);
    assert_eq!(world.messages(1), [(identity(1).public(), b"Call me.".to_vec())]);
    // The same again is another message.
    world.with_node(0, |machine, now| machine.send(now, 8, identity(2).public(), b"Call me.".to_vec()));
    world.run(MINUTE);
    assert_eq!(world.messages(1).len(), 2);
}

#[test]
fn several_messages_find_room() {
    let mut world = World::new(4);
    world.run(MINUTE);
    for (n, tag) in [(0, 1), (1, 2), (2, 3)] {
        world.with_node(n, |machine, now| machine.send(now, tag, identity(4).public(), vec![tag as u8]));
        world.run(31 * SECOND);
    }
    let messages: Vec<u8> = world.messages(3).iter().map(|(_, message)| message[0]).collect();
    assert_eq!(messages, [1, 2, 3]);
}

/// What lies in a mailbox when its owner restarts cannot be opened any more, so it cannot arrive twice.
#[test]
fn nothing_arrives_again_after_a_restart() {
    let settings = Settings::new(network());
    let mut world = World::with(2, &settings);
    world.run(MINUTE);
    world.with_node(0, |machine, now| machine.send(now, 1, identity(2).public(), b"one".to_vec()));
    world.run(MINUTE);
    assert_eq!(world.messages(1).len(), 1);
    world.restart(1, &settings);
    world.run(3 * MINUTE);
    assert_eq!(world.messages(1).len(), 0);
    world.with_node(0, |machine, now| machine.send(now, 2, identity(2).public(), b"two".to_vec()));
    world.run(MINUTE);
    assert_eq!(world.messages(1), [(identity(1).public(), b"two".to_vec())]);
}

/// Somebody keeps all slots at a number that nobody can outbid. The receiver opens another mailbox.
#[test]
fn a_blocked_mailbox_is_replaced() {
    let mut world = World::new(2);
    world.run(10 * SECOND);
    let owner = identity(2).public();
    let block = |world: &mut World| {
        let published = world.items[&(owner, mailbox_salt(network()))].value.clone();
        let mailbox = Mailbox::decode(&published).unwrap();
        for number in 0..mailbox.slots {
            let slot = mailbox.slot(&owner, number);
            let junk = Item::sign(&slot, b"", i64::MAX, b"junk").unwrap();
            world.items.insert((slot.public(), Vec::new()), junk);
        }
        mailbox
    };
    let first = block(&mut world);
    world.with_node(0, |machine, now| machine.send(now, 1, owner, b"one".to_vec()));
    world.run(10 * SECOND);
    assert_eq!(world.done(0), [(1, Err(Fault::Blocked))]);
    world.run(3 * MINUTE);
    let value = &world.items[&(owner, mailbox_salt(network()))].value;
    assert_ne!(Mailbox::decode(value).unwrap(), first);
    world.with_node(0, |machine, now| machine.send(now, 2, owner, b"two".to_vec()));
    world.run(MINUTE);
    assert_eq!(world.messages(1), [(identity(1).public(), b"two".to_vec())]);
}

#[test]
fn what_cannot_be_sent_is_said() {
    let mut world = World::with(1, &Settings { slots: 0, ..Settings::new(network()) });
    let own = identity(1).public();
    let other = identity(2).public();
    world.with_node(0, |machine, now| machine.send(now, 1, own, b"x".to_vec()));
    world.with_node(0, |machine, now| machine.send(now, 2, other, Vec::new()));
    world.with_node(0, |machine, now| machine.send(now, 3, other, vec![0; MAX_MESSAGE + 1]));
    world.with_node(0, |machine, now| machine.send(now, 4, other, vec![0; MAX_MESSAGE]));
    world.with_node(0, |machine, now| machine.resolve(now, 4, other));
    world.run(SECOND);
    let size = Fault::Seal(SealError::Size);
    assert_eq!(
        world.done(0),
        [
            (1, Err(Fault::Own)),
            (2, Err(size.clone())),
            (3, Err(size)),
            (4, Err(Fault::Tag)),
            (4, Err(Fault::NoMailbox))
        ]
    );
    world.happened(0);
    for tag in 0..30 {
        world.with_node(0, |machine, now| machine.send(now, tag, other, b"x".to_vec()));
        world.run(SECOND);
    }
    assert_eq!(world.done(0).iter().filter(|(_, how)| *how == Err(Fault::TooMany)).count(), 11);
    world.happened(0);
    for tag in 100..120 {
        world.with_node(0, |machine, now| machine.resolve(now, tag, other));
    }
    assert_eq!(world.done(0).len(), 4, "sixteen at once");
}

#[test]
fn without_a_network_things_wait_a_while_and_then_fail() {
    let mut world = World::new(2);
    world.run(MINUTE);
    world.with_node(0, |machine, _| machine.offline("no network".into()));
    world.with_node(0, |machine, now| machine.publish(now, &locator(1, 1, None, network())));
    world.with_node(0, |machine, now| machine.resolve(now, 1, identity(2).public()));
    world.run(31 * SECOND);
    assert_eq!(world.done(0), [(1, Err(Fault::Offline))]);
    world.happened(0);
    world.with_node(0, |machine, now| machine.send(now, 2, identity(2).public(), b"late".to_vec()));
    world.run(10 * SECOND);
    world.with_node(0, |machine, now| machine.online(now, "127.0.0.1:6881".parse().unwrap()));
    world.run(MINUTE);
    assert!(world.nodes[0].happened.contains(&Happening::Published));
    assert_eq!(world.done(0), [(2, Ok(()))]);
    assert_eq!(world.messages(1).len(), 1);
    world.with_node(0, |machine, now| machine.find(now, 3));
    world.with_node(0, |machine, _| machine.leave());
    assert_eq!(world.done(0).last(), Some(&(3, Err(Fault::Stopped))));
    let asked = world.next;
    world.with_node(0, |machine, now| machine.find(now, 4));
    world.with_node(0, |machine, now| machine.publish(now, &locator(1, 2, None, network())));
    assert_eq!(world.next, asked, "nothing is asked any more");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is lost: each errand ends once, and no message arrives twice.
    #[test]
    fn every_errand_ends_once(
        seed: u64,
        orders in proptest::collection::vec((0usize..3, 0u8..8, 0u8..3, 0u64..40), 1..25),
    ) {
        let settings = Settings { rotate: 5 * MINUTE, ..Settings::new(network()) };
        let mut world = World::with(3, &settings);
        world.loss = Some(fastrand::Rng::with_seed(seed));
        let mut begun = vec![0usize; 3];
        for (tag, (n, what, to, pause)) in orders.into_iter().enumerate() {
            let (tag, key) = (tag as u64, identity(to + 1).public());
            begun[n] += usize::from(what < 5);
            world.with_node(n, |machine, now| match what {
                0 => machine.resolve(now, tag, key),
                1 => machine.find(now, tag),
                2..5 => machine.send(now, tag, key, vec![1 + tag as u8]),
                5 => machine.publish(now, &locator(n as u8 + 1, 1 + tag as u16, None, network())),
                6 => machine.announce(now, Some(1 + tag as u16), Vec::new()),
                _ => machine.offline("for a moment".into()),
            });
            if what == 7 {
                world.under_way.retain(|_, (node, ..)| *node != n);
                world.run(5 * SECOND);
                world.with_node(n, |machine, now| machine.online(now, "127.0.0.1:6881".parse().unwrap()));
            }
            world.run(Duration::from_secs(pause));
        }
        world.run(2 * MINUTE);
        for (n, begun) in begun.into_iter().enumerate() {
            prop_assert_eq!(world.done(n).len(), begun);
            let mut messages = world.messages(n);
            let before = messages.len();
            messages.sort();
            messages.dedup();
            prop_assert_eq!(messages.len(), before);
        }
    }
}
