//! Answers of mailboxes: as they are, for each question in each style; and a script of answers, lost requests and time for a
//! client with two servers and messages under way. Each message is reported once, requests and memory stay bounded, and
//! time that has passed is not asked for again.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::dht_id::NodeId;
use p2pnet::proto::mailbox::answer::{self, MAX_MESSAGES, Said};
use p2pnet::proto::mailbox::{
    Call, CallId, Happening, Mailbox, NoReply, Output, Reply, Server, Settings, Style, wrap,
};

fn styles() -> [Style; 2] {
    [Style::Script("/dht_msg.php".to_owned()), Style::Clean]
}

fn read(body: &[u8]) {
    let put = Call::Put { to: NodeId([1; 20]), digits: "a131".to_owned() };
    for call in [Call::Register, Call::Alive, Call::Mutex, Call::Neighbours, put, Call::List { ack: None }] {
        for style in styles() {
            if let Ok(Said::Letters(letters)) = answer::read(&call, &style, 200, body) {
                assert!(letters.len() <= MAX_MESSAGES && call == Call::List { ack: None });
                if style != Style::Clean {
                    assert_eq!(answer::rescue(body.trim_ascii()), letters, "a whole answer is saved as a whole");
                }
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(Some((text, token))) = wrap::unwrap(text)
        && let Ok(again) = wrap::wrap(&text, &token.unwrap_or_default())
    {
        assert_eq!(wrap::unwrap(&again), Ok(Some((text, Some(token.unwrap_or_default())))));
    }
}

fn script(data: &[u8]) {
    let mut now = Instant::now();
    let servers = styles().map(|style| Server { name: "s".to_owned(), style }).to_vec();
    let mut settings = Settings::new(NodeId([1; 20]), "p", [1; 32], servers);
    settings.queue = 8;
    let mut node = Mailbox::new(now, settings, 1);
    let (mut asked, mut under_way) = (Vec::<CallId>::new(), BTreeSet::new());
    for (step, tag) in data.split(|b| *b == 0).take(200).zip(1..) {
        let Some((&what, rest)) = step.split_first() else { continue };
        let id = asked.get(usize::from(what) % asked.len().max(1)).copied();
        match (what / 16, id) {
            (0, _) => {
                under_way.insert(tag);
                node.put(now, tag, NodeId([what | 1; 20]), &String::from_utf8_lossy(rest));
            }
            (1, _) => {
                now += Duration::from_millis(u64::from(what) * 300);
                node.on_timeout(now);
                assert!(node.poll_timeout().is_none_or(|at| at > now));
            }
            (2, _) => node.network_changed(now),
            (3, Some(id)) => {
                asked.retain(|other| *other != id);
                node.answered(now, id, Err(NoReply { is_late: what % 2 == 0, why: "no".to_owned() }));
            }
            (how, Some(id)) => {
                asked.retain(|other| *other != id);
                let good: &[u8] = if how % 2 == 0 { b"success" } else { b"{\"done\":true,\"registered\":true}" };
                let body = if how < 8 { good } else { rest }.to_vec();
                let broke = (how == 15).then(|| "broke".to_owned());
                let status = if how == 14 { 403 } else { 200 };
                node.answered(now, id, Ok(Reply { status, body, broke }));
            }
            (_, None) => {}
        }
        while let Some(output) = node.poll_output() {
            match output {
                Output::Ask { id, .. } => asked.push(id),
                Output::GiveUp(id) => asked.retain(|other| *other != id),
                Output::Happening(Happening::Put { tag, .. }) => assert!(under_way.remove(&tag), "reported once"),
                Output::Happening(_) => {}
            }
        }
        assert!(asked.len() <= 7 && node.under_way() <= 8 && under_way.len() == node.under_way());
    }
}

fuzz_target!(|data: &[u8]| {
    read(data);
    script(data);
});
