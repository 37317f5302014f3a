//! What a peer may send about a punch: bytes as a message, which is written again as it was read; and a
//! script of messages, answers of the network and time for a session, which keeps its limits and ends.
#![no_main]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::punch::{
    Body, Budget, ConnId, Input, Message, Options, Output, Session, Setup, Side, SlotId, Token,
};

const TOKEN: Token = Token([7; 16]);

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::decode(data) {
        assert_eq!(message.encode(), data);
    }
    let Some((&first, script)) = data.split_first() else { return };
    let (mut budget, mut now) = (Budget::default(), Instant::now());
    let peer_ip = IpAddr::from([203, 0, 113, 9]);
    let setup = Setup {
        ours: Side::untranslated(IpAddr::from([198, 51, 100, 1])),
        peer_ip,
        own: Vec::new(),
        options: Options { spray_sockets: 32, spray_guesses: 64, ..Options::default() },
        seed: u64::from(first),
    };
    let session = if first % 2 == 0 {
        Some(Session::initiate(now, TOKEN, setup, &mut budget))
    } else {
        let body = Body::Offer(Side::untranslated(peer_ip));
        Session::respond(now, Message { token: TOKEN, round: 1, body }, setup, &mut budget)
    };
    let Some(mut session) = session else { return };
    let mut ends = 0;
    let mut drain = |session: &mut Session| {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Connect { to, .. } => assert!(to.ip() == peer_ip && to.port() >= 1024),
                Output::Winner(_) | Output::Failed(_) => ends += 1,
                Output::Send(message) => assert_eq!(Message::decode(&message.encode()), Ok(message)),
                _ => {}
            }
        }
    };
    for step in script.chunks(24).take(200) {
        drain(&mut session);
        now += Duration::from_millis(u64::from(step[0]));
        if let Some(input) = input(&mut session, step) {
            session.handle(now, input, &mut budget);
        }
    }
    while let Some(at) = session.deadline() {
        now = now.max(at);
        session.handle(now, Input::Wake, &mut budget);
    }
    drain(&mut session);
    assert_eq!((ends, budget.half_open()), (1, 0));
});

fn input(session: &mut Session, step: &[u8]) -> Option<Input> {
    let (kind, what) = (*step.get(1)?, *step.get(2)?);
    let (conn, slot) = (ConnId(what.into()), SlotId(what.into()));
    let port = u16::from_be_bytes([*step.get(3)?, *step.get(4)?]);
    Some(match kind % 16 {
        0 => Input::Bound { slot, port },
        1 => Input::BindFailed { slot },
        2 => Input::Asked { slot, port },
        3 => Input::AskFailed { slot },
        4 => Input::Connected { conn },
        5 => Input::Accepted { conn: session.next_conn(), slot },
        6 => Input::Refused { conn },
        7 => Input::Unreachable { conn },
        8 => Input::AddressTaken { conn },
        9 => Input::TimedOut { conn },
        10 => Input::Closed { conn },
        11 => Input::Frame { conn, frame: [what; 64] },
        12 => Input::Wake,
        // A message of this punch, with whatever round, kind and body.
        _ => {
            let mut bytes = vec![1, what % 9];
            bytes.extend(TOKEN.0);
            bytes.extend(&step[3..]);
            Input::Message(Message::decode(&bytes).ok()?)
        }
    })
}
