//! Messages: those that come, what becomes of ours, and the servers that are visited for them.

use super::super::*;
use super::world::{World, key, tell_line};
use crate::proto::rdv_msg::signal::{Reason, Refused};

#[test]
fn messages_come_in_once_and_are_confirmed() {
    let mut w = World::new(&["a:1"]);
    w.enter("a:1", 1);
    w.happened();
    for (line, is_news) in [("1", true), ("1", false), ("2", true), ("7", true), ("3", false)] {
        w.say("a:1", &format!("MESSAGE {line} {} Zg", key(3)));
        let message = Happening::Message { server: "a:1".into(), from: key(3), message: b"f".to_vec() };
        assert_eq!(w.happened(), if is_news { vec![message] } else { vec![] });
        assert_eq!(w.heard("a:1"), [format!("HEARD {line}")]);
    }
    w.say("a:1", &format!("MESSAGE 8 {} Zh", key(3)));
    assert!(w.happened().is_empty() && w.heard("a:1").is_empty());
}

#[test]
fn what_becomes_of_a_message() {
    let refused = Refused { reason: Reason::Rate, tag: Some(5), expected: "slowly".into() };
    let heard = Outcome::Heard { server: "a:1".into(), rtt: Duration::from_millis(30) };
    for (lines, outcome) in [
        (&["TOLD 5", "HEARD 5", "HEARD 5", "UNHEARD 5", "ABSENT 5"][..], heard),
        (&["TOLD 5", "TOLD 5", "UNHEARD 5", "HEARD 5"], Outcome::Unheard),
        (&["ABSENT 5", "TOLD 5", "HEARD 5"], Outcome::Absent),
        (&["REFUSED RATE tag=5 slowly", "TOLD 5"], Outcome::Refused(refused)),
        (&["TOLD 6", "HEARD 7", "<closed>"], Outcome::Lost),
        (&["TOLD 5", "<closed>", "HEARD 5"], Outcome::Unheard),
        (&["REPLACED"], Outcome::Lost),
        (&["<time>"], Outcome::Lost),
        (&["TOLD 5", "<time>", "HEARD 5"], Outcome::Unheard),
    ] {
        let mut w = World::new(&["a:1"]);
        w.enter("a:1", 1);
        w.tell(5, &["a:1"]);
        assert_eq!(w.heard("a:1"), [tell_line(5)]);
        w.pass(30);
        w.happened();
        for line in lines {
            match *line {
                "<closed>" => {
                    w.node.closed(w.now, w.links["a:1"], "reset");
                    w.look();
                }
                "<time>" => (0..10).for_each(|_| {
                    w.say("a:1", "TOLD 99");
                    w.pass(1000);
                }),
                line => w.say("a:1", line),
            }
        }
        let told = w.happened.iter().filter(|what| matches!(what, Happening::Told { tag: 5, .. })).count();
        assert_eq!(told, usize::from(lines[0] == "TOLD 5"));
        assert_eq!(w.outcomes(), [(5, outcome)], "{lines:?}");
    }
}

#[test]
fn the_next_server_is_asked_only_if_the_first_says_absent() {
    let mut w = World::new(&["a:1"]);
    w.enter("a:1", 1);
    w.dialled();
    w.tell(5, &["a:1", "z:1"]);
    assert!(w.dialled().is_empty());
    w.say("a:1", "ABSENT 5");
    assert!(w.dials[0].2, "a guest visit");
    assert_eq!(w.dialled(), ["z:1"]);
    w.enter_as("z:1", 9, "z");
    assert_eq!(w.heard("z:1"), ["ECHO 1".to_owned(), tell_line(5)]);
    w.say("z:1", "ABSENT 5");
    assert_eq!(w.outcomes(), [(5, Outcome::Absent)]);
    assert_eq!(w.node.homes().collect::<Vec<_>>(), ["a:1"], "a visit is no home");
}

#[test]
fn servers_of_the_receiver_are_dialled_one_after_the_other() {
    let mut w = World::with(&["a:1"], |s| s.guests = 2);
    w.dialled();
    w.tell(5, &["x:1", "Y:1", "x:1", "z:1"]);
    assert_eq!(w.dialled(), ["x:1"]);
    w.pass(300);
    assert_eq!(w.dialled(), ["y:1"]);
    w.pass(300);
    assert!(w.dialled().is_empty(), "two guest visits at once and no more");
    w.fail("x:1");
    w.pass(300);
    assert_eq!(w.dialled(), ["z:1"]);
    w.enter_as("y:1", 2, "y");
    assert!(w.heard("y:1").contains(&tell_line(5)), "the first that answers has it");
    w.enter_as("z:1", 3, "z");
    assert!(!w.heard("z:1").contains(&tell_line(5)));
}

