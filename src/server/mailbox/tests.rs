//! Rules of the mailbox, and random use of it.

use super::*;
use proptest::prelude::*;

fn mailbox() -> Mailbox {
    Mailbox::new(MailboxLimits::default(), 1)
}

fn node(password: &str, ip: &str, network: &str, last_alive: u64) -> Node {
    Node {
        secret: secret(password),
        ip: ip.parse().unwrap(),
        port: 5,
        network: network.to_owned(),
        last_alive,
    }
}

fn put(mailbox: &mut Mailbox, dest: &str, text: &str) -> Result<(), Refused> {
    let message = mailbox.reserve(0, dest, text, true)?;
    mailbox.deliver(message);
    Ok(())
}

fn texts(list: Vec<(u64, Arc<str>)>) -> Vec<String> {
    list.into_iter().map(|(_, text)| text.to_string()).collect()
}

#[test]
fn an_id_stays_with_its_first_password() {
    let mut m = mailbox();
    assert!(matches!(m.register("a", node("one", "1.1.1.1", "n", 0)), Ok((false, Some(_)))));
    assert!(matches!(m.register("a", node("two", "1.1.1.2", "n", 0)), Ok((true, None))));
    assert!(matches!(m.register("a", node("one", "1.1.1.3", "n", 0)), Ok((true, Some(_)))));
    assert!(m.is("a", &secret("one")) && !m.is("a", &secret("two")) && !m.is("b", &secret("one")));
    assert_eq!(m.size().0, 1);
}

#[test]
fn nodes_are_limited_and_forgotten() {
    let limits = MailboxLimits { nodes: 3, nodes_per_address: 2, ..MailboxLimits::default() };
    let mut m = Mailbox::new(limits, 1);
    assert!(m.register("a", node("p", "1.1.1.1", "n", 0)).is_ok());
    assert!(m.register("b", node("p", "1.1.1.1", "n", 0)).is_ok());
    assert!(matches!(m.register("c", node("p", "1.1.1.1", "n", 0)), Err(Refused::Quota(_))));
    assert!(m.register("c", node("p", "1.1.1.2", "n", 5)).is_ok());
    assert!(matches!(m.register("d", node("p", "1.1.1.3", "n", 0)), Err(Refused::Full(_))));
    assert_eq!(m.expire(7 * 86_400), (vec!["a".to_owned(), "b".to_owned()], vec![]));
    assert!(m.register("d", node("p", "1.1.1.1", "n", 0)).is_ok());
}

#[test]
fn neighbours_are_fresh_others_of_the_network() {
    let mut m = mailbox();
    for (id, network, alive) in
        [("me", "n", 1000), ("old", "n", 300), ("far", "x", 1000), ("b", "n", 400), ("c", "n", 999)]
    {
        m.register(id, node("p", "1.1.1.1", network, alive)).unwrap();
    }
    let mut ids: Vec<String> = m.neighbours(1000, "me", "n").into_iter().map(|n| n.id).collect();
    ids.sort();
    assert_eq!(ids, ["b", "c"]);
    for n in 0..20 {
        m.register(&format!("more{n}"), node("p", "1.1.1.1", "n", 1000)).unwrap();
    }
    assert_eq!(m.neighbours(1000, "me", "n").len(), NEIGHBOURS);
    assert!(m.neighbours(1000, "me", "none").is_empty());
}

#[test]
fn one_neighbour_may_be_tested_by_who_has_the_mutex() {
    let mut m = mailbox();
    m.register("a", node("p", "1.1.1.1", "n", 0)).unwrap();
    assert!(!m.mutex(0, "a"), "the first of an odd number");
    m.register("b", node("p", "1.1.1.1", "n", 0)).unwrap();
    assert!(m.mutex(0, "b"), "the first of an even number");
    assert!(m.neighbours(0, "b", "n")[0].can_test);
    assert!(!m.neighbours(599, "b", "n")[0].can_test, "reserved");
    assert!(m.neighbours(600, "b", "n")[0].can_test);
    assert!(!m.neighbours(0, "a", "n")[0].can_test);
    let flips: Vec<bool> = (0..50).map(|_| m.mutex(0, "a")).collect();
    assert!(flips.contains(&true) && flips.contains(&false), "then by chance");
}

