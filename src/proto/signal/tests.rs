//! Each rule of the node's side on its own, with a server played by hand. Both sides for real: `tests/sim_signal.rs`.

use super::*;
use crate::proto::base64url;
use crate::proto::rdv_msg::signal::{Reason, Refused, mark_of};
use proptest::prelude::*;

struct World {
    now: Instant,
    node: Signalling,
    happened: Vec<Happening>,
    /// What was dialled and not answered yet; the last link of each server.
    dials: Vec<(LinkId, String, bool)>,
    links: BTreeMap<String, LinkId>,
    hung_up: Vec<LinkId>,
    written: Vec<(LinkId, String)>,
}

fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

fn at(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 8000))
}

impl World {
    fn new(servers: &[&str]) -> World {
        World::with(servers, |_| {})
    }

    fn with(servers: &[&str], change: impl FnOnce(&mut Settings)) -> World {
        let servers = servers.iter().map(|server| server.to_string()).collect();
        let mut settings = Settings::new(key(1), "net".parse().unwrap(), servers);
        change(&mut settings);
        let now = Instant::now();
        let node = Signalling::new(now, settings, Box::new(|_| [7; 64]), 7);
        let mut world = World {
            now,
            node,
            happened: Vec::new(),
            dials: Vec::new(),
            links: BTreeMap::new(),
            hung_up: Vec::new(),
            written: Vec::new(),
        };
        world.look();
        world
    }

    fn look(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Dial { link, server, guest } => {
                    self.links.insert(server.clone(), link);
                    self.dials.push((link, server, guest));
                }
                Output::Write { link, text } => {
                    assert!(text.ends_with("\r\n"));
                    self.written.extend(text.split_terminator("\r\n").map(|line| (link, line.to_owned())));
                }
                Output::HangUp { link } => self.hung_up.push(link),
                Output::Happening(Happening::Rtt { .. }) => {}
                Output::Happening(what) => self.happened.push(what),
            }
        }
    }

    /// The names of the servers dialled since the last call.
    fn dialled(&mut self) -> Vec<String> {
        self.dials.drain(..).map(|(_, server, _)| server).collect()
    }

    fn happened(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happened)
    }

    /// What was written to a server since the last call.
    fn heard(&mut self, server: &str) -> Vec<String> {
        let link = self.links[server];
        let (its, others) = self.written.drain(..).partition(|(to, _)| *to == link);
        self.written = others;
        let its: Vec<(LinkId, String)> = its;
        its.into_iter().map(|(_, line)| line).collect()
    }

    fn say(&mut self, server: &str, line: &str) {
        self.node.line(self.now, self.links[server], line.as_bytes());
        self.look();
    }

    fn connect(&mut self, server: &str, n: u8) {
        self.node.dialled(self.now, self.links[server], Ok(at(n)));
        self.look();
    }

    fn fail(&mut self, server: &str) {
        self.node.dialled(self.now, self.links[server], Err("connection refused".into()));
        self.look();
    }

    /// The server at `at(n)` lets the node enter; it calls itself `called`.
    fn enter_as(&mut self, server: &str, n: u8, called: &str) {
        self.connect(server, n);
        let asked = self.heard(server);
        assert_eq!(asked, [format!("ENTER {} net", key(1)), "SOURCE TCP".to_owned()]);
        self.say(server, &format!("NONCE {}", base64url::encode(&[9; 32])));
        self.say(server, "REMOTE TCP 5");
        assert!(self.heard(server)[0].starts_with(&format!("PROVE {} ", at(n))));
        self.say(server, &format!("ENTERED server={called} idle=60 size=2048"));
    }

    fn enter(&mut self, server: &str, n: u8) {
        self.enter_as(server, n, &format!("s{n}"));
        assert_eq!(self.heard(server), ["ECHO 1"]);
        self.say(server, "ECHO 1");
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.node.on_timeout(self.now);
        assert!(self.node.poll_timeout().is_none_or(|at| at > self.now), "all that was due is done");
        self.look();
    }

    fn tell(&mut self, tag: u64, via: &[&str]) {
        let via: Vec<String> = via.iter().map(|server| server.to_string()).collect();
        self.node.tell(self.now, tag, key(2), &via, b"f").unwrap();
        self.look();
    }

    fn ends(&mut self) -> Vec<(String, End)> {
        let left = |what| match what {
            Happening::Left { server, end, .. } => Some((server, end)),
            _ => None,
        };
        self.happened().into_iter().filter_map(left).collect()
    }

    fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let done = |what| match what {
            Happening::Done { tag, outcome } => Some((tag, outcome)),
            _ => None,
        };
        self.happened().into_iter().filter_map(done).collect()
    }
}

