//! What is done at a stranger's word.

use super::*;
use crate::proto::connect::classic::reverse::{AT_ONCE, PER_ADDRESS, PER_MINUTE};
use crate::proto::connect::classic::steps::spell_for_pattern;
use crate::proto::dht_msg::Reverse;

const NONCE: Nonce = [b'5'; NONCE_LEN];

fn asks(them: &Us, nonce: Nonce) -> String {
    format!("REVERSE_CONNECT:{}:{}", text(them), nonce.escape_ascii())
}

impl Bench {
    fn hear(&mut self, text: &str) -> Vec<Output> {
        assert!(self.machine.message(self.now, &self.us, text));
        wants(&mut self.machine)
    }

    /// Connected at their word: the connection is 1, the query has this tag.
    fn served() -> (Bench, u64) {
        let mut b = Bench::new(NodeType::Active, NodeType::Passive);
        let wanted = b.hear(&asks(&b.them, NONCE));
        let [Output::Dial { attempt, to, nonce }] = wanted[..] else { panic!("{wanted:?}") };
        assert_eq!((to.to_string().as_str(), nonce), ("9.9.9.9:50500", NONCE));
        let link = Link { conn: 1, attempt: Some(attempt), from: to, nonce, punched: false };
        assert_eq!(b.machine.opened(b.now, &b.us, link), Claim::Nobody);
        let wanted = wants(&mut b.machine);
        let [Output::Put { tag, to, text: said }] = &wanted[..] else { panic!("{wanted:?}") };
        assert_eq!((*to, said.clone()), (b.them.unl.node_id, format!("REVERSE_QUERY:{}", text(&b.us))));
        let tag = *tag;
        (b, tag)
    }
}

#[test]
fn connects_asks_and_keeps_what_was_asked_for() {
    let (mut b, _) = Bench::served();
    assert_eq!(b.hear(&format!("REVERSE_ORIGIN:{}", text(&b.them))), []);
    assert_eq!(b.after(Duration::from_secs(100)), []);
    assert!(b.machine.deadline().is_none());
}

#[test]
fn closes_what_nobody_says_they_asked_for() {
    let (mut b, _) = Bench::served();
    assert_eq!(b.hear(&format!("REVERSE_ORIGIN:{}", text(&b.us))), []);
    assert_eq!(b.after(Duration::from_secs(59)), []);
    assert!(matches!(b.after(Duration::from_secs(1))[..], [Output::Close { conn: 1, .. }]));
    let (mut b, tag) = Bench::served();
    b.machine.sent(b.now, &b.us, tag, Err("no room"));
    assert!(matches!(wants(&mut b.machine)[..], [Output::Close { conn: 1, .. }]));
    let (mut b, _) = Bench::served();
    b.machine.closed(1);
    assert_eq!(b.after(Duration::from_secs(100)), []);
}

#[test]
fn what_is_not_followed() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    let own = asks(&b.us, NONCE);
    assert_eq!(b.hear(&own), [], "ourselves");
    assert_eq!(b.hear("REVERSE_CONNECT:nonsense"), []);
    assert!(!b.machine.message(b.now, &b.us, "hello"));
    let asked = asks(&b.them, NONCE);
    assert_eq!(b.hear(&asked).len(), 1);
    assert_eq!(b.hear(&asked), [], "a replay");
    let mut nameless = b.them.clone();
    nameless.unl.node_id = [0; 20];
    nameless.text = Some(nameless.unl.encode());
    assert_eq!(b.hear(&asks(&nameless, [b'6'; NONCE_LEN])), [], "nobody to ask back");
    for ip in ["127.0.0.1", "192.168.0.7", "224.0.0.1", "8.8.8.8"] {
        let hostile = us(ip, "10.0.0.1", NodeType::Passive);
        assert_eq!(b.hear(&asks(&hostile, NONCE)), [], "{ip}");
    }
    b.us.dht = false;
    assert_eq!(b.hear(&asks(&b.them, [b'7'; NONCE_LEN])), [], "no way to ask back");
}

#[test]
fn no_request_leads_to_another() {
    // Passive ourselves: by the table we would wait, and ask in turn.
    let mut b = Bench::new(NodeType::Passive, NodeType::Active);
    assert_eq!(b.hear(&asks(&b.them, NONCE)), []);
    let mut b = Bench::new(NodeType::Passive, NodeType::Simultaneous);
    assert!(matches!(b.hear(&asks(&b.them, NONCE))[..], [Output::Fight { .. }]));
    let mut b = Bench::new(NodeType::Passive, NodeType::Passive);
    let [Output::Dial { attempt, .. }] = b.hear(&asks(&b.them, NONCE))[..] else { panic!() };
    assert_eq!(b.fail(attempt, "no"), []);
    assert!(b.machine.is_empty());
}

