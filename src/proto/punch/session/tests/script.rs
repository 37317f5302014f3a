//! Whatever is done to a session, its rules hold.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bench::Bench;
use super::*;
use proptest::prelude::*;

const MAPPINGS: [Mapping; 3] =
    [Mapping::EndpointIndependent, Mapping::AddressDependent, Mapping::AddressAndPortDependent];

/// Any step a driver or a peer could take.
fn input(session: &mut Session, kind: u8, a: u8, port: u16) -> Input {
    let (conn, slot) = (ConnId(u32::from(a) % 24), SlotId(u16::from(a) % 8));
    let frame = |what| hello::write(TOKEN, what, session.role().other(), 0);
    let said = |body| Input::Message(Message { token: TOKEN, round: 1 + a % 4, body });
    let sides = [Allocation::Preserving, Allocation::Random, Allocation::Sequential, Allocation::Unknown];
    let theirs = side(PEER, MAPPINGS[usize::from(a) % 3], sides[usize::from(port) % 4]);
    match kind {
        0 => Input::Wake,
        1 => Input::Bound { slot, port },
        2 => Input::BindFailed { slot },
        3 => Input::Asked { slot, port },
        4 => Input::AskFailed { slot },
        5 => Input::Connected { conn },
        6 => Input::Accepted { conn: session.next_conn(), slot },
        7 => Input::Refused { conn },
        8 => Input::Unreachable { conn },
        9 => Input::AddressTaken { conn },
        10 => Input::TimedOut { conn },
        11 => Input::Closed { conn },
        12 => Input::Frame { conn, frame: frame(hello::What::Hello) },
        13 => Input::Frame { conn, frame: frame(hello::What::Select) },
        14 | 15 => Input::Frame { conn, frame: frame(hello::What::Done) },
        16 => Input::Frame { conn, frame: [a; 64] },
        17 => said(Body::Offer(theirs)),
        18 => said(Body::Answer(theirs, vec![port.max(1); usize::from(a) % 33])),
        19 => said(Body::Go(vec![port.max(1), 5000], Duration::from_millis(port.into()))),
        20 => said(Body::Going),
        21 => said(Body::Pong(a)),
        22 => said(Body::Again),
        _ => said(Body::Ping(a)),
    }
}

proptest! {
    #[test]
    fn no_script_breaks_the_rules(
        initiator: bool, ours in 0..4usize, mapping in 0..3usize,
        script in prop::collection::vec((0..24u8, any::<u8>(), any::<u16>(), 0..400u64), 0..120),
    ) {
        let allocation =
            [Allocation::Preserving, Allocation::Random, Allocation::Sequential, Allocation::Unknown][ours];
        let mapping = MAPPINGS[mapping];
        let setup = Setup { ours: side("198.51.100.1", mapping, allocation), ..setup(PEER) };
        let mut bench =
            if initiator { Bench::initiator(setup) } else { Bench::responder(setup, preserving(PEER)) };
        for (kind, a, port, ms) in script {
            bench.now += Duration::from_millis(ms);
            let input = input(&mut bench.session, kind, a, port);
            bench.give(input);
        }
        bench.after(Duration::from_secs(30));
        prop_assert!(bench.session.is_over());
        prop_assert_eq!(bench.budget.half_open(), 0);
        let is_end = |output: &&Output| matches!(output, Output::Winner(_) | Output::Failed(_));
        prop_assert_eq!(bench.outputs.iter().filter(is_end).count(), 1);
        let (mut bound, mut flows) = (BTreeSet::new(), BTreeSet::new());
        for output in &bench.outputs {
            match output {
                Output::Bind { slot, .. } => prop_assert!(bound.insert(*slot), "slots are not reused"),
                Output::Close(Socket::Slot(slot)) => prop_assert!(bound.remove(slot), "closed once"),
                Output::Connect { conn, to, .. } => {
                    prop_assert_eq!(to.ip(), PEER.parse::<IpAddr>().unwrap());
                    prop_assert!(to.port() >= 1024);
                    flows.insert(*conn);
                }
                _ => {}
            }
        }
        prop_assert!(bound.is_empty(), "ports left open");
        prop_assert!(flows.len() <= 1000);
    }
}