fn tell_line(tag: u64) -> String {
    format!("TELL {tag} {} Zg", key(2))
}

#[test]
fn it_stays_in_two_servers_and_takes_the_third_if_one_fails() {
    let mut w = World::new(&["A:1", "b:1", "c:1"]);
    assert_eq!(w.dialled(), ["a:1", "b:1"]);
    w.enter("a:1", 1);
    let entered = Happening::Entered { server: "a:1".into(), at: at(1), home: true, relay: false };
    assert_eq!(w.happened(), [entered]);
    w.fail("b:1");
    assert_eq!(w.ends(), [("b:1".to_owned(), End::Dial("connection refused".into()))]);
    assert_eq!(w.dialled(), ["c:1"]);
    w.enter("c:1", 3);
    assert_eq!(w.node.homes().collect::<Vec<_>>(), ["a:1", "c:1"]);
    w.pass(10_000);
    assert!(w.dialled().is_empty(), "two are enough");
    w.node.closed(w.now, w.links["a:1"], "reset");
    w.look();
    assert_eq!(w.dialled(), ["b:1"]);
}

#[test]
fn pauses_grow_and_end_when_the_network_changes() {
    let mut w = World::new(&["a:1"]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert_eq!(w.dialled(), ["a:1"]);
        w.fail("a:1");
        let next = w.node.poll_timeout().unwrap();
        pauses.push((next - w.now).as_secs_f64());
        w.now = next;
        w.pass(0);
    }
    assert!(pauses[0] < 0.75 && pauses[7] > 15.0 && pauses[7] <= 90.0, "{pauses:?}");
    w.dialled();
    w.fail("a:1");
    w.node.network_changed(w.now);
    w.look();
    assert_eq!(w.dialled(), ["a:1"], "at once");
    w.enter("a:1", 1);
    w.happened();
    let old = w.links["a:1"];
    w.node.network_changed(w.now);
    w.look();
    assert_eq!((w.hung_up.pop(), w.dialled()), (Some(old), vec!["a:1".to_owned()]));
    assert_eq!(w.ends(), [("a:1".to_owned(), End::NetworkChanged)]);
}

#[test]
fn a_server_without_signalling_is_known_by_what_comes_first() {
    for (line, end) in [
        ("REMOTE TCP 5", End::NoSignalling),
        ("REFUSED OFF expected another server", End::NoSignalling),
        (
            "REFUSED FULL try later",
            End::Refused(Refused { reason: Reason::Full, tag: None, expected: "try later".into() }),
        ),
    ] {
        let mut w = World::new(&["a:1"]);
        w.connect("a:1", 1);
        for other in ["CHALLENGE 192.0.2.1 5 TCP", "rubbish", "ENTERED", "TOLD 1", "ECHO 1"] {
            w.say("a:1", other);
        }
        w.say("a:1", line);
        assert_eq!(w.ends(), [("a:1".to_owned(), end.clone())]);
        assert_eq!(w.hung_up, [w.links["a:1"]]);
        let pause = w.node.poll_timeout().unwrap() - w.now;
        let least = if end == End::NoSignalling { 1800 } else { 5 };
        assert!(pause >= Duration::from_secs(least), "{pause:?}");
    }
}