#[test]
fn a_message_that_no_server_takes_is_reported_with_the_reason() {
    let mut w = World::new(&["a:1"]);
    w.tell(5, &["x:1"]);
    w.fail("x:1");
    let because = |text: &str| Outcome::Unreachable(text.to_owned());
    assert_eq!(w.outcomes(), [(5, because("x:1: connection refused"))], "others are not tried again");
    w.tell(6, &["x:1"]);
    assert_eq!(w.outcomes(), [(6, because("x:1: connection refused"))], "nor so soon");
    // Our own are.
    w.tell(7, &["a:1"]);
    w.fail("a:1");
    w.dialled();
    w.pass(750);
    assert_eq!(w.dialled(), ["a:1"]);
    w.enter_as("a:1", 1, "s");
    w.say("a:1", "TOLD 7");
    w.say("a:1", "HEARD 7");
    assert!(matches!(w.outcomes()[..], [(7, Outcome::Heard { .. })]));
    // But not for ever.
    let mut w = World::new(&["a:1"]);
    w.tell(8, &[]);
    (0..10).for_each(|_| {
        w.fail("a:1");
        w.pass(1000);
    });
    assert_eq!(w.outcomes(), [(8, because("a:1: connection refused"))]);
}

#[test]
fn a_guest_visit_ends_when_it_was_of_no_use_for_a_while() {
    let mut w = World::new(&["a:1"]);
    w.enter("a:1", 1);
    w.tell(5, &["x:1"]);
    w.enter_as("x:1", 9, "x");
    w.say("x:1", "TOLD 5");
    w.say("x:1", "HEARD 5");
    let alive = |w: &mut World, seconds: u64| {
        for _ in 0..seconds {
            w.pass(1000);
            for server in ["a:1", "x:1"] {
                for echo in w.heard(server) {
                    w.say(server, &echo);
                }
            }
        }
        w.hung_up.contains(&w.links["x:1"])
    };
    assert!(!alive(&mut w, 59));
    w.say("x:1", &format!("MESSAGE 1 {} Zg", key(2)));
    assert!(!alive(&mut w, 59), "the answer came this way: it was of use");
    w.node.on_timeout(w.now);
    let link = w.links["x:1"];
    w.pass(1000);
    let said: Vec<_> = w.written.iter().filter(|(to, _)| *to == link).map(|(_, line)| &line[..]).collect();
    assert!(w.hung_up.contains(&link) && said.ends_with(&["LEAVE", "QUIT"]), "{said:?}");
    assert_eq!(w.ends().pop(), Some(("x:1".to_owned(), End::Left)));
    // It can be visited again at once.
    w.dialled();
    w.tell(6, &["x:1"]);
    assert_eq!(w.dialled(), ["x:1"]);
}

#[test]
fn peers_cannot_make_it_knock_at_many_doors() {
    let mut w = World::with(&["a:1"], |s| s.queue = 1000);
    w.enter("a:1", 1);
    w.dialled();
    let mut doors = 0;
    for n in 0..200 {
        w.tell(n, &[&format!("victim{n}:1")]);
        for server in w.dialled() {
            doors += 1;
            w.fail(&server);
        }
        w.pass(100);
        let echoes = w.heard("a:1");
        echoes.iter().for_each(|echo| w.say("a:1", echo));
    }
    assert_eq!(doors, 30, "in twenty seconds");
    let why = "too many servers of other nodes were asked lately; try again later";
    assert_eq!(w.outcomes().pop(), Some((100, Outcome::Unreachable(why.to_owned()))));
    assert!(w.node.servers.len() <= 65);
}

#[test]
fn what_it_does_not_take() {
    let mut w = World::with(&[], |s| s.queue = 2);
    let via = ["x:1".to_owned()];
    let now = w.now;
    let mut tell = |tag, via: &[String], message: &[u8]| w.node.tell(now, tag, key(2), via, message);
    assert_eq!(tell(1, &[], b"f"), Err(TellError::NoServer));
    assert_eq!(tell(1, &via, b""), Err(TellError::Size));
    assert_eq!(tell(1, &via, &[0; MAX_MESSAGE + 1]), Err(TellError::Size));
    assert_eq!(tell(1, &via, &[0; MAX_MESSAGE]), Ok(()));
    assert_eq!(tell(1, &via, b"f"), Err(TellError::Tag));
    assert_eq!(tell(2, &via, b"f"), Ok(()));
    assert_eq!(tell(3, &via, b"f"), Err(TellError::Full));
    w.node.leave(w.now);
    w.look();
    assert_eq!(w.outcomes().len(), 2);
    assert_eq!(w.node.tell(w.now, 4, key(2), &via, b"f"), Err(TellError::Stopped));
}
