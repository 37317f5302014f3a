//! Answers of servers that are honest, odd and hostile.

use super::*;
use proptest::prelude::*;

fn styles() -> [Style; 2] {
    [Style::Script("/dht_msg.php".into()), Style::Clean]
}

fn calls() -> Vec<Call> {
    let put = Call::Put { to: NodeId([1; 20]), digits: "a131".into() };
    vec![Call::Register, Call::Alive, Call::Mutex, Call::Neighbours, put, Call::List { ack: None }]
}

fn old(call: &Call, body: &str) -> Read<Said> {
    read(call, &styles()[0], 200, body.as_bytes())
}

fn new(call: &Call, status: u16, body: &str) -> Read<Said> {
    read(call, &Style::Clean, status, body.as_bytes())
}

fn letter(number: impl Into<Option<u64>>, digits: &str) -> Letter {
    Letter { number: number.into(), digits: digits.to_owned() }
}

#[test]
fn the_words_of_the_script() {
    let [register, alive, mutex, near, put, list] = calls().try_into().unwrap();
    for good in ["success", "Already registered.success", " success\n"] {
        assert_eq!(old(&register, good), Ok(Said::Done));
    }
    assert_eq!(old(&put, "success"), Ok(Said::Done));
    assert_eq!((old(&mutex, "1"), old(&mutex, "0\n")), (Ok(Said::Mutex(true)), Ok(Said::Mutex(false))));
    for call in [&alive, &mutex, &near, &put, &list] {
        assert_eq!(old(call, "failure"), Ok(Said::Stranger));
    }
    assert_eq!(old(&register, "failure"), Ok(Said::Busy("failure".into())));
    assert_eq!(old(&list, "[]"), Ok(Said::Letters(vec![])));
    assert_eq!(
        old(&list, "[\"a\", \"b\\/\"]"),
        Ok(Said::Letters(vec![letter(None, "a"), letter(None, "b/")]))
    );
    let id = "ab".repeat(20);
    let text =
        format!("[{{\"ip\":\"192.0.2.1\",\"port\":\"7\",\"id\":\"{id}\",\"can_test\":1}},{{\"ip\":\"x\"}}]");
    let node =
        Neighbour { id: NodeId([0xab; 20]), ip: "192.0.2.1".parse().unwrap(), port: 7, can_test: true };
    assert_eq!(old(&near, &text), Ok(Said::Neighbours(vec![node.clone()])));
    let text =
        format!("{{\"neighbours\": [{{\"can_test\":1,\"id\":\"{id}\",\"ip\":\"192.0.2.1\",\"port\":7}}]}}");
    assert_eq!(new(&near, 200, &text), Ok(Said::Neighbours(vec![node])));
}

#[test]
fn the_words_of_our_server() {
    let [register, alive, mutex, _, put, list] = calls().try_into().unwrap();
    assert_eq!(new(&register, 200, "{\"known\":false,\"registered\":true}\n"), Ok(Said::Done));
    assert_eq!(new(&alive, 200, "{\"done\":true}"), Ok(Said::Done));
    assert_eq!(new(&mutex, 200, "{\"mutex\":true}"), Ok(Said::Mutex(true)));
    assert_eq!(new(&put, 403, "{\"error\":\"unknown node\"}"), Ok(Said::Stranger));
    assert_eq!(new(&put, 429, "{\"error\":\"full\"}"), Ok(Said::Busy("full".into())));
    assert_eq!(new(&put, 429, "failure: too many\n"), Ok(Said::Busy("failure: too many".into())));
    assert_eq!(new(&put, 400, "{\"error\":\"bad\"}"), Ok(Said::Never("bad".into())));
    assert!(matches!(new(&put, 414, ""), Ok(Said::Never(_))));
    let two = "{\"messages\":[{\"id\":7,\"msg\":\"aa\"},{\"msg\":\"bb\",\"id\":18446744073709551615}],\"more\":true}";
    assert_eq!(new(&list, 200, two), Ok(Said::Letters(vec![letter(7, "aa"), letter(u64::MAX, "bb")])));
    assert_eq!(new(&list, 200, "{\"messages\":[]}\n"), Ok(Said::Letters(vec![])));
}