#[test]
fn a_silent_server_is_given_up() {
    // While it is dialled, before NONCE, before ENTERED, and after ECHO.
    for stage in 0..4 {
        let mut w = World::new(&["a:1"]);
        if stage > 0 {
            w.connect("a:1", 1);
        }
        if stage > 1 {
            w.say("a:1", &format!("NONCE {}", base64url::encode(&[9; 32])));
        }
        if stage > 2 {
            w.say("a:1", "ENTERED idle=60");
        }
        w.pass(4999);
        assert!(w.ends().is_empty());
        w.pass(1);
        assert_eq!(w.ends(), [("a:1".to_owned(), End::Silent)], "stage {stage}");
        assert_eq!(w.hung_up, [w.links["a:1"]]);
    }
}

#[test]
fn echo_measures_and_keeps_alive() {
    let mut w = World::new(&["a:1"]);
    w.pass(100);
    w.connect("a:1", 1);
    w.pass(30);
    w.say("a:1", &format!("NONCE {}", base64url::encode(&[9; 32])));
    let ms = Duration::from_millis;
    assert_eq!(w.node.rtt(w.now, "a:1"), Some(ms(30)));
    w.say("a:1", "ENTERED idle=9");
    w.pass(20);
    w.say("a:1", "ECHO 2");
    assert_eq!(w.node.rtt(w.now, "a:1"), Some(ms(30)), "that is no answer to ours");
    w.say("a:1", "ECHO 1");
    assert_eq!(w.node.rtt(w.now, "a:1"), Some(ms(20)));
    w.heard("a:1");
    w.pass(2979);
    assert!(w.heard("a:1").is_empty());
    w.pass(1);
    assert_eq!(w.heard("a:1"), ["ECHO 2"], "a third of what the server waits");
    w.node.measure(w.now);
    w.look();
    assert!(w.heard("a:1").is_empty(), "one at a time");
    w.say("a:1", "ECHO 2");
    w.node.measure(w.now);
    w.look();
    assert_eq!(w.heard("a:1"), ["ECHO 3"]);
}

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
fn two_names_of_one_server_are_one_home() {
    // By its address,
    let mut w = World::new(&["a:1", "b:1", "c:1"]);
    w.enter("a:1", 1);
    w.dialled();
    w.connect("b:1", 1);
    assert!(w.heard("b:1").is_empty(), "entering would only replace ourselves");
    assert_eq!(w.ends(), [("b:1".to_owned(), End::SameAs("a:1".into()))]);
    assert_eq!(w.dialled(), ["c:1"]);
    w.enter("c:1", 3);
    w.tell(5, &["b:1"]);
    assert!(w.heard("a:1").contains(&tell_line(5)));
    w.say("a:1", "ABSENT 5");
    assert_eq!(w.outcomes(), [(5, Outcome::Absent)]);
    // until that is gone;
    w.node.closed(w.now, w.links["a:1"], "reset");
    w.look();
    assert_eq!(w.dialled(), ["b:1"]);
    // or by its mark, if it has several,
    let mut w = World::new(&["a:1", "b:1"]);
    w.enter_as("a:1", 1, "same");
    w.connect("b:1", 2);
    w.heard("b:1");
    w.say("b:1", &format!("NONCE {} mark={}", base64url::encode(&[9; 32]), mark_of("same")));
    assert!(w.heard("b:1").is_empty());
    assert_eq!(w.ends(), [("b:1".to_owned(), End::SameAs("a:1".into()))]);
    // or, if it was too late for that, by what it calls itself, whichever end is heard of first.
    for first in [true, false] {
        let mut w = World::new(&["a:1"]);
        w.enter_as("a:1", 1, "same");
        w.tell(5, &["x:1"]);
        if first {
            w.say("a:1", "REPLACED");
        }
        w.enter_as("x:1", 2, "same");
        if !first {
            w.say("a:1", "REPLACED");
        }
        assert_eq!(w.node.homes().collect::<Vec<_>>(), ["x:1"], "the visit has become a stay");
        let moved = Happening::Entered { server: "x:1".into(), at: at(2), home: true, relay: false };
        assert!(w.happened().contains(&moved));
        w.dialled();
        w.tell(6, &["a:1"]);
        assert!(w.heard("x:1").contains(&tell_line(6)));
    }
}

