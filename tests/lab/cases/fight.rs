//! The classic fight through real NATs: six seconds of waiting each, by the protocol.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use p2pnet::proto::punch::Side;
use p2pnet::testing::fight::{FightOutcome, FightPlan, be_challenged, challenge};

use super::punch::measure;
use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::{Network, RENDEZVOUS_PORT};
use crate::node::serve;
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat, Unsolicited};

pub(crate) fn cases() -> Vec<Case> {
    let pairs = [
        (Kind::Preserve, Kind::Preserve, Unsolicited::Drop),
        (Kind::Preserve, Kind::Preserve, Unsolicited::Rst),
        (Kind::Delta, Kind::Eim, Unsolicited::Rst),
        (Kind::Seq, Kind::Preserve, Unsolicited::Drop),
        (Kind::Seq, Kind::Seq, Unsolicited::Drop),
    ];
    let case = |(a, b, refusal): (Kind, Kind, Unsolicited)| {
        let home = |name, kind| Home::new(name, Nat::kernel(kind)).unsolicited(refusal);
        let lab = Lab::new().with(home("a", a).delay_ms(12)).with(home("b", b).delay_ms(13));
        let name = format!("fight::{}-{}-{refusal:?}", a.name(), b.name()).to_lowercase();
        Case::new(name, "the classic punch, both ways", move |notes| both_ways(&lab, notes))
    };
    pairs.into_iter().map(case).collect()
}

fn both_ways(lab: &Lab, notes: &Notes) -> Result {
    let net = lab.clone().build()?;
    let _server = serve(&net)?;
    let (a, b) = (measure(&net, "a")?, measure(&net, "b")?);
    let mut worst = Duration::ZERO;
    for (challenger, challenged) in [(("a", a), ("b", b)), (("b", b), ("a", a))] {
        let begun = Instant::now();
        for outcome in fight(&net, challenger, challenged)? {
            assert_eq!(outcome.kept, 0, "the budget is not given back");
            let usable = outcome.usable.ok_or_else(|| format!("{outcome:#?}"))?;
            worst = worst.max(usable - begun);
        }
    }
    notes.note("worst_ms", worst.as_millis() as u64);
    Ok(())
}

fn fight(
    net: &Network,
    (challenger, ours): (&str, Side),
    (challenged, theirs): (&str, Side),
) -> Result<[FightOutcome; 2]> {
    let plan = |host: &str, ours: Side, other: Side| FightPlan {
        ours,
        peer_ip: other.outside_ip.expect("an outside address"),
        own: vec![net.host(host).ip()],
        server: net.server4(0, RENDEZVOUS_PORT),
    };
    let (tell, told) = mpsc::channel();
    let (first, second) = (plan(challenger, ours, theirs), plan(challenged, theirs, ours));
    thread::scope(|scope| {
        let waits = scope.spawn(move || {
            net.host(challenged).enter(move || {
                Ok(be_challenged(second, move || {
                    let _ = tell.send(());
                })?)
            })
        });
        // If it could not register, what it says about that is told below.
        let calls = told.recv().is_ok().then(|| net.host(challenger).enter(|| challenge(first)));
        let waited: Result<FightOutcome> = waits.join().unwrap_or_else(|_| Err("panicked".into()));
        Ok([calls.ok_or("no challenge")??, waited?])
    })
}