#[test]
fn leased_messages_come_back_or_go() {
    let mut m = mailbox();
    put(&mut m, "a", "1").unwrap();
    put(&mut m, "a", "2").unwrap();
    let first = m.list(0, "a", true, true);
    assert_eq!(texts(first.clone()), ["1", "2"]);
    put(&mut m, "a", "3").unwrap();
    assert_eq!(texts(m.list(0, "a", true, true)), ["3"]);
    m.release("a", &[first[0].0, first[1].0]);
    assert_eq!(texts(m.list(0, "a", true, false)), ["1", "2"]);
    assert_eq!(m.remove("a", |message| message.id == first[0].0), [first[0].0]);
    assert_eq!(texts(m.list(0, "a", true, false)), ["2"]);
}

#[test]
fn kinds_are_apart() {
    let mut m = mailbox();
    put(&mut m, "a", "once").unwrap();
    let message = m.reserve(0, "a", "always", false).unwrap();
    m.deliver(message);
    assert_eq!(texts(m.list(0, "a", false, false)), ["always"]);
    assert_eq!(texts(m.list(0, "a", true, false)), ["once"]);
}

#[test]
fn a_message_is_listed_only_when_it_is_stored() {
    let mut m = mailbox();
    let message = m.reserve(0, "a", "x", true).unwrap();
    assert!(m.list(0, "a", true, false).is_empty());
    m.give_up(&message);
    assert_eq!(m.size(), (0, 0, 0));
    assert!(m.inboxes.is_empty());
}

#[test]
fn messages_are_limited() {
    let limits = MailboxLimits {
        messages_per_node: 2,
        message_bytes: 10,
        total_bytes: 3 * (10 + 1 + OVERHEAD),
        ..MailboxLimits::default()
    };
    let mut m = Mailbox::new(limits, 1);
    assert!(matches!(put(&mut m, "a", "12345678901"), Err(Refused::Quota(_))));
    put(&mut m, "a", "1234567890").unwrap();
    put(&mut m, "a", "1234567890").unwrap();
    assert!(matches!(put(&mut m, "a", "1"), Err(Refused::Quota(_))));
    put(&mut m, "b", "1234567890").unwrap();
    assert!(matches!(put(&mut m, "c", ""), Err(Refused::Full(_))));
}

#[test]
fn an_answer_is_limited_but_not_empty() {
    let limits = MailboxLimits { answer_bytes: 25, message_bytes: 10, ..MailboxLimits::default() };
    let mut m = Mailbox::new(limits, 1);
    (0..4).for_each(|_| put(&mut m, "a", "1234567890").unwrap());
    assert_eq!(m.list(0, "a", true, true).len(), 2);
    assert_eq!(m.list(0, "a", true, true).len(), 2);
}

proptest! {
    #[test]
    fn what_was_put_is_listed_once_and_the_sums_are_right(
        ops in prop::collection::vec((0..6u8, 0..3usize, 0..20usize), 0..120),
    ) {
        let limits = MailboxLimits { messages_per_node: 8, total_bytes: 2000, ..MailboxLimits::default() };
        let mut m = Mailbox::new(limits, 1);
        let names = ["a", "b", "c"];
        let (mut now, mut reserved, mut put, mut gone) = (0u64, Vec::new(), 0usize, 0usize);
        for (op, who, n) in ops {
            let who = names[who];
            match op {
                0 => reserved.extend(m.reserve(now, who, &"x".repeat(n), true).ok()),
                1 if !reserved.is_empty() => {
                    m.deliver(reserved.remove(n % reserved.len()));
                    put += 1;
                }
                2 if !reserved.is_empty() => m.give_up(&reserved.remove(n % reserved.len())),
                3 => {
                    let listed: Vec<u64> = m.list(now, who, true, true).into_iter().map(|(id, _)| id).collect();
                    if n % 2 == 0 {
                        gone += m.remove(who, |message| listed.contains(&message.id)).len();
                    } else {
                        m.release(who, &listed);
                    }
                }
                4 => gone += m.expire(now).1.len(),
                _ => now += n as u64 * 5000,
            }
            let held: usize = m.inboxes.values().map(|inbox| inbox.waiting.len()).sum();
            prop_assert_eq!(held, put - gone);
            prop_assert_eq!(m.size().1, held);
            prop_assert!(m.inboxes.values().all(|inbox| inbox.waiting.len() + inbox.reserved <= 8));
            let waiting = m.inboxes.values().flat_map(|inbox| &inbox.waiting).map(|w| &w.message);
            let bytes: usize = waiting.chain(&reserved).map(cost).sum();
            prop_assert_eq!(m.size().2, bytes);
            prop_assert!(bytes <= 2000);
        }
    }
}