#[test]
fn whoever_shares_our_key_does_not_make_us_fight_for_it() {
    let mut w = World::new(&["a:1"]);
    w.enter("a:1", 1);
    w.dialled();
    w.say("a:1", "REPLACED");
    assert!(w.node.poll_timeout().unwrap() - w.now >= Duration::from_secs(30));
    w.pass(29_000);
    assert!(w.dialled().is_empty());
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

#[test]
fn leaving_says_so_and_is_the_end() {
    let mut w = World::new(&["a:1", "b:1"]);
    w.enter("a:1", 1);
    w.tell(5, &["a:1"]);
    w.heard("a:1");
    w.node.leave(w.now);
    w.look();
    assert_eq!(w.heard("a:1"), ["LEAVE", "QUIT"]);
    assert_eq!(w.hung_up.len(), 2, "also the one that was being dialled");
    assert_eq!(w.outcomes(), [(5, Outcome::Lost)]);
    assert_eq!(w.node.poll_timeout(), None);
    w.dialled();
    w.pass(100_000);
    w.node.network_changed(w.now);
    w.look();
    assert!(w.dialled().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever servers say and however connections end: it never has more of them than it may, every message is reported
    /// once, and there is always something later to wait for.
    #[test]
    fn any_server_is_survived(
        ops in prop::collection::vec((0..12u8, 0..6usize, 0..24usize, 0..9000u64), 0..200),
    ) {
        let mut w = World::with(&["a:1", "b:1", "c:1"], |s| (s.guests, s.queue) = (2, 5));
        let lines = [
            "NONCE CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk", "ENTERED server=x idle=9", "ENTERED server=y", "ECHO 1",
            "ECHO 2", "REPLACED", "LEFT", "REMOTE TCP 5", "REFUSED TIME", "REFUSED LINE", "REFUSED RATE tag=1", "rubbish",
        ];
        let servers = ["a:1", "b:1", "c:1", "x:1", "y:1", "z:1"];
        let (mut tag, mut open) = (0u64, std::collections::BTreeSet::new());
        for (op, a, b, ms) in ops {
            let link = LinkId(w.node.next_link.saturating_sub(a as u64 + 1));
            match op {
                0 | 1 => w.node.dialled(w.now, link, Ok(at((b % 3) as u8))),
                2 if b < 8 => w.node.dialled(w.now, link, Err("no".into())),
                3 if b < 8 => w.node.closed(w.now, link, "reset"),
                4..=6 => w.node.line(w.now, link, lines[b % lines.len()].as_bytes()),
                7 => {
                    let word = ["TOLD", "HEARD", "UNHEARD", "ABSENT"][b % 4];
                    w.node.line(w.now, link, format!("{word} {}", tag.saturating_sub(b as u64 / 4)).as_bytes());
                }
                8 => w.node.line(w.now, link, format!("MESSAGE {b} {} Zg", key(3)).as_bytes()),
                9 => {
                    let via = [servers[a].to_owned(), servers[b % 6].to_owned()];
                    if w.node.tell(w.now, tag + 1, key(2), &via, b"f").is_ok() {
                        tag += 1;
                        open.insert(tag);
                    }
                }
                10 if b == 0 => w.node.network_changed(w.now),
                _ => w.pass(ms),
            }
            w.look();
            for (tag, _) in w.outcomes() {
                prop_assert!(open.remove(&tag), "{tag} was reported before");
            }
            prop_assert!(w.node.links.len() <= 2 + 2 && w.node.letters.len() == open.len());
            let channels = w.node.servers.values().filter(|server| server.channel.is_some()).count();
            prop_assert_eq!(channels, w.node.links.len());
        }
        w.node.leave(w.now);
        w.look();
        for (tag, _) in w.outcomes() {
            prop_assert!(open.remove(&tag));
        }
        prop_assert!(open.is_empty() && w.node.links.is_empty());
    }
}