#[test]
fn answers_that_are_none() {
    let [register, _, mutex, near, put, list] = calls().try_into().unwrap();
    let page = "<html>success or failure, who knows</html>";
    for (call, body) in [
        (&register, ""),
        (&register, page),
        (&put, page),
        (&mutex, "2"),
        (&near, "{}"),
        (&list, ""),
        (&list, "null"),
        (&list, "[1]"),
        (&list, "[\"a\""),
        (&list, "[\"a\"]x"),
        (&list, "[[\"a\"]]"),
        (&list, "[\"\\ud800\"]"),
    ] {
        let e = old(call, body).unwrap_err().to_string();
        assert!(!e.is_empty() && e.len() < 300, "{e}");
    }
    for (status, body) in [
        (200, ""),
        (200, "{}"),
        (200, "{\"messages\":{}}"),
        (200, "{\"messages\":[{\"id\":-1,\"msg\":\"a\"}]}"),
        (200, "{\"messages\":[{\"id\":1}]}"),
        (200, "{\"messages\":[],\"messages\":[]}"),
        (500, ""),
        (302, ""),
    ] {
        assert!(new(&list, status, body).is_err(), "{status} {body}");
    }
    assert!(new(&list, 404, "").unwrap_err().to_string().contains("no mailbox"));
    assert!(new(&register, 200, "{\"registered\":false}").is_err());
}

#[test]
fn floods_are_refused() {
    let list = Call::List { ack: None };
    let many = |n: usize| format!("[{}]", vec!["\"a131\""; n].join(","));
    assert!(matches!(old(&list, &many(MAX_MESSAGES)), Ok(Said::Letters(all)) if all.len() == MAX_MESSAGES));
    assert!(old(&list, &many(10_000)).unwrap_err().to_string().contains("1024"));
    let huge = format!("[\"{}\"]", "a".repeat(MAX_LIST));
    assert!(old(&list, &huge).unwrap_err().to_string().contains("longer than"));
    let near = format!("[{}]", ["{}"; 10].join(","));
    assert_eq!(old(&Call::Neighbours, &near), Ok(Said::Neighbours(vec![])));
    assert!(old(&Call::Neighbours, &"[".repeat(10_000)).is_err(), "nothing nests");
}

#[test]
fn what_is_whole_in_a_broken_answer_is_saved() {
    assert_eq!(rescue(b"[\"aa\", \"bb\", \"c"), [letter(None, "aa"), letter(None, "bb")]);
    assert_eq!(rescue("[\"aa\", \"é".as_bytes().split_last().unwrap().1), [letter(None, "aa")]);
    assert_eq!(rescue(b"failure"), []);
    assert_eq!(rescue(b""), []);
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused(status in prop::sample::select(vec![200u16, 400, 403, 429, 503, 500]), body in prop::collection::vec(any::<u8>(), 0..200)) {
        for (call, style) in calls().iter().flat_map(|call| styles().map(|style| (call, style))) {
            let _ = read(call, &style, status, &body);
        }
        let _ = rescue(&body);
    }

    /// What a full writer writes is read as it was meant, wherever it is cut nothing wrong comes of it.
    #[test]
    fn lists_as_a_full_writer_writes_them(texts: Vec<String>, cut: prop::sample::Index) {
        let body = serde_json::to_string(&texts).unwrap();
        let letters: Vec<Letter> = texts.iter().map(|text| letter(None, text)).collect();
        prop_assert_eq!(old(&Call::List { ack: None }, &body), Ok(Said::Letters(letters.clone())));
        let part = rescue(&body.as_bytes()[..cut.index(body.len())]);
        prop_assert!(letters.starts_with(&part));
        let numbered: Vec<_> = texts.iter().zip(5..).map(|(msg, id)| serde_json::json!({ "id": id, "msg": msg })).collect();
        let body = serde_json::json!({ "messages": numbered }).to_string();
        let letters: Vec<Letter> = texts.iter().zip(5..).map(|(msg, id)| letter(id, msg)).collect();
        prop_assert_eq!(new(&Call::List { ack: None }, 200, &body), Ok(Said::Letters(letters)));
    }
}