#[test]
fn limits_hold() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    let (mut followed, mut at_once) = (0, 0);
    for i in 0..200u32 {
        // Many addresses, so that only the sums count.
        let them = us(&format!("9.9.{}.9", i % 50), "10.0.0.1", NodeType::Passive);
        let mut nonce = NONCE;
        nonce[..8].copy_from_slice(format!("{i:08}").as_bytes());
        let wanted = b.hear(&asks(&them, nonce));
        if let [Output::Dial { attempt, .. }] = wanted[..] {
            followed += 1;
            at_once += 1;
            if at_once == AT_ONCE {
                b.fail(attempt, "no");
                at_once -= 1;
            }
        }
    }
    assert_eq!(followed, PER_MINUTE);
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    let mut followed = 0;
    for i in 0..20u8 {
        let mut nonce = NONCE;
        nonce[0] = b'a' + i % 6;
        nonce[1] = b'0' + i / 6;
        if let [Output::Dial { attempt, .. }] = b.hear(&asks(&b.them, nonce))[..] {
            followed += 1;
            b.fail(attempt, "no");
        }
    }
    assert_eq!(followed, PER_ADDRESS);
}

#[test]
fn answers_a_query_only_if_it_has_asked_and_once() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Active);
    let query = format!("REVERSE_QUERY:{}", text(&b.them));
    assert_eq!(b.hear(&query), []);
    b.connect(5, Options::default());
    let answer = b.hear(&query);
    let [Output::Put { to, text: said, .. }, ..] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!((*to, said.clone()), (b.them.unl.node_id, format!("REVERSE_ORIGIN:{}", text(&b.us))));
    assert_eq!(b.hear(&query), []);
}

/// Python's `re.match("^" + pattern + "$", text)` for patterns whose only special character is `+`.
fn matches(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    match p {
        [] => t.is_empty(),
        [c, b'+', rest @ ..] => {
            assert!(!rest.starts_with(b"+"), "an error in some Pythons");
            let run = t.iter().take_while(|b| *b == c).count();
            (1..=run).any(|n| matches(std::str::from_utf8(rest).unwrap(), &text[n..]))
        }
        [c, rest @ ..] => t.first() == Some(c) && matches(std::str::from_utf8(rest).unwrap(), &text[1..]),
    }
}

#[test]
fn an_original_understands_our_answer_though_our_locator_has_a_plus() {
    let mut with_plus = 0;
    for n in 0..400u16 {
        let mut b = Bench::new(NodeType::Passive, NodeType::Active);
        b.us.unl.listen_port = 40_000 + n;
        // Two in a row, too: 0xfb 0xef 0xbe are four of them.
        b.us.unl.node_id[2..5].copy_from_slice(if n % 2 == 0 { &[0xfb, 0xef, 0xbe] } else { b"abc" });
        b.us.text = Some(b.us.unl.encode());
        let put = b.connect(5, Options::default());
        let [Output::Put { text: asked, .. }] = &put[..] else { panic!("{put:?}") };
        let Some(Ok(Reverse { unl: pattern, node, .. })) = Reverse::parse(asked) else { panic!("{asked}") };
        assert_eq!(node, b.us.unl, "everybody can read it");
        let answers = b.hear(&format!("REVERSE_QUERY:{}", text(&b.them)));
        let unls = answers.iter().filter_map(|o| match o {
            Output::Put { text, .. } => text.strip_prefix("REVERSE_ORIGIN:"),
            _ => None,
        });
        let unls: Vec<&str> = unls.collect();
        assert!(unls.iter().any(|unl| matches(pattern, unl)), "{pattern} {unls:?}");
        assert_eq!(unls.iter().filter(|unl| UnlV2::decode(unl) == Ok(b.us.unl)).count(), 1);
        with_plus += usize::from(pattern.contains('+'));
    }
    assert!(with_plus > 100);
    assert_eq!(spell_for_pattern("a+++b++c"), "a+_+_+b+_+c");
}

proptest::proptest! {
    #[test]
    fn any_message_is_bounded(texts in proptest::collection::vec("(REVERSE_(CONNECT|QUERY|ORIGIN):)?[A-Za-z0-9+/=:]{0,80}", 0..20)) {
        let mut b = Bench::new(NodeType::Active, NodeType::Passive);
        for text in texts {
            b.machine.message(b.now, &b.us, &text);
            proptest::prop_assert!(wants(&mut b.machine).is_empty());
        }
    }
}
