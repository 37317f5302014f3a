//! The DHT's side of a node: what it publishes about its mailbox, letters as they are and as changes to a real one, and a
//! script of orders, answers that somebody signed, addresses, failures and time for the whole.
#![no_main]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::identity::Identity;
use p2pnet::proto::mainline::{
    Happening, Item, MAX_MESSAGE, MAX_VALUE, Mailbox, Mainline, Output, Query, QueryError, Settings, Time,
    open, seal,
};

static OWNER: LazyLock<Identity> = LazyLock::new(|| Identity::from_secret(&[1; 32]));
static PEER: LazyLock<Identity> = LazyLock::new(|| Identity::from_secret(&[2; 32]));
static BOX: LazyLock<Identity> = LazyLock::new(|| Identity::from_secret(&[3; 32]));

fuzz_target!(|data: &[u8]| {
    if let Some(mailbox) = Mailbox::decode(data) {
        assert_eq!(mailbox.encode(), data);
    }
    // Letters are all arithmetic: one input in eight is enough.
    match data.split_first() {
        Some((what, rest)) if what % 8 == 0 => letters(rest),
        Some((_, rest)) => script(rest),
        None => {}
    }
});

fn letters(data: &[u8]) {
    let key = BOX.public().x25519().expect("a key");
    let mailbox = Mailbox { slots: 1, network: None, key };
    assert_eq!(open(&BOX, &OWNER.public(), &mailbox, 0, data), None);
    let Some((at, message)) = data.split_first() else { return };
    let Ok(mut value) = seal(&PEER, &OWNER.public(), &mailbox, 0, &[4; 32], &[5; 16], message) else {
        assert!(message.is_empty() || message.len() > MAX_MESSAGE);
        return;
    };
    assert!(value.len() <= MAX_VALUE);
    let letter = open(&BOX, &OWNER.public(), &mailbox, 0, &value).expect("what was sealed is opened");
    assert_eq!((letter.from, &letter.message[..]), (PEER.public(), message));
    let at = usize::from(*at) * 3 % value.len();
    value[at] ^= 1;
    assert_eq!(open(&BOX, &OWNER.public(), &mailbox, 0, &value), None);
}

/// Two bytes are a step, and may take more.
fn script(mut data: &[u8]) {
    let mut count = 0u64;
    let random = Box::new(move || {
        count += 1;
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&count.to_be_bytes());
        Some(bytes)
    });
    let identity = Arc::new(Identity::from_secret(&[1; 32]));
    let mut node = Mainline::new(Settings::new(None), identity, Arc::new(|addr| addr.port() != 9), random, 7);
    let mut now = Time { at: Instant::now(), unix: 1_800_000_000 };
    let (mut jobs, mut open): (BTreeMap<u64, Query>, BTreeMap<u64, bool>) =
        (BTreeMap::new(), BTreeMap::new());
    let mut next_tag = 0;
    while let Some((step, rest)) = data.split_first_chunk::<2>() {
        data = rest;
        let [what, arg] = *step;
        let job = jobs.keys().nth(usize::from(arg) % jobs.len().max(1)).copied();
        let mut order = |node: &mut Mainline, then: &dyn Fn(&mut Mainline, u64)| {
            next_tag += 1;
            open.insert(next_tag, true);
            then(node, next_tag);
        };
        match what % 12 {
            0 => {
                jobs.clear();
                node.online(now, "127.0.0.1:6881".parse().expect("an address"));
            }
            1 => {
                jobs.clear();
                node.offline("for a moment".to_owned());
            }
            2 => order(&mut node, &|node, tag| node.resolve(now, tag, PEER.public())),
            3 => order(&mut node, &|node, tag| node.find(now, tag)),
            4 => {
                order(&mut node, &|node, tag| node.send(now, tag, PEER.public(), vec![arg; usize::from(arg)]))
            }
            5 => node.announce(now, (arg > 9).then_some(u16::from(arg)), Vec::new()),
            6 | 7 => {
                // Something that its key has signed, whatever it says.
                let take = usize::from(arg).min(data.len());
                let (value, rest) = data.split_at(take);
                data = rest;
                if let Some((job, Query::Get { key, salt })) =
                    job.and_then(|job| Some((job, jobs.get(&job)?)))
                {
                    let seq = i64::from_be_bytes([what, arg, 0, 0, 0, 0, what, arg]);
                    let who = [&*OWNER, &*PEER].into_iter().find(|who| who.public() == *key);
                    if let Some(item) = who.and_then(|who| Item::sign(who, salt, seq, value)) {
                        node.item(now, job, &item);
                    }
                }
            }
            8 => {
                let addrs: Vec<SocketAddrV4> = (0..arg)
                    .map(|n| SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, n), u16::from(what)))
                    .collect();
                job.into_iter().for_each(|job| node.peers(job, &addrs));
            }
            9 => {
                let outcomes = [Ok(()), Err(QueryError::Older), Err(QueryError::Failed("no".to_owned()))];
                if let Some(job) = job {
                    jobs.remove(&job);
                    node.finished(now, job, outcomes[usize::from(what / 12) % 3].clone());
                }
            }
            10 => {
                now.at += Duration::from_secs(u64::from(arg));
                now.unix += u64::from(arg);
                // No query takes longer; that is the I/O's business.
                for (job, _) in std::mem::take(&mut jobs) {
                    node.finished(now, job, Ok(()));
                }
                node.on_timeout(now);
            }
            _ => {
                now.at += Duration::from_millis(u64::from(arg));
                node.on_timeout(now);
            }
        }
        let mut outputs = 0;
        while let Some(output) = node.poll_output() {
            outputs += 1;
            assert!(outputs < 100, "it never rests");
            match output {
                Output::Query { job, query } => assert!(jobs.insert(job, query).is_none()),
                Output::Happening(Happening::Done { tag, .. }) => assert_eq!(open.remove(&tag), Some(true)),
                Output::Happening(Happening::Found { addrs, .. }) => {
                    assert!(addrs.len() <= 64 && addrs.iter().all(|addr: &SocketAddr| addr.port() != 9));
                }
                Output::Happening(_) => {}
            }
        }
        // Errands, the slots of two mailboxes and a few of its own; each errand looks into eight slots at most.
        assert!(jobs.len() <= 16 * 9 + 32 + 8);
    }
    node.leave();
    while let Some(output) = node.poll_output() {
        if let Output::Happening(Happening::Done { tag, .. }) = output {
            assert_eq!(open.remove(&tag), Some(true));
        }
    }
    assert!(open.is_empty(), "every errand ends");
}
